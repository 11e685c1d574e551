package signin

import (
	"slices"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestEndSession(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		p, other := b.signedIn(), b.signedIn()
		sid := other.session().SID
		online, offline := b.grant(b.account, sid, "openid"), b.grant(b.account, sid, provider.ScopeOffline)
		list, err := b.service.Sessions(b.ctx, p.owner())
		if err != nil || len(list) != 2 {
			t.Errorf("got %d sessions, %v", len(list), err)
		}
		must(t, b.service.EndSession(b.ctx, p.owner(), sid))
		b.byOwner(provider.ActionSessionsEnded, "")
		if other.session() != nil || p.session() == nil || b.live(online) || !b.live(offline) {
			t.Errorf("other %v, own %v, online grant %v, offline grant %v", other.session(), p.session(), b.live(online), b.live(offline))
		}
		wants(t, b.service.EndSession(b.ctx, p.owner(), sid), provider.NotFound)
		must(t, b.service.EndSession(b.ctx, p.owner(), p.session().SID))
		if p.session() != nil {
			t.Error("the own session is still there")
		}
	})
}

func TestSessionsListsThoseAlive(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), centre)
	b.signedIn()
	b.pass(15 * time.Minute)
	p := b.signedIn()
	list, err := b.service.Sessions(b.ctx, p.owner())
	if err != nil || len(list) != 1 || list[0].SID != p.session().SID {
		t.Errorf("got %+v, %v; want the one that is not idle", list, err)
	}
}

func TestEndOthers(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		p, one, two := b.signedIn(), b.signedIn(), b.signedIn()
		mine, theirs := b.grant(b.account, p.session().SID), b.grant(b.account, one.session().SID)
		must(t, b.service.EndOthers(b.ctx, p.owner()))
		if p.session() == nil || one.session() != nil || two.session() != nil || !b.live(mine) || b.live(theirs) {
			t.Errorf("own %v, others %v and %v, own grant %v, other's %v", p.session(), one.session(), two.session(), b.live(mine), b.live(theirs))
		}
		b.byOwner(provider.ActionSessionsEnded, "")
		if n := len(b.sent(provider.MessageDevicesSigned)); n != 1 {
			t.Errorf("%d notices, want 1", n)
		}
		must(t, b.service.EndOthers(b.ctx, p.owner())) // there are none
	})
}

func TestDistrust(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		p := b.signedIn()
		b.trust(b.account)
		device := b.trust(b.account)
		must(t, b.service.Distrust(b.ctx, p.owner(), device))
		b.byOwner(provider.ActionDeviceForgotten, "")
		left, err := b.service.TrustedDevices(b.ctx, p.owner())
		if err != nil || len(left) != 1 || left[0].ID == device {
			t.Errorf("got %+v, %v", left, err)
		}
		wants(t, b.service.Distrust(b.ctx, p.owner(), device), provider.NotFound)
	})
}

func TestRemoveApp(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		p := b.signedIn()
		for _, client := range []string{"shop", "gone"} {
			must(t, store.SetConsent(b.ctx, b.account.ID, client, []string{"openid"}, b.set.Now()))
		}
		grant := b.grant(b.account, "", provider.ScopeOffline)
		must(t, b.service.RemoveApp(b.ctx, p.owner(), "shop"))
		b.byOwner(provider.ActionAccessRemoved, "")
		if e := b.newest(b.account, provider.ActionAccessRemoved); e.Detail != "shop" || b.live(grant) {
			t.Errorf("got %+v, grant live: %v", e, b.live(grant))
		}
		wants(t, b.service.RemoveApp(b.ctx, p.owner(), "shop"), provider.NotFound)
		must(t, b.service.RemoveApp(b.ctx, p.owner(), "gone")) // a client that is no longer registered
		var names []string
		for _, m := range b.sent(provider.MessageAccessRemoved) {
			names = append(names, m.Data.Name)
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"gone", "shop"}) {
			t.Errorf("got notices of %q", names)
		}
		if apps, err := b.service.Apps(b.ctx, p.owner()); err != nil || len(apps) != 0 {
			t.Errorf("left: %v, %v", apps, err)
		}
	})
}
