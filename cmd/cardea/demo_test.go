package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cardea/provider/signin"
	"cardea/provider/web/webtest"
)

// demoRun is a running demo, with what it has printed.
type demoRun struct {
	*process
	issuer, app, inbox, password, key string
}

func runDemo(t *testing.T, dir, issuer, app string) *demoRun {
	t.Helper()
	inbox := "http://127.0.0.1:" + freePort(t)
	d := &demoRun{issuer: issuer, app: app, inbox: inbox, process: launch(t, nil, "demo", "--dir", dir, "--issuer", issuer, "--app", app, "--inbox", inbox)}
	d.until("table", func() bool { return strings.Contains(d.out.String(), "Ctrl-C") })
	d.password, d.key = d.row("Password"), d.row("TOTP secret")
	for name, want := range map[string]string{"Account app": app, "Issuer": issuer, "User ID": "AlvaLind", "Second person": "NilsBerg", "Security centre": issuer + "/security", "Messages": inbox, "Data, log": dir} {
		if got := d.row(name); !strings.HasPrefix(got, want) {
			t.Errorf("the table says %s %q, want %q", name, got, want)
		}
	}
	return d
}

// row is what the table says of name.
func (d *demoRun) row(name string) string {
	d.t.Helper()
	found := regexp.MustCompile(`(?m)^  ` + name + `  +(.*)$`).FindStringSubmatch(d.out.String())
	if found == nil {
		d.t.Fatalf("no row %s in:\n%s", name, &d.out)
	}
	return found[1]
}

