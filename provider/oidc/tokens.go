package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"cardea/provider"
)

// The opaque tokens. Each is prefix, body, ".", tag: the tag is a MAC under a key
// of its kind, so that garbage never costs a query and no kind passes for another.
// The body of a refresh token begins with its grant's id.
const (
	prefixCode    = "ac_"
	prefixAccess  = "at_"
	prefixRefresh = "rt_"
	idLength      = 22 // of provider.NewID
	tagLength     = 16 // bytes of the MAC that are kept
)

// mint makes the token of prefix and body.
func mint(ring *provider.Keyring, purpose provider.Purpose, prefix, body string) string {
	return prefix + body + "." + b64.EncodeToString(ring.MAC(purpose, prefix+body)[:tagLength])
}

// genuine tells whether we made token for purpose; false costs no query.
func genuine(ring *provider.Keyring, purpose provider.Purpose, prefix, token string) bool {
	if len(token) > 256 || !strings.HasPrefix(token, prefix) {
		return false
	}
	signed, tag, ok := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(tag)
	return ok && err == nil && len(raw) == tagLength && ring.CheckTag(purpose, signed, raw)
}

// codes is fosite's AuthorizeCodeStrategy. A code's signature is its hash, or ""
// for what we never made.
type codes struct{ *Provider }

func (c codes) AuthorizeCodeSignature(_ context.Context, token string) string {
	if !genuine(c.set.Keys, provider.ForCode, prefixCode, token) {
		return ""
	}
	return provider.TokenHash(token)
}

func (c codes) GenerateAuthorizeCode(context.Context, fosite.Requester) (string, string, error) {
	token := mint(c.set.Keys, provider.ForCode, prefixCode, provider.NewToken())
	return token, provider.TokenHash(token), nil
}

// ValidateAuthorizeCode checks the time only: the MAC was checked for the
// signature, and the store found the code.
func (c codes) ValidateAuthorizeCode(ctx context.Context, _ fosite.Requester, _ string) error {
	if w := workOf(ctx); w.code == nil || !c.set.Now().Before(w.code.Expires) {
		return fosite.ErrTokenExpired
	}
	return nil
}

// refreshes is fosite's RefreshTokenStrategy. A signature is the grant's id, ".",
// and the token's hash.
type refreshes struct{ *Provider }

func (f refreshes) RefreshTokenSignature(_ context.Context, token string) string {
	if len(token) < len(prefixRefresh)+idLength || !genuine(f.set.Keys, provider.ForRefresh, prefixRefresh, token) {
		return ""
	}
	return token[len(prefixRefresh):][:idLength] + "." + provider.TokenHash(token)
}

// GenerateRefreshToken makes the first token of a grant at random. A successor is
// derived from the token that is being spent, so that repeating a request whose
// answer was lost gives the same successor, although only hashes are stored.
func (f refreshes) GenerateRefreshToken(ctx context.Context, r fosite.Requester) (string, string, error) {
	w := workOf(ctx)
	secret := provider.NewToken()
	if w.presented != "" {
		secret = b64.EncodeToString(f.set.Keys.MAC(provider.ForRotate, w.presented))
	}
	token := mint(f.set.Keys, provider.ForRefresh, prefixRefresh, sessionOf(r).grant.ID+secret)
	if w.retry && provider.TokenHash(token) != w.grant.RefreshHash {
		return "", "", refuse("invalid_grant", "retry with a refresh token whose successor was made under another key")
	}
	return token, sessionOf(r).grant.ID + "." + provider.TokenHash(token), nil
}

// ValidateRefreshToken has nothing left to check: see work.refreshGrant.
func (f refreshes) ValidateRefreshToken(context.Context, fosite.Requester, string) error { return nil }

// accesses is fosite's AccessTokenStrategy. Tokens for registered APIs are JWTs
// (RFC 9068), whose signature is ""; all others are opaque.
type accesses struct{ *Provider }

func (a accesses) AccessTokenSignature(_ context.Context, token string) string {
	if !genuine(a.set.Keys, provider.ForAccess, prefixAccess, token) {
		return ""
	}
	return provider.TokenHash(token)
}

