package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/signin"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// forced is a browser whose sign-in has to set up a factor first.
func forced(t *testing.T, i *webtest.Issuer, app *webtest.Client, userID string) (*webtest.Browser, *webtest.Page) {
	t.Helper()
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), userID, webtest.Password)
	if page.URL.Path != "/factor/new" || page.Status != http.StatusOK {
		t.Fatalf("password led to %s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	if b.Cookie("cardea-session") != "" {
		t.Fatal("a session before there is a factor")
	}
	return b, page
}

// setUp sets up a kind of factor that needs no script, and gives the page it leads to.
func setUp(t *testing.T, i *webtest.Issuer, b *webtest.Browser, page *webtest.Page, a *provider.Account, kind provider.FactorKind) *webtest.Page {
	t.Helper()
	query := "?ix=" + page.URL.Query().Get("ix")
	if kind == provider.FactorTOTP {
		page = b.Get("/factor/totp/new" + query)
		_, rest, _ := strings.Cut(page.Body, "secret=")
		code, err := signin.CodeAt(rest[:32], i.Now())
		if err != nil {
			t.Fatal(err)
		}
		return b.Submit(page, "/factor/totp/new", "code", code)
	}
	path, channel := "/factor/phone", provider.ChannelSMS
	if kind == provider.FactorEmail {
		path, channel = "/factor/email", provider.ChannelMail
	}
	page = b.Get(path + "/new" + query)
	form, _ := page.Form("/signin/cancel")
	form.Set("use", "current")
	page = b.Post(path+"/new", form)
	if page.URL.Path != path+"/new" || page.Status != http.StatusOK {
		t.Fatalf("sending led to %s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	if wrong := b.Submit(page, path+"/confirm", "code", "x"); wrong.Status != http.StatusUnprocessableEntity {
		t.Errorf("nonsense: %d\n%s", wrong.Status, wrong.Body)
	}
	return b.Submit(page, path+"/confirm", "code", i.SentCode(a, channel))
}

func TestForcedEnrolmentByEveryKind(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		i := webtest.Open(t, webtest.On(store), webtest.Policy(provider.SecondFactorRequired))
		app := i.Register(provider.Client{})
		for kind, amr := range map[provider.FactorKind]string{
			provider.FactorTOTP: "[pwd otp mfa]", provider.FactorSMS: "[pwd sms mca mfa]", provider.FactorEmail: "[pwd otp mca mfa]",
		} {
			a := i.Person("Person-" + string(kind))
			b, page := forced(t, i, app, a.UserID)
			page = setUp(t, i, b, page, a, kind)
			if page.URL.Path != "/factor/recovery-codes" || page.Status != http.StatusOK {
				t.Fatalf("%s led to %s (%d)\n%s", kind, page.URL, page.Status, page.Body)
			}
			page = b.Submit(page, "/factor/recovery-codes/done")
			wantLevel(t, claims(t, i, app, page), provider.ACRTwoFactor, amr)
			b.SetCookie("cardea-session", "")
			if page = b.SignIn(b.Get(app.Authorize()), a.UserID, webtest.Password); page.URL.Path != "/signin/verify/"+string(kind) {
				t.Errorf("%s: the next sign-in led to %s (%d)", kind, page.URL, page.Status)
			}
		}
	})
}

