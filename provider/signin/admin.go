package signin

import (
	"context"
	"fmt"

	"cardea/provider"
)

// Create makes an account with a password that policy accepts. It fills the id, the
// state and the times that are empty. It fails with provider.Faults, and with
// provider.Exists when the User ID is taken, in whatever case.
func (s *Service) Create(ctx context.Context, actor string, a *provider.Account, password string, policy provider.PasswordPolicy) error {
	if err := provider.CheckUserID(a.UserID); err != nil {
		return err
	}
	if err := policy.Check(password, a.UserID, a.Profile.Email); err != nil {
		return err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	if a.ID == "" {
		a.ID = provider.NewID()
	}
	if a.Status == "" {
		a.Status = provider.AccountActive
	}
	now := s.now()
	a.PasswordHash, a.PasswordChanged, a.Created, a.Updated = hash, now, now, now
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.CreateAccount(ctx, a); err != nil {
			return fmt.Errorf("create account: %w", err)
		}
		return s.record(ctx, provider.Event{Action: provider.ActionAccountCreated, Outcome: provider.OK, Actor: actor, Subject: a.ID})
	})
}

// hash is the password's hash, made when there is a slot for it.
func (s *Service) hash(ctx context.Context, password string) (string, error) {
	leave, err := s.hashing.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return s.set.Keys.HashPassword(password, s.set.Argon2), nil
}

// SetPassword gives an account a new password, ends everything that the old one
// opened and clears the lockout of passwords, not of second factors. It fails with provider.Faults and provider.NotFound.
func (s *Service) SetPassword(ctx context.Context, actor, accountID, password string, policy provider.PasswordPolicy) error {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return fmt.Errorf("set password: %w", err)
	}
	if err := policy.Check(password, a.UserID, a.Profile.Email); err != nil {
		return err
	}
	hash, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.administer(ctx, actor, provider.ActionAccountPassword, a, func(ctx context.Context) error {
		if err := s.store.SetPassword(ctx, a.ID, hash, s.now()); err != nil {
			return err
		}
		if err := s.store.ClearLanes(ctx, s.subjectName(a.UserID)); err != nil {
			return err
		}
		if err := s.store.EndAccount(ctx, a.ID, s.now()); err != nil {
			return err
		}
		return s.tell(ctx, a.ID, provider.MessagePassword, provider.MessageData{})
	})
}

// Lock keeps an account from signing in until Unlock, and ends everything it has
// open. It fails with provider.NotFound.
func (s *Service) Lock(ctx context.Context, actor, accountID string) error {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return fmt.Errorf("lock account: %w", err)
	}
	if a.Status == provider.AccountDisabled {
		return fmt.Errorf("lock account: it is closed: %w", provider.Forbidden)
	}
	return s.administer(ctx, actor, provider.ActionAccountLocked, a, func(ctx context.Context) error {
		if err := s.store.SetAccountStatus(ctx, a.ID, provider.AccountLocked, s.now()); err != nil {
			return err
		}
		return s.store.EndAccount(ctx, a.ID, s.now())
	})
}

// Unlock lets an account sign in again: it lifts an administrator's lock and the
// locks that failures have set. It fails with provider.NotFound, and with
// provider.Forbidden for a closed account.
func (s *Service) Unlock(ctx context.Context, actor, accountID string) error {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return fmt.Errorf("unlock account: %w", err)
	}
	if a.Status == provider.AccountDisabled {
		return fmt.Errorf("unlock account: it is closed: %w", provider.Forbidden)
	}
	return s.administer(ctx, actor, provider.ActionAccountUnlocked, a, func(ctx context.Context) error {
		if err := s.store.SetAccountStatus(ctx, a.ID, provider.AccountActive, s.now()); err != nil {
			return err
		}
		return s.clearLanes(ctx, a)
	})
}

// clearLanes forgets all failures against an account.
func (s *Service) clearLanes(ctx context.Context, a *provider.Account) error {
	if err := s.store.ClearLanes(ctx, s.subjectName(a.UserID)); err != nil {
		return err
	}
	return s.store.ClearLanes(ctx, s.factorSubject(a))
}

