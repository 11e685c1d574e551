package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// show is how somebody shows a second factor: what goes into which field of the page.
type show struct {
	kind  provider.FactorKind
	amr   string
	field string
	value func() string
}

// equipped gives a person every factor that needs no script, and how to show each.
func equipped(i *webtest.Issuer, a *provider.Account) []show {
	key, codes := i.Authenticator(a), i.RecoveryCodes(a)
	i.Factor(a, provider.FactorSMS)
	i.Factor(a, provider.FactorEmail)
	return []show{
		{provider.FactorTOTP, "[pwd otp mfa]", "code", func() string { return i.Code(key) }},
		{provider.FactorSMS, "[pwd sms mca mfa]", "code", func() string { return i.SentCode(a, provider.ChannelSMS) }},
		{provider.FactorEmail, "[pwd otp mca mfa]", "code", func() string { return i.SentCode(a, provider.ChannelMail) }},
		{provider.FactorRecovery, "[pwd otp mfa]", "recovery_code", func() string { return codes[3] }},
	}
}

// choose goes to the page of a kind of factor by way of the chooser.
func choose(t *testing.T, b *webtest.Browser, page *webtest.Page, kind provider.FactorKind) *webtest.Page {
	t.Helper()
	page = b.Submit(b.Get("/signin/verify?ix="+page.URL.Query().Get("ix")), "/signin/verify", "method", string(kind))
	if page.URL.Path != "/signin/verify/"+string(kind) || page.Status != http.StatusOK {
		t.Fatalf("chooser led to %s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	return page
}

// claims redeems the code of a callback and gives the ID token's claims.
func claims(t *testing.T, i *webtest.Issuer, app *webtest.Client, page *webtest.Page) map[string]any {
	t.Helper()
	if page.Away == nil || page.Away.Query().Get("code") == "" {
		t.Fatalf("no code: %s (%d) %v\n%s", page.URL, page.Status, page.Away, page.Body)
	}
	tokens := app.Redeem(page.Away.Query().Get("code"))
	if tokens.Status != http.StatusOK {
		t.Fatalf("redeem: %d %s", tokens.Status, tokens.Raw)
	}
	return i.Claims(tokens.Text("id_token"))
}

func wantLevel(t *testing.T, got map[string]any, acr, amr string) {
	t.Helper()
	if got["acr"] != acr || fmt.Sprint(got["amr"]) != amr {
		t.Errorf("acr %v amr %v, want %s %s", got["acr"], got["amr"], acr, amr)
	}
}

func TestEveryFactorReachesTheClient(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		i := webtest.Open(t, webtest.On(store))
		app := i.Register(provider.Client{})
		person := i.Person("KarinEk")
		for _, by := range equipped(i, person) {
			b := i.Browser()
			page := choose(t, b, b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password), by.kind)
			path := "/signin/verify/" + string(by.kind)
			if wrong := b.Submit(page, path, by.field, "not a code"); wrong.Status != http.StatusUnprocessableEntity || !strings.Contains(wrong.Body, by.field+"-error") {
				t.Errorf("%s, nonsense: %d\n%s", by.kind, wrong.Status, wrong.Body)
			}
			page = b.Submit(page, path, by.field, by.value())
			wantLevel(t, claims(t, i, app, page), provider.ACRTwoFactor, by.amr)
			if b.Cookie("cardea-session") == "" || b.Cookie("cardea-trusted") != "" {
				t.Errorf("%s: session %q, trusted %q", by.kind, b.Cookie("cardea-session"), b.Cookie("cardea-trusted"))
			}
		}
	})
}

func TestFactorUsedLastComesFirst(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	ways := equipped(i, i.Person("KarinEk"))
	first := "/signin/verify/totp" // the strongest of those never used
	for _, by := range ways {
		b := i.Browser()
		page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
		if page.URL.Path != first {
			t.Errorf("led to %s, want %s", page.URL.Path, first)
		}
		if page = b.Submit(choose(t, b, page, by.kind), "/signin/verify/"+string(by.kind), by.field, by.value()); page.Away == nil {
			t.Fatalf("%s: %s (%d)\n%s", by.kind, page.URL, page.Status, page.Body)
		}
		if by.kind != provider.FactorRecovery { // stands in for another: never first
			first = "/signin/verify/" + string(by.kind)
		}
		i.Wait(time.Minute)
	}
	b := i.Browser()
	if page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password); page.URL.Path != first {
		t.Errorf("led to %s, want %s", page.URL.Path, first)
	}
}

