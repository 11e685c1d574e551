package storage

import (
	"context"
	"slices"
	"time"

	"cardea/provider"
)

// CreateCode adds an authorization code; Exists when its hash is taken. Of its
// Grant it keeps what is decided at authorization: not Revoked and Refresh….
func (s *Store) CreateCode(ctx context.Context, c *provider.Code) error {
	g := &c.Grant
	return s.insert(ctx, `INSERT INTO codes (hash, grant_id, account_id, client_id, sid, scopes, audience, amr, auth_time,
		grant_created_at, grant_expires_at, redirect_uri, nonce, challenge, expires_at, used_at, acr)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING`,
		c.Hash, g.ID, g.AccountID, g.ClientID, g.SID, list(g.Scopes), list(g.Audience), list(g.Methods), stamp(g.AuthTime),
		stamp(g.Created), stamp(g.Expires), c.RedirectURI, object[string]{c.Nonce}, object[string]{c.Challenge}, stamp(c.Expires), stamp(c.Used), g.ACR)
}

// Code is the code with a hash, also when it was used or is over: whoever sends a
// used one again must have its grant revoked. NotFound after a day.
func (s *Store) Code(ctx context.Context, hash string) (*provider.Code, error) {
	c := provider.Code{Hash: hash}
	g := &c.Grant
	var nonce, challenge object[string]
	err := s.one(ctx, `SELECT grant_id, account_id, client_id, sid, scopes, audience, amr, auth_time, grant_created_at, grant_expires_at,
		redirect_uri, nonce, challenge, expires_at, used_at, acr FROM codes WHERE hash = $1`, []any{hash},
		&g.ID, &g.AccountID, &g.ClientID, &g.SID, (*list)(&g.Scopes), (*list)(&g.Audience), (*list)(&g.Methods), (*stamp)(&g.AuthTime),
		(*stamp)(&g.Created), (*stamp)(&g.Expires), &c.RedirectURI, &nonce, &challenge, (*stamp)(&c.Expires), (*stamp)(&c.Used), &g.ACR)
	if err != nil {
		return nil, err
	}
	c.Nonce, c.Challenge = nonce.v, challenge.v
	return &c, nil
}

// RedeemCode uses a code up, once; Spent when it was used before or is gone. It
// does not look at Expires.
func (s *Store) RedeemCode(ctx context.Context, hash string, at time.Time) error {
	return s.claim(ctx, provider.Spent, `UPDATE codes SET used_at = $1 WHERE hash = $2 AND used_at = 0`, stamp(at), hash)
}

// CreateGrant adds a grant; Exists when its id is taken.
func (s *Store) CreateGrant(ctx context.Context, g *provider.Grant) error {
	return s.insert(ctx, `INSERT INTO grants (id, account_id, client_id, sid, scopes, audience, amr, offline, auth_time, created_at,
		expires_at, revoked_at, refresh_hash, refresh_previous, refresh_rotated_at, refresh_expires_at, acr)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING`,
		g.ID, g.AccountID, g.ClientID, g.SID, list(g.Scopes), list(g.Audience), list(g.Methods), slices.Contains(g.Scopes, provider.ScopeOffline),
		stamp(g.AuthTime), stamp(g.Created), stamp(g.Expires), stamp(g.Revoked),
		g.RefreshHash, g.RefreshPrevious, stamp(g.RefreshRotated), stamp(g.RefreshExpires), g.ACR)
}

const grantColumns = `g.id, g.account_id, g.client_id, g.sid, g.scopes, g.audience, g.amr, g.auth_time, g.created_at,
	g.expires_at, g.revoked_at, g.refresh_hash, g.refresh_previous, g.refresh_rotated_at, g.refresh_expires_at, g.acr`

// grantDest scans grantColumns into g; a missing row of an outer join leaves it zero.
func grantDest(g *provider.Grant) []any {
	return []any{(*nullable)(&g.ID), (*nullable)(&g.AccountID), (*nullable)(&g.ClientID), (*nullable)(&g.SID),
		(*list)(&g.Scopes), (*list)(&g.Audience), (*list)(&g.Methods), (*stamp)(&g.AuthTime), (*stamp)(&g.Created),
		(*stamp)(&g.Expires), (*stamp)(&g.Revoked), (*nullable)(&g.RefreshHash), (*nullable)(&g.RefreshPrevious),
		(*stamp)(&g.RefreshRotated), (*stamp)(&g.RefreshExpires), (*nullable)(&g.ACR)}
}

// Grant is the grant with an id, also a revoked one; NotFound.
func (s *Store) Grant(ctx context.Context, id string) (*provider.Grant, error) {
	var g provider.Grant
	if err := s.one(ctx, `SELECT `+grantColumns+` FROM grants g WHERE g.id = $1`, []any{id}, grantDest(&g)...); err != nil {
		return nil, err
	}
	return &g, nil
}

// RotateRefresh puts a new refresh token in the place of the live one, once; Spent
// when oldHash is not the live one, or the grant is revoked or gone. expires is the
// new token's idle limit.
func (s *Store) RotateRefresh(ctx context.Context, grantID, oldHash, newHash string, at, expires time.Time) error {
	return s.claim(ctx, provider.Spent, `UPDATE grants SET refresh_hash = $1, refresh_previous = $2, refresh_rotated_at = $3, refresh_expires_at = $4
		WHERE id = $5 AND refresh_hash = $2 AND revoked_at = 0`, newHash, oldHash, stamp(at), stamp(expires), grantID)
}

