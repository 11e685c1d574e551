package browsertest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// state is one thing that one page can show. The rules that hold for all pages are
// checked in every state: see rules_test.go.
type state struct {
	name   string
	route  string // the method and path that answers with it, as in routes.go
	shows  string // selector of what makes it this state
	status int64
	reach  func(w *window, i *issuers)
}

// issuers are those that the states need, with different rules.
type issuers struct {
	*issuer         // a second factor is optional
	strict  *issuer // a second factor is required
	broken  *issuer // its database is closed
	session string  // cookie of somebody who had signed in there
	hard    string  // User ID that only customer service can open
	shelf   string  // serves what no issuer shows
}

func startAll(t testing.TB) *issuers {
	t.Helper()
	all := &issuers{issuer: start(t), strict: start(t, webtest.Policy(provider.SecondFactorRequired)), broken: start(t), shelf: shelf(t)}
	all.hard = all.newcomer().UserID
	for range 3 {
		all.lock(all.hard)
		all.Wait(31 * time.Minute)
	}
	b := all.broken.Browser()
	b.SignIn(b.Get(all.broken.authorize(all.broken.app)), all.broken.newcomer().UserID, webtest.Password)
	all.session = b.Cookie("cardea-session")
	if err := all.broken.Store.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// origins are the addresses that the states may load from.
func (all *issuers) origins() []string {
	return []string{all.URL, all.client, all.strict.URL, all.strict.client, all.broken.URL, all.shelf}
}

// states is every state of every page. TestEveryRouteHasAState says when one is missing.
var states = []state{
	{"sign-in", "GET /signin", "#username", 200, func(w *window, i *issuers) { w.visit(i.authorize(i.app)) }},
	{"sign-in-remembered", "GET /signin", "#remember:checked", 200, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.fill("username", i.newcomer().UserID)
		w.fill("password", webtest.Password)
		w.click("#remember")
		w.press("#submit")
		w.returned(i.issuer)
		w.visit(i.authorize(i.app, "prompt", "login"))
	}},
	{"sign-in-empty", "POST /signin", "#password-error", 422, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.press("#submit")
	}},
	{"sign-in-wrong", "POST /signin", "#error-summary", 422, func(w *window, i *issuers) { wrong(w, i, 1) }},
	{"sign-in-last-attempt", "POST /signin", ".warn", 422, func(w *window, i *issuers) { wrong(w, i, 4) }},
	{"locked", "POST /signin", `h1 ~ .call`, 429, func(w *window, i *issuers) { wrong(w, i, 5) }},
	{"locked-until-customer-service-opens", "POST /signin", `h1 ~ .call`, 403, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.signIn(i.hard, webtest.Password)
	}},
	{"account", "GET /signin/account", "#other", 200, func(w *window, i *issuers) { signedIn(w, i, i.app, "prompt", "select_account") }},
	{"account-nothing-chosen", "POST /signin/account", "#error-summary", 422, func(w *window, i *issuers) {
		signedIn(w, i, i.app, "prompt", "select_account")
		w.sendWithoutButton("/signin/account")
	}},
	{"ways-to-confirm", "GET /signin/verify", "#method", 200, func(w *window, i *issuers) {
		code(w, i)
		w.visit(strings.Replace(w.address(), "/verify/totp", "/verify", 1))
	}},
	{"ways-to-confirm-nothing-chosen", "POST /signin/verify", "#method-error", 422, func(w *window, i *issuers) {
		code(w, i)
		w.visit(strings.Replace(w.address(), "/verify/totp", "/verify", 1))
		value[bool](w, `document.getElementById("method").checked = false`)
		w.press("#submit")
	}},
	{"code", "GET /signin/verify/totp", "#code", 200, func(w *window, i *issuers) { code(w, i) }},
	{"code-wrong", "POST /signin/verify/totp", "#code-error", 422, func(w *window, i *issuers) {
		code(w, i)
		w.fill("code", "000000")
		w.press("#submit")
	}},
	{"code-too-many", "POST /signin/verify/totp", "#error-summary", 429, func(w *window, i *issuers) {
		code(w, i)
		for range 6 {
			w.fill("code", "000000")
			w.press("#submit")
		}
	}},
	{"connect-app", "GET /factor/totp/new", ".steps", 200, func(w *window, i *issuers) { connect(w, i) }},
	{"connect-app-opened", "GET /factor/totp/new", "code.key", 200, func(w *window, i *issuers) {
		connect(w, i)
		value[bool](w, `(document.querySelectorAll("details").forEach((d) => d.open = true), true)`)
	}},
	{"connect-app-wrong-code", "POST /factor/totp/new", "#code-error", 422, func(w *window, i *issuers) {
		connect(w, i)
		w.fill("code", "000000")
		w.press("#submit")
	}},
	{"consent", "GET /signin/consent", ".scopes", 200, func(w *window, i *issuers) { consent(w, i) }},
	{"consent-openid", "GET /signin/consent", ".scopes li", 200, func(w *window, i *issuers) {
		w.visit(i.authorize(i.budget, "scope", "openid", "prompt", "consent"))
		w.signIn(i.newcomer().UserID, webtest.Password)
	}},
	{"consent-nothing-chosen", "POST /signin/consent", "#error-summary", 422, func(w *window, i *issuers) {
		consent(w, i)
		w.sendWithoutButton("/signin/consent")
	}},
	{"continue", "POST /signin/cancel", "a#continue", 200, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app, "redirect_uri", i.client+"/silent"))
		w.press("#cancel")
	}},
	{"continue-expired", "GET /signin/continue", "h1", 400, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.visit(i.URL + "/signin/continue?ix=gone")
	}},
	{"sign-out", "GET /oauth2/logout", "#confirm", 200, func(w *window, i *issuers) {
		signedIn(w, i, i.app)
		w.visit(i.URL + "/oauth2/logout")
	}},
	{"sign-out-bad-request", "GET /oauth2/logout", "h1", 400, func(w *window, i *issuers) {
		w.visit(i.URL + "/oauth2/logout?id_token_hint=nonsense")
	}},
	{"signed-out", "GET /signed-out", ".ok", 200, func(w *window, i *issuers) {
		signedIn(w, i, i.app)
		w.visit(i.URL + "/oauth2/logout")
		w.press("#confirm")
	}},
	{"front", "GET /", ".links", 200, func(w *window, i *issuers) { w.visit(i.URL + "/") }},
	{"front-signed-in", "GET /", "#signout", 200, func(w *window, i *issuers) {
		signedIn(w, i, i.app)
		w.visit(i.URL + "/")
	}},
	{"help", "GET /help", ".topics", 200, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.press("footer a")
	}},
	{"help-sign-in", "GET /help/{topic:[a-z-]+}", "details", 200, func(w *window, i *issuers) { opened(w, i, "sign-in") }},
	{"help-security", "GET /help/{topic:[a-z-]+}", "details", 200, func(w *window, i *issuers) { opened(w, i, "security") }},
	{"help-phishing", "GET /help/{topic:[a-z-]+}", "details", 200, func(w *window, i *issuers) { opened(w, i, "phishing") }},
	{"help-contact", "GET /help/{topic:[a-z-]+}", ".routes", 200, func(w *window, i *issuers) { opened(w, i, "contact") }},
	{"error-expired", "GET /signin", "details", 400, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.visit(i.URL + "/signin?ix=gone")
	}},
	{"error-cookies", "GET /signin", "details", 400, func(w *window, i *issuers) { w.visit(i.URL + "/signin?ix=gone") }},
	{"error-client-unknown", "GET /oauth2/authorize", ".fine", 400, func(w *window, i *issuers) { w.visit(i.authorize(i.app, "client_id", "nobody")) }},
	{"error-client-redirect", "GET /oauth2/authorize", ".fine", 400, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app, "redirect_uri", "https://evil.example/"))
	}},
	{"error-forbidden", "POST /signin", "details", 403, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		value[string](w, `document.querySelector("form[action='/signin'] [name=form_token]").value = "other"`)
		w.press("#submit")
	}},
	{"error-not-found", "ANY not found", "details", 404, func(w *window, i *issuers) { w.visit(i.URL + "/nothing-here") }},
	{"error-method", "ANY method not allowed", "details", 405, func(w *window, i *issuers) { w.visit(i.URL + "/oauth2/logout/confirm") }},
	{"error-unavailable", "GET /", "details", 503, func(w *window, i *issuers) {
		call(w, network.SetCookie, network.SetCookieParams{Name: "cardea-session", Value: i.session, URL: i.broken.URL})
		w.visit(i.broken.URL + "/")
	}},
}

