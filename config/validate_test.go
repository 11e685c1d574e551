package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func valid() Config {
	c := Default()
	c.Issuer = "https://id.example.com"
	c.Proxy.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	c.Database.URL = NewDatabaseURL("sqlite:cardea.db")
	c.Secrets.Keys = []Key{{ID: "k1", Key: NewSecret(goodKey)}}
	c.APIs = []API{{
		Audience: "https://api.example.com", Name: "Cards",
		Scopes: []Scope{{Name: "cards.read", Title: Text{EN: "See your cards", SV: "Se dina kort"}}},
	}}
	return c
}

func TestValidatePasses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"as it is":          func(*Config) {},
		"own TLS":           func(c *Config) { c.TLS, c.Proxy.Trusted = TLS{"a.pem", "a.key"}, nil },
		"loopback http":     func(c *Config) { c.Issuer, c.Proxy.Trusted = "http://127.0.0.2:8443", nil },
		"postgres":          func(c *Config) { c.Database.URL = NewDatabaseURL("postgres://u:p@db.example/cardea?sslmode=require") },
		"postgres socket":   func(c *Config) { c.Database.URL = NewDatabaseURL("postgres://localhost/cardea?host=/run/postgresql") },
		"metrics off":       func(c *Config) { c.Metrics.Listen = "off" },
		"random ports":      func(c *Config) { c.Listen, c.Metrics.Listen = "127.0.0.1:0", "127.0.0.1:0" },
		"IPv6 listen":       func(c *Config) { c.Listen = "[::1]:8443" },
		"one-pass hash":     func(c *Config) { c.Password.Argon2 = Argon2{47104, 1, 1} },
		"no retry":          func(c *Config) { c.Tokens.RefreshRetry = 0 },
		"yearly rotation":   func(c *Config) { c.Tokens.Signing.RotateEvery = Duration(365 * day) },
		"audience as a URN": func(c *Config) { c.APIs[0].Audience = "urn:example:cards" },
		"brand": func(c *Config) {
			c.Brand.Email, c.Brand.ChatURL, c.Brand.Name = "help@example.com", "https://chat.example.com/?a=b#c", "Kårkortet"
		},
		"short with factor":    func(c *Config) { c.Password.MinLength = 8 },
		"one wait, any window": func(c *Config) { c.SignIn.Lockout.Locks, c.SignIn.Lockout.Window = 1, Duration(time.Second) },
	} {
		c := valid()
		change(&c)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	for _, issuer := range []string{
		"https://id.example.com", "https://id.example.com:8443",
		"https://192.0.2.1", "https://[2001:db8::1]:8443", "https://localhost", "http://localhost:8080", "http://127.0.0.1", "http://127.9.9.9:1", "http://[::1]:8443",
	} {
		if _, what := parseIssuer(issuer); what != "" {
			t.Errorf("%s: %s", issuer, what)
		}
	}
	for _, issuer := range []string{
		"", "id.example.com", "//id.example.com", "ftp://id.example.com", "https://", "https:///a", "https:id.example.com", "https://:8443",
		"https://id.example.com/", "https://id.example.com/a/", "https://id.example.com?", "https://id.example.com?a=b", "https://id.example.com#", "https://id.example.com/#a",
		"https://user@id.example.com", "https://user:pw@id.example.com", "https://@id.example.com",
		"https://ID.example.com", "HTTPS://id.example.com", "https://id.example.com:443", "http://localhost:80", "https://id.example.com:0", "https://id.example.com:08443", "https://id.example.com:", "https://id.example.com:65536", "https://id.example.com:x",
		"https://id..example.com", "https://id.example.com.", "https://-id.example.com", "https://id_x.example.com", "https://räksmörgås.example", "https://id.example.com\n", " https://id.example.com", "https://id example.com",
		"https://id.example.com/oidc", "https://id.example.com//a", "https://id.example.com/a//b", "https://id.example.com/../a", "https://id.example.com/./a", "https://id.example.com/%61", "https://id.example.com/a b", "https://id.example.com/å", "https://id.example.com/a;b", "https://id.example.com\\a",
		"http://id.example.com", "http://localhost.example.com", "http://128.0.0.1", "http://[::2]", "http://0.0.0.0", "http://127.1", "http://[fe80::1%25eth0]", "https://[fe80::1%25eth0]", "http://[::ffff:7f00:1]:1", "https://[2001:DB8::1]", "http://127.0.0.1.example.com",
	} {
		if u, what := parseIssuer(issuer); what == "" || u != nil {
			t.Errorf("%q accepted", issuer)
		}
	}
}

