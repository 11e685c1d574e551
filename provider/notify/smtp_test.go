package notify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"cardea/provider"
	"cardea/storage/storagetest"
)

// post is a real mail server that keeps what it accepts.
type post struct {
	listener net.Listener
	server   *smtp.Server
	roots    *x509.CertPool // trusts its certificate, where it has one

	rcpt  func(try int) error // its answer to the recipient, by how often it was asked; nil = accept
	pause func()              // after acceptance, before the answer
	auth  bool                // wants "mailer", "secret"

	mu    sync.Mutex
	asked int
	mails []mailGot
}

type mailGot struct {
	id, from, to string
	header       netmail.Header
	body         string
	secure       bool
	user         string
}

func newPost(t testing.TB, prepare ...func(*post)) *post {
	t.Helper()
	p := &post{}
	p.server = smtp.NewServer(p)
	p.server.Domain, p.server.AllowInsecureAuth = "mail.example.com", true
	p.server.ErrorLog = discard{}
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	for _, do := range prepare {
		do(p)
	}
	go func() { _ = p.server.Serve(p.listener) }()
	t.Cleanup(func() { _ = p.server.Close() })
	return p
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func (p *post) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *post) got() []mailGot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]mailGot(nil), p.mails...)
}

// NewSession makes post a backend.
func (p *post) NewSession(c *smtp.Conn) (smtp.Session, error) { return &visit{p: p, conn: c}, nil }

type visit struct {
	p        *post
	conn     *smtp.Conn
	from, to string
	user     string
}

func (v *visit) Reset()        {}
func (v *visit) Logout() error { return nil }
func (v *visit) AuthMechanisms() []string {
	if !v.p.auth {
		return nil
	}
	return []string{sasl.Plain}
}

func (v *visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "mailer" || password != "secret" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no such user: " + user}
		}
		v.user = user
		return nil
	}), nil
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	if v.p.auth && v.user == "" {
		return smtp.ErrAuthRequired
	}
	v.from = from
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.to = to
	if v.p.rcpt == nil {
		return nil
	}
	v.p.mu.Lock()
	v.p.asked++
	try := v.p.asked
	v.p.mu.Unlock()
	return v.p.rcpt(try)
}

func (v *visit) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		return err
	}
	_, secure := v.conn.TLSConnectionState()
	got := mailGot{from: v.from, to: v.to, header: m.Header, body: strings.ReplaceAll(string(body), "\r\n", "\n"), secure: secure, user: v.user}
	got.id, _, _ = strings.Cut(strings.Trim(m.Header.Get("Message-ID"), "<>"), "@")
	v.p.mu.Lock()
	v.p.mails = append(v.p.mails, got)
	v.p.mu.Unlock()
	if v.p.pause != nil {
		v.p.pause()
	}
	return nil
}

// certified gives p a certificate for 127.0.0.1 that p.roots trusts.
func certified(t testing.TB) func(*post) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return func(p *post) {
		p.roots = x509.NewCertPool()
		p.roots.AddCert(cert)
		p.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	}
}

func (p *post) sender(t testing.TB, edit ...func(*SMTPSettings)) Sender {
	t.Helper()
	set := SMTPSettings{Host: "127.0.0.1", Port: p.port(), From: "Exempelkortet Ö <no-reply@example.com>", TLS: "none", Roots: p.roots, Timeout: 2 * time.Second}
	for _, change := range edit {
		change(&set)
	}
	send, err := SMTP(set)
	if err != nil {
		t.Fatal(err)
	}
	return send
}

func security(policy string) func(*SMTPSettings) { return func(s *SMTPSettings) { s.TLS = policy } }

var letter = Letter{
	ID: "letter1", Channel: provider.ChannelMail, To: "karin@example.com", Subject: "Example Card: inloggningen är spärrad",
	Body: "Inloggningen spärrades.\n\n.En rad som börjar med en punkt, och en lång: " + strings.Repeat("åäö ", 40) + "\n",
}

func TestSMTPDelivers(t *testing.T) {
	t.Parallel()
	withTLS := certified(t)
	implicit := func(p *post) {
		withTLS(p)
		p.listener = tls.NewListener(p.listener, p.server.TLSConfig)
	}
	for name, c := range map[string]struct {
		prepare func(*post)
		policy  string
		secure  bool
	}{
		"required":                 {withTLS, "required", true},
		"required by default":      {withTLS, "", true},
		"implicit":                 {implicit, "implicit", true},
		"opportunistic, offered":   {withTLS, "opportunistic", true},
		"opportunistic, not there": {func(*post) {}, "opportunistic", false},
		"none":                     {func(*post) {}, "none", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t, c.prepare)
			if err := p.sender(t, security(c.policy))(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			got := p.got()
			if len(got) != 1 || got[0].secure != c.secure || got[0].from != "no-reply@example.com" || got[0].to != letter.To || got[0].body != letter.Body {
				t.Fatalf("got %+v", got)
			}
			checkHeader(t, got[0].header)
		})
	}
}

