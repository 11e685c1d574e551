package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// TestCrash kills the serving process again and again while people sign in and
// clients refresh, and then holds the database to everything that was acknowledged:
// what was answered with success stays, what is single-use stays spent.
func TestCrash(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { crash(t, 10, nil) })
	t.Run("PostgreSQL", func(t *testing.T) { crash(t, 5, []string{"CARDEA_DATABASE_URL=" + storagetest.Postgres(t)}) })
}

const (
	crashWorkers = 3
	crashPeople  = 5 // for each worker and purpose
)

func crash(t *testing.T, rounds int, environ []string) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	line := &unsteady{base: &http.Transport{MaxIdleConnsPerHost: 32}}
	var workers []*worker
	var apps crashClients
	s := prepare(t, append(environ, "CARDEA_SIGN_IN_SECOND_FACTOR=optional"), func(i *webtest.Issuer) {
		apps = registerCrashClients(i, line)
		for n := range crashWorkers {
			workers = append(workers, newWorker(ctx, i, n, line, apps))
		}
	})
	for _, w := range workers {
		w.s = s
	}
	starts := []time.Duration{s.start()}
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for _, w := range workers {
		running.Go(w.run)
	}
	for round := 0; round < rounds || !enough(workers) && round < 3*rounds; round++ {
		progress(workers)
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		s.signal(syscall.SIGKILL)
		s.exit()
		if round%4 == 3 { // and once more while it starts
			s.process = launch(t, s.environ, "serve", "--config", s.file)
			time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
			s.signal(syscall.SIGKILL)
			s.exit()
		}
		starts = append(starts, s.start())
	}
	for _, w := range workers {
		w.finish.Store(true)
	}
	running.Wait()
	slices.Sort(starts)
	if usual := starts[len(starts)/4]; usual > 2*time.Second { // the slower ones may be the machine's fault
		t.Errorf("a restart takes %s", usual)
	}
	verify(t, s, workers)
	if faults := line.faults(); len(faults) > 0 {
		t.Errorf("answers that must not be: %q", faults)
	}
	t.Logf("%d kills, %s; restart in %s to %s", len(starts)-1, tally(workers), starts[0], starts[len(starts)-1])
}

// progress waits until everybody has signed in once more, however slow the machine:
// a sign-in that is cut off counts as a failure, and five in a row lock the account.
func progress(workers []*worker) {
	before := make([]int64, len(workers))
	for i, w := range workers {
		before[i] = w.acknowledged[0].Load()
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		waiting := false
		for i, w := range workers {
			waiting = waiting || w.acknowledged[0].Load() == before[i]
		}
		if !waiting {
			return
		}
	}
}

func enough(workers []*worker) bool {
	for _, c := range counts(workers) {
		if c == 0 {
			return false
		}
	}
	return true
}

// counts are how many families, refreshes, revocations, consents, sign-outs and
// enrolments were acknowledged.
func counts(workers []*worker) (n [6]int) {
	for _, w := range workers {
		for i := range n {
			n[i] += int(w.acknowledged[i].Load())
		}
	}
	return n
}

func tally(workers []*worker) string {
	n := counts(workers)
	return fmt.Sprintf("%d families, %d refreshes, %d revocations, %d consents, %d sign-outs, %d enrolments", n[0], n[1], n[2], n[3], n[4], n[5])
}

// cut is the status of a request whose answer never came.
const cut = 599

// unsteady is a line to a server that may die: a request whose answer does not
// arrive whole has the status cut.
type unsteady struct {
	base http.RoundTripper
	mu   sync.Mutex
	bad  []string
}

func (u *unsteady) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := u.base.RoundTrip(r)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err != nil {
		time.Sleep(10 * time.Millisecond)
		return &http.Response{StatusCode: cut, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable {
		u.mu.Lock()
		u.bad = append(u.bad, fmt.Sprintf("%s %s: %d", r.Method, r.URL.Path, resp.StatusCode))
		u.mu.Unlock()
	}
	return resp, nil
}

func (u *unsteady) faults() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bad
}

// unknown tells that a request may or may not have been carried out.
func unknown(status int) bool { return status == cut || status == http.StatusServiceUnavailable }

type crashClients struct{ confidential, public, third *webtest.Client }

func registerCrashClients(i *webtest.Issuer, line http.RoundTripper) crashClients {
	c := crashClients{
		confidential: i.Register(provider.Client{ID: "app"}),
		public:       i.Register(provider.Client{ID: "spa", Type: provider.ClientSPA, FirstParty: true}),
		third:        i.Register(provider.Client{ID: "third", Type: provider.ClientWeb}),
	}
	for _, app := range []*webtest.Client{c.confidential, c.public, c.third} {
		app.HTTP.Transport = line
	}
	return c
}

// verify holds the issuer to every history.
func verify(t *testing.T, s *served, workers []*worker) {
	var all sync.WaitGroup
	for _, w := range workers {
		all.Go(func() {
			w.verifyFamilies()
			w.verifyPeople()
		})
	}
	all.Wait()
	s.stop()
	verifyAudit(t, s, workers)
}

// verifyAudit looks for the audit event of every change that was acknowledged.
func verifyAudit(t *testing.T, s *served, workers []*worker) {
	ctx := context.Background()
	sys, err := open(ctx, s.cfg, slog.New(slog.DiscardHandler))
	must(t, err)
	defer func() { must(t, sys.close()) }()
	bySubject := func(action provider.Action) map[string]int {
		events, err := sys.store.Events(ctx, storage.EventFilter{Action: action, Limit: 1_000_000})
		must(t, err)
		out := map[string]int{}
		for _, e := range events {
			if e.Outcome == provider.OK {
				out[e.Subject]++
				out["all"]++
			}
		}
		return out
	}
	consents, factors, signOuts, revocations := bySubject(provider.ActionConsent), bySubject(provider.ActionFactorAdded), bySubject(provider.ActionSignOut), 0
	for _, w := range workers {
		for _, userID := range w.consented {
			if consents[w.subject[userID]] == 0 {
				t.Errorf("%s: the consent is not in the audit trail", userID)
			}
		}
		for _, e := range w.enrolled {
			if factors[w.subject[e.userID]] == 0 {
				t.Errorf("%s: the enrolment is not in the audit trail", e.userID)
			}
		}
		if got := signOuts[w.subject[w.person]]; got < len(w.signedOut) {
			t.Errorf("%s: %d sign-outs in the audit trail, want at least %d", w.person, got, len(w.signedOut))
		}
		revocations += w.revoked
	}
	if got := bySubject(provider.ActionRevoke)["all"]; got < revocations {
		t.Errorf("%d revocations in the audit trail, want at least %d", got, revocations)
	}
}
