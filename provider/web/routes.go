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

// surface is the router under construction, with a method for every sort of route.
type surface struct {
	s      *Server
	router *mux.Router
}

func (on surface) route(method, path string, h http.Handler) {
	on.router.Handle(path, on.s.measured(method, path, h)).Methods(method)
}

// get is a page.
func (on surface) get(path string, h handler) {
	on.route(http.MethodGet, path, on.s.page(h))
	on.route(http.MethodHead, path, on.s.page(h))
}

// step is a page of a sign-in. There is no HEAD: to look at a page may be to go on.
func (on surface) step(path string, h handler) { on.route(http.MethodGet, path, on.s.page(h)) }

// post answers a form of one of our pages.
func (on surface) post(path string, h handler) { on.route(http.MethodPost, path, on.s.form(h)) }

// script is post for what script asks for.
func (on surface) script(path string, h func(http.ResponseWriter, *http.Request) ([]byte, error)) {
	on.route(http.MethodPost, path, on.s.script(h))
}

// client is an endpoint for clients.
func (on surface) client(path string, h func(http.ResponseWriter, *http.Request) *oidc.Error) {
	on.route(http.MethodPost, path, on.s.endpoint(h))
}

// public is a document that is the same for everybody.
func (on surface) public(path string, h http.HandlerFunc) {
	on.route(http.MethodGet, path, h)
	on.route(http.MethodHead, path, h)
}

// routes is the whole public surface. Protocol endpoints come first, because the
// router tries routes in order.
func (s *Server) routes() *mux.Router {
	on := surface{s, mux.NewRouter().SkipClean(true).UseEncodedPath()}
	s.clientRoutes(on)
	s.signInRoutes(on)
	s.factorRoutes(on)
	on.post("/oauth2/logout/confirm", s.postSignOut)
	on.get("/signed-out", s.signedOut)
	on.post("/language", s.postLanguage)
	on.get("/", s.landing)
	on.get("/help", s.help)
	on.get("/help/{topic:[a-z-]+}", s.help)
	on.router.PathPrefix("/static/").Methods(http.MethodGet, http.MethodHead).Handler(s.measured(http.MethodGet, "/static/", s.ui.Static()))

	// Security centre.
	s.centreRoutes(on.route)
	on.get("/timeout", s.timeout)
	on.post("/security/stay", s.stay)
	on.get("/.well-known/webauthn", s.relatedOrigins)
	on.get("/.well-known/change-password", s.changePassword)
	on.get("/.well-known/passkey-endpoints", s.passkeyEndpoints)

	// For those who watch.
	on.public("/healthz", s.healthz)
	on.public("/readyz", s.readyz)

	on.router.NotFoundHandler = s.measured("ANY", "not found", s.page(func(http.ResponseWriter, *http.Request) error { return provider.NotFound }))
	on.router.MethodNotAllowedHandler = s.measured("ANY", "method not allowed", s.page(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", strings.Join(allowed(on.router, r), ", "))
		return errMethod
	}))
	return on.router
}

// clientRoutes are for clients, and where they send browsers.
func (s *Server) clientRoutes(on surface) {
	// None of these looks at a cookie, so none needs a form token.
	on.client("/oauth2/token", s.oidc.Token)
	on.client("/oauth2/introspect", s.oidc.Introspect)
	on.route(http.MethodGet, "/oauth2/userinfo", s.endpoint(s.oidc.UserInfo))
	on.client("/oauth2/userinfo", s.oidc.UserInfo)
	on.public("/oauth2/jwks", s.oidc.JWKS)
	on.public("/.well-known/openid-configuration", s.oidc.Discovery)
	on.public("/.well-known/oauth-authorization-server", s.oidc.Discovery)
	on.client("/oauth2/revoke", s.oidc.Revoke)

	// Where clients send browsers. A POST comes from the client's page, without our
	// cookies, and is turned into the GET that has them.
	on.route(http.MethodGet, "/oauth2/authorize", s.page(s.authorize)) // not HEAD: it may issue a code
	on.route(http.MethodPost, "/oauth2/authorize", s.page(s.postAuthorize))
	on.route(http.MethodGet, "/oauth2/logout", s.page(s.logout))
	on.route(http.MethodPost, "/oauth2/logout", s.page(s.postLogout))
}

