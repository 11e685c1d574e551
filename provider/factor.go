package provider

import (
	"slices"
	"time"
)

// FactorKind names a second factor's method, as in routes, settings and text keys.
type FactorKind string

// The second factors.
const (
	FactorPasskey  FactorKind = "passkey"  // WebAuthn: a passkey or a security key
	FactorTOTP     FactorKind = "totp"     // RFC 6238: an authenticator app
	FactorSMS      FactorKind = "sms"      // a code to the verified phone number
	FactorEmail    FactorKind = "email"    // a code to the verified e-mail address
	FactorRecovery FactorKind = "recovery" // codes that were saved on paper
)

// FactorKinds lists every kind, the strongest first: the order in which they are
// offered.
var FactorKinds = []FactorKind{FactorPasskey, FactorTOTP, FactorSMS, FactorEmail, FactorRecovery}

// Factor is one second factor of an account. An account has at most one confirmed
// factor each of the kinds sms, email and recovery, and any number of the others.
type Factor struct {
	ID        string
	AccountID string
	Kind      FactorKind
	Name      string // what its owner calls it; "" for kinds of which there is one
	Secret    []byte // TOTP: sealed under AAD("factors", "secret", ID); empty for other kinds
	// LastStep only ever rises: the last TOTP time step that was accepted, or the
	// signature counter of a passkey.
	LastStep  int64
	Passkey   *Passkey // FactorPasskey only
	Confirmed bool     // proven once; before that it protects nothing
	Created   time.Time
	LastUsed  time.Time // zero = never
}

// Passkey is the public half of a WebAuthn credential (WebAuthn Level 3 §4,
// credential record).
type Passkey struct {
	CredentialID   string   `json:"-"`                      // base64url without padding; unique over all accounts
	PublicKey      []byte   `json:"public_key"`             // COSE key
	AAGUID         string   `json:"aaguid,omitempty"`       // the authenticator's model, as a UUID; zero UUID when it tells none
	Attestation    string   `json:"attestation,omitempty"`  // attestation statement format
	Transports     []string `json:"transports,omitempty"`   // as the authenticator told
	Attachment     string   `json:"attachment,omitempty"`   // "platform" or "cross-platform"
	UserVerified   bool     `json:"uv,omitempty"`           // its authenticator has verified its user at least once
	BackupEligible bool     `json:"be,omitempty"`           // its maker may copy it to other devices; never changes
	BackedUp       bool     `json:"bs,omitempty"`           // it has been copied, when last used
	Discoverable   bool     `json:"discoverable,omitempty"` // can be used without a User ID
}

// Strong tells whether factors of this kind count as a strong one, of which an
// account that needs a second factor must keep at least one. Recovery codes only
// stand in for another.
func (k FactorKind) Strong() bool { return k != FactorRecovery && k.Known() }

// Known tells whether k is one of FactorKinds.
func (k FactorKind) Known() bool { return slices.Contains(FactorKinds, k) }

// Reaches is the highest level that a password and a factor of kind k add up to.
func (k FactorKind) Reaches() Level {
	if k == FactorPasskey {
		return LevelPhishingResistant
	}
	return LevelTwoFactor
}

// Level is how strongly somebody has been authenticated.
type Level int

// The levels, in rising order.
const (
	LevelNone              Level = 0
	LevelOneFactor         Level = 1
	LevelTwoFactor         Level = 2
	LevelPhishingResistant Level = 3 // two factors, of which one proves itself to our origin only
)

// The acr values (OpenID Connect Core §2) that we assert and accept in acr_values.
const (
	ACROneFactor         = "urn:cardea:acr:1fa"
	ACRTwoFactor         = "urn:cardea:acr:2fa"
	ACRPhishingResistant = "urn:cardea:acr:phr"
)

// ACRs lists every acr value, lowest first.
var ACRs = []string{ACROneFactor, ACRTwoFactor, ACRPhishingResistant}

// ACR is the acr value of a level; LevelNone has none.
func (l Level) ACR() string {
	if l < LevelOneFactor || int(l) > len(ACRs) {
		return ""
	}
	return ACRs[l-1]
}

// LevelOf is the level that an acr value asks for, LevelNone for an unknown one.
func LevelOf(acr string) Level {
	return Level(slices.Index(ACRs, acr) + 1)
}

