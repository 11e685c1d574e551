package loginui

import (
	"strings"
	"time"
)

// PasskeyPage asks for a passkey or security key as second factor. Script gets options by POST to
// /signin/verify/passkey/options and posts the answer: POST /signin/verify/passkey: credential, trust_device.
type PasskeyPage struct {
	Base
	TrustDevice  bool
	OtherMethods bool // link to the chooser, GET /signin/verify
}

func (*PasskeyPage) template() string { return "passkey" }
func (*PasskeyPage) heading() phrase  { return phrase{key: "passkey.title"} }

// CodePage asks for a code that was sent. POST /signin/verify/sms or /email: code, trust_device.
// A form of its own asks for a new code: POST /signin/verify/sms/send or /email/send.
type CodePage struct {
	Base
	Kind         string        // "sms" or "email"
	Destination  string        // masked: "••42", "m•••@d•••.se"
	Sent         bool          // a code has just been sent: says so
	Wait         time.Duration // no new code before this is over: says so; 0 = none
	TrustDevice  bool
	OtherMethods bool
}

// Ending is the last digits of a masked telephone number.
func (p *CodePage) Ending() string { return ending(p.Destination) }

func ending(masked string) string { return strings.TrimLeft(masked, "•") }

func (*CodePage) template() string  { return "code" }
func (p *CodePage) heading() phrase { return phrase{key: "code." + p.Kind + ".title"} }

// RecoveryPage asks for a recovery code. POST /signin/verify/recovery: recovery_code.
type RecoveryPage struct {
	Base
	Left         int // codes that are left
	OtherMethods bool
}

func (*RecoveryPage) template() string { return "recovery" }
func (*RecoveryPage) heading() phrase  { return phrase{key: "recovery.title"} }

// StuckPage is for who can use none of their methods. GET /signin/verify/help.
type StuckPage struct{ Base }

func (*StuckPage) template() string { return "stuck" }
func (*StuckPage) heading() phrase  { return phrase{key: "stuck.title"} }

// EnrolPage lets the person choose what to set up. Each method links to its own page with ?ix=, see Method.Path.
// POST /signin/cancel gives up.
type EnrolPage struct {
	Base
	Methods []Method // the best first
	Forced  bool     // the issuer requires one before the sign-in can go on
}

func (*EnrolPage) template() string { return "enrol" }
func (*EnrolPage) heading() phrase  { return phrase{key: "enrol.choose.title"} }

// GainKey is the text key of what the person gains by setting the method up.
func (m Method) GainKey() string { return "enrol." + m.Kind + ".gain" }

// Path is the page where a method is set up.
func (m Method) Path() string {
	switch m.Kind {
	case "sms":
		return "/factor/phone/new"
	case "email":
		return "/factor/email/new"
	}
	return "/factor/" + m.Kind + "/new"
}

// EnrolPasskeyPage creates a passkey. Script gets options by POST to /factor/passkey/options and posts the answer:
// POST /factor/passkey/new: credential.
type EnrolPasskeyPage struct {
	Base
	Forced       bool
	OtherMethods bool // link to the chooser, GET /factor/new
	Centre       bool // reached from the security centre: "Cancel" leads back there
}

func (*EnrolPasskeyPage) template() string { return "enrol-passkey" }
func (*EnrolPasskeyPage) heading() phrase  { return phrase{key: "enrol.passkey.title"} }

// EnrolContactPage proves a telephone number or an e-mail address with a code. Without Destination it asks where to
// send one, POST /factor/phone/new: phone or use=current; /factor/email/new: email or use=current. With Destination it
// asks for the code, POST /factor/phone/confirm or /factor/email/confirm: code; and offers a new code, POST
// /factor/phone/send or /factor/email/send, and another destination, GET of the page with &again=1.
type EnrolContactPage struct {
	Base
	Kind         string // "sms" or "email"
	Contact      bool   // it becomes the contact only, not a second factor
	Current      string // the verified one that we have, masked: may be used as it is; "" = none
	Fixed        bool   // only Current may be used: nothing to type
	Typed        string // what was typed before an error
	Destination  string // masked, where a code was sent
	Sent         bool
	Wait         time.Duration
	Forced       bool
	OtherMethods bool
	Centre       bool
}

// Ending is the last digits of a masked telephone number.
func (p *EnrolContactPage) Ending() string { return ending(p.Destination) }

// CurrentEnding is Ending for the number that we have.
func (p *EnrolContactPage) CurrentEnding() string { return ending(p.Current) }

func (*EnrolContactPage) template() string { return "enrol-contact" }
func (p *EnrolContactPage) heading() phrase {
	if p.Destination != "" {
		return phrase{key: "code." + p.Kind + ".title"}
	}
	if p.Contact {
		return phrase{key: "contact." + p.Kind + ".title"}
	}
	return phrase{key: "enrol." + p.Kind + ".title"}
}

// RecoveryCodesPage shows new recovery codes, once. Without Codes it explains them and offers to make some: POST
// /factor/recovery-codes. With Codes: POST /factor/recovery-codes/download with the hidden field sealed answers with a
// text file; POST /factor/recovery-codes/done with saved=1 and sealed goes on; without Codes it declines. In the security centre
// the paths begin with /security instead of /factor, and "done" is a link to /security/methods.
type RecoveryCodesPage struct {
	Base
	Codes  []string // in groups of four with dashes
	Sealed string   // the codes as the download wants them
	Centre bool     // within the security centre
	Left   int      // centre: codes that are left of the set that new ones would end
}

func (*RecoveryCodesPage) template() string { return "recovery-codes" }
func (p *RecoveryCodesPage) heading() phrase {
	if len(p.Codes) > 0 {
		return phrase{key: "codes.shown.title"}
	}
	return phrase{key: "codes.title"}
}

// Text keys for FieldError.Key on these pages.
const (
	KeyCodeWrong       = "code.wrong"       // wrong SMS or e-mail code; Field "code"
	KeyCodeFormat      = "totp.format"      // not six digits; Field "code"
	KeyCodeExpired     = "code.expired"     // it had expired: a new one was sent; Field "code"
	KeyCodeUsedUp      = "code.usedup"      // too many tries at this code: ask for a new one; Field "code"
	KeyCodeNotSent     = "code.notsent"     // too many codes were sent already; Args "Count": minutes (int); Field ""
	KeyCodeWait        = "code.wait"        // too soon for a new code; Args "Count": seconds (int); Field ""
	KeyRecoveryWrong   = "recovery.wrong"   // wrong or used; Field "recovery_code"
	KeyRecoveryEmpty   = "recovery.empty"   // Field "recovery_code"
	KeyCodesUnsaved    = "codes.unsaved"    // the box was not ticked; Field "saved"
	KeyPasskeyFailed   = "passkey.failed"   // could not be used to confirm or sign in (Field "")
	KeyPasskeyNotMade  = "passkey.notmade"  // could not be created (Field "")
	KeyPasskeyExists   = "passkey.exists"   // this authenticator has a passkey for the account already (Field "")
	KeyPasskeyRefused  = "passkey.refused"  // the issuer does not accept this model (Field "")
	KeyPasskeyNoScript = "passkey.noscript" // the form came without an answer (Field "")
	KeyPhoneWrong      = "phone.wrong"      // no telephone number; Field "phone"
	KeyEmailWrong      = "email.wrong"      // no e-mail address; Field "email"
	KeyEmailTaken      = "email.taken"      // the address or number is already the account's own; Field "phone" or "email"
)
