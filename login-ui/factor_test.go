package loginui

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// TestFactorFields holds the inputs of second factors to the contract with one-time code autofill and password managers.
func TestFactorFields(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	page := func(p Page) *document { return parseDocument(t, render(t, u, p)) }
	code := map[string]string{
		"name": "code", "type": "text", "inputmode": "numeric", "autocomplete": "one-time-code", "enterkeyhint": "go",
		"spellcheck": "false", "maxlength": "12", "required": "", "autofocus": "", "aria-describedby": "code-hint",
	}
	trust := map[string]string{"type": "checkbox", "name": "trust_device", "value": "1", "aria-describedby": "trust-hint"}
	sms := page(&CodePage{Base: base("en"), Kind: "sms", Destination: "••42", TrustDevice: true})
	passkey := page(&PasskeyPage{Base: base("en"), TrustDevice: true})
	for _, c := range []struct {
		d    *document
		id   string
		want map[string]string
	}{
		{sms, "code", code},
		{sms, "trust_device", trust},
		{passkey, "trust_device", trust},
		{page(&EnrolContactPage{Base: base("en"), Kind: "email", Destination: "m•••@e•••.se"}), "code", code},
		{page(&RecoveryPage{Base: base("en"), Left: 7}), "recovery_code", map[string]string{
			"name": "recovery_code", "type": "text", "autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false",
			"maxlength": "32", "required": "", "autofocus": "", "aria-describedby": "recovery-hint",
		}},
		{page(&EnrolContactPage{Base: base("en"), Kind: "email", Typed: "karin@example.se"}), "email", map[string]string{
			"name": "email", "type": "email", "inputmode": "email", "autocomplete": "email", "autocapitalize": "none", "value": "karin@example.se",
		}},
		{page(&EnrolContactPage{Base: base("en"), Kind: "sms", Typed: "0701740642"}), "phone", map[string]string{
			"name": "phone", "type": "tel", "inputmode": "tel", "autocomplete": "tel", "value": "0701740642",
		}},
		{page(&RecoveryCodesPage{Base: base("en"), Codes: []string{"A"}}), "saved", map[string]string{"type": "checkbox", "name": "saved", "value": "1"}},
		{page(&SignInPage{Base: base("en"), Again: true, UserID: "karin92"}), "username", map[string]string{"value": "karin92"}},
		{page(&SignInPage{Base: base("en"), Again: true, UserID: "karin92"}), "password", map[string]string{"autofocus": "", "autocomplete": "current-password"}},
	} {
		n := c.d.byID(c.id)
		if n == nil {
			t.Fatalf("no field %q", c.id)
		}
		for key, want := range c.want {
			if !has(n, key) || attr(n, key) != want {
				t.Errorf("%s: %s = %q (present: %v), want %q", c.id, key, attr(n, key), has(n, key), want)
			}
		}
		if has(n, "checked") {
			t.Errorf("%s is ticked", c.id)
		}
	}
	if n := page(&CodePage{Base: base("en"), Kind: "sms", Destination: "••42"}).byID("trust_device"); n != nil {
		t.Error("trust is offered without TrustDevice")
	}
}

// TestOneTimeCodesOnly: what is no sent or shown code must not be filled in as one, nor kept by a password manager.
func TestOneTimeCodesOnly(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, each := range samples("en") {
		for _, n := range parseDocument(t, render(t, u, each.page)).all("input") {
			if got := attr(n, "autocomplete") == "one-time-code"; got != (attr(n, "name") == "code") {
				t.Errorf("%s: input %q has autocomplete %q", each.name, attr(n, "name"), attr(n, "autocomplete"))
			}
			if has(n, "pattern") || attr(n, "type") == "number" {
				t.Errorf("%s: input %q restricts what may be typed", each.name, attr(n, "name"))
			}
		}
	}
}

