package signin

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/notify"
	"cardea/provider/signin/passkeytest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// byChannel counts the messages of a kind, and empties the outbox.
func (b *bench) byChannel(kind provider.MessageKind) (mail, sms int) {
	b.t.Helper()
	for _, m := range b.outbox() {
		switch {
		case m.Kind != kind:
		case m.Channel == provider.ChannelSMS:
			sms++
		default:
			mail++
		}
	}
	return mail, sms
}

func TestNoticesCannotBePumped(t *testing.T) {
	t.Parallel()
	t.Run("nothing was ended", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, storagetest.Open(t), reachable)
		b.contact(b.account, phone, address)
		o := b.signedIn().owner()
		b.outbox()
		for range 10 {
			must(t, b.service.EndOthers(b.ctx, o))
		}
		if got := b.outbox(); len(got) != 0 {
			t.Errorf("%d notices of nothing", len(got))
		}
	})
	t.Run("of one kind", func(t *testing.T) {
		t.Parallel()
		storagetest.Each(t, func(t *testing.T, store *storage.Store) {
			b := newBench(t, store, reachable)
			b.contact(b.account, phone, address)
			p := b.signedIn()
			again := func(times int) (mail, sms int) {
				b.outbox()
				for range times {
					b.signedIn()
					must(t, b.service.EndOthers(b.ctx, p.owner()))
				}
				return b.byChannel(provider.MessageDevicesSigned)
			}
			if mail, sms := again(8); mail != 8 || sms != 5 {
				t.Errorf("got %d by mail and %d by SMS, want 8 and 5", mail, sms)
			}
			must(t, b.service.AddFactor(b.ctx, operator, b.account.ID, provider.FactorEmail))
			if mail, sms := b.byChannel(provider.MessageFactorAdded); mail != 1 || sms != 1 {
				t.Errorf("of another kind: got %d by mail and %d by SMS, want both", mail, sms)
			}
			must(t, b.store.InTx(b.ctx, func(ctx context.Context) error {
				b.pass(24 * time.Hour)
				return b.service.tell(ctx, b.account.ID, provider.MessageDevicesSigned, provider.MessageData{})
			}))
			if mail, sms := b.byChannel(provider.MessageDevicesSigned); mail != 1 || sms != 1 {
				t.Errorf("the next day: got %d by mail and %d by SMS, want both", mail, sms)
			}
		})
	})
	t.Run("to nobody", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, storagetest.Open(t), reachable, func(s *Settings) { s.Codes.SMSPerHour = 2 })
		b.account.Profile.PhoneNumber = phone2 // which may be anybody's
		must(t, b.store.UpdateProfile(b.ctx, b.account))
		bosse := b.create("BosseB")
		b.contact(bosse, phone, "")
		for _, a := range []*provider.Account{b.account, bosse} {
			must(t, b.service.tell(b.ctx, a.ID, provider.MessageLocked, provider.MessageData{}))
		}
		var got []string
		for _, m := range b.outbox() {
			if m.Channel == provider.ChannelSMS {
				got = append(got, m.AccountID)
			}
		}
		if !slices.Equal(got, []string{bosse.ID}) {
			t.Errorf("got SMS for %v, want one for whoever has a number", got)
		}
	})
	t.Run("in all", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, storagetest.Open(t), reachable, often, func(s *Settings) { s.Codes.SMSPerHour = 6 })
		b.contact(b.account, phone, address)
		kinds := []provider.MessageKind{
			provider.MessagePassword, provider.MessageLocked, provider.MessageContact, provider.MessageReported, provider.MessageRecoveryMade,
		}
		for _, kind := range kinds {
			must(t, b.service.tell(b.ctx, b.account.ID, kind, provider.MessageData{}))
		}
		mail, sms := 0, 0
		for _, m := range b.outbox() {
			if m.Channel == provider.ChannelSMS {
				sms++
			} else {
				mail++
			}
		}
		if mail != 5 || sms != 3 {
			t.Errorf("got %d by mail and %d by SMS, want 5 and half of what may be sent", mail, sms)
		}
		must(t, b.service.AddFactor(b.ctx, operator, b.account.ID, provider.FactorSMS)) // told by mail only
		for i := range 4 {
			v := b.person().start("vault")
			must(t, v.password(kajsa, password))
			sent, err := b.service.Code(b.ctx, v.id, v.browser, provider.FactorSMS)
			if must(t, err); sent.New != (i < 3) {
				t.Errorf("code %d: got %+v, want the other half to be left for codes", i, sent)
			}
		}
	})
}

