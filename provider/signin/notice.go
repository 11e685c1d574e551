package signin

import (
	"context"
	"fmt"
	"time"

	"cardea/provider"
)

// tell puts a notice to the account's owner into the outbox, in the transaction of
// what it tells of; nothing where the issuer sends none.
func (s *Service) tell(ctx context.Context, accountID string, kind provider.MessageKind, data provider.MessageData) error {
	if !s.set.Notices {
		return nil
	}
	now := s.now()
	data.At = now
	err := s.store.CreateMessage(ctx, &provider.Message{
		ID: provider.NewID(), AccountID: accountID, Kind: kind, Data: data, Created: now, Due: now, Expires: now.Add(provider.MessageLife),
	})
	if err != nil {
		return fmt.Errorf("write notice: %w", err)
	}
	return nil
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
	if !s.set.Notices {
		return nil
	}
	known, err := s.knownDevice(ctx, b, accountID)
	if err != nil || known != "" {
		return err
	}
	return s.tell(ctx, accountID, provider.MessageNewDevice, provider.MessageData{UserAgent: note(b.UserAgent), Address: note(b.Address)})
}
