package signin

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// sets gives a contact and reads the code that is sent to it.
func (p *person) sets(kind provider.FactorKind, typed, to string) (digits string) {
	p.t.Helper()
	p.outbox()
	sent, err := p.service.SetContact(p.ctx, p.id, p.browser, kind, typed, typed == "")
	if err != nil || !sent.New || sent.Destination != masked(kind, to) {
		p.t.Fatalf("got %+v, %v; want a code to %s", sent, err, to)
	}
	return p.arrives(provider.MessageCodeContact, to)
}

func (p *person) confirmContact(kind provider.FactorKind, code string) error {
	issued, err := p.service.ConfirmContact(p.ctx, p.id, p.browser, kind, code)
	p.take(issued)
	return err
}

// faulty gives a contact that is refused, with a fault of field.
func (p *person) faulty(kind provider.FactorKind, field, typed string, useCurrent bool) {
	p.t.Helper()
	p.outbox()
	var faults provider.Faults
	_, err := p.service.SetContact(p.ctx, p.id, p.browser, kind, typed, useCurrent)
	if !errors.As(err, &faults) || faults[0].Field != field {
		p.t.Errorf("%q: got %v, want a fault of %s", typed, err, field)
	}
	if sent := p.outbox(); len(sent) != 0 {
		p.t.Errorf("%q: sent %+v", typed, sent)
	}
}

// onFile is the account as it is stored.
func (b *bench) onFile() *provider.Account {
	b.t.Helper()
	a, err := b.store.Account(b.ctx, b.account.ID)
	must(b.t, err)
	return a
}

// summary lists what is in the outbox, sorted, and empties it.
func (b *bench) summary() (out []string) {
	b.t.Helper()
	for _, m := range b.outbox() {
		out = append(out, fmt.Sprintf("%s by %s to %q", m.Kind, m.Channel, m.To))
	}
	slices.Sort(out)
	return out
}

// TestNumberForCodes sets up codes by SMS in the security centre, with a new number.
func TestNumberForCodes(t *testing.T) {
	t.Parallel()
	const kind = provider.FactorSMS
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, reachable)
		b.contact(b.account, phone, address)
		p := b.signedIn()
		before := p.session()
		b.pass(time.Minute)
		p.enters(provider.TaskSMS)
		if got := p.at(provider.StepEnrol).Enrollable; !slices.Equal(got, []provider.FactorKind{kind}) {
			t.Errorf("to set up: got %v", got)
		}
		contact, err := b.service.Contact(b.ctx, p.id, p.browser, kind)
		if want := (Contact{Current: "••05"}); contact != want || err != nil {
			t.Errorf("got %+v, %v; want %+v", contact, err, want)
		}
		_, err = b.service.Contact(b.ctx, p.id, p.browser, provider.FactorEmail)
		wants(t, err, provider.OutOfTurn)
		_, err = b.service.ResendContact(b.ctx, p.id, p.browser, kind)
		wants(t, err, provider.Expired)
		for _, typed := range []string{"", "070", "tomorrow", "123456789", "+46701740606\x00", address} {
			p.faulty(kind, "phone", typed, false)
		}
		wants(t, p.confirmContact(kind, "123456"), provider.Expired)

		first := p.sets(kind, "070-174 06 06", phone2)
		if contact, err = b.service.Contact(b.ctx, p.id, p.browser, kind); err != nil || contact != (Contact{Current: "••05", Destination: "••06", Wait: 30 * time.Second}) {
			t.Errorf("got %+v, %v", contact, err)
		}
		_, err = b.service.ResendContact(b.ctx, p.id, p.browser, kind)
		wants(t, err, provider.TooOften)
		b.pass(30 * time.Second)
		sent, err := b.service.ResendContact(b.ctx, p.id, p.browser, kind)
		if err != nil || !sent.New {
			t.Fatalf("got %+v, %v", sent, err)
		}
		second := b.arrives(provider.MessageCodeContact, phone2)
		if first != second {
			if got := told(p.confirmContact(kind, first)); got != "wrong code, 4 left" {
				t.Errorf("the first code: got %q", got)
			}
		}
		if a := b.onFile(); a.Profile.PhoneNumber != phone {
			t.Errorf("the number is %q before it is proven", a.Profile.PhoneNumber)
		}
		must(t, p.confirmContact(kind, second))

		a := b.onFile()
		if a.Profile.PhoneNumber != phone2 || !a.Profile.PhoneNumberVerified || !a.PhoneChanged.Equal(b.set.Now()) || !a.EmailChanged.IsZero() {
			t.Errorf("got %+v, changed %v", a.Profile, a.PhoneChanged)
		}
		want := []string{
			`contact by mail to ""`, `contact by sms to ""`, `contact by sms to "` + phone + `"`,
			`factor_added by mail to ""`, `factor_added by sms to ""`,
		}
		if got := b.summary(); !slices.Equal(got, want) {
			t.Errorf("got notices %q, want %q", got, want)
		}
		b.audited(b.account.ID, "signin.session ok", "factor.added ok", "contact.changed ok")
		p.skip()
		next := p.at(provider.StepDone)
		if !slices.Equal(kindsOf(next.Factors), []provider.FactorKind{kind}) || next.Session.Level() != provider.LevelTwoFactor || !next.Session.Expires.Equal(before.Expires) {
			t.Errorf("got %v in %+v", kindsOf(next.Factors), next.Session)
		}
		must(t, p.finish())

		p = b.person().start("vault")
		must(t, p.password(kajsa, password))
		must(t, p.verify(kind, p.asks(kind, phone2)))
	})
}

