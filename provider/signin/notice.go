package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cardea/provider"
)

// tell puts a notice to the account's owner into the outbox, once for each channel, in
// the transaction of what it tells of; nothing where the issuer sends none. What is no
// change and just good to know goes by mail only, and so does what is told so often that
// the limits for SMS are used up.
func (s *Service) tell(ctx context.Context, accountID string, kind provider.MessageKind, data provider.MessageData) error {
	for _, channel := range s.set.Channels {
		if kind == provider.MessageNewDevice && channel != provider.ChannelMail {
			continue
		}
		if err := s.tellAt(ctx, accountID, kind, data, channel, ""); err != nil {
			return err
		}
	}
	return nil
}

// tellAt puts one notice into the outbox: to the e-mail address or number given, or
// with "" to the account's own of that channel. An SMS over the limits is left out, and
// so is one that nobody would get, which must not count.
func (s *Service) tellAt(ctx context.Context, accountID string, kind provider.MessageKind, data provider.MessageData, channel provider.Channel, to string) error {
	if channel == provider.ChannelSMS {
		if ok, err := s.mayText(ctx, accountID, kind, to); !ok {
			return err
		}
	}
	now := s.now()
	data.At = now
	err := s.store.CreateMessage(ctx, &provider.Message{
		ID: provider.NewID(), AccountID: accountID, Kind: kind, Channel: channel, To: to, Data: data,
		Created: now, Due: now, Expires: now.Add(provider.MessageLife),
	})
	if err != nil {
		return fmt.Errorf("write notice: %w", err)
	}
	return nil
}

// mayText tells whether a notice goes by SMS: to a number, within the limits.
func (s *Service) mayText(ctx context.Context, accountID string, kind provider.MessageKind, to string) (bool, error) {
	if to == "" {
		account, err := s.store.Account(ctx, accountID)
		if err != nil {
			return false, fmt.Errorf("look up number: %w", err)
		}
		if account.Destination(provider.FactorSMS) == "" {
			return false, nil
		}
	}
	err := s.allow(ctx, s.noticing(accountID, kind, to))
	if errors.Is(err, provider.TooOften) {
		return false, nil
	}
	return err == nil, err
}

// tellLocked warns the owner of an account whose lane an attempt has locked. Who
// tried an ID that nobody has warns nobody.
func (s *Service) tellLocked(ctx context.Context, account *provider.Account, hard bool, until time.Time) error {
	switch {
	case account == nil:
		return nil
	case hard:
		return s.tell(ctx, account.ID, provider.MessageLockedHard, provider.MessageData{})
	}
	return s.tell(ctx, account.ID, provider.MessageLocked, provider.MessageData{Until: until})
}

// tellNewDevice tells the owner of a session that begins in a browser not seen before.
func (s *Service) tellNewDevice(ctx context.Context, b Browser, accountID string) error {
	if !slices.Contains(s.set.Channels, provider.ChannelMail) {
		return nil
	}
	return s.tell(ctx, accountID, provider.MessageNewDevice, provider.MessageData{UserAgent: note(b.UserAgent), Address: note(b.Address)})
}
