package signin

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"cardea/provider"
)

// allSMS is the limit that whatever goes by SMS shares: each one costs the issuer money.
const allSMS = "all sms"

// noticesBySMS is how many notices of one kind an account's owner gets by SMS in a day.
const noticesBySMS = 5

// limit is how many messages there may be within a window, by one name.
type limit struct {
	name   string // of what is counted
	most   int
	window time.Duration
}

// sending are the limits on sending a code of a purpose of one sign-in, in the order
// in which they are asked: the one that everybody shares is last, so that what another
// one refuses takes nothing from it. A destination that anybody can type is counted
// apart from the same one on file: nobody uses up the codes that its owner signs in by.
func (s *Service) sending(purpose string, in *provider.SignIn, a *provider.Account, kind provider.FactorKind, destination string, b Browser) []limit {
	c := s.set.Codes
	const quarter, day = 15 * time.Minute, 24 * time.Hour
	to := "destination\x1f" + destination
	if destination != a.Destination(kind) {
		to = "typed " + to
	}
	limits := []limit{
		{"sign-in\x1f" + in.ID + "\x1f" + purpose, 1, c.Wait},
		{"address\x1f" + network(b.Address), c.PerAddress, time.Hour},
		{"account\x1f" + a.ID, c.PerQuarter, quarter},
		{"account\x1f" + a.ID, c.PerDay, day},
		{to, c.PerQuarter, quarter},
		{to, c.PerDay, day},
	}
	if kind == provider.FactorSMS {
		limits = append(limits, limit{allSMS, c.SMSPerHour, time.Hour})
	}
	return limits
}

// noticing are the limits on a notice by SMS, in the order in which they are asked. Each
// kind has its own, so that many of one that somebody can bring about keep no other from
// the owner; and notices leave half of all SMS to codes.
func (s *Service) noticing(accountID string, kind provider.MessageKind, to string) []limit {
	all := s.set.Codes.SMSPerHour
	return []limit{
		{strings.Join([]string{"notice", accountID, string(kind), to}, "\x1f"), noticesBySMS, 24 * time.Hour},
		{"sms notices", max(1, all/2), time.Hour},
		{allSMS, all, time.Hour},
	}
}

// allow counts one more under each of limits, and fails with *provider.TooOftenError
// at the first that is used up. What is refused counts too.
func (s *Service) allow(ctx context.Context, limits []limit) error {
	now := s.now()
	for _, l := range limits {
		n, started, err := s.store.CountRate(ctx, s.rateKey(l), now, l.window)
		if err != nil {
			return fmt.Errorf("count messages: %w", err)
		}
		if n > l.most {
			return &provider.TooOftenError{Wait: started.Add(l.window).Sub(now)}
		}
	}
	return nil
}

// rateKey keeps limits from naming anybody in a copy of the database.
func (s *Service) rateKey(l limit) string {
	name := strings.Join([]string{l.window.String(), l.name}, "\x1f")
	return base64.RawURLEncoding.EncodeToString(s.set.Keys.StableMAC(provider.ForRate, name))
}

// network is what one client address is counted as: an IPv6 address by its /64, which
// is what one customer of a network gets.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return note(address)
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return prefix.String()
}
