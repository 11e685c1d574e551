package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// serve answers r without a network.
func serve(i *webtest.Issuer, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	i.Server.Config.Handler.ServeHTTP(w, r)
	return w
}

// Whatever the query, the answer is a page of ours, the sign-in, or the client's
// registered address, and never a failure.
func FuzzAuthorize(f *testing.F) {
	i := webtest.Open(f, webtest.Quiet)
	app := i.Register(provider.Client{})
	for _, over := range [][]string{nil, {"prompt", "none"}, {"max_age", "0"}, {"redirect_uri", "https://evil.example/"}, {"state", "\xff\x00"}, {"claims", "{}"}, {"audience", "x"}} {
		f.Add(app.Params(over...).Encode())
	}
	f.Add("client_id=app&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&scope=openid&scope=openid")
	f.Add("%zz;&=&==&client_id=app")
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/oauth2/authorize", nil)
		r.URL.RawQuery = query
		w := serve(i, r)
		to := w.Header().Get("Location")
		switch {
		case w.Code == http.StatusBadRequest && to == "":
		case w.Code == http.StatusSeeOther && strings.HasPrefix(to, "/signin?ix="):
		case w.Code == http.StatusSeeOther && strings.HasPrefix(to, "https://app.example.com/callback?") && !strings.ContainsAny(to, "\r\n"):
			if got, err := url.ParseQuery(strings.TrimPrefix(to, "https://app.example.com/callback?")); err != nil || got.Get("error") == "" || got.Get("iss") != i.URL || got.Has("code") {
				t.Errorf("%q went to %s", query, to)
			}
		default:
			t.Errorf("%q: %d, to %q", query, w.Code, to)
		}
	})
}

// Only the registered addresses are gone to, and a loopback one with another port.
func FuzzRedirectURI(f *testing.F) {
	i := webtest.Open(f, webtest.Quiet)
	registered := []string{"https://native.example.com/callback", "http://127.0.0.1/cb", "http://[::1]:8000/cb?x=y", "com.example.app:/cb"}
	native := i.Register(provider.Client{ID: "native", Type: provider.ClientNative, RedirectURIs: registered})
	for _, uri := range append(registered, "http://127.0.0.1:9/cb", "http://user@127.0.0.1:9/cb", "http://127.0.0.1:9@evil.example/cb", "http://127.0.0.1:00/cb", "http://127.0.0.1:9/cb#", "https://127.0.0.1/cb") {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		w := serve(i, httptest.NewRequestWithContext(t.Context(), http.MethodGet, native.Authorize("redirect_uri", uri, "prompt", "none"), nil))
		to := w.Header().Get("Location")
		if w.Code == http.StatusBadRequest && to == "" {
			return
		}
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(to, uri) {
			t.Fatalf("%q: %d, to %q", uri, w.Code, to)
		}
		for _, known := range registered {
			if uri == known {
				return
			}
			got, err := url.Parse(uri)
			want, _ := url.Parse(known)
			if err == nil && want.Scheme == "http" && got.Port() != "" && strings.Replace(uri, ":"+got.Port(), "", 1) == strings.Replace(known, ":8000", "", 1) && got.Hostname() == want.Hostname() && got.User == nil {
				return
			}
		}
		t.Errorf("%q is not registered, and was gone to", uri)
	})
}

// No text that we did not make is a token, and none costs a statement.
func FuzzUserInfo(f *testing.F) {
	i := webtest.Open(f, webtest.Quiet)
	for _, token := range []string{"", "x", "at_x.y", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.e30.AAAA", "Bearer Bearer"} {
		f.Add("Bearer "+token, "access_token="+token)
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		before := i.Store.Statements()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequestWithContext(t.Context(), method, "/oauth2/userinfo", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if header != "" {
				r.Header["Authorization"] = []string{header}
			}
			if w := serve(i, r); w.Code != http.StatusUnauthorized && w.Code != http.StatusBadRequest {
				t.Errorf("%s %q %q: %d", method, header, body, w.Code)
			}
		}
		if n := i.Store.Statements() - before; n != 0 {
			t.Errorf("%q %q cost %d statements", header, body, n)
		}
	})
}
