package signin

import (
	"context"
	"errors"
	"fmt"

	"cardea/provider"
)

// ChangePassword gives the owner's account the password next, once current was shown.
// The session goes on under a new token, and trusted devices are forgotten. With
// endOthers everything else that the account has open is over: sessions, grants, those
// for offline access too, and sign-ins under way; without it they stay, except that
// what was proven in a sign-in under way no longer counts.
//
// It fails with provider.Reauthenticate, with provider.Faults of the field
// "new_password", with *AttemptError for provider.WrongPassword and
// *provider.LockedError, which are counted where a sign-in counts them, with
// provider.Busy, which counts nothing, and with provider.OutOfTurn when another
// change was faster.
func (s *Service) ChangePassword(ctx context.Context, o *Owner, current, next string, endOthers bool) (Issued, error) {
	if !s.Recent(o) {
		return Issued{}, provider.Reauthenticate
	}
	if err := s.checkNext(o.Account, current, next); err != nil {
		return Issued{}, err
	}
	device, err := s.knownDevice(ctx, o.Browser, o.Account.ID)
	if err != nil {
		return Issued{}, err
	}
	t := trial{in: o.place(), b: o.Browser, account: o.Account, action: provider.ActionPassword, method: provider.MethodPassword}
	counted, hash, err := s.exchange(ctx, s.passwordLane(o.Account.UserID, device), o.Account, current, next)
	switch {
	case errors.Is(err, provider.WrongPassword):
		return Issued{}, s.refuse(ctx, t, counted, err)
	case err != nil:
		return Issued{}, s.refuseLocked(ctx, t, err)
	}
	return s.acceptChange(ctx, o, counted, hash, endOthers)
}

// checkNext refuses a new password that is weak, or no new one.
func (s *Service) checkNext(a *provider.Account, current, next string) error {
	var faults provider.Faults
	err := s.set.NewPassword.Check(next, a.UserID, a.Profile.Email)
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	for i := range faults {
		faults[i].Field = "new_password"
	}
	if provider.NormalPassword(next) == provider.NormalPassword(current) {
		faults.Add("new_password", "must not be the current one")
	}
	return faults.Err()
}

// exchange counts an attempt at the current password and, when it is right, gives the
// hash of the next one. Both are hashed in one admission.
func (s *Service) exchange(ctx context.Context, lane provider.Lane, a *provider.Account, current, next string) (attempt, string, error) {
	if err := s.locked(ctx, lane); err != nil {
		return attempt{}, "", err
	}
	leave, err := s.hashing.enter(ctx)
	if err != nil {
		return attempt{}, "", err
	}
	defer leave()
	counted, _, err := s.evaluate(ctx, lane, a, current)
	if err != nil {
		return counted, "", err
	}
	return counted, s.set.Keys.HashPassword(next, s.set.Argon2), nil
}

// acceptChange commits a new password with all that follows from it.
func (s *Service) acceptChange(ctx context.Context, o *Owner, counted attempt, hash string, endOthers bool) (Issued, error) {
	now, issued := s.now(), Issued{Session: provider.NewToken()}
	next := *o.Session
	next.ID, next.LastSeen = provider.TokenHash(issued.Session), now // the password alone makes it no newer
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		// The hash is swapped, so that of two changes at once one wins.
		if err := s.hold(ctx, o.Account, hash); err != nil {
			return err
		}
		if err := s.store.SetPassword(ctx, o.Account.ID, hash, now); err != nil {
			return fmt.Errorf("set password: %w", err)
		}
		if err := s.succeeded(ctx, counted); err != nil {
			return err
		}
		if err := s.replace(ctx, o.Session, &next, o.Browser, o.place()); err != nil {
			return err
		}
		if err := s.distrust(ctx, o.Account.ID); err != nil {
			return err
		}
		if endOthers {
			if err := s.store.EndOthers(ctx, o.Account.ID, o.Session.SID, now); err != nil {
				return fmt.Errorf("end what is open elsewhere: %w", err)
			}
			if err := s.record(ctx, o.event(provider.ActionSessionsEnded, provider.OK)); err != nil {
				return err
			}
		}
		if err := s.record(ctx, o.event(provider.ActionPasswordChanged, provider.OK)); err != nil {
			return err
		}
		return s.tell(ctx, o.Account.ID, provider.MessagePassword, o.notice())
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}
