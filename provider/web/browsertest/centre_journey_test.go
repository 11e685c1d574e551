package browsertest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage/storagetest"
)

// centreWords are what people must see in the security centre: see words.
var centreWords = map[string]map[string]string{
	"en": {
		"wrong":      "The User ID or password is not correct. Check both and try again.",
		"current":    "The current password is not correct. Check it and try again.",
		"password":   "Your password has been changed.",
		"show":       "Show password",
		"hide":       "Hide password",
		"renamed":    "The name has been changed.",
		"removed":    "The way to sign in has been removed.",
		"save":       "Save these codes now. Each works once. We cannot show them again.",
		"nine":       "9 codes left",
		"session":    "You are signed out on that device.",
		"others":     "You are signed out everywhere else.",
		"untrusted":  "The device is no longer trusted.",
		"no trusted": "You have no trusted devices.",
		"code":       "The code is not correct. Check it and try again.",
		"phone":      "Your phone number has been changed.",
		"address":    "Your e‑mail address has been changed.",
		"reported":   "We have locked sign-in",
		"card":       "This does not block your card.",
		"changed":    "Password changed",
	},
	"sv": {
		"wrong":      "Användar-ID eller lösenord stämmer inte. Kontrollera båda och försök igen.",
		"current":    "Det nuvarande lösenordet stämmer inte. Kontrollera det och försök igen.",
		"password":   "Ditt lösenord är bytt.",
		"show":       "Visa lösenord",
		"hide":       "Dölj lösenord",
		"renamed":    "Namnet är ändrat.",
		"removed":    "Sättet att logga in är borttaget.",
		"save":       "Spara koderna nu. Varje kod fungerar en gång. Vi kan inte visa dem igen.",
		"nine":       "9 koder kvar",
		"session":    "Du är utloggad på den enheten.",
		"others":     "Du är utloggad överallt utom här.",
		"untrusted":  "Enheten är inte längre betrodd.",
		"no trusted": "Du har inga betrodda enheter.",
		"code":       "Koden stämmer inte. Kontrollera den och försök igen.",
		"phone":      "Ditt telefonnummer är ändrat.",
		"address":    "Din mejladress är ändrad.",
		"reported":   "Vi har spärrat inloggningen",
		"card":       "Det påverkar inte ditt kort.",
		"changed":    "Lösenordet byttes",
	},
}

// owner is somebody at a window, of an issuer of their own: its clock may be moved.
type owner struct {
	*window
	i      *issuer
	person *provider.Account
	say    map[string]string
	mode   mode
}

// owners runs test for somebody in both languages, in one with script and in the other
// without.
func owners(t *testing.T, test func(t *testing.T, o *owner)) {
	t.Helper()
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			t.Parallel()
			i := start(t, func(set *webtest.Settings) { set.People.Desk = "desk@example.com" })
			test(t, &owner{i.window(t, m), i, i.newcomer(), centreWords[m.lang], m})
		})
	}
}

// elsewhere is the same person at another browser.
func (o *owner) elsewhere() *owner {
	there := *o
	there.window = o.i.window(o.t, o.mode)
	return &there
}

// enter opens a page of the security centre as somebody who has only a password.
func (o *owner) enter(path string) {
	o.t.Helper()
	o.visit(o.i.URL + path)
	if o.path() == "/signin" {
		o.signIn(o.person.UserID, webtest.Password)
	}
	o.on(path)
}

// out fails unless the window is signed out.
func (o *owner) out() {
	o.t.Helper()
	o.visit(o.i.URL + "/security")
	o.on("/signin")
}

// leave signs out, and leaves what else the browser remembers.
func (o *owner) leave() {
	o.t.Helper()
	o.visit(o.i.URL + "/oauth2/logout")
	o.press("#confirm")
	o.on("/signed-out")
}

// another chooses another way to confirm.
func (w *window) another(kind provider.FactorKind) {
	w.t.Helper()
	w.press(`a[href^="/signin/verify?"]`)
	w.click("[value=" + string(kind) + "]")
	w.press("#submit")
	w.on("/signin/verify/" + string(kind))
}

// enters types a code.
func (w *window) enters(code string) {
	w.t.Helper()
	w.fill("code", code)
	w.press("#submit")
}

const nextPassword = "sju blanka stenar 54"

