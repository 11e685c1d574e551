package storage_test

import (
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		astrid := sampleAccount("a1", "Astrid.Lind")
		ok(t, "create", s.CreateAccount(ctx, astrid))

		got, err := s.Account(ctx, "a1")
		ok(t, "read", err)
		same(t, "account", got, astrid)
		got, err = s.AccountByUserID(ctx, "  Astrid.Lind ")
		ok(t, "read by User ID with spaces around it", err)
		same(t, "account by User ID", got, astrid)

		for _, wrong := range []string{"astrid.lind", "ASTRID.LIND", "Astrid.Lin", ""} {
			_, err = s.AccountByUserID(ctx, wrong)
			refused(t, "User ID "+wrong, err, provider.NotFound)
		}
		_, err = s.Account(ctx, "a2")
		refused(t, "unknown id", err, provider.NotFound)
		status, err := s.AccountStatus(ctx, "a1")
		ok(t, "status", err)
		same(t, "status", status, provider.AccountActive)
		_, err = s.AccountStatus(ctx, "a2")
		refused(t, "status of an unknown id", err, provider.NotFound)

		refused(t, "same id", s.CreateAccount(ctx, sampleAccount("a1", "Someone")), provider.Exists)
		for _, alike := range []string{"Astrid.Lind", "ASTRID.LIND", "astrid.lind"} {
			refused(t, "look-alike "+alike, s.CreateAccount(ctx, sampleAccount("a9", alike)), provider.Exists)
		}
		ok(t, "straße", s.CreateAccount(ctx, sampleAccount("a3", "straße")))
		refused(t, "STRASSE", s.CreateAccount(ctx, sampleAccount("a4", "STRASSE")), provider.Exists)
	})
}

func TestAccountsArePaged(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		for _, id := range []string{"delta", "Alpha", "charlie", "Bravo"} {
			ok(t, "create", s.CreateAccount(ctx, sampleAccount("id-"+id, id)))
		}
		var got []string
		for after := ""; ; {
			page, err := s.Accounts(ctx, after, 3)
			ok(t, "list", err)
			if len(page) == 0 {
				break
			}
			for _, a := range page {
				got = append(got, a.UserID)
			}
			after = page[len(page)-1].UserID
		}
		same(t, "User IDs", got, []string{"Alpha", "Bravo", "charlie", "delta"})
	})
}

func TestAccountChanges(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		want := sampleAccount("a1", "Astrid")
		ok(t, "create", s.CreateAccount(ctx, want))
		later := noon.Add(time.Hour)

		ok(t, "set password", s.SetPassword(ctx, "a1", "$new", later))
		want.PasswordHash, want.PasswordChanged, want.Updated = "$new", later, later
		refused(t, "rehash of another hash", s.RehashPassword(ctx, "a1", "$argon2id$sample", "$x"), provider.Changed)
		ok(t, "rehash", s.RehashPassword(ctx, "a1", "$new", "$better"))
		want.PasswordHash = "$better"
		ok(t, "lock", s.SetAccountStatus(ctx, "a1", provider.AccountLocked, later.Add(time.Second)))
		want.Status = provider.AccountLocked
		want.Profile, want.Locale, want.Updated = provider.Profile{Name: "A\x00B"}, "", later.Add(time.Minute)
		want.EmailChanged, want.PhoneChanged = later.Add(2*time.Minute), later.Add(3*time.Minute)
		ok(t, "update profile", s.UpdateProfile(ctx, want))

		got, err := s.Account(ctx, "a1")
		ok(t, "read", err)
		same(t, "account", got, want)
		ok(t, "session", s.CreateSession(ctx, &provider.Session{ID: "h", AccountID: "a1"}))
		_, got, err = s.Session(ctx, "h")
		ok(t, "read with a session", err)
		same(t, "account of a session", got, want)
		created := *want
		created.ID, created.UserID = "a3", "Cilla"
		ok(t, "create with the times of its contacts", s.CreateAccount(ctx, &created))
		got, err = s.Account(ctx, "a3")
		ok(t, "read", err)
		same(t, "account", got, &created)

		refused(t, "password of nobody", s.SetPassword(ctx, "a2", "$x", later), provider.NotFound)
		refused(t, "status of nobody", s.SetAccountStatus(ctx, "a2", provider.AccountActive, later), provider.NotFound)
		refused(t, "profile of nobody", s.UpdateProfile(ctx, sampleAccount("a2", "b")), provider.NotFound)
		if err := s.SetAccountStatus(ctx, "a1", "asleep", later); err == nil {
			t.Error("a status that does not exist was stored")
		}
	})
}

// open gives the account everything that EndAccount must end, and an account
// beside it that must keep all of it.
func open(t *testing.T, s *storage.Store, accountID string) {
	t.Helper()
	ctx := t.Context()
	ok(t, "account", s.CreateAccount(ctx, sampleAccount(accountID, "user-"+accountID)))
	ok(t, "factor", s.CreateFactor(ctx, sampleFactor("factor-"+accountID, accountID)))
	ok(t, "consent", s.SetConsent(ctx, accountID, "shop", []string{"openid"}, noon))
	ok(t, "device", s.RememberDevice(ctx, "device-"+accountID, accountID, noon, noon.Add(time.Hour)))
	session := sampleSession("session-"+accountID, noon)
	session.AccountID = accountID
	ok(t, "session", s.CreateSession(ctx, session))
	ok(t, "trusted device", s.TrustDevice(ctx, sampleDevice("trusted-"+accountID, "token", accountID)))
	ok(t, "recovery code", s.ReplaceRecoveryCodes(ctx, accountID, []provider.RecoveryCode{{ID: "recovery-" + accountID, MAC: []byte{1}, Created: noon}}))
	in := sampleSignIn("signin-"+accountID, noon)
	in.Data.Proof.AccountID = accountID
	ok(t, "sign-in", s.CreateSignIn(ctx, in))
	code := sampleCode("code-"+accountID, noon)
	code.Grant.AccountID = accountID
	ok(t, "code", s.CreateCode(ctx, code))
	grant := sampleGrant("grant-"+accountID, noon)
	grant.AccountID = accountID
	ok(t, "grant", s.CreateGrant(ctx, grant))
}

