package web_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage/storagetest"
)

// TestCodeOpensOneSessionOnly submits one code 20 times at once, from as many browsers
// where the code allows it, to two servers that share the database and the secrets.
func TestCodeOpensOneSessionOnly(t *testing.T) {
	storagetest.EachURL(t, func(t *testing.T, url string) {
		first := webtest.Open(t, webtest.Quiet, webtest.On(storagetest.Connect(t, url)))
		second := webtest.Open(t, webtest.Quiet, webtest.On(storagetest.Connect(t, url)))
		app := first.Register(provider.Client{})
		for n, kind := range []provider.FactorKind{provider.FactorTOTP, provider.FactorSMS, provider.FactorEmail, provider.FactorRecovery} {
			by := equipped(first, first.Person("Person-"+string(kind)))[n]
			t.Run(string(kind), func(t *testing.T) { submitAtOnce(t, []*webtest.Issuer{first, second}, app, "Person-"+string(kind), by) })
		}
	})
}

const parallel = 20

func submitAtOnce(t *testing.T, servers []*webtest.Issuer, app *webtest.Client, userID string, by show) {
	sent := by.kind == provider.FactorSMS || by.kind == provider.FactorEmail
	asked := func() (*webtest.Browser, *webtest.Page) {
		b := servers[0].Browser()
		return b, choose(t, b, b.SignIn(b.Get(app.Authorize()), userID, webtest.Password), by.kind)
	}
	b, page := asked()
	value := by.value()
	path := "/signin/verify/" + string(by.kind)
	var opened, locked atomic.Int32
	var all sync.WaitGroup
	start := make(chan struct{})
	for n := range parallel {
		b, page := b, page
		if !sent && n > 0 { // a code that was sent is bound to its sign-in
			b, page = asked()
		}
		at := servers[n%len(servers)]
		form, ok := page.Form(path)
		if !ok {
			t.Fatalf("no form:\n%s", page.Body)
		}
		form.Set(by.field, value)
		there := b.At(at).Copy()
		all.Go(func() {
			<-start
			got := there.Post(path, form)
			if got.Status == http.StatusTooManyRequests {
				locked.Add(1)
			}
			if got.Away != nil && got.Away.Query().Get("code") != "" {
				opened.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	if opened.Load() != 1 {
		t.Errorf("%d of %d submissions were accepted, %d were locked out", opened.Load(), parallel, locked.Load())
	}
}
