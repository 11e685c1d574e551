package signin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"cardea/provider"
	"cardea/storage"
)

// How far the activity goes back, and how many events a page of it has.
const (
	activityAge  = 90 * 24 * time.Hour
	activityPage = 20
)

// activities are the actions that mean something to an account's owner.
var activities = []provider.Action{
	provider.ActionPassword, provider.ActionFactor, provider.ActionSession, provider.ActionLocked, provider.ActionSignOut, provider.ActionConsent,
	provider.ActionFactorAdded, provider.ActionFactorRenamed, provider.ActionFactorRemoved, provider.ActionFactorCloned,
	provider.ActionRecoveryMade, provider.ActionRecoveryUsed, provider.ActionContact,
	provider.ActionDeviceTrusted, provider.ActionDeviceForgotten, provider.ActionSessionsEnded,
	provider.ActionPasswordChanged, provider.ActionAccountPassword, provider.ActionReported, provider.ActionAccessRemoved,
	provider.ActionAccountLocked, provider.ActionAccountUnlocked, provider.ActionRefreshReplay,
}

// Activity is a page of what happened to the owner's account in the last 90 days,
// newest first. older is what to give as before for the next page, "" when there is
// none; a before that names no event is left out.
func (s *Service) Activity(ctx context.Context, o *Owner, before string) (events []provider.Event, older string, err error) {
	if len(before) != len(uuid.Nil.String()) || uuid.Validate(before) != nil {
		before = ""
	}
	events, err = s.store.Events(ctx, storage.EventFilter{
		Subject: o.Account.ID, Actions: activities, Since: s.now().Add(-activityAge), Before: before, Limit: activityPage + 1,
	})
	if err != nil {
		return nil, "", fmt.Errorf("read activity: %w", err)
	}
	if len(events) > activityPage {
		events = events[:activityPage]
		older = events[activityPage-1].ID
	}
	return events, older, nil
}

// Report is "this wasn't me": it locks the account until customer service unlocks it,
// ends everything that it has open, and tells its owner and customer service. It needs
// no Recent, and it does not matter what else has changed meanwhile. It fails with
// provider.Forbidden for a closed account.
func (s *Service) Report(ctx context.Context, o *Owner) error {
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		// Not what the request began with: a change of password must not stop this.
		a, err := s.store.Account(ctx, o.Account.ID)
		if err != nil {
			return err
		}
		if a.Status == provider.AccountDisabled {
			return provider.Forbidden
		}
		if err := s.store.SetAccountStatus(ctx, a.ID, provider.AccountLocked, s.now()); err != nil {
			return err
		}
		if err := s.store.EndAccount(ctx, a.ID, s.now()); err != nil {
			return err
		}
		if err := s.record(ctx, o.event(provider.ActionReported, provider.OK)); err != nil {
			return err
		}
		if err := s.tell(ctx, a.ID, provider.MessageReported, o.notice()); err != nil {
			return err
		}
		return s.tellDesk(ctx, o)
	})
	if err != nil {
		return fmt.Errorf("report misuse: %w", err)
	}
	return nil
}

// tellDesk tells customer service of an owner's report. The reference is the request's
// id, by which the audit trail has the rest: nothing personal goes by mail.
func (s *Service) tellDesk(ctx context.Context, o *Owner) error {
	if s.set.Desk == "" || !slices.Contains(s.set.Channels, provider.ChannelMail) {
		return nil
	}
	data := provider.MessageData{Reference: cmp.Or(note(o.Browser.RequestID), o.Account.ID)}
	return s.tellAt(ctx, o.Account.ID, provider.MessageDesk, data, provider.ChannelMail, s.set.Desk)
}
