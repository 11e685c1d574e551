package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

const newPassword = "sju blanka stenar 54"

// form gives the form of page that posts to action.
func form(t *testing.T, page *webtest.Page, action string) url.Values {
	t.Helper()
	fields, ok := page.Form(action)
	if !ok {
		t.Fatalf("%s has no form to %s:\n%s", page.URL, action, page.Body)
	}
	return fields
}

func TestEveryChangeIsAuditedAndTold(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		do      func(t *testing.T, v *visitor) *webtest.Page
		ends    string // where it leads
		action  provider.Action
		message provider.MessageKind // "" = nobody is told
	}{
		"password": {func(t *testing.T, v *visitor) *webtest.Page {
			return v.Submit(v.enter("/security/password"), "/security/password", "password", webtest.Password, "new_password", newPassword, "new_password2", newPassword)
		}, "/security?done=password", provider.ActionPasswordChanged, provider.MessagePassword},
		"rename": {func(t *testing.T, v *visitor) *webtest.Page {
			path := "/security/methods/" + v.factor()
			return v.Submit(v.enter(path), path+"/rename", "name", "Phone")
		}, "/security/methods?done=factor-renamed", provider.ActionFactorRenamed, ""},
		"remove": {func(t *testing.T, v *visitor) *webtest.Page {
			path := "/security/methods/" + v.factor() + "/remove"
			return v.Submit(v.enter(path), path)
		}, "/security/methods?done=factor-removed", provider.ActionFactorRemoved, provider.MessageFactorRemoved},
		"recovery codes": {func(t *testing.T, v *visitor) *webtest.Page {
			return v.Submit(v.enter("/security/recovery-codes"), "/security/recovery-codes")
		}, "/security/recovery-codes", provider.ActionRecoveryMade, provider.MessageRecoveryMade},
		"one session": {func(t *testing.T, v *visitor) *webtest.Page {
			return v.Submit(v.enter("/security/devices"), "/security/devices/sign-out")
		}, "/security/devices?done=session", provider.ActionSessionsEnded, ""},
		"other sessions": {func(t *testing.T, v *visitor) *webtest.Page {
			return v.Submit(v.enter("/security/devices/sign-out-others"), "/security/devices/sign-out-others")
		}, "/security/devices?done=others", provider.ActionSessionsEnded, provider.MessageDevicesSigned},
		"trusted device": {func(t *testing.T, v *visitor) *webtest.Page {
			return v.Submit(v.enter("/security/devices"), "/security/devices/forget")
		}, "/security/devices?done=device", provider.ActionDeviceForgotten, ""},
		"app": {func(t *testing.T, v *visitor) *webtest.Page {
			return v.Submit(v.enter("/security/apps/remove?client_id=shop"), "/security/apps/remove")
		}, "/security/apps?done=app", provider.ActionAccessRemoved, provider.MessageAccessRemoved},
		"language": {func(t *testing.T, v *visitor) *webtest.Page {
			return v.Submit(v.enter("/security/language"), "/security/language", "lang", "en")
		}, "/security/language?done=language", provider.ActionLanguage, ""},
		"report": {func(t *testing.T, v *visitor) *webtest.Page {
			return v.Submit(v.enter("/security/report"), "/security/report")
		}, "/security/report", provider.ActionReported, provider.MessageReported},
		"new app": {func(t *testing.T, v *visitor) *webtest.Page {
			page := v.pass(v.Submit(v.enter("/security/methods"), "/security/methods/add", "task", "totp"))
			return v.Submit(page, "/factor/totp/new", "code", v.i.Code(shownKey(t, page)))
		}, "/security/methods?done=totp", provider.ActionFactorAdded, provider.MessageFactorAdded},
		"phone": {func(t *testing.T, v *visitor) *webtest.Page {
			form := form(t, v.enter("/security/contact"), "/security/contact")
			form.Set("task", "phone")
			page := v.pass(v.Post("/security/contact", form))
			page = v.Submit(page, "/factor/phone/new", "phone", "070-000 00 77")
			return v.Submit(page, "/factor/phone/confirm", "code", v.sentCode())
		}, "/security/contact?done=phone", provider.ActionContact, provider.MessageContact},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := centre(t)
			v := furnished(t, i)
			v.enter("/security")
			events, told := len(v.events(change.action)), len(v.sent(change.message))
			page := change.do(t, v)
			if page.Status != http.StatusOK || page.URL.RequestURI() != change.ends {
				t.Fatalf("led to %s (%d):\n%s", page.URL, page.Status, page.Body)
			}
			if strings.Contains(change.ends, "done=") && !strings.Contains(page.Body, `role="status"`) {
				t.Errorf("the page does not say what was done:\n%s", page.Body)
			}
			got := v.events(change.action)
			if len(got) == events || got[0].Outcome != provider.OK || got[0].Actor != v.person.ID || got[0].RequestID == "" {
				t.Errorf("audit: %d new, %+v", len(got)-events, got)
			}
			channels := map[provider.Channel]bool{}
			for _, m := range v.sent(change.message)[told:] {
				channels[m.Channel] = true
			}
			if want := change.message != ""; channels[provider.ChannelMail] != want || channels[provider.ChannelSMS] != want {
				t.Errorf("told by %v, want mail and text message: %t", channels, want)
			}
		})
	}
}

