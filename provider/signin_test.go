package provider

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func seconds(n int64) *int64 { return &n }

// aSession is alive, of anna, and one minute old.
func aSession(amr ...string) *Session {
	return &Session{ID: "id", SID: "sid", AccountID: "anna", Methods: amr, AuthTime: noon.Add(-time.Minute)}
}

func proofOf(account string, amr ...string) Proof {
	return Proof{AccountID: account, Methods: amr, At: noon}
}

var (
	onePassword = []string{MethodPassword}
	bothFactors = []string{MethodPassword, MethodTOTP}
	anApp       = []FactorKind{FactorTOTP}
	aKey        = []FactorKind{FactorPasskey}
	appAndKey   = []FactorKind{FactorPasskey, FactorTOTP}
)

func TestNextStep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		request Authorization
		signIn  SignInData
		session *Session
		with    func(*Question)
		step    Step
		err     string
	}{
		{name: "nobody", step: StepPassword, err: "login_required"},
		{name: "a session is enough", session: aSession(onePassword...), step: StepDone},
		{name: "a password is enough", signIn: SignInData{Proof: proofOf("anna", onePassword...)}, step: StepDone},
		{name: "a code alone is not", signIn: SignInData{Proof: proofOf("anna", MethodTOTP)}, step: StepPassword, err: "login_required"},
		{name: "a code after the session ended is not", signIn: SignInData{Proof: proofOf("anna", MethodTOTP)},
			with: func(q *Question) { q.Factors, q.Request.ACR = anApp, []string{ACRTwoFactor} }, step: StepPassword, err: "login_required"},

		{name: "prompt login", request: Authorization{Prompt: []string{PromptLogin}}, session: aSession(bothFactors...), step: StepPassword, err: "login_required"},
		{name: "prompt login, shown anew", request: Authorization{Prompt: []string{PromptLogin}}, session: aSession(onePassword...),
			signIn: SignInData{Proof: proofOf("anna", onePassword...)}, step: StepDone},
		{name: "prompt login asks both factors anew", request: Authorization{Prompt: []string{PromptLogin}}, session: aSession(bothFactors...),
			signIn: SignInData{Proof: proofOf("anna", onePassword...)},
			with:   func(q *Question) { q.Policy, q.Factors = SecondFactorRequired, anApp }, step: StepVerify, err: "login_required"},

		{name: "max_age not reached", request: Authorization{MaxAge: seconds(60)}, session: aSession(onePassword...), step: StepDone},
		{name: "max_age passed", request: Authorization{MaxAge: seconds(59)}, session: aSession(onePassword...), step: StepPassword, err: "login_required"},
		{name: "max_age=0 even in the same second", request: Authorization{MaxAge: seconds(0)},
			session: &Session{AccountID: "anna", Methods: onePassword, AuthTime: noon}, step: StepPassword, err: "login_required"},
		{name: "max_age=0 answered", request: Authorization{MaxAge: seconds(0)}, session: aSession(onePassword...),
			signIn: SignInData{Proof: proofOf("anna", onePassword...)}, step: StepDone},
		{name: "max_age does not run while the pages are shown", request: Authorization{MaxAge: seconds(10)}, session: aSession(onePassword...),
			signIn: SignInData{Proof: Proof{AccountID: "anna", Methods: onePassword, At: noon.Add(-time.Minute)}}, step: StepDone},

		{name: "select_account", request: Authorization{Prompt: []string{PromptAccount}}, session: aSession(onePassword...), step: StepAccount, err: "account_selection_required"},
		{name: "select_account, chosen", request: Authorization{Prompt: []string{PromptAccount}}, session: aSession(onePassword...), signIn: SignInData{Chosen: true}, step: StepDone},
		{name: "select_account, another", request: Authorization{Prompt: []string{PromptAccount}}, session: aSession(onePassword...), signIn: SignInData{Other: true}, step: StepPassword, err: "login_required"},
		{name: "select_account, nobody there", request: Authorization{Prompt: []string{PromptAccount}}, step: StepPassword, err: "login_required"},
		{name: "select_account with login goes straight to the password", request: Authorization{Prompt: []string{PromptAccount, PromptLogin}}, session: aSession(onePassword...), step: StepPassword, err: "login_required"},

		{name: "login_hint of the session", request: Authorization{LoginHint: " anna.a "}, session: aSession(onePassword...), step: StepDone},
		{name: "login_hint of somebody else", request: Authorization{LoginHint: "bo"}, session: aSession(onePassword...), step: StepAccount, err: "account_selection_required"},
		{name: "login_hint in another case is somebody else", request: Authorization{LoginHint: "Anna.A"}, session: aSession(onePassword...), step: StepAccount, err: "account_selection_required"},
		{name: "login_hint, signed in", request: Authorization{LoginHint: "bo"}, session: aSession(onePassword...), signIn: SignInData{Proof: proofOf("bosse", onePassword...)}, step: StepDone},

		{name: "id_token_hint of the session", request: Authorization{HintSubject: "anna"}, session: aSession(onePassword...), step: StepDone},
		{name: "id_token_hint of somebody else", request: Authorization{HintSubject: "bosse"}, session: aSession(onePassword...), step: StepPassword, err: "login_required"},
		{name: "id_token_hint, the wrong one signed in: the client is told", request: Authorization{HintSubject: "bosse"}, signIn: SignInData{Proof: proofOf("anna", onePassword...)}, step: StepDone},
		{name: "id_token_hint, the right one signed in", request: Authorization{HintSubject: "bosse"}, session: aSession(onePassword...), signIn: SignInData{Proof: proofOf("bosse", onePassword...)}, step: StepDone},

		{name: "required, has an app", session: aSession(onePassword...), with: func(q *Question) { q.Policy, q.Factors = SecondFactorRequired, anApp }, step: StepVerify, err: "login_required"},
		{name: "required, both shown", session: aSession(bothFactors...), with: func(q *Question) { q.Policy, q.Factors = SecondFactorRequired, anApp }, step: StepDone},
		{name: "required, has none, just signed in", signIn: SignInData{Proof: proofOf("anna", onePassword...)}, with: func(q *Question) { q.Policy = SecondFactorRequired }, step: StepEnrol, err: "interaction_required"},
		{name: "a session does not let a factor be added", session: aSession(onePassword...), with: func(q *Question) { q.Policy = SecondFactorRequired }, step: StepPassword, err: "login_required"},
		{name: "optional, has an app", session: aSession(onePassword...), with: func(q *Question) { q.Policy, q.Factors = SecondFactorOptional, anApp }, step: StepVerify, err: "login_required"},
		{name: "optional, has none", session: aSession(onePassword...), with: func(q *Question) { q.Policy = SecondFactorOptional }, step: StepDone},
		{name: "off, has an app", session: aSession(onePassword...), with: func(q *Question) { q.Factors = anApp }, step: StepDone},
		{name: "off, the client's floor", session: aSession(onePassword...), with: func(q *Question) { q.MinLevel, q.Factors = LevelTwoFactor, anApp }, step: StepVerify, err: "login_required"},

		{name: "acr_values step up", request: Authorization{ACR: []string{ACRTwoFactor}}, session: aSession(onePassword...), with: func(q *Question) { q.Factors = anApp }, step: StepVerify, err: "login_required"},
		{name: "acr_values stepped up", request: Authorization{ACR: []string{ACRTwoFactor}}, session: aSession(onePassword...),
			signIn: SignInData{Proof: proofOf("anna", MethodTOTP)}, with: func(q *Question) { q.Factors = anApp }, step: StepDone},
		{name: "acr_values that nobody knows", request: Authorization{ACR: []string{"urn:example:gold"}}, session: aSession(onePassword...), step: StepDone},
		{name: "acr_values, the first known counts", request: Authorization{ACR: []string{"urn:example:gold", ACROneFactor, ACRTwoFactor}}, session: aSession(onePassword...), with: func(q *Question) { q.Factors = anApp }, step: StepDone},
		{name: "acr_values cannot go below the policy", request: Authorization{ACR: []string{ACROneFactor}}, session: aSession(onePassword...),
			with: func(q *Question) { q.Policy, q.Factors = SecondFactorRequired, anApp }, step: StepVerify, err: "login_required"},

		{name: "a passkey that verified its user is enough", signIn: SignInData{Proof: proofOf("anna", MethodSoftKey, MethodVerified)}, with: func(q *Question) { q.Policy, q.Factors = SecondFactorRequired, aKey }, step: StepDone},
		{name: "a key alone that verified nobody is not", signIn: SignInData{Proof: proofOf("anna", MethodHardKey)}, step: StepPassword, err: "login_required"},
		{name: "phishing-resistant asked, has a key", request: Authorization{ACR: []string{ACRPhishingResistant}}, session: aSession(bothFactors...), with: func(q *Question) { q.Factors = appAndKey }, step: StepVerify, err: "login_required"},
		{name: "phishing-resistant asked, shown", request: Authorization{ACR: []string{ACRPhishingResistant}}, session: aSession(bothFactors...), signIn: SignInData{Proof: proofOf("anna", MethodHardKey)}, with: func(q *Question) { q.Factors = appAndKey }, step: StepDone},
		{name: "phishing-resistant asked, no key, old session: password first", request: Authorization{ACR: []string{ACRPhishingResistant}}, session: aSession(bothFactors...), with: func(q *Question) { q.Factors = anApp }, step: StepPassword, err: "login_required"},
		{name: "phishing-resistant asked, no key: then the app", request: Authorization{ACR: []string{ACRPhishingResistant}}, session: aSession(bothFactors...), signIn: SignInData{Proof: proofOf("anna", onePassword...)}, with: func(q *Question) { q.Factors = anApp }, step: StepVerify, err: "login_required"},
		{name: "phishing-resistant asked, no key: then one is set up", request: Authorization{ACR: []string{ACRPhishingResistant}}, session: aSession(bothFactors...), signIn: SignInData{Proof: proofOf("anna", bothFactors...)}, with: func(q *Question) { q.Factors = anApp }, step: StepEnrol, err: "interaction_required"},
		{name: "the client allows keys only: an app does not count", session: aSession(bothFactors...), with: func(q *Question) {
			q.Policy, q.Factors, q.Allowed = SecondFactorRequired, appAndKey, aKey
		}, step: StepVerify, err: "login_required"},
		{name: "the client allows keys only: the app is shown before a key is set up", signIn: SignInData{Proof: proofOf("anna", onePassword...)}, with: func(q *Question) {
			q.Policy, q.Factors, q.Allowed = SecondFactorRequired, anApp, aKey
		}, step: StepVerify, err: "login_required"},

		{name: "a trusted device stands in for the policy's factor", session: aSession(onePassword...), with: func(q *Question) { q.Policy, q.Factors, q.Trusted = SecondFactorRequired, anApp, true }, step: StepDone},
		{name: "a trusted device does not stand in for the client's", session: aSession(onePassword...), with: func(q *Question) { q.MinLevel, q.Factors, q.Trusted = LevelTwoFactor, anApp, true }, step: StepVerify, err: "login_required"},
		{name: "a trusted device does not stand in for the request's", request: Authorization{ACR: []string{ACRTwoFactor}}, session: aSession(onePassword...), with: func(q *Question) { q.Factors, q.Trusted = anApp, true }, step: StepVerify, err: "login_required"},
		{name: "a trusted device does not stand in where a new sign-in is asked for", request: Authorization{Prompt: []string{PromptLogin}}, signIn: SignInData{Proof: proofOf("anna", onePassword...)}, with: func(q *Question) { q.Policy, q.Factors, q.Trusted = SecondFactorRequired, anApp, true }, step: StepVerify, err: "login_required"},

		{name: "a trusted device does not stand in where max_age has passed", request: Authorization{MaxAge: seconds(0)}, signIn: SignInData{Proof: proofOf("anna", onePassword...)}, with: func(q *Question) { q.Policy, q.Factors, q.Trusted = SecondFactorRequired, anApp, true }, step: StepVerify, err: "login_required"},
		{name: "a trusted device stands in where max_age has not passed", request: Authorization{MaxAge: seconds(3600)}, signIn: SignInData{Proof: proofOf("anna", onePassword...)}, with: func(q *Question) { q.Policy, q.Factors, q.Trusted = SecondFactorRequired, anApp, true }, step: StepDone},
		{name: "consent of somebody else", session: aSession(onePassword...), signIn: SignInData{Consented: "bosse"}, with: func(q *Question) { q.ThirdParty = true }, request: Authorization{Scopes: []string{ScopeEmail}}, step: StepConsent, err: "consent_required"},
		{name: "a task, the factor first", session: aSession(onePassword...), request: Authorization{ClientID: SecurityCentreID}, signIn: SignInData{Task: TaskPasskey}, with: func(q *Question) { q.Factors, q.Trusted = anApp, true }, step: StepVerify, err: "login_required"},
		{name: "a task", session: aSession(bothFactors...), signIn: SignInData{Task: TaskPasskey}, with: func(q *Question) { q.Factors = anApp }, step: StepEnrol, err: "interaction_required"},
		{name: "codes after a factor was set up", session: aSession(bothFactors...), signIn: SignInData{Enrolled: true}, with: func(q *Question) { q.Factors, q.Recovery = anApp, true }, step: StepCodes, err: "interaction_required"},
		{name: "codes declined", session: aSession(bothFactors...), signIn: SignInData{Enrolled: true, NoCodes: true}, with: func(q *Question) { q.Factors, q.Recovery = anApp, true }, step: StepDone},

		{name: "consent of a third party", session: aSession(onePassword...), request: Authorization{Scopes: []string{ScopeOpenID, ScopeEmail}}, with: func(q *Question) { q.ThirdParty = true }, step: StepConsent, err: "consent_required"},
		{name: "consent given before", session: aSession(onePassword...), request: Authorization{Scopes: []string{ScopeOpenID, ScopeEmail}},
			with: func(q *Question) { q.ThirdParty, q.Granted = true, []string{ScopeOpenID, ScopeEmail} }, step: StepDone},
		{name: "consent for one scope more", session: aSession(onePassword...), request: Authorization{Scopes: []string{ScopeOpenID, ScopeEmail, ScopePhone}},
			with: func(q *Question) { q.ThirdParty, q.Granted = true, []string{ScopeOpenID, ScopeEmail} }, step: StepConsent, err: "consent_required"},
		{name: "consent is never asked for our own", session: aSession(onePassword...), request: Authorization{Scopes: []string{ScopeEmail}, Prompt: []string{PromptConsent}}, step: StepDone},
		{name: "prompt consent asks again", session: aSession(onePassword...), request: Authorization{Prompt: []string{PromptConsent}}, with: func(q *Question) { q.ThirdParty = true }, step: StepConsent, err: "consent_required"},
		{name: "prompt consent, allowed", session: aSession(onePassword...), request: Authorization{Prompt: []string{PromptConsent}}, signIn: SignInData{Consented: "anna"}, with: func(q *Question) { q.ThirdParty = true }, step: StepDone},
		{name: "consent comes last", request: Authorization{Scopes: []string{ScopeEmail}}, with: func(q *Question) { q.ThirdParty = true }, step: StepPassword, err: "login_required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := question(tt.request, tt.signIn, tt.session)
			if tt.with != nil {
				tt.with(q)
			}
			step, err := NextStep(q)
			if step != tt.step || err != tt.err {
				t.Errorf("got %q, %q; want %q, %q", step, err, tt.step, tt.err)
			}
			if want := step == StepDone || step == StepConsent || step == StepCodes || step == StepEnrol && tt.signIn.Task != ""; q.Authenticated() != want {
				t.Errorf("Authenticated: got %v, want %v at %q", !want, want, step)
			}
		})
	}
}