func TestPageOfAFactorThatMayNotBeUsedLeadsOn(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{Factors: []provider.FactorKind{provider.FactorTOTP}})
	equipped(i, i.Person("KarinEk"))
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	own, _ := page.Form("/signin/cancel")
	for _, kind := range []string{"sms", "email", "recovery", "passkey"} {
		if got := b.Get("/signin/verify/" + kind + "?ix=" + own.Get("ix")); got.URL.Path != "/signin/verify/totp" {
			t.Errorf("GET %s: %s (%d)", kind, got.URL, got.Status)
		}
		form := everything()
		form["ix"], form["form_token"] = own["ix"], own["form_token"]
		if got := b.Post("/signin/verify/"+kind, form); got.Away != nil || b.Cookie("cardea-session") != "" || kind != "passkey" && got.URL.Path != "/signin/verify/totp" {
			t.Errorf("POST %s: %s (%d)", kind, got.URL, got.Status)
		}
	}
	if sent := i.SentCodes(mustAccount(t, i, "KarinEk"), provider.ChannelSMS); len(sent) != 0 {
		t.Errorf("%d codes were sent", len(sent))
	}
	if page = b.Get("/signin/verify?ix=" + own.Get("ix")); strings.Contains(page.Body, `value="sms"`) || !strings.Contains(page.Body, `value="totp"`) {
		t.Errorf("the chooser offers what may not be used:\n%s", page.Body)
	}
}

func mustAccount(t *testing.T, i *webtest.Issuer, userID string) *provider.Account {
	t.Helper()
	a, err := i.Store.AccountByUserID(t.Context(), provider.NormalUserID(userID))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTrustedDevice(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	key := i.Authenticator(i.Person("KarinEk"))
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	if !strings.Contains(page.Body, `name="trust_device"`) {
		t.Fatalf("trust is not offered:\n%s", page.Body)
	}
	page = b.Submit(page, "/signin/verify/totp", "code", i.Code(key), "trust_device", "1")
	wantLevel(t, claims(t, i, app, page), provider.ACRTwoFactor, "[pwd otp mfa]")
	if b.Cookie("cardea-trusted") == "" {
		t.Fatal("no trusted cookie")
	}
	again := func(over ...string) *webtest.Page {
		b.SetCookie("cardea-session", "")
		return b.SignIn(b.Get(app.Authorize(over...)), "KarinEk", webtest.Password)
	}
	wantLevel(t, claims(t, i, app, again()), provider.ACROneFactor, "[pwd]") // it stands in, and raises nothing
	if page = again("acr_values", provider.ACRTwoFactor); page.URL.Path != "/signin/verify/totp" || strings.Contains(page.Body, `name="trust_device"`) {
		t.Errorf("asked for two factors: %s\n%s", page.URL, page.Body)
	}
	if page = again("prompt", "login"); page.URL.Path != "/signin/verify/totp" {
		t.Errorf("asked to sign in anew: %s", page.URL)
	}
	other := i.Browser()
	i.Person("OlleAlm")
	i.Authenticator(mustAccount(t, i, "OlleAlm"))
	other.SetCookie("cardea-trusted", b.Cookie("cardea-trusted"))
	if page = other.SignIn(other.Get(app.Authorize()), "OlleAlm", webtest.Password); page.URL.Path != "/signin/verify/totp" {
		t.Errorf("another account's device: %s", page.URL)
	}
	i.Wait(31 * 24 * time.Hour)
	if page = again(); page.URL.Path != "/signin/verify/totp" {
		t.Errorf("after 31 days: %s (%d)", page.URL, page.Status)
	}
}

func TestStepUpByACRAndMaxAge(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorOff))
	app := i.Register(provider.Client{Purpose: provider.Text{"en": "make a payment", "sv": "göra en betalning"}})
	key := i.Authenticator(i.Person("KarinEk"))
	b, code := app.SignedIn("KarinEk")
	wantLevel(t, i.Claims(app.Redeem(code).Text("id_token")), provider.ACROneFactor, "[pwd]")

	page := b.Get(app.Authorize("acr_values", provider.ACRTwoFactor))
	if page.URL.Path != "/signin/verify/totp" {
		t.Fatalf("step-up led to %s (%d)", page.URL, page.Status)
	}
	if chooser := b.Get("/signin/verify?" + page.URL.RawQuery); !strings.Contains(chooser.Body, "make a payment") {
		t.Errorf("no purpose:\n%s", chooser.Body)
	}
	if got := b.Get(app.Authorize("acr_values", provider.ACRTwoFactor, "prompt", "none")); got.Away == nil || got.Away.Query().Get("error") != "login_required" {
		t.Errorf("silently: %v", got.Away)
	}
	before := b.Cookie("cardea-session")
	wantLevel(t, claims(t, i, app, b.Submit(page, "/signin/verify/totp", "code", i.Code(key))), provider.ACRTwoFactor, "[pwd otp mfa]")
	if b.Cookie("cardea-session") == before {
		t.Error("the session kept its token")
	}
	if got := b.Get(app.Authorize("acr_values", provider.ACRTwoFactor, "prompt", "none")); got.Away == nil || got.Away.Query().Get("code") == "" {
		t.Errorf("stepped up, silently: %v", got.Away)
	}

	i.Wait(10 * time.Minute)
	page = b.Get(app.Authorize("max_age", "60"))
	if page.URL.Path != "/signin" || !strings.Contains(page.Body, `value="KarinEk"`) || !strings.Contains(page.Body, "make a payment") {
		t.Fatalf("max_age led to %s\n%s", page.URL, page.Body)
	}
	got := claims(t, i, app, b.SignIn(page, "KarinEk", webtest.Password))
	if age := i.Now().Unix() - int64(got["auth_time"].(float64)); age > 60 {
		t.Errorf("auth_time is %d s old", age)
	}
	page = b.Get(app.Authorize("acr_values", provider.ACRPhishingResistant)) // nothing that she has is enough
	if !slices.Contains([]string{"/signin", "/signin/verify/totp"}, page.URL.Path) {
		t.Errorf("phr led to %s (%d)", page.URL, page.Status)
	}
}