func TestRecoveryCodesAreShownOnce(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorRequired))
	app := i.Register(provider.Client{})
	a := i.Person("KarinEk")
	b, page := forced(t, i, app, "KarinEk")
	page = b.Submit(setUp(t, i, b, page, a, provider.FactorTOTP), "/factor/recovery-codes")
	if page.Status != http.StatusOK || page.URL.Path != "/factor/recovery-codes" {
		t.Fatalf("%s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	file := b.Submit(page, "/factor/recovery-codes/download")
	lines := strings.Split(strings.TrimSpace(file.Body), "\r\n")
	if file.Status != http.StatusOK || file.Header.Get("Content-Type") != "text/plain; charset=utf-8" ||
		!strings.Contains(file.Header.Get("Content-Disposition"), `attachment; filename="recovery-codes.txt"`) || len(lines) != 12 {
		t.Fatalf("file: %d %v\n%s", file.Status, file.Header, file.Body)
	}
	for _, code := range lines[2:] {
		if !strings.Contains(page.Body, code) {
			t.Errorf("%s is not on the page", code)
		}
	}
	unsaved := b.Submit(page, "/factor/recovery-codes/done")
	if unsaved.Status != http.StatusUnprocessableEntity || !strings.Contains(unsaved.Body, lines[2]) || !strings.Contains(unsaved.Body, "saved-error") {
		t.Errorf("not saved: %d\n%s", unsaved.Status, unsaved.Body)
	}
	form, _ := unsaved.Form("/factor/recovery-codes/download")
	for name, sealed := range map[string]string{"nothing": "", "no base64": "!", "changed": form.Get("sealed")[:40] + "A" + form.Get("sealed")[41:], "another's": otherSeal(t, i, app)} {
		form.Set("sealed", sealed)
		if got := b.Post("/factor/recovery-codes/download", form); got.Status != http.StatusBadRequest || strings.Contains(got.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d", name, got.Status)
		}
	}
	if got := b.Submit(unsaved, "/factor/recovery-codes/done", "saved", "1"); got.Away == nil || got.Away.Query().Get("code") == "" {
		t.Errorf("saved: %s (%d)", got.URL, got.Status)
	}
	for _, path := range []string{"/factor/recovery-codes", "/factor/recovery-codes/download", "/factor/recovery-codes/done"} {
		if again := b.Post(path, form); again.Status != http.StatusBadRequest || strings.Contains(again.Body, lines[2]) {
			t.Errorf("POST %s when it is over: %d", path, again.Status)
		}
	}
	b2 := i.Browser()
	asked := choose(t, b2, b2.SignIn(b2.Get(app.Authorize()), "KarinEk", webtest.Password), provider.FactorRecovery)
	typed := strings.ToLower(strings.ReplaceAll(lines[5], "-", " "))
	if got := b2.Submit(asked, "/signin/verify/recovery", "recovery_code", typed); got.Away == nil {
		t.Errorf("a code from the file: %d\n%s", got.Status, got.Body)
	}
}

// otherSeal is what another sign-in's page holds.
func otherSeal(t *testing.T, i *webtest.Issuer, app *webtest.Client) string {
	t.Helper()
	a := i.Person("OlleAlm")
	b, page := forced(t, i, app, "OlleAlm")
	form, ok := b.Submit(setUp(t, i, b, page, a, provider.FactorTOTP), "/factor/recovery-codes").Form("/factor/recovery-codes/download")
	if !ok {
		t.Fatal("no download")
	}
	return form.Get("sealed")
}

func TestContactThatCannotBeOneIsRefused(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorRequired))
	app := i.Register(provider.Client{})
	a := i.Person("KarinEk")
	a.Profile.EmailVerified, a.Profile.PhoneNumberVerified = false, false // or there would be nothing to type
	if err := i.Store.UpdateProfile(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	b, chooser := forced(t, i, app, "KarinEk")
	form, _ := chooser.Form("/signin/cancel")
	for field, path := range map[string]string{"phone": "/factor/phone/new", "email": "/factor/email/new"} {
		for _, typed := range []string{"", "nobody", "12", "a@b", "<script>@example.com"} {
			form.Set(field, typed)
			got := b.Post(path, form)
			if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Body, field+"-error") || strings.Contains(got.Body, "<script>@") {
				t.Errorf("%s %q: %d\n%s", field, typed, got.Status, got.Body)
			}
		}
	}
	if n := len(i.SentCodes(a, provider.ChannelSMS)) + len(i.SentCodes(a, provider.ChannelMail)); n != 0 {
		t.Errorf("%d codes were sent", n)
	}
	form.Set("code", "123456")
	if got := b.Post("/factor/phone/confirm", form); got.URL.Path != "/factor/phone/new" || got.Away != nil {
		t.Errorf("confirmed nothing: %s (%d)", got.URL, got.Status)
	}
	if got := b.Post("/factor/phone/send", form); got.URL.Path != "/factor/phone/new" {
		t.Errorf("sent nothing again: %s (%d)", got.URL, got.Status)
	}
}

func TestOnlyKindOfFactorNeedsNoChooser(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorRequired))
	app := i.Register(provider.Client{Factors: []provider.FactorKind{provider.FactorSMS}})
	i.Person("KarinEk")
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	if page.URL.Path != "/factor/phone/new" {
		t.Fatalf("%s (%d)", page.URL, page.Status)
	}
	query := "?ix=" + page.URL.Query().Get("ix")
	for _, path := range []string{"/factor/totp/new", "/factor/passkey/new", "/factor/email/new", "/factor/recovery-codes"} {
		if got := b.Get(path + query); got.URL.Path != "/factor/phone/new" {
			t.Errorf("GET %s: %s (%d)", path, got.URL, got.Status)
		}
	}
}

func TestSignInWhereNothingIsEnoughEndsWithWhomToCall(t *testing.T) {
	i := webtest.Open(t, func(set *webtest.Settings) {
		set.People.Factors = []provider.FactorKind{provider.FactorTOTP}
	})
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize("acr_values", provider.ACRPhishingResistant)), "KarinEk", webtest.Password)
	if page.URL.Path != "/factor/new" || page.Status != http.StatusOK || !strings.Contains(page.Body, "010-000 00 00") {
		t.Fatalf("%s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	if page = b.Submit(page, "/signin/cancel"); page.Away == nil || page.Away.Query().Get("error") != "access_denied" {
		t.Errorf("%s %v", page.URL, page.Away)
	}
}

