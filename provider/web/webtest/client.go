package webtest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"cardea/provider"
)

// Client is a relying party, spelled out: it sends exactly what a test tells it to.
type Client struct {
	i      *Issuer
	ID     string
	Secret string // "" = public
	Method string
	HTTP   *http.Client
}

// Register registers a client like c. Empty fields get the usual: a first-party
// web client with a secret, every scope and grant.
func (i *Issuer) Register(c provider.Client) *Client {
	i.T.Helper()
	if c.ID == "" {
		c.ID = "app"
	}
	if c.Type == "" {
		c.Type, c.FirstParty = provider.ClientWeb, true
	}
	if c.AuthMethod == "" {
		c.AuthMethod = map[provider.ClientType]string{provider.ClientWeb: provider.AuthBasic, provider.ClientService: provider.AuthBasic}[c.Type]
		if c.AuthMethod == "" {
			c.AuthMethod = provider.AuthNone
		}
	}
	if c.GrantTypes == nil && c.Type != provider.ClientService {
		c.GrantTypes = []string{provider.GrantCode, provider.GrantRefresh}
	} else if c.GrantTypes == nil {
		c.GrantTypes = []string{provider.GrantCredentials}
	}
	if c.RedirectURIs == nil && c.Type != provider.ClientService {
		c.RedirectURIs = []string{"https://" + c.ID + ".example.com/callback"}
		c.PostLogoutRedirectURIs = []string{"https://" + c.ID + ".example.com/signed-out"}
	}
	if c.Scopes == nil {
		c.Scopes = i.Protocol.Scopes()
	}
	if c.Name == nil {
		c.Name = provider.Text{"en": "Example App", "sv": "Exempelappen"}
	}
	out := &Client{i: i, ID: c.ID, Method: c.AuthMethod, HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if c.AuthMethod != provider.AuthNone {
		out.Secret = c.SetSecret(i.Now(), 0)
	}
	c.Created, c.Updated = i.Now(), i.Now()
	i.must(c.Check(i.Protocol.Scopes()))
	i.must(i.Store.CreateClient(context.Background(), &c))
	return out
}

// Verifier is the PKCE code_verifier of every request.
const Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// Challenge is Verifier's S256 code_challenge.
func Challenge() string {
	sum := sha256.Sum256([]byte(Verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Params are the parameters of a good authorization request, with name, value
// pairs put over them; a value of "-" leaves the parameter out.
func (c *Client) Params(over ...string) url.Values {
	p := url.Values{
		"client_id": {c.ID}, "redirect_uri": {"https://" + c.ID + ".example.com/callback"}, "response_type": {"code"},
		"scope": {"openid profile email offline_access"}, "state": {"state-1234567890"}, "nonce": {"nonce-1234567890"},
		"code_challenge": {Challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(over); i += 2 {
		p.Set(over[i], over[i+1])
		if over[i+1] == "-" {
			p.Del(over[i])
		}
	}
	return p
}

// Authorize is the address of an authorization request.
func (c *Client) Authorize(over ...string) string {
	return "/oauth2/authorize?" + c.Params(over...).Encode()
}

// Answer is a JSON answer of a protocol endpoint.
type Answer struct {
	Status int
	Header http.Header
	JSON   map[string]any
	Raw    string
}

// Text is a string member of the answer.
func (a *Answer) Text(name string) string { s, _ := a.JSON[name].(string); return s }

// Call sends form to path with the client's credentials.
func (c *Client) Call(path string, form url.Values) *Answer {
	c.i.T.Helper()
	form = maps.Clone(form)
	if c.Method == provider.AuthPost && !form.Has("client_id") {
		form.Set("client_id", c.ID)
		form.Set("client_secret", c.Secret)
	}
	if c.Method == provider.AuthNone && !form.Has("client_id") {
		form.Set("client_id", c.ID)
	}
	r, err := http.NewRequestWithContext(c.i.T.Context(), http.MethodPost, c.i.URL+path, strings.NewReader(form.Encode()))
	c.i.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if c.Method == provider.AuthBasic {
		r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	}
	return c.Do(r)
}

// Do sends r and reads the answer.
func (c *Client) Do(r *http.Request) *Answer {
	c.i.T.Helper()
	resp, err := c.HTTP.Do(r)
	c.i.must(err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	c.i.must(err)
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Raw: string(raw), JSON: map[string]any{}}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		c.i.must(json.Unmarshal(raw, &a.JSON))
	}
	return a
}

// Redeem exchanges a code; over changes the form as in Params.
func (c *Client) Redeem(code string, over ...string) *Answer {
	c.i.T.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://" + c.ID + ".example.com/callback"}, "code_verifier": {Verifier}}
	for i := 0; i+1 < len(over); i += 2 {
		form.Set(over[i], over[i+1])
		if over[i+1] == "-" {
			form.Del(over[i])
		}
	}
	return c.Call("/oauth2/token", form)
}

// Refresh spends a refresh token.
func (c *Client) Refresh(token string, over ...string) *Answer {
	c.i.T.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i+1 < len(over); i += 2 {
		form.Set(over[i], over[i+1])
	}
	return c.Call("/oauth2/token", form)
}

// UserInfo asks userinfo with an access token.
func (c *Client) UserInfo(token string) *Answer {
	c.i.T.Helper()
	r, err := http.NewRequestWithContext(c.i.T.Context(), http.MethodGet, c.i.URL+"/oauth2/userinfo", nil)
	c.i.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	return c.Do(r)
}

// SignedIn takes a new browser through a password sign-in and gives it with the
// code that the client got.
func (c *Client) SignedIn(userID string, over ...string) (*Browser, string) {
	c.i.T.Helper()
	b := c.i.Browser()
	page := b.SignIn(b.Get(c.Authorize(over...)), userID, Password)
	if page.Away == nil {
		c.i.T.Fatalf("sign-in ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	return b, page.Away.Query().Get("code")
}

// Tokens signs somebody in and redeems the code.
func (c *Client) Tokens(userID string, over ...string) *Answer {
	c.i.T.Helper()
	_, code := c.SignedIn(userID, over...)
	a := c.Redeem(code)
	if a.Status != http.StatusOK {
		c.i.T.Fatalf("redeeming: %d %s", a.Status, a.Raw)
	}
	return a
}
