package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // brand.timezone must not depend on what the host has installed
	"unicode"
	"unicode/utf8"
)

// Validate reports every fault of the settings at once, each as "option: what is
// wrong; fix" and none with a value in it. It reads no files.
func (c Config) Validate() error { return errors.Join(c.faults()...) }

func (c Config) faults() []error {
	f := &faults{}
	c.checkServer(f)
	c.checkDatabase(f)
	c.checkKeys(f)
	c.checkDurations(f)
	c.checkSignIn(f)
	c.checkPassword(f)
	c.checkSigning(f)
	c.checkAPIs(f)
	c.checkBrand(f)
	c.checkFactors(f)
	c.checkMessages(f)
	f.choice("profile", c.Profile, "standard", "psd2")
	f.choice("log.level", c.Log.Level, "debug", "info", "warn", "error")
	return f.list
}

func (f *faults) choice(path, got string, choices ...string) {
	if !slices.Contains(choices, got) {
		f.add(path, "not a known choice; use "+strings.Join(choices, ", "))
	}
}

func (f *faults) between(path string, got, low, high int) {
	if got < low || got > high {
		f.add(path, fmt.Sprintf("out of range; choose %d to %d", low, high))
	}
}

func (c Config) checkServer(f *faults) {
	plain := false
	if u, what := parseIssuer(c.Issuer); what != "" {
		f.add("issuer", what)
	} else {
		plain = u.Scheme == "http"
	}
	f.listen("listen", c.Listen)
	if c.Metrics.Listen != "off" {
		f.listen("metrics.listen", c.Metrics.Listen)
		if c.Metrics.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
			f.add("metrics.listen", "the same as listen; choose another port")
		}
	}
	switch certificate, key := c.TLS.CertFile != "", c.TLS.KeyFile != ""; {
	case certificate != key:
		f.add("tls", "only one of cert_file and key_file is set; set both or neither")
	case certificate && plain:
		f.add("issuer", "http although tls is set; write https")
	case plain && !onLoopback(c.Listen):
		f.add("listen", "open to the network although the issuer is plain http; listen on 127.0.0.1 or [::1], or make the issuer https")
	case !certificate && !plain && len(c.Proxy.Trusted) == 0:
		f.add("tls", "not set; set cert_file and key_file, or proxy.trusted when a reverse proxy ends TLS, or use a loopback http issuer")
	}
	for i, prefix := range c.Proxy.Trusted {
		if !prefix.IsValid() || prefix.Bits() == 0 {
			f.add(fmt.Sprintf("proxy.trusted[%d]", i), "trusts every address; name the proxies' own range")
		}
	}
}

// parseIssuer returns the issuer, or what is wrong with it. Clients compare issuers
// byte by byte (OpenID Connect Discovery section 4.3), so only one spelling passes.
func parseIssuer(issuer string) (*url.URL, string) {
	const form = "; write https://host or https://host:port"
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return nil, "required" + form
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, "not a web address" + form
	case u.User != nil || strings.ContainsAny(issuer, "?#@"):
		return nil, "has user information, query or fragment; remove it"
	case strings.HasSuffix(issuer, "/"):
		return nil, "ends in a slash; remove it"
	case !validHost(u):
		return nil, "the host or port is not valid; write the host in lower case, a port from 1 to 65535 only if it is not the usual one"
	case u.Path != "":
		return nil, "has a path; pages and endpoints are served from the root of a host of their own" + form
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, "http is for localhost, 127.0.0.0/8 and [::1] only; write https"
	case u.String() != issuer:
		return nil, "not in its plain form" + form
	}
	return u, ""
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

func validHost(u *url.URL) bool {
	if address, err := netip.ParseAddr(u.Hostname()); err == nil {
		if address.Zone() != "" || address.String() != u.Hostname() {
			return false
		}
	} else if !hostName.MatchString(u.Hostname()) {
		return false
	}
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	usual := u.Scheme == "https" && port == 443 || u.Scheme == "http" && port == 80
	return err == nil && port > 0 && !usual && strconv.FormatUint(port, 10) == u.Port()
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// onLoopback tells whether only this machine reaches a listening address; what is no
// address is another fault.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err != nil || loopback(host)
}

func (f *faults) listen(path, address string) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err == nil && host != "" {
		if _, numeric := netip.ParseAddr(host); numeric != nil && !hostName.MatchString(host) {
			err = numeric
		}
	}
	if err != nil {
		f.add(path, "not an address and port; write one such as 127.0.0.1:8443 or :8443")
	}
}

func (c Config) checkDatabase(f *faults) {
	address := c.Database.URL.Reveal()
	path, sqlite := strings.CutPrefix(address, sqliteScheme)
	u, err := url.Parse(address)
	switch {
	case address == "" && c.Database.URLFile == "":
		f.add("database.url", "required; write sqlite:PATH or postgres://user:password@host/name, or set database.url_file")
	case address == "": // the file could not be read, which has been said
	case sqlite && path == "":
		f.add("database.url", "no path after sqlite: ; write sqlite:PATH")
	case !sqlite && (err != nil || u.Scheme != "postgres" || u.Host == ""):
		f.add("database.url", "neither form known; write sqlite:PATH or postgres://user:password@host/name (percent-encode special characters in the password)")
	}
	f.between("database.max_connections", c.Database.MaxConnections, 0, 1000)
}

