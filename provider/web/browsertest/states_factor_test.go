package browsertest

import (
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

const (
	passkey  = provider.FactorPasskey
	totp     = provider.FactorTOTP
	sms      = provider.FactorSMS
	email    = provider.FactorEmail
	recovery = provider.FactorRecovery
)

// factorStates are the pages that ask for a second factor.
var factorStates = []state{
	{"ways-to-confirm", "GET /signin/verify", "#method-4", 200, func(w *window, i *issuers) { having(w, i, "", everything...) }},
	{"ways-to-confirm-one", "GET /signin/verify", "#method", 200, func(w *window, i *issuers) { having(w, i, "", totp) }},
	{"ways-to-confirm-without-script", "GET /signin/verify", "[data-noscript]", 200, func(w *window, i *issuers) {
		w.plainly(func() { having(w, i, "", passkey, totp) })
	}},
	{"ways-to-confirm-nothing-chosen", "POST /signin/verify", "#method-error", 422, func(w *window, i *issuers) {
		having(w, i, "", everything...)
		value[bool](w, `document.getElementById("method").checked = false`)
		w.press("#submit")
	}},
	{"ways-to-confirm-for-a-purpose", "GET /signin/verify", "h1 + .lead", 200, func(w *window, i *issuers) {
		person, key := i.equipped(totp, sms)
		b := i.home(person, key)
		page := b.SignIn(b.Get(i.authorize(i.payments, "max_age", "0")), person.UserID, webtest.Password)
		w.wear(i.issuer, b, on(page, "/signin/verify"))
	}},
	{"no-way-to-confirm", "GET /signin/verify", ".call", 200, func(w *window, i *issuers) {
		person, _ := i.equipped(sms)
		i.change(person, func(p *provider.Profile) { p.PhoneNumberVerified = false })
		w.asked(i.issuer, person, "")
	}},
	{"help-with-confirming", "GET /signin/verify/help", ".call", 200, func(w *window, i *issuers) { having(w, i, "/help", totp) }},

	{"code", "GET /signin/verify/totp", "#code", 200, func(w *window, i *issuers) { having(w, i, "/totp", totp) }},
	{"code-or-another-way", "GET /signin/verify/totp", `a[href^="/signin/verify?"]`, 200, func(w *window, i *issuers) { having(w, i, "/totp", totp, sms) }},
	{"code-empty", "POST /signin/verify/totp", "#code-error", 422, func(w *window, i *issuers) {
		having(w, i, "/totp", totp)
		w.press("#submit")
	}},
	{"code-wrong", "POST /signin/verify/totp", "#code-error", 422, func(w *window, i *issuers) {
		having(w, i, "/totp", totp)
		w.typed("code", "000000")
	}},
	{"code-locked", "POST /signin/verify/totp", "#error-summary", 429, func(w *window, i *issuers) { lockedOut(w, i, 5, "/totp", totp) }},
	{"code-locked-until-customer-service-opens", "POST /signin/verify/totp", "#error-summary", 403, func(w *window, i *issuers) { lockedOut(w, i, 20, "/totp", totp) }},

	{"passkey", "GET /signin/verify/passkey", "#passkey", 200, func(w *window, i *issuers) { having(w, i, "/passkey", passkey, totp) }},
	{"passkey-without-script", "GET /signin/verify/passkey", "[data-noscript]", 200, func(w *window, i *issuers) {
		w.plainly(func() { having(w, i, "/passkey", passkey, totp) })
	}},
	{"passkey-failed-in-the-browser", "GET /signin/verify/passkey", "[data-failed]", 200, func(w *window, i *issuers) {
		having(w, i, "/passkey", passkey)
		value[bool](w, `(document.querySelector("[data-failed]").hidden = false, true)`)
	}},
	{"passkey-wrong", "POST /signin/verify/passkey", "#error-summary", 422, func(w *window, i *issuers) {
		having(w, i, "/passkey", passkey)
		w.sendWithoutButton("/signin/verify/passkey", "credential", "{}")
	}},
	{"passkey-without-answer", "POST /signin/verify/passkey", "#error-summary", 422, func(w *window, i *issuers) {
		having(w, i, "/passkey", passkey)
		w.sendWithoutButton("/signin/verify/passkey")
	}},

	{"sms", "GET /signin/verify/sms", ".ok", 200, func(w *window, i *issuers) { having(w, i, "/sms", totp, sms) }},
	{"sms-sent-before", "GET /signin/verify/sms", "h1 + .lead", 200, func(w *window, i *issuers) {
		having(w, i, "/sms", sms)
	}},
	{"sms-sent-again", "GET /signin/verify/sms", ".ok", 200, func(w *window, i *issuers) {
		having(w, i, "/sms", sms)
		i.Wait(time.Minute)
		w.press("#send")
	}},
	{"sms-empty", "POST /signin/verify/sms", "#code-error", 422, func(w *window, i *issuers) {
		having(w, i, "/sms", sms)
		w.press("#submit")
	}},
	{"sms-not-six-digits", "POST /signin/verify/sms", "#code-error", 422, func(w *window, i *issuers) {
		having(w, i, "/sms", sms)
		w.typed("code", "12 34")
	}},
	{"sms-wrong", "POST /signin/verify/sms", "#code-error", 422, func(w *window, i *issuers) {
		w.typed("code", i.notTheCode(having(w, i, "/sms", sms), provider.ChannelSMS))
	}},
	{"sms-too-late", "POST /signin/verify/sms", "#code-error", 422, func(w *window, i *issuers) {
		having(w, i, "/sms", sms)
		i.Wait(11 * time.Minute)
		w.typed("code", "123456")
	}},
	{"sms-too-soon", "POST /signin/verify/sms/send", "#error-summary", 429, func(w *window, i *issuers) {
		having(w, i, "/sms", sms)
		w.press("#send")
	}},
	{"sms-too-many", "POST /signin/verify/sms/send", "#error-summary", 429, func(w *window, i *issuers) {
		person, _ := i.frugal.equipped(sms)
		w.asked(i.frugal, person, "/sms")
		i.frugal.Wait(time.Minute)
		w.press("#send")
	}},
	{"sms-none-sent", "GET /signin/verify/sms", "#error-summary", 429, func(w *window, i *issuers) {
		person, _ := i.frugal.equipped(sms)
		w.asked(i.frugal, person, "/sms")
		w.asked(i.frugal, person, "/sms")
	}},
	{"sms-locked", "POST /signin/verify/sms", "#error-summary", 429, func(w *window, i *issuers) { lockedOut(w, i, 5, "/sms", sms) }},
	{"email", "GET /signin/verify/email", ".ok", 200, func(w *window, i *issuers) { having(w, i, "/email", totp, email) }},
	{"email-sent-before", "GET /signin/verify/email", "h1 + .lead", 200, func(w *window, i *issuers) {
		having(w, i, "/email", email)
	}},
	{"email-wrong", "POST /signin/verify/email", "#code-error", 422, func(w *window, i *issuers) {
		w.typed("code", i.notTheCode(having(w, i, "/email", email), provider.ChannelMail))
	}},
	{"email-too-soon", "POST /signin/verify/email/send", "#error-summary", 429, func(w *window, i *issuers) {
		having(w, i, "/email", email)
		w.press("#send")
	}},

	{"recovery-code", "GET /signin/verify/recovery", "#recovery_code", 200, func(w *window, i *issuers) { having(w, i, "/recovery", totp, recovery) }},
	{"recovery-code-few-left", "GET /signin/verify/recovery", "h1 ~ p:not(.lead)", 200, func(w *window, i *issuers) {
		person, _ := i.equipped(totp, recovery)
		i.keepCodes(person, 2)
		w.asked(i.issuer, person, "/recovery")
	}},
	{"recovery-code-empty", "POST /signin/verify/recovery", "#recovery_code-error", 422, func(w *window, i *issuers) {
		having(w, i, "/recovery", totp, recovery)
		w.press("#submit")
	}},
	{"recovery-code-wrong", "POST /signin/verify/recovery", "#recovery_code-error", 422, func(w *window, i *issuers) {
		having(w, i, "/recovery", totp, recovery)
		w.typed("recovery_code", "0000-0000-0000-0000-0000-0000")
	}},
}

// everything is all kinds of second factors.
var everything = []provider.FactorKind{passkey, totp, sms, email, recovery}

// having opens a page of second factors for somebody who has those of kinds, and has
// typed their password.
func having(w *window, i *issuers, page string, kinds ...provider.FactorKind) *provider.Account {
	w.t.Helper()
	person, _ := i.equipped(kinds...)
	w.asked(i.issuer, person, page)
	return person
}

// notTheCode is six digits that were not sent.
func (i *issuer) notTheCode(person *provider.Account, channel provider.Channel) string {
	if i.SentCode(person, channel) == "111111" {
		return "222222"
	}
	return "111111"
}

// change changes what somebody's profile says.
func (i *issuer) change(person *provider.Account, change func(*provider.Profile)) {
	i.T.Helper()
	change(&person.Profile)
	i.must(i.Store.UpdateProfile(i.T.Context(), person))
}

// lockedOut has somebody type n wrong codes, a few at a time, and one more in the window.
func lockedOut(w *window, i *issuers, n int, page string, kind provider.FactorKind) {
	w.t.Helper()
	person, _ := i.equipped(kind)
	path := "/signin/verify" + page
	b, at := i.begun(person, i.authorize(i.app))
	for tried := 0; ; tried++ {
		if tried > 0 && tried%5 == 0 && tried < n {
			i.Wait(16 * time.Minute)
			b, at = i.begun(person, i.authorize(i.app))
		}
		if tried == n {
			break
		}
		b.Submit(b.Get(on(at, path)), path, "code", "000000")
	}
	w.wear(i.issuer, b, on(at, path))
	w.typed("code", "000000")
}
