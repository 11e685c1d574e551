package storage_test

import (
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestSessionsOfAnAccount(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		first, second, other := sampleSession("h1", noon), sampleSession("h2", noon), sampleSession("h3", noon)
		second.LastSeen, other.AccountID = noon.Add(time.Minute), "berit"
		for _, n := range []*provider.Session{first, second, other} {
			ok(t, "create", s.CreateSession(ctx, n))
		}
		list := func(account string, want ...provider.Session) {
			t.Helper()
			got, err := s.Sessions(ctx, account)
			ok(t, "list", err)
			if len(got) != 0 || len(want) != 0 {
				same(t, "sessions of "+account, got, want)
			}
		}
		list("astrid", *second, *first)
		list("nobody")
		refused(t, "end of another account's", s.EndSessionOf(ctx, "astrid", other.SID), provider.NotFound)
		refused(t, "end by id instead of sid", s.EndSessionOf(ctx, "astrid", "h1"), provider.NotFound)
		ok(t, "end", s.EndSessionOf(ctx, "astrid", first.SID))
		refused(t, "end again", s.EndSessionOf(ctx, "astrid", first.SID), provider.NotFound)
		list("astrid", *second)
		list("berit", *other)
	})
}

func TestConnectedApps(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		open(t, s, "a1") // allows the shop
		open(t, s, "a2")
		ok(t, "consent", s.SetConsent(ctx, "a1", "app", []string{"openid", "email"}, noon.Add(time.Hour)))
		apps := func(account string) []provider.ConnectedApp {
			t.Helper()
			list, err := s.ConnectedApps(ctx, account)
			ok(t, "list", err)
			return list
		}
		app := provider.ConnectedApp{ClientID: "app", Scopes: []string{"openid", "email"}, Since: noon.Add(time.Hour)}
		same(t, "apps, newest first", apps("a1"), []provider.ConnectedApp{app, {ClientID: "shop", Scopes: []string{"openid"}, Since: noon}})
		grant := sampleGrant("of the app", noon)
		grant.AccountID, grant.ClientID = "a1", "app"
		ok(t, "grant", s.CreateGrant(ctx, grant))

		refused(t, "removal of what was not allowed", s.RemoveConsent(ctx, "a1", "bank", noon), provider.NotFound)
		ok(t, "remove", s.RemoveConsent(ctx, "a1", "shop", noon))
		refused(t, "remove again", s.RemoveConsent(ctx, "a1", "shop", noon), provider.NotFound)
		same(t, "apps", apps("a1"), []provider.ConnectedApp{app})
		same(t, "what is open", isOpen(t, s, "a1"), map[string]bool{"session": true, "signin": true, "code": false, "device": true,
			"trusted": true, "grant": false, "factor": true, "consent": false, "recovery": true})
		g, err := s.Grant(ctx, "of the app")
		ok(t, "grant", err)
		same(t, "the other app's grant is live", g.Live(noon), true)
		same(t, "the other account's apps", len(apps("a2")), 1)
		if open := isOpen(t, s, "a2"); !open["code"] || !open["grant"] {
			t.Errorf("something of the other account is gone: %v", open)
		}
	})
}
