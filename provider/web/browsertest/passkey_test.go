package browsertest

import (
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// passkeyWords are what people must see about passkeys: see words.
var passkeyWords = map[string]map[string]string{
	"en": {
		"failed":   "Your passkey could not be used. Try again or sign in another way.",
		"exists":   "You already have a passkey for your account here. You do not need another one.",
		"noscript": "Passkeys need JavaScript, which is off in your browser. Choose another method.",
		"added":    "Your passkey has been added.",
		"cloned":   "A passkey was refused, because it may have been copied",
	},
	"sv": {
		"failed":   "Det gick inte att använda din passkey. Försök igen eller logga in på ett annat sätt.",
		"exists":   "Du har redan en passkey till ditt konto här. Du behöver inte en till.",
		"noscript": "Passkeys kräver JavaScript, som är avstängt i din webbläsare. Välj ett annat sätt.",
		"added":    "Din passkey är tillagd.",
		"cloned":   "En passkey nekades, för den kan ha kopierats",
	},
}

// The levels that ID tokens tell after a passkey.
const (
	passkeyAlone       = provider.ACRPhishingResistant + " hwk user mfa"
	passwordAndPasskey = provider.ACRPhishingResistant + " pwd hwk user mfa"
	passwordAndCode    = provider.ACRTwoFactor + " pwd otp mfa"
)

// scripted runs test with an issuer of its own: its clock may be moved. The tests take
// turns at the languages, because a ceremony is the same in both.
func scripted(t *testing.T, test func(t *testing.T, i *issuer, w *window, say map[string]string), changes ...func(*webtest.Settings)) {
	t.Helper()
	lang := []string{"en", "sv"}[len(t.Name())%2]
	t.Run(lang, func(t *testing.T) {
		t.Parallel()
		i := local(t, changes...)
		test(t, i, i.window(t, mode{lang: lang}), passkeyWords[lang])
	})
}

// reached fails unless the client got a sign-in of a level, as (*window).level writes it.
func (w *window) reached(i *issuer, want string) {
	w.t.Helper()
	if got := w.level(i); got != want {
		w.t.Errorf("level %q, want %q", got, want)
	}
}

func TestPasskeyByAutofill(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, say map[string]string) {
		person := i.newcomer()
		a := w.plug(phone)
		w.centre(i, person, "/security/methods")
		w.press("#add-passkey")
		w.on("/factor/passkey/new")
		w.press("#passkey")
		w.on("/factor/recovery-codes")
		w.press("#later")
		w.on("/security/methods")
		w.says(say["added"])
		if key := a.key(); key.RpID != "localhost" || !key.IsResidentCredential || string(key.UserHandle) != person.ID || key.UserName != person.UserID {
			t.Errorf("the authenticator holds %+v", key)
		}
		w.forgetCookies()
		w.visit(i.authorize(i.app)) // no User ID is typed, and no button pressed
		w.reached(i, passkeyAlone)
		w.visit(i.authorize(i.app))
		w.returned(i) // signed in
	})
}

func TestPasskeyByAutofillAfterAWhile(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, _ map[string]string) {
		a := w.plug(phone)
		w.addPasskey(i, i.newcomer())
		a.touched(false)
		w.without(patient)
		w.without(overheard)
		w.visit(i.authorize(i.app))
		w.suggests()
		a.touched(true)
		i.Wait(6 * time.Minute) // the first challenge is over
		value[bool](w, `(window.later(), true)`)
		w.reached(i, passkeyAlone)
	})
}

func TestPasskeyAtForcedEnrolment(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, _ map[string]string) {
		w.plug(phone)
		w.visit(i.authorize(i.app))
		w.signIn(i.newcomer().UserID, webtest.Password)
		w.on("/factor/new")
		w.press(`a[href^="/factor/passkey/new"]`)
		w.press("#passkey")
		w.on("/factor/recovery-codes")
		w.press("#later")
		w.reached(i, passwordAndPasskey)
		w.forgetCookies()
		w.visit(i.authorize(i.app))
		w.reached(i, passkeyAlone)
	}, webtest.Policy(provider.SecondFactorRequired))
}

