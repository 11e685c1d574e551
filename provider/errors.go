package provider

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The sentinels that every layer speaks. Wrap one at most once, with what was
// being done; provider/web turns each into a status, a text key and a log level.
var (
	// NotFound: no such row, or one that the caller may not know of.
	NotFound = errors.New("not found")
	// Exists: the name or id is taken.
	Exists = errors.New("already exists")
	// Spent: something single-use was used before, or lost a race for it.
	Spent = errors.New("already used")
	// Changed: the row was changed by somebody else since it was read.
	Changed = errors.New("changed meanwhile")
	// Expired: it was there, and its time is over.
	Expired = errors.New("expired")
	// WrongPassword: the User ID or the password is wrong; which of them is never told.
	WrongPassword = errors.New("wrong user id or password")
	// WrongCode: the second factor's code is wrong, or was used before.
	WrongCode = errors.New("wrong code")
	// Locked: too many failures; errors.As to *LockedError tells until when.
	Locked = errors.New("locked")
	// Busy: a bounded resource is taken; the caller may try again soon.
	Busy = errors.New("busy")
	// Unavailable: the database does not answer, or not as it should; nothing was decided.
	Unavailable = errors.New("unavailable")
	// Forbidden: authenticated, and still not allowed.
	Forbidden = errors.New("forbidden")
	// Reauthenticate: signed in, but not recently or not strongly enough for this.
	Reauthenticate = errors.New("needs a newer or stronger authentication")
	// TooOften: too many of these within a time; errors.As to *TooOftenError tells
	// how long to wait.
	TooOften = errors.New("too often")
	// LastFactor: the account must keep one strong second factor.
	LastFactor = errors.New("last strong factor")
	// OutOfTurn: the step does not fit where the sign-in stands.
	OutOfTurn = errors.New("out of turn")
)

// LockedError is Locked with its end. A hard lock has no end: it takes recovery
// or customer service.
type LockedError struct {
	Until time.Time // zero when Hard
	Hard  bool
}

func (e *LockedError) Error() string { return Locked.Error() }

// Is makes errors.Is(err, Locked) true.
func (e *LockedError) Is(target error) bool { return target == Locked }

// TooOftenError is TooOften with the wait.
type TooOftenError struct{ Wait time.Duration }

func (e *TooOftenError) Error() string { return TooOften.Error() }

// Is makes errors.Is(err, TooOften) true.
func (e *TooOftenError) Is(target error) bool { return target == TooOften }

// Fault is one thing wrong with an input: which field, what is wrong with it and
// how to mend it, in one English sentence for the person at the API or CLI.
type Fault struct {
	Field   string
	Problem string
}

// Faults is every Fault of one input; a nil Faults is a good input.
type Faults []Fault

// Add notes a fault of field.
func (f *Faults) Add(field, format string, args ...any) {
	*f = append(*f, Fault{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// Err is nil when there is no fault.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Field + ": " + fault.Problem
	}
	return strings.Join(lines, "\n")
}
