package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// Each scope opens its own claims and no other, in the types of OpenID Connect Core
// §5.1.
func TestUserInfoClaims(t *testing.T) {
	t.Parallel()
	h := open(t)
	profile := "birthdate family_name gender given_name locale middle_name name nickname picture preferred_username profile sub updated_at website zoneinfo"
	for _, tt := range []struct{ scope, want string }{
		{"openid", "sub"},
		{"openid profile", profile},
		{"openid email", "email email_verified sub"},
		{"openid phone", "phone_number phone_number_verified sub"},
		{"openid address", "address sub"},
		{"openid offline_access " + webtest.APIScope, "sub"},
	} {
		t.Run(tt.scope, func(t *testing.T) {
			info := h.app.UserInfo(h.tokens(t, h.app, "scope", tt.scope).Text("access_token"))
			if info.Status != http.StatusOK || members(info.JSON) != tt.want {
				t.Fatalf("got %d with %s, want %s", info.Status, members(info.JSON), tt.want)
			}
			unstored(t, info)
			if info.Header.Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type %q", info.Header.Get("Content-Type"))
			}
			for name, value := range info.JSON {
				if !wellTyped(name, value) {
					t.Errorf("%s is %#v", name, value)
				}
			}
		})
	}
}

var isoDate = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

func wellTyped(name string, value any) bool {
	switch name {
	case "email_verified", "phone_number_verified":
		return value == true
	case "updated_at":
		n, ok := value.(float64)
		return ok && n > 1.7e9 && n == float64(int64(n))
	case "address":
		a, ok := value.(map[string]any)
		return ok && members(a) == "country formatted locality postal_code region street_address"
	case "birthdate":
		s, _ := value.(string)
		return isoDate.MatchString(s)
	}
	s, ok := value.(string)
	return ok && s != ""
}

// What the issuer does not know is left out, never empty (OpenID Connect Core §5.3.2).
func TestUserInfoLeavesOutWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.person.Profile, h.person.Locale, h.person.Updated = provider.Profile{Name: "Karin Ek"}, "", h.Now()
	check(t, h.Store.UpdateProfile(t.Context(), h.person))
	got := h.tokens(t, h.app, "scope", "openid profile email phone address")
	if info := h.app.UserInfo(got.Text("access_token")); members(info.JSON) != "name sub updated_at" {
		t.Errorf("got %s", info.Raw)
	}
}

func TestUserInfoWhereTheTokenIs(t *testing.T) {
	t.Parallel()
	h := open(t)
	token := h.tokens(t, h.app).Text("access_token")
	header := []string{"Authorization", "Bearer " + token}
	body := "access_token=" + url.QueryEscape(token)
	for _, tt := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		error                    string
	}{
		{"GET, header", "GET", "", "", header, 200, ""},
		{"POST, header", "POST", "", "", header, 200, ""},
		{"POST, header and an empty form", "POST", "", "", append(header, formType...), 200, ""},
		{"POST, header and a JSON body", "POST", "", "{}", append(header, "Content-Type", "application/json"), 200, ""},
		{"POST, body", "POST", "", body, formType, 200, ""},
		{"lower-case scheme", "GET", "", "", []string{"Authorization", "bearer " + token}, 200, ""},
		{"upper-case scheme", "GET", "", "", []string{"Authorization", "BEARER " + token}, 200, ""},
		{"two spaces", "GET", "", "", []string{"Authorization", "Bearer  " + token}, 200, ""},
		{"GET, address", "GET", "?" + body, "", nil, 400, "invalid_request"},
		{"GET, address and header", "GET", "?" + body, "", header, 400, "invalid_request"},
		{"POST, address", "POST", "?" + body, "", formType, 400, "invalid_request"},
		{"POST, header and body", "POST", "", body, append(header, formType...), 400, "invalid_request"},
		{"POST, body twice", "POST", "", body + "&" + body, formType, 400, "invalid_request"},
		{"two headers", "GET", "", "", append(header, header...), 400, "invalid_request"},
		{"GET, body", "GET", "", body, formType, 401, ""},
		{"nothing", "GET", "", "", nil, 401, ""},
		{"POST, nothing", "POST", "", "", formType, 401, ""},
		{"scheme alone", "GET", "", "", []string{"Authorization", "Bearer"}, 401, ""},
		{"no scheme", "GET", "", "", []string{"Authorization", token}, 401, ""},
		{"Basic", "GET", "", "", basicAuth(h.app.ID, h.app.Secret), 401, ""},
		{"DPoP", "GET", "", "", []string{"Authorization", "DPoP " + token}, 401, ""},
		{"cut short", "GET", "", "", []string{"Authorization", "Bearer " + token[:len(token)-1]}, 401, "invalid_token"},
		{"with something behind it", "GET", "", "", []string{"Authorization", "Bearer " + token + " x"}, 401, "invalid_token"},
		{"PUT", "PUT", "", "", header, 405, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.send(t, tt.method, "/oauth2/userinfo"+tt.path, tt.body, tt.header...)
			if tt.error != "" {
				refused(t, a, tt.status, tt.error)
			} else if a.Status != tt.status {
				t.Fatalf("got %d %s, want %d", a.Status, a.Raw, tt.status)
			}
			challenge := a.Header.Get("WWW-Authenticate")
			if tt.status == 401 && (!strings.HasPrefix(challenge, "Bearer ") || strings.Contains(challenge, "error=") != (tt.error != "")) {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
			if tt.status == 200 && a.Text("sub") != h.person.ID {
				t.Errorf("sub %q", a.Text("sub"))
			}
		})
	}
}

