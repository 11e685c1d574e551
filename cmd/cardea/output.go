package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// printer writes a command's result in the form that --output chose.
type printer struct{ format string }

// outputFlag gives c the flag --output.
func outputFlag(c *cobra.Command) *printer {
	p := &printer{format: "text"}
	c.Flags().VarP(choice{&p.format, []string{"text", "json"}}, "output", "o", "how to print the result")
	return p
}

// print writes value as JSON, or the rows of text as an aligned table.
func (p *printer) print(w io.Writer, value any, text func(*table)) error {
	if p.format == "json" {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(value)
	}
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	text(t)
	return t.w.Flush()
}

// table aligns rows of text. Its writer keeps the first failure for Flush.
type table struct{ w *tabwriter.Writer }

// row writes one line, with "-" for what is empty. What a terminal would obey is
// shown as a replacement character: some of it was typed by others.
func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cell == "" && i > 0 {
			cell = "-"
		}
		cells[i] = strings.Map(func(r rune) rune {
			if unicode.IsGraphic(r) {
				return r
			}
			return unicode.ReplacementChar
		}, cell)
	}
	_, _ = fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

// field writes a name with its values, one to a line, or nothing where there are none.
func (t *table) field(name string, values ...string) {
	for _, value := range values {
		if value != "" {
			t.row(name, value)
			name = ""
		}
	}
}

// when is a time as it is printed; the zero time is "-".
func when(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// choice is a flag that takes one of a few words.
type choice struct {
	value *string
	of    []string
}

// String is the word chosen.
func (c choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

// Set refuses a word that is not offered.
func (c choice) Set(word string) error {
	if !slices.Contains(c.of, word) {
		return fmt.Errorf("must be one of: %s", strings.Join(c.of, " "))
	}
	*c.value = word
	return nil
}

// Type is what the help shows for the value.
func (c choice) Type() string { return strings.Join(c.of, "|") }
