package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"

	"cardea/provider"
)

// work is the unit of work of one protocol request. It travels in the context
// through fosite, answers its repeated reads from memory, and collects its
// writes. Nothing is written before fosite has made the whole answer; then flush
// writes all of it in one transaction whose first statement is the
// compare-and-swap that makes codes and refresh tokens single-use.
type work struct {
	p      *Provider
	client *provider.Client // authenticated; nil at the authorization endpoint

	code  *provider.Code  // read, or to be created
	grant *provider.Grant // read with a refresh token

	presented string   // the refresh token that is being spent
	retry     bool     // it was spent moments ago, and its answer may have been lost
	narrowed  []string // scopes asked for at refresh; nil = all that were granted

	newCode    bool                  // create code
	redeem     bool                  // spend code, create its grant
	rotate     string                // hash of the refresh token's successor
	first      string                // hash of the grant's first refresh token
	access     *provider.AccessToken // create
	revoke     string                // grant to revoke, whatever else happens
	revokeWhy  provider.Action
	storeError error // the store failed: nothing was decided
}

type workKey struct{}

func withWork(ctx context.Context, w *work) context.Context {
	return context.WithValue(ctx, workKey{}, w)
}

func workOf(ctx context.Context) *work {
	if w, ok := ctx.Value(workKey{}).(*work); ok {
		return w
	}
	return &work{}
}

// scopesOf are the scopes that the access token being made gets.
func (w *work) scopesOf(r fosite.Requester) []string {
	if w.narrowed != nil {
		return w.narrowed
	}
	return r.GetGrantedScopes()
}

// failed notes an error of the store that is not about the row asked for.
func (w *work) failed(err error) error {
	if err != nil && !errors.Is(err, provider.NotFound) && !errors.Is(err, provider.Spent) {
		w.storeError = err
	}
	return err
}

// adapter shows the unit of work in the context to fosite as its storage.
type adapter struct{ p *Provider }

func (a adapter) GetClient(ctx context.Context, id string) (fosite.Client, error) {
	if w := workOf(ctx); w.client != nil && w.client.ID == id {
		return client{w.client}, nil
	}
	c, err := a.p.store.Client(ctx, id)
	if err != nil {
		return nil, fosite.ErrNotFound
	}
	return client{c}, nil
}

// Client assertions are refused before fosite sees them.
func (a adapter) ClientAssertionJWTValid(context.Context, string) error { return fosite.ErrJTIKnown }
func (a adapter) SetClientAssertionJWT(context.Context, string, time.Time) error {
	return fosite.ErrJTIKnown
}

func (a adapter) CreateAuthorizeCodeSession(ctx context.Context, signature string, r fosite.Requester) error {
	w := workOf(ctx)
	if w.code == nil {
		return errors.New("no authorization to make a code of")
	}
	w.code.Hash, w.newCode = signature, true
	return nil
}

func (a adapter) GetAuthorizeCodeSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	w := workOf(ctx)
	if signature == "" {
		return nil, fosite.ErrNotFound
	}
	if w.code == nil {
		code, err := a.p.store.Code(ctx, signature)
		if errors.Is(err, provider.NotFound) {
			return nil, fosite.ErrNotFound
		}
		if err != nil {
			return nil, w.failed(fmt.Errorf("reading a code: %w", err))
		}
		if w.client == nil || code.Grant.ClientID != w.client.ID { // before reuse: a stranger's replay must not revoke
			return nil, fosite.ErrNotFound
		}
		w.code = code
	}
	r := a.codeRequester(w)
	if !w.code.Used.IsZero() {
		return r, fosite.ErrInvalidatedAuthorizeCode
	}
	return r, nil
}

// codeRequester is the authorization request that the code stands for, as far as
// fosite asks for it again.
func (a adapter) codeRequester(w *work) fosite.Requester {
	c := w.code
	r := fosite.NewRequest()
	r.ID, r.Client = c.Grant.ID, client{w.client}
	r.RequestedScope, r.GrantedScope = c.Grant.Scopes, c.Grant.Scopes
	r.Form = url.Values{"redirect_uri": {c.RedirectURI}, "code_challenge": {c.Challenge}, "code_challenge_method": {"S256"}}
	r.Session = newSession(c.Grant, c.Nonce)
	return r
}

func (a adapter) InvalidateAuthorizeCodeSession(ctx context.Context, _ string) error {
	workOf(ctx).redeem = true
	return nil
}

// The PKCE and OpenID Connect "sessions" of fosite are columns of the code. They
// are never deleted on their own, so a failed attempt cannot strip a code of its
// challenge.
func (a adapter) CreatePKCERequestSession(context.Context, string, fosite.Requester) error {
	return nil
}
func (a adapter) DeletePKCERequestSession(context.Context, string) error { return nil }
func (a adapter) GetPKCERequestSession(ctx context.Context, _ string, _ fosite.Session) (fosite.Requester, error) {
	w := workOf(ctx)
	if w.code == nil {
		return nil, fosite.ErrNotFound
	}
	return a.codeRequester(w), nil
}

func (a adapter) CreateOpenIDConnectSession(context.Context, string, fosite.Requester) error {
	return nil
}
func (a adapter) DeleteOpenIDConnectSession(context.Context, string) error { return nil }
func (a adapter) GetOpenIDConnectSession(ctx context.Context, _ string, r fosite.Requester) (fosite.Requester, error) {
	w := workOf(ctx)
	if w.code == nil || !r.GetGrantedScopes().Has(provider.ScopeOpenID) {
		return nil, fosite.ErrNotFound
	}
	return r, nil
}

