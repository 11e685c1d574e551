package storage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// TestOnce lets 32 callers race for each thing that may happen once: one of them
// gets it, and the others are told that they lost.
func TestOnce(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		// Two stores, as two servers on one PostgreSQL or a CLI beside a server.
		stores := []*storage.Store{storagetest.Connect(t, url), storagetest.Connect(t, url)}
		seedOnce(t, stores[0])
		for _, race := range []struct {
			name string
			lost error
			try  func(ctx context.Context, s *storage.Store, i int) error
		}{
			{"RedeemCode", provider.Spent, func(ctx context.Context, s *storage.Store, _ int) error { return s.RedeemCode(ctx, "code", noon) }},
			{"redemption in a transaction", provider.Spent, func(ctx context.Context, s *storage.Store, _ int) error {
				return redeem(ctx, s, "code in a transaction", noon)
			}},
			{"RotateRefresh", provider.Spent, func(ctx context.Context, s *storage.Store, i int) error {
				return s.RotateRefresh(ctx, "grant", "refresh-of-grant", fmt.Sprint("new ", i), noon, noon)
			}},
			{"UseTOTPStep", provider.Spent, func(ctx context.Context, s *storage.Store, _ int) error {
				return s.UseTOTPStep(ctx, "confirmed", 7, noon)
			}},
			{"ConfirmFactor", provider.Spent, func(ctx context.Context, s *storage.Store, _ int) error { return s.ConfirmFactor(ctx, "new", 7, noon) }},
			{"DeleteSignIn", provider.Spent, func(ctx context.Context, s *storage.Store, _ int) error { return s.DeleteSignIn(ctx, "sign-in") }},
			{"SaveSignIn", provider.Changed, func(ctx context.Context, s *storage.Store, _ int) error {
				in := sampleSignIn("saved", noon)
				in.Version = 1
				return s.SaveSignIn(ctx, in)
			}},
			{"SwapLane of a new lane", provider.Changed, func(ctx context.Context, s *storage.Store, i int) error {
				return s.SwapLane(ctx, provider.Lane{Key: "new", Failures: i, Expires: noon})
			}},
			{"SwapLane", provider.Changed, func(ctx context.Context, s *storage.Store, i int) error {
				return s.SwapLane(ctx, provider.Lane{Key: "lane", Failures: i, Version: 1, Expires: noon})
			}},
			{"ReplaceSession", provider.Spent, func(ctx context.Context, s *storage.Store, i int) error {
				return s.ReplaceSession(ctx, "session", sampleSession(fmt.Sprint("session ", i), noon))
			}},
			{"RehashPassword", provider.Changed, func(ctx context.Context, s *storage.Store, i int) error {
				return s.RehashPassword(ctx, "a1", "$argon2id$sample", fmt.Sprint("$", i))
			}},
			{"UsePasskey", provider.Spent, func(ctx context.Context, s *storage.Store, _ int) error {
				return s.UsePasskey(ctx, samplePasskey("passkey", "a1"), 7, noon)
			}},
			{"CreateFactor of a kind there is one of", provider.Exists, func(ctx context.Context, s *storage.Store, i int) error {
				return s.CreateFactor(ctx, &provider.Factor{ID: fmt.Sprint("sms ", i), AccountID: "a1", Kind: provider.FactorSMS, Created: noon})
			}},
			{"CreateFactor with a credential", provider.Exists, func(ctx context.Context, s *storage.Store, i int) error {
				f := samplePasskey("credential", "a1")
				f.ID = fmt.Sprint("passkey ", i)
				return s.CreateFactor(ctx, f)
			}},
			{"DeleteFactor", provider.NotFound, func(ctx context.Context, s *storage.Store, _ int) error { return s.DeleteFactor(ctx, "removed") }},
			{"SpendChallenge", provider.Spent, func(ctx context.Context, s *storage.Store, _ int) error {
				return s.SpendChallenge(ctx, sampleChallenge("spent", "challenge"))
			}},
			{"TakeChallenge", provider.NotFound, func(ctx context.Context, s *storage.Store, _ int) error {
				_, err := s.TakeChallenge(ctx, "taken", "code")
				return err
			}},
			{"UseRecoveryCode", provider.Spent, func(ctx context.Context, s *storage.Store, _ int) error { return s.UseRecoveryCode(ctx, "recovery") }},
			{"LeaseMessage", provider.Spent, func(ctx context.Context, s *storage.Store, i int) error {
				return s.LeaseMessage(ctx, *sampleMessage("message", noon), noon.Add(time.Duration(i+1)*time.Minute))
			}},
			{"EndSessionOf", provider.NotFound, func(ctx context.Context, s *storage.Store, _ int) error {
				return s.EndSessionOf(ctx, "astrid", "sid-of-ended")
			}},
			{"DistrustDevice", provider.NotFound, func(ctx context.Context, s *storage.Store, _ int) error { return s.DistrustDevice(ctx, "a1", "device") }},
			{"RemoveConsent", provider.NotFound, func(ctx context.Context, s *storage.Store, _ int) error {
				return s.RemoveConsent(ctx, "a1", "shop", noon)
			}},
			{"CreateAccount", provider.Exists, func(ctx context.Context, s *storage.Store, i int) error {
				return s.CreateAccount(ctx, sampleAccount(fmt.Sprint("id ", i), []string{"Same.User", "same.user"}[i%2]))
			}},
		} {
			t.Run(race.name, func(t *testing.T) { runRace(t, stores, race.lost, race.try) })
		}
	})
}

