package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want time.Duration
		form string
	}{
		{"15m", 15 * time.Minute, "15m"}, {"90d", 90 * day, "90d"}, {"336h", 14 * day, "14d"}, {"1h30m", 90 * time.Minute, "1h30m"},
		{"1d12h", 36 * time.Hour, "1d12h"}, {"60s", time.Minute, "1m"}, {"0", 0, "0s"}, {"0s", 0, "0s"}, {"0d", 0, "0s"},
		{"90s", 90 * time.Second, "1m30s"}, {"1h0m5s", time.Hour + 5*time.Second, "1h0m5s"}, {"1.5h", 90 * time.Minute, "1h30m"},
		{"250ms", 250 * time.Millisecond, "250ms"}, {"36500d", 36500 * day, "36500d"}, {"10m", 10 * time.Minute, "10m"}, {"20h", 20 * time.Hour, "20h"},
	} {
		var d, again Duration
		if err := d.UnmarshalText([]byte(tt.text)); err != nil || time.Duration(d) != tt.want {
			t.Errorf("%s: got %v, %v; want %v", tt.text, time.Duration(d), err, tt.want)
		}
		if got := d.String(); got != tt.form {
			t.Errorf("%s: String() = %s, want %s", tt.text, got, tt.form)
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s: %s reads back as %v, %v", tt.text, d, time.Duration(again), err)
		}
	}
}

func TestDurationRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "15", "m", "d", "-1m", "+1m", "1d-1h", "1.5d", "1h2d", "1dd", "36501d", "36500d1s", "99999999999999999999d", "876001h", "15 m", "5m ", "soon", "1w"} {
		d := Duration(7)
		if err := d.UnmarshalText([]byte(text)); err == nil || d != 7 {
			t.Errorf("%q: got %v, %v; want an error and no change", text, time.Duration(d), err)
		}
	}
}

func TestSecretsHideThemselves(t *testing.T) {
	t.Parallel()
	type holder struct {
		S Secret
		P *Secret
		U DatabaseURL
		K Key
	}
	s := NewSecret(canary)
	h := holder{s, &s, NewDatabaseURL("postgres://u:" + canary + "@h/d?password=" + canary), Key{ID: "k", Key: s}}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", h, s, h.U)
		fmt.Fprintf(&out, verb+" "+verb+"\n", &s, []any{s, &h, h.U})
	}
	fmt.Fprintln(&out, s.String(), s.GoString(), h.U.GoString(), s, h)
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("settings", "secret", s, "pointer", &s, "holder", h, "url", h.U)
	}
	if err := json.NewEncoder(&out).Encode(h); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{canary, hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary)))} {
		if strings.Contains(out.String(), form) {
			t.Errorf("printed the secret:\n%s", out.String())
		}
	}
	if !strings.Contains(out.String(), hidden) {
		t.Error("nothing was printed in place of the secret")
	}
	if s.Reveal() != canary {
		t.Error("Reveal lost the secret")
	}
	if got := fmt.Sprintf("%v", Secret{}); got != "" {
		t.Errorf("an empty secret prints %q", got)
	}
}

func TestDatabaseURLHidesThePassword(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ url, want string }{
		{"", ""},
		{"sqlite:data/cardea.db", "sqlite:data/cardea.db"},
		{"postgres://db.example/cardea", "postgres://db.example/cardea"},
		{"postgres://cardea@db.example:5432/cardea", "postgres://cardea@db.example:5432/cardea"},
		{"postgres://cardea:" + canary + "@db.example/cardea", "postgres://cardea:(hidden)@db.example/cardea"},
		{"postgres://db.example/cardea?sslmode=require&password=" + canary, "postgres://db.example/cardea?(hidden)"},
		{"postgres://u:a%zz" + canary + "@db.example/cardea", hidden},
		{"mysql://u:" + canary + "@db.example/cardea", hidden},
		{"host=db password=" + canary, hidden},
		{"postgres:" + canary, hidden},
	} {
		if got := NewDatabaseURL(tt.url).String(); got != tt.want {
			t.Errorf("%s prints %s, want %s", tt.url, got, tt.want)
		}
	}
}

