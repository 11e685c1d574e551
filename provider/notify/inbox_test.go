package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"cardea/provider"
)

func show(i *Inbox, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	i.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func TestInbox(t *testing.T) {
	t.Parallel()
	var in Inbox
	if page := show(&in, "GET", "/").Body.String(); !strings.Contains(page, "No messages yet.") {
		t.Error(page)
	}
	for n := range inboxSize + 5 {
		if err := in.Send(t.Context(), Letter{ID: fmt.Sprint(n), Channel: provider.ChannelSMS, To: "+46700000001", Body: fmt.Sprintf("text %d <b>", n)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.Send(t.Context(), Letter{ID: "204", Channel: provider.ChannelMail, To: "karin@example.com", Subject: "again & again", Body: "once"}); err != nil {
		t.Fatal(err)
	}
	var letters []received
	answer := show(&in, "GET", "/messages.json")
	if err := json.Unmarshal(answer.Body.Bytes(), &letters); err != nil || len(letters) != inboxSize || letters[0].Body != "once" || letters[1].Body != "text 203 <b>" || letters[inboxSize-1].ID != "5" {
		t.Fatalf("%v, %d letters, first %+v", err, len(letters), letters[0])
	}
	page := show(&in, "GET", "/")
	body := page.Body.String()
	if strings.Contains(body, "<b>") || !strings.Contains(body, "again &amp; again") || strings.Index(body, "once") > strings.Index(body, "text 203") || strings.Contains(body, "http-equiv") {
		t.Errorf("page:\n%.2000s", body)
	}
	if live := show(&in, "GET", "/?live=1").Body.String(); !strings.Contains(live, `http-equiv="refresh" content="5"`) {
		t.Errorf("no reload:\n%.500s", live)
	}
	for target, want := range map[string]int{"POST /": 405, "GET /other": 404, "HEAD /": 200} {
		method, path, _ := strings.Cut(target, " ")
		if got := show(&in, method, path).Code; got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
}

func TestInboxPage(t *testing.T) {
	t.Parallel()
	var in Inbox
	_ = in.Send(t.Context(), Letter{ID: "one", Channel: provider.ChannelMail, To: "karin@example.com", Subject: "S", Body: "B"}) // never fails
	answer := show(&in, "GET", "/")
	policy := answer.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || answer.Header().Get("Cache-Control") != "no-store" || answer.Code != http.StatusOK {
		t.Errorf("headers: %v", answer.Header())
	}
	root, err := html.Parse(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			count[n.Data]++
			if n.Data == "html" && (len(n.Attr) != 1 || n.Attr[0].Val != "en") {
				t.Errorf("lang: %v", n.Attr)
			}
		}
	}
	for element, want := range map[string]int{"h1": 1, "main": 1, "header": 1, "nav": 1, "article": 1, "script": 0, "title": 1} {
		if count[element] != want {
			t.Errorf("%d <%s>, want %d", count[element], element, want)
		}
	}
}
