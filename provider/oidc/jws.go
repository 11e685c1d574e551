package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	jose "github.com/go-jose/go-jose/v4"
)

var b64 = base64.RawURLEncoding

// signJWS gives claims as a compact JWS (RFC 7515 §7.1) with the header typ,
// signed by key. It is written out because it is the cost of every token: the
// encoded header is made once per key and type.
func signJWS(key *signingKey, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	header := key.headers[typ]
	out := make([]byte, 0, len(header)+1+b64.EncodedLen(len(payload))+1+b64.EncodedLen(key.signatureSize))
	out = append(out, header...)
	out = append(out, '.')
	out = b64.AppendEncode(out, payload)
	sum := sha256.Sum256(out)
	signature, err := key.sign(sum[:])
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", key.id, err)
	}
	out = append(out, '.')
	return string(b64.AppendEncode(out, signature)), nil
}

// sign makes the signature of RFC 7518 §3.3 (RS256) or §3.4 (ES256: r and s, 32
// bytes each) over a SHA-256 digest.
func (k *signingKey) sign(digest []byte) ([]byte, error) {
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		der, err := ecdsa.SignASN1(rand.Reader, private, digest)
		if err != nil {
			return nil, err
		}
		return rawECDSA(der)
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest)
	}
	return nil, errors.New("key is neither ECDSA nor RSA")
}

// rawECDSA turns SEQUENCE{r,s} of a P-256 signature into r‖s. All lengths are
// below 128, so DER's short form is the only one.
func rawECDSA(der []byte) ([]byte, error) {
	out := make([]byte, 64)
	if len(der) < 8 || der[0] != 0x30 {
		return nil, errors.New("ECDSA signature is not DER")
	}
	rest := der[2:]
	for i := range 2 {
		if len(rest) < 2 || rest[0] != 2 || len(rest) < 2+int(rest[1]) {
			return nil, errors.New("ECDSA signature is not DER")
		}
		n := new(big.Int).SetBytes(rest[2 : 2+int(rest[1])])
		if n.BitLen() > 256 {
			return nil, errors.New("ECDSA signature is not P-256")
		}
		n.FillBytes(out[32*i : 32*i+32])
		rest = rest[2+int(rest[1]):]
	}
	return out, nil
}

// maxJWT is the longest token that we take apart, in bytes.
const maxJWT = 16 << 10

// verifyJWS gives the claims of a compact JWS that one of our published keys
// signed and whose typ is as wanted. Nothing else of it is checked.
func (s *KeySet) verifyJWS(token, typ string) (map[string]any, error) {
	if len(token) > maxJWT {
		return nil, errors.New("token is too long")
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		return nil, fmt.Errorf("parsing: %w", err)
	}
	header := signed.Signatures[0].Protected
	key := s.current().byID[header.KeyID]
	if key == nil || string(header.Algorithm) != key.algorithm {
		return nil, errors.New("signed by a key that is not ours")
	}
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return nil, fmt.Errorf("typ is %q, not %q", got, typ)
	}
	payload, err := signed.Verify(key.public)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return claims, nil
}

// The typ headers of the tokens that we sign.
const (
	typID     = "JWT"
	typAccess = "at+jwt" // RFC 9068 §2.1
)
