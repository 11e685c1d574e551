package browsertest

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// modes are what every journey runs in: both languages, with script and without.
// The plain sign-in runs in the other two combinations as well.
var (
	modes      = []mode{{lang: "en"}, {lang: "sv", plain: true}}
	otherModes = []mode{{lang: "sv"}, {lang: "en", plain: true}}
)

// words are texts that people must see, by language: the wordings that the texts
// were approved in, not what the catalogue happens to hold.
var words = map[string]map[string]string{
	"en": {
		"wrong":     "The User ID or password is not correct. Check both and try again.",
		"last":      "You have one attempt left. After that, sign-in is locked for 30 minutes.",
		"locked":    "Sign-in is temporarily locked",
		"card":      "This does not block your card.",
		"bad code":  "The code is not correct. Check it and try again.",
		"digits":    "The code must be 6 digits.",
		"consent":   "Budget App wants access to the following:",
		"expired":   "Go back to the service you came from and start again.",
		"cookies":   "Your browser blocks a cookie that sign-in needs.",
		"signedout": "On a shared computer, close the browser too.",
		"signedin":  "You are already signed in",
		"service":   "You will then continue to Example App",
		"sms":       "We have sent a 6-digit code by text message to the number ending",
		"email":     "We have sent a 6-digit code by e-mail to k•••@e•••.com.",
		"recovery":  "The recovery code is not correct, or it has been used. Check it and try again.",
		"unsaved":   "Save the codes and tick the box. Then choose Done.",
		"purpose":   "Example App needs this to pay a bill.",
	},
	"sv": {
		"wrong":     "Användar-ID eller lösenord stämmer inte. Kontrollera båda och försök igen.",
		"last":      "Du har ett försök kvar. Sedan spärras inloggningen i 30 minuter.",
		"locked":    "Inloggningen är tillfälligt spärrad",
		"card":      "Det påverkar inte ditt kort.",
		"bad code":  "Koden stämmer inte. Kontrollera den och försök igen.",
		"digits":    "Koden ska bestå av 6 siffror.",
		"consent":   "Budgetappen vill få tillgång till följande:",
		"expired":   "Gå tillbaka till tjänsten du kom från och börja om.",
		"cookies":   "Din webbläsare blockerar en kaka som behövs för att logga in.",
		"signedout": "Stäng även webbläsaren om du delar dator med andra.",
		"signedin":  "Du är redan inloggad",
		"service":   "Du fortsätter sedan till Exempelappen",
		"sms":       "Vi har skickat en sexsiffrig kod i ett sms till numret som slutar på",
		"email":     "Vi har skickat en sexsiffrig kod i ett mejl till k•••@e•••.com.",
		"recovery":  "Reservkoden stämmer inte eller är redan använd. Kontrollera den och försök igen.",
		"unsaved":   "Spara koderna och kryssa i rutan. Välj sedan Klar.",
		"purpose":   "Exempelappen behöver det för att betala en räkning.",
	},
}

// journey runs test in modes and more, all at the same time.
func journey(t *testing.T, i *issuer, test func(t *testing.T, w *window, say map[string]string), more ...mode) {
	t.Helper()
	for _, m := range append(more, modes...) {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			test(t, i.window(t, m), words[m.lang])
		})
	}
}

func TestSignInWithPasswordAndCode(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		key := i.Authenticator(person)
		w.visit(i.authorize(i.app))
		w.says(say["service"])
		w.signIn(person.UserID, webtest.Password)
		w.on("/signin/verify/totp")
		w.fill("code", "12 34")
		w.press("#submit")
		w.says(say["digits"])
		w.fill("code", "000000")
		w.press("#submit")
		w.says(say["bad code"])
		w.focused("error-summary")
		code := i.Code(key)
		w.fill("code", code[:3]+" "+code[3:])
		w.press("#submit")
		if answer := i.app.Redeem(w.returned(i).Get("code"), "redirect_uri", i.client+"/callback"); answer.Text("id_token") == "" {
			t.Errorf("redeeming the code: %d %s", answer.Status, answer.Raw)
		}
		w.visit(i.authorize(i.app))
		w.returned(i) // signed in already: nothing is asked
	}, otherModes...)
}

