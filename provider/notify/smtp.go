package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// SMTPSettings say which mail server takes our letters. Host and From are required.
type SMTPSettings struct {
	Host     string
	Port     int    // 0 = 587, with TLS "implicit" 465, with "none" 25
	Username string // "" = no authentication; needs TLS required or implicit, except to this machine
	Password string
	From     string // "Example Card <no-reply@example.com>"
	// TLS is "required" (STARTTLS, RFC 3207; also ""), "implicit" (RFC 8314 §3.3),
	// "opportunistic" (STARTTLS where the server offers it: somebody in between can
	// prevent it), or "none", which is allowed to this machine only.
	TLS     string
	Timeout time.Duration  // for each step of a delivery; 0 = 15 s
	HELO    string         // how we name ourselves; "" = the domain of From
	Roots   *x509.CertPool // who may have signed the server's certificate; nil = the system's
}

// mailServer is an SMTPSettings that has been checked.
type mailServer struct {
	set     SMTPSettings
	from    *netmail.Address
	domain  string // of from
	options []mail.Option
}

// SMTP sends letters as mail through one server. Its error names the setting at fault.
// A reply that is about the recipient or the letter, and is final (5yz, RFC 5321
// §4.2.1), is Permanent; one about us is not, because its cause can be mended.
func SMTP(set SMTPSettings) (Sender, error) {
	s := &mailServer{set: set}
	var err error
	if s.from, err = netmail.ParseAddress(set.From); err != nil {
		return nil, errors.New("smtp: setting From: write an address such as Example Card <no-reply@example.com>")
	}
	s.domain = s.from.Address[strings.LastIndexByte(s.from.Address, '@')+1:]
	if set.Host == "" {
		return nil, errors.New("smtp: setting Host is empty")
	}
	if set.Username != "" && set.TLS == "opportunistic" && !loopback(set.Host) {
		return nil, errors.New("smtp: setting TLS: with a user name it must be required or implicit, or the password could be had by preventing TLS")
	}
	if set.Timeout == 0 {
		s.set.Timeout = 15 * time.Second
	}
	if set.HELO == "" {
		s.set.HELO = s.domain
	}
	if err := s.secure(); err != nil {
		return nil, err
	}
	if _, err := s.client(nil); err != nil {
		return nil, fmt.Errorf("smtp: settings: %w", err)
	}
	return s.send, nil
}

