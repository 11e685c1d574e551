package signin

import (
	"slices"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestPasswordOnly(t *testing.T) {
	t.Parallel()
	for _, p := range []provider.SecondFactorPolicy{provider.SecondFactorOff, provider.SecondFactorOptional} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, store *storage.Store) {
				b := newBench(t, store, policy(p))
				kajsaIn := b.person().start("bank")
				kajsaIn.at(provider.StepPassword)
				must(t, kajsaIn.password(" "+kajsa+" ", password))
				next := kajsaIn.at(provider.StepDone)
				if next.Account.ID != b.account.ID || !slices.Equal(next.Proof.Methods, []string{"pwd"}) || !next.Proof.At.Equal(b.set.Now()) || next.Session == nil {
					t.Errorf("got %+v", next)
				}
				b.audited(b.account.ID, "signin.session ok", "signin.password ok")
				must(t, kajsaIn.finish())
				wants(t, kajsaIn.finish(), provider.NotFound)
				if s := kajsaIn.session(); s == nil || s.AccountID != b.account.ID || s.Address != "192.0.2.7" || s.UserAgent != "Test/1.0" {
					t.Errorf("got session %+v", s)
				}
				silent, err := b.service.Next(b.ctx, provider.SignInData{Request: provider.Authorization{ClientID: "bank", Prompt: []string{"none"}}}, kajsaIn.browser)
				if err != nil || silent.Step != provider.StepDone {
					t.Errorf("silent: got %q, %v; want done", silent.Step, err)
				}
			})
		})
	}
}

func TestSecondFactorRequired(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired))
		key := b.enrol(b.account)
		p := b.person().start("bank")
		must(t, p.password(kajsa, password))
		next := p.at(provider.StepVerify)
		if p.browser.Session != "" || p.browser.Device != "" || next.Session != nil || len(next.Factors) != 1 {
			t.Fatalf("after the password alone: session %q, device %q, %d factors", p.browser.Session, p.browser.Device, len(next.Factors))
		}
		silent, err := b.service.Next(b.ctx, provider.SignInData{Request: provider.Authorization{ClientID: "bank"}}, p.browser)
		if err != nil || silent.Error != "login_required" {
			t.Errorf("a pending sign-in under prompt=none: got %q, %v; want login_required", silent.Error, err)
		}
		wants(t, p.password(kajsa, password), provider.OutOfTurn)
		b.pass(time.Minute)
		must(t, p.totp(b.code(key, 0)))
		next = p.at(provider.StepDone)
		if !slices.Equal(next.Proof.Methods, []string{"pwd", "otp"}) || !next.Proof.At.Equal(b.set.Now()) || next.Session.Level() != provider.LevelTwoFactor {
			t.Errorf("got %+v, session %+v", next.Proof, next.Session)
		}
		b.audited(b.account.ID, "signin.session ok", "signin.factor ok", "signin.password ok")
	})
}

func TestForcedEnrolment(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired))
		p := b.person().start("bank")
		_, err := b.service.Enrolment(b.ctx, p.id, p.browser)
		wants(t, err, provider.OutOfTurn)
		must(t, p.password(kajsa, password))
		p.at(provider.StepEnrol)
		wants(t, p.confirm("000000"), provider.OutOfTurn)

		first, err := b.service.Enrolment(b.ctx, p.id, p.browser)
		must(t, err)
		again, err := b.service.Enrolment(b.ctx, p.id, p.browser)
		must(t, err)
		if first != again || len(first.Key) != 32 {
			t.Errorf("a reload shows another key: %q, then %q", first.Key, again.Key)
		}
		wants(t, p.confirm("12345"), provider.WrongCode)
		wants(t, p.confirm(b.code(first.Key, -time.Hour)), provider.WrongCode)
		p.at(provider.StepEnrol)
		if p.browser.Session != "" {
			t.Fatal("a session before the factor is confirmed")
		}
		code := b.code(first.Key, 0)
		must(t, p.confirm(code))
		p.skip()
		next := p.at(provider.StepDone)
		if next.Session.Level() != provider.LevelTwoFactor || len(next.Factors) != 1 || !next.Factors[0].Confirmed {
			t.Errorf("got %+v with factors %+v", next.Session, next.Factors)
		}
		b.audited(b.account.ID, "signin.session ok", "factor.added ok", "factor.added refused", "signin.password ok")
		must(t, p.finish())

		other := b.person().start("bank")
		must(t, other.password(kajsa, password))
		other.at(provider.StepVerify)
		wants(t, other.totp(code), provider.WrongCode)
		b.pass(time.Minute)
		must(t, other.totp(b.code(first.Key, 0)))
	})
}

