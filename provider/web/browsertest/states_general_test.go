package browsertest

import (
	"github.com/chromedp/cdproto/network"
)

// generalStates are the pages beside sign-in and security centre, and what all of them
// can end in.
var generalStates = []state{
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
	{"timeout", "GET /timeout", "#again", 200, func(w *window, i *issuers) { w.visit(i.URL + "/timeout") }},
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

// opened shows a help page with every answer open.
func opened(w *window, i *issuers, topic string) {
	w.visit(i.URL + "/help/" + topic)
	value[bool](w, `(document.querySelectorAll("details").forEach((d) => d.open = true), true)`)
}
