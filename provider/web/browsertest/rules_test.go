package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/page"
)

// TestEveryPage holds every state, in both languages, to the rules for all pages.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	for n, lang := range []string{"en", "sv"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			all, titles := startAll(t), titles{}
			w := open(t, mode{lang: lang}, all.origins()...)
			for at, s := range slices.Concat(shelfStates(), states()) {
				t.Run(s.name, func(t *testing.T) {
					w.lend(t, func() {
						w.check(s, all, lang)
						titles.add(w, s)
						if at%2 == n { // the Tab key knows no language
							w.walk()
						}
					})
				})
			}
		})
	}
}

// titles are the pages that have a title, by path without the part that names an object.
type titles map[string]string

// add fails when two pages have the same title (WCAG 2.2, 2.4.2).
func (all titles) add(w *window, s state) {
	w.t.Helper()
	if s.status >= 400 || s.route == "" {
		return
	}
	_, page, _ := strings.Cut(s.route, " ")
	title := value[string](w, `document.title`)
	if other := all[title]; other != "" && other != page && !slices.ContainsFunc(alike, func(group []string) bool { return slices.Contains(group, other) && slices.Contains(group, page) }) {
		w.t.Errorf("%s and %s have the same title, %q", other, page, title)
	}
	all[title] = page
}

// check takes the window to a state and checks everything there.
func (w *window) check(s state, all *issuers, lang string) {
	w.t.Helper()
	w.resize(1280, 900)
	s.reach(w, all)
	if !w.has(s.shows) {
		w.t.Fatalf("no %s here:\n%s", s.shows, w.text("body"))
	}
	w.answered(s.status)
	if s.route != "" && !answers(s.route, w.method(), w.path()) {
		w.t.Errorf("%s %s answered, not %s", w.method(), w.path(), s.route)
	}
	w.outline(lang)
	w.fits()
	w.accessible()
	w.picture(s.name, lang)
}

// outline checks what a screen reader finds its way by.
func (w *window) outline(lang string) {
	w.t.Helper()
	got := value[struct {
		Lang, Title, H1, Brand                          string
		H1s, Mains, Banners, Footers, Levels, Summaries int
		Described                                       []string
	}](w, `(() => {
		const all = (s) => [...document.querySelectorAll(s)];
		const levels = all("h1, h2, h3, h4").map((h) => +h.localName[1]);
		return {
			lang: document.documentElement.lang, title: document.title, h1: document.querySelector("h1").innerText, brand: document.querySelector(".brand").innerText.trim(),
			h1s: all("h1").length, mains: all("main").length, banners: all("body > header").length, footers: all("body > footer").length,
			levels: levels.filter((l, i) => l > (levels[i - 1] ?? 0) + 1).length, summaries: all("#error-summary").length,
			described: all("[aria-describedby]").flatMap((e) => e.getAttribute("aria-describedby").split(" ")).filter((id) => !document.getElementById(id)),
		};
	})()`)
	title := got.H1 + " – " + got.Brand
	if got.Summaries > 0 {
		title = map[string]string{"en": "Error: ", "sv": "Fel: "}[lang] + title
		w.focused("error-summary")
	}
	if got.Title != title {
		w.t.Errorf("title %q, want %q", got.Title, title)
	}
	if got.Lang != lang {
		w.t.Errorf("page language %q, want %q", got.Lang, lang)
	}
	if got.H1s != 1 || got.Mains != 1 || got.Banners != 1 || got.Footers != 1 || got.Levels != 0 || len(got.Described) > 0 {
		w.t.Errorf("outline: %+v, want one h1, main, header and footer, no skipped level and no description that is missing", got)
	}
}

// sizes are the narrowest window that WCAG 2.2 asks for (1.4.10, which 1280 px at
// 400 % zoom comes down to) and letters of two and four times the size (1.4.4).
var sizes = []struct {
	name         string
	width        int64
	text         float64
	moreDistance bool
}{
	{"320 px", 320, 16, false},
	{"320 px, text spacing", 320, 16, true},
	{"320 px, text at 200 %", 320, 32, false},
	{"1280 px, text at 400 %", 1280, 64, false},
	{"1280 px", 1280, 16, false},
}

// fits checks that nothing has to be scrolled to sideways, and that nothing is cut off.
func (w *window) fits() {
	w.t.Helper()
	for _, size := range sizes {
		w.resize(size.width, 900)
		call(w, page.SetFontSizes, page.SetFontSizesParams{FontSizes: &page.FontSizes{Standard: int64(size.text)}})
		if out := value[[]string](w, fmt.Sprintf(`(() => {
			const sheet = new CSSStyleSheet();
			sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }");
			document.adoptedStyleSheets = %v ? [sheet] : [];
			const edge = document.documentElement.clientWidth;
			const hidden = (e) => e.closest(".vh, .skip, .defs, select, option") || !e.checkVisibility();
			const out = [...document.body.querySelectorAll("*")].filter((e) => !hidden(e)).filter((e) => {
				const r = e.getBoundingClientRect();
				return r.right > edge + 1 || r.left < -1 || (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible" && e.localName !== "input");
			}).map((e) => e.outerHTML.slice(0, 120));
			if (document.documentElement.scrollWidth > edge) out.push("the page is " + document.documentElement.scrollWidth + " wide of " + edge);
			return out;
		})()`, size.moreDistance)); len(out) > 0 {
			w.t.Errorf("%s does not fit: %s", size.name, strings.Join(out, "\n"))
		}
	}
	value[int](w, `(document.adoptedStyleSheets = []).length`)
	call(w, page.SetFontSizes, page.SetFontSizesParams{FontSizes: &page.FontSizes{Standard: 16}})
}

