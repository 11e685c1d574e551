package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestInTx(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ok(t, "account", s.CreateAccount(t.Context(), sampleAccount("astrid", "Astrid")))
		session := func(ctx context.Context, id string) error { return s.CreateSession(ctx, sampleSession(id, noon)) }
		exists := func(id string) bool {
			t.Helper()
			_, _, err := s.Session(t.Context(), id)
			if err != nil {
				refused(t, "read", err, provider.NotFound)
			}
			return err == nil
		}

		ok(t, "commit", s.InTx(t.Context(), func(ctx context.Context) error {
			ok(t, "create", session(ctx, "kept"))
			_, _, err := s.Session(ctx, "kept")
			ok(t, "own write", err)
			if exists("kept") {
				t.Error("seen from outside before the commit")
			}
			return s.InTx(ctx, func(ctx context.Context) error { return session(ctx, "kept too") })
		}))
		same(t, "kept", []bool{exists("kept"), exists("kept too")}, []bool{true, true})

		err := s.InTx(t.Context(), func(ctx context.Context) error {
			ok(t, "create", session(ctx, "gone"))
			ok(t, "nested", s.InTx(ctx, func(ctx context.Context) error { return session(ctx, "gone too") }))
			return stop
		})
		refused(t, "rollback", err, stop)
		same(t, "gone", []bool{exists("gone"), exists("gone too")}, []bool{false, false})

		func() {
			defer func() { _ = recover() }()
			_ = s.InTx(t.Context(), func(ctx context.Context) error {
				ok(t, "create", session(ctx, "panicked"))
				panic(stop)
			})
		}()
		same(t, "after a panic", exists("panicked"), false)

		var leaked context.Context
		ok(t, "leak", s.InTx(t.Context(), func(ctx context.Context) error { leaked = ctx; return nil }))
		refused(t, "write in a transaction that is over", session(leaked, "leaked"), sql.ErrTxDone)

		ok(t, "a conflict does not spoil the transaction", s.InTx(t.Context(), func(ctx context.Context) error {
			refused(t, "conflict", session(ctx, "kept"), provider.Exists)
			refused(t, "unfit", s.RedeemCode(ctx, "\x00", noon), provider.Spent)
			return session(ctx, "after a conflict")
		}))
		same(t, "after a conflict", exists("after a conflict"), true)
	})
}

func TestCancelledContext(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.InTx(ctx, func(ctx context.Context) error {
			ok(t, "create", s.CreateSession(ctx, sampleSession("s", noon)))
			cancel()
			return s.CreateSession(ctx, sampleSession("s2", noon))
		})
		refused(t, "transaction", err, context.Canceled)
		_, _, err = s.Session(ctx, "s")
		refused(t, "read", err, context.Canceled)
		_, _, err = s.Session(t.Context(), "s")
		refused(t, "nothing is left", err, provider.NotFound)
	})
}

// TestLoad is the pool of 2 connections under 64 callers: all wait, none fails.
func TestLoad(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		storagetest.Connect(t, url)
		s, err := storage.Open(ctx, storage.Settings{URL: url, MaxConnections: 2})
		ok(t, "open", err)
		defer func() { ok(t, "close", s.Close()) }()
		var callers sync.WaitGroup
		for i := range 64 {
			callers.Go(func() {
				hash := time.Duration(i).String()
				err := errors.Join(s.CreateCode(ctx, sampleCode(hash, noon)), redeem(ctx, s, hash, noon))
				_, _, read := s.AccessToken(ctx, "of-"+hash)
				if err := errors.Join(err, read); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
	})
}

func TestStatements(t *testing.T) {
	t.Parallel()
	s := storagetest.Open(t)
	ok(t, "code", s.CreateCode(t.Context(), sampleCode("c", noon)))
	before := s.Statements()
	ok(t, "redeem", redeem(t.Context(), s, "c", noon))
	same(t, "statements of a redemption", s.Statements()-before, int64(4))
}
