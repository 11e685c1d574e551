package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

const state = "state-1234567890"

// answered is the error that went back to the client, with its state and iss
// (RFC 6749 §4.1.2.1, RFC 9207 §2) and nothing else.
func (h *house) answered(t *testing.T, p *webtest.Page, code, state string) {
	t.Helper()
	if p.Away == nil {
		t.Fatalf("authorize led to %s (%d), want the client with %s\n%s", p.URL, p.Status, code, p.Body)
	}
	got := p.Away.Query()
	if !strings.HasPrefix(p.Away.String(), "https://app.example.com/callback?") || p.Away.Fragment != "" {
		t.Errorf("the error went to %s", p.Away)
	}
	if got.Get("error") != code || got.Get("state") != state || got.Get("iss") != h.URL {
		t.Fatalf("the client got %s, want error %s, state %q", p.Away, code, state)
	}
	want := []string{"error", "error_description", "iss", "state"}
	for name := range got {
		if !slices.Contains(want, name) || len(got[name]) != 1 {
			t.Errorf("the answer has %s=%q", name, got[name])
		}
	}
	if state == "" && got.Has("state") {
		t.Error("the answer has a state, and the request had none")
	}
	ownWords(t, got.Get("error_description"))
}

// stays is a page of ours that sends nobody anywhere.
func stays(t *testing.T, p *webtest.Page, status int, path string) {
	t.Helper()
	if p.Away != nil || p.Status != status || p.URL.Path != path || p.Header.Get("Location") != "" {
		t.Fatalf("authorize led to %s (%d), want %s (%d)", p.URL, p.Status, path, status)
	}
}

