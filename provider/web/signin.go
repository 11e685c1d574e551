package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// at loads the sign-in of r and makes sure that it stands at step. When it stands
// elsewhere it redirects there and gives nil.
func (s *Server) at(w http.ResponseWriter, r *http.Request, step provider.Step) (*provider.SignIn, signin.Next, error) {
	in, next, err := s.stand(r, signInID(r), s.browser(w, r))
	if err != nil {
		return nil, signin.Next{}, err
	}
	if next.Step != step {
		return nil, signin.Next{}, s.goOn(w, r, in, next)
	}
	recordOf(w).client = in.Data.Request.ClientID
	return in, next, nil
}

// signInID is the sign-in that a page's address or form names. It never parses a
// body: form has done that, with its limits.
func signInID(r *http.Request) string {
	if r.Method == http.MethodPost {
		return r.PostForm.Get("ix")
	}
	return r.URL.Query().Get("ix")
}

// within is the base of a page of a sign-in. An answer to a form has the page that it
// is to be seen at as a GET, and what was wrong with the form.
func (s *Server) within(w http.ResponseWriter, r *http.Request, in *provider.SignIn, page string, faults ...loginui.FieldError) loginui.Base {
	base := s.base(w, r, in.ID)
	base.Client = s.clientName(r, in.Data.Request.ClientID)
	base.Errors = faults
	if base.Return == "" {
		base.Return = pagePath(page, in.ID)
	}
	return base
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepPassword)
	if in == nil {
		return err
	}
	page := s.signInPage(w, r, in, next)
	switch id := s.remembered(r); {
	case page.Again:
		page.UserID, page.Remembered = s.shownUserID(next.Account.UserID), id == next.Account.UserID
	case id != "":
		page.UserID, page.Remembered = s.shownUserID(id), true
	default:
		page.UserID = in.Data.Request.LoginHint
	}
	page.RememberTicked = page.Remembered
	if len(page.UserID) > 4*provider.MaxUserID {
		page.UserID = ""
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

// signInPage is the sign-in page, but for the User ID. Who is signed in already and is
// asked again is told what for.
func (s *Server) signInPage(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next, faults ...loginui.FieldError) *loginui.SignInPage {
	client := s.client(r, in.Data.Request.ClientID)
	page := &loginui.SignInPage{Base: s.within(w, r, in, steps[provider.StepPassword], faults...), Passkey: s.passkeys(client)}
	if page.Again = askedAgain(in, next); page.Again {
		page.Purpose = client.Purpose.In(page.Lang)
	}
	return page
}

// askedAgain tells that the page speaks to somebody who is signed in and is asked to show
// once more that it is them.
func askedAgain(in *provider.SignIn, next signin.Next) bool {
	hint := in.Data.Request.HintSubject
	return next.Session != nil && next.Account != nil && next.Account.ID == next.Session.AccountID && !in.Data.Other &&
		(hint == "" || hint == next.Account.ID)
}

// passkeys tells whether people may sign in to client with a passkey.
func (s *Server) passkeys(client *provider.Client) bool {
	return s.set.Passkeys && (client.Factors == nil || slices.Contains(client.Factors, provider.FactorPasskey))
}

// postSignIn tries the password first and looks at the sign-in again only when its
// page must be shown once more.
func (s *Server) postSignIn(w http.ResponseWriter, r *http.Request) error {
	username, remember := r.PostForm.Get("username"), r.PostForm.Get("remember") == "1"
	typed, password := s.typedUserID(r, username), r.PostForm.Get("password")
	faults := missing(typed, password)
	b, id := s.browser(w, r), signInID(r)
	var issued signin.Issued
	var err error
	if len(faults) == 0 {
		issued, err = s.signin.Password(r.Context(), id, b, typed, password, remember)
		s.attempted(provider.MethodPassword, err)
		switch {
		case err == nil:
			return s.proven(w, r, id, b, issued)
		case errors.Is(err, provider.OutOfTurn):
			return s.advance(w, r, id, b)
		case errors.Is(err, provider.WrongPassword):
			faults = []loginui.FieldError{{Key: loginui.KeySignInWrong}}
		case !errors.Is(err, provider.Locked):
			return s.gone(r, err)
		}
	}
	in, next, failed := s.at(w, r, provider.StepPassword)
	if in == nil {
		return failed
	}
	if errors.Is(err, provider.Locked) {
		return s.locked(w, r, in, err)
	}
	var attempt *signin.AttemptError
	recordOf(w).err = err
	page := s.signInPage(w, r, in, next, faults...)
	page.UserID, page.RememberTicked = username, remember
	page.AttemptsLeftOne = errors.As(err, &attempt) && attempt.Left == 1
	s.respond(w, r, http.StatusUnprocessableEntity, page)
	return nil
}

func missing(userID, password string) (faults []loginui.FieldError) {
	if provider.NormalUserID(userID) == "" {
		faults = append(faults, loginui.FieldError{Field: "username", Key: loginui.KeyUsernameEmpty})
	}
	if password == "" {
		faults = append(faults, loginui.FieldError{Field: "password", Key: loginui.KeyPasswordEmpty})
	}
	return faults
}

// proven sets the cookies of a step that succeeded and goes on. Once the sign-in
// has become a session, the User ID is remembered or forgotten as was asked.
func (s *Server) proven(w http.ResponseWriter, r *http.Request, id string, b signin.Browser, issued signin.Issued) error {
	b = s.issue(w, b, issued)
	in, next, err := s.stand(r, id, b)
	if err != nil {
		return err
	}
	if issued.Session != "" && next.Account != nil {
		byPassword := slices.Contains(in.Data.Proof.Methods, provider.MethodPassword)
		switch {
		case in.Data.Remember:
			s.remember(w, next.Account.UserID)
		case byPassword && s.cookie(r, cookieRemember) != "":
			s.remember(w, "")
		}
	}
	return s.goOn(w, r, in, next)
}

// locked shows until when a lane is locked. A User ID that does not exist gets the
// same page.
func (s *Server) locked(w http.ResponseWriter, r *http.Request, in *provider.SignIn, err error) error {
	page := &loginui.LockedPage{
		Base: s.within(w, r, in, steps[provider.StepPassword]), Passkey: s.passkeys(s.client(r, in.Data.Request.ClientID)),
	}
	status := http.StatusForbidden
	var lock *provider.LockedError
	if errors.As(err, &lock) && !lock.Hard {
		page.Until, status = lock.Until, http.StatusTooManyRequests
		retryAfter(w, lock.Until.Sub(s.set.Now()))
	}
	recordOf(w).err = err
	s.respond(w, r, status, page)
	return nil
}

// postCancel ends the sign-in: the client hears access_denied (RFC 6749 §4.1.2.1).
func (s *Server) postCancel(w http.ResponseWriter, r *http.Request) error {
	b := s.browser(w, r)
	in, err := s.signin.Cancel(r.Context(), r.PostForm.Get("ix"), b)
	if err != nil {
		return s.gone(r, err)
	}
	if in.Data.Request.ClientID == provider.SecurityCentreID {
		path, err := s.leaveCentre(r, in, b)
		if err != nil {
			return err
		}
		return seeOther(w, r, path)
	}
	return s.handOver(w, r, in.Data.Request.ClientID, s.oidc.Refuse(&in.Data.Request, "access_denied"))
}

func (s *Server) account(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepAccount)
	if in == nil {
		return err
	}
	s.respond(w, r, http.StatusOK, s.accountPage(w, r, in, next))
	return nil
}

