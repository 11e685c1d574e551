package signin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"cardea/provider"
)

// Password tries User ID and password for a sign-in that stands at
// provider.StepPassword. It fails with *provider.LockedError, with *AttemptError for
// provider.WrongPassword, with provider.OutOfTurn, or with provider.Busy, which
// counts no attempt. An ID that nobody has, or whose account is locked or disabled,
// fares exactly as a wrong password does. remember is kept in the sign-in's data.
func (s *Service) Password(ctx context.Context, id string, b Browser, userID, password string, remember bool) (Issued, error) {
	in, _, err := s.turn(ctx, id, b, provider.StepPassword)
	if err != nil {
		return Issued{}, err
	}
	account, device, err := s.claimant(ctx, b, userID)
	if err != nil {
		return Issued{}, err
	}
	t := trial{in: in, b: b, account: account, action: provider.ActionPassword, method: provider.MethodPassword}
	lane := s.passwordLane(userID, device)
	if err := s.locked(ctx, lane); err != nil {
		return Issued{}, s.refuseLocked(ctx, t, err)
	}
	leave, err := s.hashing.enter(ctx)
	if err != nil {
		return Issued{}, err
	}
	counted, hash, err := s.evaluate(ctx, lane, account, password)
	leave()
	switch {
	case errors.Is(err, provider.WrongPassword):
		return Issued{}, s.refuse(ctx, t, counted, err)
	case err != nil:
		return Issued{}, s.refuseLocked(ctx, t, err)
	}
	return s.acceptPassword(ctx, t, counted, hash, remember)
}

// claimant looks up the account of a typed User ID, nil when there is none, and the
// hash of the device cookie when it is known to that account.
func (s *Service) claimant(ctx context.Context, b Browser, userID string) (*provider.Account, string, error) {
	if !utf8.ValidString(userID) || strings.ContainsRune(userID, 0) || utf8.RuneCountInString(userID) > 4*provider.MaxUserID {
		userID = "" // nobody's, and no text for a database
	}
	account, err := s.store.AccountByUserID(ctx, provider.NormalUserID(userID))
	accountID := ""
	switch {
	case errors.Is(err, provider.NotFound):
		account = nil
	case err != nil:
		return nil, "", fmt.Errorf("look up user id: %w", err)
	default:
		accountID = account.ID
	}
	device, err := s.knownDevice(ctx, b, accountID)
	return account, device, err
}

// evaluate counts an attempt and then looks whether the password is the account's.
// It gives the hash to store, which is a new one when the costs or the pepper have
// changed. The caller has been admitted to hashing.
func (s *Service) evaluate(ctx context.Context, lane provider.Lane, account *provider.Account, password string) (attempt, string, error) {
	counted, err := s.count(ctx, s.set.Password, lane)
	if err != nil {
		return attempt{}, "", err
	}
	hash, may := s.dummy, false
	if account != nil && account.PasswordHash != "" {
		hash, may = account.PasswordHash, account.Status == provider.AccountActive
	}
	ok, stale, err := s.set.Keys.CheckPassword(hash, password, s.set.Argon2)
	if err != nil {
		return attempt{}, "", fmt.Errorf("check password: %w", err)
	}
	if !ok || !may {
		return counted, "", provider.WrongPassword
	}
	if stale {
		hash = s.set.Keys.HashPassword(password, s.set.Argon2)
	}
	return counted, hash, nil
}

func (s *Service) acceptPassword(ctx context.Context, t trial, counted attempt, hash string, remember bool) (Issued, error) {
	t.in.Data.Proof = provider.Proof{AccountID: t.account.ID, Methods: provider.AddMethods(nil, provider.MethodPassword), At: s.now()}
	t.in.Data.Enrolling, t.in.Data.Consented, t.in.Data.Remember = "", "", remember
	return s.accept(ctx, t, counted, hash, func(ctx context.Context) error {
		if hash == t.account.PasswordHash {
			return nil
		}
		return s.record(ctx, t.event(provider.ActionRehash, provider.OK))
	})
}

