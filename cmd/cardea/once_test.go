package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"cardea/config"
	"cardea/provider"
	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// TestCodeOpensOneSession submits one code of each kind 20 times at once to the running
// program, where PostgreSQL is to two processes with the same settings and keys. Codes
// travel as they do in production: by the outbox, to a mail server and an SMS gateway.
func TestCodeOpensOneSession(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { openOnce(t, 1, nil) })
	t.Run("PostgreSQL", func(t *testing.T) { openOnce(t, 2, []string{"CARDEA_DATABASE_URL=" + storagetest.Postgres(t)}) })
}

const submissions = 20

// holder is somebody with a second factor of one kind, and how to show it.
type holder struct {
	account *provider.Account
	kind    provider.FactorKind
	field   string
	amr     string
	value   func() string
}

// path is the page of the factor.
func (h holder) path() string { return "/signin/verify/" + string(h.kind) }

// sent tells that the code is sent, and so bound to one sign-in.
func (h holder) sent() bool { return h.kind == provider.FactorSMS || h.kind == provider.FactorEmail }

func openOnce(t *testing.T, processes int, environ []string) {
	post, sms := newPost(t), newGateway(t)
	var app *webtest.Client
	var holders []holder
	// Ten tries before the lockout is the most that the settings allow. Each of the 20
	// counts before it is looked at, so some are told 429 unseen; never all of them.
	environ = append(environ, "CARDEA_SIGN_IN_FACTORS=totp,sms,email,recovery", "CARDEA_SIGN_IN_FACTOR_LOCKOUT_ATTEMPTS=10", "CARDEA_SIGN_IN_FACTOR_LOCKOUT_HARD=100")
	s := prepare(t, append(environ, append(post.environ(), sms.environ()...)...), func(i *webtest.Issuer) {
		app = i.Register(provider.Client{})
		holders = []holder{
			holdsTOTP(i), holdsRecovery(i),
			{i.Person("BySMS"), provider.FactorSMS, "code", "[pwd sms mca mfa]", sms.code},
			{i.Person("ByEmail"), provider.FactorEmail, "code", "[pwd otp mca mfa]", post.code},
		}
		i.Factor(holders[2].account, provider.FactorSMS)
		i.Factor(holders[3].account, provider.FactorEmail)
	})
	s.start()
	servers := []*served{s}
	for len(servers) < processes {
		servers = append(servers, s.twin())
	}
	for _, h := range holders {
		t.Run(string(h.kind), func(t *testing.T) { submitAtOnce(t, servers, app, h) })
	}
	if got := post.count("Example Card: en reservkod har använts"); got != 1 {
		t.Errorf("%d mails tell of the one recovery code used", got)
	}
	if got := post.count("Example Card: din kod"); got != 1 {
		t.Errorf("%d codes were mailed, want 1", got)
	}
	s.stop()
	for _, h := range holders {
		openedOne(t, s, h)
	}
}

func holdsTOTP(i *webtest.Issuer) holder {
	a := i.Person("ByTOTP")
	key := i.Authenticator(a)
	return holder{a, provider.FactorTOTP, "code", "[pwd otp mfa]", func() string { return i.Code(key) }}
}

func holdsRecovery(i *webtest.Issuer) holder {
	a := i.Person("ByRecovery")
	i.Authenticator(a) // which is lost
	codes := i.RecoveryCodes(a)
	return holder{a, provider.FactorRecovery, "recovery_code", "[pwd otp mfa]", func() string { return codes[4] }}
}

// twin starts another process with the same settings and keys, at another port.
func (s *served) twin() *served {
	s.T.Helper()
	listen, private := "127.0.0.1:"+freePort(s.T), "127.0.0.1:"+freePort(s.T)
	twin := &served{Issuer: s.Issuer, file: s.file, private: "http://" + private}
	twin.environ = append(slices.Clone(s.environ), "CARDEA_LISTEN="+listen, "CARDEA_METRICS_LISTEN="+private)
	var err error
	twin.cfg, err = config.Load(twin.file, twin.environ)
	must(s.T, err)
	twin.start()
	return twin
}

// through lets b reach the issuer at one process, as a balancer in front of them does.
func (s *served) through(b *webtest.Browser) *webtest.Browser {
	b.Client.Transport = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.cfg.Listen)
	}}
	return b
}

