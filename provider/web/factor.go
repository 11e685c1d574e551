package web

import (
	"errors"
	"html/template"
	"net/http"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepVerify)
	if in == nil {
		return err
	}
	s.respond(w, r, http.StatusOK, &loginui.VerifyPage{Base: s.within(w, r, in, provider.StepVerify), Methods: methods(next.Factors)})
	return nil
}

func (s *Server) postVerify(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepVerify)
	if in == nil {
		return err
	}
	for _, m := range methods(next.Factors) {
		if m.Kind == r.PostForm.Get("method") {
			return seeOther(w, r, stepPath(provider.StepVerify, in.ID))
		}
	}
	page := &loginui.VerifyPage{Base: s.within(w, r, in, provider.StepVerify), Methods: methods(next.Factors)}
	page.Errors = []loginui.FieldError{{Field: "method", Key: loginui.KeyMethodMissing}}
	s.respond(w, r, http.StatusUnprocessableEntity, page)
	return nil
}

// methods are the kinds of factors that an account has, one entry each.
func methods(factors []provider.Factor) []loginui.Method {
	var out []loginui.Method
	seen := map[provider.FactorKind]bool{}
	for _, f := range factors {
		if !seen[f.Kind] {
			seen[f.Kind] = true
			out = append(out, loginui.Method{Kind: string(f.Kind), Name: f.Name})
		}
	}
	return out
}

func (s *Server) totp(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepVerify)
	if in == nil {
		return err
	}
	s.respond(w, r, http.StatusOK, &loginui.TOTPPage{Base: s.within(w, r, in, provider.StepVerify), OtherMethods: len(methods(next.Factors)) > 1})
	return nil
}

// postTOTP tries the code first, as postSignIn does the password.
func (s *Server) postTOTP(w http.ResponseWriter, r *http.Request) error {
	b, id := s.browser(w, r), signInID(r)
	issued, err := s.signin.TOTP(r.Context(), id, b, r.PostForm.Get("code"))
	s.attempted(provider.AMROneTime, err)
	switch {
	case err == nil:
		return s.proven(w, r, id, b, issued)
	case errors.Is(err, provider.OutOfTurn):
		return s.advance(w, r, id, b)
	}
	status, faults := s.codeFault(r, err, loginui.KeyTOTPWrong)
	if faults == nil {
		return s.gone(r, err)
	}
	in, next, failed := s.at(w, r, provider.StepVerify)
	if in == nil {
		return failed
	}
	recordOf(w).err = err
	s.respond(w, r, status, &loginui.TOTPPage{Base: s.faulty(w, r, in, provider.StepVerify, faults), OtherMethods: len(methods(next.Factors)) > 1})
	return nil
}

// codeFault is what a page says of a code that was not accepted; nil when err is
// about something else.
func (s *Server) codeFault(r *http.Request, err error, wrong string) (int, []loginui.FieldError) {
	var lock *provider.LockedError
	switch {
	case errors.As(err, &lock) && lock.Hard:
		return http.StatusForbidden, []loginui.FieldError{{Key: loginui.KeyCodeLocked}}
	case errors.As(err, &lock):
		return http.StatusTooManyRequests, []loginui.FieldError{{Key: loginui.KeyCodeTooMany, Args: map[string]any{"Count": minutes(lock.Until.Sub(s.set.Now()))}}}
	case errors.Is(err, provider.WrongCode) && !signin.SixDigits(r.PostForm.Get("code")):
		return http.StatusUnprocessableEntity, []loginui.FieldError{{Field: "code", Key: loginui.KeyTOTPFormat}}
	case errors.Is(err, provider.WrongCode):
		return http.StatusUnprocessableEntity, []loginui.FieldError{{Field: "code", Key: wrong}}
	}
	return 0, nil
}

func (s *Server) enrol(w http.ResponseWriter, r *http.Request) error {
	in, _, err := s.at(w, r, provider.StepEnrol)
	if in == nil {
		return err
	}
	page, err := s.enrolPage(w, r, in)
	if err != nil {
		return s.gone(r, err)
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

func (s *Server) enrolPage(w http.ResponseWriter, r *http.Request, in *provider.SignIn) (*loginui.EnrolTOTPPage, error) {
	e, err := s.signin.Enrolment(r.Context(), in.ID, s.browser(w, r))
	if err != nil {
		return nil, err
	}
	return &loginui.EnrolTOTPPage{
		Base: s.within(w, r, in, provider.StepEnrol), QRSize: e.QRSize, QRPath: e.QRPath, Key: grouped(e.Key), URI: template.URL(e.URI), Forced: true,
	}, nil
}

// grouped sets a base32 key in groups of four, to be typed.
func grouped(key string) string {
	out := make([]byte, 0, len(key)*5/4)
	for i := range len(key) {
		if i > 0 && i%4 == 0 {
			out = append(out, ' ')
		}
		out = append(out, key[i])
	}
	return string(out)
}

func (s *Server) postEnrol(w http.ResponseWriter, r *http.Request) error {
	in, _, err := s.at(w, r, provider.StepEnrol)
	if in == nil {
		return err
	}
	b := s.browser(w, r)
	issued, err := s.signin.ConfirmTOTP(r.Context(), in.ID, b, r.PostForm.Get("code"))
	if status, fault := s.codeFault(r, err, loginui.KeyTOTPEnrolWrong); fault != nil {
		recordOf(w).err = err
		page, err := s.enrolPage(w, r, in)
		if err != nil {
			return s.gone(r, err)
		}
		page.Errors = fault
		s.respond(w, r, status, page)
		return nil
	}
	if err != nil {
		return s.gone(r, err)
	}
	return s.proven(w, r, in.ID, b, issued)
}

func (s *Server) consent(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepConsent)
	if in == nil {
		return err
	}
	s.respond(w, r, http.StatusOK, s.consentPage(w, r, in, next))
	return nil
}

func (s *Server) consentPage(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next) *loginui.ConsentPage {
	page := &loginui.ConsentPage{Base: s.within(w, r, in, provider.StepConsent), UserIDMasked: masked(next.Account)}
	page.Who = s.who(in, next.Account)
	for _, scope := range in.Data.Request.Scopes {
		if text, ok := s.set.Scopes[scope]; ok {
			page.Scopes = append(page.Scopes, loginui.ScopeText{Title: text.Title.In(page.Lang), Detail: text.Detail.In(page.Lang)})
		} else if scope != provider.ScopeOpenID {
			page.Scopes = append(page.Scopes, loginui.ScopeText{Standard: scope})
		}
	}
	if len(page.Scopes) == 0 {
		page.Scopes = []loginui.ScopeText{{Standard: provider.ScopeOpenID}}
	}
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
		return seeOther(w, r, stepPath(provider.StepConsent, in.ID))
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
