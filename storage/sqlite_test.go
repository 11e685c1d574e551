package storage

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"cardea/provider"
)

// TestSQLiteWriterThatBroke ends a transaction behind the Store's back, as SQLite
// itself does when the disk is full: COMMIT and ROLLBACK both fail then, and the
// next writer must get a connection that is whole.
func TestSQLiteWriterThatBroke(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, Settings{URL: "sqlite:" + filepath.Join(t.TempDir(), "c.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	err = s.InTx(ctx, func(ctx context.Context) error {
		_, err := s.exec(ctx, "ROLLBACK")
		return errors.Join(err, s.RememberDevice(ctx, "d", "a", time.Now(), time.Now()))
	})
	if err == nil {
		t.Error("COMMIT without a transaction succeeded")
	}
	for range 2 {
		if err := s.InTx(ctx, func(ctx context.Context) error {
			return s.CreateGrant(ctx, &provider.Grant{ID: provider.NewID()})
		}); err != nil {
			t.Errorf("the next transaction: %v", err)
		}
	}
}

// TestGist is what errors show of a statement.
func TestGist(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"INSERT INTO accounts (id) VALUES ($1)":           "INSERT accounts",
		"SELECT a, b FROM grants g WHERE g.id = $1":       "SELECT grants",
		"UPDATE factors SET last_step = $1 WHERE id = $2": "UPDATE factors",
		"DELETE FROM lanes WHERE lane_key IN (SELECT … )": "DELETE lanes",
		"BEGIN": "BEGIN",
	} {
		if got := gist(text); got != want {
			t.Errorf("gist(%q): got %q, want %q", text, got, want)
		}
	}
}
