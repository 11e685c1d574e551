package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// The chooser of second factors, and where every factor's own page is.
const (
	chooserPath = "/signin/verify"
	verifyRoot  = "/signin/verify/"
)

// verifyPath is the page of the factor that its owner is most likely to use.
func verifyPath(next signin.Next) string {
	if kinds := preferred(next); len(kinds) > 0 {
		return verifyRoot + string(kinds[0])
	}
	return chooserPath
}

// preferred are the kinds of factors to offer, the one used last first, then the
// strongest. Recovery codes come last: they only stand in for another.
func preferred(next signin.Next) []provider.FactorKind {
	kinds := slices.Clone(next.Usable)
	slices.SortStableFunc(kinds, func(a, b provider.FactorKind) int {
		if a.Strong() != b.Strong() {
			return map[bool]int{true: -1, false: 1}[a.Strong()]
		}
		last := lastUsed(next.Factors, b).LastUsed.Compare(lastUsed(next.Factors, a).LastUsed)
		return cmp.Or(last, cmp.Compare(slices.Index(provider.FactorKinds, a), slices.Index(provider.FactorKinds, b)))
	})
	return kinds
}

// lastUsed is the factor of a kind that was used last.
func lastUsed(factors []provider.Factor, kind provider.FactorKind) (last provider.Factor) {
	for _, f := range factors {
		if f.Kind == kind && (last.ID == "" || f.LastUsed.After(last.LastUsed)) {
			last = f
		}
	}
	return last
}

// methods are the kinds of factors to offer, by name where there is one of a kind.
func methods(next signin.Next) (out []loginui.Method) {
	for _, kind := range preferred(next) {
		m := loginui.Method{Kind: string(kind)}
		for i, f := range next.Factors {
			if f.Kind == kind {
				m.Name = f.Name
				if slices.ContainsFunc(next.Factors[i+1:], func(f provider.Factor) bool { return f.Kind == kind }) {
					m.Name = ""
				}
				break
			}
		}
		out = append(out, m)
	}
	return out
}

// offered is at for a page of one kind of factor: where the sign-in may not use it, or
// set it up, it redirects to the page of its step.
func (s *Server) offered(w http.ResponseWriter, r *http.Request, step provider.Step, kind provider.FactorKind) (*provider.SignIn, signin.Next, error) {
	in, next, err := s.at(w, r, step)
	if in == nil {
		return nil, next, err
	}
	kinds := next.Usable
	if step == provider.StepEnrol {
		kinds = enrollable(in, next)
	}
	if !slices.Contains(kinds, kind) {
		return nil, next, seeOther(w, r, stepPath(in, next))
	}
	return in, next, nil
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepVerify)
	if in == nil {
		return err
	}
	if len(next.Usable) == 0 { // as where codes would go to a contact that is gone
		s.respond(w, r, http.StatusOK, &loginui.StuckPage{Base: s.within(w, r, in, chooserPath)})
		return nil
	}
	s.respond(w, r, http.StatusOK, s.verifyPage(w, r, in, next))
	return nil
}

func (s *Server) verifyPage(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next, faults ...loginui.FieldError) *loginui.VerifyPage {
	return &loginui.VerifyPage{Base: s.verifying(w, r, in, next, chooserPath, faults...), Methods: methods(next)}
}

// verifying is within for a page that asks for a second factor. Who is signed in
// already is told what for.
func (s *Server) verifying(w http.ResponseWriter, r *http.Request, in *provider.SignIn, next signin.Next, path string, faults ...loginui.FieldError) loginui.Base {
	base := s.within(w, r, in, path, faults...)
	if askedAgain(in, next) {
		base.Purpose = s.client(r, in.Data.Request.ClientID).Purpose.In(base.Lang)
	}
	return base
}

func (s *Server) postVerify(w http.ResponseWriter, r *http.Request) error {
	in, next, err := s.at(w, r, provider.StepVerify)
	if in == nil {
		return err
	}
	if kind := provider.FactorKind(r.PostForm.Get("method")); slices.Contains(next.Usable, kind) {
		return seeOther(w, r, pagePath(verifyRoot+string(kind), in.ID))
	}
	s.respond(w, r, http.StatusUnprocessableEntity, s.verifyPage(w, r, in, next, loginui.FieldError{Field: "method", Key: loginui.KeyMethodMissing}))
	return nil
}

// stuck is for who can use none of their factors.
func (s *Server) stuck(w http.ResponseWriter, r *http.Request) error {
	in, _, err := s.at(w, r, provider.StepVerify)
	if in == nil {
		return err
	}
	s.respond(w, r, http.StatusOK, &loginui.StuckPage{Base: s.within(w, r, in, verifyRoot+"help")})
	return nil
}

