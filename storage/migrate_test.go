package storage_test

import (
	"database/sql"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"cardea/provider"
	"cardea/storage/storagetest"
)

// TestMigrationKeepsRows fills the schema of the release before second factors with a
// row of each table that the step to this one touches, and takes the step.
func TestMigrationKeepsRows(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		before(t, url, 2,
			`INSERT INTO accounts (id, user_id, user_id_folded, password_hash, password_changed_at, status, locale, profile, created_at, updated_at)
				VALUES ('a1', 'Astrid', 'astrid', '$sample', $1, 'active', 'sv', '{"name":"Astrid Lind"}', $1, $1)`,
			`INSERT INTO factors (id, account_id, kind, name, secret, last_step, confirmed, created_at, last_used_at)
				VALUES ('f1', 'a1', 'totp', 'Phone', 'seed', 42, TRUE, $1, $1)`,
			`INSERT INTO factors (id, account_id, kind, name, secret, last_step, confirmed, created_at, last_used_at)
				VALUES ('f2', 'a1', 'totp', '', 'other seed', 0, FALSE, $1 + 1, 0)`,
			`INSERT INTO messages (id, account_id, kind, data, attempts, created_at, due_at, expires_at)
				VALUES ('m1', 'a1', 'password', '{"at":"2031-05-04T12:00:00.123456Z"}', 1, $1, $1, $1 + 1000000)`,
			`INSERT INTO clients (id, name, type, auth_method, redirect_uris, post_logout_redirect_uris, grant_types, scopes, first_party, min_acr,
				id_token_alg, initiate_login_uri, disabled, version, previous_expires_at, created_at, updated_at)
				VALUES ('shop', '{"en":"The Shop"}', 'spa', 'none', '[]', '[]', '["authorization_code"]', '["openid"]', TRUE, '', '', '', FALSE, 1, 0, $1, $1)`,
			`INSERT INTO audit (id, at, action, outcome, actor, subject, client_id, address, method, request_id, detail)
				VALUES ('e1', $1, 'signin.password', 'ok', 'a1', 'a1', 'shop', '192.0.2.7', 'pwd', 'r1', '')`,
		)
		s := storagetest.Connect(t, url)
		ctx := t.Context()

		account, err := s.Account(ctx, "a1")
		ok(t, "account", err)
		same(t, "account", account, &provider.Account{ID: "a1", UserID: "Astrid", PasswordHash: "$sample", PasswordChanged: noon, Status: provider.AccountActive,
			Locale: "sv", Profile: provider.Profile{Name: "Astrid Lind"}, Created: noon, Updated: noon})
		factors, err := s.Factors(ctx, "a1")
		ok(t, "factors", err)
		same(t, "factors", factors, []provider.Factor{
			{ID: "f1", AccountID: "a1", Kind: provider.FactorTOTP, Name: "Phone", Secret: []byte("seed"), LastStep: 42, Confirmed: true, Created: noon, LastUsed: noon},
			{ID: "f2", AccountID: "a1", Kind: provider.FactorTOTP, Secret: []byte("other seed"), Created: noon.Add(1000)},
		})
		messages, err := storagetest.Outbox(ctx, s, noon)
		ok(t, "messages", err)
		same(t, "messages", messages, []provider.Message{{ID: "m1", AccountID: "a1", Kind: provider.MessagePassword, Channel: provider.ChannelMail,
			Data: provider.MessageData{At: noon}, Attempts: 1, Created: noon, Due: noon, Expires: noon.Add(1e9)}})
		client, err := s.Client(ctx, "shop")
		ok(t, "client", err)
		same(t, "client", client, &provider.Client{ID: "shop", Name: provider.Text{"en": "The Shop"}, Type: provider.ClientSPA, AuthMethod: provider.AuthNone,
			GrantTypes: []string{provider.GrantCode}, Scopes: []string{"openid"}, FirstParty: true, Created: noon, Updated: noon, Version: 1})

		ok(t, "a factor of a new kind", s.CreateFactor(ctx, samplePasskey("p1", "a1")))
		refused(t, "a factor of nobody", s.CreateFactor(ctx, samplePasskey("p2", "nobody")), provider.NotFound)
	})
}

// before migrates the empty database at url up to version, and runs statements whose
// $1 is noon.
func before(t *testing.T, url string, version int64, statements ...string) {
	t.Helper()
	driver, source, dialect := "pgx", url, goose.DialectPostgres
	if path, sqlite := strings.CutPrefix(url, "sqlite:"); sqlite {
		driver, source, dialect = "sqlite", path, goose.DialectSQLite3
	}
	db, err := sql.Open(driver, source)
	ok(t, "open", err)
	defer func() { ok(t, "close", db.Close()) }()
	steps, err := goose.NewProvider(dialect, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true))
	ok(t, "read migrations", err)
	_, err = steps.UpTo(t.Context(), version)
	ok(t, "migrate", err)
	for _, text := range statements {
		_, err := db.ExecContext(t.Context(), strings.ReplaceAll(text, "$1", strconv.FormatInt(noon.UnixMicro(), 10)))
		ok(t, text, err)
	}
}
