package signin

import (
	"context"
	"slices"

	"cardea/provider"
)

// RenewRecoveryCodes gives the owner new recovery codes in place of all they had, and
// returns them: they cannot be read again. It fails with provider.Reauthenticate, and
// with provider.Forbidden where recovery codes are not offered or the account has no
// strong second factor that they could stand in for.
func (s *Service) RenewRecoveryCodes(ctx context.Context, o *Owner) ([]string, error) {
	if !s.Recent(o) {
		return nil, provider.Reauthenticate
	}
	var codes []string
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.hold(ctx, o.Account, o.Account.PasswordHash); err != nil {
			return err
		}
		factors, err := s.confirmed(ctx, o.Account.ID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(factors, strong) || !slices.Contains(s.set.Factors, provider.FactorRecovery) {
			return provider.Forbidden
		}
		codes, err = s.newRecoveryCodes(ctx, o.Account, func(action provider.Action, outcome provider.Outcome) provider.Event {
			e := o.event(action, outcome)
			e.Method = string(provider.FactorRecovery)
			return e
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}
