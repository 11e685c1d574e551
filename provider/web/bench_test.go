package web_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	_ "modernc.org/sqlite"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// The benchmarks measure a server process over real loopback HTTP and report its
// CPU time per operation, in milliseconds, as server-cpu-ms/op. The floors are
// measured in the same run, because absolute times differ between machines:
//
//	go test ./provider/web -run '^$' -bench . -benchmem

// benchServer asks TestBenchServer to be the server.
const benchServer = "CARDEA_BENCH_SERVER"

// benchSetup is what the server process tells its benchmark.
type benchSetup struct {
	URL, Floor        string
	App, Service, API string // client secrets
	Refresh           []string
	Access            string
	Session, UserID   string
}

// TestBenchServer is the server process of the benchmarks; in a test run it has
// nothing to do.
func TestBenchServer(t *testing.T) {
	if os.Getenv(benchServer) == "" {
		return
	}
	i := webtest.Open(t, webtest.Quiet, func(s *webtest.Settings) {
		s.People.Policy = provider.SecondFactorOff
		s.People.Argon2 = provider.Argon2{MemoryKiB: 19456, Time: 2, Parallelism: 1}
		s.People.HashQueue, s.People.HashWait = 128, 10*time.Second
	})
	app := i.Register(provider.Client{})
	service := i.Register(provider.Client{ID: "service", Type: provider.ClientService, Scopes: []string{webtest.APIScope}})
	opaque := i.Register(provider.Client{ID: "opaque", Type: provider.ClientService, Scopes: []string{}})
	i.Person("KarinEk")
	b, code := app.SignedIn("KarinEk")
	first := app.Redeem(code)
	setup := benchSetup{URL: i.URL, App: app.Secret, Service: service.Secret, API: opaque.Secret, Access: first.Text("access_token"), Session: b.Cookie("cardea-session"), UserID: "KarinEk"}
	for range 16 {
		page := b.Get(app.Authorize())
		setup.Refresh = append(setup.Refresh, app.Redeem(page.Away.Query().Get("code")).Text("refresh_token"))
	}
	floor := httptest.NewServer(floorHandler())
	defer floor.Close()
	setup.Floor = floor.URL
	line, err := json.Marshal(setup)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("BENCH %s\n", line)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func floorHandler() http.Handler {
	mux := http.NewServeMux()
	secret := sha256.Sum256([]byte("secret"))
	mux.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		_, password, _ := r.BasicAuth()
		ok := sha256.Sum256([]byte(password)) == secret
		_ = json.NewEncoder(w).Encode(map[string]any{"ok": ok, "grant": r.PostForm.Get("grant_type")})
	})
	mux.HandleFunc("GET /cpu", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, cpuTime()) })
	mux.HandleFunc("GET /rss", func(w http.ResponseWriter, _ *http.Request) {
		var usage syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
		fmt.Fprint(w, usage.Maxrss)
	})
	return mux
}

// cpuTime is the CPU time of this process, in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// bench is a benchmark's hold of the server process.
type bench struct {
	benchSetup
	b      *testing.B
	client *http.Client
}

func startBench(b *testing.B) *bench {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBenchServer$")
	cmd.Env = append(os.Environ(), benchServer+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(b, err)
	stdout, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	s := &bench{b: b, client: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 128},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "BENCH "); ok {
			must(b, json.Unmarshal([]byte(text), &s.benchSetup))
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return s
		}
	}
	b.Fatal("the server process did not start")
	return nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *bench) number(path string) int64 {
	body, _ := s.get(s.Floor + path)
	n, err := strconv.ParseInt(body, 10, 64)
	must(s.b, err)
	return n
}

func (s *bench) send(r *http.Request, want int) (string, http.Header) {
	resp, err := s.client.Do(r)
	if err != nil {
		s.b.Error(err)
		return "", nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		s.b.Errorf("%s %s: %d %s %v", r.Method, r.URL.Path, resp.StatusCode, body, err)
	}
	return string(body), resp.Header
}

func (s *bench) get(address string) (string, http.Header) {
	r, _ := http.NewRequest(http.MethodGet, address, nil)
	return s.send(r, http.StatusOK)
}

func (s *bench) post(path, id, secret string, form url.Values) map[string]any {
	r, _ := http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(id, secret)
	body, _ := s.send(r, http.StatusOK)
	var answer map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		s.b.Errorf("%s: %v", path, err)
	}
	return answer
}