// TestAddressForCodes sets up codes by e-mail to the address on file.
func TestAddressForCodes(t *testing.T) {
	t.Parallel()
	const kind = provider.FactorEmail
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, reachable)
		b.contact(b.account, "", "Kajsa@Example.com")
		p := b.signedIn().enters(provider.TaskEmail)
		p.faulty(kind, "email", "kajsa@", false)
		must(t, p.confirmContact(kind, p.sets(kind, "", "Kajsa@Example.com")))
		if a := b.onFile(); a.Profile.Email != "Kajsa@Example.com" || !a.EmailChanged.IsZero() {
			t.Errorf("got %+v, changed %v", a.Profile, a.EmailChanged)
		}
		if got, want := b.summary(), []string{`factor_added by mail to ""`}; !slices.Equal(got, want) {
			t.Errorf("got notices %q, want %q", got, want)
		}
		p.at(provider.StepCodes)
	})
}

// TestNewContact changes a number that codes go to: the factor goes along.
func TestNewContact(t *testing.T) {
	t.Parallel()
	const kind = provider.FactorSMS
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, reachable)
		b.byCodes(b.account, kind)
		p := b.signedIn().enters(provider.TaskPhone)
		p.at(provider.StepVerify) // the factor first
		_, err := b.service.SetContact(b.ctx, p.id, p.browser, kind, phone2, false)
		wants(t, err, provider.OutOfTurn)
		must(t, p.verify(kind, p.asks(kind, phone)))
		if got := p.at(provider.StepEnrol).Enrollable; len(got) != 0 {
			t.Errorf("to set up: got %v, want nothing", got)
		}
		_, err = b.service.Enrolment(b.ctx, p.id, p.browser)
		wants(t, err, provider.OutOfTurn)
		_, err = b.service.SetContact(b.ctx, p.id, p.browser, provider.FactorEmail, "new@example.com", false)
		wants(t, err, provider.OutOfTurn)
		p.faulty(kind, "phone", "0701740605", false)
		must(t, p.confirmContact(kind, p.sets(kind, phone2, phone2)))
		if got, want := b.summary(), []string{`contact by mail to ""`, `contact by sms to ""`, `contact by sms to "` + phone + `"`}; !slices.Equal(got, want) {
			t.Errorf("got notices %q, want %q", got, want)
		}
		p.at(provider.StepDone)
		must(t, p.finish())
		b.pass(15 * time.Minute)
		p = b.person().start("vault")
		must(t, p.password(kajsa, password))
		must(t, p.verify(kind, p.asks(kind, phone2)))
	})
}

