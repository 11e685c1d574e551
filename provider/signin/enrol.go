package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"cardea/provider"
)

// Enrolment is what an authenticator app needs to be set up.
type Enrolment struct {
	Key    string // the secret in base32, without padding
	URI    string // otpauth: address with it (Key Uri Format)
	QRSize int    // modules along one side of the URI's QR code, without the quiet zone
	QRPath string // SVG path data of its dark modules, one unit per module
}

// Enrolment begins setting up an authenticator app in a sign-in that stands at
// provider.StepEnrol, or shows the same secret again. The factor protects nothing
// until ConfirmTOTP.
func (s *Service) Enrolment(ctx context.Context, id string, b Browser) (Enrolment, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepEnrol)
	if err != nil {
		return Enrolment{}, err
	}
	key, err := s.pendingKey(ctx, in, at.Account)
	if errors.Is(err, provider.NotFound) {
		key, err = s.begin(ctx, in, at.Account)
	}
	if err != nil {
		return Enrolment{}, err
	}
	return s.show(key, at.Account.UserID)
}

// pendingKey is the secret of the enrolment under way: provider.NotFound when there
// is none for this account.
func (s *Service) pendingKey(ctx context.Context, in *provider.SignIn, a *provider.Account) (string, error) {
	if in.Data.Enrolling == "" {
		return "", provider.NotFound
	}
	f, err := s.store.Factor(ctx, in.Data.Enrolling)
	if err != nil {
		return "", fmt.Errorf("read enrolment: %w", err)
	}
	if f.AccountID != a.ID || f.Confirmed {
		return "", provider.NotFound
	}
	return s.seed(*f)
}

// begin makes a new unconfirmed factor in place of any that was given up.
func (s *Service) begin(ctx context.Context, in *provider.SignIn, a *provider.Account) (string, error) {
	factor, key := s.newFactor(a.ID, "")
	in.Data.Enrolling = factor.ID
	return key, s.store.InTx(ctx, func(ctx context.Context) error {
		row := *in // saving moves the version, and the transaction may be tried again
		if err := s.store.DeleteUnconfirmedFactors(ctx, a.ID); err != nil {
			return fmt.Errorf("drop old enrolment: %w", err)
		}
		if err := s.store.CreateFactor(ctx, factor); err != nil {
			return fmt.Errorf("begin enrolment: %w", err)
		}
		return s.save(ctx, &row)
	})
}

// newFactor is an unconfirmed TOTP factor with a fresh secret, and that secret in
// base32.
func (s *Service) newFactor(accountID, name string) (*provider.Factor, string) {
	seed := make([]byte, seedBytes)
	_, _ = rand.Read(seed) // crypto/rand never fails: it ends the program instead
	f := &provider.Factor{ID: provider.NewID(), AccountID: accountID, Kind: provider.FactorTOTP, Name: name, Created: s.now()}
	f.Secret = s.set.Keys.Seal(provider.ForSealing, seed, provider.AAD("factors", "secret", f.ID))
	return f, seedText.EncodeToString(seed)
}

// show writes out a secret for apps.
func (s *Service) show(key, userID string) (Enrolment, error) {
	uri := keyURI(s.set.Issuer, userID, key)
	size, path, err := qrPath(uri)
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Key: key, URI: uri, QRSize: size, QRPath: path}, nil
}

// keyURI is the address that apps read a secret from, by the Key Uri Format: the
// label is "issuer:User ID". It is not otp's: that leaves & as it is, and a brand
// name with one would end the parameter. Spaces are %20, because some apps show +.
func keyURI(issuer, userID, key string) string {
	issuer = strings.ReplaceAll(issuer, ":", " ") // a colon ends the issuer in the label
	q := url.Values{
		"secret": {key}, "issuer": {issuer}, "algorithm": {totpHash.String()},
		"digits": {totpDigits.String()}, "period": {strconv.Itoa(totpPeriod)},
	}
	return "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(userID) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// ConfirmTOTP ends an enrolment with the app's first code, which also counts as this
// sign-in's second factor. It fails with provider.WrongCode, and with
// provider.OutOfTurn when there is no enrolment to confirm. Wrong codes are not
// counted: whoever sees the secret has nothing to guess.
func (s *Service) ConfirmTOTP(ctx context.Context, id string, b Browser, code string) (Issued, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepEnrol)
	if err != nil {
		return Issued{}, err
	}
	t := trial{in: in, b: b, account: at.Account, action: provider.ActionFactorAdded, method: provider.AMROneTime}
	key, err := s.pendingKey(ctx, in, at.Account)
	if errors.Is(err, provider.NotFound) {
		return Issued{}, provider.OutOfTurn
	}
	if err != nil {
		return Issued{}, err
	}
	code, ok := sixDigits(code)
	if !ok {
		return Issued{}, provider.WrongCode
	}
	step, err := s.match(key, code)
	if err != nil {
		return Issued{}, err
	}
	if step == 0 {
		return Issued{}, s.refuseEnrolment(ctx, t)
	}
	return s.confirm(ctx, t, step)
}

func (s *Service) refuseEnrolment(ctx context.Context, t trial) error {
	if err := s.record(ctx, t.event(t.action, provider.Refused)); err != nil {
		return err
	}
	return provider.WrongCode
}

// confirm makes the pending factor the account's, unless one was confirmed elsewhere
// meanwhile: an enrolment must not add a second factor to somebody who has one.
func (s *Service) confirm(ctx context.Context, t trial, step int64) (Issued, error) {
	factorID := t.in.Data.Enrolling
	t.in.Data.Enrolling = ""
	s.addCode(t.in, t.account)
	var issued Issued
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.hold(ctx, t.account, t.account.PasswordHash); err != nil {
			return err
		}
		factors, err := s.store.Factors(ctx, t.account.ID)
		if err != nil {
			return fmt.Errorf("read factors: %w", err)
		}
		for _, f := range factors {
			if f.Confirmed {
				return provider.OutOfTurn
			}
		}
		if err := s.store.ConfirmFactor(ctx, factorID, step, s.now()); err != nil {
			return err
		}
		if err := s.record(ctx, t.event(t.action, provider.OK)); err != nil {
			return err
		}
		if err := s.tell(ctx, t.account.ID, provider.MessageFactorAdded, provider.MessageData{}); err != nil {
			return err
		}
		issued, err = s.raise(ctx, t.in, t.b)
		return err
	})
	if errors.Is(err, provider.Spent) || errors.Is(err, provider.NotFound) {
		err = provider.OutOfTurn
	}
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}
