package browsertest

import (
	"strings"
	"testing"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// proved fails unless the client got a sign-in of a level, by these methods.
func (w *window) proved(i *issuer, c *webtest.Client, acr string, amr ...string) {
	w.t.Helper()
	answer := c.Redeem(w.returned(i).Get("code"), "redirect_uri", i.client+"/callback")
	if answer.Text("id_token") == "" {
		w.t.Fatalf("redeeming the code: %d %s", answer.Status, answer.Raw)
	}
	claims := i.Claims(answer.Text("id_token"))
	var got []string
	for _, method := range claims["amr"].([]any) {
		got = append(got, method.(string))
	}
	if claims["acr"] != acr || strings.Join(got, " ") != strings.Join(amr, " ") {
		w.t.Errorf("the client got acr %v and amr %v, want %s and %v", claims["acr"], got, acr, amr)
	}
}

func TestSignInWithSentCode(t *testing.T) {
	t.Parallel()
	for kind, amr := range map[provider.FactorKind][]string{sms: {"pwd", "sms", "mca", "mfa"}, email: {"pwd", "otp", "mca", "mfa"}} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			i := start(t)
			channel := map[provider.FactorKind]provider.Channel{sms: provider.ChannelSMS, email: provider.ChannelMail}[kind]
			journey(t, i, func(t *testing.T, w *window, say map[string]string) {
				person, _ := i.equipped(kind)
				w.visit(i.authorize(i.app))
				w.signIn(person.UserID, webtest.Password)
				w.on("/signin/verify/" + string(kind))
				w.says(say[string(kind)])
				w.typed("code", i.notTheCode(person, channel))
				w.says(say["bad code"])
				w.focused("error-summary")
				if n := len(i.SentCodes(person, channel)); n != 1 {
					t.Errorf("%d codes were sent, want one", n)
				}
				code := i.SentCode(person, channel)
				w.fill("code", code[:3]+" "+code[3:])
				w.click("#trust_device")
				w.press("#submit")
				w.proved(i, i.app, provider.ACRTwoFactor, amr...)
				w.visit(i.authorize(i.app, "prompt", "select_account"))
				w.press("#other")
				w.signIn(person.UserID, webtest.Password) // and no code: the device is trusted
				w.proved(i, i.app, provider.ACROneFactor, "pwd")
			})
		})
	}
}

func TestSignInWithRecoveryCode(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person, _ := i.equipped(totp)
		codes := i.RecoveryCodes(person)
		w.visit(i.authorize(i.app))
		w.signIn(person.UserID, webtest.Password)
		w.press(`a[href^="/signin/verify?"]`)
		w.click(`label[for="method-1"]`)
		w.press("#submit")
		w.on("/signin/verify/recovery")
		w.typed("recovery_code", strings.ToLower(strings.ReplaceAll(codes[3], "-", " ")))
		w.proved(i, i.app, provider.ACRTwoFactor, "pwd", "otp", "mfa")
		w.visit(i.authorize(i.app, "prompt", "login"))
		w.signIn(person.UserID, webtest.Password)
		w.on("/signin/verify/totp")
		w.visit(strings.Replace(w.address(), "/totp", "/recovery", 1))
		w.typed("recovery_code", codes[3])
		w.says(say["recovery"]) // each works once
	})
}

func TestForcedEnrolmentOfApp(t *testing.T) {
	t.Parallel()
	i := start(t, webtest.Policy(provider.SecondFactorRequired))
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		w.visit(i.authorize(i.app))
		w.signIn(person.UserID, webtest.Password)
		w.on("/factor/new")
		w.press(`a[href^="/factor/totp/new"]`)
		w.on("/factor/totp/new")
		if w.has("code.key") {
			t.Error("the key shows before it is asked for")
		}
		w.click("details:not(.narrow details) > summary")
		key := strings.ReplaceAll(w.text("code.key"), " ", "")
		w.typed("code", "000000")
		w.on("/factor/totp/new")
		w.focused("error-summary")
		w.click("details:not(.narrow details) > summary")
		if again := strings.ReplaceAll(w.text("code.key"), " ", ""); again != key {
			t.Fatalf("a wrong code changed the key from %s to %s", key, again)
		}
		w.typed("code", i.Code(key))
		w.on("/factor/recovery-codes")
		w.press("#show")
		codes := strings.Fields(w.text(".codes"))
		if len(codes) != 10 {
			t.Fatalf("shows %d recovery codes: %q", len(codes), codes)
		}
		w.press("#done")
		w.says(say["unsaved"])
		w.says(codes[9])
		w.click(`label[for="saved"]`)
		w.press("#done")
		w.proved(i, i.app, provider.ACRTwoFactor, "pwd", "otp", "mfa")

		w.forgetCookies()
		w.visit(i.authorize(i.app))
		w.signIn(person.UserID, webtest.Password)
		w.on("/signin/verify/totp")
		w.visit(strings.Replace(w.address(), "/totp", "/recovery", 1))
		w.typed("recovery_code", codes[0])
		w.returned(i)
	})
}

func TestForcedEnrolmentOfSMS(t *testing.T) {
	t.Parallel()
	i := start(t, webtest.Policy(provider.SecondFactorRequired))
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		w.visit(i.authorize(i.app))
		w.signIn(person.UserID, webtest.Password)
		w.press(`a[href^="/factor/phone/new"]`)
		w.press("#use-current")
		w.says(say["sms"])
		w.typed("code", i.notTheCode(person, provider.ChannelSMS))
		w.says(say["bad code"])
		w.typed("code", i.SentCode(person, provider.ChannelSMS))
		w.on("/factor/recovery-codes")
		w.press("#later")
		w.proved(i, i.app, provider.ACRTwoFactor, "pwd", "sms", "mca", "mfa")
	})
}

func TestStepUp(t *testing.T) {
	t.Parallel()
	i := start(t, webtest.Policy(provider.SecondFactorOff))
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person, key := i.equipped(totp)
		w.visit(i.authorize(i.app))
		w.signIn(person.UserID, webtest.Password)
		w.proved(i, i.app, provider.ACROneFactor, "pwd")
		w.visit(i.authorize(i.payments, "max_age", "0"))
		w.says(say["purpose"])
		w.focused("password")
		w.press("#cancel")
		if got := w.returned(i); got.Get("error") != "access_denied" || got.Has("code") {
			t.Fatalf("after no, the client got %v", got)
		}
		w.visit(i.authorize(i.payments, "acr_values", provider.ACRTwoFactor))
		w.on("/signin/verify/totp") // the password was shown already
		w.typed("code", i.Code(key))
		w.proved(i, i.payments, provider.ACRTwoFactor, "pwd", "otp", "mfa")
		w.visit(i.authorize(i.payments, "acr_values", provider.ACRTwoFactor))
		w.returned(i)
		w.visit(i.authorize(i.payments, "max_age", "0"))
		w.fill("password", webtest.Password)
		w.press("#submit")
		w.proved(i, i.payments, provider.ACROneFactor, "pwd")
	})
}
