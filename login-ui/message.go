package loginui

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MessageKind is a message to the account's owner: a security notice or a one-time code. Desk goes to customer service.
type MessageKind int

// The messages. Each tells MessageData.Time.
const (
	Locked          MessageKind = iota + 1 // sign-in is locked; MessageData.Until
	LockedHard                             // only customer service can open sign-in
	NewDevice                              // MessageData.Browser, Address
	FactorAdded                            // MessageData.Factor, Name
	FactorRemoved                          // MessageData.Factor, Name
	PasswordChanged                        //
	ContactChanged                         // goes to the old contact and to the new one
	RecoveryUsed                           // MessageData.Left
	RecoveryMade                           //
	Reported                               // its owner said "this wasn't me"; MessageData.Reference
	OthersSignedOut                        //
	AccessRemoved                          // MessageData.Name, of the client
	Code                                   // MessageData.Code, Until
	CodeContact                            // MessageData.Code, Until: proves a new contact
	Desk                                   // an owner reports misuse; MessageData.Reference, Browser, Address
)

// messageFiles are the files of the texts in mail/xx: "locked.txt" for a mail and "locked.sms.txt" for a text message.
var messageFiles = [...]string{
	Locked: "locked", LockedHard: "locked-hard", NewDevice: "new-device", FactorAdded: "factor-added", FactorRemoved: "factor-removed",
	PasswordChanged: "password-changed", ContactChanged: "contact-changed", RecoveryUsed: "recovery-used", RecoveryMade: "recovery-made",
	Reported: "reported", OthersSignedOut: "others-signed-out", AccessRemoved: "access-removed", Code: "code", CodeContact: "code-contact",
	Desk: "desk",
}

func (k MessageKind) file() string {
	if k < Locked || int(k) >= len(messageFiles) {
		return ""
	}
	return messageFiles[k]
}

// MessageData is what a message tells. What is "" is left out, unless it is required.
type MessageData struct {
	Time      time.Time // of the event; required
	Browser   string    // "Firefox, Linux"
	Address   string    // IP address
	Name      string    // of the factor or the client
	Factor    string    // kind of the factor, as in the text keys "method.…"
	Until     time.Time // when sign-in opens again, required by Locked; or when the code ends
	Code      string    // required by Code and CodeContact
	Left      int       // recovery codes that are left
	Reference string    // for customer service
}

// notices are the templates of mail/, by "sv/locked.txt".
type notices map[string]*template.Template

func parseNotices() (notices, error) {
	n := notices{}
	for _, lang := range languages {
		for k := Locked; k.file() != ""; k++ {
			for _, base := range []string{k.file() + ".txt", k.file() + ".sms.txt"} {
				name := lang + "/" + base
				t, err := template.New(base).Option("missingkey=error").ParseFS(files, "mail/"+name, "mail/"+lang+"/closing.txt")
				if err != nil {
					return nil, fmt.Errorf("parse message mail/%s: %w", name, err)
				}
				n[name] = t
			}
		}
	}
	return n, nil
}

// Message returns a message as subject and plain text of a mail. It contains no link: people are taught that we never
// send any. An unknown lang gives English.
func (u *UI) Message(lang string, kind MessageKind, data MessageData) (subject, body string, err error) {
	text, values, err := u.message(lang, kind, ".txt", data)
	if err != nil {
		return "", "", err
	}
	whole, err := text(values)
	if err != nil {
		return "", "", err
	}
	subject, body, _ = strings.Cut(whole, "\n")
	return oneLine(subject), strings.TrimSpace(body) + "\n", nil
}

// SMS returns a message as one text message: at most 160 characters of the GSM 7-bit default alphabet (3GPP TS 23.038
// §6.2.1), without a link. Names and the brand are shortened where it would be longer. A code ends with the line that
// binds it to the origin's domain, for autofill (origin-bound one-time codes, WICG). An unknown lang gives English.
func (u *UI) SMS(lang string, kind MessageKind, data MessageData) (string, error) {
	text, values, err := u.message(lang, kind, ".sms.txt", data)
	if err != nil {
		return "", err
	}
	for name, value := range values {
		if s, ok := value.(string); ok {
			values[name] = gsm(s)
		}
	}
	return fitted(text, values)
}

// message finds the template of a message and the values it needs.
func (u *UI) message(lang string, kind MessageKind, ending string, data MessageData) (text func(map[string]any) (string, error), values map[string]any, err error) {
	l := u.locale(lang)
	name := kind.file() + ending
	t := u.notices[l.lang+"/"+name]
	if t == nil {
		return nil, nil, fmt.Errorf("message: unknown kind %d", kind)
	}
	if values, err = u.noticeValues(l, kind, data); err != nil {
		return nil, nil, fmt.Errorf("message %s: %w", name, err)
	}
	return func(values map[string]any) (string, error) {
		var buf bytes.Buffer
		if err := t.Execute(&buf, values); err != nil {
			return "", fmt.Errorf("message %s: %w", name, err)
		}
		return strings.TrimSpace(buf.String()), nil
	}, values, nil
}

