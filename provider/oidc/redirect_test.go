package oidc_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"cardea/provider"
)

// leads is what makes a page lead to an address of TestRedirectURIMutations.
var leads = regexp.MustCompile(`(href|src|action|content)="[^"]*(evil|app)\.example[^"]*"`)

// Whatever is not registered, byte for byte, gets a page of ours and no redirect,
// also where no page may be shown (RFC 9700 §4.1.3).
func TestRedirectURIMutations(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.Register(provider.Client{ID: "other", Type: provider.ClientWeb, RedirectURIs: []string{"https://other.example.com/callback"}})
	for _, uri := range []string{
		"", " ", "https://app.example.com/callback/", "https://app.example.com/callback//", "https://app.example.com//callback",
		"https://app.example.com/Callback", "https://APP.example.com/callback", "HTTPS://app.example.com/callback", "http://app.example.com/callback",
		"https://app.example.com:443/callback", "https://app.example.com:8443/callback", "https://app.example.com:/callback",
		"https://app.example.com./callback", "https://evil.example/callback", "https://app.example.com.evil.example/callback",
		"https://evilapp.example.com/callback", "https://sub.app.example.com/callback", "https://app.example.com@evil.example/callback",
		"https://evil.example@app.example.com/callback", "https://app.example.com%2eevil.example/callback", "https://app.example.com\\@evil.example/callback",
		"https://evil.example#@app.example.com/callback", "https://evil.example?@app.example.com/callback", "https://app.example.com/callback#",
		"https://app.example.com/callback#fragment", "https://app.example.com/callback?", "https://app.example.com/callback?x=y", "https://app.example.com/callback&x=y",
		"https://app.example.com/callback;x", "https://app.example.com/callback%00", "https://app.example.com/callback\x00", "https://app.example.com/callback%0d%0aX:y",
		"https://app.example.com/callback\r\nX:y", "https://app.example.com/callback ", " https://app.example.com/callback", "\thttps://app.example.com/callback",
		"https://app.example.com/%63allback", "https://app.example.com/callback/..", "https://app.example.com/../callback", "https://app.example.com/./callback",
		"https://app.example.com/callback/../../evil", "https://app.example.com/callback/%2e%2e/evil", "https://app.example.com\\callback", "https:\\\\app.example.com\\callback",
		"https:app.example.com/callback", "https:/app.example.com/callback", "https:///app.example.com/callback", "//app.example.com/callback", "/callback", "callback",
		"app.example.com/callback", "javascript:alert(1)", "javascript://app.example.com/callback%0aalert(1)", "data:text/html,x", "com.example.app:/callback",
		"https://app.example.com/*", "https://*.example.com/callback", "https://other.example.com/callback", "https://xn--pp-via.example.com/callback", "https://аpp.example.com/callback",
		"https://127.0.0.1/callback", "http://localhost/callback", "https://app.example.com/callback,https://evil.example/", "https://app.example.com/callback https://evil.example/",
		"https://app.example.com/callback" + strings.Repeat("/x", 1500), "https://app.example.com/callbac", "\xffhttps://app.example.com/callback",
	} {
		for _, prompt := range []string{"-", "none"} {
			page := h.browser.Get(h.app.Authorize("redirect_uri", uri, "prompt", prompt))
			stays(t, page, http.StatusBadRequest, "/oauth2/authorize")
			if link := leads.FindString(page.Body); link != "" {
				t.Errorf("%q: the page leads to a foreign address: %s", uri, link)
			}
		}
		stays(t, h.browser.Post("/oauth2/authorize", h.app.Params("redirect_uri", uri)), http.StatusBadRequest, "/oauth2/authorize")
	}
	stays(t, h.browser.Get(h.app.Authorize("redirect_uri", "-")), http.StatusBadRequest, "/oauth2/authorize")
	stays(t, h.browser.Get(h.app.Authorize("redirect_uri", "-", "prompt", "none")), http.StatusBadRequest, "/oauth2/authorize")
}

