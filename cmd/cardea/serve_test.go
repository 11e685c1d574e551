package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cardea.yaml")
	text := "issuer: http://id.example.com\nlisten: nowhere\ndatabase:\n  url: mysql://x\nsecrets:\n  keys:\n    - id: k1\n      key: c2hvcnQ=\nsession:\n  idle: 2h\n"
	must(t, os.WriteFile(file, []byte(text), 0o600))
	p := launch(t, nil, "serve", "--config", file)
	if code := p.exit(); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	got := p.problems.String()
	for _, place := range []string{"issuer: ", "listen: ", "database.url: ", "secrets.keys[0].key: ", "session.idle: "} {
		if !strings.Contains(got, place) {
			t.Errorf("no fault of %sin:\n%s", place, got)
		}
	}
	if strings.Contains(got, "c2hvcnQ=") {
		t.Errorf("the key is quoted:\n%s", got)
	}
	if p = launch(t, nil, "serve"); p.exit() != exitUsage || !strings.Contains(p.problems.String(), "--config") {
		t.Errorf("without a file: exit code %d\n%s", p.exit(), &p.problems)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, func(*webtest.Issuer) {})
	p := launch(t, nil, "serve", "--config", s.file)
	if code := p.exit(); code != exitFailed || !strings.Contains(p.problems.String(), "listen: ") || !strings.Contains(p.problems.String(), "in use") {
		t.Errorf("second process: exit code %d\n%s", code, &p.problems)
	}
	if got := status(s.URL + "/readyz"); got != http.StatusOK {
		t.Errorf("the first process answers %d afterwards", got)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, func(*webtest.Issuer) {})
	status(s.URL + "/no/such/page")
	for _, c := range []struct {
		address, want string
		status        int
	}{
		{s.URL + "/healthz", "ok", 200}, {s.URL + "/readyz", "ready", 200}, {s.URL + "/metrics", "", 404},
		{s.private + "/healthz", "ok", 200}, {s.private + "/readyz", "ready", 200},
		{s.private + "/metrics", `cardea_http_requests_total{method="ANY",route="not found",status="404"}`, 200},
		{s.private + "/metrics", "go_goroutines", 200},
		{s.private + "/oauth2/jwks", "", 404},
	} {
		if code, body := fetch(c.address); code != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d\n%s", c.address, code, body)
		}
	}
}

// TestDrain sends SIGTERM while a request is half sent.
func TestDrain(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, func(*webtest.Issuer) {})
	address := strings.TrimPrefix(s.URL, "http://")
	conn, err := net.Dial("tcp", address)
	must(t, err)
	defer conn.Close()
	body := "grant_type=client_credentials"
	fmt.Fprintf(conn, "POST /oauth2/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", address, len(body), body[:5])
	time.Sleep(100 * time.Millisecond) // the server has read the header
	s.signal(syscall.SIGTERM)
	s.until("draining", func() bool { return strings.Contains(s.problems.String(), `"msg":"draining"`) })
	s.until("a closed door", func() bool { return status(s.URL+"/healthz") == 0 })
	fmt.Fprint(conn, body[5:])
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the running request was dropped: %v", err)
	}
	answer, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(answer), "invalid_client") {
		t.Errorf("the running request got %d %s", resp.StatusCode, answer)
	}
	if code := s.exit(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, &s.problems)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T, s *served, asked int, forwarded string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.cfg.Listen+"/help", nil)
		must(t, err)
		r.Header.Set("X-Forwarded-For", forwarded)
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		must(t, resp.Body.Close())
		var all []map[string]any
		s.until("line of the request", func() bool { // it is written after the answer
			all = slices.DeleteFunc(s.requests(), func(r map[string]any) bool { return r["route"] == "/readyz" || r["route"] == "/healthz" })
			return len(all) == asked
		})
		address, _ := all[len(all)-1]["address"].(string)
		return resp.StatusCode, address
	}
	t.Run("trusted", func(t *testing.T) {
		t.Parallel()
		s := serve(t, []string{"CARDEA_ISSUER=https://id.example.com", "CARDEA_PROXY_TRUSTED=127.0.0.0/8,10.0.0.0/8"}, func(*webtest.Issuer) {})
		asked := 0
		for forwarded, want := range map[string]string{
			"203.0.113.7":                         "203.0.113.7",
			"198.51.100.1, 203.0.113.7":           "203.0.113.7",
			"198.51.100.1, 203.0.113.7, 10.1.2.3": "203.0.113.7",
			"not an address":                      "127.0.0.1",
		} {
			asked++
			if code, got := ask(t, s, asked, forwarded); code != http.StatusOK || got != want {
				t.Errorf("X-Forwarded-For %q: %d from %q, want %q", forwarded, code, got, want)
			}
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		t.Parallel()
		s := serve(t, []string{"CARDEA_ISSUER=https://id.example.com", "CARDEA_PROXY_TRUSTED=10.0.0.0/8"}, func(*webtest.Issuer) {})
		if code, got := ask(t, s, 1, "203.0.113.7"); code != http.StatusForbidden || got != "127.0.0.1" {
			t.Errorf("past the proxy: %d from %q", code, got)
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			if got := status("http://" + s.cfg.Listen + path); got != http.StatusOK {
				t.Errorf("%s: %d", path, got)
			}
		}
	})
	t.Run("no proxy", func(t *testing.T) {
		t.Parallel()
		s := serve(t, nil, func(*webtest.Issuer) {})
		if code, got := ask(t, s, 1, "203.0.113.7"); code != http.StatusOK || got != "127.0.0.1" {
			t.Errorf("forged header: %d from %q", code, got)
		}
	})
}

