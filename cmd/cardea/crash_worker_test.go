package main

import (
	"context"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/signin"
	"cardea/provider/web/webtest"
)

// worker is one source of load, with the history of what it was told.
type worker struct {
	ctx    context.Context
	s      *served
	t      testing.TB
	line   http.RoundTripper
	apps   crashClients
	finish atomic.Bool

	person             string
	toConsent, toEnrol []string // people who have not yet
	subject            map[string]string

	acknowledged [6]atomic.Int64
	families     []*family
	consented    []string
	signedOut    []string // session cookies
	enrolled     []enrolment
	revoked      int
}

// family is one grant as its client knows it.
type family struct {
	app             *webtest.Client
	code            string
	token, previous string
	older           []string // rotated out longer ago than a retry may repeat
	dead            bool
}

type enrolment struct{ userID, key, code string }

func newWorker(ctx context.Context, i *webtest.Issuer, n int, line http.RoundTripper, apps crashClients) *worker {
	w := &worker{ctx: ctx, t: i.T, line: line, apps: apps, subject: map[string]string{}}
	person := func(name string) string {
		w.subject[name] = i.Person(name).ID
		return name
	}
	w.person = person(fmt.Sprintf("Person%d", n))
	for k := range crashPeople {
		w.toConsent = append(w.toConsent, person(fmt.Sprintf("Consent%d.%d", n, k)))
		w.toEnrol = append(w.toEnrol, person(fmt.Sprintf("Enrol%d.%d", n, k)))
	}
	return w
}

func (w *worker) run() {
	acts := []func(){
		w.begin, w.begin, w.begin, w.refreshSome, w.refreshSome, w.refreshSome, w.refreshSome, w.refreshSome, w.refreshSome,
		w.revokeSome, w.replaySome, w.signOut, w.consent, w.enrol,
	}
	for !w.finish.Load() && w.ctx.Err() == nil {
		acts[rand.IntN(len(acts))]()
	}
}

// insist repeats a request until its outcome is known, and tells how often it was not.
func (w *worker) insist(request func() *webtest.Answer) (a *webtest.Answer, lost int) {
	for {
		if w.ctx.Err() != nil {
			runtime.Goexit()
		}
		if a = request(); !unknown(a.Status) {
			return a, lost
		}
		lost++
	}
}

func (w *worker) browser() *webtest.Browser {
	b := w.s.Browser()
	b.Client.Transport = w.line
	return b
}

// submit sends a form of page; nil when the page is not the one with the form, which
// is a fault unless the line was cut.
func (w *worker) submit(b *webtest.Browser, page *webtest.Page, action string, fields ...string) *webtest.Page {
	if page == nil || unknown(page.Status) {
		return nil
	}
	if _, ok := page.Form(action); !ok {
		w.t.Errorf("no form to %s on %s (%d):\n%s", action, page.URL, page.Status, page.Body)
		return nil
	}
	if page = b.Submit(page, action, fields...); unknown(page.Status) {
		return nil
	}
	return page
}

// signIn goes to the page after the password; nil when the line was cut.
func (w *worker) signIn(app *webtest.Client, userID string, over ...string) (*webtest.Browser, *webtest.Page) {
	b := w.browser()
	return b, w.submit(b, b.Get(app.Authorize(over...)), "/signin", "username", userID, "password", webtest.Password)
}

