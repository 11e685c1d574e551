// Package passkeytest is an authenticator and a browser in software, for tests of
// WebAuthn: it makes credentials and answers with them as navigator.credentials does,
// and can get every part of an answer wrong.
//
//	key := passkeytest.New()
//	response, err := key.Create(options, "https://id.example")  // PublicKeyCredential.toJSON()
//	response, err = key.Get(options, "https://id.example")
//
// options are the JSON texts {"publicKey": …} that the provider gives. Unlike a browser
// it answers whatever the origin and the relying party are, and whether or not its user
// was to be verified: the provider is there to refuse.
//
// Before changes what is signed, After what is sent:
//
//	key.Before = func(a *passkeytest.Answer) { a.Flags &^= passkeytest.UV }
//	key.After = func(m map[string]any) { m["type"] = "password" }
package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// The algorithms that an Authenticator can sign with (COSE, RFC 9053 and RFC 8812).
const (
	ES256 = -7
	EdDSA = -8
	RS256 = -257
)

// The flags of authenticator data (WebAuthn Level 3 §6.1).
const (
	UP byte = 1 << 0 // the user was present
	UV byte = 1 << 2 // the user was verified
	BE byte = 1 << 3 // the credential may be copied to other devices
	BS byte = 1 << 4 // it has been
	AT byte = 1 << 6 // the data of a new credential follows
	ED byte = 1 << 7 // extensions follow; none are ever written
)

// Errors that a browser has too.
var (
	ErrExcluded = errors.New("InvalidStateError: this authenticator holds an excluded credential")
	ErrNone     = errors.New("NotAllowedError: this authenticator holds none of the credentials")
	ErrAlg      = errors.New("NotSupportedError: none of the algorithms is known")
)

// Authenticator holds credentials of any number of accounts and relying parties. Its
// fields may be changed between calls; one call runs at a time.
type Authenticator struct {
	Flags       byte     // of every answer; Create adds AT
	Step        uint32   // by which a credential's counter rises at every use; 0 = always 0, as synced passkeys have it
	Resident    bool     // new credentials are discoverable
	Alg         int      // of new credentials; 0 = the first offered one that is known
	AAGUID      [16]byte // its model
	Attestation string   // "none", "self" (packed, by the new key itself) or "packed" (by a certificate for the model)
	Attachment  string   // "platform" or "cross-platform"
	Transports  []string
	Credentials []*Credential // newest last; the newest that fits answers

	Before func(*Answer)        // may change all that is signed
	After  func(map[string]any) // may change the JSON that is sent

	mu sync.Mutex
}

// Credential is one that an Authenticator holds.
type Credential struct {
	ID         []byte
	RPID       string
	UserHandle []byte
	Alg        int
	Counter    uint32
	Resident   bool
	Key        crypto.Signer
}

// Answer is an answer before it is signed.
type Answer struct {
	Credential *Credential

	// Client data (WebAuthn Level 3 §5.8.1).
	Type        string
	Challenge   string // base64url, as received
	Origin      string
	CrossOrigin bool
	TopOrigin   string // "" = left out

	// Authenticator data (§6.1).
	RPIDHash []byte
	Flags    byte
	Counter  uint32

	// Create only (§6.5.1).
	AAGUID       [16]byte
	CredentialID []byte
	PublicKey    []byte // COSE key
	Format       string // of the attestation, as Authenticator.Attestation

	Tail []byte // after the authenticator data
}

// New is an authenticator that verifies its user and keeps its credentials to itself.
func New() *Authenticator {
	return &Authenticator{
		Flags: UP | UV, Step: 1, Resident: true, Attestation: "none", Attachment: "platform", Transports: []string{"internal"},
	}
}

// NewSynced is an authenticator whose maker copies credentials to other devices.
func NewSynced() *Authenticator {
	a := New()
	a.Flags, a.Step, a.Transports = UP|UV|BE|BS, 0, []string{"internal", "hybrid"}
	return a
}

// NewSecurityKey is a security key without a PIN: it verifies nobody, and its
// credentials are not discoverable.
func NewSecurityKey() *Authenticator {
	a := New()
	a.Flags, a.Resident, a.Attachment, a.Transports = UP, false, "cross-platform", []string{"usb"}
	return a
}

type descriptor struct {
	ID string `json:"id"`
}

