package storage

import (
	"context"
	"time"

	"cardea/provider"
)

type keyRow struct {
	provider.SigningKey
	Created   stamp `db:"created_at"`
	Activated stamp `db:"activated_at"`
	Retired   stamp `db:"retired_at"`
}

// SigningKeys lists every signing key, oldest first, sealed as they are stored.
func (s *Store) SigningKeys(ctx context.Context) ([]provider.SigningKey, error) {
	rows, err := all[keyRow](ctx, s, `SELECT id, algorithm, state, private, created_at, activated_at, retired_at
		FROM signing_keys ORDER BY created_at, id`)
	out := make([]provider.SigningKey, len(rows))
	for i, row := range rows {
		out[i] = row.SigningKey
		out[i].Created, out[i].Activated, out[i].Retired = time.Time(row.Created), time.Time(row.Activated), time.Time(row.Retired)
	}
	return out, err
}

// AddSigningKey adds a key; Exists when its id is taken, or its algorithm has one
// in that state already (next, current).
func (s *Store) AddSigningKey(ctx context.Context, k provider.SigningKey) error {
	return s.changing(ctx, Keys, func(ctx context.Context) error {
		return s.insert(ctx, `INSERT INTO signing_keys (id, algorithm, state, private, created_at, activated_at, retired_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			k.ID, k.Algorithm, string(k.State), k.Private, stamp(k.Created), stamp(k.Activated), stamp(k.Retired))
	})
}

// RotateSigningKey makes an algorithm's next key its current one, and the current
// one previous; NotFound when there is no next one, Changed when somebody else
// rotated meanwhile.
func (s *Store) RotateSigningKey(ctx context.Context, algorithm string, at time.Time) error {
	return s.changing(ctx, Keys, func(ctx context.Context) error {
		var next string
		err := s.one(ctx, `SELECT id FROM signing_keys WHERE algorithm = $1 AND state = 'next'`, []any{algorithm}, &next)
		if err != nil {
			return err
		}
		if err := s.claim(ctx, nil, `UPDATE signing_keys SET state = 'previous', retired_at = $1 WHERE algorithm = $2 AND state = 'current'`,
			stamp(at), algorithm); err != nil {
			return err
		}
		return s.claim(ctx, provider.Changed, `UPDATE signing_keys SET state = 'current', activated_at = $1 WHERE id = $2 AND state = 'next'`,
			stamp(at), next)
	})
}

// DeleteSigningKey removes a previous key; NotFound also for one that is in use.
func (s *Store) DeleteSigningKey(ctx context.Context, id string) error {
	return s.changing(ctx, Keys, func(ctx context.Context) error {
		return s.claim(ctx, provider.NotFound, `DELETE FROM signing_keys WHERE id = $1 AND state = 'previous'`, id)
	})
}
