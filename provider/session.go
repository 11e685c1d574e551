package provider

import "time"

// Session is one browser's single sign-on session. The browser holds a random
// token; ID is that token's hash, so a copy of the database opens nothing.
type Session struct {
	ID        string // TokenHash of the cookie's value; new at every privilege change
	SID       string // the sid claim: stays the same while ID changes
	AccountID string
	Methods   []string  // that its owner has shown, see AddMethods
	AuthTime  time.Time // when its owner last proved something, for auth_time
	Created   time.Time
	LastSeen  time.Time // moved in steps, see SessionLimits.Stale
	Expires   time.Time // the absolute limit
	Address   string    // of the sign-in
	UserAgent string
}

// Level is what the session has been authenticated to.
func (s *Session) Level() Level {
	if s == nil {
		return LevelNone
	}
	return LevelFrom(s.Methods)
}

// SessionLimits bound every session.
type SessionLimits struct {
	Idle     time.Duration // longest time without a request
	Absolute time.Duration // longest time at all
}

// Alive tells whether s may still be used at now.
func (l SessionLimits) Alive(s *Session, now time.Time) bool {
	return s != nil && now.Before(s.Expires) && now.Sub(s.LastSeen) < l.Idle
}

// Stale tells that LastSeen is old enough to be written again. Steps of a
// fifteenth of the idle limit keep reads from becoming writes.
func (l SessionLimits) Stale(s *Session, now time.Time) bool {
	return now.Sub(s.LastSeen) >= l.Idle/15
}

// Proof is what somebody has shown so far within one sign-in.
type Proof struct {
	AccountID string    `json:"account,omitempty"`
	Methods   []string  `json:"amr,omitempty"` // see AddMethods
	At        time.Time `json:"at,omitzero"`   // of the latest of them
}

// Level is what the proof adds up to.
func (p Proof) Level() Level { return LevelFrom(p.Methods) }

// Recent tells whether the session's owner has proven who they are at most age ago,
// and to level.
func (s *Session) Recent(now time.Time, age time.Duration, level Level) bool {
	return s != nil && now.Sub(s.AuthTime) <= age && s.Level() >= level
}
