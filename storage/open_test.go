package storage_test

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	notes := filepath.Join(folder, "notes.txt")
	ok(t, "write", os.WriteFile(notes, []byte("this file is no database, and long enough to be sure of that"), 0o600))
	for _, c := range []struct{ name, url, says string }{
		{"nothing", "", "must be sqlite:PATH or postgres://"},
		{"another engine", "mysql://u:CANARY@h/d", "must be sqlite:PATH or postgres://"},
		{"no path", "sqlite:", "needs the path of a file"},
		{"memory", "sqlite::memory:", "needs the path of a file"},
		{"missing folder", "sqlite:" + filepath.Join(folder, "missing", "c.db"), "does not exist; make it"},
		{"a folder", "sqlite:" + folder, "cannot be opened for reading and writing"},
		{"no database", "sqlite:" + notes, "not a database"},
		{"a bad port", "postgres://u:CANARY@127.0.0.1:port/d", "cannot be read"},
		{"a bad escape", "postgres://u:CANARY%zz@127.0.0.1/d", "cannot be read"},
		{"nobody there", "postgres://u:CANARY@127.0.0.1:1/d?sslmode=disable", "127.0.0.1 port 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := storage.Open(t.Context(), storage.Settings{URL: c.url})
			if err == nil {
				t.Fatal("it opened", s.Close())
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("got %q, want it to say %q and not the password", err, c.says)
			}
		})
	}
}

func TestOpenRefusesPostgresThatForgets(t *testing.T) {
	t.Parallel()
	address, err := url.Parse(storagetest.Postgres(t))
	ok(t, "parse", err)
	q := address.Query()
	q.Set("synchronous_commit", "off")
	address.RawQuery = q.Encode()
	s, err := storage.Open(t.Context(), storage.Settings{URL: address.String()})
	if err == nil {
		t.Fatal("it opened", s.Close())
	}
	if !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("got %q, want it to name synchronous_commit", err)
	}
}

func TestSQLiteFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "odd ?name#%41 å.db")
	s := storagetest.Connect(t, "sqlite:"+path)
	ok(t, "write", s.CreateSession(t.Context(), sampleSession("s", noon)))
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		ok(t, "stat", err)
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s: mode %o, want 600", name, mode)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	ok(t, "list", err)
	same(t, "files", len(entries), 3)
}

func TestMigrationStatus(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		s, err := storage.Open(ctx, storage.Settings{URL: url})
		ok(t, "open", err)
		defer func() { ok(t, "close", s.Close()) }()
		look := func(when string, want bool) {
			t.Helper()
			pending, err := s.Pending(ctx)
			ok(t, "pending", err)
			same(t, "pending "+when, pending, want)
			steps, err := s.MigrationStatus(ctx)
			ok(t, "status", err)
			for _, step := range steps {
				if step.Version < 1 || step.Name == "" || step.Applied.IsZero() != want || !want && time.Since(step.Applied).Abs() > time.Minute {
					t.Errorf("%s: %+v", when, step)
				}
			}
			if len(steps) == 0 {
				t.Error("no steps")
			}
		}
		look("before", true)
		if err := s.Ping(ctx); err == nil {
			t.Error("an empty database answered a ping")
		}
		ok(t, "migrate", s.Migrate(ctx))
		look("after", false)
		ok(t, "ping", s.Ping(ctx))
		ok(t, "migrate again", s.Migrate(ctx))
	})
}

func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		var servers sync.WaitGroup
		for range 4 {
			servers.Go(func() {
				s, err := storage.Open(t.Context(), storage.Settings{URL: url})
				if err != nil {
					t.Error("open:", err)
					return
				}
				if err := s.Migrate(t.Context()); err != nil {
					t.Error("migrate:", err)
				}
				if err := s.Ping(t.Context()); err != nil {
					t.Error("ping:", err)
				}
				if err := s.Close(); err != nil {
					t.Error("close:", err)
				}
			})
		}
		servers.Wait()
	})
}

// TestAnotherProcessOnSQLite holds the file's write lock from outside, as a CLI
// command or a backup does: reads go on, and writes wait for it.
func TestAnotherProcessOnSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cardea.db")
	s := storagetest.Connect(t, "sqlite:"+path)
	ok(t, "account", s.CreateAccount(t.Context(), sampleAccount("astrid", "Astrid")))
	ok(t, "write", s.CreateSession(t.Context(), sampleSession("s1", noon)))
	other, err := sql.Open("sqlite", path+"?_txlock=immediate")
	ok(t, "open", err)
	defer func() { ok(t, "close", other.Close()) }()
	tx, err := other.Begin()
	ok(t, "lock", err)
	_, _, err = s.Session(t.Context(), "s1")
	ok(t, "read while locked", err)
	written := make(chan error)
	go func() { written <- s.CreateSession(t.Context(), sampleSession("s2", noon)) }()
	select {
	case err := <-written:
		t.Errorf("wrote past the lock: %v", err)
	case <-time.After(200 * time.Millisecond):
		ok(t, "unlock", tx.Rollback())
		ok(t, "write after the lock", <-written)
	}
}
