package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/signin"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

const desk = "desk@example.com"

// centre is an issuer whose security centre has everything to show.
func centre(t *testing.T, changes ...func(*webtest.Settings)) *webtest.Issuer {
	t.Helper()
	all := func(set *webtest.Settings) {
		policy := provider.PasswordPolicy{MinLength: 12, Context: []string{"Example Card"}}
		set.People.Channels, set.People.Desk = []provider.Channel{provider.ChannelMail, provider.ChannelSMS}, desk
		set.People.Trust, set.Web.Trust = 30*24*time.Hour, 30*24*time.Hour
		set.People.NewPassword, set.Web.NewPassword = policy, policy
		set.People.Passkeys = signin.Passkeys{RPID: "127.0.0.1", RPName: "Example Card", Origins: []string{set.Web.Issuer}}
		set.Web.Idle, set.Web.Passkeys, set.Web.Recovery = set.People.Sessions.Idle, true, true
		set.Web.SecondFactor = set.People.Policy
	}
	return webtest.Open(t, append([]func(*webtest.Settings){all}, changes...)...)
}

// visitor is a cardholder with an authenticator app at a browser.
type visitor struct {
	*webtest.Browser
	i      *webtest.Issuer
	person *provider.Account
	key    string
}

// visit creates a cardholder and a browser for them.
func visit(i *webtest.Issuer, userID string) *visitor {
	person := i.Person(userID)
	return &visitor{Browser: i.Browser(), i: i, person: person, key: i.Authenticator(person)}
}

// elsewhere is the same cardholder at another browser.
func (v *visitor) elsewhere() *visitor {
	other := *v
	other.Browser = v.i.Browser()
	return &other
}

// pass shows whatever the sign-in that page belongs to asks for.
func (v *visitor) pass(page *webtest.Page, more ...string) *webtest.Page {
	v.i.T.Helper()
	if page.URL.Path == "/signin" {
		page = v.SignIn(page, v.person.UserID, webtest.Password)
	}
	if page.URL.Path == "/signin/verify/totp" {
		v.i.Wait(time.Minute) // every code is good once
		page = v.Submit(page, page.URL.Path, append([]string{"code", v.i.Code(v.key)}, more...)...)
	}
	return page
}

// enter opens a page of the security centre.
func (v *visitor) enter(path string) *webtest.Page {
	v.i.T.Helper()
	page := v.pass(v.Get(path))
	if page.Status != http.StatusOK || page.URL.RequestURI() != path {
		v.i.T.Fatalf("%s led to %s (%d):\n%s", path, page.URL, page.Status, page.Body)
	}
	return page
}

