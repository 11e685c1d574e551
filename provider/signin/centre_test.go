package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

const desk = "desk@issuer.example"

// centre are settings under which the security centre has something to do.
func centre(s *Settings) {
	s.NewPassword, s.Channels, s.Desk, s.Trust = easy, []provider.Channel{provider.ChannelMail}, desk, 30*24*time.Hour
}

// strong is somebody who has just signed in with two factors in a browser that is
// trusted from now on.
func (b *bench) strong(userID, key string) *person {
	b.t.Helper()
	b.pass(time.Minute) // every code is good once
	p := b.person().start("vault")
	must(b.t, p.password(userID, password))
	must(b.t, p.totp(b.code(key, 0)))
	must(b.t, p.finish())
	return p
}

// owner is who the browser's cookies let into the security centre.
func (p *person) owner() *Owner {
	p.t.Helper()
	o, err := p.service.Owner(p.ctx, p.browser)
	must(p.t, err)
	if o == nil {
		p.t.Fatal("the security centre is closed to its owner")
	}
	return o
}

// trust makes p's browser one that the account trusts, and returns the device's id.
func (b *bench) trust(a *provider.Account) string {
	b.t.Helper()
	now := b.set.Now()
	d := &provider.TrustedDevice{ID: provider.NewID(), TokenHash: provider.NewToken(), AccountID: a.ID, Created: now, LastUsed: now, Expires: now.Add(time.Hour)}
	must(b.t, b.store.TrustDevice(b.ctx, d))
	return d.ID
}

// trusted is how many devices an account trusts.
func (b *bench) trusted(a *provider.Account) int {
	b.t.Helper()
	all, err := b.store.TrustedDevices(b.ctx, a.ID, b.set.Now())
	must(b.t, err)
	return len(all)
}

// grant is a live grant of an account, given in a session.
func (b *bench) grant(a *provider.Account, sid string, scopes ...string) string {
	b.t.Helper()
	g := &provider.Grant{ID: provider.NewID(), AccountID: a.ID, ClientID: "shop", SID: sid, Scopes: scopes, Created: b.set.Now(), Expires: b.set.Now().Add(48 * time.Hour)}
	must(b.t, b.store.CreateGrant(b.ctx, g))
	return g.ID
}

func (b *bench) live(grantID string) bool {
	b.t.Helper()
	g, err := b.store.Grant(b.ctx, grantID)
	must(b.t, err)
	return g.Live(b.set.Now())
}

// sent are the messages in the outbox of one kind.
func (b *bench) sent(kind provider.MessageKind) (out []provider.Message) {
	b.t.Helper()
	due, err := storagetest.Outbox(b.ctx, b.store, b.set.Now().Add(time.Hour))
	must(b.t, err)
	for _, m := range due {
		if m.Kind == kind {
			out = append(out, m)
		}
	}
	return out
}

// newest is the newest event of an action.
func (b *bench) newest(a *provider.Account, action provider.Action) provider.Event {
	b.t.Helper()
	events, err := b.store.Events(b.ctx, storage.EventFilter{Subject: a.ID, Action: action, Limit: 1})
	must(b.t, err)
	if len(events) == 0 {
		b.t.Fatalf("no event %s", action)
	}
	return events[0]
}

// byOwner checks the newest event of an action.
func (b *bench) byOwner(action provider.Action, method string) {
	b.t.Helper()
	e := b.newest(b.account, action)
	got := []string{string(e.Outcome), e.Actor, e.ClientID, e.Address, e.UserAgent, e.RequestID, e.Method}
	want := []string{"ok", b.account.ID, provider.SecurityCentreID, "192.0.2.7", "Test/1.0", "r1", method}
	if !slices.Equal(got, want) {
		b.t.Errorf("%s: got %q, want %q", action, got, want)
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), centre)
	closed := func(when string, p *person) {
		t.Helper()
		if o, err := b.service.Owner(b.ctx, p.browser); o != nil || err != nil {
			t.Errorf("%s: got %v, %v; want nobody", when, o, err)
		}
	}
	closed("without a session", b.person())
	p := b.signedIn()
	if o := p.owner(); o.Account.ID != b.account.ID || !b.service.Recent(o) {
		t.Errorf("got %+v", o)
	}
	key := b.enrol(b.account)
	closed("with less than the account has", p)

	p = b.strong(kajsa, key)
	o := p.owner()
	b.pass(5 * time.Minute)
	if !b.service.Recent(o) {
		t.Error("not recent after five minutes")
	}
	b.pass(time.Second)
	if b.service.Recent(o) {
		t.Error("recent after more than five minutes")
	}
	for range 3 {
		b.pass(8 * time.Minute)
		p.session() // it is in use
	}
	p.owner()
	b.pass(2 * time.Minute)
	closed("half an hour after the authentication", p)
}

