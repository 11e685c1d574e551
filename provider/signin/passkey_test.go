package signin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/signin/passkeytest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

const (
	rpID   = "id.example"
	origin = "https://id.example"
)

func withPasskeys(set *Settings) {
	set.Passkeys = Passkeys{RPID: rpID, RPName: "Norrsken Kort", Origins: []string{origin, "https://konto.id.example:8443"}}
}

func keyBench(t *testing.T, store *storage.Store, change ...func(*Settings)) *bench {
	t.Helper()
	return newBench(t, store, append([]func(*Settings){withPasskeys}, change...)...)
}

// made is what key answers to the options for a new passkey.
func (p *person) made(key *passkeytest.Authenticator) string {
	p.t.Helper()
	options, err := p.service.NewPasskeyOptions(p.ctx, p.id, p.browser)
	must(p.t, err)
	response, err := key.Create(options, origin)
	must(p.t, err)
	return response
}

func (p *person) add(response string) error {
	issued, err := p.service.AddPasskey(p.ctx, p.id, p.browser, response)
	p.take(issued)
	return err
}

// shown is what key answers to the options for a passkey.
func (p *person) shown(key *passkeytest.Authenticator) string {
	p.t.Helper()
	options, err := p.service.PasskeyOptions(p.ctx, p.id, p.browser)
	must(p.t, err)
	response, err := key.Get(options, origin)
	must(p.t, err)
	return response
}

func (p *person) show(response string) error {
	issued, err := p.service.Passkey(p.ctx, p.id, p.browser, response, false, true)
	p.take(issued)
	return err
}

// give sets key up for the account, which has no factor, and returns who did so.
func (b *bench) give(userID string, key *passkeytest.Authenticator) *person {
	b.t.Helper()
	p := b.person().start("vault")
	must(b.t, p.password(userID, password))
	p.at(provider.StepEnrol)
	must(b.t, p.add(p.made(key)))
	return p
}

// toVerify is a sign-in that stands at provider.StepVerify.
func (b *bench) toVerify() *person {
	b.t.Helper()
	p := b.person().start("vault")
	must(b.t, p.password(kajsa, password))
	p.at(provider.StepVerify)
	return p
}

// task enters the security centre to set up a passkey.
func (p *person) task() *person {
	p.t.Helper()
	in, issued, err := p.service.Enter(p.ctx, p.browser, Entry{Task: provider.TaskPasskey, Back: "/security/methods"})
	must(p.t, err)
	p.take(issued)
	p.id = in.ID
	return p
}

func (b *bench) passkeys() []provider.Factor {
	b.t.Helper()
	factors, err := b.store.Factors(b.ctx, b.account.ID)
	must(b.t, err)
	return passkeysAmong(factors)
}

func TestPasskeySignIn(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]func() *passkeytest.Authenticator{"kept": passkeytest.New, "synced": passkeytest.NewSynced} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.Each(t, func(t *testing.T, store *storage.Store) {
				b := keyBench(t, store)
				key := key()
				b.give(kajsa, key)
				want := []string{"hwk", "uv"}
				if name == "synced" {
					want = []string{"swk", "uv"}
				}
				b.pass(time.Minute)
				p := b.person().start("vault")
				must(t, p.show(p.shown(key)))
				next := p.at(provider.StepDone)
				s := p.session()
				if s == nil || s.AccountID != b.account.ID || !slices.Equal(s.Methods, want) || s.Level() != provider.LevelPhishingResistant || !s.AuthTime.Equal(b.set.Now()) {
					t.Fatalf("got session %+v", s)
				}
				if in, err := b.service.Load(b.ctx, p.id, p.browser); err != nil || !in.Data.Remember || next.Proof.AccountID != b.account.ID {
					t.Errorf("got %+v, %v", in, err)
				}
				b.audited(b.account.ID, "signin.session ok", "signin.factor ok")
				must(t, p.finish())
				f := b.passkeys()[0]
				if !f.LastUsed.Equal(b.set.Now()) || f.LastStep != int64(key.Credentials[0].Counter) {
					t.Errorf("got last use %v, counter %d", f.LastUsed, f.LastStep)
				}
				p.start("vault", prompt(provider.PromptLogin))
				must(t, p.show(p.shown(key)))
				p.at(provider.StepDone)
			})
		})
	}
}

