package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage/storagetest"
)

const webhookSecret = "sixteen or more bytes"

func smsTo(t testing.TB, url string) Sender {
	t.Helper()
	send, err := SMSWebhook(SMSWebhookSettings{URL: url, Secret: []byte(webhookSecret), Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return send
}

var text = Letter{ID: "letter1", Channel: provider.ChannelSMS, To: "+46700000001", Body: "123456 är din kod hos Example Card.\n\n@id.example.com #123456"}

func TestSMSWebhook(t *testing.T) {
	t.Parallel()
	var got map[string]string
	var signature, contentType, raw string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		raw, signature, contentType = string(body), r.Header.Get("Cardea-Signature"), r.Header.Get("Content-Type")
		if r.Method != http.MethodPost || json.Unmarshal(body, &got) != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	if err := smsTo(t, server.URL+"/sms")(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got["id"] != text.ID || got["to"] != text.To || got["text"] != text.Body || contentType != "application/json" {
		t.Errorf("got %v as %s", got, contentType)
	}
	stamp, _, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
	var seconds json.Number = json.Number(stamp)
	at, err := seconds.Int64()
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute || signature != sign([]byte(webhookSecret), time.Unix(at, 0), []byte(raw)) {
		t.Errorf("signature %q, %v", signature, err)
	}
}

// The signature as openssl makes it:
// printf '1700000000.{}' | openssl dgst -sha256 -hmac 'sixteen or more bytes'
func TestSMSWebhookSignature(t *testing.T) {
	t.Parallel()
	const want = "t=1700000000,v1=b298b03422e74d28d3c3628b8932c099b262e6f4b57ead21a6d64f7da9f25314"
	if got := sign([]byte(webhookSecret), time.Unix(1700000000, 0), []byte("{}")); got != want {
		t.Errorf("got %s", got)
	}
}

func TestSMSWebhookAnswers(t *testing.T) {
	t.Parallel()
	var status, asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Location", other.URL)
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "+46700000001 is unknown")
	}))
	t.Cleanup(server.Close)
	send := smsTo(t, server.URL+"/key-in-the-path")
	for code, want := range map[int]string{
		200: "", 204: "", 400: "permanent", 410: "permanent", 422: "permanent", 401: "again", 403: "again", 404: "again", 408: "again", 425: "again", 429: "again",
		500: "again", 503: "again", 301: "again", 302: "again", 307: "again", 308: "again",
	} {
		status.Store(int64(code))
		got := ""
		err := send(t.Context(), text)
		switch {
		case errors.Is(err, Permanent):
			got = "permanent"
		case err != nil:
			got = "again"
		}
		if got != want || err != nil && (strings.Contains(err.Error(), text.To) || strings.Contains(err.Error(), "key-in-the-path")) {
			t.Errorf("%d: %q, want %q: %v", code, got, want, err)
		}
	}
}

func TestSMSWebhookDown(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL + "/key-in-the-path"
	server.Close()
	if err := smsTo(t, url)(t.Context(), text); err == nil || errors.Is(err, Permanent) || strings.Contains(err.Error(), "key-in-the-path") {
		t.Errorf("got %v", err)
	}
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(2 * time.Second) }))
	t.Cleanup(slow.Close)
	if err := smsTo(t, slow.URL)(t.Context(), text); err == nil || errors.Is(err, Permanent) {
		t.Errorf("got %v", err)
	}
}

// The outbox with a webhook that fails once, and then refuses.
func TestSMSWebhookFromTheOutbox(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(map[int64]int{1: 500, 2: 200, 3: 400}[asked.Add(1)])
	}))
	t.Cleanup(server.Close)
	o := newOutbox(t, storagetest.Open(t))
	w := workerOf(t, o.store, map[provider.Channel]Sender{provider.ChannelSMS: smsTo(t, server.URL)})
	clock := time.Now()
	w.set.Now = func() time.Time { return clock }
	o.write(provider.MessageCode, provider.ChannelSMS)
	if err := w.Deliver(t.Context()); err == nil || len(o.left()) != 1 {
		t.Errorf("after 500: %v, %d left", err, len(o.left()))
	}
	clock = clock.Add(2 * time.Second)
	if err := w.Deliver(t.Context()); err != nil || len(o.left()) != 0 {
		t.Errorf("after 200: %v, %d left", err, len(o.left()))
	}
	o.write(provider.MessageCode, provider.ChannelSMS)
	if err := w.Deliver(t.Context()); err != nil || len(o.left()) != 0 || asked.Load() != 3 {
		t.Errorf("after 400: %v, %d left, %d asked", err, len(o.left()), asked.Load())
	}
}

func TestSMSWebhookSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://sms.example.com/send": true, "http://127.0.0.1:8080/": true, "http://localhost/": true, "http://[::1]:9/": true,
		"http://sms.example.com/": false, "https://user:password@sms.example.com/": false, "sms.example.com": false, "": false, "ftp://127.0.0.1/": false, "https://x.example/#f": false,
	} {
		if _, err := SMSWebhook(SMSWebhookSettings{URL: url, Secret: []byte(webhookSecret)}); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := SMSWebhook(SMSWebhookSettings{URL: "https://sms.example.com/", Secret: []byte("short")}); err == nil {
		t.Error("a short secret was taken")
	}
}
