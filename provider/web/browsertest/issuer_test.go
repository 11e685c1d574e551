package browsertest

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// issuer is a running issuer and, on another site, the service that its clients
// bring people back to.
type issuer struct {
	*webtest.Issuer
	app      *webtest.Client // first party: no consent
	budget   *webtest.Client // somebody else's: asks for consent
	payments *webtest.Client // first party, with a purpose
	client   string          // the service's origin
	people   atomic.Int64
}

// start starts both. The service answers at localhost and the issuer at 127.0.0.1, or
// with webtest.Localhost the other way round: they are different sites to a browser, as
// they are in life.
func start(t testing.TB, changes ...func(*webtest.Settings)) *issuer {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(serve))
	t.Cleanup(service.Close)
	i := &issuer{Issuer: webtest.Open(t, changes...), client: strings.Replace(service.URL, "127.0.0.1", "localhost", 1)}
	if strings.HasPrefix(i.URL, "http://localhost:") {
		i.client = service.URL
	}
	back := []string{i.client + "/callback", i.client + "/silent"}
	out := []string{i.client + "/signed-out"}
	i.app = i.Register(provider.Client{ID: "app", Type: provider.ClientWeb, FirstParty: true, RedirectURIs: back, PostLogoutRedirectURIs: out})
	i.budget = i.Register(provider.Client{ID: "budget", Type: provider.ClientWeb, RedirectURIs: back, PostLogoutRedirectURIs: out,
		Name: provider.Text{"en": "Budget App", "sv": "Budgetappen"}})
	i.payments = i.Register(provider.Client{ID: "payments", Type: provider.ClientWeb, FirstParty: true, RedirectURIs: back, PostLogoutRedirectURIs: out,
		Purpose: provider.Text{"en": "pay a bill", "sv": "betala en räkning"}})
	return i
}

// serve is the client's service: what comes back is shown, and /silent answers
// without a page, so that the browser stays on the page before it.
func serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/silent":
		w.WriteHeader(http.StatusNoContent)
	case "/form":
		fmt.Fprintf(w, `<!doctype html><title>Service</title><form method="post" action="%s">`, html.EscapeString(r.URL.Query().Get("to")))
		for name, values := range r.URL.Query() {
			if name != "to" {
				fmt.Fprintf(w, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name), html.EscapeString(values[0]))
			}
		}
		fmt.Fprint(w, `<button id="go">Go</button></form>`)
	case "/link":
		fmt.Fprintf(w, `<!doctype html><title>Service</title><a id="go" href="%s">Go</a>`, html.EscapeString(r.URL.Query().Get("to")))
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>Service</title><link rel="icon" href="data:,"><h1>Service</h1><p>%s</p>`, html.EscapeString(r.URL.RawQuery))
	}
}

// window opens a window that may load from the two and nowhere else.
func (i *issuer) window(t testing.TB, m mode) *window {
	t.Helper()
	return open(t, m, i.URL, i.client)
}

// authorize is the address where a client begins a sign-in; over as in
// webtest.Client.Params.
func (i *issuer) authorize(c *webtest.Client, over ...string) string {
	return i.URL + c.Authorize(append([]string{"redirect_uri", i.client + "/callback"}, over...)...)
}

// newcomer is a person that no other test knows, with a contact of their own.
func (i *issuer) newcomer(changes ...func(*provider.Profile)) *provider.Account {
	i.T.Helper()
	n := i.people.Add(1)
	person := i.Person(fmt.Sprintf("karin%02d", 10+n))
	person.Profile.PhoneNumber, person.Profile.Email = number(n), person.UserID+"@example.com"
	for _, change := range changes {
		change(&person.Profile)
	}
	if err := i.Store.UpdateProfile(context.Background(), person); err != nil {
		i.T.Fatal(err)
	}
	return person
}

// signIn fills in the sign-in page.
func (w *window) signIn(userID, password string) {
	w.t.Helper()
	w.on("/signin")
	w.fill("username", userID)
	w.fill("password", password)
	w.press("#submit")
}

// returned waits until the browser is back at the client and gives what it brought.
func (w *window) returned(i *issuer) url.Values {
	w.t.Helper()
	w.arrive(i.client + "/callback?")
	u, err := url.Parse(w.address())
	if err != nil {
		w.t.Fatal(err)
	}
	q := u.Query()
	if q.Get("state") != "state-1234567890" || q.Get("iss") != i.URL {
		w.t.Fatalf("the client got state %q from issuer %q", q.Get("state"), q.Get("iss"))
	}
	return q
}

func escape(s string) string { return url.QueryEscape(s) }
