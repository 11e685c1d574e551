package loginui

import (
	"slices"
	"time"
)

// Pages of the security centre. Each has the way back to GET /security, except SecurityPage itself. What is removed or
// ended is asked for on a page of its own, ConfirmPage.

// Centre is what every page of the security centre has.
type Centre struct {
	Base
	Done string        // what was just done, one of the Done constants: a notice at the top; "" and unknown words = nothing
	Idle time.Duration // script warns a minute before this is over and leads to /timeout; 0 = no warning
}

// What was just done, for Centre.Done.
const (
	DonePassword      = "password" // changed
	DonePasskey       = "passkey"  // set up, as are the next three: the word is the task
	DoneTOTP          = "totp"
	DoneSMS           = "sms"
	DoneEmail         = "email"
	DonePhone         = "phone"   // proven, the task's word
	DoneAddress       = "address" // proven, the task's word
	DoneFactorRenamed = "factor-renamed"
	DoneFactorRemoved = "factor-removed"
	DoneCodes         = "codes"   // new recovery codes
	DoneSession       = "session" // one session ended
	DoneOthers        = "others"  // all other sessions ended
	DoneDevice        = "device"  // no longer trusted
	DoneApp           = "app"     // lost its access
	DoneLanguage      = "language"
)

var dones = []string{
	DonePassword, DonePasskey, DoneTOTP, DoneSMS, DoneEmail, DonePhone, DoneAddress, DoneFactorRenamed, DoneFactorRemoved,
	DoneCodes, DoneSession, DoneOthers, DoneDevice, DoneApp, DoneLanguage,
}

// SecurityPage is the overview. GET /security.
type SecurityPage struct {
	Centre
	UserIDMasked    string
	LastSignIn      time.Time // zero = first time
	LastBrowser     string
	PasswordChanged time.Time
	Factors         []FactorRow
	RecoveryLeft    int // -1 = recovery codes are not offered
	Sessions        int
	Trusted         int
	Apps            int
	Advice          string // "factor", "passkey" or "recovery": what to add, the end of a key under "security.advice."; "" = nothing
}

func (*SecurityPage) template() string { return "security" }
func (*SecurityPage) heading() phrase  { return phrase{key: "security.title"} }

// FactorRow is one second factor.
type FactorRow struct {
	ID        string
	Kind      string // as in Method
	Name      string // its own name, or its masked destination; "" when it has neither
	Added     time.Time
	Used      time.Time // zero = never
	Synced    bool      // passkey: copied by its maker to other devices
	Renamable bool
	Left      int // recovery codes
}

// LabelKey is the text key of the kind.
func (f FactorRow) LabelKey() string { return "method." + f.Kind }

// ofKind returns the rows of passkeys, or those of the other kinds but recovery codes, which have a row of their own.
func ofKind(all []FactorRow, passkeys bool) (rows []FactorRow) {
	for _, f := range all {
		if f.Kind != "recovery" && (f.Kind == "passkey") == passkeys {
			rows = append(rows, f)
		}
	}
	return rows
}

// Passkeys are the passkeys: they stand above the password.
func (p *SecurityPage) Passkeys() []FactorRow { return ofKind(p.Factors, true) }

// Others are the second factors below the password.
func (p *SecurityPage) Others() []FactorRow { return ofKind(p.Factors, false) }

// PasswordPage changes the password. POST /security/password: username (hidden, autocomplete), password (the current
// one), new_password, new_password2, end_others.
type PasswordPage struct {
	Centre
	UserID string
}

func (*PasswordPage) template() string { return "security-password" }
func (*PasswordPage) heading() phrase  { return phrase{key: "security.password.title"} }

// MethodsPage lists second factors. "Add" is a form: POST /security/methods/add: task. Each factor links to
// GET /security/methods/{id}. Recovery codes: GET /security/recovery-codes.
type MethodsPage struct {
	Centre
	Factors      []FactorRow
	Addable      []Method // Kind is the task posted
	RecoveryLeft int      // -1 = not offered
	Signal       *PasskeySignal
}

func (*MethodsPage) template() string { return "security-methods" }
func (*MethodsPage) heading() phrase  { return phrase{key: "security.methods.title"} }

// Passkeys are the passkeys: they stand above the others.
func (p *MethodsPage) Passkeys() []FactorRow { return ofKind(p.Factors, true) }

// Others are the second factors below the password.
func (p *MethodsPage) Others() []FactorRow { return ofKind(p.Factors, false) }

// PasskeySignal is what script tells password managers with PublicKeyCredential.signalAllAcceptedCredentials, or with
// signalUnknownCredential when there is one Credential and no UserHandle (WebAuthn Level 3 §5.1.10).
type PasskeySignal struct {
	RPID        string
	UserHandle  string   // base64url
	Credentials []string // base64url
}

// MethodPage shows one second factor. POST /security/methods/{id}/rename: name; GET /security/methods/{id}/remove.
type MethodPage struct {
	Centre
	Factor FactorRow
	Last   bool // the last strong one: cannot be removed
}

func (*MethodPage) template() string  { return "security-method" }
func (p *MethodPage) heading() phrase { return phrase{key: p.Factor.LabelKey()} }