func TestRememberedUserID(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		again := func() {
			t.Helper()
			w.visit(i.authorize(i.app, "prompt", "login"))
			w.on("/signin")
		}
		again()
		w.fill("username", person.UserID)
		w.fill("password", "wrong password")
		w.click("#remember")
		w.press("#submit")
		w.says(say["wrong"])
		w.field("username", person.UserID)
		w.field("password", "")
		w.ticked(true)
		again()
		w.field("username", "") // it failed: nothing is remembered
		w.ticked(false)

		w.fill("username", strings.ToUpper(person.UserID[:1])+person.UserID[1:])
		w.fill("password", webtest.Password)
		w.click("#remember")
		w.press("#submit")
		w.says(say["wrong"]) // capital letters count
		w.signIn(person.UserID, webtest.Password)
		w.returned(i)

		again()
		w.field("username", person.UserID)
		w.ticked(true)
		w.focused("password")
		w.fill("password", webtest.Password)
		w.click("label[for=remember]")
		w.press("#submit")
		w.returned(i)

		call(w, network.DeleteCookies, network.DeleteCookiesParams{Name: "cardea-session", URL: i.URL})
		again()
		w.field("username", "")
		w.ticked(false)
	})
}

func TestRememberedUserIDMasked(t *testing.T) {
	t.Parallel()
	i := start(t, func(set *webtest.Settings) { set.Web.RememberMasked = true })
	w, person := i.window(t, mode{lang: "en"}), i.newcomer()
	w.visit(i.authorize(i.app))
	w.fill("username", person.UserID)
	w.fill("password", webtest.Password)
	w.click("#remember")
	w.press("#submit")
	w.returned(i)
	w.visit(i.authorize(i.app, "prompt", "login"))
	w.field("username", provider.MaskUserID(person.UserID))
	if strings.Contains(value[string](w, `document.documentElement.outerHTML`), person.UserID) {
		t.Error("the page holds the whole User ID")
	}
	w.fill("password", "wrong password")
	w.press("#submit")
	w.field("username", provider.MaskUserID(person.UserID))
	w.fill("password", webtest.Password)
	w.press("#submit")
	w.returned(i)
}

func TestLockout(t *testing.T) {
	t.Parallel()
	i := start(t)
	pages := map[string]string{}
	for _, m := range modes {
		for _, known := range []bool{true, false} {
			name := map[bool]string{true: "known", false: "unknown"}[known]
			t.Run(name+" User ID, "+m.String(), func(t *testing.T) {
				w, say := i.window(t, m), words[m.lang]
				userID := i.newcomer().UserID
				if !known {
					userID = "nobody-" + userID
				}
				w.visit(i.authorize(i.app))
				var seen strings.Builder
				for _, text := range []string{"wrong", "wrong", "wrong", "last", "locked"} {
					w.signIn(userID, "wrong password")
					w.says(say[text])
					seen.WriteString(minuteless(w.text("main")))
				}
				w.visit(i.authorize(i.app))
				w.signIn(userID, webtest.Password)
				w.says(say["locked"])
				w.says(say["card"])
				for _, missing := range []string{"#passkey", `a[href^="/recover"]`} {
					if w.has(missing) {
						t.Errorf("offers %s, which is not there", missing)
					}
				}
				seen.WriteString(minuteless(w.text("main")))
				if other, ok := pages[m.String()]; ok && other != seen.String() {
					t.Errorf("a User ID that exists is told apart from one that does not:\n%s\n---\n%s", other, seen.String())
				}
				pages[m.String()] = seen.String()
				w.press("#cancel")
				if got := w.returned(i).Get("error"); got != "access_denied" {
					t.Errorf("the client got error %q", got)
				}
			})
		}
	}
}

// minuteless leaves the clock times out of a text.
func minuteless(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

func TestConsent(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		w.visit(i.authorize(i.budget, "scope", "openid profile "+webtest.APIScope))
		w.signIn(person.UserID, webtest.Password)
		w.on("/signin/consent")
		w.says(say["consent"])
		w.says(provider.MaskUserID(person.UserID))
		w.press("#deny")
		if got := w.returned(i); got.Get("error") != "access_denied" || got.Has("code") {
			t.Fatalf("after no, the client got %v", got)
		}
		w.visit(i.authorize(i.budget, "scope", "openid profile "+webtest.APIScope))
		w.on("/signin/consent")
		w.press("#allow")
		if got := w.returned(i); got.Get("code") == "" {
			t.Fatalf("after yes, the client got %v", got)
		}
		w.visit(i.authorize(i.budget, "scope", "openid profile "+webtest.APIScope))
		w.returned(i) // asked once
		w.visit(i.authorize(i.budget, "scope", "openid email"))
		w.on("/signin/consent") // new scopes are asked for
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		w.visit(i.authorize(i.app))
		w.press("#cancel")
		if got := w.returned(i); got.Get("error") != "access_denied" || got.Has("code") {
			t.Fatalf("the client got %v", got)
		}
	})
}

