package oidc_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// A failed redemption by the code's own client burns the code: whoever guesses gets
// one guess (RFC 9700 §4.5, and against PKCE downgrade §4.8.2).
func TestFailedRedemptionBurnsCode(t *testing.T) {
	t.Parallel()
	h := open(t)
	spa := h.public("spa")
	for _, tt := range []struct {
		name string
		app  *webtest.Client
		over []string
	}{
		{"wrong verifier", h.app, []string{"code_verifier", strings.Repeat("x", 43)}},
		{"wrong verifier, public client", spa, []string{"code_verifier", strings.Repeat("x", 43)}},
		{"no verifier", h.app, []string{"code_verifier", "-"}},
		{"no verifier, public client", spa, []string{"code_verifier", "-"}},
		{"empty verifier", h.app, []string{"code_verifier", ""}},
		{"the challenge as verifier", h.app, []string{"code_verifier", webtest.Challenge()}},
		{"short verifier", h.app, []string{"code_verifier", webtest.Verifier[:42]}},
		{"long verifier", h.app, []string{"code_verifier", strings.Repeat(webtest.Verifier, 3)}},
		{"verifier with a space", h.app, []string{"code_verifier", webtest.Verifier + " "}},
		{"wrong redirect_uri", h.app, []string{"redirect_uri", "https://app.example.com/other"}},
		{"no redirect_uri", h.app, []string{"redirect_uri", "-"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code := h.code(t, tt.app)
			refused(t, tt.app.Redeem(code, tt.over...), http.StatusBadRequest, "invalid_grant")
			refused(t, tt.app.Redeem(code, "code_verifier", "-"), http.StatusBadRequest, "invalid_grant")
			refused(t, tt.app.Redeem(code), http.StatusBadRequest, "invalid_grant")
		})
	}
}

// Nobody but the code's own, authenticated client can spoil it.
func TestOthersCannotBurnCode(t *testing.T) {
	t.Parallel()
	h := open(t)
	other, spa := h.Register(provider.Client{ID: "other", FirstParty: true, Type: provider.ClientWeb}), h.public("spa")
	impostor := *h.app
	impostor.Secret = "guessed"
	code := h.code(t, h.app)
	refused(t, other.Redeem(code), http.StatusBadRequest, "invalid_grant")
	refused(t, other.Redeem(code, "redirect_uri", "https://app.example.com/callback"), http.StatusBadRequest, "invalid_grant")
	refused(t, spa.Redeem(code, "redirect_uri", "https://app.example.com/callback"), http.StatusBadRequest, "invalid_grant")
	refused(t, impostor.Redeem(code, "code_verifier", "-"), http.StatusUnauthorized, "invalid_client")
	refused(t, h.app.Redeem(code, "grant_type", "refresh_token"), http.StatusBadRequest, "invalid_request")
	good(t, h.app.Redeem(code))
}

