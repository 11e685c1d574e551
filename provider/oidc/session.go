package oidc

import (
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"

	"cardea/provider"
)

// session is what fosite carries from handler to handler: our grant, and the
// corners of its own session that its OpenID Connect handlers look into. It is
// never stored; the grant and the code are.
type session struct {
	grant  provider.Grant
	nonce  string
	claims jwt.IDTokenClaims
	header jwt.Headers
	expiry map[fosite.TokenType]time.Time
}

var (
	_ fosite.Session = (*session)(nil)
	_ openid.Session = (*session)(nil)
)

func newSession(g provider.Grant, nonce string) *session {
	s := &session{grant: g, nonce: nonce, expiry: map[fosite.TokenType]time.Time{}}
	s.claims.Subject = g.AccountID // its handlers refuse an empty one
	return s
}

func (s *session) SetExpiresAt(t fosite.TokenType, at time.Time) { s.expiry[t] = at }
func (s *session) GetExpiresAt(t fosite.TokenType) time.Time     { return s.expiry[t] }
func (s *session) GetUsername() string                           { return "" }
func (s *session) GetSubject() string                            { return s.grant.AccountID }
func (s *session) Clone() fosite.Session                         { return newSession(s.grant, s.nonce) }
func (s *session) IDTokenClaims() *jwt.IDTokenClaims             { return &s.claims }
func (s *session) IDTokenHeaders() *jwt.Headers                  { return &s.header }
