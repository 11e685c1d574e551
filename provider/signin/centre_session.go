package signin

import (
	"context"
	"errors"
	"fmt"

	"cardea/provider"
)

// Sessions lists the owner's sessions that are alive, the one used last first.
func (s *Service) Sessions(ctx context.Context, o *Owner) ([]provider.Session, error) {
	all, err := s.store.Sessions(ctx, o.Account.ID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	now, alive := s.now(), []provider.Session{}
	for _, session := range all {
		if s.set.Sessions.Alive(&session, now) {
			alive = append(alive, session)
		}
	}
	return alive, nil
}

// TrustedDevices lists the devices that the owner's account trusts, newest first.
func (s *Service) TrustedDevices(ctx context.Context, o *Owner) ([]provider.TrustedDevice, error) {
	devices, err := s.store.TrustedDevices(ctx, o.Account.ID, s.now())
	if err != nil {
		return nil, fmt.Errorf("list trusted devices: %w", err)
	}
	return devices, nil
}

// EndSession ends the owner's session with the sid, and the grants given in it except
// those for offline access; provider.NotFound. It needs no Recent.
func (s *Service) EndSession(ctx context.Context, o *Owner, sid string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.endSessionOf(ctx, o, sid); err != nil {
			return err
		}
		return s.record(ctx, o.event(provider.ActionSessionsEnded, provider.OK))
	})
}

func (s *Service) endSessionOf(ctx context.Context, o *Owner, sid string) error {
	if err := s.store.EndSessionOf(ctx, o.Account.ID, sid); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if err := s.store.RevokeGrantsOfSession(ctx, sid, s.now(), true); err != nil {
		return fmt.Errorf("revoke grants of session: %w", err)
	}
	return nil
}

// EndOthers ends all of the owner's sessions but this one, as EndSession does, and the
// sign-ins under way elsewhere. The owner is told when there were any. It needs no
// Recent.
func (s *Service) EndOthers(ctx context.Context, o *Owner) error {
	// Held, so that a sign-in at the same time comes either before, and is ended, or after.
	return s.change(ctx, o, o.event(provider.ActionSessionsEnded, provider.OK), func(ctx context.Context) error {
		ended, err := s.endOthers(ctx, o)
		if err != nil || ended == 0 {
			return err
		}
		return s.tell(ctx, o.Account.ID, provider.MessageDevicesSigned, o.notice())
	})
}

// endOthers ends all of the owner's sessions but this one, and the sign-ins under way
// elsewhere. It tells how many sessions alive it has ended, and runs in the transaction
// of ctx.
func (s *Service) endOthers(ctx context.Context, o *Owner) (ended int, err error) {
	all, err := s.store.Sessions(ctx, o.Account.ID)
	if err != nil {
		return 0, fmt.Errorf("list sessions: %w", err)
	}
	now := s.now()
	for _, session := range all {
		if session.SID == o.Session.SID {
			continue
		}
		err := s.endSessionOf(ctx, o, session.SID)
		if err != nil && !errors.Is(err, provider.NotFound) { // it was ended meanwhile
			return 0, err
		}
		if err == nil && s.set.Sessions.Alive(&session, now) {
			ended++
		}
	}
	if err := s.store.DropSignIns(ctx, o.Account.ID, provider.TokenHash(o.Browser.Token)); err != nil {
		return 0, fmt.Errorf("end sign-ins elsewhere: %w", err)
	}
	return ended, nil
}

// Distrust ends the trust in one of the owner's devices; provider.NotFound. It needs
// no Recent.
func (s *Service) Distrust(ctx context.Context, o *Owner, id string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.DistrustDevice(ctx, o.Account.ID, id); err != nil {
			return fmt.Errorf("forget trusted device: %w", err)
		}
		return s.record(ctx, o.event(provider.ActionDeviceForgotten, provider.OK))
	})
}

// Apps lists the clients that the owner has allowed something, newest first.
func (s *Service) Apps(ctx context.Context, o *Owner) ([]provider.ConnectedApp, error) {
	apps, err := s.store.ConnectedApps(ctx, o.Account.ID)
	if err != nil {
		return nil, fmt.Errorf("list connected apps: %w", err)
	}
	return apps, nil
}

// RemoveApp takes back what the owner has allowed a client, and revokes its grants. It
// fails with provider.Reauthenticate, and with provider.NotFound when nothing was
// allowed. The audit event has the client's id as its Detail.
func (s *Service) RemoveApp(ctx context.Context, o *Owner, clientID string) error {
	if !s.Recent(o) {
		return provider.Reauthenticate
	}
	event := o.event(provider.ActionAccessRemoved, provider.OK)
	event.Detail = clientID
	return s.change(ctx, o, event, func(ctx context.Context) error {
		if err := s.store.RemoveConsent(ctx, o.Account.ID, clientID, s.now()); err != nil {
			return fmt.Errorf("remove access: %w", err)
		}
		data := o.notice()
		data.Name = clientID
		client, err := s.store.Client(ctx, clientID)
		switch {
		case err == nil:
			data.Name = client.Name.In(o.Account.Locale)
		case !errors.Is(err, provider.NotFound): // the client itself may be gone
			return fmt.Errorf("read client: %w", err)
		}
		return s.tell(ctx, o.Account.ID, provider.MessageAccessRemoved, data)
	})
}
