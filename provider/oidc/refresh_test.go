package oidc_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, app := range []*webtest.Client{h.app, h.public("spa")} {
		first := h.tokens(t, app)
		_, before := h.verified(t, first.Text("id_token"), jose.ES256)
		h.Wait(2 * time.Second)
		second := good(t, app.Refresh(first.Text("refresh_token")))
		if members(second.JSON) != "access_token expires_in id_token refresh_token scope token_type" || second.Text("scope") != first.Text("scope") {
			t.Fatal(second.Raw)
		}
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			if first.Text(name) == second.Text(name) {
				t.Errorf("%s is the same as before", name)
			}
		}
		_, after := h.verified(t, second.Text("id_token"), jose.ES256)
		for _, claim := range []string{"iss", "sub", "aud", "auth_time", "acr", "sid"} {
			if before[claim] != after[claim] {
				t.Errorf("%s went from %v to %v", claim, before[claim], after[claim])
			}
		}
		if after["iat"].(float64) <= before["iat"].(float64) || after["nonce"] != nil {
			t.Errorf("claims of the second ID token: %v", after)
		}
		h.alive(t, first.Text("access_token"))
		h.alive(t, second.Text("access_token"))
		good(t, app.Refresh(second.Text("refresh_token")))
	}
}

// Reuse kills the family, at once or once it cannot be a lost answer (RFC 9700 §4.14.2).
func TestRefreshReuse(t *testing.T) {
	t.Parallel()
	h := open(t)
	spa := h.public("spa")
	for _, tt := range []struct {
		name        string
		app         *webtest.Client
		scope       string
		generations int
		after       time.Duration
	}{
		{"public, at once", spa, "openid offline_access", 1, 0},
		{"public, at once, JWT", spa, "openid offline_access " + webtest.APIScope, 1, 0},
		{"public, long after", spa, "openid offline_access", 1, time.Minute},
		{"confidential, after the retry window", h.app, "openid offline_access", 1, 31 * time.Second},
		{"confidential, an older generation at once", h.app, "openid offline_access", 2, 0},
		{"confidential, a much older generation", h.app, "openid offline_access " + webtest.APIScope, 4, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := h.tokens(t, tt.app, "scope", tt.scope)
			last := first
			for range tt.generations {
				last = good(t, tt.app.Refresh(last.Text("refresh_token")))
			}
			h.Wait(tt.after)
			refused(t, tt.app.Refresh(first.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
			h.dead(t, tt.app, first.Text("access_token"))
			h.dead(t, tt.app, last.Text("access_token"))
			refused(t, tt.app.Refresh(last.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
		})
	}
}

// A confidential client whose answer was lost gets the same successor again.
func TestRefreshRetry(t *testing.T) {
	t.Parallel()
	h := open(t)
	first := h.tokens(t, h.app)
	second := good(t, h.app.Refresh(first.Text("refresh_token")))
	for range 2 {
		h.Wait(14 * time.Second)
		again := good(t, h.app.Refresh(first.Text("refresh_token")))
		if again.Text("refresh_token") != second.Text("refresh_token") || again.Text("access_token") == second.Text("access_token") {
			t.Fatalf("first answer %s, its repetition %s", second.Raw, again.Raw)
		}
	}
	third := good(t, h.app.Refresh(second.Text("refresh_token")))
	h.alive(t, third.Text("access_token"))
}

func TestNoRefreshRetryAfterRevocation(t *testing.T) {
	t.Parallel()
	h := open(t)
	first := h.tokens(t, h.app)
	second := good(t, h.app.Refresh(first.Text("refresh_token")))
	revoke(h.app, second.Text("refresh_token"))
	refused(t, h.app.Refresh(first.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	refused(t, h.app.Refresh(second.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
}

func TestRefreshLifetimes(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name  string
		waits []time.Duration
		good  bool // the last refresh; all before it are
	}{
		{"within the idle limit", []time.Duration{14*day - time.Minute}, true},
		{"at the idle limit", []time.Duration{14 * day}, false},
		{"use renews the idle limit", []time.Duration{13 * day, 13 * day, 13 * day}, true},
		{"the absolute limit ends what is in use", []time.Duration{13 * day, 13 * day, 13 * day, 13 * day, 13 * day, 13 * day, 12 * day}, false},
		{"within the absolute limit", []time.Duration{13 * day, 13 * day, 13 * day, 13 * day, 13 * day, 13 * day, 12*day - time.Minute}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			got := h.tokens(t, h.app)
			for n, wait := range tt.waits {
				h.Wait(wait)
				a := h.app.Refresh(got.Text("refresh_token"))
				if n == len(tt.waits)-1 && !tt.good {
					refused(t, a, http.StatusBadRequest, "invalid_grant")
					return
				}
				got = good(t, a)
			}
		})
	}
}

// Nothing of a grant outlives its absolute limit.
func TestTokensEndWithTheirGrant(t *testing.T) {
	t.Parallel()
	h := open(t, func(set *webtest.Settings) { set.Protocol.RefreshAbsolute = 7 * time.Minute })
	for _, scope := range []string{"openid offline_access", "openid offline_access " + webtest.APIScope} {
		first := h.tokens(t, h.app, "scope", scope)
		h.Wait(4 * time.Minute)
		second := good(t, h.app.Refresh(first.Text("refresh_token")))
		if life, _ := second.JSON["expires_in"].(float64); life > 180 || life < 170 {
			t.Errorf("expires_in is %v with 3 minutes of the grant left", life)
		}
		if end := introspect(h.app, second.Text("refresh_token")).JSON["exp"].(float64); int64(end) > h.Now().Add(3*time.Minute).Unix() {
			t.Errorf("the refresh token says that it ends at %v, after its grant", end)
		}
		h.Wait(3*time.Minute - 5*time.Second)
		h.alive(t, second.Text("access_token"))
		h.Wait(5 * time.Second)
		h.dead(t, h.app, second.Text("access_token"))
		refused(t, h.app.Refresh(second.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	}
}

func TestRefreshScope(t *testing.T) {
	t.Parallel()
	h := open(t)
	granted := "openid email offline_access " + webtest.APIScope
	got := h.tokens(t, h.app, "scope", granted)
	refresh := func(scope string) *webtest.Answer {
		a := h.app.Refresh(got.Text("refresh_token"), "scope", scope)
		if a.Status == http.StatusOK {
			got = a
		}
		return a
	}
	t.Run("fewer", func(t *testing.T) {
		a := good(t, refresh("openid"))
		if a.Text("scope") != "openid" || a.Text("refresh_token") == "" || !strings.HasPrefix(a.Text("access_token"), "at_") {
			t.Fatal(a.Raw)
		}
		if info := h.app.UserInfo(a.Text("access_token")); info.JSON["email"] != nil || info.Text("sub") != h.person.ID {
			t.Errorf("userinfo tells %s", info.Raw)
		}
	})
	t.Run("an API's alone", func(t *testing.T) {
		a := good(t, refresh(webtest.APIScope))
		_, claims := h.verified(t, a.Text("access_token"), jose.ES256)
		if aud := claims["aud"].([]any); len(aud) != 1 || aud[0] != webtest.API || claims["scope"] != webtest.APIScope {
			t.Errorf("claims %v", claims)
		}
		refused(t, h.app.UserInfo(a.Text("access_token")), http.StatusUnauthorized, "invalid_token")
	})
	t.Run("all again, because the grant was not narrowed", func(t *testing.T) {
		if a := good(t, refresh("")); a.Text("scope") != granted {
			t.Errorf("scope %q", a.Text("scope"))
		}
	})
	for _, more := range []string{"openid profile", "phone", "no:such", "OPENID", "openid email profile"} {
		t.Run("not "+more, func(t *testing.T) {
			refused(t, refresh(more), http.StatusBadRequest, "invalid_scope")
		})
	}
	t.Run("a refusal spends nothing", func(t *testing.T) { good(t, refresh("")) })
}

func TestRefreshAfterAccountChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, h *house)
	}{
		{"locked", func(t *testing.T, h *house) { check(t, h.People.Lock(t.Context(), "cli:test", h.person.ID)) }},
		{"locked and unlocked again", func(t *testing.T, h *house) {
			check(t, h.People.Lock(t.Context(), "cli:test", h.person.ID))
			check(t, h.People.Unlock(t.Context(), "cli:test", h.person.ID))
		}},
		{"deleted", func(t *testing.T, h *house) { check(t, h.People.Delete(t.Context(), "cli:test", h.person.ID)) }},
		{"given a new password", func(t *testing.T, h *house) {
			check(t, h.People.SetPassword(t.Context(), "cli:test", h.person.ID, "fyra stilla vikar 31", provider.PasswordPolicy{MinLength: 12}))
		}},
		{"disabled, and nothing else", func(t *testing.T, h *house) {
			check(t, h.Store.SetAccountStatus(t.Context(), h.person.ID, provider.AccountDisabled, h.Now()))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			opaque := h.tokens(t, h.app, "scope", "openid offline_access")
			signed := h.tokens(t, h.app, "scope", "openid offline_access "+webtest.APIScope)
			tt.change(t, h)
			for _, got := range []*webtest.Answer{opaque, signed} {
				refused(t, h.app.Refresh(got.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
				refused(t, h.app.UserInfo(got.Text("access_token")), http.StatusUnauthorized, "invalid_token")
			}
		})
	}
}

func TestRefreshAfterClientChange(t *testing.T) {
	t.Parallel()
	h := open(t)
	for n, tt := range []struct {
		name   string
		change func(*provider.Client)
		status int
		error  string
	}{
		{"scope removed", func(c *provider.Client) { c.Scopes = []string{"openid", "offline_access"} }, 400, "invalid_scope"},
		{"offline_access removed", func(c *provider.Client) { c.Scopes = []string{"openid", "profile", "email"} }, 400, "invalid_scope"},
		{"grant type removed", func(c *provider.Client) { c.GrantTypes = []string{provider.GrantCode} }, 400, "unauthorized_client"},
		{"disabled", func(c *provider.Client) { c.Disabled = true }, 401, "invalid_client"},
		{"another method", func(c *provider.Client) { c.AuthMethod = provider.AuthPost }, 401, "invalid_client"},
		{"another secret", func(c *provider.Client) { c.SetSecret(h.Now(), 0) }, 401, "invalid_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := h.Register(provider.Client{ID: "app" + string(rune('a'+n)), Type: provider.ClientWeb, FirstParty: true})
			got := h.tokens(t, app)
			h.change(t, app.ID, tt.change)
			refused(t, app.Refresh(got.Text("refresh_token")), tt.status, tt.error)
		})
	}
	t.Run("deleted", func(t *testing.T) {
		got := h.tokens(t, h.app)
		check(t, h.Store.DeleteClient(t.Context(), h.app.ID))
		refused(t, h.app.Refresh(got.Text("refresh_token")), http.StatusUnauthorized, "invalid_client")
		refused(t, h.app.UserInfo(got.Text("access_token")), http.StatusUnauthorized, "invalid_token")
	})
}

// A secret that is being rotated works beside the new one until its overlap is over.
func TestRefreshWithRotatedSecret(t *testing.T) {
	t.Parallel()
	h := open(t)
	got := h.tokens(t, h.app)
	renewed := *h.app
	h.change(t, h.app.ID, func(c *provider.Client) { renewed.Secret = c.SetSecret(h.Now(), time.Hour) })
	got = good(t, h.app.Refresh(got.Text("refresh_token")))
	got = good(t, renewed.Refresh(got.Text("refresh_token")))
	h.Wait(time.Hour)
	refused(t, h.app.Refresh(got.Text("refresh_token")), http.StatusUnauthorized, "invalid_client")
	good(t, renewed.Refresh(got.Text("refresh_token")))
}
