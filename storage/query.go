package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"

	"cardea/provider"
)

// inTx is the transaction that a context carries.
type inTx struct {
	transaction
	committed []func(context.Context) // to do after commit
	undo      []func()                // to do when it did not commit
}

// txKey finds the transaction of one Store in a context.
type txKey struct{ store *Store }

func (s *Store) tx(ctx context.Context) *inTx {
	t, _ := ctx.Value(txKey{s}).(*inTx)
	return t
}

// q is where a statement runs: in the transaction that ctx carries, or else alone.
func (s *Store) q(ctx context.Context) runner {
	if t := s.tx(ctx); t != nil {
		return t
	}
	return s.engine
}

// InTx runs fn in a transaction: all of it is kept when fn returns nil, none of it
// when fn fails or panics. fn must use the context it is given for every call; one
// within another joins it. On PostgreSQL fn is run again, up to three times in all,
// when the server chose it as the victim of a deadlock, so it may change nothing
// outside the database. No network calls inside.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if s.tx(ctx) != nil {
		return fn(ctx)
	}
	for try := 1; ; try++ {
		err := s.attempt(ctx, fn)
		if err == nil || try == 3 || !s.engine.transient(err) || ctx.Err() != nil {
			return err
		}
	}
}

func (s *Store) attempt(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	begun, err := s.engine.begin(ctx)
	if err != nil {
		return s.failed("BEGIN", err)
	}
	t := &inTx{transaction: begun}
	done := false
	defer func() {
		t.rollback()
		for i := len(t.undo) - 1; i >= 0 && !done; i-- {
			t.undo[i]()
		}
	}()
	if err := fn(context.WithValue(ctx, txKey{s}, t)); err != nil {
		return err
	}
	if err := t.commit(); err != nil {
		return s.failed("COMMIT", err)
	}
	done = true
	for _, do := range t.committed {
		do(ctx)
	}
	return nil
}

// onRollback takes back a change to a caller's struct.
func (s *Store) onRollback(ctx context.Context, undo func()) {
	if t := s.tx(ctx); t != nil {
		t.undo = append(t.undo, undo)
	}
}

// errUnfit: see fit. It never reaches a caller from a lookup.
var errUnfit = errors.New("a text holds a NUL byte or is not UTF-8, which cannot be stored")

// exec runs a statement that changes rows, and tells how many.
func (s *Store) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if !fit(args) {
		return 0, s.failed(text, errUnfit)
	}
	s.statements.Add(1)
	n, err := s.q(ctx).write(ctx, text, args)
	return n, s.failed(text, err)
}

// claim runs a conditional UPDATE or DELETE, and returns lost when its condition
// met no row; nil when that is as well. It is how everything that may happen once
// only is made to.
func (s *Store) claim(ctx context.Context, lost error, text string, args ...any) error {
	n, err := s.exec(ctx, text, args...)
	if errors.Is(err, errUnfit) || err == nil && n == 0 {
		return lost
	}
	return err
}

// insert runs an INSERT … ON CONFLICT DO NOTHING, and returns Exists when a unique
// value was taken. A conflict that raised an error instead would abort the
// transaction on PostgreSQL and not on SQLite.
func (s *Store) insert(ctx context.Context, text string, args ...any) error {
	n, err := s.exec(ctx, text, args...)
	if err == nil && n == 0 {
		return provider.Exists
	}
	return err
}

// rows runs a SELECT and hands each row to scan.
func (s *Store) rows(ctx context.Context, text string, args []any, scan func(*sqlx.Rows) error) error {
	if !fit(args) {
		return nil // no row holds such a text
	}
	s.statements.Add(1)
	rows, err := s.q(ctx).read(ctx, text, args)
	if err != nil {
		return s.failed(text, err)
	}
	defer func() { _ = rows.Close() }() // its error is rows.Err
	for rows.Next() {
		if err := scan(rows); err != nil {
			return s.failed(text, err)
		}
	}
	return s.failed(text, rows.Err())
}

// one runs a SELECT of at most one row, and returns NotFound when there is none.
func (s *Store) one(ctx context.Context, text string, args []any, dest ...any) error {
	found := false
	err := s.rows(ctx, text, args, func(r *sqlx.Rows) error {
		found = true
		return r.Scan(dest...)
	})
	if err == nil && !found {
		return provider.NotFound
	}
	return err
}

// all runs a SELECT into row structs.
func all[T any](ctx context.Context, s *Store, text string, args ...any) ([]T, error) {
	var out []T
	err := s.rows(ctx, text, args, func(r *sqlx.Rows) error {
		var row T
		err := r.StructScan(&row)
		out = append(out, row)
		return err
	})
	return out, err
}

// first runs a SELECT of at most one row into a row struct; NotFound when there is none.
func first[T any](ctx context.Context, s *Store, text string, args ...any) (T, error) {
	found, err := all[T](ctx, s, text, args...)
	if err == nil && len(found) == 0 {
		err = provider.NotFound
	}
	if err != nil {
		var none T
		return none, err
	}
	return found[0], nil
}

// failed wraps an error of the engine once, with the sentinel it stands for and
// what was being done: the statement's verb and table. Values never show.
func (s *Store) failed(text string, err error) error {
	if err == nil {
		return nil
	}
	sentinel := s.engine.sentinel(err)
	switch {
	case sentinel != nil:
	case errors.Is(err, errUnfit), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("storage: %s: %w", gist(text), err)
	default:
		sentinel = provider.Unavailable
	}
	return fmt.Errorf("storage: %s: %w: %w", gist(text), sentinel, err)
}

// gist is a statement's verb and the table it is about.
func gist(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if i+1 < len(words) && (w == "FROM" || w == "INTO" || i == 0 && w == "UPDATE") {
			return words[0] + " " + words[i+1]
		}
	}
	return words[0]
}