func question(request Authorization, signIn SignInData, session *Session) *Question {
	q := &Question{Now: noon, Request: &request, SignIn: signIn, Session: session, MinLevel: LevelNone, Policy: SecondFactorOff}
	if session != nil {
		q.UserID = "anna.a"
	}
	return q
}

func TestQuestionProof(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		request Authorization
		signIn  SignInData
		session *Session
		want    Proof
	}{
		{name: "nothing"},
		{name: "the session's", session: aSession(onePassword...), want: Proof{AccountID: "anna", Methods: onePassword, At: noon.Add(-time.Minute)}},
		{name: "a code on top of the session", session: aSession(onePassword...), signIn: SignInData{Proof: proofOf("anna", MethodTOTP)}, want: Proof{AccountID: "anna", Methods: bothFactors, At: noon.Add(-time.Minute)}},
		{name: "somebody else's is not mixed", session: aSession(bothFactors...), signIn: SignInData{Proof: proofOf("bosse", onePassword...)}, want: proofOf("bosse", onePassword...)},
		{name: "prompt login leaves the session out", request: Authorization{Prompt: []string{PromptLogin}}, session: aSession(bothFactors...),
			signIn: SignInData{Proof: proofOf("anna", onePassword...)}, want: proofOf("anna", onePassword...)},
		{name: "another User ID leaves the session out", session: aSession(bothFactors...), signIn: SignInData{Other: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := question(tt.request, tt.signIn, tt.session).Proof()
			if got.AccountID != tt.want.AccountID || !slices.Equal(got.Methods, tt.want.Methods) || !got.At.Equal(tt.want.At) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for acr, want := range map[string]Level{"": LevelNone, "urn:example:gold": LevelNone, ACROneFactor: LevelOneFactor, ACRTwoFactor: LevelTwoFactor, ACRPhishingResistant: LevelPhishingResistant} {
		if got := LevelOf(acr); got != want {
			t.Errorf("LevelOf(%q): got %d, want %d", acr, got, want)
		}
	}
	for _, level := range []Level{LevelOneFactor, LevelTwoFactor, LevelPhishingResistant} {
		if got := LevelOf(level.ACR()); got != level {
			t.Errorf("LevelOf(ACR of %d): got %d", level, got)
		}
	}
	for _, level := range []Level{-1, LevelNone, 4} {
		if got := level.ACR(); got != "" {
			t.Errorf("ACR of level %d: got %q, want none", level, got)
		}
	}
	amr := AddMethods(AddMethods(nil, MethodTOTP), MethodPassword, MethodPassword)
	if !slices.Equal(amr, bothFactors) {
		t.Errorf("AddMethods: got %v, want %v", amr, bothFactors)
	}
	for _, tt := range []struct {
		methods, amr string
		level        Level
	}{
		{"", "", LevelNone},
		{"pwd", "pwd", LevelOneFactor},
		{"otp", "otp", LevelOneFactor},
		{"uv", "", LevelNone},
		{"pwd otp", "pwd otp mfa", LevelTwoFactor},
		{"pwd sms", "pwd sms mca mfa", LevelTwoFactor},
		{"pwd email", "pwd otp mca mfa", LevelTwoFactor},
		{"pwd recovery", "pwd otp mfa", LevelTwoFactor},
		{"otp sms", "otp sms mca", LevelOneFactor},
		{"swk", "swk user", LevelOneFactor},
		{"hwk uv", "hwk user mfa", LevelPhishingResistant},
		{"pwd swk", "pwd swk user mfa", LevelPhishingResistant},
		{"pwd otp uv", "pwd otp mfa", LevelTwoFactor},
	} {
		if got := LevelFrom(strings.Fields(tt.methods)); got != tt.level {
			t.Errorf("LevelFrom(%s): got %d, want %d", tt.methods, got, tt.level)
		}
		if got := strings.Join(AMR(strings.Fields(tt.methods)), " "); got != tt.amr {
			t.Errorf("AMR(%s): got %q, want %q", tt.methods, got, tt.amr)
		}
	}
}

func TestSessionLimits(t *testing.T) {
	t.Parallel()
	limits := SessionLimits{Idle: 15 * time.Minute, Absolute: 12 * time.Hour}
	tests := []struct {
		name         string
		seen, ends   time.Duration // from noon
		alive, stale bool
	}{
		{"fresh", 0, time.Hour, true, false},
		{"last second before the step", -59 * time.Second, time.Hour, true, false},
		{"a fifteenth of the idle time", -time.Minute, time.Hour, true, true},
		{"idle", -15 * time.Minute, time.Hour, false, true},
		{"one microsecond before idle", -15*time.Minute + time.Microsecond, time.Hour, true, true},
		{"at the absolute limit", 0, 0, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &Session{LastSeen: noon.Add(tt.seen), Expires: noon.Add(tt.ends)}
			if got := limits.Alive(s, noon); got != tt.alive {
				t.Errorf("Alive: got %v, want %v", got, tt.alive)
			}
			if got := limits.Stale(s, noon); got != tt.stale {
				t.Errorf("Stale: got %v, want %v", got, tt.stale)
			}
		})
	}
	if limits.Alive(nil, noon) {
		t.Error("no session is alive")
	}
}
