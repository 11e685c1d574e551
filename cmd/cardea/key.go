package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"cardea/provider"
	"cardea/provider/oidc"
)

func keyCommand(o *options) *cobra.Command {
	return group("key", "Look at and rotate the keys that sign tokens", keyList(o), keyRotate(o))
}

func keyList(o *options) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the signing keys, oldest first", Args: noArguments}
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return o.use(c, func(ctx context.Context, s *system) error { return p.keys(c, s) })
	}
	return c
}

func keyRotate(o *options) *cobra.Command {
	var algorithm string
	c := &cobra.Command{
		Use: "rotate", Short: "Sign with the next key from now on", Args: noArguments,
		Long: "Sign with the next key from now on.\n\nThe current key becomes a previous one, which is published until what it signed has\n" +
			"expired, and a new next key is published. It is refused while the next key has been\npublished for less than tokens.signing.publish_ahead, " +
			"because clients may not have\nfetched it.",
	}
	c.Flags().Var(choice{&algorithm, oidc.Algorithms}, "alg", "which key (default: tokens.signing.default_alg)")
	force := c.Flags().Bool("force", false, "rotate although clients may not know the next key: after a key has leaked")
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return o.use(c, func(ctx context.Context, s *system) error {
			if algorithm == "" {
				algorithm = s.cfg.Tokens.Signing.DefaultAlg
			}
			keys, err := oidc.OpenKeys(ctx, s.store, s.ring, now)
			if err != nil {
				return err
			}
			if err := keys.Rotate(ctx, actor(), algorithm, s.cfg.Tokens.Signing.PublishAhead.Std(), *force); err != nil {
				return err
			}
			return p.keys(c, s)
		})
	}
	return c
}

// keyView is a signing key as it is printed, without its private part.
type keyView struct {
	ID        string            `json:"kid"`
	Algorithm string            `json:"alg"`
	State     provider.KeyState `json:"state"`
	Created   time.Time         `json:"created"`
	Activated time.Time         `json:"activated,omitzero"`
	Retired   time.Time         `json:"retired,omitzero"`
}

func (p *printer) keys(c *cobra.Command, s *system) error {
	keys, err := s.store.SigningKeys(c.Context())
	if err != nil {
		return err
	}
	views := make([]keyView, len(keys))
	for i, k := range keys {
		views[i] = keyView{ID: k.ID, Algorithm: k.Algorithm, State: k.State, Created: k.Created, Activated: k.Activated, Retired: k.Retired}
	}
	return p.print(c.OutOrStdout(), views, func(t *table) {
		t.row("KEY ID", "ALG", "STATE", "CREATED", "ACTIVATED", "RETIRED")
		for _, v := range views {
			t.row(v.ID, v.Algorithm, string(v.State), when(v.Created), when(v.Activated), when(v.Retired))
		}
	})
}
