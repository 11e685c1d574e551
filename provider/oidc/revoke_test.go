package oidc_test

import (
	"net/http"
	"net/url"
	"testing"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

func TestRevocation(t *testing.T) {
	t.Parallel()
	h := open(t)
	spa := h.public("spa")
	for _, app := range []*webtest.Client{h.app, spa} {
		for _, scope := range []string{"openid offline_access", "openid offline_access " + webtest.APIScope} {
			for _, hint := range []string{"", "access_token", "refresh_token", "no_such_hint"} {
				t.Run(app.ID+" "+scope+" "+hint, func(t *testing.T) {
					first := h.tokens(t, app, "scope", scope)
					second := good(t, app.Refresh(first.Text("refresh_token")))
					end := func(token string) {
						t.Helper()
						form := url.Values{"token": {token}}
						if hint != "" {
							form.Set("token_type_hint", hint)
						}
						a := app.Call("/oauth2/revoke", form)
						if a.Status != http.StatusOK || a.Raw != "" {
							t.Fatalf("revocation: %d %s", a.Status, a.Raw)
						}
						unstored(t, a)
					}
					end(first.Text("access_token"))
					h.dead(t, app, first.Text("access_token"))
					h.alive(t, second.Text("access_token"))
					end(first.Text("access_token"))
					third := good(t, app.Refresh(second.Text("refresh_token")))
					end(third.Text("refresh_token"))
					h.dead(t, app, second.Text("access_token"))
					h.dead(t, app, third.Text("access_token"))
					refused(t, app.Refresh(third.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
					end(third.Text("refresh_token"))
				})
			}
		}
	}
}

// A client that kept an older refresh token means the same grant.
func TestRevocationByOlderGeneration(t *testing.T) {
	t.Parallel()
	h := open(t)
	first := h.tokens(t, h.app)
	last := first
	for range 3 {
		last = good(t, h.app.Refresh(last.Text("refresh_token")))
	}
	if a := revoke(h.app, first.Text("refresh_token")); a.Status != http.StatusOK {
		t.Fatal(a.Raw)
	}
	h.dead(t, h.app, last.Text("access_token"))
}

func TestRevocationOfWhatIsNotOnesOwn(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := h.Register(provider.Client{ID: "other", Type: provider.ClientWeb})
	spa := h.public("spa")
	opaque := h.tokens(t, h.app)
	signed := h.tokens(t, h.app, "scope", "openid offline_access "+webtest.APIScope)
	for _, by := range []*webtest.Client{other, spa} {
		for _, token := range []string{
			opaque.Text("access_token"), signed.Text("access_token"), opaque.Text("refresh_token"), signed.Text("refresh_token"), opaque.Text("id_token"), "x", "at_x.y", "rt_x.y", "a.b.c",
		} {
			if a := revoke(by, token); a.Status != http.StatusOK || a.Raw != "" {
				t.Errorf("%s: %d %s", token, a.Status, a.Raw)
			}
		}
	}
	h.alive(t, opaque.Text("access_token"))
	h.alive(t, signed.Text("access_token"))
	good(t, h.app.Refresh(opaque.Text("refresh_token")))
	refused(t, h.app.Call("/oauth2/revoke", url.Values{}), http.StatusBadRequest, "invalid_request")
	refused(t, h.app.Call("/oauth2/revoke", url.Values{"token": {""}}), http.StatusBadRequest, "invalid_request")
	if a := revoke(h.app, opaque.Text("id_token")); a.Status != http.StatusOK {
		t.Errorf("ID token: %d %s", a.Status, a.Raw)
	}
}
