package browsertest

import (
	"strings"
	"time"

	"cardea/provider"
)

// enrolStates are the pages that set up a second factor or a contact, at sign-in and
// for the security centre.
var enrolStates = []state{
	{"choose-method", "GET /factor/new", ".options", 200, func(w *window, i *issuers) { setUp(w, i, "/factor/new") }},
	{"choose-method-without-script", "GET /factor/new", "[data-noscript]", 200, func(w *window, i *issuers) {
		w.plainly(func() { setUp(w, i, "/factor/new") })
	}},
	{"choose-method-for-security-centre", "GET /factor/new", ".options", 200, func(w *window, i *issuers) {
		b, page := i.strict.begun(i.strict.newcomer(), "/security")
		w.wear(i.strict, b, page.URL.String())
	}},

	{"connect-app", "GET /factor/totp/new", ".steps", 200, func(w *window, i *issuers) { setUp(w, i, "/factor/totp/new") }},
	{"connect-app-opened", "GET /factor/totp/new", "code.key", 200, func(w *window, i *issuers) {
		setUp(w, i, "/factor/totp/new")
		w.unfold()
	}},
	{"connect-app-wrong-code", "POST /factor/totp/new", "#code-error", 422, func(w *window, i *issuers) {
		setUp(w, i, "/factor/totp/new")
		w.typed("code", "000000")
	}},
	{"add-app", "GET /factor/totp/new", ".steps", 200, func(w *window, i *issuers) { add(w, i, "#add-totp") }},
	{"add-app-wrong-code", "POST /factor/totp/new", "#code-error", 422, func(w *window, i *issuers) {
		add(w, i, "#add-totp")
		w.typed("code", "12")
	}},

	{"create-passkey", "GET /factor/passkey/new", "#passkey", 200, func(w *window, i *issuers) { setUp(w, i, "/factor/passkey/new") }},
	{"create-passkey-without-script", "GET /factor/passkey/new", "[data-noscript]", 200, func(w *window, i *issuers) {
		w.plainly(func() { setUp(w, i, "/factor/passkey/new") })
	}},
	{"create-passkey-exists-in-the-browser", "GET /factor/passkey/new", "[data-exists]", 200, func(w *window, i *issuers) {
		setUp(w, i, "/factor/passkey/new")
		value[bool](w, `(document.querySelector("[data-exists]").hidden = false, true)`)
	}},
	{"create-passkey-wrong", "POST /factor/passkey/new", "#error-summary", 422, func(w *window, i *issuers) {
		setUp(w, i, "/factor/passkey/new")
		w.sendWithoutButton("/factor/passkey/new", "credential", "{}")
	}},
	{"create-passkey-without-answer", "POST /factor/passkey/new", "#error-summary", 422, func(w *window, i *issuers) {
		setUp(w, i, "/factor/passkey/new")
		w.sendWithoutButton("/factor/passkey/new")
	}},
	{"add-passkey", "GET /factor/passkey/new", "#passkey", 200, func(w *window, i *issuers) { add(w, i, "#add-passkey") }},

	{"phone-on-file", "GET /factor/phone/new", "#use-current", 200, func(w *window, i *issuers) { setUp(w, i, "/factor/phone/new") }},
	{"phone", "GET /factor/phone/new", "#phone", 200, func(w *window, i *issuers) { setUp(w, i, "/factor/phone/new", noContact) }},
	{"phone-empty", "POST /factor/phone/new", "#phone-error", 422, func(w *window, i *issuers) {
		setUp(w, i, "/factor/phone/new", noContact)
		w.press("#submit")
	}},
	{"phone-wrong", "POST /factor/phone/new", "#phone-error", 422, func(w *window, i *issuers) {
		setUp(w, i, "/factor/phone/new", noContact)
		w.typed("phone", "twelve")
	}},
	{"phone-code", "GET /factor/phone/new", ".ok", 200, func(w *window, i *issuers) { setUpPhone(w, i) }},
	{"phone-code-sent-before", "GET /factor/phone/new", ".warn", 200, func(w *window, i *issuers) {
		setUpPhone(w, i)
		w.visit(strings.TrimSuffix(w.address(), "&sent=1"))
	}},
	{"phone-code-sent-again", "GET /factor/phone/new", ".ok", 200, func(w *window, i *issuers) {
		setUpPhone(w, i)
		i.strict.Wait(time.Minute)
		w.press("#send")
	}},
	{"phone-code-wrong", "POST /factor/phone/confirm", "#code-error", 422, func(w *window, i *issuers) {
		setUpPhone(w, i)
		w.typed("code", "12")
	}},
	{"phone-code-too-late", "POST /factor/phone/confirm", "#code-error", 422, func(w *window, i *issuers) {
		setUpPhone(w, i)
		i.strict.Wait(11 * time.Minute)
		w.typed("code", "123456")
	}},
	{"phone-code-too-soon", "POST /factor/phone/send", "#error-summary", 429, func(w *window, i *issuers) {
		setUpPhone(w, i)
		w.press("#send")
	}},
	{"phone-again", "GET /factor/phone/new", "#phone", 200, func(w *window, i *issuers) {
		setUpPhone(w, i)
		w.press("#again")
	}},
	{"add-phone", "GET /factor/phone/new", "#submit", 200, func(w *window, i *issuers) { add(w, i, "#add-sms") }},
	{"change-phone", "GET /factor/phone/new", "#phone", 200, func(w *window, i *issuers) { contact(w, i, "#change-phone") }},
	{"change-phone-same", "POST /factor/phone/new", "#phone-error", 422, func(w *window, i *issuers) {
		w.typed("phone", contact(w, i, "#change-phone").Profile.PhoneNumber)
	}},
	{"change-phone-code", "GET /factor/phone/new", "#code", 200, func(w *window, i *issuers) {
		contact(w, i, "#change-phone")
		w.typed("phone", "070-174 06 99")
	}},

	{"email-on-file", "GET /factor/email/new", "#use-current", 200, func(w *window, i *issuers) { setUp(w, i, "/factor/email/new") }},
	{"email-address", "GET /factor/email/new", "#email", 200, func(w *window, i *issuers) { setUp(w, i, "/factor/email/new", noContact) }},
	{"email-address-wrong", "POST /factor/email/new", "#email-error", 422, func(w *window, i *issuers) {
		setUp(w, i, "/factor/email/new", noContact)
		w.typed("email", "karin at example.com")
	}},
	{"email-address-code", "GET /factor/email/new", ".ok", 200, func(w *window, i *issuers) { setUpEmail(w, i) }},
	{"email-address-code-wrong", "POST /factor/email/confirm", "#code-error", 422, func(w *window, i *issuers) {
		setUpEmail(w, i)
		w.typed("code", "12")
	}},
	{"email-address-code-too-soon", "POST /factor/email/send", "#error-summary", 429, func(w *window, i *issuers) {
		setUpEmail(w, i)
		w.press("#send")
	}},
	{"add-email", "GET /factor/email/new", "#submit", 200, func(w *window, i *issuers) { add(w, i, "#add-email") }},
	{"change-email-address", "GET /factor/email/new", "#email", 200, func(w *window, i *issuers) { contact(w, i, "#change-address") }},
	{"change-email-address-code", "GET /factor/email/new", "#code", 200, func(w *window, i *issuers) {
		contact(w, i, "#change-address")
		w.typed("email", "ett.mycket.langt.namn.som.knappt.far.plats@mail.exempelforetaget.example.com")
	}},

	{"recovery-codes-offered", "GET /factor/recovery-codes", "#show", 200, func(w *window, i *issuers) { offered(w, i) }},
	{"recovery-codes", "POST /factor/recovery-codes", ".codes", 200, func(w *window, i *issuers) {
		offered(w, i)
		w.press("#show")
	}},
	{"recovery-codes-not-saved", "POST /factor/recovery-codes/done", "#saved-error", 422, func(w *window, i *issuers) {
		offered(w, i)
		w.press("#show")
		w.press("#done")
	}},
}