func TestMaskedUserIDOfTheSessionIsUnderstood(t *testing.T) {
	i := webtest.Open(t, func(set *webtest.Settings) { set.Web.RememberMasked = true })
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	b, _ := app.SignedIn("KarinEk")
	page := b.Get(app.Authorize("prompt", "login"))
	if strings.Contains(page.Body, "KarinEk") {
		t.Errorf("the User ID is not masked:\n%s", page.Body)
	}
	form, _ := page.Form("/signin")
	if page = b.Submit(page, "/signin", "password", webtest.Password); page.Away == nil {
		t.Errorf("masked as %q: %d\n%s", form.Get("username"), page.Status, page.Body)
	}
	other := i.Browser()
	if page = other.SignIn(other.Get(app.Authorize()), form.Get("username"), webtest.Password); page.Status != http.StatusUnprocessableEntity {
		t.Errorf("another browser's mask: %d", page.Status)
	}
}

func TestCodesAreSentNoFasterThanTheLimits(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	person := i.Person("KarinEk")
	i.Factor(person, provider.FactorSMS)
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	address := page.URL.String()
	sent := func() int { return len(i.SentCodes(person, provider.ChannelSMS)) }
	if sent() != 1 || !strings.Contains(page.Body, provider.MaskPhone(person.Profile.PhoneNumber)) && !strings.Contains(page.Body, "02") {
		t.Fatalf("%d codes\n%s", sent(), page.Body)
	}
	if page = b.Get(address); page.Status != http.StatusOK || sent() != 1 {
		t.Errorf("seen again: %d, %d codes", page.Status, sent())
	}
	got := b.Submit(page, "/signin/verify/sms/send")
	if got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" || sent() != 1 {
		t.Errorf("too soon: %d, Retry-After %q, %d codes", got.Status, got.Header.Get("Retry-After"), sent())
	}
	for n := 2; n <= 3; n++ {
		i.Wait(time.Minute)
		if got = b.Submit(page, "/signin/verify/sms/send"); got.Status != http.StatusOK || sent() != n {
			t.Errorf("code %d: %d, %d codes\n%s", n, got.Status, sent(), got.Body)
		}
	}
	i.Wait(time.Minute)
	if got = b.Submit(page, "/signin/verify/sms/send"); got.Status != http.StatusTooManyRequests || sent() != 3 {
		t.Errorf("code 4: %d, %d codes", got.Status, sent())
	}
	if page = b.Submit(page, "/signin/verify/sms", "code", i.SentCode(person, provider.ChannelSMS)); page.Away == nil {
		t.Errorf("the newest code: %d\n%s", page.Status, page.Body)
	}
}

