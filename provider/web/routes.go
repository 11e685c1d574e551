package web

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"cardea/provider"
	"cardea/provider/oidc"
)

// handler is one verb of one page. An error it returns has not been answered.
type handler func(w http.ResponseWriter, r *http.Request) error

// routes is the whole public surface. Protocol endpoints come first, because the
// router tries routes in order.
func (s *Server) routes() http.Handler {
	router := mux.NewRouter().SkipClean(true).UseEncodedPath()
	route := func(method, path string, h http.Handler) {
		router.Handle(path, s.measured(method, path, h)).Methods(method)
	}
	get := func(path string, h handler) {
		route(http.MethodGet, path, s.page(h))
		route(http.MethodHead, path, s.page(h))
	}
	post := func(path string, h handler) { route(http.MethodPost, path, s.form(h)) }
	client := func(path string, h func(http.ResponseWriter, *http.Request) *oidc.Error) {
		route(http.MethodPost, path, s.endpoint(h))
	}
	public := func(path string, h http.HandlerFunc) {
		route(http.MethodGet, path, h)
		route(http.MethodHead, path, h)
	}

	// For clients. None of these looks at a cookie, so none needs a form token.
	client("/oauth2/token", s.oidc.Token)
	client("/oauth2/introspect", s.oidc.Introspect)
	route(http.MethodGet, "/oauth2/userinfo", s.endpoint(s.oidc.UserInfo))
	client("/oauth2/userinfo", s.oidc.UserInfo)
	public("/oauth2/jwks", s.oidc.JWKS)
	public("/.well-known/openid-configuration", s.oidc.Discovery)
	public("/.well-known/oauth-authorization-server", s.oidc.Discovery)
	client("/oauth2/revoke", s.oidc.Revoke)

	// Where clients send browsers. A POST comes from the client's page, without our
	// cookies, and is turned into the GET that has them.
	route(http.MethodGet, "/oauth2/authorize", s.page(s.authorize)) // not HEAD: it may issue a code
	route(http.MethodPost, "/oauth2/authorize", s.page(s.postAuthorize))
	route(http.MethodGet, "/oauth2/logout", s.page(s.logout))
	route(http.MethodPost, "/oauth2/logout", s.page(s.postLogout))

	// Pages.
	get("/signin", s.signIn)
	post("/signin", s.postSignIn)
	post("/signin/cancel", s.postCancel)
	get("/signin/account", s.account)
	post("/signin/account", s.postAccount)
	get("/signin/verify", s.verify)
	post("/signin/verify", s.postVerify)
	get("/signin/verify/totp", s.totp)
	post("/signin/verify/totp", s.postTOTP)
	get("/factor/totp/new", s.enrol)
	post("/factor/totp/new", s.postEnrol)
	get("/signin/consent", s.consent)
	post("/signin/consent", s.postConsent)
	get("/signin/continue", s.resume)
	post("/oauth2/logout/confirm", s.postSignOut)
	get("/signed-out", s.signedOut)
	post("/language", s.postLanguage)
	get("/", s.landing)
	get("/help", s.help)
	get("/help/{topic:[a-z-]+}", s.help)
	router.PathPrefix("/static/").Methods(http.MethodGet, http.MethodHead).Handler(s.measured(http.MethodGet, "/static/", s.ui.Static()))

	// For those who watch.
	public("/healthz", s.healthz)
	public("/readyz", s.readyz)

	router.NotFoundHandler = s.measured("ANY", "not found", s.page(func(http.ResponseWriter, *http.Request) error { return provider.NotFound }))
	router.MethodNotAllowedHandler = s.measured("ANY", "method not allowed", s.page(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", strings.Join(allowed(router, r), ", "))
		return errMethod
	}))
	return router
}

// allowed are the methods that the path of r has (RFC 9110 §15.5.6).
func allowed(router *mux.Router, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		asked := *r
		asked.Method = method
		var match mux.RouteMatch
		if router.Match(&asked, &match) && match.MatchErr == nil {
			methods = append(methods, method)
		}
	}
	return methods
}

// steps are the pages of a sign-in's steps.
var steps = map[provider.Step]string{
	provider.StepAccount:  "/signin/account",
	provider.StepPassword: "/signin",
	provider.StepVerify:   "/signin/verify/totp",
	provider.StepEnrol:    "/factor/totp/new",
	provider.StepConsent:  "/signin/consent",
	provider.StepDone:     "/signin/continue",
}
