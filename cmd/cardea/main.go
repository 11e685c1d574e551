// Command cardea is the identity provider: the server, its demo, and the verbs
// that administer it. README.md beside this file is the operator's manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it could not be done
	exitUsage  = 2 // it was asked for wrongly
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake in flags or arguments.
type usageError struct{ error }

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, problems io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(problems)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(problems, "cardea: %v\nSee 'cardea %s'.\n", err, "--help")
		return exitUsage
	}
	fmt.Fprintf(problems, "cardea: %v\n", err)
	return exitFailed
}

func rootCommand() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use: "cardea", Short: "An OpenID Connect provider for card issuers", SilenceErrors: true, SilenceUsage: true,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVarP(&o.config, "config", "c", os.Getenv(configVariable), "configuration file (YAML)")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(serveCommand(o), demoCommand(), accountAppCommand(), configCommand(o), versionCommand())
	root.AddCommand(adminCommands(o)...)
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

// configVariable names the configuration file where --config does not.
const configVariable = "CARDEA_CONFIG"

// options are the flags that every command shares.
type options struct {
	config string // path of the configuration file
}