// counted counts requests and notes every secret that goes by.
type counted struct {
	base  http.RoundTripper
	sent  atomic.Int64
	mu    sync.Mutex
	notes map[string]string
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.sent.Add(1)
	resp, err := c.base.RoundTrip(r)
	if err == nil {
		for _, cookie := range resp.Cookies() {
			c.note("cookie "+cookie.Name, cookie.Value)
		}
	}
	return resp, err
}

func (c *counted) note(what, secret string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(secret) > 5 {
		c.notes[secret] = what
	}
}

// TestLog looks for secrets in the log at its most talkative, after a walk through
// everything that takes one, right and wrong.
func TestLog(t *testing.T) {
	t.Parallel()
	var app *webtest.Client
	var key string
	s := serve(t, []string{"CARDEA_LOG_LEVEL=debug"}, func(i *webtest.Issuer) {
		app = i.Register(provider.Client{GrantTypes: []string{provider.GrantCode, provider.GrantRefresh, provider.GrantCredentials}})
		key = i.Authenticator(i.Person("KarinEk"))
	})
	c := &counted{base: &http.Transport{}, notes: map[string]string{}}
	app.HTTP.Transport = c
	c.note("client secret", app.Secret)
	c.note("password", webtest.Password)
	c.note("TOTP key", key)
	walk(t, s, app, c, key)

	_, metrics := fetch(s.private + "/metrics")
	s.stop() // every line is written
	lines := slices.DeleteFunc(s.requests(), func(r map[string]any) bool { return r["route"] == "/readyz" })
	if got, want := int64(len(lines)), c.sent.Load(); got != want {
		t.Errorf("%d log lines of %d requests", got, want)
	}
	for secret, what := range c.notes {
		for name, text := range map[string]string{"log": s.problems.String(), "metrics": metrics, "standard output": s.out.String()} {
			if strings.Contains(text, secret) || strings.Contains(text, url.QueryEscape(secret)) {
				t.Errorf("the %s holds the %s %q", name, what, secret)
			}
		}
	}
	if len(c.notes) < 20 {
		t.Errorf("looked for %d secrets only", len(c.notes))
	}
}

// walk goes through every endpoint that takes a secret, and notes the secrets.
func walk(t *testing.T, s *served, app *webtest.Client, c *counted, key string) {
	t.Helper()
	b := s.Browser()
	b.Client.Transport = c
	authorize := app.Authorize("state", "canary-state-81", "nonce", "canary-nonce-82", "login_hint", "canary-hint-83", "scope", "openid offline_access")
	for _, word := range []string{"canary-state-81", "canary-nonce-82", "canary-hint-83", webtest.Verifier, webtest.Challenge()} {
		c.note("parameter", word)
	}
	page := b.Get(authorize)
	for _, typed := range []string{"4000 0012 3456 7899", "4000001234567899", "canary.person@example.com"} {
		c.note("typed User ID", typed)
		c.note("wrong password", "canary wrong 84")
		page = b.SignIn(page, typed, "canary wrong 84")
	}
	page = b.SignIn(page, "KarinEk", webtest.Password, "remember", "1")
	c.note("wrong code", "canary-code-85")
	page = b.Submit(page, "/signin/verify/totp", "code", "canary-code-85")
	page = b.Submit(page, "/signin/verify/totp", "code", s.Code(key))
	if page.Away == nil {
		t.Fatalf("signing in ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	code := page.Away.Query().Get("code")
	c.note("code", code)
	if got := app.Redeem(code, "code_verifier", "canary-verifier-86-canary-verifier-86-canary-86"); got.Status == http.StatusOK {
		t.Fatal("redeemed with a wrong verifier")
	}
	c.note("wrong verifier", "canary-verifier-86")
	location := b.Get(app.Authorize("prompt", "none", "scope", "openid offline_access")).Away
	code = location.Query().Get("code")
	tokens := app.Redeem(code)
	if tokens.Status != http.StatusOK {
		t.Fatalf("redeeming: %d %s", tokens.Status, tokens.Raw)
	}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		c.note(name, tokens.Text(name))
	}
	next := app.Refresh(tokens.Text("refresh_token"))
	c.note("refresh_token", next.Text("refresh_token"))
	c.note("access_token", next.Text("access_token"))
	app.UserInfo(next.Text("access_token"))
	app.UserInfo("canary-bearer-87")
	c.note("wrong bearer", "canary-bearer-87")
	for _, path := range []string{"/oauth2/introspect", "/oauth2/revoke"} {
		app.Call(path, url.Values{"token": {next.Text("access_token")}})
		app.Call(path, url.Values{"token": {"canary-token-88"}})
	}
	c.note("wrong token", "canary-token-88")
	app.Redeem(code) // spent: its family dies
	app.Refresh(next.Text("refresh_token"))
	wrong := *app
	wrong.Secret = "canary-secret-89"
	c.note("wrong secret", wrong.Secret)
	wrong.Refresh("canary-refresh-90")
	c.note("wrong refresh", "canary-refresh-90")
	for _, path := range []string{"/canary-path-91", "/?code=canary-query-92", "/oauth2/authorize?client_id=app&code=canary-query-92&state=canary-query-92",
		"/signin?ix=canary-query-92", "/oauth2/logout?id_token_hint=" + tokens.Text("id_token") + "&state=canary-query-92"} {
		b.Get(path)
	}
	c.note("path", "canary-path-91")
	c.note("query", "canary-query-92")
	b.Post("/signin", url.Values{"username": {"canary-form-93"}, "password": {"canary-form-93"}})
	c.note("form without a token", "canary-form-93")
}
