package storage

import (
	"context"
	"errors"
	"time"

	"cardea/provider"
)

type laneRow struct {
	provider.Lane
	Key     string `db:"lane_key"`
	First   stamp  `db:"first_at"`
	Until   stamp  `db:"until_at"`
	Expires stamp  `db:"expires_at"`
}

// Lane is the state of a lockout lane; one that has seen nothing is zero but for
// its Key.
func (s *Store) Lane(ctx context.Context, key string) (provider.Lane, error) {
	row, err := first[laneRow](ctx, s, `SELECT lane_key, subject, failures, total, locks, first_at, until_at, hard, version, expires_at
		FROM lanes WHERE lane_key = $1`, key)
	if errors.Is(err, provider.NotFound) {
		return provider.Lane{Key: key}, nil
	}
	l := row.Lane
	l.Key, l.First, l.Until, l.Expires = row.Key, time.Time(row.First), time.Time(row.Until), time.Time(row.Expires)
	return l, err
}

// SwapLane stores l in place of the state that it was made from, which l.Version
// tells; Changed when another attempt came in between: read it again.
func (s *Store) SwapLane(ctx context.Context, l provider.Lane) error {
	if l.Version == 0 {
		err := s.insert(ctx, `INSERT INTO lanes (lane_key, subject, failures, total, locks, first_at, until_at, hard, version, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9) ON CONFLICT DO NOTHING`,
			l.Key, l.Subject, l.Failures, l.Total, l.Locks, stamp(l.First), stamp(l.Until), l.Hard, stamp(l.Expires))
		if errors.Is(err, provider.Exists) {
			return provider.Changed
		}
		return err
	}
	return s.claim(ctx, provider.Changed, `UPDATE lanes SET subject = $1, failures = $2, total = $3, locks = $4, first_at = $5,
		until_at = $6, hard = $7, version = version + 1, expires_at = $8 WHERE lane_key = $9 AND version = $10`,
		l.Subject, l.Failures, l.Total, l.Locks, stamp(l.First), stamp(l.Until), l.Hard, stamp(l.Expires), l.Key, l.Version)
}

// ClearLanes forgets every lane of a subject, and with them their locks.
func (s *Store) ClearLanes(ctx context.Context, subject string) error {
	return s.claim(ctx, nil, `DELETE FROM lanes WHERE subject = $1`, subject)
}

// KnownDevice tells whether the browser that holds the token has signed in to the
// account before, and not too long ago.
func (s *Store) KnownDevice(ctx context.Context, tokenHash, accountID string, now time.Time) (bool, error) {
	var expires stamp
	err := s.one(ctx, `SELECT expires_at FROM known_devices WHERE token_hash = $1 AND account_id = $2`, []any{tokenHash, accountID}, &expires)
	if errors.Is(err, provider.NotFound) {
		return false, nil
	}
	return err == nil && now.Before(time.Time(expires)), err
}

// MoveDevice gives a browser another token: whatever accounts know it go on doing so.
func (s *Store) MoveDevice(ctx context.Context, oldHash, newHash string) error {
	return s.claim(ctx, nil, `UPDATE known_devices SET token_hash = $1 WHERE token_hash = $2`, newHash, oldHash)
}

// RememberDevice notes that the browser that holds the token has signed in to the
// account; one browser may know several.
func (s *Store) RememberDevice(ctx context.Context, tokenHash, accountID string, now, expires time.Time) error {
	_, err := s.exec(ctx, `INSERT INTO known_devices (token_hash, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (token_hash, account_id) DO UPDATE SET expires_at = excluded.expires_at`,
		tokenHash, accountID, stamp(now), stamp(expires))
	return err
}