// silent are the routes that never answer with a page of their own, and why.
var silent = map[string]string{
	"POST /language":              "comes back to the page it stood on",
	"POST /oauth2/authorize":      "becomes the GET with the same parameters",
	"POST /oauth2/logout":         "becomes the GET with the same parameters",
	"POST /oauth2/logout/confirm": "leads to /signed-out",
}

// TestEveryRouteHasAState reads the routes of pages out of routes.go.
func TestEveryRouteHasAState(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../routes.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^\t(get|post|route)\((?:http\.Method(Get|Post), )?"([^"]+)", s\.(page\()?`).FindAllStringSubmatch(string(source), -1) {
		if m[1] == "route" && m[4] == "" {
			continue // a protocol endpoint
		}
		found++
		route := strings.ToUpper(m[1]) + " " + m[3]
		if m[1] == "route" {
			route = strings.ToUpper(m[2]) + " " + m[3]
		}
		if silent[route] == "" && !slices.ContainsFunc(states, func(s state) bool { return s.route == route }) {
			t.Errorf("%s is a page without a state: add it to states, so that the rules for all pages are checked on it", route)
		}
	}
	if found < 20 {
		t.Errorf("found only %d routes of pages: does routes.go look different now?", found)
	}
}

// wrong types n wrong passwords.
func wrong(w *window, i *issuers, n int) {
	w.visit(i.authorize(i.app))
	userID := i.newcomer().UserID
	for range n {
		w.signIn(userID, "wrong password")
	}
}

