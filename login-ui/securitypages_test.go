package loginui

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

func init() {
	more = append(more, securitySamples)
	moreKeys = append(moreKeys, securityKeys)
}

const longName = "Åsas särskilt långa jobbtelefon i östra Ö" // 41 letters, one more than a name may have

// securitySamples are the pages of the security centre in every state that changes what they show.
func securitySamples(lang string) []sample {
	c := func(errs ...FieldError) Centre {
		return Centre{Base: Base{Lang: lang, Return: "/security", FormToken: "tok1", SignedIn: true, Errors: errs}}
	}
	at := time.Date(2026, 3, 3, 13, 35, 0, 0, time.UTC)
	done := func(what string) Centre { d := c(); d.Done, d.Idle = what, 5*time.Minute; return d }
	passkey := FactorRow{ID: "f1", Kind: "passkey", Name: longName, Added: at, Used: time.Now(), Synced: true, Renamable: true}
	key := FactorRow{ID: "f2", Kind: "passkey", Name: "Nyckel", Added: at, Renamable: true}
	app := FactorRow{ID: "f3", Kind: "totp", Name: "Mobil", Added: at, Used: at, Renamable: true}
	sms := FactorRow{ID: "f4", Kind: "sms", Name: "••42", Added: at}
	codes := FactorRow{ID: "f5", Kind: "recovery", Added: at, Left: 7}
	here := SessionRow{ID: "s1", Browser: "Firefox on Linux", Address: "192.0.2.7", Begun: at, Used: time.Now(), This: true}
	there := SessionRow{ID: "s2", Address: "2001:db8::1", Begun: at, Used: at, Until: at.AddDate(0, 0, 90)}
	all := []FactorRow{sms, passkey, key, app, codes}
	return append([]sample{
		{"security", &SecurityPage{Centre: done(""), UserIDMasked: "k•••92", LastSignIn: at, LastBrowser: "Firefox on Linux", PasswordChanged: at, Factors: all, RecoveryLeft: 7, Sessions: 2, Trusted: 1, Apps: 1}},
		{"security-first", &SecurityPage{Centre: c(), UserIDMasked: "k•••92", RecoveryLeft: -1, Sessions: 1, Advice: "factor"}},
		{"security-passkey", &SecurityPage{Centre: c(), LastSignIn: at, Factors: []FactorRow{app}, Sessions: 1, Advice: "passkey"}},
		{"security-recovery", &SecurityPage{Centre: c(), LastSignIn: at, Factors: []FactorRow{app}, Sessions: 1, Apps: 2, Advice: "recovery"}},
		{"security-password", &PasswordPage{Centre: c(), UserID: "karin92"}},
		{"security-password-wrong", &PasswordPage{Centre: c(FieldError{Field: "password", Key: KeyCurrentWrong}), UserID: "karin92"}},
		{"security-password-differs", &PasswordPage{UserID: "karin92", Centre: c(
			FieldError{Field: "password", Key: KeyCurrentEmpty},
			FieldError{Field: "new_password", Key: KeyNewShort, Args: map[string]any{"Count": 12}},
			FieldError{Field: "new_password2", Key: KeyNewDiffers},
		)}},
		{"security-password-locked", &PasswordPage{Centre: c(FieldError{Key: KeyPasswordLocked, Args: map[string]any{"Count": 30}})}},
		{"security-methods", &MethodsPage{Centre: done(DonePasskey), Factors: all, RecoveryLeft: 7,
			Addable: []Method{{Kind: "passkey"}, {Kind: "totp"}, {Kind: "email"}},
			Signal:  &PasskeySignal{RPID: "id.example.se", UserHandle: "aGFuZGxl", Credentials: []string{"Y3JlZDE", "Y3JlZDI"}}}},
		{"security-methods-none", &MethodsPage{Centre: c(), RecoveryLeft: 0, Addable: []Method{{Kind: "passkey"}, {Kind: "sms"}}}},
		{"security-method", &MethodPage{Centre: done(DoneFactorRenamed), Factor: passkey}},
		{"security-method-last", &MethodPage{Centre: c(), Factor: key, Last: true}},
		{"security-method-name", &MethodPage{Centre: c(FieldError{Field: "name", Key: KeyNameLong}), Factor: app}},
		{"security-method-sms", &MethodPage{Centre: c(), Factor: sms}},
		{"security-method-recovery", &MethodPage{Centre: c(), Factor: codes}},
		{"security-devices", &DevicesPage{Centre: done(DoneSession), Sessions: []SessionRow{here, there}, Trusted: []SessionRow{here, there}}},
		{"security-devices-one", &DevicesPage{Centre: c(), Sessions: []SessionRow{here}}},
		{"security-activity", &ActivityPage{Centre: c(), Events: everyEvent(at), Older: "/security/activity?before=e9"}},
		{"security-activity-older", &ActivityPage{Centre: c(), Newer: "/security/activity"}},
		{"security-activity-none", &ActivityPage{Centre: c()}},
		{"security-apps", &AppsPage{Centre: done(DoneApp), Apps: []AppRow{
			{ClientID: "budget app&x=1", Name: "BudgetApp", Scopes: []ScopeText{{Standard: "profile"}, {Title: "Card transactions, 90 days", Detail: "read only"}}, Since: at},
			{ClientID: "c2", Name: longName},
		}}},
		{"security-apps-none", &AppsPage{Centre: c()}},
		{"security-contact", &ContactPage{Centre: done(DonePhone), Email: "karin@example.se", EmailVerified: true, Phone: "+46 70 174 06 42"}},
		{"security-contact-none", &ContactPage{Centre: c()}},
		{"security-language", &LanguagePage{Centre: done(DoneLanguage), Chosen: "sv"}},
		{"security-language-none", &LanguagePage{Centre: c()}},
		{"reported", &ReportedPage{Base{Lang: lang, FormToken: "tok1"}}},
		{"timeout", &TimeoutPage{Base: Base{Lang: lang, Return: "/timeout", FormToken: "tok1"}, Minutes: 5}},
	}, confirmSamples(c())...)
}

