package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// shopping is a client that needs consent.
func shopping(i *webtest.Issuer) *webtest.Client {
	return i.Register(provider.Client{ID: "shop", Type: provider.ClientWeb})
}

// out tells whether the browser's session is over, as the security centre sees it.
func (v *visitor) out() bool {
	v.i.T.Helper()
	page := v.Get("/security/devices")
	if page.Status != http.StatusOK {
		v.i.T.Fatalf("%d at %s:\n%s", page.Status, page.URL, page.Body)
	}
	return page.URL.Path == "/signin"
}

// dead tells whether neither token of an answer opens anything.
func dead(c *webtest.Client, tokens *webtest.Answer) bool {
	return c.Refresh(tokens.Text("refresh_token")).Text("error") == "invalid_grant" && c.UserInfo(tokens.Text("access_token")).Status == http.StatusUnauthorized
}

func TestReportLocksEverything(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, store *storage.Store) { reportLocksEverything(t, centre(t, webtest.On(store))) })
}

func reportLocksEverything(t *testing.T, i *webtest.Issuer) {
	t.Helper()
	shop := shopping(i)
	v := visit(i, "KarinEk")
	tokens, other := v.app(shop), v.elsewhere()
	bystander := visit(i, "OlleBerg")
	bystander.enter("/security")
	other.enter("/security")
	underWay := v.elsewhere()
	code := underWay.SignIn(underWay.Get(shop.Authorize()), "KarinEk", webtest.Password)
	if code.URL.Path != "/signin/verify/totp" {
		t.Fatalf("a sign-in under way stands at %s", code.URL)
	}
	other.enter("/security/report")
	i.Wait(6 * time.Minute) // locking is easy: no new confirmation
	page := other.Submit(other.Get("/security/report"), "/security/report")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "010-000 00 00") {
		t.Fatalf("report: %d at %s:\n%s", page.Status, page.URL, page.Body)
	}
	if other.Cookie("cardea-session") != "" {
		t.Error("the session cookie is still there")
	}
	if !v.out() || !other.out() {
		t.Error("a session is still signed in")
	}
	if !dead(shop, tokens) {
		t.Error("a token is still alive")
	}
	if page = underWay.Submit(code, "/signin/verify/totp", "code", i.Code(v.key)); page.Away != nil || underWay.Cookie("cardea-session") != "" {
		t.Errorf("the sign-in under way went on to %s", page.URL)
	}
	again := v.elsewhere()
	if page = again.SignIn(again.Get("/security"), "KarinEk", webtest.Password); page.Status != http.StatusUnprocessableEntity || page.URL.Path != "/signin" {
		t.Errorf("a locked account signed in as far as %s (%d)", page.URL, page.Status)
	}
	if bystander.out() {
		t.Error("somebody else was signed out")
	}
	if messages := v.sent(provider.MessageDesk); len(messages) != 1 || messages[0].To != desk || messages[0].Data.Reference == "" {
		t.Errorf("customer service was told %+v", messages)
	}
}

func TestRemovedAppHasNoAccess(t *testing.T) {
	t.Parallel()
	i := centre(t)
	shop, own := shopping(i), i.Register(provider.Client{ID: "own"})
	v := visit(i, "KarinEk")
	tokens, kept := v.app(shop), v.app(own)
	page := v.Submit(v.enter("/security/apps/remove?client_id=shop"), "/security/apps/remove")
	if page.URL.RequestURI() != "/security/apps?done=app" || strings.Contains(page.Body, "client_id=shop") {
		t.Fatalf("led to %s (%d)", page.URL, page.Status)
	}
	if !dead(shop, tokens) {
		t.Error("the app's tokens are still alive")
	}
	if kept.Status != http.StatusOK || dead(own, kept) {
		t.Error("another app lost its tokens")
	}
	if page = v.Get(shop.Authorize()); page.URL.Path != "/signin/consent" {
		t.Errorf("the app got in again without being asked for, at %s", page.URL)
	}
	if body := v.enter("/security/activity").Body; !strings.Contains(body, "A service lost its access: Example App") {
		t.Errorf("activity does not name the app:\n%s", body)
	}
}

func TestSignOutElsewhere(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	b, c := v.elsewhere(), v.elsewhere()
	for _, x := range []*visitor{v, b, c} {
		x.enter("/security")
	}
	page := v.Submit(v.enter("/security/devices"), "/security/devices/sign-out")
	if page.URL.RequestURI() != "/security/devices?done=session" || v.out() || b.out() == c.out() {
		t.Fatalf("one of two others: %s; out: %t %t %t", page.URL, v.out(), b.out(), c.out())
	}
	page = v.Submit(v.enter("/security/devices/sign-out-others"), "/security/devices/sign-out-others")
	if page.URL.RequestURI() != "/security/devices?done=others" || v.out() || !b.out() || !c.out() {
		t.Fatalf("all others: %s; out: %t %t %t", page.URL, v.out(), b.out(), c.out())
	}
	fields := form(t, page, "/language")
	fields.Set("sid", v.sessions()[0].SID)
	if page = v.Post("/security/devices/sign-out", fields); page.URL.Path != "/signed-out" || v.Cookie("cardea-session") != "" || !v.out() {
		t.Errorf("this one: %s (%d)", page.URL, page.Status)
	}
}

