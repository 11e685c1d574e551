package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// discover is the metadata as lists of text; a member that is a text is a list of one.
func (h *house) discover(t *testing.T) (map[string]any, func(name string) []string) {
	t.Helper()
	a := h.send(t, http.MethodGet, "/.well-known/openid-configuration", "")
	if a.Status != http.StatusOK {
		t.Fatal(a.Raw)
	}
	return a.JSON, func(name string) []string {
		if s, ok := a.JSON[name].(string); ok {
			return []string{s}
		}
		list, _ := a.JSON[name].([]any)
		var out []string
		for _, v := range list {
			out = append(out, v.(string))
		}
		return out
	}
}

// Everything that is advertised is tried.
func TestDiscoveryIsTrue(t *testing.T) {
	t.Parallel()
	h := open(t)
	check(t, h.Keys.Ensure(t.Context(), "RS256"))
	doc, list := h.discover(t)
	if doc["issuer"] != h.URL {
		t.Errorf("issuer %v", doc["issuer"])
	}
	for name, value := range doc {
		address, _ := value.(string)
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
			continue
		}
		path, ok := strings.CutPrefix(address, h.URL)
		if a := h.send(t, http.MethodGet, path, ""); !ok || a.Status == http.StatusNotFound {
			t.Errorf("%s: %s answers %d", name, address, a.Status)
		}
	}
	t.Run("scopes", func(t *testing.T) {
		if got := list("scopes_supported"); !slices.Equal(got, h.Protocol.Scopes()) || !slices.Contains(got, webtest.APIScope) {
			t.Errorf("got %v", got)
		}
		got := h.tokens(t, h.app, "scope", strings.Join(list("scopes_supported"), " "))
		claims := h.app.UserInfo(got.Text("access_token")).JSON
		_, id := h.verified(t, got.Text("id_token"), jose.ES256)
		for _, name := range list("claims_supported") {
			if claims[name] == nil && id[name] == nil {
				t.Errorf("the claim %s is neither in userinfo nor in the ID token", name)
			}
		}
		for _, set := range []map[string]any{claims, id} {
			for name := range set {
				if !slices.Contains(list("claims_supported"), name) {
					t.Errorf("the claim %s is not advertised", name)
				}
			}
		}
	})
	for _, tt := range []struct {
		parameter, member string
		path              string // of the page in a browser where she is signed in; "" = the client
	}{
		{"response_type", "response_types_supported", ""},
		{"response_mode", "response_modes_supported", ""},
		{"code_challenge_method", "code_challenge_methods_supported", ""},
		{"display", "display_values_supported", ""},
		{"ui_locales", "ui_locales_supported", ""},
	} {
		for _, value := range list(tt.member) {
			if page := h.browser.Get(h.app.Authorize(tt.parameter, value)); page.Away == nil || page.Away.Query().Get("code") == "" {
				t.Errorf("%s=%s led to %s", tt.parameter, value, page.URL)
			}
		}
	}
	for _, prompt := range list("prompt_values_supported") {
		if page := h.browser.Get(h.app.Authorize("prompt", prompt)); page.Away != nil && page.Away.Query().Has("error") {
			t.Errorf("prompt=%s led to %s", prompt, page.URL)
		}
	}
	t.Run("client authentication", func(t *testing.T) {
		for path, member := range map[string]string{"token": "token_endpoint", "revoke": "revocation_endpoint", "introspect": "introspection_endpoint"} {
			for n, method := range list(member + "_auth_methods_supported") {
				c := h.Register(provider.Client{ID: path + string(rune('a'+n)), AuthMethod: method, Type: map[bool]provider.ClientType{true: provider.ClientSPA, false: provider.ClientWeb}[method == provider.AuthNone]})
				if a := c.Call("/oauth2/"+path, url.Values{"token": {"x"}, "grant_type": {"refresh_token"}, "refresh_token": {"x"}}); a.Text("error") == "invalid_client" || a.Text("error") == "unauthorized_client" {
					t.Errorf("%s with %s: %s", path, method, a.Raw)
				}
			}
		}
	})
	t.Run("grants", func(t *testing.T) {
		if got := list("grant_types_supported"); !slices.Equal(got, []string{"authorization_code", "refresh_token", "client_credentials"}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("ID token algorithms", func(t *testing.T) {
		algs := list("id_token_signing_alg_values_supported")
		if !slices.Contains(algs, "RS256") { // OpenID Connect Discovery §3
			t.Errorf("got %v", algs)
		}
		for _, alg := range algs {
			app := h.Register(provider.Client{ID: "alg" + alg, Type: provider.ClientWeb, FirstParty: true, IDTokenAlg: alg})
			h.verified(t, h.tokens(t, app).Text("id_token"), jose.SignatureAlgorithm(alg))
		}
	})
	t.Run("acr", func(t *testing.T) {
		if got := list("acr_values_supported"); !slices.Equal(got, provider.ACRs) {
			t.Errorf("got %v", got)
		}
	})
	for name, want := range map[string]bool{
		"request_parameter_supported": false, "request_uri_parameter_supported": false, "claims_parameter_supported": false, "require_request_uri_registration": false,
		"authorization_response_iss_parameter_supported": true,
	} {
		if doc[name] != want {
			t.Errorf("%s is %v", name, doc[name])
		}
	}
	if got := list("subject_types_supported"); !slices.Equal(got, []string{"public"}) {
		t.Errorf("subject types %v", got)
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/oauth2/jwks"} {
		a := h.send(t, http.MethodGet, path, "", "Origin", "https://spa.example.com")
		if a.Status != http.StatusOK || !json.Valid([]byte(a.Raw)) || !strings.Contains(a.Header.Get("Content-Type"), "json") {
			t.Fatalf("%s: %d %s", path, a.Status, a.Raw)
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Cache-Control") != "public, max-age=300" || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: header %v", path, a.Header)
		}
		etag := a.Header.Get("ETag")
		for _, match := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
			if again := h.send(t, http.MethodGet, path, "", "If-None-Match", match); again.Status != http.StatusNotModified || again.Raw != "" || again.Header.Get("ETag") != etag {
				t.Errorf("%s, If-None-Match %s: %d", path, match, again.Status)
			}
		}
		if again := h.send(t, http.MethodGet, path, "", "If-None-Match", `"other"`); again.Status != http.StatusOK || again.Raw != a.Raw {
			t.Errorf("%s, another ETag: %d", path, again.Status)
		}
		head, err := http.Head(h.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if head.StatusCode != http.StatusOK || head.ContentLength != int64(len(a.Raw)) || head.Header.Get("ETag") != etag {
			t.Errorf("HEAD %s: %d, %d bytes", path, head.StatusCode, head.ContentLength)
		}
		check(t, head.Body.Close())
		if post := h.send(t, http.MethodPost, path, ""); post.Status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, post.Status)
		}
	}
	if a, b := h.send(t, http.MethodGet, "/.well-known/openid-configuration", ""), h.send(t, http.MethodGet, "/.well-known/oauth-authorization-server", ""); a.Raw != b.Raw {
		t.Error("the two metadata documents differ")
	}
}
