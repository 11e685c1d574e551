package provider

import (
	"strings"
	"testing"
	"time"
)

func TestCheckRedirectURI(t *testing.T) {
	t.Parallel()
	any := []ClientType{ClientWeb, ClientSPA, ClientNative}
	tests := []struct {
		uri string
		ok  []ClientType
	}{
		{"https://rp.example/cb", any},
		{"https://rp.example", any},
		{"https://rp.example:8443/cb?tenant=a&x=%20", any},
		{"https://rp.example/cb/..hidden", any},
		{"http://localhost:3000/cb", any},
		{"http://127.0.0.1:3000/cb", any},
		{"http://127.0.0.1/cb", any},
		{"http://[::1]:3000/cb", any},
		{"com.example.app:/cb", []ClientType{ClientNative}},

		{"", nil},
		{"/cb", nil},
		{"//rp.example/cb", nil},
		{"rp.example/cb", nil},
		{"https:", nil},
		{"https:/cb", nil},
		{"https:rp.example/cb", nil},
		{"https:///cb", nil},
		{"https://:443/cb", nil},
		{"https://rp.example/cb#top", nil},
		{"https://rp.example/cb#", nil},
		{"https://*.rp.example/cb", nil},
		{"https://rp.example/*", nil},
		{"https://user@rp.example/cb", nil},
		{"https://user:pw@rp.example/cb", nil},
		{"https://rp.example@evil.example/cb", nil},
		{"https://@rp.example/cb", nil},
		{"https://rp.example/a/../cb", nil},
		{"https://rp.example/./cb", nil},
		{"https://rp.example/%2e%2e/cb", nil},
		{"https://rp.example\\@evil.example/cb", nil},
		{"https://rp.example/cb\\", nil},
		{" https://rp.example/cb", nil},
		{"https://rp.example/cb\n", nil},
		{"https://rp.example/c b", nil},
		{"https://rp.example/cb\x00", nil},
		{"https://räksmörgås.example/cb", nil},
		{"https://rp.example:port/cb", nil},
		{"https://rp.example:/cb", nil},
		{"https://rp.example:0/cb", nil},
		{"https://rp.example:99999/cb", nil},
		{"https://rp.example/%zz", nil},
		{"http://rp.example/cb", nil},
		{"http://127.0.0.1.evil.example/cb", nil},
		{"http://localhost.evil.example/cb", nil},
		{"http://user@127.0.0.1/cb", nil},
		{"http://10.0.0.1/cb", nil},
		{"http://0.0.0.0/cb", nil},
		{"http://2130706433/cb", nil},
		{"http://127.1/cb", nil},
		{"javascript:alert(1)", nil},
		{"data:text/html,hello", nil},
		{"file:///etc/passwd", nil},
		{"ftp://rp.example/cb", nil},
		{"myapp:/cb", nil},
		{"myapp://127.0.0.1/cb", nil},
		{"com.example.app://evil.example/cb", nil},
		{"com.example.app:", nil},
		{"com.example.app:cb", nil},
	}
	for _, tt := range tests {
		t.Run(tt.uri, func(t *testing.T) {
			t.Parallel()
			for _, kind := range any {
				want := false
				for _, k := range tt.ok {
					want = want || k == kind
				}
				if err := CheckRedirectURI(kind, tt.uri); (err == nil) != want {
					t.Errorf("%s client: got %v, want accepted %v", kind, err, want)
				}
			}
		})
	}
}

