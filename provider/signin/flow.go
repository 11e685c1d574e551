package signin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"cardea/provider"
)

// idLength is the length of provider.NewID.
const idLength = 22

// Start begins a sign-in for a checked authorization request, bound to this browser.
// A browser that has no token of ours gets one.
func (s *Service) Start(ctx context.Context, a provider.Authorization, b Browser) (*provider.SignIn, Issued, error) {
	return s.start(ctx, provider.SignInData{Request: a}, b)
}

func (s *Service) start(ctx context.Context, data provider.SignInData, b Browser) (*provider.SignIn, Issued, error) {
	var issued Issued
	token := b.Token
	if !plausible(token, tokenLength) {
		token = provider.NewToken()
		issued.Browser = token
	}
	now := s.now()
	in := &provider.SignIn{
		ID: provider.NewID(), Browser: provider.TokenHash(token), Created: now, Expires: now.Add(s.set.Transaction),
		Data: data,
	}
	if err := s.store.CreateSignIn(ctx, in); err != nil {
		return nil, Issued{}, fmt.Errorf("start sign-in: %w", err)
	}
	return in, issued, nil
}

// Load reads a sign-in of this browser: provider.NotFound when it has none with that
// id, provider.Expired when its time is over.
func (s *Service) Load(ctx context.Context, id string, b Browser) (*provider.SignIn, error) {
	if !plausible(id, idLength) || !plausible(b.Token, tokenLength) {
		return nil, provider.NotFound
	}
	in, err := s.store.SignIn(ctx, id, provider.TokenHash(b.Token), s.now())
	if err != nil {
		return nil, fmt.Errorf("load sign-in: %w", err)
	}
	return in, nil
}

// Next is what a sign-in needs next, and what is known so far.
type Next struct {
	Step    provider.Step
	Error   string            // the OAuth error where no page may be shown
	Proof   provider.Proof    // what counts for this request
	Session *provider.Session // the browser's, alive; nil = none
	Account *provider.Account // of the proof, or of the session that must be renewed; nil = nobody yet
	Factors []provider.Factor // the account's, confirmed
	Granted []string          // scopes that the account allowed this client before

	Usable     []provider.FactorKind // kinds to offer at provider.StepVerify
	Enrollable []provider.FactorKind // kinds to offer at provider.StepEnrol
	TrustHelps bool                  // offer to trust this device
}

// Next tells what comes next in a sign-in. The silent path, which has no row, gives
// just the request. What was proven for an account that may no longer sign in does
// not count.
func (s *Service) Next(ctx context.Context, in provider.SignInData, b Browser) (Next, error) {
	at, err := s.stand(ctx, in, b)
	if err != nil {
		return Next{}, err
	}
	return at.Next, nil
}

// standing is where a sign-in stands, with the question that tells so.
type standing struct {
	Next
	question provider.Question
}

// forced tells that what was shown is not enough yet: a factor is to be set up because
// there is none that would be.
func (at *standing) forced() bool { return at.Proof.Level() < at.question.RequiredLevel() }

// taskTime is how long somebody may take over a change, beyond the time for which an
// authentication counts as recent.
const taskTime = 10 * time.Minute

// stand looks where a sign-in stands. A sign-in into the security centre changes
// somebody's security long after they have proven who they are, so it needs the
// session that the proof has opened: whoever ends that from another device also ends
// what is under way in it. A task that is left lying asks for everything anew.
func (s *Service) stand(ctx context.Context, in provider.SignInData, b Browser) (*standing, error) {
	at, err := s.look(ctx, in, b)
	if err != nil || in.Request.ClientID != provider.SecurityCentreID {
		return at, err
	}
	if in.Task != "" && at.question.Authenticated() && s.now().Sub(at.Proof.At) > s.set.Recent+taskTime {
		in.Proof, in.Enrolling, in.Request.Prompt = provider.Proof{}, "", []string{provider.PromptLogin}
		return s.look(ctx, in, b)
	}
	opened := at.Session != nil && at.Session.AccountID == at.Proof.AccountID
	if in.Proof.AccountID == "" || opened || !at.question.Authenticated() {
		return at, nil
	}
	in.Proof, in.Enrolling, in.Enrolled, in.Other = provider.Proof{}, "", false, true
	return s.look(ctx, in, b)
}

