package oidc_test

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"testing"

	"cardea/provider/web/webtest"
	"cardea/storage/storagetest"
)

// frail is an issuer on a database that a test can break and mend.
type frail struct {
	*house
	db *sql.DB
}

func openFrail(t *testing.T) *frail {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cardea.db")
	f := &frail{house: open(t, webtest.On(storagetest.Connect(t, "sqlite:"+path)))}
	var err error
	if f.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, f.db.Close()) })
	return f
}

func (f *frail) exec(t *testing.T, text string) {
	t.Helper()
	if _, err := f.db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// without runs do while a table is gone.
func (f *frail) without(t *testing.T, table string, do func()) {
	t.Helper()
	f.exec(t, `ALTER TABLE `+table+` RENAME TO gone`)
	do()
	f.exec(t, `ALTER TABLE gone RENAME TO `+table)
}

// readOnly runs do while a table cannot be written.
func (f *frail) readOnly(t *testing.T, table string, do func()) {
	t.Helper()
	for _, verb := range []string{"INSERT", "UPDATE", "DELETE"} {
		f.exec(t, `CREATE TRIGGER no_`+verb+` BEFORE `+verb+` ON `+table+` BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
	}
	do()
	for _, verb := range []string{"INSERT", "UPDATE", "DELETE"} {
		f.exec(t, `DROP TRIGGER no_`+verb)
	}
}

func unavailable(t *testing.T, a *webtest.Answer) {
	t.Helper()
	refused(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
}

// A revocation is done, or the client hears that it is not.
func TestRevocationOnFailingStore(t *testing.T) {
	t.Parallel()
	f := openFrail(t)
	for _, scope := range []string{"openid offline_access", "openid offline_access " + webtest.APIScope} {
		for _, kind := range []string{"refresh_token", "access_token"} {
			t.Run(kind+" "+scope, func(t *testing.T) {
				got := f.tokens(t, f.app, "scope", scope)
				table := map[string]string{"refresh_token": "grants", "access_token": "access_tokens"}[kind]
				try := func() { unavailable(t, revoke(f.app, got.Text(kind))) }
				f.without(t, table, try)
				f.readOnly(t, table, try)
				f.readOnly(t, "audit", try)
				f.without(t, "audit", try)
				f.alive(t, got.Text("access_token"))
				if a := revoke(f.app, got.Text(kind)); a.Status != http.StatusOK {
					t.Fatalf("after the repair: %d %s", a.Status, a.Raw)
				}
				f.dead(t, f.app, got.Text("access_token"))
			})
		}
	}
}

// A failing store costs nobody a code or a refresh token.
func TestTokenOnFailingStore(t *testing.T) {
	t.Parallel()
	f := openFrail(t)
	code := f.code(t, f.app)
	redeem := func() { unavailable(t, f.app.Redeem(code)) }
	f.without(t, "codes", redeem)
	f.without(t, "accounts", redeem)
	f.without(t, "grants", redeem)
	f.readOnly(t, "codes", redeem)
	f.readOnly(t, "grants", redeem)
	f.readOnly(t, "access_tokens", redeem)
	got := good(t, f.app.Redeem(code))
	refresh := func() { unavailable(t, f.app.Refresh(got.Text("refresh_token"))) }
	f.without(t, "grants", refresh)
	f.without(t, "accounts", refresh)
	f.readOnly(t, "grants", refresh)
	f.readOnly(t, "access_tokens", refresh)
	next := good(t, f.app.Refresh(got.Text("refresh_token")))
	f.alive(t, next.Text("access_token"))
}

// What must be written although the request fails is not passed over in silence.
func TestRefusalsOnFailingStore(t *testing.T) {
	t.Parallel()
	f := openFrail(t)
	code := f.code(t, f.app)
	f.readOnly(t, "codes", func() { unavailable(t, f.app.Redeem(code, "code_verifier", "-")) })
	got := good(t, f.app.Redeem(code))
	f.readOnly(t, "grants", func() { unavailable(t, f.app.Redeem(code)) })
	f.readOnly(t, "audit", func() { unavailable(t, f.app.Redeem(code)) })
	f.alive(t, got.Text("access_token"))
	refused(t, f.app.Redeem(code), http.StatusBadRequest, "invalid_grant")
	f.dead(t, f.app, got.Text("access_token"))
}

// A resource server must not take a failure of ours for an answer.
func TestReadsOnFailingStore(t *testing.T) {
	t.Parallel()
	f := openFrail(t)
	opaque := f.tokens(t, f.app)
	signed := f.tokens(t, f.app, "scope", "openid offline_access "+webtest.APIScope)
	for _, got := range []*webtest.Answer{opaque, signed} {
		for _, table := range []string{"access_tokens", "grants"} {
			f.without(t, table, func() {
				unavailable(t, f.app.UserInfo(got.Text("access_token")))
				unavailable(t, introspect(f.app, got.Text("access_token")))
			})
		}
		f.without(t, "accounts", func() { unavailable(t, f.app.UserInfo(got.Text("access_token"))) })
		f.without(t, "grants", func() { unavailable(t, introspect(f.app, got.Text("refresh_token"))) })
		f.alive(t, got.Text("access_token"))
	}
}

func TestClosedStore(t *testing.T) {
	t.Parallel()
	f := openFrail(t)
	code := f.code(t, f.app)
	got := f.tokens(t, f.app)
	check(t, f.Store.Close())
	unavailable(t, f.app.Redeem(code))
	unavailable(t, f.app.Refresh(got.Text("refresh_token")))
	unavailable(t, revoke(f.app, got.Text("access_token")))
	unavailable(t, revoke(f.app, got.Text("refresh_token")))
	unavailable(t, introspect(f.app, got.Text("access_token")))
	unavailable(t, f.app.UserInfo(got.Text("access_token")))
	if page := f.browser.Get(f.app.Authorize()); page.Away != nil || page.Status < 500 {
		t.Errorf("authorize led to %s (%d)", page.URL, page.Status)
	}
	if page := f.Browser().Get(f.app.Authorize("redirect_uri", "https://evil.example/")); page.Away != nil || page.Status != http.StatusBadRequest {
		t.Errorf("authorize led to %s (%d)", page.URL, page.Status)
	}
}
