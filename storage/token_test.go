package storage_test

import (
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		c := sampleCode("c1", noon)
		c.Nonce = "\x00\" or '1'='1"
		ok(t, "create", s.CreateCode(ctx, c))
		refused(t, "same hash", s.CreateCode(ctx, sampleCode("c1", noon)), provider.Exists)
		got, err := s.Code(ctx, "c1")
		ok(t, "read", err)
		same(t, "code", got, c)

		ok(t, "redeem", s.RedeemCode(ctx, "c1", noon.Add(time.Second)))
		refused(t, "redeem again", s.RedeemCode(ctx, "c1", noon.Add(2*time.Second)), provider.Spent)
		c.Used = noon.Add(time.Second)
		got, err = s.Code(ctx, "c1")
		ok(t, "read", err)
		same(t, "used code", got, c)
		refused(t, "redeem of none", s.RedeemCode(ctx, "c2", noon), provider.Spent)
		_, err = s.Code(ctx, "C1")
		refused(t, "other case", err, provider.NotFound)
	})
}

func TestGrants(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		g := sampleGrant("g1", noon)
		ok(t, "create", s.CreateGrant(ctx, g))
		refused(t, "same id", s.CreateGrant(ctx, g), provider.Exists)
		read := func() *provider.Grant {
			t.Helper()
			got, err := s.Grant(ctx, "g1")
			ok(t, "read", err)
			return got
		}
		same(t, "grant", read(), g)

		later := noon.Add(time.Minute)
		ok(t, "rotate", s.RotateRefresh(ctx, "g1", g.RefreshHash, "r2", later, later.Add(time.Hour)))
		refused(t, "rotate the old one", s.RotateRefresh(ctx, "g1", g.RefreshHash, "r3", later, later), provider.Spent)
		g.RefreshPrevious, g.RefreshHash, g.RefreshRotated, g.RefreshExpires = g.RefreshHash, "r2", later, later.Add(time.Hour)
		same(t, "rotated grant", read(), g)

		ok(t, "revoke", s.RevokeGrant(ctx, "g1", later))
		ok(t, "revoke again", s.RevokeGrant(ctx, "g1", later.Add(time.Hour)))
		ok(t, "revoke none", s.RevokeGrant(ctx, "g2", later))
		g.Revoked = later
		same(t, "revoked grant", read(), g)
		refused(t, "rotate after that", s.RotateRefresh(ctx, "g1", "r2", "r3", later, later), provider.Spent)
		_, err := s.Grant(ctx, "g2")
		refused(t, "unknown", err, provider.NotFound)
	})
}

func TestRevokeGrantsOfSession(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		for id, scopes := range map[string][]string{"offline": {"openid", "offline_access"}, "online": {"openid"}, "elsewhere": {"openid"}, "none": {"openid"}} {
			g := sampleGrant(id, noon)
			g.Scopes = scopes
			g.SID = map[string]string{"elsewhere": "other", "none": ""}[id]
			if id == "offline" || id == "online" {
				g.SID = "sid"
			}
			ok(t, "create", s.CreateGrant(ctx, g))
		}
		live := func() map[string]bool {
			t.Helper()
			out := map[string]bool{}
			for _, id := range []string{"offline", "online", "elsewhere", "none"} {
				g, err := s.Grant(ctx, id)
				ok(t, "read", err)
				out[id] = g.Live(noon)
			}
			return out
		}
		ok(t, "sign out of nothing", s.RevokeGrantsOfSession(ctx, "", noon, false))
		ok(t, "sign out", s.RevokeGrantsOfSession(ctx, "sid", noon, true))
		same(t, "live", live(), map[string]bool{"offline": true, "online": false, "elsewhere": true, "none": true})
		ok(t, "end all", s.RevokeGrantsOfSession(ctx, "sid", noon, false))
		same(t, "live", live(), map[string]bool{"offline": false, "online": false, "elsewhere": true, "none": true})
	})
}

