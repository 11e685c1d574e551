package browsertest

import (
	"context"
	"strings"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// The names that are hardest on a page: long, with letters beyond ASCII, with
// markup, and without a place to break.
const (
	longName    = `<b>Åsas läsplatta</b> & Örjans dator vid`
	endlessName = "ÅäöåäöåäöåäöåäöåäöåäöåäöåäöåäöåäöåäöWWWW"
	wideName    = `Ågren & Öberg <i>hushållsbudget</i> för hela familjen i Västra Götaland`
)

// centreStates are the pages of the security centre, but for those of second factors.
var centreStates = []state{
	{"security", "GET /security", `#advice a[href="/security/methods"]`, 200, func(w *window, i *issuers) { i.bare(w, "/security") }},
	{"security-much", "GET /security", `#advice a[href="/security/recovery-codes"]`, 200, func(w *window, i *issuers) { i.rich(w, "/security") }},
	{"security-passkey-advised", "GET /security", "#advice button", 200, func(w *window, i *issuers) {
		w.wear(i.issuer, i.home(i.equipped(totp, recovery)), "/security")
	}},
	{"security-nothing-advised", "GET /security", `a[href="/security/recovery-codes"]`, 200, func(w *window, i *issuers) {
		w.wear(i.issuer, i.home(i.equipped(passkey, totp, recovery)), "/security")
		if w.has("#advice") {
			w.t.Error("advises somebody who has everything")
		}
	}},
	{"security-after-password", "GET /security", "#done", 200, func(w *window, i *issuers) { i.bare(w, "/security?done=password") }},
	{"security-about-to-end", "GET /security", "dialog[open]", 200, func(w *window, i *issuers) {
		i.bare(w, "/security")
		value[bool](w, `(document.getElementById("idle-dialog").showModal(), true)`)
	}},

	{"password", "GET /security/password", "#new_password", 200, func(w *window, i *issuers) { i.bare(w, "/security/password") }},
	{"password-without-script", "GET /security/password", "#new_password2", 200, func(w *window, i *issuers) {
		w.plainly(func() { i.bare(w, "/security/password") })
	}},
	{"password-empty", "POST /security/password", "#new_password-error", 422, func(w *window, i *issuers) {
		i.bare(w, "/security/password")
		w.press("#submit")
	}},
	{"password-current-wrong", "POST /security/password", "#password-error", 422, func(w *window, i *issuers) { i.newPassword(w, "wrong password", "sju blanka stenar 54") }},
	{"password-short", "POST /security/password", "#new_password-error", 422, func(w *window, i *issuers) { i.newPassword(w, webtest.Password, "kort") }},
	{"password-same", "POST /security/password", "#new_password-error", 422, func(w *window, i *issuers) { i.newPassword(w, webtest.Password, webtest.Password) }},
	{"password-guessable", "POST /security/password", "#new_password-error", 422, func(w *window, i *issuers) { i.newPassword(w, webtest.Password, "111111111111111") }},
	{"password-differs", "POST /security/password", "#new_password2-error", 422, func(w *window, i *issuers) {
		w.plainly(func() {
			i.bare(w, "/security/password")
			w.fill("password", webtest.Password)
			w.fill("new_password", "sju blanka stenar 54")
			w.typed("new_password2", "sju blanka stenar 45")
		})
	}},
	{"password-locked", "POST /security/password", "#error-summary", 429, func(w *window, i *issuers) {
		const path = "/security/password"
		b := i.home(i.newcomer(), "")
		page := b.Get(path)
		for range 5 {
			b.Submit(page, path, "password", "wrong password", "new_password", "sju blanka stenar 54", "new_password2", "sju blanka stenar 54")
		}
		w.wear(i.issuer, b, path)
		w.fill("password", webtest.Password)
		w.typed("new_password", "sju blanka stenar 54")
	}},

	{"devices", "GET /security/devices", ".tag", 200, func(w *window, i *issuers) { i.bare(w, "/security/devices") }},
	{"devices-several", "GET /security/devices", "#others", 200, func(w *window, i *issuers) { i.rich(w, "/security/devices") }},
	{"devices-one-ended", "GET /security/devices", "#done", 200, func(w *window, i *issuers) {
		i.rich(w, "/security/devices")
		w.press(`form[action="/security/devices/sign-out"] button`)
	}},
	{"devices-all-ended", "GET /security/devices", "#done", 200, func(w *window, i *issuers) {
		i.rich(w, "/security/devices/sign-out-others")
		w.press("#confirm")
	}},
	{"devices-no-longer-trusted", "GET /security/devices", "#done", 200, func(w *window, i *issuers) {
		i.rich(w, "/security/devices")
		w.press(`form[action="/security/devices/forget"] button`)
	}},
	{"sign-out-others", "GET /security/devices/sign-out-others", "#confirm", 200, func(w *window, i *issuers) { i.rich(w, "/security/devices/sign-out-others") }},

	{"activity", "GET /security/activity", ".events", 200, func(w *window, i *issuers) { i.bare(w, "/security/activity") }},
	{"activity-much", "GET /security/activity", "a[rel=next]", 200, func(w *window, i *issuers) { i.rich(w, "/security/activity") }},
	{"activity-second-page", "GET /security/activity", `.refused ~ li`, 200, func(w *window, i *issuers) {
		i.rich(w, "/security/activity")
		w.press("a[rel=next]")
	}},
	{"report", "GET /security/report", "#confirm", 200, func(w *window, i *issuers) { i.bare(w, "/security/report") }},
	{"reported", "POST /security/report", ".ok", 200, func(w *window, i *issuers) {
		i.bare(w, "/security/report")
		w.press("#confirm")
	}},

	{"apps-none", "GET /security/apps", ".lead", 200, func(w *window, i *issuers) { i.bare(w, "/security/apps") }},
	{"apps", "GET /security/apps", ".item ~ .item", 200, func(w *window, i *issuers) { i.rich(w, "/security/apps") }},
	{"remove-app", "GET /security/apps/remove", "#confirm", 200, func(w *window, i *issuers) { i.rich(w, "/security/apps/remove?client_id=family") }},
	{"app-removed", "GET /security/apps", "#done", 200, func(w *window, i *issuers) {
		i.rich(w, "/security/apps/remove?client_id=family")
		w.press("#confirm")
	}},

	{"contact", "GET /security/contact", ".tag", 200, func(w *window, i *issuers) { i.bare(w, "/security/contact") }},
	{"contact-none", "GET /security/contact", "#change-phone", 200, func(w *window, i *issuers) { i.bare(w, "/security/contact", noContact) }},
	{"contact-unproven", "GET /security/contact", ".tag", 200, func(w *window, i *issuers) {
		i.bare(w, "/security/contact", func(p *provider.Profile) {
			p.Email, p.EmailVerified, p.PhoneNumberVerified = strings.Repeat("mycket", 9)+"@"+strings.Repeat("langt.", 9)+"example.com", false, false
		})
	}},
	{"contact-changed", "GET /security/contact", "#done", 200, func(w *window, i *issuers) { i.bare(w, "/security/contact?done=phone") }},

	{"language", "GET /security/language", "#lang-sv", 200, func(w *window, i *issuers) { i.bare(w, "/security/language") }},
	{"language-chosen", "GET /security/language", "#done", 200, func(w *window, i *issuers) { i.bare(w, "/security/language?done=language") }},
}

// bare opens a page of the security centre for somebody who has nothing but a password.
func (i *issuers) bare(w *window, path string, changes ...func(*provider.Profile)) {
	w.t.Helper()
	w.wear(i.issuer, i.home(i.newcomer(changes...), ""), path)
}

// newPassword tries to change a password.
func (i *issuers) newPassword(w *window, current, next string) {
	w.t.Helper()
	i.bare(w, "/security/password")
	w.fill("password", current)
	w.typed("new_password", next)
}

// rich opens a page of the security centre for somebody who has much of everything.
func (i *issuers) rich(w *window, path string) {
	w.t.Helper()
	person, key := i.equipped(everything...)
	i.passkey(person, longName, false)
	i.passkey(person, endlessName, true)
	i.keepCodes(person, 2)
	i.happen(person)
	b := i.home(person, key)
	i.connect(b)
	i.use(person, b)
	w.wear(i.issuer, b, path)
}

// apps registers the third parties that connect knows.
func (i *issuers) apps() {
	i.Register(provider.Client{ID: "family", Type: provider.ClientWeb, RedirectURIs: []string{i.client + "/callback"},
		Name: provider.Text{"en": wideName, "sv": wideName}})
}

// connect allows two third parties something.
func (i *issuers) connect(b *webtest.Browser) {
	i.T.Helper()
	for _, client := range []string{"family", "budget"} {
		page := b.Get(i.authorize(i.budget, "client_id", client, "scope", "openid profile email address phone offline_access "+webtest.APIScope))
		b.Submit(page, "/signin/consent", "decision", "allow")
	}
}

// use signs somebody in elsewhere, and has them trust two devices, of which b is one.
func (i *issuers) use(person *provider.Account, b *webtest.Browser) {
	i.T.Helper()
	ctx, now := context.Background(), i.Now()
	for _, agent := range []string{"", "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1"} {
		i.must(i.Store.CreateSession(ctx, &provider.Session{
			ID: provider.TokenHash(provider.NewToken()), SID: provider.NewID(), AccountID: person.ID, AuthTime: now, Methods: []string{provider.MethodPassword},
			Created: now.Add(-time.Hour), LastSeen: now, Expires: now.Add(11 * time.Hour), UserAgent: agent, Address: "2001:db8:85a3:8d3:1319:8a2e:370:7348",
		}))
		token := provider.NewToken()
		i.must(i.Store.TrustDevice(ctx, &provider.TrustedDevice{
			ID: provider.NewID(), TokenHash: provider.TokenHash(token), AccountID: person.ID, UserAgent: agent, Address: "192.0.2.7",
			Created: now.Add(-48 * time.Hour), LastUsed: now.Add(-30 * time.Hour), Expires: now.Add(28 * 24 * time.Hour),
		}))
		b.SetCookie("cardea-trusted", token)
	}
}

// happen writes three pages of activity: of every action that its owner is shown, done
// and refused, in every way.
func (i *issuers) happen(person *provider.Account) {
	i.T.Helper()
	n := 0
	for _, action := range []provider.Action{
		provider.ActionPassword, provider.ActionFactor, provider.ActionSession, provider.ActionLocked, provider.ActionSignOut, provider.ActionConsent,
		provider.ActionFactorAdded, provider.ActionFactorRenamed, provider.ActionFactorRemoved, provider.ActionFactorCloned,
		provider.ActionRecoveryMade, provider.ActionRecoveryUsed, provider.ActionContact, provider.ActionDeviceTrusted, provider.ActionDeviceForgotten,
		provider.ActionSessionsEnded, provider.ActionPasswordChanged, provider.ActionAccountPassword, provider.ActionReported, provider.ActionAccessRemoved,
		provider.ActionAccountLocked, provider.ActionAccountUnlocked, provider.ActionRefreshReplay,
	} {
		for _, outcome := range []provider.Outcome{provider.OK, provider.Refused} {
			n++
			i.must(i.Store.Record(context.Background(), provider.Event{
				At: i.Now().Add(-time.Duration(60-n) * 20 * time.Hour), Action: action, Outcome: outcome, Actor: person.ID, Subject: person.ID, ClientID: "family", Detail: "family",
				Method: []string{"pwd", "otp", "sms", "email", "recovery", "hwk", "swk"}[n%7], UserAgent: firefox, Address: "2001:db8:85a3:8d3:1319:8a2e:370:7348",
			}))
		}
	}
}