// Delete removes an account with everything it has. Its id is never used again. It
// fails with provider.NotFound.
func (s *Service) Delete(ctx context.Context, actor, accountID string) error {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return fmt.Errorf("delete account: %w", err)
	}
	return s.administer(ctx, actor, provider.ActionAccountDeleted, a, func(ctx context.Context) error {
		if err := s.store.EndAccount(ctx, a.ID, s.now()); err != nil {
			return err
		}
		if err := s.clearLanes(ctx, a); err != nil {
			return err
		}
		return s.store.DeleteAccount(ctx, a.ID)
	})
}

// EnrolConfirmedTOTP gives an account an authenticator app without its owner's first
// code, and returns the secret in base32: it cannot be read again. It is meant for
// provisioning and the demo. The owner is told. It fails with provider.Faults of the
// field "factor" when the account has as many apps as it can have, and with
// provider.NotFound.
func (s *Service) EnrolConfirmedTOTP(ctx context.Context, actor, accountID, name string) (string, error) {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return "", fmt.Errorf("enrol factor: %w", err)
	}
	factor, key := s.newFactor(a.ID, name)
	err = s.administer(ctx, actor, provider.ActionFactorAdded, a, func(ctx context.Context) error {
		factors, err := s.confirmed(ctx, a.ID)
		if err != nil {
			return err
		}
		if !roomForApp(factors) {
			return provider.Faults{{Field: "factor", Problem: fmt.Sprintf("an account has at most %d authenticator apps: remove one first", maxApps)}}
		}
		if err := s.store.CreateFactor(ctx, factor); err != nil {
			return err
		}
		if err := s.store.ConfirmFactor(ctx, factor.ID, 0, s.now()); err != nil {
			return err
		}
		return s.given(ctx, a.ID, factor)
	})
	if err != nil {
		return "", err
	}
	return key, nil
}

// AddFactor gives an account codes by SMS or e-mail as a second factor, without a code
// to prove them: the contact was verified by whoever provisions the account. The owner
// is told. It is nothing where the account has that factor. It fails with provider.Faults of the field
// "factor" for another kind and without a verified contact, and with provider.NotFound.
func (s *Service) AddFactor(ctx context.Context, actor, accountID string, kind provider.FactorKind) error {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return fmt.Errorf("add factor: %w", err)
	}
	var f provider.Faults
	switch {
	case !byCode(kind):
		f.Add("factor", "must be sms or email: %q takes something of its owner's", kind)
	case a.Destination(kind) == "":
		f.Add("factor", "%s needs a verified contact in the account's profile", kind)
	}
	if err := f.Err(); err != nil {
		return err
	}
	return s.administer(ctx, actor, provider.ActionFactorAdded, a, func(ctx context.Context) error {
		added, err := s.createFactor(ctx, a.ID, kind)
		if err != nil || !added {
			return err
		}
		return s.given(ctx, a.ID, &provider.Factor{Kind: kind})
	})
}

// given ends the trust in an account's devices and tells its owner of a factor that an
// operator has added. It runs in the transaction of ctx.
func (s *Service) given(ctx context.Context, accountID string, f *provider.Factor) error {
	if err := s.distrust(ctx, accountID); err != nil {
		return err
	}
	return s.tell(ctx, accountID, provider.MessageFactorAdded, provider.MessageData{Name: f.Name, Factor: string(f.Kind)})
}

// AddRecoveryCodes gives an account recovery codes in place of all it had, and returns
// them as they are shown: they cannot be read again. The owner is told. It is meant for
// provisioning and the demo, and fails with provider.NotFound.
func (s *Service) AddRecoveryCodes(ctx context.Context, actor, accountID string) ([]string, error) {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return nil, fmt.Errorf("add recovery codes: %w", err)
	}
	var codes []string
	err = s.store.InTx(ctx, func(ctx context.Context) (err error) {
		codes, err = s.newRecoveryCodes(ctx, a, func(action provider.Action, outcome provider.Outcome) provider.Event {
			return provider.Event{Action: action, Outcome: outcome, Actor: actor, Subject: a.ID}
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// administer does one administrator's act together with its audit event.
func (s *Service) administer(ctx context.Context, actor string, action provider.Action, a *provider.Account, do func(context.Context) error) error {
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		if err := do(ctx); err != nil {
			return err
		}
		return s.record(ctx, provider.Event{Action: action, Outcome: provider.OK, Actor: actor, Subject: a.ID})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	return nil
}