func TestAccessTokens(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		g, of, alone := sampleGrant("g1", noon), sampleToken("t1", "g1", noon), sampleToken("t2", "", noon)
		alone.Scopes, alone.Audience = nil, []string{`quoted "," back\slash`, "å"}
		ok(t, "grant", s.CreateGrant(ctx, g))
		ok(t, "token", s.CreateAccessToken(ctx, of))
		ok(t, "token without grant", s.CreateAccessToken(ctx, alone))
		refused(t, "same hash", s.CreateAccessToken(ctx, of), provider.Exists)

		got, grant, err := s.AccessToken(ctx, "t1")
		ok(t, "read", err)
		same(t, "token", got, of)
		same(t, "its grant", grant, brief(g))
		got, grant, err = s.AccessToken(ctx, "t2")
		ok(t, "read", err)
		same(t, "token without grant", got, alone)
		same(t, "no grant", grant, (*provider.Grant)(nil))
		_, _, err = s.AccessToken(ctx, "t3")
		refused(t, "unknown", err, provider.NotFound)

		of.Revoked = noon.Add(time.Second)
		ok(t, "revoke", s.RevokeAccessToken(ctx, of))
		again := *of
		again.Revoked = noon.Add(time.Hour)
		ok(t, "revoke again", s.RevokeAccessToken(ctx, &again))
		got, _, err = s.AccessToken(ctx, "t1")
		ok(t, "read", err)
		same(t, "revoked token", got, of)
	})
}

func TestRevokedToken(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		g, jwt := sampleGrant("g1", noon), sampleToken("jti", "g1", noon)
		ok(t, "grant", s.CreateGrant(ctx, g))
		ok(t, "opaque token", s.CreateAccessToken(ctx, sampleToken("live", "g1", noon)))
		check := func(jti, grantID string, wantToken *provider.AccessToken, wantGrant *provider.Grant) {
			t.Helper()
			revoked, grant, err := s.RevokedToken(ctx, jti, grantID)
			ok(t, "ask", err)
			same(t, "revoked token", revoked, wantToken)
			same(t, "grant", grant, wantGrant)
		}
		check("jti", "g1", nil, brief(g))
		check("jti", "", nil, nil)
		check("live", "g1", nil, brief(g))
		ok(t, "revoke without a time", s.RevokeAccessToken(ctx, jwt))
		if !jwt.Revoked.IsZero() {
			t.Error("the caller's token was changed")
		}
		revoked, _, err := s.RevokedToken(ctx, "jti", "g1")
		ok(t, "ask", err)
		if revoked == nil || revoked.Revoked.IsZero() {
			t.Fatalf("got %+v, want a revoked token", revoked)
		}
		jwt.Revoked = revoked.Revoked
		check("jti", "g2", jwt, nil)
	})
}

func TestAudit(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		var want []provider.Event // newest first
		for i, e := range []provider.Event{
			{Subject: "a1", Action: provider.ActionPassword, Outcome: provider.OK, Method: "pwd"},
			{Subject: "a1", ClientID: "shop", Action: provider.ActionRevoke, Outcome: provider.OK, Actor: "shop"},
			{Subject: "a2", ClientID: "shop", Action: provider.ActionPassword, Outcome: provider.Refused, Address: "192.0.2.1", RequestID: "r", Detail: "d"},
		} {
			e.At = noon.Add(time.Duration(i) * time.Second)
			ok(t, "record", s.Record(ctx, e))
			want = append([]provider.Event{e}, want...)
		}
		list := func(f storage.EventFilter) []provider.Event {
			t.Helper()
			got, err := s.Events(ctx, f)
			ok(t, "list", err)
			return got
		}
		all := list(storage.EventFilter{})
		for i := range all {
			if all[i].ID == "" {
				t.Fatal("an event has no id")
			}
			want[i].ID = all[i].ID
		}
		same(t, "all", all, want)
		same(t, "of a subject", list(storage.EventFilter{Subject: "a1"}), want[1:])
		same(t, "of a client", list(storage.EventFilter{ClientID: "shop"}), want[:2])
		same(t, "of an action", list(storage.EventFilter{Action: provider.ActionPassword}), []provider.Event{want[0], want[2]})
		same(t, "of both", list(storage.EventFilter{Subject: "a1", ClientID: "shop"}), want[1:2])
		same(t, "first page", list(storage.EventFilter{Limit: 2}), want[:2])
		same(t, "next page", list(storage.EventFilter{Before: want[1].ID}), want[2:])

		ok(t, "record without a time", s.Record(ctx, provider.Event{Action: provider.ActionRehash, Outcome: provider.OK}))
		if at := list(storage.EventFilter{Limit: 1})[0].At; time.Since(at).Abs() > time.Minute {
			t.Errorf("time: got %v, want now", at)
		}
		if err := s.Record(ctx, provider.Event{Action: provider.ActionRehash, Outcome: "perhaps"}); err == nil {
			t.Error("an outcome that does not exist was stored")
		}
	})
}

// brief is as much of a grant as a token's look-up reads.
func brief(g *provider.Grant) *provider.Grant {
	return &provider.Grant{ID: g.ID, Methods: g.Methods, AuthTime: g.AuthTime, Expires: g.Expires, Revoked: g.Revoked}
}
