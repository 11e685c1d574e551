package web

import (
	"errors"
	"net/http"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

func (s *Server) consent(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepConsent)
	if in == nil {
		return err
	}
	s.respond(w, r, http.StatusOK, s.consentPage(w, r, in, next))
	return nil
}

func (s *Server) consentPage(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next) *loginui.ConsentPage {
	page := &loginui.ConsentPage{Base: s.within(w, r, in, steps[provider.StepConsent]), UserIDMasked: masked(next.Account)}
	page.Who, page.Scopes, page.ConnectedApps = s.who(in, next.Account), s.scopeTexts(page.Lang, in.Data.Request.Scopes), true
	return page
}

func (s *Server) postConsent(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepConsent)
	if in == nil {
		return err
	}
	decision := r.PostForm.Get("decision")
	if decision != "allow" && decision != "deny" {
		page := s.consentPage(w, r, in, next)
		page.Errors = []loginui.FieldError{{Key: loginui.KeyChoiceMissing}}
		s.respond(w, r, http.StatusUnprocessableEntity, page)
		return nil
	}
	if r.PostForm.Get("who") != s.who(in, next.Account) {
		return seeOther(w, r, pagePath(steps[provider.StepConsent], in.ID))
	}
	b := s.browser(w, r)
	err = s.signin.Consent(r.Context(), in.ID, b, decision == "allow")
	if errors.Is(err, provider.Forbidden) {
		return s.handOver(w, r, in.Data.Request.ClientID, s.oidc.Refuse(&in.Data.Request, "access_denied"))
	}
	if err != nil {
		return s.gone(r, err)
	}
	return s.advance(w, r, in.ID, b)
}