func TestSecurityCentreSignInComesBack(t *testing.T) {
	i := webtest.Open(t)
	i.Register(provider.Client{})
	a := i.Person("KarinEk")
	b := i.Browser()
	page := b.Get("/security/methods")
	if page.URL.Path != "/signin" {
		t.Fatalf("%s (%d)", page.URL, page.Status)
	}
	page = b.SignIn(page, "KarinEk", webtest.Password)
	if page.URL.Path != "/security/methods" || page.Status != http.StatusOK || page.Refresh() != nil {
		t.Fatalf("%s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	page = b.Submit(page, "/security/methods/add", "task", "totp")
	if page.URL.Path != "/factor/totp/new" {
		t.Fatalf("%s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	if got := b.Submit(page, "/signin/cancel"); got.URL.Path != "/security/methods" || got.Status != http.StatusOK {
		t.Errorf("cancelled: %s (%d)", got.URL, got.Status)
	}
	page = b.Submit(b.Get("/security/methods"), "/security/methods/add", "task", "totp")
	page = setUp(t, i, b, page, a, provider.FactorTOTP)
	if page.URL.Path == "/factor/recovery-codes" {
		page = b.Submit(page, "/factor/recovery-codes/done")
	}
	if page.URL.Path != "/security/methods" || page.Status != http.StatusOK {
		t.Fatalf("%s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	i.Wait(6 * time.Minute)
	page = b.Submit(page, "/security/methods/add", "task", "sms")
	if page.URL.Path != "/signin" {
		t.Fatalf("too long ago: %s (%d)", page.URL, page.Status)
	}
	if page = b.Submit(page, "/signin/cancel"); page.URL.Path != "/security" || page.Status != http.StatusOK {
		t.Errorf("cancelled: %s (%d)", page.URL, page.Status)
	}
	i.Wait(16 * time.Minute)
	page = b.Get("/security")
	if page = b.Submit(page, "/signin/cancel"); page.URL.Path != "/" {
		t.Errorf("cancelled without a session: %s (%d)", page.URL, page.Status)
	}
}

func TestNewNumberInTheSecurityCentre(t *testing.T) {
	i := webtest.Open(t)
	i.Register(provider.Client{})
	a := i.Person("KarinEk")
	b := i.Browser()
	page := b.SignIn(b.Get("/security/contact"), "KarinEk", webtest.Password)
	page = b.Submit(page, "/security/contact", "task", "phone")
	if page.URL.Path != "/factor/phone/new" || page.Status != http.StatusOK {
		t.Fatalf("%s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	first := page.URL.String()
	if got := b.Get("/factor/email/new?" + page.URL.RawQuery); got.URL.Path != "/factor/phone/new" {
		t.Errorf("another contact's page: %s", got.URL)
	}
	if got := b.Submit(page, "/factor/phone/new", "phone", a.Profile.PhoneNumber); got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Body, "We already have this one") {
		t.Errorf("the same number: %d\n%s", got.Status, got.Body)
	}
	page = b.Submit(page, "/factor/phone/new", "phone", "070-000 00 09")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, `action="/factor/phone/confirm"`) {
		t.Fatalf("%s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	if got := b.Get(first + "&again=1"); !strings.Contains(got.Body, `name="phone"`) {
		t.Errorf("another number cannot be given:\n%s", got.Body)
	}
	if got := b.Submit(page, "/factor/phone/send"); got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" {
		t.Errorf("a new code at once: %d", got.Status)
	}
	old := i.SentCode(a, provider.ChannelSMS)
	i.Wait(11 * time.Minute)
	if got := b.Submit(page, "/factor/phone/confirm", "code", old); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("expired: %d\n%s", got.Status, got.Body)
	}
	if now := mustAccount(t, i, "KarinEk"); now.Profile.PhoneNumber != a.Profile.PhoneNumber {
		t.Error("the number was changed before it was proven")
	}
	got := b.Submit(page, "/factor/phone/confirm", "code", i.SentCode(a, provider.ChannelSMS))
	if got.URL.Path != "/security/contact" || got.Status != http.StatusOK {
		t.Errorf("confirmed: %s (%d)\n%s", got.URL, got.Status, got.Body)
	}
	if now := mustAccount(t, i, "KarinEk"); now.Profile.PhoneNumber != "+46700000009" {
		t.Errorf("the number is %s", now.Profile.PhoneNumber)
	}
}

// Where a verified contact is on file, whoever has shown just the password has no other
// to choose.
func TestContactOnFileIsTheOnlyOne(t *testing.T) {
	i := webtest.Open(t, webtest.Policy(provider.SecondFactorRequired))
	app := i.Register(provider.Client{})
	a := i.Person("KarinEk")
	b, chooser := forced(t, i, app, "KarinEk")
	form, _ := chooser.Form("/signin/cancel")
	for field, path := range map[string]string{"phone": "/factor/phone/new", "email": "/factor/email/new"} {
		page := b.Get(path + "?ix=" + form.Get("ix"))
		if page.Status != http.StatusOK || !strings.Contains(page.Body, `value="current"`) || strings.Contains(page.Body, `name="`+field+`"`) {
			t.Errorf("%s: %d\n%s", path, page.Status, page.Body)
		}
		form.Set(field, map[string]string{"phone": "+46700000099", "email": "thief@example.com"}[field])
		if got := b.Post(path, form); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("another %s: %d", field, got.Status)
		}
	}
	if n := len(i.SentCodes(a, provider.ChannelSMS)) + len(i.SentCodes(a, provider.ChannelMail)); n != 0 {
		t.Errorf("%d codes were sent", n)
	}
}
