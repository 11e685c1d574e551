package signin

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

const newWords = "four other random words"

func (p *person) change(current, next string, endOthers bool) error {
	p.t.Helper()
	issued, err := p.service.ChangePassword(p.ctx, p.owner(), current, next, endOthers)
	p.take(issued)
	return err
}

// TestChangePassword changes it with another session open, grants of both, and of a
// session that is over.
func TestChangePassword(t *testing.T) {
	t.Parallel()
	for _, endOthers := range []bool{false, true} {
		t.Run(map[bool]string{false: "others stay", true: "others end"}[endOthers], func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, store *storage.Store) {
				b := newBench(t, store, centre)
				key := b.enrol(b.account)
				b.pass(time.Hour)
				other, p := b.strong(kajsa, key), b.strong(kajsa, key)
				b.trust(b.account)
				grants := []string{
					b.grant(b.account, other.session().SID, "openid"),
					b.grant(b.account, other.session().SID, "openid", provider.ScopeOffline),
					b.grant(b.account, "a session long over", "openid", provider.ScopeOffline),
				}
				pending := b.person().start("vault")
				must(t, pending.password(kajsa, password))
				b.pass(time.Minute)
				before, cookie := p.session(), p.browser.Session
				must(t, p.change(password, newWords, endOthers))

				after := p.session()
				if after == nil || after.SID != before.SID || after.ID == before.ID || !after.AuthTime.Equal(before.AuthTime) || !after.Expires.Equal(before.Expires) ||
					!slices.Equal(after.Methods, []string{"pwd", "otp"}) || !after.Created.Equal(before.Created) {
					t.Errorf("got session %+v after %+v", after, before)
				}
				if s, err := b.service.Session(b.ctx, cookie); s != nil || err != nil {
					t.Errorf("the cookie from before opens %+v, %v", s, err)
				}
				if alive := other.session() != nil; alive == endOthers {
					t.Errorf("the other session is alive: %v", alive)
				}
				for i, id := range grants {
					if b.live(id) == endOthers {
						t.Errorf("grant %d is live: %v", i, b.live(id))
					}
				}
				if n := b.trusted(b.account); n != 0 {
					t.Errorf("%d devices are still trusted", n)
				}
				b.byOwner(provider.ActionPasswordChanged, "")
				if told := b.sent(provider.MessagePassword); len(told) != 1 || told[0].Data.UserAgent != "Test/1.0" || told[0].AccountID != b.account.ID {
					t.Errorf("got notices %+v", told)
				}
				if in, err := b.service.Load(b.ctx, pending.id, pending.browser); err == nil {
					if next, err := b.service.Next(b.ctx, in.Data, pending.browser); err != nil || next.Step != provider.StepPassword {
						t.Errorf("the password from before still counts: at %q, %v", next.Step, err)
					}
				}
				p.start("bank").at(provider.StepDone)
				again := b.person().start("bank")
				wants(t, again.password(kajsa, password), provider.WrongPassword)
				must(t, again.password(kajsa, newWords))
			})
		})
	}
}

func TestChangePasswordKeepsTheDeviceKnown(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), centre)
	p := b.signedIn()
	must(t, p.change(password, newWords, true))
	hash, err := b.service.knownDevice(b.ctx, p.browser, b.account.ID)
	if err != nil || hash == "" {
		t.Errorf("the browser is a stranger now: %q, %v", hash, err)
	}
	p.owner()
}

func TestChangePasswordFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), centre)
	p := b.signedIn()
	for name, next := range map[string]string{
		"short": "short", "empty": "", "the same": password, "the User ID": "KajsaKKajsaK", "no text": "\xff\xfe\xfd and more words",
	} {
		var faults provider.Faults
		err := p.change(password, next, false)
		if !errors.As(err, &faults) || faults[0].Field != "new_password" {
			t.Errorf("%s: got %v, want a fault of new_password", name, err)
		}
	}
	// The same once normalised, and nothing of it was counted or audited.
	must(t, b.service.SetPassword(b.ctx, operator, b.account.ID, "tre l\u00e5nga ord till", easy))
	p = b.person().start("bank")
	must(t, p.password(kajsa, "tre l\u00e5nga ord till"))
	var faults provider.Faults
	if err := p.change("tre l\u00e5nga ord till", "tre la\u030anga ord till", false); !errors.As(err, &faults) {
		t.Errorf("the same in another form: got %v, want faults", err)
	}
	b.audited(b.account.ID, "signin.session ok", "signin.password ok")
}

