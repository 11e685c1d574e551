package loginui

import (
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestEveryDocument(t *testing.T) {
	t.Parallel()
	for _, s := range []Settings{full, bare} {
		u := newUI(t, s)
		for _, lang := range Languages() {
			for _, each := range samples(lang) {
				name := lang + " " + each.name
				if s == bare {
					name += " bare"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					d := parseDocument(t, render(t, u, each.page))
					d.checkHead(lang, each.page)
					d.checkReferences()
					d.checkPolicy(u)
					d.checkForms(each.page.base())
					d.checkErrors(each.page.base().Errors)
					d.checkWords()
				})
			}
		}
	}
}

// document is a rendered page as the browser's parser sees it.
type document struct {
	*testing.T
	source string
	nodes  []*html.Node // elements in document order
}

func parseDocument(t *testing.T, source string) *document {
	t.Helper()
	root, err := html.Parse(strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{T: t, source: source}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			d.nodes = append(d.nodes, n)
		}
	}
	return d
}

func (d *document) all(names ...string) []*html.Node {
	var found []*html.Node
	for _, n := range d.nodes {
		if slices.Contains(names, n.Data) {
			found = append(found, n)
		}
	}
	return found
}

func (d *document) one(name string) *html.Node {
	d.Helper()
	found := d.all(name)
	if len(found) != 1 {
		d.Fatalf("got %d <%s>, want exactly one", len(found), name)
	}
	return found[0]
}

func (d *document) byID(id string) *html.Node {
	for _, n := range d.nodes {
		if attr(n, "id") == id {
			return n
		}
	}
	return nil
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

func (d *document) checkHead(lang string, p Page) {
	if got := attr(d.one("html"), "lang"); got != lang {
		d.Errorf("lang = %q, want %q", got, lang)
	}
	want := text(d.one("h1")) + " – Example Card"
	if len(p.base().Errors) > 0 {
		want = map[string]string{"en": "Error: ", "sv": "Fel: "}[lang] + want
	}
	var titles []string
	for _, n := range d.all("title") {
		if n.Parent.Data == "head" {
			titles = append(titles, text(n))
		}
	}
	if len(titles) != 1 || titles[0] != want {
		d.Errorf("titles = %q, want %q", titles, want)
	}
	for _, landmark := range []string{"header", "main", "footer"} {
		d.one(landmark)
	}
	if level := d.all("h1", "h2", "h3", "h4"); level[0].Data != "h1" || len(d.all("h3", "h4")) > 0 {
		d.Error("headings: want h1 first and nothing below h2")
	}
}

// checkReferences: ids are unique, and whatever points at one finds it.
func (d *document) checkReferences() {
	ids := map[string]bool{}
	for _, n := range d.nodes {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				d.Errorf("id %q appears twice", id)
			}
			ids[id] = true
		}
	}
	for _, n := range d.nodes {
		for _, key := range []string{"for", "aria-describedby", "aria-labelledby"} {
			for id := range strings.FieldsSeq(attr(n, key)) {
				if !ids[id] {
					d.Errorf("<%s %s=%q>: no such id", n.Data, key, id)
				}
			}
		}
		if id, ok := strings.CutPrefix(attr(n, "href"), "#"); ok && !ids[id] {
			d.Errorf("link to #%s: no such id", id)
		}
	}
	for _, n := range d.all("input") {
		if attr(n, "type") != "hidden" && !d.labelled(attr(n, "id")) {
			d.Errorf("input %q has no label", attr(n, "id"))
		}
	}
	if n := len(slices.DeleteFunc(slices.Clone(d.nodes), func(n *html.Node) bool { return !has(n, "autofocus") })); n > 1 {
		d.Errorf("%d elements want the focus", n)
	}
}

func (d *document) labelled(id string) bool {
	return slices.ContainsFunc(d.all("label"), func(n *html.Node) bool { return attr(n, "for") == id })
}

