package browsertest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a test waits for the browser before it fails.
const patience = 40 * time.Second

// window is a browser window with cookies of its own. Clicks and keys go through
// the browser's input, so nothing works here that would not work for a person.
type window struct {
	t       testing.TB
	ctx     context.Context
	origins []string

	mu       sync.Mutex
	url      string // of the document that is loading or has loaded
	document cdp.LoaderID
	loaded   map[cdp.LoaderID]bool
	requests []*network.Request
	status   map[string]int64 // of documents, by address
	bytes    float64          // received, headers included
	faults   []string         // what the browser complained about
}

// mode is how a window is set up.
type mode struct {
	lang  string // the browser's own language
	plain bool   // without script
}

func (m mode) String() string {
	if m.plain {
		return m.lang + " without script"
	}
	return m.lang
}

// open opens a window. When the test ends, strict holds for it.
func open(t testing.TB, m mode, origins ...string) *window {
	t.Helper()
	parent, err := chromium()
	if err != nil {
		t.Fatalf("no Chromium to test with: %v\nRun .ci/test, or install the package chromium.", err)
	}
	w := &window{t: t, origins: origins, status: map[string]int64{}, loaded: map[cdp.LoaderID]bool{}}
	var cancel context.CancelFunc
	w.ctx, cancel = chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(w.hear))
	t.Cleanup(func() {
		w.strict()
		cancel()
	})
	w.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, audits.Enable, cdp.Empty{})
		return err
	}))
	call(w, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	call(w, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": m.lang}})
	w.scripts(!m.plain)
	w.resize(1280, 900)
	return w
}

// hear keeps what the tests ask about. It runs where messages are read and must
// not call the browser.
func (w *window) hear(ev any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch ev := ev.(type) {
	case *page.EventFrameNavigated:
		w.url, w.document = ev.Frame.URL+ev.Frame.URLFragment, ev.Frame.LoaderID
		w.loaded[w.document] = w.loaded[w.document] || ev.Type == page.NavigationTypeBackForwardCacheRestore
	case *page.EventLifecycleEvent:
		if ev.Name == "load" {
			w.loaded[ev.LoaderID] = true
		}
	case *network.EventRequestWillBeSent:
		w.requests = append(w.requests, ev.Request)
	case *network.EventResponseReceived:
		if ev.Type == network.ResourceTypeDocument {
			w.status[ev.Response.URL] = ev.Response.Status
		}
	case *network.EventLoadingFinished:
		w.bytes += ev.EncodedDataLength
	case *runtime.EventExceptionThrown:
		w.faults = append(w.faults, "exception: "+ev.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		loud := ev.Entry.Level == log.EntryLevelError && ev.Entry.Source != log.EntrySourceNetwork // pages with faults have statuses from 400 up
		if ev.Entry.Source == log.EntrySourceSecurity || loud {
			w.faults = append(w.faults, string(ev.Entry.Source)+": "+ev.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
			w.faults = append(w.faults, "console: "+js(ev.Args))
		}
	case *audits.EventIssueAdded:
		if d := ev.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			w.faults = append(w.faults, "content security policy: "+d.ViolatedDirective+" "+d.BlockedURL)
		}
	}
}

// strict fails when the window has loaded anything but addresses of its origins,
// or when anything went against the content security policy.
func (w *window) strict() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range w.faults {
		w.t.Errorf("the browser complained: %s", fault)
	}
	for _, r := range w.requests {
		known := strings.HasPrefix(r.URL, "about:")
		for _, origin := range w.origins {
			known = known || strings.HasPrefix(r.URL, origin+"/")
		}
		if !known {
			w.t.Errorf("a page asked another origin: %s", r.URL)
		}
	}
}

// lend lets t use the window as if it were new. A new window would be dearer.
func (w *window) lend(t *testing.T, use func()) {
	t.Helper()
	owner := w.t
	w.t = t
	defer func() {
		w.strict()
		w.mu.Lock()
		w.requests, w.faults = nil, nil
		w.mu.Unlock()
		w.t = owner
	}()
	w.forgetCookies()
	w.scripts(true)
	use()
}

func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if w.ctx.Err() == nil && chromedp.FromContext(w.ctx).Target == nil {
		if err := chromedp.Do(w.ctx); err != nil { // opens the window, which lives as long as this context
			w.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

// call sends one command of the DevTools protocol.
func call[P, R any](w *window, cmd cdp.Command[P, R], params P) R {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		w.t.Fatalf("%s: %v", cmd.Method, err)
	}
	return result
}

// value is what a script expression gives. It looks at the page as the developer
// tools do, also where the page itself may not run script.
func value[T any](w *window, expression string) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatalf("%s\non %s: %v", expression, w.address(), err)
	}
	return v
}

// js writes a value into a script expression.
func js(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (w *window) address() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.url
}

// path is the address of the page without its origin and query.
func (w *window) path() string {
	_, rest, _ := strings.Cut(w.address(), "://")
	_, rest, _ = strings.Cut(rest, "/")
	rest, _, _ = strings.Cut(rest, "?")
	return "/" + rest
}

// method is the HTTP method that the page was asked for with.
func (w *window) method() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	address, _, _ := strings.Cut(w.url, "#")
	for _, r := range slices.Backward(w.requests) {
		if r.URL == address {
			return r.Method
		}
	}
	return ""
}

// until waits for something that the browser reports.
func (w *window) until(what string, done func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(3 * time.Millisecond) {
		w.mu.Lock()
		ok := done()
		w.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("waited for %s; the window shows %s:\n%s", what, w.address(), value[string](w, `document.body.innerText`))
		}
	}
}