func TestCodeReplay(t *testing.T) {
	t.Parallel()
	h := open(t)
	spa := h.public("spa")
	for _, tt := range []struct {
		name  string
		app   *webtest.Client
		scope string
		after time.Duration
	}{
		{"at once, opaque", h.app, "openid offline_access", 0},
		{"at once, JWT", h.app, "openid offline_access " + webtest.APIScope, 0},
		{"at once, public client", spa, "openid offline_access", 0},
		{"after the code's time", h.app, "openid offline_access", 90 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code := h.code(t, tt.app, "scope", tt.scope)
			got := good(t, tt.app.Redeem(code))
			next := good(t, tt.app.Refresh(got.Text("refresh_token")))
			h.alive(t, next.Text("access_token"))
			h.Wait(tt.after)
			refused(t, tt.app.Redeem(code), http.StatusBadRequest, "invalid_grant")
			h.dead(t, tt.app, got.Text("access_token"))
			h.dead(t, tt.app, next.Text("access_token"))
			refused(t, tt.app.Refresh(next.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
		})
	}
}

func TestReplayByAnotherClientRevokesNothing(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := h.Register(provider.Client{ID: "other", FirstParty: true, Type: provider.ClientWeb})
	code := h.code(t, h.app)
	got := good(t, h.app.Redeem(code))
	refused(t, other.Redeem(code, "redirect_uri", "https://app.example.com/callback"), http.StatusBadRequest, "invalid_grant")
	h.alive(t, got.Text("access_token"))
	next := good(t, h.app.Refresh(got.Text("refresh_token")))
	refused(t, other.Refresh(got.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	refused(t, other.Refresh(next.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	h.alive(t, got.Text("access_token"))
	good(t, h.app.Refresh(next.Text("refresh_token")))
}

func TestExpiredCode(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, tt := range []struct {
		after time.Duration
		good  bool
	}{{58 * time.Second, true}, {60 * time.Second, false}, {5 * time.Minute, false}} {
		code := h.code(t, h.app)
		h.Wait(tt.after)
		if a := h.app.Redeem(code); tt.good {
			good(t, a)
		} else {
			refused(t, a, http.StatusBadRequest, "invalid_grant")
		}
	}
}

// The account may be locked between the code and its redemption in a way that left
// the code there.
func TestCodeOfInactiveAccount(t *testing.T) {
	t.Parallel()
	for _, status := range []provider.AccountStatus{provider.AccountLocked, provider.AccountDisabled} {
		h := open(t)
		code := h.code(t, h.app)
		check(t, h.Store.SetAccountStatus(t.Context(), h.person.ID, status, h.Now()))
		refused(t, h.app.Redeem(code), http.StatusBadRequest, "invalid_grant")
	}
}

// A signing failure is ours, so it costs the client nothing.
func TestSigningFailureKeepsCodeAndRefreshToken(t *testing.T) {
	t.Parallel()
	h := open(t)
	app := h.Register(provider.Client{ID: "rs", Type: provider.ClientWeb, FirstParty: true, IDTokenAlg: "RS256"})
	code := h.code(t, app)
	refused(t, app.Redeem(code), http.StatusInternalServerError, "server_error")
	refused(t, app.Redeem(code), http.StatusInternalServerError, "server_error")
	check(t, h.Keys.Ensure(t.Context(), "RS256"))
	got := good(t, app.Redeem(code))
	header, claims := h.verified(t, got.Text("id_token"), jose.RS256)
	if header.KeyID == "" || claims["sub"] != h.person.ID {
		t.Errorf("ID token %v %v", header, claims)
	}
	// The API's token is signed with the default algorithm all the same.
	mixed := h.tokens(t, app, "scope", "openid "+webtest.APIScope)
	h.verified(t, mixed.Text("access_token"), jose.ES256)
}

func TestTokenRequestForm(t *testing.T) {
	t.Parallel()
	h := open(t)
	basic := []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(h.app.ID+":"+h.app.Secret))}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {h.code(t, h.app)}, "redirect_uri": {"https://app.example.com/callback"}, "code_verifier": {webtest.Verifier}}
	body := form.Encode()
	for _, tt := range []struct {
		name, path, body string
		header           []string
	}{
		{"JSON", "", `{"grant_type":"authorization_code"}`, []string{"Content-Type", "application/json"}},
		{"multipart", "", "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nauthorization_code\r\n--x--\r\n", []string{"Content-Type", "multipart/form-data; boundary=x"}},
		{"no content type", "", body, nil},
		{"a form by another name", "", body, []string{"Content-Type", "text/plain"}},
		{"parameters in the address", "?" + body, "", formType},
		{"a parameter in the address", "?code=x", body, formType},
		{"an unknown parameter in the address", "?x=y", body, formType},
		{"code twice", "", body + "&code=x", formType},
		{"code twice, alike", "", body + "&code=" + form.Get("code"), formType},
		{"grant_type twice", "", body + "&grant_type=refresh_token", formType},
		{"code_verifier twice", "", body + "&code_verifier=x", formType},
		{"scope twice", "", body + "&scope=openid&scope=email", formType},
		{"an unknown parameter twice", "", body + "&x=1&x=2", formType},
		{"huge", "", body + "&x=" + strings.Repeat("x", 65<<10), formType},
		{"bad escapes", "", body + "&x=%zz", formType},
		{"semicolons", "", body + ";x=y", formType},
		{"empty", "", "", formType},
		{"no grant_type", "", "code=x", formType},
		{"no code", "", "grant_type=authorization_code", formType},
		{"no refresh_token", "", "grant_type=refresh_token", formType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, h.send(t, http.MethodPost, "/oauth2/token"+tt.path, tt.body, append(basic, tt.header...)...), http.StatusBadRequest, "invalid_request")
		})
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if a := h.send(t, method, "/oauth2/token?"+body, "", basic...); a.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %s", method, a.Status, a.Raw)
		}
	}
	t.Run("none of these spent the code", func(t *testing.T) {
		good(t, h.send(t, http.MethodPost, "/oauth2/token", body+"&unknown=x", append(basic, "Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")...))
	})
}

