package signin

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cardea/provider"
)

// The shape of recovery codes: 120 random bits each, which no keyed hash needs to be
// slow for, in Crockford's base 32, which has no letters that look like digits.
const (
	recoveryCodes  = 10
	recoveryBytes  = 15
	recoveryLength = 24 // characters
	recoveryGroup  = 4
)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var recoveryText = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// newRecoveryCode is a fresh code in its normal form.
func newRecoveryCode() string {
	random := make([]byte, recoveryBytes)
	_, _ = rand.Read(random) // crypto/rand never fails: it ends the program instead
	return recoveryText.EncodeToString(random)
}

// grouped is a code as it is shown: six groups of four characters.
func grouped(code string) string {
	var groups []string
	for group := range slices.Chunk([]byte(code), recoveryGroup) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-")
}

// normalRecoveryCode is a typed code without case, spaces and dashes, with the letters
// that are mistaken for digits read as those, and whether it can be a code at all.
func normalRecoveryCode(typed string) (string, bool) {
	code := strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(" -\t\u00a0\u2010\u2011\u2012\u2013\u2014", r):
			return -1
		case r == 'o' || r == 'O':
			return '0'
		case strings.ContainsRune("iIlL", r):
			return '1'
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, typed)
	if len(code) != recoveryLength || strings.Trim(code, crockford) != "" {
		return "", false
	}
	return code, true
}

// recoveryData is what the keyed hash of a code in its normal form is made over.
func recoveryData(accountID, code string) string { return accountID + "\x1f" + code }

// newRecoveryCodes gives an account new recovery codes in place of all it had, and the
// factor that stands for them. It ends the trust in devices, audits by event and tells
// the owner. It returns the codes as they are shown: they cannot be read again. It runs
// in the transaction of ctx, which the caller has begun.
func (s *Service) newRecoveryCodes(ctx context.Context, a *provider.Account, event func(provider.Action, provider.Outcome) provider.Event) ([]string, error) {
	shown, rows := make([]string, recoveryCodes), make([]provider.RecoveryCode, recoveryCodes)
	for i := range recoveryCodes {
		code := newRecoveryCode()
		shown[i] = grouped(code)
		rows[i] = provider.RecoveryCode{ID: provider.NewID(), AccountID: a.ID, Created: s.now(), MAC: s.set.Keys.MAC(provider.ForBackup, recoveryData(a.ID, code))}
	}
	if err := s.store.ReplaceRecoveryCodes(ctx, a.ID, rows); err != nil {
		return nil, fmt.Errorf("replace recovery codes: %w", err)
	}
	if _, err := s.createFactor(ctx, a.ID, provider.FactorRecovery); err != nil {
		return nil, err
	}
	if err := s.distrust(ctx, a.ID); err != nil {
		return nil, err
	}
	done := event(provider.ActionRecoveryMade, provider.OK)
	if err := s.record(ctx, done); err != nil {
		return nil, err
	}
	err := s.tell(ctx, a.ID, provider.MessageRecoveryMade, provider.MessageData{UserAgent: done.UserAgent, Address: done.Address})
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// createFactor gives an account the confirmed factor of a kind of which it can have
// one, and tells whether it had none before. It runs in the transaction of ctx.
func (s *Service) createFactor(ctx context.Context, accountID string, kind provider.FactorKind) (added bool, err error) {
	now := s.now()
	err = s.store.CreateFactor(ctx, &provider.Factor{ID: provider.NewID(), AccountID: accountID, Kind: kind, Confirmed: true, Created: now})
	if errors.Is(err, provider.Exists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("create %s factor: %w", kind, err)
	}
	return true, nil
}

// distrust ends the trust in an account's devices, as every change of its factors and
// contacts must. It runs in the transaction of ctx.
func (s *Service) distrust(ctx context.Context, accountID string) error {
	if err := s.store.DistrustDevices(ctx, accountID); err != nil {
		return fmt.Errorf("forget trusted devices: %w", err)
	}
	return nil
}

// MakeCodes gives the account of a sign-in that stands at provider.StepCodes its
// recovery codes, as they are to be shown: they cannot be read again. The sign-in then
// goes on. It fails with provider.OutOfTurn, also when the session that the sign-in has
// opened was ended, or the account has no strong factor any more.
func (s *Service) MakeCodes(ctx context.Context, id string, b Browser) ([]string, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepCodes)
	if err != nil {
		return nil, err
	}
	t := trial{in: in, b: b, account: at.Account, method: string(provider.FactorRecovery)}
	var codes []string
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.hold(ctx, at.Account, at.Account.PasswordHash); err != nil {
			return err
		}
		row := *in // saving moves the version, and the transaction may be tried again
		if err := s.mayMakeCodes(ctx, t); err != nil {
			return err
		}
		row.Data.NoCodes = true
		if err := s.save(ctx, &row); err != nil {
			return err
		}
		codes, err = s.newRecoveryCodes(ctx, at.Account, t.event)
		return err
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// mayMakeCodes looks anew at whether the account of a sign-in may still get recovery
// codes, under hold: they stand in for a factor, in the hands of whoever has the session.
func (s *Service) mayMakeCodes(ctx context.Context, t trial) error {
	at, err := s.stand(ctx, t.in.Data, t.b)
	if err != nil {
		return err
	}
	mine := at.Step == provider.StepCodes && at.Account != nil && at.Account.ID == t.account.ID
	open := at.Session != nil && at.Session.AccountID == t.account.ID
	if !mine || !open || !slices.ContainsFunc(at.Factors, strong) {
		return provider.OutOfTurn
	}
	return nil
}

// strong tells whether f is a factor that recovery codes can stand in for.
func strong(f provider.Factor) bool { return f.Kind.Strong() }

// SkipCodes goes on from provider.StepCodes without recovery codes. It fails with
// provider.OutOfTurn.
func (s *Service) SkipCodes(ctx context.Context, id string, b Browser) error {
	in, _, err := s.turn(ctx, id, b, provider.StepCodes)
	if err != nil {
		return err
	}
	in.Data.NoCodes = true
	return s.save(ctx, in)
}

// RecoveryLeft is how many unused recovery codes an account has.
func (s *Service) RecoveryLeft(ctx context.Context, accountID string) (int, error) {
	codes, err := s.store.RecoveryCodes(ctx, accountID)
	if err != nil {
		return 0, fmt.Errorf("read recovery codes: %w", err)
	}
	return len(codes), nil
}

// RecoveryCode tries a recovery code for a sign-in that stands at provider.StepVerify.
// It fails as TOTP does; what cannot be a code counts no attempt. The code is used up,
// its owner is told, and no device is trusted any more: whoever needs a recovery code
// has lost something, perhaps one of these.
func (s *Service) RecoveryCode(ctx context.Context, id string, b Browser, typed string) (Issued, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepVerify)
	if err != nil {
		return Issued{}, err
	}
	if !slices.Contains(at.Usable, provider.FactorRecovery) {
		return Issued{}, provider.OutOfTurn
	}
	code, ok := normalRecoveryCode(typed)
	if !ok {
		return Issued{}, provider.WrongCode
	}
	t := trial{in: in, b: b, account: at.Account, action: provider.ActionFactor, method: provider.MethodRecovery}
	counted, err := s.count(ctx, s.set.Factor, s.factorLane(at.Account))
	if err != nil {
		return Issued{}, s.refuseLocked(ctx, t, err)
	}
	codeID, err := s.matchRecovery(ctx, at.Account.ID, code)
	if err != nil {
		return Issued{}, err
	}
	if codeID == "" {
		return Issued{}, s.refuse(ctx, t, counted, provider.WrongCode)
	}
	s.prove(in, at.Account, provider.MethodRecovery)
	issued, err := s.accept(ctx, t, counted, at.Account.PasswordHash, func(ctx context.Context) error {
		return s.spendRecovery(ctx, t, at.Factors, codeID)
	})
	if errors.Is(err, provider.Spent) {
		return Issued{}, s.refuse(ctx, t, counted, provider.WrongCode)
	}
	return issued, err
}

