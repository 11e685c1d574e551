package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"cardea/provider"
)

// CreateMessage puts a notice into the outbox, in the transaction of ctx.
func (s *Store) CreateMessage(ctx context.Context, m *provider.Message) error {
	data, err := json.Marshal(m.Data)
	if err != nil {
		return fmt.Errorf("storage: encoding a message: %w", err)
	}
	return s.insert(ctx, `INSERT INTO messages (id, account_id, kind, data, attempts, created_at, due_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		m.ID, m.AccountID, string(m.Kind), string(data), m.Attempts, stamp(m.Created), stamp(m.Due), stamp(m.Expires))
}

// messageRow is a row of messages.
type messageRow struct {
	ID        string `db:"id"`
	AccountID string `db:"account_id"`
	Kind      string `db:"kind"`
	Data      string `db:"data"`
	Attempts  int    `db:"attempts"`
	Created   stamp  `db:"created_at"`
	Due       stamp  `db:"due_at"`
	Expires   stamp  `db:"expires_at"`
}

// DueMessages are at most limit notices that are due at now, the longest waiting first.
func (s *Store) DueMessages(ctx context.Context, now time.Time, limit int) ([]provider.Message, error) {
	rows, err := all[messageRow](ctx, s, `SELECT id, account_id, kind, data, attempts, created_at, due_at, expires_at FROM messages
		WHERE due_at <= $1 AND expires_at > $1 ORDER BY due_at LIMIT $2`, stamp(now), limit)
	if err != nil {
		return nil, err
	}
	out := make([]provider.Message, len(rows))
	for i, r := range rows {
		out[i] = provider.Message{
			ID: r.ID, AccountID: r.AccountID, Kind: provider.MessageKind(r.Kind), Attempts: r.Attempts,
			Created: time.Time(r.Created), Due: time.Time(r.Due), Expires: time.Time(r.Expires),
		}
		if err := json.Unmarshal([]byte(r.Data), &out[i].Data); err != nil {
			return nil, fmt.Errorf("storage: decoding a message: %w", err)
		}
	}
	return out, nil
}

// LeaseMessage takes a due notice for delivery until the lease ends: Spent when
// another process has taken it. Who does not delete it before then leaves it to be
// tried again.
func (s *Store) LeaseMessage(ctx context.Context, m provider.Message, until time.Time) error {
	return s.claim(ctx, provider.Spent, `UPDATE messages SET due_at = $1, attempts = attempts + 1 WHERE id = $2 AND due_at = $3`,
		stamp(until), m.ID, stamp(m.Due))
}

// DeleteMessage forgets a notice that was delivered, or never can be.
func (s *Store) DeleteMessage(ctx context.Context, id string) error {
	_, err := s.exec(ctx, `DELETE FROM messages WHERE id = $1`, id)
	return err
}
