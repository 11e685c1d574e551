package storage_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestClients(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		_, err := s.Client(ctx, "shop")
		refused(t, "before it exists", err, provider.NotFound)
		shop, app := sampleClient("shop", noon), &provider.Client{ID: "app", Type: provider.ClientSPA, AuthMethod: provider.AuthNone}
		ok(t, "create", s.CreateClient(ctx, shop))
		ok(t, "create with hardly anything", s.CreateClient(ctx, app))
		refused(t, "same id", s.CreateClient(ctx, sampleClient("shop", noon)), provider.Exists)
		got, err := s.Client(ctx, "shop")
		ok(t, "read", err)
		same(t, "client", got, shop)
		list, err := s.Clients(ctx)
		ok(t, "list", err)
		same(t, "clients", list, []*provider.Client{app, shop})

		changed := *got
		changed.Disabled, changed.SecretHash, changed.Name = true, nil, provider.Text{"en": "Shop"}
		ok(t, "update", s.UpdateClient(ctx, &changed))
		same(t, "version", changed.Version, 2)
		refused(t, "update of an old state", s.UpdateClient(ctx, shop), provider.Changed)
		got, err = s.Client(ctx, "shop")
		ok(t, "read", err)
		same(t, "updated client", got, &changed)
		refused(t, "update of none", s.UpdateClient(ctx, sampleClient("none", noon)), provider.NotFound)
	})
}

func TestClientPolicy(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		want, never := sampleClient("shop", noon), int64(0)
		want.SecondFactor, want.DefaultMaxAge = provider.SecondFactorRequired, &never
		want.Factors = []provider.FactorKind{provider.FactorPasskey, provider.FactorTOTP}
		want.Purpose = provider.Text{"en": "make a \"payment\"", "sv": "göra en betalning"}
		ok(t, "create", s.CreateClient(ctx, want))
		got, err := s.Client(ctx, "shop")
		ok(t, "read", err)
		same(t, "client", got, want)

		changed, age := *got, int64(86400)
		changed.SecondFactor, changed.Factors, changed.DefaultMaxAge, changed.Purpose = provider.SecondFactorOff, nil, &age, nil
		ok(t, "update", s.UpdateClient(ctx, &changed))
		got, err = s.Client(ctx, "shop")
		ok(t, "read", err)
		same(t, "updated client", got, &changed)
		changed = *got
		changed.SecondFactor, changed.DefaultMaxAge = "", nil
		ok(t, "update", s.UpdateClient(ctx, &changed))
		got, err = s.Client(ctx, "shop")
		ok(t, "read", err)
		same(t, "client without a policy of its own", got, &changed)
	})
}

func TestClientsAreReadFromMemory(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t)
	ok(t, "create", s.CreateClient(t.Context(), sampleClient("shop", noon)))
	before := s.Statements()
	for _, id := range []string{"shop", "none", "shop"} {
		_, _ = s.Client(t.Context(), id)
	}
	same(t, "statements", s.Statements()-before, int64(0))
}

func TestDeleteClient(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("astrid", "Astrid")))
		for _, id := range []string{"shop", "other"} {
			ok(t, "client", s.CreateClient(ctx, sampleClient(id, noon)))
			ok(t, "consent", s.SetConsent(ctx, "astrid", id, []string{"openid"}, noon))
			code, grant, token := sampleCode("c-"+id, noon), sampleGrant("g-"+id, noon), sampleToken("t-"+id, "g-"+id, noon)
			code.Grant.ClientID, grant.ClientID, token.ClientID = id, id, id
			ok(t, "code", s.CreateCode(ctx, code))
			ok(t, "grant", s.CreateGrant(ctx, grant))
			ok(t, "token", s.CreateAccessToken(ctx, token))
		}
		ok(t, "delete", s.DeleteClient(ctx, "shop"))
		refused(t, "delete again", s.DeleteClient(ctx, "shop"), provider.NotFound)
		for id, want := range map[string]error{"shop": provider.NotFound, "other": nil} {
			_, client := s.Client(ctx, id)
			_, code := s.Code(ctx, "c-"+id)
			_, _, token := s.AccessToken(ctx, "t-"+id)
			consent, err := s.Consent(ctx, "astrid", id)
			ok(t, "consent", err)
			grant, err := s.Grant(ctx, "g-"+id)
			ok(t, "grant", err)
			refused(t, "client "+id, client, want)
			refused(t, "code "+id, code, want)
			refused(t, "token "+id, token, want)
			same(t, "consent and grant of "+id, []bool{consent != nil, grant.Live(noon)}, []bool{want == nil, want == nil})
		}
	})
}

