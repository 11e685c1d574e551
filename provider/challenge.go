package provider

import "time"

// Challenge is one open question to somebody: a code that was sent, or the random
// value of a WebAuthn ceremony. There is one live at a time for a Subject and
// Purpose: a new one replaces it.
type Challenge struct {
	Subject string // what it is bound to: the id of a sign-in, which is bound to a browser
	Purpose string // a constant of the package that asks
	ID      string // NewID: tells it from the one it replaces
	Data    ChallengeData
	Tries   int // answers that were looked at
	Created time.Time
	Expires time.Time
}

// ChallengeData is what an answer is checked against.
type ChallengeData struct {
	MAC         []byte `json:"mac,omitempty"`         // of a code, ForOneTime, over its ID, Destination and digits
	Destination string `json:"destination,omitempty"` // that a code was sent to
	Ceremony    []byte `json:"ceremony,omitempty"`    // WebAuthn session data, as JSON
	AccountID   string `json:"account,omitempty"`     // whom it was put to; "" = whoever answers
}

// RecoveryCode is one unused recovery code.
type RecoveryCode struct {
	ID        string
	AccountID string
	MAC       []byte // ForBackup, over the account and the code in its normal form
	Created   time.Time
}

// TrustedDevice is a browser in which an account's owner need not show the second
// factor that the issuer's policy asks for.
type TrustedDevice struct {
	ID        string // for lists and for ending it
	TokenHash string // TokenHash of its cookie
	AccountID string
	UserAgent string
	Address   string
	Created   time.Time
	LastUsed  time.Time
	Expires   time.Time
}

// ConnectedApp is a client that an account's owner has allowed something.
type ConnectedApp struct {
	ClientID string
	Scopes   []string
	Since    time.Time // of the newest consent
}