func TestValidateFaults(t *testing.T) {
	t.Parallel()
	scope := func(change func(*Scope)) func(*Config) {
		return func(c *Config) { change(&c.APIs[0].Scopes[0]) }
	}
	for _, tt := range []struct {
		want   string // how the one fault begins
		change func(*Config)
	}{
		{"issuer: required", func(c *Config) { c.Issuer = "" }},
		{"issuer: ends in a slash", func(c *Config) { c.Issuer += "/" }},
		{"issuer: has user information", func(c *Config) { c.Issuer = "https://u:" + canary + "@id.example.com" }},
		{"issuer: http is for localhost", func(c *Config) { c.Issuer = "http://id.example.com" }},
		{"issuer: http although tls is set", func(c *Config) { c.Issuer, c.TLS = "http://localhost", TLS{"c", "k"} }},
		{"listen: not an address and port", func(c *Config) { c.Listen = canary }},
		{"listen: not an address and port", func(c *Config) { c.Listen = "127.0.0.1:99999" }},
		{"listen: not an address and port", func(c *Config) { c.Listen = "127.0.0.1:https" }},
		{"listen: not an address and port", func(c *Config) { c.Listen = "a b:1" }},
		{"metrics.listen: not an address and port", func(c *Config) { c.Metrics.Listen = "" }},
		{"metrics.listen: the same as listen", func(c *Config) { c.Metrics.Listen = c.Listen }},
		{"tls: only one of", func(c *Config) { c.TLS.CertFile = canary }},
		{"tls: only one of", func(c *Config) { c.TLS.KeyFile = canary }},
		{"tls: not set", func(c *Config) { c.Proxy.Trusted = nil }},
		{"proxy.trusted[0]: trusts every address", func(c *Config) { c.Proxy.Trusted[0] = netip.MustParsePrefix("0.0.0.0/0") }},
		{"proxy.trusted[1]: trusts every address", func(c *Config) { c.Proxy.Trusted = append(c.Proxy.Trusted, netip.MustParsePrefix("::/0")) }},
		{"shutdown.drain: out of range; choose 0s to 10m", func(c *Config) { c.Shutdown.Drain = Duration(time.Hour) }},
		{"database.url: required", func(c *Config) { c.Database.URL = DatabaseURL{} }},
		{"database.url: no path", func(c *Config) { c.Database.URL = NewDatabaseURL("sqlite:") }},
		{"database.url: neither form", func(c *Config) { c.Database.URL = NewDatabaseURL("mysql://u:" + canary + "@h/d") }},
		{"database.url: neither form", func(c *Config) { c.Database.URL = NewDatabaseURL("postgres://u:%zz" + canary + "@h/d") }},
		{"database.url: neither form", func(c *Config) { c.Database.URL = NewDatabaseURL("postgres:///d") }},
		{"database.max_connections: out of range; choose 0 to 1000", func(c *Config) { c.Database.MaxConnections = -1 }},
		{"secrets.keys: required", func(c *Config) { c.Secrets.Keys = nil }},
		{"secrets.keys[0].id: not a key name", func(c *Config) { c.Secrets.Keys[0].ID = "" }},
		{"secrets.keys[0].id: not a key name", func(c *Config) { c.Secrets.Keys[0].ID = "K1" }},
		{"secrets.keys[0].id: not a key name", func(c *Config) { c.Secrets.Keys[0].ID = "k1\n" }},
		{"secrets.keys[0].id: not a key name", func(c *Config) { c.Secrets.Keys[0].ID = strings.Repeat("k", 17) }},
		{"secrets.keys[1].id: used twice", func(c *Config) { c.Secrets.Keys = append(c.Secrets.Keys, c.Secrets.Keys[0]) }},
		{"secrets.keys[0].key: required", func(c *Config) { c.Secrets.Keys[0].Key = Secret{} }},
		{"secrets.keys[0].key: not 32 bytes", func(c *Config) { c.Secrets.Keys[0].Key = NewSecret(canary) }},
		{"session.idle: out of range; choose 0s to 1h", func(c *Config) { c.Session.Idle = Duration(61 * time.Minute) }},
		{"session.idle: longer than the 5m", func(c *Config) { c.Profile, c.Session.Idle = "psd2", Duration(6*time.Minute) }},
		{"profile: not a known choice; use standard, psd2", func(c *Config) { c.Profile = canary }},
		{"sign_in.trust: out of range; choose 0s to 90d", func(c *Config) { c.SignIn.Trust = Duration(91 * day) }},
		{"sign_in.recent: out of range", func(c *Config) { c.SignIn.Recent = 0 }},
		{"sign_in.factors[1]: not a known choice; use passkey", func(c *Config) { c.SignIn.Factors[1] = canary }},
		{"sign_in.factors[4]: listed twice", func(c *Config) { c.SignIn.Factors = append(c.SignIn.Factors, "totp") }},
		{"sign_in.factors: offers nothing", func(c *Config) { c.SignIn.Factors = []string{"recovery"} }},
		{"sign_in.factors: offers passkeys only", func(c *Config) { c.SignIn.Factors, c.Issuer = []string{"passkey"}, "https://192.0.2.1" }},
		{"sign_in.factors: lists email", func(c *Config) { c.Profile, c.SignIn.Factors = "psd2", []string{"totp", "email"} }},
		{"sign_in.passkeys.rp_id: not the issuer's host", func(c *Config) { c.SignIn.Passkeys.RPID = "other.example" }},
		{"sign_in.passkeys.rp_id: not the issuer's host", func(c *Config) { c.SignIn.Passkeys.RPID = "com" }},
		{"sign_in.passkeys.origins[0]: ends in a slash", func(c *Config) { c.SignIn.Passkeys.Origins = []string{"https://example.com/"} }},
		{"sign_in.passkeys.aaguids[0]: not an AAGUID", func(c *Config) { c.SignIn.Passkeys.AAGUIDs = []string{canary} }},
		{"sign_in.codes.life: out of range", func(c *Config) { c.SignIn.Codes.Life = Duration(time.Hour) }},
		{"sign_in.codes.country: not a country calling code", func(c *Config) { c.SignIn.Codes.Country = "+46" }},
		{"sign_in.codes.per_quarter: out of range; choose 1 to 20", func(c *Config) { c.SignIn.Codes.PerQuarter, c.SignIn.Codes.PerDay = 0, 10 }},
		{"sign_in.codes.per_day: out of range; choose 3 to 100", func(c *Config) { c.SignIn.Codes.PerDay = 2 }},
		{"messages.desk: not an e-mail address", func(c *Config) { c.Messages.Desk = canary }},
		{"messages.smtp.from: required", func(c *Config) { c.Messages.SMTP.Host = "mail.example.com" }},
		{"messages.smtp.from: not an e-mail address", func(c *Config) { c.Messages.SMTP.From = canary }},
		{"messages.smtp.host: not a host name", func(c *Config) { c.Messages.SMTP.Host, c.Messages.SMTP.From = "smtp://mail", "a@example.com" }},
		{"messages.smtp.tls: none would send", func(c *Config) {
			c.Messages.SMTP.Host, c.Messages.SMTP.From, c.Messages.SMTP.TLS = "mail.example.com", "a@example.com", "none"
		}},
		{"messages.smtp.tls: opportunistic with a username", func(c *Config) {
			c.Messages.SMTP.Host, c.Messages.SMTP.From, c.Messages.SMTP.TLS, c.Messages.SMTP.Username = "mail.example.com", "a@example.com", "opportunistic", "u"
		}},
		{"messages.sms.secret: missing or shorter", func(c *Config) {
			c.Messages.SMS = SMS{URL: "https://gateway.example.com", Secret: NewSecret(canary), SecretFile: "file"}
		}},
		{"messages.smtp.username: missing", func(c *Config) { c.Messages.SMTP.Password = NewSecret(canary) }},
		{"messages.sms.url: not an https address", func(c *Config) {
			c.Messages.SMS = SMS{URL: "http://gateway.example.com", Secret: NewSecret(strings.Repeat("s", 32))}
		}},
		{"messages.sms.secret: missing or shorter", func(c *Config) { c.Messages.SMS = SMS{URL: "https://gateway.example.com", Secret: NewSecret(canary)} }},
		{"session.absolute: out of range; choose 15m to 1d", func(c *Config) { c.Session.Absolute = Duration(25 * time.Hour) }},
		{"session.absolute: out of range; choose 15m to 1d", func(c *Config) { c.Session.Absolute = Duration(time.Minute) }},
		{"sign_in.second_factor: not a known choice; use required, optional, off", func(c *Config) { c.SignIn.SecondFactor = canary }},
		{"sign_in.transaction: out of range", func(c *Config) { c.SignIn.Transaction = 0 }},
		{"sign_in.lockout.attempts: out of range; choose 1 to 10", func(c *Config) { c.SignIn.Lockout.Attempts = 0 }},
		{"sign_in.lockout.wait: out of range", func(c *Config) { c.SignIn.Lockout.Wait = 0 }},
		{"sign_in.lockout.locks: out of range", func(c *Config) { c.SignIn.Lockout.Locks = 0 }},
		{"sign_in.lockout.window: out of range", func(c *Config) { c.SignIn.Lockout.Window = Duration(31 * day) }},
		{"sign_in.lockout.window: shorter than the waits", func(c *Config) { c.SignIn.Lockout.Window = Duration(30 * time.Minute) }},
		{"sign_in.factor_lockout.attempts: out of range", func(c *Config) { c.SignIn.FactorLockout.Attempts = 11 }},
		{"sign_in.factor_lockout.wait: out of range", func(c *Config) { c.SignIn.FactorLockout.Wait = 0 }},
		{"sign_in.factor_lockout.hard: out of range; choose 5 to 100", func(c *Config) { c.SignIn.FactorLockout.Hard = 4 }},
		{"sign_in.factor_lockout.hard: out of range; choose 5 to 100", func(c *Config) { c.SignIn.FactorLockout.Hard = 101 }},
		{"sign_in.device: out of range", func(c *Config) { c.SignIn.Device = Duration(401 * day) }},
		{"sign_in.remember.display: not a known choice", func(c *Config) { c.SignIn.Remember.Display = canary }},
		{"sign_in.remember.lifetime: out of range", func(c *Config) { c.SignIn.Remember.Lifetime = Duration(401 * day) }},
		{"sign_in.totp_window: out of range; choose 0 to 1", func(c *Config) { c.SignIn.TOTPWindow = 2 }},
		{"password.min_length: out of range; choose 8 to 64", func(c *Config) { c.Password.MinLength = 7 }},
		{"password.min_length: out of range; choose 15 to 64", func(c *Config) { c.Password.MinLength, c.SignIn.SecondFactor = 14, "optional" }},
		{"password.min_length: out of range", func(c *Config) { c.Password.MinLength = 65 }},
		{"password.argon2.memory_kib: out of range; choose 19456 to", func(c *Config) { c.Password.Argon2.MemoryKiB = 19455 }},
		{"password.argon2.memory_kib: out of range; choose 47104 to", func(c *Config) { c.Password.Argon2.Time = 1 }},
		{"password.argon2.time: out of range", func(c *Config) { c.Password.Argon2.Time = 17 }},
		{"password.argon2.parallelism: out of range", func(c *Config) { c.Password.Argon2.Parallelism = 0 }},
		{"password.concurrency: out of range", func(c *Config) { c.Password.Concurrency = -1 }},
		{"password.queue: out of range", func(c *Config) { c.Password.Queue = -1 }},
		{"password.wait: out of range", func(c *Config) { c.Password.Wait = Duration(time.Hour) }},
		{"tokens.code: out of range; choose 1s to 1m", func(c *Config) { c.Tokens.Code = Duration(61 * time.Second) }},
		{"tokens.access: out of range; choose 1s to 10m", func(c *Config) { c.Tokens.Access = Duration(11 * time.Minute) }},
		{"tokens.id_token: out of range; choose 1s to 1h", func(c *Config) { c.Tokens.IDToken = 0 }},
		{"tokens.refresh_idle: out of range", func(c *Config) { c.Tokens.RefreshIdle = 0 }},
		{"tokens.refresh_absolute: out of range; choose 14d to 400d", func(c *Config) { c.Tokens.RefreshAbsolute = Duration(day) }},
		{"tokens.refresh_retry: out of range; choose 0s to 2m", func(c *Config) { c.Tokens.RefreshRetry = Duration(time.Hour) }},
		{"tokens.signing.default_alg: not a known choice; use ES256, RS256", func(c *Config) { c.Tokens.Signing.DefaultAlg = "none" }},
		{"tokens.signing.publish_ahead: out of range", func(c *Config) { c.Tokens.Signing.PublishAhead = Duration(time.Minute) }},
		{"tokens.signing.keep_previous: out of range; choose 5m to 90d", func(c *Config) { c.Tokens.Signing.KeepPrevious = Duration(time.Minute) }},
		{"tokens.signing.rotate_every: must be 0, or longer", func(c *Config) { c.Tokens.Signing.RotateEvery = Duration(day) }},
		{"apis[0].audience: not an absolute URI", func(c *Config) { c.APIs[0].Audience = canary }},
		{"apis[0].audience: not an absolute URI", func(c *Config) { c.APIs[0].Audience = "https://api.example.com#" + canary }},
		{"apis[0].audience: not an absolute URI", func(c *Config) { c.APIs[0].Audience = "https://u:" + canary + "@api.example.com" }},
		{"apis[1].audience: used twice", func(c *Config) { c.APIs = append(c.APIs, API{Audience: c.APIs[0].Audience, Name: "B"}) }},
		{"apis[0].name: required", func(c *Config) { c.APIs[0].Name = " " }},
		{"apis[0].introspect_clients[0]: required", func(c *Config) { c.APIs[0].IntrospectClients = []string{""} }},
		{"apis[0].scopes[0].name: not a scope value", scope(func(s *Scope) { s.Name = "" })},
		{"apis[0].scopes[0].name: not a scope value", scope(func(s *Scope) { s.Name = "a b" })},
		{"apis[0].scopes[0].name: not a scope value", scope(func(s *Scope) { s.Name = `a"b` })},
		{"apis[0].scopes[0].name: not a scope value", scope(func(s *Scope) { s.Name = "kort.läs" })},
		{"apis[0].scopes[0].name: a scope of OpenID Connect", scope(func(s *Scope) { s.Name = "offline_access" })},
		{"apis[1].scopes[0].name: used twice", func(c *Config) {
			c.APIs = append(c.APIs, API{Audience: "urn:example:b", Name: "B", Scopes: c.APIs[0].Scopes})
		}},
		{"apis[0].scopes[0].title.en: required", scope(func(s *Scope) { s.Title.EN = "" })},
		{"apis[0].scopes[0].title.sv: required", scope(func(s *Scope) { s.Title.SV = "" })},
		{"apis[0].scopes[0].detail: written in one language only", scope(func(s *Scope) { s.Detail.SV = "Bara svenska" })},
		{"apis[0].scopes[0].title.sv: has a line end", scope(func(s *Scope) { s.Title.SV = "a\nb" })},
		{"brand.name: required", func(c *Config) { c.Brand.Name = "" }},
		{"brand.name: too long; write at most 60", func(c *Config) { c.Brand.Name = strings.Repeat("å", 61) }},
		{"brand.name: has a line end", func(c *Config) { c.Brand.Name = "A\r\nBcc: x" }},
		{"brand.phone: has a line end", func(c *Config) { c.Brand.Phone = "\x1b[2J" }},
		{"brand.hours: too long", func(c *Config) { c.Brand.Hours = strings.Repeat("x", 201) }},
		{"brand.email: not an e-mail address", func(c *Config) { c.Brand.Email = "Help <help@example.com>" }},
		{"brand.chat_url: not a web address", func(c *Config) { c.Brand.ChatURL = "javascript:alert(1)" }},
		{"brand.privacy_url: not a web address", func(c *Config) { c.Brand.PrivacyURL = "https://u:" + canary + "@example.com" }},
		{"brand.terms_url: not a web address", func(c *Config) { c.Brand.TermsURL = "//example.com/terms" }},
		{"brand.accessibility_url: not a web address", func(c *Config) { c.Brand.AccessibilityURL = `https://example.com/"onclick` }},
		{"brand.timezone: not an IANA time zone", func(c *Config) { c.Brand.Timezone = "Local" }},
		{"brand.timezone: not an IANA time zone", func(c *Config) { c.Brand.Timezone = "" }},
		{"brand.timezone: not an IANA time zone", func(c *Config) { c.Brand.Timezone = canary }},
		{"brand.locale: not a known choice; use en, sv", func(c *Config) { c.Brand.Locale = "fi" }},
		{"log.level: not a known choice; use debug, info, warn, error", func(c *Config) { c.Log.Level = "trace" }},
	} {
		c := valid()
		tt.change(&c)
		err := c.Validate()
		if err == nil {
			t.Errorf("%s: accepted", tt.want)
			continue
		}
		got := err.Error()
		if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "\n") || !strings.Contains(got, ";") {
			t.Errorf("got %q, want the one fault %q with its fix", got, tt.want)
		}
		if strings.Contains(got, canary) {
			t.Errorf("%s: quotes the value: %s", tt.want, got)
		}
	}
}

// Two options whose variables had the same name would set each other.
func TestVariableNamesDiffer(t *testing.T) {
	t.Parallel()
	var c Config
	paths := map[string]string{}
	options(reflect.ValueOf(&c).Elem(), "", func(path string, _ reflect.Value, tag reflect.StructTag) {
		name := envName(path)
		if other, taken := paths[name]; taken || tag.Get("yaml") == "" {
			t.Errorf("%s and %s are both %s", path, other, name)
		}
		paths[name] = path
	})
	if len(paths) < 50 {
		t.Errorf("only %d options", len(paths))
	}
}
