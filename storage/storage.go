// Package storage keeps everything that Cardea remembers, in SQLite or PostgreSQL.
//
// One Store serves both: the statements are one text with $1…$n, and only
// sqlite.go and postgres.go know which engine runs them. Whatever may be used once only (a code, a
// refresh token, a TOTP step, a sign-in) is one conditional statement that tells
// by its row count who won. README.md has the rules.
package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/jmoiron/sqlx/reflectx"
	"github.com/pressly/goose/v3"
)

// Settings says where the database is.
type Settings struct {
	URL            string       // "sqlite:PATH" or "postgres://USER:PASSWORD@HOST:PORT/DATABASE?…"
	MaxConnections int          // PostgreSQL: connections at most; SQLite: readers at most; 0 = by the number of cores
	Log            *slog.Logger // nil = slog.Default
}

// Store is the database. Its methods may be called from any goroutine, inside or
// outside InTx. They return the sentinels of package provider bare, and every other
// error with the statement and table that failed.
type Store struct {
	engine     engine
	log        *slog.Logger
	statements atomic.Int64
	clients    clientCache
	watch      watch
}

// patience is how long a statement waits for a lock or for its turn to write.
const patience = 5 * time.Second

// engine is what differs between SQLite and PostgreSQL.
type engine interface {
	runner
	begin(ctx context.Context) (transaction, error)
	// migrating opens connections of their own for goose; the caller closes them.
	migrating() (*sql.DB, goose.Dialect, []goose.ProviderOption, error)
	// sentinel is the sentinel of package provider that err stands for, or nil.
	sentinel(err error) error
	// transient tells that the same transaction may succeed when it is run again.
	transient(err error) bool
	// noTable tells that the database has not been migrated.
	noTable(err error) bool
	close() error
}

type runner interface {
	read(ctx context.Context, text string, args []any) (*sqlx.Rows, error)
	write(ctx context.Context, text string, args []any) (rows int64, err error)
}

type transaction interface {
	runner
	commit() error
	rollback() // after commit it does nothing
}

// Open connects to the database and checks that it keeps what it acknowledges. It
// does not migrate. Its errors say how to mend them and never hold the password.
func Open(ctx context.Context, set Settings) (*Store, error) {
	s := &Store{log: set.Log}
	if s.log == nil {
		s.log = slog.Default()
	}
	var err error
	switch path, isFile := strings.CutPrefix(set.URL, "sqlite:"); {
	case isFile:
		s.engine, err = openSQLite(ctx, path, set.MaxConnections)
	case strings.HasPrefix(set.URL, "postgres://"), strings.HasPrefix(set.URL, "postgresql://"):
		s.engine, err = openPostgres(ctx, set.URL, set.MaxConnections)
	default:
		err = errors.New("the database address must be sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")
	}
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	return s, nil
}

// Close ends every connection.
func (s *Store) Close() error { return s.engine.close() }

// Ping proves that the database answers a real read.
func (s *Store) Ping(ctx context.Context) error {
	var n int64
	return s.one(ctx, `SELECT count(*) FROM revisions`, nil, &n)
}

// Statements is how many statements have been run so far, not counting BEGIN and
// COMMIT.
func (s *Store) Statements() int64 { return s.statements.Load() }

// columns names a row struct's fields: the db tag, or else the name in snake case.
var columns = reflectx.NewMapperFunc("db", func(field string) string {
	field = strings.ReplaceAll(field, "URIs", "Uris")
	var b strings.Builder
	upper := func(i int) bool { return i < len(field) && field[i] >= 'A' && field[i] <= 'Z' }
	for i := range len(field) {
		if i > 0 && upper(i) && (!upper(i-1) || i+1 < len(field) && !upper(i+1)) {
			b.WriteByte('_')
		}
		b.WriteByte(field[i])
	}
	return strings.ToLower(b.String())
})
