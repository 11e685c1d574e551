package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/oidc"
	"cardea/provider/signin"
)

// maxAddress is the longest query that a POST is turned into, in bytes.
const maxAddress = 8 << 10

// authorize begins a sign-in, or ends it at once when this browser's session is
// enough (OpenID Connect Core §3.1.2).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	a, fault := s.oidc.Begin(r)
	if fault != nil {
		return s.refuseAuthorize(w, r, fault)
	}
	recordOf(w).client = a.ClientID
	s.askLanguage(w, r, a.UILocales)
	b := s.browser(w, r)
	next, err := s.signin.Next(r.Context(), provider.SignInData{Request: a}, b)
	if err != nil {
		return err
	}
	if next.Step == provider.StepDone {
		location, err := s.finish(r.Context(), nil, &a, next)
		if err != nil {
			return s.unfinished(w, r, err)
		}
		return seeOther(w, r, location)
	}
	if a.Asks(provider.PromptNone) {
		return seeOther(w, r, s.oidc.Refuse(&a, next.Error))
	}
	in, issued, err := s.signin.Start(r.Context(), a, b)
	if err != nil {
		return err
	}
	s.issue(w, b, issued)
	return seeOther(w, r, stepPath(in, next))
}

// postAuthorize turns a client's form into the same request by GET.
func (s *Server) postAuthorize(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil || r.URL.RawQuery != "" {
		return s.refuseAuthorize(w, r, &oidc.Fault{Why: &oidc.Error{Code: "invalid_request", Status: http.StatusBadRequest, Reason: "POST with a query or an unreadable body"}, Where: oidc.Unreadable})
	}
	query := r.PostForm.Encode()
	if len(query) > maxAddress {
		return s.refuseAuthorize(w, r, &oidc.Fault{Why: &oidc.Error{Code: "invalid_request", Status: http.StatusBadRequest, Reason: "request is too long"}, Where: oidc.Unreadable})
	}
	return seeOther(w, r, "/oauth2/authorize?"+query)
}

// refuseAuthorize answers a refused authorization request: to the client when it
// is sure where the client is, else with a page.
func (s *Server) refuseAuthorize(w http.ResponseWriter, r *http.Request, fault *oidc.Fault) error {
	rec := recordOf(w)
	rec.err, rec.client = fault, fault.Request.ClientID
	s.metrics.refused.WithLabelValues(fault.Why.Code).Inc()
	page := &loginui.ErrorPage{Base: s.base(w, r, ""), Kind: loginui.BadClient, Reference: rec.id, Host: s.host}
	page.Client = s.clientName(r, fault.Request.ClientID)
	switch fault.Where {
	case oidc.ToClient:
		return s.handOver(w, r, fault.Request.ClientID, s.oidc.Redirect(fault))
	case oidc.UnknownClient:
		page.Detail = loginui.UnknownClient
	case oidc.BadRedirect:
		page.Detail = loginui.BadRedirect
	case oidc.StoreDown:
		return fmt.Errorf("%w: %w", provider.Busy, fault)
	}
	s.respond(w, r, http.StatusBadRequest, page)
	return nil
}

// finish hands the approved request over to the protocol and ends the sign-in, in
// one transaction; in is nil where there was nothing to ask. The security centre lives
// on the session: a sign-in into it just ends.
func (s *Server) finish(ctx context.Context, in *provider.SignIn, a *provider.Authorization, next signin.Next) (string, error) {
	if a.HintSubject != "" && a.HintSubject != next.Proof.AccountID {
		return s.oidc.Refuse(a, "login_required"), s.endSignIn(ctx, in)
	}
	if next.Session == nil || next.Session.AccountID != next.Proof.AccountID {
		return "", provider.OutOfTurn // it ended, or became somebody else's, in another tab
	}
	if a.ClientID == provider.SecurityCentreID {
		return centrePath(in), s.store.InTx(ctx, func(ctx context.Context) error { return s.signin.Finish(ctx, in) })
	}
	by := oidc.Approval{AccountID: next.Proof.AccountID, Proof: next.Proof, Scopes: a.Scopes, SID: next.Session.SID}
	if in == nil {
		return s.oidc.Finish(ctx, a, by)
	}
	var location string
	err := s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if err = s.signin.Finish(ctx, in); err != nil {
			return err
		}
		location, err = s.oidc.Finish(ctx, a, by)
		return err
	})
	return location, err
}

// unfinished answers a request that was good when it came and is no longer.
func (s *Server) unfinished(w http.ResponseWriter, r *http.Request, err error) error {
	if fault, ok := errors.AsType[*oidc.Fault](err); ok {
		return s.refuseAuthorize(w, r, fault)
	}
	return err
}