func TestChangePassword(t *testing.T) {
	t.Parallel()
	owners(t, func(t *testing.T, o *owner) {
		other := o.elsewhere()
		other.enter("/security")
		o.enter("/security")
		o.press(`a[href="/security/password"]`)
		try := func(current string) {
			t.Helper()
			o.fill("password", current)
			o.fill("new_password", nextPassword)
			if o.mode.plain {
				o.fill("new_password2", nextPassword)
			} else if o.has("#new_password2") {
				t.Error("the new password is asked for twice although it can be shown")
			}
		}
		try("not my password")
		o.press("#submit")
		o.says(o.say["current"])
		o.field("new_password", "")
		try(webtest.Password)
		if !o.mode.plain {
			o.shows()
		}
		o.press("#submit")
		o.on("/security")
		o.says(o.say["password"])
		other.out()
		o.visit(o.i.URL + "/security/activity")
		o.says(o.say["changed"])
		o.leave()
		o.visit(o.i.authorize(o.i.app))
		o.signIn(o.person.UserID, webtest.Password)
		o.says(o.say["wrong"])
		o.signIn(o.person.UserID, nextPassword)
		o.returned(o.i)
	})
}

// shows looks at the new password in plain letters, and hides it again.
func (o *owner) shows() {
	o.t.Helper()
	for _, step := range []struct{ button, kind string }{{"show", "text"}, {"hide", "password"}} {
		if got := o.text(".reveal"); got != o.say[step.button] {
			o.t.Errorf("button %q, want %q", got, o.say[step.button])
		}
		o.click(".reveal")
		if got := value[string](o.window, `document.getElementById("new_password").type`); got != step.kind {
			o.t.Errorf("after %s the field is of type %s, want %s", step.button, got, step.kind)
		}
	}
}

func TestRenameAndRemoveFactor(t *testing.T) {
	t.Parallel()
	owners(t, func(t *testing.T, o *owner) {
		key := o.i.Authenticator(o.person)
		o.visit(o.i.URL + "/security/methods")
		o.signIn(o.person.UserID, webtest.Password)
		o.enters(o.i.Code(key))
		o.on("/security/methods")
		o.press(`.item a[href^="/security/methods/"]`)
		o.fill("name", "Jobbtelefonen <b>")
		o.press("#submit")
		o.on("/security/methods")
		o.says(o.say["renamed"])
		o.says("Jobbtelefonen <b>")
		o.press(`.item a[href^="/security/methods/"]`)
		o.press("#remove")
		o.press("#cancel")
		o.press("#remove")
		o.says("Jobbtelefonen <b>")
		o.press("#confirm")
		o.on("/security/methods")
		o.says(o.say["removed"])
		if strings.Contains(o.text("main"), "Jobbtelefonen") {
			t.Error("the factor is still listed")
		}
		o.leave()
		o.visit(o.i.authorize(o.i.app))
		o.signIn(o.person.UserID, webtest.Password)
		o.returned(o.i) // no code is asked for
	})
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	owners(t, func(t *testing.T, o *owner) {
		key := o.i.Authenticator(o.person)
		old := o.i.RecoveryCodes(o.person)
		o.visit(o.i.URL + "/security/recovery-codes")
		o.signIn(o.person.UserID, webtest.Password)
		o.enters(o.i.Code(key))
		o.on("/security/recovery-codes")
		o.press("#show")
		o.says(o.say["save"])
		codes := value[[]string](o.window, `[...document.querySelectorAll(".codes code")].map((e) => e.innerText)`)
		if len(codes) != 10 || slices.Contains(codes, old[0]) {
			t.Fatalf("new codes %q, old ones %q", codes, old)
		}
		if file := o.download(); !strings.Contains(file, strings.Join(codes, "\r\n")) {
			t.Errorf("the file does not hold %q:\n%s", codes, file)
		}
		o.press("#done")
		o.on("/security/methods")
		o.leave()
		o.visit(o.i.authorize(o.i.app))
		o.signIn(o.person.UserID, webtest.Password)
		o.another(provider.FactorRecovery)
		for _, code := range []string{old[0], strings.ToLower(codes[4])} {
			o.fill("recovery_code", code)
			o.press("#submit")
		}
		o.returned(o.i)
		o.visit(o.i.URL + "/security")
		o.says(o.say["nine"])
	})
}

// download presses the button that gives a file, and gives the file.
func (o *owner) download() string {
	o.t.Helper()
	folder := o.t.(*testing.T).TempDir()
	call(o.window, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder, BrowserContextID: chromedp.FromContext(o.ctx).BrowserContextID,
	})
	o.click("#download")
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if file, err := os.ReadFile(filepath.Join(folder, "recovery-codes.txt")); err == nil && len(file) > 0 {
			return string(file)
		}
		if time.Now().After(end) {
			o.t.Fatal("no file was saved")
		}
	}
}

func TestSignOutElsewhere(t *testing.T) {
	t.Parallel()
	owners(t, func(t *testing.T, o *owner) {
		other := o.elsewhere()
		other.enter("/security")
		o.enter("/security/devices")
		o.press(`form[action="/security/devices/sign-out"] button`)
		o.says(o.say["session"])
		other.out()
		other.enter("/security")
		o.visit(o.i.URL + "/security/devices")
		o.press("#others")
		o.press("#cancel")
		o.press("#others")
		o.press("#confirm")
		o.says(o.say["others"])
		other.out()
		o.visit(o.i.URL + "/security/devices")
		o.on("/security/devices")
		if o.has("#others") {
			t.Error("offers to sign out others, of which there are none")
		}
	})
}