func TestClientsOfARolledBackTransactionAreNotServed(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		stop := errors.New("stop")
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			ok(t, "create", s.CreateClient(ctx, sampleClient("shop", noon)))
			_, err := s.Client(ctx, "shop")
			refused(t, "inside", err, provider.NotFound)
			return stop
		})
		refused(t, "transaction", err, stop)
		_, err = s.Client(t.Context(), "shop")
		refused(t, "outside", err, provider.NotFound)
		n, err := s.Revision(t.Context(), storage.Clients)
		ok(t, "revision", err)
		same(t, "revision", n, int64(0))
	})
}

func TestSigningKeys(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		key := func(id, algorithm string, state provider.KeyState, minutes int) provider.SigningKey {
			return provider.SigningKey{ID: id, Algorithm: algorithm, State: state, Private: []byte("sealed\x00" + id), Created: noon.Add(time.Duration(minutes) * time.Minute)}
		}
		refused(t, "rotate without keys", s.RotateSigningKey(ctx, "ES256", noon), provider.NotFound)
		k1, k2, r1 := key("k1", "ES256", provider.KeyCurrent, 1), key("k2", "ES256", provider.KeyNext, 2), key("r1", "RS256", provider.KeyCurrent, 3)
		for _, k := range []provider.SigningKey{k1, k2, r1} {
			ok(t, "add "+k.ID, s.AddSigningKey(ctx, k))
		}
		refused(t, "a second current", s.AddSigningKey(ctx, key("k3", "ES256", provider.KeyCurrent, 4)), provider.Exists)
		refused(t, "a second next", s.AddSigningKey(ctx, key("k3", "ES256", provider.KeyNext, 4)), provider.Exists)
		refused(t, "rotate without a next", s.RotateSigningKey(ctx, "RS256", noon), provider.NotFound)
		ok(t, "rotate", s.RotateSigningKey(ctx, "ES256", noon.Add(time.Hour)))
		refused(t, "delete of the current", s.DeleteSigningKey(ctx, "k2"), provider.NotFound)

		k1.State, k1.Retired = provider.KeyPrevious, noon.Add(time.Hour)
		k2.State, k2.Activated = provider.KeyCurrent, noon.Add(time.Hour)
		got, err := s.SigningKeys(ctx)
		ok(t, "list", err)
		same(t, "keys", got, []provider.SigningKey{k1, k2, r1})
		n, err := s.Revision(ctx, storage.Keys)
		ok(t, "revision", err)
		same(t, "revision: three added, one rotation", n, int64(4))

		ok(t, "delete", s.DeleteSigningKey(ctx, "k1"))
		refused(t, "delete again", s.DeleteSigningKey(ctx, "k1"), provider.NotFound)
	})
}

func TestChangesOfAnotherStoreAreFollowed(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		ctx, cancel := context.WithCancel(t.Context())
		here, there := storagetest.Connect(t, url), storagetest.Connect(t, url)
		_, err := here.Client(ctx, "shop")
		refused(t, "before", err, provider.NotFound)
		var calls, failures atomic.Int64
		failures.Store(1)
		here.OnRevision(storage.Keys, func(context.Context) error {
			if failures.Add(-1) >= 0 {
				return errors.New("not now")
			}
			calls.Add(1)
			return nil
		})
		over := make(chan struct{})
		go func() {
			defer close(over)
			here.Run(ctx, slog.New(slog.DiscardHandler))
		}()
		defer func() { cancel(); <-over }()

		eventually(t, "the first call, after one that failed", func() bool { return calls.Load() == 1 })
		ok(t, "client", there.CreateClient(ctx, sampleClient("shop", noon)))
		ok(t, "key", there.AddSigningKey(ctx, provider.SigningKey{ID: "k", Algorithm: "ES256", State: provider.KeyNext, Private: []byte{1}, Created: noon}))
		eventually(t, "the other store's key", func() bool { return calls.Load() == 2 })
		eventually(t, "the other store's client", func() bool { _, err := here.Client(ctx, "shop"); return err == nil })

		ok(t, "own change", here.RotateSigningKey(ctx, "ES256", noon))
		same(t, "calls right after an own change", calls.Load(), int64(3))
	})
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not happen", what)
		}
	}
}
