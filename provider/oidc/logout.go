package oidc

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"cardea/provider"
)

// Logout is a request to sign out (OpenID Connect RP-Initiated Logout 1.0 §2).
type Logout struct {
	// Trusted tells that id_token_hint proves who is meant, and which client asks;
	// otherwise the person is asked, and nobody is redirected.
	Trusted   bool
	Subject   string // of the hint
	ClientID  string
	UILocales []string
	returnTo  string
}

// ReadLogout reads a logout request that came by GET. An Error means that it
// cannot be read, or that its hint or address is wrong: nothing is to be done but
// to ask the person.
func (p *Provider) ReadLogout(r *http.Request) (Logout, *Error) {
	params, refused := query(r)
	if refused != nil {
		return Logout{}, refused
	}
	if name := repeated(params); name != "" {
		return Logout{}, malformed("A parameter is given more than once" + known(name) + ".")
	}
	l := Logout{ClientID: params.Get("client_id"), UILocales: provider.SplitScope(params.Get("ui_locales"))}
	hint := params.Get("id_token_hint")
	if hint == "" {
		return l, nil
	}
	claims, err := p.ownIDToken(hint)
	if err != nil {
		return l, &Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "id_token_hint is not an ID token of this issuer.", Reason: err.Error()}
	}
	if l.ClientID != "" && l.ClientID != claims.ClientID {
		return l, malformed("id_token_hint was issued to another client.")
	}
	l.ClientID, l.Subject = claims.ClientID, claims.Subject
	if refused := p.checkReturn(r, &l, params); refused != nil {
		return l, refused
	}
	l.Trusted = true
	return l, nil
}

// checkReturn accepts a post_logout_redirect_uri that is registered, byte for
// byte, for the client of the hint.
func (p *Provider) checkReturn(r *http.Request, l *Logout, params url.Values) *Error {
	uri := params.Get("post_logout_redirect_uri")
	if uri == "" {
		return nil
	}
	c, err := p.store.Client(r.Context(), l.ClientID)
	if errors.Is(err, provider.NotFound) || err == nil && c.Disabled {
		return refuse("invalid_client", "the hint's client is gone or disabled")
	}
	if err != nil {
		return unavailable(err)
	}
	if !slices.Contains(c.PostLogoutRedirectURIs, uri) {
		return malformed("post_logout_redirect_uri is not registered for this client.")
	}
	l.returnTo = uri
	if state := params.Get("state"); state != "" {
		l.returnTo = withQuery(uri, url.Values{"state": {state}})
	}
	return nil
}

// ReturnTo is the client's address to go to after signing out, or "".
func (l Logout) ReturnTo() string { return l.returnTo }