func seedOnce(t *testing.T, s *storage.Store) {
	t.Helper()
	ctx := t.Context()
	ok(t, "account", s.CreateAccount(ctx, sampleAccount("a1", "Astrid")))
	ok(t, "code", s.CreateCode(ctx, sampleCode("code", noon)))
	ok(t, "code", s.CreateCode(ctx, sampleCode("code in a transaction", noon)))
	ok(t, "grant", s.CreateGrant(ctx, sampleGrant("grant", noon)))
	ok(t, "factor", s.CreateFactor(ctx, sampleFactor("new", "a1")))
	ok(t, "factor", s.CreateFactor(ctx, sampleFactor("confirmed", "a1")))
	ok(t, "confirm", s.ConfirmFactor(ctx, "confirmed", 1, noon))
	ok(t, "sign-in", s.CreateSignIn(ctx, sampleSignIn("sign-in", noon)))
	ok(t, "sign-in", s.CreateSignIn(ctx, sampleSignIn("saved", noon)))
	ok(t, "lane", s.SwapLane(ctx, provider.Lane{Key: "lane", Expires: noon}))
	ok(t, "session", s.CreateSession(ctx, sampleSession("session", noon)))
	ok(t, "session", s.CreateSession(ctx, sampleSession("ended", noon)))
	ok(t, "passkey", s.CreateFactor(ctx, samplePasskey("passkey", "a1")))
	ok(t, "factor", s.CreateFactor(ctx, sampleFactor("removed", "a1")))
	ok(t, "challenge", s.PutChallenge(ctx, sampleChallenge("spent", "challenge")))
	ok(t, "challenge", s.PutChallenge(ctx, sampleChallenge("taken", "challenge")))
	ok(t, "recovery code", s.ReplaceRecoveryCodes(ctx, "a1", []provider.RecoveryCode{{ID: "recovery", MAC: []byte{1}, Created: noon}}))
	ok(t, "message", s.CreateMessage(ctx, sampleMessage("message", noon)))
	ok(t, "device", s.TrustDevice(ctx, sampleDevice("device", "token", "a1")))
	ok(t, "consent", s.SetConsent(ctx, "a1", "shop", []string{"openid"}, noon))
}

func runRace(t *testing.T, stores []*storage.Store, lost error, try func(context.Context, *storage.Store, int) error) {
	t.Helper()
	errs := make([]error, 32)
	start := make(chan struct{})
	var racers sync.WaitGroup
	for i := range errs {
		racers.Go(func() {
			<-start
			errs[i] = try(t.Context(), stores[i%len(stores)], i)
		})
	}
	close(start)
	racers.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost):
			t.Errorf("got %v, want %v", err, lost)
		}
	}
	same(t, "winners", won, 1)
}

// TestLaneCountsEveryAttempt does what a sign-in does with a lane, in parallel: no
// attempt may be forgotten.
func TestLaneCountsEveryAttempt(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		const attempts = 24
		attempt := func() error {
			for {
				l, err := s.Lane(t.Context(), "lane")
				if err != nil {
					return err
				}
				l.Failures++
				l.Expires = noon
				if err := s.SwapLane(t.Context(), l); !errors.Is(err, provider.Changed) {
					return err
				}
			}
		}
		var guesses sync.WaitGroup
		for range attempts {
			guesses.Go(func() {
				if err := attempt(); err != nil {
					t.Error(err)
				}
			})
		}
		guesses.Wait()
		l, err := s.Lane(t.Context(), "lane")
		ok(t, "read", err)
		same(t, "failures", l.Failures, attempts)
	})
}
