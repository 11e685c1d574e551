package signin

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// TestAccountClosedMidway closes the account at every stage of a sign-in: nothing
// may open after it, and nothing may stay open.
func TestAccountClosedMidway(t *testing.T) {
	t.Parallel()
	closings := map[string]func(*bench) error{
		"locked": func(b *bench) error { return b.service.Lock(b.ctx, operator, b.account.ID) },
		"locked and opened": func(b *bench) error {
			return errors.Join(b.service.Lock(b.ctx, operator, b.account.ID), b.service.Unlock(b.ctx, operator, b.account.ID))
		},
		"deleted": func(b *bench) error { return b.service.Delete(b.ctx, operator, b.account.ID) },
		"given a password": func(b *bench) error {
			return b.service.SetPassword(b.ctx, operator, b.account.ID, "four other random words", easy)
		},
		"disabled elsewhere": func(b *bench) error {
			return b.store.SetAccountStatus(b.ctx, b.account.ID, provider.AccountDisabled, b.set.Now())
		},
	}
	for name, closing := range closings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, store *storage.Store) {
				b := newBench(t, store, policy(provider.SecondFactorOptional))
				key := b.enrol(b.account)
				pending, consenting, done, stepping := b.pending(), b.person().start("shop"), b.pending(), b.person()
				must(t, consenting.password(kajsa, password))
				must(t, consenting.totp(b.code(key, -30*time.Second)))
				consenting.at(provider.StepConsent)
				must(t, done.totp(b.code(key, 0)))
				stepping.browser = done.browser
				stepping.start("bank", prompt(provider.PromptLogin))
				b.pass(time.Minute)

				must(t, closing(b))

				for who, p := range map[string]*person{"pending": pending, "consenting": consenting, "done": done} {
					if p.session() != nil {
						t.Errorf("%s: the session is alive", who)
					}
				}
				if err := pending.totp(b.code(key, 0)); err == nil || pending.browser.Session != "" {
					t.Errorf("the code opened a session: %v", err)
				}
				if err := b.service.Consent(b.ctx, consenting.id, consenting.browser, true); err == nil {
					t.Error("consent was taken")
				}
				if err := done.finish(); err == nil {
					t.Error("the sign-in was handed over")
				}
				if err := stepping.password(kajsa, password); name != "locked and opened" && err == nil {
					t.Error("the password still opens")
				}
			})
		})
	}
}

// TestLockRacesSignIn locks the account while it signs in: whichever comes first, no
// session is left that would come alive when the account is unlocked.
func TestLockRacesSignIn(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		for range 20 {
			p := b.person().start("bank")
			inParallel([]*person{p, nil}, func(p *person) error {
				if p == nil {
					return b.service.Lock(b.ctx, operator, b.account.ID)
				}
				return p.password(kajsa, password)
			})
			must(t, b.service.Unlock(b.ctx, operator, b.account.ID))
			if p.session() != nil {
				t.Fatal("a session survived the lock")
			}
			if next, err := b.service.Load(b.ctx, p.id, p.browser); err == nil && next.Data.Proof.AccountID != "" {
				t.Fatal("a proof survived the lock")
			}
		}
	})
}

// TestLockWaitsForSignIn checks what TestLockRacesSignIn relies on: from hold to its
// commit a sign-in keeps a lock waiting, which then ends what the sign-in opened.
func TestLockWaitsForSignIn(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		a, err := store.Account(b.ctx, b.account.ID)
		must(t, err)
		locked, token := make(chan error, 1), provider.NewToken()
		must(t, store.InTx(b.ctx, func(ctx context.Context) error {
			if err := b.service.hold(ctx, a, a.PasswordHash); err != nil {
				return err
			}
			go func() { locked <- b.service.Lock(b.ctx, operator, a.ID) }()
			select {
			case err := <-locked:
				t.Errorf("the lock did not wait: %v", err)
				locked <- err
			case <-time.After(200 * time.Millisecond):
			}
			now := b.set.Now()
			return store.CreateSession(ctx, &provider.Session{ID: provider.TokenHash(token), AccountID: a.ID, LastSeen: now, Expires: now.Add(time.Hour)})
		}))
		must(t, <-locked)
		must(t, b.service.Unlock(b.ctx, operator, a.ID))
		if s, err := b.service.Session(b.ctx, token); s != nil || err != nil {
			t.Errorf("the session survived: %+v, %v", s, err)
		}
	})
}

