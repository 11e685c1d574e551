package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/config"
	"cardea/provider"
	"cardea/provider/signin"
)

// TestCreatedCredentials holds that what the commands take and print is what signs
// people and clients in.
func TestCreatedCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	settings := filepath.Join(dir, "cardea.yaml")
	text := "issuer: http://localhost:8443\ndatabase: {url: 'sqlite:" + filepath.Join(dir, "cardea.db") + "'}\nsecrets: {keys: [{id: k1, key: " + config.NewSecretKey() + "}]}\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(in string, args ...string) map[string]any {
		t.Helper()
		var out, problems strings.Builder
		if code := execute(t.Context(), append(args, "--config", settings, "-o", "json"), strings.NewReader(in), &out, &problems); code != exitOK {
			t.Fatalf("cardea %s: exit code %d: %s", strings.Join(args, " "), code, &problems)
		}
		var result any
		if err := json.Unmarshal([]byte(out.String()), &result); err != nil {
			t.Fatalf("cardea %s: %v", strings.Join(args, " "), err)
		}
		object, _ := result.(map[string]any)
		return object
	}
	run("", "migrate", "up")
	person := run("tre lugna hamnar 27\r\n", "account", "create", "--user-id", "KimBerg", "--password-stdin", "--totp")
	client := run("", "client", "create", "--id", "shop", "--name", "Shop", "--type", "web", "--redirect-uri", "https://shop.example.com/")

	cfg, err := config.Load(settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), cfg, logger(t.Output(), "warn"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	checkPassword(t, s, person["sub"].(string), "tre lugna hamnar 27", person["totp_key"].(string), time.Now())
	stored, err := s.store.Client(t.Context(), "shop")
	if err != nil || !stored.SecretMatches(client["client_secret"].(string), time.Now()) {
		t.Errorf("the client's printed secret does not match, error %v", err)
	}
	run("sju tysta lyktor 83", "account", "set-password", "KimBerg", "--password-stdin")
	checkPassword(t, s, person["sub"].(string), "sju tysta lyktor 83", person["totp_key"].(string), time.Now().Add(30*time.Second)) // the next code: each is taken once
}

// checkPassword signs in with a password and the code that an authenticator shows at a time.
func checkPassword(t *testing.T, s *system, accountID, password, key string, at time.Time) {
	t.Helper()
	ctx := context.Background()
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		t.Fatal(err)
	}
	client := provider.Authorization{ClientID: "shop", Scopes: []string{provider.ScopeOpenID}}
	in, issued, err := s.people.Start(ctx, client, signin.Browser{})
	if err != nil {
		t.Fatal(err)
	}
	browser := signin.Browser{Token: issued.Browser}
	if issued, err = s.people.Password(ctx, in.ID, browser, a.UserID, password, false); err != nil {
		t.Fatalf("the password does not sign in: %v", err)
	}
	browser.Token = issued.Browser
	code, err := signin.CodeAt(key, at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.people.TOTP(ctx, in.ID, browser, code, false); err != nil {
		t.Errorf("the authenticator's code does not sign in: %v", err)
	}
}