// look is stand for a sign-in whose session is still to be opened.
func (s *Service) look(ctx context.Context, in provider.SignInData, b Browser) (*standing, error) {
	client, err := s.client(ctx, in.Request.ClientID)
	if err != nil {
		return nil, err
	}
	session, owner, err := s.session(ctx, b.Session)
	if err != nil {
		return nil, err
	}
	var prover *provider.Account
	if in.Proof.AccountID != "" {
		if prover, err = s.activeAccount(ctx, in.Proof.AccountID); err != nil {
			return nil, err
		}
		if !counts(in.Proof, prover) {
			prover = nil
			in.Proof, in.Enrolling, in.Enrolled, in.Consented = provider.Proof{}, "", false, ""
		}
	}
	at := &standing{question: provider.Question{
		Now: s.now(), Request: &in.Request, SignIn: in, Session: session,
		MinLevel: provider.LevelOf(client.MinACR), Policy: cmp.Or(client.SecondFactor, s.set.Policy), ThirdParty: !client.FirstParty,
		Allowed: s.allowed(client),
	}}
	at.question.Recovery = session != nil && session.AccountID == at.question.Proof().AccountID && slices.Contains(at.question.Allowed, provider.FactorRecovery)
	if owner != nil {
		at.question.UserID = owner.UserID
	}
	at.Session, at.Account = session, who(&at.question, prover, owner)
	if err := s.complete(ctx, at, client); err != nil {
		return nil, err
	}
	if err := s.trusted(ctx, at, b); err != nil {
		return nil, err
	}
	at.Proof = at.question.Proof()
	at.Step, at.Error = provider.NextStep(&at.question)
	at.Usable, at.Enrollable, at.TrustHelps = s.usable(at), s.enrollable(at), s.set.Trust > 0 && at.question.TrustHelps()
	return at, nil
}