// TestProofsOfAnOldPassword checks that a proof is worth nothing once the password
// has changed, even where nobody ended the sign-in.
func TestProofsOfAnOldPassword(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorOptional))
	key := b.enrol(b.account)
	done, pending := b.pending(), b.pending()
	must(t, done.totp(b.code(key, 0)))
	b.pass(time.Minute)
	must(t, b.store.SetPassword(b.ctx, b.account.ID, "", b.set.Now()))
	wants(t, done.finish(), provider.OutOfTurn)
	pending.at(provider.StepPassword)
	wants(t, pending.totp(b.code(key, 0)), provider.OutOfTurn)
}

func TestLockAndUnlock(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		p := b.signedIn()
		must(t, b.service.Lock(b.ctx, operator, b.account.ID))
		p.start("bank", prompt(provider.PromptLogin)).tells("wrong user id or password, 4 left", kajsa, password)
		must(t, b.service.Unlock(b.ctx, operator, b.account.ID))
		if p.session() != nil {
			t.Error("unlocking brought the session back")
		}
		p.tells("in", kajsa, password)
		b.audited(b.account.ID, "signin.session ok", "signin.password ok", "account.unlocked ok", "signin.password refused", "account.locked ok")
		events, err := store.Events(b.ctx, storage.EventFilter{Subject: b.account.ID, Action: provider.ActionAccountLocked})
		if err != nil || events[0].Actor != operator || !events[0].At.Equal(b.set.Now()) {
			t.Errorf("got %+v, %v", events, err)
		}
		must(t, store.SetAccountStatus(b.ctx, b.account.ID, provider.AccountDisabled, b.set.Now()))
		wants(t, b.service.Unlock(b.ctx, operator, b.account.ID), provider.Forbidden)
		wants(t, b.service.Lock(b.ctx, operator, b.account.ID), provider.Forbidden)
		wants(t, b.service.Lock(b.ctx, operator, "nobody"), provider.NotFound)
	})
}

func TestSetPassword(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		p := b.signedIn()
		p.start("bank", prompt(provider.PromptLogin)).guess(kajsa)
		var faults provider.Faults
		if err := b.service.SetPassword(b.ctx, operator, b.account.ID, "too short", easy); !errors.As(err, &faults) {
			t.Fatalf("got %v, want faults", err)
		}
		if p.session() == nil {
			t.Fatal("a refused password ended the session")
		}
		must(t, b.service.SetPassword(b.ctx, operator, b.account.ID, "four other random words", easy))
		if p.session() != nil {
			t.Error("the session outlived the password")
		}
		p.tells("wrong user id or password, 4 left", kajsa, password) // the lane is new, and the device a stranger's
		p.tells("in", kajsa, "four other random words")
		b.audited(b.account.ID, "signin.session ok", "signin.password ok", "signin.password refused", "account.password_set ok")
		wants(t, b.service.SetPassword(b.ctx, operator, "nobody", "four other random words", easy), provider.NotFound)
	})
}

func TestCreateAndDelete(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		b.audited(b.account.ID, "account.created ok")
		a := &provider.Account{UserID: "BosseB", Profile: provider.Profile{Email: "bosse.boson@example.com"}}
		for name, secret := range map[string]string{"short": "short", "own address": "bosse.boson12"} {
			if err := b.service.Create(b.ctx, operator, a, secret, easy); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		if err := b.service.Create(b.ctx, operator, &provider.Account{UserID: "4571234567890111"}, password, easy); err == nil {
			t.Error("a card number was accepted as User ID")
		}
		must(t, b.service.Create(b.ctx, operator, a, password, easy))
		b.enrol(a)
		must(t, b.service.Delete(b.ctx, operator, a.ID))
		b.audited(a.ID, "account.deleted ok", "factor.added ok", "account.created ok")
		wants(t, b.service.Delete(b.ctx, operator, a.ID), provider.NotFound)
		again := b.create("BosseB")
		if again.ID == a.ID {
			t.Error("the id was used again")
		}
	})
}