var keyID = regexp.MustCompile(`^[a-z0-9-]{1,16}$`)

func (c Config) checkKeys(f *faults) {
	if len(c.Secrets.Keys) == 0 {
		f.add("secrets.keys", "required; give at least one id with key or key_file")
	}
	seen := map[string]bool{}
	for i, key := range c.Secrets.Keys {
		path := fmt.Sprintf("secrets.keys[%d]", i)
		switch {
		case !keyID.MatchString(key.ID):
			f.add(path+".id", "not a key name; use 1 to 16 of a-z, 0-9 and hyphen")
		case seen[key.ID]:
			f.add(path+".id", "used twice; give each key its own")
		}
		seen[key.ID] = true
		if key.Key.Reveal() == "" {
			if key.KeyFile == "" {
				f.add(path+".key", "required; set key or key_file")
			}
			continue // a file that could not be read has been reported
		}
		if _, err := key.Bytes(); err != nil {
			f.add(path+".key", err.Error()+"; make one with: openssl rand -base64 32")
		}
	}
}

// checkDurations holds every length of time to its range.
func (c Config) checkDurations(f *faults) {
	for _, d := range []struct {
		path      string
		got       Duration
		low, high time.Duration
	}{
		{"shutdown.drain", c.Shutdown.Drain, 0, 10 * time.Minute},
		{"session.idle", c.Session.Idle, 0, time.Hour},
		{"session.absolute", c.Session.Absolute, c.SessionIdle(), day},
		{"sign_in.trust", c.SignIn.Trust, 0, 90 * day},
		{"sign_in.recent", c.SignIn.Recent, time.Second, 15 * time.Minute},
		{"sign_in.codes.life", c.SignIn.Codes.Life, time.Second, 15 * time.Minute},
		{"sign_in.transaction", c.SignIn.Transaction, time.Second, 2 * time.Hour},
		{"sign_in.lockout.wait", c.SignIn.Lockout.Wait, time.Second, day},
		{"sign_in.lockout.window", c.SignIn.Lockout.Window, time.Second, 30 * day},
		{"sign_in.factor_lockout.wait", c.SignIn.FactorLockout.Wait, time.Second, day},
		{"sign_in.device", c.SignIn.Device, time.Second, 400 * day}, // RFC 6265bis: browsers cap cookies at 400 days
		{"sign_in.remember.lifetime", c.SignIn.Remember.Lifetime, time.Second, 400 * day},
		{"password.wait", c.Password.Wait, 0, time.Minute},
		{"tokens.code", c.Tokens.Code, time.Second, time.Minute},
		{"tokens.access", c.Tokens.Access, time.Second, 10 * time.Minute},
		{"tokens.id_token", c.Tokens.IDToken, time.Second, time.Hour},
		{"tokens.refresh_idle", c.Tokens.RefreshIdle, time.Second, 400 * day},
		{"tokens.refresh_absolute", c.Tokens.RefreshAbsolute, time.Duration(c.Tokens.RefreshIdle), 400 * day},
		{"tokens.refresh_retry", c.Tokens.RefreshRetry, 0, 2 * time.Minute},
		{"tokens.signing.publish_ahead", c.Tokens.Signing.PublishAhead, 10 * time.Minute, 30 * day},
		{"tokens.signing.keep_previous", c.Tokens.Signing.KeepPrevious, time.Duration(max(c.Tokens.Access, c.Tokens.IDToken)), 90 * day},
	} {
		if got := time.Duration(d.got); got < d.low || got > d.high {
			f.add(d.path, fmt.Sprintf("out of range; choose %s to %s", Duration(d.low), Duration(d.high)))
		}
	}
}

func (c Config) checkSignIn(f *faults) {
	s := c.SignIn
	f.choice("sign_in.second_factor", s.SecondFactor, "required", "optional", "off")
	f.choice("sign_in.remember.display", s.Remember.Display, "full", "masked")
	f.between("sign_in.totp_window", s.TOTPWindow, 0, 1)
	f.between("sign_in.lockout.attempts", s.Lockout.Attempts, 1, 10)
	f.between("sign_in.lockout.locks", s.Lockout.Locks, 1, 20)
	if waits := time.Duration(s.Lockout.Wait) * time.Duration(max(0, s.Lockout.Locks-1)); time.Duration(s.Lockout.Window) < waits {
		f.add("sign_in.lockout.window", "shorter than the waits it counts, so the account would never lock; make it longer")
	}
	f.between("sign_in.factor_lockout.attempts", s.FactorLockout.Attempts, 1, 10)
	f.between("sign_in.factor_lockout.hard", s.FactorLockout.Hard, max(1, s.FactorLockout.Attempts), 100)
}

