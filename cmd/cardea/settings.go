package main

import (
	"fmt"
	"runtime/debug"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

func configCommand(o *options) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check the settings and print those in effect, secrets hidden", Args: noArguments}
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := o.load()
		if err != nil {
			return err
		}
		text, err := cfg.Redacted()
		if err == nil && p.format == "json" {
			text, err = yaml.YAMLToJSON(text)
		}
		if err != nil {
			return fmt.Errorf("printing the settings: %w", err)
		}
		_, err = c.OutOrStdout().Write(text)
		return err
	}
	return c
}

// buildView says which build this is.
type buildView struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"` // of the revision
	Modified bool   `json:"modified"`       // built from files that are not in the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand() *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Print which build this is", Args: noArguments}
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		v := build()
		return p.print(c.OutOrStdout(), v, func(t *table) {
			t.row("version", v.Version)
			t.field("revision", v.Revision)
			t.field("time", v.Time)
			t.row("modified", yesNo(v.Modified))
			t.row("go", v.Go)
			t.row("platform", v.Platform)
		})
	}
	return c
}

// build reads what the Go toolchain wrote into the binary.
func build() buildView {
	v := buildView{Version: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version, v.Go = info.Main.Version, info.GoVersion
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	v.Revision, v.Time, v.Modified = settings["vcs.revision"], settings["vcs.time"], settings["vcs.modified"] == "true"
	v.Platform = settings["GOOS"] + "/" + settings["GOARCH"]
	return v
}
