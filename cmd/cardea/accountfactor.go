package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"cardea/provider"
)

func accountAddFactor(o *options) *cobra.Command {
	var kind string
	c := &cobra.Command{
		Use: "add-factor", Short: "Give an account a second factor as proven; prints a key or codes once",
		Example: "  cardea account add-factor KimBerg --kind sms   # codes go to the verified phone_number",
	}
	c.Flags().Var(choice{&kind, []string{"totp", "sms", "email", "recovery"}}, "kind", "what it is; recovery replaces the codes there are")
	find := accountArgument(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if kind == "" {
			return usageError{errors.New("--kind is missing: say totp, sms, email or recovery")}
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			a, err := find(ctx, s, args)
			if err != nil {
				return err
			}
			made, err := s.addFactor(ctx, a, provider.FactorKind(kind))
			if err != nil {
				return err
			}
			s.noteUnused(c, made.Kind)
			return p.madeFactor(c, a, made)
		})
	}
	return c
}

// noteUnused tells of kinds of second factors that the settings let nobody use.
func (s *system) noteUnused(c *cobra.Command, kinds ...provider.FactorKind) {
	for _, kind := range kinds {
		by, code := channelOf[kind]
		switch {
		case !slices.Contains(factorKinds(s.cfg), kind):
			fmt.Fprintf(c.ErrOrStderr(), "Note: sign_in.factors does not list %s, so nobody is asked for it.\n", kind)
		case code && !slices.Contains(channels(s.cfg), by):
			fmt.Fprintf(c.ErrOrStderr(), "Note: messages has no setting to send %s by, so nobody is asked for such a code.\n", kind)
		}
	}
}

var channelOf = map[provider.FactorKind]provider.Channel{provider.FactorSMS: provider.ChannelSMS, provider.FactorEmail: provider.ChannelMail}

// madeFactor is what was just made, as it is printed.
type madeFactor struct {
	Subject       string              `json:"sub"`
	Kind          provider.FactorKind `json:"kind"`
	TOTPKey       string              `json:"totp_key,omitempty"`
	RecoveryCodes []string            `json:"recovery_codes,omitempty"`
}

func (s *system) addFactor(ctx context.Context, a *provider.Account, kind provider.FactorKind) (made madeFactor, err error) {
	made = madeFactor{Subject: a.ID, Kind: kind}
	switch kind {
	case provider.FactorTOTP:
		made.TOTPKey, err = s.people.EnrolConfirmedTOTP(ctx, actor(), a.ID, "")
	case provider.FactorRecovery:
		made.RecoveryCodes, err = s.people.AddRecoveryCodes(ctx, actor(), a.ID)
	default:
		err = s.addCodes(ctx, a, kind)
	}
	return made, err
}

// addCodes gives an account codes to a contact of its own, which can be done once.
func (s *system) addCodes(ctx context.Context, a *provider.Account, kind provider.FactorKind) error {
	if a.Destination(kind) == "" {
		return fmt.Errorf("%s has no verified %s for codes to go to", a.UserID, contactOf[kind])
	}
	factors, err := s.store.Factors(ctx, a.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(factors, func(f provider.Factor) bool { return f.Kind == kind }) {
		return fmt.Errorf("%s has the factor %s already", a.UserID, kind)
	}
	return s.people.AddFactor(ctx, actor(), a.ID, kind)
}

var contactOf = map[provider.FactorKind]string{provider.FactorSMS: "phone_number", provider.FactorEmail: "email"}

func (p *printer) madeFactor(c *cobra.Command, a *provider.Account, made madeFactor) error {
	err := p.print(c.OutOrStdout(), made, func(t *table) {
		t.row("user_id", a.UserID)
		t.row("sub", a.ID)
		t.row("kind", string(made.Kind))
		t.field("totp_key", made.TOTPKey)
		t.field("recovery_codes", made.RecoveryCodes...)
	})
	if err == nil && (made.TOTPKey != "" || made.RecoveryCodes != nil) {
		fmt.Fprintln(c.ErrOrStderr(), "This is shown this once: hand it over and keep no copy.")
	}
	return err
}

func accountRemoveFactor(o *options) *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: "remove-factor", Short: "Take a second factor from an account, and end all the account has open",
		Example: "  cardea account remove-factor KimBerg --factor 3q2-7wEiMzVEVQ0hAAECAw --yes   # ids are in: cardea account show -o json",
	}
	c.Flags().StringVar(&id, "factor", "", "id of the factor, or all")
	confirmed := confirmFlag(c)
	find := accountArgument(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if id == "" {
			return usageError{errors.New("--factor is missing: give the id of one, or all")}
		}
		if err := confirmed("this ends what the account has open, and whoever signs in next may set up a second factor with the password alone"); err != nil {
			return err
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			a, err := find(ctx, s, args)
			if err != nil {
				return err
			}
			if err := s.takeFactor(ctx, a, id); err != nil {
				return err
			}
			return p.account(c, s, a, "")
		})
	}
	return c
}

// takeFactor takes the factor with an id from a, or every one for "all".
func (s *system) takeFactor(ctx context.Context, a *provider.Account, id string) error {
	if id == "all" {
		id = ""
	}
	err := s.people.TakeFactor(ctx, actor(), a.ID, id)
	switch {
	case !errors.Is(err, provider.NotFound):
		return err
	case id == "":
		return fmt.Errorf("%s has no second factor", a.UserID)
	}
	return fmt.Errorf("%s has no factor with the id %q; 'cardea account show -o json' shows the ids", a.UserID, id)
}
