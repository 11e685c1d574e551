// Package web is everything that answers HTTP: every route stands in routes.go,
// every error becomes a status and a page in errors.go. Handlers read their input,
// call one method of the packages below, and redirect or render; they decide nothing.
package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/text/language"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/oidc"
	"cardea/provider/signin"
	"cardea/storage"
)

// Settings are the issuer's choices for its pages and listener.
type Settings struct {
	Issuer         string // "https://id.example.se"
	Keys           *provider.Keyring
	TrustedProxies []netip.Prefix // whose forwarding headers are believed
	Remember       time.Duration  // how long a remembered User ID lasts
	RememberMasked bool           // show it masked
	Device         time.Duration  // how long a browser stays a known device
	Trust          time.Duration  // how long a device may be trusted; 0 = never
	Passkeys       bool           // passkeys are offered
	PasskeyRPID    string         // host that passkeys are bound to
	RelatedOrigins []string       // other origins that may use them (WebAuthn Level 3 §5.11)
	Recovery       bool           // recovery codes are offered
	Idle           time.Duration  // how long a session lasts without a request; 0 = pages warn of nothing

	SecondFactor provider.SecondFactorPolicy // the issuer's own: where it is required, the last factor stays
	NewPassword  provider.PasswordPolicy     // what a new password must be

	Locale   string               // for browsers that ask for none of ours
	Scopes   map[string]ScopeText // of the registered APIs, by scope
	Log      *slog.Logger
	Registry *prometheus.Registry
	Now      func() time.Time // nil = time.Now
}

// ScopeText says what a scope gives a client, for the consent page.
type ScopeText struct{ Title, Detail provider.Text }

// Server answers all requests of the public listener.
type Server struct {
	set       Settings
	secure    bool // the issuer is https
	host      string
	store     *storage.Store
	oidc      *oidc.Provider
	signin    *signin.Service
	ui        *loginui.UI
	languages language.Matcher
	origins   *http.CrossOriginProtection
	metrics   *metrics
	router    *mux.Router
	handler   http.Handler
}

// New wires the packages below to their routes.
func New(set Settings, store *storage.Store, protocol *oidc.Provider, people *signin.Service, ui *loginui.UI) (*Server, error) {
	issuer, err := url.Parse(set.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, errors.New("issuer: is not an absolute address")
	}
	if set.Now == nil {
		set.Now = time.Now
	}
	s := &Server{set: set, secure: issuer.Scheme == "https", host: issuer.Host, store: store, oidc: protocol, signin: people, ui: ui}
	s.languages = language.NewMatcher(tags(set.Locale))
	s.origins = http.NewCrossOriginProtection()
	s.metrics = newMetrics(set.Registry)
	s.router = s.routes()
	s.handler = s.observe(s.router)
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