func TestKeyBytes(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte{0xfb, 0xef}, 16) // has + and / in base64, - and _ in its URL form
	for _, text := range []string{
		hex.EncodeToString(want), strings.ToUpper(hex.EncodeToString(want)),
		base64.StdEncoding.EncodeToString(want), base64.RawStdEncoding.EncodeToString(want),
		base64.URLEncoding.EncodeToString(want), base64.RawURLEncoding.EncodeToString(want),
	} {
		if got, err := (Key{Key: NewSecret(text)}).Bytes(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", hex.EncodeToString(want[:31]), base64.StdEncoding.EncodeToString(append(want, 0)), " " + hex.EncodeToString(want)} {
		if got, err := (Key{Key: NewSecret(text)}).Bytes(); err == nil {
			t.Errorf("%q: got %x, want an error", text, got)
		}
	}
}

func TestNewSecretKey(t *testing.T) {
	t.Parallel()
	a, b := NewSecretKey(), NewSecretKey()
	if a == b {
		t.Error("two new keys are equal")
	}
	if _, err := (Key{Key: NewSecret(a)}).Bytes(); err != nil {
		t.Error(err)
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	c, fault := load(t, strings.Replace(good, "sqlite:cardea.db", "postgres://u:"+canary+"@db.example/cardea", 1)+
		"apis: [{audience: https://api.example.com, name: Cards, introspect_clients: [gw], scopes: [{name: a, title: {en: x, sv: y}}]}]\n")
	if fault != "" {
		t.Fatal(fault)
	}
	text, err := c.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{canary, goodKey} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("printed a secret:\n%s", text)
		}
	}
	for _, want := range []string{"absolute: 12h\n", "refresh_absolute: 90d\n", "postgres://u:(hidden)@db.example/cardea", "key: (hidden)\n", "- 10.0.0.0/8\n", "min_length: 0\n"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// The print is a settings file: with the secrets put back it means the same.
	again := strings.ReplaceAll(string(text), "key: (hidden)", "key: "+goodKey)
	again = strings.ReplaceAll(again, ":(hidden)@", ":"+canary+"@")
	back, fault := load(t, again)
	if fault != "" {
		t.Fatalf("%s\n%s", fault, again)
	}
	if diff := compare(c, back); diff != "" {
		t.Error(diff)
	}
}

func TestChosenByZero(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		factor string
		set    int
		want   int
	}{{"required", 0, 12}, {"optional", 0, 15}, {"off", 0, 15}, {"required", 8, 8}, {"off", 20, 20}} {
		c := Default()
		c.SignIn.SecondFactor, c.Password.MinLength = tt.factor, tt.set
		if got := c.PasswordMinLength(); got != tt.want {
			t.Errorf("%+v: got %d", tt, got)
		}
	}
	if got := (Password{}).HashConcurrency(); got < 1 || got > math.MaxInt16 {
		t.Errorf("HashConcurrency() = %d", got)
	}
	if got := (Password{Concurrency: 3}).HashConcurrency(); got != 3 {
		t.Errorf("HashConcurrency() = %d, want 3", got)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	c := Default()
	c.Issuer = "https://id.example.com"
	if c.SessionIdle() != 15*time.Minute || c.DeviceTrust() != 30*day || c.PasskeyRPID() != "id.example.com" {
		t.Errorf("standard: idle %v, trust %v, passkeys of %q", c.SessionIdle(), c.DeviceTrust(), c.PasskeyRPID())
	}
	c.Profile, c.SignIn.Passkeys.RPID = "psd2", "example.com"
	if c.SessionIdle() != 5*time.Minute || c.DeviceTrust() != 0 || c.PasskeyRPID() != "example.com" {
		t.Errorf("psd2: idle %v, trust %v, passkeys of %q", c.SessionIdle(), c.DeviceTrust(), c.PasskeyRPID())
	}
	c.Issuer, c.SignIn.Passkeys.RPID = "http://127.0.0.1:8080", ""
	if got := c.PasskeyRPID(); got != "" {
		t.Errorf("an IP address has passkeys of %q", got)
	}
}
