package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// Ways to a state that is not about what was clicked before it: browsers without a
// window are many times faster.

// firefox is what they say they are.
const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0"

// wear gives the window the cookies of a browser without one, and opens address in it.
func (w *window) wear(i *issuer, b *webtest.Browser, address string) {
	w.t.Helper()
	u, err := url.Parse(i.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range b.Client.Jar.Cookies(u) {
		call(w, network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: i.URL})
	}
	if strings.HasPrefix(address, "/") {
		address = i.URL + address
	}
	w.visit(address)
}

// plainly opens a page without script. It looks afterwards as it does to people without
// any, but allows script: axe needs it.
func (w *window) plainly(open func()) {
	w.t.Helper()
	w.scripts(false)
	open()
	w.scripts(true)
	value[bool](w, `(document.querySelectorAll(".need").forEach((note) => note.dataset.on = ""), true)`)
}

// scripts sets whether pages may run script.
func (w *window) scripts(on bool) {
	w.t.Helper()
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
}

// sendWithoutButton submits the form as if none of its buttons had been pressed, with
// fields filled in as name, value pairs, past what script would do.
func (w *window) sendWithoutButton(action string, fields ...string) {
	w.t.Helper()
	w.loading("submitting "+action, func() {
		value[bool](w, `(() => {
			const form = document.querySelector(`+js(`form[action="`+action+`"]`)+`), fields = `+js(append([]string{}, fields...))+`;
			for (let i = 0; i < fields.length; i += 2) form.elements[fields[i]].value = fields[i + 1];
			form.submit();
			return true;
		})()`)
	})
}

// equipped is a newcomer with second factors, and the key of the authenticator app
// where there is one.
func (i *issuer) equipped(kinds ...provider.FactorKind) (person *provider.Account, key string) {
	i.T.Helper()
	person = i.newcomer()
	for _, kind := range kinds {
		switch kind {
		case provider.FactorPasskey:
			i.passkey(person, "Karins telefon", true)
		case provider.FactorTOTP:
			key = i.Authenticator(person)
		case provider.FactorRecovery:
			i.RecoveryCodes(person)
		default:
			i.Factor(person, kind)
		}
	}
	return person, key
}

// passkey gives somebody a passkey that no authenticator has.
func (i *issuer) passkey(person *provider.Account, name string, synced bool) {
	i.T.Helper()
	i.must(i.Store.CreateFactor(context.Background(), &provider.Factor{
		ID: provider.NewID(), AccountID: person.ID, Kind: provider.FactorPasskey, Name: name, Confirmed: true, Created: i.Now(),
		Passkey: &provider.Passkey{CredentialID: provider.NewToken(), PublicKey: []byte{1}, BackupEligible: synced, BackedUp: synced, Discoverable: true},
	}))
}

func (i *issuer) must(err error) {
	i.T.Helper()
	if err != nil {
		i.T.Fatal(err)
	}
}

// factor is the id of somebody's factor of a kind.
func (i *issuer) factor(person *provider.Account, kind provider.FactorKind) string {
	i.T.Helper()
	all, err := i.Store.Factors(context.Background(), person.ID)
	i.must(err)
	for _, f := range all {
		if f.Kind == kind {
			return f.ID
		}
	}
	i.T.Fatalf("no factor of kind %s", kind)
	return ""
}

// keepCodes leaves somebody with n recovery codes.
func (i *issuer) keepCodes(person *provider.Account, n int) {
	i.T.Helper()
	codes, err := i.Store.RecoveryCodes(context.Background(), person.ID)
	i.must(err)
	for _, code := range codes[n:] {
		i.must(i.Store.UseRecoveryCode(context.Background(), code.ID))
	}
}

// begun takes a new browser through User ID and password.
func (i *issuer) begun(person *provider.Account, address string) (*webtest.Browser, *webtest.Page) {
	i.T.Helper()
	b := i.Browser()
	b.Header.Set("User-Agent", firefox)
	return b, b.SignIn(b.Get(address), person.UserID, webtest.Password)
}

// on is the address of a page of the sign-in that page belongs to.
func on(page *webtest.Page, path string) string {
	return path + "?ix=" + url.QueryEscape(page.URL.Query().Get("ix"))
}

// home is a new browser that has just signed in to the security centre; key is that of
// the authenticator app, "" when there is no second factor.
func (i *issuer) home(person *provider.Account, key string) *webtest.Browser {
	i.T.Helper()
	b, page := i.begun(person, "/security")
	if key != "" {
		const path = "/signin/verify/totp"
		page = b.Submit(b.Get(on(page, path)), path, "code", i.Code(key))
	}
	if page.URL.Path != "/security" {
		i.T.Fatalf("the way to the security centre ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	return b
}

// asked opens the page of a kind of second factor, for somebody who has typed their
// password.
func (w *window) asked(i *issuer, person *provider.Account, kind string) {
	w.t.Helper()
	b, page := i.begun(person, i.authorize(i.app))
	w.wear(i, b, on(page, "/signin/verify"+kind))
}

// typed fills in a field and sends its form.
func (w *window) typed(field, text string) {
	w.t.Helper()
	w.fill(field, text)
	w.press("#submit")
}

// secretKey is the key that a page of setting up an authenticator app shows.
var secretKey = regexp.MustCompile(`<code class="key" translate="no">([A-Z2-7 ]+)</code>`)

// enrolled takes a new browser to where recovery codes are offered, after a forced
// enrolment.
func (i *issuer) enrolled(person *provider.Account) (*webtest.Browser, *webtest.Page) {
	i.T.Helper()
	const path = "/factor/totp/new"
	b, page := i.begun(person, i.authorize(i.app))
	page = b.Get(on(page, path))
	key := secretKey.FindStringSubmatch(page.Body)
	if key == nil {
		i.T.Fatalf("%s (%d) shows no key:\n%s", page.URL, page.Status, page.Body)
	}
	page = b.Submit(page, path, "code", i.Code(strings.ReplaceAll(key[1], " ", "")))
	if page.URL.Path != "/factor/recovery-codes" {
		i.T.Fatalf("enrolment ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	return b, page
}

// noLimits lets everybody have as many codes as they ask for.
func noLimits(set *webtest.Settings) {
	c := &set.People.Codes
	c.PerQuarter, c.PerDay, c.PerAddress = 10000, 10000, 10000
}

// number is a telephone number for fiction, of the n-th person (PTS: 070-174 06 05 to
// 070-174 06 99).
func number(n int64) string { return fmt.Sprintf("+4670174%04d", 605+n%95) }