func TestPasskeyOptions(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	b.give(kajsa, passkeytest.New())
	read := func(text []byte, err error) map[string]any {
		t.Helper()
		must(t, err)
		var o struct {
			PublicKey map[string]any `json:"publicKey"`
		}
		must(t, json.Unmarshal(text, &o))
		return o.PublicKey
	}
	p := b.person().start("vault")
	_, err := b.service.NewPasskeyOptions(b.ctx, p.id, p.browser)
	wants(t, err, provider.OutOfTurn)
	asked := read(b.service.PasskeyOptions(b.ctx, p.id, p.browser))
	if asked["allowCredentials"] != nil || asked["userVerification"] != "required" || asked["rpId"] != rpID || len(asked["challenge"].(string)) < 43 {
		t.Errorf("at the password: got %v", asked)
	}
	again := read(b.service.PasskeyOptions(b.ctx, p.id, p.browser))
	if again["challenge"] == asked["challenge"] {
		t.Error("the same challenge twice")
	}
	v := b.toVerify()
	asked = read(b.service.PasskeyOptions(b.ctx, v.id, v.browser))
	if allowed, _ := asked["allowCredentials"].([]any); len(allowed) != 1 || asked["userVerification"] != "preferred" {
		t.Errorf("at the second factor: got %v", asked)
	}
	enrol := b.person().start("vault")
	b.create("BosseB")
	must(t, enrol.password("BosseB", password))
	asked = read(b.service.NewPasskeyOptions(b.ctx, enrol.id, enrol.browser))
	selection, _ := asked["authenticatorSelection"].(map[string]any)
	if asked["attestation"] != "none" || selection["residentKey"] != "preferred" || selection["userVerification"] != "preferred" || len(asked["pubKeyCredParams"].([]any)) != 3 {
		t.Errorf("for a new one: got %v", asked)
	}
	_, err = b.service.PasskeyOptions(b.ctx, enrol.id, enrol.browser)
	wants(t, err, provider.OutOfTurn)
}

func TestPasskeyAsSecondFactor(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := keyBench(t, store, func(s *Settings) { s.Trust = 24 * time.Hour; s.Policy = provider.SecondFactorOptional })
		key := passkeytest.NewSecurityKey()
		b.give(kajsa, key)
		p := b.person().start("bank")
		must(t, p.password(kajsa, password))
		if next := p.at(provider.StepVerify); !next.TrustHelps {
			t.Fatal("no trust is offered")
		}
		issued, err := b.service.Passkey(b.ctx, p.id, p.browser, p.shown(key), true, false)
		must(t, err)
		p.take(issued)
		p.at(provider.StepDone)
		if s := p.session(); !slices.Equal(s.Methods, []string{"pwd", "hwk"}) || s.Level() != provider.LevelPhishingResistant {
			t.Errorf("got %v", s.Methods)
		}
		if trusted, err := store.Trusted(b.ctx, provider.TokenHash(issued.Trusted), b.account.ID, b.set.Now()); err != nil || !trusted {
			t.Errorf("the browser is not trusted: %v", err)
		}
		b.audited(b.account.ID, "device.trusted ok", "signin.session ok", "signin.factor ok", "signin.password ok")
	})
}

// TestUserVerification keeps a security key without a PIN from standing alone, also
// once a finder has given it one, until its owner has used it so beside the password.
func TestUserVerification(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	key := passkeytest.NewSecurityKey()
	key.Resident = true
	b.give(kajsa, key)
	alone := func() error {
		p := b.person().start("bank")
		return p.show(p.shown(key))
	}
	wants(t, alone(), provider.WrongCode)
	key.Flags |= passkeytest.UV
	wants(t, alone(), provider.WrongCode)
	p := b.toVerify()
	must(t, p.show(p.shown(key)))
	if s := p.session(); !slices.Equal(s.Methods, []string{"pwd", "hwk", "uv"}) {
		t.Errorf("got %v", s.Methods)
	}
	must(t, alone())
	key.Flags &^= passkeytest.UV
	wants(t, alone(), provider.WrongCode)
}

