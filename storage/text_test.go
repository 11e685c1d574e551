package storage_test

import (
	"context"
	"errors"
	"testing"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// TestHostileText looks things up by texts that break careless SQL, or that
// PostgreSQL refuses: all of them are simply not there.
func TestHostileText(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		open(t, s, "a1")
		ok(t, "client", s.CreateClient(t.Context(), sampleClient("shop", noon)))
		for _, text := range []string{"' OR '1'='1", "a1'; DROP TABLE accounts; --", "$1", "?", "%", "_", "\\", "a1\x00", "\x00", "\xff\xfe", "\xed\xa0\x80", "\U0001F511"} {
			for name, find := range finders(t.Context(), s, text) {
				if err := find(); !errors.Is(err, provider.NotFound) && !errors.Is(err, provider.Spent) {
					t.Errorf("%s by %q: got %v, want not found or spent", name, text, err)
				}
			}
			lane, err := s.Lane(t.Context(), text)
			ok(t, "lane", err)
			same(t, "lane", lane, provider.Lane{Key: text})
			events, err := s.Events(t.Context(), storage.EventFilter{Subject: text})
			ok(t, "events", err)
			same(t, "events", len(events), 0)
			ok(t, "revoke", s.RevokeGrant(t.Context(), text, noon))
			ok(t, "end", s.EndSession(t.Context(), text))
			known, err := s.KnownDevice(t.Context(), text, "a1", noon)
			ok(t, "device", err)
			same(t, "known", known, false)
		}
		if open := isOpen(t, s, "a1"); !open["session"] || !open["grant"] || !open["factor"] {
			t.Errorf("something is gone: %v", open)
		}
	})
}

func finders(ctx context.Context, s *storage.Store, text string) map[string]func() error {
	return map[string]func() error{
		"account":         func() error { _, err := s.Account(ctx, text); return err },
		"account by name": func() error { _, err := s.AccountByUserID(ctx, text); return err },
		"factor":          func() error { _, err := s.Factor(ctx, text); return err },
		"step":            func() error { return s.UseTOTPStep(ctx, text, 9, noon) },
		"sign-in":         func() error { _, err := s.SignIn(ctx, text, text, noon); return err },
		"sign-in's end":   func() error { return s.DeleteSignIn(ctx, text) },
		"session":         func() error { _, _, err := s.Session(ctx, text); return err },
		"client":          func() error { _, err := s.Client(ctx, text); return err },
		"code":            func() error { _, err := s.Code(ctx, text); return err },
		"redemption":      func() error { return s.RedeemCode(ctx, text, noon) },
		"grant":           func() error { _, err := s.Grant(ctx, text); return err },
		"rotation":        func() error { return s.RotateRefresh(ctx, text, text, text, noon, noon) },
		"access token":    func() error { _, _, err := s.AccessToken(ctx, text); return err },
		"deletion":        func() error { return s.DeleteAccount(ctx, text) },
		"credential":      func() error { _, err := s.FactorByCredential(ctx, text); return err },
		"name":            func() error { return s.RenameFactor(ctx, "a1", text, "name") },
		"challenge":       func() error { _, err := s.Challenge(ctx, text, text); return err },
		"taking":          func() error { _, err := s.TakeChallenge(ctx, text, "code"); return err },
		"recovery code":   func() error { return s.UseRecoveryCode(ctx, text) },
		"session's end":   func() error { return s.EndSessionOf(ctx, "a1", text) },
		"distrust":        func() error { return s.DistrustDevice(ctx, "a1", text) },
		"consent's end":   func() error { return s.RemoveConsent(ctx, "a1", text, noon) },
	}
}

// TestTextFromOutsideIsKept stores what a browser may send in a header or a
// parameter, as well as TEXT can hold it.
func TestTextFromOutsideIsKept(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("astrid", "Astrid")))
		n := sampleSession("s", noon)
		n.UserAgent = "Mozilla\x00\xff' --"
		ok(t, "session", s.CreateSession(ctx, n))
		got, _, err := s.Session(ctx, "s")
		ok(t, "read", err)
		same(t, "user agent", got.UserAgent, "Mozilla\uFFFD\uFFFD' --")
		ok(t, "event", s.Record(ctx, provider.Event{Action: provider.ActionSignOut, Outcome: provider.OK, Detail: "a\x00b"}))

		if err := s.CreateAccount(ctx, sampleAccount("a\x00", "Astrid")); err == nil || errors.Is(err, provider.Exists) {
			t.Errorf("an id with a NUL byte: got %v, want an error of its own", err)
		}
	})
}

// TestRevokedTokenOfHostileText must not take a text that cannot be stored for a
// token that was not revoked and a grant that is gone, without saying so.
func TestRevokedTokenOfHostileText(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		_, _, err := s.RevokedToken(t.Context(), "\x00", "g")
		refused(t, "ask", err, provider.NotFound)
	})
}
