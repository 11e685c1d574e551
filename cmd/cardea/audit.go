package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"cardea/provider"
	"cardea/storage"
)

func auditCommand(o *options) *cobra.Command {
	return group("audit", "Read the audit trail", auditList(o))
}

func auditList(o *options) *cobra.Command {
	var filter storage.EventFilter
	var userID, action string
	c := &cobra.Command{
		Use: "list", Short: "List audit events, newest first", Args: noArguments,
		Example: "  cardea audit list --account KimBerg --action signin.password --limit 20",
	}
	c.Flags().StringVar(&userID, "account", "", "only events about the account with this User ID")
	c.Flags().StringVar(&filter.Subject, "id", "", "only events about the account with this subject, which may be deleted")
	c.Flags().StringVar(&filter.ClientID, "client", "", "only events about this client")
	c.Flags().StringVar(&action, "action", "", "only events of this action, such as client.created")
	c.Flags().StringVar(&filter.Before, "before", "", "only events older than the one with this id: the last of the list before")
	limit := limitFlag(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var err error
		if filter.Limit, err = limit(); err != nil {
			return err
		}
		if userID != "" && filter.Subject != "" {
			return usageError{errors.New("--account and --id both name an account: give one")}
		}
		filter.Action = provider.Action(action)
		return o.use(c, func(ctx context.Context, s *system) error {
			if userID != "" {
				a, err := s.accountNamed(ctx, userID, "")
				if err != nil {
					return err
				}
				filter.Subject = a.ID
			}
			return p.events(c, s, filter)
		})
	}
	return c
}

// eventView is an audit event as it is printed.
type eventView struct {
	ID        string           `json:"id"`
	At        time.Time        `json:"at"`
	Action    provider.Action  `json:"action"`
	Outcome   provider.Outcome `json:"outcome"`
	Actor     string           `json:"actor,omitempty"`
	Subject   string           `json:"sub,omitempty"`
	ClientID  string           `json:"client_id,omitempty"`
	Address   string           `json:"address,omitempty"`
	UserAgent string           `json:"user_agent,omitempty"`
	Method    string           `json:"method,omitempty"`
	RequestID string           `json:"request_id,omitempty"`
	Detail    string           `json:"detail,omitempty"`
}

func (p *printer) events(c *cobra.Command, s *system, filter storage.EventFilter) error {
	events, err := s.store.Events(c.Context(), filter)
	if err != nil {
		return err
	}
	views := make([]eventView, len(events))
	for i, e := range events {
		views[i] = eventView(e)
	}
	return p.print(c.OutOrStdout(), views, func(t *table) {
		t.row("AT", "ACTION", "OUTCOME", "ACTOR", "ACCOUNT", "CLIENT", "ADDRESS", "METHOD", "DETAIL")
		for _, v := range views {
			t.row(when(v.At), string(v.Action), string(v.Outcome), v.Actor, v.Subject, v.ClientID, v.Address, v.Method, v.Detail)
		}
	})
}