func TestPasskeyByButton(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, _ map[string]string) {
		person := i.newcomer()
		a := w.plug(phone)
		w.addPasskey(i, person)
		a.touched(false)
		a.verifies(false)
		w.without(overheard)
		w.visit(i.authorize(i.app))
		w.suggests()
		a.touched(true)
		w.quiet()
		w.sees(`window.asked.join(" ") === "conditional ended button conditional"`) // a browser does one at a time
		w.suggests()
		a.verifies(true)
		w.click("#remember")
		w.press("#passkey")
		w.reached(i, passkeyAlone)
		a.touched(false)
		w.visit(i.authorize(i.app, "prompt", "login"))
		w.on("/signin")
		w.field("username", person.UserID)
		w.ticked(true)
	})
}

func TestPasskeyGivenUp(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, _ map[string]string) {
		person := i.newcomer()
		a := w.plug(phone)
		w.addPasskey(i, person)
		key := i.Authenticator(person)
		w.without(autofill)
		a.verifies(false)
		w.visit(i.authorize(i.app))
		w.quiet()
		w.quiet()
		a.verifies(true)
		w.press("#passkey")
		w.reached(i, passkeyAlone)

		a.verifies(false)
		w.visit(i.authorize(i.app, "prompt", "login"))
		w.quiet()
		w.signIn(person.UserID, webtest.Password)
		w.on("/signin/verify/passkey")
		w.another(provider.FactorTOTP)
		w.enters(i.Code(key))
		w.reached(i, passwordAndCode)
	})
}

func TestPasskeyCreationGivenUp(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, say map[string]string) {
		a := w.plug(phone)
		a.verifies(false)
		w.centre(i, i.newcomer(), "/security/methods")
		w.press("#add-passkey")
		w.quiet()
		if n := len(a.keys()); n != 0 {
			t.Errorf("the authenticator holds %d credentials", n)
		}
		a.verifies(true)
		w.press("#passkey")
		w.press("#later")
		w.says(say["added"])
	})
}

func TestPasskeyWithoutConnection(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, say map[string]string) {
		w.plug(phone)
		w.addPasskey(i, i.newcomer())
		w.without(autofill)
		w.visit(i.authorize(i.app))
		if w.has("[data-failed]") {
			t.Error("it has failed before it began")
		}
		w.offline(true)
		w.givenUp()
		if got := w.text("[data-failed]"); got != say["failed"] || !w.has("[data-failed]") {
			t.Errorf("without a connection the page says %q", got)
		}
		w.offline(false)
		w.press("#passkey")
		w.reached(i, passkeyAlone)
	})
}

func TestPasskeyAnsweredTooLate(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, say map[string]string) {
		w.plug(phone)
		w.addPasskey(i, i.newcomer())
		w.without(autofill)
		w.without(overheard)
		w.visit(i.authorize(i.app))
		value[bool](w, `(window.slow = true)`)
		w.click("#passkey")
		w.sees(`!!window.answer`)
		i.Wait(6 * time.Minute)
		w.loading("answering after six minutes", func() { value[bool](w, `(window.answer(), true)`) })
		w.answered(422)
		w.says(say["failed"])
		w.press("#passkey")
		w.reached(i, passkeyAlone)
	})
}

func TestNoPasskeyOnDevice(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, _ map[string]string) {
		w.plug(phone)
		w.visit(i.authorize(i.app))
		w.quiet()
		w.signIn(i.newcomer().UserID, webtest.Password)
		w.reached(i, provider.ACROneFactor+" pwd")
	})
}

func TestPasskeyOnDeviceWithoutScreenLock(t *testing.T) {
	t.Parallel()
	bare := phone
	bare.HasUserVerification, bare.IsUserVerified = false, false
	scripted(t, func(t *testing.T, i *issuer, w *window, _ map[string]string) {
		person := i.newcomer()
		a := w.plug(phone)
		w.addPasskey(i, person)
		key := a.key()
		a.unplug()
		w.plug(bare).hold(key)
		w.visit(i.authorize(i.app))
		w.quiet()
		w.signIn(person.UserID, webtest.Password)
		w.press("#passkey") // beside a password it is enough
		w.reached(i, passwordAndPasskey)
	})
}

