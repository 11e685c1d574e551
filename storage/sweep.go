package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	sweepEvery = 30 * time.Second
	sweepBatch = 200 // rows per table and transaction: some milliseconds of the writer's time
	pollEvery  = 2 * time.Second
)

// remember is how long codes and grants are kept after their time is over. A used
// code that comes again must still be known for what it is, and a JWT access token
// may outlive its grant by some minutes, in which it must still be found revoked.
const remember = 24 * time.Hour

// swept is what is forgotten once its time is over: the table, its key, how long it
// stays beyond that time, and what else must hold. A hard lock has no end.
var swept = []struct {
	table, key string
	keep       time.Duration
	only       string
}{
	{"signins", "id", 0, ""},
	{"sessions", "id", 0, ""},
	{"known_devices", "token_hash, account_id", 0, ""},
	{"lanes", "lane_key", 0, " AND NOT hard"},
	{"codes", "hash", remember, ""},
	{"access_tokens", "hash", 0, ""},
	{"grants", "id", remember, ""},
	{"messages", "id", 0, ""},
	{"challenges", "subject, purpose", 0, ""},
	{"trusted_devices", "id", 0, ""},
	{"rates", "rate_key", 0, ""},
}

// Sweep removes at most batch rows of each table whose time was over at now, each
// table in a transaction of its own, and tells how many. When that is less than
// batch, nothing is left to remove.
func (s *Store) Sweep(ctx context.Context, now time.Time, batch int) (removed int, err error) {
	for _, t := range swept {
		n, failed := s.exec(ctx, fmt.Sprintf(`DELETE FROM %[1]s WHERE (%[2]s) IN
			(SELECT %[2]s FROM %[1]s WHERE expires_at <= $1%[3]s ORDER BY expires_at LIMIT $2)`, t.table, t.key, t.only),
			stamp(now.Add(-t.keep)), batch)
		removed += int(n)
		err = errors.Join(err, failed)
	}
	return removed, err
}

// Run sweeps and follows revisions until ctx ends. Every process that serves runs
// it once; errors go to log and are tried again.
func (s *Store) Run(ctx context.Context, log *slog.Logger) {
	var both sync.WaitGroup
	both.Go(func() {
		every(ctx, sweepEvery, func() {
			if err := s.sweepAll(ctx); err != nil && ctx.Err() == nil {
				log.Error("cannot remove what is over", "error", err)
			}
		})
	})
	both.Go(func() {
		every(ctx, pollEvery, func() {
			if err := s.poll(ctx); err != nil && ctx.Err() == nil {
				log.Error("cannot follow changes", "error", err)
			}
		})
	})
	both.Wait()
}

// every calls do at once and then at each interval.
func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Store) sweepAll(ctx context.Context) error {
	for {
		n, err := s.Sweep(ctx, time.Now(), sweepBatch)
		if err != nil || n < sweepBatch || ctx.Err() != nil {
			return err
		}
	}
}

func (s *Store) poll(ctx context.Context) error {
	return errors.Join(s.tell(ctx, Clients), s.tell(ctx, Keys))
}