func (a adapter) CreateAccessTokenSession(ctx context.Context, signature string, r fosite.Requester) error {
	if signature == "" { // a JWT needs no row
		return nil
	}
	w, g := workOf(ctx), sessionOf(r).grant
	now := a.p.set.Now()
	scopes := w.scopesOf(r)
	w.access = &provider.AccessToken{
		Hash: signature, GrantID: g.ID, AccountID: g.AccountID, ClientID: r.GetClient().GetID(), Scopes: scopes,
		Audience: a.p.audience(scopes), Created: now, Expires: now.Add(a.p.accessLifetime(&g, now)),
	}
	return nil
}

func (a adapter) GetAccessTokenSession(context.Context, string, fosite.Session) (fosite.Requester, error) {
	return nil, fosite.ErrNotFound
}
func (a adapter) DeleteAccessTokenSession(context.Context, string) error { return nil }

func (a adapter) CreateRefreshTokenSession(ctx context.Context, signature, _ string, _ fosite.Requester) error {
	w := workOf(ctx)
	_, hash, _ := strings.Cut(signature, ".")
	if w.redeem {
		w.first = hash
	} else {
		w.rotate = hash
	}
	return nil
}

func (a adapter) GetRefreshTokenSession(ctx context.Context, signature string, _ fosite.Session) (fosite.Requester, error) {
	w := workOf(ctx)
	id, hash, ok := strings.Cut(signature, ".")
	if !ok {
		return nil, fosite.ErrNotFound
	}
	g, err := a.p.store.Grant(ctx, id)
	if errors.Is(err, provider.NotFound) {
		return nil, fosite.ErrNotFound
	}
	if err != nil {
		return nil, w.failed(fmt.Errorf("reading a grant: %w", err))
	}
	now := a.p.set.Now()
	if w.client == nil || g.ClientID != w.client.ID || !g.Live(now) { // before reuse: a stranger's replay must not revoke
		return nil, fosite.ErrNotFound
	}
	w.grant = g
	r := fosite.NewRequest()
	r.ID, r.Client, r.Session = g.ID, client{w.client}, newSession(*g, "")
	r.RequestedScope, r.GrantedScope = g.Scopes, g.Scopes
	switch {
	case hash == g.RefreshHash && now.Before(g.RefreshExpires):
		return r, nil
	case hash == g.RefreshHash:
		return nil, fosite.ErrNotFound
	case hash == g.RefreshPrevious && a.p.mayRepeat(w.client) && now.Sub(g.RefreshRotated) <= a.p.set.RefreshRetry:
		w.retry = true
		return r, nil
	}
	return r, fosite.ErrInactiveToken
}

// DeleteRefreshTokenSession is asked for on reuse only; revoking the grant does it.
func (a adapter) DeleteRefreshTokenSession(context.Context, string) error  { return nil }
func (a adapter) RotateRefreshToken(context.Context, string, string) error { return nil }

// RevokeRefreshToken and RevokeAccessToken are asked for when a spent code or
// refresh token comes again: the whole family dies, even though the request fails.
func (a adapter) RevokeRefreshToken(ctx context.Context, grantID string) error {
	w := workOf(ctx)
	w.revoke, w.revokeWhy = grantID, provider.ActionRefreshReplay
	if w.code != nil {
		w.revokeWhy = provider.ActionCodeReplay
	}
	return nil
}
func (a adapter) RevokeAccessToken(ctx context.Context, grantID string) error {
	return a.RevokeRefreshToken(ctx, grantID)
}

// flush writes the work in one transaction. provider.Spent means that somebody
// else spent the code or refresh token first.
func (w *work) flush(ctx context.Context) error {
	if !w.newCode && !w.redeem && w.rotate == "" && w.access == nil {
		return nil
	}
	if w.onlyOneWrite() {
		return w.failed(w.write(ctx))
	}
	return w.failed(w.p.store.InTx(ctx, w.write))
}

// onlyOneWrite tells that the work is a single statement, which is a transaction
// by itself.
func (w *work) onlyOneWrite() bool {
	n := 0
	for _, write := range []bool{w.newCode, w.redeem, w.redeem, w.rotate != "" && !w.retry, w.access != nil} {
		if write {
			n++
		}
	}
	return n == 1
}

func (w *work) write(ctx context.Context) error {
	now, store := w.p.set.Now(), w.p.store
	if w.newCode {
		if err := store.CreateCode(ctx, w.code); err != nil {
			return fmt.Errorf("storing a code: %w", err)
		}
	}
	if w.redeem {
		if err := w.writeRedemption(ctx, now); err != nil {
			return err
		}
	}
	if w.rotate != "" && !w.retry {
		expires := earlier(now.Add(w.p.set.RefreshIdle), w.grant.Expires)
		if err := store.RotateRefresh(ctx, w.grant.ID, provider.TokenHash(w.presented), w.rotate, now, expires); err != nil {
			return fmt.Errorf("rotating a refresh token: %w", err)
		}
	}
	if w.access != nil {
		if err := store.CreateAccessToken(ctx, w.access); err != nil {
			return fmt.Errorf("storing an access token: %w", err)
		}
	}
	return nil
}

func (w *work) writeRedemption(ctx context.Context, now time.Time) error {
	if err := w.p.store.RedeemCode(ctx, w.code.Hash, now); err != nil {
		return fmt.Errorf("redeeming a code: %w", err)
	}
	g := w.code.Grant
	g.Created = now
	if w.first != "" {
		g.RefreshHash, g.RefreshRotated = w.first, now
		g.RefreshExpires = earlier(now.Add(w.p.set.RefreshIdle), g.Expires)
	}
	if err := w.p.store.CreateGrant(ctx, &g); err != nil {
		return fmt.Errorf("storing a grant: %w", err)
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
