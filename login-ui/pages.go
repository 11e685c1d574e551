package loginui

import (
	"errors"
	"html/template"
	"strings"
	"time"
)

// Page is one hosted page: a pointer to one of the structs in this package, each of which embeds Base.
type Page interface {
	base() *Base
	// template names the file in templates/ without its extension.
	template() string
	// heading is the text of the only h1 and the first half of the title.
	heading() phrase
}

// phrase is a text key and the values it needs beyond the issuer's settings.
type phrase struct {
	key  string
	args map[string]any
}

// Base is what every page needs to know, whatever it is about.
type Base struct {
	Lang      string // one of Languages; anything else renders in English
	Return    string // this page as a GET, a path with query on this origin: where the language switch comes back to; anything else hides the switch
	IX        string // sign-in transaction id: the hidden field "ix" of every form, kept in help links as ?ix=; "" outside a sign-in
	FormToken string // hidden field "form_token" of every form
	Client    string // display name of the service the person is going to; "" when there is none
	Purpose   string // what somebody who is signed in confirms that it is them for, within a sentence: "make a payment"; "" = nothing to say
	Who       string // hidden field "who" of pages that name the person: whom the answer is for; "" on others
	Errors    []FieldError
	SignedIn  bool // a session exists: offers to sign out where that makes sense
}

func (b *Base) base() *Base { return b }

// FieldError is one thing the person has to correct. It appears in the summary at the top and again beside its field.
type FieldError struct {
	Field string         // id of the input, such as "username"; "" for an error of the page as a whole
	Key   string         // text key; the Key constants are the ones that exist
	Args  map[string]any // values of the placeholders in the text, when it has any
}

// Text keys for FieldError.Key. None of them needs Args unless its comment says so.
const (
	KeySignInWrong     = "signin.wrong"          // wrong User ID or password; never say which (Field "")
	KeyUsernameEmpty   = "signin.username.empty" // Field "username"
	KeyPasswordEmpty   = "signin.password.empty" // Field "password"
	KeyTOTPWrong       = "totp.wrong"            // Field "code"
	KeyTOTPFormat      = "totp.format"           // not six digits; Field "code"
	KeyTOTPUsed        = "totp.used"             // the code has been spent; Field "code"
	KeyTOTPEnrolWrong  = "totp.enrol.wrong"      // first code of a new app; Field "code"
	KeyCodeTooMany     = "code.toomany"          // second factor paused; Args "Count": minutes (int)
	KeyCodeLocked      = "code.locked"           // second factor locked until customer service opens it (Field "")
	KeyMethodMissing   = "verify.missing"        // nothing chosen; Field "method"
	KeyChoiceMissing   = "choice.missing"        // a form of two buttons came back without either (Field "")
	KeyTryAgain        = "try.again"             // the last step was not completed; nothing has changed (Field "")
	KeyTooManyRequests = "wait.moment"           // the service is busy with this person's requests (Field "")
)

// SignInPage asks for User ID and password together. POST /signin: username, password, remember.
// Cancel is a form of its own: POST /signin/cancel.
type SignInPage struct {
	Base
	UserID          string // prefilled; what was typed before an error, or what this browser remembers
	Remembered      bool   // UserID comes from the remember cookie: focus goes to the password
	RememberTicked  bool
	AttemptsLeftOne bool           // warn that one more failure locks sign-in
	Recovery        bool           // "forgot" links are served
	Register        bool           // card registration is served
	Passkey         bool           // passkey sign-in is served; the form stays hidden until script shows it
	Again           bool           // somebody signed in confirms that it is them
	Signal          *PasskeySignal // a passkey that we do not know was used: script tells its manager
}

func (*SignInPage) template() string { return "signin" }
func (p *SignInPage) heading() phrase {
	if p.Again {
		return phrase{key: "stepup.title"}
	}
	return phrase{key: "signin.title"}
}

