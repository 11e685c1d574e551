package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cardea/provider"
)

// Fault says what a refused authorization request is answered with.
type Fault struct {
	Why   *Error
	Where FaultKind
	// Request is as much as is known; for ToClient its RedirectURI is the client's own.
	Request provider.Authorization
}

func (f *Fault) Error() string { return f.Why.Error() }

// FaultKind is where the answer to a refused authorization request goes.
type FaultKind int

// An answer goes to the client only when it is sure whose address that is.
const (
	ToClient      FaultKind = iota // redirect with the error
	UnknownClient                  // page: there is no such client
	BadRedirect                    // page: the redirect address is not registered
	Unreadable                     // page: parameters missing, doubled or too long
	StoreDown                      // page: try again
)

// The longest values that are accepted, in bytes.
const (
	maxQuery    = 8 << 10
	maxState    = 2 << 10
	maxScope    = 1 << 10
	maxNonce    = 512
	maxRedirect = 2 << 10
)

// Begin checks an authorization request (OpenID Connect Core §3.1.2.2) that came by
// GET, as package web makes of every one. A nil Fault means that it is good.
func (p *Provider) Begin(r *http.Request) (provider.Authorization, *Fault) {
	params, refused := query(r)
	if refused != nil {
		return provider.Authorization{}, &Fault{Why: refused, Where: Unreadable}
	}
	return p.read(r.Context(), params, p.checkParams, p.checkResponse, p.checkScope, p.checkPKCE, p.checkInteraction, p.checkACR, p.checkHint)
}

// read makes sure of the client and its address, and then runs checks.
func (p *Provider) read(ctx context.Context, params url.Values, checks ...func(*provider.Authorization, *provider.Client, url.Values) *Error) (provider.Authorization, *Fault) {
	a, c, fault := p.recipient(ctx, params)
	if fault != nil {
		return a, fault
	}
	for _, check := range checks {
		if refused := check(&a, c, params); refused != nil {
			return a, &Fault{Why: refused, Where: ToClient, Request: a}
		}
	}
	return a, nil
}

// query reads the parameters of a request by GET.
func query(r *http.Request) (url.Values, *Error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, malformed("The request is too long.")
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("The address cannot be read.")
	}
	return params, nil
}

// recipient finds the client and makes sure of its address; until it has, errors
// are pages.
func (p *Provider) recipient(ctx context.Context, params url.Values) (provider.Authorization, *provider.Client, *Fault) {
	a := provider.Authorization{Params: params, State: params.Get("state")}
	page := func(where FaultKind, e *Error) (provider.Authorization, *provider.Client, *Fault) {
		return a, nil, &Fault{Why: e, Where: where, Request: a}
	}
	if len(params["client_id"]) != 1 || params.Get("client_id") == "" {
		return page(UnknownClient, malformed("client_id is missing, or given more than once."))
	}
	c, err := p.store.Client(ctx, params.Get("client_id"))
	switch {
	case errors.Is(err, provider.NotFound) || err == nil && c.Disabled:
		return page(UnknownClient, refuse("invalid_client", "unknown or disabled client"))
	case err != nil:
		return page(StoreDown, unavailable(err))
	}
	a.ClientID = c.ID
	uri := params["redirect_uri"]
	if len(uri) != 1 || len(uri[0]) > maxRedirect || !c.MatchRedirect(uri[0]) {
		return page(BadRedirect, malformed("redirect_uri is missing, given more than once, or not registered for this client; registered: "+strings.Join(c.RedirectURIs, " ")))
	}
	a.RedirectURI = uri[0]
	return a, c, nil
}

func (p *Provider) checkParams(a *provider.Authorization, c *provider.Client, params url.Values) *Error {
	if len(params["state"]) > 1 || len(a.State) > maxState {
		a.State = "" // which one would be a guess
	}
	if name := repeated(params); name != "" {
		return malformed("A parameter is given more than once" + known(name) + ".")
	}
	for name, limit := range map[string]int{"state": maxState, "scope": maxScope, "nonce": maxNonce} {
		if len(params.Get(name)) > limit {
			return malformed(name + " is longer than " + strconv.Itoa(limit) + " bytes.")
		}
	}
	for _, value := range params {
		if strings.ContainsRune(value[0], 0) || !utf8.ValidString(value[0]) {
			return malformed("A parameter has a NUL character, or is not UTF-8.")
		}
	}
	return nil
}

func (p *Provider) checkResponse(_ *provider.Authorization, c *provider.Client, params url.Values) *Error {
	switch {
	case params.Has("request"):
		return refuse("request_not_supported", "request object")
	case params.Has("request_uri"):
		return refuse("request_uri_not_supported", "request_uri")
	case params.Has("registration"):
		return refuse("registration_not_supported", "registration")
	case params.Get("response_type") == "":
		return malformed("response_type is missing; use code.")
	case params.Get("response_type") != "code":
		return refuse("unsupported_response_type", "response_type other than code")
	case params.Has("response_mode") && params.Get("response_mode") != "query":
		return malformed("response_mode is not offered; use query, or leave it out.")
	case !c.Allows(provider.GrantCode):
		return refuse("unauthorized_client", "client "+c.ID+" is not registered for authorization_code")
	}
	return nil
}

