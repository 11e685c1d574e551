package browsertest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	loginui "cardea/login-ui"
)

// shelf serves, at /name, the states that login-ui can show but that no request
// to the issuers above leads to: what is switched on by features, and faults that
// cannot be brought about from outside. Here the issuer has every setting.
func shelf(t testing.TB) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	ui, err := loginui.New(loginui.Settings{
		Brand: "Example Card", Origin: "http://" + server.Listener.Addr().String(), Phone: "010-000 00 00", Hours: "08–20", Email: "help@example.se",
		ChatURL: "https://example.se/chat", PrivacyURL: "https://example.se/privacy", AccessibilityURL: "https://example.se/accessibility",
		TermsURL: "https://example.se/terms", Demo: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/static/", ui.Static())
	mux.HandleFunc("/{name}", func(w http.ResponseWriter, r *http.Request) {
		base := loginui.Base{Lang: r.Header.Get("Accept-Language"), Return: r.URL.Path, IX: "sign-in", FormToken: "token", Client: "Example App"}
		page := shelved(base)[r.PathValue("name")]
		if page == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", loginui.CSP)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := ui.Render(w, page); err != nil {
			t.Error(err)
		}
	})
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func shelved(base loginui.Base) map[string]loginui.Page {
	full := base
	full.Errors = []loginui.FieldError{{Key: loginui.KeySignInWrong}}
	outside := base
	outside.IX, outside.Client = "", ""
	usedUp, exists := base, base
	usedUp.Errors = []loginui.FieldError{{Field: "code", Key: loginui.KeyCodeUsedUp}}
	exists.Errors = []loginui.FieldError{{Key: loginui.KeyPasskeyExists}}
	centre := loginui.Centre{Base: outside, Idle: 14 * time.Minute}
	kinds := []loginui.Method{{Kind: "totp", Name: "Karins telefon"}, {Kind: "passkey"}, {Kind: "sms"}, {Kind: "email"}, {Kind: "recovery"}}
	until := time.Date(2026, 11, 22, 14, 35, 0, 0, time.UTC)
	return map[string]loginui.Page{
		"sign-in-full":           &loginui.SignInPage{Base: full, UserID: "karin92", AttemptsLeftOne: true, Recovery: true, Register: true, Passkey: true},
		"ways-to-confirm-full":   &loginui.VerifyPage{Base: base, Methods: kinds},
		"code-full":              &loginui.TOTPPage{Base: base, TrustDevice: true, OtherMethods: true},
		"code-used-up":           &loginui.CodePage{Base: usedUp, Kind: "sms", Destination: "••42", TrustDevice: true, OtherMethods: true},
		"activity-none":          &loginui.ActivityPage{Centre: centre},
		"activity-no-more":       &loginui.ActivityPage{Centre: centre, Newer: "/security/activity"},
		"create-passkey-exists":  &loginui.EnrolPasskeyPage{Base: exists, Forced: true, OtherMethods: true},
		"sign-in-remove-passkey": &loginui.SignInPage{Base: full, Passkey: true, Signal: &loginui.PasskeySignal{RPID: "127.0.0.1", Credentials: []string{"AAAA"}}},
		"locked-in-security":     &loginui.LockedPage{Base: outside},
		"locked-full":            &loginui.LockedPage{Base: base, Until: until, Recovery: true, Passkey: true},
		"consent-apps":           &loginui.ConsentPage{Base: base, UserIDMasked: "k•••92", ConnectedApps: true, Scopes: []loginui.ScopeText{{Title: "Card transactions, 90 days", Detail: "Amount, date and place."}}},
		"continue-loop":          &loginui.ContinuePage{Base: outside, URL: "http://localhost/callback", LoopGuard: true},
		"signed-out-back":        &loginui.SignedOutPage{Base: outside, BackURL: "http://localhost/", BackName: "Example App"},
		"help-contact-full":      &loginui.HelpPage{Base: base, Topic: "contact"},
		"error-internal":         &loginui.ErrorPage{Base: outside, Kind: loginui.Internal, Reference: "7Q2M4KXW"},
		"error-too-many":         &loginui.ErrorPage{Base: outside, Kind: loginui.TooMany, RetryAfter: 90 * time.Second, Reference: "7Q2M4KXW"},
		"error-expired-go-back":  &loginui.ErrorPage{Base: outside, Kind: loginui.Expired, BackURL: "http://localhost/", BackName: "Example App"},
	}
}

// shelfStates are the states on the shelf.
func shelfStates() (out []state) {
	for name := range shelved(loginui.Base{}) {
		out = append(out, state{name, "", "h1", 200, func(w *window, i *issuers) {
			w.visit(i.shelf + "/" + name)
			if strings.HasPrefix(name, "sign-in") {
				value[bool](w, `document.getElementById("passkey-form").hidden = false`)
			}
		}})
	}
	return out
}