// TestFormsPostWhereTheHandlersAre holds every form of the second-factor pages to its path and fields.
func TestFormsPostWhereTheHandlersAre(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	b := base("en")
	cancel := "/signin/cancel: "
	for name, c := range map[string]struct {
		page Page
		want []string
	}{
		"sign-in":       {&SignInPage{Base: b, Passkey: true}, []string{"/signin: password remember username", "/signin/passkey: credential remember", cancel}},
		"chooser":       {&VerifyPage{Base: b, Methods: []Method{{Kind: "sms"}, {Kind: "passkey"}}}, []string{"/signin/verify: method", cancel}},
		"totp":          {&TOTPPage{Base: b, TrustDevice: true}, []string{"/signin/verify/totp: code trust_device", cancel}},
		"sms":           {&CodePage{Base: b, Kind: "sms", TrustDevice: true}, []string{"/signin/verify/sms: code trust_device", "/signin/verify/sms/send: ", cancel}},
		"email":         {&CodePage{Base: b, Kind: "email"}, []string{"/signin/verify/email: code", "/signin/verify/email/send: ", cancel}},
		"passkey":       {&PasskeyPage{Base: b, TrustDevice: true}, []string{"/signin/verify/passkey: credential trust_device", cancel}},
		"recovery":      {&RecoveryPage{Base: b}, []string{"/signin/verify/recovery: recovery_code", cancel}},
		"enrol":         {&EnrolPage{Base: b, Methods: []Method{{Kind: "sms"}}}, []string{cancel}},
		"new passkey":   {&EnrolPasskeyPage{Base: b}, []string{"/factor/passkey/new: credential", cancel}},
		"new app":       {enrolSample(b, true), []string{"/factor/totp/new: code", cancel}},
		"phone":         {&EnrolContactPage{Base: b, Kind: "sms"}, []string{"/factor/phone/new: phone", cancel}},
		"phone we have": {&EnrolContactPage{Base: b, Kind: "sms", Current: "••42"}, []string{"/factor/phone/new: use=current", "/factor/phone/new: phone", cancel}},
		"phone code":    {&EnrolContactPage{Base: b, Kind: "sms", Destination: "••42"}, []string{"/factor/phone/confirm: code", "/factor/phone/send: ", cancel}},
		"address":       {&EnrolContactPage{Base: b, Kind: "email", Contact: true, Current: "m"}, []string{"/factor/email/new: email", cancel}},
		"address code":  {&EnrolContactPage{Base: b, Kind: "email", Destination: "m"}, []string{"/factor/email/confirm: code", "/factor/email/send: ", cancel}},
		"codes":         {&RecoveryCodesPage{Base: b}, []string{"/factor/recovery-codes: ", "/factor/recovery-codes/done: "}},
		"codes shown": {&RecoveryCodesPage{Base: b, Codes: []string{"A"}, Sealed: "s"}, []string{
			"/factor/recovery-codes/download: sealed", "/factor/recovery-codes/done: saved sealed",
		}},
		"codes in the centre":       {&RecoveryCodesPage{Base: b, Centre: true}, []string{"/security/recovery-codes: "}},
		"codes shown in the centre": {&RecoveryCodesPage{Base: b, Centre: true, Codes: []string{"A"}}, []string{"/security/recovery-codes/download: sealed"}},
	} {
		d := parseDocument(t, render(t, u, c.page))
		var got []string
		for _, form := range d.all("form") {
			if action := attr(form, "action"); action != "/language" {
				got = append(got, action+": "+strings.Join(fields(form), " "))
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: forms %q, want %q", name, got, c.want)
		}
	}
}

// fields returns the names of what a form sends besides form_token and ix, sorted.
func fields(form *html.Node) []string {
	names := map[string]bool{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		if n.Data == "button" && name != "" {
			name += "=" + attr(n, "value")
		}
		names[name] = true
	}
	for _, name := range []string{"", "form_token", "ix"} {
		delete(names, name)
	}
	return slices.Sorted(maps.Keys(names))
}

// TestPasskeyForms: a passkey needs script, so its form is hidden until there is some, and a visible note says why.
func TestPasskeyForms(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, c := range []struct {
		page          Page
		kind, options string
		note          bool
	}{
		{&SignInPage{Base: base("en"), Passkey: true}, "get", "/signin/passkey/options", false},
		{&PasskeyPage{Base: base("en")}, "get", "/signin/verify/passkey/options", true},
		{&EnrolPasskeyPage{Base: base("en")}, "create", "/factor/passkey/options", true},
	} {
		d := parseDocument(t, render(t, u, c.page))
		form := d.byID("passkey-form")
		if form == nil || !has(form, "hidden") || attr(form, "data-passkey") != c.kind || attr(form, "data-options") != c.options {
			t.Errorf("%T: passkey form %v", c.page, form)
			continue
		}
		alerts := 0
		for n := range form.Descendants() {
			if attr(n, "role") == "alert" {
				alerts++
				if !has(n, "hidden") {
					t.Errorf("%T: an error is shown before there is one", c.page)
				}
			}
		}
		if alerts == 0 {
			t.Errorf("%T: no words for a passkey that fails", c.page)
		}
		if got := strings.Contains(d.source, "<p data-noscript>"); got != c.note {
			t.Errorf("%T: note about script = %v, want %v", c.page, got, c.note)
		}
	}
}

func TestPasskeySignal(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	unknown := &PasskeySignal{RPID: "id.example.se", Credentials: []string{"q1w2"}}
	source := render(t, u, &SignInPage{Base: base("en"), Signal: unknown})
	if want := `data-signal-unknown data-rp-id="id.example.se" data-user-handle="" data-credentials="q1w2"`; !strings.Contains(source, want) {
		t.Errorf("the page lacks %s", want)
	}
	if strings.Contains(render(t, u, &SignInPage{Base: base("en")}), "data-signal") {
		t.Error("a signal about nothing")
	}
}

func TestFactorTexts(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, c := range []struct {
		page Page
		want string
	}{
		{&SignInPage{Base: told(base("en"), "make a payment"), Again: true}, "<h1>Confirm that it is you</h1>\n<p class=\"lead\">Card account needs this to make a payment.</p>"},
		{&VerifyPage{Base: told(base("sv"), "göra en betalning")}, "Card account behöver det för att göra en betalning."},
		{&CodePage{Base: base("en"), Kind: "sms", Destination: "••42", Sent: true}, "to the number ending 42. It can take a minute."},
		{&CodePage{Base: base("sv"), Kind: "email", Destination: "m•••@e•••.se", Sent: true}, "i ett mejl till m•••@e•••.se."},
		{&CodePage{Base: base("sv"), Kind: "sms", Destination: "••42", Wait: 29001 * time.Millisecond}, "Vänta 30 sekunder innan du ber om en ny kod."},
		{&RecoveryPage{Base: base("en"), Left: 1}, "You have 1 code left. Make new ones"},
		{&RecoveryPage{Base: base("sv"), Left: 7}, "Du har 7 koder kvar.</p>"},
		{&RecoveryCodesPage{Base: base("en"), Codes: []string{"3F7K-9QXM"}}, "<li><code>3F7K-9QXM</code></li>"},
		{&EnrolPage{Base: base("en"), Methods: []Method{{Kind: "sms"}}}, `<a href="/factor/phone/new?ix=tx1">Text message</a>`},
		{&StuckPage{Base: base("en")}, "Have your card and ID document ready."},
		{&LockedPage{Base: base("en"), Until: time.Unix(1, 0), Passkey: true}, `href="/signin?ix=tx1#passkey-form">Sign in with a passkey</a>`},
	} {
		if source := strings.ReplaceAll(render(t, u, c.page), noBreak, " "); !strings.Contains(source, c.want) {
			t.Errorf("%T does not say %q", c.page, c.want)
		}
	}
}

// told is b on a page that says what it is for.
func told(b Base, text string) Base {
	b.Purpose = text
	return b
}
