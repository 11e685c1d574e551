package site

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	scopes     = "openid profile email offline_access accounts:read transactions:read statements:read rewards:read payments:write"
	idleTime   = 30 * time.Minute
	signInTime = 15 * time.Minute
)

// issuer is what discovery taught us; the exported fields are those that go-oidc leaves out.
type issuer struct {
	*oidc.Provider         `json:"-"`
	oauth                  oauth2.Config
	idTokens, accessTokens *oidc.IDTokenVerifier
	EndSession             string `json:"end_session_endpoint"`
	Revocation             string `json:"revocation_endpoint"`
	SendsIss               bool   `json:"authorization_response_iss_parameter_supported"`
}

// session is one signed-in person in one browser. The browser never sees its tokens.
type session struct {
	Name    string                     `json:"name"`
	Claims  map[string]json.RawMessage `json:"-"` // of the ID token and userinfo
	idToken string
	tokens  oauth2.TokenSource // refreshes one request at a time and keeps the rotated refresh token
	idle    *time.Timer
	paid    atomic.Int64 // what the next page tells of, in öre
}

// discover asks the issuer where its endpoints are, unless it has told before.
func (s *site) discover() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.issuer != nil {
		return nil
	}
	provider, err := oidc.NewProvider(oidc.ClientContext(context.Background(), s.http), s.issuerURL)
	if err != nil {
		return err
	}
	found := &issuer{Provider: provider, oauth: oauth2.Config{ClientID: s.clientID, ClientSecret: s.secret,
		Endpoint: provider.Endpoint(), RedirectURL: s.url + "/callback", Scopes: strings.Fields(scopes)}}
	found.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader // trying both styles would send a code twice
	found.idTokens = provider.Verifier(&oidc.Config{ClientID: s.clientID})
	found.accessTokens = provider.Verifier(&oidc.Config{ClientID: s.audience})
	if err := provider.Claims(found); err != nil {
		return err
	}
	s.issuer = found
	return nil
}

func (s *site) signIn(w http.ResponseWriter, r *http.Request) { s.begin(w, r) }

