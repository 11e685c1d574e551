package provider

import "time"

// MessageKind names a message to an account's owner, or to customer service.
type MessageKind string

// Every notice: it tells what has happened, and goes to all of the account's contacts.
const (
	MessageLocked        MessageKind = "locked"         // sign-in is locked for a while
	MessageLockedHard    MessageKind = "locked_hard"    // only customer service can open it
	MessageNewDevice     MessageKind = "new_device"     // signed in from a browser not seen before
	MessageFactorAdded   MessageKind = "factor_added"   // a second factor was set up
	MessageFactorRemoved MessageKind = "factor_removed" // a second factor was removed
	MessagePassword      MessageKind = "password"       // the password was changed or set
	MessageContact       MessageKind = "contact"        // a phone number or e-mail address was changed
	MessageRecoveryUsed  MessageKind = "recovery_used"  // a recovery code was used; Data.Left
	MessageRecoveryMade  MessageKind = "recovery_made"  // new recovery codes, the old ones are void
	MessageReported      MessageKind = "reported"       // its owner said "this wasn't me": sign-in is locked
	MessageDevicesSigned MessageKind = "sessions_ended" // all other sessions were ended
	MessageAccessRemoved MessageKind = "access_removed" // a connected app lost its access; Data.Name
)

// The others.
const (
	MessageCode        MessageKind = "code"         // a one-time code to one destination
	MessageCodeContact MessageKind = "code_contact" // likewise, to prove a new contact
	MessageDesk        MessageKind = "desk"         // to customer service: an owner reports misuse
)

// Code tells whether messages of the kind carry a code: somebody waits for it.
func (k MessageKind) Code() bool { return k == MessageCode || k == MessageCodeContact }

// Channel is how a message travels.
type Channel string

// The channels.
const (
	ChannelMail Channel = "mail"
	ChannelSMS  Channel = "sms"
)

// Message is a message in the outbox. It is written in the transaction of what it
// tells of, and stays until it has been delivered or its time is over. The language,
// and for an empty To the destination, are looked up when it is sent.
type Message struct {
	ID        string
	AccountID string
	Kind      MessageKind
	Channel   Channel // "" = mail
	To        string  // e-mail address or E.164 number; "" = the account's own of that channel
	Data      MessageData
	Attempts  int // deliveries begun
	Created   time.Time
	Due       time.Time // not before; while one process delivers it, the end of its lease
	Expires   time.Time
}

// MessageData is what a message tells.
type MessageData struct {
	At        time.Time `json:"at"`
	Until     time.Time `json:"until,omitzero"`       // MessageLocked
	UserAgent string    `json:"user_agent,omitempty"` // of the browser it was done in
	Address   string    `json:"address,omitempty"`
	Name      string    `json:"name,omitempty"`      // of the factor or the client
	Factor    string    `json:"factor,omitempty"`    // FactorKind, for a factor without a name
	Left      int       `json:"left,omitempty"`      // recovery codes that are left
	Reference string    `json:"reference,omitempty"` // for customer service
	Code      []byte    `json:"code,omitempty"`      // sealed ForMessage under AAD("messages", "code", Message.ID)
}

// MessageLife is how long a notice is worth delivering. A code's is its own.
const MessageLife = 72 * time.Hour