func TestCodeThatExpiredIsSentAnew(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	person := i.Person("KarinEk")
	i.Factor(person, provider.FactorEmail)
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	old := i.SentCode(person, provider.ChannelMail)
	i.Wait(11 * time.Minute)
	got := b.Submit(page, "/signin/verify/email", "code", old)
	if got.Status != http.StatusUnprocessableEntity || len(i.SentCodes(person, provider.ChannelMail)) != 1 { // the old one is no longer deliverable
		t.Fatalf("expired: %d, %d codes\n%s", got.Status, len(i.SentCodes(person, provider.ChannelMail)), got.Body)
	}
	fresh := i.SentCode(person, provider.ChannelMail)
	if fresh == old {
		t.Fatal("the new code is the old one")
	}
	if page = b.Submit(got, "/signin/verify/email", "code", fresh); page.Away == nil {
		t.Errorf("the new one: %d\n%s", page.Status, page.Body)
	}
}

func TestWrongCodesLockAllFactorsTogether(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	person := i.Person("KarinEk")
	ways := equipped(i, person)
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	wrong := func(by show) *webtest.Page {
		value := "000000"
		if by.kind == provider.FactorRecovery {
			value = "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"
		}
		asked := choose(t, b, page, by.kind)
		if by.value() == value {
			value = "000001"
		}
		return b.Submit(asked, "/signin/verify/"+string(by.kind), by.field, value)
	}
	for n, by := range append(slices.Clone(ways), ways[0]) {
		if got := wrong(by); got.Status != http.StatusUnprocessableEntity && n < 4 || n == 4 && got.Status != http.StatusTooManyRequests {
			t.Errorf("wrong code %d, %s: %d\n%s", n+1, by.kind, got.Status, got.Body)
		}
	}
	right := b.Submit(b.Get("/signin/verify/totp?"+page.URL.RawQuery), "/signin/verify/totp", "code", ways[0].value())
	if right.Status != http.StatusTooManyRequests || right.Header.Get("Retry-After") == "" || b.Cookie("cardea-session") != "" {
		t.Errorf("the right code on a locked lane: %d", right.Status)
	}
}

func TestWhoseContactIsGoneIsToldWhomToCall(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	person := i.Person("KarinEk")
	i.Factor(person, provider.FactorSMS)
	person.Profile.PhoneNumberVerified = false
	if err := i.Store.UpdateProfile(t.Context(), person); err != nil {
		t.Fatal(err)
	}
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "010-000 00 00") || b.Cookie("cardea-session") != "" {
		t.Errorf("%s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	if n := len(i.SentCodes(person, provider.ChannelSMS)); n != 0 {
		t.Errorf("%d codes were sent", n)
	}
}

func TestCancelTellsTheClient(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorRequired))
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	if page.URL.Path != "/factor/new" {
		t.Fatalf("%s (%d)", page.URL, page.Status)
	}
	if page = b.Submit(page, "/signin/cancel"); page.Away == nil || page.Away.Query().Get("error") != "access_denied" {
		t.Errorf("%s %v", page.URL, page.Away)
	}
}

func TestSignInOfAnotherBrowserIsRefused(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	person := i.Person("KarinEk")
	i.Factor(person, provider.FactorSMS)
	b, thief := i.Browser(), i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	form, _ := page.Form("/signin/verify/sms")
	form.Set("code", i.SentCode(person, provider.ChannelSMS))
	thief.Get(app.Authorize())
	for _, path := range []string{"/signin/verify/sms", "/signin/verify/sms/send", "/signin/verify", "/signin/cancel", "/signin/verify/passkey/options", "/factor/recovery-codes"} {
		if got := thief.Post(path, form); got.Status != http.StatusBadRequest || got.Away != nil {
			t.Errorf("POST %s: %d at %s", path, got.Status, got.URL)
		}
	}
	if got := thief.Get(page.URL.String()); got.Status != http.StatusBadRequest {
		t.Errorf("GET: %d", got.Status)
	}
	if page = b.Post("/signin/verify/sms", form); page.Away == nil {
		t.Errorf("the owner: %d", page.Status)
	}
}

func TestSecurityCentreIsNoClient(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	b, _ := app.SignedIn("KarinEk")
	page := b.Get(app.Authorize("client_id", provider.SecurityCentreID, "redirect_uri", i.URL+"/security"))
	if page.Status != http.StatusBadRequest || page.Away != nil || page.URL.Path != "/oauth2/authorize" {
		t.Errorf("%s (%d)", page.URL, page.Status)
	}
}
