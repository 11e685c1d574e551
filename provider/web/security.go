package web

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// The pages of the security centre.
const (
	passwordPath = "/security/password"
	methodsPath  = "/security/methods"
	codesPath    = "/security/recovery-codes"
	devicesPath  = "/security/devices"
	othersPath   = "/security/devices/sign-out-others"
	activityPath = "/security/activity"
	reportPath   = "/security/report"
	appsPath     = "/security/apps"
	contactPath  = "/security/contact"
	languagePath = "/security/language"
)

// maxBack is the longest address, in bytes, that a sign-in comes back to with its
// query.
const maxBack = 256

// idleStep is the part of the idle limit that a session may end early, as its page
// sees it: see provider.SessionLimits.Stale.
const idleStep = 15

// ownerPage is one verb of one page of the security centre, for its owner.
type ownerPage func(w http.ResponseWriter, r *http.Request, o *signin.Owner) error

// owned shows a page of the security centre; whoever must sign in first comes back
// to it. Where a form on the page changes something, sure asks before it is filled
// in rather than after.
func (s *Server) owned(sure bool, h ownerPage) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		back := r.URL.RequestURI()
		if len(back) > maxBack {
			back = r.URL.Path
		}
		o, err := s.owner(w, r, back, sure)
		if o == nil {
			return err
		}
		return h(w, r, o)
	}
}

// changing answers a form of the security centre; back is the page that has the
// form. A page that was given to somebody else changes nothing.
func (s *Server) changing(back string, h ownerPage) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.PostForm.Get("ix") != "" {
			return fmt.Errorf("%w: the form token is a sign-in's, not this page's", provider.Forbidden)
		}
		back := strings.ReplaceAll(back, "{id}", mux.Vars(r)["id"])
		o, err := s.owner(w, r, back, false)
		if o == nil {
			return err
		}
		if !hmac.Equal([]byte(r.PostForm.Get("who")), []byte(s.whose(o.Account.ID))) {
			return seeOther(w, r, back)
		}
		if err = h(w, r, o); errors.Is(err, provider.Reauthenticate) {
			return s.enter(w, r, o.Browser, signin.Entry{Back: back, Sure: true})
		}
		return err
	}
}

// owner is who may see the security centre, or with sure change something in it.
// When nobody may it leads to a sign-in that ends at back, and gives nil.
func (s *Server) owner(w http.ResponseWriter, r *http.Request, back string, sure bool) (*signin.Owner, error) {
	b := s.browser(w, r)
	o, err := s.signin.Owner(r.Context(), b)
	if err != nil || o != nil && (!sure || s.signin.Recent(o)) {
		return o, err
	}
	return nil, s.enter(w, r, b, signin.Entry{Back: back, Sure: sure})
}

// enter begins a sign-in into the security centre.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, b signin.Browser, e signin.Entry) error {
	in, issued, err := s.signin.Enter(r.Context(), b, e)
	if err != nil {
		return err
	}
	b = s.issue(w, b, issued)
	next, err := s.signin.Next(r.Context(), in.Data, b)
	if err != nil {
		return err
	}
	return s.goOn(w, r, in, next)
}

// whose names the person that a page of the security centre speaks to, as who does
// within a sign-in.
func (s *Server) whose(accountID string) string { return s.formToken("owner " + accountID) }

// centre is what every page of the security centre has.
func (s *Server) centre(w http.ResponseWriter, r *http.Request, o *signin.Owner) loginui.Centre {
	c := loginui.Centre{Base: s.base(w, r, ""), Idle: s.set.Idle - s.set.Idle/idleStep, Done: r.URL.Query().Get("done")}
	c.Who, c.SignedIn = s.whose(o.Account.ID), true
	return c
}

// again is centre for a page that is shown once more because of faults; back is the
// page as a GET.
func (s *Server) again(w http.ResponseWriter, r *http.Request, o *signin.Owner, back string, faults ...loginui.FieldError) loginui.Centre {
	c := s.centre(w, r, o)
	c.Return, c.Errors = back, faults
	return c
}

// done goes to a page of the security centre that says what was just done.
func done(w http.ResponseWriter, r *http.Request, path, what string) error {
	return seeOther(w, r, path+"?done="+what)
}

