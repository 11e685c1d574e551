package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"cardea/provider"
)

// signed is a JWT made by the test itself.
func signed(t *testing.T, key jose.SigningKey, options *jose.SignerOptions, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// forgeries are tokens that say what the genuine one says, by what is wrong with them.
func forgeries(t *testing.T, h *house, genuine string) map[string]string {
	t.Helper()
	header, claims := h.verified(t, genuine, jose.ES256)
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	options := func() *jose.SignerOptions {
		return (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", header.KeyID)
	}
	published := h.jwks(t).Keys[0]
	public, err := published.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(genuine, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	none := b64([]byte(`{"alg":"none","kid":"` + header.KeyID + `","typ":"` + typ + `"}`))
	other := map[string]any{}
	for name, value := range claims {
		other[name] = value
	}
	other["sub"] = "somebody-else"
	changed, _ := json.Marshal(other)
	es256 := func(o *jose.SignerOptions) string {
		return signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: mine}, o, claims)
	}
	return map[string]string{
		"alg none":                   none + "." + parts[1] + ".",
		"alg none, old signature":    none + "." + parts[1] + "." + parts[2],
		"other claims":               parts[0] + "." + b64(changed) + "." + parts[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"two parts":                  parts[0] + "." + parts[1],
		"foreign key":                es256(options()),
		"foreign key without kid":    es256((&jose.SignerOptions{}).WithType(jose.ContentType(typ))),
		"foreign key in the header":  es256(&jose.SignerOptions{EmbedJWK: true, ExtraHeaders: map[jose.HeaderKey]any{"typ": typ}}),
		"foreign key by address":     es256(options().WithHeader("jku", "https://evil.example/jwks")),
		"public key as HMAC secret":  signed(t, jose.SigningKey{Algorithm: jose.HS256, Key: public}, options(), claims),
		"another issuer's key by id": es256((&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", "unknown")),
	}
}

// ownKey is the issuer's current ES256 key: what a mistake of ours elsewhere might sign with it.
func (h *house) ownKey(t *testing.T) jose.SigningKey {
	t.Helper()
	rows, err := h.Store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Algorithm != "ES256" || row.State != provider.KeyCurrent {
			continue
		}
		der, err := h.Ring.Open(provider.ForSealing, row.Private, provider.AAD("signing_keys", "private", row.ID))
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			t.Fatal(err)
		}
		return jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: row.ID}}
	}
	t.Fatal("there is no current key")
	return jose.SigningKey{}
}

// variant is one claim of a token changed; a nil value leaves the claim out.
type variant struct {
	name, typ, claim string
	value            any
}

// remade is token with v, signed with the issuer's own key.
func (h *house) remade(t *testing.T, token string, v variant) string {
	t.Helper()
	_, claims := h.verified(t, token, jose.ES256)
	if claims[v.claim] = v.value; v.value == nil {
		delete(claims, v.claim)
	}
	options := &jose.SignerOptions{}
	if v.typ != "" {
		options.WithType(jose.ContentType(v.typ))
	}
	return signed(t, h.ownKey(t), options, claims)
}

// forged is a JWT signed with a key of the test's own.
func forged(t *testing.T, key any, kid string, claims map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid)
	return signed(t, jose.SigningKey{Algorithm: jose.ES256, Key: key}, options, claims)
}