// TestChangePasswordCounts guesses the current password in a session that was left
// open: the guesses count as those at sign-in do.
func TestChangePasswordCounts(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		p := b.signedIn()
		for _, want := range []string{"4 left", "3 left", "2 left"} {
			if got := told(p.change("not the password", newWords, true)); got != "wrong user id or password, "+want {
				t.Fatalf("got %q, want %s", got, want)
			}
		}
		b.audited(b.account.ID, "signin.password refused", "signin.password refused", "signin.password refused", "signin.session ok")
		if e := b.newest(b.account, provider.ActionPassword); e.ClientID != provider.SecurityCentreID || e.Method != "pwd" || e.Actor != "" {
			t.Errorf("got %+v", e)
		}
		p.start("bank", prompt(provider.PromptLogin)).tells("wrong user id or password, 1 left", kajsa, "not the password")
		until := "locked until " + b.set.Now().Add(30*time.Minute).UTC().Format("15:04:05")
		if got := told(p.change("not the password", newWords, true)); got != until {
			t.Fatalf("got %q, want %q", got, until)
		}
		b.audited(b.account.ID, "signin.locked refused", "signin.password refused")
		for _, current := range []string{password, "not the password"} {
			if got := told(p.change(current, newWords, true)); got != until {
				t.Errorf("%q in a locked lane: got %q, want %q", current, got, until)
			}
		}
		p.start("bank", prompt(provider.PromptLogin)).tells(until, kajsa, password)
		if a, err := store.Account(b.ctx, b.account.ID); err != nil || a.PasswordHash != p.owner().Account.PasswordHash || p.session() == nil {
			t.Errorf("something has changed: %v", err)
		}
		if n := len(b.sent(provider.MessagePassword)); n != 0 {
			t.Errorf("%d notices of a change that was refused", n)
		}
	})
}

func TestChangePasswordClearsTheLane(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), centre)
	p := b.signedIn()
	for range 4 {
		wants(t, p.change("not the password", newWords, false), provider.WrongPassword)
	}
	must(t, p.change(password, newWords, false))
	p.start("bank", prompt(provider.PromptLogin)).tells("wrong user id or password, 4 left", kajsa, password)
}

func TestChangePasswordAtOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		one, two := b.signedIn().owner(), b.signedIn().owner()
		words := []string{"the words of the first", "the words of the second"}
		changing := func(o *Owner, next string) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := b.service.ChangePassword(ctx, o, password, next, false)
				return err
			}
		}
		winner := oneOf(t, atOnce(changing(one, words[0]), changing(two, words[1]), b.ctx), provider.OutOfTurn)
		again := b.person().start("bank")
		wants(t, again.password(kajsa, words[1-winner]), provider.WrongPassword)
		must(t, again.password(kajsa, words[winner]))
		if n := len(b.sent(provider.MessagePassword)); n != 1 {
			t.Errorf("%d notices, want 1", n)
		}
	})
}

// TestChangePasswordOfAnEndedSession begins while the session is there and goes on
// after it was ended from elsewhere.
func TestChangePasswordOfAnEndedSession(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		p, elsewhere := b.signedIn(), b.signedIn()
		o := p.owner()
		must(t, b.service.EndSession(b.ctx, elsewhere.owner(), o.Session.SID))
		for _, endOthers := range []bool{false, true} {
			_, err := b.service.ChangePassword(b.ctx, o, password, newWords, endOthers)
			wants(t, err, provider.OutOfTurn)
		}
		must(t, b.person().start("bank").password(kajsa, password))
	})
}
