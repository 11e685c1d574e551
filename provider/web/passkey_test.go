package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cardea/provider"
	"cardea/provider/signin/passkeytest"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// newPasskey sets up a passkey where page asks for one.
func newPasskey(t *testing.T, i *webtest.Issuer, b *webtest.Browser, page *webtest.Page, key *passkeytest.Authenticator) *webtest.Page {
	t.Helper()
	response, err := key.Create(b.Options(page, "/factor/passkey/new", "/factor/passkey/options"), i.URL)
	if err != nil {
		t.Fatal(err)
	}
	return b.Submit(page, "/factor/passkey/new", "credential", response)
}

// usePasskey answers with a passkey where page asks for one by its form to action.
func usePasskey(t *testing.T, i *webtest.Issuer, b *webtest.Browser, page *webtest.Page, action string, key *passkeytest.Authenticator, more ...string) *webtest.Page {
	t.Helper()
	response, err := key.Get(b.Options(page, action, action+"/options"), i.URL)
	if err != nil {
		t.Fatal(err)
	}
	return b.Submit(page, action, append([]string{"credential", response}, more...)...)
}

// withPasskey is a person who has just set up a passkey at a forced enrolment.
func withPasskey(t *testing.T, i *webtest.Issuer, app *webtest.Client, userID string, key *passkeytest.Authenticator) (*provider.Account, *webtest.Page) {
	t.Helper()
	a := i.Person(userID)
	b, page := forced(t, i, app, userID)
	page = newPasskey(t, i, b, b.Get("/factor/passkey/new?ix="+page.URL.Query().Get("ix")), key)
	if page.URL.Path != "/factor/recovery-codes" {
		t.Fatalf("set up: %s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	return a, b.Submit(page, "/factor/recovery-codes/done")
}

func TestPasskey(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		i := webtest.Open(t, webtest.On(store), webtest.Localhost, webtest.Policy(provider.SecondFactorRequired))
		app := i.Register(provider.Client{})
		key := passkeytest.New()
		_, page := withPasskey(t, i, app, "KarinEk", key)
		wantLevel(t, claims(t, i, app, page), provider.ACRPhishingResistant, "[pwd hwk user mfa]")

		b := i.Browser() // in place of User ID and password
		page = usePasskey(t, i, b, b.Get(app.Authorize()), "/signin/passkey", key, "remember", "1")
		wantLevel(t, claims(t, i, app, page), provider.ACRPhishingResistant, "[hwk user mfa]")
		if b.Cookie("cardea-remember") == "" {
			t.Error("the User ID was not remembered")
		}

		b = i.Browser() // after the password
		page = b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
		if page.URL.Path != "/signin/verify/passkey" {
			t.Fatalf("password led to %s (%d)", page.URL, page.Status)
		}
		page = usePasskey(t, i, b, page, "/signin/verify/passkey", key, "trust_device", "1")
		wantLevel(t, claims(t, i, app, page), provider.ACRPhishingResistant, "[pwd hwk user mfa]")
		if b.Cookie("cardea-trusted") == "" {
			t.Error("the device is not trusted")
		}
	})
}

func TestStepUpToAPasskey(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorRequired))
	app := i.Register(provider.Client{})
	key := passkeytest.NewSynced()
	person, _ := withPasskey(t, i, app, "KarinEk", key)
	otp := i.Authenticator(person)
	b := i.Browser()
	page := choose(t, b, b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password), provider.FactorTOTP)
	wantLevel(t, claims(t, i, app, b.Submit(page, "/signin/verify/totp", "code", i.Code(otp))), provider.ACRTwoFactor, "[pwd otp mfa]")

	page = b.Get(app.Authorize("acr_values", provider.ACRPhishingResistant))
	if page.URL.Path != "/signin/verify/passkey" {
		t.Fatalf("step-up led to %s (%d)", page.URL, page.Status)
	}
	if got := b.Get("/signin/verify/totp?" + page.URL.RawQuery); got.URL.Path != "/signin/verify/passkey" {
		t.Errorf("a code is not enough: %s", got.URL)
	}
	wantLevel(t, claims(t, i, app, usePasskey(t, i, b, page, "/signin/verify/passkey", key)), provider.ACRPhishingResistant, "[pwd otp swk user mfa]")
}