func TestMatchRedirect(t *testing.T) {
	t.Parallel()
	web := &Client{Type: ClientWeb, RedirectURIs: []string{"https://rp.example/cb", "https://rp.example/cb?tenant=a", "http://127.0.0.1:3000/cb", "https://127.0.0.1/cb"}}
	native := &Client{Type: ClientNative, RedirectURIs: []string{"http://127.0.0.1/cb", "http://[::1]:8080/cb?x=1", "http://localhost/cb", "https://127.0.0.1/tls", "com.example.app:/cb"}}
	tests := []struct {
		client *Client
		uri    string
		want   bool
	}{
		{web, "https://rp.example/cb", true},
		{web, "https://rp.example/cb?tenant=a", true},
		{web, "http://127.0.0.1:3000/cb", true},

		{web, "", false},
		{web, "https://rp.example/cb/", false},
		{web, "https://rp.example/cB", false},
		{web, "https://RP.example/cb", false},
		{web, "HTTPS://rp.example/cb", false},
		{web, "https://rp.example./cb", false},
		{web, "https://rp.example:443/cb", false},
		{web, "http://rp.example/cb", false},
		{web, "https://rp.example/cb?", false},
		{web, "https://rp.example/cb?tenant=b", false},
		{web, "https://rp.example/cb?tenant=a&x=1", false},
		{web, "https://rp.example/cb#", false},
		{web, "https://rp.example/cb#x", false},
		{web, "https://rp.example/%63b", false},
		{web, "https://rp.example/x/../cb", false},
		{web, "https://rp.example//cb", false},
		{web, "https://rp.example/cb%00", false},
		{web, "https://rp.example/cb;x", false},
		{web, "https://rp.example", false},
		{web, "https://a.rp.example/cb", false},
		{web, "https://rp.example.evil.example/cb", false},
		{web, "https://evil.example/cb?https://rp.example/cb", false},
		{web, "https://user@rp.example/cb", false},
		{web, "https://rp.example@evil.example/cb", false},
		{web, "https://rp.example\\@evil.example/cb", false},
		{web, " https://rp.example/cb", false},
		{web, "https://rp.example/cb ", false},
		{web, "https://rp.example/cb\n", false},
		{web, "//rp.example/cb", false},
		{web, "http://127.0.0.1:3001/cb", false},
		{web, "http://user:pw@127.0.0.1:9/cb", false},
		{web, "http://127.0.0.1/cb", false},

		{native, "http://127.0.0.1/cb", true},
		{native, "http://127.0.0.1:1/cb", true},
		{native, "http://127.0.0.1:65535/cb", true},
		{native, "http://[::1]/cb?x=1", true},
		{native, "http://[::1]:9/cb?x=1", true},
		{native, "http://localhost/cb", true},
		{native, "com.example.app:/cb", true},

		{native, "https://127.0.0.1:9/cb", false},
		{native, "http://user:pw@127.0.0.1:9/cb", false},
		{native, "http://127.0.0.1:9/cb/", false},
		{native, "http://127.0.0.1:9/cb?x=1", false},
		{native, "http://127.0.0.1:9/%63b", false},
		{native, "http://127.0.0.1:9/cb#", false},
		{native, "http://127.0.0.1:999999/cb", false},
		{native, "http://127.0.0.1:99999/cb", false},
		{native, "http://127.0.0.1:0/cb", false},
		{native, "http://127.0.0.1:/cb", false},
		{native, "http://127.0.0.1:9@evil.example/cb", false},
		{native, "http://127.0.0.1.evil.example:9/cb", false},
		{native, "http://127.0.0.1:9\n/cb", false},
		{native, "http://127.0.0.2:9/cb", false},
		{native, "http://[::1]:9/cb", false},
		{native, "http://localhost:9/cb", false},
		{native, "https://127.0.0.1:9/tls", false},
		{native, "http://127.0.0.1:9/tls", false},
		{native, "com.example.app:/cb2", false},
		{native, "com.example.app://evil.example/cb", false},
	}
	for _, tt := range tests {
		t.Run(string(tt.client.Type)+" "+tt.uri, func(t *testing.T) {
			t.Parallel()
			if got := tt.client.MatchRedirect(tt.uri); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestClientSecret(t *testing.T) {
	t.Parallel()
	c := &Client{}
	if c.SecretMatches("", noon) || c.SecretMatches("x", noon) {
		t.Error("a client without a secret matches something")
	}
	first := c.SetSecret(noon, time.Hour)
	if !c.SecretMatches(first, noon) || c.PreviousHash != nil || len(first) != 43 {
		t.Errorf("first secret %q does not match, or has one before it", first)
	}
	second := c.SetSecret(noon, time.Hour)
	for _, tt := range []struct {
		name, secret string
		after        time.Duration
		want         bool
	}{
		{"live", second, 0, true},
		{"live later", second, 48 * time.Hour, true},
		{"previous within the overlap", first, time.Hour - 1, true},
		{"previous after the overlap", first, time.Hour, false},
		{"empty", "", 0, false},
		{"cut", second[:42], 0, false},
	} {
		if got := c.SecretMatches(tt.secret, noon.Add(tt.after)); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	c.SetSecret(noon, 0)
	if c.SecretMatches(second, noon) {
		t.Error("without overlap the previous secret still matches")
	}
}

func TestClientCheck(t *testing.T) {
	t.Parallel()
	good := func() *Client {
		return &Client{
			ID: "shop", Name: Text{"en": "Shop"}, Type: ClientWeb, AuthMethod: AuthBasic, SecretHash: make([]byte, 32),
			RedirectURIs: []string{"https://rp.example/cb"}, GrantTypes: []string{GrantCode, GrantRefresh}, Scopes: []string{ScopeOpenID},
		}
	}
	if err := good().Check(StandardScopes); err != nil {
		t.Fatalf("a good client: %v", err)
	}
	tests := []struct {
		field  string
		change func(*Client)
	}{
		{"client_id", func(c *Client) { c.ID = "a b" }},
		{"client_id", func(c *Client) { c.ID = strings.Repeat("a", 65) }},
		{"name", func(c *Client) { c.Name = nil }},
		{"type", func(c *Client) { c.Type = "browser" }},
		{"token_endpoint_auth_method", func(c *Client) { c.AuthMethod = AuthNone }},
		{"token_endpoint_auth_method", func(c *Client) { c.Type = ClientSPA }},
		{"client_secret", func(c *Client) { c.SecretHash = nil }},
		{"grant_types", func(c *Client) { c.GrantTypes = nil }},
		{"grant_types[0]", func(c *Client) { c.GrantTypes = []string{GrantRefresh} }},
		{"grant_types[1]", func(c *Client) { c.GrantTypes = []string{GrantCode, "implicit"} }},
		{"grant_types[0]", func(c *Client) { c.Type = ClientService }},
		{"grant_types[1]", func(c *Client) {
			c.Type, c.AuthMethod, c.GrantTypes = ClientSPA, AuthNone, []string{GrantCode, GrantCredentials}
		}},
		{"redirect_uris", func(c *Client) { c.RedirectURIs = nil }},
		{"redirect_uris[1]", func(c *Client) { c.RedirectURIs = append(c.RedirectURIs, "http://rp.example/cb") }},
		{"post_logout_redirect_uris[0]", func(c *Client) { c.PostLogoutRedirectURIs = []string{"javascript:alert(1)"} }},
		{"scopes[1]", func(c *Client) { c.Scopes = append(c.Scopes, "admin") }},
		{"min_acr", func(c *Client) { c.MinACR = "gold" }},
		{"id_token_signed_response_alg", func(c *Client) { c.IDTokenAlg = "none" }},
		{"initiate_login_uri", func(c *Client) { c.InitiateLoginURI = "http://rp.example/" }},
	}
	for _, tt := range tests {
		t.Run(tt.field, func(t *testing.T) {
			t.Parallel()
			c := good()
			tt.change(c)
			err := c.Check(StandardScopes)
			faults, _ := err.(Faults)
			found := false
			for _, f := range faults {
				found = found || f.Field == tt.field
			}
			if !found {
				t.Errorf("got %v, want a fault of %s", err, tt.field)
			}
		})
	}
}
