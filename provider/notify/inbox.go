package notify

import (
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"sync"
	"time"
)

const inboxSize = 200

// Inbox takes letters of every channel and shows them on a web page instead of
// sending them: for trying out and demonstrations only, because everybody who can open
// the page reads every code. It keeps the last 200. The zero Inbox is ready to use.
//
// As a handler it answers GET / with the page, GET /?live=1 with one that reloads
// every 5 s, and GET /messages.json with the letters, newest first.
type Inbox struct {
	mu      sync.Mutex
	letters []received // oldest first
}

type received struct {
	ID      string    `json:"id"`
	Channel string    `json:"channel"`
	To      string    `json:"to"`
	Subject string    `json:"subject,omitempty"`
	Body    string    `json:"body"`
	Time    time.Time `json:"time"`
}

// Send is a Sender. A letter that is sent again replaces the earlier one.
func (i *Inbox) Send(_ context.Context, l Letter) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.letters = slices.DeleteFunc(i.letters, func(r received) bool { return r.ID == l.ID })
	i.letters = append(i.letters, received{ID: l.ID, Channel: string(l.Channel), To: l.To, Subject: l.Subject, Body: l.Body, Time: time.Now().UTC()})
	if over := len(i.letters) - inboxSize; over > 0 {
		i.letters = slices.Clone(i.letters[over:])
	}
	return nil
}

func (i *Inbox) newestFirst() []received {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := slices.Clone(i.letters)
	slices.Reverse(out)
	return out
}

// ServeHTTP shows the letters.
func (i *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+inboxStyleHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "The inbox can only be read.", http.StatusMethodNotAllowed)
	case r.URL.Path == "/messages.json":
		h.Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(i.newestFirst()) // fails only when the reader is gone
	case r.URL.Path == "/":
		h.Set("Content-Type", "text/html; charset=utf-8")
		_ = inboxPage.Execute(w, map[string]any{"Letters": i.newestFirst(), "Live": r.URL.Query().Get("live") == "1", "Style": template.CSS(inboxStyle)}) // likewise
	default:
		http.NotFound(w, r)
	}
}
