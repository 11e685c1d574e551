package storage_test

import (
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func samplePasskey(id, accountID string) *provider.Factor {
	return &provider.Factor{ID: id, AccountID: accountID, Kind: provider.FactorPasskey, Name: "Laptop", Confirmed: true, Created: noon,
		Passkey: &provider.Passkey{CredentialID: "credential-of-" + id, PublicKey: []byte{0xA5, 0, 0xFF}, AAGUID: "00000000-0000-0000-0000-000000000000",
			Attestation: "none", Transports: []string{"internal", "hybrid"}, Attachment: "platform", BackupEligible: true, Discoverable: true}}
}

// sameFactor is same for factors without a secret: the engines differ in whether an
// empty one is nil.
func sameFactor(t *testing.T, what string, got, want *provider.Factor) {
	t.Helper()
	if len(got.Secret) == 0 {
		got.Secret = nil
	}
	same(t, what, got, want)
}

func TestPasskeys(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a1", "Astrid")))
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a2", "Berit")))
		key := samplePasskey("p1", "a1")
		ok(t, "create", s.CreateFactor(ctx, key))
		ok(t, "another key of the account", s.CreateFactor(ctx, samplePasskey("p2", "a1")))
		taken := samplePasskey("p3", "a2")
		taken.Passkey.CredentialID = key.Passkey.CredentialID
		refused(t, "somebody else's credential", s.CreateFactor(ctx, taken), provider.Exists)

		got, err := s.FactorByCredential(ctx, "credential-of-p1")
		ok(t, "read by credential", err)
		sameFactor(t, "passkey by credential", got, key)
		got, err = s.Factor(ctx, "p1")
		ok(t, "read", err)
		sameFactor(t, "passkey", got, key)

		ok(t, "a factor without a credential", s.CreateFactor(ctx, sampleFactor("f1", "a1")))
		ok(t, "another one", s.CreateFactor(ctx, sampleFactor("f2", "a1")))
		for _, unknown := range []string{"", "credential-of-p3", "CREDENTIAL-OF-P1"} {
			_, err = s.FactorByCredential(ctx, unknown)
			refused(t, "credential "+unknown, err, provider.NotFound)
		}
	})
}

func TestUsePasskey(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a1", "Astrid")))
		key := samplePasskey("p1", "a1")
		ok(t, "create", s.CreateFactor(ctx, key))
		ok(t, "create", s.CreateFactor(ctx, samplePasskey("p2", "a1")))
		later := noon.Add(time.Minute)

		ok(t, "a key that does not count", s.UsePasskey(ctx, key, 0, noon))
		ok(t, "again", s.UsePasskey(ctx, key, 0, noon))
		key.Passkey.BackedUp, key.Passkey.UserVerified = true, true
		ok(t, "a key that counts", s.UsePasskey(ctx, key, 7, later))
		for _, counter := range []int64{7, 6, 0} {
			refused(t, "a counter that went back", s.UsePasskey(ctx, key, counter, later.Add(time.Hour)), provider.Spent)
		}
		got, err := s.Factor(ctx, "p1")
		ok(t, "read", err)
		key.LastStep, key.LastUsed = 7, later
		sameFactor(t, "used passkey", got, key)
		other, err := s.Factor(ctx, "p2")
		ok(t, "read", err)
		sameFactor(t, "the other one", other, samplePasskey("p2", "a1"))

		refused(t, "use of none", s.UsePasskey(ctx, samplePasskey("p3", "a1"), 1, noon), provider.Spent)
		unconfirmed := samplePasskey("p4", "a1")
		unconfirmed.Confirmed = false
		ok(t, "create", s.CreateFactor(ctx, unconfirmed))
		refused(t, "use of an unconfirmed one", s.UsePasskey(ctx, unconfirmed, 1, noon), provider.Spent)
	})
}

func TestOneFactorOfSomeKinds(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a1", "Astrid")))
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a2", "Berit")))
		for _, kind := range []provider.FactorKind{provider.FactorSMS, provider.FactorEmail, provider.FactorRecovery} {
			create := func(id, account string) error {
				return s.CreateFactor(ctx, &provider.Factor{ID: id + string(kind), AccountID: account, Kind: kind, Confirmed: true, Created: noon})
			}
			ok(t, "create", create("first ", "a1"))
			refused(t, "a second one", create("second ", "a1"), provider.Exists)
			ok(t, "of another account", create("other ", "a2"))
		}
		if err := s.CreateFactor(ctx, &provider.Factor{ID: "f", AccountID: "a1", Kind: "smoke signal", Created: noon}); err == nil {
			t.Error("a kind that does not exist was stored")
		}
	})
}

func TestFactorsOfTheirOwner(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a1", "Astrid")))
		want := sampleFactor("f1", "a1")
		ok(t, "create", s.CreateFactor(ctx, want))
		refused(t, "rename of another account's", s.RenameFactor(ctx, "a2", "f1", "Mine"), provider.NotFound)
		refused(t, "rename of none", s.RenameFactor(ctx, "a1", "f2", "Mine"), provider.NotFound)
		ok(t, "rename", s.RenameFactor(ctx, "a1", "f1", "Å \"1\""))
		ok(t, "touch", s.TouchFactor(ctx, "f1", noon.Add(time.Hour)))
		refused(t, "touch of none", s.TouchFactor(ctx, "f2", noon), provider.NotFound)
		want.Name, want.LastUsed = "Å \"1\"", noon.Add(time.Hour)
		got, err := s.Factor(ctx, "f1")
		ok(t, "read", err)
		same(t, "factor", got, want)
	})
}
