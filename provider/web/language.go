package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	loginui "cardea/login-ui"
)

// tags are the page languages, the issuer's own first: it is the fallback.
func tags(own string) []language.Tag {
	out := []language.Tag{language.Make(own)}
	for _, l := range loginui.Languages() {
		if l != own {
			out = append(out, language.Make(l))
		}
	}
	return out
}

// language is the page language of r: chosen before, or what the browser prefers.
func (s *Server) language(r *http.Request) string {
	if chosen := s.cookie(r, cookieLanguage); slices.Contains(loginui.Languages(), chosen) {
		return chosen
	}
	_, i := language.MatchStrings(s.languages, r.Header.Get("Accept-Language"))
	return tags(s.set.Locale)[i].String()
}

// askLanguage makes a client's ui_locales (OpenID Connect Core §3.1.2.1) the page
// language, until the person chooses another.
func (s *Server) askLanguage(w http.ResponseWriter, r *http.Request, locales []string) {
	if len(locales) == 0 {
		return
	}
	var wanted []language.Tag
	for _, l := range locales {
		if tag, err := language.Parse(l); err == nil {
			wanted = append(wanted, tag)
		}
	}
	_, i, confidence := s.languages.Match(wanted...)
	if len(wanted) == 0 || confidence == language.No {
		return
	}
	lang := tags(s.set.Locale)[i].String()
	s.setCookie(w, cookieLanguage, lang, 0)
	r.AddCookie(&http.Cookie{Name: s.cookieName(cookieLanguage), Value: lang})
}

// postLanguage is the language switch: it comes back to the page it stood on.
func (s *Server) postLanguage(w http.ResponseWriter, r *http.Request) error {
	lang := r.PostForm.Get("lang")
	if !slices.Contains(loginui.Languages(), lang) {
		return errForm
	}
	s.setCookie(w, cookieLanguage, lang, 365*24*time.Hour)
	http.Redirect(w, r, localPath(r.PostForm.Get("return_to")), http.StatusSeeOther)
	return nil
}

// localPath is path when it leads to a page of ours, else the front page. What a
// browser may read as another host ("//", "/\") does not.
func localPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") ||
		strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return "/"
	}
	return path
}