// signedIn signs somebody in and then sends a second request.
func signedIn(w *window, i *issuers, c *webtest.Client, over ...string) {
	w.visit(i.authorize(c))
	w.signIn(i.newcomer().UserID, webtest.Password)
	w.returned(i.issuer)
	if len(over) > 0 {
		w.visit(i.authorize(c, over...))
	}
}

// code goes to the page that asks for a code.
func code(w *window, i *issuers) {
	person := i.newcomer()
	i.Authenticator(person)
	w.visit(i.authorize(i.app))
	w.signIn(person.UserID, webtest.Password)
}

func connect(w *window, i *issuers) {
	w.visit(i.strict.authorize(i.strict.app))
	w.signIn(i.strict.newcomer().UserID, webtest.Password)
}

func consent(w *window, i *issuers) {
	w.visit(i.authorize(i.budget, "scope", "openid profile email address phone offline_access "+webtest.APIScope))
	w.signIn(i.newcomer().UserID, webtest.Password)
}

// opened shows a help page with every answer open.
func opened(w *window, i *issuers, topic string) {
	w.visit(i.URL + "/help/" + topic)
	value[bool](w, `(document.querySelectorAll("details").forEach((d) => d.open = true), true)`)
}

// sendWithoutButton submits a form of two buttons as if neither had been pressed.
func (w *window) sendWithoutButton(action string) {
	w.t.Helper()
	w.loading("submitting "+action, func() {
		value[bool](w, `(document.querySelector(`+js(`form[action="`+action+`"]`)+`).submit(), true)`)
	})
}

// lock types wrong passwords in a browser without a window.
func (i *issuer) lock(userID string) {
	i.T.Helper()
	b := i.Browser()
	page := b.Get(i.authorize(i.app))
	for range 5 {
		page = b.SignIn(page, userID, "wrong password")
	}
}