// TestNoTrailNothingHappens takes the audit table away: whatever cannot be audited
// must not have happened, and works once it can.
func TestNoTrailNothingHappens(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		b := newBench(t, storagetest.Connect(t, url), policy(provider.SecondFactorOptional))
		key := b.enrol(b.account)
		bosse := b.create("BosseB")
		entering, verifying := b.person().start("bank"), b.pending()
		entering.at(provider.StepPassword)
		code := b.code(key, 0)

		rename(t, url, "audit", "audit_away")
		for name, act := range map[string]func() error{
			"password": func() error { return entering.password("BosseB", password) },
			"code":     func() error { return verifying.totp(code) },
			"lock":     func() error { return b.service.Lock(b.ctx, operator, bosse.ID) },
			"delete":   func() error { return b.service.Delete(b.ctx, operator, bosse.ID) },
			"create": func() error {
				return b.service.Create(b.ctx, operator, &provider.Account{UserID: "NewOne"}, password, easy)
			},
			"factor": func() error { _, err := b.service.EnrolConfirmedTOTP(b.ctx, operator, bosse.ID, ""); return err },
			"cancel": func() error { _, err := b.service.Cancel(b.ctx, entering.id, entering.browser); return err },
		} {
			if err := act(); err == nil || errors.Is(err, provider.WrongPassword) || errors.Is(err, provider.WrongCode) {
				t.Errorf("%s: got %v, want a failure", name, err)
			}
		}
		rename(t, url, "audit_away", "audit")

		if entering.browser.Session != "" || verifying.browser.Session != "" {
			t.Error("a session was handed out")
		}
		if a, err := b.store.Account(b.ctx, bosse.ID); err != nil || a.Status != provider.AccountActive {
			t.Errorf("got %+v, %v", a, err)
		}
		if factors, err := b.store.Factors(b.ctx, bosse.ID); err != nil || len(factors) != 0 {
			t.Errorf("got %d factors, %v", len(factors), err)
		}
		if _, err := b.store.AccountByUserID(b.ctx, "NewOne"); !errors.Is(err, provider.NotFound) {
			t.Errorf("the account exists: %v", err)
		}
		entering.at(provider.StepPassword)
		must(t, entering.password("BosseB", password))
		must(t, verifying.totp(code)) // its step was not spent
	})
}

// rename renames a table behind the store's back.
func rename(t *testing.T, url, from, to string) {
	t.Helper()
	driver, source := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, source)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
	must(t, err)
}

// TestHangingUp checks that a guess is in the trail even if its browser goes away
// while it is being looked at.
func TestHangingUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t))
	p := b.person().start("bank")
	in, err := b.service.Load(b.ctx, p.id, p.browser)
	must(t, err)
	ctx, hangUp := context.WithCancel(b.ctx)
	counted, err := b.service.count(ctx, b.set.Password, b.service.passwordLane(kajsa, ""))
	must(t, err)
	hangUp()
	err = b.service.refuse(ctx, trial{in: in, b: p.browser, account: b.account, action: provider.ActionPassword}, counted, provider.WrongPassword)
	wants(t, err, provider.WrongPassword)
	b.audited(b.account.ID, "signin.password refused")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	store := storagetest.Open(t)
	b := newBench(t, store)
	for field, change := range map[string]func(*Settings){
		"secrets.keys":           func(s *Settings) { s.Keys = nil },
		"session":                func(s *Settings) { s.Sessions.Absolute = 0 },
		"sign_in.transaction":    func(s *Settings) { s.Transaction = 0 },
		"sign_in.device":         func(s *Settings) { s.Device = -1 },
		"sign_in.lockout":        func(s *Settings) { s.Password.Attempts = 0 },
		"sign_in.factor_lockout": func(s *Settings) { s.Factor.Wait = 0 },
		"password":               func(s *Settings) { s.HashQueue = -1 },
		"sign_in.totp_window":    func(s *Settings) { s.TOTPWindow = 2 },
		"brand.name":             func(s *Settings) { s.Issuer = "" },
		"sign_in.second_factor":  func(s *Settings) { s.Policy = "never" },
	} {
		set := b.set
		change(&set)
		_, err := New(set, store)
		var faults provider.Faults
		if !errors.As(err, &faults) || !slices.ContainsFunc(faults, func(f provider.Fault) bool { return f.Field == field }) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	for name, cost := range map[string]provider.Argon2{"none": {}, "over the cap": {MemoryKiB: 64, Time: 17, Parallelism: 1}} {
		set := b.set
		set.Argon2 = cost
		if _, err := New(set, store); err == nil || !strings.Contains(err.Error(), "password.argon2") {
			t.Errorf("costs %s: got %v", name, err)
		}
	}
	if _, err := New(b.set, nil); err == nil {
		t.Error("no store: accepted")
	}
	set := b.set
	set.Now, set.HashConcurrency = nil, 0
	s, err := New(set, store)
	if err != nil || cap(s.hashing.slots) < 1 || time.Since(s.now()).Abs() > time.Minute {
		t.Errorf("defaults: got %d slots, %v", cap(s.hashing.slots), err)
	}
}
