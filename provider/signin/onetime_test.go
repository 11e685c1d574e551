package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	for kind, want := range map[provider.FactorKind]struct {
		to, masked string
		channel    provider.Channel
	}{
		provider.FactorSMS:   {phone, "••05", provider.ChannelSMS},
		provider.FactorEmail: {address, "k•••@e•••.com", provider.ChannelMail},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, store *storage.Store) {
				b := newBench(t, store, policy(provider.SecondFactorRequired), reachable)
				b.byCodes(b.account, kind)
				p := b.pending()
				if !slices.Equal(p.next().Usable, []provider.FactorKind{kind}) {
					t.Errorf("usable: got %v", p.next().Usable)
				}
				wants(t, p.verify(kind, "123456"), provider.Expired) // none was sent
				for i, isNew := range []bool{true, false} {
					if sent, err := b.service.Code(b.ctx, p.id, p.browser, kind); err != nil || sent != (Sent{Destination: want.masked, New: isNew}) {
						t.Errorf("showing the page, %d: got %+v, %v", i, sent, err)
					}
				}
				due, err := storagetest.Outbox(b.ctx, b.store, b.set.Now())
				must(t, err)
				if len(due) != 1 || due[0].Channel != want.channel || due[0].AccountID != b.account.ID || !due[0].Expires.Equal(b.set.Now().Add(10*time.Minute)) {
					t.Errorf("got outbox %+v", due)
				}
				digits := b.arrives(provider.MessageCode, want.to)
				if body, err := json.Marshal(due); err != nil || bytes.Contains(body, []byte(digits)) {
					t.Errorf("the outbox holds the code in clear: %s, %v", body, err)
				}
				if got := told(p.verify(kind, wrong(digits))); got != "wrong code, 4 left" {
					t.Errorf("got %q for a wrong code", got)
				}
				must(t, p.verify(kind, digits[:3]+" "+digits[3:]))
				if _, err := store.Challenge(b.ctx, p.id, string(kind)); !errors.Is(err, provider.NotFound) {
					t.Errorf("the code is still open: %v", err)
				}
				next := p.at(provider.StepDone)
				if !slices.Equal(next.Proof.Methods, []string{"pwd", string(kind)}) || next.Session.Level() != provider.LevelTwoFactor {
					t.Errorf("got %+v", next.Proof)
				}
				if next.Factors[0].LastUsed.IsZero() {
					t.Error("the factor's use was not noted")
				}
				b.audited(b.account.ID, "signin.session ok", "signin.factor ok", "signin.factor refused", "factor.sent ok", "signin.password ok")
			})
		})
	}
}

func TestCodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	const kind = provider.FactorSMS
	setup := func(t *testing.T, change ...func(*Settings)) (*bench, *person, string) {
		b := newBench(t, storagetest.Open(t), append(change, policy(provider.SecondFactorRequired), reachable)...)
		b.byCodes(b.account, kind, provider.FactorEmail)
		p := b.pending()
		return b, p, p.asks(kind, phone)
	}
	t.Run("until its time is over", func(t *testing.T) {
		t.Parallel()
		b, p, digits := setup(t)
		b.pass(10 * time.Minute)
		wants(t, p.verify(kind, digits), provider.Expired)
		must(t, p.verify(kind, p.asks(kind, phone)))
	})
	t.Run("until another one is sent", func(t *testing.T) {
		t.Parallel()
		b, p, first := setup(t)
		b.pass(30 * time.Second)
		_, err := b.service.SendCode(b.ctx, p.id, p.browser, kind)
		must(t, err)
		second := b.arrives(provider.MessageCode, phone)
		if first != second {
			wants(t, p.verify(kind, first), provider.WrongCode)
		}
		must(t, p.verify(kind, second))
	})
	t.Run("for five tries", func(t *testing.T) {
		t.Parallel()
		b, p, digits := setup(t, often)
		for range 5 {
			wants(t, p.verify(kind, wrong(digits)), provider.WrongCode)
		}
		wants(t, p.verify(kind, digits), provider.Spent)
		b.pass(time.Second)
		_, err := b.service.SendCode(b.ctx, p.id, p.browser, kind)
		must(t, err)
		must(t, p.verify(kind, b.arrives(provider.MessageCode, phone)))
	})
	t.Run("in its own sign-in", func(t *testing.T) {
		t.Parallel()
		b, p, digits := setup(t, often)
		other := b.pending()
		wants(t, other.verify(kind, digits), provider.Expired)
		second := other.asks(kind, phone)
		if second != digits {
			wants(t, other.verify(kind, digits), provider.WrongCode)
			wants(t, p.verify(kind, second), provider.WrongCode)
		}
		thief := b.person()
		thief.id = p.id
		wants(t, thief.verify(kind, digits), provider.NotFound)
		must(t, p.verify(kind, digits))
		must(t, other.verify(kind, second))
	})
	t.Run("for its own method", func(t *testing.T) {
		t.Parallel()
		_, p, digits := setup(t, often)
		wants(t, p.verify(provider.FactorEmail, digits), provider.Expired)
		if mailed := p.asks(provider.FactorEmail, address); mailed != digits {
			wants(t, p.verify(provider.FactorEmail, digits), provider.WrongCode)
			wants(t, p.verify(kind, mailed), provider.WrongCode)
		}
		for _, k := range []provider.FactorKind{provider.FactorTOTP, provider.FactorPasskey, provider.FactorRecovery, ""} {
			wants(t, p.verify(k, digits), provider.OutOfTurn)
		}
	})
	t.Run("while its destination is the account's", func(t *testing.T) {
		t.Parallel()
		b, p, digits := setup(t)
		b.contact(b.account, phone2, address)
		wants(t, p.verify(kind, digits), provider.Expired)
		b.pass(30 * time.Second)
		must(t, p.verify(kind, p.asks(kind, phone2)))
	})
	t.Run("and malformed ones count nothing", func(t *testing.T) {
		t.Parallel()
		_, p, digits := setup(t)
		for range 10 {
			for _, typed := range []string{"", "12345", "abcdef", "1234567"} {
				if got := told(p.verify(kind, typed)); got != "wrong code" {
					t.Fatalf("got %q for %q", got, typed)
				}
			}
		}
		must(t, p.verify(kind, digits))
	})
}

