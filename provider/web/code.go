package web

import (
	"errors"
	"net/http"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// errRenewed: the code had expired, and a new one was sent in its place.
var errRenewed = errors.New("the code had expired and a new one was sent")

// justSent marks the address of a page that follows upon the sending of a code.
const justSent = "&sent=1"

// bySent is a code by SMS or e-mail.
func (s *Server) bySent(kind provider.FactorKind) way {
	return way{
		kind: kind,
		page: func(_ *http.Request, base loginui.Base, next signin.Next) (loginui.Page, error) {
			return codePage(kind, base, next), nil
		},
		try: func(r *http.Request, id string, b signin.Browser) (signin.Issued, error) {
			issued, err := s.signin.VerifyCode(r.Context(), id, b, kind, r.PostForm.Get("code"), wantsTrust(r))
			if errors.Is(err, provider.Expired) {
				_, err = s.signin.SendCode(r.Context(), id, b, kind)
				err = renewed(err)
			}
			return issued, err
		},
		wrong: func(r *http.Request) loginui.FieldError { return wrongCode(r, loginui.KeyCodeWrong) },
	}
}

// renewed is errRenewed, unless the new code could not be sent.
func renewed(err error) error {
	if err != nil {
		return err
	}
	return errRenewed
}

func codePage(kind provider.FactorKind, base loginui.Base, next signin.Next) *loginui.CodePage {
	return &loginui.CodePage{
		Base: base, Kind: string(kind), Destination: destination(next.Account, kind),
		TrustDevice: next.TrustHelps, OtherMethods: len(next.Usable) > 1,
	}
}

// destination is where codes of a kind go, masked.
func destination(a *provider.Account, kind provider.FactorKind) string {
	if kind == provider.FactorSMS {
		return provider.MaskPhone(a.Destination(kind))
	}
	return provider.MaskEmail(a.Destination(kind))
}

// askCode is the page of a code that is sent: to view it makes sure that there is one.
func (s *Server) askCode(kind provider.FactorKind) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, next, err := s.offered(w, r, provider.StepVerify, kind)
		if in == nil {
			return err
		}
		page, status := codePage(kind, s.verifying(w, r, in, next, verifyRoot+string(kind)), next), http.StatusOK
		if r.Method == http.MethodGet { // HEAD sends nothing
			sent, err := s.signin.Code(r.Context(), in.ID, s.browser(w, r), kind)
			if err = refused(sent, err); err != nil {
				recordOf(w).err = err
				if status, page.Errors = s.codeFault(w, err, loginui.FieldError{}); page.Errors == nil {
					return s.gone(r, err)
				}
			}
			page.Sent = sent.New || err == nil && r.URL.Query().Has("sent")
		}
		s.respond(w, r, status, page)
		return nil
	}
}

// refused is err, or that no code was sent because it is too soon.
func refused(sent signin.Sent, err error) error {
	if err == nil && sent.Wait > 0 {
		return &provider.TooOftenError{Wait: sent.Wait}
	}
	return err
}

// postSend sends a new code.
func (s *Server) postSend(kind provider.FactorKind) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, id := s.browser(w, r), signInID(r)
		sent, err := s.signin.SendCode(r.Context(), id, b, kind)
		err = refused(sent, err)
		switch {
		case err == nil:
			return seeOther(w, r, pagePath(verifyRoot+string(kind), id)+justSent)
		case errors.Is(err, provider.OutOfTurn):
			return s.advance(w, r, id, b)
		}
		status, faults := s.codeFault(w, err, loginui.FieldError{})
		if faults == nil {
			return s.gone(r, err)
		}
		in, next, failed := s.offered(w, r, provider.StepVerify, kind)
		if in == nil {
			return failed
		}
		recordOf(w).err = err
		s.respond(w, r, status, codePage(kind, s.verifying(w, r, in, next, verifyRoot+string(kind), faults...), next))
		return nil
	}
}