func confirmSamples(c Centre) (all []sample) {
	for _, what := range confirms {
		all = append(all, sample{"security-confirm-" + what, &ConfirmPage{
			Centre: c, What: what, Name: "BudgetApp", Action: "/security/" + what, Back: "/security/devices", Hidden: []Hidden{{"client_id", "c1"}},
		}})
	}
	return append(all, sample{"security-confirm-nameless", &ConfirmPage{Centre: c, What: "factor", Action: "/security/methods/f1/remove", Back: "/security"}})
}

var confirms = []string{"factor", "others", "app", "report", "codes"}

// unseen are the actions that no cardholder is the subject of, or that mean nothing to them.
var unseen = []string{
	"password.rehashed", "client.auth_failed", "client.created", "client.updated", "client.secret_rotated", "client.deleted",
	"key.added", "key.rotated", "account.deleted",
}

func everyEvent(at time.Time) (rows []EventRow) {
	for key := range eventKeys {
		rows = append(rows, EventRow{What: key, At: at, Browser: "Firefox on Linux", Address: "192.0.2.7", Name: "BudgetApp", Method: "totp"},
			EventRow{What: key, At: at, Refused: true, Method: "pwd"})
	}
	slices.SortFunc(rows, func(a, b EventRow) int { return strings.Compare(a.What, b.What) })
	return rows
}

// eventKeys are the events that have words of their own, with the endings of their variants.
var eventKeys = map[string][]string{
	"signin.password": {".refused"}, "signin.factor": {".refused"}, "signin.session": nil, "signin.locked": nil, "signin.cancel": nil,
	"signin.consent": {".refused"}, "session.ended": nil, "session.others_ended": nil,
	"factor.added": {".refused"}, "factor.renamed": nil, "factor.removed": nil, "factor.sent": {".refused"}, "factor.cloned": nil,
	"recovery.made": nil, "recovery.used": {".refused"}, "contact.changed": {".refused", ".sms", ".email"},
	"device.trusted": nil, "device.forgotten": nil, "password.changed": {".refused"}, "access.removed": nil,
	"token.revoked": nil, "token.code_replay": nil, "token.refresh_replay": nil,
	"account.reported": nil, "account.language": nil, "account.created": nil, "account.password_set": nil,
	"account.locked": nil, "account.unlocked": nil,
}

// securityKeys are the text keys that are put together from parts.
func securityKeys() []string {
	keys := []string{"security.advice.factor", "security.advice.passkey", "security.advice.recovery"}
	for _, done := range dones {
		keys = append(keys, (&Centre{Done: done}).DoneKey())
	}
	for _, day := range []string{"time.today", "time.yesterday"} {
		keys = append(keys, day, day+".at")
	}
	for _, what := range confirms {
		p := &ConfirmPage{What: what}
		keys = append(keys, p.heading().key, p.ButtonKey(), "confirm."+what+".text")
	}
	for what, endings := range eventKeys {
		keys = append(keys, "activity."+what)
		for _, ending := range endings {
			keys = append(keys, "activity."+what+ending)
		}
	}
	return keys
}

// TestEveryActionHasWords reads the actions from their source: login pages do not import the provider.
func TestEveryActionHasWords(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../provider/audit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Action") {
			return true
		}
		found++
		action, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := eventKeys[action]; ok == slices.Contains(unseen, action) {
			t.Errorf("action %q: has words %v, want exactly one of words and a place among the unseen", action, ok)
		}
		return true
	})
	if found < 30 {
		t.Errorf("found %d actions, want them all", found)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, c := range []struct {
		lang string
		row  EventRow
		want string
	}{
		{"en", EventRow{What: "signin.session", Name: "Card account"}, "Signed in to Card account"},
		{"en", EventRow{What: "signin.session"}, "Signed in"},
		{"sv", EventRow{What: "signin.session", Name: "Kortkonto"}, "Inloggad i Kortkonto"},
		{"sv", EventRow{What: "signin.password", Refused: true, Method: "pwd"}, "Fel lösenord skrevs in"},
		{"en", EventRow{What: "signin.locked", Refused: true}, "Sign-in was locked after too many incorrect attempts"},
		{"en", EventRow{What: "factor.added", Method: "passkey", Name: "Key"}, "New way to sign in: Passkey or security key (Key)"},
		{"en", EventRow{What: "signin.factor", Method: "swk"}, "A sign-in was confirmed: Passkey or security key"},
		{"sv", EventRow{What: "signin.factor", Method: "otp", Refused: true}, "En inloggning kunde inte bekräftas: Autentiseringsapp"},
		{"en", EventRow{What: "contact.changed", Method: "sms"}, "New phone number"},
		{"en", EventRow{What: "contact.changed", Method: "sms", Refused: true}, "Contact details could not be changed"},
		{"en", EventRow{What: "no.such.thing", Method: "pigeon"}, "Something else happened in your account"},
	} {
		v, err := u.view(&ActivityPage{Centre: Centre{Base: Base{Lang: c.lang}}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.Event(c.row); err != nil || got != c.want {
			t.Errorf("%s %+v = %q, %v; want %q", c.lang, c.row, got, err, c.want)
		}
	}
}

func TestDaysAndMoments(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	now := time.Date(2026, 3, 1, 0, 30, 0, 0, full.Location)
	for _, c := range []struct {
		lang        string
		t           time.Time
		day, moment string
	}{
		{"en", now.Add(-5 * time.Minute), "today", "today at 00:25"},
		{"sv", now.Add(-31 * time.Minute), "i går", "i går kl. 23.59"},
		{"en", now.Add(-24*time.Hour - 31*time.Minute), "27 February 2026", "27 February 2026 at 23:59"},
		{"sv", now.AddDate(-1, 0, 0), "1 mars 2025", "1 mars 2025 kl. 00.30"},
		{"en", now.AddDate(0, 0, 1), "2 March 2026", "2 March 2026 at 00:30"},
	} {
		l := u.locales[c.lang]
		if got, err := l.day(c.t, now); err != nil || got != c.day {
			t.Errorf("%s day of %v = %q, %v; want %q", c.lang, c.t, got, err, c.day)
		}
		if got, err := l.moment(c.t, now); err != nil || got != c.moment {
			t.Errorf("%s moment of %v = %q, %v; want %q", c.lang, c.t, got, err, c.moment)
		}
	}
}

// The zone is the issuer's, whatever the server's is.
func TestActivityShowsLocalTime(t *testing.T) {
	t.Parallel()
	row := EventRow{What: "signin.session", At: time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC)}
	d := parseDocument(t, render(t, newUI(t, full), &ActivityPage{Centre: Centre{Base: Base{Lang: "sv"}}, Events: []EventRow{row}}))
	at := d.one("time")
	if attr(at, "datetime") != "2026-11-23T00:30:00+01:00" || text(at) != "23 november 2026 kl. 00.30" {
		t.Errorf("time = %q, %q", attr(at, "datetime"), text(at))
	}
}

func TestCentrePages(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, lang := range Languages() {
		titles := map[string]string{}
		for _, each := range securitySamples(lang) {
			d := parseDocument(t, render(t, u, each.page))
			title := text(d.one("h1"))
			if other, ok := titles[title]; ok && other != fmt.Sprintf("%T", each.page) {
				t.Errorf("%s %s: title %q is that of %s too", lang, each.name, title, other)
			}
			titles[title] = fmt.Sprintf("%T", each.page)
			p, ok := each.page.(interface{ centre() *Centre })
			if !ok {
				continue
			}
			back := slices.ContainsFunc(d.all("a"), func(n *html.Node) bool { return attr(n, "href") == "/security" })
			if _, top := each.page.(*SecurityPage); back == top {
				t.Errorf("%s %s: link to the overview: %v", lang, each.name, back)
			}
			d.checkNotice(p.centre().Done)
			d.checkIdle(p.centre().Idle)
		}
	}
}

func (d *document) checkNotice(done string) {
	d.Helper()
	notice := d.byID("done")
	if (notice != nil) != (done != "") {
		d.Errorf("Done %q: notice shown %v", done, notice != nil)
	}
	if notice != nil && attr(notice, "role") != "status" {
		d.Error("the notice is no status")
	}
}

func (d *document) checkIdle(idle time.Duration) {
	d.Helper()
	dialog, seconds := d.byID("idle-dialog"), attr(d.one("main"), "data-idle-seconds")
	if idle == 0 && (dialog != nil || seconds != "") {
		d.Error("a warning about a limit that does not exist")
	}
	if idle > 0 && (dialog == nil || has(dialog, "open") || seconds != strconv.Itoa(int(idle.Seconds()))) {
		d.Errorf("Idle %v: data-idle-seconds = %q, closed dialog %v", idle, seconds, dialog != nil && !has(dialog, "open"))
	}
}

// Done comes from the address: what anybody can write there must neither show nor break the page.
func TestUnknownDone(t *testing.T) {
	t.Parallel()
	page := render(t, newUI(t, full), &LanguagePage{Centre: Centre{Done: "../no.such"}})
	if strings.Contains(page, `id="done"`) {
		t.Error("a notice about nothing")
	}
}

func TestPasswordFields(t *testing.T) {
	t.Parallel()
	u := newUI(t, Settings{Brand: "Example Card", Origin: "https://id.example.se", PasswordMinLength: 15})
	d := parseDocument(t, render(t, u, &PasswordPage{UserID: "karin92"}))
	for id, want := range map[string]map[string]string{
		"username": {"name": "username", "type": "text", "autocomplete": "username", "readonly": "", "tabindex": "-1", "value": "karin92"},
		"password": {"name": "password", "type": "password", "autocomplete": "current-password", "autocapitalize": "none", "spellcheck": "false", "maxlength": "256", "required": ""},
		"new_password": {
			"name": "new_password", "type": "password", "autocomplete": "new-password", "minlength": "15", "maxlength": "256",
			"passwordrules": "minlength: 15;", "aria-describedby": "pw-rules", "required": "", "data-reveal": "new_password2",
		},
		"new_password2": {"name": "new_password2", "type": "password", "autocomplete": "new-password", "maxlength": "256", "required": ""},
		"end_others":    {"name": "end_others", "type": "checkbox", "value": "1", "checked": ""},
	} {
		n := d.byID(id)
		for key, value := range want {
			if !has(n, key) || attr(n, key) != value {
				t.Errorf("%s: %s = %q (present: %v), want %q", id, key, attr(n, key), has(n, key), value)
			}
		}
		if attr(n, "type") == "password" && has(n, "value") {
			t.Errorf("%s has a value", id)
		}
	}
	if !strings.Contains(d.source, "at least 15 characters") {
		t.Error("the rules do not name the shortest length")
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	want := map[string][]string{
		"security":          {"/oauth2/logout/confirm"},
		"security-passkey":  {"/security/methods/add task=passkey", "/oauth2/logout/confirm"},
		"security-password": {"/security/password"},
		"security-methods": {
			"/security/methods/add task=passkey", "/security/methods/add task=totp", "/security/methods/add task=email",
		},
		"security-method":           {"/security/methods/f1/rename"},
		"security-method-sms":       nil,
		"security-devices":          {"/oauth2/logout/confirm", "/security/devices/sign-out sid=s2", "/security/devices/forget id=s1", "/security/devices/forget id=s2"},
		"security-contact":          {"/security/contact task=address", "/security/contact task=phone"},
		"security-language":         {"/security/language"},
		"security-confirm-app":      {"/security/app client_id=c1"},
		"security-confirm-nameless": {"/security/methods/f1/remove"},
	}
	for _, each := range securitySamples("en") {
		forms, ok := want[each.name]
		if !ok {
			continue
		}
		if got := parseDocument(t, render(t, u, each.page)).ownForms(); !slices.Equal(got, forms) {
			t.Errorf("%s: forms %q, want %q", each.name, got, forms)
		}
		delete(want, each.name)
	}
	for name := range want {
		t.Errorf("there is no sample %q", name)
	}
}

// ownForms are the forms of the page itself, each with its hidden fields but the token.
func (d *document) ownForms() (all []string) {
	for _, form := range d.all("form") {
		action := attr(form, "action")
		if action == "/language" || form.Parent.Data == "dialog" {
			continue
		}
		for n := range form.Descendants() {
			if n.Data == "input" && attr(n, "type") == "hidden" && attr(n, "name") != "form_token" {
				action += " " + attr(n, "name") + "=" + attr(n, "value")
			}
		}
		all = append(all, action)
	}
	return all
}

func TestMethodsInOrder(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	for _, each := range securitySamples("en") {
		if each.name != "security-methods" {
			continue
		}
		d := parseDocument(t, render(t, u, each.page))
		var heads []string
		for _, n := range d.all("h2") {
			heads = append(heads, text(n))
		}
		want := []string{
			"Passkey or security key " + longName, "Passkey or security key Nyckel", "Password", "Text message ••42",
			"Authenticator app Mobil", "Recovery codes", "Add a way to sign in", "Are you still there?",
		}
		if !slices.Equal(heads, want) {
			t.Errorf("headings = %q, want %q", heads, want)
		}
		for _, words := range []string{"Synced", "On one device only", "7 codes left"} {
			if !strings.Contains(d.source, words) {
				t.Errorf("the page does not say %q", words)
			}
		}
		if want := `data-signal-accepted data-rp-id="id.example.se" data-user-handle="aGFuZGxl" data-credentials="Y3JlZDE Y3JlZDI"`; !strings.Contains(d.source, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestTheLastMethodStays(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	f := FactorRow{ID: "f1", Kind: "totp"}
	if d := parseDocument(t, render(t, u, &MethodPage{Factor: f, Last: true})); d.byID("remove") != nil || d.byID("last") == nil {
		t.Error("the last one can be removed, or the page does not say why not")
	}
	if d := parseDocument(t, render(t, u, &MethodPage{Factor: f})); attr(d.byID("remove"), "href") != "/security/methods/f1/remove" || d.byID("last") != nil {
		t.Error("one of several cannot be removed")
	}
}

func TestNamesDoNotBreakOut(t *testing.T) {
	t.Parallel()
	u := newUI(t, full)
	const evil = `"><script>alert(1)</script><a onclick='x`
	c := Centre{Base: Base{FormToken: evil}, Done: evil}
	f := FactorRow{ID: evil, Kind: "totp", Name: evil, Renamable: true}
	s := SessionRow{ID: evil, Browser: evil, Address: evil}
	for _, p := range []Page{
		&SecurityPage{Centre: c, UserIDMasked: evil, LastSignIn: time.Now(), LastBrowser: evil, Factors: []FactorRow{f}},
		&PasswordPage{Centre: c, UserID: evil},
		&MethodsPage{Centre: c, Factors: []FactorRow{f}, Signal: &PasskeySignal{RPID: evil, UserHandle: evil, Credentials: []string{evil}}},
		&MethodPage{Centre: c, Factor: f},
		&DevicesPage{Centre: c, Sessions: []SessionRow{s}, Trusted: []SessionRow{s}},
		&ActivityPage{Centre: c, Events: []EventRow{{What: evil, Browser: evil, Address: evil, Name: evil}, {What: "signin.session", Name: evil, Method: evil}}, Older: "/" + evil, Newer: "/" + evil},
		&AppsPage{Centre: c, Apps: []AppRow{{ClientID: evil, Name: evil, Scopes: []ScopeText{{Title: evil, Detail: evil}}}}},
		&ContactPage{Centre: c, Email: evil, Phone: evil},
		&LanguagePage{Centre: c, Chosen: evil},
		&ConfirmPage{Centre: c, What: "app", Name: evil, Action: "/" + evil, Back: "/" + evil, Hidden: []Hidden{{evil, evil}}},
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

// An address that a client or cardholder chose must stay one parameter.
func TestClientIDStaysOneParameter(t *testing.T) {
	t.Parallel()
	page := render(t, newUI(t, full), &AppsPage{Apps: []AppRow{{ClientID: "a&b=c#d", Name: "App"}}})
	if want := `href="/security/apps/remove?client_id=a%26b%3dc%23d"`; !strings.Contains(page, want) {
		t.Errorf("the page lacks %s", want)
	}
}
