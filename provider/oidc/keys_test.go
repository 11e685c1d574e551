package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cardea/provider"
	"cardea/provider/oidc"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// kids are the ids of the published keys of an algorithm.
func (h *house) kids(t *testing.T, alg string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, key := range h.jwks(t).Keys {
		if key.Algorithm == alg {
			out[key.KeyID] = true
		}
	}
	return out
}

// signer is the id of the key that signs now.
func (h *house) signer(t *testing.T) string {
	t.Helper()
	header, _ := h.verified(t, h.tokens(t, h.app).Text("id_token"), jose.ES256)
	return header.KeyID
}

func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	h := open(t)
	check(t, h.Keys.Ensure(t.Context(), "RS256"))
	if h.send(t, http.MethodGet, "/oauth2/jwks", "").Header.Get("Content-Type") != "application/jwk-set+json" {
		t.Error("wrong media type")
	}
	raw := h.send(t, http.MethodGet, "/oauth2/jwks", "").Raw
	for _, private := range []string{`"d"`, `"p"`, `"q"`, `"dp"`, `"dq"`, `"qi"`, `"k"`} {
		if strings.Contains(raw, private) {
			t.Errorf("the key set has a member %s", private)
		}
	}
	if es, rs := h.kids(t, "ES256"), h.kids(t, "RS256"); len(es) != 2 || len(rs) != 2 {
		t.Errorf("%d ES256 and %d RS256 keys are published, want current and next of each", len(es), len(rs))
	}
	for _, key := range h.jwks(t).Keys {
		if key.Use != "sig" || !key.Valid() || !key.IsPublic() || key.KeyID == "" {
			t.Errorf("key %v", key)
		}
	}
	if err := h.Keys.Ensure(t.Context(), "HS256"); err == nil {
		t.Error("a key was made for HS256")
	}
}

// A client that holds the key set of before a rotation verifies what is signed after it.
func TestRotation(t *testing.T) {
	t.Parallel()
	h := open(t)
	const ahead, keep = 24 * time.Hour, time.Hour
	old := h.tokens(t, h.app)
	before, first := h.kids(t, "ES256"), h.signer(t)
	if err := h.Keys.Rotate(t.Context(), "cli:test", "ES256", ahead, false); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Fatalf("a next key was used that no client can know yet: %v", err)
	}
	h.Wait(ahead)
	check(t, h.Keys.Rotate(t.Context(), "cli:test", "ES256", ahead, false))
	second := func() string {
		header, _ := h.verified(t, h.app.Tokens(userID).Text("id_token"), jose.ES256)
		return header.KeyID
	}()
	if second == first || !before[second] {
		t.Errorf("%s signed before the rotation and %s after it, of those published before: %v", first, second, before)
	}
	h.verified(t, old.Text("id_token"), jose.ES256)
	if after := h.kids(t, "ES256"); len(after) != 3 || !after[first] || !after[second] {
		t.Errorf("published after the rotation: %v", after)
	}
	check(t, h.Keys.Retire(t.Context(), keep))
	if !h.kids(t, "ES256")[first] {
		t.Error("the previous key was retired while its tokens may live")
	}
	h.Wait(keep + time.Second)
	check(t, h.Keys.Retire(t.Context(), keep))
	if after := h.kids(t, "ES256"); len(after) != 2 || after[first] {
		t.Errorf("published after its retirement: %v", after)
	}
}

func TestRotateIfOlder(t *testing.T) {
	t.Parallel()
	h := open(t)
	const every, ahead = 90 * 24 * time.Hour, 24 * time.Hour
	current := func() string {
		rows, err := h.Store.SigningKeys(t.Context())
		check(t, err)
		for _, row := range rows {
			if row.State == provider.KeyCurrent {
				return row.ID
			}
		}
		return ""
	}
	first := current()
	h.Wait(every - time.Minute)
	check(t, h.Keys.RotateIfOlder(t.Context(), "ES256", every, ahead))
	check(t, h.Keys.RotateIfOlder(t.Context(), "ES256", 0, ahead))
	if current() != first {
		t.Error("rotated before its time")
	}
	h.Wait(time.Minute)
	check(t, h.Keys.RotateIfOlder(t.Context(), "ES256", every, ahead))
	second := current()
	check(t, h.Keys.RotateIfOlder(t.Context(), "ES256", every, ahead))
	if second == first || current() != second {
		t.Errorf("%s, then %s, then %s", first, second, current())
	}
}

