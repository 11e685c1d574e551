// Package storagetest gives tests a real, migrated, empty store: SQLite in a
// temporary folder, and a PostgreSQL of the test binary's own.
//
// A package that calls Each has this in one of its tests:
//
//	func TestMain(m *testing.M) { storagetest.Main(m) }
package storagetest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"cardea/storage"
)

// Open gives an empty store on SQLite, closed when t ends.
func Open(t testing.TB) *storage.Store {
	t.Helper()
	return Connect(t, "sqlite:"+filepath.Join(t.TempDir(), "cardea.db"))
}

// Connect opens the database at url and migrates it; the store is closed when t
// ends. Several may be connected to one database.
func Connect(t testing.TB, url string) *storage.Store {
	t.Helper()
	ctx := context.Background()
	s, err := storage.Open(ctx, storage.Settings{URL: url, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// Each runs test in parallel on an empty SQLite store and on an empty PostgreSQL
// store. It fails, rather than skips, where there is no PostgreSQL.
func Each(t *testing.T, test func(t *testing.T, s *storage.Store)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, Open(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, Connect(t, Postgres(t)))
	})
}

// EachURL is Each for tests that open the database themselves, or several times
// over: it is empty and not migrated.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, "sqlite:"+filepath.Join(t.TempDir(), "cardea.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, postgres(t, func(*server) string { return "template0" }))
	})
}

// Main runs the tests and stops the PostgreSQL that they started.
func Main(m *testing.M) {
	code := m.Run()
	stopPostgres()
	os.Exit(code)
}