type options struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		RP        struct {
			ID string `json:"id"`
		} `json:"rp"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
		Params []struct {
			Alg int `json:"alg"`
		} `json:"pubKeyCredParams"`
		Allow   []descriptor `json:"allowCredentials"`
		Exclude []descriptor `json:"excludeCredentials"`
	} `json:"publicKey"`
}

// Create makes a credential by the creation options and gives what the browser would
// send. It fails with ErrExcluded when it holds one of excludeCredentials.
func (a *Authenticator) Create(optionsJSON []byte, origin string) (response string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var o options
	if err := json.Unmarshal(optionsJSON, &o); err != nil {
		return "", fmt.Errorf("read creation options: %w", err)
	}
	if a.find(o.PublicKey.Exclude, o.PublicKey.RP.ID) != nil {
		return "", ErrExcluded
	}
	c, err := a.newCredential(o)
	if err != nil {
		return "", err
	}
	public, err := coseKey(c.Key.Public())
	if err != nil {
		return "", err
	}
	answer := a.answer(c, o, "webauthn.create", origin)
	answer.Flags |= AT
	answer.AAGUID, answer.CredentialID, answer.PublicKey, answer.Format = a.AAGUID, c.ID, public, a.Attestation
	if a.Before != nil {
		a.Before(answer)
	}
	client, auth, err := answer.signed()
	if err != nil {
		return "", err
	}
	attested, err := attest(answer, auth, client)
	if err != nil {
		return "", err
	}
	a.Credentials = append(a.Credentials, c)
	return a.send(answer.CredentialID, map[string]any{
		"clientDataJSON": b64(client), "attestationObject": b64(attested), "authenticatorData": b64(auth), "publicKeyAlgorithm": c.Alg,
		"transports": a.Transports,
	}, map[string]any{"credProps": map[string]any{"rk": c.Resident}})
}

// Get answers request options with the newest credential that fits, and gives what the
// browser would send. It fails with ErrNone when there is none.
func (a *Authenticator) Get(optionsJSON []byte, origin string) (response string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var o options
	if err := json.Unmarshal(optionsJSON, &o); err != nil {
		return "", fmt.Errorf("read request options: %w", err)
	}
	c := a.find(o.PublicKey.Allow, o.PublicKey.RPID)
	if len(o.PublicKey.Allow) == 0 {
		c = a.resident(o.PublicKey.RPID)
	}
	if c == nil {
		return "", ErrNone
	}
	c.Counter += a.Step
	answer := a.answer(c, o, "webauthn.get", origin)
	if a.Before != nil {
		a.Before(answer)
	}
	client, auth, err := answer.signed()
	if err != nil {
		return "", err
	}
	signature, err := sign(answer.Credential.Key, auth, client)
	if err != nil {
		return "", err
	}
	sent := map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(auth), "signature": b64(signature)}
	if c.Resident {
		sent["userHandle"] = b64(c.UserHandle)
	}
	return a.send(c.ID, sent, map[string]any{})
}

func (a *Authenticator) find(among []descriptor, rpID string) *Credential {
	for _, c := range slices.Backward(a.Credentials) {
		if c.RPID == rpID && slices.Contains(among, descriptor{b64(c.ID)}) {
			return c
		}
	}
	return nil
}

func (a *Authenticator) resident(rpID string) *Credential {
	for _, c := range slices.Backward(a.Credentials) {
		if c.RPID == rpID && c.Resident {
			return c
		}
	}
	return nil
}

func (a *Authenticator) newCredential(o options) (*Credential, error) {
	c := &Credential{ID: make([]byte, 32), RPID: o.PublicKey.RP.ID, Alg: a.Alg, Resident: a.Resident}
	_, _ = rand.Read(c.ID) // crypto/rand never fails: it ends the program instead
	for _, p := range o.PublicKey.Params {
		if c.Alg == 0 && (p.Alg == ES256 || p.Alg == EdDSA || p.Alg == RS256) {
			c.Alg = p.Alg
		}
	}
	var err error
	if c.UserHandle, err = base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID); err != nil {
		return nil, fmt.Errorf("read user.id: %w", err)
	}
	c.Key, err = NewKey(c.Alg)
	return c, err
}

// NewKey makes a key pair for an algorithm.
func NewKey(alg int) (crypto.Signer, error) {
	switch alg {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, ErrAlg
}

func (a *Authenticator) answer(c *Credential, o options, kind, origin string) *Answer {
	hash := sha256.Sum256([]byte(c.RPID))
	return &Answer{
		Credential: c, Type: kind, Challenge: o.PublicKey.Challenge, Origin: origin,
		RPIDHash: hash[:], Flags: a.Flags, Counter: c.Counter,
	}
}

// signed is the client data and the authenticator data that a signature covers.
func (n *Answer) signed() (client, auth []byte, err error) {
	data := map[string]any{"type": n.Type, "challenge": n.Challenge, "origin": n.Origin, "crossOrigin": n.CrossOrigin}
	if n.TopOrigin != "" {
		data["topOrigin"] = n.TopOrigin
	}
	if client, err = json.Marshal(data); err != nil {
		return nil, nil, fmt.Errorf("write client data: %w", err)
	}
	auth = append(slices.Clone(n.RPIDHash), n.Flags)
	auth = binary.BigEndian.AppendUint32(auth, n.Counter)
	if n.PublicKey != nil && n.Flags&AT != 0 {
		auth = append(auth, n.AAGUID[:]...)
		auth = binary.BigEndian.AppendUint16(auth, uint16(len(n.CredentialID)))
		auth = append(append(auth, n.CredentialID...), n.PublicKey...)
	}
	return client, append(auth, n.Tail...), nil
}

// sign signs as §6.3.3 and §8.2 have it.
func sign(key crypto.Signer, auth, client []byte) ([]byte, error) {
	hash := sha256.Sum256(client)
	message := slices.Concat(auth, hash[:])
	if _, plain := key.(ed25519.PrivateKey); plain {
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	digest := sha256.Sum256(message)
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// send is PublicKeyCredential.toJSON().
func (a *Authenticator) send(id []byte, answer, extensions map[string]any) (string, error) {
	sent := map[string]any{
		"id": b64(id), "rawId": b64(id), "type": "public-key", "authenticatorAttachment": a.Attachment,
		"response": answer, "clientExtensionResults": extensions,
	}
	if a.After != nil {
		a.After(sent)
	}
	text, err := json.Marshal(sent)
	if err != nil {
		return "", fmt.Errorf("write answer: %w", err)
	}
	return string(text), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