// TestTypedNumbersTakeNoCodesAway types somebody else's number until no code is sent to
// it any more.
func TestTypedNumbersTakeNoCodesAway(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorOptional), reachable)
	b.byCodes(b.account, provider.FactorSMS)
	b.create("Mallory")
	m := b.person()
	var err error
	for tries := 0; err == nil; tries++ {
		m.start("bank", prompt(provider.PromptLogin))
		must(t, m.password("Mallory", password))
		must(t, m.finish())
		m.enters(provider.TaskPhone).at(provider.StepEnrol)
		if _, err = b.service.SetContact(b.ctx, m.id, m.browser, provider.FactorSMS, phone, false); tries > 20 {
			t.Fatal("typed numbers have no limit")
		}
	}
	wants(t, err, provider.TooOften)
	v := b.person().start("vault")
	must(t, v.password(kajsa, password))
	must(t, v.verify(provider.FactorSMS, v.asks(provider.FactorSMS, phone)))
}

// TestForcedGuessesLock guesses at the code to the number on file, of somebody who must
// set up a factor: it proves as much as any second factor does.
func TestForcedGuessesLock(t *testing.T) {
	t.Parallel()
	const kind = provider.FactorSMS
	begin := func(t *testing.T) (*bench, *person, string) {
		b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), reachable)
		b.contact(b.account, phone, "")
		p := b.person().start("bank")
		must(t, p.password(kajsa, password))
		return b, p, p.sets(kind, "", phone)
	}
	t.Run("wrong ones", func(t *testing.T) {
		t.Parallel()
		b, p, digits := begin(t)
		for left := 4; left >= 1; left-- {
			if got := told(p.confirmContact(kind, wrong(digits))); got != "wrong code, "+string('0'+rune(left))+" left" {
				t.Errorf("with %d left: got %q", left, got)
			}
		}
		wants(t, p.confirmContact(kind, wrong(digits)), provider.Locked)
		wants(t, p.confirmContact(kind, digits), provider.Locked)
		if got := b.sent(provider.MessageLocked); len(got) != 2 {
			t.Errorf("got %d notices, want one by each channel", len(got))
		}
		b.audited(b.account.ID, "factor.added refused", "signin.locked refused", "factor.added refused")
		b.pass(15 * time.Minute)
		lane, err := b.store.Lane(b.ctx, b.service.factorLane(b.account).Key)
		if must(t, err); lane.Total != 5 {
			t.Errorf("%d failures are counted, want 5", lane.Total)
		}
	})
	t.Run("the right one clears the lane", func(t *testing.T) {
		t.Parallel()
		b, p, digits := begin(t)
		wants(t, p.confirmContact(kind, wrong(digits)), provider.WrongCode)
		must(t, p.confirmContact(kind, digits))
		lane, err := b.store.Lane(b.ctx, b.service.factorLane(b.account).Key)
		if must(t, err); lane.Failures != 0 || lane.Total != 0 {
			t.Errorf("got %+v", lane)
		}
	})
}

// TestCodesNeedTheSession makes recovery codes after the session was ended elsewhere.
func TestCodesNeedTheSession(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, reachable)
		p := b.person().start("vault")
		must(t, p.password(kajsa, password))
		e, err := b.service.Enrolment(b.ctx, p.id, p.browser)
		must(t, err)
		must(t, p.confirm(b.code(e.Key, 0)))
		p.at(provider.StepCodes)
		must(t, store.EndSessionOf(b.ctx, b.account.ID, p.session().SID))
		_, err = b.service.MakeCodes(b.ctx, p.id, p.browser)
		wants(t, err, provider.OutOfTurn)
		if left, err := b.service.RecoveryLeft(b.ctx, b.account.ID); left != 0 || err != nil {
			t.Errorf("%d codes were made, %v", left, err)
		}
	})
}

