package loginui

import (
	"compress/gzip"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestStatic(t *testing.T) {
	t.Parallel()
	u := newUI(t, bare)
	for name, contentType := range map[string]string{
		"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8",
		"logo.svg": "image/svg+xml", "favicon.svg": "image/svg+xml",
	} {
		want, err := files.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, coding := range []string{"", "gzip"} {
			w := fetch(u, http.MethodGet, u.StaticPath(name), coding)
			h := w.Header()
			if w.Code != http.StatusOK || h.Get("Content-Type") != contentType || h.Get("Content-Encoding") != coding ||
				!strings.Contains(h.Get("Cache-Control"), "immutable") || h.Get("Vary") != "Accept-Encoding" ||
				h.Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
				t.Errorf("%s as %q: %d %v", name, coding, w.Code, h)
			}
			if got := unpack(t, w.Body, coding); got != string(want) {
				t.Errorf("%s as %q: another content than the file", name, coding)
			}
		}
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodHead, u.StaticPath("app.css"), http.StatusOK},
		{http.MethodPost, u.StaticPath("app.css"), http.StatusMethodNotAllowed},
		{http.MethodGet, "/static/app.css", http.StatusNotFound},
		{http.MethodGet, "/static/app.000000000000.css", http.StatusNotFound},
		{http.MethodGet, "/static/../locales/en.json", http.StatusNotFound},
	} {
		if w := fetch(u, c.method, c.path, ""); w.Code != c.want || (c.method == http.MethodHead && w.Body.Len() > 0) {
			t.Errorf("%s %s = %d with %d bytes, want %d", c.method, c.path, w.Code, w.Body.Len(), c.want)
		}
	}
	if got := u.StaticPath("none.css"); got != "" {
		t.Errorf("StaticPath of a file that does not exist = %q", got)
	}
}

func fetch(u *UI, method, path, coding string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = path
	r.Header.Set("Accept-Encoding", coding)
	w := httptest.NewRecorder()
	u.Static().ServeHTTP(w, r)
	return w
}

func unpack(t *testing.T, r io.Reader, coding string) string {
	t.Helper()
	if coding == "gzip" {
		zr, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = zr
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br, GZIP": true, "gzip;q=0": false, "gzip; q=0.5": true, "gzip;q=x": false,
		"deflate": false, "xgzip": false, "*": false,
	} {
		if got := acceptsGzip(header); got != want {
			t.Errorf("acceptsGzip(%q) = %v, want %v", header, got, want)
		}
	}
}

// TestScriptIsTrustedTypesSafe: nothing in app.js may turn text into markup or code.
func TestScriptIsTrustedTypesSafe(t *testing.T) {
	t.Parallel()
	js, err := files.ReadFile("static/app.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", ".srcdoc", "unload"} {
		if strings.Contains(string(js), sink) {
			t.Errorf("app.js uses %s", sink)
		}
	}
}

// TestContrast holds the colours in app.css to WCAG 2.2: 4.5 for text (1.4.3), 3 for controls and focus (1.4.11).
func TestContrast(t *testing.T) {
	t.Parallel()
	css, err := files.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	dark, _, closed := strings.Cut(dark, "\n}\n")
	if !ok || !closed {
		t.Fatal("app.css has no dark colours")
	}
	for scheme, source := range map[string]string{"light": light, "dark": dark} {
		colour := tokens(source)
		for _, c := range []struct {
			front, back string
			least       float64
		}{
			{"text", "surface", 4.5}, {"text", "bg", 4.5}, {"text-2", "surface", 4.5}, {"text-2", "bg", 4.5},
			{"primary", "surface", 4.5}, {"on-primary", "primary", 4.5}, {"on-primary", "primary-h", 4.5},
			{"link", "surface", 4.5}, {"link", "bg", 4.5}, {"input", "surface", 3}, {"input", "bg", 3},
			{"focus", "surface", 3}, {"focus", "bg", 3}, {"error", "surface", 4.5}, {"error", "error-bg", 4.5},
			{"text", "error-bg", 4.5}, {"ok", "ok-bg", 4.5}, {"warn", "warn-bg", 4.5}, {"warn", "surface", 4.5}, {"focus", "error-bg", 3},
		} {
			front, back := colour[c.front], colour[c.back]
			if front == "" || back == "" {
				t.Fatalf("%s: --c-%s or --c-%s is missing", scheme, c.front, c.back)
			}
			if got := contrast(t, front, back); got < c.least {
				t.Errorf("%s: --c-%s on --c-%s has contrast %.2f, want %.1f", scheme, c.front, c.back, got, c.least)
			}
		}
	}
	if got := contrast(t, "#ffffff", "#000000"); math.Abs(got-21) > 0.001 {
		t.Errorf("contrast of white and black = %v, want 21", got)
	}
}

func tokens(css string) map[string]string {
	colours := map[string]string{}
	for _, m := range regexp.MustCompile(`--c-([a-z0-9-]+):\s*(#[0-9a-f]{6});`).FindAllStringSubmatch(css, -1) {
		colours[m[1]] = m[2]
	}
	return colours
}

// contrast is the ratio of relative luminances (WCAG 2.2, definition of contrast ratio).
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	weights := []float64{0.2126, 0.7152, 0.0722}
	sum := 0.0
	for i, w := range weights {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			sum += w * c / 12.92
		} else {
			sum += w * math.Pow((c+0.055)/1.055, 2.4)
		}
	}
	return sum
}