// run repeats op on 8 connections and reports the server's CPU time.
func (s *bench) run(op func(worker int)) {
	s.b.Helper()
	var workers atomic.Int64
	op(0)
	s.b.SetParallelism(4)
	s.b.ReportAllocs()
	before := s.number("/cpu")
	s.b.ResetTimer()
	s.b.RunParallel(func(pb *testing.PB) {
		worker := int(workers.Add(1))
		for pb.Next() {
			op(worker)
		}
	})
	s.b.StopTimer()
	s.b.ReportMetric(float64(s.number("/cpu")-before)/1e6/float64(s.b.N), "server-cpu-ms/op")
}

func BenchmarkFloorHello(b *testing.B) {
	s := startBench(b)
	s.run(func(int) { s.get(s.Floor + "/hello") })
}

func BenchmarkFloorForm(b *testing.B) {
	s := startBench(b)
	s.run(func(int) {
		r, _ := http.NewRequest(http.MethodPost, s.Floor+"/form", strings.NewReader("grant_type=client_credentials&scope=accounts%3Aread"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("service", "secret")
		s.send(r, http.StatusOK)
	})
}

// cpuPerOp runs op b.N times and reports this process's own CPU time.
func cpuPerOp(b *testing.B, op func()) {
	b.Helper()
	b.ReportAllocs()
	before := cpuTime()
	b.ResetTimer()
	for range b.N {
		op()
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-before)/1e6/float64(b.N), "server-cpu-ms/op")
}

func BenchmarkFloorArgon2id(b *testing.B) {
	cpuPerOp(b, func() { argon2.IDKey([]byte("password"), []byte("sixteen bytes ok"), 2, 19456, 1, 32) })
}

func BenchmarkFloorSignES256(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b, err)
	sum := sha256.Sum256([]byte("payload"))
	cpuPerOp(b, func() {
		_, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		must(b, err)
	})
}

func floorDatabase(b *testing.B) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "floor.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	must(b, err)
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { _ = db.Close() })
	_, err = db.Exec(`CREATE TABLE t (id TEXT PRIMARY KEY, body TEXT, n BIGINT)`)
	must(b, err)
	return db
}

func BenchmarkFloorSQLiteInsert(b *testing.B) {
	db := floorDatabase(b)
	insert, err := db.Prepare(`INSERT INTO t (id, body, n) VALUES ($1, $2, $3)`)
	must(b, err)
	cpuPerOp(b, func() {
		_, err := insert.Exec(provider.NewID(), "body", 1)
		must(b, err)
	})
}

func BenchmarkFloorSQLiteRead(b *testing.B) {
	db := floorDatabase(b)
	_, err := db.Exec(`INSERT INTO t (id, body, n) VALUES ('row', 'body', 1)`)
	must(b, err)
	read, err := db.Prepare(`SELECT body, n FROM t WHERE id = $1`)
	must(b, err)
	cpuPerOp(b, func() {
		var body string
		var n int64
		must(b, read.QueryRow("row").Scan(&body, &n))
	})
}

func BenchmarkFloorSQLiteTransaction(b *testing.B) {
	db := floorDatabase(b)
	var statements []*sql.Stmt
	for _, text := range []string{`SELECT n FROM t WHERE id = $1`, `UPDATE t SET n = n + 1 WHERE id = $1`, `INSERT INTO t (id, body, n) VALUES ($1, 'body', 1)`} {
		statement, err := db.Prepare(text)
		must(b, err)
		statements = append(statements, statement)
	}
	_, err := statements[2].Exec("row")
	must(b, err)
	cpuPerOp(b, func() {
		tx, err := db.Begin()
		must(b, err)
		var n int64
		must(b, tx.Stmt(statements[0]).QueryRow("row").Scan(&n))
		_, err = tx.Stmt(statements[1]).Exec("row")
		must(b, err)
		for range 2 {
			_, err = tx.Stmt(statements[2]).Exec(provider.NewID())
			must(b, err)
		}
		must(b, tx.Commit())
	})
}

func BenchmarkDiscoveryAndJWKS(b *testing.B) {
	s := startBench(b)
	s.run(func(int) {
		s.get(s.URL + "/.well-known/openid-configuration")
		s.get(s.URL + "/oauth2/jwks")
	})
}

