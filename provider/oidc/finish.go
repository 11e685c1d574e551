package oidc

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ory/fosite"

	"cardea/provider"
)

// Approval is who approved an authorization request, and how they were known.
type Approval struct {
	AccountID string
	SID       string
	Proof     provider.Proof
	Scopes    []string // granted; within the request's
}

// Finish issues the code for a request that has been approved, and gives the
// address that takes it to the client. A client that was changed meanwhile gets
// nothing that it may no longer have: that is a *Fault. It writes within the
// transaction of ctx, if there is one.
func (p *Provider) Finish(ctx context.Context, a *provider.Authorization, by Approval) (string, error) {
	if _, fault := p.read(ctx, a.Params, p.checkResponse, p.checkScope); fault != nil {
		return "", fault
	}
	now := p.set.Now()
	w := &work{p: p, code: &provider.Code{
		Grant: provider.Grant{
			ID: provider.NewID(), AccountID: by.AccountID, ClientID: a.ClientID, SID: by.SID, Scopes: by.Scopes, Audience: p.audience(by.Scopes),
			Methods: by.Proof.Methods, ACR: a.Asserts(by.Proof.Level()), AuthTime: by.Proof.At, Created: now, Expires: now.Add(p.set.RefreshAbsolute),
		},
		RedirectURI: a.RedirectURI, Nonce: first(a.Params["nonce"]), Challenge: first(a.Params["code_challenge"]), Expires: now.Add(p.set.Code),
	}}
	ctx = withWork(ctx, w)
	request, err := p.rebuild(ctx, a)
	if err != nil {
		return "", fmt.Errorf("rebuilding an authorization request: %w", translate(err))
	}
	for _, s := range by.Scopes {
		request.GrantScope(s)
	}
	response, err := p.library.NewAuthorizeResponse(ctx, request, newSession(w.code.Grant, w.code.Nonce))
	if err != nil {
		return "", fmt.Errorf("issuing a code: %w", translate(err))
	}
	if err := w.flush(ctx); err != nil {
		return "", err
	}
	return p.answer(a, url.Values{"code": {response.GetCode()}}), nil
}

// rebuild parses the request with fosite, which sees no more than it needs for a
// code: its checks of everything else are weaker than ours, or wrong. It insists on
// a state, which is ours to answer with.
func (p *Provider) rebuild(ctx context.Context, a *provider.Authorization) (fosite.AuthorizeRequester, error) {
	params := url.Values{"scope": {strings.Join(a.Scopes, " ")}, "state": {"-"}}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "nonce", "code_challenge", "code_challenge_method"} {
		if values := a.Params[name]; len(values) > 0 {
			params[name] = values
		}
	}
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Form: params, Header: http.Header{}}
	return p.library.NewAuthorizeRequest(ctx, r)
}

// Refuse gives the address that takes an error to the client (RFC 6749 §4.1.2.1).
func (p *Provider) Refuse(a *provider.Authorization, code string) string {
	return p.answer(a, url.Values{"error": {code}, "error_description": {descriptions[code].text}})
}

// Redirect gives the address that takes f to the client; f.Where must be ToClient.
func (p *Provider) Redirect(f *Fault) string {
	return p.answer(&f.Request, url.Values{"error": {f.Why.Code}, "error_description": {f.Why.Description}})
}

// answer adds the response's parameters, state and iss (RFC 9207) to the redirect
// address, whose own query stays.
func (p *Provider) answer(a *provider.Authorization, params url.Values) string {
	if a.State != "" {
		params.Set("state", a.State)
	}
	params.Set("iss", p.set.Issuer)
	return withQuery(a.RedirectURI, params)
}

// withQuery adds params behind the query that uri may have.
func withQuery(uri string, params url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + params.Encode()
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
