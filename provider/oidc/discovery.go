package oidc

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"cardea/provider"
)

func join(list []string) string { return strings.Join(list, " ") }

// document is an answer that is made once and served many times.
type document struct {
	media  string
	body   []byte
	etag   string
	length string
}

func newDocument(media string, body []byte) document {
	sum := sha256.Sum256(body)
	return document{media: media, body: body, etag: `"` + b64.EncodeToString(sum[:12]) + `"`, length: strconv.Itoa(len(body))}
}

// serve answers with d, which clients may keep for maxAge seconds. Anybody's page
// may read it.
func (d *document) serve(w http.ResponseWriter, r *http.Request, maxAge string) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = []string{"*"}
	h["Cache-Control"] = []string{"public, max-age=" + maxAge}
	h["Etag"] = []string{d.etag}
	if match := r.Header.Get("If-None-Match"); match == "*" || strings.Contains(match, d.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = []string{d.media}
	h["Content-Length"] = []string{d.length}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(d.body)
	}
}

// Discovery serves the provider's metadata (OpenID Connect Discovery §4, RFC 8414).
func (p *Provider) Discovery(w http.ResponseWriter, r *http.Request) { p.discovery.serve(w, r, "300") }

// JWKS serves the public keys (RFC 7517 §5). Its short life bounds how long a
// client can miss a new key.
func (p *Provider) JWKS(w http.ResponseWriter, r *http.Request) {
	p.keys.current().jwks.serve(w, r, "300")
}

// metadata is what discovery tells (OpenID Connect Discovery §3, RFC 8414 §2, RFC
// 9207 §3).
type metadata struct {
	Issuer                 string   `json:"issuer"`
	Authorization          string   `json:"authorization_endpoint"`
	Token                  string   `json:"token_endpoint"`
	UserInfo               string   `json:"userinfo_endpoint"`
	JWKS                   string   `json:"jwks_uri"`
	Revocation             string   `json:"revocation_endpoint"`
	Introspection          string   `json:"introspection_endpoint"`
	EndSession             string   `json:"end_session_endpoint"`
	Scopes                 []string `json:"scopes_supported"`
	ResponseTypes          []string `json:"response_types_supported"`
	ResponseModes          []string `json:"response_modes_supported"`
	Grants                 []string `json:"grant_types_supported"`
	ACRs                   []string `json:"acr_values_supported"`
	Subjects               []string `json:"subject_types_supported"`
	IDTokenAlgs            []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth              []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuth         []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuth      []string `json:"introspection_endpoint_auth_methods_supported"`
	Displays               []string `json:"display_values_supported"`
	ClaimTypes             []string `json:"claim_types_supported"`
	Claims                 []string `json:"claims_supported"`
	UILocales              []string `json:"ui_locales_supported"`
	Prompts                []string `json:"prompt_values_supported"`
	Challenges             []string `json:"code_challenge_methods_supported"`
	ClaimsParameter        bool     `json:"claims_parameter_supported"`
	RequestParameter       bool     `json:"request_parameter_supported"`
	RequestURIParameter    bool     `json:"request_uri_parameter_supported"`
	RequireURIRegistration bool     `json:"require_request_uri_registration"`
	ResponseIss            bool     `json:"authorization_response_iss_parameter_supported"`
}

// renderDiscovery computes the metadata from what is registered and enabled.
func (p *Provider) renderDiscovery() (document, error) {
	at := func(path string) string { return p.set.Issuer + path }
	auth := []string{provider.AuthBasic, provider.AuthPost, provider.AuthNone}
	body, err := json.Marshal(metadata{
		Issuer: p.set.Issuer, Authorization: at("/oauth2/authorize"), Token: at("/oauth2/token"), UserInfo: at("/oauth2/userinfo"),
		JWKS: at("/oauth2/jwks"), Revocation: at("/oauth2/revoke"), Introspection: at("/oauth2/introspect"), EndSession: at("/oauth2/logout"),
		Scopes: p.scopes, ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, Grants: grants, ACRs: provider.ACRs,
		Subjects: []string{"public"}, IDTokenAlgs: Algorithms, TokenAuth: auth, RevocationAuth: auth, IntrospectionAuth: auth[:2],
		Displays: []string{"page", "popup", "touch", "wap"}, ClaimTypes: []string{"normal"}, Claims: claimNames(), UILocales: p.set.UILocales,
		Prompts: prompts, Challenges: []string{"S256"}, ResponseIss: true,
	})
	if err != nil {
		return document{}, fmt.Errorf("rendering discovery: %w", err)
	}
	return newDocument("application/json", body), nil
}

func claimNames() []string {
	names := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"}
	names = append(names, provider.ProfileClaims...)
	return append(names, "email", "email_verified", "phone_number", "phone_number_verified", "address")
}
