package config

import (
	"errors"
	"reflect"
	"strings"
)

const envPrefix = "CARDEA_"

// overlay sets options from the CARDEA_ variables of environ. An empty variable
// empties a text or a list.
func overlay(c *Config, environ []string, f *faults) {
	known := map[string]reflect.Value{}
	options(reflect.ValueOf(c).Elem(), "", func(path string, v reflect.Value, _ reflect.StructTag) {
		known[envName(path)] = v
	})
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		v, ok := known[name]
		if !ok {
			f.add(name, "unknown variable; see README.md for the names, or unset it "+
				"(if Kubernetes made it from a Service's name: enableServiceLinks: false)")
			continue
		}
		if err := setVariable(v, text); err != nil {
			f.add(name, err.Error())
		}
	}
}

// envName is the variable that sets the option at path.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// setVariable sets a value from a variable: lists are comma-separated, and sealing
// keys are id:key pairs.
func setVariable(v reflect.Value, text string) error {
	if kindOf(v.Type()) != list {
		return setText(v, text)
	}
	var parts []string
	if text != "" {
		parts = strings.Split(text, ",")
	}
	values := reflect.MakeSlice(v.Type(), len(parts), len(parts))
	for i, part := range parts {
		if err := setEntry(values.Index(i), strings.TrimSpace(part)); err != nil {
			return err
		}
	}
	v.Set(values)
	return nil
}

func setEntry(v reflect.Value, text string) error {
	if kindOf(v.Type()) == single {
		return setText(v, text)
	}
	key, ok := v.Addr().Interface().(*Key)
	if !ok {
		return errors.New("cannot be set by a variable; set it in the file")
	}
	id, secret, found := strings.Cut(text, ":")
	if !found {
		return errors.New("not a list of keys; write id:key,id2:key2")
	}
	*key = Key{ID: id, Key: NewSecret(secret)}
	return nil
}
