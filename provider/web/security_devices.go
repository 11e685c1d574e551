package web

import (
	"net/http"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

func (s *Server) devices(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	sessions, err := s.signin.Sessions(r.Context(), o)
	if err != nil {
		return err
	}
	trusted, err := s.signin.TrustedDevices(r.Context(), o)
	if err != nil {
		return err
	}
	page := &loginui.DevicesPage{Centre: s.centre(w, r, o)}
	for _, x := range sessions {
		page.Sessions = append(page.Sessions, loginui.SessionRow{
			ID: x.SID, Browser: loginui.BrowserName(x.UserAgent), Address: x.Address, Begun: x.Created, Used: x.LastSeen, This: x.SID == o.Session.SID,
		})
	}
	for i, d := range trusted {
		page.Trusted = append(page.Trusted, loginui.SessionRow{
			ID: d.ID, Browser: loginui.BrowserName(d.UserAgent), Address: d.Address, Begun: d.Created, Used: d.LastUsed, Until: d.Expires, This: thisDevice(o, &trusted[i]),
		})
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

// thisDevice tells whether the owner's browser holds the cookie of d.
func thisDevice(o *signin.Owner, d *provider.TrustedDevice) bool {
	return o.Browser.Trusted != "" && provider.TokenHash(o.Browser.Trusted) == d.TokenHash
}

// postSignOutDevice ends one session. Ending this very one is signing out.
func (s *Server) postSignOutDevice(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	sid := r.PostForm.Get("sid")
	if sid == o.Session.SID {
		if err := s.endSession(w, r); err != nil {
			return err
		}
		return seeOther(w, r, signedOutPath(""))
	}
	if err := s.signin.EndSession(r.Context(), o, sid); err != nil {
		return err
	}
	return done(w, r, devicesPath, loginui.DoneSession)
}

func (s *Server) signOutOthers(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	s.respond(w, r, http.StatusOK, &loginui.ConfirmPage{Centre: s.centre(w, r, o), What: "others", Action: othersPath, Back: devicesPath})
	return nil
}

func (s *Server) postSignOutOthers(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	if err := s.signin.EndOthers(r.Context(), o); err != nil {
		return err
	}
	return done(w, r, devicesPath, loginui.DoneOthers)
}

func (s *Server) postForgetDevice(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	if err := s.signin.Distrust(r.Context(), o, r.PostForm.Get("id")); err != nil {
		return err
	}
	return done(w, r, devicesPath, loginui.DoneDevice)
}

func (s *Server) apps(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	apps, err := s.signin.Apps(r.Context(), o)
	if err != nil {
		return err
	}
	page := &loginui.AppsPage{Centre: s.centre(w, r, o)}
	for _, app := range apps {
		page.Apps = append(page.Apps, loginui.AppRow{
			ClientID: app.ClientID, Name: s.appName(r, app.ClientID), Scopes: s.scopeTexts(page.Lang, app.Scopes), Since: app.Since,
		})
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

// appName is what people know a client as; its id when it is no longer registered.
func (s *Server) appName(r *http.Request, id string) string {
	if name := s.clientName(r, id); name != "" {
		return name
	}
	return id
}

// scopeTexts say in the page's language what scopes give away.
func (s *Server) scopeTexts(lang string, scopes []string) (texts []loginui.ScopeText) {
	for _, scope := range scopes {
		if text, ok := s.set.Scopes[scope]; ok {
			texts = append(texts, loginui.ScopeText{Title: text.Title.In(lang), Detail: text.Detail.In(lang)})
		} else if scope != provider.ScopeOpenID {
			texts = append(texts, loginui.ScopeText{Standard: scope})
		}
	}
	if len(texts) == 0 {
		texts = []loginui.ScopeText{{Standard: provider.ScopeOpenID}}
	}
	return texts
}

func (s *Server) removeApp(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	apps, err := s.signin.Apps(r.Context(), o)
	if err != nil {
		return err
	}
	for _, app := range apps {
		if app.ClientID == r.URL.Query().Get("client_id") {
			s.respond(w, r, http.StatusOK, &loginui.ConfirmPage{
				Centre: s.centre(w, r, o), What: "app", Name: s.appName(r, app.ClientID), Action: appsPath + "/remove", Back: appsPath,
				Hidden: []loginui.Hidden{{Name: "client_id", Value: app.ClientID}},
			})
			return nil
		}
	}
	return provider.NotFound
}

func (s *Server) postRemoveApp(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	if err := s.signin.RemoveApp(r.Context(), o, r.PostForm.Get("client_id")); err != nil {
		return err
	}
	return done(w, r, appsPath, loginui.DoneApp)
}