// TestRemovedFactorProvesNothing removes a thief's factor: what it has opened ends.
func TestRemovedFactorProvesNothing(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre, reachable)
		b.byCodes(b.account, provider.FactorSMS)
		key := b.enrol(b.account)
		thief := b.strong(kajsa, key)
		half := b.person().start("vault")
		must(t, half.password(kajsa, password))
		owner := b.person().start("vault")
		must(t, owner.password(kajsa, password))
		must(t, owner.verify(provider.FactorSMS, owner.asks(provider.FactorSMS, phone)))
		must(t, owner.finish())
		sid := thief.session().SID
		online, offline := b.grant(b.account, sid, "openid"), b.grant(b.account, sid, provider.ScopeOffline)
		for _, f := range owner.owner().Factors {
			if f.Kind == provider.FactorTOTP {
				must(t, b.service.RemoveFactor(b.ctx, owner.owner(), f.ID))
			}
		}
		if thief.session() != nil || owner.session() == nil || b.live(online) || !b.live(offline) {
			t.Errorf("thief's session %v, owner's %v, online grant %v, offline grant %v", thief.session(), owner.session(), b.live(online), b.live(offline))
		}
		_, err := b.service.Load(b.ctx, half.id, half.browser)
		wants(t, err, provider.NotFound)
	})
}

// TestNoticesStayWithTheOldContact changes the address before the notices that wait
// have been sent.
func TestNoticesStayWithTheOldContact(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, func(s *Settings) { s.Channels = []provider.Channel{provider.ChannelMail} })
		b.contact(b.account, "", address)
		p := b.signedIn()
		b.outbox()
		p.enters(provider.TaskAddress)
		digits := p.sets(provider.FactorEmail, "mallory@example.net", "mallory@example.net")
		must(t, b.service.AddFactor(b.ctx, operator, b.account.ID, provider.FactorEmail)) // waits
		must(t, b.store.DeleteFactor(b.ctx, b.owners()[0].ID))
		must(t, p.confirmContact(provider.FactorEmail, digits))
		ui, err := loginui.New(loginui.Settings{Brand: "Example Card", Origin: "https://id.example.com", Phone: "010-000 00 00"})
		must(t, err)
		got := map[string]int{}
		w, err := notify.New(notify.Settings{Store: b.store, UI: ui, Keys: b.set.Keys, Now: b.set.Now, Senders: map[provider.Channel]notify.Sender{
			provider.ChannelMail: func(_ context.Context, l notify.Letter) error { got[l.To]++; return nil },
		}})
		must(t, err)
		must(t, w.Deliver(b.ctx))
		if got[address] != 2 || got["mallory@example.net"] != 1 {
			t.Errorf("got letters %v; want the old address to get what waited, and both the change", got)
		}
	})
}

// owners are the account's factors as they are stored.
func (b *bench) owners() []provider.Factor {
	b.t.Helper()
	all, err := b.store.Factors(b.ctx, b.account.ID)
	must(b.t, err)
	return all
}

// TestOldContactIsTold replaces contacts that were provisioned, but never verified.
func TestOldContactIsTold(t *testing.T) {
	t.Parallel()
	const old, other = "kajsa.old@example.com", "kajsa.new@example.com"
	for name, c := range map[string]struct {
		before provider.Profile
		task   provider.Task
		kind   provider.FactorKind
		to     string
		want   []string
	}{
		"address": {
			provider.Profile{Email: old}, provider.TaskAddress, provider.FactorEmail, other,
			[]string{`contact by mail to ""`, `contact by mail to "` + old + `"`},
		},
		"the same address": {
			provider.Profile{Email: old}, provider.TaskAddress, provider.FactorEmail, old,
			[]string{`contact by mail to ""`},
		},
		"number": { // which may be anybody's
			provider.Profile{PhoneNumber: phone, Email: old}, provider.TaskPhone, provider.FactorSMS, phone2,
			[]string{`contact by mail to ""`, `contact by sms to ""`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storagetest.Open(t), reachable)
			b.account.Profile = c.before
			must(t, b.store.UpdateProfile(b.ctx, b.account))
			p := b.signedIn().enters(c.task)
			must(t, p.confirmContact(c.kind, p.sets(c.kind, c.to, c.to)))
			if got := b.summary(); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestPasskeysNobodyHas answers with nonsense, which costs nothing.
func TestPasskeysNobodyHas(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	p := b.person().start("bank")
	const tries = 400
	for range tries {
		_, err := b.service.PasskeyOptions(b.ctx, p.id, p.browser)
		must(t, err)
		wants(t, p.show("x"), provider.WrongCode)
	}
	if n := len(b.actions("")); n == 0 || n > tries/2 {
		t.Errorf("%d events of %d tries; want some", n, tries)
	}
}

// TestPasskeyRemovedMeanwhile answers with a passkey that goes before the answer is
// committed: nobody has copied it.
func TestPasskeyRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := keyBench(t, store)
		key := passkeytest.New()
		b.give(kajsa, key)
		f := b.passkeys()[0]
		p := b.person().start("bank")
		in, at, err := b.service.turn(b.ctx, p.id, p.browser, provider.StepPassword)
		must(t, err)
		must(t, store.DeleteFactor(b.ctx, f.ID))
		tried := trial{in: in, b: p.browser, account: b.account, action: provider.ActionFactor, method: "passkey"}
		_, err = b.service.admit(b.ctx, tried, at, &f, use{counter: 7}, attempt{})
		var unknown *UnknownCredential
		if !errors.As(err, &unknown) || unknown.ID != f.Passkey.CredentialID {
			t.Errorf("got %v, want an unknown credential", err)
		}
		if slices.Contains(b.actions(b.account.ID), "factor.cloned refused") {
			t.Error("it is audited as a copy")
		}
	})
}

