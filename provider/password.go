package provider

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// MaxPassword is the longest password, in characters (NIST SP 800-63B asks for at
// least 64). The cap bounds the work of one guess.
const MaxPassword = 256

// NormalPassword is what a password is hashed and counted as: NFC, nothing cut.
func NormalPassword(typed string) string { return norm.NFC.String(typed) }

// PasswordPolicy decides which new passwords are good enough.
type PasswordPolicy struct {
	MinLength      int
	RequireClasses bool     // lower, upper, digit and symbol; not advised by NIST
	Context        []string // brand words that must not make up the password
}

// Check refuses a weak new password for the account with userID and email.
func (p PasswordPolicy) Check(password, userID, email string) error {
	var f Faults
	password = NormalPassword(password)
	n := utf8.RuneCountInString(password)
	if !utf8.ValidString(password) {
		f.Add("password", "must be valid text")
	}
	if n < p.MinLength || n > MaxPassword {
		f.Add("password", "must be %d to %d characters long; it has %d. Three random words work well", p.MinLength, MaxPassword, n)
	}
	if p.RequireClasses && !fourClasses(password) {
		f.Add("password", "must have a lower-case letter, an upper-case letter, a digit and a symbol")
	}
	if word := p.contextWord(password, userID, email); word != "" {
		f.Add("password", "must not be built from your User ID, e-mail address or the service's name")
	}
	if n >= p.MinLength && distinct(password) < 5 {
		f.Add("password", "must have at least 5 different characters")
	}
	return f.Err()
}

// contextWord is the first context word that makes up more than half of password.
func (p PasswordPolicy) contextWord(password, userID, email string) string {
	folded := FoldUserID(password)
	local, _, _ := strings.Cut(email, "@")
	for _, word := range append([]string{userID, local}, p.Context...) {
		word = FoldUserID(word)
		if len(word) < 4 {
			continue
		}
		if rest := strings.ReplaceAll(folded, word, ""); len(folded)-len(rest) > len(folded)/2 {
			return word
		}
	}
	return ""
}

func fourClasses(s string) bool {
	var lower, upper, digit, symbol bool
	for _, r := range s {
		switch {
		case unicode.IsLower(r):
			lower = true
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsDigit(r):
			digit = true
		default:
			symbol = true
		}
	}
	return lower && upper && digit && symbol
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// Argon2 are the costs of one password hash (RFC 9106).
type Argon2 struct {
	MemoryKiB   uint32
	Time        uint32
	Parallelism uint8
}

// The largest costs that a stored hash may ask for, so that a planted row cannot
// exhaust memory. They are the largest that the configuration allows.
const (
	maxArgonMemory = 1024 * 1024
	maxArgonTime   = 16
	maxArgonLanes  = 16
)

// Usable tells whether hashes made with these costs can be checked again.
func (c Argon2) Usable() bool {
	return c.MemoryKiB >= 8 && c.MemoryKiB <= maxArgonMemory && c.Time >= 1 && c.Time <= maxArgonTime && c.Parallelism >= 1 && c.Parallelism <= maxArgonLanes
}

// HashPassword derives the PHC string of password: Argon2id over the password's
// HMAC under the keyring's pepper, with the pepper's key id in the string:
//
//	$argon2id$v=19$m=19456,t=2,p=1,keyid=ID$SALT$TAG
func (r *Keyring) HashPassword(password string, cost Argon2) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	peppered := r.MAC(ForPepper, NormalPassword(password))
	tag := argon2.IDKey(peppered, salt, cost.Time, cost.MemoryKiB, cost.Parallelism, 32)
	return formatPHC(cost, r.ActiveID(), salt, tag)
}

// DummyPassword is a hash that no password has, and that takes as long to check as
// one made with cost: what an unknown User ID is checked against.
func (r *Keyring) DummyPassword(cost Argon2) string {
	random := make([]byte, 48)
	_, _ = rand.Read(random)
	return formatPHC(cost, r.ActiveID(), random[:16], random[16:])
}

func formatPHC(cost Argon2, keyID string, salt, tag []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d,keyid=%s$%s$%s", argon2.Version,
		cost.MemoryKiB, cost.Time, cost.Parallelism, keyID, b64.EncodeToString(salt), b64.EncodeToString(tag))
}

// phc is a parsed PHC string.
type phc struct {
	cost      Argon2
	keyID     string
	salt, tag []byte
}

// CheckPassword tells whether password is the one that hash was made from, and
// whether hash should be made again because the cost or the pepper has changed.
// An error means that hash cannot be read: a broken row or a missing pepper.
func (r *Keyring) CheckPassword(hash, password string, cost Argon2) (ok, stale bool, err error) {
	p, err := parsePHC(hash)
	if err != nil {
		return false, false, err
	}
	peppered, err := r.MACWith(ForPepper, p.keyID, NormalPassword(password))
	if err != nil {
		return false, false, err
	}
	tag := argon2.IDKey(peppered, p.salt, p.cost.Time, p.cost.MemoryKiB, p.cost.Parallelism, uint32(len(p.tag)))
	ok = subtle.ConstantTimeCompare(tag, p.tag) == 1
	return ok, ok && (p.cost != cost || p.keyID != r.ActiveID()), nil
}

func parsePHC(s string) (phc, error) {
	bad := func() (phc, error) { return phc{}, fmt.Errorf("password hash is malformed") }
	part := strings.Split(s, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return bad()
	}
	params, keyID, ok := strings.Cut(part[3], ",keyid=")
	var p phc
	if n, err := fmt.Sscanf(params, "m=%d,t=%d,p=%d", &p.cost.MemoryKiB, &p.cost.Time, &p.cost.Parallelism); !ok || err != nil || n != 3 {
		return bad()
	}
	if !p.cost.Usable() {
		return bad()
	}
	var err1, err2 error
	p.keyID = keyID
	p.salt, err1 = base64.RawStdEncoding.DecodeString(part[4])
	p.tag, err2 = base64.RawStdEncoding.DecodeString(part[5])
	if err1 != nil || err2 != nil || len(p.salt) < 8 || len(p.salt) > 64 || len(p.tag) < 16 || len(p.tag) > 64 {
		return bad()
	}
	return p, nil
}
