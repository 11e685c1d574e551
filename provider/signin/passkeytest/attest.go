package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// attest is the attestation object (WebAuthn Level 3 §6.5.4) of an answer.
func attest(n *Answer, auth, client []byte) ([]byte, error) {
	var statement []byte
	format := n.Format
	switch n.Format {
	case "none":
		statement = mapOf()
	case "self":
		format = "packed"
		signature, err := sign(n.Credential.Key, auth, client)
		if err != nil {
			return nil, err
		}
		statement = mapOf(text("alg"), integer(n.Credential.Alg), text("sig"), bytes(signature))
	case "packed":
		key, err := NewKey(ES256)
		if err != nil {
			return nil, err
		}
		certificate, err := modelCertificate(key, n.AAGUID)
		if err != nil {
			return nil, err
		}
		signature, err := sign(key, auth, client)
		if err != nil {
			return nil, err
		}
		statement = mapOf(text("alg"), integer(ES256), text("sig"), bytes(signature), text("x5c"), listOf(bytes(certificate)))
	default: // a format that nobody knows
		statement = mapOf(text("sig"), bytes([]byte{1}))
	}
	return mapOf(text("fmt"), text(format), text("attStmt"), statement, text("authData"), bytes(auth)), nil
}

// modelOID is id-fido-gen-ce-aaguid (§8.2.1).
var modelOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// modelCertificate certifies, by itself, that key attests for a model (§8.2.1).
func modelCertificate(key crypto.Signer, model [16]byte) ([]byte, error) {
	value, err := asn1.Marshal(model[:])
	if err != nil {
		return nil, fmt.Errorf("write model: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		Subject: pkix.Name{
			Country: []string{"SE"}, Organization: []string{"Example Keys"}, OrganizationalUnit: []string{"Authenticator Attestation"},
			CommonName: "Example Keys attestation",
		},
		ExtraExtensions: []pkix.Extension{{Id: modelOID, Value: value}},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certify model: %w", err)
	}
	return certificate, nil
}

// coseKey is a public key as a COSE_Key (RFC 9052 §7, RFC 9053 §7, RFC 8230 §4).
func coseKey(public crypto.PublicKey) ([]byte, error) {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			return nil, fmt.Errorf("write key: %w", err)
		}
		return mapOf(integer(1), integer(2), integer(3), integer(ES256), integer(-1), integer(1),
			integer(-2), bytes(point[1:33]), integer(-3), bytes(point[33:])), nil
	case ed25519.PublicKey:
		return mapOf(integer(1), integer(1), integer(3), integer(EdDSA), integer(-1), integer(6), integer(-2), bytes(k)), nil
	case *rsa.PublicKey:
		return mapOf(integer(1), integer(3), integer(3), integer(RS256), integer(-1), bytes(k.N.Bytes()),
			integer(-2), bytes(big.NewInt(int64(k.E)).Bytes())), nil
	}
	return nil, ErrAlg
}

// The little of CBOR (RFC 8949) that authenticators write.

func head(major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return []byte{major | byte(n)}
	case n < 1<<8:
		return []byte{major | 24, byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{major | 25}, uint16(n))
	default:
		return binary.BigEndian.AppendUint32([]byte{major | 26}, uint32(n))
	}
}

func integer(n int) []byte {
	if n < 0 {
		return head(1, uint64(-1-n))
	}
	return head(0, uint64(n))
}

func bytes(b []byte) []byte { return append(head(2, uint64(len(b))), b...) }

func text(s string) []byte { return append(head(3, uint64(len(s))), s...) }

func listOf(items ...[]byte) []byte {
	return append(head(4, uint64(len(items))), slices.Concat(items...)...)
}

// mapOf is a map of keys and values in turn.
func mapOf(items ...[]byte) []byte {
	return append(head(5, uint64(len(items)/2)), slices.Concat(items...)...)
}
