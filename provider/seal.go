package provider

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// SecretKey is one of the issuer's master secrets: 32 random bytes and a name.
type SecretKey struct {
	ID    string
	Bytes []byte
}

// Keyring holds the master secrets. The first seals and signs; all of them open
// and verify, so that a secret is replaced by putting a new one in front. Every
// purpose uses a key of its own, derived by HKDF-SHA256 (RFC 5869).
type Keyring struct {
	keys    []SecretKey
	derived sync.Map // purpose -> [][]byte, one per key
}

// Purpose separates the keys derived from one master secret.
type Purpose string

// Every purpose a key is derived for.
const (
	ForSealing Purpose = "seal"
	ForPepper  Purpose = "pepper"
	ForCode    Purpose = "authorization code"
	ForAccess  Purpose = "access token"
	ForRefresh Purpose = "refresh token"
	ForRotate  Purpose = "refresh successor"
	ForLane    Purpose = "lockout lane"
	ForForm    Purpose = "form token"
	ForCookie  Purpose = "remembered user id"
	ForOneTime Purpose = "one-time code" // SMS and e-mail codes at rest
	ForBackup  Purpose = "recovery code" // recovery codes at rest
	ForMessage Purpose = "message"       // codes in the outbox
	ForRate    Purpose = "rate limit"    // what is counted, at rest
)

// keyIDSyntax keeps an id fit for the strings that it is written into, such as
// password hashes, where $ and commas separate.
var keyIDSyntax = regexp.MustCompile(`^[A-Za-z0-9._-]{1,255}$`)

// NewKeyring refuses an empty list, a key that is not 32 bytes, and an id that is
// used twice or not made of 1 to 255 characters out of A-Z a-z 0-9 . _ -
func NewKeyring(keys []SecretKey) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("secrets.keys: at least one key is needed")
	}
	seen := map[string]bool{}
	for _, k := range keys {
		if len(k.Bytes) != 32 {
			return nil, fmt.Errorf("secrets.keys: key %q is %d bytes long, not 32", k.ID, len(k.Bytes))
		}
		if !keyIDSyntax.MatchString(k.ID) {
			return nil, fmt.Errorf("secrets.keys: the id %q must be 1 to 255 characters out of A-Z a-z 0-9 . _ -", k.ID)
		}
		if seen[k.ID] {
			return nil, fmt.Errorf("secrets.keys: the id %q is used twice", k.ID)
		}
		seen[k.ID] = true
	}
	return &Keyring{keys: keys}, nil
}

// ActiveID names the key that seals now.
func (r *Keyring) ActiveID() string { return r.keys[0].ID }

func (r *Keyring) derive(purpose Purpose) [][]byte {
	if got, ok := r.derived.Load(purpose); ok {
		return got.([][]byte)
	}
	all := make([][]byte, len(r.keys))
	for i, k := range r.keys {
		key, err := hkdf.Key(sha256.New, k.Bytes, nil, "cardea/"+string(purpose), 32)
		if err != nil {
			panic(err) // only a length over 8160 bytes fails
		}
		all[i] = key
	}
	r.derived.Store(purpose, all)
	return all
}

// MAC is HMAC-SHA256 of data under the active key of purpose, 32 bytes.
func (r *Keyring) MAC(purpose Purpose, data string) []byte {
	return mac(r.derive(purpose)[0], data)
}

// StableMAC is MAC under the oldest key that is still listed, for names that must
// outlast the active key.
func (r *Keyring) StableMAC(purpose Purpose, data string) []byte {
	all := r.derive(purpose)
	return mac(all[len(all)-1], data)
}

// CheckMAC tells, in constant time, whether tag is the MAC of data under any key.
func (r *Keyring) CheckMAC(purpose Purpose, data string, tag []byte) bool {
	return len(tag) == sha256.Size && r.CheckTag(purpose, data, tag)
}

// CheckTag is CheckMAC for a tag that is the first bytes of a MAC, 16 or more.
func (r *Keyring) CheckTag(purpose Purpose, data string, tag []byte) bool {
	if len(tag) < 16 || len(tag) > sha256.Size {
		return false
	}
	ok := 0
	for _, key := range r.derive(purpose) {
		ok |= subtle.ConstantTimeCompare(mac(key, data)[:len(tag)], tag)
	}
	return ok == 1
}

// MACWith is MAC under the key named id, for what was made before a rotation.
func (r *Keyring) MACWith(purpose Purpose, id, data string) ([]byte, error) {
	for i, k := range r.keys {
		if k.ID == id {
			return mac(r.derive(purpose)[i], data), nil
		}
	}
	return nil, fmt.Errorf("secrets.keys has no key %q, which the data was made with: put it back behind the active key", id)
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

// AAD names the cell that a sealed value belongs to, so that it opens in no other.
func AAD(table, column, row string) string {
	return strings.Join([]string{table, column, row}, "\x1f")
}

// Seal encrypts plain with AES-256-GCM for the cell aad. The result is a version
// byte, the length and text of the key id, a nonce and the ciphertext.
func (r *Keyring) Seal(purpose Purpose, plain []byte, aad string) []byte {
	id := r.keys[0].ID
	aead := gcm(r.derive(purpose)[0])
	out := append([]byte{1, byte(len(id))}, id...)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	out = append(out, nonce...)
	return aead.Seal(out, nonce, plain, []byte(aad))
}

// Open reverses Seal. It fails for another cell, a changed byte and an unknown key.
func (r *Keyring) Open(purpose Purpose, sealed []byte, aad string) ([]byte, error) {
	if len(sealed) < 2 || sealed[0] != 1 || len(sealed) < 2+int(sealed[1]) {
		return nil, errors.New("sealed value is malformed")
	}
	id, rest := string(sealed[2:2+int(sealed[1])]), sealed[2+int(sealed[1]):]
	for i, k := range r.keys {
		if k.ID != id {
			continue
		}
		aead := gcm(r.derive(purpose)[i])
		if len(rest) < aead.NonceSize() {
			return nil, errors.New("sealed value is malformed")
		}
		plain, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], []byte(aad))
		if err != nil {
			return nil, fmt.Errorf("sealed value does not open with key %q: wrong key, or moved or changed data", id)
		}
		return plain, nil
	}
	return nil, fmt.Errorf("secrets.keys has no key %q, which the data was sealed with: put it back behind the active key", id)
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only a wrong key length fails, and keys are 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only a block size other than 16 fails
	}
	return aead
}