func (c Config) checkPassword(f *faults) {
	p := c.Password
	if p.MinLength != 0 {
		low := 15 // NIST SP 800-63B section 3.1.1.2: the password can be the only factor
		if c.SignIn.SecondFactor == "required" {
			low = 8
		}
		f.between("password.min_length", p.MinLength, low, 64)
	}
	f.between("password.argon2.memory_kib", int(p.Argon2.MemoryKiB), leastMemory(p.Argon2.Time), 1<<20)
	f.between("password.argon2.time", int(p.Argon2.Time), 1, 16)
	f.between("password.argon2.parallelism", int(p.Argon2.Parallelism), 1, 16)
	f.between("password.concurrency", p.Concurrency, 0, 256)
	f.between("password.queue", p.Queue, 0, 10000)
}

// leastMemory is the OWASP floor for Argon2id in KiB at a number of passes.
func leastMemory(passes uint32) int {
	if passes < 2 {
		return 47104
	}
	return 19456
}

func (c Config) checkSigning(f *faults) {
	s := c.Tokens.Signing
	f.choice("tokens.signing.default_alg", s.DefaultAlg, "ES256", "RS256")
	if s.RotateEvery != 0 && (s.RotateEvery <= s.PublishAhead || s.RotateEvery <= s.KeepPrevious || time.Duration(s.RotateEvery) > 1100*day) {
		f.add("tokens.signing.rotate_every", "must be 0, or longer than publish_ahead and keep_previous and at most 1100d; change it")
	}
}

var (
	scopeToken = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,100}$`)
	oidcScopes = []string{"openid", "profile", "email", "address", "phone", "offline_access"}
)

func (c Config) checkAPIs(f *faults) {
	audiences, scopes := map[string]bool{}, map[string]bool{}
	for i, api := range c.APIs {
		path := fmt.Sprintf("apis[%d]", i)
		switch {
		case !absoluteURI(api.Audience):
			f.add(path+".audience", "not an absolute URI without fragment; write one such as https://api.example.com")
		case audiences[api.Audience]:
			f.add(path+".audience", "used twice; give each API its own")
		}
		audiences[api.Audience] = true
		f.line(path+".name", api.Name, 1, 100)
		for j, id := range api.IntrospectClients {
			f.line(fmt.Sprintf("%s.introspect_clients[%d]", path, j), id, 1, 255)
		}
		for j, scope := range api.Scopes {
			f.scope(fmt.Sprintf("%s.scopes[%d]", path, j), scope, scopes)
		}
	}
}

func (f *faults) scope(path string, s Scope, seen map[string]bool) {
	switch {
	case !scopeToken.MatchString(s.Name):
		f.add(path+".name", `not a scope value; use 1 to 100 visible ASCII characters other than " and \`)
	case slices.Contains(oidcScopes, s.Name):
		f.add(path+".name", "a scope of OpenID Connect itself; choose another name")
	case seen[s.Name]:
		f.add(path+".name", "used twice; scope names are unique over all APIs")
	}
	seen[s.Name] = true
	f.line(path+".title.en", s.Title.EN, 1, 100)
	f.line(path+".title.sv", s.Title.SV, 1, 100)
	f.line(path+".detail.en", s.Detail.EN, 0, 500)
	f.line(path+".detail.sv", s.Detail.SV, 0, 500)
	if (s.Detail.EN == "") != (s.Detail.SV == "") {
		f.add(path+".detail", "written in one language only; write both or neither")
	}
}

// absoluteURI is RFC 8707 section 2: absolute and without fragment.
func absoluteURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && (u.Host != "" || u.Opaque != "") && u.User == nil &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == '#' || r <= ' ' || r >= 0x7F }) && len(s) <= 500
}

// line holds a text to one line of low to high characters.
func (f *faults) line(path, s string, low, high int) {
	switch n := utf8.RuneCountInString(s); {
	case n < low || low > 0 && strings.TrimSpace(s) == "":
		f.add(path, "required; write a text")
	case n > high:
		f.add(path, fmt.Sprintf("too long; write at most %d characters", high))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		f.add(path, "has a line end or control character; write one line")
	}
}

func (c Config) checkBrand(f *faults) {
	b := c.Brand
	f.line("brand.name", b.Name, 1, 60)
	f.line("brand.phone", b.Phone, 0, 60)
	f.line("brand.hours", b.Hours, 0, 200)
	if address, err := mail.ParseAddress(b.Email); b.Email != "" && (err != nil || address.Address != b.Email) {
		f.add("brand.email", "not an e-mail address; write one such as help@example.com")
	}
	for _, link := range []struct{ path, url string }{
		{"brand.chat_url", b.ChatURL}, {"brand.privacy_url", b.PrivacyURL},
		{"brand.terms_url", b.TermsURL}, {"brand.accessibility_url", b.AccessibilityURL},
	} {
		if link.url != "" && !webAddress(link.url) {
			f.add(link.path, "not a web address; write one that begins with https:// or http://")
		}
	}
	if _, err := time.LoadLocation(b.Timezone); err != nil || b.Timezone == "" || b.Timezone == "Local" {
		f.add("brand.timezone", "not an IANA time zone; write one such as Europe/Stockholm")
	}
	f.choice("brand.locale", b.Locale, "en", "sv")
}

func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune("\"'<>\\`", r) })
}
