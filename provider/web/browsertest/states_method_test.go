package browsertest

import (
	"strings"

	"cardea/provider"
)

// methodStates are the pages of the security centre about second factors.
var methodStates = []state{
	{"methods-none", "GET /security/methods", "#add-totp", 200, func(w *window, i *issuers) { i.bare(w, "/security/methods") }},
	{"methods", "GET /security/methods", ".item ~ .item", 200, func(w *window, i *issuers) { i.rich(w, "/security/methods") }},
	{"methods-one-added", "GET /security/methods", "#done", 200, func(w *window, i *issuers) { i.rich(w, "/security/methods?done=totp") }},

	{"method-app", "GET " + methodRoute, "#name", 200, func(w *window, i *issuers) { method(w, i.issuer, "", totp) }},
	{"method-passkey", "GET " + methodRoute, "#name", 200, func(w *window, i *issuers) {
		person, key := i.equipped(totp)
		i.passkey(person, endlessName, true)
		w.wear(i.issuer, i.home(person, key), "/security/methods/"+i.factor(person, passkey))
	}},
	{"method-text-message", "GET " + methodRoute, "#remove", 200, func(w *window, i *issuers) { method(w, i.issuer, "", sms, totp) }},
	{"method-recovery-codes", "GET " + methodRoute, `a[href="/security/recovery-codes"]`, 200, func(w *window, i *issuers) { method(w, i.issuer, "", recovery, totp) }},
	{"method-last", "GET " + methodRoute, "#last", 200, func(w *window, i *issuers) { method(w, i.strict, "", totp) }},
	{"method-without-name", "POST " + methodRoute + "/rename", "#name-error", 422, func(w *window, i *issuers) {
		method(w, i.issuer, "", totp)
		w.typed("name", " ")
	}},
	{"method-with-long-name", "POST " + methodRoute + "/rename", "#name-error", 422, func(w *window, i *issuers) {
		method(w, i.issuer, "", totp)
		value[bool](w, `(document.getElementById("name").removeAttribute("maxlength"), true)`)
		w.typed("name", strings.Repeat("å", 41))
	}},
	{"method-renamed", "GET /security/methods", "#done", 200, func(w *window, i *issuers) {
		method(w, i.issuer, "", totp)
		w.typed("name", longName)
	}},
	{"remove-method", "GET " + methodRoute + "/remove", "#confirm", 200, func(w *window, i *issuers) { method(w, i.issuer, "/remove", totp) }},
	{"remove-passkey", "GET " + methodRoute + "/remove", "#confirm", 200, func(w *window, i *issuers) {
		person, key := i.equipped(totp)
		i.passkey(person, longName, false)
		w.wear(i.issuer, i.home(person, key), "/security/methods/"+i.factor(person, passkey)+"/remove")
	}},
	{"method-removed", "GET /security/methods", "#done", 200, func(w *window, i *issuers) {
		method(w, i.issuer, "/remove", totp)
		w.press("#confirm")
	}},
	{"method-not-there", "GET " + methodRoute, "details", 404, func(w *window, i *issuers) { i.bare(w, "/security/methods/"+provider.NewID()) }},

	{"own-recovery-codes-none", "GET /security/recovery-codes", "#show", 200, func(w *window, i *issuers) { i.bare(w, "/security/recovery-codes") }},
	{"own-recovery-codes-left", "GET /security/recovery-codes", ".warn", 200, func(w *window, i *issuers) { i.rich(w, "/security/recovery-codes") }},
	{"own-recovery-codes", "POST /security/recovery-codes", ".codes", 200, func(w *window, i *issuers) {
		i.rich(w, "/security/recovery-codes")
		w.press("#show")
	}},
}

// methodRoute is the route of one second factor's page.
const methodRoute = "/security/methods/{id:[A-Za-z0-9_-]{22}}"

// method opens a page of the first of somebody's second factors.
func method(w *window, i *issuer, page string, kinds ...provider.FactorKind) {
	w.t.Helper()
	person, key := i.equipped(kinds...)
	w.wear(i, i.home(person, key), "/security/methods/"+i.factor(person, kinds[0])+page)
}
