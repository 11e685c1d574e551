package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"cardea/provider"
)

// postgres is one pool. Its driver prepares each statement once per connection by
// itself; ?default_query_exec_mode=exec in the address turns that off for poolers.
type postgres struct {
	config *pgx.ConnConfig
	db     *sqlx.DB
}

func openPostgres(ctx context.Context, address string, connections int) (*postgres, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil { // err may quote the password
		return nil, errors.New("the PostgreSQL address cannot be read: write postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full, " +
			"every character of the password that is not a letter or digit as %XX, and check that files it names exist")
	}
	for name, value := range map[string]string{
		"application_name":                    "cardea",
		"statement_timeout":                   fmt.Sprint(patience.Milliseconds()),
		"lock_timeout":                        fmt.Sprint(patience.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(2 * patience.Milliseconds()),
	} {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = patience
	}
	if connections <= 0 {
		connections = max(8, 4*runtime.GOMAXPROCS(0))
	}
	e := &postgres{config: config, db: sqlx.NewDb(stdlib.OpenDB(*config), "pgx")}
	e.db.Mapper = columns
	e.db.SetMaxOpenConns(connections)
	e.db.SetMaxIdleConns(connections)
	e.db.SetConnMaxIdleTime(5 * time.Minute)
	e.db.SetConnMaxLifetime(30 * time.Minute)
	if err := e.check(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// check refuses a server that loses what it acknowledged or changes what is stored.
func (e *postgres) check(ctx context.Context) error {
	var commit, encoding, standby string
	err := e.db.QueryRowContext(ctx, `SELECT current_setting('synchronous_commit'), current_setting('server_encoding'),
		current_setting('transaction_read_only')`).Scan(&commit, &encoding, &standby)
	switch {
	case err != nil:
		return fmt.Errorf("PostgreSQL at %s port %d, database %q: %w", e.config.Host, e.config.Port, e.config.Database, err)
	case commit == "off":
		return errors.New("PostgreSQL has synchronous_commit = off: after a crash, codes, refresh tokens and failure counts that were used up " +
			"would be fresh again. Set it to on for this role: ALTER ROLE … SET synchronous_commit = on")
	case encoding != "UTF8":
		return fmt.Errorf("the PostgreSQL database has the encoding %s: make it with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", encoding)
	case standby == "on":
		return errors.New("PostgreSQL is read-only here: point the address at the primary, or add ?target_session_attrs=read-write")
	}
	return nil
}

func (e *postgres) read(ctx context.Context, text string, args []any) (*sqlx.Rows, error) {
	return e.db.QueryxContext(ctx, text, args...)
}

func (e *postgres) write(ctx context.Context, text string, args []any) (int64, error) {
	return affected(e.db.ExecContext(ctx, text, args...))
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (e *postgres) begin(ctx context.Context) (transaction, error) {
	tx, err := e.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, err
	}
	return postgresTx{tx}, nil
}

type postgresTx struct{ tx *sqlx.Tx }

func (t postgresTx) read(ctx context.Context, text string, args []any) (*sqlx.Rows, error) {
	return t.tx.QueryxContext(ctx, text, args...)
}

func (t postgresTx) write(ctx context.Context, text string, args []any) (int64, error) {
	return affected(t.tx.ExecContext(ctx, text, args...))
}

func (t postgresTx) commit() error { return t.tx.Commit() }

func (t postgresTx) rollback() { _ = t.tx.Rollback() } // sql.ErrTxDone after commit

func (e *postgres) close() error { return e.db.Close() }

// migrating has no statement timeout: building an index may take as long as it takes.
func (e *postgres) migrating() (*sql.DB, goose.Dialect, []goose.ProviderOption, error) {
	config := e.config.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["timezone"] = "UTC" // goose stores the server's local time
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, "", nil, err
	}
	return stdlib.OpenDB(*config), goose.DialectPostgres, []goose.ProviderOption{goose.WithSessionLocker(locker)}, nil
}

// The SQLSTATE codes that mean something to us.
const (
	uniqueViolation      = "23505"
	foreignKeyViolation  = "23503"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	undefinedTable       = "42P01"
	tooManyConnections   = "53300"
	lockNotAvailable     = "55P03"
)

func (e *postgres) sentinel(err error) error {
	switch sqlState(err) {
	case uniqueViolation:
		return provider.Exists
	case foreignKeyViolation:
		return provider.NotFound
	case lockNotAvailable, tooManyConnections, serializationFailure, deadlockDetected:
		return provider.Busy
	}
	return nil
}

func (e *postgres) transient(err error) bool {
	code := sqlState(err)
	return code == serializationFailure || code == deadlockDetected
}

func (e *postgres) noTable(err error) bool { return sqlState(err) == undefinedTable }

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
