package webtest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Browser is a browser without script: it keeps cookies, follows redirects on the
// issuer's host, and stops at the client's.
type Browser struct {
	i      *Issuer
	Client *http.Client
	Header http.Header // sent with every request
}

// Page is an answer as the browser sees it.
type Page struct {
	Status int
	Header http.Header
	Body   string
	URL    *url.URL
	Away   *url.URL // where the issuer sent the browser: an address of the client's; nil = it is still here
}

// Browser opens a new browser.
func (i *Issuer) Browser() *Browser {
	i.T.Helper()
	jar, err := cookiejar.New(nil)
	i.must(err)
	return &Browser{i: i, Header: http.Header{}, Client: &http.Client{
		Jar: jar, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Copy is another browser that has got hold of the cookies that this one has now.
func (b *Browser) Copy() *Browser {
	b.i.T.Helper()
	u := mustParse(b.i.URL)
	out := b.i.Browser()
	out.Header = b.Header.Clone()
	out.Client.Jar.SetCookies(u, b.Client.Jar.Cookies(u))
	return out
}

// At is the same browser at another server of the same issuer: it has the same cookies.
func (b *Browser) At(i *Issuer) *Browser {
	there := *b
	there.i = i
	return &there
}

// Cookie is the value of the issuer's cookie, or "".
func (b *Browser) Cookie(name string) string {
	u, _ := url.Parse(b.i.URL)
	for _, c := range b.Client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// SetCookie plants a cookie; "" removes it.
func (b *Browser) SetCookie(name, value string) {
	u, _ := url.Parse(b.i.URL)
	c := &http.Cookie{Name: name, Value: value, Path: "/"}
	if value == "" {
		c.MaxAge = -1
	}
	b.Client.Jar.SetCookies(u, []*http.Cookie{c})
}

// Get opens an address of the issuer's; path may be relative.
func (b *Browser) Get(address string) *Page {
	b.i.T.Helper()
	return b.load(http.MethodGet, address, nil)
}

// Post sends a form.
func (b *Browser) Post(address string, form url.Values) *Page {
	b.i.T.Helper()
	return b.load(http.MethodPost, address, form)
}

func (b *Browser) load(method, address string, form url.Values) *Page {
	b.i.T.Helper()
	base, _ := url.Parse(b.i.URL)
	for range 10 {
		u, err := base.Parse(address)
		b.i.must(err)
		if u.Host != base.Host {
			return &Page{Status: http.StatusSeeOther, URL: u, Away: u}
		}
		p := b.once(method, u, form)
		location := p.Header.Get("Location")
		if location == "" {
			return p
		}
		address, method, form, base = location, http.MethodGet, nil, mustParse(b.i.URL)
	}
	b.i.T.Fatalf("too many redirects, last to %s", address)
	return nil
}

func mustParse(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func (b *Browser) once(method string, u *url.URL, form url.Values) *Page {
	b.i.T.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.i.T.Context(), method, u.String(), body)
	b.i.must(err)
	for name, values := range b.Header {
		r.Header[name] = values
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if r.Header.Get("Origin") == "" {
			r.Header.Set("Origin", b.i.URL)
		}
	}
	resp, err := b.Client.Do(r)
	b.i.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	b.i.must(err)
	p := &Page{Status: resp.StatusCode, Header: resp.Header, Body: string(text), URL: u}
	if away := p.Refresh(); away != nil {
		p.Away = away
	}
	return p
}

// Refresh is where a hand-over page leads, nil for any other page.
func (p *Page) Refresh() *url.URL {
	if !strings.Contains(p.Body, `http-equiv="refresh"`) && !strings.Contains(p.Body, "http-equiv=refresh") {
		return nil
	}
	for n := range p.nodes("meta") {
		if attr(n, "http-equiv") == "refresh" {
			_, address, _ := strings.Cut(attr(n, "content"), "url=")
			return mustParse(address)
		}
	}
	return nil
}

func (p *Page) nodes(tag string) func(func(*html.Node) bool) {
	return func(yield func(*html.Node) bool) {
		doc, err := html.Parse(strings.NewReader(p.Body))
		if err != nil {
			return
		}
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode && n.Data == tag && !yield(n) {
				return
			}
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// Form gives the fields of the page's form that posts to action, as loaded.
func (p *Page) Form(action string) (url.Values, bool) {
	for form := range p.nodes("form") {
		if attr(form, "action") != action {
			continue
		}
		fields := url.Values{}
		for n := range form.Descendants() {
			kind := attr(n, "type")
			if n.Data != "input" || attr(n, "name") == "" || slices.Contains([]string{"checkbox", "radio"}, kind) && !has(n, "checked") {
				continue
			}
			fields.Set(attr(n, "name"), attr(n, "value"))
		}
		return fields, true
	}
	return nil, false
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// Submit sends the page's form that posts to action, with fields filled in as
// name, value pairs; a value of "-" leaves the field out.
func (b *Browser) Submit(p *Page, action string, fields ...string) *Page {
	b.i.T.Helper()
	form, ok := p.Form(action)
	if !ok {
		b.i.T.Fatalf("page %s (%d) has no form to %s:\n%s", p.URL, p.Status, action, p.Body)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] == "-" {
			form.Del(fields[i])
			continue
		}
		form.Set(fields[i], fields[i+1])
	}
	return b.Post(action, form)
}

// SignIn fills in the sign-in page.
func (b *Browser) SignIn(p *Page, userID, password string, more ...string) *Page {
	b.i.T.Helper()
	return b.Submit(p, "/signin", append([]string{"username", userID, "password", password}, more...)...)
}
