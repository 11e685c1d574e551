package storage

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// stamp is how a time is stored: microseconds since 1970 in UTC, 0 = the zero
// time. Scanning into (*stamp)(&t) sets t.
type stamp time.Time

// Value gives the microseconds.
func (s stamp) Value() (driver.Value, error) {
	if time.Time(s).IsZero() {
		return int64(0), nil
	}
	return time.Time(s).UnixMicro(), nil
}

// Scan reads microseconds; NULL is the zero time.
func (s *stamp) Scan(src any) error {
	switch n := src.(type) {
	case nil:
		*s = stamp{}
	case int64:
		*s = stamp{}
		if n != 0 {
			*s = stamp(time.UnixMicro(n).UTC())
		}
	default:
		return fmt.Errorf("a time is stored as %T, not as a number", src)
	}
	return nil
}

// list is a list of strings stored as a JSON array. No strings and nil are the same.
type list []string

// Value gives the JSON array.
func (l list) Value() (driver.Value, error) {
	if len(l) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal([]string(l))
	return string(b), err
}

// Scan reads a JSON array; NULL is an empty list. Where nothing is escaped, which
// is nearly always, the text can be cut at its quotes: that is ten times faster,
// and every token lookup reads five lists.
func (l *list) Scan(src any) error {
	*l = nil
	s, err := textOf(src)
	if err != nil || s == "" || s == "[]" {
		return err
	}
	if strings.HasPrefix(s, `["`) && strings.HasSuffix(s, `"]`) && !strings.Contains(s, `\`) {
		*l = strings.Split(s[2:len(s)-2], `","`)
		return nil
	}
	return json.Unmarshal([]byte(s), (*[]string)(l))
}

// object is any value stored as JSON.
type object[T any] struct{ v T }

// Value gives the JSON text.
func (o object[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(o.v)
	return string(b), err
}

// Scan reads JSON text.
func (o *object[T]) Scan(src any) error {
	s, err := textOf(src)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(s), &o.v)
}

// into scans JSON text into what v points to.
type into struct{ v any }

// Scan reads JSON text.
func (i into) Scan(src any) error {
	s, err := textOf(src)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(s), i.v)
}

// nullable is a string from the outer side of a join: NULL reads as "".
type nullable string

// Scan reads text or NULL.
func (n *nullable) Scan(src any) error {
	s, err := textOf(src)
	*n = nullable(s)
	return err
}

func textOf(src any) (string, error) {
	switch s := src.(type) {
	case nil:
		return "", nil
	case string:
		return s, nil
	case []byte:
		return string(s), nil
	}
	return "", fmt.Errorf("a text is stored as %T", src)
}

// fit tells whether every text among args can stand in a TEXT column. PostgreSQL
// takes neither NUL nor broken UTF-8 and would abort the transaction; SQLite takes
// both. Asked here, both engines answer alike.
func fit(args []any) bool {
	for _, arg := range args {
		s, ok := arg.(string)
		if ok && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s)) {
			return false
		}
	}
	return true
}

// clean makes a text that came from outside fit, for columns that people read and
// nothing is looked up by.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
