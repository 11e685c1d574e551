package provider

import "time"

// MessageKind names a notice to an account's owner.
type MessageKind string

// Every notice.
const (
	MessageLocked      MessageKind = "locked"       // sign-in is locked for a while
	MessageLockedHard  MessageKind = "locked_hard"  // only customer service can open it
	MessageNewDevice   MessageKind = "new_device"   // signed in from a browser not seen before
	MessageFactorAdded MessageKind = "factor_added" // a second factor was set up
	MessagePassword    MessageKind = "password"     // an administrator set a password
)

// Message is a notice in the outbox. It is written in the transaction of what it
// tells of, and stays until it has been delivered or its time is over. Whom it
// reaches, and in which language, is looked up when it is sent.
type Message struct {
	ID        string
	AccountID string
	Kind      MessageKind
	Data      MessageData
	Attempts  int // deliveries begun
	Created   time.Time
	Due       time.Time // not before; while one process delivers it, the end of its lease
	Expires   time.Time
}

// MessageData is what a notice tells.
type MessageData struct {
	At        time.Time `json:"at"`
	Until     time.Time `json:"until,omitzero"`       // MessageLocked
	UserAgent string    `json:"user_agent,omitempty"` // MessageNewDevice
	Address   string    `json:"address,omitempty"`
	Name      string    `json:"name,omitempty"` // of the factor
}

// MessageLife is how long a notice is worth delivering.
const MessageLife = 72 * time.Hour
