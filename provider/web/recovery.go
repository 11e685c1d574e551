package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// byRecovery is a recovery code in place of a second factor.
func (s *Server) byRecovery() way {
	return way{
		kind: provider.FactorRecovery,
		page: func(r *http.Request, base loginui.Base, next signin.Next) (loginui.Page, error) {
			left, err := s.signin.RecoveryLeft(r.Context(), next.Account.ID)
			return &loginui.RecoveryPage{Base: base, Left: left, OtherMethods: len(next.Usable) > 1}, err
		},
		try: func(r *http.Request, id string, b signin.Browser) (signin.Issued, error) {
			code := r.PostForm.Get("recovery_code")
			if strings.TrimSpace(code) == "" {
				return signin.Issued{}, provider.WrongCode
			}
			return s.signin.RecoveryCode(r.Context(), id, b, code)
		},
		wrong: func(r *http.Request) loginui.FieldError {
			key := loginui.KeyRecoveryWrong
			if strings.TrimSpace(r.PostForm.Get("recovery_code")) == "" {
				key = loginui.KeyRecoveryEmpty
			}
			return loginui.FieldError{Field: "recovery_code", Key: key}
		},
	}
}

// newCodesPath is where somebody who has set up a factor is offered recovery codes.
const newCodesPath = "/factor/recovery-codes"

// offerCodes explains recovery codes and offers to make some.
func (s *Server) offerCodes(w http.ResponseWriter, r *http.Request) error {
	in, _, err := s.at(w, r, provider.StepCodes)
	if in == nil {
		return err
	}
	s.respond(w, r, http.StatusOK, &loginui.RecoveryCodesPage{Base: s.within(w, r, in, newCodesPath)})
	return nil
}

// postMakeCodes makes them and shows them, this once.
func (s *Server) postMakeCodes(w http.ResponseWriter, r *http.Request) error {
	b, id := s.browser(w, r), signInID(r)
	codes, err := s.signin.MakeCodes(r.Context(), id, b)
	if errors.Is(err, provider.OutOfTurn) {
		return s.advance(w, r, id, b)
	}
	if err != nil {
		return s.gone(r, err)
	}
	in, err := s.signin.Load(r.Context(), id, b)
	if err != nil {
		return s.gone(r, err)
	}
	page := &loginui.RecoveryCodesPage{Base: s.within(w, r, in, newCodesPath), Codes: codes, Sealed: s.sealCodes("sign-in "+id, codes)}
	page.Return = "" // the page is gone once it has been shown
	s.respond(w, r, http.StatusOK, page)
	return nil
}

// postDownloadCodes gives the codes that were just shown as a file.
func (s *Server) postDownloadCodes(w http.ResponseWriter, r *http.Request) error {
	in, err := s.signin.Load(r.Context(), signInID(r), s.browser(w, r))
	if err != nil {
		return s.gone(r, err)
	}
	return s.codesFile(w, r, "sign-in "+in.ID)
}

// postCodesDone goes on: without codes where they were just offered; with them once
// their owner says that they are saved.
func (s *Server) postCodesDone(w http.ResponseWriter, r *http.Request) error {
	b, id := s.browser(w, r), signInID(r)
	if sealed := r.PostForm.Get("sealed"); sealed != "" && r.PostForm.Get("saved") != "1" {
		return s.codesUnsaved(w, r, id, b, sealed)
	}
	if err := s.signin.SkipCodes(r.Context(), id, b); err != nil && !errors.Is(err, provider.OutOfTurn) {
		return s.gone(r, err)
	}
	return s.advance(w, r, id, b)
}

// codesUnsaved shows the codes again that their owner has not said to be saved.
func (s *Server) codesUnsaved(w http.ResponseWriter, r *http.Request, id string, b signin.Browser, sealed string) error {
	in, err := s.signin.Load(r.Context(), id, b)
	if err != nil {
		return s.gone(r, err)
	}
	codes, err := s.openCodes(sealed, "sign-in "+in.ID)
	if err != nil {
		return err
	}
	page := &loginui.RecoveryCodesPage{Base: s.within(w, r, in, newCodesPath, loginui.FieldError{Field: "saved", Key: loginui.KeyCodesUnsaved}), Codes: codes, Sealed: sealed}
	page.Return = ""
	s.respond(w, r, http.StatusUnprocessableEntity, page)
	return nil
}

// sealCodes seals recovery codes for the hidden field "sealed" of the page that shows
// them, so that its download needs nothing stored. They open for the same subject
// only: a sign-in, or a session.
func (s *Server) sealCodes(subject string, codes []string) string {
	return base64.RawURLEncoding.EncodeToString(s.set.Keys.Seal(provider.ForCookie, []byte(strings.Join(codes, "\n")), codesCell(subject)))
}

func codesCell(subject string) string { return "recovery codes " + subject }

// openCodes opens what sealCodes has sealed for the same subject.
func (s *Server) openCodes(sealed, subject string) ([]string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, errForm
	}
	codes, err := s.set.Keys.Open(provider.ForCookie, raw, codesCell(subject))
	if err != nil {
		return nil, fmt.Errorf("%w: open recovery codes: %w", errForm, err)
	}
	return strings.Split(string(codes), "\n"), nil
}

// codesFile answers with the codes in the field "sealed" as a text file.
func (s *Server) codesFile(w http.ResponseWriter, r *http.Request, subject string) error {
	codes, err := s.openCodes(r.PostForm.Get("sealed"), subject)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="recovery-codes.txt"`)
	_, _ = fmt.Fprintf(w, "%s\r\n\r\n%s\r\n", s.host, strings.Join(codes, "\r\n"))
	return nil
}