func TestForgottenDeviceIsAskedAgain(t *testing.T) {
	t.Parallel()
	i := centre(t)
	app := i.Register(provider.Client{})
	v := visit(i, "KarinEk")
	v.app(app, "trust_device", "1")
	page := v.enter("/security/devices")
	if strings.Count(page.Body, `class="tag"`) != 2 {
		t.Errorf("this browser is not marked as session and trusted device:\n%s", page.Body)
	}
	if page = v.Submit(page, "/security/devices/forget"); page.URL.RequestURI() != "/security/devices?done=device" {
		t.Fatalf("led to %s (%d)", page.URL, page.Status)
	}
	v.SetCookie("cardea-session", "")
	if page = v.SignIn(v.Get(app.Authorize()), "KarinEk", webtest.Password); page.URL.Path != "/signin/verify/totp" {
		t.Errorf("the forgotten device was let in: %s", page.URL)
	}
}

func TestPasswordChangeEndsOthers(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]bool{"others end": true, "others stay": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := centre(t)
			shop := shopping(i)
			v := visit(i, "KarinEk")
			other := v.elsewhere()
			tokens := other.app(shop)
			v.enter("/security")
			page, old := v.enter("/security/password"), v.Cookie("cardea-session")
			fields := []string{"password", webtest.Password, "new_password", newPassword, "new_password2", newPassword}
			fields = append(fields, "end_others", map[bool]string{true: "1", false: "-"}[end])
			if page = v.Submit(page, "/security/password", fields...); page.URL.RequestURI() != "/security?done=password" || page.Status != http.StatusOK {
				t.Fatalf("led to %s (%d):\n%s", page.URL, page.Status, page.Body)
			}
			if other.enters() == end || dead(shop, tokens) != end {
				t.Errorf("other session in: %t", other.enters())
			}
			thief := v.elsewhere()
			thief.SetCookie("cardea-session", old)
			if old == v.Cookie("cardea-session") || thief.enters() {
				t.Error("the session cookie from before still opens the security centre")
			}
			again := v.elsewhere()
			if page = again.SignIn(again.Get("/security"), "KarinEk", webtest.Password); page.Status != http.StatusUnprocessableEntity {
				t.Errorf("the old password: %d at %s", page.Status, page.URL)
			}
			if page = again.SignIn(again.Get("/security"), "KarinEk", newPassword); page.URL.Path != "/signin/verify/totp" {
				t.Errorf("the new password: %d at %s", page.Status, page.URL)
			}
		})
	}
}

// enters tells whether the browser's session opens the security centre as it is.
func (v *visitor) enters() bool {
	v.i.T.Helper()
	return v.Get("/security").URL.Path == "/security"
}

func TestIdleAndAbsoluteLimits(t *testing.T) {
	t.Parallel()
	i := centre(t, func(set *webtest.Settings) { set.People.Sessions.Absolute = time.Hour })
	v := visit(i, "KarinEk")
	stay := url.Values{"form_token": form(t, v.enter("/security"), "/security/stay")["form_token"]}
	begun := v.sessions()[0]
	for i.Now().Before(begun.Expires.Add(-10 * time.Minute)) {
		i.Wait(10 * time.Minute)
		if page := v.Post("/security/stay", stay); page.Status != http.StatusNoContent || page.Body != "" {
			t.Fatalf("polling at %s of %s: %d", i.Now(), begun.Expires, page.Status)
		}
	}
	i.Wait(10 * time.Minute)
	if page := v.Post("/security/stay", stay); page.Status != http.StatusUnauthorized {
		t.Errorf("past the absolute limit: %d", page.Status)
	}
	if !v.out() {
		t.Error("past the absolute limit the security centre is open")
	}

	idle := v.elsewhere()
	stay = url.Values{"form_token": form(t, idle.enter("/security"), "/security/stay")["form_token"]}
	i.Wait(16 * time.Minute)
	if page := idle.Post("/security/stay", stay); page.Status != http.StatusUnauthorized || !idle.out() {
		t.Errorf("after sixteen idle minutes: %d", page.Status)
	}
	nobody := i.Browser()
	stay = url.Values{"form_token": form(t, nobody.Get("/"), "/language")["form_token"]}
	if page := nobody.Post("/security/stay", stay); page.Status != http.StatusUnauthorized {
		t.Errorf("nobody stays: %d", page.Status)
	}
}

// A page says that the session ends before it does: script must not let people type
// into what is over.
func TestPagesWarnInTime(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	if page := v.enter("/security"); !strings.Contains(page.Body, `data-idle-seconds="840"`) {
		t.Errorf("no warning a minute before 15 minutes less one:\n%s", page.Body)
	}
	i.Wait(59 * time.Second) // not yet written again
	page := v.enter("/security")
	i.Wait(14*time.Minute - time.Second)
	if got := v.Post("/security/stay", url.Values{"form_token": form(t, page, "/security/stay")["form_token"]}); got.Status != http.StatusNoContent {
		t.Errorf("within the time that the page tells: %d", got.Status)
	}
}

func TestLanguageIsKept(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	v.Header.Set("Accept-Language", "en")
	page := v.Submit(v.enter("/security/language"), "/security/language", "lang", "sv")
	if page.URL.RequestURI() != "/security/language?done=language" || !strings.Contains(page.Body, `<html lang="sv"`) {
		t.Fatalf("led to %s (%d)", page.URL, page.Status)
	}
	if v.Cookie("cardea-language") != "sv" {
		t.Errorf("cookie %q", v.Cookie("cardea-language"))
	}
	if page = v.Submit(page, "/security/language", "lang", "de"); page.Status != http.StatusBadRequest {
		t.Errorf("a language that we have not: %d", page.Status)
	}
	account, err := i.Store.Account(t.Context(), v.person.ID)
	if err != nil || account.Locale != "sv" {
		t.Errorf("kept %+v, %v", account, err)
	}
}
