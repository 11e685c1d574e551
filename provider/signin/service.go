// Package signin finds out who somebody is: User ID and password, second factors,
// lockout and the browser's session. It knows nothing of HTTP: the web package
// gives it what the browser sent and sets the cookies that it issues.
//
// Every step loads the sign-in, asks provider.NextStep whether it is that step's
// turn, counts the attempt before it looks at it, and writes its result with its
// audit event in one transaction.
package signin

import (
	"errors"
	"runtime"
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

	Notices    bool // write notices to account owners into the outbox
	Policy     provider.SecondFactorPolicy
	TOTPWindow int              // time steps before and after now whose code is accepted: 0 or 1
	Issuer     string           // brand name that authenticator apps show
	Now        func() time.Time // nil = time.Now
}

// Service signs people in. It is safe for concurrent use.
type Service struct {
	set          Settings
	store        *storage.Store
	hashing      *admission
	lockedAudits *rate.Limiter
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
	if set.HashConcurrency == 0 {
		set.HashConcurrency = max(1, runtime.GOMAXPROCS(0)-1)
	}
	s := &Service{set: set, store: store, hashing: newAdmission(set.HashConcurrency, set.HashQueue, set.HashWait), lockedAudits: rate.NewLimiter(10, 100), dummy: set.Keys.DummyPassword(set.Argon2)}
	return s, nil
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
