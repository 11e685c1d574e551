package signin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// told is what an attempt tells whoever made it.
func told(err error) string {
	var locked *provider.LockedError
	var attempt *AttemptError
	switch {
	case err == nil:
		return "in"
	case errors.As(err, &locked) && locked.Hard:
		return "locked hard"
	case errors.As(err, &locked):
		return "locked until " + locked.Until.UTC().Format("15:04:05")
	case errors.As(err, &attempt):
		return fmt.Sprintf("%v, %d left", err, attempt.Left)
	}
	return err.Error()
}

func (p *person) tells(want string, userID, password string) {
	p.t.Helper()
	if got := told(p.password(userID, password)); got != want {
		p.t.Fatalf("got %q, want %q", got, want)
	}
}

// guess makes the five wrong guesses that lock a lane.
func (p *person) guess(userID string) {
	p.t.Helper()
	for left := 4; left >= 1; left-- {
		p.tells(fmt.Sprintf("wrong user id or password, %d left", left), userID, "not the password")
	}
	p.tells("locked until "+p.set.Now().Add(30*time.Minute).UTC().Format("15:04:05"), userID, "not the password")
}

func TestLockout(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		b.set.Transaction = 100 * time.Hour
		b.service = b.replica(store)
		p := b.person().start("bank")
		p.guess(kajsa)
		b.audited(b.account.ID, "signin.locked refused", "signin.password refused", "signin.password refused")
		b.pass(29*time.Minute + 59*time.Second)
		p.tells("locked until 12:30:05", kajsa, password)
		b.audited(b.account.ID, "signin.password refused", "signin.locked refused")
		b.pass(time.Second)
		p.tells("in", kajsa, password)

		p = b.person().start("bank")
		for range 4 {
			wants(t, p.password(kajsa, "not the password"), provider.WrongPassword)
		}
		p.tells("in", kajsa, password) // the last attempt is an attempt

		p = b.person().start("bank")
		p.guess(kajsa)
		b.pass(30 * time.Minute)
		for range 4 {
			wants(t, p.password(kajsa, "not the password"), provider.WrongPassword)
		}
		p.tells("locked hard", kajsa, "not the password") // the third time in a day
		b.pass(48 * time.Hour)
		p.tells("locked hard", kajsa, password)
		must(t, b.service.Unlock(b.ctx, operator, b.account.ID))
		p.tells("in", kajsa, password)
	})
}

func TestUnknownUserIDsFareAlike(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		b.set.Transaction = 100 * time.Hour
		b.service = b.replica(store)
		locked, disabled := b.create("LockedL"), b.create("DisabledD")
		must(t, b.service.Lock(b.ctx, operator, locked.ID))
		must(t, store.SetAccountStatus(b.ctx, disabled.ID, provider.AccountDisabled, b.set.Now()))
		stranger := provider.NewToken()
		begin := b.clock.Load()
		walk := func(userID, secret, device string) (states []string) {
			b.clock.Store(begin)
			p := b.person()
			p.browser.Device = device
			p.start("bank")
			for i := range 20 {
				before := store.Statements()
				state := told(p.password(userID, secret))
				states = append(states, fmt.Sprintf("%s after %d statements", state, store.Statements()-before))
				if strings.HasPrefix(state, "locked until") && i%3 == 0 {
					b.pass(30 * time.Minute)
				}
			}
			return states
		}
		for _, device := range []string{"", stranger} {
			want := walk(kajsa, "not the password", device)
			if want[19][:11] != "locked hard" {
				t.Fatalf("the walk ends with %q", want[19])
			}
			for userID, secret := range map[string]string{
				"nobody" + device: password, "LockedL": password, "DisabledD": password,
				strings.Repeat("long", 99) + device: password, "no text \xff\x00" + device: password,
			} {
				if got := walk(userID, secret, device); !slices.Equal(got, want) {
					t.Errorf("%q with device %q:\ngot  %q\nwant %q", userID, device, got, want)
				}
			}
			for _, a := range []*provider.Account{b.account, locked, disabled} {
				must(t, store.ClearLanes(b.ctx, b.service.subjectName(a.UserID)))
			}
		}
		events, err := store.Events(b.ctx, storage.EventFilter{Limit: 1000})
		must(t, err)
		if text := fmt.Sprintf("%+v", events); strings.Contains(text, "nobody") || strings.Contains(text, "longlong") {
			t.Error("a User ID that nobody has is in the audit trail")
		}
	})
}

func TestFoldedUserIDsShareCounters(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		asa := b.create("ÅsaÅsa")
		p := b.person().start("bank")
		for i, spelling := range []string{"ÅsaÅsa", "åsaåsa", " ÅSAÅSA", "A\u030asaA\u030asa"} {
			p.tells(fmt.Sprintf("wrong user id or password, %d left", 4-i), spelling, "not the password")
		}
		p.tells("locked until 12:30:05", "\u212bsa\u212bsa", "not the password") // Ångström signs
		p.tells("locked until 12:30:05", asa.UserID, password)
		if err := b.service.Create(b.ctx, operator, &provider.Account{UserID: "åSAåSA"}, password, easy); !errors.Is(err, provider.Exists) {
			t.Errorf("a look-alike: got %v, want %v", err, provider.Exists)
		}
		p.tells("wrong user id or password, 4 left", strings.ToLower(kajsa), password) // right but for its case
	})
}