// app signs in to a client that needs consent, and gives its tokens.
func (v *visitor) app(c *webtest.Client, more ...string) *webtest.Answer {
	v.i.T.Helper()
	page := v.pass(v.Get(c.Authorize()), more...)
	if page.URL != nil && page.URL.Path == "/signin/consent" {
		page = v.Submit(page, "/signin/consent", "decision", "allow")
	}
	if page.Away == nil {
		v.i.T.Fatalf("sign-in ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	answer := c.Redeem(page.Away.Query().Get("code"))
	if answer.Status != http.StatusOK {
		v.i.T.Fatalf("redeeming: %d %s", answer.Status, answer.Raw)
	}
	return answer
}

// factor is the id of the visitor's authenticator app.
func (v *visitor) factor() string {
	v.i.T.Helper()
	for _, f := range v.factors() {
		if f.Kind == provider.FactorTOTP {
			return f.ID
		}
	}
	v.i.T.Fatal("no authenticator app")
	return ""
}

func (v *visitor) factors() []provider.Factor {
	v.i.T.Helper()
	all, err := v.i.Store.Factors(context.Background(), v.person.ID)
	if err != nil {
		v.i.T.Fatal(err)
	}
	return all
}

func (v *visitor) sessions() []provider.Session {
	v.i.T.Helper()
	all, err := v.i.Store.Sessions(context.Background(), v.person.ID)
	if err != nil {
		v.i.T.Fatal(err)
	}
	return all
}

func (v *visitor) trusted() []provider.TrustedDevice {
	v.i.T.Helper()
	all, err := v.i.Store.TrustedDevices(context.Background(), v.person.ID, v.i.Now())
	if err != nil {
		v.i.T.Fatal(err)
	}
	return all
}

// sent are the messages in the outbox of one kind.
func (v *visitor) sent(kind provider.MessageKind) (out []provider.Message) {
	v.i.T.Helper()
	due, err := storagetest.Outbox(context.Background(), v.i.Store, v.i.Now().Add(time.Second))
	if err != nil {
		v.i.T.Fatal(err)
	}
	for _, m := range due {
		if m.Kind == kind && m.AccountID == v.person.ID {
			out = append(out, m)
		}
	}
	return out
}

// events are what the audit trail tells of one action.
func (v *visitor) events(action provider.Action) []provider.Event {
	v.i.T.Helper()
	events, err := v.i.Store.Events(context.Background(), storage.EventFilter{Subject: v.person.ID, Action: action})
	if err != nil {
		v.i.T.Fatal(err)
	}
	return events
}

// furnished is a visitor who has something on every page.
func furnished(t *testing.T, i *webtest.Issuer) *visitor {
	t.Helper()
	v := visit(i, "KarinEk")
	if _, err := i.People.AddRecoveryCodes(t.Context(), "cli:test", v.person.ID); err != nil {
		t.Fatal(err)
	}
	shop := i.Register(provider.Client{ID: "shop", Type: provider.ClientWeb, Name: provider.Text{"en": "Example Shop", "sv": "Exempelbutiken"}})
	v.app(shop, "trust_device", "1")
	v.elsewhere().enter("/security")
	return v
}

func TestSecurityPages(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := furnished(t, i)
	factor := "/security/methods/" + v.factor()
	for _, lang := range []string{"en", "sv"} {
		v.Header.Set("Accept-Language", lang)
		for path, want := range map[string]string{
			"/security":                                map[string]string{"en": "Your security", "sv": "Din säkerhet"}[lang],
			"/security/password":                       `name="new_password"`,
			"/security/methods":                        `value="passkey"`,
			factor:                                     `action="` + factor + `/rename"`,
			factor + "/remove":                         `action="` + factor + `/remove"`,
			"/security/recovery-codes":                 `action="/security/recovery-codes"`,
			"/security/devices":                        `action="/security/devices/forget"`,
			"/security/devices/sign-out-others":        `action="/security/devices/sign-out-others"`,
			"/security/activity":                       `class="events"`,
			"/security/report":                         `action="/security/report"`,
			"/security/apps":                           map[string]string{"en": "Example Shop", "sv": "Exempelbutiken"}[lang],
			"/security/apps/remove?client_id=shop":     `name="client_id" value="shop"`,
			"/security/contact":                        "karin@example.com",
			"/security/language":                       `name="lang"`,
			"/timeout":                                 "15 minu",
			"/security/methods?done=totp":              `role="status"`,
			"/security/activity?before=" + v.person.ID: `class="events"`,
		} {
			page := v.enter(path)
			if !strings.Contains(page.Body, want) || !strings.Contains(page.Body, `<html lang="`+lang+`"`) {
				t.Errorf("%s %s: no %q:\n%s", lang, path, want, page.Body)
			}
			if page.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: Cache-Control %q", path, page.Header.Get("Cache-Control"))
			}
		}
	}
	if body := v.enter("/security/methods?done=<script>").Body; strings.Contains(body, "script>alert") || strings.Contains(body, `role="status"`) {
		t.Error("an unknown word in the address shows on the page")
	}
}

func TestMethodsOfEveryKind(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	for _, kind := range []provider.FactorKind{provider.FactorSMS, provider.FactorEmail} {
		if err := i.People.AddFactor(t.Context(), "cli:test", v.person.ID, kind); err != nil {
			t.Fatal(err)
		}
	}
	key := &provider.Factor{
		ID: provider.NewID(), AccountID: v.person.ID, Kind: provider.FactorPasskey, Name: "Laptop", Confirmed: true, Created: i.Now(),
		Passkey: &provider.Passkey{CredentialID: provider.NewToken(), PublicKey: []byte{1}, BackupEligible: true, BackedUp: true},
	}
	if err := i.Store.CreateFactor(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	v.Browser = i.Browser()
	page := v.SignIn(v.Get("/security/methods"), "KarinEk", webtest.Password)
	page = v.pass(v.Get("/signin/verify/totp?" + page.URL.RawQuery))
	if page.URL.Path != "/security/methods" {
		t.Fatalf("led to %s (%d)", page.URL, page.Status)
	}
	for _, want := range []string{"••02", "k•••@e•••.com", "Laptop", `data-rp-id="127.0.0.1"`, `data-credentials="` + key.Passkey.CredentialID + `"`, `value="totp"`, `value="passkey"`} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("no %q on the page:\n%s", want, page.Body)
		}
	}
	for _, task := range []string{"sms", "email", "recovery", "phone", "nothing"} {
		if strings.Contains(page.Body, `name="task" value="`+task+`"`) {
			t.Errorf("%s can be added once more", task)
		}
		fields := form(t, page, "/security/methods/add")
		fields.Set("task", task)
		if got := v.Post("/security/methods/add", fields); got.URL.Path != "/security/methods" {
			t.Errorf("adding %s led to %s", task, got.URL)
		}
	}
	for _, f := range v.factors() {
		page := v.enter("/security/methods/" + f.ID)
		if _, renamable := page.Form("/security/methods/" + f.ID + "/rename"); renamable != (f.Kind == provider.FactorPasskey || f.Kind == provider.FactorTOTP) {
			t.Errorf("%s: can be renamed: %t", f.Kind, renamable)
		}
		if f.Kind == provider.FactorPasskey && !strings.Contains(page.Body, "Synced") {
			t.Errorf("a synced passkey:\n%s", page.Body)
		}
	}
}