// The methods by which somebody proves who they are, as sessions and grants keep
// them. They tell more than amr values do: see AMR.
const (
	MethodPassword = "pwd"
	MethodTOTP     = "otp"
	MethodSMS      = "sms"
	MethodEmail    = "email"
	MethodRecovery = "recovery"
	MethodHardKey  = "hwk" // a passkey that stays on its device
	MethodSoftKey  = "swk" // a passkey that its maker may copy to other devices
	MethodVerified = "uv"  // and its authenticator has verified its user
)

// methods lists every method with the kind of factor it uses, in the order in which
// they are kept.
var methods = []struct {
	name string
	kind FactorKind // "" = none
	amr  []string   // RFC 8176 §2
}{
	{MethodPassword, "", []string{"pwd"}},
	{MethodTOTP, FactorTOTP, []string{"otp"}},
	{MethodSMS, FactorSMS, []string{"sms", "mca"}},
	{MethodEmail, FactorEmail, []string{"otp", "mca"}},
	{MethodRecovery, FactorRecovery, []string{"otp"}},
	{MethodHardKey, FactorPasskey, []string{"hwk", "user"}},
	{MethodSoftKey, FactorPasskey, []string{"swk", "user"}},
	{MethodVerified, "", nil},
}

// MethodOf is the method that a code of a factor kind proves; "" for a passkey, whose
// methods depend on the key.
func MethodOf(k FactorKind) string {
	if k == FactorPasskey {
		return ""
	}
	for _, m := range methods {
		if m.kind == k && k != "" {
			return m.name
		}
	}
	return ""
}

// PasskeyMethods are the methods that using a passkey proves.
func PasskeyMethods(p *Passkey, userVerified bool) []string {
	out := []string{MethodHardKey}
	if p.BackupEligible {
		out = []string{MethodSoftKey}
	}
	if userVerified {
		out = append(out, MethodVerified)
	}
	return out
}

// shown is what kinds of proof methods hold.
func shown(proven []string) (password, factor, key, verified bool) {
	for _, m := range methods {
		if slices.Contains(proven, m.name) {
			password = password || m.name == MethodPassword
			verified = verified || m.name == MethodVerified
			factor = factor || m.kind != ""
			key = key || m.kind == FactorPasskey
		}
	}
	return password, factor, key, verified
}

// LevelFrom is the level that methods add up to. A password and a second factor are
// two factors, and so is a passkey whose authenticator has verified its user.
func LevelFrom(proven []string) Level {
	password, factor, key, verified := shown(proven)
	switch {
	case !password && !factor:
		return LevelNone
	case !(password && factor) && !(key && verified):
		return LevelOneFactor
	case key:
		return LevelPhishingResistant
	default:
		return LevelTwoFactor
	}
}

// Identifies tells whether methods say who somebody is: a password does, and a
// passkey whose authenticator has verified its user. A code alone does not.
func Identifies(proven []string) bool {
	password, _, key, verified := shown(proven)
	return password || key && verified
}

// AddMethods is proven with added, without doubles, in a fixed order.
func AddMethods(proven []string, added ...string) []string {
	out := make([]string, 0, len(proven)+len(added))
	for _, m := range methods {
		if slices.Contains(proven, m.name) || slices.Contains(added, m.name) {
			out = append(out, m.name)
		}
	}
	return out
}

// only is proven without the methods whose kind of factor is not among kinds. A
// password always stays. Where kinds is nil everything does.
func only(proven []string, kinds []FactorKind) []string {
	if kinds == nil {
		return proven
	}
	out := make([]string, 0, len(proven))
	for _, m := range methods {
		if slices.Contains(proven, m.name) && (m.kind == "" || slices.Contains(kinds, m.kind)) {
			out = append(out, m.name)
		}
	}
	return out
}

// AMR is the amr claim for methods (RFC 8176 §2): only registered values, in a fixed
// order, with "mfa" for two factors. A code by mail is "otp" with "mca": it came by
// another channel.
func AMR(proven []string) []string {
	var all []string
	for _, m := range methods {
		if slices.Contains(proven, m.name) {
			all = append(all, m.amr...)
		}
	}
	if LevelFrom(proven) >= LevelTwoFactor {
		all = append(all, "mfa")
	}
	var out []string
	for _, value := range []string{"pwd", "otp", "sms", "hwk", "swk", "user", "mca", "mfa"} {
		if slices.Contains(all, value) {
			out = append(out, value)
		}
	}
	return out
}
