package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cardea/provider"
)

// adminCommands are the verbs that administer an issuer.
func adminCommands(o *options) []*cobra.Command {
	return []*cobra.Command{clientCommand(o), accountCommand(o), keyCommand(o), auditCommand(o), migrateCommand(o)}
}

// group is a noun with its verbs.
func group(noun, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: noun, Short: short, Args: knownCommand,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true}, // a mistyped verb is told of before its flags
		RunE: func(c *cobra.Command, _ []string) error {
			var names []string
			for _, verb := range verbs {
				names = append(names, verb.Name())
			}
			return usageError{fmt.Errorf("%s needs a command: %s", c.CommandPath(), strings.Join(names, ", "))}
		},
	}
	c.AddCommand(verbs...)
	return c
}

// knownCommand refuses what is no command of c, and says which may have been meant.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	return usageError{fmt.Errorf("there is no command %q%s", c.CommandPath()+" "+args[0], suggest(c.SuggestionsFor(args[0])))}
}

func suggest(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// flagError makes a mistake in a flag a usageError. It quotes no value: a password
// may have been typed in its place.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		return usageError{fmt.Errorf("%w%s", err, suggest(similarFlags(c, unknown.GetSpecifiedName())))}
	case errors.As(err, &invalid):
		return usageError{fmt.Errorf("--%s: %s", invalid.GetFlag().Name, valueProblem(invalid))}
	}
	return usageError{err}
}

func valueProblem(invalid *pflag.InvalidValueError) string {
	switch invalid.GetFlag().Value.Type() {
	case "bool":
		return "takes no value"
	case "int":
		return "must be a whole number"
	}
	return invalid.Unwrap().Error()
}

// similarFlags asks cobra's search for similar commands about flags: pflag has none.
func similarFlags(c *cobra.Command, name string) []string {
	names := &cobra.Command{SuggestionsMinimumDistance: 2}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	found := names.SuggestionsFor(name)
	for i := range found {
		found[i] = "--" + found[i]
	}
	return found
}

// oneArgument wants exactly one argument. It quotes none, as flagError does.
func oneArgument(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usageError{fmt.Errorf("%s needs one %s, and was given %d arguments", c.CommandPath(), name, len(args))}
		}
		return nil
	}
}

// use opens the issuer, refuses a schema that is not this binary's, and does do.
func (o *options) use(c *cobra.Command, do func(ctx context.Context, s *system) error) error {
	return o.useAny(c, func(ctx context.Context, s *system) error {
		steps, err := s.store.MigrationStatus(ctx)
		if err != nil {
			return err
		}
		applied := 0
		for _, step := range steps {
			if !step.Applied.IsZero() {
				applied++
			}
		}
		switch applied {
		case len(steps):
			return do(ctx, s)
		case 0:
			return errors.New("the database has no tables yet: run 'cardea migrate up', and check database.url if it should have")
		}
		return errors.New("the database schema is older than this binary: run 'cardea migrate up'")
	})
}

// useAny is use for whatever schema is there.
func (o *options) useAny(c *cobra.Command, do func(ctx context.Context, s *system) error) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	s, err := open(c.Context(), cfg, logger(c.ErrOrStderr(), "warn"))
	if err != nil {
		return err
	}
	return errors.Join(do(c.Context(), s), s.close())
}

// actor names who runs the command, for the audit trail.
func actor() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "cli:" + u.Username
	}
	return "cli:uid-" + strconv.Itoa(os.Getuid())
}

// now is the time as the database keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// confirmFlag gives c the flag --yes, without which it must do nothing.
func confirmFlag(c *cobra.Command) func(consequence string) error {
	yes := c.Flags().Bool("yes", false, "yes, do it: there is no way back")
	return func(consequence string) error {
		if *yes {
			return nil
		}
		return usageError{fmt.Errorf("%s, and there is no way back: say --yes if that is meant", consequence)}
	}
}

// explain says in words what a sentinel means for the thing named.
func explain(err error, kind, name string) error {
	switch {
	case errors.Is(err, provider.NotFound):
		return fmt.Errorf("there is no %s %q; 'cardea %s list' shows those there are", kind, name, kind)
	case errors.Is(err, provider.Exists):
		return fmt.Errorf("there is a %s %q already; 'cardea %s show' shows it", kind, name, kind)
	case errors.Is(err, provider.Changed):
		return fmt.Errorf("%s %q was changed by somebody else meanwhile, and not by this command: look at it, and run the command again", kind, name)
	}
	return err
}