func TestEnter(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), centre)
	key := b.enrol(b.account)
	stands := func(p *person, e Entry, want provider.Step) {
		t.Helper()
		in, issued, err := b.service.Enter(b.ctx, p.browser, e)
		must(t, err)
		p.take(issued)
		p.id = in.ID
		p.at(want)
	}
	p := b.strong(kajsa, key)
	stands(p, Entry{Back: "/security"}, provider.StepDone)
	stands(p, Entry{Back: "/security/methods", Task: provider.TaskTOTP}, provider.StepEnrol)
	b.pass(6 * time.Minute)
	stands(p, Entry{Back: "/security"}, provider.StepDone)
	stands(p, Entry{Back: "/security", Sure: true}, provider.StepPassword)
	stands(p, Entry{Back: "/security/methods", Task: provider.TaskTOTP}, provider.StepPassword)
	must(t, p.password(kajsa, password))
	p.at(provider.StepVerify)
	must(t, p.totp(b.code(key, 0)))
	p.at(provider.StepEnrol)
	if !b.service.Recent(p.owner()) {
		t.Error("not recent after signing in anew")
	}
	stands(b.person(), Entry{Back: "/security"}, provider.StepPassword)
}

func TestChangesNeedARecentProof(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		key := b.enrol(b.account)
		factors, err := b.service.confirmed(b.ctx, b.account.ID)
		must(t, err)
		must(t, store.SetConsent(b.ctx, b.account.ID, "shop", []string{"openid"}, b.set.Now()))
		p := b.strong(kajsa, key)
		b.pass(6 * time.Minute)
		o := p.owner()
		for name, change := range map[string]func() error{
			"password": func() error {
				_, err := b.service.ChangePassword(b.ctx, o, password, "four other random words", true)
				return err
			},
			"rename": func() error { return b.service.RenameFactor(b.ctx, o, factors[0].ID, "new name") },
			"remove": func() error { return b.service.RemoveFactor(b.ctx, o, factors[0].ID) },
			"app":    func() error { return b.service.RemoveApp(b.ctx, o, "shop") },
		} {
			if err := change(); !errors.Is(err, provider.Reauthenticate) {
				t.Errorf("%s: got %v, want %v", name, err, provider.Reauthenticate)
			}
		}
		b.audited(b.account.ID, "signin.session ok")
		must(t, b.service.SetLanguage(b.ctx, o, "sv"))
		must(t, b.service.EndOthers(b.ctx, o))
		must(t, b.service.Distrust(b.ctx, o, b.trust(b.account)))
		must(t, b.service.Report(b.ctx, o))
	})
}

// TestObjectsOfOthers tries everything with the ids of somebody else's things.
func TestObjectsOfOthers(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		bosse := b.create("BosseB")
		bosseKey, key := b.enrol(bosse), b.enrol(b.account)
		must(t, store.SetConsent(b.ctx, bosse.ID, "shop", []string{"openid"}, b.set.Now()))
		his := b.strong("BosseB", bosseKey)
		device, grant := b.trust(bosse), b.grant(bosse, his.session().SID)
		factor := his.owner().Factors[0].ID
		o := b.strong(kajsa, key).owner()
		for _, c := range []struct {
			what, id string
			try      func(id string) error
		}{
			{"factor, removed", factor, func(id string) error { return b.service.RemoveFactor(b.ctx, o, id) }},
			{"factor, renamed", factor, func(id string) error { return b.service.RenameFactor(b.ctx, o, id, "mine") }},
			{"session", his.session().SID, func(id string) error { return b.service.EndSession(b.ctx, o, id) }},
			{"device", device, func(id string) error { return b.service.Distrust(b.ctx, o, id) }},
			{"app", "shop", func(id string) error { return b.service.RemoveApp(b.ctx, o, id) }},
		} {
			for _, id := range []string{c.id, "", "nobody's", "no text\x00\xff"} {
				if err := c.try(id); !errors.Is(err, provider.NotFound) {
					t.Errorf("%s %q: got %v, want %v", c.what, id, err, provider.NotFound)
				}
			}
		}
		b.audited(b.account.ID, "signin.session ok")
		must(t, b.service.EndOthers(b.ctx, o))
		if his.session() == nil || b.trusted(bosse) != 1 || !b.live(grant) || his.owner().Factors[0].Name != "phone" {
			t.Error("something of his is gone")
		}
		apps, err := b.service.Apps(b.ctx, his.owner())
		if err != nil || len(apps) != 1 {
			t.Errorf("his apps: got %v, %v", apps, err)
		}
		events, _, err := b.service.Activity(b.ctx, o, b.newest(bosse, provider.ActionSession).ID)
		must(t, err)
		for _, e := range events {
			if e.Subject != b.account.ID {
				t.Errorf("her activity shows %+v", e)
			}
		}
	})
}