func (s *Server) endSignIn(ctx context.Context, in *provider.SignIn) error {
	if in == nil {
		return nil
	}
	return s.signin.Finish(ctx, in)
}

// advance goes to the page that the sign-in needs next, or hands over to the
// client. After a form that is a page of its own, because form-action forbids a
// redirect to another origin.
func (s *Server) advance(w http.ResponseWriter, r *http.Request, id string, b signin.Browser) error {
	in, next, err := s.stand(r, id, b)
	if err != nil {
		return err
	}
	return s.goOn(w, r, in, next)
}

// stand is where a sign-in of this browser stands.
func (s *Server) stand(r *http.Request, id string, b signin.Browser) (*provider.SignIn, signin.Next, error) {
	in, err := s.signin.Load(r.Context(), id, b)
	if err != nil {
		return nil, signin.Next{}, s.gone(r, err)
	}
	next, err := s.signin.Next(r.Context(), in.Data, b)
	return in, next, err
}

// goOn is advance for a sign-in that has just been looked at.
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next) error {
	recordOf(w).client = in.Data.Request.ClientID
	if next.Step != provider.StepDone {
		return seeOther(w, r, stepPath(in, next))
	}
	location, err := s.finish(r.Context(), in, &in.Data.Request, next)
	if err != nil {
		return s.unfinished(w, r, err)
	}
	return s.handOver(w, r, in.Data.Request.ClientID, location)
}

// centrePath is the page of the security centre that a sign-in into it ends at.
func centrePath(in *provider.SignIn) string {
	path := localPath(in.Data.Back)
	if rest, ok := strings.CutPrefix(path, securityPath); !ok || rest != "" && rest[0] != '/' && rest[0] != '?' {
		return securityPath
	}
	return path
}

// securityPath is the front page of the security centre.
const securityPath = "/security"

// leaveCentre is where somebody goes who gives up a sign-in into the security centre:
// back to the page they came from, if they may see it.
func (s *Server) leaveCentre(r *http.Request, in *provider.SignIn, b signin.Browser) (string, error) {
	owner, err := s.signin.Owner(r.Context(), b)
	switch {
	case err != nil:
		return "", err
	case owner == nil:
		return "/", nil
	case !s.signin.Recent(owner):
		return securityPath, nil // the page may ask for the same again
	}
	path, _, _ := strings.Cut(centrePath(in), "?")
	return path, nil
}

// handOver takes the browser to the client.
func (s *Server) handOver(w http.ResponseWriter, r *http.Request, clientID, location string) error {
	if r.Method != http.MethodPost || clientID == provider.SecurityCentreID {
		return seeOther(w, r, location)
	}
	page := &loginui.ContinuePage{Base: s.base(w, r, ""), URL: location}
	page.Client = s.clientName(r, clientID)
	s.respond(w, r, http.StatusOK, page)
	return nil
}

// resume is where a page of a sign-in goes that has nothing left to ask.
func (s *Server) resume(w http.ResponseWriter, r *http.Request) error {
	return s.advance(w, r, r.URL.Query().Get("ix"), s.browser(w, r))
}

// gone tells a browser without our cookie from a sign-in that is over.
func (s *Server) gone(r *http.Request, err error) error {
	if errors.Is(err, provider.NotFound) {
		if s.cookie(r, cookieBrowser) == "" {
			return errCookies
		}
		return provider.Expired
	}
	return err
}

func (s *Server) clientName(r *http.Request, id string) string {
	return s.client(r, id).Name.In(s.language(r))
}

// client is what is known of a client: nothing of one that does not exist.
func (s *Server) client(r *http.Request, id string) *provider.Client {
	if id == provider.SecurityCentreID {
		return provider.SecurityCentre()
	}
	c, err := s.store.Client(r.Context(), id)
	if err != nil {
		return &provider.Client{}
	}
	return c
}

// stepPath is the page of the step that a sign-in stands at.
func stepPath(in *provider.SignIn, next signin.Next) string {
	switch next.Step {
	case provider.StepVerify:
		return pagePath(verifyPath(next), in.ID)
	case provider.StepEnrol:
		return pagePath(enrolPath(in, next), in.ID)
	}
	return pagePath(steps[next.Step], in.ID)
}

// pagePath is a page of the sign-in with an id.
func pagePath(page, id string) string { return page + "?ix=" + url.QueryEscape(id) }

// seeOther redirects with 303, which never repeats a POST (RFC 9700 §4.12).
func seeOther(w http.ResponseWriter, _ *http.Request, location string) error {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}
