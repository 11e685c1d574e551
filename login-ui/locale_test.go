package loginui

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// catalogue returns a language's texts as key → plural form → text; plain texts have the form "other".
func catalogue(t *testing.T, lang string) map[string]map[string]string {
	t.Helper()
	entries := map[string]any{}
	for _, part := range parts {
		raw, err := files.ReadFile("locales/" + part + lang + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &entries); err != nil {
			t.Fatal(err)
		}
	}
	texts := map[string]map[string]string{}
	for key, entry := range entries {
		texts[key] = map[string]string{}
		switch entry := entry.(type) {
		case string:
			texts[key]["other"] = entry
		case map[string]any:
			for form, text := range entry {
				texts[key][form] = text.(string)
			}
		}
	}
	return texts
}

func TestLanguagesSayTheSame(t *testing.T) {
	t.Parallel()
	want := catalogue(t, "en")
	for _, lang := range Languages() {
		got := catalogue(t, lang)
		for key := range want {
			if got[key] == nil {
				t.Errorf("%s: key %q is missing", lang, key)
				continue
			}
			if g, w := formsAndNames(t, got[key]), formsAndNames(t, want[key]); g != w {
				t.Errorf("%s: %q has %s, in English %s", lang, key, g, w)
			}
		}
		for key := range got {
			if want[key] == nil {
				t.Errorf("%s: key %q is not in English", lang, key)
			}
		}
	}
}

// formsAndNames describes the plural forms and placeholders of a text.
func formsAndNames(t *testing.T, forms map[string]string) string {
	t.Helper()
	var all []string
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		names, err := placeholders(forms[form])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(form, names))
	}
	return strings.Join(all, " ")
}

func TestEveryTextIsUsed(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	used := map[string]bool{}
	for _, page := range u.pages {
		for _, key := range textKeys(page) {
			used[key] = true
		}
	}
	for _, key := range append(goStrings(t), composedKeys()...) {
		used[key] = true
	}
	for key := range u.locales["en"].keys() {
		if !used[key] {
			t.Errorf("text %q is not used anywhere", key)
		}
	}
	for _, key := range composedKeys() {
		if !u.locales["en"].has(key) {
			t.Errorf("text %q is used but does not exist", key)
		}
	}
}

// moreKeys are the composed keys of pages whose tests stand in a file of their own.
var moreKeys []func() []string

// composedKeys are the keys that are put together from parts.
func composedKeys() []string {
	keys := []string{(&ErrorPage{RetryAfter: 1}).Wait().Key, (&ErrorPage{RetryAfter: 1e12}).Wait().Key}
	for m := range 12 {
		keys = append(keys, fmt.Sprintf("time.month.%d", m+1))
	}
	for _, kind := range []string{"totp", "passkey", "sms", "email", "recovery"} {
		keys = append(keys, Method{Kind: kind}.LabelKey(), Method{Kind: kind}.HintKey())
	}
	for _, kind := range []string{"totp", "passkey", "sms", "email"} {
		keys = append(keys, Method{Kind: kind}.GainKey())
	}
	for _, kind := range []string{"sms", "email"} {
		keys = append(keys, (&CodePage{Kind: kind}).heading().key, (&EnrolContactPage{Kind: kind}).heading().key,
			(&EnrolContactPage{Kind: kind, Contact: true}).heading().key)
	}
	for _, scope := range []string{"openid", "profile", "email", "address", "phone", "offline_access"} {
		keys = append(keys, ScopeText{Standard: scope}.Key())
	}
	for k := Internal; k <= Unavailable; k++ {
		p := &ErrorPage{Kind: k}
		keys = append(keys, p.heading().key, p.What(), p.Do())
	}
	for f := BadRequest; f <= UnknownClient; f++ {
		keys = append(keys, (&ErrorPage{Kind: BadClient, Detail: f}).Fault())
	}
	for _, topic := range HelpTopics() {
		p := &HelpPage{Topic: topic}
		keys = append(keys, p.heading().key, "help."+topic+".lead", "help."+topic+".about")
		for _, stem := range p.Items() {
			keys = append(keys, stem+".q", stem+".a")
		}
	}
	for _, keysOf := range moreKeys {
		keys = append(keys, keysOf()...)
	}
	return keys
}

