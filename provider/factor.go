package provider

import (
	"slices"
	"time"
)

// FactorKind names a second factor's method, as in routes and text keys.
type FactorKind string

// The second factors.
const (
	FactorTOTP FactorKind = "totp" // RFC 6238, an authenticator app
)

// Factor is one second factor of an account.
type Factor struct {
	ID        string
	AccountID string
	Kind      FactorKind
	Name      string // what its owner calls it
	Secret    []byte // sealed under AAD("factors", "secret", ID)
	LastStep  int64  // the last TOTP time step that was accepted
	Confirmed bool   // proven once; before that it protects nothing
	Created   time.Time
	LastUsed  time.Time // zero = never
}

// Level is how strongly somebody has been authenticated.
type Level int

// The levels, in rising order.
const (
	LevelNone      Level = 0
	LevelOneFactor Level = 1
	LevelTwoFactor Level = 2
)

// The acr values (OpenID Connect Core §2) that we assert and accept in acr_values.
const (
	ACROneFactor = "urn:cardea:acr:1fa"
	ACRTwoFactor = "urn:cardea:acr:2fa"
)

// ACRs lists every acr value, lowest first.
var ACRs = []string{ACROneFactor, ACRTwoFactor}

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

// The amr values (RFC 8176 §2) that we assert.
const (
	AMRPassword = "pwd"
	AMROneTime  = "otp"
	AMRMultiple = "mfa"
)

// LevelFrom is the level that the proofs named in amr add up to: a password and
// a code are two factors, either alone is one.
func LevelFrom(amr []string) Level {
	level := LevelNone
	for _, proof := range []string{AMRPassword, AMROneTime} {
		if slices.Contains(amr, proof) {
			level++
		}
	}
	return level
}

// AddAMR is amr with proof, and with "mfa" once two factors stand in it. The
// order is fixed, so that equal proofs give equal claims.
func AddAMR(amr []string, proof string) []string {
	all := append(slices.Clone(amr), proof)
	if LevelFrom(all) >= LevelTwoFactor {
		all = append(all, AMRMultiple)
	}
	out := make([]string, 0, 3)
	for _, known := range []string{AMRPassword, AMROneTime, AMRMultiple} {
		if slices.Contains(all, known) {
			out = append(out, known)
		}
	}
	return out
}
