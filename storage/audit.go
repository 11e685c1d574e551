package storage

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"cardea/provider"
)

// Record adds an event to the audit trail, in the transaction of ctx. An empty ID
// becomes a new UUIDv7, a zero At now.
func (s *Store) Record(ctx context.Context, e provider.Event) error {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("storage: name an audit event: %w", err)
		}
		e.ID = id.String()
	}
	return s.insert(ctx, `INSERT INTO audit (`+eventColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`,
		e.ID, stamp(e.At), string(e.Action), string(e.Outcome), clean(e.Actor), clean(e.Subject), clean(e.ClientID),
		clean(e.Address), clean(e.Method), clean(e.RequestID), clean(e.Detail), clean(e.UserAgent))
}

const eventColumns = `id, at, action, outcome, actor, subject, client_id, address, method, request_id, detail, user_agent`

// EventFilter picks audit events; a zero field picks all.
type EventFilter struct {
	Subject  string // account id
	ClientID string
	Action   provider.Action
	Actions  []provider.Action // any of these; empty = all
	Since    time.Time         // not older
	Before   string            // only events older than the one with this id: the last of the page before
	Limit    int               // at most; 0 = 100
}

type eventRow struct {
	provider.Event
	At stamp
}

// Events lists audit events, newest first.
func (s *Store) Events(ctx context.Context, f EventFilter) ([]provider.Event, error) {
	var where []string
	var args []any
	add := func(condition string, value any) {
		if value != "" && value != stamp(time.Time{}) {
			args = append(args, value)
			where = append(where, fmt.Sprintf("%s $%d", condition, len(args)))
		}
	}
	add("subject =", f.Subject)
	add("client_id =", f.ClientID)
	add("action =", string(f.Action))
	add("id <", f.Before)
	add("at >=", stamp(f.Since))
	if len(f.Actions) > 0 {
		holders := make([]string, len(f.Actions))
		for i, action := range f.Actions {
			args = append(args, string(action))
			holders[i] = fmt.Sprintf("$%d", len(args))
		}
		where = append(where, "action IN ("+strings.Join(holders, ", ")+")")
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	text := `SELECT ` + eventColumns + ` FROM audit`
	if len(where) > 0 {
		text += ` WHERE ` + strings.Join(where, " AND ")
	}
	args = append(args, f.Limit)
	rows, err := all[eventRow](ctx, s, fmt.Sprintf("%s ORDER BY id DESC LIMIT $%d", text, len(args)), args...)
	out := make([]provider.Event, len(rows))
	for i, row := range rows {
		out[i] = row.Event
		out[i].At = time.Time(row.At)
	}
	return out, err
}
