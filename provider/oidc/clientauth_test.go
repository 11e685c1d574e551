package oidc_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// proof is how a request shows whose it is.
type proof struct {
	header []string
	form   url.Values
}

func basicAuth(id, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))}
}

// escaped encodes every byte, which form-encoding allows and few clients do.
func escaped(s string) string {
	const hex = "0123456789ABCDEF"
	var out []byte
	for n := range len(s) {
		out = append(out, '%', hex[s[n]>>4], hex[s[n]&15])
	}
	return string(out)
}

// ask sends p with an unknown refresh token: invalid_grant tells that the client
// has been recognised.
func (h *house) ask(t *testing.T, p proof) *webtest.Answer {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"rt_x"}}
	for name, values := range p.form {
		form[name] = values
	}
	return h.send(t, http.MethodPost, "/oauth2/token", form.Encode(), append(p.header, formType...)...)
}

// Every way to authenticate against every registered method: exactly the registered
// one is accepted.
func TestClientAuthenticationMethods(t *testing.T) {
	t.Parallel()
	h := open(t)
	clients := map[string]*webtest.Client{
		provider.AuthBasic: h.app,
		provider.AuthPost:  h.Register(provider.Client{ID: "poster", Type: provider.ClientWeb, AuthMethod: provider.AuthPost}),
		provider.AuthNone:  h.public("spa"),
	}
	for registered, c := range clients {
		for _, tt := range []struct {
			name   string
			shown  proof
			method string // "" = none of ours
		}{
			{"basic", proof{header: basicAuth(c.ID, c.Secret)}, provider.AuthBasic},
			{"basic, percent-encoded", proof{header: basicAuth(escaped(c.ID), escaped(c.Secret))}, provider.AuthBasic},
			{"basic and the same client_id", proof{basicAuth(c.ID, c.Secret), url.Values{"client_id": {c.ID}}}, provider.AuthBasic},
			{"basic in lower case", proof{header: []string{"Authorization", "basic " + basicAuth(c.ID, c.Secret)[1][6:]}}, provider.AuthBasic},
			{"post", proof{form: url.Values{"client_id": {c.ID}, "client_secret": {c.Secret}}}, provider.AuthPost},
			{"none", proof{form: url.Values{"client_id": {c.ID}}}, provider.AuthNone},
			{"nothing", proof{}, ""},
			{"basic, wrong secret", proof{header: basicAuth(c.ID, c.Secret+"x")}, ""},
			{"basic, secret in another case", proof{header: basicAuth(c.ID, "X"+c.Secret)}, ""},
			{"basic, empty secret", proof{header: basicAuth(c.ID, "")}, ""},
			{"basic, empty id", proof{header: basicAuth("", c.Secret)}, ""},
			{"basic, unknown client", proof{header: basicAuth("nobody", c.Secret)}, ""},
			{"basic without colon", proof{header: []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(c.ID))}}, ""},
			{"basic, not base64", proof{header: []string{"Authorization", "Basic " + c.ID + ":" + c.Secret}}, ""},
			{"basic, bad escapes", proof{header: basicAuth(c.ID, "%zz")}, ""},
			{"basic, nothing behind it", proof{header: []string{"Authorization", "Basic"}}, ""},
			{"bearer", proof{header: []string{"Authorization", "Bearer " + c.Secret}}, ""},
			{"post, wrong secret", proof{form: url.Values{"client_id": {c.ID}, "client_secret": {c.Secret + "x"}}}, ""},
			{"post, empty secret", proof{form: url.Values{"client_id": {c.ID}, "client_secret": {""}}}, ""},
			{"post, unknown client", proof{form: url.Values{"client_id": {"nobody"}, "client_secret": {c.Secret}}}, ""},
			{"post, secret alone", proof{form: url.Values{"client_secret": {"x"}}}, ""},
			{"none, unknown client", proof{form: url.Values{"client_id": {"nobody"}}}, ""},
			{"none, NUL in the id", proof{form: url.Values{"client_id": {c.ID + "\x00"}}}, ""},
			{"none, another case", proof{form: url.Values{"client_id": {"APP"}}}, ""},
			{"assertion", proof{form: url.Values{"client_id": {c.ID}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {"x.y.z"}}}, ""},
			{"assertion beside the secret", proof{basicAuth(c.ID, c.Secret), url.Values{"client_assertion": {"x.y.z"}}}, ""},
		} {
			t.Run(registered+": "+tt.name, func(t *testing.T) {
				if tt.method == registered {
					refused(t, h.ask(t, tt.shown), http.StatusBadRequest, "invalid_grant")
					return
				}
				refused(t, h.ask(t, tt.shown), http.StatusUnauthorized, "invalid_client")
			})
		}
		for name, shown := range map[string]proof{
			"both methods":         {basicAuth(c.ID, c.Secret), url.Values{"client_id": {c.ID}, "client_secret": {c.Secret}}},
			"basic and empty post": {basicAuth(c.ID, c.Secret), url.Values{"client_id": {c.ID}, "client_secret": {""}}},
			"another client_id":    {basicAuth(c.ID, c.Secret), url.Values{"client_id": {"other"}}},
			"two headers":          {append(basicAuth(c.ID, c.Secret), basicAuth(c.ID, c.Secret)...), nil},
			"two client_ids":       {nil, url.Values{"client_id": {c.ID, c.ID}}},
			"two secrets":          {nil, url.Values{"client_id": {c.ID}, "client_secret": {c.Secret, "x"}}},
		} {
			t.Run(registered+": "+name, func(t *testing.T) {
				refused(t, h.ask(t, shown), http.StatusBadRequest, "invalid_request")
			})
		}
	}
}

