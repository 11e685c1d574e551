package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"cardea/provider"
)

// access is what a good access token stands for.
type access struct {
	clientID, accountID, grantID string
	tokenID                      string // jti of a JWT, "" for an opaque token
	scopes, audience             []string
	issued, expires              int64 // seconds since 1970
	acr                          string
	authTime                     int64
	row                          provider.AccessToken // for revocation
}

var errInactive = errors.New("the token or its account is not active")

// access looks a token up: one statement, none for what we never made. Any reason
// for which it is not good is errInactive; other errors are the store's.
func (p *Provider) access(ctx context.Context, token string) (*access, error) {
	if strings.HasPrefix(token, prefixAccess) {
		return p.opaqueAccess(ctx, token)
	}
	return p.jwtAccess(ctx, token)
}

func (p *Provider) opaqueAccess(ctx context.Context, token string) (*access, error) {
	if !genuine(p.set.Keys, provider.ForAccess, prefixAccess, token) {
		return nil, errInactive
	}
	row, g, err := p.store.AccessToken(ctx, provider.TokenHash(token))
	if errors.Is(err, provider.NotFound) {
		return nil, errInactive
	}
	if err != nil {
		return nil, err
	}
	now := p.set.Now()
	if !row.Revoked.IsZero() || !now.Before(row.Expires) || row.GrantID != "" && !g.Live(now) {
		return nil, errInactive
	}
	a := &access{
		clientID: row.ClientID, accountID: row.AccountID, grantID: row.GrantID, scopes: row.Scopes, audience: row.Audience,
		issued: row.Created.Unix(), expires: row.Expires.Unix(), row: *row,
	}
	if g != nil {
		a.acr, a.authTime = g.AssertedACR(), g.AuthTime.Unix()
	}
	return a, nil
}

// jwtAccess checks a JWT access token of our own (RFC 9068 §4), and that neither
// it nor its grant has been revoked.
func (p *Provider) jwtAccess(ctx context.Context, token string) (*access, error) {
	claims, err := p.keys.verifyJWS(token, typAccess)
	if err != nil {
		return nil, errInactive
	}
	a, ok := p.accessOf(claims)
	if !ok || p.set.Now().Unix() >= a.expires {
		return nil, errInactive
	}
	revoked, g, err := p.store.RevokedToken(ctx, provider.TokenHash(a.tokenID), a.grantID)
	if err != nil {
		return nil, err
	}
	if revoked != nil && !revoked.Revoked.IsZero() || a.grantID != "" && !g.Live(p.set.Now()) {
		return nil, errInactive
	}
	return a, nil
}

func (p *Provider) accessOf(claims map[string]any) (*access, bool) {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	number := func(name string) int64 { n, _ := claims[name].(float64); return int64(n) }
	a := &access{
		clientID: text("client_id"), accountID: text("sub"), tokenID: text("jti"), scopes: provider.SplitScope(text("scope")),
		issued: number("iat"), expires: number("exp"), acr: text("acr"), authTime: number("auth_time"),
	}
	list, _ := claims["aud"].([]any)
	for _, v := range list {
		s, _ := v.(string)
		a.audience = append(a.audience, s)
	}
	grantID, _, ok := strings.Cut(a.tokenID, ".")
	if !ok || text("iss") != p.set.Issuer || a.clientID == "" || len(a.audience) == 0 {
		return nil, false
	}
	if a.grantID = grantID; grantID == "" {
		a.accountID = "" // sub is the client itself
	}
	a.row = provider.AccessToken{
		Hash: provider.TokenHash(a.tokenID), GrantID: a.grantID, AccountID: a.accountID, ClientID: a.clientID,
		Scopes: a.scopes, Audience: a.audience, Created: unix(a.issued), Expires: unix(a.expires),
	}
	return a, true
}

// UserInfo serves the userinfo endpoint (OpenID Connect Core §5.3), by GET or
// POST, the token in the header or the body, never in the address.
func (p *Provider) UserInfo(w http.ResponseWriter, r *http.Request) *Error {
	claims, refused := p.userinfo(w, r)
	if refused != nil {
		writeBearerError(w, refused)
		return refused
	}
	writeJSON(w, http.StatusOK, claims)
	return nil
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) (map[string]any, *Error) {
	token, refused := bearer(w, r)
	if refused != nil {
		return nil, refused
	}
	a, err := p.access(r.Context(), token)
	switch {
	case errors.Is(err, errInactive):
		return nil, refuse("invalid_token", "unknown, expired or revoked")
	case err != nil:
		return nil, unavailable(err)
	case len(a.audience) > 0 && !slices.Contains(a.audience, p.set.Issuer):
		return nil, refuse("invalid_token", "issued for another audience")
	case !slices.Contains(a.scopes, provider.ScopeOpenID) || a.accountID == "":
		return nil, refuse("insufficient_scope", "token without openid")
	}
	account, err := p.account(r.Context(), a.accountID)
	switch {
	case errors.Is(err, errInactive):
		return nil, refuse("invalid_token", "the account is not active")
	case err != nil:
		return nil, unavailable(err)
	}
	claims := account.Claims(a.scopes)
	claims["sub"] = account.ID
	return claims, nil
}

// account is the account with an id; errInactive when it is gone or may not sign in.
func (p *Provider) account(ctx context.Context, id string) (*provider.Account, error) {
	account, err := p.store.Account(ctx, id)
	if errors.Is(err, provider.NotFound) || err == nil && account.Status != provider.AccountActive {
		return nil, errInactive
	}
	return account, err
}

// bearer takes the access token from the header or a form body (RFC 6750 §2.1,
// §2.2), from one place only.
func bearer(w http.ResponseWriter, r *http.Request) (string, *Error) {
	if query, err := url.ParseQuery(r.URL.RawQuery); err != nil || query.Has("access_token") {
		return "", malformed("Send the access token in the Authorization header, not in the address.")
	}
	header := r.Header.Values("Authorization")
	var inBody string
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if r.Method == http.MethodPost && strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
		body, refused := form(w, r)
		if refused != nil {
			return "", refused
		}
		inBody = body.Get("access_token")
	}
	if len(header) > 1 || len(header) == 1 && inBody != "" {
		return "", malformed("Send one access token, in one place.")
	}
	if inBody != "" {
		return inBody, nil
	}
	if len(header) == 0 {
		return "", &Error{Status: http.StatusUnauthorized, Reason: "no access token"}
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		return "", &Error{Status: http.StatusUnauthorized, Reason: "no bearer token"}
	}
	return strings.TrimSpace(token), nil
}