// AccountPage asks a signed-in person whether to continue as that person (OIDC Core 3.1.2.1, prompt=select_account).
// POST /signin/account: choice = "continue" or "other".
type AccountPage struct {
	Base
	UserIDMasked string // such as "k•••92"
}

func (*AccountPage) template() string { return "account" }
func (*AccountPage) heading() phrase  { return phrase{key: "account.title"} }

// VerifyPage lets the person choose a second factor. POST /signin/verify: method = Method.Kind.
type VerifyPage struct {
	Base
	Methods []Method // only enrolled ones, last used first: the first is preselected
}

func (*VerifyPage) template() string { return "verify" }
func (*VerifyPage) heading() phrase  { return phrase{key: "verify.title"} }

// Method is a second factor that this person has.
type Method struct {
	Kind string // "totp", "passkey", "sms", "email" or "recovery": also the value posted
	Name string // the person's own name for it; "" when it has none
}

// LabelKey is the text key of the method's name.
func (m Method) LabelKey() string { return "method." + m.Kind }

// HintKey is the text key of what the person needs for the method.
func (m Method) HintKey() string { return "method." + m.Kind + ".hint" }

// TOTPPage asks for a code from an authenticator app. POST /signin/verify/totp: code, trust_device.
type TOTPPage struct {
	Base
	TrustDevice  bool // offer to trust this device
	OtherMethods bool // link to the chooser, GET /signin/verify
}

func (*TOTPPage) template() string { return "totp" }
func (*TOTPPage) heading() phrase  { return phrase{key: "totp.title"} }

// EnrolTOTPPage connects an authenticator app. POST /factor/totp/new: code.
type EnrolTOTPPage struct {
	Base
	QRSize int          // modules along one side, without the quiet zone, which the page adds
	QRPath string       // path data of the dark modules, one unit per module
	Key    string       // base32 secret in groups of four
	URI    template.URL // otpauth: URI (Key URI Format); any other scheme is refused

	Forced       bool // the issuer requires it before the sign-in can go on
	OtherMethods bool // link to the chooser, GET /factor/new
	Centre       bool // reached from the security centre: "Cancel" leads back there
}

func (*EnrolTOTPPage) template() string { return "enrol-totp" }
func (*EnrolTOTPPage) heading() phrase  { return phrase{key: "enrol.title"} }

// quietZone is the white margin around a QR code, in modules (ISO/IEC 18004).
const quietZone = 4

// Frame is the side of the code with its quiet zone.
func (p *EnrolTOTPPage) Frame() int { return p.QRSize + 2*quietZone }

// AppLink is URI when it is what it says.
func (p *EnrolTOTPPage) AppLink() (template.URL, error) {
	if !strings.HasPrefix(string(p.URI), "otpauth://") {
		return "", errors.New("EnrolTOTPPage.URI is not an otpauth: address") // not the address itself: it holds the secret
	}
	return p.URI, nil
}

// ConsentPage asks whether Base.Client may have what it asks for. POST /signin/consent: decision = "allow" or "deny".
type ConsentPage struct {
	Base
	UserIDMasked  string
	Scopes        []ScopeText
	ConnectedApps bool // the page where access is withdrawn is served; otherwise the text names customer service
}

func (*ConsentPage) template() string { return "consent" }
func (p *ConsentPage) heading() phrase {
	return phrase{"consent.title", map[string]any{"Client": p.Client}}
}

// ScopeText says in the person's language what one scope gives away: either a
// standard scope, whose words are ours, or a registered one with its own.
type ScopeText struct {
	Title    string // "Card transactions, 90 days"
	Detail   string // the person's own value or an explanation; may be ""
	Standard string // "openid", "profile", "email", "address", "phone" or "offline_access", in place of Title
}

// Key is the text key of a standard scope, or "".
func (s ScopeText) Key() string {
	if s.Standard == "" {
		return ""
	}
	return "scope." + s.Standard
}

