// Package oidc speaks OAuth 2.0 and OpenID Connect: it checks authorization
// requests, issues and spends codes and tokens, and serves userinfo, revocation,
// introspection, logout requests, discovery and the key set. Who somebody is, and
// what pages they see, is decided elsewhere.
//
// It is the only importer of fosite, and no type of fosite leaves it. fosite
// parses and checks requests and runs the grants; client authentication, token
// formats, signing, storage, and every answer that is written are ours.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/handler/pkce"

	"cardea/provider"
	"cardea/storage"
)

// API is a registered resource server: tokens for its scopes are JWTs with its
// audience.
type API struct {
	Audience   string
	Scopes     []string
	Introspect []string // ids of the clients that may introspect its tokens
}

// Settings are the issuer's choices. Durations of zero are not defaults.
type Settings struct {
	Issuer          string // no trailing slash; the iss of everything
	Keys            *provider.Keyring
	APIs            []API
	DefaultAlg      string        // "ES256" or "RS256"
	Code            time.Duration // at most 60 s
	AccessToken     time.Duration
	IDToken         time.Duration
	RefreshIdle     time.Duration
	RefreshAbsolute time.Duration
	RefreshRetry    time.Duration    // a confidential client may repeat a refresh this long
	UILocales       []string         // for discovery
	Now             func() time.Time // nil = time.Now
}

// Provider answers the protocol's requests. It is safe for concurrent use.
type Provider struct {
	set       Settings
	store     *storage.Store
	keys      *KeySet
	library   fosite.OAuth2Provider
	apiOf     map[string]string // scope -> audience
	scopes    []string          // every scope of the issuer
	discovery document
	refusals  sync.Map // client id -> *rate.Limiter, see auditRefusal
}

// New wires the protocol onto store and keys.
func New(set Settings, store *storage.Store, keys *KeySet) (*Provider, error) {
	if set.Now == nil {
		set.Now = func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	}
	p := &Provider{set: set, store: store, keys: keys, apiOf: map[string]string{}, scopes: slices.Clone(provider.StandardScopes)}
	for _, api := range set.APIs {
		for _, s := range api.Scopes {
			if p.apiOf[s] != "" || slices.Contains(provider.StandardScopes, s) {
				return nil, fmt.Errorf("scope %q belongs to two APIs", s)
			}
			p.apiOf[s] = api.Audience
			p.scopes = append(p.scopes, s)
		}
	}
	p.library = fosite.NewOAuth2Provider(adapter{p}, p.config())
	var err error
	p.discovery, err = p.renderDiscovery()
	return p, err
}

// Scopes are the names of all scopes of the issuer.
func (p *Provider) Scopes() []string { return slices.Clone(p.scopes) }

// grants are the grant types offered, in discovery's order.
var grants = []string{provider.GrantCode, provider.GrantRefresh, provider.GrantCredentials}

// config sets every field that fosite would otherwise fill in on first use, and
// none of its defaults is left: several are unsafe.
func (p *Provider) config() *fosite.Config {
	store := adapter{p}
	helper := &openid.IDTokenHandleHelper{IDTokenStrategy: idTokens{p}}
	cfg := &fosite.Config{
		AccessTokenLifespan: p.set.AccessToken, RefreshTokenLifespan: p.set.RefreshIdle, AuthorizeCodeLifespan: p.set.Code, IDTokenLifespan: p.set.IDToken,
		IDTokenIssuer: p.set.Issuer, AccessTokenIssuer: p.set.Issuer,
		EnforcePKCE: true, EnforcePKCEForPublicClients: true, EnablePKCEPlainChallengeMethod: false,
		RefreshTokenScopes: []string{provider.ScopeOffline}, ScopeStrategy: fosite.ExactScopeStrategy, AudienceMatchingStrategy: fosite.ExactAudienceMatchingStrategy,
		MinParameterEntropy:    1, // 0 would mean 8; absent values are replaced before
		AllowedPromptValues:    []string{provider.PromptNone, provider.PromptLogin, provider.PromptConsent, provider.PromptAccount},
		RedirectSecureChecker:  func(_ context.Context, _ *url.URL) bool { return true }, // registration and Begin have checked
		OmitRedirectScopeParam: true, SanitationWhiteList: []string{"code", "redirect_uri"}, DisableRefreshTokenValidation: true,
		TokenURL: p.set.Issuer + "/oauth2/token", GlobalSecret: make([]byte, 32), // its HMAC strategy is not used
		ClientSecretsHasher: refusingHasher{}, HTTPClient: refusingClient(), JWKSFetcherStrategy: refusingFetcher{},
		ClientAuthenticationStrategy: func(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
			if w := workOf(ctx); w.client != nil {
				return client{w.client}, nil
			}
			return nil, fosite.ErrInvalidClient
		},
	}
	explicit := &oauth2.AuthorizeExplicitGrantHandler{
		AccessTokenStrategy: accesses{p}, RefreshTokenStrategy: refreshes{p}, AuthorizeCodeStrategy: codes{p},
		CoreStorage: store, TokenRevocationStorage: store, Config: cfg,
	}
	openidExplicit := &openid.OpenIDConnectExplicitHandler{
		OpenIDConnectRequestStorage: store, OpenIDConnectRequestValidator: openid.NewOpenIDConnectRequestValidator(nil, cfg), // id_token_hint never reaches it
		IDTokenHandleHelper: helper, Config: cfg,
	}
	verifier := &pkce.Handler{AuthorizeCodeStrategy: codes{p}, Storage: store, Config: cfg}
	cfg.AuthorizeEndpointHandlers = fosite.AuthorizeEndpointHandlers{explicit, openidExplicit, verifier}
	cfg.TokenEndpointHandlers = fosite.TokenEndpointHandlers{
		explicit, openidExplicit, verifier,
		&oauth2.RefreshTokenGrantHandler{AccessTokenStrategy: accesses{p}, RefreshTokenStrategy: refreshes{p}, TokenRevocationStorage: store, Config: cfg},
		&openid.OpenIDConnectRefreshHandler{IDTokenHandleHelper: helper, Config: cfg},
		&oauth2.ClientCredentialsGrantHandler{HandleHelper: &oauth2.HandleHelper{AccessTokenStrategy: accesses{p}, AccessTokenStorage: store, Config: cfg}, Config: cfg},
	}
	return cfg
}

// The parts of fosite that must never run answer with errors.
var errUnused = errors.New("not used")

type refusingHasher struct{}

func (refusingHasher) Compare(context.Context, []byte, []byte) error { return errUnused }
func (refusingHasher) Hash(context.Context, []byte) ([]byte, error)  { return nil, errUnused }

type refusingTransport struct{}

func (refusingTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, errUnused }

func refusingClient() *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: refusingTransport{}}
	c.RetryMax, c.Logger = 0, nil
	return c
}
