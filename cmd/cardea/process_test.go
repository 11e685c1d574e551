package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cardea/config"
	"cardea/provider/oidc"
	"cardea/provider/web/webtest"
)

// asProgram in the environment makes this test binary the program itself, so that
// tests can run it as a process of its own without building it a second time.
const asProgram = "AS_CARDEA"

func init() {
	if os.Getenv(asProgram) != "" {
		recheck = 50 * time.Millisecond
		main()
	}
}

// process is the program as a process of its own, in a process group of its own.
type process struct {
	t        testing.TB
	cmd      *exec.Cmd
	out      output // standard output
	problems output // standard error
	ended    chan struct{}
}

// output may be read while the process writes it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch starts the program with args; environ is added to an environment that is
// otherwise bare. The whole group is killed when t ends.
func launch(t testing.TB, environ []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(self, args...), ended: make(chan struct{})}
	p.cmd.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.problems
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState tells
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
		if t.Failed() {
			lines := strings.SplitAfter(p.problems.String(), "\n")
			t.Logf("cardea %s wrote:\n%s%s", args[0], &p.out, strings.Join(lines[max(0, len(lines)-20):], ""))
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end and gives the exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("still running:\n%s%s", &p.out, &p.problems)
	}
	return p.cmd.ProcessState.ExitCode()
}

// until waits for what; it fails at once when the process ends.
func (p *process) until(what string, is func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.ended:
			p.t.Fatalf("ended before %s:\n%s%s", what, &p.out, &p.problems)
		default:
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("no %s:\n%s%s", what, &p.out, &p.problems)
		}
	}
}

// records are the lines of the log, each of which must be a JSON object.
func (p *process) records() []map[string]any {
	p.t.Helper()
	var all []map[string]any
	for line := range strings.Lines(p.problems.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			p.t.Fatalf("log line is not JSON: %q", line)
		}
		all = append(all, record)
	}
	return all
}

// requests are the log lines of requests.
func (p *process) requests() []map[string]any {
	p.t.Helper()
	return slices.DeleteFunc(p.records(), func(r map[string]any) bool { return r["msg"] != "request" })
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// served is an issuer in a process of its own. The embedded Issuer is used to fill
// its database before the process starts, and as the address of browsers and
// clients afterwards.
type served struct {
	*webtest.Issuer
	*process
	cfg     config.Config
	file    string
	environ []string
	private string // address of metrics and health checks
}

const servedConfig = `issuer: http://127.0.0.1:%[1]s
listen: 127.0.0.1:%[1]s
metrics:
  listen: 127.0.0.1:%[2]s
database:
  url: sqlite:%[3]s/cardea.db
secrets:
  keys:
    - id: test
      key: %[4]s
apis:
  - audience: https://api.example.com
    name: Card account
    introspect_clients: [app]
    scopes:
      - name: accounts:read
        title: {en: Your card account, sv: Ditt kortkonto}
`

// prepare makes an issuer with an empty database, and lets fill put people and
// clients into it. environ are CARDEA_ variables that go over the file.
func prepare(t testing.TB, environ []string, fill func(*webtest.Issuer)) *served {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	s := &served{file: filepath.Join(dir, "cardea.yaml"), environ: environ}
	private := freePort(t)
	s.private = "http://127.0.0.1:" + private
	text := fmt.Sprintf(servedConfig, port, private, dir, config.NewSecretKey())
	must(t, os.WriteFile(s.file, []byte(text), 0o600))
	for i, variable := range s.environ { // tests that need to know the port
		name, value, _ := strings.Cut(variable, "=")
		s.environ[i] = name + "=" + strings.ReplaceAll(value, "PORT", port)
	}
	var err error
	s.cfg, err = config.Load(s.file, s.environ)
	must(t, err)
	s.Issuer = &webtest.Issuer{T: t, URL: s.cfg.Issuer}
	s.fill(fill)
	return s
}

func (s *served) fill(fill func(*webtest.Issuer)) {
	t, ctx := s.T, context.Background()
	t.Helper()
	sys, err := open(ctx, s.cfg, slog.New(slog.DiscardHandler))
	must(t, err)
	defer func() { must(t, sys.close()) }()
	must(t, sys.store.Migrate(ctx))
	s.Store, s.Ring, s.People = sys.store, sys.ring, sys.people
	s.Keys, err = oidc.OpenKeys(ctx, sys.store, sys.ring, time.Now)
	must(t, err)
	for _, algorithm := range oidc.Algorithms {
		must(t, s.Keys.Ensure(ctx, algorithm))
	}
	s.Protocol, err = oidc.New(protocolSettings(s.cfg, sys.ring), sys.store, s.Keys)
	must(t, err)
	fill(s.Issuer)
}

// start starts the process and tells how long it took until it was ready.
func (s *served) start() time.Duration {
	s.T.Helper()
	begun := time.Now()
	s.process = launch(s.T, s.environ, "serve", "--config", s.file)
	s.until("ready", func() bool { return status(s.private+"/readyz") == http.StatusOK })
	return time.Since(begun)
}

// stop ends the process in the orderly way.
func (s *served) stop() {
	s.T.Helper()
	s.signal(syscall.SIGTERM)
	if code := s.exit(); code != exitOK {
		s.T.Fatalf("exit code %d after SIGTERM:\n%s", code, &s.problems)
	}
}

// serve is prepare and start.
func serve(t testing.TB, environ []string, fill func(*webtest.Issuer)) *served {
	t.Helper()
	s := prepare(t, environ, fill)
	s.start()
	return s
}

// status is the status of a GET, 0 when nobody answers.
func status(address string) int {
	code, _ := fetch(address)
	return code
}

func fetch(address string) (int, string) {
	resp, err := http.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signIn takes b from an authorization request to the address that it is sent to,
// with password and, when the page asks for it, a code of key.
func signIn(b *webtest.Browser, i *webtest.Issuer, authorize, userID, key string) *url.URL {
	i.T.Helper()
	page := b.SignIn(b.Get(authorize), userID, webtest.Password)
	if page.Away == nil {
		page = b.Submit(page, "/signin/verify/totp", "code", i.Code(key))
	}
	if page.Away == nil {
		i.T.Fatalf("signing in ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	return page.Away
}

// alive tells whether a process exists.
func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
