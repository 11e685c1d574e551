package loginui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// contentTypes of everything that may lie in static/. A new kind of file needs a line here.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// asset is one file, ready to send.
type asset struct {
	contentType string
	plain       []byte
	gzip        []byte
}

// assets are the files of static/, whose names carry a hash of their content so that browsers may keep them for good.
type assets struct {
	paths map[string]string // "app.css" → "/static/app.0123456789ab.css"
	files map[string]asset  // by that path
}

func loadAssets() (*assets, error) {
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return nil, fmt.Errorf("list static files: %w", err)
	}
	a := &assets{paths: map[string]string{}, files: map[string]asset{}}
	for _, e := range entries {
		content, err := fs.ReadFile(files, "static/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("read static file: %w", err)
		}
		if err := a.add(e.Name(), content); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *assets) add(name string, content []byte) error {
	ext := path.Ext(name)
	if contentTypes[ext] == "" {
		return fmt.Errorf("static/%s: no content type is known for %q", name, ext)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("compress static/%s: %w", name, err)
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("compress static/%s: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress static/%s: %w", name, err)
	}
	sum := sha256.Sum256(content)
	p := "/static/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	a.paths[name] = p
	a.files[p] = asset{contentTypes[ext], content, packed.Bytes()}
	return nil
}

// StaticPath returns the address of a file in static/, such as "app.css"; "" when there is none.
func (u *UI) StaticPath(name string) string { return u.assets.paths[name] }

// Static serves the addresses that StaticPath returns. Their content never changes, so browsers keep it for a year.
func (u *UI) Static() http.Handler { return http.HandlerFunc(u.assets.serve) }

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = f.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // the browser has gone; there is nobody to tell
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3): gzip named and not refused with q=0.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !ok || (err == nil && weight > 0)
	}
	return false
}
