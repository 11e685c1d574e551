package loginui

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// MessageKind is a security notice to the account's owner.
type MessageKind int

// The notices.
const (
	Locked          MessageKind = iota + 1 // sign-in is locked; MessageData.Until
	LockedHard                             // only customer service can open sign-in
	NewDevice                              // MessageData.Browser, Address
	FactorAdded                            // MessageData.Name
	FactorRemoved                          // MessageData.Name
	PasswordChanged                        //
)

func (k MessageKind) file() string {
	switch k {
	case Locked:
		return "locked"
	case LockedHard:
		return "locked-hard"
	case NewDevice:
		return "new-device"
	case FactorAdded:
		return "factor-added"
	case FactorRemoved:
		return "factor-removed"
	case PasswordChanged:
		return "password-changed"
	}
	return ""
}

// MessageData is what a notice tells. Browser, Address and Name may be "" and are then left out.
type MessageData struct {
	Time    time.Time // of the event; required
	Browser string    // "Firefox on Linux"
	Address string    // IP address
	Name    string    // of the factor
	Until   time.Time // when sign-in opens again; required by Locked
}

// notices are the templates of mail/, by "sv/locked.txt".
type notices map[string]*template.Template

func parseNotices() (notices, error) {
	n := notices{}
	for _, lang := range languages {
		for k := Locked; k.file() != ""; k++ {
			name := lang + "/" + k.file() + ".txt"
			t, err := template.New(k.file()+".txt").Option("missingkey=error").
				ParseFS(files, "mail/"+name, "mail/"+lang+"/closing.txt")
			if err != nil {
				return nil, fmt.Errorf("parse notice mail/%s: %w", name, err)
			}
			n[name] = t
		}
	}
	return n, nil
}

// Message returns a notice as subject and plain text. It contains no link: people are taught that we never send any.
// An unknown lang gives English.
func (u *UI) Message(lang string, kind MessageKind, data MessageData) (subject, body string, err error) {
	l := u.locale(lang)
	t := u.notices[l.lang+"/"+kind.file()+".txt"]
	if t == nil {
		return "", "", fmt.Errorf("notice: unknown kind %d", kind)
	}
	values, err := u.noticeValues(l, kind, data)
	if err != nil {
		return "", "", fmt.Errorf("notice %s: %w", kind.file(), err)
	}
	var buf bytes.Buffer
	if err := t.Execute(&buf, values); err != nil {
		return "", "", fmt.Errorf("notice %s: %w", kind.file(), err)
	}
	subject, body, _ = strings.Cut(buf.String(), "\n")
	return oneLine(subject), strings.TrimSpace(body) + "\n", nil
}

func (u *UI) noticeValues(l *locale, kind MessageKind, data MessageData) (map[string]any, error) {
	if data.Time.IsZero() {
		return nil, fmt.Errorf("MessageData.Time is missing")
	}
	if kind == Locked && data.Until.IsZero() {
		return nil, fmt.Errorf("MessageData.Until is missing")
	}
	stamp, err := l.stamp(data.Time.In(u.settings.Location))
	if err != nil {
		return nil, err
	}
	until, err := l.clock(data.Until.In(u.settings.Location))
	if err != nil {
		return nil, err
	}
	values := u.settings.values()
	values["Phone"] = u.settings.Phone // plain text wants plain spaces
	values["Time"], values["Until"] = stamp, until
	values["Browser"], values["Address"], values["Name"] = oneLine(data.Browser), oneLine(data.Address), oneLine(data.Name)
	return values, nil
}

// oneLine keeps a value from starting a line of its own in a mail, or a header.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