func (a accesses) GenerateAccessToken(ctx context.Context, r fosite.Requester) (string, string, error) {
	scopes := workOf(ctx).scopesOf(r)
	audience := a.audience(scopes)
	if len(audience) == 0 || len(audience) == 1 && audience[0] == a.set.Issuer {
		token := mint(a.set.Keys, provider.ForAccess, prefixAccess, provider.NewToken())
		return token, provider.TokenHash(token), nil
	}
	token, err := a.jwtAccessToken(r, scopes, audience)
	return token, "", err
}

func (a accesses) ValidateAccessToken(context.Context, fosite.Requester, string) error {
	return errors.New("access tokens are validated by Provider.access")
}

// accessClaims are the claims of RFC 9068 §2.2. sid is left out: a resource
// server has no use for it.
type accessClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience []string `json:"aud"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
	ID       string   `json:"jti"` // grant id (may be empty), ".", random
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
}

func (a accesses) jwtAccessToken(r fosite.Requester, scopes, audience []string) (string, error) {
	key, err := a.keys.signer(a.set.DefaultAlg)
	if err != nil {
		return "", err
	}
	g, now := sessionOf(r).grant, a.set.Now()
	claims := accessClaims{
		Issuer: a.set.Issuer, Subject: g.AccountID, Audience: audience, ClientID: r.GetClient().GetID(), Scope: strings.Join(scopes, " "),
		IssuedAt: now.Unix(), Expires: now.Add(a.accessLifetime(&g, now)).Unix(), ID: g.ID + "." + provider.NewID(), AMR: provider.AMR(g.Methods),
	}
	if g.AccountID == "" { // client_credentials: RFC 9068 §2.2
		claims.Subject = claims.ClientID
	} else {
		claims.AuthTime, claims.ACR = g.AuthTime.Unix(), g.AssertedACR()
	}
	return signJWS(key, typAccess, claims)
}

// accessLifetime is how long an access token of g lives: never past the grant.
func (p *Provider) accessLifetime(g *provider.Grant, now time.Time) time.Duration {
	if g.ID == "" {
		return p.set.AccessToken
	}
	return min(p.set.AccessToken, g.Expires.Sub(now))
}

// audience is who a token with scopes is for: the APIs of its scopes, and the
// issuer itself when userinfo may be asked.
func (p *Provider) audience(scopes []string) []string {
	var out []string
	for _, s := range scopes {
		aud := p.apiOf[s]
		if s == provider.ScopeOpenID {
			aud = p.set.Issuer
		}
		if aud != "" && !slices.Contains(out, aud) {
			out = append(out, aud)
		}
	}
	return out
}

// idTokens is fosite's OpenIDConnectTokenStrategy.
type idTokens struct{ *Provider }

// idClaims are the claims of OpenID Connect Core §2, no more.
type idClaims struct {
	Issuer          string   `json:"iss"`
	Subject         string   `json:"sub"`
	Audience        string   `json:"aud"`
	Expires         int64    `json:"exp"`
	IssuedAt        int64    `json:"iat"`
	AuthTime        int64    `json:"auth_time"`
	Nonce           string   `json:"nonce,omitempty"`
	ACR             string   `json:"acr,omitempty"`
	AMR             []string `json:"amr,omitempty"`
	SID             string   `json:"sid,omitempty"`
	AccessTokenHash string   `json:"at_hash,omitempty"`
}

func (t idTokens) GenerateIDToken(ctx context.Context, _ time.Duration, r fosite.Requester) (string, error) {
	c, ok := r.GetClient().(client)
	if !ok {
		return "", fmt.Errorf("client of type %T", r.GetClient())
	}
	alg := c.IDTokenAlg
	if alg == "" {
		alg = t.set.DefaultAlg
	}
	key, err := t.keys.signer(alg)
	if err != nil {
		return "", err
	}
	s, now := sessionOf(r), t.set.Now()
	return signJWS(key, typID, idClaims{
		Issuer: t.set.Issuer, Subject: s.grant.AccountID, Audience: c.ID, Expires: now.Add(t.set.IDToken).Unix(), IssuedAt: now.Unix(),
		AuthTime: s.grant.AuthTime.Unix(), Nonce: s.nonce, ACR: s.grant.AssertedACR(), AMR: provider.AMR(s.grant.Methods),
		SID: s.grant.SID, AccessTokenHash: s.claims.AccessTokenHash,
	})
}

// sessionOf is r's session, which is always ours.
func sessionOf(r fosite.Requester) *session {
	if s, ok := r.GetSession().(*session); ok {
		return s
	}
	return newSession(provider.Grant{}, "")
}
