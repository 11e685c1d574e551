package provider

import (
	"slices"
	"strings"
	"time"
)

// Authorization is a checked authorization request (OpenID Connect Core §3.1.2.1):
// the client exists, the redirect URI is its own, every parameter has been read.
type Authorization struct {
	ClientID    string              `json:"client_id"`
	RedirectURI string              `json:"redirect_uri"`
	Params      map[string][]string `json:"params"` // as received, for rebuilding the request
	Scopes      []string            `json:"scopes"`
	State       string              `json:"state,omitempty"`
	Prompt      []string            `json:"prompt,omitempty"`
	MaxAge      *int64              `json:"max_age,omitempty"` // seconds; nil = not asked
	ACR         []string            `json:"acr,omitempty"`     // of an essential acr claim, or else acr_values; preferred first
	LoginHint   string              `json:"login_hint,omitempty"`
	HintSubject string              `json:"hint_subject,omitempty"` // sub of a verified id_token_hint
	UILocales   []string            `json:"ui_locales,omitempty"`
}

// Asserts is the acr to assert to this request for somebody known to level: the first
// one asked for that level satisfies, so that a client finds what it asked for
// (OpenID Connect Core §5.5.1.1), or else level's own.
func (a *Authorization) Asserts(level Level) string {
	for _, acr := range a.ACR {
		if asked := LevelOf(acr); asked != LevelNone && asked <= level {
			return acr
		}
	}
	return level.ACR()
}

// Asks tells whether prompt holds value.
func (a *Authorization) Asks(value string) bool { return slices.Contains(a.Prompt, value) }

// The prompt values (OpenID Connect Core §3.1.2.1).
const (
	PromptNone    = "none"
	PromptLogin   = "login"
	PromptConsent = "consent"
	PromptAccount = "select_account"
)

// SignIn is one sign-in under way: an authorization request on its way through
// the pages, bound to the browser that brought it. It opens nothing by itself.
type SignIn struct {
	ID      string // handle in page addresses ("ix"); no secret
	Browser string // TokenHash of the browser cookie
	Created time.Time
	Expires time.Time
	Version int // for compare-and-swap
	Data    SignInData
}

// SignInData is what a sign-in remembers between pages.
type SignInData struct {
	Request   Authorization `json:"request"`
	Proof     Proof         `json:"proof,omitzero"`         // shown within this sign-in
	Chosen    bool          `json:"chosen,omitempty"`       // the account was chosen
	Other     bool          `json:"other,omitempty"`        // "use another User ID" was chosen
	Enrolling string        `json:"enrolling,omitempty"`    // factor being enrolled
	Enrolled  bool          `json:"enrolled,omitempty"`     // a factor was set up within this sign-in
	NoCodes   bool          `json:"no_codes,omitempty"`     // recovery codes were shown, or declined
	Consented string        `json:"consented_by,omitempty"` // who allowed the client within this sign-in
	Remember  bool          `json:"remember,omitempty"`     // remember the User ID once it succeeds
	Task      Task          `json:"task,omitempty"`         // what is left to do once somebody is known
	Back      string        `json:"back,omitempty"`         // path in the security centre that it ends at
}

// Task is something that a sign-in into the security centre is for, besides getting
// in: setting up a factor, or proving a new contact.
type Task string

// The tasks. "" is none.
const (
	TaskPasskey Task = "passkey"
	TaskTOTP    Task = "totp"
	TaskSMS     Task = "sms"     // the number becomes the contact and the factor
	TaskEmail   Task = "email"   // likewise
	TaskPhone   Task = "phone"   // the number becomes the contact
	TaskAddress Task = "address" // the e-mail address becomes the contact
)

// Kind is the kind of factor that the task sets up; "" for a contact.
func (t Task) Kind() FactorKind {
	if k := FactorKind(t); k.Strong() {
		return k
	}
	return ""
}

// SecondFactorPolicy says when a second factor is asked for.
type SecondFactorPolicy string

// The policies.
const (
	SecondFactorRequired SecondFactorPolicy = "required" // of everybody; who has none enrols one
	SecondFactorOptional SecondFactorPolicy = "optional" // of those who have enrolled one
	SecondFactorOff      SecondFactorPolicy = "off"      // only where a client or request asks
)