func (w *worker) begin() {
	app := w.apps.confidential
	if rand.IntN(3) == 0 {
		app = w.apps.public
	}
	_, page := w.signIn(app, w.person)
	if page == nil {
		return
	}
	if page.Away == nil {
		w.t.Errorf("signing in ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
		return
	}
	f := &family{app: app, code: page.Away.Query().Get("code")}
	a, lost := w.insist(func() *webtest.Answer { return app.Redeem(f.code) })
	f.token, f.dead = a.Text("refresh_token"), a.Status != http.StatusOK
	if f.dead && lost == 0 {
		w.t.Errorf("an acknowledged code is refused: %d %s", a.Status, a.Raw)
	}
	w.families = append(w.families, f)
	w.acknowledged[0].Add(1)
}

// some is a living family, or nil.
func (w *worker) some() *family {
	for range 10 {
		if len(w.families) == 0 {
			return nil
		}
		if f := w.families[rand.IntN(len(w.families))]; !f.dead {
			return f
		}
	}
	return nil
}

func (w *worker) refreshSome() {
	if f := w.some(); f != nil {
		w.refresh(f)
	}
}

func (w *worker) refresh(f *family) {
	a, lost := w.insist(func() *webtest.Answer { return f.app.Refresh(f.token) })
	if a.Status != http.StatusOK {
		f.dead = true
		if lost == 0 || f.app == w.apps.confidential { // which may repeat a request whose answer it lost
			w.t.Errorf("client %s: an acknowledged refresh token is refused after %d lost answers: %d %s", f.app.ID, lost, a.Status, a.Raw)
		}
		return
	}
	if f.previous != "" {
		f.older = append(f.older, f.previous)
	}
	f.previous, f.token = f.token, a.Text("refresh_token")
	w.acknowledged[1].Add(1)
}

func (w *worker) revokeSome() {
	f := w.some()
	if f == nil {
		return
	}
	a, _ := w.insist(func() *webtest.Answer { return f.app.Call("/oauth2/revoke", url.Values{"token": {f.token}}) })
	if a.Status != http.StatusOK {
		w.t.Errorf("revoking: %d %s", a.Status, a.Raw)
	}
	f.dead = true
	w.revoked++
	w.acknowledged[2].Add(1)
}

// replaySome sends what is spent once more, which ends the family.
func (w *worker) replaySome() {
	f := w.some()
	if f == nil {
		return
	}
	w.replay(f, rand.IntN(2) == 0)
}

func (w *worker) replay(f *family, code bool) {
	what, request := "code", func() *webtest.Answer { return f.app.Redeem(f.code) }
	if !code && len(f.older) > 0 {
		what, request = "refresh token", func() *webtest.Answer { return f.app.Refresh(f.older[rand.IntN(len(f.older))]) }
	}
	if a, _ := w.insist(request); a.Status != http.StatusBadRequest || a.Text("error") != "invalid_grant" {
		w.t.Errorf("client %s: a spent %s is answered with %d %s", f.app.ID, what, a.Status, a.Raw)
	}
	f.dead = true
}

func (w *worker) consent() {
	if len(w.toConsent) == 0 {
		return
	}
	userID := w.toConsent[0]
	w.toConsent = w.toConsent[1:]
	b, page := w.signIn(w.apps.third, userID)
	if page == nil {
		w.toConsent = append(w.toConsent, userID)
		return
	}
	page = w.submit(b, page, "/signin/consent", "decision", "allow") // once only: after a cut line nobody knows whether it was given
	if page != nil && page.Away != nil && page.Away.Query().Get("code") != "" {
		w.consented = append(w.consented, userID)
		w.acknowledged[3].Add(1)
	}
}

func (w *worker) signOut() {
	b, page := w.signIn(w.apps.confidential, w.person)
	if page == nil {
		return
	}
	session := b.Cookie("cardea-session")
	page = w.submit(b, b.Get("/oauth2/logout"), "/oauth2/logout/confirm")
	if page != nil && page.URL.Path == "/signed-out" {
		w.signedOut = append(w.signedOut, session)
		w.acknowledged[4].Add(1)
	}
}

var shownKey = regexp.MustCompile(`otpauth://[^"]*[?&]secret=([A-Z2-7]+)`)

func (w *worker) enrol() {
	if len(w.toEnrol) == 0 {
		return
	}
	userID := w.toEnrol[0]
	w.toEnrol = w.toEnrol[1:]
	b, page := w.signIn(w.apps.confidential, userID, "acr_values", provider.LevelTwoFactor.ACR())
	if page == nil {
		w.toEnrol = append(w.toEnrol, userID)
		return
	}
	found := shownKey.FindStringSubmatch(html.UnescapeString(page.Body))
	if found == nil {
		w.t.Errorf("no key on %s (%d):\n%s", page.URL, page.Status, page.Body)
		return
	}
	code, err := signin.CodeAt(found[1], time.Now())
	if err != nil {
		w.t.Error(err)
		return
	}
	page = w.submit(b, page, "/factor/totp/new", "code", code)
	if page != nil && page.Away != nil {
		w.enrolled = append(w.enrolled, enrolment{userID: userID, key: found[1], code: code})
		w.acknowledged[5].Add(1)
	}
}

func (w *worker) verifyFamilies() {
	for _, f := range w.families {
		if !f.dead {
			w.refresh(f) // reports what is refused
			w.replay(f, false)
		}
		w.stayDead(f, f.token, f.previous)
		w.replay(f, true)
		w.stayDead(f, f.older...)
	}
}

func (w *worker) stayDead(f *family, tokens ...string) {
	for _, token := range tokens {
		if token == "" {
			continue
		}
		if a, _ := w.insist(func() *webtest.Answer { return f.app.Refresh(token) }); a.Status == http.StatusOK {
			w.t.Errorf("client %s: a family that ended gives tokens again", f.app.ID)
		}
	}
}

func (w *worker) verifyPeople() {
	for _, userID := range w.consented {
		if _, page := w.signIn(w.apps.third, userID); page == nil || page.Away == nil || page.Away.Query().Get("code") == "" {
			w.t.Errorf("%s: an acknowledged consent is lost", userID)
		}
	}
	for _, session := range w.signedOut {
		b := w.browser()
		b.SetCookie("cardea-session", session)
		if page := b.Get(w.apps.confidential.Authorize("prompt", "none")); page.Away == nil || page.Away.Query().Get("error") != "login_required" {
			w.t.Error("a session that was signed out lives again")
		}
	}
	for _, e := range w.enrolled {
		b, page := w.signIn(w.apps.confidential, e.userID)
		if page = w.submit(b, page, "/signin/verify/totp", "code", e.code); page == nil || page.Status != http.StatusUnprocessableEntity {
			w.t.Errorf("%s: the code of the enrolment was accepted again", e.userID)
			continue
		}
		next, err := signin.CodeAt(e.key, time.Now().Add(30*time.Second))
		if err != nil {
			w.t.Error(err)
		}
		if page = w.submit(b, page, "/signin/verify/totp", "code", next); page == nil || page.Away == nil {
			w.t.Errorf("%s: an acknowledged enrolment is lost", e.userID)
		}
	}
}
