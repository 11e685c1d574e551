package web

import (
	"errors"
	"html/template"
	"net/http"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// chooseNewPath is the chooser of factors to set up.
const chooseNewPath = "/factor/new"

// enrolPath is the page of what a sign-in has to set up, or the chooser where there is
// a choice.
func enrolPath(in *provider.SignIn, next signin.Next) string {
	if kinds := enrollable(in, next); len(kinds) == 1 {
		return newFactorPath(kinds[0])
	}
	return chooseNewPath
}

func newFactorPath(kind provider.FactorKind) string { return loginui.Method{Kind: string(kind)}.Path() }

// enrollable are the kinds of factors that may be set up, or the kind whose destination
// becomes the account's contact.
func enrollable(in *provider.SignIn, next signin.Next) []provider.FactorKind {
	switch in.Data.Task {
	case provider.TaskPhone:
		return []provider.FactorKind{provider.FactorSMS}
	case provider.TaskAddress:
		return []provider.FactorKind{provider.FactorEmail}
	}
	return next.Enrollable
}

// setting is what all pages of setting something up have in common.
type setting struct {
	forced bool // the issuer requires it before the sign-in can go on
	others bool // there is a choice
	centre bool // within the security centre
}

func settingOf(in *provider.SignIn, next signin.Next) setting {
	return setting{
		forced: in.Data.Task == "", others: len(enrollable(in, next)) > 1,
		centre: in.Data.Request.ClientID == provider.SecurityCentreID,
	}
}

// chooseNew lets somebody choose what to set up. Where nothing that is offered would
// do, nobody can go on from here by themselves.
func (s *Server) chooseNew(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepEnrol)
	if in == nil {
		return err
	}
	base, kinds := s.within(w, r, in, chooseNewPath), enrollable(in, next)
	if len(kinds) == 0 {
		s.respond(w, r, http.StatusOK, &loginui.StuckPage{Base: base})
		return nil
	}
	page := &loginui.EnrolPage{Base: base, Forced: settingOf(in, next).forced}
	for _, kind := range kinds {
		page.Methods = append(page.Methods, loginui.Method{Kind: string(kind)})
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

func (s *Server) newTOTP(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.offered(w, r, provider.StepEnrol, provider.FactorTOTP)
	if in == nil {
		return err
	}
	page, err := s.newTOTPPage(w, r, in, next)
	if err != nil {
		return s.gone(r, err)
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

func (s *Server) newTOTPPage(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next, faults ...loginui.FieldError) (*loginui.EnrolTOTPPage, error) {
	e, err := s.signin.Enrolment(r.Context(), in.ID, s.browser(w, r))
	if err != nil {
		return nil, err
	}
	set := settingOf(in, next)
	return &loginui.EnrolTOTPPage{
		Base: s.within(w, r, in, newFactorPath(provider.FactorTOTP), faults...), QRSize: e.QRSize, QRPath: e.QRPath,
		Key: grouped(e.Key), URI: template.URL(e.URI), Forced: set.forced, OtherMethods: set.others, Centre: set.centre,
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

func (s *Server) postNewTOTP(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.offered(w, r, provider.StepEnrol, provider.FactorTOTP)
	if in == nil {
		return err
	}
	b := s.browser(w, r)
	issued, err := s.signin.ConfirmTOTP(r.Context(), in.ID, b, r.PostForm.Get("code"))
	if err == nil {
		return s.proven(w, r, in.ID, b, issued)
	}
	status, faults := s.codeFault(w, err, wrongCode(r, loginui.KeyTOTPEnrolWrong))
	if faults == nil {
		return s.gone(r, err)
	}
	recordOf(w).err = err
	page, err := s.newTOTPPage(w, r, in, next, faults...)
	if err != nil {
		return s.gone(r, err)
	}
	s.respond(w, r, status, page)
	return nil
}

func (s *Server) newPasskey(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.offered(w, r, provider.StepEnrol, provider.FactorPasskey)
	if in == nil {
		return err
	}
	s.respond(w, r, http.StatusOK, s.newPasskeyPage(w, r, in, next))
	return nil
}

func (s *Server) newPasskeyPage(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next, faults ...loginui.FieldError) *loginui.EnrolPasskeyPage {
	set := settingOf(in, next)
	return &loginui.EnrolPasskeyPage{
		Base: s.within(w, r, in, newFactorPath(provider.FactorPasskey), faults...), Forced: set.forced, OtherMethods: set.others, Centre: set.centre,
	}
}

func (s *Server) postNewPasskey(w http.ResponseWriter, r *http.Request) error {
	b, id, credential := s.browser(w, r), signInID(r), r.PostForm.Get("credential")
	issued, err := signin.Issued{}, error(provider.WrongCode)
	if credential != "" {
		issued, err = s.signin.AddPasskey(r.Context(), id, b, credential)
		err = late(err)
	}
	switch {
	case err == nil:
		return s.proven(w, r, id, b, issued)
	case errors.Is(err, provider.OutOfTurn):
		return s.advance(w, r, id, b)
	}
	status, faults := s.codeFault(w, err, wrongPasskey(r, loginui.KeyPasskeyNotMade))
	switch {
	case errors.Is(err, provider.Exists):
		status, faults = http.StatusUnprocessableEntity, []loginui.FieldError{{Key: loginui.KeyPasskeyExists}}
	case errors.Is(err, provider.Forbidden):
		status, faults = http.StatusUnprocessableEntity, []loginui.FieldError{{Key: loginui.KeyPasskeyRefused}}
	case faults == nil:
		return s.gone(r, err)
	}
	in, next, failed := s.offered(w, r, provider.StepEnrol, provider.FactorPasskey)
	if in == nil {
		return failed
	}
	recordOf(w).err = err
	s.respond(w, r, status, s.newPasskeyPage(w, r, in, next, faults...))
	return nil
}

// contact is one kind of contact to prove: a telephone number or an e-mail address.
type contact struct {
	kind  provider.FactorKind
	page  string // path
	field string
	wrong string // text key
	// normal is "" for what cannot be a contact of the kind.
	normal func(typed string) string
}

var (
	contactPhone = contact{provider.FactorSMS, "/factor/phone/new", "phone", loginui.KeyPhoneWrong, func(typed string) string { return provider.NormalPhone(typed, "46") }}
	contactEmail = contact{provider.FactorEmail, "/factor/email/new", "email", loginui.KeyEmailWrong, provider.NormalEmail}
)

// newContact asks where to send a code, or for the code that was sent.
func (s *Server) newContact(c contact) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, next, err := s.offered(w, r, provider.StepEnrol, c.kind)
		if in == nil {
			return err
		}
		page, err := s.contactPage(w, r, c, in, next)
		if err != nil {
			return s.gone(r, err)
		}
		if r.URL.Query().Get("again") == "1" {
			page.Destination = ""
		}
		if page.Sent = page.Destination != "" && r.URL.Query().Has("sent"); page.Sent {
			page.Wait = 0
		}
		s.respond(w, r, http.StatusOK, page)
		return nil
	}
}

func (s *Server) contactPage(w http.ResponseWriter, r *http.Request, c contact, in *provider.SignIn, next signin.Next, faults ...loginui.FieldError) (*loginui.EnrolContactPage, error) {
	known, err := s.signin.Contact(r.Context(), in.ID, s.browser(w, r), c.kind)
	if err != nil {
		return nil, err
	}
	set := settingOf(in, next)
	return &loginui.EnrolContactPage{
		Base: s.within(w, r, in, c.page, faults...), Kind: string(c.kind), Contact: in.Data.Task == provider.TaskPhone || in.Data.Task == provider.TaskAddress,
		Current: known.Current, Fixed: known.Fixed, Destination: known.Destination, Wait: known.Wait, Forced: set.forced, OtherMethods: set.others, Centre: set.centre,
	}, nil
}

// postNewContact sends a code to what was typed.
func (s *Server) postNewContact(c contact) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, id, typed := s.browser(w, r), signInID(r), r.PostForm.Get(c.field)
		_, err := s.signin.SetContact(r.Context(), id, b, c.kind, typed, r.PostForm.Get("use") == "current")
		if err == nil {
			return seeOther(w, r, pagePath(c.page, id)+justSent)
		}
		status, faults := s.contactFault(w, err, c)
		return s.contactAgain(w, r, c, b, err, status, faults, func(page *loginui.EnrolContactPage) {
			page.Typed, page.Destination = typed, ""
			if page.Contact && c.normal(typed) != "" && status == http.StatusUnprocessableEntity {
				page.Errors = []loginui.FieldError{{Field: c.field, Key: loginui.KeyEmailTaken}}
			}
		})
	}
}

// contactFault is what the page says of a destination that was not accepted.
func (s *Server) contactFault(w http.ResponseWriter, err error, c contact) (int, []loginui.FieldError) {
	if _, ok := errors.AsType[provider.Faults](err); ok {
		return http.StatusUnprocessableEntity, []loginui.FieldError{{Field: c.field, Key: c.wrong}}
	}
	return s.codeFault(w, err, loginui.FieldError{})
}

// postSendContact sends a new code to the same destination.
func (s *Server) postSendContact(c contact) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, id := s.browser(w, r), signInID(r)
		sent, err := s.signin.ResendContact(r.Context(), id, b, c.kind)
		if err = refused(sent, err); err == nil {
			return seeOther(w, r, pagePath(c.page, id)+justSent)
		}
		status, faults := s.codeFault(w, err, loginui.FieldError{})
		return s.contactAgain(w, r, c, b, err, status, faults, nil)
	}
}