func TestPasskeyFailuresCount(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	key := passkeytest.New()
	b.give(kajsa, key)
	wrong := func(p *person) error {
		return p.show(strings.Replace(p.shown(key), `"type":"public-key"`, `"type":"password"`, 1))
	}
	p := b.toVerify()
	for left := 4; left >= 1; left-- {
		if got, want := told(wrong(p)), fmt.Sprintf("wrong code, %d left", left); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if got := told(wrong(p)); !strings.HasPrefix(got, "locked until") {
		t.Fatalf("got %q, want locked", got)
	}
	wants(t, wrong(p), provider.Locked)
	t.Run("a right passkey gets in though the lane is locked, and clears it", func(t *testing.T) {
		must(t, p.show(p.shown(key)))
		q := b.toVerify()
		if got := told(wrong(q)); got != "wrong code, 4 left" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("nothing is counted at the password", func(t *testing.T) {
		q := b.person().start("bank")
		for range 7 {
			if got := told(wrong(q)); got != "wrong code" {
				t.Fatalf("got %q", got)
			}
		}
	})
	t.Run("the password's lane neither stops a passkey nor is cleared by one", func(t *testing.T) {
		q := b.person().start("bank")
		q.guess(kajsa)
		must(t, q.show(q.shown(key)))
		r := b.person().start("bank")
		wants(t, r.password(kajsa, password), provider.Locked)
	})
}

func TestPasskeyChallenge(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	key := passkeytest.New()
	b.give(kajsa, key)
	t.Run("nothing was asked", func(t *testing.T) {
		p := b.person().start("bank")
		wants(t, p.show("{}"), provider.Expired)
	})
	t.Run("replayed", func(t *testing.T) {
		p := b.person().start("bank")
		response := p.shown(key)
		must(t, p.show(response))
		p.start("bank", prompt(provider.PromptLogin))
		p.shown(key)
		wants(t, p.show(response), provider.WrongCode)
	})
	t.Run("replaced", func(t *testing.T) {
		p := b.person().start("bank")
		response := p.shown(key)
		p.shown(key)
		wants(t, p.show(response), provider.WrongCode)
	})
	t.Run("of another sign-in", func(t *testing.T) {
		p, q := b.person().start("bank"), b.person().start("bank")
		response := p.shown(key)
		q.shown(key)
		wants(t, q.show(response), provider.WrongCode)
	})
	t.Run("in another browser", func(t *testing.T) {
		p, thief := b.person().start("bank"), b.person().start("bank")
		response := p.shown(key)
		_, err := b.service.Passkey(b.ctx, p.id, thief.browser, response, false, false)
		wants(t, err, provider.NotFound)
		must(t, p.show(response))
	})
	t.Run("late", func(t *testing.T) {
		p := b.person().start("bank")
		response := p.shown(key)
		b.pass(5 * time.Minute)
		wants(t, p.show(response), provider.Expired)
	})
	t.Run("put to whoever answers, answered as a second factor", func(t *testing.T) {
		p := b.person().start("vault")
		response := p.shown(key)
		must(t, p.password(kajsa, password))
		p.at(provider.StepVerify)
		wants(t, p.show(response), provider.Expired)
	})
	t.Run("put to the account, answered by whoever", func(t *testing.T) {
		p := b.toVerify()
		response := p.shown(key)
		must(t, b.service.Choose(b.ctx, p.id, p.browser, true))
		p.at(provider.StepPassword)
		wants(t, p.show(response), provider.Expired)
	})
	t.Run("for a new passkey, answered by one", func(t *testing.T) {
		b.create("BosseB")
		p := b.person().start("vault")
		must(t, p.password("BosseB", password))
		response := p.made(passkeytest.New())
		b.pass(5 * time.Minute)
		wants(t, p.add(response), provider.Expired)
		wants(t, p.add(response), provider.Expired)
	})
}

// TestPasskeyOnce sends the same answer many times at once, to two processes.
func TestPasskeyOnce(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		first, second := storagetest.Connect(t, url), storagetest.Connect(t, url)
		b := keyBench(t, first)
		key := passkeytest.NewSynced() // no counter helps
		enrolled := b.person().start("vault")
		must(t, enrolled.password(kajsa, password))
		race := func(try func(*Service) error) {
			t.Helper()
			services := []*Service{b.service, b.replica(second)}
			errs := make([]error, 20)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { errs[i] = try(services[i%2]) })
			}
			wg.Wait()
			in := 0
			for _, err := range errs {
				switch {
				case err == nil:
					in++
				case !errors.Is(err, provider.Expired) && !errors.Is(err, provider.NotFound) && !errors.Is(err, provider.OutOfTurn):
					t.Errorf("got %v", err)
				}
			}
			if in != 1 {
				t.Errorf("%d of %d got in, want 1", in, len(errs))
			}
		}
		response := enrolled.made(key)
		race(func(s *Service) error {
			_, err := s.AddPasskey(b.ctx, enrolled.id, enrolled.browser, response)
			return err
		})
		p := b.person().start("bank")
		response = p.shown(key)
		race(func(s *Service) error {
			_, err := s.Passkey(b.ctx, p.id, p.browser, response, false, false)
			return err
		})
	})
}

func TestPasskeyCounter(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	key := passkeytest.New()
	b.give(kajsa, key)
	key.Credentials[0].Counter = 40
	p := b.person().start("bank")
	must(t, p.show(p.shown(key)))
	for name, step := range map[string]uint32{"equal": 0, "lower": ^uint32(0), "to zero": -key.Credentials[0].Counter} {
		t.Run(name, func(t *testing.T) {
			before := *key.Credentials[0]
			key.Step = step
			q := b.person().start("bank")
			wants(t, q.show(q.shown(key)), provider.WrongCode)
			b.audited(b.account.ID, "signin.factor refused", "factor.cloned refused")
			*key.Credentials[0] = before
			v := b.toVerify()
			if got := told(v.show(v.shown(key))); !strings.HasPrefix(got, "wrong code, ") {
				t.Errorf("as second factor: got %q", got)
			}
			b.audited(b.account.ID, "signin.factor refused", "factor.cloned refused")
			*key.Credentials[0] = before
		})
	}
	key.Step = 1
	q := b.person().start("bank")
	must(t, q.show(q.shown(key)))
}