// goStrings returns every string literal of the package's own files.
func goStrings(t *testing.T) []string {
	t.Helper()
	var all []string
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					all = append(all, s)
				}
			}
			return true
		})
	}
	return all
}

// TestGlossary holds the texts to one word for one thing.
func TestGlossary(t *testing.T) {
	t.Parallel()
	banned := map[string][]string{
		"sv": {
			"vänligen", "användarnamn", "inloggningsnamn", "användarid", "lösennyckel", "åtkomstnyckel", "nyckelfras",
			"engångskod", "verifieringskod", "återställningskod", "cookie", "blockerad inlogg", "låst", "e-post", "epost",
			"kundtjänst", "kundsupport", "signera in", " ni ", " ert ", " er ", "applikation", "authenticator", "ogiltigt lösenord", "!",
		},
		"en": {
			"please", "username", "user name", "log in", "login", "log on", "passcode", "one-time password", "backup code",
			"blocked sign", "email ", "customer support", "helpdesk", "invalid password", "2fa", "mfa", "!",
		},
	}
	for lang, words := range banned {
		for source, text := range everyText(t, lang) {
			for _, word := range words {
				if strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
					t.Errorf("%s %s: %q is not our word: %s", lang, source, word, text)
				}
			}
		}
	}
	clock := regexp.MustCompile(`\d\d:\d\d`)
	for source, text := range everyText(t, "sv") {
		if clock.MatchString(strings.ReplaceAll(text, "15:04", "")) {
			t.Errorf("sv %s: clock times are written 14.35: %s", source, text)
		}
	}
}

// everyText returns all texts and notices of a language by where they come from.
func everyText(t *testing.T, lang string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for key, forms := range catalogue(t, lang) {
		for form, text := range forms {
			texts[key+" "+form] = text
		}
	}
	for k := Locked; k.file() != ""; k++ {
		raw, err := files.ReadFile("mail/" + lang + "/" + k.file() + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		texts[k.file()] = string(raw)
	}
	return texts
}

// TestSwedishIsPlain measures LIX (words per sentence plus the share of words over six letters): 40 is the limit for
// plain text, our stand-in for the CEFR level B2 that Directive (EU) 2019/882 asks for.
func TestSwedishIsPlain(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	var all strings.Builder
	for key := range u.locales["sv"].fixed {
		if text := u.locales["sv"].fixed[key]; strings.HasSuffix(text, ".") {
			all.WriteString(strings.ReplaceAll(text, full.Origin, "adressen") + "\n")
		}
	}
	words, long := 0.0, 0.0
	for word := range strings.FieldsSeq(all.String()) {
		words++
		if len([]rune(strings.Trim(word, ".,:?”"))) > 6 {
			long++
		}
	}
	sentences := float64(len(regexp.MustCompile(`[.:?](\s|$)`).FindAllString(all.String(), -1)))
	if lix := words/sentences + 100*long/words; lix > 40 {
		t.Errorf("LIX %.1f, want at most 40", lix)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	l := newUI(t, full).locales["sv"]
	for _, c := range []struct {
		key  string
		args map[string]any
		want string
	}{
		{"wait.seconds", map[string]any{"Count": 1}, "Vänta 1 sekund innan du försöker igen."},
		{"wait.seconds", map[string]any{"Count": 30}, "Vänta 30 sekunder innan du försöker igen."},
		{"locked.lead", map[string]any{"Time": "14.35"}, "Det blev för många felaktiga försök. Försök igen efter kl. 14.35."},
		{"never.address", nil, "Kontrollera att adressen börjar med https://id.example.se."},
	} {
		if got, err := l.text(c.key, c.args); err != nil || got != c.want {
			t.Errorf("%s %v = %q, %v; want %q", c.key, c.args, got, err, c.want)
		}
	}
	for _, key := range []string{"no.such.key", "locked.lead"} {
		if got, err := l.text(key, nil); err == nil {
			t.Errorf("%s without values = %q, want an error", key, got)
		}
	}
}