func TestPasskeyAloneNeedsUserVerification(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(i *issuer, w *window, a *authenticator){
		"answered without": func(i *issuer, w *window, a *authenticator) {
			w.addPasskey(i, i.newcomer())
			w.without(userVerification)
		},
		"on a key that had not before": func(i *issuer, w *window, a *authenticator) {
			none := true
			call(w, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: a.id, IsBadUV: &none})
			w.addPasskey(i, i.newcomer())
			call(w, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: a.id})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scripted(t, func(t *testing.T, i *issuer, w *window, say map[string]string) {
				prepare(i, w, w.plug(phone))
				w.without(autofill)
				w.visit(i.authorize(i.app))
				w.press("#passkey")
				w.on("/signin/passkey")
				w.answered(422)
				w.says(say["failed"])
				w.focused("error-summary")
				w.press(".language button")
				w.on("/signin")
			})
		})
	}
}

func TestRemovedPasskey(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, say map[string]string) {
		person := i.newcomer()
		a := w.plug(phone)
		w.addPasskey(i, person)
		kept := a.key()
		w.without(autofill)
		w.centre(i, person, "/security/methods")
		w.on("/signin/verify/passkey")
		w.press("#passkey")
		w.on("/security/methods")
		w.press(`.item a[href^="/security/methods/"]`)
		w.press("#remove")
		w.press("#confirm")
		w.on("/security/methods")
		w.emptied(a) // the page told it
		a.hold(kept) // on a device that was elsewhere

		w.forgetCookies()
		w.visit(i.authorize(i.app))
		w.press("#passkey")
		w.answered(422)
		w.says(say["failed"])
		told := value[[]string](w, `(() => { const d = document.querySelector("[data-signal-unknown]").dataset; return [d.rpId, d.credentials]; })()`)
		if want := []string{"localhost", base64.RawURLEncoding.EncodeToString(kept.CredentialID)}; !slices.Equal(told, want) {
			t.Errorf("the page tells of %q, want %q", told, want)
		}
		w.emptied(a)
		w.quiet()
		w.fill("username", person.UserID)
		w.fill("password", webtest.Password)
		w.press("#submit")
		w.reached(i, provider.ACROneFactor+" pwd")
	})
}

func TestSecurityKeyAsSecondFactor(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, _ map[string]string) {
		person := i.newcomer()
		a := w.plug(securityKey)
		w.addPasskey(i, person)
		if a.key().IsResidentCredential {
			t.Error("the key keeps a passkey")
		}
		w.visit(i.authorize(i.app))
		w.quiet() // it cannot stand alone
		w.signIn(person.UserID, webtest.Password)
		w.on("/signin/verify/passkey")
		w.press("#passkey")
		w.reached(i, passwordAndPasskey)
	})
}

func TestTwoPasskeys(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, say map[string]string) {
		person := i.newcomer()
		first := w.plug(phone)
		w.addPasskey(i, person)
		w.without(autofill)
		w.centre(i, person, "/security/methods")
		w.press("#passkey")
		w.press("#add-passkey")
		w.givenUp()
		w.says(say["exists"])
		w.on("/factor/passkey/new")
		old := first.key()
		first.unplug()
		second := w.plug(phone)
		w.press("#passkey")
		w.press("#later")
		w.says(say["added"])
		if n := value[int](w, `document.querySelectorAll('.item a[href^="/security/methods/"]').length`); n != 2 {
			t.Errorf("the security centre shows %d passkeys, want two", n)
		}
		for _, key := range []*webauthn.Credential{second.key(), old} {
			second.unplug()
			second = w.plug(phone)
			second.hold(key)
			w.forgetCookies()
			w.visit(i.authorize(i.app))
			w.press("#passkey")
			w.reached(i, passkeyAlone)
		}
	})
}

