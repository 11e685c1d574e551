package browsertest

import (
	"cardea/provider/web/webtest"
)

// signInStates are the pages of a sign-in, but for those of second factors.
var signInStates = []state{
	{"sign-in", "GET /signin", "#username", 200, func(w *window, i *issuers) { w.visit(i.authorize(i.app)) }},
	{"sign-in-remembered", "GET /signin", "#remember:checked", 200, func(w *window, i *issuers) {
		b := i.Browser()
		b.SignIn(b.Get(i.authorize(i.app)), i.newcomer().UserID, webtest.Password, "remember", "1")
		b.SetCookie("cardea-session", "")
		w.wear(i.issuer, b, i.authorize(i.app))
	}},
	{"sign-in-empty", "POST /signin", "#password-error", 422, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.press("#submit")
	}},
	{"sign-in-wrong", "POST /signin", "#error-summary", 422, func(w *window, i *issuers) { wrong(w, i, 1) }},
	{"sign-in-last-attempt", "POST /signin", ".warn", 422, func(w *window, i *issuers) { wrong(w, i, 4) }},
	{"sign-in-passkey-wrong", "POST /signin/passkey", "#error-summary", 422, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.sendWithoutButton("/signin/passkey", "credential", "{}")
	}},
	{"sign-in-passkey-without-answer", "POST /signin/passkey", "#error-summary", 422, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.sendWithoutButton("/signin/passkey")
	}},
	{"sign-in-again", "GET /signin", "#username[value]", 200, func(w *window, i *issuers) { signedIn(w, i, i.app, "prompt", "login") }},
	{"sign-in-for-a-purpose", "GET /signin", "h1 + .lead", 200, func(w *window, i *issuers) { signedIn(w, i, i.payments, "max_age", "0") }},
	{"sign-in-for-a-purpose-wrong", "POST /signin", "#error-summary", 422, func(w *window, i *issuers) {
		signedIn(w, i, i.payments, "max_age", "0")
		w.typed("password", "wrong password")
	}},
	{"locked", "POST /signin", `a[href$="#passkey-form"]`, 429, func(w *window, i *issuers) { wrong(w, i, 5) }},
	{"locked-until-customer-service-opens", "POST /signin", `h1 ~ .call`, 403, func(w *window, i *issuers) {
		w.visit(i.authorize(i.app))
		w.signIn(i.hard, webtest.Password)
	}},
	{"account", "GET /signin/account", "#other", 200, func(w *window, i *issuers) { signedIn(w, i, i.app, "prompt", "select_account") }},
	{"account-nothing-chosen", "POST /signin/account", "#error-summary", 422, func(w *window, i *issuers) {
		signedIn(w, i, i.app, "prompt", "select_account")
		w.sendWithoutButton("/signin/account")
	}},
	{"consent", "GET /signin/consent", ".scopes", 200, func(w *window, i *issuers) { consent(w, i) }},
	{"consent-openid", "GET /signin/consent", ".scopes li", 200, func(w *window, i *issuers) {
		b, page := i.begun(i.newcomer(), i.authorize(i.budget, "scope", "openid", "prompt", "consent"))
		w.wear(i.issuer, b, page.URL.String())
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
}

// wrong types n wrong passwords.
func wrong(w *window, i *issuers, n int) {
	userID := i.newcomer().UserID
	b := i.Browser()
	page := b.Get(i.authorize(i.app))
	for range n - 1 {
		b.SignIn(page, userID, "wrong password")
	}
	w.wear(i.issuer, b, page.URL.String())
	w.signIn(userID, "wrong password")
}

// signedIn signs somebody in and then sends a second request.
func signedIn(w *window, i *issuers, c *webtest.Client, over ...string) {
	b, _ := i.begun(i.newcomer(), i.authorize(c))
	w.wear(i.issuer, b, i.authorize(c, over...))
}

func consent(w *window, i *issuers) {
	b, page := i.begun(i.newcomer(), i.authorize(i.budget, "scope", "openid profile email address phone offline_access "+webtest.APIScope))
	w.wear(i.issuer, b, page.URL.String())
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
