package web

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/signin"
)

// The cookies. Over https each has the __Host- prefix, which ties it to exactly
// this host (RFC 6265bis §4.1.3.2); plain http on loopback cannot have it.
const (
	cookieBrowser  = "browser"  // binds sign-ins to this browser, ends with it
	cookieSession  = "session"  // single sign-on, ends with the browser
	cookieDevice   = "device"   // known device
	cookieTrusted  = "trusted"  // trusted device: no second factor where only the policy asks for one
	cookieRemember = "remember" // the User ID, encrypted
	cookieLanguage = "language" // chosen language
)

func (s *Server) cookieName(name string) string {
	if s.secure {
		return "__Host-" + name
	}
	return "cardea-" + name
}

func (s *Server) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie sets a cookie for life, or until the browser is closed when life is 0;
// an empty value removes it.
func (s *Server) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: s.cookieName(name), Value: value, Path: "/", Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// browser is what the request tells of its browser.
func (s *Server) browser(w http.ResponseWriter, r *http.Request) signin.Browser {
	rec := recordOf(w)
	return signin.Browser{
		Token: s.cookie(r, cookieBrowser), Session: s.cookie(r, cookieSession), Device: s.cookie(r, cookieDevice),
		Trusted: s.cookie(r, cookieTrusted), Address: rec.address, UserAgent: r.UserAgent(), RequestID: rec.id,
	}
}

// issue sets the cookies that a step has issued and gives the browser as it will
// be from now on.
func (s *Server) issue(w http.ResponseWriter, b signin.Browser, issued signin.Issued) signin.Browser {
	if issued.Browser != "" {
		s.setCookie(w, cookieBrowser, issued.Browser, 0)
		b.Token = issued.Browser
	}
	if issued.Session != "" {
		s.setCookie(w, cookieSession, issued.Session, 0)
		b.Session = issued.Session
	}
	if issued.Device != "" {
		s.setCookie(w, cookieDevice, issued.Device, s.set.Device)
		b.Device = issued.Device
	}
	if issued.Trusted != "" {
		s.setCookie(w, cookieTrusted, issued.Trusted, s.set.Trust)
		b.Trusted = issued.Trusted
	}
	return b
}

// A form token proves that a form comes from a page that we gave to this browser.
// Within a sign-in it is bound to the sign-in, which is bound to the browser;
// elsewhere to the browser's cookie.
func (s *Server) formToken(subject string) string {
	return base64.RawURLEncoding.EncodeToString(s.set.Keys.MAC(provider.ForForm, subject))
}

// formSubject is what the form tokens of a request's page are bound to. The
// browser gets its cookie when it has none.
func (s *Server) formSubject(w http.ResponseWriter, r *http.Request, ix string) string {
	if ix != "" {
		return "sign-in " + ix
	}
	token := s.cookie(r, cookieBrowser)
	if token == "" {
		token = provider.NewToken()
		s.setCookie(w, cookieBrowser, token, 0)
		r.AddCookie(&http.Cookie{Name: s.cookieName(cookieBrowser), Value: token})
	}
	return "browser " + token
}

func (s *Server) checkFormToken(r *http.Request) error {
	subject := "sign-in " + r.PostForm.Get("ix")
	if r.PostForm.Get("ix") == "" {
		subject = "browser " + s.cookie(r, cookieBrowser)
	}
	got, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get("form_token"))
	if s.cookie(r, cookieBrowser) == "" {
		return errCookies
	}
	if err != nil || !s.set.Keys.CheckMAC(provider.ForForm, subject, got) {
		return fmt.Errorf("%w: form token is missing or another page's", provider.Forbidden)
	}
	return nil
}

const rememberCell = "cookie remember"

// remembered is the User ID that this browser remembers, or "".
func (s *Server) remembered(r *http.Request) string {
	sealed, err := base64.RawURLEncoding.DecodeString(s.cookie(r, cookieRemember))
	if err != nil || len(sealed) == 0 {
		return ""
	}
	id, err := s.set.Keys.Open(provider.ForCookie, sealed, rememberCell)
	if err != nil {
		return "" // another issuer's, or sealed with a key that is gone
	}
	return string(id)
}

// remember keeps the User ID, or forgets it when userID is "". It says nothing
// about who is signed in.
func (s *Server) remember(w http.ResponseWriter, userID string) {
	if userID == "" {
		s.setCookie(w, cookieRemember, "", 0)
		return
	}
	sealed := s.set.Keys.Seal(provider.ForCookie, []byte(userID), rememberCell)
	s.setCookie(w, cookieRemember, base64.RawURLEncoding.EncodeToString(sealed), s.set.Remember)
}

// shownUserID is a remembered User ID as the page shows it, and typedUserID turns
// what comes back into the User ID: the remembered one, or that of the session which
// is to be renewed.
func (s *Server) shownUserID(id string) string {
	if id != "" && s.set.RememberMasked {
		return provider.MaskUserID(id)
	}
	return id
}

func (s *Server) typedUserID(r *http.Request, typed string) string {
	if !s.set.RememberMasked {
		return typed
	}
	for _, known := range []func(*http.Request) string{s.remembered, s.signedIn} {
		if id := known(r); id != "" && hmac.Equal([]byte(typed), []byte(provider.MaskUserID(id))) {
			return id
		}
	}
	return typed
}

// signedIn is the User ID of the browser's session, or "".
func (s *Server) signedIn(r *http.Request) string {
	session, err := s.signin.Session(r.Context(), s.cookie(r, cookieSession))
	if err != nil || session == nil {
		return ""
	}
	account, err := s.store.Account(r.Context(), session.AccountID)
	if err != nil {
		return "" // the password is then tried with what was typed, and is wrong
	}
	return account.UserID
}

// base is what every page needs. ix is the sign-in that the page belongs to.
func (s *Server) base(w http.ResponseWriter, r *http.Request, ix string) loginui.Base {
	b := loginui.Base{Lang: s.language(r), IX: ix, FormToken: s.formToken(s.formSubject(w, r, ix))}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		b.Return = r.URL.RequestURI()
	}
	return b
}

func (s *Server) render(page loginui.Page) ([]byte, error) {
	var buf bytes.Buffer
	err := s.ui.Render(&buf, page)
	return buf.Bytes(), err
}