func (s *Server) security(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	all, err := s.signin.Overview(r.Context(), o)
	if err != nil {
		return err
	}
	page := &loginui.SecurityPage{
		Centre: s.centre(w, r, o), UserIDMasked: provider.MaskUserID(o.Account.UserID), PasswordChanged: o.Account.PasswordChanged,
		Factors: factorRows(o, all.RecoveryLeft), RecoveryLeft: all.RecoveryLeft, Sessions: all.Sessions, Trusted: all.Trusted, Apps: all.Apps,
		Advice: s.advice(all),
	}
	if all.Last != nil {
		page.LastSignIn, page.LastBrowser = all.Last.At, loginui.BrowserName(all.Last.UserAgent)
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

func (s *Server) password(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	s.respond(w, r, http.StatusOK, &loginui.PasswordPage{Centre: s.centre(w, r, o), UserID: o.Account.UserID})
	return nil
}

func (s *Server) postPassword(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	status, faults := http.StatusUnprocessableEntity, passwordsMissing(r)
	if len(faults) == 0 {
		issued, err := s.signin.ChangePassword(r.Context(), o, r.PostForm.Get("password"), r.PostForm.Get("new_password"), r.PostForm.Get("end_others") == "1")
		if err == nil || errors.Is(err, provider.WrongPassword) || errors.Is(err, provider.Locked) {
			s.attempted(provider.MethodPassword, err)
		}
		if err == nil {
			s.issue(w, o.Browser, issued)
			return done(w, r, securityPath, loginui.DonePassword)
		}
		var lock *provider.LockedError
		if errors.As(err, &lock) && lock.Hard {
			recordOf(w).err = err
			s.respond(w, r, http.StatusForbidden, &loginui.LockedPage{Base: s.again(w, r, o, passwordPath).Base})
			return nil
		}
		if status, faults = s.passwordFaults(w, r, o, err); len(faults) == 0 {
			return err
		}
		recordOf(w).err = err
	}
	s.respond(w, r, status, &loginui.PasswordPage{Centre: s.again(w, r, o, passwordPath, faults...), UserID: o.Account.UserID})
	return nil
}

// passwordsMissing looks at what needs no look at the account. Script removes the
// second field where it shows what is typed.
func passwordsMissing(r *http.Request) (faults []loginui.FieldError) {
	next := r.PostForm.Get("new_password")
	if r.PostForm.Get("password") == "" {
		faults = append(faults, loginui.FieldError{Field: "password", Key: loginui.KeyCurrentEmpty})
	}
	switch {
	case next == "":
		faults = append(faults, loginui.FieldError{Field: "new_password", Key: loginui.KeyNewEmpty})
	case r.PostForm.Has("new_password2") && r.PostForm.Get("new_password2") != next:
		faults = append(faults, loginui.FieldError{Field: "new_password2", Key: loginui.KeyNewDiffers})
	}
	return faults
}

// passwordFaults is what the page says of a password that was not changed; nothing
// when err is about something else.
func (s *Server) passwordFaults(w http.ResponseWriter, r *http.Request, o *signin.Owner, err error) (int, []loginui.FieldError) {
	var faults provider.Faults
	var lock *provider.LockedError
	switch {
	case errors.As(err, &lock):
		wait := lock.Until.Sub(s.set.Now())
		retryAfter(w, wait)
		return http.StatusTooManyRequests, []loginui.FieldError{{Key: loginui.KeyPasswordLocked, Args: map[string]any{"Count": minutes(wait)}}}
	case errors.Is(err, provider.WrongPassword):
		return http.StatusUnprocessableEntity, []loginui.FieldError{{Field: "password", Key: loginui.KeyCurrentWrong}}
	case errors.As(err, &faults):
		return http.StatusUnprocessableEntity, []loginui.FieldError{s.newPasswordFault(r, o.Account)}
	}
	return 0, nil
}

// newPasswordFault is the first thing wrong with a new password that was refused.
func (s *Server) newPasswordFault(r *http.Request, a *provider.Account) loginui.FieldError {
	next := provider.NormalPassword(r.PostForm.Get("new_password"))
	fault := loginui.FieldError{Field: "new_password", Key: loginui.KeyNewGuessable}
	policy, n := s.set.NewPassword, utf8.RuneCountInString(next)
	lenient := policy
	lenient.RequireClasses = false
	switch {
	case next == provider.NormalPassword(r.PostForm.Get("password")):
		fault.Key = loginui.KeyNewSame
	case n > provider.MaxPassword:
		fault.Key = loginui.KeyNewLong
	case n < policy.MinLength:
		fault.Key, fault.Args = loginui.KeyNewShort, map[string]any{"Count": policy.MinLength}
	case policy.RequireClasses && lenient.Check(next, a.UserID, a.Profile.Email) == nil:
		fault.Key = loginui.KeyNewClasses
	}
	return fault
}

func (s *Server) contact(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	p := o.Account.Profile
	s.respond(w, r, http.StatusOK, &loginui.ContactPage{
		Centre: s.centre(w, r, o), Email: p.Email, EmailVerified: p.EmailVerified, Phone: p.PhoneNumber, PhoneVerified: p.PhoneNumberVerified,
	})
	return nil
}

func (s *Server) postContact(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	task := provider.Task(r.PostForm.Get("task"))
	if task != provider.TaskPhone && task != provider.TaskAddress {
		return errForm
	}
	return s.enter(w, r, o.Browser, signin.Entry{Task: task, Back: contactPath + "?done=" + string(task)})
}

func (s *Server) ownLanguage(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	s.respond(w, r, http.StatusOK, &loginui.LanguagePage{Centre: s.centre(w, r, o), Chosen: o.Account.Locale})
	return nil
}

func (s *Server) postOwnLanguage(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	lang := r.PostForm.Get("lang")
	if !slices.Contains(loginui.Languages(), lang) {
		return errForm
	}
	if err := s.signin.SetLanguage(r.Context(), o, lang); err != nil {
		return err
	}
	s.setCookie(w, cookieLanguage, lang, 365*24*time.Hour)
	return done(w, r, languagePath, loginui.DoneLanguage)
}

// stay keeps the session alive while its owner reads: looking at it notes that it
// was used. It does not outlive its absolute limit, and who signs in anew has new form
// tokens. Script asks, so that there is no page to show.
func (s *Server) stay(w http.ResponseWriter, r *http.Request) error {
	session, err := s.signin.Session(r.Context(), s.cookie(r, cookieSession))
	if err != nil {
		return err
	}
	status := http.StatusNoContent
	if session == nil {
		status = http.StatusUnauthorized
	}
	w.WriteHeader(status)
	return nil
}

// timeout is where script leads when nobody has done anything for too long. It ends
// nothing: the session has ended by itself, or is about to.
func (s *Server) timeout(w http.ResponseWriter, r *http.Request) error {
	s.respond(w, r, http.StatusOK, &loginui.TimeoutPage{Base: s.base(w, r, ""), Minutes: int(s.set.Idle / time.Minute)})
	return nil
}
