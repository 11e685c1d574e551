package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func migrateCommand(o *options) *cobra.Command {
	return group("migrate", "Bring the database schema up to this binary", migrateUp(o), migrateStatus(o))
}

func migrateUp(o *options) *cobra.Command {
	c := &cobra.Command{Use: "up", Short: "Apply every pending step; forward only", Args: noArguments}
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return o.useAny(c, func(ctx context.Context, s *system) error {
			if err := s.store.Migrate(ctx); err != nil {
				return err
			}
			return p.migrations(c, s)
		})
	}
	return c
}

func migrateStatus(o *options) *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "List the steps and when they were applied; changes nothing", Args: noArguments}
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return o.useAny(c, func(ctx context.Context, s *system) error { return p.migrations(c, s) })
	}
	return c
}

// migrationView is one step of the schema as it is printed.
type migrationView struct {
	Version int64     `json:"version"`
	Name    string    `json:"name"`
	Pending bool      `json:"pending"`
	Applied time.Time `json:"applied,omitzero"`
}

func (p *printer) migrations(c *cobra.Command, s *system) error {
	steps, err := s.store.MigrationStatus(c.Context())
	if err != nil {
		return fmt.Errorf("reading the schema's state: %w", err)
	}
	views := make([]migrationView, len(steps))
	for i, m := range steps {
		views[i] = migrationView{Version: m.Version, Name: m.Name, Pending: m.Applied.IsZero(), Applied: m.Applied}
	}
	return p.print(c.OutOrStdout(), views, func(t *table) {
		t.row("VERSION", "NAME", "APPLIED")
		for _, v := range views {
			applied := when(v.Applied)
			if v.Pending {
				applied = "pending"
			}
			t.row(strconv.FormatInt(v.Version, 10), v.Name, applied)
		}
	})
}
