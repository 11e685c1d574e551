package storage_test

import (
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestFactors(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a1", "Astrid")))
		refused(t, "factor of nobody", s.CreateFactor(ctx, sampleFactor("f0", "nobody")), provider.NotFound)
		second, first := sampleFactor("f2", "a1"), sampleFactor("f9", "a1")
		second.Created = noon.Add(time.Minute)
		ok(t, "create", s.CreateFactor(ctx, second))
		ok(t, "create", s.CreateFactor(ctx, first))
		refused(t, "same id", s.CreateFactor(ctx, first), provider.Exists)

		got, err := s.Factors(ctx, "a1")
		ok(t, "list", err)
		same(t, "factors, oldest first", got, []provider.Factor{*first, *second})
		_, err = s.Factor(ctx, "f3")
		refused(t, "unknown", err, provider.NotFound)

		refused(t, "step of an unconfirmed factor", s.UseTOTPStep(ctx, "f9", 100, noon), provider.Spent)
		ok(t, "confirm", s.ConfirmFactor(ctx, "f9", 100, noon))
		refused(t, "confirm again", s.ConfirmFactor(ctx, "f9", 101, noon), provider.Spent)
		refused(t, "the confirming step again", s.UseTOTPStep(ctx, "f9", 100, noon), provider.Spent)
		refused(t, "an earlier step", s.UseTOTPStep(ctx, "f9", 99, noon), provider.Spent)
		ok(t, "a later step", s.UseTOTPStep(ctx, "f9", 103, noon.Add(time.Minute)))
		refused(t, "a step in between", s.UseTOTPStep(ctx, "f9", 102, noon), provider.Spent)
		refused(t, "step of no factor", s.UseTOTPStep(ctx, "f3", 1, noon), provider.Spent)

		one, err := s.Factor(ctx, "f9")
		ok(t, "read", err)
		first.Confirmed, first.LastStep, first.LastUsed = true, 103, noon.Add(time.Minute)
		same(t, "used factor", one, first)

		ok(t, "forget enrolments", s.DeleteUnconfirmedFactors(ctx, "a1"))
		got, err = s.Factors(ctx, "a1")
		ok(t, "list", err)
		same(t, "only the confirmed one is left", got, []provider.Factor{*first})
		ok(t, "delete", s.DeleteFactor(ctx, "f9"))
		refused(t, "delete again", s.DeleteFactor(ctx, "f9"), provider.NotFound)
	})
}

func TestLanes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		lane, err := s.Lane(ctx, "k1")
		ok(t, "read", err)
		same(t, "untouched lane", lane, provider.Lane{Key: "k1"})

		lane.Subject, lane.Failures, lane.Total, lane.Locks = "subject", 1, 2, 3
		lane.First, lane.Until, lane.Expires = noon, noon.Add(time.Minute), noon.Add(time.Hour)
		ok(t, "first attempt", s.SwapLane(ctx, lane))
		refused(t, "the same attempt again", s.SwapLane(ctx, lane), provider.Changed)
		lane.Version = 1
		got, err := s.Lane(ctx, "k1")
		ok(t, "read", err)
		same(t, "lane", got, lane)

		lane.Hard, lane.Failures = true, 5
		ok(t, "second attempt", s.SwapLane(ctx, lane))
		refused(t, "from an old state", s.SwapLane(ctx, lane), provider.Changed)
		lane.Version = 2
		got, err = s.Lane(ctx, "k1")
		ok(t, "read", err)
		same(t, "lane", got, lane)

		ok(t, "other subject", s.SwapLane(ctx, provider.Lane{Key: "k2", Subject: "other", Failures: 1, Expires: noon}))
		ok(t, "clear", s.ClearLanes(ctx, "subject"))
		refused(t, "swap of a cleared lane", s.SwapLane(ctx, lane), provider.Changed)
		got, err = s.Lane(ctx, "k1")
		ok(t, "read", err)
		same(t, "cleared lane", got, provider.Lane{Key: "k1"})
		got, err = s.Lane(ctx, "k2")
		ok(t, "read", err)
		same(t, "failures of the other subject", got.Failures, 1)
	})
}

func TestKnownDevices(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		known := func(account string, now time.Time) bool {
			t.Helper()
			is, err := s.KnownDevice(ctx, "token", account, now)
			ok(t, "look", err)
			return is
		}
		ok(t, "remember", s.RememberDevice(ctx, "token", "a1", noon, noon.Add(time.Hour)))
		ok(t, "remember for another account", s.RememberDevice(ctx, "token", "a2", noon, noon.Add(time.Hour)))
		same(t, "known", []bool{known("a1", noon), known("a2", noon), known("a3", noon), known("", noon), known("a1", noon.Add(time.Hour))},
			[]bool{true, true, false, false, false})
		ok(t, "remember again", s.RememberDevice(ctx, "token", "a1", noon.Add(time.Hour), noon.Add(2*time.Hour)))
		same(t, "known for longer", known("a1", noon.Add(time.Hour)), true)
	})
}