func (u *UI) noticeValues(l *locale, kind MessageKind, data MessageData) (map[string]any, error) {
	switch {
	case data.Time.IsZero():
		return nil, errors.New("MessageData.Time is missing")
	case kind == Locked && data.Until.IsZero():
		return nil, errors.New("MessageData.Until is missing")
	case (kind == Code || kind == CodeContact) && data.Code == "":
		return nil, errors.New("MessageData.Code is missing")
	}
	stamp, err := l.stamp(data.Time.In(u.settings.Location))
	if err != nil {
		return nil, err
	}
	until := ""
	if !data.Until.IsZero() {
		if until, err = l.clock(data.Until.In(u.settings.Location)); err != nil {
			return nil, err
		}
	}
	name, err := called(l, kind, data)
	if err != nil {
		return nil, err
	}
	origin, err := url.Parse(u.settings.Origin)
	if err != nil {
		return nil, err
	}
	values := u.settings.values()
	values["Phone"] = u.settings.Phone // plain text wants plain spaces
	maps.Copy(values, map[string]any{
		"Host": origin.Hostname(), "Time": stamp, "Until": until, "Name": name, "Left": data.Left,
		"Browser": oneLine(data.Browser), "Address": oneLine(data.Address), "Code": oneLine(data.Code), "Reference": oneLine(data.Reference),
	})
	return values, nil
}

// linkish is what a phone may turn into a link.
var linkish = regexp.MustCompile(`(?i)://|www\.|[\pL\pN]\.[\pL]|@`)

// called is what a message calls a factor or client: "Authenticator app (Phone)". Somebody who has broken in names a
// factor as they like, so a name with a link in it is left out: it would travel under our name.
func called(l *locale, kind MessageKind, data MessageData) (string, error) {
	name := oneLine(data.Name)
	if kind == AccessRemoved {
		return name, nil
	}
	if linkish.MatchString(name) {
		name = ""
	}
	if data.Factor == "" {
		return name, nil
	}
	method, err := l.text("method."+data.Factor, nil)
	if err != nil || name == "" {
		return method, err
	}
	return method + " (" + name + ")", nil
}

// oneLine keeps a value from starting a line of its own in a mail, or a header.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

const longestSMS = 160 // one part, 3GPP TS 23.040

// shorten says which values give way in a text message, in this order, and how many characters stay at least. Of a
// value with whole, half would not help.
var shorten = []struct {
	name  string
	least int
	whole bool
}{{"Browser", 0, true}, {"Name", 12, false}, {"Brand", 12, false}, {"Name", 0, true}, {"Host", 0, true}, {"Reference", 0, true}}

// fitted is a text message whose values have been shortened until it fits.
func fitted(text func(map[string]any) (string, error), values map[string]any) (string, error) {
	sms, err := text(values)
	for _, s := range shorten {
		over := septets(sms) - longestSMS
		if err != nil || over <= 0 {
			return sms, err
		}
		value, _ := values[s.name].(string)
		keep := max(utf8.RuneCountInString(value)-over, s.least)
		if s.whole {
			keep = 0
		}
		values[s.name] = strings.TrimSpace(clip(value, keep))
		sms, err = text(values)
	}
	if err == nil && septets(sms) > longestSMS {
		sms = clip(sms, longestSMS)
	}
	return sms, err
}

// clip is the first n characters of s.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// gsmLetters are the GSM 7-bit default alphabet without its controls and capital Greek. We leave out its extension,
// whose characters take two places.
const gsmLetters = "\n !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑܧ¿abcdefghijklmnopqrstuvwxyzäöñüà@£$¥èéùìòÇØøÅåÆæßÉ_"

// gsmStandIns are written for what the alphabet lacks.
var gsmStandIns = strings.NewReplacer("–", "-", "—", "-", "‑", "-", "’", "'", "‘", "'", "”", `"`, "“", `"`, "\u00a0", " ", "…", "...", "€", "EUR", "[", "(", "]", ")", "{", "(", "}", ")")

// gsm writes s in the GSM alphabet: other letters lose their accents, and the rest is a question mark.
func gsm(s string) string {
	var b strings.Builder
	for _, r := range norm.NFC.String(gsmStandIns.Replace(s)) {
		plain, _ := utf8.DecodeRuneInString(norm.NFD.String(string(r)))
		switch {
		case strings.ContainsRune(gsmLetters, r):
			b.WriteRune(r)
		case strings.ContainsRune(gsmLetters, plain):
			b.WriteRune(plain)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// septets is how many places s takes in a text message; all of it has been through gsm.
func septets(s string) int { return utf8.RuneCountInString(s) }
