// Package webtest gives tests a whole issuer on loopback, and what talks to it: a
// browser without script, and a relying party. Everything is real but the clock,
// which tests may move, and the password hash, which is cheap.
package webtest

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/oidc"
	"cardea/provider/signin"
	"cardea/provider/web"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// API is the registered API of every test issuer.
const (
	API      = "https://api.example.com"
	APIScope = "accounts:read"
)

// Settings are everything that a test may change before the issuer is wired.
type Settings struct {
	Store    *storage.Store // nil = an empty SQLite store
	Protocol oidc.Settings
	People   signin.Settings
	Web      web.Settings
	Pages    loginui.Settings
}

// Issuer is a running issuer.
type Issuer struct {
	T        testing.TB
	URL      string
	Store    *storage.Store
	Ring     *provider.Keyring
	Keys     *oidc.KeySet
	Protocol *oidc.Provider
	People   *signin.Service
	Registry *prometheus.Registry
	Server   *httptest.Server

	ahead atomic.Int64 // nanoseconds that the clock runs ahead
}

// Open starts an issuer; changes may adjust its settings. It stops when t ends.
func Open(t testing.TB, changes ...func(*Settings)) *Issuer {
	t.Helper()
	i := &Issuer{T: t, Registry: prometheus.NewRegistry(), Server: httptest.NewUnstartedServer(nil)}
	i.URL = "http://" + i.Server.Listener.Addr().String()
	var err error
	i.Ring, err = provider.NewKeyring([]provider.SecretKey{{ID: "test", Bytes: []byte("0123456789abcdef0123456789abcdef")}})
	i.must(err)
	set := i.defaults()
	for _, change := range changes {
		change(&set)
	}
	i.URL = set.Web.Issuer
	i.wire(set)
	i.Server.Start()
	t.Cleanup(i.Server.Close)
	return i
}

func (i *Issuer) must(err error) {
	i.T.Helper()
	if err != nil {
		i.T.Fatal(err)
	}
}

// Now is the issuer's time.
func (i *Issuer) Now() time.Time {
	return time.Now().Add(time.Duration(i.ahead.Load())).UTC().Truncate(time.Microsecond)
}

// Wait moves the issuer's clock ahead.
func (i *Issuer) Wait(d time.Duration) { i.ahead.Add(int64(d)) }

func (i *Issuer) defaults() Settings {
	return Settings{
		Protocol: oidc.Settings{
			Issuer: i.URL, Keys: i.Ring, DefaultAlg: "ES256", Code: time.Minute, AccessToken: 5 * time.Minute, IDToken: 5 * time.Minute,
			RefreshIdle: 14 * 24 * time.Hour, RefreshAbsolute: 90 * 24 * time.Hour, RefreshRetry: 30 * time.Second, UILocales: loginui.Languages(),
			APIs: []oidc.API{{Audience: API, Scopes: []string{APIScope}, Introspect: []string{"api"}}}, Now: i.Now,
		},
		People: signin.Settings{
			Keys: i.Ring, Sessions: provider.SessionLimits{Idle: 15 * time.Minute, Absolute: 12 * time.Hour}, Transaction: 30 * time.Minute, Device: 90 * 24 * time.Hour,
			Password: provider.LockoutPolicy{Attempts: 5, Wait: 30 * time.Minute, Locks: 3, Window: 24 * time.Hour},
			Factor:   provider.LockoutPolicy{Attempts: 5, Wait: 15 * time.Minute, Hard: 20, Window: 24 * time.Hour},
			Argon2:   provider.Argon2{MemoryKiB: 64, Time: 1, Parallelism: 1}, HashQueue: 1000, HashWait: time.Minute,
			Channels: []provider.Channel{provider.ChannelMail, provider.ChannelSMS}, Desk: "desk@example.com",
			Policy: provider.SecondFactorOptional, Factors: provider.FactorKinds, Trust: 30 * 24 * time.Hour,
			Passkeys:    signin.Passkeys{RPID: "localhost", RPName: "Example Card", Origins: []string{i.URL}},
			NewPassword: provider.PasswordPolicy{MinLength: 12}, TOTPWindow: 1, Issuer: "Example Card", Now: i.Now,
		},
		Web: web.Settings{
			Issuer: i.URL, Keys: i.Ring, Remember: 180 * 24 * time.Hour, Device: 90 * 24 * time.Hour, Locale: "en",
			Trust: 30 * 24 * time.Hour, Passkeys: true, PasskeyRPID: "localhost", Recovery: true,
			Idle: 15 * time.Minute, SecondFactor: provider.SecondFactorOptional, NewPassword: provider.PasswordPolicy{MinLength: 12},
			Scopes: map[string]web.ScopeText{APIScope: {Title: provider.Text{"en": "Your card account", "sv": "Ditt kortkonto"}}},
			Log:    slog.New(slog.NewJSONHandler(i.T.Output(), nil)), Registry: i.Registry, Now: i.Now,
		},
		Pages: loginui.Settings{Brand: "Example Card", Origin: i.URL, Phone: "010-000 00 00", Hours: "08–20", PasswordMinLength: 12},
	}
}