// walk signs in from the account app's front page to its dashboard and out again.
// The code is that of a moment: each run needs another, because none counts twice.
func (d *demoRun) walk(moment time.Time) {
	t := d.t
	t.Helper()
	app := (&webtest.Issuer{T: t, URL: d.app}).Browser()
	person := (&webtest.Issuer{T: t, URL: d.issuer}).Browser()
	front := app.Get("/")
	if front.Status != http.StatusOK || !strings.Contains(front.Body, `href="/signin"`) {
		t.Fatalf("front page: %d\n%s", front.Status, front.Body)
	}
	page := person.Get(app.Get("/signin").Away.String())
	d.banner(page)
	page = person.SignIn(page, "AlvaLind", d.password)
	d.banner(page)
	page = person.Get("/signin/verify/totp?" + page.URL.RawQuery) // it may have offered another one first
	code, err := signin.CodeAt(d.key, moment)
	must(t, err)
	page = person.Submit(page, "/signin/verify/totp", "code", code)
	d.banner(page)
	if page.Away == nil {
		t.Fatalf("signing in ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	dashboard := app.Get(page.Away.String())
	if dashboard.Status != http.StatusOK || !strings.Contains(dashboard.Body, "Alva Lind") || !strings.Contains(dashboard.Body, "<table") {
		t.Fatalf("dashboard: %d\n%s", dashboard.Status, dashboard.Body)
	}
	if profile := app.Get("/profile"); !strings.Contains(profile.Body, "alva.lind@example.com") {
		t.Errorf("profile: %d\n%s", profile.Status, profile.Body)
	}
	page = person.Get(app.Submit(dashboard, "/signout").Away.String())
	if page.Away == nil || !strings.HasPrefix(page.Away.String(), d.app+"/signed-out") {
		t.Fatalf("signing out ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	if page = app.Get(page.Away.String()); page.Status != http.StatusOK {
		t.Errorf("signed out: %d\n%s", page.Status, page.Body)
	}
	if front = app.Get("/"); strings.Contains(front.Body, "Alva Lind") {
		t.Errorf("still signed in:\n%s", front.Body)
	}
	if page = person.Get(app.Get("/signin").Away.String()); page.URL.Path != "/signin" {
		t.Errorf("after signing out, signing in anew led to %s (%d)", page.URL, page.Status)
	}
}

// pays signs in with a code by text message, which the inbox shows, and trusts the
// device; signs in again, with the password alone; and pays, for which the account
// app's API wants the second factor after all (RFC 9470).
func (d *demoRun) pays() {
	t := d.t
	t.Helper()
	app := (&webtest.Issuer{T: t, URL: d.app}).Browser()
	person := (&webtest.Issuer{T: t, URL: d.issuer}).Browser()
	page := person.SignIn(person.Get(app.Get("/signin").Away.String()), "AlvaLind", d.password)
	chooser := person.Get("/signin/verify?" + page.URL.RawQuery)
	page = person.Submit(chooser, "/signin/verify", "method", "sms")
	page = person.Submit(page, "/signin/verify/sms", "code", d.texted(1), "trust_device", "1")
	if page.Away == nil {
		t.Fatalf("a code by text message led to %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	page = person.Get(app.Submit(app.Get(page.Away.String()), "/signout").Away.String())
	app.Get(page.Away.String())

	page = person.SignIn(person.Get(app.Get("/signin").Away.String()), "AlvaLind", d.password)
	if page.Away == nil {
		t.Fatalf("a trusted device was asked for more, at %s (%d)", page.URL, page.Status)
	}
	app.Get(page.Away.String())
	page = app.Submit(app.Get("/pay"), "/pay", "amount", "10")
	if page.Away == nil || page.Away.Query().Get("acr_values") == "" {
		t.Fatalf("paying led to %s (%d), not to the issuer:\n%s", page.URL, page.Status, page.Body)
	}
	page = person.Get(page.Away.String())
	if page.URL.Path != "/signin/verify/sms" || !strings.Contains(page.Body, "pay your card bill") && !strings.Contains(page.Body, "betala din kortfaktura") {
		t.Errorf("the step-up is at %s and does not say what for:\n%s", page.URL, page.Body)
	}
	page = person.Submit(page, "/signin/verify/sms", "code", d.texted(2))
	if page.Away == nil {
		t.Fatalf("the step-up ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	if page = app.Get(page.Away.String()); page.Status != http.StatusOK || !strings.Contains(page.Body, "10") || !strings.Contains(page.Body, `role="status"`) {
		t.Errorf("after the step-up: %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
}

var sixDigits = regexp.MustCompile(`^\d{6}`)

// texted is the code of the nth text message with one, once it has arrived.
func (d *demoRun) texted(nth int) string {
	d.t.Helper()
	var codes []string
	d.until("text message", func() bool {
		answer, err := http.Get(d.inbox + "/messages.json")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		var letters []struct{ Channel, Body string } // newest first
		if err := json.NewDecoder(answer.Body).Decode(&letters); err != nil {
			d.t.Fatal(err)
		}
		codes = codes[:0]
		for _, l := range letters {
			if code := sixDigits.FindString(l.Body); l.Channel == "sms" && code != "" {
				codes = append(codes, code)
			}
		}
		return len(codes) == nth
	})
	return codes[0]
}

func (d *demoRun) banner(page *webtest.Page) {
	d.t.Helper()
	if !strings.Contains(page.Body, "DEMO") {
		d.t.Errorf("no DEMO on %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
}

// child is the account app's process.
func (d *demoRun) child() int {
	d.t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	must(d.t, err)
	for _, entry := range entries {
		text, _ := os.ReadFile(entry) // pid (name) state parent …; gone meanwhile is fine
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(d.cmd.Process.Pid) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(entry)))
			must(d.t, err)
			return pid
		}
	}
	d.t.Fatal("the demo has no child process")
	return 0
}

// gone waits until both processes are gone; exit codes are the caller's.
func (d *demoRun) gone(child int) {
	d.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); alive(child); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("the account app %d outlives the demo", child)
		}
	}
	if status(d.issuer+"/healthz") != 0 || status(d.app+"/") != 0 {
		d.t.Error("somebody still answers")
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	issuer, app := "http://127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t)
	now := time.Now()
	first := runDemo(t, dir, issuer, app)
	first.walk(now.Add(-20 * time.Second))
	for _, path := range []string{"/", "/help", "/signed-out", "/oauth2/authorize", "/no/such/page"} {
		first.banner((&webtest.Issuer{T: t, URL: issuer}).Browser().Get(path))
	}
	first.pays()
	second := launch(t, nil, "demo", "--dir", dir, "--issuer", issuer, "--app", app, "--inbox", first.inbox)
	if code := second.exit(); code != exitFailed || !strings.Contains(second.problems.String(), "in use") || !strings.Contains(second.problems.String(), "running already") {
		t.Errorf("a second demo on the same addresses: exit code %d\n%s", code, &second.problems)
	}
	child := first.child()
	first.signal(syscall.SIGINT)
	if code := first.exit(); code != exitOK {
		t.Errorf("exit code %d after SIGINT:\n%s", code, &first.problems)
	}
	first.gone(child)

	again := runDemo(t, dir, issuer, app)
	if again.password != first.password || again.key != first.key {
		t.Error("the second run has other secrets")
	}
	again.walk(now.Add(20 * time.Second))
	child = again.child()
	must(t, syscall.Kill(-again.cmd.Process.Pid, syscall.SIGINT)) // as Ctrl-C does: everybody in the group
	if code := again.exit(); code != exitOK {
		t.Errorf("exit code %d after Ctrl-C:\n%s", code, &again.problems)
	}
	again.gone(child)
	secretsIn(t, dir, again.password)
}

// secretsIn looks for what must not be readable in the demo's folder.
func secretsIn(t *testing.T, dir, password string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, entry := range entries {
		info, err := entry.Info()
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %s", entry.Name(), info.Mode())
		}
		if text, err := os.ReadFile(filepath.Join(dir, entry.Name())); err == nil && strings.Contains(string(text), password) {
			t.Errorf("%s holds a password", entry.Name())
		}
	}
}

// TestDemoOpensQuickly runs alone, and may try again on a busy machine.
func TestDemoOpensQuickly(t *testing.T) {
	var took []time.Duration
	for range 5 {
		begun := time.Now()
		d := runDemo(t, t.TempDir(), "http://127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t))
		took = append(took, time.Since(begun))
		d.signal(syscall.SIGINT)
		d.exit()
		if took[len(took)-1] <= 2*time.Second {
			return
		}
	}
	t.Errorf("opened after %s", took)
}

func TestDemoKilled(t *testing.T) {
	t.Parallel()
	d := runDemo(t, t.TempDir(), "http://127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t))
	child := d.child()
	d.signal(syscall.SIGKILL)
	d.exit()
	d.gone(child)
}

func TestDemoLosesApp(t *testing.T) {
	t.Parallel()
	d := runDemo(t, t.TempDir(), "http://127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t))
	child := d.child()
	must(t, syscall.Kill(child, syscall.SIGKILL))
	if code := d.exit(); code != exitFailed || !strings.Contains(d.problems.String(), "the account app stopped") {
		t.Errorf("exit code %d:\n%s", code, &d.problems)
	}
	d.gone(child)
}

func TestDemoOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	good := "http://localhost:" + freePort(t)
	for _, c := range []struct{ issuer, app, flag string }{
		{"http://demo.example.com:8080", good, "--issuer"},
		{"http://0.0.0.0:8080", good, "--issuer"},
		{"http://192.0.2.7:8080", good, "--issuer"},
		{"https://localhost:8080", good, "--issuer"},
		{"http://localhost", good, "--issuer"},
		{"http://localhost:8080/", good, "--issuer"},
		{"http://me@localhost:8080", good, "--issuer"},
		{good, "http://demo.example.com:8080", "--app"},
		{good, "http://127.0.0.1.example.com:8080", "--app"},
		{good, good, "--issuer, --app and --inbox"},
	} {
		dir := filepath.Join(t.TempDir(), "demo")
		p := launch(t, nil, "demo", "--dir", dir, "--issuer", c.issuer, "--app", c.app)
		if code := p.exit(); code != exitUsage || !strings.Contains(p.problems.String(), c.flag+": ") {
			t.Errorf("%s %s: exit code %d\n%s", c.issuer, c.app, code, &p.problems)
		}
		if fileExists(dir) {
			t.Errorf("%s %s: made a folder", c.issuer, c.app)
		}
	}
}
