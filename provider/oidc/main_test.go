package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/ory/fosite"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// userID is the cardholder of every test.
const userID = "KarinEk"

// house is an issuer with a confidential client, and a cardholder who is signed in
// in a browser.
type house struct {
	*webtest.Issuer
	app     *webtest.Client
	person  *provider.Account
	browser *webtest.Browser
}

func open(t *testing.T, changes ...func(*webtest.Settings)) *house {
	t.Helper()
	h := &house{Issuer: webtest.Open(t, changes...)}
	h.app = h.Register(provider.Client{})
	h.person = h.Person(userID)
	h.browser, _ = h.app.SignedIn(userID)
	return h
}

// public registers a public client.
func (h *house) public(id string) *webtest.Client {
	return h.Register(provider.Client{ID: id, Type: provider.ClientSPA, FirstParty: true})
}

// service registers a client that acts on its own.
func (h *house) service(id string, scopes ...string) *webtest.Client {
	return h.Register(provider.Client{ID: id, Type: provider.ClientService, Scopes: append([]string{}, scopes...)})
}

// change stores a change of a registered client.
func (h *house) change(t *testing.T, id string, change func(*provider.Client)) {
	t.Helper()
	c, err := h.Store.Client(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	changed := *c
	change(&changed)
	if err := h.Store.UpdateClient(t.Context(), &changed); err != nil {
		t.Fatal(err)
	}
}

// code is a code for app, from the browser that is signed in.
func (h *house) code(t *testing.T, app *webtest.Client, over ...string) string {
	t.Helper()
	page := h.browser.Get(app.Authorize(over...))
	if page.Away == nil || page.Away.Query().Get("code") == "" {
		t.Fatalf("authorize led to %s (%d)\n%s", page.URL, page.Status, page.Body)
	}
	return page.Away.Query().Get("code")
}

// tokens are the tokens for app.
func (h *house) tokens(t *testing.T, app *webtest.Client, over ...string) *webtest.Answer {
	t.Helper()
	return good(t, app.Redeem(h.code(t, app, over...)))
}

// good is a successful answer of the token endpoint (RFC 6749 §5.1).
func good(t *testing.T, a *webtest.Answer) *webtest.Answer {
	t.Helper()
	if a.Status != http.StatusOK || a.Text("access_token") == "" || a.Text("token_type") != "Bearer" {
		t.Fatalf("got %d %s, want tokens", a.Status, a.Raw)
	}
	unstored(t, a)
	return a
}

func unstored(t *testing.T, a *webtest.Answer) {
	t.Helper()
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
}

// refused is an error answer in JSON (RFC 6749 §5.2) that gives nothing away.
func refused(t *testing.T, a *webtest.Answer, status int, code string) {
	t.Helper()
	if a.Status != status || a.Text("error") != code {
		t.Fatalf("got %d %s, want %d %s", a.Status, a.Raw, status, code)
	}
	unstored(t, a)
	for member := range a.JSON {
		if member != "error" && member != "error_description" {
			t.Errorf("the answer has a member %q: %s", member, a.Raw)
		}
	}
	if status == http.StatusUnauthorized && a.Header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	if status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	ownWords(t, a.Text("error_description"))
}

// libraryErrors are the errors of fosite that a request can run into.
var libraryErrors = []*fosite.RFC6749Error{
	fosite.ErrInactiveToken, fosite.ErrUnknownRequest, fosite.ErrRequestForbidden, fosite.ErrInvalidRequest,
	fosite.ErrUnauthorizedClient, fosite.ErrUnsupportedResponseType, fosite.ErrInvalidScope, fosite.ErrServerError, fosite.ErrInvalidClient,
	fosite.ErrInvalidGrant, fosite.ErrUnsupportedGrantType, fosite.ErrInvalidState, fosite.ErrInsufficientEntropy, fosite.ErrMisconfiguration,
	fosite.ErrNotFound, fosite.ErrTokenExpired, fosite.ErrScopeNotGranted, fosite.ErrTemporarilyUnavailable, fosite.ErrLoginRequired,
}

// ownWords makes sure that a description is ours: the library's tell how far a
// request came.
func ownWords(t *testing.T, description string) {
	t.Helper()
	if description == "" {
		t.Error("there is no error_description")
	}
	foreign := []string{"OAuth 2.0 Client", "PKCE code verifier", "malformed or not valid", "was already used", "storage:", "SELECT", "UPDATE", "INSERT"}
	for _, e := range libraryErrors {
		foreign = append(foreign, e.DescriptionField, e.HintField)
	}
	for _, text := range foreign {
		if text != "" && strings.Contains(description, text) {
			t.Errorf("error_description has the library's words: %q", description)
		}
	}
}

// send sends a request spelled out.
func (h *house) send(t *testing.T, method, path, body string, header ...string) *webtest.Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return h.app.Do(r)
}

// formType is the header of a form.
var formType = []string{"Content-Type", "application/x-www-form-urlencoded"}

// introspect asks about a token.
func introspect(c *webtest.Client, token string) *webtest.Answer {
	return c.Call("/oauth2/introspect", url.Values{"token": {token}})
}

// revoke asks for a token's end.
func revoke(c *webtest.Client, token string) *webtest.Answer {
	return c.Call("/oauth2/revoke", url.Values{"token": {token}})
}

// alive makes sure that the access token works.
func (h *house) alive(t *testing.T, access string) {
	t.Helper()
	if a := h.app.UserInfo(access); a.Status != http.StatusOK || a.Text("sub") == "" {
		t.Fatalf("userinfo: %d %s, want the claims", a.Status, a.Raw)
	}
}

// dead makes sure that the access token opens nothing, and is nothing to its own client.
func (h *house) dead(t *testing.T, app *webtest.Client, access string) {
	t.Helper()
	refused(t, app.UserInfo(access), http.StatusUnauthorized, "invalid_token")
	if app.Secret != "" {
		isInactive(t, introspect(app, access))
	}
}

// isInactive makes sure that an introspection tells nothing.
func isInactive(t *testing.T, a *webtest.Answer) {
	t.Helper()
	if a.Status != http.StatusOK || a.Raw != `{"active":false}` {
		t.Fatalf("introspection: %d %s", a.Status, a.Raw)
	}
	unstored(t, a)
}

// jwks is the key set as published.
func (h *house) jwks(t *testing.T) jose.JSONWebKeySet {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(h.send(t, http.MethodGet, "/oauth2/jwks", "").Raw), &set); err != nil {
		t.Fatal(err)
	}
	return set
}

// verified is the header and the claims of a JWT that a published key signed.
func (h *house) verified(t *testing.T, token string, alg jose.SignatureAlgorithm) (jose.Header, map[string]any) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
	if err != nil {
		t.Fatalf("%s: %v", token, err)
	}
	header := signed.Signatures[0].Protected
	keys := h.jwks(t)
	found := keys.Key(header.KeyID)
	if len(found) != 1 || found[0].Algorithm != string(alg) {
		t.Fatalf("kid %q is %d of the published keys", header.KeyID, len(found))
	}
	payload, err := signed.Verify(found[0])
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return header, claims
}

// members are the sorted names of a JSON object.
func members(object map[string]any) string {
	var names []string
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
