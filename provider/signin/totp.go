package signin

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"cardea/provider"
)

// The parameters of our time-based codes (RFC 6238): those that every app knows.
const (
	totpPeriod = 30 // seconds
	totpDigits = otp.DigitsSix
	totpHash   = otp.AlgorithmSHA1
	seedBytes  = 20 // 160 bits (RFC 4226 §4 R6)
)

var seedText = base32.StdEncoding.WithPadding(base32.NoPadding)

// TOTP tries a code of an authenticator app for a sign-in that stands at
// provider.StepVerify. It fails with *provider.LockedError, with *AttemptError for
// provider.WrongCode, with bare provider.WrongCode for what is not six digits, which
// counts no attempt, or with provider.OutOfTurn, also when the app may not be used
// here. trust makes the browser a trusted device, where that was offered. Every code is good once, and none
// that is older than the last one used.
func (s *Service) TOTP(ctx context.Context, id string, b Browser, code string, trust bool) (Issued, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepVerify)
	if err != nil {
		return Issued{}, err
	}
	if !slices.Contains(at.Usable, provider.FactorTOTP) {
		return Issued{}, provider.OutOfTurn
	}
	code, ok := sixDigits(code)
	if !ok {
		return Issued{}, provider.WrongCode
	}
	t := trial{in: in, b: b, account: at.Account, action: provider.ActionFactor, method: provider.MethodTOTP, trust: trust && at.TrustHelps}
	counted, err := s.count(ctx, s.set.Factor, s.factorLane(at.Account))
	if err != nil {
		return Issued{}, s.refuseLocked(ctx, t, err)
	}
	factorID, step, err := s.matchAny(at.Factors, code)
	if err != nil {
		return Issued{}, err
	}
	if factorID == "" {
		return Issued{}, s.refuse(ctx, t, counted, provider.WrongCode)
	}
	s.prove(in, at.Account, provider.MethodTOTP)
	issued, err := s.accept(ctx, t, counted, at.Account.PasswordHash, func(ctx context.Context) error {
		return s.store.UseTOTPStep(ctx, factorID, step, s.now())
	})
	if errors.Is(err, provider.Spent) {
		return Issued{}, s.refuse(ctx, t, counted, provider.WrongCode)
	}
	return issued, err
}

// prove adds methods to what the account's owner has shown within the sign-in.
func (s *Service) prove(in *provider.SignIn, a *provider.Account, methods ...string) {
	in.Data.Proof = provider.Proof{AccountID: a.ID, Methods: provider.AddMethods(in.Data.Proof.Methods, methods...), At: s.now()}
}

// SixDigits tells whether what was typed is a code at all, once spaces and dashes
// are left out.
func SixDigits(typed string) bool {
	_, ok := sixDigits(typed)
	return ok
}

// sixDigits is a typed code without spaces and dashes, and whether it is one.
func sixDigits(typed string) (string, bool) {
	code := strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' || r == '\t' {
			return -1
		}
		return r
	}, typed)
	if len(code) != totpDigits.Length() || strings.Trim(code, "0123456789") != "" {
		return "", false
	}
	return code, true
}

// matchAny finds the confirmed factor and the time step that a code belongs to; no
// factor is "".
func (s *Service) matchAny(factors []provider.Factor, code string) (factorID string, step int64, err error) {
	for _, f := range factors {
		if f.Kind != provider.FactorTOTP {
			continue
		}
		seed, err := s.seed(f)
		if err != nil {
			return "", 0, err
		}
		at, err := s.match(seed, code)
		if err != nil {
			return "", 0, err
		}
		if at > 0 && factorID == "" {
			factorID, step = f.ID, at
		}
	}
	return factorID, step, nil
}

// seed opens the sealed secret of a factor, as base32.
func (s *Service) seed(f provider.Factor) (string, error) {
	secret, err := s.set.Keys.Open(provider.ForSealing, f.Secret, provider.AAD("factors", "secret", f.ID))
	if err != nil {
		return "", fmt.Errorf("open secret of factor %s: %w", f.ID, err)
	}
	return seedText.EncodeToString(secret), nil
}

// match is the newest time step of the window that code belongs to, 0 for none. All
// steps are computed and compared in constant time.
func (s *Service) match(seed, code string) (int64, error) {
	var found int64
	now, window := timeStep(s.now()), int64(s.set.TOTPWindow)
	for step := now + window; step >= now-window; step-- {
		want, err := hotp.GenerateCodeCustom(seed, uint64(step), hotp.ValidateOpts{Digits: totpDigits, Algorithm: totpHash})
		if err != nil {
			return 0, fmt.Errorf("compute code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && found == 0 {
			found = step
		}
	}
	return found, nil
}

// timeStep is the number of the TOTP period that t lies in (RFC 6238 §4.2).
func timeStep(t time.Time) int64 { return t.Unix() / totpPeriod }
