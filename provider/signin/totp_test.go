package signin

import (
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/pquerna/otp"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// pending is somebody who has given the password and must now give a code.
func (b *bench) pending() *person {
	b.t.Helper()
	p := b.person().start("bank")
	must(b.t, p.password(kajsa, password))
	p.at(provider.StepVerify)
	return p
}

func TestTOTPWindow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		window  int
		offset  time.Duration
		correct bool
	}{
		{1, -60 * time.Second, false}, {1, -30 * time.Second, true}, {1, 0, true}, {1, 30 * time.Second, true}, {1, 60 * time.Second, false},
		{0, -30 * time.Second, false}, {0, 0, true}, {0, 30 * time.Second, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("window %d, %v", tt.window, tt.offset), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), func(s *Settings) { s.TOTPWindow = tt.window })
			err := b.pendingWith(b.enrol(b.account), tt.offset)
			if tt.correct && err != nil || !tt.correct && !errors.Is(err, provider.WrongCode) {
				t.Errorf("got %v, want accepted %v", err, tt.correct)
			}
		})
	}
}

func (b *bench) pendingWith(key string, offset time.Duration) error {
	b.t.Helper()
	return b.pending().totp(b.code(key, offset))
}

// TestEqualCodes looks at two steps in a row that happen to have the same code: the
// newer is taken, so that it is spent for both.
func TestEqualCodes(t *testing.T) {
	t.Parallel()
	const seed, code, step = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "963181", 59061240
	b := newBench(t, storagetest.Open(t))
	b.clock.Store(step * 30)
	if got, err := b.service.match(seed, code); got != step+1 || err != nil {
		t.Errorf("got step %d, %v; want %d", got, err, step+1)
	}
}

func TestTOTPSpelling(t *testing.T) {
	t.Parallel()
	for typed, ok := range map[string]bool{
		"123456": true, "123 456": true, " 12-34-56 ": true, "123\u00a0456": true,
		"": false, "12345": false, "1234567": false, "12345a": false, "１２３４５６": false, "+12345": false, "123456\x00": false, "١٢٣٤٥٦": false,
	} {
		if SixDigits(typed) != ok {
			t.Errorf("SixDigits(%q): got %v", typed, !ok)
		}
	}
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired))
	key := b.enrol(b.account)
	p := b.pending()
	for range 10 {
		if got := told(p.totp("12345")); got != "wrong code" {
			t.Fatalf("got %q for what is no code, want it uncounted", got)
		}
	}
	code := b.code(key, 0)
	must(t, p.totp(code[:3]+" "+code[3:]))
}

func TestTOTPIsUsedOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired))
		key := b.enrol(b.account)
		first := b.code(key, 0)
		must(t, b.pending().totp(first))
		wants(t, b.pending().totp(first), provider.WrongCode)
		b.audited(b.account.ID, "signin.factor refused", "signin.password ok")
		must(t, b.pendingWith(key, 30*time.Second))
		t.Run("nothing older than what was used", func(t *testing.T) {
			wants(t, b.pendingWith(key, 0), provider.WrongCode)
			wants(t, b.pendingWith(key, -30*time.Second), provider.WrongCode)
		})
		b.pass(time.Minute)
		must(t, b.pendingWith(key, 0))
	})
}

func TestParallelCodes(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, address string) {
		b := newBench(t, storagetest.Connect(t, address), policy(provider.SecondFactorRequired), func(s *Settings) { s.Factor = provider.LockoutPolicy{Attempts: 1000, Wait: time.Minute} })
		key := b.enrol(b.account)
		services := []*Service{b.service, b.replica(storagetest.Connect(t, address))}
		people := make([]*person, 32)
		for i := range people {
			people[i] = b.pending()
			people[i].service = services[i%2]
		}
		code, in := b.code(key, 0), 0
		for i, err := range inParallel(people, func(p *person) error { return p.totp(code) }) {
			switch {
			case err == nil && people[i].session() != nil:
				in++
			case !errors.Is(err, provider.WrongCode) || people[i].browser.Session != "":
				t.Errorf("got %v with session %q, want a wrong code", err, people[i].browser.Session)
			}
		}
		if in != 1 {
			t.Errorf("%d sign-ins with one code, want 1", in)
		}
	})
}

