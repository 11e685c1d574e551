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
	channel := m.Channel
	if channel == "" {
		channel = provider.ChannelMail
	}
	urgency := 1
	if m.Kind.Code() {
		urgency = 0
	}
	data, err := json.Marshal(m.Data)
	if err != nil {
		return fmt.Errorf("storage: encoding a message: %w", err)
	}
	return s.insert(ctx, `INSERT INTO messages (id, account_id, kind, data, attempts, created_at, due_at, expires_at, channel, recipient, urgency)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		m.ID, m.AccountID, string(m.Kind), string(data), m.Attempts, stamp(m.Created), stamp(m.Due), stamp(m.Expires), string(channel), m.To, urgency)
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
	Channel   string
	Recipient string
}

// DueMessages are at most limit messages of a channel that are due at now: codes first,
// then the longest waiting.
func (s *Store) DueMessages(ctx context.Context, channel provider.Channel, now time.Time, limit int) ([]provider.Message, error) {
	rows, err := all[messageRow](ctx, s, `SELECT id, account_id, kind, data, attempts, created_at, due_at, expires_at, channel, recipient FROM messages
		WHERE channel = $1 AND due_at <= $2 AND expires_at > $2 ORDER BY urgency, due_at LIMIT $3`, string(channel), stamp(now), limit)
	if err != nil {
		return nil, err
	}
	out := make([]provider.Message, len(rows))
	for i, r := range rows {
		out[i] = provider.Message{
			ID: r.ID, AccountID: r.AccountID, Kind: provider.MessageKind(r.Kind), Attempts: r.Attempts,
			Created: time.Time(r.Created), Due: time.Time(r.Due), Expires: time.Time(r.Expires),
			Channel: provider.Channel(r.Channel), To: r.Recipient,
		}
		if err := json.Unmarshal([]byte(r.Data), &out[i].Data); err != nil {
			return nil, fmt.Errorf("storage: decoding a message: %w", err)
		}
	}
	return out, nil
}

// LeaseMessage takes a due notice for delivery until the lease ends: Spent when
// another process has taken it, or it was pinned since it was read. Who does not delete it before then leaves it to be
// tried again.
func (s *Store) LeaseMessage(ctx context.Context, m provider.Message, until time.Time) error {
	return s.claim(ctx, provider.Spent, `UPDATE messages SET due_at = $1, attempts = attempts + 1 WHERE id = $2 AND due_at = $3 AND recipient = $4`,
		stamp(until), m.ID, stamp(m.Due), m.To)
}

// PinMessages gives the messages of an account that wait on a channel and have no
// destination this one: they do not follow the account's contact when it changes.
func (s *Store) PinMessages(ctx context.Context, accountID string, channel provider.Channel, to string) error {
	return s.claim(ctx, nil, `UPDATE messages SET recipient = $1 WHERE account_id = $2 AND channel = $3 AND recipient = ''`, to, accountID, string(channel))
}

// PutOff gives back a message that m's lease took, to be tried again at until; nothing
// when the lease is over and another process has taken it.
func (s *Store) PutOff(ctx context.Context, m provider.Message, until time.Time) error {
	return s.claim(ctx, nil, `UPDATE messages SET due_at = $1 WHERE id = $2 AND due_at = $3`, stamp(until), m.ID, stamp(m.Due))
}

// DeleteMessage forgets a notice that was delivered, or never can be.
func (s *Store) DeleteMessage(ctx context.Context, id string) error {
	_, err := s.exec(ctx, `DELETE FROM messages WHERE id = $1`, id)
	return err
}
