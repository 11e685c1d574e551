package web

import (
	"fmt"
	"net/http"
	"net/url"

	loginui "cardea/login-ui"
	"cardea/provider"
)

// logout serves a client's request to sign out (OpenID Connect RP-Initiated
// Logout 1.0 §2). A good hint signs out at once; otherwise the person is asked,
// so that no link can sign somebody out unseen.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	request, refused := s.oidc.ReadLogout(r)
	rec := recordOf(w)
	if _, err := s.store.Client(r.Context(), request.ClientID); err == nil {
		rec.client = request.ClientID
	}
	s.askLanguage(w, r, request.UILocales)
	b := s.browser(w, r)
	session, err := s.signin.Session(r.Context(), b.Session)
	if err != nil {
		return err
	}
	if refused != nil {
		rec.err = refused
		s.metrics.refused.WithLabelValues(refused.Code).Inc()
	}
	switch {
	case request.Trusted && (session == nil || session.AccountID == request.Subject):
		if err := s.endSession(w, r); err != nil {
			return err
		}
		if request.ReturnTo() != "" {
			return seeOther(w, r, request.ReturnTo())
		}
		return seeOther(w, r, signedOutPath(request.ClientID))
	case session != nil:
		return s.askSignOut(w, r, session)
	case refused != nil:
		page := &loginui.ErrorPage{Base: s.base(w, r, ""), Kind: loginui.BadClient, Reference: rec.id}
		page.Client = s.clientName(r, request.ClientID)
		s.respond(w, r, http.StatusBadRequest, page)
		return nil
	}
	return seeOther(w, r, signedOutPath(""))
}

func signedOutPath(clientID string) string {
	if clientID == "" {
		return "/signed-out"
	}
	return "/signed-out?" + url.Values{"client_id": {clientID}}.Encode()
}

func (s *Server) askSignOut(w http.ResponseWriter, r *http.Request, session *provider.Session) error {
	account, err := s.store.Account(r.Context(), session.AccountID)
	if err != nil {
		return err
	}
	s.respond(w, r, http.StatusOK, &loginui.SignOutPage{Base: s.base(w, r, ""), UserIDMasked: masked(account)})
	return nil
}

// postLogout turns a client's form into the same request by GET, which has our
// cookies.
func (s *Server) postLogout(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errForm
	}
	query := r.PostForm.Encode()
	if len(query) > maxAddress {
		return errForm
	}
	return seeOther(w, r, "/oauth2/logout?"+query)
}

// postSignOut is the person's own answer.
func (s *Server) postSignOut(w http.ResponseWriter, r *http.Request) error {
	if r.PostForm.Get("ix") != "" {
		return fmt.Errorf("%w: the form token is a sign-in's, not this page's", provider.Forbidden)
	}
	if err := s.endSession(w, r); err != nil {
		return err
	}
	return seeOther(w, r, signedOutPath(""))
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.signin.SignOut(r.Context(), s.browser(w, r)); err != nil {
		return err
	}
	s.setCookie(w, cookieSession, "", 0)
	return nil
}

func (s *Server) signedOut(w http.ResponseWriter, r *http.Request) error {
	page := &loginui.SignedOutPage{Base: s.base(w, r, "")}
	if c, err := s.store.Client(r.Context(), r.URL.Query().Get("client_id")); err == nil && c.InitiateLoginURI != "" {
		page.BackURL, page.BackName = c.InitiateLoginURI, c.Name.In(page.Lang)
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}