func TestSelectAccount(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		first, second := i.newcomer(), i.newcomer()
		w.visit(i.authorize(i.app))
		w.signIn(first.UserID, webtest.Password)
		w.returned(i)
		w.visit(i.authorize(i.app, "prompt", "select_account"))
		w.on("/signin/account")
		w.says(say["signedin"])
		w.says(provider.MaskUserID(first.UserID))
		w.press("#continue")
		w.returned(i)
		w.visit(i.authorize(i.app, "prompt", "select_account"))
		w.press("#other")
		w.signIn(second.UserID, webtest.Password)
		answer := i.app.Redeem(w.returned(i).Get("code"), "redirect_uri", i.client+"/callback")
		if info := i.app.UserInfo(answer.Text("access_token")); info.Text("sub") != second.ID {
			t.Errorf("signed in %q, want the second person %q", info.Text("sub"), second.ID)
		}
	})
}

func TestLanguageSwitch(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		key := i.Authenticator(person)
		w.visit(i.authorize(i.app))
		own := value[string](w, `document.documentElement.lang`)
		other := map[string]string{"en": "sv", "sv": "en"}[own]
		before := w.address()
		w.press(".language button")
		if w.address() != before {
			t.Errorf("the switch led from %s to %s", before, w.address())
		}
		w.says(words[other]["service"])
		w.signIn(person.UserID, "wrong password")
		w.says(words[other]["wrong"])
		w.press(".language button") // on a page that answered a form
		w.says(say["service"])
		w.signIn(person.UserID, webtest.Password)
		w.on("/signin/verify/totp")
		w.press(".language button")
		w.on("/signin/verify/totp")
		w.fill("code", i.Code(key))
		w.press("#submit")
		w.returned(i)
		w.visit(i.authorize(i.app, "prompt", "login"))
		w.says(words[other]["service"]) // the choice lasts
		w.visit(i.authorize(i.app, "prompt", "login", "ui_locales", own))
		w.says(say["service"]) // until a client asks for another
	})
}

func TestBackForwardAndReload(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		key := i.Authenticator(person)
		w.visit(i.authorize(i.app))
		w.reload()
		w.signIn(person.UserID, webtest.Password)
		w.on("/signin/verify/totp")
		w.history(-1)
		if w.path() == "/signin" { // kept by the browser: its form leads on
			w.signIn(person.UserID, webtest.Password)
		}
		w.on("/signin/verify/totp")
		w.reload()
		w.fill("code", "000000")
		w.press("#submit")
		w.says(say["bad code"])
		w.press(".language button")
		w.press(".language button")
		w.fill("code", i.Code(key))
		w.press("#submit")
		w.returned(i)
		w.history(-1)
		w.says(say["expired"]) // it is over, and says what to do
		w.history(1)
		w.returned(i)
	})
}

func TestExpired(t *testing.T) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			i := start(t)
			w, person := i.window(t, m), i.newcomer()
			w.visit(i.authorize(i.app))
			i.Wait(31 * time.Minute)
			w.signIn(person.UserID, webtest.Password)
			w.says(words[m.lang]["expired"])
			w.answered(400)
		})
	}
}

func TestBlockedCookies(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		w.visit(i.authorize(i.app))
		w.forgetCookies()
		w.signIn(i.newcomer().UserID, webtest.Password)
		w.says(say["cookies"])
		w.says(strings.TrimPrefix(i.URL, "http://"))
		w.answered(400)
	})
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		in := func() string {
			t.Helper()
			w.visit(i.authorize(i.app))
			w.signIn(person.UserID, webtest.Password)
			return i.app.Redeem(w.returned(i).Get("code"), "redirect_uri", i.client+"/callback").Text("id_token")
		}
		in()
		w.visit(i.URL + "/")
		w.press("#signout")
		w.says(provider.MaskUserID(person.UserID))
		w.press("#stay")
		w.on("/")
		w.visit(i.client + "/link?to=" + escape(i.URL+"/oauth2/logout?client_id=app&post_logout_redirect_uri="+escape(i.client+"/signed-out")))
		w.press("#go")
		w.on("/oauth2/logout") // no hint: the person is asked
		w.press("#confirm")
		w.on("/signed-out")
		w.says(say["signedout"])
		w.visit(i.URL + "/")
		if w.has("#signout") {
			t.Error("still signed in")
		}

		hint := in()
		w.visit(i.client + "/link?to=" + escape(i.URL+"/oauth2/logout?state=s1&id_token_hint="+escape(hint)+"&post_logout_redirect_uri="+escape(i.client+"/signed-out")))
		w.press("#go")
		w.arrive(i.client + "/signed-out?state=s1")
		w.visit(i.authorize(i.app))
		w.on("/signin")
	})
}

func TestRequestByForm(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		ask := func() {
			t.Helper()
			params := i.app.Params("redirect_uri", i.client+"/callback")
			params.Set("to", i.URL+"/oauth2/authorize")
			w.visit(i.client + "/form?" + params.Encode())
			w.press("#go")
		}
		ask()
		w.signIn(i.newcomer().UserID, webtest.Password)
		w.returned(i)
		ask()
		w.returned(i) // the session was seen, although it came by POST from another site
	})
}