// loading runs an action that loads a document, and waits for that.
func (w *window) loading(what string, act func()) {
	w.t.Helper()
	w.mu.Lock()
	before := w.document
	w.mu.Unlock()
	act()
	w.until(what+" to load a page", func() bool { return w.document != before && w.loaded[w.document] })
}

// visit types an address into the address bar.
func (w *window) visit(address string) {
	w.t.Helper()
	w.loading("visiting "+address, func() {
		if r := call(w, page.Navigate, page.NavigateParams{URL: address}); r.ErrorText != "" {
			w.t.Fatalf("visiting %s: %s", address, r.ErrorText)
		}
	})
}

// arrive waits until a document has loaded whose address begins with address.
func (w *window) arrive(address string) {
	w.t.Helper()
	w.until("arriving at "+address, func() bool { return strings.HasPrefix(w.url, address) && w.loaded[w.document] })
}

// fill clicks on a field and types into it in place of what it held.
func (w *window) fill(id, text string) {
	w.t.Helper()
	w.click("#" + id)
	value[bool](w, `(document.getElementById(`+js(id)+`).select(), true)`)
	w.keys("\b")
	call(w, input.InsertText, input.InsertTextParams{Text: text})
}

// keys presses keys one after the other; see the package kb for those without a letter.
func (w *window) keys(keys string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(keys))
}

// shiftTab goes one stop back.
var shiftTab = chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift))

// click clicks the middle of the first element that matches.
func (w *window) click(selector string) {
	w.t.Helper()
	x, y := w.middle(selector)
	w.do(chromedp.MouseClickXY(x, y))
}

func (w *window) middle(selector string) (x, y float64) {
	w.t.Helper()
	at := value[[]float64](w, `(() => {
		const e = [...document.querySelectorAll(`+js(selector)+`)].find((e) => e.checkVisibility());
		if (!e) return [];
		e.scrollIntoView({block: "center", behavior: "instant"});
		const r = e.getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`)
	if len(at) != 2 {
		w.t.Fatalf("%s has no visible %s:\n%s", w.address(), selector, value[string](w, `document.body.innerText`))
	}
	return at[0], at[1]
}

// press clicks what leads to another page.
func (w *window) press(selector string) {
	w.t.Helper()
	w.loading("pressing "+selector, func() { w.click(selector) })
}

// text is what the first element that matches says.
func (w *window) text(selector string) string {
	w.t.Helper()
	return value[string](w, `document.querySelector(`+js(selector)+`)?.innerText ?? ""`)
}

func (w *window) has(selector string) bool {
	w.t.Helper()
	return value[bool](w, `!!document.querySelector(`+js(selector)+`)?.checkVisibility()`)
}

// says fails unless the page has the text.
func (w *window) says(text string) {
	w.t.Helper()
	if all := w.text("body"); !strings.Contains(all, text) {
		w.t.Fatalf("%s does not say %q:\n%s", w.address(), text, all)
	}
}

// on fails unless the window shows the page at path.
func (w *window) on(path string) {
	w.t.Helper()
	if got := w.path(); got != path {
		w.t.Fatalf("window is on %s, want %s:\n%s", got, path, w.text("body"))
	}
}

// focus is the id, or else the tag, of the element that has it.
func (w *window) focus() string {
	w.t.Helper()
	return value[string](w, `document.activeElement.id || document.activeElement.localName`)
}

// focused fails unless the element gets focus; a page may give it just after it has loaded.
func (w *window) focused(want string) {
	w.t.Helper()
	got := w.focus()
	for end := time.Now().Add(patience / 4); got != want && time.Now().Before(end); got = w.focus() {
		time.Sleep(10 * time.Millisecond)
	}
	if got != want {
		w.t.Fatalf("focus is on %s, want %s", got, want)
	}
}

func (w *window) resize(width, height int64) {
	w.t.Helper()
	call(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
}

// scheme asks for "light" or "dark".
func (w *window) scheme(name string) {
	w.t.Helper()
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// posts counts the forms that have been sent to path.
func (w *window) posts(path string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if r.Method == "POST" && strings.HasSuffix(r.URL, path) {
			n++
		}
	}
	return n
}

// forgetCookies empties the cookie jar.
func (w *window) forgetCookies() {
	w.t.Helper()
	call(w, network.ClearBrowserCookies, cdp.Empty{})
}

// answered fails unless the page came with status.
func (w *window) answered(status int64) {
	w.t.Helper()
	w.mu.Lock()
	got := w.status[w.url]
	w.mu.Unlock()
	if got != status {
		w.t.Errorf("%s came with status %d, want %d", w.address(), got, status)
	}
}

// field fails unless the field holds text.
func (w *window) field(id, text string) {
	w.t.Helper()
	if got := value[string](w, `document.getElementById(`+js(id)+`).value`); got != text {
		w.t.Errorf("field %s holds %q, want %q", id, got, text)
	}
}

func (w *window) ticked(want bool) {
	w.t.Helper()
	if got := value[bool](w, `document.getElementById("remember").checked`); got != want {
		w.t.Errorf("remember is ticked: %v, want %v", got, want)
	}
}

func (w *window) reload() {
	w.t.Helper()
	w.loading("reloading", func() { call(w, page.Reload, page.ReloadParams{}) })
}

// history goes back (-1) or forward (1).
func (w *window) history(by int64) {
	w.t.Helper()
	h := call(w, page.GetNavigationHistory, cdp.Empty{})
	at := h.CurrentIndex + by
	if at < 0 || at >= int64(len(h.Entries)) {
		w.t.Fatalf("no page %d away in the history", by)
	}
	w.loading("going through the history", func() {
		call(w, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: h.Entries[at].ID})
	})
}