// ContinuePage hands the browser to the client with status 200: under form-action 'self' a redirect that answers a
// form would be blocked. Leave Base.Return empty: the page is gone once it has been shown.
type ContinuePage struct {
	Base
	URL       string // absolute, any scheme except those that run script or read files; Render refuses those
	LoopGuard bool   // no automatic refresh: the person has come round too often
}

func (*ContinuePage) template() string { return "continue" }
func (p *ContinuePage) heading() phrase {
	if p.LoopGuard {
		return phrase{"continue.loop.title", map[string]any{"Client": p.Client}}
	}
	return phrase{"continue.title", map[string]any{"Client": p.Client}}
}

// LockedPage says that sign-in is locked and what to do. It is the same for a User ID that does not exist.
type LockedPage struct {
	Base
	Until    time.Time // when sign-in opens again; zero when only customer service can open it
	Recovery bool      // password reset is served
	Passkey  bool      // passkey sign-in is served
}

func (*LockedPage) template() string { return "locked" }
func (p *LockedPage) heading() phrase {
	if p.Until.IsZero() {
		return phrase{key: "locked.hard.title"}
	}
	return phrase{key: "locked.title"}
}

// SignOutPage asks before signing out (OpenID Connect RP-Initiated Logout 1.0 section 2), used when no valid
// id_token_hint vouches for the request. POST /oauth2/logout/confirm with the Hidden fields.
type SignOutPage struct {
	Base
	UserIDMasked string // "" when nobody is signed in
	Hidden       []Hidden
}

func (*SignOutPage) template() string { return "signout" }
func (*SignOutPage) heading() phrase  { return phrase{key: "signout.title"} }

// Hidden is a hidden form field.
type Hidden struct{ Name, Value string }

// SignedOutPage confirms the sign-out. BackURL must be a registered post-logout URI; "" shows no way back.
type SignedOutPage struct {
	Base
	BackURL  string
	BackName string // display name of the client BackURL belongs to
}

func (*SignedOutPage) template() string { return "signedout" }
func (*SignedOutPage) heading() phrase  { return phrase{key: "signedout.title"} }

// LandingPage answers GET /: what this address is for.
type LandingPage struct{ Base }

func (*LandingPage) template() string { return "landing" }
func (*LandingPage) heading() phrase  { return phrase{key: "landing.title"} }

// ErrorKind is what went wrong, seen from the person in front of the screen. The zero value is Internal.
type ErrorKind int

// The kinds, with the HTTP status they belong to.
const (
	Internal         ErrorKind = iota // 500: ours, nothing has been changed
	Expired                           // 400: the sign-in transaction is gone
	Cookies                           // 400: the browser did not send our cookie back; set Host
	BadClient                         // 400: the client's request is wrong and cannot be answered to it; set Detail
	Forbidden                         // 403: form token or origin did not match
	NotFound                          // 404
	MethodNotAllowed                  // 405
	TooMany                           // 429: set RetryAfter
	Unavailable                       // 503: RetryAfter when known
)

// ClientFault tells the client's developer, in one fixed sentence, what BadClient was about.
type ClientFault int

// The faults. The zero value says no more than that the request was not correct.
const (
	BadRequest    ClientFault = iota
	BadRedirect               // redirect_uri is missing or not registered
	UnknownClient             // client_id is missing, unknown or switched off
)

// ErrorPage says what happened in one plain sentence and what to do next.
type ErrorPage struct {
	Base
	Kind       ErrorKind
	Detail     ClientFault   // BadClient only
	Reference  string        // request id, for customer service; "" shows none
	RetryAfter time.Duration // TooMany and Unavailable: rounded up to seconds or minutes; 0 when not known
	Host       string        // Cookies: the host to allow cookies for; "" takes it from Settings.Origin
	BackURL    string        // registered address of the service to go back to; "" shows none
	BackName   string
}

func (*ErrorPage) template() string  { return "error" }
func (p *ErrorPage) heading() phrase { return phrase{key: "error." + p.Kind.String() + ".title"} }
