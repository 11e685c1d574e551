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

// within is the base of a page of a sign-in. A page that answers a form is, as a
// GET, the page of its step.
func (s *Server) within(w http.ResponseWriter, r *http.Request, in *provider.SignIn, step provider.Step) loginui.Base {
	base := s.base(w, r, in.ID)
	base.Client = s.clientName(r, in.Data.Request.ClientID)
	if base.Return == "" {
		base.Return = stepPath(step, in.ID)
	}
	return base
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	in, _, err := s.at(w, r, provider.StepPassword)
	if in == nil {
		return err
	}
	page := &loginui.SignInPage{Base: s.within(w, r, in, provider.StepPassword)}
	if id := s.remembered(r); id != "" {
		page.UserID, page.Remembered, page.RememberTicked = s.shownUserID(id), true, true
	} else {
		page.UserID = in.Data.Request.LoginHint
	}
	if len(page.UserID) > 4*provider.MaxUserID {
		page.UserID = ""
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
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
		s.attempted(provider.AMRPassword, err)
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
	in, _, failed := s.at(w, r, provider.StepPassword)
	if in == nil {
		return failed
	}
	if errors.Is(err, provider.Locked) {
		return s.locked(w, r, in, err)
	}
	var attempt *signin.AttemptError
	recordOf(w).err = err
	s.respond(w, r, http.StatusUnprocessableEntity, &loginui.SignInPage{
		Base: s.faulty(w, r, in, provider.StepPassword, faults), UserID: username, RememberTicked: remember,
		AttemptsLeftOne: errors.As(err, &attempt) && attempt.Left == 1,
	})
	return nil
}

// faulty is within for a page that is shown again because of faults.
func (s *Server) faulty(w http.ResponseWriter, r *http.Request, in *provider.SignIn, step provider.Step, faults []loginui.FieldError) loginui.Base {
	base := s.within(w, r, in, step)
	base.Errors = faults
	return base
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
		byPassword := slices.Contains(in.Data.Proof.AMR, provider.AMRPassword)
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
	page := &loginui.LockedPage{Base: s.within(w, r, in, provider.StepPassword)}
	status := http.StatusForbidden
	var lock *provider.LockedError
	if errors.As(err, &lock) && !lock.Hard {
		page.Until, status = lock.Until, http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(int(lock.Until.Sub(s.set.Now()).Seconds())+1))
	}
	recordOf(w).err = err
	s.respond(w, r, status, page)
	return nil
}

// postCancel ends the sign-in: the client hears access_denied (RFC 6749 §4.1.2.1).
func (s *Server) postCancel(w http.ResponseWriter, r *http.Request) error {
	in, err := s.signin.Cancel(r.Context(), r.PostForm.Get("ix"), s.browser(w, r))
	if err != nil {
		return s.gone(r, err)
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
	page := &loginui.AccountPage{Base: s.within(w, r, in, provider.StepAccount), UserIDMasked: masked(next.Account)}
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
		return seeOther(w, r, stepPath(provider.StepAccount, in.ID))
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

// minutes is a wait rounded up.
func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }
