package loginui

import (
	"html/template"
	"time"
)

// sample is one state of one page, for the tests that look at all of them.
type sample struct {
	name string
	page Page
}

func base(lang string, errs ...FieldError) Base {
	return Base{
		Lang: lang, Return: "/signin?ix=tx1&a=b", IX: "tx1", FormToken: "tok1", Client: "Card account",
		Errors: errs,
	}
}

// more are the samples that stand beside their own pages' tests.
var more []func(lang string) []sample

// samples returns every page in every state that changes what it shows.
func samples(lang string) []sample {
	b := func(errs ...FieldError) Base { return base(lang, errs...) }
	plain := Base{Lang: lang, Return: "/help", FormToken: "tok1"}
	all := []sample{
		{"signin", &SignInPage{Base: b()}},
		{"signin-no-client", &SignInPage{Base: plain}},
		{"signin-remembered", &SignInPage{Base: b(), UserID: "karin92", Remembered: true}},
		{"signin-wrong", &SignInPage{Base: b(FieldError{Key: KeySignInWrong}), UserID: "karin92", RememberTicked: true}},
		{"signin-empty", &SignInPage{Base: b(FieldError{Field: "username", Key: KeyUsernameEmpty}, FieldError{Field: "password", Key: KeyPasswordEmpty})}},
		{"signin-last", &SignInPage{Base: b(FieldError{Key: KeySignInWrong}), UserID: "karin92", AttemptsLeftOne: true}},
		{"signin-full", &SignInPage{Base: b(), AttemptsLeftOne: true, Recovery: true, Register: true, Passkey: true}},
		{"account", &AccountPage{Base: b(), UserIDMasked: "k•••92"}},
		{"account-no-client", &AccountPage{Base: plain, UserIDMasked: "k•••92"}},
		{"verify", &VerifyPage{Base: b(), Methods: []Method{{"totp", "Phone"}, {"passkey", ""}, {"sms", ""}, {"email", ""}, {"recovery", ""}}}},
		{"verify-missing", &VerifyPage{Base: b(FieldError{Field: "method", Key: KeyMethodMissing}), Methods: []Method{{"totp", ""}, {"recovery", ""}}}},
		{"totp", &TOTPPage{Base: b()}},
		{"totp-wrong", &TOTPPage{Base: b(FieldError{Field: "code", Key: KeyTOTPWrong}), TrustDevice: true, OtherMethods: true}},
		{"totp-toomany", &TOTPPage{Base: b(FieldError{Key: KeyCodeTooMany, Args: map[string]any{"Count": 15}})}},
		{"enrol", enrolSample(b(), true)},
		{"enrol-wrong", enrolSample(Base{Lang: lang, Return: "/factor/totp/new", Errors: []FieldError{{Field: "code", Key: KeyTOTPEnrolWrong}}}, false)},
		{"consent", &ConsentPage{Base: b(), UserIDMasked: "k•••92", Scopes: []ScopeText{{Standard: "profile"}, {Title: "Your e-mail", Detail: "k•••@e•••.example"}, {Title: "Card transactions, 90 days"}}}},
		{"consent-openid", &ConsentPage{Base: b(), UserIDMasked: "k•••92", Scopes: []ScopeText{{Standard: "openid"}}}},
		{"consent-apps", &ConsentPage{Base: b(), UserIDMasked: "k•••92", ConnectedApps: true}},
		{"continue", &ContinuePage{Base: b(), URL: "https://app.example/cb?code=a%2Bb&state=x'y;z&iss=https%3A%2F%2Fid.example.se"}},
		{"continue-native", &ContinuePage{Base: b(), URL: "example.app:/cb?code=1&state=2"}},
		{"continue-loop", &ContinuePage{Base: plain, URL: "http://127.0.0.1:4711/cb?code=1", LoopGuard: true}},
		{"locked", &LockedPage{Base: b(), Until: time.Date(2026, 11, 22, 13, 35, 0, 0, time.UTC)}},
		{"locked-full", &LockedPage{Base: plain, Until: time.Date(2026, 11, 22, 13, 35, 0, 0, time.UTC), Recovery: true, Passkey: true}},
		{"locked-hard", &LockedPage{Base: b()}},
		{"signout", &SignOutPage{Base: plain, UserIDMasked: "k•••92", Hidden: []Hidden{{"state", "s1"}}}},
		{"signout-nobody", &SignOutPage{Base: plain}},
		{"signedout", &SignedOutPage{Base: plain, BackURL: "https://app.example/bye", BackName: "Card account"}},
		{"signedout-plain", &SignedOutPage{Base: plain}},
		{"landing", &LandingPage{Base: plain}},
		{"landing-signedin", &LandingPage{Base: Base{Lang: lang, Return: "/", SignedIn: true}}},
		{"help", &HelpPage{Base: plain}},
	}
	for _, topic := range HelpTopics() {
		all = append(all, sample{"help-" + topic, &HelpPage{Base: b(), Topic: topic}})
	}
	for kind := Internal; kind <= Unavailable; kind++ {
		all = append(all, sample{"error-" + kind.String(), &ErrorPage{Base: plain, Kind: kind, Reference: "req-7Q2M"}})
	}
	for fault := BadRequest; fault <= UnknownClient; fault++ {
		all = append(all, sample{"error-client-" + fault.String(), &ErrorPage{Base: b(), Kind: BadClient, Detail: fault}})
	}
	all = append(all, factorSamples(lang)...)
	for _, samples := range more {
		all = append(all, samples(lang)...)
	}
	return append(all,
		sample{"error-wait-seconds", &ErrorPage{Base: plain, Kind: TooMany, RetryAfter: 900 * time.Millisecond}},
		sample{"error-wait-minutes", &ErrorPage{Base: plain, Kind: Unavailable, RetryAfter: 90 * time.Second}},
		sample{"error-back", &ErrorPage{Base: plain, Kind: Expired, BackURL: "https://app.example/", BackName: "Card account"}},
	)
}