// Only access tokens of our own, for userinfo, open it.
func TestUserInfoRefusesOtherTokens(t *testing.T) {
	t.Parallel()
	h := open(t)
	api := "offline_access " + webtest.APIScope
	both := h.tokens(t, h.app, "scope", "openid "+api)
	elsewhere := h.tokens(t, h.app, "scope", api)
	for name, token := range map[string]string{
		"ID token": both.Text("id_token"), "refresh token": both.Text("refresh_token"), "code": h.code(t, h.app),
		"at+jwt of another audience": elsewhere.Text("access_token"),
	} {
		t.Run(name, func(t *testing.T) { refused(t, h.app.UserInfo(token), http.StatusUnauthorized, "invalid_token") })
	}
	for name, token := range forgeries(t, h, both.Text("access_token")) {
		t.Run(name, func(t *testing.T) { h.dead(t, h.app, token) })
	}
	t.Run("access token without openid", func(t *testing.T) {
		a := h.app.UserInfo(h.tokens(t, h.app, "scope", "email").Text("access_token"))
		refused(t, a, http.StatusForbidden, "insufficient_scope")
		if challenge := a.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, `scope="openid"`) {
			t.Errorf("WWW-Authenticate %q", challenge)
		}
	})
	t.Run("at its end", func(t *testing.T) {
		opaque := h.tokens(t, h.app)
		h.Wait(5*time.Minute - 3*time.Second)
		h.alive(t, opaque.Text("access_token"))
		h.alive(t, both.Text("access_token"))
		h.Wait(3 * time.Second)
		h.dead(t, h.app, opaque.Text("access_token"))
		h.dead(t, h.app, both.Text("access_token"))
	})
}