func TestUnknownClient(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, id := range []string{"-", "", "nobody", "APP", "app ", "app\x00", "ap", "<script>alert(1)</script>", strings.Repeat("a", 4000)} {
		page := h.browser.Get(h.app.Authorize("client_id", id))
		stays(t, page, http.StatusBadRequest, "/oauth2/authorize")
		if strings.Contains(page.Body, "<script>alert") {
			t.Error("the page has the client's script")
		}
	}
}

// A native client's loopback address may have any port, and nothing else may differ
// (RFC 8252 §7.3).
func TestLoopbackRedirect(t *testing.T) {
	t.Parallel()
	h := open(t)
	native := h.Register(provider.Client{ID: "native", Type: provider.ClientNative, FirstParty: true, RedirectURIs: []string{
		"http://127.0.0.1/cb", "http://[::1]:8000/cb?x=y", "com.example.app:/cb", "http://127.0.0.1/a%2Fb", "https://127.0.0.1/tls", "http://localhost:3000/cb",
	}})
	web := h.Register(provider.Client{ID: "web", Type: provider.ClientWeb, FirstParty: true, RedirectURIs: []string{"http://127.0.0.1/cb", "http://127.0.0.1:8000/cb"}})
	for _, uri := range []string{
		"http://127.0.0.1/cb", "http://127.0.0.1:51234/cb", "http://127.0.0.1:1/cb", "http://[::1]:9/cb?x=y", "http://[::1]/cb?x=y", "com.example.app:/cb",
		"http://127.0.0.1:9/a%2Fb", "https://127.0.0.1/tls", "http://localhost:3000/cb",
	} {
		page := h.browser.Get(native.Authorize("redirect_uri", uri))
		separator := map[bool]string{true: "&", false: "?"}[strings.Contains(uri, "?")]
		if page.Away == nil || !strings.HasPrefix(page.Away.String(), uri+separator) {
			t.Errorf("%s led to %s (%d)", uri, page.URL, page.Status)
			continue
		}
		good(t, native.Redeem(page.Away.Query().Get("code"), "redirect_uri", uri))
	}
	for _, uri := range []string{
		"https://127.0.0.1/cb", "https://127.0.0.1:9/cb", "http://user:pw@127.0.0.1:9/cb", "http://user@127.0.0.1/cb", "http://127.0.0.1:9/a/b", "http://127.0.0.1:9/CB",
		"http://127.0.0.1:9/cb/", "http://127.0.0.1:9/cb?x=y", "http://127.0.0.1:9/cb#f", "http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:/cb",
		"http://127.0.0.1:+80/cb", "http://127.0.0.1:99999/cb", "http://127.0.0.2:9/cb", "http://127.1:9/cb", "http://2130706433:9/cb", "http://0x7f.0.0.1:9/cb", "http://localhost:9/cb",
		"http://localhost/cb", "http://[::1]:9/cb", "http://[0:0:0:0:0:0:0:1]:9/cb?x=y", "http://[::ffff:127.0.0.1]:9/cb", "http://[::1%25lo]:9/cb?x=y", "http://127.0.0.1.evil.example:9/cb",
		"http://127.0.0.1:9@evil.example/cb", "http://127.0.0.1:9\\@evil.example/cb", "HTTP://127.0.0.1:9/cb", "myapp://127.0.0.1/cb", "com.example.app:/cb/x", "com.example.app://127.0.0.1/cb",
		"com.example.app:/cb?x", "https://127.0.0.1:9/tls", "http://0.0.0.0:9/cb", "http://127.0.0.1:9//cb", "http://127.0.0.1:9/./cb", "http://127.0.0.1:9/cb%00", "http://127.0.0.1:９/cb",
	} {
		page := h.browser.Get(native.Authorize("redirect_uri", uri))
		if page.Away != nil || page.Status != http.StatusBadRequest {
			t.Errorf("%s led to %s (%d)", uri, page.URL, page.Status)
		}
	}
	if page := h.browser.Get(web.Authorize("redirect_uri", "http://127.0.0.1:9/cb")); page.Away != nil {
		t.Errorf("a web client's loopback address was met with another port: %s", page.Away)
	}
}
