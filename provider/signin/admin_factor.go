package signin

import (
	"context"
	"fmt"

	"cardea/provider"
)

// TakeFactor removes a second factor of an account, or all of them when factorID is
// "", and ends what the account has open. It is for owners who have lost theirs: make
// sure first who asks. It fails with provider.NotFound.
func (s *Service) TakeFactor(ctx context.Context, actor, accountID, factorID string) error {
	a, err := s.store.Account(ctx, accountID)
	if err != nil {
		return fmt.Errorf("take factor: %w", err)
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		factors, err := s.store.Factors(ctx, a.ID)
		if err != nil {
			return fmt.Errorf("read factors: %w", err)
		}
		taken := 0
		for _, f := range factors {
			if factorID != "" && f.ID != factorID {
				continue
			}
			taken++
			if err := s.takeOne(ctx, actor, a, f); err != nil {
				return fmt.Errorf("take factor: %w", err)
			}
		}
		if taken == 0 {
			return fmt.Errorf("take factor: %w", provider.NotFound)
		}
		return s.store.EndAccount(ctx, a.ID, s.now())
	})
}

func (s *Service) takeOne(ctx context.Context, actor string, a *provider.Account, f provider.Factor) error {
	if err := s.store.DeleteFactor(ctx, f.ID); err != nil {
		return err
	}
	if f.Kind == provider.FactorRecovery {
		if err := s.store.ReplaceRecoveryCodes(ctx, a.ID, nil); err != nil {
			return err
		}
	}
	event := provider.Event{Action: provider.ActionFactorRemoved, Outcome: provider.OK, Actor: actor, Subject: a.ID, Method: string(f.Kind)}
	if err := s.record(ctx, event); err != nil {
		return err
	}
	return s.tell(ctx, a.ID, provider.MessageFactorRemoved, provider.MessageData{Name: f.Name, Factor: string(f.Kind)})
}
