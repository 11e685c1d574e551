package provider

import "time"

// LockoutPolicy bounds the guesses in one lane. A lane is one (User ID, client
// class) or one account's second factors; a known device has a lane of its own,
// so that strangers cannot lock its owner out.
type LockoutPolicy struct {
	Attempts int           // consecutive failures before the lane is locked
	Wait     time.Duration // how long a lock lasts
	Locks    int           // this many locks within Window make a hard lock; 0 = never
	Window   time.Duration
	Hard     int // failures without a success, over all locks, that make a hard lock; 0 = never
}

// Lane is the state of one lane. The zero Lane has seen nothing.
type Lane struct {
	Key      string // names the lane: a keyed hash, so that a copy names nobody
	Subject  string // shared by all lanes of one User ID, for unlocking
	Failures int    // consecutive, since the last lock or success
	Total    int    // since the last success
	Locks    int    // locks within the window that began at First
	First    time.Time
	Until    time.Time // locked until; zero or past = open
	Hard     bool
	Version  int       // for compare-and-swap; 0 = no row yet
	Expires  time.Time // when the row may be forgotten
}

// Locked is the error that a locked lane answers with, or nil.
func (l Lane) Locked(now time.Time) error {
	if l.Hard {
		return &LockedError{Hard: true}
	}
	if now.Before(l.Until) {
		return &LockedError{Until: l.Until}
	}
	return nil
}

// Attempt counts one attempt before it is evaluated, as if it had failed, so
// that parallel guesses cannot outrun the counter. The attempt that reaches the
// limit locks the lane at once; when it turns out right, the lane is cleared.
// A locked lane counts nothing.
func (p LockoutPolicy) Attempt(l Lane, now time.Time) Lane {
	if l.Locked(now) != nil {
		return l
	}
	l.Failures++
	l.Total++
	l.Expires = now.Add(max(p.Window, p.Wait) + 24*time.Hour)
	if p.Hard > 0 && l.Total >= p.Hard {
		l.Hard = true
	}
	if l.Failures < p.Attempts {
		return l
	}
	if l.First.IsZero() || now.Sub(l.First) >= p.Window {
		l.First, l.Locks = now, 0
	}
	l.Failures = 0
	l.Locks++
	l.Until = now.Add(p.Wait)
	if p.Locks > 0 && l.Locks >= p.Locks {
		l.Hard = true
	}
	return l
}

// Left is how many attempts remain before the next lock.
func (p LockoutPolicy) Left(l Lane) int { return p.Attempts - l.Failures }

// Success is l after an attempt that turned out right: the consecutive counts
// are cleared, and so is a lock that this attempt or one beside it has set. The
// memory of locks by other attempts stays for its window; lockedByThis tells that
// the newest lock is not one of them.
func (l Lane) Success(lockedByThis bool) Lane {
	l.Failures, l.Total, l.Until, l.Hard = 0, 0, time.Time{}, false
	if lockedByThis && l.Locks > 0 {
		l.Locks--
	}
	return l
}
