package config

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	hidden  = "(hidden)"
	keySize = 32 // bytes of a sealing key: AES-256
	day     = 24 * time.Hour
	maxDays = 36500
)

// Duration is a length of time, written as in "15m", "1h30m" or "90d". Never negative.
type Duration time.Duration

var errDuration = errors.New(`not a duration; write a number and a unit, such as "30s", "15m", "12h" or "90d"`)

// UnmarshalText reads a duration: Go's syntax with days ("d") in front, no sign, at most 36500d.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" || strings.ContainsAny(s, "+-") {
		return errDuration
	}
	var total time.Duration
	if number, rest, found := strings.Cut(s, "d"); found {
		days, err := strconv.ParseUint(number, 10, 32)
		if err != nil || days > maxDays {
			return errDuration
		}
		total, s = time.Duration(days)*day, rest
	}
	if s != "" {
		part, err := time.ParseDuration(s)
		if err != nil || part > maxDays*day-total {
			return errDuration
		}
		total += part
	}
	*d = Duration(total)
	return nil
}

// String is the shortest form that UnmarshalText reads back to the same value.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	var s string
	if days > 0 {
		s = strconv.FormatInt(int64(days), 10) + "d"
	}
	if rest == 0 {
		return s
	}
	text := rest.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return s + text
}

// Std is d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// MarshalText writes what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// concealed keeps a text behind a pointer: fmt prints fields without asking their
// methods when a verb does not fit a struct around them, and then shows an address.
type concealed struct{ text *string }

func conceal(text string) concealed {
	if text == "" {
		return concealed{}
	}
	return concealed{&text}
}

func (c concealed) reveal() string {
	if c.text == nil {
		return ""
	}
	return *c.text
}

// Secret is a value that must not be printed. Every way of formatting, logging or
// encoding it gives "(hidden)", or nothing when it is empty; only Reveal returns it.
type Secret struct{ value concealed }

// NewSecret wraps a value that must not be printed.
func NewSecret(value string) Secret { return Secret{conceal(value)} }

// Reveal returns the value itself.
func (s Secret) Reveal() string { return s.value.reveal() }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// String is "(hidden)", or "" when the secret is empty.
func (s Secret) String() string {
	if s.Reveal() == "" {
		return ""
	}
	return hidden
}

// Format writes String for every verb and flag, so that %#v and %x hide it too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText writes String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML writes String.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// DatabaseURL is a database address that may carry a password. Every way of
// formatting, logging or encoding it hides the password; only Reveal returns it.
type DatabaseURL struct{ value concealed }

// NewDatabaseURL wraps a database address: "sqlite:PATH" or "postgres://…".
func NewDatabaseURL(value string) DatabaseURL { return DatabaseURL{conceal(value)} }

// Reveal returns the whole address.
func (d DatabaseURL) Reveal() string { return d.value.reveal() }

// UnmarshalText takes the text as it is; Validate checks it.
func (d *DatabaseURL) UnmarshalText(text []byte) error {
	*d = NewDatabaseURL(string(text))
	return nil
}

// String is the address without its password: "sqlite:PATH", or scheme, user, host
// and database name of a postgres URL. Its query is hidden, since libpq takes
// passwords there too. Anything else is hidden as a whole.
func (d DatabaseURL) String() string {
	address := d.Reveal()
	if address == "" || strings.HasPrefix(address, sqliteScheme) {
		return address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" || u.Host == "" {
		return hidden
	}
	s := "postgres://"
	if u.User != nil {
		s += url.User(u.User.Username()).String()
		if _, set := u.User.Password(); set {
			s += ":" + hidden
		}
		s += "@"
	}
	s += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		s += "?" + hidden
	}
	return s
}

// Format writes String for every verb and flag.
func (d DatabaseURL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// GoString is String.
func (d DatabaseURL) GoString() string { return d.String() }

// LogValue is String.
func (d DatabaseURL) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText writes String.
func (d DatabaseURL) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalYAML writes String.
func (d DatabaseURL) MarshalYAML() (any, error) { return d.String(), nil }

const sqliteScheme = "sqlite:"

// NewSecretKey returns a new sealing key for secrets.keys: 32 random bytes as base64.
func NewSecretKey() string {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // crypto/rand ends the process rather than fail
	return base64.StdEncoding.EncodeToString(key)
}

// Bytes decodes the key: 32 bytes as standard or URL-safe base64, padded or not, or
// as hex. The error says what is wanted and never quotes the key.
func (k Key) Bytes() ([]byte, error) {
	text := k.Key.Reveal()
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString,
		base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if b, err := decode(text); err == nil && len(b) == keySize {
			return b, nil
		}
	}
	return nil, errors.New("not 32 bytes as base64 or hex")
}
