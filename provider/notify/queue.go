package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cardea/provider"
)

// pace is how fast a worker works.
type pace struct {
	poll  time.Duration // between looks at the outbox
	try   time.Duration // longest time that one try may take
	lease time.Duration // and that a message stays taken: longer than try
	grace time.Duration // for a letter on its way when the worker stops
	fresh time.Duration // how long a view of the outbox is worked from
}

var usual = pace{poll: 250 * time.Millisecond, try: 20 * time.Second, lease: 30 * time.Second, grace: 5 * time.Second, fresh: time.Second}

const (
	batch    = 20 // messages that are looked at together
	patience = 30 * time.Minute
)

// wait is the time until the next try of a message that has failed failures times. A
// code is of use for some minutes only.
func wait(k provider.MessageKind, failures int) time.Duration {
	first := time.Minute
	if k.Code() {
		first = 2 * time.Second
	}
	return min(first<<min(failures-1, 10), patience)
}

// pass tries what is due on one channel, and tells how many it tried. It ends early
// when its view of the outbox has grown old, or somebody has woken the worker.
func (w *Worker) pass(ctx context.Context, channel provider.Channel) (tried int, all error) {
	select {
	case <-w.wake[channel]: // what it was for will be seen
	default:
	}
	due, err := w.set.Store.DueMessages(ctx, channel, w.set.Now(), batch)
	if err != nil {
		return 0, fmt.Errorf("reading the outbox: %w", err)
	}
	for began := time.Now(); len(due) > 0 && time.Since(began) < w.pace.fresh && len(w.wake[channel]) == 0; due = due[1:] {
		if ctx.Err() != nil {
			return tried, all
		}
		err := w.try(ctx, due[0])
		if errors.Is(err, provider.Spent) {
			continue // another worker has it
		}
		tried++
		if err != nil {
			all = errors.Join(all, fmt.Errorf("message %s (%s): %w", due[0].ID, due[0].Kind, err))
		}
	}
	return tried, all
}

// try takes a message, sends it and forgets it, or puts it off. Its error is Spent
// when another worker was faster.
func (w *Worker) try(ctx context.Context, m provider.Message) error {
	now := w.set.Now()
	if !m.Expires.After(now) {
		return provider.Spent // it will be swept
	}
	taken := m
	taken.Due = now.Add(w.pace.lease).Truncate(time.Microsecond) // as storage keeps it
	if err := w.set.Store.LeaseMessage(ctx, m, taken.Due); err != nil {
		return err
	}
	sending, cancel := w.outlast(ctx)
	outcome, failed := w.send(sending, m)
	cancel()
	w.set.Stats(m.Kind, m.Channel, outcome)
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), w.pace.grace) // its outcome is kept, also when the worker stops
	defer cancel()
	if outcome == Failed {
		return errors.Join(failed, w.putOff(ctx, taken))
	}
	return w.forget(ctx, m.ID)
}

// outlast is a context that lives for one try, and after the end of ctx only as long
// as a letter on its way needs.
func (w *Worker) outlast(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.pace.try)
	stop := context.AfterFunc(ctx, func() {
		if sleep(longer, w.pace.grace) {
			cancel()
		}
	})
	return longer, func() { stop(); cancel() }
}

// putOff makes a taken message due again when it is worth another try.
func (w *Worker) putOff(ctx context.Context, taken provider.Message) error {
	next := w.set.Now().Add(wait(taken.Kind, taken.Attempts+1))
	if err := w.set.Store.PutOff(ctx, taken, next); err != nil {
		return fmt.Errorf("putting off: %w", err)
	}
	return nil
}

// forget removes what was sent. It insists, because a message that stays is sent again.
func (w *Worker) forget(ctx context.Context, id string) (err error) {
	for range 3 {
		if err = w.set.Store.DeleteMessage(ctx, id); err == nil || !sleep(ctx, w.pace.poll) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("forgetting: %w", err)
	}
	return nil
}

// send puts a message into words and hands it to its channel's sender.
func (w *Worker) send(ctx context.Context, m provider.Message) (Outcome, error) {
	send := w.set.Senders[m.Channel]
	if send == nil {
		w.set.Log.Warn("message dropped", "id", m.ID, "kind", string(m.Kind), "channel", string(m.Channel), "reason", "no sender for this channel")
		return Dropped, nil
	}
	letter, err := w.letter(ctx, m)
	if err != nil {
		return Failed, err
	}
	if letter == nil {
		return Dropped, nil
	}
	err = send(ctx, *letter)
	switch {
	case errors.Is(err, Permanent):
		w.set.Log.Warn("message dropped", "id", m.ID, "kind", string(m.Kind), "channel", string(m.Channel), "reason", err.Error())
		return Refused, nil
	case err != nil:
		return Failed, fmt.Errorf("sending: %w", err)
	}
	return Sent, nil
}