// Question is everything that the next step of a sign-in depends on.
type Question struct {
	Now        time.Time
	Request    *Authorization
	SignIn     SignInData
	Session    *Session // this browser's, alive; nil = none
	MinLevel   Level    // the client's floor
	Policy     SecondFactorPolicy
	Allowed    []FactorKind // that may be used here; nil = all
	Factors    []FactorKind // confirmed factors of the account in question
	Trusted    bool         // the account trusts this device
	Recovery   bool         // recovery codes are offered
	UserID     string       // of the session's account, for login_hint
	ThirdParty bool         // consent is needed
	Granted    []string     // scopes consented to before
}

// Step is a page of the sign-in, or its end.
type Step string

// The steps, in the order in which they may come.
const (
	StepAccount  Step = "account"  // choose: go on as before, or as somebody else
	StepPassword Step = "password" // User ID and password
	StepVerify   Step = "verify"   // second factor
	StepEnrol    Step = "enrol"    // set up a second factor, or do the task
	StepCodes    Step = "codes"    // save recovery codes
	StepConsent  Step = "consent"  // allow the client
	StepDone     Step = "done"     // hand over to the client
)

// checks is the whole sign-in in order: the first entry that needs something
// decides. err is the OAuth error (OpenID Connect Core §3.1.2.6) that it becomes
// under prompt=none.
var checks = []struct {
	step  Step
	err   string
	needs func(*Question) bool
}{
	{StepAccount, "account_selection_required", needsAccount},
	{StepPassword, "login_required", needsPassword},
	{StepVerify, "login_required", needsFactor},
	{StepEnrol, "interaction_required", needsEnrolment},
	{StepCodes, "interaction_required", needsCodes},
	{StepConsent, "consent_required", needsConsent},
}

// NextStep tells the page that q needs next, and the OAuth error to answer with
// where no page may be shown.
func NextStep(q *Question) (step Step, oauthError string) {
	for _, c := range checks {
		if c.needs(q) {
			return c.step, c.err
		}
	}
	return StepDone, ""
}

// Authenticated tells whether q's proof is enough: nothing of it is missing, whatever
// else is left to do.
func (q *Question) Authenticated() bool {
	return !needsAccount(q) && !needsPassword(q) && !needsFactor(q) && q.Proof().Level() >= q.RequiredLevel()
}

// Proof is what counts for this request: what was shown within the sign-in,
// added to what the session has shown unless the request wants it anew. A second factor
// added to an old session does not make it younger: whoever finds it open would need no
// more than that. Factors of kinds that are not allowed here do not count.
func (q *Question) Proof() Proof {
	p := q.proof()
	p.Methods = only(p.Methods, q.Allowed)
	return p
}

func (q *Question) proof() Proof {
	fresh := q.SignIn.Proof
	if q.Session == nil || q.forced() || fresh.AccountID != "" && fresh.AccountID != q.Session.AccountID {
		return fresh
	}
	all := Proof{AccountID: q.Session.AccountID, Methods: AddMethods(q.Session.Methods, fresh.Methods...), At: q.Session.AuthTime}
	if Identifies(fresh.Methods) {
		all.At = fresh.At
	}
	return all
}

// forced tells that the session may not be used: the request wants a new
// authentication, or somebody else.
func (q *Question) forced() bool {
	r := q.Request
	return q.SignIn.Other || r.Asks(PromptLogin) || q.tooOld() ||
		r.HintSubject != "" && r.HintSubject != q.Session.AccountID
}

// tooOld tells that max_age has passed since the session's authentication.
// max_age=0 is always passed (OpenID Connect Core §3.1.2.1). Seconds are compared,
// because auth_time is in seconds.
func (q *Question) tooOld() bool {
	m := q.Request.MaxAge
	return m != nil && (*m == 0 || q.Now.Unix()-q.Session.AuthTime.Unix() > *m)
}

// RequiredLevel is the level that policy, client and request ask for. Of the
// acr_values the first that we know counts. The security centre opens to all that the
// account has. A trusted device stands in for the second
// factor that the policy asks for, never for one that the client, the request or
// the security centre asks for, and not where a new sign-in was asked for.
func (q *Question) RequiredLevel() Level {
	level := max(LevelOneFactor, q.MinLevel)
	for _, acr := range q.Request.ACR {
		if asked := LevelOf(acr); asked != LevelNone {
			level = max(level, asked)
			break
		}
	}
	if q.Request.ClientID == SecurityCentreID && len(q.Factors) > 0 {
		level = max(level, LevelTwoFactor)
	}
	if q.policyAsks() && (!q.Trusted || q.asksAnew()) {
		level = max(level, LevelTwoFactor)
	}
	return level
}