func TestTrustedDevice(t *testing.T) {
	t.Parallel()
	owners(t, func(t *testing.T, o *owner) {
		o.i.Factor(o.person, provider.FactorSMS)
		sent := func() string { return o.i.SentCode(o.person, provider.ChannelSMS) }
		o.visit(o.i.authorize(o.i.app))
		o.signIn(o.person.UserID, webtest.Password)
		o.on("/signin/verify/sms")
		o.click("#trust_device")
		o.enters(sent())
		o.returned(o.i)
		o.leave()
		o.visit(o.i.authorize(o.i.app))
		o.signIn(o.person.UserID, webtest.Password)
		o.returned(o.i) // no code is asked for

		o.i.Wait(time.Minute) // so that another code may be sent
		o.visit(o.i.URL + "/security/devices")
		o.on("/signin/verify/sms") // the security centre asks
		o.enters(sent())
		o.press(`form[action="/security/devices/forget"] button`)
		o.says(o.say["untrusted"])
		o.says(o.say["no trusted"])
		o.leave()
		o.i.Wait(time.Minute)
		o.visit(o.i.authorize(o.i.app))
		o.signIn(o.person.UserID, webtest.Password)
		o.on("/signin/verify/sms")
	})
}

func TestChangeContact(t *testing.T) {
	t.Parallel()
	owners(t, func(t *testing.T, o *owner) {
		o.enter("/security/contact")
		for _, change := range []struct {
			button, page, field, value, done string
			channel                          provider.Channel
		}{
			{"#change-phone", "/factor/phone/new", "phone", "070-174 06 99", "phone", provider.ChannelSMS},
			{"#change-address", "/factor/email/new", "email", "karin.new@example.com", "address", provider.ChannelMail},
		} {
			o.press(change.button)
			o.on(change.page)
			o.fill(change.field, change.value)
			o.press("#submit")
			code := o.i.SentCode(o.person, change.channel)
			o.enters(wrongFor(code))
			o.says(o.say["code"])
			o.focused("error-summary")
			o.enters(code)
			o.on("/security/contact")
			o.says(o.say[change.done])
		}
		now, err := o.i.Store.Account(t.Context(), o.person.ID)
		if err != nil {
			t.Fatal(err)
		}
		if p := now.Profile; p.PhoneNumber != "+46701740699" || !p.PhoneNumberVerified || p.Email != "karin.new@example.com" || !p.EmailVerified {
			t.Errorf("contacts %+v", p)
		}
		told := o.told(provider.MessageContact)
		for _, to := range []string{o.person.Profile.PhoneNumber, "+46701740699", o.person.Profile.Email, "karin.new@example.com"} {
			if !slices.Contains(told, to) {
				t.Errorf("%s was not told; only %q", to, told)
			}
		}
	})
}

// wrongFor is six digits that are not the code.
func wrongFor(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// told are the addresses and numbers to which messages of a kind go.
func (o *owner) told(kind provider.MessageKind) (to []string) {
	o.t.Helper()
	waiting, err := storagetest.Outbox(o.ctx, o.i.Store, o.i.Now())
	if err != nil {
		o.t.Fatal(err)
	}
	for _, m := range waiting {
		if m.Kind != kind {
			continue
		}
		address := m.To
		if address == "" {
			now, err := o.i.Store.Account(o.ctx, m.AccountID)
			if err != nil {
				o.t.Fatal(err)
			}
			address = map[provider.Channel]string{provider.ChannelMail: now.Profile.Email, provider.ChannelSMS: now.Profile.PhoneNumber}[m.Channel]
		}
		to = append(to, address)
	}
	return to
}

func TestThisWasNotMe(t *testing.T) {
	t.Parallel()
	owners(t, func(t *testing.T, o *owner) {
		other := o.elsewhere()
		other.enter("/security")
		o.enter("/security/activity")
		o.i.Wait(6 * time.Minute) // to lock is easy: nothing is asked
		o.press("#report")
		o.press("#cancel")
		o.on("/security/activity")
		o.press("#report")
		o.says(o.say["card"])
		o.press("#confirm")
		o.says(o.say["reported"])
		o.says("010-000 00 00")
		other.out()
		o.out()
		o.signIn(o.person.UserID, webtest.Password)
		o.says(o.say["wrong"])
		if told := o.told(provider.MessageDesk); !slices.Equal(told, []string{"desk@example.com"}) {
			t.Errorf("customer service was told at %q", told)
		}
	})
}
