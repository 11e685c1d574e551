// Package config reads Cardea's settings: a strict YAML file, CARDEA_ environment
// variables over it, and secrets from files. Load returns settings that have been
// checked as a whole, or one error that names every fault and its fix.
//
// No error of this package quotes a value, a key or a line it was given, because
// any of them may be a secret put in the wrong place.
package config

import (
	"net/netip"
	"net/url"
	"runtime"
	"time"
)

//go:generate go run ./gen

// Config is every setting of one Cardea process. Each field's comment is its
// manual entry in README.md; its default tag is what Default fills in.
type Config struct {
	// Address users and clients reach Cardea at, and the issuer in every token: https://host[:port] without path, trailing slash, query, fragment or user information. Plain http only for localhost, 127.0.0.0/8 and [::1]. Required.
	Issuer string `yaml:"issuer"`
	// Address and port the server listens on. An empty host means every interface.
	Listen string `yaml:"listen" default:"127.0.0.1:8443"`
	// Rules to keep to: standard, or psd2, where sessions end after 5 minutes without use, no device is trusted and no code goes by e-mail (Regulation (EU) 2018/389, Articles 4 and 10).
	Profile string `yaml:"profile" default:"standard"`

	TLS      TLS      `yaml:"tls"`
	Proxy    Proxy    `yaml:"proxy"`
	Metrics  Metrics  `yaml:"metrics"`
	Shutdown Shutdown `yaml:"shutdown"`
	Database Database `yaml:"database"`
	Secrets  Secrets  `yaml:"secrets"`
	Session  Session  `yaml:"session"`
	SignIn   SignIn   `yaml:"sign_in"`
	Password Password `yaml:"password"`
	Tokens   Tokens   `yaml:"tokens"`
	Messages Messages `yaml:"messages"`
	APIs     []API    `yaml:"apis"`
	Brand    Brand    `yaml:"brand"`
	Log      Log      `yaml:"log"`
}

// TLS is the server's own certificate. Without one, the issuer must be a loopback
// http address or proxy.trusted must name the proxy that ends TLS.
type TLS struct {
	// PEM file with the certificate chain. Set both TLS files or neither.
	CertFile string `yaml:"cert_file"`
	// PEM file with the private key. Must not be readable by other users.
	KeyFile string `yaml:"key_file"`
}

// Proxy is the choice of whose forwarding headers are believed.
type Proxy struct {
	// Address ranges (CIDR) of the reverse proxies in front of Cardea. Forwarding headers from any other address are ignored.
	Trusted []netip.Prefix `yaml:"trusted"`
}

// Metrics is the listener for monitoring, apart from the public one.
type Metrics struct {
	// Address and port for Prometheus metrics and health checks; off disables it. Keep it away from the internet.
	Listen string `yaml:"listen" default:"127.0.0.1:9464"`
}

// Shutdown is what happens on SIGTERM.
type Shutdown struct {
	// How long running requests may take to finish after SIGTERM, at most 10m.
	Drain Duration `yaml:"drain" default:"10s"`
}

// Database is where Cardea keeps its state.
type Database struct {
	// sqlite:PATH (PATH relative to the working directory) or postgres://user:password@host/name. Required, here or through url_file.
	URL DatabaseURL `yaml:"url"`
	// File that holds the database URL, in place of url.
	URLFile string `yaml:"url_file"`
	// Most open connections; 0 chooses by engine and number of cores.
	MaxConnections int `yaml:"max_connections" default:"0"`
}

// Secrets is the set of keys that seal what the database must not reveal.
type Secrets struct {
	// Sealing keys, at least one. The first seals; the rest only open what they sealed before. In the environment: id:key,id2:key2.
	Keys []Key `yaml:"keys"`
}

// Key is one sealing key.
type Key struct {
	// Name stored beside everything the key sealed: 1 to 16 of a-z, 0-9 and hyphen, unique. Never reuse a name for another key.
	ID string `yaml:"id"`
	// 32 random bytes as base64 or hex. `openssl rand -base64 32` makes one.
	Key Secret `yaml:"key"`
	// File that holds the key, in place of key. Must not be readable by other users.
	KeyFile string `yaml:"key_file"`
}

// Session is the signed-in state of one browser.
type Session struct {
	// How long a session lives without use, at most 1h; 0 means 15m, and 5m in the psd2 profile, where it may not be longer.
	Idle Duration `yaml:"idle" default:"0"`
	// How long a session lives at most, however much it is used; at most 24h.
	Absolute Duration `yaml:"absolute" default:"12h"`
}