func (i *Issuer) wire(set Settings) {
	i.T.Helper()
	ctx := context.Background()
	if i.Store = set.Store; i.Store == nil {
		i.Store = storagetest.Open(i.T)
	}
	var err error
	i.Keys, err = oidc.OpenKeys(ctx, i.Store, i.Ring, i.Now)
	i.must(err)
	i.must(i.Keys.Ensure(ctx, set.Protocol.DefaultAlg))
	i.Protocol, err = oidc.New(set.Protocol, i.Store, i.Keys)
	i.must(err)
	i.People, err = signin.New(set.People, i.Store)
	i.must(err)
	ui, err := loginui.New(set.Pages)
	i.must(err)
	i.Server.Config.Handler, err = web.New(set.Web, i.Store, i.Protocol, i.People, ui)
	i.must(err)
}

// Quiet silences the request log, for benchmarks.
func Quiet(set *Settings) { set.Web.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) }

// On runs the issuer on store.
func On(store *storage.Store) func(*Settings) { return func(set *Settings) { set.Store = store } }

// Policy sets when a second factor is asked for.
func Policy(p provider.SecondFactorPolicy) func(*Settings) {
	return func(set *Settings) { set.People.Policy, set.Web.SecondFactor = p, p }
}

// Localhost gives the issuer the host "localhost" in place of an IP address, which real
// browsers bind no passkey to.
func Localhost(set *Settings) {
	address := strings.Replace(set.Web.Issuer, "127.0.0.1", "localhost", 1)
	set.Protocol.Issuer, set.Web.Issuer, set.Pages.Origin = address, address, address
	set.People.Passkeys.RPID, set.People.Passkeys.Origins, set.Web.PasskeyRPID = "localhost", []string{address}, "localhost"
}

// Password is every test person's password.
const Password = "tre lugna hamnar 27"

// Person creates a cardholder with all standard claims.
func (i *Issuer) Person(userID string) *provider.Account {
	i.T.Helper()
	a := &provider.Account{UserID: userID, Locale: "sv", Profile: provider.Profile{
		Name: "Karin Ek", GivenName: "Karin", FamilyName: "Ek", MiddleName: "Maja", Nickname: "Kajsa", PreferredUsername: userID, ProfileURL: "https://example.com/karin",
		Picture: "https://example.com/karin.png", Website: "https://example.com", Gender: "female", Birthdate: "1990-02-03", Zoneinfo: "Europe/Stockholm",
		Email: "karin@example.com", EmailVerified: true, PhoneNumber: "+46700000002", PhoneNumberVerified: true,
		Address: &provider.Address{Formatted: "Exempelgatan 1\n123 45 Provstad", StreetAddress: "Exempelgatan 1", Locality: "Provstad", Region: "Provlän", PostalCode: "123 45", Country: "SE"},
	}}
	i.must(i.People.Create(context.Background(), "cli:test", a, Password, provider.PasswordPolicy{MinLength: 12}))
	return a
}

// Authenticator gives the account an authenticator app and returns its key.
func (i *Issuer) Authenticator(a *provider.Account) string {
	i.T.Helper()
	key, err := i.People.EnrolConfirmedTOTP(context.Background(), "cli:test", a.ID, "App")
	i.must(err)
	return key
}

// Code is what the authenticator app shows at the issuer's time.
func (i *Issuer) Code(key string) string {
	i.T.Helper()
	code, err := signin.CodeAt(key, i.Now())
	i.must(err)
	return code
}
