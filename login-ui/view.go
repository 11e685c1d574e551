package loginui

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"
)

// view is what the templates see: the page, its texts and the issuer's settings.
type view struct {
	P        Page
	B        *Base
	S        *Settings
	Lang     string
	Title    string
	Problems []problem
	ui       *UI
	loc      *locale
}

// problem is a FieldError in the person's language.
type problem struct{ Field, Text string }

func (u *UI) view(p Page) (*view, error) {
	b := p.base()
	l := u.locale(b.Lang)
	h := p.heading()
	title, err := l.text(h.key, h.args)
	if err != nil {
		return nil, err
	}
	v := &view{P: p, B: b, S: &u.settings, Lang: l.lang, Title: title, ui: u, loc: l}
	for _, e := range b.Errors {
		text, err := l.text(e.Key, e.Args)
		if err != nil {
			return nil, err
		}
		v.Problems = append(v.Problems, problem{e.Field, text})
	}
	return v, nil
}

func (u *UI) locale(lang string) *locale {
	if l := u.locales[lang]; l != nil {
		return l
	}
	return u.locales[languages[0]]
}

// T returns the text for key. pairs are placeholder names and values in turn.
func (v *view) T(key string, pairs ...any) (string, error) {
	if len(pairs) == 0 {
		return v.loc.text(key, nil)
	}
	args := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return "", fmt.Errorf("text %q: placeholder name %v is not a string", key, pairs[i])
		}
		args[name] = pairs[i+1]
	}
	return v.loc.text(key, args)
}

// Paragraphs returns the text for key, one string per line of it.
func (v *view) Paragraphs(key string) ([]string, error) {
	text, err := v.loc.text(key, nil)
	return strings.Split(text, "\n"), err
}

// Problem returns the errors of one field.
func (v *view) Problem(field string) []string {
	var texts []string
	for _, p := range v.Problems {
		if p.Field == field {
			texts = append(texts, p.Text)
		}
	}
	return texts
}

// Clock returns a time of day in the issuer's zone.
func (v *view) Clock(t time.Time) (string, error) { return v.loc.clock(t.In(v.S.Location)) }

// Seconds returns a wait rounded up to whole seconds.
func (v *view) Seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// Static returns the address of a file in static/.
func (v *view) Static(name string) string { return v.ui.StaticPath(name) }

// Keep adds the sign-in transaction to a path of ours, so that the person finds the way back.
func (v *view) Keep(path string) string {
	if v.B.IX == "" {
		return path
	}
	return path + "?" + url.Values{"ix": {v.B.IX}}.Encode()
}

// CodeFirst reports whether the code is the first thing to do on the page, so that focus may go there at once.
func (v *view) CodeFirst() bool {
	switch p := v.P.(type) {
	case *TOTPPage, *CodePage, *RecoveryPage:
		return true
	case *EnrolContactPage:
		return p.Destination != ""
	}
	return false
}

// Host returns host, or the host of this site when it is "".
func (v *view) Host(host string) string {
	if host != "" {
		return host
	}
	_, host, _ = strings.Cut(v.S.Origin, "://")
	return host
}

// PhoneLink returns the tel: address of customer service: digits and a leading plus only (RFC 3966).
func (v *view) PhoneLink() template.URL { return phoneLink(v.S.Phone) }

func phoneLink(phone string) template.URL {
	return template.URL("tel:" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, phone))
}

// Switch is the offer to read this page in another language.
type Switch struct{ Lang, Name string }

// Switches returns the other languages, each named in itself; none when the page cannot be fetched again.
func (v *view) Switches() []Switch {
	if !ownPath(v.B.Return) {
		return nil
	}
	var others []Switch
	for _, lang := range languages {
		if lang == v.Lang {
			continue
		}
		name, err := v.ui.locales[lang].text("language.name", nil)
		if err == nil {
			others = append(others, Switch{lang, name})
		}
	}
	return others
}

// ownPath reports whether p is a path on this origin. Browsers read "//host" and "/\host" as another origin.
func ownPath(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "//") && !strings.ContainsAny(p, "\\\t\r\n")
}

// unsafeSchemes run script, or show what is not the web, in the name of this origin.
var unsafeSchemes = []string{"javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source"}

// Leave returns an address outside this origin for use in a link. Native apps register schemes of their own
// (RFC 8252 section 7.1), so anything absolute is allowed except unsafeSchemes.
func (v *view) Leave(address string) (template.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("address to leave for does not parse") // not err: it would quote a code or token
	}
	if u.Scheme == "" || slices.Contains(unsafeSchemes, strings.ToLower(u.Scheme)) {
		return "", fmt.Errorf("address to leave for: scheme %q is refused", u.Scheme)
	}
	if (u.Scheme == "https" || u.Scheme == "http") && u.Host == "" {
		return "", errors.New("address to leave for has no host")
	}
	return template.URL(address), nil
}

// Field returns the page-independent half of the parts that need a field id: the view and the id.
func (v *view) Field(id string) field { return field{v, id} }

type field struct {
	*view
	ID string
}