// shownKey is the key of the authenticator app that a page connects.
func shownKey(t *testing.T, page *webtest.Page) string {
	t.Helper()
	_, rest, found := strings.Cut(page.Body, `<code class="key" translate="no">`)
	key, _, ends := strings.Cut(rest, "<")
	if !found || !ends {
		t.Fatalf("%s shows no key:\n%s", page.URL, page.Body)
	}
	return strings.ReplaceAll(key, " ", "")
}

// sentCode is the code in the newest message that has one.
func (v *visitor) sentCode() string {
	v.i.T.Helper()
	all := append(v.sent(provider.MessageCode), v.sent(provider.MessageCodeContact)...)
	if len(all) == 0 {
		v.i.T.Fatal("no code was sent")
	}
	newest := all[len(all)-1]
	code, err := v.i.Ring.Open(provider.ForMessage, newest.Data.Code, provider.AAD("messages", "code", newest.ID))
	if err != nil {
		v.i.T.Fatal(err)
	}
	return string(code)
}

func TestFormsOfTheCentreAreTheOwnersOwn(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	other := visit(i, "OlleBerg")
	theirs := form(t, other.enter("/security/devices"), "/language")
	mine := form(t, v.enter("/security/devices"), "/language")
	signIn := form(t, v.elsewhere().Get("/security"), "/signin")
	forms := map[string]string{
		"/security/password": "", "/security/methods/add": "task=sms", "/security/methods/" + v.factor() + "/rename": "name=Mine", "/security/methods/" + v.factor() + "/remove": "",
		"/security/recovery-codes": "", "/security/devices/sign-out-others": "", "/security/devices/sign-out": "sid=" + v.sessions()[0].SID,
		"/security/devices/forget": "", "/security/apps/remove": "client_id=x", "/security/contact": "task=phone", "/security/language": "lang=en", "/security/report": "", "/security/stay": "",
	}
	for path, query := range forms {
		for name, change := range map[string]func(url.Values){
			"no token":          func(f url.Values) { f.Del("form_token") },
			"another's token":   func(f url.Values) { f.Set("form_token", theirs.Get("form_token")) },
			"a sign-in's token": func(f url.Values) { f.Set("form_token", signIn.Get("form_token")); f.Set("ix", signIn.Get("ix")) },
			"from elsewhere":    func(url.Values) { v.Header.Set("Origin", "https://evil.example") },
		} {
			if path == "/security/stay" && name == "a sign-in's token" {
				continue // it changes nothing that a page of a sign-in would not
			}
			fields, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			fields.Set("form_token", mine.Get("form_token"))
			fields.Set("who", mine.Get("who"))
			change(fields)
			if page := v.Post(path, fields); page.Status != http.StatusForbidden {
				t.Errorf("%s with %s: %d at %s", path, name, page.Status, page.URL)
			}
			v.Header.Del("Origin")
		}
	}
	for _, action := range []provider.Action{provider.ActionPasswordChanged, provider.ActionFactorRenamed, provider.ActionFactorRemoved, provider.ActionReported, provider.ActionLanguage, provider.ActionSessionsEnded} {
		if n := len(v.events(action)); n != 0 {
			t.Errorf("%s happened %d times", action, n)
		}
	}
}