func TestSecurityNeedsASignIn(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	for _, path := range []string{"/security", "/security/password", "/security/devices", "/security/activity?before=x", "/security/apps"} {
		b := v.elsewhere()
		page := b.Get(path)
		if page.URL.Path != "/signin" {
			t.Fatalf("%s led to %s (%d)", path, page.URL, page.Status)
		}
		if page = b.pass(page); page.URL.RequestURI() != path || page.Status != http.StatusOK {
			t.Errorf("%s: the sign-in ended at %s (%d)", path, page.URL, page.Status)
		}
	}
	b := v.elsewhere()
	page := b.Get("/security?" + strings.Repeat("x", 300))
	if page = b.pass(page); page.URL.RequestURI() != "/security" {
		t.Errorf("an endless address: the sign-in ended at %s", page.URL)
	}
	page = i.Browser().Post("/security/report", url.Values{})
	if page.Status < 400 {
		t.Errorf("a form out of nowhere: %d at %s", page.Status, page.URL)
	}
	r, err := http.NewRequest(http.MethodHead, i.URL+"/security", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET" {
		t.Errorf("HEAD: %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
}

func TestCancelledSignInLeavesTheCentre(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	page := v.Get("/security/devices")
	if page = v.Submit(page, "/signin/cancel"); page.URL.Path != "/" || page.Status != http.StatusOK {
		t.Errorf("cancelling a sign-in led to %s (%d)", page.URL, page.Status)
	}
	v.enter("/security")
	i.Wait(6 * time.Minute)
	page = v.Get("/security/password")
	if page = v.Submit(page, "/signin/cancel"); page.URL.RequestURI() != "/security" {
		t.Errorf("cancelling a confirmation led to %s (%d)", page.URL, page.Status)
	}
	page = v.Submit(v.enter("/security/methods"), "/security/methods/add", "task", "totp")
	page = v.pass(page)
	if page.URL.Path != "/factor/totp/new" {
		t.Fatalf("adding an app led to %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	if page = v.Submit(page, "/signin/cancel"); page.URL.RequestURI() != "/security/methods" {
		t.Errorf("cancelling an enrolment led to %s (%d)", page.URL, page.Status)
	}
}

func TestTrustedDeviceStepsUp(t *testing.T) {
	t.Parallel()
	i := centre(t)
	app := i.Register(provider.Client{})
	v := visit(i, "KarinEk")
	if page := v.pass(v.Get(app.Authorize()), "trust_device", "1"); page.Away == nil || len(v.trusted()) != 1 {
		t.Fatalf("trusting the device: %d devices", len(v.trusted()))
	}
	v.SetCookie("cardea-session", "")
	if page := v.SignIn(v.Get(app.Authorize()), "KarinEk", webtest.Password); page.Away == nil {
		t.Fatalf("the trusted device was asked for a code at %s", page.URL)
	}
	for _, path := range []string{"/security", "/security/report", "/security/activity"} {
		if page := v.Get(path); page.URL.Path != "/signin/verify/totp" {
			t.Errorf("%s opened to a password on a trusted device: %s (%d)", path, page.URL, page.Status)
		}
	}
	v.enter("/security")
}

func TestOldAuthenticationIsAskedAgain(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	v.enter("/security")
	method := v.enter("/security/methods/" + v.factor())
	i.Wait(6 * time.Minute)
	for _, path := range []string{"/security/password", "/security/recovery-codes", "/security/methods/" + v.factor() + "/remove", "/security/apps/remove?client_id=x"} {
		if page := v.Get(path); page.URL.Path != "/signin" || !strings.Contains(page.Body, "change your security settings") {
			t.Errorf("%s after six minutes led to %s (%d)", path, page.URL, page.Status)
		}
	}
	for _, path := range []string{"/security", "/security/devices", "/security/contact", "/security/report"} {
		if page := v.Get(path); page.URL.Path != path || page.Status != http.StatusOK {
			t.Errorf("%s after six minutes led to %s (%d)", path, page.URL, page.Status)
		}
	}
	t.Run("a form that waited", func(t *testing.T) {
		rename := "/security/methods/" + v.factor() + "/rename"
		page := v.Submit(method, rename, "name", "New name")
		if page.URL.Path != "/signin" {
			t.Fatalf("led to %s (%d)", page.URL, page.Status)
		}
		if page = v.pass(page); page.URL.Path != "/security/methods/"+v.factor() || page.Status != http.StatusOK {
			t.Fatalf("the confirmation ended at %s (%d)", page.URL, page.Status)
		}
		if name := v.factors()[0].Name; name != "App" {
			t.Errorf("renamed to %q without a confirmation", name)
		}
		if page = v.Submit(page, rename, "name", "New name"); page.URL.RequestURI() != "/security/methods?done=factor-renamed" || v.factors()[0].Name != "New name" {
			t.Errorf("after it: %s (%d), name %q", page.URL, page.Status, v.factors()[0].Name)
		}
	})
	t.Run("half an hour", func(t *testing.T) {
		for range 3 {
			i.Wait(11 * time.Minute)
			if page := v.Submit(v.Get("/security/methods"), "/language", "lang", "en"); page.Status != http.StatusOK {
				t.Fatalf("keeping the session: %d at %s", page.Status, page.URL)
			}
		}
		if page := v.Get("/security"); page.URL.Path != "/signin" {
			t.Errorf("led to %s (%d)", page.URL, page.Status)
		}
	})
}

func TestWellKnownAddresses(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	if page := v.pass(v.Get("/.well-known/change-password")); page.URL.Path != "/security/password" || page.Status != http.StatusOK {
		t.Errorf("change-password led to %s (%d)", page.URL, page.Status)
	}
	page := v.Get("/.well-known/passkey-endpoints")
	var got map[string]string
	if err := json.Unmarshal([]byte(page.Body), &got); err != nil || page.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("passkey-endpoints: %d %s: %v", page.Status, page.Body, err)
	}
	if want := i.URL + "/security/methods"; len(got) != 2 || got["enroll"] != want || got["manage"] != want {
		t.Errorf("passkey-endpoints: %v", got)
	}
	without := centre(t, func(set *webtest.Settings) { set.Web.Passkeys = false })
	if page := without.Browser().Get("/.well-known/passkey-endpoints"); page.Status != http.StatusNotFound {
		t.Errorf("without passkeys: %d", page.Status)
	}
}