func checkHeader(t *testing.T, h netmail.Header) {
	t.Helper()
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || subject != letter.Subject {
		t.Errorf("Subject: %q, %v", subject, err)
	}
	from, err := h.AddressList("From")
	if err != nil || from[0].Name != "Exempelkortet Ö" {
		t.Errorf("From: %v, %v", from, err)
	}
	for name, want := range map[string]string{
		"Message-ID": "<letter1@example.com>", "Auto-Submitted": "auto-generated", "To": "<karin@example.com>",
		"Content-Type": "text/plain; charset=UTF-8", "Content-Transfer-Encoding": "quoted-printable", "User-Agent": "", "X-Mailer": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if date, err := h.Date(); err != nil || time.Since(date) > time.Minute {
		t.Errorf("Date: %v, %v", date, err)
	}
}

func TestSMTPFailures(t *testing.T) {
	t.Parallel()
	withTLS := certified(t)
	answer := func(code int, enhanced ...int) func(*post) {
		return func(p *post) {
			p.rcpt = func(int) error {
				return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode(enhanced), Message: "<karin@example.com>: not today"}
			}
		}
	}
	for name, c := range map[string]struct {
		prepare   func(*post)
		edit      func(*SMTPSettings)
		permanent bool
		want      string
	}{
		"no such mailbox":         {answer(550, 5, 1, 1), security("none"), true, "550 5.1.1"},
		"mailbox full for now":    {answer(452, 4, 2, 2), security("none"), false, "452 4.2.2"},
		"greylisted":              {answer(450, 4, 7, 1), security("none"), false, "450 4.7.1"},
		"we may not relay":        {answer(550, 5, 7, 1), security("none"), false, "550 5.7.1"},
		"sign in first":           {func(p *post) { p.auth = true }, security("none"), false, "502"},
		"STARTTLS not offered":    {func(*post) {}, security("required"), false, "STARTTLS"},
		"unknown certificate":     {withTLS, func(s *SMTPSettings) { s.TLS, s.Roots = "required", x509.NewCertPool() }, false, "certificate"},
		"wrong password":          {func(p *post) { p.auth = true }, func(s *SMTPSettings) { s.Username, s.Password = "mailer", "wrong" }, false, "535"},
		"nobody listens":          {func(p *post) { _ = p.listener.Close() }, security("none"), false, "refused"},
		"TLS where there is none": {func(*post) {}, security("implicit"), false, "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t, c.prepare)
			err := p.sender(t, c.edit)(t.Context(), letter)
			if err == nil || errors.Is(err, Permanent) != c.permanent || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q, permanent %v", err, c.want, c.permanent)
			}
			if err != nil && (strings.Contains(err.Error(), "karin") || strings.Contains(err.Error(), "mailer") || strings.Contains(err.Error(), "wrong")) {
				t.Errorf("the error tells too much: %v", err)
			}
			if len(p.got()) != 0 {
				t.Errorf("and yet it was sent: %+v", p.got())
			}
		})
	}
	t.Run("a malformed recipient", func(t *testing.T) {
		t.Parallel()
		bad := letter
		bad.To = "karin@example.com>\r\nRCPT TO:<evil@example.com"
		if err := newPost(t).sender(t)(t.Context(), bad); !errors.Is(err, Permanent) || strings.Contains(err.Error(), "karin") {
			t.Errorf("got %v", err)
		}
	})
}

func TestSMTPAuthenticates(t *testing.T) {
	t.Parallel()
	withTLS := certified(t)
	p := newPost(t, withTLS, func(p *post) { p.auth, p.server.AllowInsecureAuth = true, false })
	send := p.sender(t, func(s *SMTPSettings) { s.TLS, s.Username, s.Password = "required", "mailer", "secret" })
	if err := send(t.Context(), letter); err != nil || len(p.got()) != 1 || p.got()[0].user != "mailer" {
		t.Errorf("%v, %+v", err, p.got())
	}
}