// asksAnew tells that the request wants a new sign-in, whatever the session has shown.
func (q *Question) asksAnew() bool {
	age := q.Request.MaxAge
	return q.Request.Asks(PromptLogin) || age != nil && *age == 0 || q.Session != nil && q.tooOld()
}

func (q *Question) policyAsks() bool {
	return q.Policy == SecondFactorRequired || q.Policy == SecondFactorOptional && len(q.Factors) > 0
}

func needsAccount(q *Question) bool {
	if q.Session == nil || q.SignIn.Chosen || q.SignIn.Other || q.SignIn.Proof.AccountID != "" || q.forced() {
		return false
	}
	hint := q.Request.LoginHint
	if strings.Contains(hint, "@") {
		hint = "" // an e-mail address: no User ID to compare with
	}
	return q.Request.Asks(PromptAccount) || hint != "" && NormalUserID(hint) != q.UserID && q.UserID != ""
}

// needsPassword asks for a password, or a passkey in its place, when nobody has shown
// either, and when a second factor must be set up and neither was shown within this
// very sign-in: whoever finds somebody's session open must not add a factor of their
// own to it. A task begins with a recent proof instead.
// That the one who then signs in is the one whom id_token_hint names is for the
// caller to check: the client is to be told (OpenID Connect Core §3.1.2.1).
func needsPassword(q *Question) bool {
	p := q.Proof()
	if p.AccountID == "" || !Identifies(p.Methods) {
		return true
	}
	return q.mustEnrol() && !Identifies(q.SignIn.Proof.Methods)
}

// needsFactor asks for a second factor when one of the account's reaches what is
// required. When none does, one has to be set up, and who has others shows one of
// them first.
func needsFactor(q *Question) bool {
	if q.mustEnrol() {
		return len(q.Factors) > 0 && q.SignIn.Proof.Level() < LevelTwoFactor
	}
	return q.Proof().Level() < q.RequiredLevel()
}

// mustEnrol tells that nothing the account has reaches what is required.
func (q *Question) mustEnrol() bool {
	return q.Proof().Level() < q.RequiredLevel() && len(q.reaching()) == 0
}

// reaching are the account's kinds of factors that may be used here and reach what is
// required.
func (q *Question) reaching() (kinds []FactorKind) {
	for _, k := range q.Factors {
		if k.Reaches() >= q.RequiredLevel() && (q.Allowed == nil || slices.Contains(q.Allowed, k)) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// Usable are the kinds of factors to offer at StepVerify: those that reach what is
// required, or all where the purpose is to show one before setting up another.
func (q *Question) Usable() []FactorKind {
	if kinds := q.reaching(); len(kinds) > 0 {
		return kinds
	}
	return q.Factors
}

// Enrollable are the kinds of factors to offer at StepEnrol: the task's own, or
// whatever reaches what is required.
func (q *Question) Enrollable() (kinds []FactorKind) {
	if k := q.SignIn.Task.Kind(); k != "" {
		return []FactorKind{k}
	}
	for _, k := range FactorKinds {
		if k.Strong() && k.Reaches() >= q.RequiredLevel() && (q.Allowed == nil || slices.Contains(q.Allowed, k)) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// TrustHelps tells that nothing but the policy asks for a second factor: a device
// trusted from now on would be enough next time.
func (q *Question) TrustHelps() bool {
	trusting := *q
	trusting.Trusted = true
	return !q.Trusted && q.policyAsks() && trusting.RequiredLevel() == LevelOneFactor
}

// needsEnrolment asks for a new factor when no other reaches what is required, and for
// what the sign-in is there to do.
func needsEnrolment(q *Question) bool { return q.mustEnrol() || q.SignIn.Task != "" }

// needsCodes offers recovery codes to whoever has just set up a factor and has none.
func needsCodes(q *Question) bool {
	return q.Recovery && q.SignIn.Enrolled && !q.SignIn.NoCodes && !slices.Contains(q.Factors, FactorRecovery)
}

// needsConsent asks for a third party's first time, for scopes it did not have
// before, and whenever the request wants it asked.
func needsConsent(q *Question) bool {
	if by := q.SignIn.Consented; by != "" && by == q.Proof().AccountID {
		return false
	}
	if q.Request.Asks(PromptConsent) && q.ThirdParty {
		return true
	}
	return q.ThirdParty && !covers(q.Granted, q.Request.Scopes)
}

func covers(granted, asked []string) bool {
	for _, s := range asked {
		if !slices.Contains(granted, s) {
			return false
		}
	}
	return true
}
