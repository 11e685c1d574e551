package signin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"cardea/provider"
)

// Browser is what a request tells of the browser it comes from.
type Browser struct {
	Token   string // the cookie that sign-ins are bound to; may be "" for Start only
	Session string // the session cookie, "" when there is none
	Device  string // the known-device cookie, "" when there is none
	Trusted string // the trusted-device cookie, "" when there is none

	Address   string // of the client, for the audit trail
	UserAgent string
	RequestID string
}

// Issued are the new values of the browser's cookies; "" leaves a cookie as it is.
type Issued struct {
	Browser string
	Session string
	Device  string
	Trusted string
}

// tokenLength is the length of provider.NewToken.
const tokenLength = 43

// plausible tells whether a cookie or an address can hold a value that we made. It
// keeps anything else, such as bytes that are no text, away from the database.
func plausible(value string, length int) bool {
	return len(value) == length && !strings.ContainsFunc(value, func(r rune) bool {
		return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// maxNote bounds what is kept of a header or an address, in bytes.
const maxNote = 256

// note is text from a request made fit to be stored.
func note(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, s[:min(len(s), maxNote)])
	return strings.ToValidUTF8(s, "")
}

// event is the audit event of something that the browser did.
func (b Browser) event(action provider.Action, outcome provider.Outcome, in *provider.SignIn) provider.Event {
	e := provider.Event{Action: action, Outcome: outcome, Address: note(b.Address), UserAgent: note(b.UserAgent), RequestID: note(b.RequestID)}
	if in != nil {
		e.ClientID = in.Data.Request.ClientID
	}
	return e
}

// record writes an audit event, in the transaction of ctx.
func (s *Service) record(ctx context.Context, e provider.Event) error {
	e.At = s.now()
	if err := s.store.Record(ctx, e); err != nil {
		return fmt.Errorf("audit %s: %w", e.Action, err)
	}
	return nil
}

// rotate gives the browser a new token and takes all its sign-ins over to it, so
// that a token from before the privilege change is worth nothing. It saves in.
func (s *Service) rotate(ctx context.Context, in *provider.SignIn, issued *Issued) error {
	token, old := provider.NewToken(), in.Browser
	if err := s.save(ctx, in); err != nil {
		return err
	}
	if err := s.store.MoveSignIns(ctx, old, provider.TokenHash(token)); err != nil {
		return fmt.Errorf("rotate browser token: %w", err)
	}
	issued.Browser = token
	return nil
}

// save writes in. Whoever lost to another request of the same sign-in is out of turn.
func (s *Service) save(ctx context.Context, in *provider.SignIn) error {
	err := s.store.SaveSignIn(ctx, in)
	if errors.Is(err, provider.Changed) {
		return provider.OutOfTurn
	}
	if err != nil {
		return fmt.Errorf("save sign-in: %w", err)
	}
	return nil
}

// knownDevice is the hash of the device cookie when the account has signed in with
// it before, else "". It asks the same for an account that does not exist ("").
func (s *Service) knownDevice(ctx context.Context, b Browser, accountID string) (string, error) {
	if !plausible(b.Device, tokenLength) {
		return "", nil
	}
	hash := provider.TokenHash(b.Device)
	known, err := s.store.KnownDevice(ctx, hash, accountID, s.now())
	if err != nil {
		return "", fmt.Errorf("look up device: %w", err)
	}
	if !known {
		return "", nil
	}
	return hash, nil
}

// rememberDevice makes the browser a known device of the account. One that was not
// known to it gets a new token, because somebody may have planted the one it has; other
// accounts go on knowing it.
func (s *Service) rememberDevice(ctx context.Context, b Browser, accountID string, known bool, issued *Issued) error {
	token := b.Device
	if !known {
		token = provider.NewToken()
		if plausible(b.Device, tokenLength) {
			if err := s.store.MoveDevice(ctx, provider.TokenHash(b.Device), provider.TokenHash(token)); err != nil {
				return fmt.Errorf("rotate device: %w", err)
			}
		}
	}
	now := s.now()
	if err := s.store.RememberDevice(ctx, provider.TokenHash(token), accountID, now, now.Add(s.set.Device)); err != nil {
		return fmt.Errorf("remember device: %w", err)
	}
	issued.Device = token
	return nil
}
