package signin

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"cardea/provider"
)

// ceremonies are the WebAuthn ceremonies (WebAuthn Level 3 §7), done with go-webauthn,
// with the checks that it leaves to its callers or does more loosely than we want.
// Errors of read, of what it returns and of made tell why an answer is wrong; those of
// the others are faults of ours.
type ceremonies struct {
	set Passkeys
	web *webauthn.WebAuthn
}

// offered are the algorithms that credentials may sign with, preferred first: those
// that WebAuthn Level 3 §5.4 recommends.
var offered = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}

func newCeremonies(set Passkeys) (*ceremonies, error) {
	limit := webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyLife, TimeoutUVD: ceremonyLife}
	attestation := protocol.PreferNoAttestation
	if len(set.AAGUIDs) > 0 {
		attestation = protocol.PreferDirectAttestation
	}
	web, err := webauthn.New(&webauthn.Config{
		RPID: set.RPID, RPDisplayName: set.RPName, RPOrigins: set.Origins,
		AttestationPreference: attestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyNotRequired(), ResidentKey: protocol.ResidentKeyRequirementPreferred,
			UserVerification: protocol.VerificationPreferred,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: limit, Registration: limit},
		// Some password managers answer extensions that nobody asked for (§7.2 step 19
		// lets us ignore them). Nothing but credProps is looked at.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, err
	}
	return &ceremonies{set: set, web: web}, nil
}

// holder is an account as go-webauthn sees it.
type holder struct {
	account *provider.Account
	keys    []provider.Factor
}

func (h holder) WebAuthnID() []byte   { return []byte(h.account.ID) }
func (h holder) WebAuthnName() string { return h.account.UserID }

func (h holder) WebAuthnDisplayName() string {
	if h.account.Profile.Name != "" {
		return h.account.Profile.Name
	}
	return h.account.UserID
}

func (h holder) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, 0, len(h.keys))
	for _, f := range h.keys {
		p := f.Passkey
		id, err := base64.RawURLEncoding.DecodeString(p.CredentialID)
		if err != nil || len(id) == 0 {
			continue // nobody can answer with it
		}
		c := webauthn.Credential{ID: id, PublicKey: p.PublicKey, AttestationFormat: p.Attestation}
		c.Flags.UserVerified, c.Flags.BackupEligible, c.Flags.BackupState = p.UserVerified, p.BackupEligible, p.BackedUp
		for _, t := range p.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, c)
	}
	return out
}

func (h holder) descriptors() []protocol.CredentialDescriptor {
	return webauthn.Credentials(h.WebAuthnCredentials()).CredentialDescriptors()
}

// get asks for an assertion: by one of keys, all of them account's, or where account
// is nil by any discoverable credential whose authenticator verifies its user.
func (w *ceremonies) get(account *provider.Account, keys []provider.Factor) (options, session []byte, err error) {
	var ask *protocol.CredentialAssertion
	var expect *webauthn.SessionData
	if account == nil {
		ask, expect, err = w.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	} else {
		ask, expect, err = w.web.BeginLogin(holder{account, keys}, webauthn.WithUserVerification(protocol.VerificationPreferred))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	return written(ask, expect)
}

// create asks account's owner for a new credential on an authenticator that holds none
// of keys.
func (w *ceremonies) create(account *provider.Account, keys []provider.Factor) (options, session []byte, err error) {
	h := holder{account, keys}
	ask, expect, err := w.web.BeginRegistration(h, webauthn.WithCredentialParameters(offered), webauthn.WithExclusions(h.descriptors()),
		webauthn.WithExtensions(webauthn.WithExtensionCredProps()))
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a new passkey: %w", err)
	}
	return written(ask, expect)
}

// written is the options and the session as JSON.
func written(ask, expect any) (options, session []byte, err error) {
	if options, err = json.Marshal(ask); err != nil {
		return nil, nil, fmt.Errorf("write passkey options: %w", err)
	}
	if session, err = json.Marshal(expect); err != nil {
		return nil, nil, fmt.Errorf("write passkey session: %w", err)
	}
	return options, session, nil
}

var (
	errTooLong = errors.New("answer is too long")
	errOrigin  = errors.New("answer is of another origin")
	errKey     = errors.New("key is of a kind that was not asked for")
)

// fromOurs refuses what does not come from one of our own pages. go-webauthn compares
// origins as equal addresses, and forgets paths and users in them.
func (w *ceremonies) fromOurs(c protocol.CollectedClientData) error {
	if !slices.Contains(w.set.Origins, c.Origin) || c.CrossOrigin || c.TopOrigin != "" {
		return errOrigin
	}
	return nil
}