func TestEnrolmentRaces(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired))
		first, second := b.person().start("bank"), b.person().start("bank")
		must(t, first.password(kajsa, password))
		must(t, second.password(kajsa, password))
		one, err := b.service.Enrolment(b.ctx, first.id, first.browser)
		must(t, err)
		two, err := b.service.Enrolment(b.ctx, second.id, second.browser)
		must(t, err)
		t.Run("a newer enrolment replaces an unfinished one", func(t *testing.T) {
			wants(t, first.confirm(b.code(one.Key, 0)), provider.OutOfTurn)
		})
		must(t, second.confirm(b.code(two.Key, 0)))
		t.Run("nobody adds a second one beside it", func(t *testing.T) {
			first.at(provider.StepVerify)
			wants(t, first.confirm(b.code(one.Key, 0)), provider.OutOfTurn)
			_, err := b.service.Enrolment(b.ctx, first.id, first.browser)
			wants(t, err, provider.OutOfTurn)
		})
	})
}

// TestEnrolmentLosesToAFactor confirms an enrolment whose account got a factor after
// the sign-in was looked at.
func TestEnrolmentLosesToAFactor(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired))
	p := b.person().start("bank")
	must(t, p.password(kajsa, password))
	e, err := b.service.Enrolment(b.ctx, p.id, p.browser)
	must(t, err)
	in, at, err := b.service.turn(b.ctx, p.id, p.browser, provider.StepEnrol)
	must(t, err)
	b.enrol(b.account)
	step, err := b.service.match(e.Key, b.code(e.Key, 0))
	must(t, err)
	_, err = b.service.confirm(b.ctx, trial{in: in, b: p.browser, account: at.Account, action: provider.ActionFactorAdded}, step)
	wants(t, err, provider.OutOfTurn)
	p.at(provider.StepVerify)
}

func TestStepUp(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		key := b.enrol(b.account)
		p := b.signedIn()
		before, cookie := p.session(), p.browser.Session
		b.pass(10 * time.Minute)
		p.start("bank", acr(provider.ACRTwoFactor))
		next := p.at(provider.StepVerify)
		if next.Account.ID != b.account.ID || next.Error != "login_required" {
			t.Errorf("got account %v, error %q", next.Account, next.Error)
		}
		must(t, p.totp(b.code(key, 0)))
		next = p.at(provider.StepDone)
		after := p.session()
		if after.SID != before.SID || after.ID == before.ID || !after.Expires.Equal(before.Expires) || !after.AuthTime.Equal(before.AuthTime) {
			t.Errorf("got %+v, want %+v raised", after, before)
		}
		if !slices.Equal(after.Methods, []string{"pwd", "otp"}) || !slices.Equal(next.Proof.Methods, after.Methods) {
			t.Errorf("got amr %v and %v", after.Methods, next.Proof.Methods)
		}
		if old, err := b.service.Session(b.ctx, cookie); old != nil || err != nil {
			t.Errorf("the cookie from before opens %+v, %v", old, err)
		}
		must(t, p.finish())
		p.start("vault").at(provider.StepDone)
	})
}

func TestStepUpWithoutFactor(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t))
	p := b.signedIn().start("vault")
	p.at(provider.StepPassword) // an open session must not get a factor of somebody else's
	_, err := b.service.Enrolment(b.ctx, p.id, p.browser)
	wants(t, err, provider.OutOfTurn)
	must(t, p.password(kajsa, password))
	p.at(provider.StepEnrol)
	e, err := b.service.Enrolment(b.ctx, p.id, p.browser)
	must(t, err)
	must(t, p.confirm(b.code(e.Key, 0)))
	p.skip()
	p.at(provider.StepDone)
}

func TestReauthentication(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*provider.Authorization){
		"prompt=login": prompt(provider.PromptLogin), "max_age=0": maxAge(0), "max_age passed": maxAge(60),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, store *storage.Store) {
				b := newBench(t, store)
				p := b.signedIn()
				before := p.session()
				b.pass(2 * time.Minute)
				p.start("bank", change)
				if next := p.at(provider.StepPassword); next.Account == nil || next.Account.ID != b.account.ID {
					t.Errorf("got account %+v, want the session's", next.Account)
				}
				must(t, p.password(kajsa, password))
				p.at(provider.StepDone)
				after := p.session()
				if after.SID != before.SID || after.ID == before.ID || !after.AuthTime.Equal(b.set.Now()) || !after.Expires.Equal(b.set.Now().Add(12*time.Hour)) {
					t.Errorf("got %+v after %+v", after, before)
				}
			})
		})
	}
}

