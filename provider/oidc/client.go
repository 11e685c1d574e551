package oidc

import (
	jose "github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"

	"cardea/provider"
)

// client shows a provider.Client to fosite.
type client struct{ *provider.Client }

var (
	_ fosite.Client              = client{}
	_ fosite.OpenIDConnectClient = client{}
	_ fosite.ResponseModeClient  = client{}
)

func (c client) GetID() string                       { return c.ID }
func (c client) GetHashedSecret() []byte             { return nil } // fosite never compares secrets
func (c client) GetRedirectURIs() []string           { return c.RedirectURIs }
func (c client) GetGrantTypes() fosite.Arguments     { return c.GrantTypes }
func (c client) GetResponseTypes() fosite.Arguments  { return fosite.Arguments{"code"} }
func (c client) GetScopes() fosite.Arguments         { return c.Scopes }
func (c client) IsPublic() bool                      { return c.Public() }
func (c client) GetAudience() fosite.Arguments       { return nil }
func (c client) GetRequestURIs() []string            { return nil } // request_uri is refused before fosite
func (c client) GetJSONWebKeys() *jose.JSONWebKeySet { return nil }
func (c client) GetJSONWebKeysURI() string           { return "" }

// GetRequestObjectSigningAlgorithm is unused: request objects are refused first.
func (c client) GetRequestObjectSigningAlgorithm() string     { return "" }
func (c client) GetTokenEndpointAuthMethod() string           { return c.AuthMethod }
func (c client) GetTokenEndpointAuthSigningAlgorithm() string { return "" }
func (c client) GetResponseModes() []fosite.ResponseModeType {
	return []fosite.ResponseModeType{fosite.ResponseModeDefault, fosite.ResponseModeQuery}
}
