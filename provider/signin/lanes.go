package signin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"cardea/provider"
)

// AttemptError is a wrong password or code, with how many more attempts there are
// before the next lock. errors.Is finds provider.WrongPassword or provider.WrongCode
// in it.
type AttemptError struct {
	Left  int // at least 1
	wrong error
}

func (e *AttemptError) Error() string { return e.wrong.Error() }

// Unwrap is the sentinel.
func (e *AttemptError) Unwrap() error { return e.wrong }

// laneName keeps lanes and subjects from naming anybody in a copy of the database.
func (s *Service) laneName(text string) string {
	return base64.RawURLEncoding.EncodeToString(s.set.Keys.StableMAC(provider.ForLane, text))
}

// subjectName is what all lanes of one User ID share, whether it exists or not.
func (s *Service) subjectName(userID string) string { return s.laneName(provider.FoldUserID(userID)) }

// passwordLane names the lane of a typed User ID: a known device has one of its own,
// and all strangers share one.
func (s *Service) passwordLane(userID, device string) provider.Lane {
	if device == "" {
		device = "stranger"
	}
	key := s.laneName("password\x1f" + provider.FoldUserID(userID) + "\x1f" + device)
	return provider.Lane{Key: key, Subject: s.subjectName(userID)}
}

// factorSubject is apart from the passwords' subject: a new password must not give
// new guesses at the second factor.
func (s *Service) factorSubject(a *provider.Account) string {
	return s.laneName("factors of\x1f" + a.ID)
}

// factorLane names the lane of an account's second factors: all of them together,
// so that a new factor is no new round of guesses.
func (s *Service) factorLane(a *provider.Account) provider.Lane {
	return provider.Lane{Key: s.laneName("factor\x1f" + a.ID), Subject: s.factorSubject(a)}
}

// attempt is one counted attempt.
type attempt struct {
	policy provider.LockoutPolicy
	lane   provider.Lane // after it
}

// locks tells whether this attempt, should it be wrong, is the one that locks.
func (a attempt) locks(now time.Time) bool { return a.lane.Locked(now) != nil }

// failure is the error for an attempt that was wrong.
func (a attempt) failure(wrong error, now time.Time) error {
	if err := a.lane.Locked(now); err != nil {
		return err
	}
	return &AttemptError{Left: a.policy.Left(a.lane), wrong: wrong}
}

// locked answers *provider.LockedError when the lane is locked already.
func (s *Service) locked(ctx context.Context, named provider.Lane) error {
	lane, err := s.store.Lane(ctx, named.Key)
	if err != nil {
		return fmt.Errorf("read lockout lane: %w", err)
	}
	return lane.Locked(s.now())
}

// laneTries bounds the races for one lane that one request takes part in. Each loss
// is somebody else's counted attempt, so a lane is locked long before this is reached.
const laneTries = 100

// count counts an attempt before it is evaluated. Of parallel attempts each one is
// counted in a state of its own, so no more than the policy allows are evaluated. A
// locked lane answers *provider.LockedError and counts nothing.
func (s *Service) count(ctx context.Context, p provider.LockoutPolicy, named provider.Lane) (attempt, error) {
	for range laneTries {
		lane, err := s.store.Lane(ctx, named.Key)
		if err != nil {
			return attempt{}, fmt.Errorf("read lockout lane: %w", err)
		}
		now := s.now()
		if err := lane.Locked(now); err != nil {
			return attempt{}, err
		}
		lane.Subject = named.Subject
		counted := p.Attempt(lane, now)
		err = s.store.SwapLane(ctx, counted)
		if err == nil {
			return attempt{policy: p, lane: counted}, nil
		}
		if !errors.Is(err, provider.Changed) {
			return attempt{}, fmt.Errorf("count attempt: %w", err)
		}
	}
	return attempt{}, provider.Busy
}

// succeeded clears the lane of an attempt that turned out right. It reads the lane
// again, because others may have counted in the meantime.
func (s *Service) succeeded(ctx context.Context, a attempt) error {
	lockedByThis := a.locks(s.now())
	for range laneTries {
		lane, err := s.store.Lane(ctx, a.lane.Key)
		if err != nil {
			return fmt.Errorf("read lockout lane: %w", err)
		}
		if lane.Version == 0 { // unlocked by an administrator meanwhile
			return nil
		}
		err = s.store.SwapLane(ctx, lane.Success(lockedByThis))
		if !errors.Is(err, provider.Changed) {
			return err
		}
	}
	return provider.Busy
}