func BenchmarkClientCredentialsJWT(b *testing.B) {
	s := startBench(b)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {webtest.APIScope}}
	s.run(func(int) { s.post("/oauth2/token", "service", s.Service, form) })
}

func BenchmarkClientCredentialsOpaque(b *testing.B) {
	s := startBench(b)
	form := url.Values{"grant_type": {"client_credentials"}}
	s.run(func(int) { s.post("/oauth2/token", "opaque", s.API, form) })
}

func BenchmarkIntrospectionOpaque(b *testing.B) {
	s := startBench(b)
	form := url.Values{"token": {s.Access}}
	s.run(func(int) {
		if s.post("/oauth2/introspect", "app", s.App, form)["active"] != true {
			b.Error("not active")
		}
	})
}

func BenchmarkUserInfo(b *testing.B) {
	s := startBench(b)
	s.run(func(int) {
		r, _ := http.NewRequest(http.MethodGet, s.URL+"/oauth2/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+s.Access)
		s.send(r, http.StatusOK)
	})
}

func BenchmarkRefresh(b *testing.B) {
	s := startBench(b)
	s.run(func(worker int) {
		answer := s.post("/oauth2/token", "app", s.App, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.Refresh[worker]}})
		s.Refresh[worker], _ = answer["refresh_token"].(string)
	})
}

// authorizeURL is the authorization request of the benchmarks' client.
func (s *bench) authorizeURL() string {
	return s.URL + "/oauth2/authorize?" + url.Values{
		"client_id": {"app"}, "redirect_uri": {"https://app.example.com/callback"}, "response_type": {"code"}, "scope": {"openid profile email"},
		"state": {"state"}, "nonce": {"nonce"}, "code_challenge": {webtest.Challenge()}, "code_challenge_method": {"S256"},
	}.Encode()
}

func (s *bench) redeem(location string) {
	u, _ := url.Parse(location)
	s.post("/oauth2/token", "app", s.App, url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "redirect_uri": {"https://app.example.com/callback"}, "code_verifier": {webtest.Verifier}})
}

func BenchmarkSingleSignOn(b *testing.B) {
	s := startBench(b)
	s.run(func(int) {
		r, _ := http.NewRequest(http.MethodGet, s.authorizeURL(), nil)
		r.AddCookie(&http.Cookie{Name: "cardea-session", Value: s.Session})
		_, header := s.send(r, http.StatusSeeOther)
		s.redeem(header.Get("Location"))
	})
}

// wholeSignIn signs in with the password and redeems the code: authorize, page,
// form, token.
func (s *bench) wholeSignIn() {
	_, header := s.send(must1(http.NewRequest(http.MethodGet, s.authorizeURL(), nil)), http.StatusSeeOther)
	cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	page := must1(http.NewRequest(http.MethodGet, s.URL+header.Get("Location"), nil))
	page.Header.Set("Cookie", cookie)
	body, _ := s.send(page, http.StatusOK)
	fields, _ := (&webtest.Page{Body: body}).Form("/signin")
	fields.Set("username", s.UserID)
	fields.Set("password", webtest.Password)
	form := must1(http.NewRequest(http.MethodPost, s.URL+"/signin", strings.NewReader(fields.Encode())))
	form.Header.Set("Cookie", cookie)
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, _ = s.send(form, http.StatusOK)
	away := (&webtest.Page{Body: body}).Refresh()
	if away == nil {
		s.b.Errorf("sign-in did not end at the client: %s", body)
		return
	}
	s.redeem(away.String())
}

func must1(r *http.Request, _ error) *http.Request { return r }

func BenchmarkWholeSignIn(b *testing.B) {
	s := startBench(b)
	s.run(func(int) { s.wholeSignIn() })
}

// BenchmarkJWKSDuringSignIns keeps 64 password sign-ins going and reports how long
// JWKS takes meanwhile (p99-ms) and the server's peak memory (peak-MB).
func BenchmarkJWKSDuringSignIns(b *testing.B) {
	s := startBench(b)
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range 64 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.wholeSignIn()
				}
			}
		})
	}
	time.Sleep(time.Second)
	took := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		s.get(s.URL + "/oauth2/jwks")
		took = append(took, time.Since(start))
	}
	b.StopTimer()
	close(stop)
	load.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(s.number("/rss"))/1024, "peak-MB")
}