// SignIn is how people prove who they are.
type SignIn struct {
	// Whether people need a second factor: required, optional (their choice) or off.
	SecondFactor string `yaml:"second_factor" default:"required"`
	// Second factors that people may set up and use: passkey, totp, sms, email and recovery. Codes need messages to be configured. E-mail is off unless listed, because whoever reads the mail can often reset the password too.
	Factors []string `yaml:"factors" default:"passkey,totp,sms,recovery"`
	// How long a device may be trusted, which spares its owner the second factor that second_factor asks for, at most 90d; 0 means never. It never raises acr. Always 0 in the psd2 profile.
	Trust Duration `yaml:"trust" default:"30d"`
	// How old an authentication may be for a change of one's own security, at most 15m.
	Recent Duration `yaml:"recent" default:"5m"`
	// How long one sign-in may take from first page to last, at most 2h.
	Transaction Duration `yaml:"transaction" default:"30m"`

	Lockout       Lockout       `yaml:"lockout"`
	FactorLockout FactorLockout `yaml:"factor_lockout"`

	// How long a browser that has signed in stays a known device, which keeps working while strangers are locked out. At most 400d.
	Device Duration `yaml:"device" default:"90d"`

	Remember Remember `yaml:"remember"`

	Passkeys Passkeys `yaml:"passkeys"`
	Codes    Codes    `yaml:"codes"`

	// Time steps of 30 seconds before and after now whose authenticator-app code is accepted: 0 or 1.
	TOTPWindow int `yaml:"totp_window" default:"1"`
}

// Lockout limits wrong passwords, counted apart per account for known devices and strangers.
type Lockout struct {
	// Wrong passwords in a row before sign-in waits, 1 to 10. PSD2 allows at most 5.
	Attempts int `yaml:"attempts" default:"5"`
	// How long sign-in then waits, at most 24h.
	Wait Duration `yaml:"wait" default:"30m"`
	// Waits within the window before the account stays locked until recovery or customer service, 1 to 20.
	Locks int `yaml:"locks" default:"3"`
	// The time over which those waits are counted, at most 30d.
	Window Duration `yaml:"window" default:"24h"`
}

// FactorLockout limits wrong second factors, counted per account over all methods.
type FactorLockout struct {
	// Wrong codes in a row before second factors wait, 1 to 10.
	Attempts int `yaml:"attempts" default:"5"`
	// How long second factors then wait, at most 24h.
	Wait Duration `yaml:"wait" default:"15m"`
	// Wrong codes without a success before second factors stay locked until recovery, from attempts to 100.
	Hard int `yaml:"hard" default:"20"`
}

// Passkeys are bound to one domain for good: choose it before people create some.
type Passkeys struct {
	// Domain that passkeys are bound to: the issuer's host or a domain above it. Empty means the issuer's host; on an IP address there are no passkeys.
	RPID string `yaml:"rp_id"`
	// Other origins that may use the same passkeys, such as https://example.com, told to browsers at /.well-known/webauthn.
	Origins []string `yaml:"origins"`
	// Models of authenticators that may be registered, as AAGUIDs; they must then attest what they are. Empty means any.
	AAGUIDs []string `yaml:"aaguids"`
}

// Codes is the rule for one-time codes by text message and e-mail.
type Codes struct {
	// How long a code is good, at most 15m.
	Life Duration `yaml:"life" default:"10m"`
	// Country calling code of telephone numbers in national form.
	Country string `yaml:"country" default:"46"`
	// Most codes in 15 minutes, per account and per destination.
	PerQuarter int `yaml:"per_quarter" default:"3"`
	// Most codes in 24 hours, per account and per destination.
	PerDay int `yaml:"per_day" default:"10"`
	// Most codes in an hour that one network address asks for.
	PerAddress int `yaml:"per_address" default:"20"`
	// Most text messages in an hour, in all. Notices take at most half of them; the rest is for codes.
	SMSPerHour int `yaml:"sms_per_hour" default:"1000"`
}

// Remember is the choice to have the User ID filled in next time.
type Remember struct {
	// How a remembered User ID is shown: full or masked.
	Display string `yaml:"display" default:"full"`
	// How long a User ID is remembered, at most 400d.
	Lifetime Duration `yaml:"lifetime" default:"180d"`
}

