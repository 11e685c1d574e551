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
	return append(all,
		sample{"error-wait-seconds", &ErrorPage{Base: plain, Kind: TooMany, RetryAfter: 900 * time.Millisecond}},
		sample{"error-wait-minutes", &ErrorPage{Base: plain, Kind: Unavailable, RetryAfter: 90 * time.Second}},
		sample{"error-back", &ErrorPage{Base: plain, Kind: Expired, BackURL: "https://app.example/", BackName: "Card account"}},
	)
}

func enrolSample(b Base, forced bool) *EnrolTOTPPage {
	return &EnrolTOTPPage{
		Base: b, QRSize: 21, Forced: forced,
		QRPath: "M0 0h7v7h-7zM1 1v5h5v-5zM14 0h7v7h-7zM15 1v5h5v-5zM0 14h7v7h-7zM1 15v5h5v-5zM9 9h3v3h-3z",
		Key:    "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP",
		URI:    template.URL("otpauth://totp/Example%20Card:karin92?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example%20Card"),
	}
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