func (s *Server) accountPage(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next) *loginui.AccountPage {
	page := &loginui.AccountPage{Base: s.within(w, r, in, steps[provider.StepAccount]), UserIDMasked: masked(next.Account)}
	page.Who = s.who(in, next.Account)
	return page
}

func (s *Server) postAccount(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepAccount)
	if in == nil {
		return err
	}
	choice := r.PostForm.Get("choice")
	if choice != "continue" && choice != "other" {
		page := s.accountPage(w, r, in, next)
		page.Errors = []loginui.FieldError{{Key: loginui.KeyChoiceMissing}}
		s.respond(w, r, http.StatusUnprocessableEntity, page)
		return nil
	}
	if r.PostForm.Get("who") != s.who(in, next.Account) {
		return seeOther(w, r, pagePath(steps[provider.StepAccount], in.ID))
	}
	b := s.browser(w, r)
	if err := s.signin.Choose(r.Context(), in.ID, b, choice == "other"); err != nil {
		return s.gone(r, err)
	}
	return s.advance(w, r, in.ID, b)
}

// who names the person that a page speaks to, within one sign-in: when somebody else
// signs in in another tab meanwhile, the page's answer is not theirs.
func (s *Server) who(in *provider.SignIn, a *provider.Account) string {
	if a == nil {
		return ""
	}
	return s.formToken("person " + in.ID + " " + a.ID)
}

func masked(a *provider.Account) string {
	if a == nil {
		return ""
	}
	return provider.MaskUserID(a.UserID)
}

// minutes and seconds are a wait rounded up.
func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// retryAfter says when to try again (RFC 9110 §10.2.3).
func retryAfter(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, seconds(wait))))
}