func TestAnotherAccount(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		bosse := b.create("BosseB")
		p := b.signedIn()
		before := p.browser
		old := p.session()
		grant := &provider.Grant{ID: provider.NewID(), AccountID: b.account.ID, ClientID: "bank", SID: old.SID, Created: b.set.Now(), Expires: b.set.Now().Add(time.Hour)}
		must(t, store.CreateGrant(b.ctx, grant))

		p.start("bank", prompt(provider.PromptAccount)).at(provider.StepAccount)
		wants(t, p.password("BosseB", password), provider.OutOfTurn)
		must(t, b.service.Choose(b.ctx, p.id, p.browser, true))
		if next := p.at(provider.StepPassword); next.Account != nil {
			t.Errorf("the page for another User ID knows %q", next.Account.UserID)
		}
		must(t, p.password("BosseB", password))
		if next := p.at(provider.StepDone); next.Proof.AccountID != bosse.ID || next.Session.SID == old.SID {
			t.Errorf("got %+v in session %+v", next.Proof, next.Session)
		}
		if s, err := b.service.Session(b.ctx, before.Session); s != nil || err != nil {
			t.Errorf("the other's session is still there: %+v, %v", s, err)
		}
		if g, err := store.Grant(b.ctx, grant.ID); err != nil || g.Revoked.IsZero() {
			t.Errorf("the other's grant lives on: %+v, %v", g, err)
		}
		b.audited(b.account.ID, "session.ended ok")
		for _, a := range []*provider.Account{b.account, bosse} {
			if known, err := store.KnownDevice(b.ctx, provider.TokenHash(p.browser.Device), a.ID, b.set.Now()); !known || err != nil {
				t.Errorf("%s does not know the browser: %v", a.UserID, err)
			}
		}
	})
}

func TestChooseTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t))
	p := b.signedIn().start("bank", prompt(provider.PromptAccount))
	must(t, b.service.Choose(b.ctx, p.id, p.browser, false))
	p.at(provider.StepDone)
	wants(t, b.service.Choose(b.ctx, p.id, p.browser, false), provider.OutOfTurn)
}

func TestConsent(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		p := b.person().start("shop")
		wants(t, b.service.Consent(b.ctx, p.id, p.browser, true), provider.OutOfTurn)
		must(t, p.password(kajsa, password))
		p.at(provider.StepConsent)
		wants(t, b.service.Consent(b.ctx, p.id, p.browser, false), provider.Forbidden)
		b.audited(b.account.ID, "signin.consent refused")
		if _, err := b.service.Load(b.ctx, p.id, p.browser); err == nil {
			t.Error("a refused sign-in goes on")
		}

		p.start("shop").at(provider.StepConsent)
		must(t, b.service.Consent(b.ctx, p.id, p.browser, true))
		p.at(provider.StepDone)
		b.audited(b.account.ID, "signin.consent ok")
		must(t, p.finish())

		phone := func(a *provider.Authorization) { a.Scopes = []string{provider.ScopePhone} }
		p.start("shop").at(provider.StepDone)
		if next := p.start("shop", phone).at(provider.StepConsent); !slices.Contains(next.Granted, provider.ScopeEmail) {
			t.Errorf("got %v granted before", next.Granted)
		}
		must(t, b.service.Consent(b.ctx, p.id, p.browser, true))
		if got := p.start("shop").at(provider.StepDone).Granted; !slices.Contains(got, provider.ScopeEmail) || !slices.Contains(got, provider.ScopePhone) {
			t.Errorf("got %v, want both", got)
		}
	})
}

func TestBrowserBinding(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		victim, thief := b.person().start("bank"), b.person().start("bank")
		for name, browser := range map[string]Browser{
			"another browser": thief.browser, "no browser": {}, "no token of ours": {Token: "x' OR '1'='1"},
		} {
			_, err := b.service.Password(b.ctx, victim.id, browser, kajsa, password, false)
			if wants(t, err, provider.NotFound); err == nil {
				t.Errorf("%s got in", name)
			}
		}
		for _, id := range []string{"", "\x00", "\xff\xff", "..", victim.id + "A", victim.browser.Token} {
			_, err := b.service.Load(b.ctx, id, victim.browser)
			wants(t, err, provider.NotFound)
		}
		b.pass(30 * time.Minute)
		wants(t, victim.password(kajsa, password), provider.Expired)
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired))
		key := b.enrol(b.account)
		p := b.person().start("bank")
		other := *p
		other.start("bank") // a second tab
		useless := func(old, now Browser, id string) {
			t.Helper()
			if old.Token == now.Token {
				t.Error("the browser token was not rotated")
			}
			_, err := b.service.Load(b.ctx, id, old)
			wants(t, err, provider.NotFound)
		}
		before := p.browser
		must(t, p.password(kajsa, password))
		useless(before, p.browser, p.id)
		useless(before, p.browser, other.id)
		if _, err := b.service.Load(b.ctx, other.id, p.browser); err != nil {
			t.Errorf("the other tab did not come along: %v", err)
		}
		before = p.browser
		must(t, p.totp(b.code(key, 0)))
		useless(before, p.browser, p.id)

		before = p.browser
		b.pass(time.Minute)
		p.start("bank", prompt(provider.PromptLogin))
		must(t, p.password(kajsa, password))
		useless(before, p.browser, p.id)
		if p.browser.Session != before.Session {
			t.Error("a session was made of half a re-authentication")
		}
		must(t, p.totp(b.code(key, 0)))
		if s, err := b.service.Session(b.ctx, before.Session); s != nil || err != nil {
			t.Errorf("the session cookie from before opens %+v, %v", s, err)
		}
	})
}

