package web

import (
	"encoding/json"
	"errors"
	"net/http"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// byPasskey is a passkey as second factor. Script fills in the field "credential".
func (s *Server) byPasskey() way {
	return way{
		kind: provider.FactorPasskey,
		page: func(_ *http.Request, base loginui.Base, next signin.Next) (loginui.Page, error) {
			return &loginui.PasskeyPage{Base: base, TrustDevice: next.TrustHelps, OtherMethods: len(next.Usable) > 1}, nil
		},
		try: func(r *http.Request, id string, b signin.Browser) (signin.Issued, error) {
			return s.tryPasskey(r, id, b, wantsTrust(r), false)
		},
		wrong: func(r *http.Request) loginui.FieldError { return wrongPasskey(r, loginui.KeyPasskeyFailed) },
	}
}

// tryPasskey tries an authenticator's answer. One whose challenge is over is wrong: the
// page asks for another.
func (s *Server) tryPasskey(r *http.Request, id string, b signin.Browser, trust, remember bool) (signin.Issued, error) {
	credential := r.PostForm.Get("credential")
	if credential == "" {
		return signin.Issued{}, provider.WrongCode
	}
	issued, err := s.signin.Passkey(r.Context(), id, b, credential, trust, remember)
	return issued, late(err)
}

// late takes a challenge that is over for a wrong answer. A sign-in that is over is
// found out by whoever looks for it next.
func late(err error) error {
	if errors.Is(err, provider.Expired) {
		return provider.WrongCode
	}
	return err
}

// wrongPasskey is what a page says of an authenticator's answer that is wrong: that
// there is none, or key.
func wrongPasskey(r *http.Request, key string) loginui.FieldError {
	if r.PostForm.Get("credential") == "" {
		key = loginui.KeyPasskeyNoScript
	}
	return loginui.FieldError{Key: key}
}

// passkeyOptions are what script hands to navigator.credentials.get().
func (s *Server) passkeyOptions(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	options, err := s.signin.PasskeyOptions(r.Context(), signInID(r), s.browser(w, r))
	return options, s.gone(r, err)
}

// newPasskeyOptions are what script hands to navigator.credentials.create().
func (s *Server) newPasskeyOptions(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	options, err := s.signin.NewPasskeyOptions(r.Context(), signInID(r), s.browser(w, r))
	return options, s.gone(r, err)
}

// postPasskey signs in with a passkey in place of User ID and password.
func (s *Server) postPasskey(w http.ResponseWriter, r *http.Request) error {
	b, id, remember := s.browser(w, r), signInID(r), r.PostForm.Get("remember") == "1"
	issued, err := s.tryPasskey(r, id, b, false, remember)
	s.attempted(attemptName(provider.FactorPasskey), err)
	switch {
	case err == nil:
		return s.proven(w, r, id, b, issued)
	case errors.Is(err, provider.OutOfTurn):
		return s.advance(w, r, id, b)
	}
	status, faults := s.codeFault(w, err, wrongPasskey(r, loginui.KeyPasskeyFailed))
	if faults == nil {
		return s.gone(r, err)
	}
	in, next, failed := s.at(w, r, provider.StepPassword)
	if in == nil {
		return failed
	}
	recordOf(w).err = err
	page := s.signInPage(w, r, in, next, faults...)
	page.UserID, page.RememberTicked = s.shownUserID(s.remembered(r)), remember
	if unknown, ok := errors.AsType[*signin.UnknownCredential](err); ok {
		page.Signal = &loginui.PasskeySignal{RPID: s.set.PasskeyRPID, Credentials: []string{unknown.ID}}
	}
	s.respond(w, r, status, page)
	return nil
}

// relatedOrigins answers GET /.well-known/webauthn (WebAuthn Level 3 §5.11): the other
// origins that may use our passkeys.
func (s *Server) relatedOrigins(w http.ResponseWriter, _ *http.Request) error {
	if len(s.set.RelatedOrigins) == 0 {
		return provider.NotFound
	}
	text, err := json.Marshal(map[string][]string{"origins": s.set.RelatedOrigins})
	if err == nil {
		writeJSON(w, http.StatusOK, text)
	}
	return err
}
