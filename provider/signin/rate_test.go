package signin

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// sends asks for a new code in a sign-in of its own, and tells the wait: 0 when it was
// sent.
func (b *bench) sends(userID string, kind provider.FactorKind, from string) time.Duration {
	b.t.Helper()
	b.outbox()
	p := b.person()
	p.browser.Address = from
	p.start("bank")
	must(b.t, p.password(userID, password))
	sent, err := b.service.SendCode(b.ctx, p.id, p.browser, kind)
	messages := len(b.outbox())
	var often *provider.TooOftenError
	switch {
	case err == nil && sent.New && sent.Wait == 0 && messages == 1:
		return 0
	case errors.As(err, &often) && !sent.New && sent.Wait == often.Wait && messages == 0:
		return often.Wait
	}
	b.t.Fatalf("got %+v, %v, with %d messages", sent, err, messages)
	return 0
}

func TestSendingLimits(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), reachable)
		b.byCodes(b.account, provider.FactorSMS, provider.FactorEmail)
		expect := func(what string, got, want time.Duration) {
			t.Helper()
			if got != want {
				t.Fatalf("%s: got a wait of %v, want %v", what, got, want)
			}
		}
		sms := func() time.Duration { return b.sends(kajsa, provider.FactorSMS, "192.0.2.7") }
		for i := range 3 {
			expect(fmt.Sprint("code ", i), sms(), 0)
			b.pass(time.Minute)
		}
		expect("the fourth in a quarter", sms(), 12*time.Minute)
		expect("by another method", b.sends(kajsa, provider.FactorEmail, "192.0.2.7"), 12*time.Minute)
		b.pass(12 * time.Minute)
		for i := range 7 {
			expect(fmt.Sprint("code ", 3+i), sms(), 0)
			b.pass(15 * time.Minute)
		}
		if wait := sms(); wait < 20*time.Hour || wait > 24*time.Hour {
			t.Errorf("the eleventh in a day: got a wait of %v", wait)
		}
		if wait := b.sends(kajsa, provider.FactorEmail, "192.0.2.7"); wait < 20*time.Hour {
			t.Errorf("the eleventh by another method: got a wait of %v", wait)
		}
		b.pass(24 * time.Hour)
		expect("the next day", sms(), 0)
	})
}

func TestSharedSendingLimits(t *testing.T) {
	t.Parallel()
	people := func(t *testing.T, codes Codes) *bench {
		b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), reachable, func(s *Settings) { s.Codes = codes })
		for i := range 4 {
			a := b.create(fmt.Sprintf("person%d", i))
			b.contact(a, fmt.Sprintf("+4670174060%d", i), fmt.Sprintf("p%d@example.com", i))
			must(t, b.service.AddFactor(b.ctx, operator, a.ID, provider.FactorSMS))
			must(t, b.service.AddFactor(b.ctx, operator, a.ID, provider.FactorEmail))
		}
		b.pass(time.Hour) // the notices of it count too
		return b
	}
	step := func(t *testing.T, b *bench, userID string, kind provider.FactorKind, from string, ok bool) {
		t.Helper()
		if wait := b.sends(userID, kind, from); (wait == 0) != ok {
			t.Errorf("%s to %s from %s: got a wait of %v, want sent %v", kind, userID, from, wait, ok)
		}
	}
	t.Run("one client address", func(t *testing.T) {
		t.Parallel()
		b := people(t, Codes{PerAddress: 2})
		step(t, b, "person0", provider.FactorSMS, "2001:db8::1", true)
		step(t, b, "person1", provider.FactorEmail, "2001:db8::2", true)
		step(t, b, "person2", provider.FactorSMS, "2001:db8::3", false)
		step(t, b, "person2", provider.FactorSMS, "2001:db8:0:1::3", true)
		b.pass(time.Hour)
		step(t, b, "person3", provider.FactorSMS, "2001:db8::3", true)
	})
	t.Run("all SMS", func(t *testing.T) {
		t.Parallel()
		b := people(t, Codes{SMSPerHour: 2})
		step(t, b, "person0", provider.FactorSMS, "192.0.2.1", true)
		step(t, b, "person1", provider.FactorSMS, "192.0.2.2", true)
		step(t, b, "person2", provider.FactorSMS, "192.0.2.3", false)
		step(t, b, "person2", provider.FactorEmail, "192.0.2.3", true)
		b.pass(time.Hour)
		step(t, b, "person3", provider.FactorSMS, "192.0.2.4", true)
	})
	t.Run("one destination of several accounts", func(t *testing.T) {
		t.Parallel()
		b := people(t, Codes{PerQuarter: 1})
		other, err := b.store.AccountByUserID(b.ctx, "person1")
		must(t, err)
		b.contact(other, "+46701740600", "p1@example.com")
		step(t, b, "person0", provider.FactorSMS, "192.0.2.1", true)
		step(t, b, "person1", provider.FactorSMS, "192.0.2.2", false)
		step(t, b, "person2", provider.FactorSMS, "192.0.2.2", true)
	})
}

// TestTooSoon asks again within one sign-in: the code sent before stays good.
func TestTooSoon(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), reachable)
	b.byCodes(b.account, provider.FactorSMS, provider.FactorEmail)
	p := b.pending()
	digits := p.asks(provider.FactorSMS, phone)
	b.pass(10 * time.Second)
	sent, err := b.service.SendCode(b.ctx, p.id, p.browser, provider.FactorSMS)
	wants(t, err, provider.TooOften)
	if sent != (Sent{Destination: "••05", Wait: 20 * time.Second}) || len(b.outbox()) != 0 {
		t.Errorf("got %+v", sent)
	}
	p.asks(provider.FactorEmail, address) // another method has a wait of its own
	must(t, p.verify(provider.FactorSMS, digits))
}

// TestPageWithoutACode shows the page for a code when the limits let none be sent.
func TestPageWithoutACode(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), reachable, func(s *Settings) { s.Codes = Codes{PerQuarter: 1} })
	b.byCodes(b.account, provider.FactorSMS)
	b.pending().asks(provider.FactorSMS, phone)
	p := b.pending()
	sent, err := b.service.Code(b.ctx, p.id, p.browser, provider.FactorSMS)
	if err != nil || sent != (Sent{Destination: "••05", Wait: 15 * time.Minute}) {
		t.Errorf("got %+v, %v", sent, err)
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "", "no address": "no address",
	} {
		if got := network(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}
