package signin

import (
	"encoding/base64"
	"errors"
	"slices"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/signin/passkeytest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func b64Of(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestAddPasskey(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := keyBench(t, store, func(s *Settings) { s.Channels = []provider.Channel{provider.ChannelMail}; s.Trust = time.Hour })
		device := &provider.TrustedDevice{ID: provider.NewID(), TokenHash: "x", AccountID: b.account.ID, Created: b.set.Now(), Expires: b.set.Now().Add(time.Hour)}
		must(t, store.TrustDevice(b.ctx, device))
		key := passkeytest.NewSynced()
		key.AAGUID = [16]byte{0xfb, 0xfc, 0x30, 0x07, 0x15, 0x4e, 0x4e, 0xcc, 0x8c, 0x0b, 0x6e, 0x02, 0x05, 0x57, 0xd7, 0xbd}
		key.Transports = append(key.Transports, "carrier pigeon")
		p := b.person().start("vault")
		must(t, p.password(kajsa, password))
		_, err := b.service.Enrolment(b.ctx, p.id, p.browser) // an app, given up
		must(t, err)
		must(t, p.add(p.made(key)))
		if s := p.session(); s == nil || !slices.Equal(s.Methods, []string{"pwd", "swk", "uv"}) || s.Level() != provider.LevelPhishingResistant {
			t.Errorf("got session %+v", s)
		}
		p.skip()
		p.at(provider.StepDone)
		factors, err := store.Factors(b.ctx, b.account.ID)
		must(t, err)
		if len(factors) != 1 {
			t.Fatalf("got %d factors", len(factors))
		}
		f := factors[0]
		k := f.Passkey
		if f.Kind != provider.FactorPasskey || f.Name != "iCloud Keychain" || !f.Confirmed || f.LastStep != 0 || f.AccountID != b.account.ID {
			t.Errorf("got %+v", f)
		}
		if k.CredentialID != b64Of(string(key.Credentials[0].ID)) || k.Attachment != "platform" || !slices.Equal(k.Transports, []string{"hybrid", "internal"}) ||
			!k.BackupEligible || !k.BackedUp || !k.Discoverable || !k.UserVerified || k.Attestation != "none" || k.AAGUID != "fbfc3007-154e-4ecc-8c0b-6e020557d7bd" {
			t.Errorf("got %+v", k)
		}
		if left, err := store.TrustedDevices(b.ctx, b.account.ID, b.set.Now()); err != nil || len(left) != 0 {
			t.Errorf("%d devices are still trusted, %v", len(left), err)
		}
		b.audited(b.account.ID, "signin.session ok", "factor.added ok")
		due, err := storagetest.Outbox(b.ctx, store, b.set.Now().Add(time.Hour))
		must(t, err)
		if !slices.ContainsFunc(due, func(m provider.Message) bool {
			return m.Kind == provider.MessageFactorAdded && m.Data.Name == "iCloud Keychain" && m.Data.Factor == "passkey"
		}) {
			t.Errorf("got messages %+v", due)
		}
	})
}

func TestAddPasskeyAsTask(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := keyBench(t, store)
		first, second := passkeytest.New(), passkeytest.NewSecurityKey()
		p := b.give(kajsa, first)
		p.task().at(provider.StepEnrol)
		options, err := b.service.NewPasskeyOptions(b.ctx, p.id, p.browser)
		must(t, err)
		if _, err := first.Create(options, origin); !errors.Is(err, passkeytest.ErrExcluded) {
			t.Errorf("the authenticator that has one is not excluded: %v", err)
		}
		must(t, p.add(p.made(second)))
		if in, err := b.service.Load(b.ctx, p.id, p.browser); err != nil || in.Data.Task != "" || !in.Data.Enrolled {
			t.Errorf("got %+v, %v", in, err)
		}
		p.skip()
		p.at(provider.StepDone)
		o, err := b.service.Owner(b.ctx, p.browser)
		must(t, err)
		rp, handle, ids := b.service.Signal(o)
		want := []string{b64Of(string(first.Credentials[0].ID)), b64Of(string(second.Credentials[0].ID))}
		slices.Sort(ids)
		slices.Sort(want)
		if rp != rpID || handle != b64Of(b.account.ID) || !slices.Equal(ids, want) {
			t.Errorf("got %q, %q, %v", rp, handle, ids)
		}
		wants(t, p.add("{}"), provider.OutOfTurn)
	})
}

func TestCredentialIsUnique(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := keyBench(t, store)
		hers, his := passkeytest.New(), passkeytest.New()
		b.give(kajsa, hers)
		bosse := b.create("BosseB")
		p := b.person().start("vault")
		must(t, p.password("BosseB", password))
		his.Before = func(a *passkeytest.Answer) { a.CredentialID = hers.Credentials[0].ID }
		wants(t, p.add(p.made(his)), provider.Exists)
		b.audited(bosse.ID, "factor.added refused")
		his.Before = nil
		must(t, p.add(p.made(his)))
		q := b.person().start("bank")
		must(t, q.show(q.shown(hers)))
		if s := q.session(); s.AccountID != b.account.ID {
			t.Errorf("got %+v", s)
		}
	})
}