// TestCodesThatCannotBeSent does not fall back to setting up another factor, for which
// the password would be enough.
func TestCodesThatCannotBeSent(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, b *bench) {
		t.Helper()
		p := b.pending()
		if next := p.next(); len(next.Usable) != 0 {
			t.Errorf("usable: got %v, want nothing", next.Usable)
		}
		_, err := b.service.Code(b.ctx, p.id, p.browser, provider.FactorSMS)
		wants(t, err, provider.OutOfTurn)
		_, err = b.service.SendCode(b.ctx, p.id, p.browser, provider.FactorSMS)
		wants(t, err, provider.OutOfTurn)
		_, err = b.service.Enrolment(b.ctx, p.id, p.browser)
		wants(t, err, provider.OutOfTurn)
		if got := b.outbox(); len(got) != 0 {
			t.Errorf("got messages %+v", got)
		}
	}
	t.Run("without a channel", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired))
		b.byCodes(b.account, provider.FactorSMS)
		refused(t, b)
		p := b.person().start("bank")
		b.create("BosseB")
		must(t, p.password("BosseB", password))
		if got := p.at(provider.StepEnrol).Enrollable; !slices.Equal(got, []provider.FactorKind{provider.FactorTOTP}) {
			t.Errorf("to set up: got %v, want just an app", got)
		}
	})
	t.Run("without a verified contact", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), reachable)
		b.byCodes(b.account, provider.FactorSMS)
		b.account.Profile.PhoneNumberVerified = false
		must(t, b.store.UpdateProfile(b.ctx, b.account))
		refused(t, b)
	})
}