// While keys rotate, every token that is handed out is good and stays good.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		h := open(t, webtest.On(store))
		service := h.service("svc", webtest.APIScope)
		rotated := make(chan struct{})
		var mu sync.Mutex
		var tokens []string
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for over := false; !over; {
					select {
					case <-rotated:
						over = true // one more, with the last key
					default:
					}
					a := service.Call("/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
					if i := introspect(service, a.Text("access_token")); i.JSON["active"] != true {
						t.Errorf("token %d %s, introspection %s", a.Status, a.Raw, i.Raw)
					}
					mu.Lock()
					tokens = append(tokens, a.Text("access_token"))
					mu.Unlock()
				}
			})
		}
		for begun := 0; begun == 0; time.Sleep(time.Millisecond) { // at least one with the first key
			mu.Lock()
			begun = len(tokens)
			mu.Unlock()
		}
		for range 5 {
			check(t, h.Keys.Rotate(t.Context(), "cli:test", "ES256", 0, true))
		}
		close(rotated)
		wg.Wait()
		keys := h.jwks(t)
		signers := map[string]bool{}
		for _, token := range tokens {
			signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				t.Fatal(err)
			}
			kid := signed.Signatures[0].Protected.KeyID
			if signers[kid] = true; len(keys.Key(kid)) != 1 {
				t.Fatalf("key %s is not published", kid)
			}
			if _, err := signed.Verify(keys.Key(kid)[0]); err != nil {
				t.Fatal(err)
			}
		}
		if len(keys.Keys) != 7 || len(signers) < 2 {
			t.Errorf("%d keys are published, %d of them signed", len(keys.Keys), len(signers))
		}
	})
}

// Replicas that start and rotate at once agree on one set of keys.
func TestReplicasAgree(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, address string) {
		ring, err := provider.NewKeyring([]provider.SecretKey{{ID: "test", Bytes: []byte("0123456789abcdef0123456789abcdef")}})
		if err != nil {
			t.Fatal(err)
		}
		var sets []*oidc.KeySet
		var stores []*storage.Store
		for range 3 {
			store := storagetest.Connect(t, address)
			set, err := oidc.OpenKeys(t.Context(), store, ring, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			sets, stores = append(sets, set), append(stores, store)
		}
		all := func(do func(*oidc.KeySet) error) {
			var wg sync.WaitGroup
			for _, set := range sets {
				wg.Go(func() { check(t, do(set)) })
			}
			wg.Wait()
		}
		published := func() string {
			var first string
			for n, set := range sets {
				check(t, set.Reload(t.Context()))
				h := webtest.Open(t, webtest.On(stores[n]))
				b := h.Browser().Get("/oauth2/jwks")
				if n == 0 {
					first = b.Body
				} else if b.Body != first {
					t.Errorf("replica %d publishes %s, the first %s", n, b.Body, first)
				}
			}
			return first
		}
		all(func(s *oidc.KeySet) error { return s.Ensure(t.Context(), "ES256") })
		if n := strings.Count(published(), `"kid"`); n != 2 {
			t.Errorf("%d keys after a start, want 2", n)
		}
		check(t, sets[0].Rotate(t.Context(), "cli:test", "ES256", 0, true))
		if n := strings.Count(published(), `"kid"`); n != 3 {
			t.Errorf("%d keys after a rotation, want 3", n)
		}
		other, err := provider.NewKeyring([]provider.SecretKey{{ID: "other", Bytes: []byte("fedcba9876543210fedcba9876543210")}})
		check(t, err)
		if _, err := oidc.OpenKeys(t.Context(), stores[0], other, time.Now); err == nil {
			t.Error("keys opened with a secret that did not seal them")
		}
	})
}

// A token that one replica made is good at the other, once it has the keys.
func TestTokensAcrossReplicas(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, address string) {
		name := func(set *webtest.Settings) { set.Protocol.Issuer = "https://id.example.com" }
		one := open(t, webtest.On(storagetest.Connect(t, address)), name)
		two := webtest.Open(t, webtest.On(storagetest.Connect(t, address)), name)
		far := *one.app
		there := &house{Issuer: two, app: &far}
		check(t, one.Keys.Rotate(t.Context(), "cli:test", "ES256", 0, true))
		got := one.tokens(t, one.app, "scope", "openid offline_access "+webtest.APIScope)
		ask := func() *webtest.Answer {
			return there.send(t, http.MethodGet, "/oauth2/userinfo", "", "Authorization", "Bearer "+got.Text("access_token"))
		}
		check(t, two.Keys.Reload(t.Context()))
		if a := ask(); a.Text("sub") != one.person.ID {
			t.Fatalf("the other replica: %d %s", a.Status, a.Raw)
		}
		revoke(one.app, got.Text("refresh_token"))
		refused(t, ask(), http.StatusUnauthorized, "invalid_token")
	})
}