// way is one kind of second factor at sign-in.
type way struct {
	kind provider.FactorKind
	// page asks for the factor.
	page func(r *http.Request, base loginui.Base, next signin.Next) (loginui.Page, error)
	// try tries what the form holds.
	try func(r *http.Request, id string, b signin.Browser) (signin.Issued, error)
	// wrong is what the page says when that was wrong.
	wrong func(r *http.Request) loginui.FieldError
}

func (s *Server) byTOTP() way {
	return way{
		kind: provider.FactorTOTP,
		page: func(_ *http.Request, base loginui.Base, next signin.Next) (loginui.Page, error) {
			return &loginui.TOTPPage{Base: base, TrustDevice: next.TrustHelps, OtherMethods: len(next.Usable) > 1}, nil
		},
		try: func(r *http.Request, id string, b signin.Browser) (signin.Issued, error) {
			return s.signin.TOTP(r.Context(), id, b, r.PostForm.Get("code"), wantsTrust(r))
		},
		wrong: func(r *http.Request) loginui.FieldError { return wrongCode(r, loginui.KeyTOTPWrong) },
	}
}

// wantsTrust tells whether the device is to be trusted from now on.
func wantsTrust(r *http.Request) bool { return r.PostForm.Get("trust_device") == "1" }

// ask is the page of a way.
func (s *Server) ask(by way) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, next, err := s.offered(w, r, provider.StepVerify, by.kind)
		if in == nil {
			return err
		}
		page, err := by.page(r, s.verifying(w, r, in, next, verifyRoot+string(by.kind)), next)
		if err != nil {
			return s.gone(r, err)
		}
		s.respond(w, r, http.StatusOK, page)
		return nil
	}
}

// answer tries what was given on the page of a way first, as postSignIn does the
// password, and shows the page again when it was wrong.
func (s *Server) answer(by way) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, id := s.browser(w, r), signInID(r)
		issued, err := by.try(r, id, b)
		s.attempted(attemptName(by.kind), err)
		switch {
		case err == nil:
			return s.proven(w, r, id, b, issued)
		case errors.Is(err, provider.OutOfTurn):
			return s.advance(w, r, id, b)
		}
		status, faults := s.codeFault(w, err, by.wrong(r))
		if faults == nil {
			return s.gone(r, err)
		}
		in, next, failed := s.offered(w, r, provider.StepVerify, by.kind)
		if in == nil {
			return failed
		}
		recordOf(w).err = err
		page, failed := by.page(r, s.verifying(w, r, in, next, verifyRoot+string(by.kind), faults...), next)
		if failed != nil {
			return s.gone(r, failed)
		}
		s.respond(w, r, status, page)
		return nil
	}
}

// attemptName is what attempts at a kind of factor are counted under.
func attemptName(kind provider.FactorKind) string {
	return cmp.Or(provider.MethodOf(kind), string(kind))
}

// wrongCode is what a page says of a code that is wrong: that it is none, or key.
func wrongCode(r *http.Request, key string) loginui.FieldError {
	if !signin.SixDigits(r.PostForm.Get("code")) {
		key = loginui.KeyCodeFormat
	}
	return loginui.FieldError{Field: "code", Key: key}
}

// codeFault is what a page says of a code, or a passkey, that was not accepted: wrong
// where it is wrong. It is nil when err is about something else.
func (s *Server) codeFault(w http.ResponseWriter, err error, wrong loginui.FieldError) (int, []loginui.FieldError) {
	count := func(n int) map[string]any { return map[string]any{"Count": n} }
	if lock, ok := errors.AsType[*provider.LockedError](err); ok {
		if lock.Hard {
			return http.StatusForbidden, []loginui.FieldError{{Key: loginui.KeyCodeLocked}}
		}
		wait := lock.Until.Sub(s.set.Now())
		retryAfter(w, wait)
		return http.StatusTooManyRequests, []loginui.FieldError{{Key: loginui.KeyCodeTooMany, Args: count(minutes(wait))}}
	}
	if often, ok := errors.AsType[*provider.TooOftenError](err); ok {
		retryAfter(w, often.Wait)
		if n := seconds(often.Wait); n < 60 {
			return http.StatusTooManyRequests, []loginui.FieldError{{Key: loginui.KeyCodeWait, Args: count(n)}}
		}
		return http.StatusTooManyRequests, []loginui.FieldError{{Key: loginui.KeyCodeNotSent, Args: count(minutes(often.Wait))}}
	}
	switch {
	case errors.Is(err, errRenewed):
		return http.StatusUnprocessableEntity, []loginui.FieldError{{Field: "code", Key: loginui.KeyCodeExpired}}
	case errors.Is(err, provider.Spent):
		return http.StatusUnprocessableEntity, []loginui.FieldError{{Field: "code", Key: loginui.KeyCodeUsedUp}}
	case errors.Is(err, provider.WrongCode):
		return http.StatusUnprocessableEntity, []loginui.FieldError{wrong}
	}
	return 0, nil
}
