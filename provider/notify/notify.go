// Package notify delivers the outbox: notices and one-time codes that other packages
// have written in the transaction of what they tell of. What cannot be delivered is
// tried again, later each time, until its time is over. Each channel has a queue of
// its own, codes before notices, and sends one letter at a time: after a crash none
// is lost, and at most one per channel is sent twice.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/storage"
)

// Letter is a message ready to be sent.
type Letter struct {
	ID      string // the same each time a message is tried
	Channel provider.Channel
	To      string // e-mail address, or number in E.164
	Subject string // "" for a text message
	Body    string // plain text
}

// Sender delivers one letter before ctx ends. An error means that it should be tried
// again, unless it wraps Permanent. It never names the recipient.
type Sender func(ctx context.Context, l Letter) error

// Permanent says that a letter will never be accepted: trying again is pointless.
var Permanent = errors.New("refused for good")

// Outcome is what became of one try.
type Outcome string

// The outcomes.
const (
	Sent    Outcome = "sent"
	Failed  Outcome = "failed"  // and is tried again
	Refused Outcome = "refused" // Permanent: forgotten
	Dropped Outcome = "dropped" // nobody to tell, or no sender for the channel: forgotten
)

// Settings are what a Worker needs. Store, UI and Keys are required.
type Settings struct {
	Store   *storage.Store
	UI      *loginui.UI       // the texts
	Keys    *provider.Keyring // opens the codes
	Senders map[provider.Channel]Sender
	Log     *slog.Logger                                          // nil = discard
	Now     func() time.Time                                      // nil = time.Now
	Stats   func(provider.MessageKind, provider.Channel, Outcome) // called after every try; nil = not counted
}

// Worker empties the outbox. Several processes may run one on the same database.
type Worker struct {
	set  Settings
	pace pace
	wake map[provider.Channel]chan struct{}
}

// channels are the queues. Messages of others were made by a newer release, which
// delivers them.
var channels = []provider.Channel{provider.ChannelMail, provider.ChannelSMS}

// New makes a worker; its error names the setting that is missing.
func New(set Settings) (*Worker, error) {
	switch {
	case set.Store == nil:
		return nil, errors.New("notify: setting Store is missing")
	case set.UI == nil:
		return nil, errors.New("notify: setting UI is missing")
	case set.Keys == nil:
		return nil, errors.New("notify: setting Keys is missing")
	}
	for channel, send := range set.Senders {
		if send == nil || channel != provider.ChannelMail && channel != provider.ChannelSMS {
			return nil, fmt.Errorf("notify: setting Senders: no sender, or no such channel: %q", channel)
		}
	}
	if set.Log == nil {
		set.Log = slog.New(slog.DiscardHandler)
	}
	if set.Now == nil {
		set.Now = time.Now
	}
	if set.Stats == nil {
		set.Stats = func(provider.MessageKind, provider.Channel, Outcome) {}
	}
	w := &Worker{set: set, pace: usual, wake: map[provider.Channel]chan struct{}{}}
	for _, channel := range channels {
		w.wake[channel] = make(chan struct{}, 1)
	}
	return w, nil
}

// Wake looks at the outbox now instead of at the next poll. It never waits.
func (w *Worker) Wake() {
	for _, c := range w.wake {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Run delivers until ctx ends. A letter that is on its way then has a moment to arrive.
func (w *Worker) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, channel := range channels {
		all.Go(func() { w.run(ctx, channel) })
	}
	all.Wait()
}

// run empties one channel's queue until ctx ends.
func (w *Worker) run(ctx context.Context, channel provider.Channel) {
	tick := time.NewTicker(w.pace.poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		tried, err := w.pass(ctx, channel)
		if err != nil && ctx.Err() == nil {
			w.set.Log.Error("delivering messages", "channel", string(channel), "error", err.Error())
		}
		if tried > 0 && err == nil {
			continue // there may be more
		}
		// A read that takes long, for many messages wait, must not fill the time.
		if !sleep(ctx, min(4*time.Since(began), maxRest)) {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-w.wake[channel]:
		}
	}
}

const maxRest = time.Second

// sleep waits, and tells whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Deliver tries everything that is due now, once, and returns what failed.
func (w *Worker) Deliver(ctx context.Context) error {
	failures := make([]error, len(channels))
	var all sync.WaitGroup
	for i, channel := range channels {
		all.Go(func() { failures[i] = w.deliver(ctx, channel) })
	}
	all.Wait()
	return errors.Join(failures...)
}

func (w *Worker) deliver(ctx context.Context, channel provider.Channel) (all error) {
	for ctx.Err() == nil {
		tried, err := w.pass(ctx, channel)
		all = errors.Join(all, err)
		if tried == 0 {
			return all
		}
	}
	return errors.Join(all, ctx.Err())
}
