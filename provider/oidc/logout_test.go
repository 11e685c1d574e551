package oidc_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

const after = "https://app.example.com/signed-out"

func logout(parameters ...string) string {
	form := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	return "/oauth2/logout?" + form.Encode()
}

// signedIn tells whether the browser has a session: prompt=none gives a code.
func (h *house) signedIn(t *testing.T, b *webtest.Browser) bool {
	t.Helper()
	page := b.Get(h.app.Authorize("prompt", "none"))
	if page.Away == nil || !page.Away.Query().Has("code") && page.Away.Query().Get("error") != "login_required" {
		t.Fatalf("prompt=none led to %s (%d)", page.URL, page.Status)
	}
	return page.Away.Query().Has("code")
}

// A request that proves whose session is meant ends it at once (OpenID Connect
// RP-Initiated Logout §2).
func TestLogoutAtOnce(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("s.T-", 32)
	for _, tt := range []struct {
		name string
		over []string
		away string // where the client is returned to; "" = our page
	}{
		{"return and state", []string{"post_logout_redirect_uri", after, "state", long}, after + "?state=" + long},
		{"return and a state of specials", []string{"post_logout_redirect_uri", after, "state", "&=+%20 å"}, after + "?" + url.Values{"state": {"&=+%20 å"}}.Encode()},
		{"return without state", []string{"post_logout_redirect_uri", after}, after},
		{"with client_id", []string{"post_logout_redirect_uri", after, "client_id", "app"}, after},
		{"address with a query of its own", []string{"post_logout_redirect_uri", after + "?a=b", "state", "x"}, after + "?a=b&state=x"},
		{"no address", []string{"state", "x"}, ""},
		{"unknown parameters", []string{"logout_hint", userID, "ui_locales", "sv", "foo", "bar"}, ""},
	} {
		for _, post := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				h := open(t)
				h.change(t, "app", func(c *provider.Client) { c.PostLogoutRedirectURIs = append(c.PostLogoutRedirectURIs, after+"?a=b") })
				address := logout(append(tt.over, "id_token_hint", h.tokens(t, h.app).Text("id_token"))...)
				page := h.browser.Get(address)
				if post {
					h.browser, _ = h.app.SignedIn(userID)
					_, query, _ := strings.Cut(address, "?")
					form, _ := url.ParseQuery(query)
					page = h.browser.Post("/oauth2/logout", form)
				}
				switch {
				case tt.away != "" && (page.Away == nil || page.Away.String() != tt.away):
					t.Errorf("led to %s (%d), want %s", page.URL, page.Status, tt.away)
				case tt.away == "" && (page.Away != nil || page.URL.Path != "/signed-out" || page.Status != http.StatusOK):
					t.Errorf("led to %s (%d), want our page", page.URL, page.Status)
				}
				if h.signedIn(t, h.browser) {
					t.Error("the session is still there")
				}
			})
		}
	}
}

