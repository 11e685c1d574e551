package provider

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// The standard scopes (OpenID Connect Core §5.4, §11).
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopeEmail   = "email"
	ScopeAddress = "address"
	ScopePhone   = "phone"
	ScopeOffline = "offline_access"
)

// StandardScopes are the scopes that every issuer has.
var StandardScopes = []string{ScopeOpenID, ScopeProfile, ScopeEmail, ScopeAddress, ScopePhone, ScopeOffline}

// Random returns n bytes of crypto/rand in base64url, for tokens and ids.
func Random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// NewID is a random identifier of 128 bits.
func NewID() string { return Random(16) }

// NewToken is a random secret of 256 bits for a cookie or a client.
func NewToken() string { return Random(32) }

// TokenHash is how every token is stored and looked up: SHA-256 in base64url.
// Tokens are 256 random bits, so a slow hash would add nothing.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Grant is one authorization of a client by a cardholder: the family that its
// code, refresh tokens and access tokens belong to.
type Grant struct {
	ID        string
	AccountID string
	ClientID  string
	SID       string // session it was given in
	Scopes    []string
	Audience  []string
	Methods   []string // that were shown for it, see AddMethods
	ACR       string   // asserted for it; "" = as Methods add up
	AuthTime  time.Time
	Created   time.Time
	Expires   time.Time // the absolute limit of the family
	Revoked   time.Time // zero = live

	RefreshHash     string // TokenHash of the live refresh token, "" = none
	RefreshPrevious string // of the one before it
	RefreshRotated  time.Time
	RefreshExpires  time.Time // idle limit of the live refresh token
}

// AssertedACR is the acr claim of the grant's tokens.
func (g *Grant) AssertedACR() string { return cmp.Or(g.ACR, LevelFrom(g.Methods).ACR()) }

// Live tells whether the family may still be used at now.
func (g *Grant) Live(now time.Time) bool {
	return g != nil && g.Revoked.IsZero() && now.Before(g.Expires)
}

// Code is an authorization code with everything its redemption needs.
type Code struct {
	Hash        string // TokenHash of the code
	Grant       Grant  // created when the code is redeemed
	RedirectURI string
	Nonce       string
	Challenge   string // PKCE S256 code_challenge (RFC 7636 §4.2)
	Expires     time.Time
	Used        time.Time // zero = not yet
}

// AccessToken is the record of an opaque access token, or of a revoked JWT.
type AccessToken struct {
	Hash      string // TokenHash of the token, or of a JWT's jti
	GrantID   string // "" for client_credentials
	AccountID string // "" for client_credentials
	ClientID  string
	Scopes    []string
	Audience  []string
	Created   time.Time
	Expires   time.Time
	Revoked   time.Time // zero = live
}

// SplitScope splits a space-separated list (RFC 6749 §3.3) without doubles.
func SplitScope(scope string) []string {
	var out []string
	for _, s := range strings.Fields(scope) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// SigningKey is one key of the key set. Private is sealed under
// AAD("signing_keys", "private", ID).
type SigningKey struct {
	ID        string // kid
	Algorithm string // "ES256" or "RS256"
	State     KeyState
	Private   []byte // sealed PKCS #8
	Created   time.Time
	Activated time.Time // zero = not yet
	Retired   time.Time // zero = not yet
}

// KeyState is where a key is in its life: next, current, previous.
type KeyState string

// The states of a signing key. At most one key per algorithm is next, one current.
const (
	KeyNext     KeyState = "next"     // published, not yet used
	KeyCurrent  KeyState = "current"  // signs
	KeyPrevious KeyState = "previous" // verifies what it signed
)