// factorSamples are the pages of second factors.
func factorSamples(lang string) []sample {
	b := func(errs ...FieldError) Base { return base(lang, errs...) }
	at := func(field, key string) FieldError { return FieldError{Field: field, Key: key} }
	counted := func(key string, n int) FieldError { return FieldError{Key: key, Args: map[string]any{"Count": n}} }
	purpose := map[string]string{"en": "make a payment", "sv": "göra en betalning"}[lang]
	four := []Method{{"passkey", ""}, {"totp", ""}, {"sms", ""}, {"email", ""}}
	codes := []string{"3F7K-9QXM-W2TD-H8RB", "7PNC-4VYE-6JKA-Z3SG", "9XQM-2WDT-8HRB-5FCK"}
	const mail = "m•••@e•••.se"
	return []sample{
		{"signin-again", &SignInPage{Base: told(b(), purpose), UserID: "karin92", Again: true, Passkey: true, Register: true}},
		{"signin-again-plain", &SignInPage{Base: Base{Lang: lang, Return: "/signin?ix=1", FormToken: "tok1", Purpose: purpose}, UserID: "karin92", Again: true}},
		{"signin-again-silent", &SignInPage{Base: b(), UserID: "karin92", Again: true}},
		{"signin-unknown-passkey", &SignInPage{Base: b(at("", KeyPasskeyFailed)), Passkey: true, Signal: &PasskeySignal{RPID: "id.example.se", Credentials: []string{"q1w2"}}}},
		{"totp-purpose", &TOTPPage{Base: told(b(), purpose), OtherMethods: true}},
		{"passkey-purpose", &PasskeyPage{Base: told(b(), purpose)}},
		{"verify-purpose", &VerifyPage{Base: told(b(), purpose), Methods: four}},
		{"passkey", &PasskeyPage{Base: b(), TrustDevice: true, OtherMethods: true}},
		{"passkey-failed", &PasskeyPage{Base: b(at("", KeyPasskeyFailed))}},
		{"passkey-noscript", &PasskeyPage{Base: b(at("", KeyPasskeyNoScript)), OtherMethods: true}},
		{"code-sms", &CodePage{Base: b(), Kind: "sms", Destination: "••42", Sent: true, TrustDevice: true, OtherMethods: true}},
		{"code-sms-wait", &CodePage{Base: b(), Kind: "sms", Destination: "••42", Wait: 29500 * time.Millisecond}},
		{"code-sms-wrong", &CodePage{Base: b(at("code", KeyCodeWrong)), Kind: "sms", Destination: "••42", TrustDevice: true}},
		{"code-sms-format", &CodePage{Base: b(at("code", KeyCodeFormat)), Kind: "sms", Destination: "••42"}},
		{"code-sms-notsent", &CodePage{Base: b(counted(KeyCodeNotSent, 1)), Kind: "sms", Destination: "••42", OtherMethods: true}},
		{"code-email", &CodePage{Base: b(), Kind: "email", Destination: mail, Sent: true}},
		{"code-email-again", &CodePage{Base: b(), Kind: "email", Destination: mail, OtherMethods: true}},
		{"code-email-expired", &CodePage{Base: b(at("code", KeyCodeExpired)), Kind: "email", Destination: mail, Sent: true}},
		{"code-email-usedup", &CodePage{Base: b(at("code", KeyCodeUsedUp)), Kind: "email", Destination: mail}},
		{"code-email-wait", &CodePage{Base: b(counted(KeyCodeWait, 30)), Kind: "email", Destination: mail}},
		{"recovery", &RecoveryPage{Base: b(), Left: 7, OtherMethods: true}},
		{"recovery-few", &RecoveryPage{Base: b(), Left: 1}},
		{"recovery-wrong", &RecoveryPage{Base: b(at("recovery_code", KeyRecoveryWrong)), Left: 3}},
		{"recovery-empty", &RecoveryPage{Base: b(at("recovery_code", KeyRecoveryEmpty)), OtherMethods: true}},
		{"stuck", &StuckPage{Base: b()}},
		{"stuck-outside", &StuckPage{Base: Base{Lang: lang, FormToken: "tok1"}}},
		{"enrol-totp-other", enrolOther(b())},
		{"enrol-choose", &EnrolPage{Base: b(), Methods: four, Forced: true}},
		{"enrol-choose-free", &EnrolPage{Base: b(), Methods: four[1:]}},
		{"enrol-passkey", &EnrolPasskeyPage{Base: b(), Forced: true, OtherMethods: true}},
		{"enrol-passkey-centre", &EnrolPasskeyPage{Base: b(at("", KeyPasskeyNotMade)), Centre: true}},
		{"enrol-passkey-exists", &EnrolPasskeyPage{Base: b(at("", KeyPasskeyExists))}},
		{"enrol-passkey-refused", &EnrolPasskeyPage{Base: b(at("", KeyPasskeyRefused))}},
		{"enrol-sms", &EnrolContactPage{Base: b(), Kind: "sms", Forced: true, OtherMethods: true}},
		{"enrol-sms-current", &EnrolContactPage{Base: b(), Kind: "sms", Current: "••42", Centre: true}},
		{"enrol-sms-wrong", &EnrolContactPage{Base: b(at("phone", KeyPhoneWrong)), Kind: "sms", Typed: `12"><b`}},
		{"enrol-sms-code", &EnrolContactPage{Base: b(), Kind: "sms", Destination: "••42", Sent: true, Forced: true, OtherMethods: true}},
		{"enrol-sms-code-wrong", &EnrolContactPage{Base: b(at("code", KeyCodeWrong)), Kind: "sms", Destination: "••42"}},
		{"enrol-email", &EnrolContactPage{Base: b(), Kind: "email"}},
		{"enrol-email-current", &EnrolContactPage{Base: b(), Kind: "email", Current: mail, Forced: true, Wait: time.Second}},
		{"enrol-email-wrong", &EnrolContactPage{Base: b(at("email", KeyEmailWrong)), Kind: "email", Typed: "karin", Current: mail}},
		{"enrol-email-code", &EnrolContactPage{Base: b(), Kind: "email", Destination: mail, Wait: 12 * time.Second}},
		{"contact-sms", &EnrolContactPage{Base: b(), Kind: "sms", Contact: true, Current: "••42", Centre: true}},
		{"contact-sms-taken", &EnrolContactPage{Base: b(at("phone", KeyEmailTaken)), Kind: "sms", Contact: true, Current: "••42", Typed: "0701740642", Centre: true}},
		{"contact-email", &EnrolContactPage{Base: b(), Kind: "email", Contact: true, Current: mail, Centre: true}},
		{"contact-email-code", &EnrolContactPage{Base: b(), Kind: "email", Contact: true, Destination: mail, Sent: true, Centre: true}},
		{"codes-offer", &RecoveryCodesPage{Base: b()}},
		{"codes-shown", &RecoveryCodesPage{Base: b(), Codes: codes, Sealed: "sealed1"}},
		{"codes-unsaved", &RecoveryCodesPage{Base: b(at("saved", KeyCodesUnsaved)), Codes: codes, Sealed: "sealed1"}},
		{"codes-centre", &RecoveryCodesPage{Base: b(), Centre: true, Left: 3}},
		{"codes-centre-shown", &RecoveryCodesPage{Base: b(), Centre: true, Codes: codes, Sealed: "sealed1"}},
	}
}

func enrolSample(b Base, forced bool) *EnrolTOTPPage {
	return &EnrolTOTPPage{
		Base: b, QRSize: 21, Forced: forced,
		QRPath: "M0 0h7v7h-7zM1 1v5h5v-5zM14 0h7v7h-7zM15 1v5h5v-5zM0 14h7v7h-7zM1 15v5h5v-5zM9 9h3v3h-3z",
		Key:    "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",
		URI:    template.URL("otpauth://totp/Example%20Card:karin92?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example%20Card"),
	}
}

func enrolOther(b Base) *EnrolTOTPPage {
	p := enrolSample(b, true)
	p.OtherMethods, p.Centre = true, true
	return p
}

// full is an issuer that has everything; bare has only what is required.
var (
	full = Settings{
		Brand: "Example Card", Origin: "https://id.example.se", Phone: "010-000 00 00", Hours: "08–20",
		Email: "help@example.se", ChatURL: "https://example.se/chat", PrivacyURL: "https://example.se/privacy",
		AccessibilityURL: "https://example.se/a11y", TermsURL: "https://example.se/terms", Demo: true,
		Location: time.FixedZone("CET", 3600),
	}
	bare = Settings{Brand: "Example Card", Origin: "https://id.example.se"}
)