// matchRecovery finds the unused code of an account that was typed; "" is none. All
// are compared, in constant time.
func (s *Service) matchRecovery(ctx context.Context, accountID, code string) (codeID string, err error) {
	codes, err := s.store.RecoveryCodes(ctx, accountID)
	if err != nil {
		return "", fmt.Errorf("read recovery codes: %w", err)
	}
	for _, c := range codes {
		if s.set.Keys.CheckMAC(provider.ForBackup, recoveryData(accountID, code), c.MAC) {
			codeID = c.ID
		}
	}
	return codeID, nil
}

// spendRecovery uses a code up, and takes the factor away with the last one. It runs
// in the transaction of the proof, after hold.
func (s *Service) spendRecovery(ctx context.Context, t trial, factors []provider.Factor, codeID string) error {
	if err := s.store.UseRecoveryCode(ctx, codeID); err != nil {
		return err
	}
	left, err := s.RecoveryLeft(ctx, t.account.ID)
	if err != nil {
		return err
	}
	for _, f := range factors {
		if f.Kind != provider.FactorRecovery {
			continue
		}
		if err := s.useUp(ctx, f.ID, left); err != nil {
			return err
		}
	}
	if err := s.distrust(ctx, t.account.ID); err != nil {
		return err
	}
	if err := s.record(ctx, t.event(provider.ActionRecoveryUsed, provider.OK)); err != nil {
		return err
	}
	return s.tell(ctx, t.account.ID, provider.MessageRecoveryUsed, provider.MessageData{
		Left: left, UserAgent: note(t.b.UserAgent), Address: note(t.b.Address),
	})
}

// useUp notes the use of the factor that stands for left recovery codes.
func (s *Service) useUp(ctx context.Context, factorID string, left int) error {
	if left > 0 {
		return s.touchFactor(ctx, factorID)
	}
	if err := s.store.DeleteFactor(ctx, factorID); err != nil && !errors.Is(err, provider.NotFound) {
		return fmt.Errorf("remove recovery factor: %w", err)
	}
	return nil
}

// touchFactor notes that a factor was used. One that was removed meanwhile proves
// nothing: provider.OutOfTurn.
func (s *Service) touchFactor(ctx context.Context, factorID string) error {
	err := s.store.TouchFactor(ctx, factorID, s.now())
	if errors.Is(err, provider.NotFound) {
		return provider.OutOfTurn
	}
	if err != nil {
		return fmt.Errorf("touch factor: %w", err)
	}
	return nil
}