// A page that waits in one tab while somebody else signs in in another must not change
// what is theirs.
func TestPageOfSomebodyElseChangesNothing(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v, other := visit(i, "KarinEk"), visit(i, "OlleBerg")
	shown := form(t, v.enter("/security/report"), "/security/report")
	v.Submit(v.Get("/oauth2/logout"), "/oauth2/logout/confirm")
	other.Browser = v.Browser
	page := other.enter("/security/report")
	stale := url.Values{"form_token": form(t, page, "/security/report")["form_token"], "who": shown["who"]}
	if page = v.Post("/security/report", stale); page.URL.Path != "/security/report" || page.Status != http.StatusOK || !strings.Contains(page.Body, `id="confirm"`) {
		t.Errorf("led to %s (%d)", page.URL, page.Status)
	}
	if len(v.events(provider.ActionReported))+len(other.events(provider.ActionReported)) != 0 {
		t.Error("somebody was locked")
	}
}

func TestOthersThingsAreNotFound(t *testing.T) {
	t.Parallel()
	i := centre(t)
	victim := furnished(t, i)
	v := visit(i, "OlleBerg")
	fields := form(t, v.enter("/security/devices"), "/language")
	factor, session, device := victim.factor(), victim.sessions()[0].SID, victim.trusted()[0].ID
	for _, path := range []string{"/security/methods/" + factor, "/security/methods/" + factor + "/remove", "/security/apps/remove?client_id=shop", "/security/methods/" + strings.Repeat("A", 22)} {
		if page := v.Get(path); page.Status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, page.Status)
		}
	}
	before := []int{len(victim.factors()), len(victim.sessions()), len(victim.trusted())}
	for path, set := range map[string][2]string{
		"/security/methods/" + factor + "/rename": {"name", "Mine"}, "/security/methods/" + factor + "/remove": {}, "/security/devices/sign-out": {"sid", session},
		"/security/devices/forget": {"id", device}, "/security/apps/remove": {"client_id", "shop"},
	} {
		post := url.Values{"form_token": fields["form_token"], "who": fields["who"]}
		if set[0] != "" {
			post.Set(set[0], set[1])
		}
		if page := v.Post(path, post); page.Status != http.StatusNotFound {
			t.Errorf("POST %s: %d at %s", path, page.Status, page.URL)
		}
	}
	if after := []int{len(victim.factors()), len(victim.sessions()), len(victim.trusted())}; after[0] != before[0] || after[1] != before[1] || after[2] != before[2] {
		t.Errorf("factors, sessions and trusted devices: %v, were %v", after, before)
	}
	for _, f := range victim.factors() {
		if f.Name == "Mine" {
			t.Error("renamed by somebody else")
		}
	}
	if !strings.Contains(victim.enter("/security/apps").Body, "client_id=shop") {
		t.Error("the app lost its access")
	}
}

// What no address or field of ours holds is not found either, whatever it is made of.
func TestOddNamesAreNotFound(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		i := centre(t, webtest.On(store))
		v := visit(i, "KarinEk")
		fields := form(t, v.enter("/security/devices"), "/language")
		for path, field := range map[string]string{"/security/devices/sign-out": "sid", "/security/devices/forget": "id", "/security/apps/remove": "client_id"} {
			for _, odd := range []string{"", "\x00", "\xff\xfe", strings.Repeat("å", 9000), "' OR 1=1 --"} {
				post := url.Values{"form_token": fields["form_token"], "who": fields["who"], field: {odd}}
				if page := v.Post(path, post); page.Status != http.StatusNotFound {
					t.Errorf("%s %.20q: %d", path, odd, page.Status)
				}
			}
		}
		for _, path := range []string{"/security/apps/remove?client_id=%00%ff", "/security/activity?before=%00", "/security?done=%00", "/security/methods/%00"} {
			if page := v.Get(path); page.Status != http.StatusNotFound && page.Status != http.StatusOK {
				t.Errorf("%s: %d", path, page.Status)
			}
		}
	})
}

func TestPasswordFaults(t *testing.T) {
	t.Parallel()
	i := centre(t, func(set *webtest.Settings) {
		set.People.NewPassword.RequireClasses, set.Web.NewPassword.RequireClasses = true, true
	})
	v := visit(i, "KarinEk")
	page := v.enter("/security/password")
	good := "Sju Blanka stenar 54!"
	for name, fault := range map[string]struct{ current, next, again, want string }{
		"wrong":     {"no such password", good, good, "The current password is not correct."},
		"no old":    {"", good, good, "Enter your current password."},
		"no new":    {webtest.Password, "", "", "Enter a new password."},
		"differ":    {webtest.Password, good, good + "x", "are not the same"},
		"same":      {webtest.Password, webtest.Password, webtest.Password, "already have"},
		"short":     {webtest.Password, "Ab1!efgh", "Ab1!efgh", "at least 12 characters"},
		"long":      {webtest.Password, strings.Repeat("Ab1!", 65), strings.Repeat("Ab1!", 65), "at most 256"},
		"classes":   {webtest.Password, newPassword, newPassword, "small letters, capital letters"},
		"guessable": {webtest.Password, "KarinEkKarinEk1!", "KarinEkKarinEk1!", "easy to guess"},
	} {
		t.Run(name, func(t *testing.T) {
			got := v.Submit(page, "/security/password", "password", fault.current, "new_password", fault.next, "new_password2", fault.again)
			if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Body, fault.want) || fault.current != "" && strings.Contains(got.Body, fault.current) {
				t.Errorf("%d at %s, want %q:\n%s", got.Status, got.URL, fault.want, got.Body)
			}
		})
	}
	if n := len(v.events(provider.ActionPasswordChanged)); n != 0 {
		t.Errorf("changed %d times", n)
	}
	for range 4 {
		page = v.Submit(page, "/security/password", "password", "no such password", "new_password", good, "new_password2", good)
	}
	page = v.Submit(page, "/security/password", "password", webtest.Password, "new_password", good, "new_password2", good)
	if page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" || !strings.Contains(page.Body, "30 minutes") {
		t.Errorf("after five wrong ones: %d\n%s", page.Status, page.Body)
	}
}

func TestPasswordPageWhenOnlyCustomerServiceHelps(t *testing.T) {
	t.Parallel()
	i := centre(t, func(set *webtest.Settings) { set.People.Password.Attempts, set.People.Password.Locks = 2, 1 })
	v := visit(i, "KarinEk")
	page := v.enter("/security/password")
	try := func(password string) *webtest.Page {
		return v.Submit(page, "/security/password", "password", password, "new_password", newPassword, "new_password2", newPassword)
	}
	try("no such password")
	try("no such password")
	if got := try(webtest.Password); got.Status != http.StatusForbidden || !strings.Contains(got.Body, "Call") || len(v.events(provider.ActionPasswordChanged)) != 0 {
		t.Errorf("%d at %s:\n%s", got.Status, got.URL, got.Body)
	}
}

func TestNamesAndLastFactor(t *testing.T) {
	t.Parallel()
	i := centre(t, webtest.Policy(provider.SecondFactorRequired), func(set *webtest.Settings) { set.Web.SecondFactor = provider.SecondFactorRequired })
	v := visit(i, "KarinEk")
	path := "/security/methods/" + v.factor()
	page := v.enter(path)
	for name, want := range map[string]string{" ": "Enter a name.", strings.Repeat("ö", 41): "too long", "a\u0000b": "Enter a name."} {
		if got := v.Submit(page, path+"/rename", "name", name); got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Body, want) {
			t.Errorf("name %q: %d, want %q:\n%s", name, got.Status, want, got.Body)
		}
	}
	if !strings.Contains(page.Body, `id="last"`) {
		t.Errorf("the page of the last factor offers to remove it:\n%s", page.Body)
	}
	if page = v.Submit(v.enter(path+"/remove"), path+"/remove"); page.URL.Path != path || len(v.factors()) != 1 {
		t.Errorf("removing the last factor led to %s (%d); %d factors", page.URL, page.Status, len(v.factors()))
	}
}

func TestNewRecoveryCodes(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	first := v.Submit(v.enter("/security/recovery-codes"), "/security/recovery-codes")
	second := v.Submit(v.enter("/security/recovery-codes"), "/security/recovery-codes")
	if strings.Count(first.Body, "<li><code>") != 10 || first.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d:\n%s", first.Status, first.Body)
	}
	file := v.Submit(first, "/security/recovery-codes/download")
	_, rest, _ := strings.Cut(first.Body, "<li><code>")
	code, _, _ := strings.Cut(rest, "<")
	if file.Status != http.StatusOK || !strings.Contains(file.Body, code) || !strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") || !strings.HasPrefix(file.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("download: %d %v\n%s", file.Status, file.Header, file.Body)
	}
	other := visit(i, "OlleBerg")
	fields := form(t, other.enter("/security/recovery-codes"), "/security/recovery-codes")
	fields.Set("sealed", form(t, first, "/security/recovery-codes/download").Get("sealed"))
	if got := other.Post("/security/recovery-codes/download", fields); got.Status < 400 || strings.Contains(got.Body, code) {
		t.Errorf("another's download: %d\n%s", got.Status, got.Body)
	}
	try := func(code string) *webtest.Page {
		b := v.elsewhere()
		page := b.SignIn(b.Get("/security"), "KarinEk", webtest.Password)
		page = b.Get("/signin/verify/recovery?" + page.URL.RawQuery)
		return b.Submit(page, "/signin/verify/recovery", "recovery_code", code)
	}
	if page := try(code); page.Status != http.StatusUnprocessableEntity {
		t.Errorf("a code of the set before: %d at %s", page.Status, page.URL)
	}
	_, rest, _ = strings.Cut(second.Body, "<li><code>")
	code, _, _ = strings.Cut(rest, "<")
	if page := try(code); page.URL.RequestURI() != "/security" || page.Status != http.StatusOK {
		t.Errorf("a new code: %d at %s", page.Status, page.URL)
	}
	without := centre(t, func(set *webtest.Settings) {
		set.Web.Recovery = false
		set.People.Factors = []provider.FactorKind{provider.FactorTOTP}
	})
	if page := visit(without, "KarinEk"); page.pass(page.Get("/security/recovery-codes")).Status != http.StatusNotFound {
		t.Error("recovery codes are made where they are not offered")
	}
}

func TestActivityPages(t *testing.T) {
	t.Parallel()
	i := centre(t)
	v := visit(i, "KarinEk")
	for range 24 {
		v.Submit(v.enter("/security/devices/sign-out-others"), "/security/devices/sign-out-others")
		i.Wait(time.Second)
	}
	page := v.enter("/security/activity")
	if n := strings.Count(page.Body, "<time"); n != 20 {
		t.Errorf("%d events on a page", n)
	}
	_, rest, found := strings.Cut(page.Body, `rel="next" href="`)
	older, _, _ := strings.Cut(rest, `"`)
	if !found {
		t.Fatalf("no older events:\n%s", page.Body)
	}
	next := v.enter(older)
	if n := strings.Count(next.Body, "<time"); n == 0 || n > 20 || !strings.Contains(next.Body, `href="/security/activity"`) {
		t.Errorf("%d events on the next page:\n%s", n, next.Body)
	}
}