// noContact is a profile without telephone number and e-mail address.
func noContact(p *provider.Profile) {
	p.PhoneNumber, p.PhoneNumberVerified, p.Email, p.EmailVerified = "", false, "", false
}

// setUp opens a page of setting up a factor, for somebody who has to.
func setUp(w *window, i *issuers, path string, changes ...func(*provider.Profile)) *provider.Account {
	w.t.Helper()
	person := i.strict.newcomer(changes...)
	b, page := i.strict.begun(person, i.strict.authorize(i.strict.app))
	w.wear(i.strict, b, on(page, path))
	return person
}

func setUpPhone(w *window, i *issuers) {
	w.t.Helper()
	setUp(w, i, "/factor/phone/new", noContact)
	w.typed("phone", "070-174 06 98")
}

func setUpEmail(w *window, i *issuers) {
	w.t.Helper()
	setUp(w, i, "/factor/email/new")
	w.press("#use-current")
}

// offered opens the page that offers recovery codes.
func offered(w *window, i *issuers) {
	w.t.Helper()
	b, page := i.strict.enrolled(i.strict.newcomer())
	w.wear(i.strict, b, page.URL.String())
}

// add begins to set up a factor in the security centre.
func add(w *window, i *issuers, button string) {
	w.t.Helper()
	w.wear(i.issuer, i.home(i.newcomer(), ""), "/security/methods")
	w.press(button)
}

// contact begins to change somebody's contact.
func contact(w *window, i *issuers, button string) *provider.Account {
	w.t.Helper()
	person := i.newcomer()
	w.wear(i.issuer, i.home(person, ""), "/security/contact")
	w.press(button)
	return person
}

// unfold opens everything that can be opened.
func (w *window) unfold() {
	w.t.Helper()
	value[bool](w, `(document.querySelectorAll("details").forEach((d) => d.open = true), true)`)
}