func TestOverview(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		key := b.enrol(b.account)
		b.pass(time.Hour)
		first := b.strong(kajsa, key)
		if o, err := b.service.Overview(b.ctx, first.owner()); err != nil || o.Last != nil || o.Sessions != 1 || o.RecoveryLeft != 0 {
			t.Errorf("the first time: got %+v, %v", o, err)
		}
		began := b.set.Now()
		b.trust(b.account)
		must(t, store.SetConsent(b.ctx, b.account.ID, "shop", []string{"openid"}, b.set.Now()))
		b.pass(time.Minute)
		second := b.strong(kajsa, key)
		for range 3 { // the session is raised again and again
			b.pass(time.Minute)
			second.start("bank", prompt(provider.PromptLogin))
			must(t, second.password(kajsa, password))
			must(t, second.finish())
		}
		second.start("vault")
		must(t, second.totp(b.code(key, 0)))
		o, err := b.service.Overview(b.ctx, second.owner())
		must(t, err)
		if len(o.Factors) != 1 || o.Sessions != 2 || o.Trusted != 1 || o.Apps != 1 || o.RecoveryLeft != 0 {
			t.Errorf("got %+v", o)
		}
		if o.Last == nil || !o.Last.At.Equal(began) || o.Last.UserAgent != "Test/1.0" {
			t.Errorf("last sign-in: got %+v, want the first person's at %v", o.Last, began)
		}
		b.set.Factors = []provider.FactorKind{provider.FactorTOTP}
		if o, err := b.replica(store).Overview(b.ctx, second.owner()); err != nil || o.RecoveryLeft != -1 {
			t.Errorf("without recovery codes on offer: got %d left, %v; want -1", o.RecoveryLeft, err)
		}
	})
}

func TestSetLanguage(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		p := b.signedIn()
		a, err := store.Account(b.ctx, b.account.ID)
		must(t, err)
		stale := p.owner()
		a.Profile.Email = "kajsa@example.com" // changed by another request of hers
		must(t, store.UpdateProfile(b.ctx, a))
		must(t, b.service.SetLanguage(b.ctx, stale, "sv"))
		a, err = store.Account(b.ctx, b.account.ID)
		if err != nil || a.Locale != "sv" || a.Profile.Email != "kajsa@example.com" || !a.Updated.Equal(b.set.Now()) {
			t.Errorf("got %+v, %v", a, err)
		}
		b.byOwner(provider.ActionLanguage, "")
		var faults provider.Faults
		for _, lang := range []string{"", "de", "sv\x00"} {
			if err := b.service.SetLanguage(b.ctx, stale, lang); !errors.As(err, &faults) || faults[0].Field != "lang" {
				t.Errorf("%q: got %v, want a fault of lang", lang, err)
			}
		}
	})
}

// atOnce runs both at the same time, and returns what they return.
func atOnce(one, two func(context.Context) error, ctx context.Context) (errs [2]error) {
	var both sync.WaitGroup
	start := make(chan struct{})
	for i, do := range []func(context.Context) error{one, two} {
		both.Go(func() {
			<-start
			errs[i] = do(ctx)
		})
	}
	close(start)
	both.Wait()
	return errs
}

// oneOf expects one of two to have succeeded and the other to have failed with lost.
func oneOf(t *testing.T, errs [2]error, lost error) (winner int) {
	t.Helper()
	for i := range errs {
		if errs[i] == nil && errors.Is(errs[1-i], lost) {
			return i
		}
	}
	t.Fatalf("got %v, want one to succeed and one to fail with %v", fmt.Sprint(errs), lost)
	return 0
}