// RevokeGrant ends a family. Revoked stays at the first time; a grant that is not
// there is no error.
func (s *Store) RevokeGrant(ctx context.Context, id string, at time.Time) error {
	return s.claim(ctx, nil, `UPDATE grants SET revoked_at = $1 WHERE id = $2 AND revoked_at = 0`, stamp(at), id)
}

// RevokeGrantsOfSession ends the grants that were given in a session, and the codes
// that still wait to become one; exceptOffline spares the grants with
// offline_access, which outlive it.
func (s *Store) RevokeGrantsOfSession(ctx context.Context, sid string, at time.Time, exceptOffline bool) error {
	if sid == "" {
		return nil // would be every grant that belongs to no session
	}
	if err := s.claim(ctx, nil, `DELETE FROM codes WHERE sid = $1 AND used_at = 0 AND expires_at > $2`, sid, stamp(at)); err != nil {
		return err
	}
	return s.claim(ctx, nil, `UPDATE grants SET revoked_at = $1 WHERE sid = $2 AND revoked_at = 0 AND NOT (offline AND $3)`,
		stamp(at), sid, exceptOffline)
}

// CreateAccessToken records an opaque access token; Exists when its hash is taken.
func (s *Store) CreateAccessToken(ctx context.Context, t *provider.AccessToken) error {
	return s.insert(ctx, `INSERT INTO access_tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`, tokenArgs(t)...)
}

const tokenColumns = `hash, grant_id, account_id, client_id, scopes, audience, created_at, expires_at, revoked_at`

func tokenArgs(t *provider.AccessToken) []any {
	return []any{t.Hash, t.GrantID, t.AccountID, t.ClientID, list(t.Scopes), list(t.Audience), stamp(t.Created), stamp(t.Expires), stamp(t.Revoked)}
}

// A token is looked up with as much of its grant as tells whether it is good, and
// how its owner was known: these reads are the hottest there are.
const joinedTokenColumns = `t.hash, t.grant_id, t.account_id, t.client_id, t.scopes, t.audience, t.created_at, t.expires_at, t.revoked_at,
	g.id, g.amr, g.acr, g.auth_time, g.expires_at, g.revoked_at`

func tokenDest(t *provider.AccessToken, g *provider.Grant) []any {
	return []any{(*nullable)(&t.Hash), (*nullable)(&t.GrantID), (*nullable)(&t.AccountID), (*nullable)(&t.ClientID),
		(*list)(&t.Scopes), (*list)(&t.Audience), (*stamp)(&t.Created), (*stamp)(&t.Expires), (*stamp)(&t.Revoked),
		(*nullable)(&g.ID), (*list)(&g.Methods), (*nullable)(&g.ACR), (*stamp)(&g.AuthTime), (*stamp)(&g.Expires), (*stamp)(&g.Revoked)}
}

// AccessToken is the opaque token with a hash, and the ID, Methods, ACR, AuthTime, Expires
// and Revoked of its grant, nil when it has none or that is gone; NotFound. Revoked
// and expired ones are returned too. A token with a GrantID and no grant is dead.
func (s *Store) AccessToken(ctx context.Context, hash string) (*provider.AccessToken, *provider.Grant, error) {
	var t provider.AccessToken
	var g provider.Grant
	err := s.one(ctx, `SELECT `+joinedTokenColumns+` FROM access_tokens t LEFT JOIN grants g ON g.id = t.grant_id WHERE t.hash = $1`,
		[]any{hash}, tokenDest(&t, &g)...)
	if err != nil {
		return nil, nil, err
	}
	return &t, present(&g, g.ID), nil
}

// RevokedToken tells whether a JWT access token was revoked, by the hash of its jti,
// and gives its grant as AccessToken does; either is nil when there is none. NotFound when the jti or
// grant is a text that no row can hold.
func (s *Store) RevokedToken(ctx context.Context, jtiHash, grantID string) (revoked *provider.AccessToken, g *provider.Grant, err error) {
	revoked, g = &provider.AccessToken{}, &provider.Grant{}
	err = s.one(ctx, `SELECT `+joinedTokenColumns+` FROM (SELECT 1 AS one) AS always
		LEFT JOIN access_tokens t ON t.hash = $1 AND t.revoked_at <> 0 LEFT JOIN grants g ON g.id = $2`,
		[]any{jtiHash, grantID}, tokenDest(revoked, g)...)
	if err != nil {
		return nil, nil, err
	}
	return present(revoked, revoked.Hash), present(g, g.ID), nil
}

func present[T any](row *T, key string) *T {
	if key == "" {
		return nil
	}
	return row
}

// RevokeAccessToken marks an opaque token as revoked at t.Revoked, or now; for a JWT
// it notes the hash of the jti until t.Expires.
func (s *Store) RevokeAccessToken(ctx context.Context, t *provider.AccessToken) error {
	revoked := *t
	if revoked.Revoked.IsZero() {
		revoked.Revoked = time.Now()
	}
	_, err := s.exec(ctx, `INSERT INTO access_tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (hash) DO UPDATE SET revoked_at = excluded.revoked_at WHERE access_tokens.revoked_at = 0`, tokenArgs(&revoked)...)
	return err
}
