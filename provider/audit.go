package provider

import "time"

// Action names what an audit event is about: a constant of this file, never input.
type Action string

// Every action that is audited.
const (
	ActionPassword        Action = "signin.password" // a password was tried
	ActionFactor          Action = "signin.factor"   // a second factor's code was tried
	ActionSession         Action = "signin.session"  // a session began or was raised
	ActionLocked          Action = "signin.locked"   // a lane was locked by failures
	ActionCancel          Action = "signin.cancel"   // the cardholder gave up
	ActionConsent         Action = "signin.consent"  // consent given or denied
	ActionSignOut         Action = "session.ended"   // signed out
	ActionFactorAdded     Action = "factor.added"    // enrolment confirmed
	ActionFactorRenamed   Action = "factor.renamed"
	ActionFactorRemoved   Action = "factor.removed"
	ActionFactorSent      Action = "factor.sent"   // a code was sent
	ActionFactorCloned    Action = "factor.cloned" // a passkey's counter went back: refused
	ActionRecoveryMade    Action = "recovery.made" // new recovery codes, the old ones are void
	ActionRecoveryUsed    Action = "recovery.used"
	ActionContact         Action = "contact.changed" // Method tells which: sms or email
	ActionDeviceTrusted   Action = "device.trusted"
	ActionDeviceForgotten Action = "device.forgotten"     // no longer trusted
	ActionSessionsEnded   Action = "session.others_ended" // signed out everywhere else, or one session from afar
	ActionPasswordChanged Action = "password.changed"     // by its owner
	ActionReported        Action = "account.reported"     // its owner said "this wasn't me"
	ActionAccessRemoved   Action = "access.removed"       // a connected app lost its access
	ActionLanguage        Action = "account.language"     // by its owner
	ActionRehash          Action = "password.rehashed"    // same password, new policy
	ActionCodeReplay      Action = "token.code_replay"    // a spent code came again: family revoked
	ActionRefreshReplay   Action = "token.refresh_replay" // a rotated refresh token came again: family revoked
	ActionRevoke          Action = "token.revoked"        // by its client
	ActionClientAuth      Action = "client.auth_failed"   // wrong client credentials
	ActionAccountCreated  Action = "account.created"
	ActionAccountDeleted  Action = "account.deleted"
	ActionAccountPassword Action = "account.password_set" // by an administrator
	ActionAccountLocked   Action = "account.locked"       // by an administrator
	ActionAccountUnlocked Action = "account.unlocked"     // by an administrator
	ActionClientCreated   Action = "client.created"
	ActionClientUpdated   Action = "client.updated"
	ActionClientSecret    Action = "client.secret_rotated"
	ActionClientDeleted   Action = "client.deleted"
	ActionKeyAdded        Action = "key.added"
	ActionKeyRotated      Action = "key.rotated"
)

// Outcome is how it ended.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
)

// Event is one line of the audit trail. It is written in the transaction of the
// change it tells of. It never holds a secret, a code, a token, a card number,
// or a typed User ID that matched nobody.
type Event struct {
	ID        string // time-ordered
	At        time.Time
	Action    Action
	Outcome   Outcome
	Actor     string // account id, "cli:NAME" for an administrator, "" when not known
	Subject   string // account id, "" when none matched
	ClientID  string
	Address   string
	UserAgent string
	Method    string // method, kind of factor, or client authentication method
	RequestID string
	Detail    string // a word of ours, such as a key id; never input
}
