package signin

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestAdmission(t *testing.T) {
	t.Parallel()
	t.Run("waits for a slot", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			a := newAdmission(1, 1, 5*time.Second)
			leave, err := a.enter(t.Context())
			must(t, err)
			time.AfterFunc(3*time.Second, leave)
			began := time.Now()
			next, err := a.enter(t.Context())
			must(t, err)
			if waited := time.Since(began); waited != 3*time.Second {
				t.Errorf("waited %v, want 3s", waited)
			}
			next()
		})
	})
	t.Run("not for ever", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			a := newAdmission(1, 1, 5*time.Second)
			_, err := a.enter(t.Context())
			must(t, err)
			began := time.Now()
			_, err = a.enter(t.Context())
			if wants(t, err, provider.Busy); time.Since(began) != 5*time.Second {
				t.Errorf("waited %v, want 5s", time.Since(began))
			}
		})
	})
	t.Run("not for somebody who left", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			a := newAdmission(1, 1, 5*time.Second)
			_, err := a.enter(t.Context())
			must(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = a.enter(ctx)
			wants(t, err, context.DeadlineExceeded)
			if len(a.queue) != 0 {
				t.Error("the place in the queue was not given back")
			}
		})
	})
	t.Run("refuses at once when the queue is full", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			a := newAdmission(2, 3, 5*time.Second)
			for range 2 {
				_, err := a.enter(t.Context())
				must(t, err)
			}
			errs := make(chan error, 3)
			for range 3 {
				go func() {
					_, err := a.enter(t.Context())
					errs <- err
				}()
			}
			synctest.Wait()
			began := time.Now()
			_, err := a.enter(t.Context())
			if wants(t, err, provider.Busy); time.Since(began) != 0 {
				t.Errorf("waited %v", time.Since(began))
			}
			for range 3 {
				wants(t, <-errs, provider.Busy)
			}
		})
	})
}

func TestBusyCountsNothing(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, func(s *Settings) { s.HashConcurrency, s.HashQueue = 1, 0 })
		p := b.person().start("bank")
		leave, err := b.service.hashing.enter(b.ctx)
		must(t, err)
		for range 10 {
			wants(t, p.password(kajsa, "not the password"), provider.Busy)
			wants(t, p.password(kajsa, password), provider.Busy)
		}
		leave()
		p.tells("wrong user id or password, 4 left", kajsa, "not the password")
		p.tells("in", kajsa, password)
	})
}

// TestSlotsComeBack checks that no outcome keeps a slot.
func TestSlotsComeBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), func(s *Settings) { s.HashConcurrency, s.HashQueue = 1, 0 })
	b.person().start("bank").tells("wrong user id or password, 4 left", kajsa, "not the password")
	b.person().start("bank").tells("in", kajsa, password)
	b.person().start("bank").guess("nobody")
	b.person().start("bank").tells("locked until 12:30:05", "nobody", password)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	p := b.person().start("bank")
	p.bench = &bench{t: t, ctx: ctx, store: b.store, set: b.set}
	if err := p.password(kajsa, password); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it cancelled", err)
	}
	if n := len(b.service.hashing.slots); n != 0 {
		t.Errorf("%d slots are still taken", n)
	}
}