// DevicesPage lists sessions and trusted devices. POST /security/devices/sign-out: sid; GET
// /security/devices/sign-out-others; POST /security/devices/forget: id.
type DevicesPage struct {
	Centre
	Sessions []SessionRow
	Trusted  []SessionRow
}

func (*DevicesPage) template() string { return "security-devices" }
func (*DevicesPage) heading() phrase  { return phrase{key: "security.devices.title"} }

// HasOthers tells that there is somewhere else to sign out.
func (p *DevicesPage) HasOthers() bool {
	return slices.ContainsFunc(p.Sessions, func(s SessionRow) bool { return !s.This })
}

// SessionRow is a session or a trusted device.
type SessionRow struct {
	ID      string // sid, or the device's id
	Browser string // "Firefox on Linux"; "" when not known
	Address string
	Begun   time.Time
	Used    time.Time
	Until   time.Time // trusted devices
	This    bool      // this very browser
}

// ActivityPage lists what happened, newest first. GET /security/activity?before=; "This wasn't me" leads to GET
// /security/report.
type ActivityPage struct {
	Centre
	Events []EventRow
	Older  string // the address of the next page; "" = none
	Newer  string // the address of the first page; "" on it
}

func (*ActivityPage) template() string { return "security-activity" }
func (*ActivityPage) heading() phrase  { return phrase{key: "security.activity.title"} }

// EventRow is one event in plain words.
type EventRow struct {
	What    string // the end of a text key under "activity."
	At      time.Time
	Browser string
	Address string
	Name    string // client's or factor's name; "" = none
	Method  string // kind of factor, as in Method.Kind, or "pwd"; "" = none
	Refused bool
}

// AppsPage lists connected apps. Each links to GET /security/apps/remove?client_id=.
type AppsPage struct {
	Centre
	Apps []AppRow
}

func (*AppsPage) template() string { return "security-apps" }
func (*AppsPage) heading() phrase  { return phrase{key: "security.apps.title"} }

// AppRow is one connected app.
type AppRow struct {
	ClientID string
	Name     string
	Scopes   []ScopeText
	Since    time.Time
}

// ContactPage shows the contact details. "Change" is a form: POST /security/contact: task = "phone" or "address".
type ContactPage struct {
	Centre
	Email         string // in full: the owner is signed in; "" = none
	EmailVerified bool
	Phone         string
	PhoneVerified bool
}

func (*ContactPage) template() string { return "security-contact" }
func (*ContactPage) heading() phrase  { return phrase{key: "security.contact.title"} }

// LanguagePage chooses the language of pages and messages. POST /security/language: lang.
type LanguagePage struct {
	Centre
	Chosen string // "" = none yet
}

func (*LanguagePage) template() string { return "security-language" }
func (*LanguagePage) heading() phrase  { return phrase{key: "security.language.title"} }

// ConfirmPage asks before something is removed or ended. POST to Action with the Hidden fields; "Cancel" leads to Back.
type ConfirmPage struct {
	Centre
	What   string // the end of a text key under "confirm.": "factor", "others", "app", "report", "codes"
	Name   string // of what is removed; "" = none
	Action string // path on this origin
	Back   string
	Hidden []Hidden
}

func (*ConfirmPage) template() string { return "security-confirm" }
func (p *ConfirmPage) heading() phrase {
	return phrase{"confirm." + p.What + ".title", map[string]any{"Name": p.Name}}
}

// ButtonKey is the text key of the button that does it.
func (p *ConfirmPage) ButtonKey() string { return "confirm." + p.What + ".button" }

// ReportedPage says that sign-in is locked because its owner reported misuse, and whom to call.
type ReportedPage struct{ Base }

func (*ReportedPage) template() string { return "reported" }
func (*ReportedPage) heading() phrase  { return phrase{key: "reported.title"} }

// TimeoutPage says that the person was signed out for being inactive. GET /timeout.
type TimeoutPage struct {
	Base
	Minutes int // of inactivity
}

func (*TimeoutPage) template() string { return "timeout" }
func (*TimeoutPage) heading() phrase  { return phrase{key: "timeout.title"} }

// Text keys for FieldError.Key on these pages.
const (
	KeyCurrentWrong   = "security.password.current.wrong" // Field "password"
	KeyCurrentEmpty   = "security.password.current.empty" // Field "password"
	KeyNewEmpty       = "security.password.new.empty"     // Field "new_password"
	KeyNewShort       = "security.password.new.short"     // Args "Count": fewest characters (int); Field "new_password"
	KeyNewLong        = "security.password.new.long"      // Field "new_password"
	KeyNewClasses     = "security.password.new.classes"   // Field "new_password"
	KeyNewGuessable   = "security.password.new.guessable" // holds the brand, the User ID or the address, or is too plain; Field "new_password"
	KeyNewSame        = "security.password.new.same"      // is the current one; Field "new_password"
	KeyNewDiffers     = "security.password.new.differs"   // the two are not the same; Field "new_password2"
	KeyNameEmpty      = "security.name.empty"             // Field "name"
	KeyNameLong       = "security.name.long"              // over 40 characters; Field "name"
	KeyPasswordLocked = "security.password.locked"        // too many wrong passwords; Args "Count": minutes (int); Field ""
)