// secure chooses the port and how the connection is protected.
func (s *mailServer) secure() error {
	port, policy := 587, mail.TLSMandatory
	switch s.set.TLS {
	case "", "required":
	case "opportunistic":
		policy = mail.TLSOpportunistic
	case "implicit":
		port = 465
		s.options = append(s.options, mail.WithSSL())
	case "none":
		if !loopback(s.set.Host) {
			return fmt.Errorf("smtp: setting TLS: none is allowed to this machine only, and %s is not: use required or implicit", s.set.Host)
		}
		port, policy = 25, mail.NoTLS
	default:
		return fmt.Errorf("smtp: setting TLS: unknown value %q: write required, implicit, opportunistic or none", s.set.TLS)
	}
	if s.set.Port == 0 {
		s.set.Port = port
	}
	s.options = append(s.options, mail.WithTLSPolicy(policy), mail.WithPort(s.set.Port), mail.WithTimeout(s.set.Timeout), mail.WithHELO(s.set.HELO),
		mail.WithTLSConfig(s.tlsConfig()), mail.WithoutNoop(), mail.WithoutRset())
	if s.set.Username != "" {
		s.options = append(s.options, mail.WithUsername(s.set.Username), mail.WithPassword(s.set.Password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	return nil
}

func (s *mailServer) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.set.Host, RootCAs: s.set.Roots, MinVersion: tls.VersionTLS12}
}

// loopback tells whether host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// client is a client for one delivery, whose connections dial makes.
func (s *mailServer) client(dial mail.DialContextFunc) (*mail.Client, error) {
	options := s.options
	if dial != nil {
		options = append(options[:len(options):len(options)], mail.WithDialContextFunc(dial))
	}
	return mail.NewClient(s.set.Host, options...)
}

// farewell is how long we wait for the answer to QUIT.
const farewell = time.Second

// send delivers one letter over a connection of its own, which ends with it.
func (s *mailServer) send(ctx context.Context, l Letter) error {
	message, err := s.message(l)
	if err != nil {
		return err
	}
	line := &line{ctx: ctx, tls: s.set.TLS == "implicit", config: s.tlsConfig()}
	defer line.close()
	client, err := s.client(line.dial)
	if err != nil {
		return fmt.Errorf("smtp: settings: %w", err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return failure(ctx, "connecting", err)
	}
	err = client.SendWithSMTPClient(session, message)
	if message.IsDelivered() { // the server has the letter, whatever follows
		_ = line.conn.SetDeadline(time.Now().Add(farewell))
		_ = client.CloseWithSMTPClient(session)
		return nil
	}
	return failure(ctx, "handing over", err)
}

// line is the connection of one delivery. It breaks when the delivery's time is over,
// wherever that stands, and is closed in every case.
type line struct {
	ctx    context.Context
	tls    bool
	config *tls.Config
	conn   net.Conn
	stop   func() bool
}

func (l *line) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if l.tls {
		conn, err = (&tls.Dialer{Config: l.config}).DialContext(ctx, network, address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	l.conn = conn
	l.stop = context.AfterFunc(l.ctx, func() { _ = conn.Close() })
	return conn, nil
}

func (l *line) close() {
	if l.conn != nil {
		l.stop()
		_ = l.conn.Close() // the outcome of the delivery is known
	}
}

// message is a letter as mail (RFC 5322): plain text, nothing to load or click. The
// Message-ID is the same at each try, so that a double can be told as one.
func (s *mailServer) message(l Letter) (*mail.Msg, error) {
	m := mail.NewMsg(mail.WithCharset(mail.CharsetUTF8), mail.WithEncoding(mail.EncodingQP), mail.WithNoDefaultUserAgent())
	if err := m.FromFormat(s.from.Name, s.from.Address); err != nil {
		return nil, errors.New("smtp: setting From is not an address")
	}
	if err := m.To(l.To); err != nil {
		return nil, fmt.Errorf("smtp: the recipient's address is malformed: %w", Permanent)
	}
	m.Subject(oneLine(l.Subject))
	m.SetMessageIDWithValue(l.ID + "@" + s.domain)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5
	m.SetBodyString(mail.TypeTextPlain, l.Body)
	m.SetDate()
	return m, nil
}

// failure tells what went wrong without the server's words, which repeat the
// recipient's address.
func failure(ctx context.Context, doing string, err error) error {
	var sending *mail.SendError
	var reply *textproto.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("smtp: %s: %w", doing, ctx.Err())
	case errors.As(err, &sending) && sending.ErrorCode() == 0:
		return fmt.Errorf("smtp: %s: the connection broke", doing)
	case errors.As(err, &sending):
		said := fmt.Errorf("smtp: %s: the server said %d %s", doing, sending.ErrorCode(), sending.EnhancedStatusCode())
		if final(sending) {
			return fmt.Errorf("%w: %w", said, Permanent)
		}
		return said
	case errors.As(err, &reply):
		return fmt.Errorf("smtp: %s: the server said %d", doing, reply.Code)
	}
	return fmt.Errorf("smtp: %s: %w", doing, err)
}

// final tells whether a reply is for good and about the recipient or the letter. The
// codes 5.7.z (RFC 3463 §3.8), and those for commands and authentication, are about us.
func final(e *mail.SendError) bool {
	about := e.Reason == mail.ErrSMTPRcptTo || e.Reason == mail.ErrSMTPData || e.Reason == mail.ErrSMTPDataClose
	code := e.ErrorCode()
	return about && (code == 501 || code >= 550 && code < 600) && !strings.HasPrefix(e.EnhancedStatusCode(), "5.7.")
}