func TestPasskeyThatIsWrong(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorRequired))
	app := i.Register(provider.Client{})
	key, stranger := passkeytest.New(), passkeytest.New()
	withPasskey(t, i, app, "KarinEk", key)

	b := i.Browser()
	page := b.Get(app.Authorize())
	for name, credential := range map[string]string{"no script": "", "nonsense": "{}", "no JSON": "x"} {
		b.Options(page, "/signin/passkey", "/signin/passkey/options")
		if got := b.Submit(page, "/signin/passkey", "credential", credential); got.Status != http.StatusUnprocessableEntity || b.Cookie("cardea-session") != "" {
			t.Errorf("%s: %d", name, got.Status)
		}
	}
	// An authenticator that made a passkey at an issuer who has forgotten it since.
	elsewhere := webtest.Open(t, webtest.Policy(provider.SecondFactorRequired))
	withPasskey(t, elsewhere, elsewhere.Register(provider.Client{}), "KarinEk", stranger)
	got := usePasskey(t, i, b, page, "/signin/passkey", stranger)
	if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Body, `data-signal-unknown`) || !strings.Contains(got.Body, `data-rp-id="localhost"`) {
		t.Errorf("unknown: %d\n%s", got.Status, got.Body)
	}
	response, err := key.Get(b.Options(page, "/signin/passkey", "/signin/passkey/options"), "https://evil.example")
	if err != nil {
		t.Fatal(err)
	}
	if got = b.Submit(page, "/signin/passkey", "credential", response); got.Status != http.StatusUnprocessableEntity || strings.Contains(got.Body, "data-signal") {
		t.Errorf("another origin's answer: %d\n%s", got.Status, got.Body)
	}
	response, err = key.Get(b.Options(page, "/signin/passkey", "/signin/passkey/options"), i.URL)
	if err != nil {
		t.Fatal(err)
	}
	other := i.Browser()
	if got = other.Submit(other.Get(app.Authorize()), "/signin/passkey", "credential", response); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("another sign-in's answer: %d", got.Status)
	}
	if got = b.Submit(page, "/signin/passkey", "credential", response); got.Away == nil {
		t.Errorf("its own answer: %d\n%s", got.Status, got.Body)
	}
	if got = b.Submit(page, "/signin/passkey", "credential", response); got.Away != nil {
		t.Errorf("again: %v", got.Away)
	}
}

func TestPasskeyOptionsAnswerScriptOnly(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	b := i.Browser()
	page := b.Get(app.Authorize())
	form, _ := page.Form("/signin")
	got := b.Post("/signin/passkey/options", form)
	var options struct {
		PublicKey struct {
			Challenge, UserVerification, RPID string
			AllowCredentials                  []any
		}
	}
	if err := json.Unmarshal([]byte(got.Body), &options); err != nil || got.Status != http.StatusOK || got.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v\n%s", got.Status, err, got.Body)
	}
	if o := options.PublicKey; len(o.Challenge) < 22 || o.UserVerification != "required" || o.RPID != "localhost" || o.AllowCredentials != nil {
		t.Errorf("%+v", o)
	}
	wrong := func(name string, form url.Values, status int, word string) {
		got := b.Post("/signin/passkey/options", form)
		if got.Status != status || got.Header.Get("Content-Type") != "application/json" || got.Body != `{"error":"`+word+`"}` {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	wrong("no form token", url.Values{"ix": form["ix"]}, http.StatusForbidden, "forbidden")
	b.Header.Set("Origin", "https://evil.example")
	wrong("another origin", form, http.StatusForbidden, "forbidden")
	b.Header.Del("Origin")
	if got := b.Post("/factor/passkey/options", form); got.Status != http.StatusBadRequest || got.Body != `{"error":"expired"}` {
		t.Errorf("out of turn: %d %s", got.Status, got.Body)
	}
	b.Submit(page, "/signin/cancel")
	wrong("cancelled", form, http.StatusBadRequest, "expired")
}

func TestClientThatCountsNoPasskeysOffersNone(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{Factors: []provider.FactorKind{provider.FactorTOTP}})
	b := i.Browser()
	if page := b.Get(app.Authorize()); strings.Contains(page.Body, "/signin/passkey") {
		t.Errorf("offers a passkey:\n%s", page.Body)
	}
}

func TestRelatedOrigins(t *testing.T) {
	for _, origins := range [][]string{nil, {"https://example.com", "https://example.org"}} {
		i := webtest.Open(t, func(set *webtest.Settings) { set.Web.RelatedOrigins = origins })
		got := i.Browser().Get("/.well-known/webauthn")
		if origins == nil && got.Status != http.StatusNotFound {
			t.Errorf("none: %d", got.Status)
		}
		if origins != nil && (got.Body != `{"origins":["https://example.com","https://example.org"]}` || got.Header.Get("Content-Type") != "application/json") {
			t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
		}
	}
}

// A database that does not answer makes every page and script of a factor say so, and
// when to try again; nothing is decided.
func TestFactorsWithoutDatabase(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorOff))
	app := i.Register(provider.Client{})
	i.Authenticator(i.Person("KarinEk"))
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize("acr_values", provider.ACRTwoFactor)), "KarinEk", webtest.Password)
	form, ok := page.Form("/signin/verify/totp")
	if err := i.Store.Close(); err != nil || !ok {
		t.Fatal(err, page.URL)
	}
	form.Set("code", "123456")
	for _, path := range []string{
		"/signin/verify/totp", "/signin/verify/sms", "/signin/verify/sms/send", "/signin/verify/recovery", "/signin/passkey", "/signin/passkey/options",
		"/factor/totp/new", "/factor/passkey/options", "/factor/recovery-codes",
	} {
		form.Set("recovery_code", "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA")
		form.Set("credential", "{}")
		if got := b.Post(path, form); got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
			t.Errorf("POST %s: %d, Retry-After %q", path, got.Status, got.Header.Get("Retry-After"))
		}
	}
	if got := b.Get("/security"); got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
		t.Errorf("GET /security: %d, Retry-After %q", got.Status, got.Header.Get("Retry-After"))
	}
}