// TestCodeInParallel submits one right code many times, to two processes.
func TestCodeInParallel(t *testing.T) {
	t.Parallel()
	for kind, to := range map[provider.FactorKind]string{provider.FactorSMS: phone, provider.FactorEmail: address} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			storagetest.EachURL(t, func(t *testing.T, url string) {
				b := newBench(t, storagetest.Connect(t, url), policy(provider.SecondFactorRequired), reachable, often)
				b.byCodes(b.account, kind)
				services := []*Service{b.service, b.replica(storagetest.Connect(t, url))}
				p := b.pending()
				digits := p.asks(kind, to)
				people := make([]*person, 20)
				for i := range people {
					twin := *p
					people[i] = &twin
					people[i].service = services[i%2]
				}
				in := 0
				for i, err := range inParallel(people, func(p *person) error { return p.verify(kind, digits) }) {
					switch {
					case err == nil && people[i].session() != nil:
						in++
					case people[i].browser.Session != "" || !isAny(err, provider.WrongCode, provider.Spent, provider.Expired, provider.OutOfTurn, provider.NotFound):
						t.Errorf("got %v with session %q", err, people[i].browser.Session)
					}
				}
				if in != 1 {
					t.Errorf("%d sessions of one code, want 1", in)
				}
			})
		})
	}
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// TestOneLaneForAllMethods guesses at every method in turn, each time in a new browser
// with a new code.
func TestOneLaneForAllMethods(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), reachable, func(s *Settings) {
			s.Codes = Codes{PerQuarter: 1000, PerDay: 1000, PerAddress: 1000, Wait: time.Second}
		})
		key := b.enrol(b.account)
		b.byCodes(b.account, provider.FactorSMS, provider.FactorEmail)
		codes, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
		must(t, err)
		guesses := []func(p *person) error{
			func(p *person) error { return p.totp(b.code(key, -time.Hour)) },
			func(p *person) error { return p.verify(provider.FactorSMS, wrong(p.asks(provider.FactorSMS, phone))) },
			func(p *person) error { return p.recovery(grouped(newRecoveryCode())) },
			func(p *person) error {
				return p.verify(provider.FactorEmail, wrong(p.asks(provider.FactorEmail, address)))
			},
			func(p *person) error { return p.recovery(grouped(newRecoveryCode())) },
		}
		round := func(last string) {
			t.Helper()
			for i, guess := range guesses {
				want := fmt.Sprintf("wrong code, %d left", 4-i)
				if i == 4 {
					want = last
				}
				if got := told(guess(b.pending())); got != want {
					t.Fatalf("guess %d: got %q, want %q", i, got, want)
				}
			}
		}
		before := b.pending()
		digits := before.asks(provider.FactorSMS, phone)
		lockedNow := "locked until " + b.set.Now().Add(15*time.Minute).UTC().Format("15:04:05")
		round(lockedNow)
		b.outbox()
		p := b.pending()
		_, sendErr := b.service.SendCode(b.ctx, p.id, p.browser, provider.FactorSMS)
		_, codeErr := b.service.Code(b.ctx, p.id, p.browser, provider.FactorEmail)
		for name, err := range map[string]error{
			"an app's right code": p.totp(b.code(key, 0)), "a right recovery code": p.recovery(codes[0]),
			"a code sent before": before.verify(provider.FactorSMS, digits), "a new code": sendErr, "showing the page": codeErr,
		} {
			if got := told(err); got != lockedNow {
				t.Errorf("%s: got %q, want %q", name, got, lockedNow)
			}
		}
		if got := b.outbox(); len(got) != 0 {
			t.Errorf("a locked lane sent %+v", got)
		}
		for range 2 {
			b.pass(15 * time.Minute)
			round("locked until " + b.set.Now().Add(15*time.Minute).UTC().Format("15:04:05"))
		}
		b.pass(15 * time.Minute)
		round("locked hard")
		b.pass(48 * time.Hour)
		if got := told(b.pending().recovery(codes[0])); got != "locked hard" {
			t.Errorf("two days later: got %q", got)
		}
		must(t, b.service.Unlock(b.ctx, operator, b.account.ID))
		must(t, b.pending().recovery(codes[0]))
	})
}

// TestNoCodeInTheDatabase looks for codes in the bytes of the database's files.
func TestNoCodeInTheDatabase(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/cardea.db"
	b := newBench(t, storagetest.Connect(t, "sqlite:"+path), policy(provider.SecondFactorRequired), reachable)
	b.byCodes(b.account, provider.FactorSMS)
	p := b.pending()
	_, err := b.service.Code(b.ctx, p.id, p.browser, provider.FactorSMS)
	must(t, err)
	due, err := storagetest.Outbox(b.ctx, b.store, b.set.Now())
	must(t, err)
	digits, err := b.set.Keys.Open(provider.ForMessage, due[0].Data.Code, provider.AAD("messages", "code", due[0].ID))
	must(t, err)
	secrets := []string{string(digits)}
	codes, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
	must(t, err)
	for _, c := range codes {
		secrets = append(secrets, c, strings.ReplaceAll(c, "-", ""))
	}
	var stored []byte
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + end)
		must(t, err)
		stored = append(stored, content...)
	}
	if !bytes.Contains(stored, []byte(b.account.ID)) {
		t.Fatal("the files do not hold the account: this test looks at the wrong place")
	}
	for _, s := range secrets {
		if bytes.Contains(stored, []byte(s)) {
			t.Errorf("the database holds %q", s)
		}
	}
}