// What is wrong with a request of a known client is told to the client.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	h := open(t)
	foreign, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"redirect_uri":"https://evil.example/"}`)) + "."
	for _, tt := range []struct {
		name  string
		over  []string
		error string
	}{
		{"no response_type", []string{"response_type", "-"}, "invalid_request"},
		{"empty response_type", []string{"response_type", ""}, "invalid_request"},
		{"implicit", []string{"response_type", "token"}, "unsupported_response_type"},
		{"implicit ID token", []string{"response_type", "id_token"}, "unsupported_response_type"},
		{"hybrid", []string{"response_type", "code id_token"}, "unsupported_response_type"},
		{"none", []string{"response_type", "none"}, "unsupported_response_type"},
		{"Code", []string{"response_type", "Code"}, "unsupported_response_type"},
		{"code twice in one", []string{"response_type", "code code"}, "unsupported_response_type"},
		{"fragment", []string{"response_mode", "fragment"}, "invalid_request"},
		{"form_post", []string{"response_mode", "form_post"}, "invalid_request"},
		{"web_message", []string{"response_mode", "web_message"}, "invalid_request"},
		{"empty response_mode", []string{"response_mode", ""}, "invalid_request"},
		{"request object", []string{"request", unsigned}, "request_not_supported"},
		{"empty request object", []string{"request", ""}, "request_not_supported"},
		{"request_uri", []string{"request_uri", "https://evil.example/request.jwt"}, "request_uri_not_supported"},
		{"pushed request_uri", []string{"request_uri", "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"},
		{"registration", []string{"registration", "{}"}, "registration_not_supported"},
		{"no challenge", []string{"code_challenge", "-"}, "invalid_request"},
		{"no challenge, no method", []string{"code_challenge", "-", "code_challenge_method", "-"}, "invalid_request"},
		{"empty challenge", []string{"code_challenge", ""}, "invalid_request"},
		{"plain", []string{"code_challenge_method", "plain"}, "invalid_request"},
		{"no method, which means plain", []string{"code_challenge_method", "-"}, "invalid_request"},
		{"s256", []string{"code_challenge_method", "s256"}, "invalid_request"},
		{"S512", []string{"code_challenge_method", "S512"}, "invalid_request"},
		{"short challenge", []string{"code_challenge", webtest.Challenge()[:42]}, "invalid_request"},
		{"long challenge", []string{"code_challenge", webtest.Challenge() + "A"}, "invalid_request"},
		{"padded challenge", []string{"code_challenge", webtest.Challenge()[:42] + "="}, "invalid_request"},
		{"challenge with a line break", []string{"code_challenge", webtest.Challenge() + "\n"}, "invalid_request"},
		{"no scope", []string{"scope", "-"}, "invalid_scope"},
		{"blank scope", []string{"scope", " "}, "invalid_scope"},
		{"unknown scope", []string{"scope", "openid no:such"}, "invalid_scope"},
		{"scope in another case", []string{"scope", "OpenID"}, "invalid_scope"},
		{"wildcard scope", []string{"scope", "openid *"}, "invalid_scope"},
		{"long scope", []string{"scope", "openid " + strings.Repeat("x", 1100)}, "invalid_request"},
		{"long nonce", []string{"nonce", strings.Repeat("x", 600)}, "invalid_request"},
		{"NUL in nonce", []string{"nonce", "a\x00b"}, "invalid_request"},
		{"nonce that is no text", []string{"nonce", "a\xffb"}, "invalid_request"},
		{"max_age garbage", []string{"max_age", "soon"}, "invalid_request"},
		{"max_age negative", []string{"max_age", "-1"}, "invalid_request"},
		{"max_age with a fraction", []string{"max_age", "1.5"}, "invalid_request"},
		{"max_age empty", []string{"max_age", ""}, "invalid_request"},
		{"max_age beyond numbers", []string{"max_age", "99999999999999999999"}, "invalid_request"},
		{"prompt unknown", []string{"prompt", "create"}, "invalid_request"},
		{"prompt none and login", []string{"prompt", "none login"}, "invalid_request"},
		{"prompt none and consent", []string{"prompt", "consent none"}, "invalid_request"},
		{"prompt None", []string{"prompt", "None"}, "invalid_request"},
		{"display unknown", []string{"display", "hologram"}, "invalid_request"},
		{"hint garbage", []string{"id_token_hint", "x.y.z"}, "invalid_request"},
		{"hint of nobody's key", []string{"id_token_hint", forged(t, foreign, "", map[string]any{"iss": h.URL, "sub": h.person.ID, "aud": "app"})}, "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.answered(t, h.browser.Get(h.app.Authorize(tt.over...)), tt.error, state)
			h.answered(t, h.Browser().Get(h.app.Authorize(append(tt.over, "state", "-")...)), tt.error, "")
		})
	}
	t.Run("scope that the client is not registered for", func(t *testing.T) {
		narrow := h.Register(provider.Client{ID: "narrow", Type: provider.ClientWeb, Scopes: []string{"openid"}})
		if page := h.browser.Get(narrow.Authorize("scope", "openid email")); page.Away == nil || page.Away.Query().Get("error") != "invalid_scope" {
			t.Errorf("led to %s", page.URL)
		}
	})
}

// A repeated parameter is answered to the client where its address is beyond doubt.
func TestRepeatedParameters(t *testing.T) {
	t.Parallel()
	h := open(t)
	for name := range h.app.Params("prompt", "login", "max_age", "1", "foo", "bar", "resource", "x") {
		for _, second := range []string{"other", h.app.Params("prompt", "login", "max_age", "1", "foo", "bar", "resource", "x").Get(name)} {
			params := h.app.Params("prompt", "login", "max_age", "1", "foo", "bar", "resource", "x")
			params.Add(name, second)
			page := h.browser.Get("/oauth2/authorize?" + params.Encode())
			switch name {
			case "client_id", "redirect_uri":
				stays(t, page, http.StatusBadRequest, "/oauth2/authorize")
			case "state":
				h.answered(t, page, "invalid_request", "")
			default:
				h.answered(t, page, "invalid_request", state)
			}
		}
	}
}

func TestUnreadableRequests(t *testing.T) {
	t.Parallel()
	h := open(t)
	good := h.app.Authorize()
	for name, address := range map[string]string{
		"bad escape": good + "&x=%zz", "semicolon": good + ";x=y", "too long": good + "&x=" + strings.Repeat("x", 8<<10), "nothing": "/oauth2/authorize",
	} {
		t.Run(name, func(t *testing.T) { stays(t, h.browser.Get(address), http.StatusBadRequest, "/oauth2/authorize") })
	}
	stays(t, h.browser.Post(good, h.app.Params()), http.StatusBadRequest, "/oauth2/authorize")
	if a := h.send(t, http.MethodPut, good, ""); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", a.Status)
	}
}

// What a request may hold beyond the usual, or do without.
func TestAcceptedRequests(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, tt := range []struct {
		name string
		over []string
	}{
		{"response_mode query", []string{"response_mode", "query"}},
		{"no state", []string{"state", "-"}},
		{"empty state", []string{"state", ""}},
		{"short state", []string{"state", "x"}},
		{"long state", []string{"state", strings.Repeat("sT4.", 250)}},
		{"state of specials", []string{"state", `&=+%20?#/"'<>\ å→` + "\t"}},
		{"no nonce", []string{"nonce", "-"}},
		{"empty nonce", []string{"nonce", ""}},
		{"short nonce", []string{"nonce", "x"}},
		{"long nonce", []string{"nonce", strings.Repeat("n0nce-", 64)}},
		{"nonce of specials", []string{"nonce", `&=+%20?#/"'<>\ å→`}},
		{"claims", []string{"claims", `{"userinfo":{"name":{"essential":true}},"id_token":{"auth_time":null}}`}},
		{"claims that ask for an acr nobody knows, not as essential", []string{"claims", `{"id_token":{"acr":{"values":["urn:other:acr"]}}}`}},
		{"claims with the acr that she has", []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"urn:cardea:acr:1fa"}}}`}},
		{"claims_locales", []string{"claims_locales", "se"}},
		{"ui_locales", []string{"ui_locales", "se sv-SE en-US ??"}},
		{"display page", []string{"display", "page"}},
		{"display popup", []string{"display", "popup"}},
		{"login_hint of the person herself", []string{"login_hint", userID}},
		{"unknown parameter", []string{"extra", "foobar"}},
		{"resource", []string{"resource", "https://other.example.com"}},
		{"audience", []string{"audience", "https://other.example.com"}},
		{"unknown acr", []string{"acr_values", "urn:other:acr"}},
		{"acr that she has", []string{"acr_values", provider.ACROneFactor}},
		{"max_age far away", []string{"max_age", "10000"}},
		{"scope with wide spaces", []string{"scope", "  email   openid "}},
		{"prompt none", []string{"prompt", "none"}},
		{"empty prompt", []string{"prompt", ""}},
		{"a client_secret, which is of no use here", []string{"client_secret", "x"}},
		{"grant_type", []string{"grant_type", "password"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			silent := h.browser.Get(h.app.Authorize(tt.over...))
			b := h.Browser()
			var typed *webtest.Page
			if !slices.Contains(tt.over, "none") {
				typed = b.SignIn(b.Get(h.app.Authorize(tt.over...)), userID, webtest.Password)
			}
			for _, page := range []*webtest.Page{silent, typed} {
				if page == nil {
					continue
				}
				h.accepted(t, page, h.app.Params(tt.over...))
			}
		})
	}
}

// accepted is a good answer to params, whose code works.
func (h *house) accepted(t *testing.T, page *webtest.Page, params url.Values) {
	t.Helper()
	if page.Away == nil {
		t.Fatalf("authorize led to %s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	got := page.Away.Query()
	if got.Get("state") != params.Get("state") || got.Has("state") != (params.Get("state") != "") || got.Get("iss") != h.URL || got.Has("error") || got.Has("scope") {
		t.Fatalf("the client got %s", page.Away)
	}
	tokens := good(t, h.app.Redeem(got.Get("code")))
	_, claims := h.verified(t, tokens.Text("id_token"), jose.ES256)
	nonce, has := claims["nonce"]
	if want := params.Get("nonce"); has != (want != "") || has && nonce != want {
		t.Errorf("nonce is %q, want %q", nonce, want)
	}
}

func TestAuthorizeByPost(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.accepted(t, h.browser.Post("/oauth2/authorize", h.app.Params()), h.app.Params())
	h.answered(t, h.Browser().Post("/oauth2/authorize", h.app.Params("prompt", "none")), "login_required", state)
	b := h.Browser()
	h.accepted(t, b.SignIn(b.Post("/oauth2/authorize", h.app.Params()), userID, webtest.Password), h.app.Params())
}

// authTime is auth_time of the ID token for the page's code.
func (h *house) authTime(t *testing.T, page *webtest.Page) int64 {
	t.Helper()
	if page.Away == nil {
		t.Fatalf("led to %s (%d)", page.URL, page.Status)
	}
	_, claims := h.verified(t, good(t, h.app.Redeem(page.Away.Query().Get("code"))).Text("id_token"), jose.ES256)
	at, _ := claims["auth_time"].(float64)
	return int64(at)
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	h := open(t)
	first := h.authTime(t, h.browser.Get(h.app.Authorize("max_age", "10000")))
	h.Wait(2 * time.Second)
	if again := h.authTime(t, h.browser.Get(h.app.Authorize("max_age", "10000"))); again != first {
		t.Errorf("auth_time went from %d to %d without a sign-in", first, again)
	}
	for _, age := range []string{"1", "0"} {
		h.answered(t, h.browser.Get(h.app.Authorize("max_age", age, "prompt", "none")), "login_required", state)
		page := h.browser.Get(h.app.Authorize("max_age", age))
		stays(t, page, http.StatusOK, "/signin")
		later := h.authTime(t, h.browser.SignIn(page, userID, webtest.Password))
		if later < first+2 {
			t.Errorf("max_age=%s: auth_time is %d, and was %d", age, later, first)
		}
		h.Wait(2 * time.Second)
	}
	// At once after the sign-in max_age=0 still asks.
	h.answered(t, h.browser.Get(h.app.Authorize("max_age", "0", "prompt", "none")), "login_required", state)
}

func TestPrompt(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.Register(provider.Client{ID: "third", Type: provider.ClientWeb, RedirectURIs: []string{"https://app.example.com/callback"}})
	first := h.authTime(t, h.browser.Get(h.app.Authorize("prompt", "none")))
	h.Wait(2 * time.Second)
	t.Run("none without a session", func(t *testing.T) {
		long := strings.Repeat("s", 128)
		h.answered(t, h.Browser().Get(h.app.Authorize("prompt", "none", "state", long)), "login_required", long)
	})
	t.Run("none with a session", func(t *testing.T) {
		if at := h.authTime(t, h.browser.Get(h.app.Authorize("prompt", "none"))); at != first {
			t.Errorf("auth_time went from %d to %d", first, at)
		}
	})
	t.Run("none, consent missing", func(t *testing.T) {
		h.answered(t, h.browser.Get(h.app.Authorize("client_id", "third", "prompt", "none")), "consent_required", state)
	})
	t.Run("none, second factor missing", func(t *testing.T) {
		h.answered(t, h.browser.Get(h.app.Authorize("prompt", "none", "acr_values", provider.ACRTwoFactor)), "login_required", state)
	})
	t.Run("none, another person hinted at", func(t *testing.T) {
		h.answered(t, h.browser.Get(h.app.Authorize("prompt", "none", "login_hint", "SomebodyElse")), "account_selection_required", state)
	})
	t.Run("login", func(t *testing.T) {
		page := h.browser.Get(h.app.Authorize("prompt", "login"))
		stays(t, page, http.StatusOK, "/signin")
		if at := h.authTime(t, h.browser.SignIn(page, userID, webtest.Password)); at < first+2 {
			t.Errorf("auth_time is %d, and was %d", at, first)
		}
	})
	t.Run("login and consent", func(t *testing.T) {
		stays(t, h.browser.Get(h.app.Authorize("prompt", "login consent")), http.StatusOK, "/signin")
	})
	t.Run("select_account", func(t *testing.T) {
		stays(t, h.browser.Get(h.app.Authorize("prompt", "select_account")), http.StatusOK, "/signin/account")
	})
	t.Run("consent", func(t *testing.T) {
		stays(t, h.browser.Get(h.app.Authorize("client_id", "third", "prompt", "consent")), http.StatusOK, "/signin/consent")
	})
}

func TestIDTokenHint(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := h.Register(provider.Client{ID: "other", Type: provider.ClientWeb, FirstParty: true})
	h.Person("ErikEk")
	tokens := h.tokens(t, h.app, "scope", "openid "+webtest.APIScope)
	mine := tokens.Text("id_token")
	hers := h.app.Tokens("ErikEk").Text("id_token")
	silent := func(hint string) *webtest.Page {
		return h.browser.Get(h.app.Authorize("prompt", "none", "id_token_hint", hint))
	}
	t.Run("good", func(t *testing.T) { h.accepted(t, silent(mine), h.app.Params()) })
	t.Run("other client's", func(t *testing.T) {
		h.answered(t, silent(h.tokens(t, other).Text("id_token")), "invalid_request", state)
	})
	t.Run("other person's", func(t *testing.T) {
		h.answered(t, silent(hers), "login_required", state)
		page := h.browser.Get(h.app.Authorize("id_token_hint", hers))
		stays(t, page, http.StatusOK, "/signin")
		h.answered(t, h.browser.SignIn(page, userID, webtest.Password), "login_required", state)
	})
	t.Run("without a session", func(t *testing.T) {
		h.answered(t, h.Browser().Get(h.app.Authorize("prompt", "none", "id_token_hint", mine)), "login_required", state)
	})
	for name, hint := range forgeries(t, h, mine) {
		t.Run(name, func(t *testing.T) { h.answered(t, silent(hint), "invalid_request", state) })
	}
	for _, v := range []variant{
		{"access token's typ", "at+jwt", "", nil},
		{"no typ", "", "", nil},
		{"another issuer", "JWT", "iss", "https://other.example.com"},
		{"no subject", "JWT", "sub", nil},
		{"two audiences", "JWT", "aud", []string{"app", "other"}},
	} {
		t.Run(v.name, func(t *testing.T) { h.answered(t, silent(h.remade(t, mine, v)), "invalid_request", state) })
	}
	t.Run("access token", func(t *testing.T) { h.answered(t, silent(tokens.Text("access_token")), "invalid_request", state) })
	t.Run("huge", func(t *testing.T) { h.answered(t, silent(mine+strings.Repeat("A", 6000)), "invalid_request", state) })
	t.Run("expired", func(t *testing.T) {
		h.Wait(10 * time.Minute)
		h.accepted(t, silent(mine), h.app.Params())
	})
	t.Run("retired key", func(t *testing.T) {
		check(t, h.Keys.Rotate(t.Context(), "cli:test", "ES256", 0, true))
		h.accepted(t, silent(mine), h.app.Params())
		check(t, h.Keys.Rotate(t.Context(), "cli:test", "ES256", 0, true))
		h.accepted(t, silent(mine), h.app.Params())
	})
	t.Run("key that is gone", func(t *testing.T) {
		h.Wait(time.Minute)
		check(t, h.Keys.Retire(t.Context(), time.Second))
		h.answered(t, silent(mine), "invalid_request", state)
	})
}

func TestACRValues(t *testing.T) {
	t.Parallel()
	h := open(t)
	key := h.Authenticator(h.person)
	b := h.Browser()
	page := b.SignIn(b.Get(h.app.Authorize("acr_values", "urn:other "+provider.ACRTwoFactor)), userID, webtest.Password)
	stays(t, page, http.StatusOK, "/signin/verify/totp")
	page = b.Submit(page, "/signin/verify/totp", "code", h.Code(key))
	_, claims := h.verified(t, good(t, h.app.Redeem(page.Away.Query().Get("code"))).Text("id_token"), jose.ES256)
	amr, _ := claims["amr"].([]any)
	if claims["acr"] != provider.ACRTwoFactor || !slices.Equal(amr, []any{"pwd", "otp", "mfa"}) {
		t.Errorf("acr %v, amr %v", claims["acr"], amr)
	}
	// The session that was opened with a password alone is raised, not taken as it is.
	stays(t, h.browser.Get(h.app.Authorize("acr_values", provider.ACRTwoFactor)), http.StatusOK, "/signin/verify/totp")
	h.answered(t, h.browser.Get(h.app.Authorize("acr_values", provider.ACRTwoFactor, "prompt", "none")), "login_required", state)
}

// A client that is changed while somebody signs in gets nothing that it may no
// longer have.
func TestClientChangedDuringSignIn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*provider.Client)
		error  string // that the client gets; "" = a page
	}{
		{"disabled", func(c *provider.Client) { c.Disabled = true }, ""},
		{"redirect removed", func(c *provider.Client) { c.RedirectURIs = []string{"https://app.example.com/new"} }, ""},
		{"scope removed", func(c *provider.Client) { c.Scopes = []string{"openid"} }, "invalid_scope"},
		{"grant type removed", func(c *provider.Client) { c.GrantTypes = []string{provider.GrantCredentials} }, "unauthorized_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			b := h.Browser()
			page := b.Get(h.app.Authorize())
			h.change(t, h.app.ID, tt.change)
			page = b.SignIn(page, userID, webtest.Password)
			if tt.error == "" {
				stays(t, page, http.StatusBadRequest, "/signin")
				return
			}
			h.answered(t, page, tt.error, state)
		})
	}
}

func TestClientDeletedDuringSignIn(t *testing.T) {
	t.Parallel()
	h := open(t)
	b := h.Browser()
	page := b.Get(h.app.Authorize())
	check(t, h.Store.DeleteClient(t.Context(), h.app.ID))
	if page = b.SignIn(page, userID, webtest.Password); page.Away != nil {
		t.Errorf("the client got %s", page.Away)
	}
}
