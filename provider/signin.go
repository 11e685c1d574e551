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
	ACR         []string            `json:"acr,omitempty"`     // acr_values, preferred first
	LoginHint   string              `json:"login_hint,omitempty"`
	HintSubject string              `json:"hint_subject,omitempty"` // sub of a verified id_token_hint
	UILocales   []string            `json:"ui_locales,omitempty"`
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
	Proof     Proof         `json:"proof,omitzero"`      // shown within this sign-in
	Chosen    bool          `json:"chosen,omitempty"`    // the account was chosen
	Other     bool          `json:"other,omitempty"`     // "use another User ID" was chosen
	Enrolling string        `json:"enrolling,omitempty"` // factor being enrolled
	Consented bool          `json:"consented,omitempty"` // allowed within this sign-in
	Remember  bool          `json:"remember,omitempty"`  // remember the User ID once it succeeds
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
	Factors    []FactorKind // confirmed factors of the account in question
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
	StepEnrol    Step = "enrol"    // set up a second factor first
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

// Authenticated tells whether q's proof is enough: nothing is left but consent.
func (q *Question) Authenticated() bool {
	step, _ := NextStep(q)
	return step == StepConsent || step == StepDone
}

// Proof is what counts for this request: what was shown within the sign-in,
// added to what the session has shown unless the request wants it anew.
func (q *Question) Proof() Proof {
	fresh := q.SignIn.Proof
	if q.Session == nil || q.forced() || fresh.AccountID != "" && fresh.AccountID != q.Session.AccountID {
		return fresh
	}
	all := Proof{AccountID: q.Session.AccountID, AMR: q.Session.AMR, At: q.Session.AuthTime}
	for _, amr := range fresh.AMR {
		all.AMR = AddAMR(all.AMR, amr)
	}
	if fresh.At.After(all.At) {
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
// acr_values the first that we know counts.
func (q *Question) RequiredLevel() Level {
	level := max(LevelOneFactor, q.MinLevel)
	for _, acr := range q.Request.ACR {
		if asked := LevelOf(acr); asked != LevelNone {
			level = max(level, asked)
			break
		}
	}
	if q.Policy == SecondFactorRequired || q.Policy == SecondFactorOptional && len(q.Factors) > 0 {
		level = max(level, LevelTwoFactor)
	}
	return level
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

// needsPassword asks for a password when nobody has shown one, and when a second
// factor is to be set up and the password was not shown within this very sign-in:
// whoever finds somebody's session open must not add a factor of their own to it.
// That the one who then signs in is the one whom id_token_hint names is for the
// caller to check: the client is to be told (OpenID Connect Core §3.1.2.1).
func needsPassword(q *Question) bool {
	p := q.Proof()
	if p.AccountID == "" || !slices.Contains(p.AMR, AMRPassword) {
		return true
	}
	return needsEnrolment(q) && !needsFactor(q) && !slices.Contains(q.SignIn.Proof.AMR, AMRPassword)
}

func needsFactor(q *Question) bool {
	return q.Proof().Level() < q.RequiredLevel() && len(q.Factors) > 0
}

func needsEnrolment(q *Question) bool { return q.Proof().Level() < q.RequiredLevel() }

// needsConsent asks for a third party's first time, for scopes it did not have
// before, and whenever the request wants it asked.
func needsConsent(q *Question) bool {
	if q.SignIn.Consented {
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
