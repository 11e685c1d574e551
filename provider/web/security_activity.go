package web

import (
	"net/http"
	"net/url"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

func (s *Server) activity(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	before := r.URL.Query().Get("before")
	events, older, err := s.signin.Activity(r.Context(), o, before)
	if err != nil {
		return err
	}
	page := &loginui.ActivityPage{Centre: s.centre(w, r, o)}
	for i := range events {
		page.Events = append(page.Events, s.eventRow(r, &events[i]))
	}
	if older != "" {
		page.Older = activityPath + "?" + url.Values{"before": {older}}.Encode()
	}
	if before != "" {
		page.Newer = activityPath
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

func (s *Server) eventRow(r *http.Request, e *provider.Event) loginui.EventRow {
	row := loginui.EventRow{
		What: string(e.Action), At: e.At, Browser: loginui.BrowserName(e.UserAgent), Address: e.Address,
		Method: e.Method, Refused: e.Outcome == provider.Refused,
	}
	switch e.Action {
	case provider.ActionSession, provider.ActionConsent, provider.ActionRefreshReplay:
		row.Name = s.appName(r, e.ClientID)
	case provider.ActionAccessRemoved:
		row.Name = s.appName(r, e.Detail)
	}
	return row
}

func (s *Server) report(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	s.respond(w, r, http.StatusOK, &loginui.ConfirmPage{Centre: s.centre(w, r, o), What: "report", Action: reportPath, Back: activityPath})
	return nil
}

// postReport locks the account of somebody who has seen what was not them.
func (s *Server) postReport(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	if err := s.signin.Report(r.Context(), o); err != nil {
		return err
	}
	s.setCookie(w, cookieSession, "", 0)
	s.respond(w, r, http.StatusOK, &loginui.ReportedPage{Base: s.base(w, r, "")})
	return nil
}