// usable leaves out what cannot be used although the account has it: the issuer is not
// set up for it any more, or there is no verified contact to send a code to. Somebody
// who has nothing else must turn to customer service: setting up another factor would
// take no more than the password.
func (s *Service) usable(at *standing) (kinds []provider.FactorKind) {
	for _, k := range at.question.Usable() {
		if s.set.can(k) && (!byCode(k) || at.Account != nil && at.Account.Destination(k) != "") {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// enrollable leaves out what the issuer does not offer, and everything where the task
// is just to prove a contact.
func (s *Service) enrollable(at *standing) (kinds []provider.FactorKind) {
	if contactKind(at.question.SignIn.Task) != "" && !at.forced() {
		return nil
	}
	for _, k := range at.question.Enrollable() {
		if slices.Contains(s.set.Factors, k) && (at.question.SignIn.Task != "" || roomOf(k, at.Factors)) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// roomOf tells whether an account with factors may have one more of a kind. A task that
// has begun finds out when it is done.
func roomOf(kind provider.FactorKind, factors []provider.Factor) bool {
	switch kind {
	case provider.FactorPasskey:
		return len(passkeysAmong(factors)) < maxPasskeys
	case provider.FactorTOTP:
		return roomForApp(factors)
	}
	return true
}

// client is the client that a sign-in is for: a registered one, or our own security
// centre.
func (s *Service) client(ctx context.Context, id string) (*provider.Client, error) {
	if id == provider.SecurityCentreID {
		return provider.SecurityCentre(), nil
	}
	c, err := s.store.Client(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read client: %w", err)
	}
	return c, nil
}

// allowed are the kinds of factors that count for a client.
func (s *Service) allowed(c *provider.Client) []provider.FactorKind {
	if c.Factors == nil {
		return s.set.Factors
	}
	kinds := []provider.FactorKind{}
	for _, k := range c.Factors {
		if slices.Contains(s.set.Factors, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// trusted looks whether the account in question trusts this browser, where that makes
// a difference.
func (s *Service) trusted(ctx context.Context, at *standing, b Browser) (err error) {
	q := &at.question
	if s.set.Trust == 0 || at.Account == nil || !plausible(b.Trusted, tokenLength) || q.Proof().Level() >= q.RequiredLevel() {
		return nil
	}
	if q.Trusted, err = s.store.Trusted(ctx, provider.TokenHash(b.Trusted), at.Account.ID, s.now()); err != nil {
		return fmt.Errorf("look up trusted device: %w", err)
	}
	return nil
}

// counts tells whether what was proven for account, nil when it may not sign in,
// still counts: not when its password was changed after it.
func counts(p provider.Proof, account *provider.Account) bool {
	return account != nil && !p.At.Before(account.PasswordChanged)
}

// who is the account in question: whose proof counts, else whose session it is
// unless somebody else wants to sign in.
func who(q *provider.Question, prover, owner *provider.Account) *provider.Account {
	switch {
	case prover != nil:
		return prover
	case q.SignIn.Other:
		return nil
	default:
		return owner
	}
}

// complete adds what the account in question has: factors and consent.
func (s *Service) complete(ctx context.Context, at *standing, client *provider.Client) error {
	if at.Account == nil {
		return nil
	}
	factors, err := s.store.Factors(ctx, at.Account.ID)
	if err != nil {
		return fmt.Errorf("read factors: %w", err)
	}
	for _, f := range factors {
		if f.Confirmed {
			at.Factors = append(at.Factors, f)
			if !slices.Contains(at.question.Factors, f.Kind) {
				at.question.Factors = append(at.question.Factors, f.Kind)
			}
		}
	}
	if !at.question.ThirdParty {
		return nil
	}
	if at.Granted, err = s.store.Consent(ctx, at.Account.ID, client.ID); err != nil {
		return fmt.Errorf("read consent: %w", err)
	}
	at.question.Granted = at.Granted
	return nil
}

// turn loads a sign-in and refuses with provider.OutOfTurn when it stands at none of
// steps.
func (s *Service) turn(ctx context.Context, id string, b Browser, steps ...provider.Step) (*provider.SignIn, *standing, error) {
	in, err := s.Load(ctx, id, b)
	if err != nil {
		return nil, nil, err
	}
	at, err := s.stand(ctx, in.Data, b)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(steps, at.Step) {
		return nil, nil, provider.OutOfTurn
	}
	in.Data = at.question.SignIn
	return in, at, nil
}

// Choose answers whether to go on with the session's account, or to use another User
// ID. Another one may be chosen until the end, and what was proven so far is dropped.
func (s *Service) Choose(ctx context.Context, id string, b Browser, other bool) error {
	steps := []provider.Step{provider.StepAccount}
	if other {
		steps = append(steps, provider.StepPassword, provider.StepVerify, provider.StepEnrol, provider.StepCodes, provider.StepConsent)
	}
	in, _, err := s.turn(ctx, id, b, steps...)
	if err != nil {
		return err
	}
	in.Data.Chosen = !other
	if other {
		in.Data.Other, in.Data.Proof, in.Data.Enrolling, in.Data.Enrolled, in.Data.Consented = true, provider.Proof{}, "", false, ""
		in.Data.Task, in.Data.Back = "", "" // what somebody else came for
	}
	return s.save(ctx, in)
}

// Consent answers whether the client may have what it asks for. A refusal ends the
// sign-in and is returned as provider.Forbidden; the caller tells the client.
func (s *Service) Consent(ctx context.Context, id string, b Browser, allow bool) error {
	in, at, err := s.turn(ctx, id, b, provider.StepConsent)
	if err != nil {
		return err
	}
	outcome := provider.Refused
	if allow {
		outcome = provider.OK
	}
	event := b.event(provider.ActionConsent, outcome, in)
	event.Actor, event.Subject = at.Proof.AccountID, at.Proof.AccountID
	if !allow {
		err := s.store.InTx(ctx, func(ctx context.Context) error {
			if err := s.store.DeleteSignIn(ctx, in.ID); err != nil {
				return fmt.Errorf("end refused sign-in: %w", err)
			}
			return s.record(ctx, event)
		})
		if err != nil {
			return err
		}
		return provider.Forbidden
	}
	in.Data.Consented = at.Account.ID
	return s.store.InTx(ctx, func(ctx context.Context) error {
		row := *in // saving moves the version, and the transaction may be tried again
		if err := s.hold(ctx, at.Account, at.Account.PasswordHash); err != nil {
			return err
		}
		scopes := union(at.Granted, in.Data.Request.Scopes)
		if err := s.store.SetConsent(ctx, at.Account.ID, in.Data.Request.ClientID, scopes, s.now()); err != nil {
			return fmt.Errorf("set consent: %w", err)
		}
		if err := s.save(ctx, &row); err != nil {
			return err
		}
		return s.record(ctx, event)
	})
}

func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// Cancel ends a sign-in that its owner gives up, and returns it so that the caller
// can tell the client.
func (s *Service) Cancel(ctx context.Context, id string, b Browser) (*provider.SignIn, error) {
	in, err := s.Load(ctx, id, b)
	if err != nil {
		return nil, err
	}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.DeleteSignIn(ctx, in.ID); err != nil {
			return fmt.Errorf("cancel sign-in: %w", err)
		}
		if in.Data.Enrolling != "" {
			if err := s.store.DropEnrolment(ctx, in.Data.Enrolling); err != nil {
				return fmt.Errorf("drop enrolment: %w", err)
			}
		}
		event := b.event(provider.ActionCancel, provider.OK, in)
		event.Actor, event.Subject = in.Data.Proof.AccountID, in.Data.Proof.AccountID
		return s.record(ctx, event)
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// Finish ends a sign-in that stands at provider.StepDone, in the transaction that
// hands over to the client: provider.Spent when another request has done so before,
// provider.OutOfTurn when its account may no longer sign in.
func (s *Service) Finish(ctx context.Context, in *provider.SignIn) error {
	if err := s.store.DeleteSignIn(ctx, in.ID); err != nil {
		return fmt.Errorf("finish sign-in: %w", err)
	}
	if in.Data.Proof.AccountID == "" {
		return nil // the session's account, which Next has looked at
	}
	account, err := s.activeAccount(ctx, in.Data.Proof.AccountID)
	if err != nil {
		return err
	}
	if !counts(in.Data.Proof, account) {
		return provider.OutOfTurn
	}
	return s.hold(ctx, account, account.PasswordHash)
}