func TestFixation(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t))
	p := b.person()
	p.browser.Token, p.browser.Session, p.browser.Device = "planted", "planted", "planted"
	p.start("bank")
	must(t, p.password(kajsa, password))
	for name, value := range map[string]string{"browser": p.browser.Token, "session": p.browser.Session, "device": p.browser.Device} {
		if len(value) != tokenLength {
			t.Errorf("%s: got %q, want a token of ours", name, value)
		}
	}
}

func TestSessionLimits(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		p := b.signedIn()
		for range 60 { // used all the time, for 12 hours
			b.pass(12 * time.Minute)
			if got := p.session() != nil; got != (b.set.Now().Before(time.Date(2026, 3, 15, 0, 0, 5, 0, time.UTC))) {
				t.Fatalf("at %v: got alive %v", b.set.Now().UTC(), got)
			}
		}
		p = b.signedIn()
		b.pass(15 * time.Minute)
		if p.session() != nil {
			t.Error("alive after the idle limit")
		}
		p.start("bank").at(provider.StepPassword)
	})
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		p := b.signedIn()
		old := p.session()
		grants := map[string]*provider.Grant{}
		for _, scope := range []string{provider.ScopeOpenID, provider.ScopeOffline} {
			g := &provider.Grant{ID: provider.NewID(), AccountID: b.account.ID, ClientID: "bank", SID: old.SID, Scopes: []string{scope}, Created: b.set.Now(), Expires: b.set.Now().Add(time.Hour)}
			must(t, store.CreateGrant(b.ctx, g))
			grants[scope] = g
		}
		tab := *p
		tab.start("shop").at(provider.StepConsent)
		ended, err := b.service.SignOut(b.ctx, p.browser)
		if err != nil || ended == nil || ended.SID != old.SID {
			t.Fatalf("got %+v, %v", ended, err)
		}
		if p.session() != nil {
			t.Error("the session lives on")
		}
		for scope, g := range grants {
			got, err := store.Grant(b.ctx, g.ID)
			if err != nil || got.Revoked.IsZero() != (scope == provider.ScopeOffline) {
				t.Errorf("grant with %s: got %+v, %v", scope, got, err)
			}
		}
		if _, err := b.service.Load(b.ctx, tab.id, tab.browser); err == nil {
			t.Error("the other tab goes on")
		}
		b.audited(b.account.ID, "session.ended ok")
		if again, err := b.service.SignOut(b.ctx, p.browser); again != nil || err != nil {
			t.Errorf("signing out twice: got %+v, %v", again, err)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired))
	p := b.person().start("bank")
	must(t, p.password(kajsa, password))
	_, err := b.service.Enrolment(b.ctx, p.id, p.browser)
	must(t, err)
	in, err := b.service.Cancel(b.ctx, p.id, p.browser)
	if err != nil || in.Data.Request.ClientID != "bank" {
		t.Fatalf("got %+v, %v", in, err)
	}
	b.audited(b.account.ID, "signin.cancel ok", "signin.password ok")
	if factors, err := b.store.Factors(b.ctx, b.account.ID); len(factors) != 0 || err != nil {
		t.Errorf("%d unconfirmed factors are left, %v", len(factors), err)
	}
	_, err = b.service.Cancel(b.ctx, p.id, p.browser)
	wants(t, err, provider.NotFound)
}

func TestRemember(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t))
	p := b.person().start("bank")
	issued, err := b.service.Password(b.ctx, p.id, p.browser, kajsa, password, true)
	must(t, err)
	p.take(issued)
	if in, err := b.service.Load(b.ctx, p.id, p.browser); err != nil || !in.Data.Remember {
		t.Errorf("got %+v, %v", in, err)
	}
}
