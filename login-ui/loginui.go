// Package loginui is everything a cardholder sees: the pages of the sign-in, their texts in every language, and the
// notices that are sent afterwards. It decides nothing and fetches nothing: handlers fill in a page struct, Render
// writes the document.
//
// Every page works without script, loads nothing from elsewhere, and holds under the content security policy CSP.
package loginui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"
)

// CSP is the Content-Security-Policy header that every page is written for. Answers to forms stay on this origin
// (form-action 'self'), which is why ContinuePage exists: Chromium applies form-action to the whole redirect chain.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

//go:embed templates/*.html locales/*.json mail/*/*.txt static/*
var files embed.FS

// Settings are the issuer's own words and links, fixed at start. Brand and Origin are required; a contact route or
// link that is "" is left out of pages and sentences.
type Settings struct {
	Brand             string // "Example Card"
	Origin            string // "https://id.example.se": shown so that people can compare it with the address bar
	Phone             string // customer service, as people write it: "010-000 00 00"
	Hours             string // its opening hours, language-neutral: "08–20"
	Email             string
	ChatURL           string // absolute, http or https, as are the three links below
	PrivacyURL        string
	AccessibilityURL  string         // the accessibility statement
	TermsURL          string         //
	Location          *time.Location // for clock times; nil = UTC
	Demo              bool           // a loud DEMO banner on every page
	PasswordMinLength int            // characters; 0 = 12
	TrustDays         int            // how long a device is trusted; 0 = 30
}

func (s *Settings) normalise() error {
	if s.Brand == "" {
		return fmt.Errorf("setting Brand is empty: name the card issuer")
	}
	origin, err := url.Parse(s.Origin)
	if err != nil || origin.Scheme == "" || origin.Host == "" || origin.Path != "" {
		return fmt.Errorf("setting Origin %q: want scheme and host and no path, such as https://id.example.se", s.Origin)
	}
	links := []struct{ name, value string }{
		{"ChatURL", s.ChatURL}, {"PrivacyURL", s.PrivacyURL},
		{"AccessibilityURL", s.AccessibilityURL}, {"TermsURL", s.TermsURL},
	}
	for _, l := range links {
		if l.value != "" && !strings.HasPrefix(l.value, "https://") && !strings.HasPrefix(l.value, "http://") {
			return fmt.Errorf("setting %s %q: want an absolute http or https address", l.name, l.value)
		}
	}
	if s.Location == nil {
		s.Location = time.UTC
	}
	if s.TrustDays == 0 {
		s.TrustDays = 30
	}
	if s.PasswordMinLength == 0 {
		s.PasswordMinLength = 12
	}
	return nil
}

// UI renders pages and notices. It is safe for concurrent use.
type UI struct {
	settings Settings
	locales  map[string]*locale
	pages    map[string]*template.Template
	assets   *assets
	notices  notices
	buffers  sync.Pool
}

// New parses every template and text once. Its error names the setting, template or text key that is at fault.
func New(s Settings) (*UI, error) {
	if err := s.normalise(); err != nil {
		return nil, fmt.Errorf("login pages: %w", err)
	}
	locales, err := loadLocales(s)
	if err != nil {
		return nil, fmt.Errorf("login pages: %w", err)
	}
	pages, err := parsePages(locales[languages[0]])
	if err != nil {
		return nil, fmt.Errorf("login pages: %w", err)
	}
	assets, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("login pages: %w", err)
	}
	notices, err := parseNotices()
	if err != nil {
		return nil, fmt.Errorf("login pages: %w", err)
	}
	u := &UI{settings: s, locales: locales, pages: pages, assets: assets, notices: notices}
	u.buffers.New = func() any { return new(bytes.Buffer) }
	return u, nil
}

// Render writes p as a complete document. On an error nothing has been written to w.
func (u *UI) Render(w io.Writer, p Page) error {
	t := u.pages[p.template()]
	if t == nil {
		return fmt.Errorf("render page: no template %q", p.template())
	}
	v, err := u.view(p)
	if err != nil {
		return fmt.Errorf("render %s: %w", p.template(), err)
	}
	buf := u.buffers.Get().(*bytes.Buffer)
	defer u.buffers.Put(buf)
	buf.Reset()
	if err := t.ExecuteTemplate(buf, "layout", v); err != nil {
		return fmt.Errorf("render %s: %w", p.template(), err)
	}
	if _, err := w.Write(buf.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", p.template(), err)
	}
	return nil
}
