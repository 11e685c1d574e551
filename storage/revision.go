package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"cardea/provider"
)

// The names of what has a revision.
const (
	Clients = "clients"
	Keys    = "keys"
)

// watch is who wants to be told of which revision, and which one they were told of.
type watch struct {
	mu      sync.Mutex // guards told
	told    map[string][]func(context.Context) error
	telling sync.Mutex // guards seen, and keeps the calls in order
	seen    map[string]int64
}

// Revision counts the changes of what it names, Clients or Keys; 0 before the first.
func (s *Store) Revision(ctx context.Context, name string) (int64, error) {
	var n int64
	err := s.one(ctx, `SELECT n FROM revisions WHERE name = $1`, []any{name}, &n)
	if errors.Is(err, provider.NotFound) {
		return 0, nil
	}
	return n, err
}

// OnRevision has fn called after every change of what name names: at once after one
// of this Store, within seconds (by Run) after one of another process, and when Run
// begins. fn must read anew and must not change what it watches. When it fails, the
// error is logged and Run calls it again. Several changes may make one call.
func (s *Store) OnRevision(name string, fn func(context.Context) error) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	if s.watch.told == nil {
		s.watch.told = map[string][]func(context.Context) error{}
	}
	s.watch.told[name] = append(s.watch.told[name], fn)
}

// changing runs change and counts it in the same transaction; once it is committed,
// whoever watches is told.
func (s *Store) changing(ctx context.Context, name string, change func(context.Context) error) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := change(ctx); err != nil {
			return err
		}
		t := s.tx(ctx)
		t.committed = append(t.committed, func(ctx context.Context) { s.announce(ctx, name) })
		_, err := s.exec(ctx, `INSERT INTO revisions (name, n) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET n = revisions.n + 1`, name)
		return err
	})
}

// announce tells of a change of this Store. The change is done, so the end of the
// request that made it must not end this.
func (s *Store) announce(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := s.tell(ctx, name); err != nil {
		s.log.Error("cannot follow a change of our own", "of", name, "error", err)
	}
}

// tell calls whoever watches name unless they know its revision already. The
// revision is read before they are called: what changes after that is told again.
func (s *Store) tell(ctx context.Context, name string) error {
	s.watch.telling.Lock()
	defer s.watch.telling.Unlock()
	n, err := s.Revision(ctx, name)
	if err != nil {
		return err
	}
	if seen, ok := s.watch.seen[name]; ok && seen == n {
		return nil
	}
	s.watch.mu.Lock()
	told := s.watch.told[name]
	s.watch.mu.Unlock()
	if name == Clients {
		err = s.reloadClients(ctx)
	}
	for _, fn := range told {
		err = errors.Join(err, fn(ctx))
	}
	if err != nil {
		return fmt.Errorf("storage: follow revision %d of %s: %w", n, name, err)
	}
	if s.watch.seen == nil {
		s.watch.seen = map[string]int64{}
	}
	s.watch.seen[name] = n
	return nil
}
