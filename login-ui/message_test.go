package loginui

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var event = MessageData{
	Time: time.Date(2026, 11, 22, 13, 5, 0, 0, time.UTC), Until: time.Date(2026, 11, 22, 13, 35, 0, 0, time.UTC),
	Browser: "Firefox on Linux", Address: "192.0.2.7", Name: "Phone",
}

func TestMessages(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`(?i)https?:|www\.|\w\.se\b|<|mailto:`)
	for _, s := range []Settings{full, bare} {
		u := newUI(t, s)
		for _, lang := range Languages() {
			for kind := Locked; kind <= PasswordChanged; kind++ {
				subject, body, err := u.Message(lang, kind, event)
				if err != nil {
					t.Fatal(err)
				}
				when := map[string]string{"en": "22 November 2026 at 13:05", "sv": "22 november 2026 kl. 13.05"}[lang]
				if s == full {
					when = strings.Replace(strings.Replace(when, "13:", "14:", 1), "13.", "14.", 1)
				}
				if !strings.HasPrefix(subject, "Example Card: ") || !strings.Contains(body, when) {
					t.Errorf("%s %s: subject %q, body without %q:\n%s", lang, kind.file(), subject, when, body)
				}
				if link.MatchString(subject + body) {
					t.Errorf("%s %s holds a link:\n%s", lang, kind.file(), body)
				}
				if strings.Contains(body, full.Phone) != (s == full) {
					t.Errorf("%s %s: phone number missing, or invented:\n%s", lang, kind.file(), body)
				}
				if strings.Contains(body, "\n\n\n") || strings.Contains(body, " \n") || strings.Contains(body, "no value") {
					t.Errorf("%s %s is untidy:\n%q", lang, kind.file(), body)
				}
			}
		}
	}
}

func TestMessageDetails(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, c := range []struct {
		lang string
		kind MessageKind
		want string
	}{
		{"en", Locked, "It opens again at 14:35."},
		{"sv", Locked, "Spärren upphör kl. 14.35."},
		{"en", NewDevice, "\nBrowser: Firefox on Linux\nNetwork address: 192.0.2.7\n"},
		{"sv", NewDevice, "\nWebbläsare: Firefox on Linux\nNätverksadress: 192.0.2.7\n"},
		{"en", FactorAdded, ": Phone.\n"},
		{"xx", FactorRemoved, "A way to confirm"},
	} {
		if _, body, err := u.Message(c.lang, c.kind, event); err != nil || !strings.Contains(body, c.want) {
			t.Errorf("%s %s = %v, without %q:\n%s", c.lang, c.kind.file(), err, c.want, body)
		}
	}
}

func TestMessageRefuses(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for name, c := range map[string]struct {
		kind MessageKind
		data MessageData
	}{
		"unknown kind": {PasswordChanged + 1, event},
		"zero kind":    {0, event},
		"no time":      {NewDevice, MessageData{}},
		"no until":     {Locked, MessageData{Time: event.Time}},
	} {
		if subject, body, err := u.Message("en", c.kind, c.data); err == nil || subject+body != "" {
			t.Errorf("%s: Message = %q, %q, %v; want only an error", name, subject, body, err)
		}
	}
}

// A name that the person chose must not add lines, and so sentences of its own, to a notice.
func TestMessageKeepsValuesOnOneLine(t *testing.T) {
	t.Parallel()
	data := event
	data.Name = "Phone.\r\n\r\nCall 0900-123"
	_, body, err := newUI(t, full).Message("en", FactorAdded, data)
	if err != nil || !strings.Contains(body, ": Phone. Call 0900-123.") {
		t.Errorf("Message = %v\n%s", err, body)
	}
}
