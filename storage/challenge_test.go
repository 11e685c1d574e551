package storage_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func sampleChallenge(subject, id string) *provider.Challenge {
	return &provider.Challenge{Subject: subject, Purpose: "code", ID: id, Created: noon, Expires: noon.Add(10 * time.Minute),
		Data: provider.ChallengeData{MAC: []byte{1, 0, 0xFF}, Destination: "+46701234567", Ceremony: []byte(`{"a":1}`), AccountID: "astrid"}}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		_, err := s.Challenge(ctx, "s1", "code")
		refused(t, "before it is asked", err, provider.NotFound)
		first, second, other := sampleChallenge("s1", "c1"), sampleChallenge("s1", "c2"), sampleChallenge("s1", "c3")
		first.Tries, other.Purpose = 3, "passkey"
		ok(t, "ask", s.PutChallenge(ctx, first))
		ok(t, "ask something else", s.PutChallenge(ctx, other))
		got, err := s.Challenge(ctx, "s1", "code")
		ok(t, "read", err)
		same(t, "question", got, first)

		second.Created, second.Expires = noon.Add(time.Second), noon.Add(time.Hour)
		second.Data = provider.ChallengeData{}
		ok(t, "ask anew", s.PutChallenge(ctx, second))
		got, err = s.Challenge(ctx, "s1", "code")
		ok(t, "read", err)
		same(t, "the new question, with no tries", got, second)
		refused(t, "answer to the one before", s.SpendChallenge(ctx, first), provider.Spent)
		ok(t, "answer", s.SpendChallenge(ctx, second))
		refused(t, "answer again", s.SpendChallenge(ctx, second), provider.Spent)

		got, err = s.TakeChallenge(ctx, "s1", "passkey")
		ok(t, "take", err)
		same(t, "taken question", got, other)
		_, err = s.TakeChallenge(ctx, "s1", "passkey")
		refused(t, "take again", err, provider.NotFound)
	})
}

func TestTryChallenge(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		_, err := s.TryChallenge(ctx, "s1", "code", 2, noon)
		refused(t, "answer to nothing", err, provider.NotFound)
		c := sampleChallenge("s1", "c1")
		ok(t, "ask", s.PutChallenge(ctx, c))
		ok(t, "ask somebody else", s.PutChallenge(ctx, sampleChallenge("s2", "c2")))
		for _, c.Tries = range []int{1, 2} {
			got, err := s.TryChallenge(ctx, "s1", "code", 2, noon)
			ok(t, "try", err)
			same(t, "question with its tries", got, c)
		}
		_, err = s.TryChallenge(ctx, "s1", "code", 2, noon)
		refused(t, "one try too many", err, provider.Spent)
		_, err = s.TryChallenge(ctx, "s2", "code", 2, c.Expires)
		refused(t, "too late", err, provider.NotFound)
		other, err := s.Challenge(ctx, "s2", "code")
		ok(t, "read", err)
		same(t, "tries that came too late", other.Tries, 0)
	})
}

// TestTryChallengeCountsEveryTry tries one question 32 times at once: as many are
// looked at as may be.
func TestTryChallengeCountsEveryTry(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ok(t, "ask", s.PutChallenge(t.Context(), sampleChallenge("s1", "c1")))
		seen := atOnce(t, func(ctx context.Context) (int, error) {
			c, err := s.TryChallenge(ctx, "s1", "code", 5, noon)
			if err != nil {
				return 0, err
			}
			return c.Tries, nil
		}, provider.Spent)
		same(t, "tries", seen, []int{1, 2, 3, 4, 5})
	})
}

func TestCountRate(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		count := func(key string, at time.Time) (int, time.Time) {
			t.Helper()
			n, started, err := s.CountRate(t.Context(), key, at, time.Minute)
			ok(t, "count", err)
			return n, started
		}
		for i, c := range []struct {
			key     string
			after   time.Duration
			n       int
			started time.Duration
		}{
			{"a", 0, 1, 0}, {"a", time.Second, 2, 0}, {"b", 2 * time.Second, 1, 2 * time.Second}, {"a", 59 * time.Second, 3, 0},
			{"a", time.Minute, 1, time.Minute}, {"a", 119 * time.Second, 2, time.Minute}, {"a", time.Hour, 1, time.Hour},
		} {
			n, started := count(c.key, noon.Add(c.after))
			if n != c.n || !started.Equal(noon.Add(c.started)) {
				t.Errorf("%d: got %d since %v, want %d since %v", i, n, started, c.n, noon.Add(c.started))
			}
		}
	})
}

func TestCountRateCountsEveryOne(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		seen := atOnce(t, func(ctx context.Context) (int, error) {
			n, _, err := s.CountRate(ctx, "key", noon, time.Minute)
			return n, err
		}, nil)
		want := make([]int, 32)
		for i := range want {
			want[i] = i + 1
		}
		same(t, "counts", seen, want)
	})
}

// atOnce calls do 32 times at once and returns, sorted, what the calls gave that did
// not fail with lost.
func atOnce(t *testing.T, do func(context.Context) (int, error), lost error) []int {
	t.Helper()
	var mu sync.Mutex
	var seen []int
	var racers sync.WaitGroup
	for range 32 {
		racers.Go(func() {
			n, err := do(t.Context())
			switch {
			case err == nil:
				mu.Lock()
				seen = append(seen, n)
				mu.Unlock()
			case lost == nil:
				t.Error(err)
			default:
				refused(t, "loser", err, lost)
			}
		})
	}
	racers.Wait()
	slices.Sort(seen)
	return seen
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		codes := func(account string, ids ...string) (out []provider.RecoveryCode) {
			for _, id := range ids {
				out = append(out, provider.RecoveryCode{ID: id, AccountID: account, MAC: []byte("mac\x00 of " + id), Created: noon})
			}
			return out
		}
		left := func(account string, want []provider.RecoveryCode) {
			t.Helper()
			got, err := s.RecoveryCodes(ctx, account)
			ok(t, "list", err)
			if len(got) != 0 || len(want) != 0 {
				same(t, "codes of "+account, got, want)
			}
		}
		left("a1", nil)
		ok(t, "make", s.ReplaceRecoveryCodes(ctx, "a1", codes("a1", "1", "2", "3")))
		ok(t, "make", s.ReplaceRecoveryCodes(ctx, "a2", codes("a2", "4")))
		ok(t, "use", s.UseRecoveryCode(ctx, "2"))
		refused(t, "use again", s.UseRecoveryCode(ctx, "2"), provider.Spent)
		left("a1", codes("a1", "1", "3"))
		ok(t, "replace", s.ReplaceRecoveryCodes(ctx, "a1", codes("a1", "5", "6")))
		refused(t, "use of one from before", s.UseRecoveryCode(ctx, "1"), provider.Spent)
		left("a1", codes("a1", "5", "6"))
		refused(t, "replace with ids that are taken", s.ReplaceRecoveryCodes(ctx, "a1", codes("a1", "7", "4")), provider.Exists)
		left("a1", codes("a1", "5", "6"))
		ok(t, "take away", s.ReplaceRecoveryCodes(ctx, "a1", nil))
		left("a1", nil)
		left("a2", codes("a2", "4"))
	})
}
