package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"cardea/provider"
)

func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// Revoke serves the revocation endpoint (RFC 7009). A refresh token takes its
// whole grant with it; an access token only itself. A token that is unknown, or
// another client's, is answered like a success and left alone. Only what is on
// disk is answered with 200: a failing store is 503.
func (p *Provider) Revoke(w http.ResponseWriter, r *http.Request) *Error {
	refused := p.revoke(w, r)
	if refused != nil {
		writeError(w, refused)
		return refused
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) *Error {
	form, refused := form(w, r)
	if refused != nil {
		return refused
	}
	caller, refused := p.authenticate(r.Context(), r, form)
	if refused != nil {
		return refused
	}
	token := form.Get("token")
	if token == "" {
		return malformed("token is missing.")
	}
	ctx := r.Context()
	grant, err := p.refreshGrant(ctx, token)
	switch {
	case err != nil:
		return unavailable(err)
	case grant != nil && grant.ClientID == caller.ID:
		return p.record(ctx, caller, grant.ID, func(ctx context.Context) error { return p.store.RevokeGrant(ctx, grant.ID, p.set.Now()) })
	case grant != nil:
		return nil
	}
	a, err := p.access(ctx, token)
	switch {
	case errors.Is(err, errInactive):
		return nil
	case err != nil:
		return unavailable(err)
	case a.clientID != caller.ID:
		return nil
	}
	row := a.row
	row.Revoked = p.set.Now()
	return p.record(ctx, caller, a.grantID, func(ctx context.Context) error { return p.store.RevokeAccessToken(ctx, &row) })
}

// record runs change and its audit event in one transaction.
func (p *Provider) record(ctx context.Context, caller *provider.Client, grantID string, change func(context.Context) error) *Error {
	err := p.store.InTx(ctx, func(ctx context.Context) error {
		if err := change(ctx); err != nil {
			return err
		}
		return p.store.Record(ctx, provider.Event{RequestID: provider.OriginOf(ctx).RequestID, Address: provider.OriginOf(ctx).Address, Action: provider.ActionRevoke, Outcome: provider.OK, ClientID: caller.ID, Detail: grantID})
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// refreshGrant is the grant that a refresh token of ours belongs to, whatever
// their state, or nil.
func (p *Provider) refreshGrant(ctx context.Context, token string) (*provider.Grant, error) {
	signature := refreshes{p}.RefreshTokenSignature(ctx, token)
	if signature == "" {
		return nil, nil
	}
	g, err := p.store.Grant(ctx, signature[:idLength])
	if errors.Is(err, provider.NotFound) {
		return nil, nil
	}
	return g, err
}

// inactive is the whole answer about a token that is not good, or not the
// caller's business: the two cannot be told apart (RFC 7662 §2.2).
var inactive = map[string]any{"active": false}

// Introspect serves the introspection endpoint (RFC 7662). Who asks must be a
// confidential client, and either the token's own or one that the token's API
// names.
func (p *Provider) Introspect(w http.ResponseWriter, r *http.Request) *Error {
	answer, refused := p.introspect(w, r)
	if refused != nil {
		writeError(w, refused)
		return refused
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (p *Provider) introspect(w http.ResponseWriter, r *http.Request) (map[string]any, *Error) {
	form, refused := form(w, r)
	if refused != nil {
		return nil, refused
	}
	caller, refused := p.authenticate(r.Context(), r, form)
	if refused != nil {
		return nil, refused
	}
	token := form.Get("token")
	switch {
	case caller.Public():
		return nil, refuse("invalid_client", "client "+caller.ID+" is public")
	case token == "":
		return nil, malformed("token is missing.")
	}
	if signature := (refreshes{p}).RefreshTokenSignature(r.Context(), token); signature != "" {
		return p.introspectRefresh(r.Context(), caller, token, signature)
	}
	a, err := p.access(r.Context(), token)
	switch {
	case errors.Is(err, errInactive):
		return inactive, nil
	case err != nil:
		return nil, unavailable(err)
	case a.clientID != caller.ID && !p.mayIntrospect(caller, a.audience):
		return inactive, nil
	}
	return p.describe(a), nil
}

func (p *Provider) describe(a *access) map[string]any {
	answer := map[string]any{
		"active": true, "token_type": "Bearer", "client_id": a.clientID, "scope": join(a.scopes), "iss": p.set.Issuer, "iat": a.issued, "exp": a.expires,
	}
	if len(a.audience) > 0 {
		answer["aud"] = a.audience
	}
	if a.accountID != "" {
		answer["sub"], answer["acr"], answer["auth_time"] = a.accountID, a.acr, a.authTime
	} else {
		answer["sub"] = a.clientID
	}
	if a.tokenID != "" {
		answer["jti"] = a.tokenID
	}
	return answer
}

func (p *Provider) introspectRefresh(ctx context.Context, caller *provider.Client, token, signature string) (map[string]any, *Error) {
	g, err := p.refreshGrant(ctx, token)
	if err != nil {
		return nil, unavailable(err)
	}
	now := p.set.Now()
	if g == nil || g.ClientID != caller.ID || !g.Live(now) || signature[idLength+1:] != g.RefreshHash || !now.Before(g.RefreshExpires) {
		return inactive, nil
	}
	return map[string]any{
		"active": true, "token_type": "refresh_token", "client_id": g.ClientID, "sub": g.AccountID, "scope": join(g.Scopes), "iss": p.set.Issuer,
		"iat": g.RefreshRotated.Unix(), "exp": g.RefreshExpires.Unix(),
	}, nil
}

func (p *Provider) mayIntrospect(caller *provider.Client, audience []string) bool {
	for _, api := range p.set.APIs {
		if slices.Contains(audience, api.Audience) && slices.Contains(api.Introspect, caller.ID) {
			return true
		}
	}
	return false
}
