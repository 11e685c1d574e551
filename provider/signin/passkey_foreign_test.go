package signin

import (
	"bytes"
	"errors"
	"testing"

	"cardea/provider"
	"cardea/provider/signin/passkeytest"
	"cardea/storage/storagetest"
)

func TestPasskeyOfSomebodyElse(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	bosse := b.create("BosseB")
	his, hers := passkeytest.New(), passkeytest.New()
	b.give("BosseB", his)
	b.give(kajsa, hers)
	t.Run("as second factor", func(t *testing.T) {
		p := b.toVerify()
		options, err := b.service.PasskeyOptions(b.ctx, p.id, p.browser)
		must(t, err)
		if _, err := his.Get(options, origin); !errors.Is(err, passkeytest.ErrNone) {
			t.Errorf("got %v", err)
		}
		response, err := his.Get(bytes.Replace(options, []byte("allowCredentials"), []byte("no"), 1), origin)
		must(t, err)
		err = p.show(response)
		var unknown *UnknownCredential
		if wants(t, err, provider.WrongCode); errors.As(err, &unknown) {
			t.Error("it tells that the other's passkey is known to nobody")
		}
	})
	t.Run("as oneself", func(t *testing.T) {
		his.After = func(m map[string]any) {
			m["response"].(map[string]any)["userHandle"] = b64Of(b.account.ID)
		}
		p := b.person().start("bank")
		wants(t, p.show(p.shown(his)), provider.WrongCode)
		his.After = nil
	})
	t.Run("in another's session", func(t *testing.T) {
		p := b.signedIn()
		old := p.session()
		p.start("bank", prompt(provider.PromptLogin))
		must(t, p.show(p.shown(his)))
		if s := p.session(); s.AccountID != bosse.ID || s.SID == old.SID {
			t.Errorf("got %+v", s)
		}
		b.audited(b.account.ID, "session.ended ok")
	})
	t.Run("closed account", func(t *testing.T) {
		must(t, b.service.Lock(b.ctx, operator, bosse.ID))
		p := b.person().start("bank")
		err := p.show(p.shown(his))
		var unknown *UnknownCredential
		if wants(t, err, provider.WrongCode); errors.As(err, &unknown) {
			t.Error("it tells that the passkey is known to nobody")
		}
		b.audited(bosse.ID, "signin.factor refused")
	})
}

func TestUnknownPasskey(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	key := passkeytest.New()
	b.give(kajsa, key)
	f := b.passkeys()[0]
	other := passkeytest.New()
	other.Flags, other.Credentials = key.Flags, nil
	b.create("BosseB")
	b.give("BosseB", other)
	wanted := func(err error) {
		t.Helper()
		var unknown *UnknownCredential
		if wants(t, err, provider.WrongCode); !errors.As(err, &unknown) || unknown.ID != f.Passkey.CredentialID {
			t.Errorf("got %v", err)
		}
	}
	v := b.toVerify()
	response := v.shown(key)
	must(t, b.store.DeleteFactor(b.ctx, f.ID))
	b.enrol(b.account)
	p := b.person().start("bank")
	wanted(p.show(p.shown(key)))
	wants(t, v.show(response), provider.OutOfTurn) // no passkey is left to verify with
}

func TestPasskeysSwitchedOff(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t), func(s *Settings) { s.Factors = []provider.FactorKind{provider.FactorTOTP} })
	p := b.person().start("bank")
	_, err := b.service.PasskeyOptions(b.ctx, p.id, p.browser)
	wants(t, err, provider.OutOfTurn)
	wants(t, p.show("{}"), provider.OutOfTurn)
	p.start("vault")
	must(t, p.password(kajsa, password))
	_, err = b.service.NewPasskeyOptions(b.ctx, p.id, p.browser)
	wants(t, err, provider.OutOfTurn)
	wants(t, p.add("{}"), provider.OutOfTurn)
	q := b.signedIn().task()
	_, err = b.service.NewPasskeyOptions(b.ctx, q.id, q.browser)
	wants(t, err, provider.OutOfTurn)
}