func TestTooManyPasskeys(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	p := b.give(kajsa, passkeytest.New())
	for range maxPasskeys - 2 {
		must(t, b.store.CreateFactor(b.ctx, &provider.Factor{
			ID: provider.NewID(), AccountID: b.account.ID, Kind: provider.FactorPasskey, Confirmed: true,
			Passkey: &provider.Passkey{CredentialID: provider.NewID()}, Created: b.set.Now(),
		}))
	}
	first, second := *p, *p
	one, two := first.task().made(passkeytest.New()), second.task().made(passkeytest.New())
	must(t, first.add(one))
	second.browser = first.browser
	wants(t, second.add(two), provider.OutOfTurn)
	_, err := b.service.NewPasskeyOptions(b.ctx, second.id, second.browser)
	wants(t, err, provider.OutOfTurn)
}

func TestPasskeyAlgorithms(t *testing.T) {
	t.Parallel()
	for name, alg := range map[string]int{"ES256": passkeytest.ES256, "EdDSA": passkeytest.EdDSA, "RS256": passkeytest.RS256} {
		for _, attestation := range []string{"none", "self", "packed"} {
			t.Run(name+", "+attestation, func(t *testing.T) {
				t.Parallel()
				b := keyBench(t, storagetest.Open(t))
				key := passkeytest.New()
				key.Alg, key.Attestation = alg, attestation
				b.give(kajsa, key)
				p := b.person().start("bank")
				must(t, p.show(p.shown(key)))
			})
		}
	}
}

func TestAttestation(t *testing.T) {
	t.Parallel()
	model := [16]byte{0x2f, 0xc0, 0x57, 0x9f, 0x81, 0x13, 0x47, 0xea, 0xb1, 0x16, 0xbb, 0x5a, 0x8d, 0xb9, 0x20, 0x2a}
	b := keyBench(t, storagetest.Open(t), func(s *Settings) {
		s.Passkeys.AAGUIDs = []string{"2FC0579F-8113-47ea-b116-bb5a8db9202a"}
	})
	p := b.person().start("vault")
	must(t, p.password(kajsa, password))
	for name, change := range map[string]func(*passkeytest.Authenticator){
		"attests nothing":             func(k *passkeytest.Authenticator) { k.Attestation = "none" },
		"attests by itself":           func(k *passkeytest.Authenticator) { k.Attestation = "self" },
		"another model":               func(k *passkeytest.Authenticator) { k.AAGUID[0]++ },
		"no model":                    func(k *passkeytest.Authenticator) { k.AAGUID = [16]byte{} },
		"a format that is not known":  func(k *passkeytest.Authenticator) { k.Attestation = "example" },
		"the certificate of another":  func(k *passkeytest.Authenticator) { k.AAGUID[0]++; k.After = patchModel(model) },
		"signed with another's model": func(k *passkeytest.Authenticator) { k.After = patchModel([16]byte{1}) },
	} {
		t.Run(name, func(t *testing.T) {
			key := passkeytest.New()
			key.AAGUID, key.Attestation = model, "packed"
			change(key)
			wants(t, p.add(p.made(key)), provider.Forbidden)
			b.audited(b.account.ID, "factor.added refused")
		})
	}
	t.Run("a wrong challenge is no matter of models", func(t *testing.T) {
		key := passkeytest.New()
		key.AAGUID, key.Attestation = model, "packed"
		key.Before = func(a *passkeytest.Answer) { a.Challenge = b64Of("another challenge, as long as ours") }
		wants(t, p.add(p.made(key)), provider.WrongCode)
	})
	key := passkeytest.New()
	key.AAGUID, key.Attestation = model, "packed"
	must(t, p.add(p.made(key)))
	if f := b.passkeys()[0]; f.Name != "YubiKey 5 NFC" || f.Passkey.Attestation != "packed" {
		t.Errorf("got %+v", f)
	}
}

// patchModel writes another model into what was signed.
func patchModel(model [16]byte) func(map[string]any) {
	return func(m map[string]any) {
		r := m["response"].(map[string]any)
		object, _ := base64.RawURLEncoding.DecodeString(r["attestationObject"].(string))
		copy(object[len(object)-authTail+37:], model[:]) // the authenticator data ends the object
		r["attestationObject"] = base64.RawURLEncoding.EncodeToString(object)
	}
}

// authTail is the length of the authenticator data of a new ES256 credential: 37 bytes,
// the model, the length of the id, the id and the key.
const authTail = 37 + 16 + 2 + 32 + 77