// postConfirmContact proves the destination with the code.
func (s *Server) postConfirmContact(c contact) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, id := s.browser(w, r), signInID(r)
		issued, err := s.signin.ConfirmContact(r.Context(), id, b, c.kind, r.PostForm.Get("code"))
		if err == nil {
			return s.proven(w, r, id, b, issued)
		}
		if errors.Is(err, provider.Expired) {
			_, err = s.signin.ResendContact(r.Context(), id, b, c.kind)
			err = renewed(err)
		}
		status, faults := s.codeFault(w, err, wrongCode(r, loginui.KeyCodeWrong))
		return s.contactAgain(w, r, c, b, err, status, faults, nil)
	}
}

// contactAgain shows a contact's page again because of err, which faults tell of.
func (s *Server) contactAgain(w http.ResponseWriter, r *http.Request, c contact, b signin.Browser, err error, status int, faults []loginui.FieldError, change func(*loginui.EnrolContactPage)) error {
	switch {
	case errors.Is(err, provider.OutOfTurn):
		return s.advance(w, r, signInID(r), b)
	case errors.Is(err, provider.Expired): // nothing was sent yet, or nothing that may be used
		return seeOther(w, r, pagePath(c.page, signInID(r)))
	case faults == nil:
		return s.gone(r, err)
	}
	in, next, failed := s.offered(w, r, provider.StepEnrol, c.kind)
	if in == nil {
		return failed
	}
	page, failed := s.contactPage(w, r, c, in, next, faults...)
	if failed != nil {
		return s.gone(r, failed)
	}
	if change != nil {
		change(page)
	}
	page.Wait = 0 // the fault says so
	recordOf(w).err = err
	s.respond(w, r, status, page)
	return nil
}