const axeFile = "../../../.ci/node_modules/axe-core/axe.min.js"

var axe = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile(axeFile)
	return string(b), err
})

// finding is what axe says of one rule.
type finding struct {
	Rule, Summary string
	Targets       []string
}

// explained are the findings that axe leaves to people, by rule, and what people
// have found.
var explained = map[string]string{}

// alike are the pages that have their title in common, because they ask for the same
// thing in the same words.
var alike = [][]string{
	{"/signin/verify/totp", "/signin/verify/sms", "/signin/verify/email", "/factor/phone/new", "/factor/email/new"},
	{"/factor/recovery-codes", "/security/recovery-codes"},
	{"/signin", "/signin/verify"},             // confirm that it is you
	{"/signin/verify", "/signin/verify/help"}, // for who cannot
}

// accessible runs axe at two widths and in both schemes. The dark scheme has other
// colours and is the same page otherwise, so that the rules about colours are enough.
func (w *window) accessible() {
	w.t.Helper()
	source, err := axe()
	if err != nil {
		w.t.Fatalf("no axe-core to test with: %v\nRun .ci/test, or npm ci in .ci.", err)
	}
	value[bool](w, source+"; true")
	for _, width := range []int64{1280, 320} {
		w.resize(width, 900)
		for _, scheme := range []string{"light", "dark"} {
			w.scheme(scheme)
			w.axe(fmt.Sprintf("%s, %d px", scheme, width), scheme == "dark")
		}
	}
	w.scheme("light")
}

// The rules that every page must have been held to, and those about colours.
var (
	certain = []string{"target-size", "color-contrast", "region", "document-title", "html-has-lang"}
	colours = []string{"color-contrast", "link-in-text-block"}
)

func (w *window) axe(where string, colour bool) {
	w.t.Helper()
	only, must := `{type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}`, certain
	if colour {
		only, must = `{type: "rule", values: `+js(colours)+`}`, colours[:1]
	}
	got := value[struct {
		Violations, Incomplete []finding
		Passes                 []string
		Modal                  bool
	}](w, `(async () => {
		const r = await axe.run(document, {runOnly: `+only+`, resultTypes: ["violations", "incomplete"]});
		const short = (all) => all.map((f) => ({rule: f.id, summary: f.help + ": " + (f.nodes[0]?.any[0]?.message ?? f.nodes[0]?.failureSummary), targets: f.nodes.map((n) => n.target.join(" "))}));
		return {violations: short(r.violations), incomplete: short(r.incomplete), passes: r.passes.map((p) => p.id), modal: !!document.querySelector("dialog:modal")};
	})()`)
	for _, f := range got.Violations {
		w.t.Errorf("axe, %s: %s: %s (%s)", where, f.Rule, f.Summary, strings.Join(f.Targets, ", "))
	}
	for _, f := range got.Incomplete {
		if explained[f.Rule] == "" {
			w.t.Errorf("axe, %s, to be looked at: %s: %s (%s)", where, f.Rule, f.Summary, strings.Join(f.Targets, ", "))
		}
	}
	for _, rule := range must {
		if got.Modal && rule != "color-contrast" && rule != "target-size" {
			continue // axe looks at the dialog only
		}
		if !slices.Contains(got.Passes, rule) {
			w.t.Errorf("axe, %s: rule %s did not run", where, rule)
		}
	}
}

// picture saves the page for people to look at, on two devices and in both schemes.
func (w *window) picture(name, lang string) {
	w.t.Helper()
	if *screens == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		for device, width := range map[string]int64{"phone": 375, "desktop": 1280} {
			w.scheme(scheme)
			w.resize(width, 800)
			w.resize(width, max(800, value[int64](w, `document.documentElement.scrollHeight`)))
			w.save(strings.Join([]string{name, lang, device, scheme}, "-"))
		}
	}
}

// save saves the window's picture, when pictures are asked for.
func (w *window) save(name string) {
	w.t.Helper()
	if *screens == "" {
		return
	}
	if err := os.MkdirAll(*screens, 0o755); err != nil {
		w.t.Fatal(err)
	}
	shot := call(w, page.CaptureScreenshot, page.CaptureScreenshotParams{})
	if err := os.WriteFile(filepath.Join(*screens, name+".png"), shot.Data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}