// Password is the rule for passwords and the cost of checking them.
type Password struct {
	// Fewest characters in a new password; 0 means 12 when second_factor is required and 15 otherwise. Lowest allowed: 8 and 15; highest: 64.
	MinLength int `yaml:"min_length" default:"0"`
	// Demand lower case, upper case, digit and symbol. NIST SP 800-63B advises against it.
	RequireClasses bool `yaml:"require_classes" default:"false"`

	Argon2 Argon2 `yaml:"argon2"`

	// Password hashes computed at the same time; 0 means one less than the number of cores, at least 1. Each takes argon2.memory_kib.
	Concurrency int `yaml:"concurrency" default:"0"`
	// Sign-ins that may wait for a hash; more are told to try again.
	Queue int `yaml:"queue" default:"128"`
	// How long a sign-in waits for a hash before it is told to try again, at most 1m.
	Wait Duration `yaml:"wait" default:"10s"`
}

// Argon2 is the cost of one Argon2id hash. Hashes made with less are renewed at the next sign-in.
type Argon2 struct {
	// Memory in KiB: at least 19456 with time 2 or more, at least 47104 with time 1; at most 1048576.
	MemoryKiB uint32 `yaml:"memory_kib" default:"19456"`
	// Passes over the memory, 1 to 16.
	Time uint32 `yaml:"time" default:"2"`
	// Lanes, 1 to 16.
	Parallelism uint8 `yaml:"parallelism" default:"1"`
}

// Tokens is how long what clients receive stays valid, and how it is signed.
type Tokens struct {
	// Lifetime of an authorization code, at most 60s.
	Code Duration `yaml:"code" default:"60s"`
	// Lifetime of an access token, at most 10m.
	Access Duration `yaml:"access" default:"5m"`
	// Lifetime of an ID token, at most 1h.
	IDToken Duration `yaml:"id_token" default:"5m"`
	// How long a refresh token lives without use, at most 400d.
	RefreshIdle Duration `yaml:"refresh_idle" default:"14d"`
	// How long a refresh token and its successors live at most; from refresh_idle to 400d.
	RefreshAbsolute Duration `yaml:"refresh_absolute" default:"90d"`
	// How long a confidential client may repeat a refresh whose answer it lost, at most 2m; 0 turns it off.
	RefreshRetry Duration `yaml:"refresh_retry" default:"30s"`

	Signing Signing `yaml:"signing"`
}

// Signing is the life of the token signing keys.
type Signing struct {
	// Algorithm for clients that registered none: ES256 or RS256.
	DefaultAlg string `yaml:"default_alg" default:"ES256"`
	// How long a new key is published before it signs, so that clients have fetched it; at least 10m.
	PublishAhead Duration `yaml:"publish_ahead" default:"24h"`
	// How long a retired key stays published; at least the lifetime of access and ID tokens.
	KeepPrevious Duration `yaml:"keep_previous" default:"24h"`
	// How often a new key takes over; longer than publish_ahead and keep_previous. 0 means only when an operator says so.
	RotateEvery Duration `yaml:"rotate_every" default:"0"`
}

// Messages is how security notices and one-time codes reach account owners. Without any of folder, smtp and sms none are made.
type Messages struct {
	// Folder that each message is written to as a text file with To and Subject lines, for a program of yours to pick up. Stands in for smtp and sms where those are not set.
	Folder string `yaml:"folder"`
	// E-mail address of customer service, which is told when an owner reports misuse. Empty means brand.email.
	Desk string `yaml:"desk"`

	SMTP SMTP `yaml:"smtp"`
	SMS  SMS  `yaml:"sms"`
}

// SMTP is the server that takes e-mail.
type SMTP struct {
	// Host of the mail server. Empty means that e-mail is not sent this way.
	Host string `yaml:"host"`
	// Port of the mail server.
	Port int `yaml:"port" default:"587"`
	// User name, where the server asks for one.
	Username string `yaml:"username"`
	// Password of the user.
	Password Secret `yaml:"password"`
	// File that holds the password, in place of password. Must not be readable by other users.
	PasswordFile string `yaml:"password_file"`
	// Address that messages come from. Required with host.
	From string `yaml:"from"`
	// Encryption: required (STARTTLS or nothing), implicit (from the first byte, usually port 465), opportunistic (STARTTLS where the server offers it), or none (loopback only).
	TLS string `yaml:"tls" default:"required"`
}

