package loginui

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var event = MessageData{
	Time: time.Date(2026, 11, 22, 13, 5, 0, 0, time.UTC), Until: time.Date(2026, 11, 22, 13, 35, 0, 0, time.UTC),
	Browser: "Firefox, Linux", Address: "192.0.2.7", Name: "Phone", Code: "123456", Left: 7, Reference: "R-2024",
}

// eachMessage visits every kind in every language, as a UI with s writes it.
func eachMessage(t *testing.T, s Settings, visit func(u *UI, lang string, kind MessageKind)) {
	t.Helper()
	u := newUI(t, s)
	for _, lang := range Languages() {
		for kind := Locked; kind <= Desk; kind++ {
			visit(u, lang, kind)
		}
	}
}

var link = regexp.MustCompile(`(?i)https?:|www\.|\w\.se\b|<|mailto:`)

func TestMessages(t *testing.T) {
	t.Parallel()
	for _, s := range []Settings{full, bare} {
		eachMessage(t, s, func(u *UI, lang string, kind MessageKind) {
			subject, body, err := u.Message(lang, kind, event)
			if err != nil {
				t.Fatal(err)
			}
			when := map[string]string{"en": "22 November 2026 at 13:05", "sv": "22 november 2026 kl. 13.05"}[lang]
			if s == full {
				when = strings.Replace(strings.Replace(when, "13:", "14:", 1), "13.", "14.", 1)
			}
			if !strings.HasPrefix(subject, "Example Card: ") || !strings.Contains(body, when) && kind != CodeContact {
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
			if strings.Contains(subject, "123456") || strings.Contains(body, "123456") != (kind == Code || kind == CodeContact) {
				t.Errorf("%s %s: a code where it does not belong, or none: %q\n%s", lang, kind.file(), subject, body)
			}
		})
	}
}

func TestMessageDetails(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	data := event
	for _, c := range []struct {
		lang string
		kind MessageKind
		edit func(*MessageData)
		want string
	}{
		{"en", Locked, nil, "It opens again at 14:35."},
		{"sv", Locked, nil, "Spärren upphör kl. 14.35."},
		{"en", NewDevice, nil, "\nBrowser: Firefox, Linux\nNetwork address: 192.0.2.7\n"},
		{"sv", NewDevice, nil, "\nWebbläsare: Firefox, Linux\nNätverksadress: 192.0.2.7\n"},
		{"en", FactorAdded, nil, ": Phone.\n"},
		{"en", FactorAdded, func(d *MessageData) { d.Factor = "totp" }, ": Authenticator app (Phone).\n"},
		{"sv", FactorRemoved, func(d *MessageData) { d.Factor, d.Name = "totp", "" }, ": Autentiseringsapp.\n"},
		{"xx", FactorRemoved, nil, "A way to confirm"},
		{"en", RecoveryUsed, nil, "You have 7 left."},
		{"sv", RecoveryUsed, func(d *MessageData) { d.Left = 1 }, "Du har 1 kvar."},
		{"en", RecoveryUsed, func(d *MessageData) { d.Left = 0 }, "It was your last one."},
		{"en", Reported, nil, "\nYour reference: R-2024\n"},
		{"sv", AccessRemoved, nil, "Phone har inte längre åtkomst"},
		{"sv", AccessRemoved, func(d *MessageData) { d.Name = "" }, "En app har inte längre åtkomst"},
		{"en", Code, nil, "123456 is your Example Card code. Never give it to anyone who calls you.\n\nIt works once, until 14:35.\n"},
		{"sv", Code, nil, "123456 är din kod hos Example Card. Ge den aldrig till någon som ringer dig.\n\nDen fungerar en gång, till kl. 14.35.\n"},
		{"sv", CodeContact, nil, "123456 är din kod hos Example Card."},
		{"en", Desk, nil, "\nReference: R-2024\nReported from: Firefox, Linux\nNetwork address: 192.0.2.7\n"},
	} {
		data = event
		if c.edit != nil {
			c.edit(&data)
		}
		if _, body, err := u.Message(c.lang, c.kind, data); err != nil || !strings.Contains(body, c.want) {
			t.Errorf("%s %s = %v, without %q:\n%s", c.lang, c.kind.file(), err, c.want, body)
		}
	}
}

func TestSMS(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, c := range []struct {
		lang string
		kind MessageKind
		want string
	}{
		{"en", Code, "123456 is your Example Card code. Never give it to anyone who calls you.\n\n@id.example.se #123456"},
		{"sv", Code, "123456 är din kod hos Example Card. Ge den aldrig till någon som ringer dig.\n\n@id.example.se #123456"},
		{"sv", CodeContact, "123456 är din kod hos Example Card. Ge den aldrig till någon som ringer dig.\n\n@id.example.se #123456"},
		{"en", NewDevice, "Example Card: new sign-in to your account: Firefox, Linux, 22 November 2026 at 14:05. Not you? Call " + full.Phone + "."},
		{"sv", NewDevice, "Example Card: ny inloggning på ditt konto: Firefox, Linux, 22 november 2026 kl. 14.05. Var det inte du? Ring " + full.Phone + "."},
		{"sv", PasswordChanged, "Example Card: ditt lösenord har bytts 22 november 2026 kl. 14.05. Var det inte du? Ring " + full.Phone + "."},
		{"sv", FactorAdded, "Example Card: ett nytt sätt att logga in har lagts till: Phone. Var det inte du? Ring " + full.Phone + "."},
		{"sv", ContactChanged, "Example Card: vi har fått nya kontaktuppgifter för dig. Var det inte du? Ring " + full.Phone + "."},
		{"sv", Locked, "Example Card: inloggningen är spärrad till kl. 14.35 efter flera felaktiga försök. Var det inte du? Ring " + full.Phone + "."},
		{"en", RecoveryUsed, "Example Card: a recovery code was used to sign in. 7 left. Not you? Call " + full.Phone + "."},
	} {
		if got, err := u.SMS(c.lang, c.kind, event); err != nil || got != c.want {
			t.Errorf("%s %s: %v, got:\n%s\nwant:\n%s", c.lang, c.kind.file(), err, got, c.want)
		}
	}
}

// gsmDefault is the GSM 7-bit default alphabet (3GPP TS 23.038 §6.2.1), written out here apart from the code.
var gsmDefault = regexp.MustCompile(`^[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑܧ¿a-zäöñüà]*$`)

func TestSMSFitsInOnePart(t *testing.T) {
	t.Parallel()
	long := full
	long.Brand = string([]rune(strings.Repeat("Ål-Österlångs Kårkort – ", 3))[:60])
	far := long
	far.Origin = "https://" + strings.Repeat("very-long-name.", 8) + "example.se"
	data := event
	data.Browser, data.Name = "Samsung Internet, Android", "Šárčina „nová“ klíčenka 🔑, den stora i köket"
	data.Factor, data.Reference = "passkey", strings.Repeat("R", 36)
	for _, s := range []Settings{full, bare, long, far} {
		eachMessage(t, s, func(u *UI, lang string, kind MessageKind) {
			got, err := u.SMS(lang, kind, data)
			if n := len([]rune(got)); err != nil || n > 160 || n < 40 || !gsmDefault.MatchString(got) {
				t.Errorf("%s %s: %v, %d characters:\n%s", lang, kind.file(), err, n, got)
			}
			first, _, _ := strings.Cut(got, "\n")
			if link.MatchString(first) || strings.Contains(got, "no value") || strings.Contains(got, "  ") {
				t.Errorf("%s %s is untidy, or holds a link:\n%s", lang, kind.file(), got)
			}
			if (kind == Code || kind == CodeContact) && (!strings.HasPrefix(got, "123456 ") || s != far && !strings.HasSuffix(got, "\n\n@id.example.se #123456")) {
				t.Errorf("%s %s has lost what makes it a code:\n%s", lang, kind.file(), got)
			}
			if s == long && kind != Code && kind != CodeContact && kind != Desk && !strings.Contains(got, full.Phone) {
				t.Errorf("%s %s has lost the telephone number:\n%s", lang, kind.file(), got)
			}
		})
	}
}

func TestMessageRefuses(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for name, c := range map[string]struct {
		kind MessageKind
		data MessageData
	}{
		"unknown kind":   {Desk + 1, event},
		"zero kind":      {0, event},
		"negative kind":  {-1, event},
		"no time":        {NewDevice, MessageData{}},
		"no until":       {Locked, MessageData{Time: event.Time}},
		"no code":        {Code, MessageData{Time: event.Time}},
		"unknown factor": {FactorAdded, MessageData{Time: event.Time, Factor: "carrier pigeon"}},
	} {
		if subject, body, err := u.Message("en", c.kind, c.data); err == nil || subject+body != "" {
			t.Errorf("%s: Message = %q, %q, %v; want only an error", name, subject, body, err)
		}
		if text, err := u.SMS("en", c.kind, c.data); err == nil || text != "" {
			t.Errorf("%s: SMS = %q, %v; want only an error", name, text, err)
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

// Somebody who has broken in could otherwise have us send their link.
func TestMessageLeavesOutNamesWithLinks(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	data := event
	data.Factor = "totp"
	for _, name := range []string{"https://evil.example/x", "go to www.evil.example", "evil.example", "konto.säkerhet.example", "me@evil.example"} {
		data.Name = name
		_, body, err := u.Message("en", FactorAdded, data)
		if err != nil || strings.Contains(body, "example/") || strings.Contains(body, "evil") || !strings.Contains(body, ": Authenticator app.\n") {
			t.Errorf("%q: %v\n%s", name, err, body)
		}
		if text, err := u.SMS("en", FactorAdded, data); err != nil || strings.Contains(text, "evil") || strings.Contains(text, "konto.") {
			t.Errorf("%q: %v\n%s", name, err, text)
		}
	}
}
