package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// SMSWebhookSettings say which web service sends our text messages. URL and Secret
// are required.
type SMSWebhookSettings struct {
	URL     string        // https; http to this machine only
	Secret  []byte        // shared with the service, 16 bytes or more: signs what we send
	Timeout time.Duration // 0 = 10 s
}

const (
	signatureHeader = "Cardea-Signature"
	leastSecret     = 16
	mostAnswer      = 64 << 10 // bytes that are read so that the connection can be used again
)

// SMSWebhook sends letters by POST of {"id", "to", "text"} as application/json to a
// web service. The header Cardea-Signature is "t=" Unix seconds ",v1=" and the hex of
// HMAC-SHA256(Secret, t "." body); id is the same at each try. Every 2xx means sent.
// A 4xx that is about the letter is Permanent; everything else is tried again. Its
// error names the setting at fault.
func SMSWebhook(set SMSWebhookSettings) (Sender, error) {
	target, err := url.Parse(set.URL)
	switch {
	case err != nil || target.Host == "" || target.User != nil || target.Fragment != "":
		return nil, errors.New("sms webhook: setting URL: write an https address without user name and fragment")
	case target.Scheme != "https" && (target.Scheme != "http" || !loopback(target.Hostname())):
		return nil, errors.New("sms webhook: setting URL: https is required, except to this machine")
	case len(set.Secret) < leastSecret:
		return nil, fmt.Errorf("sms webhook: setting Secret: %d bytes, and at least %d are needed", len(set.Secret), leastSecret)
	}
	if set.Timeout == 0 {
		set.Timeout = 10 * time.Second
	}
	w := &webhook{set: set, client: &http.Client{
		Timeout:       set.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return w.send, nil
}

type webhook struct {
	set    SMSWebhookSettings
	client *http.Client
}

func (w *webhook) send(ctx context.Context, l Letter) error {
	body, err := json.Marshal(map[string]string{"id": l.ID, "to": l.To, "text": l.Body})
	if err != nil {
		return errors.New("sms webhook: the letter cannot be written as JSON")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.set.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("sms webhook: setting URL is malformed")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Cardea")
	req.Header.Set(signatureHeader, sign(w.set.Secret, time.Now(), body))
	resp, err := w.client.Do(req)
	if err != nil {
		return fmt.Errorf("sms webhook: %w", withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }() // read only
	_, _ = io.CopyN(io.Discard, resp.Body, mostAnswer)
	return verdict(resp.StatusCode)
}

// withoutURL takes the address out of an error: its path may hold a key.
func withoutURL(err error) error {
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		return outer.Err
	}
	return err
}

// ours are the client errors (RFC 9110 §15.5) that say nothing of the letter: a wrong
// address or key, or the wrong moment.
var ours = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired,
	http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly, http.StatusTooManyRequests,
}

// verdict is what a status means for a letter.
func verdict(status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 400 && status < 500 && !slices.Contains(ours, status):
		return fmt.Errorf("sms webhook: status %d: %w", status, Permanent)
	}
	return fmt.Errorf("sms webhook: status %d", status)
}

func sign(secret []byte, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
