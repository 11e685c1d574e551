package signin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cardea/provider"
)

// MaxFactorName is the longest name of a second factor, in characters.
const MaxFactorName = 40

// nameable are the kinds of factors that an account may have several of.
var nameable = []provider.FactorKind{provider.FactorPasskey, provider.FactorTOTP}

// RenameFactor gives one of the owner's second factors a name, for passkeys and
// authenticator apps. It fails with provider.Reauthenticate, provider.NotFound, and
// provider.Faults of the field "name".
func (s *Service) RenameFactor(ctx context.Context, o *Owner, id, name string) error {
	if !s.Recent(o) {
		return provider.Reauthenticate
	}
	name = strings.TrimSpace(name)
	if err := checkFactorName(name); err != nil {
		return err
	}
	factor := find(o.Factors, id)
	if factor == nil || !slices.Contains(nameable, factor.Kind) {
		return provider.NotFound
	}
	event := o.event(provider.ActionFactorRenamed, provider.OK)
	event.Method = string(factor.Kind)
	return s.change(ctx, o, event, func(ctx context.Context) error {
		if err := s.store.RenameFactor(ctx, o.Account.ID, id, name); err != nil {
			return fmt.Errorf("rename factor: %w", err)
		}
		return nil
	})
}

func checkFactorName(name string) error {
	var f provider.Faults
	switch {
	case name == "":
		f.Add("name", "must not be empty")
	case utf8.RuneCountInString(name) > MaxFactorName:
		f.Add("name", "must be at most %d characters", MaxFactorName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		f.Add("name", "must be printable text")
	}
	return f.Err()
}

func find(factors []provider.Factor, id string) *provider.Factor {
	i := slices.IndexFunc(factors, func(f provider.Factor) bool { return f.ID == id })
	if i < 0 {
		return nil
	}
	return &factors[i]
}

// RemoveFactor takes one of the owner's second factors away. Recovery codes go with
// the last strong one, because they only stand in for another. Trusted devices are
// forgotten, the owner's other sessions end as with EndOthers, because the factor may
// have opened them, and all contacts are told. It fails with provider.Reauthenticate,
// provider.NotFound, and provider.LastFactor for the last strong one where the issuer
// requires one.
func (s *Service) RemoveFactor(ctx context.Context, o *Owner, id string) error {
	if !s.Recent(o) {
		return provider.Reauthenticate
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.hold(ctx, o.Account, o.Account.PasswordHash); err != nil {
			return err
		}
		// Read again under the hold: of the last two factors, removed at once, one stays.
		factors, err := s.confirmed(ctx, o.Account.ID)
		if err != nil {
			return err
		}
		removed := find(factors, id)
		if removed == nil {
			return provider.NotFound
		}
		gone := without(factors, *removed)
		if removed.Kind.Strong() && len(gone) == len(factors) && s.set.Policy == provider.SecondFactorRequired {
			return provider.LastFactor
		}
		for _, f := range gone {
			if err := s.removeFactor(ctx, o, f); err != nil {
				return err
			}
		}
		if err := s.distrust(ctx, o.Account.ID); err != nil {
			return err
		}
		if err := s.endDoubtful(ctx, o); err != nil {
			return err
		}
		data := o.notice()
		data.Name, data.Factor = removed.Name, string(removed.Kind)
		return s.tell(ctx, o.Account.ID, provider.MessageFactorRemoved, data)
	})
}

// endDoubtful ends what a factor that is removed may have opened elsewhere.
func (s *Service) endDoubtful(ctx context.Context, o *Owner) error {
	ended, err := s.endOthers(ctx, o)
	if err != nil || ended == 0 {
		return err
	}
	return s.record(ctx, o.event(provider.ActionSessionsEnded, provider.OK))
}

// without are the factors that go when removed does: it alone while a strong one is
// left, or else all.
func without(factors []provider.Factor, removed provider.Factor) []provider.Factor {
	for _, f := range factors {
		if f.ID != removed.ID && f.Kind.Strong() {
			return []provider.Factor{removed}
		}
	}
	return factors
}

func (s *Service) removeFactor(ctx context.Context, o *Owner, f provider.Factor) error {
	if f.Kind == provider.FactorRecovery {
		if err := s.store.ReplaceRecoveryCodes(ctx, o.Account.ID, nil); err != nil {
			return fmt.Errorf("remove recovery codes: %w", err)
		}
	}
	if err := s.store.DeleteFactor(ctx, f.ID); err != nil {
		return fmt.Errorf("remove factor: %w", err)
	}
	event := o.event(provider.ActionFactorRemoved, provider.OK)
	event.Method = string(f.Kind)
	return s.record(ctx, event)
}
