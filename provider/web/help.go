package web

import (
	"net/http"
	"slices"

	"github.com/gorilla/mux"

	loginui "cardea/login-ui"
	"cardea/provider"
)

func (s *Server) landing(w http.ResponseWriter, r *http.Request) error {
	session, err := s.signin.Session(r.Context(), s.cookie(r, cookieSession))
	if err != nil {
		return err
	}
	page := &loginui.LandingPage{Base: s.base(w, r, "")}
	page.SignedIn = session != nil
	s.respond(w, r, http.StatusOK, page)
	return nil
}

// help can be read at any time; ix leads back to the sign-in it was opened from.
func (s *Server) help(w http.ResponseWriter, r *http.Request) error {
	topic := mux.Vars(r)["topic"]
	if topic != "" && !slices.Contains(loginui.HelpTopics(), topic) {
		return provider.NotFound
	}
	ix := ""
	if in, err := s.signin.Load(r.Context(), r.URL.Query().Get("ix"), s.browser(w, r)); err == nil {
		ix = in.ID
	}
	s.respond(w, r, http.StatusOK, &loginui.HelpPage{Base: s.base(w, r, ix), Topic: topic})
	return nil
}