func TestGrantTypes(t *testing.T) {
	t.Parallel()
	h := open(t)
	service := h.service("svc", webtest.APIScope)
	for _, tt := range []struct {
		app   *webtest.Client
		grant string
		error string
	}{
		{h.app, "password", "unsupported_grant_type"},
		{h.app, "implicit", "unsupported_grant_type"},
		{h.app, "urn:ietf:params:oauth:grant-type:jwt-bearer", "unsupported_grant_type"},
		{h.app, "authorization_code refresh_token", "unsupported_grant_type"},
		{h.app, "Authorization_Code", "unsupported_grant_type"},
		{h.app, "client_credentials", "unauthorized_client"},
		{service, "authorization_code", "unauthorized_client"},
		{service, "refresh_token", "unauthorized_client"},
	} {
		form := url.Values{"grant_type": {tt.grant}, "code": {"x"}, "refresh_token": {"x"}, "username": {userID}, "password": {webtest.Password}}
		refused(t, tt.app.Call("/oauth2/token", form), http.StatusBadRequest, tt.error)
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	h := open(t)
	service := h.service("svc", webtest.APIScope)
	bare := h.service("bare")
	ask := func(c *webtest.Client, scope string) *webtest.Answer {
		form := url.Values{"grant_type": {"client_credentials"}}
		if scope != "" {
			form.Set("scope", scope)
		}
		return c.Call("/oauth2/token", form)
	}
	for name, scope := range map[string]string{"default scopes": "", "named scope": webtest.APIScope} {
		t.Run(name, func(t *testing.T) {
			got := good(t, ask(service, scope))
			if members(got.JSON) != "access_token expires_in scope token_type" || got.Text("scope") != webtest.APIScope {
				t.Fatal(got.Raw)
			}
			_, claims := h.verified(t, got.Text("access_token"), jose.ES256)
			if claims["sub"] != "svc" || claims["client_id"] != "svc" || members(claims) != "aud client_id exp iat iss jti scope sub" {
				t.Errorf("claims %v", claims)
			}
			if a := introspect(service, got.Text("access_token")); a.JSON["active"] != true || a.Text("sub") != "svc" {
				t.Errorf("introspection %s", a.Raw)
			}
			refused(t, service.UserInfo(got.Text("access_token")), http.StatusUnauthorized, "invalid_token")
		})
	}
	t.Run("opaque when there is no API", func(t *testing.T) {
		got := good(t, ask(bare, ""))
		if !strings.HasPrefix(got.Text("access_token"), "at_") || members(got.JSON) != "access_token expires_in token_type" {
			t.Fatal(got.Raw)
		}
		if a := introspect(bare, got.Text("access_token")); a.JSON["active"] != true || a.Text("sub") != "bare" {
			t.Errorf("introspection %s", a.Raw)
		}
		refused(t, bare.UserInfo(got.Text("access_token")), http.StatusForbidden, "insufficient_scope")
		if a := revoke(bare, got.Text("access_token")); a.Status != http.StatusOK {
			t.Fatal(a.Raw)
		}
		isInactive(t, introspect(bare, got.Text("access_token")))
	})
	for _, scope := range []string{"openid", "profile " + webtest.APIScope, "offline_access", "no:such", webtest.APIScope + " no:such", "ACCOUNTS:READ", "accounts"} {
		refused(t, ask(service, scope), http.StatusBadRequest, "invalid_scope")
	}
	refused(t, ask(bare, webtest.APIScope), http.StatusBadRequest, "invalid_scope")
	refused(t, ask(h.public("spa"), ""), http.StatusBadRequest, "unauthorized_client")
}

// Parameters that we do not know are ignored (RFC 6749 §3.2).
func TestTokenIgnoresUnknownParameters(t *testing.T) {
	t.Parallel()
	h := open(t)
	service := h.service("svc", webtest.APIScope)
	extra := []string{"audience", "https://other.example.com", "foo", "bar", "state", "x"}
	got := good(t, h.app.Redeem(h.code(t, h.app), extra...))
	good(t, h.app.Refresh(got.Text("refresh_token"), extra...))
	good(t, service.Call("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "audience": {"https://other.example.com"}, "foo": {"bar"}}))
}

func TestScopeOfTokens(t *testing.T) {
	t.Parallel()
	h := open(t)
	noRefresh := h.Register(provider.Client{ID: "short", Type: provider.ClientWeb, FirstParty: true, GrantTypes: []string{provider.GrantCode}})
	for _, tt := range []struct {
		name, scope, want string
		app               *webtest.Client
		members           string
	}{
		{"everything", "openid email offline_access", "openid email offline_access", h.app, "access_token expires_in id_token refresh_token scope token_type"},
		{"no offline_access, no refresh token", "openid email", "openid email", h.app, "access_token expires_in id_token scope token_type"},
		{"offline_access is left out where refresh is not registered", "openid offline_access", "openid", noRefresh, "access_token expires_in id_token scope token_type"},
		{"no openid, no ID token", "email", "email", h.app, "access_token expires_in scope token_type"},
		{"scopes doubled and out of order", "email openid email", "email openid", h.app, "access_token expires_in id_token scope token_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := h.tokens(t, tt.app, "scope", tt.scope)
			if got.Text("scope") != tt.want || members(got.JSON) != tt.members || got.JSON["expires_in"] != 300.0 {
				t.Errorf("got %s", got.Raw)
			}
		})
	}
}
