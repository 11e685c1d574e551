package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gorilla/mux"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// fewCodes is how many recovery codes are so few that new ones are advised.
const fewCodes = 3

// advice is the one thing that would help the account most: another way in when there
// is just a password, then a way back in, then the strongest way in.
func (s *Server) advice(all signin.Overview) string {
	strong, passkey := false, false
	for _, f := range all.Factors {
		strong = strong || f.Kind.Strong()
		passkey = passkey || f.Kind == provider.FactorPasskey
	}
	switch {
	case !strong:
		return "factor"
	case all.RecoveryLeft >= 0 && all.RecoveryLeft <= fewCodes:
		return "recovery"
	case !passkey && s.set.Passkeys:
		return "passkey"
	}
	return ""
}

// factorRows are the owner's second factors, the strongest kinds first.
func factorRows(o *signin.Owner, left int) (rows []loginui.FactorRow) {
	for _, kind := range provider.FactorKinds {
		for _, f := range o.Factors {
			if f.Kind == kind {
				rows = append(rows, factorRow(o, &f, left))
			}
		}
	}
	return rows
}

func factorRow(o *signin.Owner, f *provider.Factor, left int) loginui.FactorRow {
	row := loginui.FactorRow{ID: f.ID, Kind: string(f.Kind), Name: f.Name, Added: f.Created, Used: f.LastUsed}
	switch f.Kind {
	case provider.FactorPasskey:
		row.Renamable, row.Synced = true, f.Passkey != nil && f.Passkey.BackedUp
	case provider.FactorTOTP:
		row.Renamable = true
	case provider.FactorSMS:
		row.Name = provider.MaskPhone(o.Account.Profile.PhoneNumber)
	case provider.FactorEmail:
		row.Name = provider.MaskEmail(o.Account.Profile.Email)
	case provider.FactorRecovery:
		row.Left = max(left, 0)
	}
	return row
}

func (s *Server) methods(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	all, err := s.signin.Overview(r.Context(), o)
	if err != nil {
		return err
	}
	addable, err := s.addable(r, o)
	if err != nil {
		return err
	}
	page := &loginui.MethodsPage{Centre: s.centre(w, r, o), Factors: factorRows(o, all.RecoveryLeft), RecoveryLeft: all.RecoveryLeft}
	for _, kind := range addable {
		page.Addable = append(page.Addable, loginui.Method{Kind: string(kind)})
	}
	if rpID, handle, credentials := s.signin.Signal(o); rpID != "" {
		page.Signal = &loginui.PasskeySignal{RPID: rpID, UserHandle: handle, Credentials: credentials}
	}
	s.respond(w, r, http.StatusOK, page)
	return nil
}

// addable are the kinds of second factors that the owner may set up: any number of
// passkeys and apps, one of the others.
func (s *Server) addable(r *http.Request, o *signin.Owner) (kinds []provider.FactorKind, err error) {
	next, err := s.signin.Next(r.Context(), provider.SignInData{Request: provider.Authorization{ClientID: provider.SecurityCentreID}}, o.Browser)
	if err != nil {
		return nil, err
	}
	for _, kind := range next.Enrollable {
		many := kind == provider.FactorPasskey || kind == provider.FactorTOTP
		if many || !slices.ContainsFunc(o.Factors, func(f provider.Factor) bool { return f.Kind == kind }) {
			kinds = append(kinds, kind)
		}
	}
	return kinds, nil
}

func (s *Server) postAddMethod(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	addable, err := s.addable(r, o)
	if err != nil {
		return err
	}
	task := provider.Task(r.PostForm.Get("task"))
	if !slices.Contains(addable, task.Kind()) {
		return seeOther(w, r, methodsPath) // set up meanwhile, or never offered
	}
	return s.enter(w, r, o.Browser, signin.Entry{Task: task, Back: methodsPath + "?done=" + string(task)})
}

// factorOf is the owner's factor that the address names; provider.NotFound also for
// somebody else's.
func factorOf(r *http.Request, o *signin.Owner) (*provider.Factor, error) {
	for i := range o.Factors {
		if o.Factors[i].ID == mux.Vars(r)["id"] {
			return &o.Factors[i], nil
		}
	}
	return nil, provider.NotFound
}