// stand takes a new browser to the page of h's factor.
func (h holder) stand(t *testing.T, s *served, app *webtest.Client) (*webtest.Browser, *webtest.Page) {
	t.Helper()
	b := s.through(s.Browser())
	page := b.SignIn(b.Get(app.Authorize()), h.account.UserID, webtest.Password)
	if page.URL.Path != h.path() {
		page = b.Submit(b.Get("/signin/verify?"+page.URL.RawQuery), "/signin/verify", "method", string(h.kind))
	}
	if page.URL.Path != h.path() || page.Status != http.StatusOK {
		t.Fatalf("the password led to %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	return b, page
}

// submitAtOnce submits h's code from 20 browsers, each in a sign-in of its own unless
// the code is bound to one; then all are copies of that one's.
func submitAtOnce(t *testing.T, servers []*served, app *webtest.Client, h holder) {
	first, page := h.stand(t, servers[0], app)
	var ready []func(string) *webtest.Page
	for n := range submissions {
		at := servers[n%len(servers)]
		b, page := at.through(first.Copy()), page
		if !h.sent() && n > 0 {
			b, page = h.stand(t, at, app)
		}
		ready = append(ready, func(code string) *webtest.Page { return b.Submit(page, h.path(), h.field, code) })
	}
	answers, value := make([]*webtest.Page, submissions), h.value()
	var all sync.WaitGroup
	begin := make(chan struct{})
	for n, submit := range ready {
		all.Go(func() {
			<-begin
			answers[n] = submit(value)
		})
	}
	close(begin)
	all.Wait()
	wantOne(t, app, h, answers)
}

// losers are the answers to the others: that the code is wrong or the sign-in over, or,
// where each comes from a sign-in of its own, that there were too many.
func (h holder) losers() []int {
	if h.sent() {
		return []int{http.StatusUnprocessableEntity, http.StatusBadRequest}
	}
	return []int{http.StatusUnprocessableEntity, http.StatusTooManyRequests}
}

// wantOne wants one answer to lead to the client with a code, which works, and the
// others to be refusals.
func wantOne(t *testing.T, app *webtest.Client, h holder, answers []*webtest.Page) {
	t.Helper()
	var codes []string
	met := map[string]int{}
	for _, page := range answers {
		met[fmt.Sprint(page.Status, " ", page.URL.Path)]++
		if page.Away != nil && page.Away.Query().Get("code") != "" {
			codes = append(codes, page.Away.Query().Get("code"))
			continue
		}
		if !slices.Contains(h.losers(), page.Status) || page.Away != nil {
			t.Errorf("a loser got %d at %s:\n%s", page.Status, page.URL, page.Body)
		}
	}
	if len(codes) != 1 {
		t.Fatalf("%d of %d submissions reached the client: %v", len(codes), len(answers), met)
	}
	tokens := app.Redeem(codes[0])
	if tokens.Status != http.StatusOK {
		t.Fatalf("redeeming: %d %s", tokens.Status, tokens.Raw)
	}
	if amr := fmt.Sprint((&webtest.Issuer{T: t}).Claims(tokens.Text("id_token"))["amr"]); amr != h.amr {
		t.Errorf("amr %s, want %s", amr, h.amr)
	}
}

// openedOne looks into the database for h's sessions, and what the audit trail has of them.
func openedOne(t *testing.T, s *served, h holder) {
	t.Helper()
	ctx := context.Background()
	sys, err := open(ctx, s.cfg, slog.New(slog.DiscardHandler))
	must(t, err)
	defer func() { must(t, sys.close()) }()
	sessions, err := sys.store.Sessions(ctx, h.account.ID)
	must(t, err)
	if len(sessions) != 1 {
		t.Errorf("%s: %d sessions, want 1", h.kind, len(sessions))
	}
	for _, action := range []provider.Action{provider.ActionFactor, provider.ActionSession} {
		events, err := sys.store.Events(ctx, storage.EventFilter{Subject: h.account.ID, Action: action, Limit: 1000})
		must(t, err)
		done := slices.DeleteFunc(events, func(e provider.Event) bool { return e.Outcome != provider.OK })
		if len(done) != 1 {
			t.Errorf("%s: %d events of %s with success, want 1", h.kind, len(done), action)
		}
	}
}

// patient waits for what has to arrive, and gives it.
func patient[T any](t testing.TB, what string, look func() (T, bool)) T {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		got, ok := look()
		if ok {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}

// gateway is the operator's gateway for text messages, which holds every request to
// what the manual says of them.
type gateway struct {
	t      testing.TB
	url    string
	secret string
	mu     sync.Mutex
	texts  []text
}

type text struct{ ID, To, Text string }

func newGateway(t testing.TB) *gateway {
	g := &gateway{t: t, secret: "a secret that the gateway shares with us"}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.url = server.URL + "/send"
	return g
}

func (g *gateway) environ() []string {
	return []string{"CARDEA_MESSAGES_SMS_URL=" + g.url, "CARDEA_MESSAGES_SMS_SECRET=" + g.secret}
}

// ServeHTTP takes a text message.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the process was killed
	}
	var got text
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := errors.Join(d.Decode(&got), g.signed(r.Header.Get("Cardea-Signature"), body)); err != nil || got.ID == "" || r.Method != http.MethodPost || r.URL.Path != "/send" || r.Header.Get("Content-Type") != "application/json" {
		g.t.Errorf("the gateway got %s %s %v %s: %v", r.Method, r.URL, r.Header, body, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.texts = append(g.texts, got)
}

// signed checks the signature as a gateway must.
func (g *gateway) signed(header string, body []byte) error {
	at, mac, found := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !found || !strings.HasPrefix(header, "t=") || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute {
		return fmt.Errorf("signature %q: malformed, or not of now", header)
	}
	want := hmac.New(sha256.New, []byte(g.secret))
	fmt.Fprintf(want, "%s.%s", at, body)
	if mac != hex.EncodeToString(want.Sum(nil)) {
		return fmt.Errorf("signature %q: wrong", header)
	}
	return nil
}

// code is the code of the one text message that has one.
func (g *gateway) code() string {
	g.t.Helper()
	got := patient(g.t, "text message with a code", func() (text, bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		n := slices.IndexFunc(g.texts, func(m text) bool { return sixDigits.MatchString(m.Text) })
		if n < 0 {
			return text{}, false
		}
		return g.texts[n], true
	})
	code := sixDigits.FindString(got.Text)
	if got.To != "+46700000002" || !strings.HasPrefix(got.Text, code+" är din kod hos Example Card.") {
		g.t.Errorf("the text message with the code is %q to %s", got.Text, got.To)
	}
	return code
}

// post is a mail server that keeps what it accepts, and wants to know from whom.
type post struct {
	t     testing.TB
	port  int
	mu    sync.Mutex
	mails []letter
}

type letter struct {
	from, to      string // of the envelope
	header        mail.Header
	subject, body string
}

func newPost(t testing.TB) *post {
	p := &post{t: t}
	server := smtp.NewServer(p)
	server.Domain, server.AllowInsecureAuth = "mail.example.com", true
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p.port = listener.Addr().(*net.TCPAddr).Port
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

func (p *post) environ() []string {
	return []string{
		"CARDEA_MESSAGES_SMTP_HOST=127.0.0.1", "CARDEA_MESSAGES_SMTP_PORT=" + strconv.Itoa(p.port), "CARDEA_MESSAGES_SMTP_TLS=none",
		"CARDEA_MESSAGES_SMTP_FROM=no-reply@example.com", "CARDEA_MESSAGES_SMTP_USERNAME=cardea", "CARDEA_MESSAGES_SMTP_PASSWORD=lyktor och hamnar",
	}
}

// NewSession makes post a backend.
func (p *post) NewSession(*smtp.Conn) (smtp.Session, error) { return &visit{p: p}, nil }

type visit struct {
	p     *post
	known bool
	letter
}

func (v *visit) Reset()                   { v.letter = letter{} }
func (v *visit) Logout() error            { return nil }
func (v *visit) AuthMechanisms() []string { return []string{sasl.Plain} }

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if v.known = user == "cardea" && password == "lyktor och hamnar"; !v.known {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	if !v.known {
		return smtp.ErrAuthRequired
	}
	v.from = from
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.to = to
	return nil
}

func (v *visit) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	v.header = m.Header
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		return err
	}
	v.body = string(body)
	if v.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return err
	}
	v.p.mu.Lock()
	defer v.p.mu.Unlock()
	v.p.mails = append(v.p.mails, v.letter)
	return nil
}

// code is the code of the one mail that has one.
func (p *post) code() string {
	p.t.Helper()
	got := patient(p.t, "mail with a code", func() (letter, bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		n := slices.IndexFunc(p.mails, func(l letter) bool { return l.subject == "Example Card: din kod" })
		if n < 0 {
			return letter{}, false
		}
		return p.mails[n], true
	})
	code := sixDigits.FindString(got.body)
	if code == "" || !strings.HasPrefix(got.body, code+" är din kod hos Example Card.") {
		p.t.Errorf("the mail with the code says %q", got.body)
	}
	if to, from := got.header.Get("To"), got.header.Get("From"); got.to != "karin@example.com" || to != "<karin@example.com>" || got.from != "no-reply@example.com" || from != `"Example Card" <no-reply@example.com>` {
		p.t.Errorf("the mail with the code is from %s (%s) to %s (%s)", got.from, from, got.to, to)
	}
	return code
}

// count waits for a mail with a subject, and counts those there are.
func (p *post) count(subject string) int {
	p.t.Helper()
	return patient(p.t, "mail "+subject, func() (n int, arrived bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, l := range p.mails {
			if l.subject == subject {
				n++
			}
		}
		return n, n > 0
	})
}
