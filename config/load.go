package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
)

const (
	maxFileSize   = 256 << 10
	maxLines      = 5000 // hundreds of APIs fit; the parser takes minutes over 80,000
	maxSecretSize = 64 << 10
)

// Default returns the settings that apply where the operator sets nothing. They lack
// what has no sensible default (issuer, database.url, secrets.keys) and so do not
// pass Validate.
func Default() Config {
	var c Config
	options(reflect.ValueOf(&c).Elem(), "", func(path string, v reflect.Value, tag reflect.StructTag) {
		text, set := tag.Lookup("default")
		if !set {
			return
		}
		if err := setVariable(v, text); err != nil {
			panic("config: default of " + path + ": " + err.Error()) // a fault in config.go, not in any input
		}
	})
	return c
}

// Load returns the settings from the YAML file at path, changed by the CARDEA_
// variables of environ ("NAME=value" as from os.Environ), with every secret file
// read and all settings checked. An empty path means no file. Paths of files are
// relative to the settings file and returned joined to its folder.
//
// The error joins every fault found; each is one line that names the place and the
// fix and quotes nothing that was read.
func Load(path string, environ []string) (Config, error) {
	c, f := Default(), &faults{}
	if path != "" {
		text, err := readSettings(path)
		if err != nil {
			return Config{}, fmt.Errorf("%s: %w", path, err)
		}
		if !decodeFile(&c, text, path, f) {
			return Config{}, f.join() // nothing more can be said about a file that is not YAML
		}
	}
	overlay(&c, environ, f)
	readFiles(&c, filepath.Dir(path), f)
	f.list = append(f.list, c.faults()...)
	if err := f.join(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Redacted returns the settings as YAML for people to read, in the file's own form,
// with secrets and the database password as "(hidden)".
func (c Config) Redacted() ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write settings as YAML: %w", err)
	}
	return text, nil
}

// faults gathers what is wrong, in the order found.
type faults struct{ list []error }

// add notes a fault at a place: an option's path, a variable, or file:line:column.
func (f *faults) add(place, what string) {
	f.list = append(f.list, errors.New(place+": "+what))
}

// maxFaults keeps the report of a file that is something else altogether readable.
const maxFaults = 100

func (f *faults) join() error {
	if more := len(f.list) - maxFaults; more > 0 {
		return errors.Join(append(f.list[:maxFaults:maxFaults], fmt.Errorf("and %d more", more))...)
	}
	return errors.Join(f.list...)
}

func readSettings(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(text) > maxFileSize {
		return nil, errors.New("larger than 256 KiB; give the path of the settings file")
	}
	if max(bytes.Count(text, []byte("\n")), bytes.Count(text, []byte("\r"))) > maxLines {
		return nil, fmt.Errorf("more than %d lines; give the path of the settings file", maxLines)
	}
	return text, nil
}

// readFiles replaces each *_file setting's path by one joined to dir and reads the
// secrets among them.
func readFiles(c *Config, dir string, f *faults) {
	resolve := func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	resolve(&c.TLS.CertFile)
	resolve(&c.TLS.KeyFile)
	if err := checkFile(c.TLS.CertFile); err != nil {
		f.add("tls.cert_file", err.Error())
	}
	if err := checkPrivate(c.TLS.KeyFile); err != nil {
		f.add("tls.key_file", err.Error())
	}
	resolve(&c.Database.URLFile)
	if text, ok := readSecret("database.url", c.Database.URL.Reveal(), c.Database.URLFile, f); ok {
		c.Database.URL = NewDatabaseURL(text)
	}
	resolve(&c.Messages.SMTP.PasswordFile)
	if text, ok := readSecret("messages.smtp.password", c.Messages.SMTP.Password.Reveal(), c.Messages.SMTP.PasswordFile, f); ok {
		c.Messages.SMTP.Password = NewSecret(text)
	}
	resolve(&c.Messages.SMS.SecretFile)
	if text, ok := readSecret("messages.sms.secret", c.Messages.SMS.Secret.Reveal(), c.Messages.SMS.SecretFile, f); ok {
		c.Messages.SMS.Secret = NewSecret(text)
	}
	for i := range c.Secrets.Keys {
		key := &c.Secrets.Keys[i]
		resolve(&key.KeyFile)
		path := fmt.Sprintf("secrets.keys[%d].key", i)
		if text, ok := readSecret(path, key.Key.Reveal(), key.KeyFile, f); ok {
			key.Key = NewSecret(text)
		}
	}
}

// readSecret returns what the file of option says, without one line end after it.
// False means that there is no file, or that f has the fault.
func readSecret(option, direct, path string, f *faults) (string, bool) {
	if path == "" {
		return "", false
	}
	if direct != "" {
		f.add(option, "set both here and through "+option+"_file; keep one")
		return "", false
	}
	text, err := readPrivate(path)
	if err != nil {
		f.add(option+"_file", err.Error())
		return "", false
	}
	return text, true
}

func readPrivate(path string) (string, error) {
	if err := checkPrivate(path); err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", unreadable(err)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return "", errors.New("the file is empty; write the secret into it")
	}
	return secret, nil
}

// checkFile says whether path is a regular file of sensible size; opening a pipe
// would hang the start. An empty path is fine: the option is not set.
func checkFile(path string) error {
	if path == "" {
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return unreadable(err)
	case !info.Mode().IsRegular():
		return errors.New("not a regular file; give the path of one")
	case info.Size() > maxSecretSize:
		return errors.New("larger than 64 KiB; give the path of the right file")
	}
	return nil
}

// checkPrivate is checkFile, and refuses what every local user may touch.
func checkPrivate(path string) error {
	if err := checkFile(path); err != nil || path == "" {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return unreadable(err)
	}
	if info.Mode()&0o007 != 0 {
		return errors.New("other users can open the file; run chmod o-rwx on it (Kubernetes: defaultMode 0440)")
	}
	return nil
}

func unreadable(err error) error {
	return fmt.Errorf("cannot read the file: %w; check the path and its permissions", reason(err))
}

// reason drops the path from a file error: someone may have put the secret itself
// where its path belongs.
func reason(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