// From the answer nobody can tell which clients exist, and how they are registered.
func TestClientRefusalsAreAlike(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.Register(provider.Client{ID: "off", Type: provider.ClientWeb})
	h.change(t, "off", func(c *provider.Client) { c.Disabled = true })
	spa := h.public("spa")
	want := h.ask(t, proof{header: basicAuth("nobody", "secret")})
	for name, shown := range map[string]proof{
		"wrong secret":    {header: basicAuth(h.app.ID, "secret")},
		"wrong method":    {form: url.Values{"client_id": {h.app.ID}, "client_secret": {h.app.Secret}}},
		"no secret":       {form: url.Values{"client_id": {h.app.ID}}},
		"disabled client": {header: basicAuth("off", "secret")},
		"public client":   {header: basicAuth(spa.ID, "secret")},
		"no credentials":  {},
	} {
		got := h.ask(t, shown)
		refused(t, got, http.StatusUnauthorized, "invalid_client")
		if got.Raw != want.Raw || got.Header.Get("WWW-Authenticate") != want.Header.Get("WWW-Authenticate") {
			t.Errorf("%s: %s, but an unknown client: %s", name, got.Raw, want.Raw)
		}
	}
}

func TestDisabledClient(t *testing.T) {
	t.Parallel()
	h := open(t)
	code := h.code(t, h.app)
	got := h.tokens(t, h.app)
	h.change(t, h.app.ID, func(c *provider.Client) { c.Disabled = true })
	refused(t, h.app.Redeem(code), http.StatusUnauthorized, "invalid_client")
	refused(t, h.app.Refresh(got.Text("refresh_token")), http.StatusUnauthorized, "invalid_client")
	refused(t, introspect(h.app, got.Text("access_token")), http.StatusUnauthorized, "invalid_client")
	refused(t, revoke(h.app, got.Text("access_token")), http.StatusUnauthorized, "invalid_client")
	if page := h.browser.Get(h.app.Authorize()); page.Away != nil || page.Status != http.StatusBadRequest {
		t.Errorf("authorize led to %s (%d)", page.URL, page.Status)
	}
}

// The same rules hold at every endpoint that clients authenticate to.
func TestClientAuthenticationEverywhere(t *testing.T) {
	t.Parallel()
	h := open(t)
	got := h.tokens(t, h.app)
	for _, path := range []string{"/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"} {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Text("refresh_token")}, "token": {got.Text("access_token")}}
		send := func(p proof) *webtest.Answer {
			all := url.Values{}
			for _, f := range []url.Values{form, p.form} {
				for name, values := range f {
					all[name] = values
				}
			}
			return h.send(t, http.MethodPost, path, all.Encode(), append(p.header, formType...)...)
		}
		refused(t, send(proof{}), http.StatusUnauthorized, "invalid_client")
		refused(t, send(proof{header: basicAuth("app", "wrong")}), http.StatusUnauthorized, "invalid_client")
		refused(t, send(proof{header: []string{"Authorization", "Bearer " + got.Text("access_token")}}), http.StatusUnauthorized, "invalid_client")
		refused(t, send(proof{form: url.Values{"client_id": {"app"}, "client_secret": {h.app.Secret}}}), http.StatusUnauthorized, "invalid_client")
		refused(t, send(proof{basicAuth("app", h.app.Secret), url.Values{"client_secret": {h.app.Secret}}}), http.StatusBadRequest, "invalid_request")
		if a := h.send(t, http.MethodGet, path+"?"+form.Encode(), "", basicAuth("app", h.app.Secret)...); a.Status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, a.Status)
		}
		refused(t, h.send(t, http.MethodPost, path+"?"+form.Encode(), "", append(basicAuth("app", h.app.Secret), formType...)...), http.StatusBadRequest, "invalid_request")
	}
	h.alive(t, got.Text("access_token"))
}
