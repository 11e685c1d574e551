package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"cardea/provider"
)

// Token serves the token endpoint (RFC 6749 §3.2). It has answered when it
// returns; a non-nil Error is what was refused, for the log.
func (p *Provider) Token(w http.ResponseWriter, r *http.Request) *Error {
	answer, refused := p.token(w, r)
	if refused != nil {
		writeError(w, refused)
		return refused
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// tokens is the success answer of RFC 6749 §5.1 and OpenID Connect Core §3.1.3.3.
type tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) (*tokens, *Error) {
	form, refused := form(w, r)
	if refused != nil {
		return nil, refused
	}
	grant := form.Get("grant_type")
	if grant == "" {
		return nil, malformed("grant_type is missing.")
	}
	caller, refused := p.authenticate(r.Context(), r, form)
	if refused != nil {
		return nil, refused
	}
	switch {
	case !slices.Contains(grants, grant):
		return nil, refuse("unsupported_grant_type", "grant_type is not offered")
	case !caller.Allows(grant):
		return nil, refuse("unauthorized_client", "client "+caller.ID+" is not registered for "+grant)
	case grant == provider.GrantCode && form.Get("code") == "":
		return nil, malformed("code is missing.")
	case grant == provider.GrantRefresh && form.Get("refresh_token") == "":
		return nil, malformed("refresh_token is missing.")
	}
	unit := &work{p: p, client: caller}
	answer, err := p.exchange(r, unit, grant)
	if errors.Is(err, provider.Spent) && grant == provider.GrantRefresh && p.mayRepeat(caller) {
		unit = &work{p: p, client: caller} // the same client's other request was first: this one is its repetition
		answer, err = p.exchange(r, unit, grant)
	}
	if err != nil {
		return nil, p.giveUp(r.Context(), unit, grant, err)
	}
	return answer, nil
}

// mayRepeat tells whether c may send a refresh token again for a while.
func (p *Provider) mayRepeat(c *provider.Client) bool {
	return p.set.RefreshRetry > 0 && !c.Public()
}

// exchange runs the grant and commits it.
func (p *Provider) exchange(r *http.Request, w *work, grant string) (*tokens, error) {
	ctx := withWork(r.Context(), w)
	if grant == provider.GrantRefresh {
		w.presented = r.PostForm.Get("refresh_token")
	}
	r.PostForm.Del("audience") // unknown parameters are ignored (RFC 6749 §3.2), and fosite knows this one
	request, err := p.library.NewAccessRequest(ctx, r, newSession(provider.Grant{ClientID: w.client.ID}, ""))
	if err != nil {
		return nil, err
	}
	if err := p.checkAccount(ctx, w, sessionOf(request).grant.AccountID); err != nil {
		return nil, err
	}
	if err := p.adjust(w, request, grant); err != nil {
		return nil, err
	}
	response, err := p.library.NewAccessResponse(ctx, request)
	if err != nil {
		return nil, err
	}
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	g := sessionOf(request).grant
	answer := &tokens{
		AccessToken: response.GetAccessToken(), TokenType: "Bearer", ExpiresIn: int64(p.accessLifetime(&g, p.set.Now()).Seconds()),
		Scope: strings.Join(w.scopesOf(request), " "),
	}
	answer.RefreshToken, _ = response.GetExtra("refresh_token").(string)
	answer.IDToken, _ = response.GetExtra("id_token").(string)
	return answer, nil
}

// checkAccount refuses a code or refresh token of an account that may not sign in.
func (p *Provider) checkAccount(ctx context.Context, w *work, id string) error {
	if id == "" {
		return nil // client_credentials
	}
	status, err := p.store.AccountStatus(ctx, id)
	if errors.Is(err, provider.NotFound) || err == nil && status != provider.AccountActive {
		return refuse("invalid_grant", "the account is not active")
	}
	return w.failed(err)
}

// adjust decides the scopes of the access token where fosite does not: a refresh
// may ask for fewer (RFC 6749 §6), and a client on its own gets its API scopes.
func (p *Provider) adjust(w *work, r fosite.AccessRequester, grant string) error {
	asked := provider.SplitScope(r.GetRequestForm().Get("scope"))
	switch grant {
	case provider.GrantRefresh:
		if len(asked) == 0 {
			return nil
		}
		for _, s := range asked {
			if !slices.Contains(w.grant.Scopes, s) {
				return refuse("invalid_scope", "refresh asks for a scope that was not granted")
			}
		}
		w.narrowed = asked
	case provider.GrantCredentials:
		if len(asked) == 0 {
			asked = slices.DeleteFunc(slices.Clone(w.client.Scopes), func(s string) bool { return p.apiOf[s] == "" })
		}
		for _, s := range asked {
			if p.apiOf[s] == "" {
				return refuse("invalid_scope", "client_credentials asks for a scope about a person")
			}
			r.GrantScope(s)
		}
	}
	return nil
}

// giveUpTime bounds what is done after a failed exchange.
const giveUpTime = 5 * time.Second

// giveUp turns a failed exchange into its answer, after doing what must be done
// all the same: a spent code or refresh token that came again takes its family
// with it, and a code whose own client failed to redeem it is burned.
func (p *Provider) giveUp(ctx context.Context, w *work, grant string, cause error) *Error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpTime) // hanging up must not prevent it
	defer cancel()
	if w.storeError != nil {
		return unavailable(w.storeError)
	}
	refused := translate(cause)
	lostRace := errors.Is(cause, provider.Spent)
	switch {
	case w.revoke != "":
		return p.endFamily(ctx, w.revoke, w.revokeWhy, w.client, refused)
	case lostRace && grant == provider.GrantCode:
		return p.endFamily(ctx, w.code.Grant.ID, provider.ActionCodeReplay, w.client, refused)
	case lostRace && grant == provider.GrantRefresh && !p.mayRepeat(w.client):
		return p.endFamily(ctx, w.grant.ID, provider.ActionRefreshReplay, w.client, refused)
	case lostRace:
		return refused
	case w.code != nil && refused.Status < http.StatusInternalServerError:
		if err := p.store.RedeemCode(ctx, w.code.Hash, p.set.Now()); err != nil && !errors.Is(err, provider.Spent) {
			return unavailable(err)
		}
	}
	return refused
}

// endFamily revokes a grant and says so in the audit trail.
func (p *Provider) endFamily(ctx context.Context, grantID string, why provider.Action, c *provider.Client, refused *Error) *Error {
	err := p.store.InTx(ctx, func(ctx context.Context) error {
		if err := p.store.RevokeGrant(ctx, grantID, p.set.Now()); err != nil {
			return err
		}
		return p.store.Record(ctx, provider.Event{RequestID: provider.OriginOf(ctx).RequestID, Address: provider.OriginOf(ctx).Address, Action: why, Outcome: provider.Refused, ClientID: c.ID, Detail: grantID})
	})
	if err != nil {
		return unavailable(err)
	}
	return refused
}
