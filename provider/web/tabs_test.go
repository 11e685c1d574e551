package web_test

import (
	"net/http"
	"strings"
	"testing"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// thirdParty registers a client that needs consent.
func thirdParty(i *webtest.Issuer) *webtest.Client {
	return i.Register(provider.Client{ID: "budget", Type: provider.ClientSPA, Name: provider.Text{"en": "Budget"}})
}

func TestConsentIsForWhoeverWasShownThePage(t *testing.T) {
	i := webtest.Open(t)
	app, budget := i.Register(provider.Client{}), thirdParty(i)
	i.Person("KarinEk")
	olle := i.Person("OlleAlm")
	b, _ := app.SignedIn("KarinEk")
	tab := b.Get(budget.Authorize())
	if tab.URL.Path != "/signin/consent" || !strings.Contains(tab.Body, provider.MaskUserID("KarinEk")) {
		t.Fatalf("%s (%d)\n%s", tab.URL, tab.Status, tab.Body)
	}
	if page := b.SignIn(b.Get(app.Authorize("prompt", "login")), "OlleAlm", webtest.Password); page.Away == nil {
		t.Fatalf("the other tab: %d\n%s", page.Status, page.Body)
	}
	page := b.Submit(tab, "/signin/consent", "decision", "allow")
	if page.Away != nil || !strings.Contains(page.Body, provider.MaskUserID("OlleAlm")) {
		t.Fatalf("Karin's answer was taken for Olle's: %s\n%s", page.URL, page.Body)
	}
	if scopes, err := i.Store.Consent(t.Context(), olle.ID, "budget"); err != nil || scopes != nil {
		t.Errorf("consent %v, %v", scopes, err)
	}
}

func TestCodeNeedsTheSessionOfItsOwner(t *testing.T) {
	i := webtest.Open(t)
	app, budget := i.Register(provider.Client{}), thirdParty(i)
	i.Person("KarinEk")
	i.Person("OlleAlm")
	b := i.Browser()
	tab := b.SignIn(b.Get(budget.Authorize()), "KarinEk", webtest.Password) // proven in the sign-in itself
	if tab.URL.Path != "/signin/consent" {
		t.Fatalf("%s (%d)\n%s", tab.URL, tab.Status, tab.Body)
	}
	if page := b.SignIn(b.Get(app.Authorize("prompt", "login")), "OlleAlm", webtest.Password); page.Away == nil {
		t.Fatalf("the other tab: %d\n%s", page.Status, page.Body)
	}
	if page := b.Submit(tab, "/signin/consent", "decision", "allow"); page.Away != nil || page.Status != http.StatusBadRequest {
		t.Errorf("a code for Karin in Olle's session: %s (%d)", page.URL, page.Status)
	}
}

func TestThirdPartyIsAskedForEvenIfItWantsNoMoreThanOpenID(t *testing.T) {
	i := webtest.Open(t)
	app, budget := i.Register(provider.Client{}), thirdParty(i)
	i.Person("KarinEk")
	b, _ := app.SignedIn("KarinEk")
	if page := b.Get(budget.Authorize("scope", "openid", "prompt", "none")); page.Away == nil || page.Away.Query().Get("error") != "consent_required" {
		t.Fatalf("silent: %s", page.URL)
	}
	page := b.Submit(b.Get(budget.Authorize("scope", "openid")), "/signin/consent", "decision", "allow")
	if page.Away == nil || page.Away.Query().Get("code") == "" {
		t.Fatalf("allowed: %s (%d)", page.URL, page.Status)
	}
	if page = b.Get(budget.Authorize("scope", "openid", "prompt", "none")); page.Away.Query().Get("code") == "" {
		t.Errorf("remembered: %s", page.Away)
	}
}

func TestSignOutKillsCodesUnderWay(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	b, code := app.SignedIn("KarinEk")
	b.Submit(b.Get("/oauth2/logout"), "/oauth2/logout/confirm")
	if got := app.Redeem(code); got.Status != http.StatusBadRequest || got.Text("error") != "invalid_grant" {
		t.Errorf("%d %s", got.Status, got.Raw)
	}
}

func TestSignOutFormNeedsItsOwnToken(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	b, _ := app.SignedIn("KarinEk")
	foreign, _ := i.Browser().Get(app.Authorize()).Form("/signin")
	if got := b.Post("/oauth2/logout/confirm", foreign); got.Status != http.StatusForbidden {
		t.Errorf("another sign-in's token: %d", got.Status)
	}
	if page := b.Get(app.Authorize("prompt", "none")); page.Away.Query().Get("code") == "" {
		t.Errorf("signed out: %s", page.Away)
	}
}

// TestBodyOfAPageIsNotRead sends a page's GET a large multipart body: it must not
// be parsed into memory or files.
func TestBodyOfAPageIsNotRead(t *testing.T) {
	i := webtest.Open(t)
	t.Setenv("TMPDIR", t.TempDir())
	body := strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"ix\"\r\n\r\nabc\r\n--x--\r\n")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL+"/signin", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	b := i.Browser()
	b.Get("/help") // for the cookie
	resp, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%d", resp.StatusCode)
	}
}
