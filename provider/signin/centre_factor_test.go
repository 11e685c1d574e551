package signin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// factors are the kinds of the account's confirmed factors.
func (b *bench) factors() (kinds []string) {
	b.t.Helper()
	all, err := b.service.confirmed(b.ctx, b.account.ID)
	must(b.t, err)
	for _, f := range all {
		kinds = append(kinds, string(f.Kind))
	}
	return kinds
}

func TestRenameFactor(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		p := b.strong(kajsa, b.enrol(b.account))
		o := p.owner()
		for _, name := range []string{"", "  ", strings.Repeat("å", 41), "two\nlines", "\xff"} {
			var faults provider.Faults
			if err := b.service.RenameFactor(b.ctx, o, o.Factors[0].ID, name); !errors.As(err, &faults) || faults[0].Field != "name" {
				t.Errorf("%q: got %v, want a fault of name", name, err)
			}
		}
		must(t, b.service.RenameFactor(b.ctx, o, o.Factors[0].ID, " "+strings.Repeat("å", 40)+" "))
		if got := p.owner().Factors[0].Name; got != strings.Repeat("å", 40) {
			t.Errorf("got name %q", got)
		}
		b.byOwner(provider.ActionFactorRenamed, "totp")
		unconfirmed, _ := b.service.newFactor(b.account.ID, "")
		must(t, store.CreateFactor(b.ctx, unconfirmed))
		wants(t, b.service.RenameFactor(b.ctx, p.owner(), unconfirmed.ID, "name"), provider.NotFound)
		wants(t, b.service.RemoveFactor(b.ctx, p.owner(), unconfirmed.ID), provider.NotFound)
	})
}

func TestRemoveFactor(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre, policy(provider.SecondFactorRequired))
		first := b.enrol(b.account)
		p := b.strong(kajsa, first)
		only := p.owner().Factors[0].ID
		wants(t, b.service.RemoveFactor(b.ctx, p.owner(), only), provider.LastFactor)
		b.enrol(b.account)
		b.trust(b.account)
		must(t, b.service.RemoveFactor(b.ctx, p.owner(), only))
		b.byOwner(provider.ActionFactorRemoved, "totp")
		if got := b.factors(); !slices.Equal(got, []string{"totp"}) || b.trusted(b.account) != 0 {
			t.Errorf("left: %v, trusted devices: %d", got, b.trusted(b.account))
		}
		told := b.sent(provider.MessageFactorRemoved)
		if len(told) != 1 || told[0].Data.Name != "phone" || told[0].Data.Factor != "totp" {
			t.Errorf("got notices %+v", told)
		}
		wants(t, b.service.RemoveFactor(b.ctx, p.owner(), only), provider.NotFound)
		wants(t, b.service.RemoveFactor(b.ctx, p.owner(), p.owner().Factors[0].ID), provider.LastFactor)

		again := b.person().start("bank")
		must(t, again.password(kajsa, password))
		b.pass(time.Minute)
		wants(t, again.totp(b.code(first, 0)), provider.WrongCode)
	})
}

// TestRemoveFactorsAtOnce removes the last two factors at the same time: the second
// removal waits for the first, and then finds that it would take the last one.
func TestRemoveFactorsAtOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre, policy(provider.SecondFactorRequired))
		b.enrol(b.account)
		o := b.strong(kajsa, b.enrol(b.account)).owner()
		second := make(chan error, 1)
		must(t, store.InTx(b.ctx, func(ctx context.Context) error {
			if err := b.service.RemoveFactor(ctx, o, o.Factors[0].ID); err != nil {
				return err
			}
			go func() { second <- b.service.RemoveFactor(b.ctx, o, o.Factors[1].ID) }()
			select {
			case err := <-second:
				second <- err
			case <-time.After(300 * time.Millisecond):
			}
			return nil
		}))
		wants(t, <-second, provider.LastFactor)
		left, err := b.service.confirmed(b.ctx, b.account.ID)
		if err != nil || len(left) != 1 || left[0].ID != o.Factors[1].ID {
			t.Errorf("left: %+v, %v", left, err)
		}
	})
}
