package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestSignIns(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		in := sampleSignIn("s1", noon)
		in.Data.Request.State = "\x00 <'\"> å"
		ok(t, "create", s.CreateSignIn(ctx, in))
		refused(t, "same id", s.CreateSignIn(ctx, sampleSignIn("s1", noon)), provider.Exists)
		got, err := s.SignIn(ctx, "s1", in.Browser, noon)
		ok(t, "read", err)
		same(t, "sign-in", got, in)
		_, err = s.SignIn(ctx, "s1", "another browser", noon)
		refused(t, "another browser", err, provider.NotFound)
		_, err = s.SignIn(ctx, "s1", in.Browser, in.Expires)
		refused(t, "after its time", err, provider.Expired)

		got.Data.Chosen, got.Data.Proof = true, provider.Proof{}
		ok(t, "save", s.SaveSignIn(ctx, got))
		same(t, "version", got.Version, in.Version+1)
		refused(t, "save of an old state", s.SaveSignIn(ctx, in), provider.Changed)
		again, err := s.SignIn(ctx, "s1", in.Browser, noon)
		ok(t, "read", err)
		same(t, "saved sign-in", again, got)

		ok(t, "move", s.MoveSignIns(ctx, in.Browser, "new cookie"))
		_, err = s.SignIn(ctx, "s1", in.Browser, noon)
		refused(t, "old cookie", err, provider.NotFound)
		_, err = s.SignIn(ctx, "s1", "new cookie", noon)
		ok(t, "new cookie", err)
		refused(t, "save under the old cookie", s.SaveSignIn(ctx, got), provider.Changed)

		elsewhere := sampleSignIn("s2", noon)
		elsewhere.Browser = "another browser"
		ok(t, "create elsewhere", s.CreateSignIn(ctx, elsewhere))
		ok(t, "drop of nobody", s.DropSignIns(ctx, "", "none"))
		ok(t, "drop", s.DropSignIns(ctx, "astrid", "new cookie"))
		_, err = s.SignIn(ctx, "s1", "new cookie", noon)
		ok(t, "this browser's stays", err)
		_, err = s.SignIn(ctx, "s2", "another browser", noon)
		refused(t, "another browser's is gone", err, provider.NotFound)

		ok(t, "delete", s.DeleteSignIn(ctx, "s1"))
		refused(t, "delete again", s.DeleteSignIn(ctx, "s1"), provider.Spent)
	})
}

func TestRollbackTakesBackVersions(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		in, c := sampleSignIn("s1", noon), sampleClient("shop", noon)
		ok(t, "create", s.CreateSignIn(ctx, in))
		ok(t, "create", s.CreateClient(ctx, c))
		stop := errors.New("stop")
		err := s.InTx(ctx, func(ctx context.Context) error {
			ok(t, "save", s.SaveSignIn(ctx, in))
			ok(t, "save again", s.SaveSignIn(ctx, in))
			ok(t, "update", s.UpdateClient(ctx, c))
			return stop
		})
		refused(t, "transaction", err, stop)
		same(t, "versions", []int{in.Version, c.Version}, []int{1, 1})
		ok(t, "save after all", s.SaveSignIn(ctx, in))
		ok(t, "update after all", s.UpdateClient(ctx, c))
	})
}

func TestSessions(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		owner := sampleAccount("astrid", "Astrid")
		ok(t, "owner", s.CreateAccount(ctx, owner))
		ok(t, "next owner", s.CreateAccount(ctx, sampleAccount("berit", "Berit")))
		n := sampleSession("h1", noon)
		ok(t, "create", s.CreateSession(ctx, n))
		refused(t, "same id", s.CreateSession(ctx, n), provider.Exists)
		got, account, err := s.Session(ctx, "h1")
		ok(t, "read", err)
		same(t, "session", got, n)
		same(t, "account", account, owner)

		n.LastSeen = noon.Add(time.Minute)
		ok(t, "touch", s.TouchSession(ctx, "h1", n.LastSeen))
		ok(t, "touch with an earlier time", s.TouchSession(ctx, "h1", noon))
		got, _, err = s.Session(ctx, "h1")
		ok(t, "read", err)
		same(t, "touched session", got, n)

		n.ID, n.Methods, n.AuthTime, n.AccountID = "h2", []string{"pwd"}, noon.Add(time.Second), "berit"
		ok(t, "replace", s.ReplaceSession(ctx, "h1", n))
		refused(t, "replace again", s.ReplaceSession(ctx, "h1", sampleSession("h3", noon)), provider.Spent)
		_, _, err = s.Session(ctx, "h1")
		refused(t, "old id", err, provider.NotFound)
		got, _, err = s.Session(ctx, "h2")
		ok(t, "read", err)
		same(t, "replaced session", got, n)

		ok(t, "end", s.EndSession(ctx, "h2"))
		ok(t, "end again", s.EndSession(ctx, "h2"))
		_, _, err = s.Session(ctx, "h2")
		refused(t, "ended", err, provider.NotFound)
	})
}

func TestConsents(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a1", "Astrid")))
		none, err := s.Consent(ctx, "a1", "shop")
		ok(t, "read", err)
		same(t, "no consent", none, []string(nil))
		for _, scopes := range [][]string{{"openid", "email"}, {"openid"}, nil} {
			ok(t, "set", s.SetConsent(ctx, "a1", "shop", scopes, noon))
			got, err := s.Consent(ctx, "a1", "shop")
			ok(t, "read", err)
			same(t, "consent", got, scopes)
		}
	})
}
