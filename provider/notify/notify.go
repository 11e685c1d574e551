// Package notify delivers the outbox: notices that other packages have written in
// the transaction of what they tell of. A notice that cannot be delivered is tried
// again, later each time, until its time is over. After a crash one may be
// delivered twice, none is lost.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/storage"
)

// Letter is a notice ready to be sent.
type Letter struct {
	ID      string // the same each time a notice is tried
	To      string // e-mail address
	Subject string
	Body    string // plain text
}

// Sender delivers one letter. An error means that it should be tried again.
type Sender func(ctx context.Context, l Letter) error

// Worker empties the outbox. Several processes may run one on the same database.
type Worker struct {
	store *storage.Store
	ui    *loginui.UI
	send  Sender
	log   *slog.Logger
	now   func() time.Time
}

// New makes a worker that sends with send and takes its texts from ui.
func New(store *storage.Store, ui *loginui.UI, send Sender, log *slog.Logger) *Worker {
	return &Worker{store: store, ui: ui, send: send, log: log, now: time.Now}
}

const (
	pollEvery = time.Second
	batch     = 20
	lease     = time.Minute // longest time that one delivery may take
	patience  = 30 * time.Minute
)

// Run delivers until ctx ends.
func (w *Worker) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := w.Deliver(ctx); err != nil && ctx.Err() == nil {
			w.log.Error("delivering notices", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Deliver tries what is due now, once.
func (w *Worker) Deliver(ctx context.Context) error {
	due, err := w.store.DueMessages(ctx, w.now(), batch)
	if err != nil {
		return fmt.Errorf("reading the outbox: %w", err)
	}
	var all error
	for _, m := range due {
		err := w.deliver(ctx, m)
		if err != nil && !errors.Is(err, provider.Spent) {
			all = errors.Join(all, fmt.Errorf("notice %s (%s): %w", m.ID, m.Kind, err))
		}
	}
	return all
}

// deliver takes a notice, sends it and forgets it. The lease is the wait before the
// next try: twice as long each time.
func (w *Worker) deliver(ctx context.Context, m provider.Message) error {
	wait := min(lease<<min(m.Attempts, 10), patience)
	if err := w.store.LeaseMessage(ctx, m, w.now().Add(wait)); err != nil {
		return err
	}
	letter, err := w.letter(ctx, m)
	if err != nil {
		return err
	}
	if letter != nil {
		ctx, cancel := context.WithTimeout(ctx, lease)
		defer cancel()
		if err := w.send(ctx, *letter); err != nil {
			return fmt.Errorf("sending: %w", err)
		}
	}
	return w.store.DeleteMessage(ctx, m.ID)
}

// letter puts a notice into words; nil when there is nobody to tell.
func (w *Worker) letter(ctx context.Context, m provider.Message) (*Letter, error) {
	account, err := w.store.Account(ctx, m.AccountID)
	if errors.Is(err, provider.NotFound) || err == nil && account.Profile.Email == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	kind, ok := kinds[m.Kind]
	if !ok {
		return nil, errors.New("unknown kind: made by a newer release")
	}
	subject, body, err := w.ui.Message(account.Locale, kind, loginui.MessageData{
		Time: m.Data.At, Until: m.Data.Until, Browser: browserName(m.Data.UserAgent), Address: m.Data.Address, Name: m.Data.Name,
	})
	if err != nil {
		return nil, err
	}
	return &Letter{ID: m.ID, To: account.Profile.Email, Subject: subject, Body: body}, nil
}

var kinds = map[provider.MessageKind]loginui.MessageKind{
	provider.MessageLocked: loginui.Locked, provider.MessageLockedHard: loginui.LockedHard, provider.MessageNewDevice: loginui.NewDevice,
	provider.MessageFactorAdded: loginui.FactorAdded, provider.MessagePassword: loginui.PasswordChanged,
}
