package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	modernc "modernc.org/sqlite" // the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"cardea/provider"
)

// sqlite is one file with one writer and several readers. A second writer would
// only wait for the first within SQLite, where waiting is polling.
type sqlite struct {
	path    string
	writers *sqlx.DB
	turn    chan struct{} // full while somebody writes; guards conn and stmts
	conn    *sqlx.Conn    // nil after it broke
	stmts   map[string]*sqlx.Stmt
	readers *sqlx.DB
	reads   sync.Map // statement text -> *sqlx.Stmt of readers
}

func openSQLite(ctx context.Context, path string, maxReaders int) (*sqlite, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, errors.New("sqlite: needs the path of a file, such as sqlite:/var/lib/cardea/cardea.db")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if err := createPrivately(path); err != nil {
		return nil, err
	}
	if maxReaders <= 0 {
		maxReaders = min(max(2*runtime.GOMAXPROCS(0), 4), 16)
	}
	e := &sqlite{path: path, turn: make(chan struct{}, 1), stmts: map[string]*sqlx.Stmt{}}
	e.writers = openFile(path, 1, "foreign_keys(1)", "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "journal_size_limit(67108864)")
	e.readers = openFile(path, maxReaders, "query_only(1)")
	if err := e.check(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// createPrivately makes the file readable by its owner alone; SQLite gives the
// files beside it (-wal, -shm) the same mode.
func createPrivately(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder %s does not exist; make it, writable for the user that cardea runs as and closed to others", filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("the database file cannot be opened for reading and writing: %w", err)
	}
	return f.Close()
}

func openFile(path string, connections int, pragmas ...string) *sqlx.DB {
	q := url.Values{"_txlock": {"immediate"}, "_dqs": {"0"}, "_defensive": {"1"}}
	q.Set("_busy_timeout", fmt.Sprint(patience.Milliseconds()))
	q["_pragma"] = pragmas
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		panic(err) // only an unregistered driver fails here
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	x := sqlx.NewDb(db, "sqlite")
	x.Mapper = columns
	return x
}

// check takes the first turn: it opens the writer, and refuses a file system on
// which SQLite cannot keep a write-ahead log.
func (e *sqlite) check(ctx context.Context) error {
	if err := e.take(ctx); err != nil {
		return fmt.Errorf("the database file %s cannot be opened: %w", e.path, err)
	}
	defer e.give()
	var mode string
	var sync int
	err := errors.Join(e.conn.GetContext(ctx, &mode, "PRAGMA journal_mode"), e.conn.GetContext(ctx, &sync, "PRAGMA synchronous"))
	if err == nil && (mode != "wal" || sync != 2) {
		err = fmt.Errorf("journal_mode is %s and synchronous %d, not wal and 2; use a local disk, not a network share", mode, sync)
	}
	return err
}

// take waits for the turn to write.
func (e *sqlite) take(ctx context.Context) error {
	select {
	case e.turn <- struct{}{}:
	default:
		if err := e.wait(ctx); err != nil {
			return err
		}
	}
	if e.conn != nil {
		return nil
	}
	conn, err := e.writers.Connx(ctx)
	if err != nil {
		e.give()
		return err
	}
	e.conn = conn
	return nil
}

func (e *sqlite) wait(ctx context.Context) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("%w: no turn to write within %s", provider.Busy, patience)
	}
}

func (e *sqlite) give() { <-e.turn }

// prepared is the writer's statement for text. The turn must be held.
func (e *sqlite) prepared(text string) (*sqlx.Stmt, error) {
	if stmt := e.stmts[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := e.conn.PreparexContext(context.Background(), text)
	if err != nil {
		return nil, err
	}
	stmt.Mapper = columns
	e.stmts[text] = stmt
	return stmt, nil
}

// run runs one statement on the writer. The turn must be held. It does not end with
// the request's context: watching one costs a goroutine per statement, and every
// statement is short.
func (e *sqlite) run(text string, args []any) (int64, error) {
	stmt, err := e.prepared(text)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (e *sqlite) write(ctx context.Context, text string, args []any) (int64, error) {
	if err := e.take(ctx); err != nil {
		return 0, err
	}
	defer e.give()
	return e.run(text, args)
}

func (e *sqlite) read(ctx context.Context, text string, args []any) (*sqlx.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stmt, ok := e.reads.Load(text)
	if !ok {
		fresh, err := e.readers.PreparexContext(ctx, text)
		if err != nil {
			return nil, err
		}
		if stmt, ok = e.reads.LoadOrStore(text, fresh); ok {
			_ = fresh.Close() // another goroutine was first
		}
	}
	return stmt.(*sqlx.Stmt).QueryxContext(context.Background(), args...)
}

func (e *sqlite) begin(ctx context.Context) (transaction, error) {
	if err := e.take(ctx); err != nil {
		return nil, err
	}
	if _, err := e.run("BEGIN IMMEDIATE", nil); err != nil {
		e.give()
		return nil, err
	}
	return &sqliteTx{e: e}, nil
}

// sqliteTx holds the turn until its end. After that it runs nothing: the statement
// would land in the next writer's transaction.
type sqliteTx struct {
	e    *sqlite
	over atomic.Bool
}

func (t *sqliteTx) usable(ctx context.Context) error {
	if t.over.Load() {
		return sql.ErrTxDone
	}
	return ctx.Err()
}

func (t *sqliteTx) write(ctx context.Context, text string, args []any) (int64, error) {
	if err := t.usable(ctx); err != nil {
		return 0, err
	}
	return t.e.run(text, args)
}

func (t *sqliteTx) read(ctx context.Context, text string, args []any) (*sqlx.Rows, error) {
	if err := t.usable(ctx); err != nil {
		return nil, err
	}
	stmt, err := t.e.prepared(text)
	if err != nil {
		return nil, err
	}
	return stmt.QueryxContext(context.Background(), args...)
}

func (t *sqliteTx) commit() error {
	if _, err := t.e.run("COMMIT", nil); err != nil {
		return err
	}
	t.over.Store(true)
	t.e.give()
	return nil
}

// rollback drops a connection that will not roll back, so that nothing of this
// transaction can reach the next.
func (t *sqliteTx) rollback() {
	if t.over.Load() {
		return
	}
	t.over.Store(true)
	if _, err := t.e.run("ROLLBACK", nil); err != nil {
		t.e.drop()
	}
	t.e.give()
}

func (e *sqlite) drop() {
	_ = e.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = e.conn.Close()
	e.conn, e.stmts = nil, map[string]*sqlx.Stmt{}
}

func (e *sqlite) close() error {
	e.turn <- struct{}{}
	defer e.give()
	if e.conn != nil {
		_ = e.conn.Close()
		e.conn, e.stmts = nil, map[string]*sqlx.Stmt{}
	}
	return errors.Join(e.readers.Close(), e.writers.Close())
}

func (e *sqlite) migrating() (*sql.DB, goose.Dialect, []goose.ProviderOption, error) {
	return openFile(e.path, 1, "foreign_keys(1)", "synchronous(FULL)").DB, goose.DialectSQLite3, nil, nil
}

func (e *sqlite) sentinel(err error) error {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return provider.Exists
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return provider.NotFound
	}
	if code := sqliteCode(err) & 0xff; code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED {
		return provider.Busy
	}
	return nil
}

func (e *sqlite) transient(error) bool { return false }

// noTable goes by the message: SQLite has no code of its own for it.
func (e *sqlite) noTable(err error) bool {
	return sqliteCode(err) == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "no such table")
}

func sqliteCode(err error) int {
	var e *modernc.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return sqlite3.SQLITE_OK
}
