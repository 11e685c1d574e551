package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ClientType says what kind of program the client is (OpenID Connect
// Registration §2 application_type, widened).
type ClientType string

// The client types.
const (
	ClientWeb     ClientType = "web"     // a server: keeps a secret
	ClientSPA     ClientType = "spa"     // runs in the browser: no secret
	ClientNative  ClientType = "native"  // an app: no secret, loopback or claimed redirect (RFC 8252)
	ClientService ClientType = "service" // no user: client_credentials only
)

// The client authentication methods (OpenID Connect Core §9).
const (
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
	AuthNone  = "none"
)

// The grant types that a client may be registered for.
const (
	GrantCode        = "authorization_code"
	GrantRefresh     = "refresh_token"
	GrantCredentials = "client_credentials"
)

// Text is a sentence in several languages, by language tag.
type Text map[string]string

// In is the text in lang, or in English, or in any language.
func (t Text) In(lang string) string {
	for _, l := range []string{lang, "en"} {
		if s := t[l]; s != "" {
			return s
		}
	}
	for _, s := range t {
		return s
	}
	return ""
}

// Client is a registered relying party.
type Client struct {
	ID                     string             `json:"client_id"`
	Name                   Text               `json:"name"`
	Type                   ClientType         `json:"type"`
	AuthMethod             string             `json:"token_endpoint_auth_method"`
	RedirectURIs           []string           `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string           `json:"post_logout_redirect_uris,omitempty"`
	GrantTypes             []string           `json:"grant_types"`
	Scopes                 []string           `json:"scopes"`
	FirstParty             bool               `json:"first_party"`                            // the issuer's own: consent is not asked
	MinACR                 string             `json:"min_acr,omitempty"`                      // floor for every sign-in of this client
	SecondFactor           SecondFactorPolicy `json:"second_factor,omitempty"`                // in place of the issuer's, and like it met by a trusted device (MinACR is not); "" = the issuer's
	Factors                []FactorKind       `json:"factors,omitempty"`                      // kinds of second factors that count here; nil = all of the issuer's
	DefaultMaxAge          *int64             `json:"default_max_age,omitempty"`              // seconds, where a request has no max_age (OpenID Connect Registration §2); nil = none
	Purpose                Text               `json:"purpose,omitempty"`                      // what it asks people to confirm themselves for: "make a payment"
	IDTokenAlg             string             `json:"id_token_signed_response_alg,omitempty"` // "" = the issuer's default
	InitiateLoginURI       string             `json:"initiate_login_uri,omitempty"`           // where people start again
	Disabled               bool               `json:"disabled,omitempty"`
	Created                time.Time          `json:"created"`
	Updated                time.Time          `json:"updated"`
	Version                int                `json:"version"` // for compare-and-swap

	SecretHash      []byte    `json:"-"` // SHA-256 of the secret; nil = none
	PreviousHash    []byte    `json:"-"` // of the one before, while it overlaps
	PreviousExpires time.Time `json:"-"`
}

// SecurityCentreID is the client id of the issuer's own security centre. No client can
// be registered under it, and no request can name it.
const SecurityCentreID = "security-centre"

// SecurityCentre is the client that sign-ins into the security centre are for. It gets
// no tokens: it lives on the session itself.
func SecurityCentre() *Client {
	return &Client{
		ID: SecurityCentreID, Name: Text{"en": "Security centre", "sv": "Säkerhetscenter"}, Type: ClientWeb, FirstParty: true,
		Purpose: Text{"en": "change your security settings", "sv": "ändra dina säkerhetsinställningar"},
	}
}

var clientIDSyntax = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

// Public tells whether the client has no secret (RFC 6749 §2.1).
func (c *Client) Public() bool { return c.AuthMethod == AuthNone }

// Allows tells whether the client is registered for a grant type.
func (c *Client) Allows(grant string) bool { return slices.Contains(c.GrantTypes, grant) }

// SecretMatches compares secret with the live one and, until it expires, the
// previous one, in constant time. A client without a secret matches nothing.
func (c *Client) SecretMatches(secret string, now time.Time) bool {
	sum := sha256.Sum256([]byte(secret))
	live := subtle.ConstantTimeCompare(sum[:], c.SecretHash) == 1
	previous := subtle.ConstantTimeCompare(sum[:], c.PreviousHash) == 1 && now.Before(c.PreviousExpires)
	return secret != "" && (live || previous)
}

// SetSecret makes a new secret of 256 random bits, keeps the one before for
// overlap, and returns the secret: it cannot be read again.
func (c *Client) SetSecret(now time.Time, overlap time.Duration) string {
	secret := NewToken()
	sum := sha256.Sum256([]byte(secret))
	c.PreviousHash, c.PreviousExpires = c.SecretHash, now.Add(overlap)
	if overlap <= 0 || c.SecretHash == nil {
		c.PreviousHash, c.PreviousExpires = nil, time.Time{}
	}
	c.SecretHash = sum[:]
	return secret
}

// Check refuses a client that is inconsistent or unsafe. scopes are the scope
// names the issuer knows.
func (c *Client) Check(scopes []string) error {
	var f Faults
	if !clientIDSyntax.MatchString(c.ID) {
		f.Add("client_id", "must be 1 to 64 characters out of A-Z a-z 0-9 . _ ~ -")
	}
	if c.ID == SecurityCentreID {
		f.Add("client_id", "%q is the issuer's own", c.ID)
	}
	if c.Name.In("en") == "" {
		f.Add("name", "must say what people know this service as")
	}
	c.checkAuth(&f)
	c.checkGrants(&f)
	for i, uri := range c.RedirectURIs {
		if err := CheckRedirectURI(c.Type, uri); err != nil {
			f.Add(fmt.Sprintf("redirect_uris[%d]", i), "%v", err)
		}
	}
	for i, uri := range c.PostLogoutRedirectURIs {
		if err := CheckRedirectURI(c.Type, uri); err != nil {
			f.Add(fmt.Sprintf("post_logout_redirect_uris[%d]", i), "%v", err)
		}
	}
	for i, s := range c.Scopes {
		if !slices.Contains(scopes, s) {
			f.Add(fmt.Sprintf("scopes[%d]", i), "%q is not a scope of this issuer; it has: %s", s, strings.Join(scopes, " "))
		}
	}
	if c.MinACR != "" && LevelOf(c.MinACR) == LevelNone {
		f.Add("min_acr", "must be one of: %s", strings.Join(ACRs, " "))
	}
	c.checkPolicy(&f)
	if c.IDTokenAlg != "" && c.IDTokenAlg != "ES256" && c.IDTokenAlg != "RS256" {
		f.Add("id_token_signed_response_alg", "must be ES256 or RS256")
	}
	if c.InitiateLoginURI != "" && CheckRedirectURI(ClientWeb, c.InitiateLoginURI) != nil {
		f.Add("initiate_login_uri", "must be an https address without user or fragment")
	}
	return f.Err()
}

// maxPurpose is the longest purpose, in characters: it stands within a sentence.
const maxPurpose = 80

func (c *Client) checkPolicy(f *Faults) {
	switch c.SecondFactor {
	case "", SecondFactorRequired, SecondFactorOptional, SecondFactorOff:
	default:
		f.Add("second_factor", "must be required, optional or off, or left out for the issuer's own")
	}
	for i, k := range c.Factors {
		if !k.Known() {
			f.Add(fmt.Sprintf("factors[%d]", i), "%q is not a kind of second factor; choose from: passkey totp sms email recovery", k)
		}
	}
	if len(c.Factors) > 0 && !slices.ContainsFunc(c.Factors, FactorKind.Strong) {
		f.Add("factors", "must hold one besides recovery, which only stands in for another")
	}
	if LevelOf(c.MinACR) == LevelPhishingResistant && len(c.Factors) > 0 && !slices.Contains(c.Factors, FactorPasskey) {
		f.Add("factors", "must hold passkey, because min_acr asks for a phishing-resistant sign-in")
	}
	if c.DefaultMaxAge != nil && *c.DefaultMaxAge < 0 {
		f.Add("default_max_age", "must be a number of seconds, 0 or more")
	}
	for lang, text := range c.Purpose {
		if n := utf8.RuneCountInString(text); n > maxPurpose || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			f.Add("purpose."+lang, "must be at most %d printable characters", maxPurpose)
		}
	}
}

func (c *Client) checkAuth(f *Faults) {
	switch c.Type {
	case ClientWeb, ClientService:
		if c.AuthMethod != AuthBasic && c.AuthMethod != AuthPost {
			f.Add("token_endpoint_auth_method", "must be %s or %s for a %s client", AuthBasic, AuthPost, c.Type)
		} else if c.SecretHash == nil {
			f.Add("client_secret", "is missing; make one with 'cardea client rotate-secret'")
		}
	case ClientSPA, ClientNative:
		if c.AuthMethod != AuthNone {
			f.Add("token_endpoint_auth_method", "must be none for a %s client: it cannot keep a secret", c.Type)
		}
	default:
		f.Add("type", "must be one of: web spa native service")
	}
}

func (c *Client) checkGrants(f *Faults) {
	if len(c.GrantTypes) == 0 {
		f.Add("grant_types", "must name at least one of: %s %s %s", GrantCode, GrantRefresh, GrantCredentials)
	}
	for i, g := range c.GrantTypes {
		switch {
		case g == GrantCredentials && c.Type != ClientService && c.Type != ClientWeb:
			f.Add(fmt.Sprintf("grant_types[%d]", i), "%s needs a client with a secret", g)
		case g == GrantRefresh && !c.Allows(GrantCode):
			f.Add(fmt.Sprintf("grant_types[%d]", i), "%s needs %s beside it", g, GrantCode)
		case c.Type == ClientService && g != GrantCredentials:
			f.Add(fmt.Sprintf("grant_types[%d]", i), "a service client may only use %s", GrantCredentials)
		case g != GrantCode && g != GrantRefresh && g != GrantCredentials:
			f.Add(fmt.Sprintf("grant_types[%d]", i), "%q is not offered; choose from: %s %s %s", g, GrantCode, GrantRefresh, GrantCredentials)
		}
	}
	if c.Allows(GrantCode) && len(c.RedirectURIs) == 0 {
		f.Add("redirect_uris", "must hold at least one address for %s", GrantCode)
	}
}

// CheckRedirectURI refuses an address that codes must not be sent to (RFC 9700
// §2.1, RFC 8252 §7), with the reason.
func CheckRedirectURI(t ClientType, raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || !u.IsAbs() || strings.TrimSpace(raw) != raw || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }):
		return fmt.Errorf("%q is not an absolute URI of printable ASCII characters", raw)
	case strings.Contains(raw, "#"):
		return fmt.Errorf("%q has a fragment, which redirects must not have (RFC 6749 §3.1.2)", raw)
	case strings.Contains(raw, "*"):
		return fmt.Errorf("%q has a wildcard; addresses are compared exactly, so list each one", raw)
	case u.User != nil:
		return fmt.Errorf("%q has a user name, which is a way to disguise the host", raw)
	case slices.Contains(strings.Split(u.Path, "/"), "..") || slices.Contains(strings.Split(u.Path, "/"), "."):
		return fmt.Errorf("%q has a dot segment; write the path it stands for", raw)
	}
	if strings.HasSuffix(u.Host, ":") || u.Port() != "" && !validPort(u.Port()) {
		return fmt.Errorf("%q has no port from 1 to 65535 behind the colon", raw)
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" {
			return fmt.Errorf("%q has no host", raw)
		}
		return nil
	case "http":
		if loopback(u.Hostname()) {
			return nil
		}
		return fmt.Errorf("%q is plain http: codes would cross the network in clear. Use https (http is for loopback addresses only)", raw)
	}
	if t == ClientNative && strings.Contains(u.Scheme, ".") && u.Host == "" && strings.HasPrefix(u.Path, "/") {
		return nil
	}
	return fmt.Errorf("%q has the scheme %q: use https, or for a native client a scheme of your own domain reversed, such as com.example.app:/callback (RFC 8252 §7.1)", raw, u.Scheme)
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// MatchRedirect tells whether uri is registered: byte for byte, except that a
// native client's loopback address may have any port (RFC 8252 §7.3).
func (c *Client) MatchRedirect(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if c.Type != ClientNative {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		want, ok := withoutLoopbackPort(registered)
		got, ok2 := withoutLoopbackPort(uri)
		return ok && ok2 && want == got
	})
}

// loopbackURI is http on a loopback IP literal with an optional port, taken apart
// textually so that nothing but the port can differ.
var loopbackURI = regexp.MustCompile(`^http://(127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?(/.*|\?.*)?$`)

func withoutLoopbackPort(uri string) (string, bool) {
	m := loopbackURI.FindStringSubmatch(uri)
	if m == nil || m[2] != "" && !validPort(m[2]) || strings.Contains(uri, "#") {
		return "", false
	}
	return m[1] + "|" + m[3], true
}