// TestForcedCodes sets up codes at a sign-in: to the contact on file, or to a new one
// where there is none.
func TestForcedCodes(t *testing.T) {
	t.Parallel()
	const kind = provider.FactorSMS
	begin := func(t *testing.T, store *storage.Store, number string) (*bench, *person) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), reachable)
		b.contact(b.account, number, "")
		p := b.person().start("bank")
		must(t, p.password(kajsa, password))
		p.at(provider.StepEnrol)
		return b, p
	}
	t.Run("a stolen password brings no number of its own", func(t *testing.T) {
		t.Parallel()
		storagetest.Each(t, func(t *testing.T, store *storage.Store) {
			b, p := begin(t, store, phone)
			contact, err := b.service.Contact(b.ctx, p.id, p.browser, kind)
			if contact != (Contact{Current: "••05", Fixed: true}) || err != nil {
				t.Errorf("got %+v, %v", contact, err)
			}
			p.faulty(kind, "phone", phone2, false)
			must(t, p.confirmContact(kind, p.sets(kind, "", phone)))
			p.skip()
			if next := p.at(provider.StepDone); !slices.Equal(next.Proof.Methods, []string{"pwd", "sms"}) {
				t.Errorf("got %v", next.Proof.Methods)
			}
		})
	})
	t.Run("with no number on file", func(t *testing.T) {
		t.Parallel()
		b, p := begin(t, storagetest.Open(t), "")
		p.faulty(kind, "phone", "", true)
		must(t, p.confirmContact(kind, p.sets(kind, phone2, phone2)))
		p.skip()
		p.at(provider.StepDone)
		if a := b.onFile(); a.Profile.PhoneNumber != phone2 || !a.Profile.PhoneNumberVerified {
			t.Errorf("got %+v", a.Profile)
		}
	})
	t.Run("a number came on file meanwhile", func(t *testing.T) {
		t.Parallel()
		b, p := begin(t, storagetest.Open(t), "")
		digits := p.sets(kind, phone2, phone2)
		proof, err := b.service.provingTurn(b.ctx, p.id, p.browser, kind)
		must(t, err)
		c, err := b.store.Challenge(b.ctx, p.id, proof.purpose)
		must(t, err)
		b.contact(b.account, phone, "")
		_, err = b.service.settle(b.ctx, trial{in: proof.in, b: p.browser, account: proof.account, method: "sms"}, kind, c, attempt{})
		wants(t, err, provider.OutOfTurn)
		wants(t, p.confirmContact(kind, digits), provider.Expired)
		_, err = b.service.ResendContact(b.ctx, p.id, p.browser, kind)
		wants(t, err, provider.Expired)
	})
	t.Run("a factor was confirmed meanwhile", func(t *testing.T) {
		t.Parallel()
		b, p := begin(t, storagetest.Open(t), phone)
		digits := p.sets(kind, "", phone)
		proof, err := b.service.provingTurn(b.ctx, p.id, p.browser, kind)
		must(t, err)
		c, err := b.store.Challenge(b.ctx, p.id, proof.purpose)
		must(t, err)
		b.enrol(b.account)
		_, err = b.service.settle(b.ctx, trial{in: proof.in, b: p.browser, account: proof.account, method: "sms"}, kind, c, attempt{})
		wants(t, err, provider.OutOfTurn)
		wants(t, p.confirmContact(kind, digits), provider.OutOfTurn)
		p.at(provider.StepVerify)
	})
	t.Run("in place of an app that was begun", func(t *testing.T) {
		t.Parallel()
		b, p := begin(t, storagetest.Open(t), phone)
		_, err := b.service.Enrolment(b.ctx, p.id, p.browser)
		must(t, err)
		must(t, p.confirmContact(kind, p.sets(kind, "", phone)))
		if all, err := b.store.Factors(b.ctx, b.account.ID); err != nil || !slices.Equal(kindsOf(all), []provider.FactorKind{kind}) {
			t.Errorf("got %v, %v", kindsOf(all), err)
		}
	})
	t.Run("five tries", func(t *testing.T) {
		t.Parallel()
		b, p := begin(t, storagetest.Open(t), "")
		digits := p.sets(kind, phone, phone)
		for left := 4; left >= 1; left-- {
			if got := told(p.confirmContact(kind, wrong(digits))); got != fmt.Sprintf("wrong code, %d left", left) {
				t.Errorf("got %q", got)
			}
		}
		wants(t, p.confirmContact(kind, wrong(digits)), provider.Spent)
		wants(t, p.confirmContact(kind, digits), provider.Spent)
		b.audited(b.account.ID, "factor.added refused")
		b.pass(30 * time.Second)
		_, err := b.service.ResendContact(b.ctx, p.id, p.browser, kind)
		must(t, err)
		must(t, p.confirmContact(kind, b.arrives(provider.MessageCodeContact, phone)))
	})
	t.Run("a code to sign in with proves no contact", func(t *testing.T) {
		t.Parallel()
		b, p := begin(t, storagetest.Open(t), phone)
		other := b.person().start("bank")
		must(t, other.password(kajsa, password))
		digits := other.sets(kind, "", phone)
		wants(t, p.confirmContact(kind, digits), provider.Expired)
		must(t, other.confirmContact(kind, digits))
		wants(t, other.confirmContact(kind, digits), provider.OutOfTurn)
	})
}

