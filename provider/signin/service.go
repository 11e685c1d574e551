// Package signin finds out who somebody is: User ID and password, second factors,
// lockout and the browser's session. It knows nothing of HTTP: the web package
// gives it what the browser sent and sets the cookies that it issues.
//
// Every step loads the sign-in, asks provider.NextStep whether it is that step's
// turn, counts the attempt before it looks at it, and writes its result with its
// audit event in one transaction.
package signin

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"cardea/provider"
	"cardea/storage"
)

// Settings are the rules that one issuer signs people in by.
type Settings struct {
	Keys        *provider.Keyring
	Sessions    provider.SessionLimits
	Transaction time.Duration // how long one sign-in may take
	Device      time.Duration // how long a browser stays a known device

	Password provider.LockoutPolicy // wrong passwords, per lane
	Factor   provider.LockoutPolicy // wrong second factors, per account
	Argon2   provider.Argon2

	HashConcurrency int           // password hashes at the same time; 0 = one less than the cores, at least 1
	HashQueue       int           // how many more may wait for one
	HashWait        time.Duration // for how long

	Channels    []provider.Channel          // that messages can be sent by; none = no notices and no codes
	Desk        string                      // e-mail address of customer service; "" = it is told nothing
	Policy      provider.SecondFactorPolicy // unless the client has its own
	Factors     []provider.FactorKind       // kinds of second factors that are offered; nil = all
	Trust       time.Duration               // how long a device may be trusted; 0 = never
	Recent      time.Duration               // how old an authentication may be for a change of one's security; 0 = 5 minutes
	Passkeys    Passkeys
	Codes       Codes
	NewPassword provider.PasswordPolicy // what a new password must be
	TOTPWindow  int                     // time steps before and after now whose code is accepted: 0 or 1
	Issuer      string                  // brand name that authenticator apps show
	Now         func() time.Time        // nil = time.Now
}

// Passkeys are the rules for WebAuthn credentials.
type Passkeys struct {
	RPID    string   // host that they are bound to
	RPName  string   // shown by authenticators
	Origins []string // that may use them, exactly as browsers write them
	AAGUIDs []string // the models of authenticators that may be registered, which then must attest; nil = any
}

// Codes are the rules for codes by SMS and e-mail.
type Codes struct {
	Life       time.Duration // 0 = 10 minutes
	Country    string        // country calling code of numbers in national form; "" = 46
	PerQuarter int           // most codes in 15 minutes, per account and per destination; 0 = 3
	PerDay     int           // likewise in a day; 0 = 10
	PerAddress int           // most codes in an hour that one client address asks for; 0 = 20
	SMSPerHour int           // most text messages in an hour, in all, of which notices have half; 0 = 1000
	Wait       time.Duration // shortest time between two codes of one sign-in; 0 = 30 seconds
}

// Service signs people in. It is safe for concurrent use.
type Service struct {
	set          Settings
	store        *storage.Store
	hashing      *admission
	lockedAudits *rate.Limiter
	keys         passkeys
	dummy        string // what unknown User IDs are checked against: it costs what a hash costs
}

// New refuses settings that are incomplete or unsafe with provider.Faults.
func New(set Settings, store *storage.Store) (*Service, error) {
	if err := set.check(); err != nil {
		return nil, err
	}
	if store == nil {
		return nil, errors.New("signin needs a store")
	}
	if set.Now == nil {
		set.Now = time.Now
	}
	set.defaults()
	if set.HashConcurrency == 0 {
		set.HashConcurrency = max(1, runtime.GOMAXPROCS(0)-1)
	}
	s := &Service{set: set, store: store, hashing: newAdmission(set.HashConcurrency, set.HashQueue, set.HashWait), lockedAudits: rate.NewLimiter(10, 100), dummy: set.Keys.DummyPassword(set.Argon2)}
	return s, nil
}

func (set *Settings) defaults() {
	set.Recent = cmp.Or(set.Recent, 5*time.Minute)
	c := &set.Codes
	c.Life, c.Country, c.Wait = cmp.Or(c.Life, 10*time.Minute), cmp.Or(c.Country, "46"), cmp.Or(c.Wait, 30*time.Second)
	c.PerQuarter, c.PerDay, c.PerAddress, c.SMSPerHour = cmp.Or(c.PerQuarter, 3), cmp.Or(c.PerDay, 10), cmp.Or(c.PerAddress, 20), cmp.Or(c.SMSPerHour, 1000)
	if set.Factors == nil {
		set.Factors = provider.FactorKinds
	}
	set.Factors = slices.DeleteFunc(slices.Clone(set.Factors), func(k provider.FactorKind) bool { return !set.can(k) })
}

// can tells whether the issuer is set up for factors of a kind: codes need a channel,
// and passkeys the host that they are bound to.
func (set *Settings) can(k provider.FactorKind) bool {
	switch k {
	case provider.FactorPasskey:
		return set.Passkeys.RPID != ""
	case provider.FactorSMS, provider.FactorEmail:
		return slices.Contains(set.Channels, channel(k))
	}
	return k.Known()
}

func (set Settings) check() error {
	var f provider.Faults
	must := func(ok bool, field, problem string) {
		if !ok {
			f.Add(field, "%s", problem)
		}
	}
	must(set.Keys != nil, "secrets.keys", "are missing")
	must(set.Sessions.Idle > 0 && set.Sessions.Absolute > 0, "session", "needs idle and absolute limits above zero")
	must(set.Transaction > 0, "sign_in.transaction", "must be above zero")
	must(set.Device > 0, "sign_in.device", "must be above zero")
	must(set.Password.Attempts > 0 && set.Password.Wait > 0, "sign_in.lockout", "needs attempts and a wait above zero")
	must(set.Factor.Attempts > 0 && set.Factor.Wait > 0, "sign_in.factor_lockout", "needs attempts and a wait above zero")
	must(set.Argon2.Usable(), "password.argon2", "needs memory from 8 KiB to 1 GiB, time from 1 to 16 and parallelism from 1 to 16")
	must(set.HashConcurrency >= 0 && set.HashQueue >= 0 && set.HashWait >= 0, "password", "concurrency, queue and wait must not be negative")
	must(set.TOTPWindow == 0 || set.TOTPWindow == 1, "sign_in.totp_window", "must be 0 or 1")
	must(set.Issuer != "", "brand.name", "is missing: authenticator apps show it")
	switch set.Policy {
	case provider.SecondFactorRequired, provider.SecondFactorOptional, provider.SecondFactorOff:
	default:
		f.Add("sign_in.second_factor", "must be required, optional or off")
	}
	return f.Err()
}

// now is the time that everything is stamped with: as precise as the database keeps it.
func (s *Service) now() time.Time { return s.set.Now().UTC().Truncate(time.Microsecond) }
