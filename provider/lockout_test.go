package provider

import (
	"errors"
	"testing"
	"time"
)

var bankRules = LockoutPolicy{Attempts: 5, Wait: 30 * time.Minute, Locks: 3, Window: 24 * time.Hour}

// fail makes n wrong attempts at now, and expects that only the last may lock.
func fail(t *testing.T, p LockoutPolicy, l Lane, n int, now time.Time) Lane {
	t.Helper()
	for i := range n {
		if err := l.Locked(now); err != nil {
			t.Fatalf("attempt %d of %d was not let through: %v", i+1, n, err)
		}
		l = p.Attempt(l, now)
	}
	return l
}

func TestLockout(t *testing.T) {
	t.Parallel()
	t.Run("four failures leave one attempt", func(t *testing.T) {
		t.Parallel()
		l := fail(t, bankRules, Lane{}, 4, noon)
		if got := bankRules.Left(l); got != 1 || l.Locked(noon) != nil {
			t.Errorf("got %d left, locked %v; want 1 and open", got, l.Locked(noon))
		}
	})
	t.Run("the fifth locks for the wait", func(t *testing.T) {
		t.Parallel()
		l := fail(t, bankRules, Lane{}, 5, noon)
		var locked *LockedError
		if err := l.Locked(noon); !errors.As(err, &locked) || !errors.Is(err, Locked) || !locked.Until.Equal(noon.Add(30*time.Minute)) || locked.Hard {
			t.Fatalf("got %+v, want locked for 30 minutes", locked)
		}
		if err := l.Locked(noon.Add(30*time.Minute - time.Microsecond)); err == nil {
			t.Error("open before the wait is over")
		}
		if err := l.Locked(noon.Add(30 * time.Minute)); err != nil {
			t.Errorf("still locked after the wait: %v", err)
		}
	})
	t.Run("a locked lane counts nothing", func(t *testing.T) {
		t.Parallel()
		l := fail(t, bankRules, Lane{}, 5, noon)
		if got := bankRules.Attempt(l, noon.Add(time.Minute)); got != l {
			t.Errorf("got %+v, want %+v", got, l)
		}
	})
	t.Run("the third lock within the window is hard", func(t *testing.T) {
		t.Parallel()
		l := fail(t, bankRules, Lane{}, 5, noon)
		l = fail(t, bankRules, l, 5, noon.Add(time.Hour))
		l = fail(t, bankRules, l, 5, noon.Add(2*time.Hour))
		var locked *LockedError
		if !errors.As(l.Locked(noon.AddDate(1, 0, 0)), &locked) || !locked.Hard || !locked.Until.IsZero() {
			t.Errorf("got %+v, want a hard lock without end", locked)
		}
	})
	t.Run("locks older than the window are forgotten", func(t *testing.T) {
		t.Parallel()
		l := fail(t, bankRules, Lane{}, 5, noon)
		l = fail(t, bankRules, l, 5, noon.Add(time.Hour))
		l = fail(t, bankRules, l, 5, noon.Add(25*time.Hour))
		if l.Hard || l.Locks != 1 {
			t.Errorf("got %d locks, hard %v; want a new window with 1", l.Locks, l.Hard)
		}
	})
	t.Run("a success clears the failures but remembers locks", func(t *testing.T) {
		t.Parallel()
		l := fail(t, bankRules, Lane{}, 5, noon)
		now := noon.Add(time.Hour)
		l = fail(t, bankRules, l, 3, now).Success(false)
		if bankRules.Left(l) != 5 || l.Total != 0 || l.Locks != 1 || l.Locked(now) != nil {
			t.Errorf("got %+v, want 5 left, 1 lock remembered", l)
		}
	})
	t.Run("a right fifth attempt takes its lock back", func(t *testing.T) {
		t.Parallel()
		l := fail(t, bankRules, Lane{}, 5, noon).Success(true)
		if l.Locked(noon) != nil || l.Locks != 0 || bankRules.Left(l) != 5 {
			t.Errorf("got %+v, want an open lane without locks", l)
		}
		if got := (Lane{}).Success(true); got.Locks != 0 {
			t.Errorf("an unlocked lane: got %d locks, want 0", got.Locks)
		}
	})
	t.Run("twenty failures over all locks are hard", func(t *testing.T) {
		t.Parallel()
		p := LockoutPolicy{Attempts: 5, Wait: 15 * time.Minute, Hard: 20}
		l, now := Lane{}, noon
		for range 3 {
			l = fail(t, p, l, 5, now)
			now = now.Add(48 * time.Hour)
		}
		if l = fail(t, p, l, 4, now); l.Hard {
			t.Fatal("hard after 19")
		}
		if l = fail(t, p, l, 1, now); !l.Hard {
			t.Error("not hard after 20")
		}
	})
	t.Run("no hard lock unless asked for", func(t *testing.T) {
		t.Parallel()
		p := LockoutPolicy{Attempts: 1, Wait: time.Minute}
		l, now := Lane{}, noon
		for range 200 {
			l = fail(t, p, l, 1, now)
			now = now.Add(time.Minute)
		}
		if l.Hard {
			t.Error("hard")
		}
	})
	t.Run("the row outlives its lock and its window", func(t *testing.T) {
		t.Parallel()
		l := fail(t, bankRules, Lane{}, 5, noon)
		if l.Expires.Before(l.Until) || l.Expires.Before(noon.Add(bankRules.Window)) {
			t.Errorf("may be forgotten at %v", l.Expires)
		}
	})
}