func TestKnownDevice(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		b.create("BosseB")
		owner := b.signedIn()
		stranger := b.person().start("bank")
		stranger.guess(kajsa)
		t.Run("its owner signs in while strangers are locked out", func(t *testing.T) {
			home := *owner
			home.browser.Session = ""
			home.start("bank").tells("in", kajsa, password)
			stranger.tells("locked until 12:30:05", kajsa, password)
		})
		t.Run("another account's device is a stranger", func(t *testing.T) {
			other := b.person().start("bank")
			other.tells("in", "BosseB", password)
			other.start("bank", prompt(provider.PromptLogin)).tells("locked until 12:30:05", kajsa, password)
		})
		t.Run("it has a counter of its own", func(t *testing.T) {
			home := *owner
			home.browser.Session = ""
			home.start("bank").guess(kajsa)
			home.tells("locked until 12:30:05", kajsa, password)
			b.pass(30 * time.Minute)
			home.start("bank").tells("in", kajsa, password)
		})
		t.Run("it is forgotten after its time", func(t *testing.T) {
			late := *owner
			late.browser.Session = ""
			stranger.start("bank").guess(kajsa)
			late.start("bank").tells("in", kajsa, password)
			b.pass(90 * 24 * time.Hour)
			stranger.start("bank").guess(kajsa)
			late.start("bank")
			wants(t, late.password(kajsa, password), provider.Locked)
		})
	})
}

// TestParallelGuesses lets 50 guesses loose on two processes at once.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		b := newBench(t, storagetest.Connect(t, url))
		services := []*Service{b.service, b.replica(storagetest.Connect(t, url))}
		people := make([]*person, 50)
		for i := range people {
			people[i] = b.person()
			people[i].service = services[i%2]
			people[i].start("bank")
		}
		counts := map[string]int{}
		for _, err := range inParallel(people, func(p *person) error { return p.password(kajsa, "not the password") }) {
			counts[told(err)]++
		}
		want := map[string]int{"locked until 12:30:05": 46}
		for left := range 4 {
			want[fmt.Sprintf("wrong user id or password, %d left", left+1)] = 1
		}
		for state, n := range want {
			if counts[state] != n {
				t.Errorf("got %v, want %v", counts, want)
				break
			}
		}
		refused := 0
		events, err := b.store.Events(b.ctx, storage.EventFilter{Subject: b.account.ID, Action: provider.ActionPassword, Limit: 1000})
		must(t, err)
		for _, e := range events {
			if e.Detail != "locked" {
				refused++
			}
		}
		if refused != 5 || len(events) != 50 {
			t.Errorf("the trail has %d attempts, %d of them evaluated; want 50 and 5", len(events), refused)
		}
	})
}

// TestParallelRightPasswords checks that the owner is not locked out by signing in
// from many places at once.
func TestParallelRightPasswords(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, func(s *Settings) { s.Password.Attempts = 100 })
		people := make([]*person, 20)
		for i := range people {
			people[i] = b.person().start("bank")
		}
		for i, err := range inParallel(people, func(p *person) error { return p.password(kajsa, password) }) {
			if err != nil || people[i].session() == nil {
				t.Errorf("got %v, want in", err)
			}
		}
		b.person().start("bank").tells("wrong user id or password, 99 left", kajsa, "not the password")
	})
}

// inParallel starts do for everybody at the same moment.
func inParallel(people []*person, do func(*person) error) []error {
	errs := make([]error, len(people))
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, p := range people {
		all.Go(func() {
			<-start
			errs[i] = do(p)
		})
	}
	close(start)
	all.Wait()
	return errs
}

func TestRehash(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store)
		old, err := store.Account(b.ctx, b.account.ID)
		must(t, err)
		b.set.Argon2.MemoryKiB = 128
		b.service = b.replica(store)
		p := b.person().start("bank")
		wants(t, p.password(kajsa, "not the password"), provider.WrongPassword)
		if a, err := store.Account(b.ctx, b.account.ID); err != nil || a.PasswordHash != old.PasswordHash {
			t.Fatalf("a wrong password changed the hash, or %v", err)
		}
		must(t, p.password(kajsa, password))
		a, err := store.Account(b.ctx, b.account.ID)
		if err != nil || !strings.Contains(a.PasswordHash, "m=128,t=1,p=1,keyid=k1$") || !a.PasswordChanged.Equal(old.PasswordChanged) {
			t.Errorf("got %q changed %v, %v", a.PasswordHash, a.PasswordChanged, err)
		}
		b.audited(b.account.ID, "signin.session ok", "signin.password ok", "password.rehashed ok", "signin.password refused")
		b.person().start("bank").tells("in", kajsa, password)
		b.audited(b.account.ID, "signin.session ok", "signin.password ok", "signin.session ok")
	})
}