// begin sends the browser to the issuer; the state names the attempt.
func (s *site) begin(w http.ResponseWriter, r *http.Request, more ...oauth2.AuthCodeOption) string {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	s.setCookie(w, "signin-"+state, nonce+"."+verifier, int(signInTime.Seconds()))                                                   // binds the attempt to this browser
	options := append(more, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", s.audience)) // RFC 8707
	http.Redirect(w, r, s.issuer.oauth.AuthCodeURL(state, options...), http.StatusSeeOther)
	return state
}

func (s *site) callback(w http.ResponseWriter, r *http.Request) {
	state, iss, failure := r.FormValue("state"), r.FormValue("iss"), r.FormValue("error")
	nonce, verifier, ours := strings.Cut(s.cookie(r, "signin-"+state), ".")
	s.setCookie(w, "signin-"+state, "", -1) // one attempt, one answer
	var waiting pending
	found, stepUp := s.pending.LoadAndDelete(state)
	if stepUp {
		waiting = found.(pending)
	}
	switch {
	case !ours || iss != s.issuerURL && (iss != "" || s.issuer.SendsIss): // RFC 9207
		s.page(w, r, http.StatusBadRequest, "signin.invalid", nil)
		return
	case failure == "access_denied" && stepUp:
		s.page(w, r, http.StatusOK, "pay.cancelled", nil)
		return
	case failure == "access_denied":
		s.page(w, r, http.StatusOK, "signin.cancelled", nil)
		return
	case failure != "":
		s.page(w, r, http.StatusBadGateway, "signin.failed", fmt.Errorf("the issuer answered %q", failure))
		return
	}
	who, err := s.redeem(oidc.ClientContext(context.Background(), s.http), r.FormValue("code"), nonce, verifier)
	if err != nil {
		s.page(w, r, http.StatusBadGateway, "signin.failed", err)
		return
	}
	s.endSession(w, r)
	id := rand.Text()
	who.idle = time.AfterFunc(idleTime, func() { s.sessions.Delete(id) })
	s.sessions.Store(id, who)
	s.setCookie(w, "session", id, 0)
	if stepUp {
		s.steppedUp(w, r, who, waiting)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// redeem changes the code for tokens and believes them only after every check. They refresh with ctx.
func (s *site) redeem(ctx context.Context, code, nonce, verifier string) (*session, error) {
	token, err := s.issuer.oauth.Exchange(ctx, code, oauth2.VerifierOption(verifier), oauth2.SetAuthURLParam("resource", s.audience))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := s.issuer.idTokens.Verify(ctx, raw) // signature, iss, aud, exp
	if err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	info, err := s.issuer.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, fmt.Errorf("userinfo: %w", err)
	}
	if id.Nonce != nonce || id.Subject == "" || id.Subject != info.Subject {
		return nil, errors.New("ID token: not the nonce we sent, or not the sub of userinfo")
	}
	who := &session{idToken: raw, tokens: s.issuer.oauth.TokenSource(ctx, token)}
	return who, errors.Join(id.Claims(&who.Claims), info.Claims(&who.Claims), info.Claims(who))
}

// signOut ends our session first, whatever the issuer does next (RP-Initiated Logout 1.0).
func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	who, state := s.endSession(w, r), rand.Text()
	if who == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if err := s.revoke(who); err != nil {
		s.log.Warn("the refresh token was not revoked", "error", err)
	}
	s.setCookie(w, "signout", state, 5*60)
	back := s.url + "/signed-out"
	query := url.Values{"id_token_hint": {who.idToken}, "client_id": {s.clientID}, "post_logout_redirect_uri": {back}, "state": {state}}
	http.Redirect(w, r, cmp.Or(s.issuer.EndSession, back)+"?"+query.Encode(), http.StatusSeeOther)
}

// revoke gives the refresh token back (RFC 7009), which may outlive the sign-in at the issuer.
func (s *site) revoke(who *session) error {
	token, err := who.tokens.Token()
	if err != nil || s.issuer.Revocation == "" {
		return err
	}
	form := url.Values{"token": {token.RefreshToken}, "token_type_hint": {"refresh_token"}}
	req, err := http.NewRequest(http.MethodPost, s.issuer.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(s.clientID), url.QueryEscape(s.secret)) // RFC 6749, 2.3.1
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the issuer answered %s", resp.Status)
	}
	return nil
}

// signedOut says goodbye only to those who come from our own sign-out.
func (s *site) signedOut(w http.ResponseWriter, r *http.Request) {
	if state := s.cookie(r, "signout"); state == "" || state != r.FormValue("state") {
		s.page(w, r, http.StatusBadRequest, "signout.unknown", nil)
		return
	}
	s.page(w, r, http.StatusOK, "signout.done", nil)
}

// session is that of the signed-in person, or nil.
func (s *site) session(r *http.Request) *session {
	found, _ := s.sessions.Load(s.cookie(r, "session"))
	who, ok := found.(*session)
	if ok {
		who.idle.Reset(idleTime)
	}
	return who
}

func (s *site) endSession(w http.ResponseWriter, r *http.Request) *session {
	s.setCookie(w, "session", "", -1)
	found, _ := s.sessions.LoadAndDelete(s.cookie(r, "session"))
	who, _ := found.(*session)
	return who
}

func (s *site) setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: s.cookieName(name), Value: value, MaxAge: seconds, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.url, "https:")})
}

func (s *site) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// cookieName is our own because browsers share the cookies of a host between ports; __Host- keeps subdomains out.
func (s *site) cookieName(name string) string {
	if strings.HasPrefix(s.url, "https:") {
		return "__Host-accountapp-" + name
	}
	return "accountapp-" + name
}
