package storage

import (
	"context"
	"errors"
	"time"

	"cardea/provider"
)

// TrustDevice stores a trusted device; the same browser of the same account is stored
// once, with the new times.
func (s *Store) TrustDevice(ctx context.Context, d *provider.TrustedDevice) error {
	_, err := s.exec(ctx, `INSERT INTO trusted_devices (id, token_hash, account_id, user_agent, address, created_at, last_used_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (token_hash, account_id) DO UPDATE SET user_agent = excluded.user_agent,
		address = excluded.address, created_at = excluded.created_at, last_used_at = excluded.last_used_at, expires_at = excluded.expires_at`,
		d.ID, d.TokenHash, d.AccountID, clean(d.UserAgent), clean(d.Address), stamp(d.Created), stamp(d.LastUsed), stamp(d.Expires))
	return err
}

// Trusted tells whether the account trusts the browser that holds the token, at now.
func (s *Store) Trusted(ctx context.Context, tokenHash, accountID string, now time.Time) (bool, error) {
	var expires stamp
	err := s.one(ctx, `SELECT expires_at FROM trusted_devices WHERE token_hash = $1 AND account_id = $2`, []any{tokenHash, accountID}, &expires)
	if errors.Is(err, provider.NotFound) {
		return false, nil
	}
	return err == nil && now.Before(time.Time(expires)), err
}

// MoveTrusted gives a browser another token: whatever accounts trust it go on doing so.
func (s *Store) MoveTrusted(ctx context.Context, oldHash, newHash string) error {
	return s.claim(ctx, nil, `UPDATE trusted_devices SET token_hash = $1 WHERE token_hash = $2`, newHash, oldHash)
}

// TouchTrusted notes that a trusted device was used at; nothing when it is gone.
func (s *Store) TouchTrusted(ctx context.Context, tokenHash, accountID string, at time.Time) error {
	return s.claim(ctx, nil, `UPDATE trusted_devices SET last_used_at = $1 WHERE token_hash = $2 AND account_id = $3 AND last_used_at < $1`,
		stamp(at), tokenHash, accountID)
}

type trustedRow struct {
	provider.TrustedDevice
	Created  stamp `db:"created_at"`
	LastUsed stamp `db:"last_used_at"`
	Expires  stamp `db:"expires_at"`
}

// TrustedDevices lists the devices that an account trusts at now, newest first.
func (s *Store) TrustedDevices(ctx context.Context, accountID string, now time.Time) ([]provider.TrustedDevice, error) {
	rows, err := all[trustedRow](ctx, s, `SELECT id, token_hash, account_id, user_agent, address, created_at, last_used_at, expires_at
		FROM trusted_devices WHERE account_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id`, accountID, stamp(now))
	out := make([]provider.TrustedDevice, len(rows))
	for i, r := range rows {
		out[i] = r.TrustedDevice
		out[i].Created, out[i].LastUsed, out[i].Expires = time.Time(r.Created), time.Time(r.LastUsed), time.Time(r.Expires)
	}
	return out, err
}

// DistrustDevice ends the trust in one device of an account; NotFound, also for
// another account's.
func (s *Store) DistrustDevice(ctx context.Context, accountID, id string) error {
	return s.claim(ctx, provider.NotFound, `DELETE FROM trusted_devices WHERE id = $1 AND account_id = $2`, id, accountID)
}

// DistrustDevices ends the trust in all devices of an account.
func (s *Store) DistrustDevices(ctx context.Context, accountID string) error {
	return s.claim(ctx, nil, `DELETE FROM trusted_devices WHERE account_id = $1`, accountID)
}