// isOpen tells for each thing that open made whether it can still be used.
func isOpen(t *testing.T, s *storage.Store, accountID string) map[string]bool {
	t.Helper()
	ctx := t.Context()
	_, _, session := s.Session(ctx, "session-"+accountID)
	_, signin := s.SignIn(ctx, "signin-"+accountID, "browser-of-signin-"+accountID, noon)
	_, code := s.Code(ctx, "code-"+accountID)
	device, err := s.KnownDevice(ctx, "device-"+accountID, accountID, noon)
	ok(t, "device", err)
	grant, err := s.Grant(ctx, "grant-"+accountID)
	ok(t, "grant", err)
	factors, err := s.Factors(ctx, accountID)
	ok(t, "factors", err)
	consent, err := s.Consent(ctx, accountID, "shop")
	ok(t, "consent", err)
	trusted, err := s.Trusted(ctx, "token", accountID, noon)
	ok(t, "trusted device", err)
	recovery, err := s.RecoveryCodes(ctx, accountID)
	ok(t, "recovery codes", err)
	return map[string]bool{"session": session == nil, "signin": signin == nil, "code": code == nil, "device": device,
		"grant": grant.Live(noon), "factor": len(factors) > 0, "consent": consent != nil,
		"trusted": trusted, "recovery": len(recovery) > 0}
}

func TestEndAccount(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		open(t, s, "ended")
		open(t, s, "other")
		ok(t, "sign-in of nobody yet", s.CreateSignIn(t.Context(), &provider.SignIn{ID: "fresh", Browser: "b", Created: noon, Expires: noon.Add(time.Hour)}))
		all := map[string]bool{"session": true, "signin": true, "code": true, "device": true, "grant": true, "factor": true, "consent": true,
			"trusted": true, "recovery": true}
		same(t, "before", isOpen(t, s, "ended"), all)

		ok(t, "end", s.EndAccount(t.Context(), "ended", noon))
		same(t, "ended", isOpen(t, s, "ended"), map[string]bool{"session": false, "signin": false, "code": false, "device": false,
			"grant": false, "factor": true, "consent": true, "trusted": false, "recovery": true})
		same(t, "the other account", isOpen(t, s, "other"), all)

		ok(t, "end nobody", s.EndAccount(t.Context(), "", noon))
		_, err := s.SignIn(t.Context(), "fresh", "b", noon)
		ok(t, "a sign-in that proved nothing stays", err)
	})
}

func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		open(t, s, "deleted")
		open(t, s, "other")
		before := isOpen(t, s, "other")
		ok(t, "delete", s.DeleteAccount(t.Context(), "deleted"))
		_, err := s.Account(t.Context(), "deleted")
		refused(t, "read", err, provider.NotFound)
		for what, open := range isOpen(t, s, "deleted") {
			if what != "code" && open { // the code is over by the clock: noon is not now
				t.Errorf("%s of a deleted account can be used", what)
			}
		}
		same(t, "the other account", isOpen(t, s, "other"), before)
		refused(t, "delete again", s.DeleteAccount(t.Context(), "deleted"), provider.NotFound)
		ok(t, "the User ID is free", s.CreateAccount(t.Context(), sampleAccount("new", "user-deleted")))
	})
}

// EndOthers spares one session with what was granted in it, and other accounts.
func TestEndOthers(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		ok(t, "account", s.CreateAccount(ctx, sampleAccount("a1", "user")))
		ok(t, "another", s.CreateAccount(ctx, sampleAccount("a2", "another")))
		add := func(name, account, sid string) {
			session := sampleSession(name, noon)
			session.AccountID, session.SID = account, sid
			ok(t, "session", s.CreateSession(ctx, session))
			code, grant := sampleCode(name, noon), sampleGrant(name, noon)
			code.Grant.AccountID, code.Grant.SID = account, sid
			grant.AccountID, grant.SID = account, sid
			ok(t, "code", s.CreateCode(ctx, code))
			ok(t, "grant", s.CreateGrant(ctx, grant))
		}
		add("this", "a1", "s1")
		add("other", "a1", "s2")
		add("somebody", "a2", "s3")
		ok(t, "EndOthers", s.EndOthers(ctx, "a1", "s1", noon))
		for name, want := range map[string]bool{"this": true, "other": false, "somebody": true} {
			_, _, session := s.Session(ctx, name)
			_, code := s.Code(ctx, name)
			grant, err := s.Grant(ctx, name)
			ok(t, "grant", err)
			if (session == nil) != want || (code == nil) != want || grant.Revoked.IsZero() != want {
				t.Errorf("%s: session %v, code %v, grant revoked %v", name, session, code, grant.Revoked)
			}
		}
	})
}
