package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: whatever the file and the environment say, Load returns settings or an
// error, and neither the error nor the print has a secret.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"", good, good + "session: {idle: 5m}", "issuer: &a x\nlisten: *a", "secrets: {keys: [{id: a, key: CANARY}]}",
		"password: {queue: CANARY}", "CANARY: 1", "- CANARY", "listen: \"CANARY", "session:\n\tidle: CANARY", "a: b: CANARY",
		"? CANARY\n: x", "listen: !!CANARY x", "listen: |\n  CANARY\n", "listen: >-\n CANARY", "<<: CANARY", "%CANARY\n---\n", "{[CANARY]: 1}", "database: {url: postgres://u:CANARY@h/d}",
		"---\n...\n---\n", "listen: 'it''s", "apis: [{}, {scopes: [{}]}]", "proxy: {trusted: [null, ~, CANARY]}", "\uFEFFissuer: x\r\n", "listen: @CANARY", "listen: `CANARY", "a:\n- b\n c: CANARY",
	} {
		f.Add(text, "CARDEA_SESSION_IDLE=CANARY")
	}
	f.Add(good, "CARDEA_SECRETS_KEYS=a:CANARY,b")
	f.Add(good, "CARDEA_PROXY_TRUSTED=CANARY")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text, variable string) {
		name, _, _ := strings.Cut(variable, "=")
		if strings.Contains(name, "CANARY") || strings.Contains(name, canary) {
			return // the name of a variable is no secret and is printed
		}
		text, variable = strings.ReplaceAll(text, "CANARY", canary), strings.ReplaceAll(variable, "CANARY", canary)
		path := filepath.Join(dir, "cardea.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, []string{variable})
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("error quotes the secret: %v", err)
			}
			return
		}
		if _, err := c.Redacted(); err != nil {
			t.Error(err)
		}
	})
}
