package browsertest

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// KB is the unit of the limits.
const KB = 1 << 10

// resource is one thing that a page loaded (Resource Timing).
type resource struct {
	Name                  string
	Type                  string  // navigation, script, link, img, fetch
	Sent, Packed, Content float64 // bytes: on the wire with headers, as encoded, as decoded
}

// resources are what the page has loaded, once it has asked for a passkey challenge.
func (w *window) resources() (all []resource) {
	w.t.Helper()
	for end := time.Now().Add(patience / 4); ; time.Sleep(10 * time.Millisecond) {
		all = value[[]resource](w, `[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].map((e) => ({
			name: e.name, type: e.initiatorType, sent: e.transferSize, packed: e.encodedBodySize, content: e.decodedBodySize,
		}))`)
		for _, r := range all {
			if strings.HasSuffix(r.Name, "/options") {
				return all
			}
		}
		if time.Now().After(end) {
			w.t.Fatalf("no passkey challenge was asked for: %+v", all)
		}
	}
}

func TestSignInIsSmall(t *testing.T) {
	t.Parallel()
	i := start(t, webtest.Localhost)
	w := i.window(t, mode{lang: "sv"})
	load := func() (requests int, bytes float64, all []resource) {
		t.Helper()
		w.mu.Lock()
		requests, bytes = len(w.requests), w.bytes
		w.mu.Unlock()
		w.visit(i.authorize(i.app))
		all = w.resources()
		w.until("everything to be counted", func() bool { return w.bytes-bytes >= sum(all)/2 })
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.requests) - requests, w.bytes - bytes, all
	}
	requests, bytes, all := load()
	if requests > 8 || requests < 5 {
		t.Errorf("the first sign-in page made %d requests, want 5 to 8", requests)
	}
	if bytes > 40*KB || sum(all) > 40*KB || bytes < 4*KB {
		t.Errorf("the first sign-in page took %.0f bytes, want at most 40 KB", bytes)
	}
	limits := map[string]float64{"navigation": 6 * KB, ".css": 8 * KB, ".js": 6 * KB}
	for _, r := range all {
		kind := r.Type
		if ext := path.Ext(r.Name); limits[ext] > 0 {
			kind = ext
			if r.Packed >= r.Content/2 {
				t.Errorf("%s is not compressed: %.0f bytes for %.0f", r.Name, r.Packed, r.Content)
			}
		}
		if limit := limits[kind]; limit > 0 && (r.Packed > limit || r.Packed == 0) {
			t.Errorf("%s takes %.0f bytes, want at most %.0f", r.Name, r.Packed, limit)
		}
		delete(limits, kind)
		t.Logf("%s %s: %.0f bytes, %.0f packed, %.0f in all", r.Type, path.Base(r.Name), r.Content, r.Packed, r.Sent)
	}
	if len(limits) > 0 {
		t.Errorf("the sign-in page loaded none of %v", limits)
	}
	again, more, all := load()
	if more > 10*KB || sum(all) > 10*KB {
		t.Errorf("the second sign-in page took %.0f bytes, want at most 10 KB", more)
	}
	t.Logf("first %d requests, %.0f bytes; then %d requests, %.0f bytes", requests, bytes, again, more)
}

// sum is what went over the wire for all.
func sum(all []resource) (bytes float64) {
	for _, r := range all {
		bytes += r.Sent
	}
	return bytes
}

// TestNothingMoves loads pages that script changes, over a slow line and for the first
// time, so that they are seen before script has run.
func TestNothingMoves(t *testing.T) {
	t.Parallel()
	i := start(t, webtest.Localhost)
	w := i.window(t, mode{lang: "en"})
	person, key := i.equipped(passkey, totp)
	signIn := i.authorize(i.app)
	b, page := i.begun(person, signIn)
	home := i.home(person, key)
	for name, open := range map[string]func(){
		"sign-in":  func() { w.visit(signIn) },
		"passkey":  func() { w.wear(i, b, on(page, "/signin/verify/passkey")) },
		"chooser":  func() { w.wear(i, b, on(page, "/signin/verify")) },
		"security": func() { w.wear(i, home, "/security") },
		"methods":  func() { w.wear(i, home, "/security/methods") },
		"password": func() { w.wear(i, home, "/security/password") },
		"create a passkey": func() {
			b, page := i.begun(i.newcomer(), i.authorize(i.app, "acr_values", provider.ACRPhishingResistant))
			w.wear(i, b, page.URL.String())
			w.on("/factor/passkey/new")
		},
	} {
		for _, width := range []int64{1280, 360} {
			w.resize(width, 780)
			w.forgetCookies()
			call(w, network.ClearBrowserCache, cdp.Empty{})
			call(w, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
				MatchedNetworkConditions: []*network.Conditions{{Latency: 150, DownloadThroughput: 200 * KB, UploadThroughput: 90 * KB}},
			})
			open()
			time.Sleep(100 * time.Millisecond) // for what is drawn once the page has loaded
			moved := w.moved()
			limit := 0.01
			if name == "password" {
				limit = 0.02 // script takes the second field away, which is there for who has none
			}
			if moved > limit {
				t.Errorf("%s, %d px: things moved by %.3f, want at most %.2f", name, width, moved, limit)
			}
		}
	}
	value[bool](w, `new Promise((done) => requestAnimationFrame(() => {
		document.body.prepend(Object.assign(document.createElement("hr"), {className: "card"}));
		requestAnimationFrame(() => done(true));
	}))`)
	if moved := w.moved(); moved < 0.01 {
		t.Errorf("a line put on top of everything moved things by %.3f: the measure sees nothing", moved)
	}
}

// moved is how far things have moved by themselves (Layout Instability, the sum of all
// values).
func (w *window) moved() float64 {
	w.t.Helper()
	return value[float64](w, `new Promise((done) => {
		let sum = 0;
		new PerformanceObserver((list) => list.getEntries().forEach((e) => sum += e.hadRecentInput ? 0 : e.value)).observe({type: "layout-shift", buffered: true});
		requestAnimationFrame(() => setTimeout(() => done(sum), 50));
	})`)
}
