package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
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
// provider.StepEnrol, or shows the same secret again: provider.OutOfTurn where an app
// may not be set up, also when the account has as many as it can have. The factor protects nothing until ConfirmTOTP.
func (s *Service) Enrolment(ctx context.Context, id string, b Browser) (Enrolment, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepEnrol)
	if err != nil {
		return Enrolment{}, err
	}
	if !at.apps() {
		return Enrolment{}, provider.OutOfTurn
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

// maxApps is how many authenticator apps one account has at most: every one more is
// another code that a guess may meet.
const maxApps = 10

func roomForApp(factors []provider.Factor) bool {
	apps := 0
	for _, f := range factors {
		if f.Kind == provider.FactorTOTP {
			apps++
		}
	}
	return apps < maxApps
}

// apps tells whether an authenticator app may be set up where the sign-in stands.
func (at *standing) apps() bool {
	return slices.Contains(at.Enrollable, provider.FactorTOTP) && roomForApp(at.Factors)
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
	if !at.apps() {
		return Issued{}, provider.OutOfTurn
	}
	t := trial{in: in, b: b, account: at.Account, action: provider.ActionFactorAdded, method: provider.MethodTOTP}
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

// confirm makes the pending factor the account's.
func (s *Service) confirm(ctx context.Context, t trial, step int64) (Issued, error) {
	var issued Issued
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		row, at, err := s.stillEnrolling(ctx, t)
		if err != nil {
			return err
		}
		if !at.apps() {
			return provider.OutOfTurn
		}
		if err := s.store.ConfirmFactor(ctx, row.Data.Enrolling, step, s.now()); err != nil {
			return err
		}
		row.Data.Enrolling = ""
		s.prove(row, t.account, provider.MethodTOTP)
		if err := s.added(ctx, t, row, provider.Factor{Kind: provider.FactorTOTP}); err != nil {
			return err
		}
		issued, err = s.raise(ctx, row, t.b)
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

// stillEnrolling takes the account for the rest of the transaction and looks anew at where
// an enrolment stands, on a copy of the sign-in: provider.OutOfTurn when it no longer
// stands at provider.StepEnrol. So nobody who has shown just a password adds a factor
// beside one that was confirmed elsewhere meanwhile.
func (s *Service) stillEnrolling(ctx context.Context, t trial) (*provider.SignIn, *standing, error) {
	if err := s.hold(ctx, t.account, t.account.PasswordHash); err != nil {
		return nil, nil, err
	}
	row := *t.in // saving moves the version, and the transaction may be tried again
	at, err := s.stand(ctx, row.Data, t.b)
	if err != nil {
		return nil, nil, err
	}
	if at.Step != provider.StepEnrol || at.Account == nil || at.Account.ID != t.account.ID {
		return nil, nil, provider.OutOfTurn
	}
	return &row, at, nil
}

// added completes the setting up of a factor, in the transaction that confirms it: the
// sign-in's task is done, devices are no longer trusted, and it is audited and told.
func (s *Service) added(ctx context.Context, t trial, row *provider.SignIn, f provider.Factor) error {
	row.Data.Enrolled = true
	if row.Data.Task.Kind() == f.Kind {
		row.Data.Task = ""
	}
	if err := s.distrust(ctx, t.account.ID); err != nil {
		return err
	}
	event := t.event(provider.ActionFactorAdded, provider.OK)
	event.Method = string(f.Kind)
	if f.Kind == provider.FactorTOTP {
		event.Method = provider.MethodTOTP
	}
	if err := s.record(ctx, event); err != nil {
		return err
	}
	return s.tell(ctx, t.account.ID, provider.MessageFactorAdded, provider.MessageData{
		Name: f.Name, Factor: string(f.Kind), UserAgent: note(t.b.UserAgent), Address: note(t.b.Address),
	})
}
