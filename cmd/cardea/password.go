package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// passwordSource is where a new password comes from: never from an argument, which
// other users and the shell's history would see.
type passwordSource struct {
	stdin bool
	file  string
}

// passwordFlag gives c the flags that name the password's source.
func passwordFlag(c *cobra.Command) *passwordSource {
	p := &passwordSource{}
	c.Flags().BoolVar(&p.stdin, "password-stdin", false, "read the password from standard input; on a terminal, ask for it")
	c.Flags().StringVar(&p.file, "password-file", "", "read the password from a file that other users cannot open")
	return p
}

// maxPasswordBytes is how much of a source is read.
const maxPasswordBytes = 4096

// read is the password, without one line end behind it.
func (p *passwordSource) read(c *cobra.Command) (string, error) {
	if p.stdin == (p.file != "") {
		return "", usageError{errors.New("say where the password comes from: either --password-stdin or --password-file FILE")}
	}
	if p.stdin {
		return readPassword(c)
	}
	file, err := os.Open(p.file)
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	if info.Mode()&0o007 != 0 {
		return "", fmt.Errorf("--password-file: other users can open %s; run chmod o-rwx on it", p.file)
	}
	return passwordFrom(file, "--password-file")
}

func readPassword(c *cobra.Command) (string, error) {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return passwordFrom(c.InOrStdin(), "--password-stdin")
	}
	first, err := ask(c, in, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask(c, in, "The same again: ")
	if err != nil {
		return "", err
	}
	if !bytes.Equal(first, again) {
		return "", errors.New("the two passwords differ; run the command again")
	}
	return string(first), nil
}

// ask reads a line without showing it. An interrupt ends it, and leaves the terminal
// as it was.
func ask(c *cobra.Command, in *os.File, prompt string) ([]byte, error) {
	terminal := int(in.Fd())
	before, err := term.GetState(terminal)
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	fmt.Fprint(c.ErrOrStderr(), prompt)
	defer fmt.Fprintln(c.ErrOrStderr())
	var typed []byte
	read := make(chan error, 1)
	go func() {
		text, err := term.ReadPassword(terminal)
		typed = text
		read <- err
	}()
	select {
	case err = <-read:
	case <-c.Context().Done():
		err = errors.Join(c.Context().Err(), term.Restore(terminal, before))
	}
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return typed, nil
}

func passwordFrom(r io.Reader, flag string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPasswordBytes+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	if len(text) > maxPasswordBytes {
		return "", fmt.Errorf("%s: there are more than %d bytes, which cannot be a password", flag, maxPasswordBytes)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 {
		return "", fmt.Errorf("%s: the password is empty", flag)
	}
	return string(text), nil
}
