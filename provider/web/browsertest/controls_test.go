package browsertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp/kb"

	"cardea/provider/web/webtest"
)

func TestKeyboardOnly(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		person := i.newcomer()
		key := i.Authenticator(person)
		w.visit(i.authorize(i.app))
		var order []string
		for range 10 {
			w.keys(kb.Tab)
			order = append(order, w.stop())
			switch order[len(order)-1] {
			case "username":
				w.keys(person.UserID)
			case "password":
				w.keys(webtest.Password)
			case "remember":
				w.keys(" ")
			}
		}
		want := []string{"skip", "language", "username", "password", "remember", "submit", "cancel"}
		if !slices.Equal(order[:len(want)], want) {
			t.Fatalf("Tab goes %v, want %v first", order, want)
		}
		w.field("username", person.UserID)
		w.ticked(true)
		for w.focus() != "password" {
			w.do(shiftTab)
		}
		w.loading("Enter in the password field", func() { w.keys(kb.Enter) })
		w.on("/signin/verify/totp")
		w.focused("code")
		w.stop()
		w.keys(i.Code(key))
		w.loading("Enter in the code field", func() { w.keys(kb.Enter) })
		if w.returned(i).Get("code") == "" {
			t.Errorf("the client got %s", w.address())
		}
	})
}

// stop names the element that has focus, and fails unless its ring can be seen.
func (w *window) stop() string {
	w.t.Helper()
	name, unseen := w.focusRing()
	if unseen != "" {
		w.t.Errorf("focus on %s cannot be seen: %s", name, unseen)
	}
	return name
}

// focusRing names the element that has focus, and says why its ring cannot be seen.
func (w *window) focusRing() (name, unseen string) {
	w.t.Helper()
	got := value[struct {
		Name, Style string
		Width       float64
		Seen        bool
	}](w, `(() => {
		const e = document.activeElement, r = e.getClientRects()[0] ?? e.getBoundingClientRect();
		const s = [getComputedStyle(e), getComputedStyle(e, "::after")].find((s) => s.outlineStyle !== "none") ?? getComputedStyle(e);
		return {
			name: e.id || (e.closest("form.language") ? "language" : e.className || e.localName), style: s.outlineStyle, width: parseFloat(s.outlineWidth),
			seen: r.width > 0 && r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight + 1 && r.right <= innerWidth + 1 && e.contains(document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2)),
		};
	})()`)
	if got.Style != "solid" || got.Width < 2 || !got.Seen {
		unseen = fmt.Sprintf("outline %s of %v px, in view: %v", got.Style, got.Width, got.Seen)
	}
	return got.Name, unseen
}

// walk goes through the page with the Tab key, and fails unless it comes to every
// control once, in the order of the page, and can be seen at each.
func (w *window) walk() {
	w.t.Helper()
	n := value[int](w, `(() => {
		const root = document.querySelector("dialog[open]") ?? document;
		const all = [...root.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((e) => e.checkVisibility({visibilityProperty: true}) && e.tabIndex >= 0 && e.type !== "hidden");
		const group = (e) => all.filter((other) => other.type === "radio" && other.name === e.name && other.form === e.form);
		window.stops = all.filter((e) => e.type !== "radio" || e === (group(e).find((o) => o.checked) ?? group(e)[0]));
		window.stops[0].focus();
		return window.stops.length;
	})()`)
	for at := 1; at < n; at++ {
		call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9})
		call(w, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9})
		if got := value[int](w, `stops.indexOf(document.activeElement)`); got != at {
			name, _ := w.focusRing()
			w.t.Fatalf("stop %d of %d of the Tab key is %s, stop %d of the page", at, n, name, got)
		}
		if name, unseen := w.focusRing(); unseen != "" {
			w.t.Errorf("focus on %s, stop %d, cannot be seen: %s", name, at, unseen)
		}
	}
}

func TestErrorSummary(t *testing.T) {
	t.Parallel()
	i := start(t)
	journey(t, i, func(t *testing.T, w *window, say map[string]string) {
		w.visit(i.authorize(i.app))
		w.press("#submit")
		w.focused("error-summary")
		w.stop()
		for _, field := range []string{"username", "password"} {
			text := value[string](w, `(() => {
				const e = document.getElementById(`+js(field)+`);
				const words = e.getAttribute("aria-describedby").split(" ").map((id) => document.getElementById(id).innerText).join(" ");
				return e.getAttribute("aria-invalid") === "true" ? words : "";
			})()`)
			link := w.text(`#error-summary a[href="#` + field + `"]`)
			if link == "" || !strings.Contains(text, link) {
				t.Errorf("%s is described by %q, want the words of the summary, %q", field, text, link)
			}
			w.click(`#error-summary a[href="#` + field + `"]`)
			w.focused(field)
		}
		w.signIn("nobody", "wrong password")
		w.says(say["wrong"])
		if w.has("[aria-invalid]") {
			t.Error("a field is marked wrong, which tells which of the two it was")
		}
	})
}

func TestDoubleClickSendsOnce(t *testing.T) {
	t.Parallel()
	i := start(t)
	w := i.window(t, mode{lang: "en"})
	person := i.newcomer()
	w.visit(i.authorize(i.app))
	w.fill("username", person.UserID)
	w.fill("password", "wrong password")
	call(w, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{Latency: 1500, DownloadThroughput: -1, UploadThroughput: -1}},
	})
	x, y := w.middle("#submit")
	w.loading("two quick clicks", func() {
		for n := range 2 {
			time.Sleep(time.Duration(n) * 300 * time.Millisecond) // the browser itself takes quicker ones for one
			for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
				call(w, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: x, Y: y, Button: input.MouseButtonLeft, ClickCount: 1})
			}
		}
	})
	w.says(words["en"]["wrong"])
	if n := w.posts("/signin"); n != 1 {
		t.Errorf("two clicks sent the form %d times, want once", n)
	}
	call(w, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{}})
	w.signIn(person.UserID, webtest.Password) // the guard lets go
	w.returned(i)
}

// TestPictureForReadme makes the picture of the sign-in page that README.md shows.
func TestPictureForReadme(t *testing.T) {
	t.Parallel()
	i := start(t, func(set *webtest.Settings) { set.Pages.Origin = "https://id.example.se" })
	w := i.window(t, mode{lang: "en"})
	call(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 600, Height: 876, DeviceScaleFactor: 2})
	w.scheme("light")
	w.visit(i.authorize(i.app))
	w.save("sign-in")
	w.says("https://id.example.se")
}