// The signature alone makes no access token (RFC 9068 §4, RFC 8725 §3.11).
func TestUserInfoRefusesOtherTokensOfOurKey(t *testing.T) {
	t.Parallel()
	h := open(t)
	genuine := h.tokens(t, h.app, "scope", "openid offline_access "+webtest.APIScope).Text("access_token")
	h.alive(t, h.remade(t, genuine, variant{typ: "at+jwt", claim: "unknown", value: 1}))
	for _, v := range []variant{
		{"ID token's typ", "JWT", "", nil},
		{"logout token's typ", "logout+jwt", "", nil},
		{"no typ", "", "", nil},
		{"another issuer", "at+jwt", "iss", "https://other.example.com"},
		{"no issuer", "at+jwt", "iss", nil},
		{"another audience", "at+jwt", "aud", []string{webtest.API}},
		{"no audience", "at+jwt", "aud", nil},
		{"audience of another type", "at+jwt", "aud", map[string]any{}},
		{"over", "at+jwt", "exp", 1},
		{"no end", "at+jwt", "exp", nil},
		{"end of another type", "at+jwt", "exp", "9999999999"},
		{"no client", "at+jwt", "client_id", nil},
		{"no jti", "at+jwt", "jti", nil},
		{"jti without grant", "at+jwt", "jti", "x"},
		{"jti of a grant that is not there", "at+jwt", "jti", "x.y"},
	} {
		t.Run(v.name, func(t *testing.T) {
			refused(t, h.app.UserInfo(h.remade(t, genuine, v)), http.StatusUnauthorized, "invalid_token")
		})
	}
}

// RFC 9068 §2.
func TestJWTAccessToken(t *testing.T) {
	t.Parallel()
	h := open(t)
	got := h.tokens(t, h.app, "scope", "openid email "+webtest.APIScope)
	header, claims := h.verified(t, got.Text("access_token"), jose.ES256)
	if header.ExtraHeaders[jose.HeaderType] != "at+jwt" || len(header.ExtraHeaders) != 1 {
		t.Errorf("header %v", header)
	}
	if members(claims) != "acr amr aud auth_time client_id exp iat iss jti scope sub" {
		t.Errorf("claims %s", members(claims))
	}
	aud, _ := claims["aud"].([]any)
	if claims["iss"] != h.URL || claims["sub"] != h.person.ID || claims["client_id"] != "app" || claims["scope"] != "openid email "+webtest.APIScope ||
		len(aud) != 2 || !slices.Contains(aud, any(h.URL)) || !slices.Contains(aud, any(webtest.API)) || claims["exp"].(float64)-claims["iat"].(float64) != 300 {
		t.Errorf("claims %v", claims)
	}
	again := h.tokens(t, h.app, "scope", "openid email "+webtest.APIScope)
	if _, other := h.verified(t, again.Text("access_token"), jose.ES256); other["jti"] == claims["jti"] {
		t.Error("two tokens have one jti")
	}
}

// OpenID Connect Core §2 and §3.1.3.6: nothing is in an ID token but what is listed.
func TestIDToken(t *testing.T) {
	t.Parallel()
	h := open(t)
	rs := h.Register(provider.Client{ID: "rs", Type: provider.ClientWeb, FirstParty: true, IDTokenAlg: "RS256"})
	check(t, h.Keys.Ensure(t.Context(), "RS256"))
	for _, tt := range []struct {
		app *webtest.Client
		alg jose.SignatureAlgorithm
	}{{h.app, jose.ES256}, {rs, jose.RS256}} {
		for _, scope := range []string{"openid profile email phone address", "openid " + webtest.APIScope} {
			got := h.tokens(t, tt.app, "scope", scope)
			header, claims := h.verified(t, got.Text("id_token"), tt.alg)
			if header.KeyID == "" || header.ExtraHeaders[jose.HeaderType] != "JWT" || len(header.ExtraHeaders) != 1 {
				t.Errorf("header %v", header)
			}
			if members(claims) != "acr amr at_hash aud auth_time exp iat iss nonce sid sub" {
				t.Errorf("claims %s", members(claims))
			}
			half := sha256.Sum256([]byte(got.Text("access_token")))
			if want := base64.RawURLEncoding.EncodeToString(half[:16]); claims["at_hash"] != want {
				t.Errorf("at_hash is %v, want %s", claims["at_hash"], want)
			}
			if claims["iss"] != h.URL || claims["sub"] != h.person.ID || claims["aud"] != tt.app.ID || claims["nonce"] != "nonce-1234567890" ||
				claims["acr"] != provider.ACROneFactor || claims["exp"].(float64)-claims["iat"].(float64) != 300 || claims["auth_time"].(float64) > claims["iat"].(float64) {
				t.Errorf("claims %v", claims)
			}
		}
	}
}
