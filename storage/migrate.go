package storage

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var files embed.FS

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string    // of its file, without number and ending
	Applied time.Time // zero = pending
}

// Migrate brings the schema up to this binary, forward only. Two processes may do
// it at once: PostgreSQL lets them take turns; on SQLite the one that comes second
// looks again.
func (s *Store) Migrate(ctx context.Context) error {
	var err error
	for range 3 {
		if err = s.migrate(ctx); err == nil {
			return nil
		}
		if pending, look := s.Pending(ctx); look == nil && !pending {
			return nil
		}
	}
	return fmt.Errorf("storage: migrate: %w", err)
}

func (s *Store) migrate(ctx context.Context) error {
	db, dialect, options, err := s.engine.migrating()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	steps, err := fs.Sub(files, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db, steps, append(options, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// MigrationStatus lists every step that this binary knows, in order. It changes
// nothing, also in an empty database.
func (s *Store) MigrationStatus(ctx context.Context) ([]Migration, error) {
	known, err := migrations()
	if err != nil {
		return nil, err
	}
	applied, err := s.applied(ctx)
	for i := range known {
		known[i].Applied = applied[known[i].Version]
	}
	return known, err
}

// Pending tells whether the schema is older than this binary.
func (s *Store) Pending(ctx context.Context) (bool, error) {
	steps, err := s.MigrationStatus(ctx)
	for _, step := range steps {
		if step.Applied.IsZero() {
			return true, err
		}
	}
	return false, err
}

// migrations reads the names of the embedded files; embed sorts them.
func migrations() ([]Migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var out []Migration
	for _, name := range names {
		number, title, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("storage: migration %s has no number: %w", name, err)
		}
		out = append(out, Migration{Version: version, Name: title})
	}
	return out, nil
}

// applied reads the table that goose keeps, which is not there at first.
func (s *Store) applied(ctx context.Context) (map[int64]time.Time, error) {
	out := map[int64]time.Time{}
	err := s.rows(ctx, `SELECT version_id, tstamp FROM goose_db_version WHERE is_applied ORDER BY id`, nil, func(r *sqlx.Rows) error {
		var version int64
		var at time.Time
		err := r.Scan(&version, &at)
		out[version] = at.UTC()
		return err
	})
	if s.engine.noTable(err) {
		return out, nil
	}
	return out, err
}