// trial is one try of a password or a code: of whom, with what, by which browser.
type trial struct {
	in      *provider.SignIn
	b       Browser
	account *provider.Account // nil = unknown User ID
	action  provider.Action
	method  string // as the audit trail names it
	trust   bool   // the browser shall be trusted once this turns out right
}

func (t trial) event(action provider.Action, outcome provider.Outcome) provider.Event {
	e := t.b.event(action, outcome, t.in)
	e.Method = t.method
	if t.account != nil {
		e.Subject = t.account.ID
		if outcome == provider.OK {
			e.Actor = t.account.ID
		}
	}
	return e
}

// accept commits a trial that turned out right, whole or not at all: what it spends,
// the cleared lane, the sign-in with its new proof, the browser's new tokens, a
// session when the proof is enough, and the audit trail.
func (s *Service) accept(ctx context.Context, t trial, counted attempt, hash string, spend func(context.Context) error) (Issued, error) {
	var issued Issued
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.hold(ctx, t.account, hash); err != nil {
			return err
		}
		if err := spend(ctx); err != nil {
			return err
		}
		if err := s.succeeded(ctx, counted); err != nil {
			return err
		}
		if err := s.record(ctx, t.event(t.action, provider.OK)); err != nil {
			return err
		}
		var err error
		if issued, err = s.raise(ctx, t.in, t.b); err != nil || !t.trust {
			return err
		}
		return s.trustDevice(ctx, t, &issued)
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// trustDevice makes the browser one that the account trusts, where the issuer lets
// devices be trusted. The browser gets a new token, under which other accounts go on
// trusting it: one that somebody has planted is worth nothing.
func (s *Service) trustDevice(ctx context.Context, t trial, issued *Issued) error {
	if s.set.Trust == 0 {
		return nil
	}
	token, now := provider.NewToken(), s.now()
	if plausible(t.b.Trusted, tokenLength) {
		if err := s.store.MoveTrusted(ctx, provider.TokenHash(t.b.Trusted), provider.TokenHash(token)); err != nil {
			return fmt.Errorf("rotate trusted device: %w", err)
		}
	}
	err := s.store.TrustDevice(ctx, &provider.TrustedDevice{
		ID: provider.NewID(), TokenHash: provider.TokenHash(token), AccountID: t.account.ID, UserAgent: note(t.b.UserAgent), Address: note(t.b.Address),
		Created: now, LastUsed: now, Expires: now.Add(s.set.Trust),
	})
	if err != nil {
		return fmt.Errorf("trust device: %w", err)
	}
	issued.Trusted = token
	return s.record(ctx, t.event(provider.ActionDeviceTrusted, provider.OK))
}

// auditTime bounds the audit of a failure, which is written although the browser
// may have hung up: hanging up must not keep guesses out of the trail.
const auditTime = 5 * time.Second

// refuse audits an attempt that was wrong, and the lock when it set one.
func (s *Service) refuse(ctx context.Context, t trial, counted attempt, wrong error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTime)
	defer cancel()
	now := s.now()
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.record(ctx, t.event(t.action, provider.Refused)); err != nil {
			return err
		}
		if !counted.locks(now) {
			return nil
		}
		locked := t.event(provider.ActionLocked, provider.Refused)
		if counted.lane.Hard {
			locked.Detail = "hard"
		}
		if err := s.record(ctx, locked); err != nil {
			return err
		}
		return s.tellLocked(ctx, t.account, counted.lane.Hard, counted.lane.Until)
	})
	if err != nil {
		return err
	}
	return counted.failure(wrong, now)
}

// refuseLocked audits an attempt that a locked lane did not let through, though not
// every one of a flood, which would fill the audit trail; any other error passes.
func (s *Service) refuseLocked(ctx context.Context, t trial, err error) error {
	if !errors.Is(err, provider.Locked) || !s.lockedAudits.Allow() {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTime)
	defer cancel()
	event := t.event(t.action, provider.Refused)
	event.Detail = "locked"
	if auditErr := s.record(ctx, event); auditErr != nil {
		return fmt.Errorf("audit attempt on a locked lane: %w", auditErr)
	}
	return err
}
