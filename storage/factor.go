package storage

import (
	"context"
	"time"

	"cardea/provider"
)

type factorRow struct {
	provider.Factor
	Created  stamp `db:"created_at"`
	LastUsed stamp `db:"last_used_at"`
}

func (r factorRow) factor() *provider.Factor {
	f := r.Factor
	f.Created, f.LastUsed = time.Time(r.Created), time.Time(r.LastUsed)
	return &f
}

const factorColumns = `id, account_id, kind, name, secret, last_step, confirmed, created_at, last_used_at`

// CreateFactor adds a factor; Exists when its id is taken, NotFound when its
// account is gone.
func (s *Store) CreateFactor(ctx context.Context, f *provider.Factor) error {
	return s.insert(ctx, `INSERT INTO factors (`+factorColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		f.ID, f.AccountID, string(f.Kind), f.Name, f.Secret, f.LastStep, f.Confirmed, stamp(f.Created), stamp(f.LastUsed))
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

// DeleteFactor removes a factor; NotFound.
func (s *Store) DeleteFactor(ctx context.Context, id string) error {
	return s.claim(ctx, provider.NotFound, `DELETE FROM factors WHERE id = $1`, id)
}

// DeleteUnconfirmedFactors forgets an account's enrolments that were never finished.
func (s *Store) DeleteUnconfirmedFactors(ctx context.Context, accountID string) error {
	return s.claim(ctx, nil, `DELETE FROM factors WHERE account_id = $1 AND NOT confirmed`, accountID)
}
