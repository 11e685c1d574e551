package storage

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"cardea/provider"
)

// accountDest is where the accountColumns of a row go.
func accountDest(a *provider.Account) []any {
	return []any{
		&a.ID, &a.UserID, &a.PasswordHash, (*stamp)(&a.PasswordChanged), (*string)(&a.Status), &a.Locale, into{&a.Profile},
		(*stamp)(&a.Created), (*stamp)(&a.Updated), (*stamp)(&a.EmailChanged), (*stamp)(&a.PhoneChanged),
	}
}

const accountColumns = `id, user_id, password_hash, password_changed_at, status, locale, profile, created_at, updated_at, email_changed_at, phone_changed_at`

// CreateAccount adds an account; Exists when its id or its folded User ID is taken.
func (s *Store) CreateAccount(ctx context.Context, a *provider.Account) error {
	return s.insert(ctx, `INSERT INTO accounts (`+accountColumns+`, user_id_folded)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		a.ID, a.UserID, a.PasswordHash, stamp(a.PasswordChanged), string(a.Status), a.Locale,
		object[provider.Profile]{a.Profile}, stamp(a.Created), stamp(a.Updated), stamp(a.EmailChanged), stamp(a.PhoneChanged), provider.FoldUserID(a.UserID))
}

// Account is the account with an id; NotFound.
func (s *Store) Account(ctx context.Context, id string) (*provider.Account, error) {
	var a provider.Account
	if err := s.one(ctx, `SELECT `+accountColumns+` FROM accounts WHERE id = $1`, []any{id}, accountDest(&a)...); err != nil {
		return nil, err
	}
	return &a, nil
}

// AccountStatus is only the status of the account with an id; NotFound.
func (s *Store) AccountStatus(ctx context.Context, id string) (status provider.AccountStatus, err error) {
	err = s.one(ctx, `SELECT status FROM accounts WHERE id = $1`, []any{id}, (*string)(&status))
	return status, err
}

// AccountByUserID is the account whose User ID is exactly what was typed, case
// included, after normalisation; NotFound.
func (s *Store) AccountByUserID(ctx context.Context, userID string) (*provider.Account, error) {
	var a provider.Account
	err := s.one(ctx, `SELECT `+accountColumns+` FROM accounts WHERE user_id_folded = $1 AND user_id = $2`,
		[]any{provider.FoldUserID(userID), provider.NormalUserID(userID)}, accountDest(&a)...)
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// Accounts lists accounts in the order of their folded User IDs, from the one after
// the User ID given ("" = from the first).
func (s *Store) Accounts(ctx context.Context, after string, limit int) ([]provider.Account, error) {
	var out []provider.Account
	err := s.rows(ctx, `SELECT `+accountColumns+` FROM accounts WHERE user_id_folded > $1 ORDER BY user_id_folded LIMIT $2`,
		[]any{provider.FoldUserID(after), limit}, func(r *sqlx.Rows) error {
			var a provider.Account
			err := r.Scan(accountDest(&a)...)
			out = append(out, a)
			return err
		})
	return out, err
}

// SetPassword stores a new password's hash; NotFound.
func (s *Store) SetPassword(ctx context.Context, accountID, hash string, at time.Time) error {
	return s.claim(ctx, provider.NotFound, `UPDATE accounts SET password_hash = $1, password_changed_at = $2, updated_at = $2 WHERE id = $3`,
		hash, stamp(at), accountID)
}

// RehashPassword replaces the hash of an unchanged password; Changed when oldHash
// is no longer the one stored.
func (s *Store) RehashPassword(ctx context.Context, accountID, oldHash, newHash string) error {
	return s.claim(ctx, provider.Changed, `UPDATE accounts SET password_hash = $1 WHERE id = $2 AND password_hash = $3`,
		newHash, accountID, oldHash)
}

// SetAccountStatus lets an account sign in or not; NotFound. It ends nothing that
// is under way: see EndAccount.
func (s *Store) SetAccountStatus(ctx context.Context, accountID string, status provider.AccountStatus, at time.Time) error {
	return s.claim(ctx, provider.NotFound, `UPDATE accounts SET status = $1, updated_at = $2 WHERE id = $3`,
		string(status), stamp(at), accountID)
}

// UpdateProfile stores the profile, with the times of its contacts, the locale and
// Updated of a; NotFound.
func (s *Store) UpdateProfile(ctx context.Context, a *provider.Account) error {
	return s.claim(ctx, provider.NotFound, `UPDATE accounts SET profile = $1, locale = $2, updated_at = $3, email_changed_at = $4,
		phone_changed_at = $5 WHERE id = $6`,
		object[provider.Profile]{a.Profile}, a.Locale, stamp(a.Updated), stamp(a.EmailChanged), stamp(a.PhoneChanged), a.ID)
}

// DeleteAccount removes an account with all that hangs on it, in one transaction;
// NotFound. Its grants stay, revoked, until their time is over.
func (s *Store) DeleteAccount(ctx context.Context, accountID string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := s.EndAccount(ctx, accountID, time.Now()); err != nil {
			return err
		}
		for _, text := range []string{
			`DELETE FROM factors WHERE account_id = $1`,
			`DELETE FROM consents WHERE account_id = $1`,
			`DELETE FROM recovery_codes WHERE account_id = $1`,
		} {
			if err := s.claim(ctx, nil, text, accountID); err != nil {
				return err
			}
		}
		return s.claim(ctx, provider.NotFound, `DELETE FROM accounts WHERE id = $1`, accountID)
	})
}

// EndOthers ends what the account has open outside the session with the sid: sessions,
// codes and grants, also those for offline access. One transaction.
func (s *Store) EndOthers(ctx context.Context, accountID, sid string, at time.Time) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		for _, text := range []string{ // codes before grants, as in EndAccount
			`DELETE FROM sessions WHERE account_id = $1 AND sid <> $2`,
			`DELETE FROM codes WHERE account_id = $1 AND sid <> $2 AND used_at = 0`,
		} {
			if err := s.claim(ctx, nil, text, accountID, sid); err != nil {
				return err
			}
		}
		return s.claim(ctx, nil, `UPDATE grants SET revoked_at = $1 WHERE account_id = $2 AND sid <> $3 AND revoked_at = 0`, stamp(at), accountID, sid)
	})
}

// EndAccount ends everything that the account has open: sessions, sign-ins under
// way, codes, grants; and forgets its devices. One transaction.
func (s *Store) EndAccount(ctx context.Context, accountID string, at time.Time) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		for _, text := range []string{
			`DELETE FROM sessions WHERE account_id = $1`,
			`DELETE FROM known_devices WHERE account_id = $1`,
			`DELETE FROM trusted_devices WHERE account_id = $1`,
			`DELETE FROM signins WHERE account_id = $1 AND account_id <> ''`,
		} {
			if err := s.claim(ctx, nil, text, accountID); err != nil {
				return err
			}
		}
		// Codes before grants: a redemption under way either loses its code here, or
		// has committed its grant by the time that the grants are revoked.
		if err := s.claim(ctx, nil, `DELETE FROM codes WHERE account_id = $1 AND expires_at > $2 AND used_at = 0`, accountID, stamp(at)); err != nil {
			return err
		}
		return s.claim(ctx, nil, `UPDATE grants SET revoked_at = $1 WHERE account_id = $2 AND revoked_at = 0`, stamp(at), accountID)
	})
}
