package oidc_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

func TestIntrospectionByWhom(t *testing.T) {
	t.Parallel()
	h := open(t)
	other := h.Register(provider.Client{ID: "other", Type: provider.ClientWeb})
	api := h.service("api", webtest.APIScope) // the API names it
	opaque := h.tokens(t, h.app)
	signed := h.tokens(t, h.app, "scope", "openid offline_access "+webtest.APIScope)
	for _, tt := range []struct {
		name  string
		by    *webtest.Client
		token string
		want  string // members of the answer; "" = inactive
	}{
		{"own opaque token", h.app, opaque.Text("access_token"), "acr active aud auth_time client_id exp iat iss scope sub token_type"},
		{"own JWT", h.app, signed.Text("access_token"), "acr active aud auth_time client_id exp iat iss jti scope sub token_type"},
		{"own refresh token", h.app, opaque.Text("refresh_token"), "active client_id exp iat iss scope sub token_type"},
		{"the API's client, JWT for it", api, signed.Text("access_token"), "acr active aud auth_time client_id exp iat iss jti scope sub token_type"},
		{"the API's client, token not for it", api, opaque.Text("access_token"), ""},
		{"the API's client, refresh token", api, signed.Text("refresh_token"), ""},
		{"foreign client, opaque", other, opaque.Text("access_token"), ""},
		{"foreign client, JWT", other, signed.Text("access_token"), ""},
		{"foreign client, refresh token", other, opaque.Text("refresh_token"), ""},
		{"ID token", h.app, opaque.Text("id_token"), ""},
		{"code", h.app, h.code(t, h.app), ""},
		{"garbage", h.app, "x", ""},
		{"client secret", h.app, h.app.Secret, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := introspect(tt.by, tt.token)
			if tt.want == "" {
				isInactive(t, a)
				return
			}
			if a.Status != http.StatusOK || a.JSON["active"] != true || members(a.JSON) != tt.want || a.Text("client_id") != "app" || a.Text("sub") != h.person.ID || a.Text("iss") != h.URL {
				t.Fatalf("%d %s", a.Status, a.Raw)
			}
			unstored(t, a)
		})
	}
	h.alive(t, opaque.Text("access_token"))
}

func TestIntrospectionRefusals(t *testing.T) {
	t.Parallel()
	h := open(t)
	spa := h.public("spa")
	got := h.tokens(t, h.app)
	own := h.tokens(t, spa)
	refused(t, introspect(spa, own.Text("access_token")), http.StatusUnauthorized, "invalid_client")
	refused(t, h.app.Call("/oauth2/introspect", url.Values{}), http.StatusBadRequest, "invalid_request")
	refused(t, h.app.Call("/oauth2/introspect", url.Values{"token": {"x", "y"}}), http.StatusBadRequest, "invalid_request")
	form := url.Values{"token": {got.Text("access_token")}}.Encode()
	for name, header := range map[string][]string{
		"a person's access token as credential":          append([]string{"Authorization", "Bearer " + got.Text("access_token")}, formType...),
		"an access token as password":                    append(basicAuth("app", got.Text("access_token")), formType...),
		"no credential, as some protected APIs allow it": formType,
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, h.send(t, http.MethodPost, "/oauth2/introspect", form, header...), http.StatusUnauthorized, "invalid_client")
		})
	}
	refused(t, h.send(t, http.MethodPost, "/oauth2/introspect", `{"token":"x"}`, append(basicAuth("app", h.app.Secret), "Content-Type", "application/json")...), http.StatusBadRequest, "invalid_request")
}

// A token that is over is nothing any more, and each kind says its own end.
func TestIntrospectionInTime(t *testing.T) {
	t.Parallel()
	h := open(t)
	for _, scope := range []string{"openid offline_access", "openid offline_access " + webtest.APIScope} {
		first := h.tokens(t, h.app, "scope", scope)
		a, r := introspect(h.app, first.Text("access_token")), introspect(h.app, first.Text("refresh_token"))
		if life := a.JSON["exp"].(float64) - a.JSON["iat"].(float64); life != 300 {
			t.Errorf("the access token lives %v s", life)
		}
		if life := r.JSON["exp"].(float64) - r.JSON["iat"].(float64); life != (14 * 24 * time.Hour).Seconds() {
			t.Errorf("the refresh token lives %v s", life)
		}
		h.Wait(5 * time.Minute)
		isInactive(t, introspect(h.app, first.Text("access_token")))
		second := good(t, h.app.Refresh(first.Text("refresh_token")))
		isInactive(t, introspect(h.app, first.Text("refresh_token")))
		if a := introspect(h.app, second.Text("refresh_token")); a.JSON["active"] != true {
			t.Errorf("the new refresh token: %s", a.Raw)
		}
	}
}