// TestContactInParallel proves one contact many times over, in two processes.
func TestContactInParallel(t *testing.T) {
	t.Parallel()
	const kind = provider.FactorEmail
	storagetest.EachURL(t, func(t *testing.T, url string) {
		b := newBench(t, storagetest.Connect(t, url), reachable)
		services := []*Service{b.service, b.replica(storagetest.Connect(t, url))}
		p := b.signedIn().enters(provider.TaskEmail)
		digits := p.sets(kind, address, address)
		people := make([]*person, 20)
		for i := range people {
			twin := *p
			people[i] = &twin
			people[i].service = services[i%2]
		}
		done := 0
		for _, err := range inParallel(people, func(p *person) error { return p.confirmContact(kind, digits) }) {
			if err == nil {
				done++
			} else if !isAny(err, provider.OutOfTurn, provider.Spent, provider.Expired, provider.NotFound) {
				t.Errorf("got %v", err)
			}
		}
		if done != 1 {
			t.Errorf("%d were confirmed, want 1", done)
		}
	})
}

// TestAnotherApp adds a second app in the security centre.
func TestAnotherApp(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, reachable)
		key := b.enrol(b.account)
		b.pass(time.Second)
		p := b.signedIn().enters(provider.TaskTOTP)
		p.at(provider.StepVerify)
		must(t, p.totp(b.code(key, 0)))
		if got := p.at(provider.StepEnrol).Enrollable; !slices.Equal(got, []provider.FactorKind{provider.FactorTOTP}) {
			t.Errorf("to set up: got %v", got)
		}
		e, err := b.service.Enrolment(b.ctx, p.id, p.browser)
		must(t, err)
		must(t, p.confirm(b.code(e.Key, 0)))
		p.skip()
		next := p.at(provider.StepDone)
		if len(next.Factors) != 2 || next.Factors[1].Name != "" {
			t.Errorf("got factors %+v", next.Factors)
		}
		wants(t, p.confirm(b.code(e.Key, 0)), provider.OutOfTurn)
	})
}

// TestEndedSessionEndsChanges ends a session from elsewhere while something is changed
// in it.
func TestEndedSessionEndsChanges(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, reachable)
		p := b.signedIn().enters(provider.TaskSMS)
		digits := p.sets(provider.FactorSMS, phone2, phone2)
		must(t, store.EndSessionOf(b.ctx, b.account.ID, p.session().SID))
		wants(t, p.confirmContact(provider.FactorSMS, digits), provider.OutOfTurn)
		if next := p.at(provider.StepPassword); next.Account != nil || next.Session != nil {
			t.Errorf("got %+v", next)
		}
		must(t, p.password(kajsa, password))
		p.at(provider.StepEnrol)
		must(t, p.confirmContact(provider.FactorSMS, digits))
	})
}

// TestContactNeedsARecentProof enters the centre with an old session.
func TestContactNeedsARecentProof(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), reachable)
	key := b.enrol(b.account)
	p := b.signedIn()
	b.pass(6 * time.Minute)
	p.enters(provider.TaskSMS).at(provider.StepPassword)
	_, err := b.service.Contact(b.ctx, p.id, p.browser, provider.FactorSMS)
	wants(t, err, provider.OutOfTurn)
	must(t, p.password(kajsa, password))
	p.at(provider.StepVerify)
	must(t, p.totp(b.code(key, 0)))
	p.at(provider.StepEnrol)
}

// TestLockedFactorsGetNoCodes goes on in a sign-in that has shown everything before the
// lane was locked.
func TestLockedFactorsGetNoCodes(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), reachable)
	key := b.enrol(b.account)
	p := b.pending()
	must(t, p.totp(b.code(key, 0)))
	p.enters(provider.TaskSMS).at(provider.StepEnrol)
	for range 5 {
		_ = b.pending().totp(b.code(key, -time.Hour))
	}
	b.outbox()
	_, err := b.service.SetContact(b.ctx, p.id, p.browser, provider.FactorSMS, phone, false)
	wants(t, err, provider.Locked)
	if sent := b.outbox(); len(sent) != 0 {
		t.Errorf("sent %+v", sent)
	}
}
