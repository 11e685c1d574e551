package provider

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// AccountStatus tells whether the account may sign in.
type AccountStatus string

// The states of an account. To somebody who signs in, a locked or disabled
// account looks like a wrong password: only the desk sees the difference.
const (
	AccountActive   AccountStatus = "active"
	AccountLocked   AccountStatus = "locked"   // by an administrator, until unlocked
	AccountDisabled AccountStatus = "disabled" // closed
)

// Account is a cardholder's access to online services.
type Account struct {
	ID              string // the subject: random, never reused
	UserID          string // NFC, case kept: what the cardholder types
	PasswordHash    string // PHC string with pepper id, see PasswordHasher; "" = none set
	PasswordChanged time.Time
	Status          AccountStatus
	Locale          string // "en", "sv" or "" for the issuer's default
	Profile         Profile
	EmailChanged    time.Time // when its owner last changed the address; zero = never
	PhoneChanged    time.Time // likewise, the number
	Created         time.Time
	Updated         time.Time
}

// Profile holds the standard claims of OpenID Connect Core §5.1. Empty strings
// are claims we do not have, and are left out of every token and response.
type Profile struct {
	Name                string   `json:"name,omitempty"`
	GivenName           string   `json:"given_name,omitempty"`
	FamilyName          string   `json:"family_name,omitempty"`
	MiddleName          string   `json:"middle_name,omitempty"`
	Nickname            string   `json:"nickname,omitempty"`
	PreferredUsername   string   `json:"preferred_username,omitempty"`
	ProfileURL          string   `json:"profile,omitempty"`
	Picture             string   `json:"picture,omitempty"`
	Website             string   `json:"website,omitempty"`
	Gender              string   `json:"gender,omitempty"`
	Birthdate           string   `json:"birthdate,omitempty"` // YYYY-MM-DD
	Zoneinfo            string   `json:"zoneinfo,omitempty"`
	Email               string   `json:"email,omitempty"`
	EmailVerified       bool     `json:"email_verified,omitempty"`
	PhoneNumber         string   `json:"phone_number,omitempty"` // E.164
	PhoneNumberVerified bool     `json:"phone_number_verified,omitempty"`
	Address             *Address `json:"address,omitempty"`
}

// Address is the address claim of OpenID Connect Core §5.1.1.
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

// MaxUserID is the longest User ID, in characters.
const MaxUserID = 64

// NormalUserID is what a typed User ID is compared as: NFC, outer spaces cut.
// Case is kept, because User IDs are case-sensitive.
func NormalUserID(typed string) string {
	return norm.NFC.String(strings.TrimSpace(typed))
}

// FoldUserID is what User IDs are unique and rate-limited under: NFC and case
// folded, so that look-alikes neither coexist nor get counters of their own.
func FoldUserID(typed string) string {
	return norm.NFC.String(cases.Fold().String(NormalUserID(typed)))
}

// CheckUserID refuses what cannot be a new User ID.
func CheckUserID(id string) error {
	var f Faults
	switch n := utf8.RuneCountInString(id); {
	case !utf8.ValidString(id):
		f.Add("user_id", "must be valid text")
	case n < 4 || n > MaxUserID:
		f.Add("user_id", "must be 4 to %d characters long", MaxUserID)
	case id != NormalUserID(id):
		f.Add("user_id", "must be in Unicode normal form C, without spaces at its ends")
	case strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }):
		f.Add("user_id", "must not contain spaces or control characters")
	case strings.TrimFunc(id, unicode.IsDigit) == "":
		f.Add("user_id", "must not be digits only, so that nobody uses a card number")
	}
	return f.Err()
}

// MaskUserID shows enough of a User ID for its owner to recognise it.
func MaskUserID(id string) string {
	r := []rune(id)
	if len(r) < 4 {
		return "•••"
	}
	return string(r[:1]) + "•••" + string(r[len(r)-2:])
}

// Claims gives the claims of a that the granted scopes ask for (OpenID Connect
// Core §5.4), in the JSON types of §5.1. sub is not among them.
func (a *Account) Claims(scopes []string) map[string]any {
	claims := map[string]any{}
	for _, scope := range scopes {
		switch scope {
		case ScopeProfile:
			a.profileClaims(claims)
		case ScopeEmail:
			if a.Profile.Email != "" {
				claims["email"], claims["email_verified"] = a.Profile.Email, a.Profile.EmailVerified
			}
		case ScopePhone:
			if a.Profile.PhoneNumber != "" {
				claims["phone_number"], claims["phone_number_verified"] = a.Profile.PhoneNumber, a.Profile.PhoneNumberVerified
			}
		case ScopeAddress:
			if a.Profile.Address != nil {
				claims["address"] = a.Profile.Address
			}
		}
	}
	return claims
}

func (a *Account) profileClaims(claims map[string]any) {
	p := &a.Profile
	for name, value := range map[string]string{
		"name": p.Name, "given_name": p.GivenName, "family_name": p.FamilyName, "middle_name": p.MiddleName,
		"nickname": p.Nickname, "preferred_username": p.PreferredUsername, "profile": p.ProfileURL,
		"picture": p.Picture, "website": p.Website, "gender": p.Gender, "birthdate": p.Birthdate,
		"zoneinfo": p.Zoneinfo, "locale": a.Locale,
	} {
		if value != "" {
			claims[name] = value
		}
	}
	claims["updated_at"] = a.Updated.Unix()
}

// ProfileClaims are the claims of the profile scope, for discovery.
var ProfileClaims = []string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
	"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
}

// Destination is where codes for a factor of kind k go: the account's verified contact,
// or "" when it has none.
func (a *Account) Destination(k FactorKind) string {
	switch {
	case k == FactorSMS && a.Profile.PhoneNumberVerified:
		return a.Profile.PhoneNumber
	case k == FactorEmail && a.Profile.EmailVerified:
		return a.Profile.Email
	}
	return ""
}
