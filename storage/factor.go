package storage

import (
	"context"
	"time"

	"cardea/provider"
)

type factorRow struct {
	provider.Factor
	Credential string
	Passkey    object[*provider.Passkey]
	Created    stamp `db:"created_at"`
	LastUsed   stamp `db:"last_used_at"`
}

func (r factorRow) factor() *provider.Factor {
	f := r.Factor
	if f.Passkey = r.Passkey.v; f.Passkey != nil {
		f.Passkey.CredentialID = r.Credential
	}
	f.Created, f.LastUsed = time.Time(r.Created), time.Time(r.LastUsed)
	return &f
}

const factorColumns = `id, account_id, kind, name, secret, last_step, confirmed, created_at, last_used_at, credential, passkey`

// CreateFactor adds a factor; Exists when its id or its credential is taken, by any
// account, or when the account has one of a kind that it can have one of; NotFound
// when its account is gone.
func (s *Store) CreateFactor(ctx context.Context, f *provider.Factor) error {
	credential, secret := "", f.Secret
	if f.Passkey != nil {
		credential = f.Passkey.CredentialID
	}
	if secret == nil {
		secret = []byte{}
	}
	return s.insert(ctx, `INSERT INTO factors (`+factorColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		f.ID, f.AccountID, string(f.Kind), f.Name, secret, f.LastStep, f.Confirmed, stamp(f.Created), stamp(f.LastUsed),
		credential, object[*provider.Passkey]{f.Passkey})
}

// FactorByCredential is the passkey with a credential id, whose account is whoever
// answers with it; NotFound.
func (s *Store) FactorByCredential(ctx context.Context, credentialID string) (*provider.Factor, error) {
	if credentialID == "" {
		return nil, provider.NotFound
	}
	row, err := first[factorRow](ctx, s, `SELECT `+factorColumns+` FROM factors WHERE credential = $1 AND credential <> ''`, credentialID)
	if err != nil {
		return nil, err
	}
	return row.factor(), nil
}

// Factor is the factor with an id; NotFound.
func (s *Store) Factor(ctx context.Context, id string) (*provider.Factor, error) {
	row, err := first[factorRow](ctx, s, `SELECT `+factorColumns+` FROM factors WHERE id = $1`, id)
	if err != nil {
		return nil, err
	}
	return row.factor(), nil
}

// Factors lists an account's factors, confirmed or not, oldest first.
func (s *Store) Factors(ctx context.Context, accountID string) ([]provider.Factor, error) {
	rows, err := all[factorRow](ctx, s, `SELECT `+factorColumns+` FROM factors WHERE account_id = $1 ORDER BY created_at, id`, accountID)
	out := make([]provider.Factor, len(rows))
	for i, row := range rows {
		out[i] = *row.factor()
	}
	return out, err
}

// ConfirmFactor makes an unconfirmed factor count, once; Spent when it was
// confirmed before or is gone. step is the TOTP step of the code that proved it:
// that code cannot be used again.
func (s *Store) ConfirmFactor(ctx context.Context, id string, step int64, at time.Time) error {
	return s.claim(ctx, provider.Spent, `UPDATE factors SET confirmed = TRUE, last_step = $1, last_used_at = $2 WHERE id = $3 AND NOT confirmed`,
		step, stamp(at), id)
}

// UseTOTPStep accepts a code's time step once; Spent when this step or a later one
// was accepted before, or the factor is not confirmed or gone.
func (s *Store) UseTOTPStep(ctx context.Context, id string, step int64, at time.Time) error {
	return s.claim(ctx, provider.Spent, `UPDATE factors SET last_step = $1, last_used_at = $2 WHERE id = $3 AND last_step < $1 AND confirmed`,
		step, stamp(at), id)
}

// UsePasskey notes the use of a passkey, with what it said of itself: Spent when its
// counter is not above the one before, unless both are 0 (WebAuthn Level 3 §6.1.1),
// or the passkey is gone.
func (s *Store) UsePasskey(ctx context.Context, f *provider.Factor, counter int64, at time.Time) error {
	return s.claim(ctx, provider.Spent, `UPDATE factors SET last_step = $1, last_used_at = $2, passkey = $3
		WHERE id = $4 AND confirmed AND (last_step < $1 OR last_step = 0 AND $1 = 0)`,
		counter, stamp(at), object[*provider.Passkey]{f.Passkey}, f.ID)
}

// TouchFactor notes that a factor was used at.
func (s *Store) TouchFactor(ctx context.Context, id string, at time.Time) error {
	return s.claim(ctx, provider.NotFound, `UPDATE factors SET last_used_at = $1 WHERE id = $2`, stamp(at), id)
}

// RenameFactor gives a factor of an account another name; NotFound, also for another
// account's.
func (s *Store) RenameFactor(ctx context.Context, accountID, id, name string) error {
	return s.claim(ctx, provider.NotFound, `UPDATE factors SET name = $1 WHERE id = $2 AND account_id = $3`, name, id, accountID)
}

// DeleteFactor removes a factor; NotFound.
func (s *Store) DeleteFactor(ctx context.Context, id string) error {
	return s.claim(ctx, provider.NotFound, `DELETE FROM factors WHERE id = $1`, id)
}

// DropEnrolment forgets an enrolment that was given up; nothing when it was finished.
func (s *Store) DropEnrolment(ctx context.Context, id string) error {
	return s.claim(ctx, nil, `DELETE FROM factors WHERE id = $1 AND NOT confirmed`, id)
}

// DeleteUnconfirmedFactors forgets an account's enrolments that were never finished.
func (s *Store) DeleteUnconfirmedFactors(ctx context.Context, accountID string) error {
	return s.claim(ctx, nil, `DELETE FROM factors WHERE account_id = $1 AND NOT confirmed`, accountID)
}
