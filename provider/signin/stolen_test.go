package signin

import (
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// wide is an issuer that lets devices be trusted and sends codes.
func wide(set *Settings) {
	set.Trust = 30 * 24 * time.Hour
	set.Channels = []provider.Channel{provider.ChannelMail, provider.ChannelSMS}
	set.Passkeys = Passkeys{RPID: "localhost", RPName: "Example Card", Origins: []string{"http://localhost"}}
}

// A second factor alone makes an old session no younger: whoever finds it open, and the
// mail beside it, may not change anything.
func TestStepUpKeepsTheSessionsAge(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorOff), wide)
		b.byCodes(b.account, provider.FactorEmail)
		p := b.signedIn()
		for range 12 {
			b.pass(10 * time.Minute)
			if p.session() == nil {
				t.Fatal("the session has ended")
			}
		}
		p.start("vault").at(provider.StepVerify)
		must(t, p.verify(provider.FactorEmail, p.asks(provider.FactorEmail, address)))
		must(t, p.finish())
		if o, err := b.service.Owner(b.ctx, p.browser); err != nil || o != nil {
			t.Errorf("the security centre is open to %+v, %v", o, err)
		}
		p.enters(provider.TaskTOTP).at(provider.StepPassword)
		p.start("bank", maxAge(60)).at(provider.StepPassword)
	})
}

// A task begins with a recent authentication, and what is left lying asks for a new one.
func TestTaskLeftLying(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorOff), wide)
	key := b.enrol(b.account)
	p := b.strong(kajsa, key)
	b.pass(4 * time.Minute)
	p.enters(provider.TaskTOTP).at(provider.StepEnrol)
	b.pass(10 * time.Minute)
	p.at(provider.StepEnrol)
	b.pass(2 * time.Minute)
	p.at(provider.StepPassword)
	_, err := b.service.Enrolment(b.ctx, p.id, p.browser)
	wants(t, err, provider.OutOfTurn)
	must(t, p.password(kajsa, password))
	must(t, p.totp(b.code(key, 30*time.Second)))
	p.at(provider.StepEnrol)
}

// What a session has shown counts for a task only while the session lives.
func TestTaskOfASessionThatWasEnded(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorOff), wide)
	key := b.enrol(b.account)
	p := b.signedIn()
	p.enters(provider.TaskPasskey).at(provider.StepVerify)
	must(t, b.service.EndSession(b.ctx, b.strong(kajsa, key).owner(), p.session().SID))
	p.at(provider.StepPassword)
	wants(t, p.totp(b.code(key, 30*time.Second)), provider.OutOfTurn)
}

// A token that somebody has planted in a browser is not the one that is trusted, or
// known, from then on; other accounts go on trusting the browser.
func TestPlantedDevices(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), wide)
		key, bosse := b.enrol(b.account), b.create("BosseB")
		planted := strings.Repeat("A", 43)
		now := b.set.Now()
		must(t, store.TrustDevice(b.ctx, &provider.TrustedDevice{ID: provider.NewID(), TokenHash: provider.TokenHash(planted), AccountID: bosse.ID, Created: now, LastUsed: now, Expires: now.Add(time.Hour)}))
		must(t, store.RememberDevice(b.ctx, provider.TokenHash(planted), bosse.ID, now, now.Add(time.Hour)))
		p := b.person()
		p.browser.Trusted, p.browser.Device = planted, planted
		p.start("bank")
		must(t, p.password(kajsa, password))
		issued, err := b.service.TOTP(b.ctx, p.id, p.browser, b.code(key, 0), true)
		must(t, err)
		if issued.Trusted == planted || issued.Device == planted || issued.Trusted == "" || issued.Device == "" {
			t.Errorf("got cookies %+v", issued)
		}
		for account, tokens := range map[string]map[string]bool{
			b.account.ID: {planted: false, issued.Trusted: true}, bosse.ID: {planted: false, issued.Trusted: true},
		} {
			for token, want := range tokens {
				if got, err := store.Trusted(b.ctx, provider.TokenHash(token), account, now); err != nil || got != want {
					t.Errorf("trusted by %s: %v, %v, want %v", account, got, err, want)
				}
			}
			if known, err := store.KnownDevice(b.ctx, provider.TokenHash(issued.Device), account, now); err != nil || !known {
				t.Errorf("known to %s: %v, %v", account, known, err)
			}
			if known, err := store.KnownDevice(b.ctx, provider.TokenHash(planted), account, now); err != nil || known {
				t.Errorf("the planted token is known to %s: %v, %v", account, known, err)
			}
		}
	})
}

// Who allowed a client is remembered with it.
func TestConsentIsOnePersons(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorOff))
	b.create("BosseB")
	p := b.signedIn()
	p.start("shop").at(provider.StepConsent)
	must(t, b.service.Consent(b.ctx, p.id, p.browser, true))
	shop := p.id // the answer was lost
	p.start("bank", prompt(provider.PromptLogin))
	must(t, p.password("BosseB", password))
	must(t, p.finish())
	p.id = shop
	p.at(provider.StepConsent)
}

// Somebody else does not go on with what one came for.
func TestTaskOfSomebodyElse(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorOff), wide)
	b.create("BosseB")
	p := b.signedIn()
	p.enters(provider.TaskPhone).at(provider.StepEnrol)
	must(t, b.service.Choose(b.ctx, p.id, p.browser, true))
	must(t, p.password("BosseB", password))
	p.at(provider.StepDone)
}
