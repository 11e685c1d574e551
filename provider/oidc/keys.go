package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"cardea/provider"
	"cardea/storage"
)

// Algorithms are the signature algorithms that the issuer has keys for; the
// first is the default for clients that registered none.
var Algorithms = []string{"ES256", "RS256"}

// KeySet holds the issuer's signing keys in memory: for each algorithm one that
// is next (published ahead of use), one that is current (signs), and the
// previous ones (verify what they signed). It follows the database, so that
// replicas and the command line agree within seconds.
type KeySet struct {
	store *storage.Store
	ring  *provider.Keyring
	now   func() time.Time
	keys  atomic.Pointer[keys]
}

// keys is one immutable state of the set.
type keys struct {
	byID    map[string]*signingKey
	signers map[string]*signingKey // by algorithm
	jwks    document               // rendered once
}

type signingKey struct {
	id, algorithm string
	private       crypto.Signer
	public        crypto.PublicKey
	headers       map[string]string // encoded JOSE header by typ
	signatureSize int
}

// OpenKeys reads the keys of store and follows their changes. A key that does
// not open with ring is an error: serving without it would break its tokens.
func OpenKeys(ctx context.Context, store *storage.Store, ring *provider.Keyring, now func() time.Time) (*KeySet, error) {
	s := &KeySet{store: store, ring: ring, now: now}
	if err := s.Reload(ctx); err != nil {
		return nil, err
	}
	store.OnRevision("keys", s.Reload)
	return s, nil
}

// Reload reads the keys again.
func (s *KeySet) Reload(ctx context.Context) error {
	rows, err := s.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	next := &keys{byID: map[string]*signingKey{}, signers: map[string]*signingKey{}}
	var set jose.JSONWebKeySet
	for _, row := range rows {
		key, err := s.open(row)
		if err != nil {
			return err
		}
		next.byID[key.id] = key
		if row.State == provider.KeyCurrent {
			next.signers[key.algorithm] = key
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.public, KeyID: key.id, Algorithm: key.algorithm, Use: "sig"})
	}
	if set.Keys == nil {
		set.Keys = []jose.JSONWebKey{}
	}
	body, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("rendering JWKS: %w", err)
	}
	next.jwks = newDocument("application/jwk-set+json", body)
	s.keys.Store(next)
	return nil
}

func (s *KeySet) current() *keys { return s.keys.Load() }

// signer is the key that signs with algorithm now.
func (s *KeySet) signer(algorithm string) (*signingKey, error) {
	if key := s.current().signers[algorithm]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("there is no current %s key yet", algorithm)
}

func (s *KeySet) open(row provider.SigningKey) (*signingKey, error) {
	der, err := s.ring.Open(provider.ForSealing, row.Private, provider.AAD("signing_keys", "private", row.ID))
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", row.ID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", row.ID, err)
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("signing key %s cannot sign", row.ID)
	}
	key := &signingKey{id: row.ID, algorithm: row.Algorithm, private: private, public: private.Public(), headers: map[string]string{}, signatureSize: 64}
	if rsaKey, ok := private.(*rsa.PrivateKey); ok {
		key.signatureSize = rsaKey.Size()
	}
	for _, typ := range []string{typID, typAccess} {
		header, err := json.Marshal(map[string]string{"alg": row.Algorithm, "kid": row.ID, "typ": typ})
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", row.ID, err)
		}
		key.headers[typ] = b64.EncodeToString(header)
	}
	return key, nil
}

// Ensure makes what is missing of the current and next keys of algorithm. Two
// replicas that start at once end up with the same keys.
func (s *KeySet) Ensure(ctx context.Context, algorithm string) error {
	for _, state := range []provider.KeyState{provider.KeyCurrent, provider.KeyNext} {
		if err := s.add(ctx, algorithm, state); err != nil && !errors.Is(err, provider.Exists) {
			return err
		}
	}
	return s.Reload(ctx)
}