func TestAppsHaveALimit(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, often)
		for range maxApps - 2 {
			b.enrol(b.account)
		}
		key := b.enrol(b.account)
		p := b.strong(kajsa, key)
		p.enters(provider.TaskTOTP).at(provider.StepEnrol)
		e, err := b.service.Enrolment(b.ctx, p.id, p.browser)
		must(t, err)
		b.enrol(b.account)
		wants(t, p.confirm(b.code(e.Key, 0)), provider.OutOfTurn)
		p.enters(provider.TaskTOTP)
		_, err = b.service.Enrolment(b.ctx, p.id, p.browser)
		wants(t, err, provider.OutOfTurn)
		var faults provider.Faults
		if _, err = b.service.EnrolConfirmedTOTP(b.ctx, operator, b.account.ID, ""); !errors.As(err, &faults) || faults[0].Field != "factor" {
			t.Errorf("by an operator: got %v, want a fault of factor", err)
		}
		if got := b.factors(); len(got) != maxApps {
			t.Errorf("got %d apps, want %d", len(got), maxApps)
		}
	})
}

// TestOperatorsAreTold gives an account factors that its owner did not ask for.
func TestOperatorsAreTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), func(s *Settings) { s.Channels = []provider.Channel{provider.ChannelMail} })
	b.contact(b.account, "", address)
	for name, c := range map[string]struct {
		add  func() error
		want []string
	}{
		"app": {func() error {
			_, err := b.service.EnrolConfirmedTOTP(b.ctx, operator, b.account.ID, "App")
			return err
		}, []string{`factor_added by mail to ""`}},
		"codes by mail": {func() error { return b.service.AddFactor(b.ctx, operator, b.account.ID, provider.FactorEmail) }, []string{`factor_added by mail to ""`}},
		"recovery codes": {func() error {
			_, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
			return err
		}, []string{`recovery_made by mail to ""`}},
	} {
		b.outbox()
		b.trust(b.account)
		must(t, c.add())
		if got := b.summary(); !slices.Equal(got, c.want) || b.trusted(b.account) != 0 {
			t.Errorf("%s: got notices %q and %d trusted devices, want %q and none", name, got, b.trusted(b.account), c.want)
		}
	}
	must(t, b.service.AddFactor(b.ctx, operator, b.account.ID, provider.FactorEmail))
	if got := b.summary(); len(got) != 0 {
		t.Errorf("of a factor that was there: got %q", got)
	}
}

// TestRecoveryCodeEndsTrust uses a recovery code: the device that was lost may be a
// trusted one.
func TestRecoveryCodeEndsTrust(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), trust)
		b.enrol(b.account)
		codes, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
		must(t, err)
		b.trust(b.account)
		must(t, b.pending().recovery(codes[0]))
		if n := b.trusted(b.account); n != 0 {
			t.Errorf("%d devices are trusted", n)
		}
	})
}
