package signin

import (
	"context"
	"time"

	"cardea/provider"
)

// admission bounds the password hashes that are computed at the same time, and the
// requests that wait for one: a flood of sign-ins must leave memory and processor
// for everything else. Who waits holds no database connection.
type admission struct {
	slots chan struct{} // one entry per hash being computed
	queue chan struct{} // one entry per request that waits
	wait  time.Duration
}

func newAdmission(slots, queue int, wait time.Duration) *admission {
	return &admission{slots: make(chan struct{}, slots), queue: make(chan struct{}, queue), wait: wait}
}

// enter takes a slot, waiting for one when the queue has room. The caller must call
// leave. It fails with provider.Busy when the queue is full or the wait was in vain,
// and with ctx's error when that ends first.
func (a *admission) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-a.slots }
	select {
	case a.slots <- struct{}{}:
		return leave, nil
	default:
	}
	select {
	case a.queue <- struct{}{}:
		defer func() { <-a.queue }()
	default:
		return nil, provider.Busy
	}
	timeout := time.NewTimer(a.wait)
	defer timeout.Stop()
	select {
	case a.slots <- struct{}{}:
		return leave, nil
	case <-timeout.C:
		return nil, provider.Busy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