// checkPolicy: nothing that CSP would block, and nothing from elsewhere.
func (d *document) checkPolicy(u *UI) {
	if strings.Contains(d.source, "ZgotmplZ") || strings.Contains(d.source, "no value") {
		d.Error("the template engine refused or missed a value")
	}
	for _, n := range d.nodes {
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				d.Errorf("<%s> has the attribute %s", n.Data, a.Key)
			}
		}
		src := attr(n, "src")
		if n.Data == "link" {
			src = attr(n, "href")
		}
		switch {
		case n.Data == "style", n.Data == "base", n.Data == "iframe":
			d.Errorf("<%s> is not allowed", n.Data)
		case n.Data == "script" && (src == "" || text(n) != "" || !has(n, "defer")):
			d.Error("script that is not a deferred file")
		case src != "" && u.assets.files[src].plain == nil:
			d.Errorf("<%s> loads %q, which Static does not serve", n.Data, src)
		}
	}
	for _, n := range d.all("a") {
		href := attr(n, "href")
		if !ownPath(href) && !strings.HasPrefix(href, "#") && !mayLeave(n, href) {
			d.Errorf("link leaves the site: %s", href)
		}
	}
}

// mayLeave lists the links that go elsewhere on purpose.
func mayLeave(n *html.Node, href string) bool {
	id := attr(n, "id")
	if id == "continue" || id == "back" {
		return attr(n, "rel") == "noreferrer"
	}
	allowed := []string{"tel:0100000000", "mailto:" + full.Email, full.ChatURL, full.PrivacyURL, full.AccessibilityURL, full.TermsURL}
	return slices.Contains(allowed, href) || strings.HasPrefix(href, "otpauth://totp/")
}

func (d *document) checkForms(b *Base) {
	for _, form := range d.all("form") {
		if attr(form, "method") != "post" || !ownPath(attr(form, "action")) {
			d.Errorf("form %q: want POST to a path of ours", attr(form, "action"))
		}
		hidden := map[string]string{}
		for n := range form.Descendants() {
			if n.Data == "input" && attr(n, "type") == "hidden" {
				hidden[attr(n, "name")] = attr(n, "value")
			}
		}
		if hidden["form_token"] != b.FormToken || hidden["ix"] != b.IX {
			d.Errorf("form %q: hidden fields %v, want form_token %q and ix %q", attr(form, "action"), hidden, b.FormToken, b.IX)
		}
		if attr(form, "action") == "/language" && hidden["return_to"] != b.Return {
			d.Errorf("language switch returns to %q, want %q", hidden["return_to"], b.Return)
		}
	}
}

func (d *document) checkErrors(errs []FieldError) {
	box := d.byID("error-summary")
	if len(errs) == 0 {
		if box != nil {
			d.Error("error summary without an error")
		}
		return
	}
	for key, want := range map[string]string{"tabindex": "-1", "role": "group", "autofocus": "", "aria-labelledby": "error-heading"} {
		if !has(box, key) || attr(box, key) != want {
			d.Errorf("error summary: %s = %q, want %q", key, attr(box, key), want)
		}
	}
	for _, e := range errs {
		if e.Field == "" {
			continue
		}
		beside := d.byID(e.Field + "-error")
		if beside == nil {
			d.Fatalf("no error text beside %q", e.Field)
		}
		if _, words, _ := strings.Cut(text(beside), " "); !strings.Contains(text(box), words) {
			d.Errorf("summary lacks the words %q", words)
		}
		if input := d.byID(e.Field); attr(input, "type") != "radio" &&
			(attr(input, "aria-invalid") != "true" || !strings.Contains(attr(input, "aria-describedby"), e.Field+"-error")) {
			d.Errorf("input %q does not point at its error", e.Field)
		}
	}
}

// checkWords: no sentence broken by an empty placeholder.
func (d *document) checkWords() {
	words := text(d.one("main"))
	for _, bad := range []string{"  .", " .", " ,", "call .", "ring .", "()"} {
		if strings.Contains(words, bad) {
			d.Errorf("text contains %q: %s", bad, words)
		}
	}
}

func TestDocumentsAreSmall(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, lang := range Languages() {
		for _, each := range samples(lang) {
			if n := packed(t, []byte(render(t, u, each.page))); n > 6<<10 {
				t.Errorf("%s %s: %d bytes gzip, want at most 6 KB", lang, each.name, n)
			}
		}
	}
	for name, limit := range map[string]int{"app.css": 8 << 10, "app.js": 6 << 10, "logo.svg": 2 << 10, "favicon.svg": 2 << 10} {
		if n := len(u.assets.files[u.StaticPath(name)].gzip); n == 0 || n > limit {
			t.Errorf("%s: %d bytes gzip, want 1 to %d", name, n, limit)
		}
	}
}

func packed(t *testing.T, b []byte) int {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Len()
}