// checkScope refuses what the client is not registered for. offline_access is
// left out, not refused, for a client that cannot refresh (OpenID Connect Core §11).
func (p *Provider) checkScope(a *provider.Authorization, c *provider.Client, params url.Values) *Error {
	for _, s := range provider.SplitScope(params.Get("scope")) {
		if s == provider.ScopeOffline && !c.Allows(provider.GrantRefresh) {
			continue
		}
		if !slices.Contains(p.scopes, s) || !slices.Contains(c.Scopes, s) {
			return refuse("invalid_scope", "client "+c.ID+" is not registered for a scope it asks for; registered: "+strings.Join(c.Scopes, " "))
		}
		a.Scopes = append(a.Scopes, s)
	}
	if len(a.Scopes) == 0 {
		return refuse("invalid_scope", "scope is missing")
	}
	return nil
}

var challengeSyntax = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func (p *Provider) checkPKCE(_ *provider.Authorization, _ *provider.Client, params url.Values) *Error {
	switch {
	case params.Get("code_challenge") == "":
		return malformed("code_challenge is missing: PKCE is required of every client (RFC 7636).")
	case params.Get("code_challenge_method") != "S256":
		return malformed("code_challenge_method must be S256.")
	case !challengeSyntax.MatchString(params.Get("code_challenge")):
		return malformed("code_challenge must be 43 characters of base64url (RFC 7636 section 4.2).")
	}
	return nil
}

var prompts = []string{provider.PromptNone, provider.PromptLogin, provider.PromptConsent, provider.PromptAccount}

func (p *Provider) checkInteraction(a *provider.Authorization, c *provider.Client, params url.Values) *Error {
	a.Prompt = provider.SplitScope(params.Get("prompt"))
	for _, prompt := range a.Prompt {
		if !slices.Contains(prompts, prompt) {
			return malformed("prompt has a value that is not offered; use none, login, consent or select_account.")
		}
	}
	if a.Asks(provider.PromptNone) && len(a.Prompt) > 1 {
		return malformed("prompt=none must stand alone.")
	}
	a.MaxAge = c.DefaultMaxAge // OpenID Connect Registration §2
	if params.Has("max_age") {
		seconds, err := strconv.ParseInt(params.Get("max_age"), 10, 64)
		if err != nil || seconds < 0 {
			return malformed("max_age must be a whole number of seconds, 0 or more.")
		}
		a.MaxAge = &seconds
	}
	if d := params.Get("display"); d != "" && !slices.Contains([]string{"page", "popup", "touch", "wap"}, d) {
		return malformed("display must be page, popup, touch or wap.")
	}
	a.UILocales = provider.SplitScope(params.Get("ui_locales"))
	a.LoginHint = params.Get("login_hint")
	return nil
}

// maxClaims is the longest claims parameter that is read, in bytes.
const maxClaims = 4 << 10

// claimsRequest is as much of the claims parameter (OpenID Connect Core §5.5) as is
// read: the acr of the ID token. Other claims come by scope; a request for one of them
// may go unanswered (§5.5.1).
type claimsRequest struct {
	IDToken struct {
		ACR *struct {
			Essential bool     `json:"essential"`
			Value     string   `json:"value"`
			Values    []string `json:"values"`
		} `json:"acr"`
	} `json:"id_token"`
}

// checkACR reads what strength of authentication is asked for. acr_values are wishes:
// of those that we know the first is met, others are passed over. An essential acr
// claim that names none that we know is refused (OpenID Connect Core §5.5.1.1).
func (p *Provider) checkACR(a *provider.Authorization, _ *provider.Client, params url.Values) *Error {
	a.ACR = provider.SplitScope(params.Get("acr_values"))
	text := params.Get("claims")
	if text == "" {
		return nil
	}
	var claims claimsRequest
	if len(text) > maxClaims || json.Unmarshal([]byte(text), &claims) != nil {
		return malformed("claims must be a JSON object as in OpenID Connect Core section 5.5, of at most 4096 bytes.")
	}
	asked := claims.IDToken.ACR
	if asked == nil || asked.Value == "" && len(asked.Values) == 0 {
		return nil
	}
	values := asked.Values
	if asked.Value != "" {
		values = []string{asked.Value}
	}
	known := slices.ContainsFunc(values, func(acr string) bool { return provider.LevelOf(acr) != provider.LevelNone })
	if asked.Essential && !known {
		return refuse("unmet_authentication_requirements", "essential acr names none of: "+strings.Join(provider.ACRs, " "))
	}
	if known {
		a.ACR = values
	}
	return nil
}

// checkHint verifies id_token_hint with every published key; an expired token is
// a good hint (OpenID Connect Core §3.1.2.1).
func (p *Provider) checkHint(a *provider.Authorization, c *provider.Client, params url.Values) *Error {
	hint := params.Get("id_token_hint")
	if hint == "" {
		return nil
	}
	claims, err := p.ownIDToken(hint)
	if err != nil {
		return &Error{Code: "invalid_request", Status: http.StatusBadRequest, Description: "id_token_hint is not an ID token of this issuer.", Reason: err.Error()}
	}
	if claims.ClientID != c.ID {
		return malformed("id_token_hint was issued to another client.")
	}
	a.HintSubject = claims.Subject
	return nil
}

// hintClaims is what an ID token of ours tells when it comes back.
type hintClaims struct{ Subject, ClientID string }

// ownIDToken verifies that token is an ID token of ours, of any age.
func (p *Provider) ownIDToken(token string) (hintClaims, error) {
	claims, err := p.keys.verifyJWS(token, typID)
	if err != nil {
		return hintClaims{}, err
	}
	iss, _ := claims["iss"].(string)
	sub, _ := claims["sub"].(string)
	aud, _ := claims["aud"].(string)
	if iss != p.set.Issuer || sub == "" || aud == "" {
		return hintClaims{}, errors.New("iss, sub or aud is missing or not ours")
	}
	return hintClaims{Subject: sub, ClientID: aud}, nil
}