// SMS is the gateway that takes text messages.
type SMS struct {
	// Address of your gateway: a signed POST with id, to and text as JSON for each message. https; http for loopback only. Empty means that text messages are not sent this way.
	URL string `yaml:"url"`
	// Key that requests are signed with: HMAC-SHA256 in the Cardea-Signature header. At least 32 characters, required with url.
	Secret Secret `yaml:"secret"`
	// File that holds the key, in place of secret. Must not be readable by other users.
	SecretFile string `yaml:"secret_file"`
}

// API is a resource server that takes Cardea's access tokens. APIs are set in the file only.
type API struct {
	// Absolute URI that stands in the aud claim of its tokens, unique, without fragment.
	Audience string `yaml:"audience"`
	// Name shown to users and operators, at most 100 characters.
	Name string `yaml:"name"`
	// Client IDs that may introspect its tokens.
	IntrospectClients []string `yaml:"introspect_clients"`
	// What clients may ask for.
	Scopes []Scope `yaml:"scopes"`
}

// Scope is one permission of an API.
type Scope struct {
	// Scope value (RFC 6749 section 3.3), unique over all APIs and none of openid, profile, email, address, phone, offline_access.
	Name string `yaml:"name"`
	// What the user reads on the consent page, in both languages.
	Title Text `yaml:"title"`
	// A longer explanation, in both languages or neither.
	Detail Text `yaml:"detail"`
}

// Text is one text in every language of the pages.
type Text struct {
	// English.
	EN string `yaml:"en"`
	// Swedish.
	SV string `yaml:"sv"`
}

// Brand is the card issuer as its customers see it.
type Brand struct {
	// Name on pages and in messages, at most 60 characters.
	Name string `yaml:"name" default:"Example Card"`
	// Customer service telephone number.
	Phone string `yaml:"phone"`
	// When customer service answers, as people read it.
	Hours string `yaml:"hours"`
	// Customer service e-mail address.
	Email string `yaml:"email"`
	// Customer service chat.
	ChatURL string `yaml:"chat_url"`
	// Privacy notice.
	PrivacyURL string `yaml:"privacy_url"`
	// Terms of use.
	TermsURL string `yaml:"terms_url"`
	// Accessibility statement.
	AccessibilityURL string `yaml:"accessibility_url"`
	// IANA time zone of the times on pages and in messages.
	Timezone string `yaml:"timezone" default:"Europe/Stockholm"`
	// Language when the browser names none we have: en or sv.
	Locale string `yaml:"locale" default:"en"`
}

// Log is what the process writes to standard error.
type Log struct {
	// Least severe level written: debug, info, warn or error.
	Level string `yaml:"level" default:"info"`
}

// SessionIdle is session.idle, or when that is 0 the value that fits the profile.
func (c Config) SessionIdle() time.Duration {
	switch {
	case c.Session.Idle > 0:
		return c.Session.Idle.Std()
	case c.Profile == "psd2":
		return 5 * time.Minute
	}
	return 15 * time.Minute
}

// DeviceTrust is sign_in.trust, or 0 in the psd2 profile.
func (c Config) DeviceTrust() time.Duration {
	if c.Profile == "psd2" {
		return 0
	}
	return c.SignIn.Trust.Std()
}

// PasskeyRPID is the domain that passkeys are bound to: sign_in.passkeys.rp_id or the
// issuer's host; "" when that is an IP address, which no passkey can be bound to.
func (c Config) PasskeyRPID() string {
	if c.SignIn.Passkeys.RPID != "" {
		return c.SignIn.Passkeys.RPID
	}
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return ""
	}
	if _, err := netip.ParseAddr(issuer.Hostname()); err == nil {
		return ""
	}
	return issuer.Hostname()
}

// PasswordMinLength is the fewest characters a new password may have:
// password.min_length, or when that is 0 the value that fits sign_in.second_factor.
func (c Config) PasswordMinLength() int {
	switch {
	case c.Password.MinLength > 0:
		return c.Password.MinLength
	case c.SignIn.SecondFactor == "required":
		return 12
	default:
		return 15
	}
}

// HashConcurrency is the number of password hashes to compute at the same time:
// password.concurrency, or when that is 0 one less than the cores, at least 1.
func (p Password) HashConcurrency() int {
	if p.Concurrency > 0 {
		return p.Concurrency
	}
	return max(1, runtime.GOMAXPROCS(0)-1)
}
