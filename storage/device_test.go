package storage_test

import (
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func sampleDevice(id, token, account string) *provider.TrustedDevice {
	return &provider.TrustedDevice{ID: id, TokenHash: token, AccountID: account, UserAgent: "Test/1.0", Address: "192.0.2.7",
		Created: noon, LastUsed: noon, Expires: noon.Add(time.Hour)}
}

func TestTrustedDevices(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		trusted := func(token, account string, now time.Time) bool {
			t.Helper()
			is, err := s.Trusted(ctx, token, account, now)
			ok(t, "look", err)
			return is
		}
		list := func(account string, want ...provider.TrustedDevice) {
			t.Helper()
			got, err := s.TrustedDevices(ctx, account, noon)
			ok(t, "list", err)
			same(t, "devices of "+account, got, append([]provider.TrustedDevice{}, want...))
		}
		laptop, phone, shared := sampleDevice("d1", "laptop", "a1"), sampleDevice("d2", "phone", "a1"), sampleDevice("d3", "laptop", "a2")
		phone.Created = noon.Add(time.Second)
		over := sampleDevice("d4", "old", "a1")
		over.Expires = noon
		for _, d := range []*provider.TrustedDevice{laptop, phone, shared, over} {
			ok(t, "trust", s.TrustDevice(ctx, d))
		}
		list("a1", *phone, *laptop)
		same(t, "trusted", []bool{trusted("laptop", "a1", noon), trusted("laptop", "a2", noon), trusted("phone", "a2", noon), trusted("phone", "", noon),
			trusted("other", "a1", noon), trusted("laptop", "a1", laptop.Expires), trusted("old", "a1", noon)},
			[]bool{true, true, false, false, false, false, false})

		ok(t, "touch", s.TouchTrusted(ctx, "laptop", "a1", noon.Add(time.Minute)))
		ok(t, "touch with an earlier time", s.TouchTrusted(ctx, "laptop", "a1", noon))
		ok(t, "touch of none", s.TouchTrusted(ctx, "nobody's", "a1", noon))
		laptop.LastUsed = noon.Add(time.Minute)
		list("a1", *phone, *laptop)

		again := sampleDevice("d5", "laptop", "a1")
		again.Created, again.LastUsed, again.Expires, again.Address = noon.Add(time.Hour), noon.Add(time.Hour), noon.Add(2*time.Hour), "192.0.2.8"
		ok(t, "trust again", s.TrustDevice(ctx, again))
		again.ID = "d1"
		list("a1", *again, *phone)

		refused(t, "distrust of another account's", s.DistrustDevice(ctx, "a2", "d1"), provider.NotFound)
		ok(t, "distrust", s.DistrustDevice(ctx, "a1", "d1"))
		refused(t, "distrust again", s.DistrustDevice(ctx, "a1", "d1"), provider.NotFound)
		list("a1", *phone)
		ok(t, "distrust all", s.DistrustDevices(ctx, "a1"))
		list("a1")
		list("a2", *shared)
	})
}