func TestSMTPSettingsAreChecked(t *testing.T) {
	t.Parallel()
	good := SMTPSettings{Host: "mail.example.com", From: "no-reply@example.com"}
	for want, edit := range map[string]func(*SMTPSettings){
		"Host":             func(s *SMTPSettings) { s.Host = "" },
		"From":             func(s *SMTPSettings) { s.From = "no address" },
		"none is allowed":  func(s *SMTPSettings) { s.TLS = "none" },
		"unknown value":    func(s *SMTPSettings) { s.TLS = "maybe" },
		"with a user name": func(s *SMTPSettings) { s.TLS, s.Username = "opportunistic", "mailer" },
		"port":             func(s *SMTPSettings) { s.Port = 70000 },
	} {
		set := good
		edit(&set)
		if send, err := SMTP(set); err == nil || send != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := SMTP(good); err != nil {
		t.Error(err)
	}
}

// A server that accepts a letter and then falls silent has it: it must not go out twice.
func TestSMTPSilenceAfterAcceptance(t *testing.T) {
	t.Parallel()
	p := newPost(t, func(p *post) { p.listener = &mute{Listener: p.listener} })
	began := time.Now()
	if err := p.sender(t, func(s *SMTPSettings) { s.Timeout = time.Minute })(t.Context(), letter); err != nil || len(p.got()) != 1 {
		t.Errorf("%v, %d letters", err, len(p.got()))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// mute makes connections whose server is not heard after it has said "250 2.0.0 OK: queued".
type mute struct{ net.Listener }

func (m *mute) Accept() (net.Conn, error) {
	c, err := m.Listener.Accept()
	return &mutedConn{Conn: c}, err
}

type mutedConn struct {
	net.Conn
	queued bool
}

func (c *mutedConn) Write(b []byte) (int, error) {
	if c.queued {
		return len(b), nil
	}
	c.queued = strings.HasPrefix(string(b), "250") && strings.Contains(strings.ToLower(string(b)), "queued")
	return c.Conn.Write(b)
}

// tarpit accepts connections and never says a word.
func tarpit(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestSMTPTarpit(t *testing.T) {
	t.Parallel()
	send, err := SMTP(SMTPSettings{Host: "127.0.0.1", Port: tarpit(t), From: "no-reply@example.com", TLS: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a try ends with its time", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := send(ctx, letter); err == nil || errors.Is(err, Permanent) || time.Since(began) > 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
	t.Run("the other channel and the outbox go on", func(t *testing.T) {
		t.Parallel()
		o, out := newOutbox(t, storagetest.Open(t)), new(sink)
		w := workerOf(t, o.store, map[provider.Channel]Sender{provider.ChannelMail: send, provider.ChannelSMS: out.send})
		w.pace.grace = 50 * time.Millisecond
		start(t, w)
		for range 20 {
			o.write(provider.MessageNewDevice, provider.ChannelMail)
		}
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		for range 20 {
			o.write(provider.MessageCode, provider.ChannelSMS)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("writing to the outbox took %s", took)
		}
		w.Wake()
		eventually(t, "all text messages", func() bool { return len(out.got()) == 20 })
		eventually(t, "only the mails are left", func() bool { return len(o.left()) == 20 })
	})
}

func TestSMTPComesBack(t *testing.T) {
	t.Parallel()
	p := newPost(t, func(p *post) {
		p.rcpt = func(try int) error {
			if try < 3 {
				return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later"}
			}
			return nil
		}
	})
	o := newOutbox(t, storagetest.Open(t))
	id := o.write(provider.MessageLocked, provider.ChannelMail)
	w := workerOf(t, o.store, map[provider.Channel]Sender{provider.ChannelMail: p.sender(t)})
	clock := time.Now()
	w.set.Now = func() time.Time { return clock }
	for range 5 {
		_ = w.Deliver(t.Context())
		clock = clock.Add(time.Hour)
	}
	if got := p.got(); len(got) != 1 || got[0].id != id || p.asked != 3 || len(o.left()) != 0 {
		t.Errorf("%d sent after %d tries", len(got), p.asked)
	}
}

func TestSMTPSlow(t *testing.T) {
	t.Parallel()
	p := newPost(t, func(p *post) { p.pause = func() { time.Sleep(300 * time.Millisecond) } })
	o := newOutbox(t, storagetest.Open(t))
	for range 3 {
		o.write(provider.MessageLocked, provider.ChannelMail)
	}
	if err := workerOf(t, o.store, map[provider.Channel]Sender{provider.ChannelMail: p.sender(t)}).Deliver(t.Context()); err != nil || len(p.got()) != 3 || len(o.left()) != 0 {
		t.Errorf("%v, %d sent", err, len(p.got()))
	}
}