func TestCopiedPasskey(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, say map[string]string) {
		person := i.newcomer()
		a := w.plug(phone)
		w.addPasskey(i, person)
		w.without(autofill)
		w.visit(i.authorize(i.app))
		w.press("#passkey")
		w.reached(i, passkeyAlone)
		setCount := func(n float64) {
			call(w, webauthn.SetCredentialProperties, webauthn.SetCredentialPropertiesParams{AuthenticatorID: a.id, CredentialID: a.key().CredentialID, SignCount: &n})
		}
		setCount(0)
		w.forgetCookies()
		w.visit(i.authorize(i.app))
		w.press("#passkey")
		w.answered(422)
		w.says(say["failed"])
		setCount(100)
		w.press("#passkey") // the one that is ahead goes on
		w.reached(i, passkeyAlone)
		w.visit(i.URL + "/security/activity")
		w.says(say["cloned"])
	})
}

func TestStepUpWithPasskey(t *testing.T) {
	t.Parallel()
	scripted(t, func(t *testing.T, i *issuer, w *window, _ map[string]string) {
		person := i.newcomer()
		a := w.plug(phone)
		w.addPasskey(i, person)
		key := i.Authenticator(person)
		w.without(autofill)
		w.visit(i.authorize(i.app))
		w.signIn(person.UserID, webtest.Password)
		w.another(provider.FactorTOTP)
		w.enters(i.Code(key))
		w.reached(i, passwordAndCode)

		w.visit(i.authorize(i.app, "acr_values", provider.ACRPhishingResistant))
		w.on("/signin/verify/passkey")
		if w.has(`a[href^="/signin/verify?"]`) {
			t.Error("another method is offered, which would not be enough")
		}
		a.verifies(false)
		w.quiet()
		a.verifies(true)
		w.press("#passkey")
		w.reached(i, provider.ACRPhishingResistant+" pwd otp hwk user mfa")
		w.visit(i.authorize(i.app, "acr_values", provider.ACRPhishingResistant, "prompt", "none"))
		w.reached(i, provider.ACRPhishingResistant+" pwd otp hwk user mfa")
	})
}

func TestPasskeyPagesWithoutScript(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "sv"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			i := local(t, webtest.Policy(provider.SecondFactorRequired))
			say, person := passkeyWords[lang], i.newcomer()
			w := i.window(t, mode{lang: lang, plain: true})
			w.visit(i.authorize(i.app))
			w.noPasskeyForm()
			w.signIn(person.UserID, webtest.Password)
			w.on("/factor/new")
			w.says(say["noscript"])
			w.press(`a[href^="/factor/passkey/new"]`)
			w.says(say["noscript"])
			w.noPasskeyForm()
			w.press(`a[href^="/factor/new"]`)
			w.press(`a[href^="/factor/phone/new"]`)
			w.press("#use-current")
			w.enters(i.SentCode(person, provider.ChannelSMS))
			w.press("#later")
			w.reached(i, provider.ACRTwoFactor+" pwd sms mca mfa")

			i.Wait(time.Minute) // so that another code may be sent
			with := i.window(t, mode{lang: lang})
			with.plug(phone)
			with.centre(i, person, "/security/methods")
			with.fill("code", i.SentCode(person, provider.ChannelSMS))
			with.press("#submit")
			with.press("#add-passkey")
			with.press("#passkey")
			with.press("#later")
			with.says(say["added"])

			i.Wait(time.Minute)
			w.forgetCookies()
			w.visit(i.authorize(i.app))
			w.noPasskeyForm()
			w.signIn(person.UserID, webtest.Password)
			w.visit(i.URL + "/signin/verify/passkey?" + w.query())
			w.says(say["noscript"])
			w.noPasskeyForm()
			w.press(`a[href^="/signin/verify?"]`)
			w.says(say["noscript"])
			w.click("[value=sms]")
			w.press("#submit")
			w.enters(i.SentCode(person, provider.ChannelSMS))
			w.reached(i, provider.ACRTwoFactor+" pwd sms mca mfa")
		})
	}
}

// noPasskeyForm fails when the page shows a button that would do nothing.
func (w *window) noPasskeyForm() {
	w.t.Helper()
	if w.has("#passkey") {
		w.t.Errorf("%s shows the passkey form without script", w.address())
	}
}
