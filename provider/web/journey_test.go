package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestSignInWithPasswordAndCode(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		i := webtest.Open(t, webtest.On(store))
		app := i.Register(provider.Client{})
		person := i.Person("KarinEk")
		key := i.Authenticator(person)
		b := i.Browser()

		page := b.Get(app.Authorize())
		if page.Status != http.StatusOK || page.URL.Path != "/signin" {
			t.Fatalf("authorize led to %s (%d)", page.URL, page.Status)
		}
		page = b.SignIn(page, "KarinEk", webtest.Password)
		if page.URL.Path != "/signin/verify/totp" {
			t.Fatalf("password led to %s (%d):\n%s", page.URL, page.Status, page.Body)
		}
		page = b.Submit(page, "/signin/verify/totp", "code", i.Code(key))
		if page.Away == nil {
			t.Fatalf("code led to %s (%d):\n%s", page.URL, page.Status, page.Body)
		}
		got := page.Away.Query()
		if got.Get("state") != "state-1234567890" || got.Get("iss") != i.URL || got.Get("code") == "" {
			t.Fatalf("callback %s", page.Away)
		}
		tokens := app.Redeem(got.Get("code"))
		if tokens.Status != http.StatusOK || tokens.Text("refresh_token") == "" || tokens.Text("id_token") == "" {
			t.Fatalf("tokens: %d %s", tokens.Status, tokens.Raw)
		}
		info := app.UserInfo(tokens.Text("access_token"))
		if info.Text("sub") != person.ID || info.Text("email") != "karin@example.com" || info.JSON["phone_number"] != nil {
			t.Fatalf("userinfo: %d %s", info.Status, info.Raw)
		}
		again := app.Refresh(tokens.Text("refresh_token"))
		if again.Status != http.StatusOK || again.Text("refresh_token") == tokens.Text("refresh_token") {
			t.Fatalf("refresh: %d %s", again.Status, again.Raw)
		}
		if page = b.Get(app.Authorize("prompt", "none")); page.Away == nil || page.Away.Query().Get("code") == "" {
			t.Fatalf("single sign-on led to %s (%d)", page.URL, page.Status)
		}
	})
}

func TestLockoutPages(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	for _, userID := range []string{"KarinEk", "NobodyAtAll"} {
		b := i.Browser()
		page := b.Get(app.Authorize())
		for n := range 4 {
			page = b.SignIn(page, userID, "wrong password")
			if page.Status != http.StatusUnprocessableEntity || strings.Contains(page.Body, "one attempt left") != (n == 3) {
				t.Fatalf("%s, attempt %d: %d\n%s", userID, n+1, page.Status, page.Body)
			}
		}
		page = b.SignIn(page, userID, "wrong password")
		if page.Status != http.StatusUnprocessableEntity && page.Status != http.StatusTooManyRequests {
			t.Fatalf("%s, attempt 5: %d\n%s", userID, page.Status, page.Body)
		}
		page = b.SignIn(b.Get(app.Authorize()), userID, webtest.Password)
		if page.Status != http.StatusTooManyRequests || !strings.Contains(page.Body, "temporarily locked") {
			t.Fatalf("%s, locked: %d\n%s", userID, page.Status, page.Body)
		}
	}
	i.Wait(31 * time.Minute)
	b := i.Browser()
	if page := b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password); page.Away == nil {
		t.Fatalf("after the wait: %d\n%s", page.Status, page.Body)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	i := webtest.Open(t)
	b := i.Browser()
	for path, want := range map[string]string{"/oauth2/token": "POST", "/signin": "GET, POST", "/help": "GET, HEAD"} {
		r, err := http.NewRequest(http.MethodPut, i.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := b.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != want {
			t.Errorf("PUT %s: %d, Allow %q, want %q", path, resp.StatusCode, resp.Header.Get("Allow"), want)
		}
	}
	for _, path := range []string{"/Signin", "//signin", "/signin/", "/./signin", "/signin;a", "/%73ignin", "/help/..%2fsignin", "/help/nothing", "/oauth2", "/admin", "/static/", "/static/../signin", "/debug/pprof/"} {
		r, err := http.NewRequest(http.MethodGet, i.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = path
		resp, err := b.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound || len(resp.Cookies()) != 0 {
			t.Errorf("GET %s: %d, cookies %v", path, resp.StatusCode, resp.Cookies())
		}
	}
}

func TestFormsFromElsewhereAreRefused(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	victim, attacker := i.Browser(), i.Browser()
	page := victim.Get(app.Authorize())
	own, _ := page.Form("/signin")
	foreign, _ := attacker.Get(app.Authorize()).Form("/signin")
	for name, change := range map[string]func(b *webtest.Browser, form map[string][]string){
		"no token":        func(_ *webtest.Browser, form map[string][]string) { delete(form, "form_token") },
		"another's token": func(_ *webtest.Browser, form map[string][]string) { form["form_token"] = foreign["form_token"] },
		"cross-site":      func(b *webtest.Browser, _ map[string][]string) { b.Header.Set("Sec-Fetch-Site", "cross-site") },
		"foreign origin":  func(b *webtest.Browser, _ map[string][]string) { b.Header.Set("Origin", "https://evil.example") },
		"origin null":     func(b *webtest.Browser, _ map[string][]string) { b.Header.Set("Origin", "null") },
		"doubled field":   func(_ *webtest.Browser, form map[string][]string) { form["username"] = []string{"a", "b"} },
		"another's sign-in": func(_ *webtest.Browser, form map[string][]string) {
			form["ix"], form["form_token"] = foreign["ix"], foreign["form_token"]
		},
		"without any cookie": func(b *webtest.Browser, _ map[string][]string) { b.SetCookie("cardea-browser", "") },
	} {
		t.Run(name, func(t *testing.T) {
			b := *victim
			b.Header = http.Header{}
			form := map[string][]string{"username": {"KarinEk"}, "password": {webtest.Password}, "ix": own["ix"], "form_token": own["form_token"]}
			keep := b.Cookie("cardea-browser")
			change(&b, form)
			got := b.Post("/signin", form)
			b.SetCookie("cardea-browser", keep)
			if got.Status < 400 || got.Status >= 500 || got.Away != nil || b.Cookie("cardea-session") != "" {
				t.Errorf("%d at %s", got.Status, got.URL)
			}
		})
	}
	if page = victim.SignIn(victim.Get(page.URL.String()), "KarinEk", webtest.Password); page.Away == nil {
		t.Errorf("the sign-in itself: %d", page.Status)
	}
}

// HEAD neither goes on with a sign-in nor begins anything.
func TestHeadChangesNothing(t *testing.T) {
	i := webtest.Open(t)
	app := i.Register(provider.Client{})
	i.Person("KarinEk")
	b := i.Browser()
	b.SignIn(b.Get(app.Authorize()), "KarinEk", webtest.Password)
	page := b.Get(app.Authorize("prompt", "login"))
	for _, path := range []string{"/signin", "/signin/verify", "/signin/verify/sms", "/signin/continue", "/factor/totp/new", "/factor/phone/new", "/security", "/oauth2/authorize"} {
		r, err := http.NewRequest(http.MethodHead, i.URL+path+"?"+page.URL.RawQuery, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("HEAD %s: %d", path, answer.StatusCode)
		}
	}
}