// Without proof the person is asked, and nobody is redirected.
func TestLogoutAsksFirst(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := h.Register(provider.Client{ID: "other", Type: provider.ClientWeb, FirstParty: true})
	h.Person("ErikEk")
	mine := h.tokens(t, h.app, "scope", "openid "+webtest.APIScope)
	hint := mine.Text("id_token")
	requests := map[string]string{
		"nothing":                              logout(),
		"state alone":                          logout("state", "x"),
		"address without a hint":               logout("post_logout_redirect_uri", after, "state", "x"),
		"address and client_id without a hint": logout("post_logout_redirect_uri", after, "client_id", "app"),
		"address not registered":               logout("post_logout_redirect_uri", "https://evil.example/", "id_token_hint", hint),
		"address with a query added":           logout("post_logout_redirect_uri", after+"?x=y", "id_token_hint", hint),
		"address with a slash added":           logout("post_logout_redirect_uri", after+"/", "id_token_hint", hint),
		"redirect_uri as address":              logout("post_logout_redirect_uri", "https://app.example.com/callback", "id_token_hint", hint),
		"other client's address":               logout("post_logout_redirect_uri", "https://other.example.com/signed-out", "id_token_hint", hint),
		"other client's id":                    logout("post_logout_redirect_uri", after, "id_token_hint", hint, "client_id", "other"),
		"other client's hint":                  logout("post_logout_redirect_uri", after, "id_token_hint", h.tokens(t, other).Text("id_token")),
		"other person's hint":                  logout("post_logout_redirect_uri", after, "id_token_hint", h.app.Tokens("ErikEk").Text("id_token")),
		"access token as hint":                 logout("post_logout_redirect_uri", after, "id_token_hint", mine.Text("access_token")),
		"garbage as hint":                      logout("post_logout_redirect_uri", after, "id_token_hint", "x.y.z"),
		"hint twice":                           logout("post_logout_redirect_uri", after, "id_token_hint", hint) + "&id_token_hint=" + hint,
		"address twice":                        logout("post_logout_redirect_uri", after, "id_token_hint", hint) + "&post_logout_redirect_uri=" + url.QueryEscape(after),
		"too long":                             logout("post_logout_redirect_uri", after, "id_token_hint", hint, "state", strings.Repeat("x", 9000)),
	}
	for name, forgery := range forgeries(t, h, hint) {
		requests["hint, "+name] = logout("post_logout_redirect_uri", after, "id_token_hint", forgery)
	}
	for name, address := range requests {
		t.Run(name, func(t *testing.T) {
			page := h.browser.Get(address)
			stays(t, page, http.StatusOK, "/oauth2/logout")
			if _, ok := page.Form("/oauth2/logout/confirm"); !ok || strings.Contains(page.Body, "evil.example/\"") {
				t.Errorf("the page does not ask:\n%s", page.Body)
			}
			if !h.signedIn(t, h.browser) {
				t.Fatal("the session was ended without asking")
			}
			// Nobody is signed in there, so nobody need be asked; and nobody is redirected
			// but to the client whose own, good hint it is.
			if stranger := h.Browser().Get(address); stranger.Away != nil && name != "other person's hint" {
				t.Errorf("without a session it led to %s", stranger.Away)
			}
		})
	}
	t.Run("and the answer is taken", func(t *testing.T) {
		page := h.browser.Get(logout("post_logout_redirect_uri", after))
		page = h.browser.Submit(page, "/oauth2/logout/confirm")
		stays(t, page, http.StatusOK, "/signed-out")
		if h.signedIn(t, h.browser) {
			t.Error("the session is still there")
		}
	})
}

// A hint may be old, and its key retired: what it proves is still true.
func TestLogoutWithOldHint(t *testing.T) {
	t.Parallel()
	h := open(t)
	hint := h.tokens(t, h.app).Text("id_token")
	check(t, h.Keys.Rotate(t.Context(), "cli:test", "ES256", 0, true))
	h.Wait(24 * time.Hour)
	h.browser, _ = h.app.SignedIn(userID)
	page := h.browser.Get(logout("post_logout_redirect_uri", after, "id_token_hint", hint))
	if page.Away == nil || page.Away.String() != after {
		t.Errorf("led to %s (%d)", page.URL, page.Status)
	}
	if h.signedIn(t, h.browser) {
		t.Error("the session is still there")
	}
	if again := h.browser.Get(logout("post_logout_redirect_uri", after, "id_token_hint", hint)); again.Away == nil || again.Away.String() != after {
		t.Errorf("signed out already, it led to %s (%d)", again.URL, again.Status)
	}
}

// Signing out ends what belongs to the session; offline access was given for longer.
func TestLogoutEndsGrantsOfSession(t *testing.T) {
	t.Parallel()
	h := open(t)
	online, offline := h.tokens(t, h.app, "scope", "openid"), h.tokens(t, h.app)
	h.browser.Get(logout("id_token_hint", online.Text("id_token")))
	h.dead(t, h.app, online.Text("access_token"))
	h.alive(t, offline.Text("access_token"))
	good(t, h.app.Refresh(offline.Text("refresh_token")))
}

// A client that may no longer be used sends nobody anywhere.
func TestLogoutOfDisabledClient(t *testing.T) {
	t.Parallel()
	h := open(t)
	hint := h.tokens(t, h.app).Text("id_token")
	h.change(t, "app", func(c *provider.Client) { c.Disabled = true })
	if page := h.browser.Get(logout("post_logout_redirect_uri", after, "id_token_hint", hint)); page.Away != nil {
		t.Errorf("led to %s", page.Away)
	}
}