func TestFactorLockout(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired))
		key := b.enrol(b.account)
		tells := func(want, code string) {
			t.Helper()
			if got := told(b.pending().totp(code)); got != want { // every time a new sign-in
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		wrong := b.code(key, -time.Hour)
		for left := 4; left >= 1; left-- {
			tells(fmt.Sprintf("wrong code, %d left", left), wrong)
		}
		tells("locked until 12:15:05", wrong)
		b.audited(b.account.ID, "signin.locked refused", "signin.factor refused")
		tells("locked until 12:15:05", b.code(key, 0))
		t.Run("a new factor is no new round", func(t *testing.T) {
			tells("locked until 12:15:05", b.code(b.enrol(b.account), 0))
		})
		t.Run("the password lane is another", func(t *testing.T) { b.pending() })
		b.pass(15 * time.Minute)
		tells("in", b.code(key, 0))

		for range 4 {
			b.pass(15 * time.Minute)
			for range 5 {
				_ = b.pending().totp(wrong)
			}
		}
		b.pass(24 * time.Hour)
		tells("locked hard", b.code(key, 0))
		must(t, b.service.Unlock(b.ctx, operator, b.account.ID))
		tells("in", b.code(key, 0))
	})
}

func TestParallelCodeGuesses(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired))
		wrong := b.code(b.enrol(b.account), -time.Hour)
		people := make([]*person, 30)
		for i := range people {
			people[i] = b.pending()
		}
		evaluated := 1 // the fifth one locks
		for _, err := range inParallel(people, func(p *person) error { return p.totp(wrong) }) {
			if errors.Is(err, provider.WrongCode) {
				evaluated++
			} else if !errors.Is(err, provider.Locked) {
				t.Errorf("got %v", err)
			}
		}
		if evaluated != 5 {
			t.Errorf("%d codes were evaluated, want 5", evaluated)
		}
	})
}

func TestEnrolmentForApps(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), func(s *Settings) { s.Issuer = "Norrsken: Kort & Betal" })
	must(t, b.service.Create(b.ctx, operator, &provider.Account{UserID: "åsa:ö?#/%"}, password, easy))
	p := b.person().start("bank")
	must(t, p.password("åsa:ö?#/%", password))
	e, err := b.service.Enrolment(b.ctx, p.id, p.browser)
	must(t, err)
	u, err := url.Parse(e.URI)
	must(t, err)
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Norrsken  Kort & Betal:åsa:ö?#/%" {
		t.Errorf("got %q, path %q", e.URI, u.Path)
	}
	for name, want := range map[string]string{"secret": e.Key, "issuer": "Norrsken  Kort & Betal", "digits": "6", "period": "30", "algorithm": "SHA1"} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	key, err := otp.NewKeyFromURL(e.URI)
	if err != nil || key.Issuer() != "Norrsken  Kort & Betal" || key.AccountName() != "åsa:ö?#/%" || key.Secret() != e.Key {
		t.Errorf("an app reads issuer %q, account %q, %v", key.Issuer(), key.AccountName(), err)
	}
	seed, err := base32.StdEncoding.DecodeString(e.Key)
	if err != nil || len(seed) != 20 {
		t.Errorf("the seed has %d bytes, %v; want 20", len(seed), err)
	}
	checkQR(t, e.URI, e.QRSize, e.QRPath)
	factors, err := b.store.Factors(b.ctx, p.next().Account.ID)
	must(t, err)
	if stored := string(factors[0].Secret); len(factors) != 1 || factors[0].Confirmed || stored[len(stored)-20:] == string(seed) {
		t.Errorf("got %d factors, confirmed %v", len(factors), factors[0].Confirmed)
	}
}
