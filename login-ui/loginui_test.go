package loginui

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
)

func newUI(t *testing.T, s Settings) *UI {
	t.Helper()
	u, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func render(t *testing.T, u *UI, p Page) string {
	t.Helper()
	var buf bytes.Buffer
	if err := u.Render(&buf, p); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestNewNamesTheSetting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		s    Settings
	}{
		{"Brand", Settings{Origin: "https://id.example.se"}},
		{"Origin", Settings{Brand: "Example Card"}},
		{"Origin", Settings{Brand: "Example Card", Origin: "id.example.se"}},
		{"Origin", Settings{Brand: "Example Card", Origin: "https://id.example.se/"}},
		{"ChatURL", Settings{Brand: "Example Card", Origin: "https://id.example.se", ChatURL: "javascript:alert(1)"}},
		{"PrivacyURL", Settings{Brand: "Example Card", Origin: "https://id.example.se", PrivacyURL: "/privacy"}},
	} {
		if _, err := New(c.s); err == nil || !strings.Contains(err.Error(), c.name) {
			t.Errorf("New(%+v) = %v, want an error naming %s", c.s, err, c.name)
		}
	}
}

func TestRenderFailsBeforeItWrites(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for name, p := range map[string]Page{
		"script address":   &ContinuePage{URL: "javascript:alert(document.domain)"},
		"no otpauth":       &EnrolTOTPPage{URI: "javascript:alert(1)"},
		"unknown text":     &SignInPage{Base: Base{Errors: []FieldError{{Key: "no.such.key"}}}},
		"missing value":    &TOTPPage{Base: Base{Errors: []FieldError{{Key: KeyCodeTooMany}}}},
		"unknown topic":    &HelpPage{Topic: "no-such-topic"},
		"unknown method":   &VerifyPage{Methods: []Method{{Kind: "pigeon"}}},
		"unsafe way back":  &SignedOutPage{BackURL: "data:text/html,hi"},
		"unsafe way out":   &ErrorPage{BackURL: "vbscript:x"},
		"address half way": &ContinuePage{URL: "/cb?code=1", LoopGuard: true},
	} {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			if err := u.Render(&buf, p); err == nil || buf.Len() > 0 {
				t.Errorf("Render = %v after %d bytes, want an error and nothing written", err, buf.Len())
			}
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestRenderReportsABrokenConnection(t *testing.T) {
	t.Parallel()
	if err := newUI(t, bare).Render(brokenWriter{}, &LandingPage{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Render = %v, want io.ErrClosedPipe", err)
	}
}

// A token must not reach an error, which ends up in a log.
func TestLeaveKeepsTheAddressOutOfErrors(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, address := range []string{"data:,s3cret", "https:///cb?code=s3cret", "https://a.example/%zz?code=s3cret", "//x?s3cret"} {
		err := u.Render(io.Discard, &ContinuePage{URL: address})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("Render with %q = %v, want an error without the code", address, err)
		}
	}
}

func TestContinue(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, address := range []string{
		"https://app.example/cb?code=a%2Bb&state=xyz&iss=https%3A%2F%2Fid.example.se",
		"http://127.0.0.1:4711/cb?code=1&state=2",
		"http://[::1]:4711/cb?code=1",
		"example.app:/cb?code=1&state=2",
		"com.example.app://cb?code=1;state=2",
		"https://app.example/#code=1&state=%22%3E%3Cscript%3E",
	} {
		t.Run(address, func(t *testing.T) {
			d := parseDocument(t, render(t, u, &ContinuePage{URL: address}))
			if got := attr(d.byID("continue"), "href"); got != address {
				t.Errorf("link = %q", got)
			}
			if got, want := d.refresh(), "0;url="+address; got != want {
				t.Errorf("refresh = %q, want %q", got, want)
			}
			d = parseDocument(t, render(t, u, &ContinuePage{URL: address, LoopGuard: true}))
			if got := d.refresh(); got != "" {
				t.Errorf("refresh with the loop guard = %q, want none", got)
			}
		})
	}
}

func (d *document) refresh() string {
	for _, n := range d.all("meta") {
		if attr(n, "http-equiv") == "refresh" {
			return attr(n, "content")
		}
	}
	return ""
}

func TestNothingBreaksOut(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	const evil = `"><script>alert(1)</script><a onclick='x`
	b := Base{Lang: evil, Return: "/" + evil, IX: evil, FormToken: evil, Client: evil}
	for _, p := range []Page{
		&SignInPage{Base: b, UserID: evil}, &AccountPage{Base: b, UserIDMasked: evil},
		&VerifyPage{Base: b, Methods: []Method{{"totp", evil}}}, &TOTPPage{Base: b, OtherMethods: true},
		&EnrolTOTPPage{Base: b, QRPath: evil, Key: evil, URI: "otpauth://totp/" + evil},
		&ConsentPage{Base: b, UserIDMasked: evil, Scopes: []ScopeText{{Title: evil, Detail: evil}}},
		&ContinuePage{Base: b, URL: "https://app.example/?" + evil},
		&SignOutPage{Base: b, UserIDMasked: evil, Hidden: []Hidden{{evil, evil}}},
		&SignedOutPage{Base: b, BackURL: "https://app.example/?" + evil, BackName: evil},
		&ErrorPage{Base: b, Kind: BadClient, Reference: evil, Host: evil}, &HelpPage{Base: b, Topic: "sign-in"},
	} {
		d := parseDocument(t, render(t, u, p))
		if n := len(d.all("script")); n != 1 {
			t.Errorf("%T: %d scripts, want only app.js", p, n)
		}
		for _, n := range d.nodes {
			if has(n, "onclick") {
				t.Errorf("%T: an event handler got in", p)
			}
		}
	}
}

func TestLanguageSwitch(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for path, want := range map[string]bool{
		"/": true, "/signin?ix=1&a=b": true, "": false, "//evil.example": false, `/\evil.example`: false,
		"https://evil.example": false, "/\t/evil.example": false, "signin": false,
	} {
		page := render(t, u, &LandingPage{Base{Lang: "sv", Return: path}})
		if got := strings.Contains(page, `action="/language"`); got != want {
			t.Errorf("Return %q: switch shown = %v, want %v", path, got, want)
		}
		if want && !strings.Contains(page, `<button class="link" type="submit" lang="en">English</button>`) {
			t.Errorf("Return %q: the switch does not name English in English", path)
		}
	}
}

// TestFields holds the inputs to the contract with password managers and one-time code autofill.
func TestFields(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	signin := parseDocument(t, render(t, u, &SignInPage{Base: base("en")}))
	remembered := parseDocument(t, render(t, u, &SignInPage{Base: base("en"), UserID: "karin92", Remembered: true}))
	totp := parseDocument(t, render(t, u, &TOTPPage{Base: base("en"), TrustDevice: true}))
	for _, c := range []struct {
		d    *document
		id   string
		want map[string]string
	}{
		{signin, "username", map[string]string{
			"name": "username", "type": "text", "autocomplete": "username webauthn", "autocapitalize": "none", "autocorrect": "off",
			"spellcheck": "false", "enterkeyhint": "next", "maxlength": "64", "required": "", "aria-describedby": "username-hint", "value": "",
		}},
		{signin, "password", map[string]string{
			"name": "password", "type": "password", "autocomplete": "current-password", "autocapitalize": "none",
			"spellcheck": "false", "enterkeyhint": "go", "maxlength": "256", "required": "",
		}},
		{signin, "remember", map[string]string{
			"type": "checkbox", "name": "remember", "value": "1", "aria-describedby": "remember-hint",
		}},
		{remembered, "username", map[string]string{"value": "karin92"}},
		{remembered, "password", map[string]string{"autocomplete": "current-password webauthn", "autofocus": ""}},
		{remembered, "remember", map[string]string{"checked": ""}},
		{totp, "code", map[string]string{
			"name": "code", "type": "text", "inputmode": "numeric", "autocomplete": "one-time-code", "enterkeyhint": "go",
			"spellcheck": "false", "maxlength": "12", "required": "", "autofocus": "",
		}},
		{totp, "trust_device", map[string]string{"type": "checkbox", "name": "trust_device", "value": "1"}},
	} {
		n := c.d.byID(c.id)
		for key, want := range c.want {
			if !has(n, key) || attr(n, key) != want {
				t.Errorf("%s: %s = %q (present: %v), want %q", c.id, key, attr(n, key), has(n, key), want)
			}
		}
	}
	if has(signin.byID("remember"), "checked") || has(totp.byID("trust_device"), "checked") {
		t.Error("a box that nobody ticked is ticked")
	}
	if signin.byID("passkey") != nil || strings.Contains(signin.source, "/recover/") || strings.Contains(signin.source, "/register") {
		t.Error("the sign-in page links to something that is not served")
	}
}

// TestNothingSecretComesBack: what the person typed is kept after an error, except secrets.
func TestNothingSecretComesBack(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	d := parseDocument(t, render(t, u, &SignInPage{Base: base("en", FieldError{Key: KeySignInWrong}), UserID: "karin92"}))
	if got := attr(d.byID("username"), "value"); got != "karin92" {
		t.Errorf("User ID after an error = %q, want it kept", got)
	}
	if has(d.byID("password"), "value") {
		t.Error("the password field has a value")
	}
}

func TestLockedShowsClockTime(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for lang, want := range map[string]string{"en": "Try again after 14:35.", "sv": "Försök igen efter kl. 14.35."} {
		for _, each := range samples(lang) {
			if each.name == "locked" && !strings.Contains(render(t, u, each.page), want) {
				t.Errorf("%s: page does not say %q", lang, want)
			}
		}
	}
}

func TestErrorWait(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for name, want := range map[string]string{
		"error-wait-seconds": "Wait 1 second before", "error-wait-minutes": "Wait 2 minutes before",
	} {
		for _, each := range samples("en") {
			if each.name == name && !strings.Contains(render(t, u, each.page), want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
}

func TestHelpKeepsTheSignIn(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	inside := render(t, u, &HelpPage{Base: base("en"), Topic: "sign-in"})
	if !strings.Contains(inside, `<a href="/signin?ix=tx1">Back to sign in</a>`) {
		t.Error("no way back to the sign-in")
	}
	if outside := render(t, u, &HelpPage{Base: Base{Lang: "en"}, Topic: "sign-in"}); strings.Contains(outside, "/signin") {
		t.Error("a way back to a sign-in that does not exist")
	}
}

func TestRenderConcurrently(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	want := render(t, u, &TOTPPage{Base: base("sv")})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				var buf bytes.Buffer
				if err := u.Render(&buf, &TOTPPage{Base: base("sv")}); err != nil || buf.String() != want {
					t.Errorf("Render = %v, or another page than before", err)
				}
				if err := u.Render(io.Discard, &SignInPage{Base: base("en")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSignIn(b *testing.B) {
	u, err := New(full)
	if err != nil {
		b.Fatal(err)
	}
	p := &SignInPage{Base: base("sv"), UserID: "karin92", Remembered: true}
	b.ReportAllocs()
	for b.Loop() {
		if err := u.Render(io.Discard, p); err != nil {
			b.Fatal(err)
		}
	}
}