func (s *KeySet) add(ctx context.Context, algorithm string, state provider.KeyState) error {
	rows, err := s.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	for _, row := range rows {
		if row.Algorithm == algorithm && row.State == state {
			return provider.Exists
		}
	}
	key, err := s.generate(algorithm, state)
	if err != nil {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.AddSigningKey(ctx, key); err != nil {
			return fmt.Errorf("adding a signing key: %w", err)
		}
		return s.store.Record(ctx, provider.Event{Action: provider.ActionKeyAdded, Outcome: provider.OK, Actor: "system", Detail: key.ID})
	})
}

func (s *KeySet) generate(algorithm string, state provider.KeyState) (provider.SigningKey, error) {
	var private any
	var err error
	switch algorithm {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		return provider.SigningKey{}, fmt.Errorf("algorithm %q is not offered; choose ES256 or RS256", algorithm)
	}
	if err != nil {
		return provider.SigningKey{}, fmt.Errorf("making a %s key: %w", algorithm, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return provider.SigningKey{}, fmt.Errorf("encoding a %s key: %w", algorithm, err)
	}
	sum := sha256.Sum256(der)
	key := provider.SigningKey{ID: b64.EncodeToString(sum[:12]), Algorithm: algorithm, State: state, Created: s.now()}
	if state == provider.KeyCurrent {
		key.Activated = key.Created
	}
	key.Private = s.ring.Seal(provider.ForSealing, der, provider.AAD("signing_keys", "private", key.ID))
	return key, nil
}

// Rotate makes the next key of algorithm the current one, keeps the current as
// previous, and publishes a new next. It refuses while the next key has been
// published for less than ahead, because a client with a cached JWKS could not
// verify its signatures; force overrides that after a key leak.
func (s *KeySet) Rotate(ctx context.Context, actor, algorithm string, ahead time.Duration, force bool) error {
	if err := s.Ensure(ctx, algorithm); err != nil {
		return err
	}
	rows, err := s.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	for _, row := range rows {
		if row.Algorithm == algorithm && row.State == provider.KeyNext && !force && s.now().Sub(row.Created) < ahead {
			return fmt.Errorf("the next %s key %s has been published only since %s; clients may not know it before %s: rotate then, or at once with --force",
				algorithm, row.ID, row.Created.Format(time.RFC3339), row.Created.Add(ahead).Format(time.RFC3339))
		}
	}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.RotateSigningKey(ctx, algorithm, s.now()); err != nil {
			return fmt.Errorf("rotating the %s key: %w", algorithm, err)
		}
		return s.store.Record(ctx, provider.Event{Action: provider.ActionKeyRotated, Outcome: provider.OK, Actor: actor, Detail: algorithm})
	})
	if err != nil {
		return err
	}
	return s.Ensure(ctx, algorithm)
}

// Retire deletes previous keys that were retired longer than keep ago: by then
// every token they signed has expired. Replicas may call it at the same time.
func (s *KeySet) Retire(ctx context.Context, keep time.Duration) error {
	rows, err := s.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	for _, row := range rows {
		if row.State == provider.KeyPrevious && s.now().Sub(row.Retired) > keep {
			if err := s.store.DeleteSigningKey(ctx, row.ID); err != nil && !errors.Is(err, provider.NotFound) {
				return fmt.Errorf("retiring key %s: %w", row.ID, err)
			}
		}
	}
	return nil
}

// RotateIfOlder rotates algorithm's key once the current one has signed for every
// and the next has been published for ahead; every of 0 never does.
func (s *KeySet) RotateIfOlder(ctx context.Context, algorithm string, every, ahead time.Duration) error {
	if every == 0 {
		return nil
	}
	rows, err := s.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	due, published := false, false
	for _, row := range rows {
		if row.Algorithm == algorithm {
			due = due || row.State == provider.KeyCurrent && s.now().Sub(row.Activated) >= every
			published = published || row.State == provider.KeyNext && s.now().Sub(row.Created) >= ahead
		}
	}
	if !due || !published {
		return nil
	}
	return s.Rotate(ctx, "system", algorithm, ahead, false)
}
