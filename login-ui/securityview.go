package loginui

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What the templates of the security centre ask for beyond the page itself.

// Centre returns what pages of the security centre share, or nil on other pages.
func (v *view) Centre() *Centre {
	if p, ok := v.P.(interface{ centre() *Centre }); ok {
		return p.centre()
	}
	return nil
}

func (c *Centre) centre() *Centre { return c }

// DoneKey is the text key of what was just done, or "". Done comes from the address, so that anybody can write
// anything there: only what is known shows.
func (c *Centre) DoneKey() string {
	if !slices.Contains(dones, c.Done) {
		return ""
	}
	return "security.done." + c.Done
}

// IdleSeconds is Idle in whole seconds; 0 = no warning.
func (c *Centre) IdleSeconds() int { return int(c.Idle / time.Second) }

// Step is one page on the way to this one.
type Step struct{ Path, Key string }

// Trail is the way from the overview to this page, without the page itself; nil outside the security centre.
func (v *view) Trail() []Step {
	if v.Centre() == nil {
		return nil
	}
	switch v.P.(type) {
	case *SecurityPage:
		return nil
	case *MethodPage:
		return []Step{{"/security", "security.title"}, {"/security/methods", "security.methods.title"}}
	}
	return []Step{{"/security", "security.title"}}
}

// Stamp returns date and time in the issuer's zone.
func (v *view) Stamp(t time.Time) (string, error) { return v.loc.stamp(t.In(v.S.Location)) }

// ISO returns t for machines, as the datetime attribute wants it.
func (v *view) ISO(t time.Time) string { return t.In(v.S.Location).Format(time.RFC3339) }

// Day returns a date in the issuer's zone, within a sentence: "today", "yesterday" or "22 November 2026".
func (v *view) Day(t time.Time) (string, error) {
	return v.loc.day(t.In(v.S.Location), time.Now().In(v.S.Location))
}

// Moment returns date and time in the issuer's zone, within a sentence: "today at 14:35".
func (v *view) Moment(t time.Time) (string, error) {
	return v.loc.moment(t.In(v.S.Location), time.Now().In(v.S.Location))
}

// near returns the text key for a day close to now, or "".
func near(t, now time.Time) string {
	for days, key := range []string{"time.today", "time.yesterday"} {
		if y, m, d := now.AddDate(0, 0, -days).Date(); y == t.Year() && m == t.Month() && d == t.Day() {
			return key
		}
	}
	return ""
}

func (l *locale) day(t, now time.Time) (string, error) {
	if key := near(t, now); key != "" {
		return l.text(key, nil)
	}
	month, err := l.text(fmt.Sprintf("time.month.%d", t.Month()), nil)
	if err != nil {
		return "", err
	}
	return l.text("time.day", map[string]any{"Day": t.Day(), "Month": month, "Year": t.Year()})
}

func (l *locale) moment(t, now time.Time) (string, error) {
	key := near(t, now)
	if key == "" {
		return l.stamp(t)
	}
	clock, err := l.clock(t)
	if err != nil {
		return "", err
	}
	return l.text(key+".at", map[string]any{"Clock": clock})
}

// Event returns one event of the audit trail in plain words. One that has no words of its own yet is still shown:
// that something happened must not be hidden.
func (v *view) Event(e EventRow) (string, error) {
	kind := eventKind(e.Method)
	args := map[string]any{"Name": e.Name, "Method": ""}
	if key := "method." + kind; v.loc.has(key) {
		label, err := v.loc.text(key, nil)
		if err != nil {
			return "", err
		}
		args["Method"] = label
	}
	return v.loc.text(v.eventKey(e, kind), args)
}

func (v *view) eventKey(e EventRow, kind string) string {
	key := "activity." + e.What
	switch {
	case e.Refused && v.loc.has(key+".refused"):
		return key + ".refused"
	case v.loc.has(key + "." + kind):
		return key + "." + kind
	case v.loc.has(key):
		return key
	}
	return "activity.other"
}

// eventKind is the kind of factor that a method of proof belongs to; kinds are their own.
func eventKind(method string) string {
	switch method {
	case "otp":
		return "totp"
	case "hwk", "swk", "uv":
		return "passkey"
	}
	return method
}

// Ask returns the paragraphs of a confirm page.
func (v *view) Ask(p *ConfirmPage) ([]string, error) {
	text, err := v.loc.text("confirm."+p.What+".text", map[string]any{"Name": p.Name})
	return strings.Split(text, "\n"), err
}

// Tongues returns every language, each named in itself.
func (v *view) Tongues() ([]Switch, error) {
	var all []Switch
	for _, lang := range languages {
		name, err := v.ui.locales[lang].text("language.name", nil)
		if err != nil {
			return nil, err
		}
		all = append(all, Switch{lang, name})
	}
	return all, nil
}

// Factor returns what the parts that show one second factor need: the view and the factor.
func (v *view) Factor(f FactorRow) factorView { return factorView{v, f} }

type factorView struct {
	*view
	F FactorRow
}
