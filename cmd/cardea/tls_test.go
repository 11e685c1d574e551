package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// selfSigned writes a certificate for loopback and its key, in place of any before.
func selfSigned(t *testing.T, dir, host string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{host}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	write(t, filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	write(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	parsed, err := x509.ParseCertificate(certificate)
	must(t, err)
	return parsed
}

// write replaces a file as renewal tools do, in one step.
func write(t *testing.T, path string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(path+".new", content, 0o600))
	must(t, os.Rename(path+".new", path))
}

// serveTLS is an issuer that ends TLS itself, with clients' trust in its certificate.
func serveTLS(t *testing.T, fill func(*webtest.Issuer)) (s *served, dir string, trust *tls.Config) {
	t.Helper()
	dir = t.TempDir()
	certificate := selfSigned(t, dir, "localhost", 1)
	s = serve(t, []string{"CARDEA_ISSUER=https://localhost:PORT", "CARDEA_TLS_CERT_FILE=" + filepath.Join(dir, "cert.pem"), "CARDEA_TLS_KEY_FILE=" + filepath.Join(dir, "key.pem")}, fill)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return s, dir, &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

func TestTLSVersionsAndCiphers(t *testing.T) {
	t.Parallel()
	s, _, trust := serveTLS(t, func(*webtest.Issuer) {})
	cbc := []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	}
	for _, c := range []struct {
		name     string
		min, max uint16
		suites   []uint16
		want     uint16 // version; 0 = refused
	}{
		{"TLS 1.0", tls.VersionTLS10, tls.VersionTLS10, nil, 0},
		{"TLS 1.1", tls.VersionTLS10, tls.VersionTLS11, nil, 0},
		{"TLS 1.2 with CBC or RSA key exchange", tls.VersionTLS12, tls.VersionTLS12, cbc, 0},
		{"TLS 1.2 with forward secrecy and AEAD", tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, tls.VersionTLS12},
		{"TLS 1.3", tls.VersionTLS12, 0, nil, tls.VersionTLS13},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := trust.Clone()
			client.MinVersion, client.MaxVersion, client.CipherSuites = c.min, c.max, c.suites
			conn, err := tls.Dial("tcp", s.cfg.Listen, client)
			if err != nil {
				if c.want != 0 || !strings.Contains(err.Error(), "remote error") {
					t.Fatal(err)
				}
				return
			}
			defer conn.Close()
			if got := conn.ConnectionState().Version; got != c.want {
				t.Errorf("agreed on %s", tls.VersionName(got))
			}
		})
	}
	if code := status("http://" + s.cfg.Listen + "/healthz"); code != http.StatusBadRequest {
		t.Errorf("plain http is answered with %d", code)
	}
}

func TestTLSPages(t *testing.T) {
	t.Parallel()
	var app *webtest.Client
	var key string
	s, _, trust := serveTLS(t, func(i *webtest.Issuer) {
		app = i.Register(provider.Client{})
		key = i.Authenticator(i.Person("KarinEk"))
	})
	b := s.Browser()
	seen := &cookies{base: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}}
	b.Client.Transport = seen
	page := b.Get(app.Authorize())
	if got := page.Header.Get("Strict-Transport-Security"); !strings.HasPrefix(got, "max-age=63072000") {
		t.Errorf("Strict-Transport-Security: %q", got)
	}
	page = b.SignIn(page, "KarinEk", webtest.Password, "remember", "1")
	if page = b.Submit(page, "/signin/verify/totp", "code", s.Code(key)); page.Away == nil {
		t.Fatalf("signing in ended at %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	if seen.protocol != 2 {
		t.Errorf("HTTP/%d", seen.protocol)
	}
	names := map[string]bool{}
	for _, c := range seen.set {
		names[c.Name] = true
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %s", c.Raw)
		}
	}
	for _, name := range []string{"__Host-browser", "__Host-session", "__Host-device", "__Host-remember"} {
		if !names[name] {
			t.Errorf("no cookie %s", name)
		}
	}
}

// cookies notes every cookie that is set, and the version of HTTP.
type cookies struct {
	base     http.RoundTripper
	set      []*http.Cookie
	protocol int
}

func (c *cookies) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(r)
	if err == nil {
		c.set, c.protocol = append(c.set, resp.Cookies()...), resp.ProtoMajor
	}
	return resp, err
}

func TestTLSReload(t *testing.T) {
	t.Parallel()
	s, dir, _ := serveTLS(t, func(*webtest.Issuer) {})
	serial := func() int64 {
		conn, err := tls.Dial("tcp", s.cfg.Listen, &tls.Config{InsecureSkipVerify: true})
		must(t, err)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("serial %d at start", got)
	}
	selfSigned(t, dir, "localhost", 2)
	s.until("new certificate", func() bool { return serial() == 2 })
	write(t, filepath.Join(dir, "cert.pem"), []byte("half a file"))
	s.until("complaint", func() bool { serial(); return strings.Contains(s.problems.String(), "reloading the TLS certificate") })
	if got := serial(); got != 2 {
		t.Errorf("serial %d after an unusable file", got)
	}
	selfSigned(t, dir, "localhost", 3)
	s.until("mended certificate", func() bool { return serial() == 3 })
	s.stop()
}

func TestTLSFilesAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, []byte("no certificate"))
	write(t, keyFile, []byte("no key"))
	s := prepare(t, []string{"CARDEA_ISSUER=https://localhost:PORT", "CARDEA_TLS_CERT_FILE=" + certFile, "CARDEA_TLS_KEY_FILE=" + keyFile}, func(*webtest.Issuer) {})
	p := launch(t, s.environ, "serve", "--config", s.file)
	if code := p.exit(); code != exitFailed || !strings.Contains(p.problems.String(), "tls: ") {
		t.Errorf("exit code %d:\n%s", code, &p.problems)
	}
}