// signInRoutes are the pages of a sign-in.
func (s *Server) signInRoutes(on surface) {
	on.step("/signin", s.signIn)
	on.post("/signin", s.postSignIn)
	on.post("/signin/cancel", s.postCancel)
	on.step("/signin/account", s.account)
	on.post("/signin/account", s.postAccount)
	on.post("/signin/passkey", s.postPasskey)
	on.script("/signin/passkey/options", s.passkeyOptions)
	on.step("/signin/verify", s.verify)
	on.post("/signin/verify", s.postVerify)
	on.step("/signin/verify/help", s.stuck)
	on.step("/signin/verify/totp", s.ask(s.byTOTP()))
	on.post("/signin/verify/totp", s.answer(s.byTOTP()))
	on.step("/signin/verify/passkey", s.ask(s.byPasskey()))
	on.post("/signin/verify/passkey", s.answer(s.byPasskey()))
	on.script("/signin/verify/passkey/options", s.passkeyOptions)
	on.step("/signin/verify/sms", s.askCode(provider.FactorSMS))
	on.post("/signin/verify/sms", s.answer(s.bySent(provider.FactorSMS)))
	on.post("/signin/verify/sms/send", s.postSend(provider.FactorSMS))
	on.step("/signin/verify/email", s.askCode(provider.FactorEmail))
	on.post("/signin/verify/email", s.answer(s.bySent(provider.FactorEmail)))
	on.post("/signin/verify/email/send", s.postSend(provider.FactorEmail))
	on.step("/signin/verify/recovery", s.ask(s.byRecovery()))
	on.post("/signin/verify/recovery", s.answer(s.byRecovery()))
	on.step("/signin/consent", s.consent)
	on.post("/signin/consent", s.postConsent)
	on.step("/signin/continue", s.resume)
}

// factorRoutes are the pages of setting up a second factor, or a contact.
func (s *Server) factorRoutes(on surface) {
	on.step("/factor/new", s.chooseNew)
	on.step("/factor/totp/new", s.newTOTP)
	on.post("/factor/totp/new", s.postNewTOTP)
	on.step("/factor/passkey/new", s.newPasskey)
	on.post("/factor/passkey/new", s.postNewPasskey)
	on.script("/factor/passkey/options", s.newPasskeyOptions)
	on.step("/factor/phone/new", s.newContact(contactPhone))
	on.post("/factor/phone/new", s.postNewContact(contactPhone))
	on.post("/factor/phone/send", s.postSendContact(contactPhone))
	on.post("/factor/phone/confirm", s.postConfirmContact(contactPhone))
	on.step("/factor/email/new", s.newContact(contactEmail))
	on.post("/factor/email/new", s.postNewContact(contactEmail))
	on.post("/factor/email/send", s.postSendContact(contactEmail))
	on.post("/factor/email/confirm", s.postConfirmContact(contactEmail))
	on.step("/factor/recovery-codes", s.offerCodes)
	on.post("/factor/recovery-codes", s.postMakeCodes)
	on.post("/factor/recovery-codes/download", s.postDownloadCodes)
	on.post("/factor/recovery-codes/done", s.postCodesDone)
}

// centreRoutes are the pages of the security centre. There is no HEAD: without a
// session, looking at a page begins a sign-in.
func (s *Server) centreRoutes(route func(method, path string, h http.Handler)) {
	view := func(path string, h ownerPage) { route(http.MethodGet, path, s.page(s.owned(false, h))) }
	ask := func(path string, h ownerPage) { route(http.MethodGet, path, s.page(s.owned(true, h))) }
	change := func(path, back string, h ownerPage) { route(http.MethodPost, path, s.form(s.changing(back, h))) }
	const factor = "/{id:[A-Za-z0-9_-]{22}}"

	view(securityPath, s.security)
	ask(passwordPath, s.password)
	change(passwordPath, passwordPath, s.postPassword)
	view(methodsPath, s.methods)
	change(methodsPath+"/add", methodsPath, s.postAddMethod)
	ask(methodsPath+factor, s.method)
	change(methodsPath+factor+"/rename", methodsPath+"/{id}", s.postRenameMethod)
	ask(methodsPath+factor+"/remove", s.removeMethod)
	change(methodsPath+factor+"/remove", methodsPath+"/{id}/remove", s.postRemoveMethod)
	ask(codesPath, s.ownCodes)
	change(codesPath, codesPath, s.postOwnCodes)
	change(codesPath+"/download", codesPath, s.postOwnCodesFile)
	view(devicesPath, s.devices)
	change(devicesPath+"/sign-out", devicesPath, s.postSignOutDevice)
	view(othersPath, s.signOutOthers)
	change(othersPath, othersPath, s.postSignOutOthers)
	change(devicesPath+"/forget", devicesPath, s.postForgetDevice)
	view(activityPath, s.activity)
	view(reportPath, s.report)
	change(reportPath, reportPath, s.postReport)
	view(appsPath, s.apps)
	ask(appsPath+"/remove", s.removeApp)
	change(appsPath+"/remove", appsPath, s.postRemoveApp)
	view(contactPath, s.contact)
	change(contactPath, contactPath, s.postContact)
	view(languagePath, s.ownLanguage)
	change(languagePath, languagePath, s.postOwnLanguage)
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

// steps are the pages of a sign-in's steps, but for those that have several: see
// stepPath.
var steps = map[provider.Step]string{
	provider.StepAccount:  "/signin/account",
	provider.StepPassword: "/signin",
	provider.StepCodes:    newCodesPath,
	provider.StepConsent:  "/signin/consent",
	provider.StepDone:     "/signin/continue",
}
