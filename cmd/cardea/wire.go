package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cardea/config"
	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/oidc"
	"cardea/provider/signin"
	"cardea/provider/web"
	"cardea/storage"
)

// load reads the configuration that the flags name.
func (o *options) load() (config.Config, error) {
	if o.config == "" {
		return config.Config{}, usageError{fmt.Errorf("name the configuration file with --config FILE, or in %s", configVariable)}
	}
	environ := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, configVariable+"=") })
	return config.Load(o.config, environ)
}

// system is an opened issuer: what every command that touches data needs.
type system struct {
	cfg    config.Config
	ring   *provider.Keyring
	store  *storage.Store
	people *signin.Service
}

// open opens the issuer of cfg. The schema is not touched.
func open(ctx context.Context, cfg config.Config, log *slog.Logger) (*system, error) {
	keys := make([]provider.SecretKey, len(cfg.Secrets.Keys))
	for i, k := range cfg.Secrets.Keys {
		raw, err := k.Bytes()
		if err != nil {
			return nil, fmt.Errorf("secrets.keys[%d]: %w", i, err)
		}
		keys[i] = provider.SecretKey{ID: k.ID, Bytes: raw}
	}
	ring, err := provider.NewKeyring(keys)
	if err != nil {
		return nil, err
	}
	store, err := storage.Open(ctx, storage.Settings{URL: cfg.Database.URL.Reveal(), MaxConnections: cfg.Database.MaxConnections, Log: log})
	if err != nil {
		return nil, err
	}
	people, err := signin.New(signinSettings(cfg, ring), store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &system{cfg: cfg, ring: ring, store: store, people: people}, nil
}

func (s *system) close() error { return s.store.Close() }

func signinSettings(cfg config.Config, ring *provider.Keyring) signin.Settings {
	lock, factor := cfg.SignIn.Lockout, cfg.SignIn.FactorLockout
	return signin.Settings{
		Keys: ring, Sessions: provider.SessionLimits{Idle: cfg.SessionIdle(), Absolute: cfg.Session.Absolute.Std()},
		Transaction: cfg.SignIn.Transaction.Std(), Device: cfg.SignIn.Device.Std(),
		Password:        provider.LockoutPolicy{Attempts: lock.Attempts, Wait: lock.Wait.Std(), Locks: lock.Locks, Window: lock.Window.Std()},
		Factor:          provider.LockoutPolicy{Attempts: factor.Attempts, Wait: factor.Wait.Std(), Hard: factor.Hard, Window: 24 * time.Hour},
		Argon2:          provider.Argon2{MemoryKiB: cfg.Password.Argon2.MemoryKiB, Time: cfg.Password.Argon2.Time, Parallelism: cfg.Password.Argon2.Parallelism},
		HashConcurrency: cfg.Password.HashConcurrency(), HashQueue: cfg.Password.Queue, HashWait: cfg.Password.Wait.Std(),
		Policy: provider.SecondFactorPolicy(cfg.SignIn.SecondFactor), TOTPWindow: cfg.SignIn.TOTPWindow, Issuer: cfg.Brand.Name,
		Channels: channels(cfg), Desk: cmp.Or(cfg.Messages.Desk, cfg.Brand.Email), Factors: factorKinds(cfg),
		Trust: cfg.DeviceTrust(), Recent: cfg.SignIn.Recent.Std(), NewPassword: passwordPolicy(cfg),
		Passkeys: signin.Passkeys{
			RPID: cfg.PasskeyRPID(), RPName: cfg.Brand.Name, Origins: append([]string{cfg.Issuer}, cfg.SignIn.Passkeys.Origins...),
			AAGUIDs: cfg.SignIn.Passkeys.AAGUIDs,
		},
		Codes: signin.Codes{
			Life: cfg.SignIn.Codes.Life.Std(), Country: cfg.SignIn.Codes.Country, PerQuarter: cfg.SignIn.Codes.PerQuarter, PerDay: cfg.SignIn.Codes.PerDay,
			PerAddress: cfg.SignIn.Codes.PerAddress, SMSPerHour: cfg.SignIn.Codes.SMSPerHour,
		},
	}
}

// factorKinds are the kinds of second factors that cfg offers.
func factorKinds(cfg config.Config) []provider.FactorKind {
	kinds := make([]provider.FactorKind, len(cfg.SignIn.Factors))
	for i, k := range cfg.SignIn.Factors {
		kinds[i] = provider.FactorKind(k)
	}
	return kinds
}

func passwordPolicy(cfg config.Config) provider.PasswordPolicy {
	return provider.PasswordPolicy{MinLength: cfg.PasswordMinLength(), RequireClasses: cfg.Password.RequireClasses, Context: []string{cfg.Brand.Name, "cardea"}}
}

func protocolSettings(cfg config.Config, ring *provider.Keyring) oidc.Settings {
	t := cfg.Tokens
	set := oidc.Settings{
		Issuer: cfg.Issuer, Keys: ring, DefaultAlg: t.Signing.DefaultAlg, Code: t.Code.Std(), AccessToken: t.Access.Std(), IDToken: t.IDToken.Std(),
		RefreshIdle: t.RefreshIdle.Std(), RefreshAbsolute: t.RefreshAbsolute.Std(), RefreshRetry: t.RefreshRetry.Std(), UILocales: loginui.Languages(),
	}
	for _, api := range cfg.APIs {
		a := oidc.API{Audience: api.Audience, Introspect: api.IntrospectClients}
		for _, scope := range api.Scopes {
			a.Scopes = append(a.Scopes, scope.Name)
		}
		set.APIs = append(set.APIs, a)
	}
	return set
}

// scopes are all scopes of the issuer that cfg describes.
func scopes(cfg config.Config) []string {
	all := slices.Clone(provider.StandardScopes)
	for _, api := range cfg.APIs {
		for _, scope := range api.Scopes {
			all = append(all, scope.Name)
		}
	}
	return all
}

func webSettings(cfg config.Config, ring *provider.Keyring, log *slog.Logger, registry *prometheus.Registry) web.Settings {
	texts := map[string]web.ScopeText{}
	for _, api := range cfg.APIs {
		for _, scope := range api.Scopes {
			texts[scope.Name] = web.ScopeText{
				Title:  provider.Text{"en": scope.Title.EN, "sv": scope.Title.SV},
				Detail: provider.Text{"en": scope.Detail.EN, "sv": scope.Detail.SV},
			}
		}
	}
	return web.Settings{
		Issuer: cfg.Issuer, Keys: ring, TrustedProxies: cfg.Proxy.Trusted, Remember: cfg.SignIn.Remember.Lifetime.Std(),
		RememberMasked: cfg.SignIn.Remember.Display == "masked", Device: cfg.SignIn.Device.Std(), Locale: cfg.Brand.Locale, Scopes: texts, Log: log, Registry: registry,
		Idle: cfg.SessionIdle(), Trust: cfg.DeviceTrust(), SecondFactor: provider.SecondFactorPolicy(cfg.SignIn.SecondFactor), NewPassword: passwordPolicy(cfg),
		Passkeys: cfg.PasskeyRPID() != "" && slices.Contains(cfg.SignIn.Factors, "passkey"), PasskeyRPID: cfg.PasskeyRPID(),
		RelatedOrigins: cfg.SignIn.Passkeys.Origins, Recovery: slices.Contains(cfg.SignIn.Factors, "recovery"),
	}
}

func pageSettings(cfg config.Config, demo bool) (loginui.Settings, error) {
	b := cfg.Brand
	zone, err := time.LoadLocation(b.Timezone)
	if err != nil {
		return loginui.Settings{}, fmt.Errorf("brand.timezone: %w", err)
	}
	return loginui.Settings{
		Brand: b.Name, Origin: cfg.Issuer, Phone: b.Phone, Hours: b.Hours, Email: b.Email, ChatURL: b.ChatURL, PrivacyURL: b.PrivacyURL,
		AccessibilityURL: b.AccessibilityURL, TermsURL: b.TermsURL, Location: zone, Demo: demo, PasswordMinLength: cfg.PasswordMinLength(), TrustDays: int(cfg.DeviceTrust().Hours()) / 24,
	}, nil
}