func methodPath(f *provider.Factor) string { return methodsPath + "/" + f.ID }

func (s *Server) method(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	f, err := factorOf(r, o)
	if err != nil {
		return err
	}
	return s.showMethod(w, r, http.StatusOK, o, f, s.centre(w, r, o))
}

func (s *Server) showMethod(w http.ResponseWriter, r *http.Request, status int, o *signin.Owner, f *provider.Factor, c loginui.Centre) error {
	left, err := s.signin.RecoveryLeft(r.Context(), o.Account.ID)
	if err != nil {
		return err
	}
	s.respond(w, r, status, &loginui.MethodPage{Centre: c, Factor: factorRow(o, f, left), Last: s.set.SecondFactor == provider.SecondFactorRequired && lastStrong(o, f)})
	return nil
}

// lastStrong tells whether f is the owner's only strong factor.
func lastStrong(o *signin.Owner, f *provider.Factor) bool {
	return f.Kind.Strong() && !slices.ContainsFunc(o.Factors, func(other provider.Factor) bool { return other.ID != f.ID && other.Kind.Strong() })
}

func (s *Server) postRenameMethod(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	f, err := factorOf(r, o)
	if err != nil {
		return err
	}
	var faults provider.Faults
	switch err := s.signin.RenameFactor(r.Context(), o, f.ID, r.PostForm.Get("name")); {
	case errors.As(err, &faults):
		return s.showMethod(w, r, http.StatusUnprocessableEntity, o, f, s.again(w, r, o, methodPath(f), nameFault(r.PostForm.Get("name"))))
	case err != nil:
		return err
	}
	return done(w, r, methodsPath, loginui.DoneFactorRenamed)
}

// nameFault is what is wrong with a refused name.
func nameFault(name string) loginui.FieldError {
	if utf8.RuneCountInString(strings.TrimSpace(name)) > signin.MaxFactorName {
		return loginui.FieldError{Field: "name", Key: loginui.KeyNameLong}
	}
	return loginui.FieldError{Field: "name", Key: loginui.KeyNameEmpty}
}

func (s *Server) removeMethod(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	f, err := factorOf(r, o)
	if err != nil {
		return err
	}
	row := factorRow(o, f, 0)
	s.respond(w, r, http.StatusOK, &loginui.ConfirmPage{
		Centre: s.centre(w, r, o), What: "factor", Name: row.Name, Action: methodPath(f) + "/remove", Back: methodPath(f),
	})
	return nil
}

func (s *Server) postRemoveMethod(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	f, err := factorOf(r, o)
	if err != nil {
		return err
	}
	switch err = s.signin.RemoveFactor(r.Context(), o, f.ID); {
	case errors.Is(err, provider.LastFactor):
		return seeOther(w, r, methodPath(f)) // which says so
	case err != nil:
		return err
	}
	return done(w, r, methodsPath, loginui.DoneFactorRemoved)
}

func (s *Server) ownCodes(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	if !s.set.Recovery {
		return provider.NotFound
	}
	left, err := s.signin.RecoveryLeft(r.Context(), o.Account.ID)
	if err != nil {
		return err
	}
	s.respond(w, r, http.StatusOK, &loginui.RecoveryCodesPage{Base: s.centre(w, r, o).Base, Centre: true, Left: left})
	return nil
}

func (s *Server) postOwnCodes(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	if !s.set.Recovery {
		return provider.NotFound
	}
	codes, err := s.signin.RenewRecoveryCodes(r.Context(), o)
	if err != nil {
		return err
	}
	// Without Return: a language switch would lose the codes.
	s.respond(w, r, http.StatusOK, &loginui.RecoveryCodesPage{
		Base: s.centre(w, r, o).Base, Centre: true, Codes: codes, Sealed: s.sealCodes("account "+o.Account.ID, codes),
	})
	return nil
}

// postOwnCodesFile gives the codes that were just shown as a file.
func (s *Server) postOwnCodesFile(w http.ResponseWriter, r *http.Request, o *signin.Owner) error {
	return s.codesFile(w, r, "account "+o.Account.ID)
}
