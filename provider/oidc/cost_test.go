package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage"
)

// cost is how many statements do runs.
func (h *house) cost(do func()) int64 {
	before := h.Store.Statements()
	do()
	return h.Store.Statements() - before
}

// Each request reads and writes no more than it must.
func TestStatements(t *testing.T) {
	t.Parallel()
	h := open(t)
	service := h.service("svc", webtest.APIScope)
	h.tokens(t, h.app) // whatever is loaded once is loaded
	var code string
	var got, signed *webtest.Answer
	for _, tt := range []struct {
		name string
		want int64
		do   func()
	}{
		{"authorize with a session: session with its account, factors; code", 3, func() { code = h.code(t, h.app) }},
		{"code: code, account; redeem, grant, access token", 5, func() { got = good(t, h.app.Redeem(code)) }},
		{"userinfo: token, account", 2, func() { h.alive(t, got.Text("access_token")) }},
		{"introspection", 1, func() { introspect(h.app, got.Text("access_token")) }},
		{"introspection of a refresh token", 1, func() { introspect(h.app, got.Text("refresh_token")) }},
		{"refresh: grant, account; rotate, access token", 4, func() { got = good(t, h.app.Refresh(got.Text("refresh_token"))) }},
		{"authorize for an API", 3, func() { code = h.code(t, h.app, "scope", "openid offline_access "+webtest.APIScope) }},
		{"code for a JWT: code, account; redeem, grant", 4, func() { signed = good(t, h.app.Redeem(code)) }},
		{"userinfo with a JWT: revocation and grant, account", 2, func() { h.alive(t, signed.Text("access_token")) }},
		{"introspection of a JWT", 1, func() { introspect(h.app, signed.Text("access_token")) }},
		{"refresh for a JWT: grant, account; rotate", 3, func() { good(t, h.app.Refresh(signed.Text("refresh_token"))) }},
		{"client_credentials for a JWT", 0, func() { good(t, service.Call("/oauth2/token", url.Values{"grant_type": {"client_credentials"}})) }},
		{"discovery", 0, func() { h.send(t, http.MethodGet, "/.well-known/openid-configuration", "") }},
		{"JWKS", 0, func() { h.send(t, http.MethodGet, "/oauth2/jwks", "") }},
	} {
		if n := h.cost(tt.do); n > tt.want {
			t.Errorf("%s: %d statements, at most %d are due", tt.name, n, tt.want)
		}
	}
}

// What we never made costs nothing, so nobody can make the database work with it.
func TestGarbageCostsNoStatement(t *testing.T) {
	t.Parallel()
	h := open(t)
	got := h.tokens(t, h.app)
	flip := func(token string) string {
		last := token[len(token)-2]
		return token[:len(token)-2] + map[bool]string{true: "B", false: "A"}[last == 'A'] + token[len(token)-1:]
	}
	garbage := []string{
		"x", ".", "at_", "at_.", "at_x.y", "rt_x.y", "ac_x.y", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", strings.Repeat("x", 3000), "at_" + strings.Repeat("A", 43) + "." + strings.Repeat("A", 22),
		"rt_" + strings.Repeat("A", 65) + "." + strings.Repeat("A", 22), "\x00", "åäö", flip(got.Text("access_token")), flip(got.Text("refresh_token")), flip(h.code(t, h.app)),
		got.Text("access_token") + ".x", got.Text("access_token") + "=", strings.Replace(got.Text("access_token"), "at_", "rt_", 1), strings.Replace(got.Text("refresh_token"), "rt_", "at_", 1),
	}
	for _, token := range garbage {
		n := h.cost(func() {
			refused(t, h.app.Redeem(token), http.StatusBadRequest, "invalid_grant")
			refused(t, h.app.Refresh(token), http.StatusBadRequest, "invalid_grant")
			isInactive(t, introspect(h.app, token))
			if a := revoke(h.app, token); a.Status != http.StatusOK {
				t.Errorf("revoking %q: %d", token, a.Status)
			}
			refused(t, h.send(t, http.MethodPost, "/oauth2/userinfo", url.Values{"access_token": {token}}.Encode(), formType...), http.StatusUnauthorized, "invalid_token")
		})
		if n != 0 {
			t.Errorf("%q cost %d statements", token, n)
		}
	}
	n := h.cost(func() {
		refused(t, h.ask(t, proof{header: basicAuth("nobody", "x")}), http.StatusUnauthorized, "invalid_client")
		h.Browser().Get(h.app.Authorize("prompt", "none"))
		h.Browser().Get(h.app.Authorize("redirect_uri", "https://evil.example/"))
	})
	if n != 0 {
		t.Errorf("refusing strangers cost %d statements", n)
	}
}

// TestWrongSecretsAreAudited tries a client's secret often: the audit trail hears
// of it, but cannot be filled with it.
func TestWrongSecretsAreAudited(t *testing.T) {
	t.Parallel()
	h := open(t)
	for range 50 {
		refused(t, h.ask(t, proof{header: basicAuth("app", "x")}), http.StatusUnauthorized, "invalid_client")
	}
	events, err := h.Store.Events(t.Context(), storage.EventFilter{ClientID: "app", Action: provider.ActionClientAuth, Limit: 100})
	if err != nil || len(events) < 1 || len(events) > 20 || events[0].Method != provider.AuthBasic || events[0].Address == "" {
		t.Errorf("got %d events, %v", len(events), err)
	}
}