// read parses the answer to get. The function that it returns looks whether it is
// right, for account and its keys.
func (w *ceremonies) read(response string) (string, func([]byte, *provider.Account, []provider.Factor) (use, error), error) {
	if len(response) > maxResponse {
		return "", nil, errTooLong
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes([]byte(response))
	if err != nil {
		return "", nil, err
	}
	id := base64.RawURLEncoding.EncodeToString(answer.RawID)
	return id, func(session []byte, account *provider.Account, keys []provider.Factor) (use, error) {
		return w.check(answer, session, holder{account, keys})
	}, nil
}

func (w *ceremonies) check(answer *protocol.ParsedCredentialAssertionData, session []byte, h holder) (use, error) {
	var expect webauthn.SessionData
	if err := json.Unmarshal(session, &expect); err != nil {
		return use{}, fmt.Errorf("read passkey session: %w", err)
	}
	if err := w.fromOurs(answer.Response.CollectedClientData); err != nil {
		return use{}, err
	}
	var err error
	if len(expect.UserID) == 0 {
		_, _, err = w.web.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return h, nil }, expect, answer)
	} else {
		_, err = w.web.ValidateLogin(h, expect, answer)
	}
	if err != nil {
		return use{}, err
	}
	return used(answer.Response.AuthenticatorData), nil
}

func used(d protocol.AuthenticatorData) use {
	return use{counter: int64(d.Counter), verified: d.Flags.HasUserVerified(), backedUp: d.Flags.HasBackupState()}
}

// made checks the answer to create: provider.Forbidden for an authenticator of a model
// that may not be used.
func (w *ceremonies) made(session []byte, response string, account *provider.Account) (*provider.Passkey, use, error) {
	if len(response) > maxResponse {
		return nil, use{}, errTooLong
	}
	answer, err := protocol.ParseCredentialCreationResponseBytes([]byte(response))
	if err != nil {
		return nil, use{}, err
	}
	var expect webauthn.SessionData
	if err := json.Unmarshal(session, &expect); err != nil {
		return nil, use{}, fmt.Errorf("read passkey session: %w", err)
	}
	if err := w.fromOurs(answer.Response.CollectedClientData); err != nil {
		return nil, use{}, err
	}
	made, err := w.web.CreateCredential(holder{account: account}, expect, answer)
	if err != nil {
		return nil, use{}, w.attestationFault(err)
	}
	if err := usable(made.PublicKey); err != nil {
		return nil, use{}, err
	}
	key := passkeyOf(made)
	return key, used(answer.Response.AttestationObject.AuthData), w.permit(key, made.AttestationType)
}

// attestationFault is provider.Forbidden for an attestation that does not hold, where
// one is needed.
func (w *ceremonies) attestationFault(err error) error {
	var fault *protocol.Error
	kinds := []string{protocol.ErrInvalidAttestation.Type, protocol.ErrAttestation.Type, protocol.ErrAttestationCertificate.Type}
	if len(w.set.AAGUIDs) > 0 && errors.As(err, &fault) && slices.Contains(kinds, fault.Type) {
		return provider.Forbidden
	}
	return err
}

// permit refuses authenticators of models that the issuer has not listed. One that
// attests nothing, or with the very key that it has made, shows no model.
func (w *ceremonies) permit(key *provider.Passkey, attested string) error {
	if len(w.set.AAGUIDs) == 0 {
		return nil
	}
	listed := slices.ContainsFunc(w.set.AAGUIDs, func(id string) bool { return strings.EqualFold(id, key.AAGUID) })
	if !listed || key.Attestation == string(protocol.AttestationFormatNone) || attested == selfAttested || attested == "" {
		return provider.Forbidden
	}
	return nil
}

// selfAttested is go-webauthn's name for self attestation (WebAuthn Level 3 §6.5.3).
const selfAttested = "basic_surrogate"

// usable refuses keys that no right signature can be made with, or too weak ones.
// go-webauthn looks at the algorithm's number alone where nothing is attested.
func usable(publicKey []byte) error {
	parsed, err := webauthncose.ParsePublicKey(publicKey)
	if err != nil {
		return err
	}
	ok := false
	switch k := parsed.(type) {
	case webauthncose.EC2PublicKeyData:
		ok = webauthncose.COSEAlgorithmIdentifier(k.Algorithm) == webauthncose.AlgES256
	case webauthncose.OKPPublicKeyData:
		ok = webauthncose.COSEAlgorithmIdentifier(k.Algorithm) == webauthncose.AlgEdDSA
	case webauthncose.RSAPublicKeyData:
		bits := len(k.Modulus) * 8
		ok = webauthncose.COSEAlgorithmIdentifier(k.Algorithm) == webauthncose.AlgRS256 && bits >= 2048 && bits <= 8192
	}
	if !ok {
		return errKey
	}
	return nil
}

// transports are those that are worth telling a browser again (WebAuthn Level 3 §5.8.4).
var transports = []protocol.AuthenticatorTransport{
	protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal,
}

func passkeyOf(c *webauthn.Credential) *provider.Passkey {
	p := &provider.Passkey{
		CredentialID: base64.RawURLEncoding.EncodeToString(c.ID), PublicKey: c.PublicKey,
		Attestation: c.AttestationFormat, Attachment: string(c.Authenticator.Attachment),
		UserVerified: c.Flags.UserVerified, BackupEligible: c.Flags.BackupEligible, BackedUp: c.Flags.BackupState,
		Discoverable: c.Extensions.RK != nil && *c.Extensions.RK,
	}
	if model, err := uuid.FromBytes(c.Authenticator.AAGUID); err == nil {
		p.AAGUID = model.String()
	}
	for _, t := range transports {
		if slices.Contains(c.Transport, t) {
			p.Transports = append(p.Transports, string(t))
		}
	}
	return p
}
