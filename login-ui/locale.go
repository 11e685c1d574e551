package loginui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template/parse"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	texttemplate "github.com/nicksnyder/go-i18n/v2/i18n/template"
	"golang.org/x/text/language"
)

// languages are the languages of the pages and notices, the fallback first. A new one needs locales/xx.json, the
// texts in mail/xx and its tag here; New names what is missing.
var languages = []string{"en", "sv"}

// parts are the files of each language's texts: what comes before "en.json".
var parts = []string{"", "security."}

// Languages returns the BCP 47 tags of the languages pages and notices exist in, the fallback first.
func Languages() []string { return slices.Clone(languages) }

// strict makes a placeholder without a value an error instead of the words "no value" in front of a customer.
var strict = &texttemplate.TextParser{Option: "missingkey=error"}

// locale holds the texts of one language. Those that need nothing beyond the issuer's settings are ready to use.
type locale struct {
	lang      string
	fixed     map[string]string
	open      map[string]bool // needs values, or a count, that come with the page
	localizer *i18n.Localizer
	settings  map[string]any
}

func loadLocales(s Settings) (map[string]*locale, error) {
	locales := map[string]*locale{}
	for _, lang := range languages {
		l, err := loadLocale(lang, s)
		if err != nil {
			return nil, err
		}
		locales[lang] = l
	}
	for _, l := range locales {
		for key := range locales[languages[0]].keys() {
			if !l.has(key) {
				return nil, fmt.Errorf("locales/%s.json: text key %q is missing", l.lang, key)
			}
		}
	}
	return locales, nil
}

func loadLocale(lang string, s Settings) (*locale, error) {
	// One bundle per language: a shared one would quietly answer in another language.
	bundle := i18n.NewBundle(language.Make(lang))
	l := &locale{
		lang: lang, fixed: map[string]string{}, open: map[string]bool{},
		localizer: i18n.NewLocalizer(bundle, lang), settings: s.values(),
	}
	for _, part := range parts {
		name := "locales/" + part + lang + ".json"
		file, err := bundle.LoadMessageFileFS(files, name)
		if err != nil {
			return nil, fmt.Errorf("read texts: %w", err)
		}
		for _, m := range file.Messages {
			if l.has(m.ID) {
				return nil, fmt.Errorf("%s: text key %q stands in another file too", name, m.ID)
			}
			if err := l.add(m); err != nil {
				return nil, fmt.Errorf("%s: text key %q: %w", name, m.ID, err)
			}
		}
	}
	return l, nil
}

// noBreak is the space that keeps a telephone number on one line.
const noBreak = "\u00a0"

// values are what every text may mention without the page's help.
func (s *Settings) values() map[string]any {
	return map[string]any{
		"Brand": s.Brand, "Origin": s.Origin, "Phone": strings.ReplaceAll(s.Phone, " ", noBreak), "Hours": s.Hours, "Email": s.Email,
		"MinLength": s.PasswordMinLength, "TrustDays": s.TrustDays,
	}
}

// add resolves m now when the settings suffice, and otherwise leaves it open until the page brings its values.
func (l *locale) add(m *i18n.Message) error {
	names, err := placeholders(m.Other)
	if err != nil {
		return err
	}
	needs := m.One != ""
	for _, name := range names {
		if _, ok := l.settings[name]; !ok {
			needs = true
		}
	}
	if needs {
		l.open[m.ID] = true
		return nil
	}
	text, err := l.localize(m.ID, nil)
	l.fixed[m.ID] = text
	return err
}

func (l *locale) has(key string) bool {
	_, ok := l.fixed[key]
	return ok || l.open[key]
}

func (l *locale) keys() map[string]bool {
	keys := maps.Clone(l.open)
	for key := range l.fixed {
		keys[key] = true
	}
	return keys
}

// text returns the text for key. args holds the values its placeholders need; "Count" chooses the plural form.
func (l *locale) text(key string, args map[string]any) (string, error) {
	if text, ok := l.fixed[key]; ok {
		return text, nil
	}
	if !l.open[key] {
		return "", fmt.Errorf("text key %q does not exist", key)
	}
	return l.localize(key, args)
}

func (l *locale) localize(key string, args map[string]any) (string, error) {
	data := maps.Clone(l.settings)
	maps.Copy(data, args)
	text, err := l.localizer.Localize(&i18n.LocalizeConfig{
		MessageID: key, TemplateData: data, PluralCount: args["Count"], TemplateParser: strict,
	})
	if err != nil {
		return "", fmt.Errorf("text %q in %s: %w", key, l.lang, err)
	}
	return text, nil
}

// clock returns the time of day as the language writes it: "14:35" or "14.35".
func (l *locale) clock(t time.Time) (string, error) {
	layout, err := l.text("time.clock", nil)
	if err != nil {
		return "", err
	}
	return t.Format(layout), nil
}

// stamp returns date and time as the language writes them: "22 November 2026 at 14:35".
func (l *locale) stamp(t time.Time) (string, error) {
	clock, err := l.clock(t)
	if err != nil {
		return "", err
	}
	month, err := l.text(fmt.Sprintf("time.month.%d", t.Month()), nil)
	if err != nil {
		return "", err
	}
	return l.text("time.stamp", map[string]any{"Day": t.Day(), "Month": month, "Year": t.Year(), "Clock": clock})
}

// placeholders returns the names a text mentions, sorted, each once.
func placeholders(text string) ([]string, error) {
	trees, err := parse.Parse("text", text, "", "")
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, tree := range trees {
		walk(tree.Root, func(n parse.Node) {
			if f, ok := n.(*parse.FieldNode); ok {
				names[f.Ident[0]] = true
			}
		})
	}
	return slices.Sorted(maps.Keys(names)), nil
}
