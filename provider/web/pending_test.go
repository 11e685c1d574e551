package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"cardea/provider"
	"cardea/provider/web"
	"cardea/provider/web/webtest"
)

// pending is a browser whose sign-in has the password and not the second factor.
type pending struct {
	*webtest.Browser
	page *webtest.Page // that asks for the factor
}

func halfway(t *testing.T, i *webtest.Issuer, app *webtest.Client, userID string) pending {
	t.Helper()
	b := i.Browser()
	page := b.SignIn(b.Get(app.Authorize()), userID, webtest.Password)
	if !strings.HasPrefix(page.URL.Path, "/signin/verify/") || page.Status != http.StatusOK {
		t.Fatalf("password led to %s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	return pending{b, page}
}

// holds fails when the browser got anything that only a whole sign-in earns.
func (p pending) holds(t *testing.T, where string, got *webtest.Page) {
	t.Helper()
	if got.Status < 400 && got.Away == nil && strings.HasPrefix(got.URL.Path, "/security") {
		t.Errorf("%s: shows %s (%d)", where, got.URL.Path, got.Status)
	}
	if got.Away != nil && got.Away.Query().Get("code") != "" {
		t.Errorf("%s: a code", where)
	}
	if p.Cookie("cardea-session") != "" || p.Cookie("cardea-trusted") != "" {
		t.Errorf("%s: a session or a trusted device", where)
	}
	for _, c := range got.Header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "cardea-session=") && !strings.HasPrefix(c, "cardea-session=;") {
			t.Errorf("%s: sets %s", where, c)
		}
	}
}

// within is a form with everything in it, and the token of the sign-in.
func (p pending) within() url.Values {
	form := everything()
	own, _ := p.page.Form("/signin/cancel")
	form["ix"], form["form_token"] = own["ix"], own["form_token"]
	return form
}

// outside is a form with everything in it, and the token of a page of no sign-in.
func (p pending) outside() url.Values {
	form := everything()
	own, _ := p.Get("/help").Form("/language")
	form["form_token"] = own["form_token"]
	return form
}

// everything is a field for whatever a form of ours may ask for.
func everything() url.Values {
	form := url.Values{}
	for name, value := range map[string]string{
		"username": "KarinEk", "password": webtest.Password, "new_password": "fyra tysta skogar 31", "new_password2": "fyra tysta skogar 31", "end_others": "1",
		"code": "123456", "recovery_code": "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF", "credential": "{}", "trust_device": "1", "remember": "1", "saved": "1",
		"method": "totp", "choice": "continue", "decision": "allow", "use": "current", "phone": "+46700000009", "email": "olle@example.com", "task": "totp",
		"name": "Mine", "sealed": "AAAA", "lang": "sv", "return_to": "/security", "id": "x", "sid": "x", "client_id": "app",
		"grant_type": "authorization_code", "token": "x",
	} {
		form.Set(name, value)
	}
	return form
}

var variable = regexp.MustCompile(`\{[^}]*\}`)

// TestPendingSignInOpensNothing walks every route there is with a browser that has
// shown the password only.
func TestPendingSignInOpensNothing(t *testing.T) {
	i := webtest.Open(t, webtest.Quiet, webtest.Policy(provider.SecondFactorRequired))
	app := i.Register(provider.Client{})
	person := i.Person("KarinEk")
	key := i.Authenticator(person)
	factors, err := i.Store.Factors(t.Context(), person.ID)
	if err != nil || len(factors) != 1 {
		t.Fatal(len(factors), err)
	}
	before, err := i.Store.Account(t.Context(), person.ID)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := web.Routes(i.Server.Config.Handler)
	if err != nil || len(routes) < 60 {
		t.Fatal(len(routes), err)
	}
	walked := 0
	for _, route := range routes {
		path := variable.ReplaceAllString(route.Path, factors[0].ID)
		switch route.Method {
		case http.MethodGet:
			b := halfway(t, i, app, "KarinEk")
			ix := b.page.URL.Query().Get("ix")
			for _, address := range []string{path, path + "?ix=" + ix, path + "?ix=" + ix + "&sent=1&again=1"} {
				b.holds(t, "GET "+address, b.Get(address))
			}
			walked++
		case http.MethodPost:
			for _, form := range []func(pending) url.Values{pending.within, pending.outside} {
				b := halfway(t, i, app, "KarinEk")
				b.holds(t, "POST "+path, b.Post(path, form(b)))
				b.holds(t, "GET /security after POST "+path, b.Get("/security"))
				for _, cookie := range []string{"cardea-browser", "cardea-device"} {
					if got := app.UserInfo(b.Cookie(cookie)); got.Status != http.StatusUnauthorized {
						t.Errorf("userinfo with %s after POST %s: %d", cookie, path, got.Status)
					}
				}
				if got := b.Get(app.Authorize("prompt", "none")); got.Away == nil || got.Away.Query().Get("error") != "login_required" {
					t.Errorf("prompt=none after POST %s: %s %v", path, got.URL, got.Away)
				}
			}
			walked++
		}
	}
	b := halfway(t, i, app, "KarinEk")
	b.SetCookie("cardea-session", b.Cookie("cardea-browser"))
	if got := b.Get("/security"); got.URL.Path != "/signin" {
		t.Errorf("its cookie taken for a session's: %s (%d)", got.URL, got.Status)
	}
	b.SetCookie("cardea-session", "")
	if got := b.Submit(b.page, "/signin/verify/totp", "code", i.Code(key)); got.Away == nil || got.Away.Query().Get("code") == "" {
		t.Errorf("the whole sign-in: %s (%d)", got.URL, got.Status)
	}
	if got := b.Get("/security"); got.URL.Path != "/security" || got.Status != http.StatusOK {
		t.Errorf("the security centre after the whole sign-in: %s (%d)", got.URL, got.Status)
	}
	if walked < 60 {
		t.Errorf("walked %d routes only", walked)
	}
	after, err := i.Store.Account(t.Context(), person.ID)
	if err != nil || after.Status != before.Status || !after.PasswordChanged.Equal(before.PasswordChanged) || after.Profile.Email != before.Profile.Email ||
		after.Profile.PhoneNumber != before.Profile.PhoneNumber || after.Locale != before.Locale {
		t.Errorf("the account was changed: %+v, %v", after, err)
	}
	if left, err := i.Store.Factors(t.Context(), person.ID); err != nil || len(left) != 1 || left[0].ID != factors[0].ID || left[0].Name != factors[0].Name {
		t.Errorf("the factors were changed: %+v, %v", left, err)
	}
}
