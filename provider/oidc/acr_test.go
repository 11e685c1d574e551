package oidc_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// The acr claim of OpenID Connect Core §5.5.1.1: an essential one is met or refused,
// never passed over.
func TestEssentialACR(t *testing.T) {
	t.Parallel()
	h := open(t)
	key := h.Authenticator(h.person)
	for _, claims := range []string{
		`{"id_token":{"acr":{"essential":true,"value":"urn:cardea:acr:2fa"}}}`,
		`{"id_token":{"acr":{"essential":true,"values":["urn:other:gold","urn:cardea:acr:2fa"]}}}`,
	} {
		h.Wait(30 * time.Second)
		b := h.Browser()
		page := b.SignIn(b.Get(h.app.Authorize("claims", claims)), userID, webtest.Password)
		stays(t, page, http.StatusOK, "/signin/verify/totp")
		page = b.Submit(page, "/signin/verify/totp", "code", h.Code(key))
		_, got := h.verified(t, good(t, h.app.Redeem(page.Away.Query().Get("code"))).Text("id_token"), jose.ES256)
		if got["acr"] != provider.ACRTwoFactor {
			t.Errorf("%s: got acr %v", claims, got["acr"])
		}
		// Who asks for less finds what it asked for, though more was shown.
		page = b.Get(h.app.Authorize("acr_values", provider.ACROneFactor))
		_, got = h.verified(t, good(t, h.app.Redeem(page.Away.Query().Get("code"))).Text("id_token"), jose.ES256)
		if got["acr"] != provider.ACROneFactor {
			t.Errorf("asked for one factor: got acr %v", got["acr"])
		}
	}
	h.answered(t, h.browser.Get(h.app.Authorize("claims", `{"id_token":{"acr":{"essential":true,"values":["urn:other:gold"]}}}`)), "unmet_authentication_requirements", state)
	h.answered(t, h.browser.Get(h.app.Authorize("prompt", "none", "claims", `{"id_token":{"acr":{"essential":true,"value":"urn:cardea:acr:2fa"}}}`)), "login_required", state)
	for _, garbage := range []string{`{{`, `[]`, `"x"`, `{"id_token":{"acr":"x"}}`, `{"id_token":{"acr":{"value":1}}}`} {
		h.answered(t, h.browser.Get(h.app.Authorize("claims", garbage)), "invalid_request", state)
	}
}

// default_max_age counts where a request has no max_age of its own.
func TestDefaultMaxAge(t *testing.T) {
	t.Parallel()
	h := open(t)
	age := int64(60)
	h.change(t, h.app.ID, func(c *provider.Client) { c.DefaultMaxAge = &age })
	h.accepted(t, h.browser.Get(h.app.Authorize()), h.app.Params())
	h.Wait(90 * time.Second)
	stays(t, h.browser.Get(h.app.Authorize()), http.StatusOK, "/signin")
	h.accepted(t, h.browser.Get(h.app.Authorize("max_age", "3600")), h.app.Params("max_age", "3600"))
	h.answered(t, h.browser.Get(h.app.Authorize("prompt", "none")), "login_required", state)
}
