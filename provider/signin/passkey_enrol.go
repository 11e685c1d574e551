package signin

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"cardea/provider"
)

// What passkey challenges are for, as their rows name it.
const (
	usePasskey = "passkey"
	newPasskey = "new passkey"
)

const (
	ceremonyLife = 5 * time.Minute // of a challenge: security.md WA-1
	maxResponse  = 32 << 10        // bytes of an answer
	maxPasskeys  = 20              // of one account
)

// UnknownCredential is provider.WrongCode for a credential that nobody has registered
// here, or whose owner has removed it: the browser can be told to forget it
// (PublicKeyCredential.signalUnknownCredential). A known credential with a wrong answer
// is never this.
type UnknownCredential struct {
	ID string // base64url without padding
}

func (e *UnknownCredential) Error() string { return "unknown passkey" }

// Unwrap is provider.WrongCode.
func (e *UnknownCredential) Unwrap() error { return provider.WrongCode }

// use is what an authenticator tells of itself in an answer that is right.
type use struct {
	counter  int64
	verified bool // it has verified its user
	backedUp bool
}

// passkeys makes the ceremonies when they are first needed.
type passkeys struct {
	once sync.Once
	made *ceremonies
	err  error
}

func (s *Service) ceremonies() (*ceremonies, error) {
	s.keys.once.Do(func() {
		set := s.set.Passkeys
		set.RPName = cmp.Or(set.RPName, s.set.Issuer)
		s.keys.made, s.keys.err = newCeremonies(set)
	})
	if s.keys.err != nil {
		return nil, fmt.Errorf("prepare passkeys: %w", s.keys.err)
	}
	return s.keys.made, nil
}

// passkeys tells whether passkeys may be used, or set up, where the sign-in stands.
func (at *standing) passkeys() bool {
	kinds := at.question.Allowed
	switch at.Step {
	case provider.StepVerify:
		kinds = at.Usable
	case provider.StepEnrol:
		kinds = at.Enrollable
	}
	return slices.Contains(kinds, provider.FactorPasskey)
}

// asked is the account that a passkey challenge is put to; nil for whoever answers, at
// provider.StepPassword.
func (at *standing) asked() *provider.Account {
	if at.Step == provider.StepPassword {
		return nil
	}
	return at.Account
}

func passkeysAmong(factors []provider.Factor) (keys []provider.Factor) {
	for _, f := range factors {
		if f.Kind == provider.FactorPasskey && f.Passkey != nil && f.Confirmed {
			keys = append(keys, f)
		}
	}
	return keys
}

// ask keeps what the answer to a ceremony will be checked against.
func (s *Service) ask(ctx context.Context, in *provider.SignIn, purpose string, account *provider.Account, session []byte) error {
	now := s.now()
	c := &provider.Challenge{
		Subject: in.ID, Purpose: purpose, ID: provider.NewID(), Created: now, Expires: now.Add(ceremonyLife),
		Data: provider.ChallengeData{Ceremony: session, AccountID: idOf(account)},
	}
	if err := s.store.PutChallenge(ctx, c); err != nil {
		return fmt.Errorf("ask for a passkey: %w", err)
	}
	return nil
}

// take takes away what an answer is checked against, whatever the answer turns out to
// be: provider.Expired when there is nothing that was put to account.
func (s *Service) take(ctx context.Context, in *provider.SignIn, purpose string, account *provider.Account) ([]byte, error) {
	c, err := s.store.TakeChallenge(ctx, in.ID, purpose)
	if errors.Is(err, provider.NotFound) {
		return nil, provider.Expired
	}
	if err != nil {
		return nil, fmt.Errorf("take the passkey's challenge: %w", err)
	}
	if !s.now().Before(c.Expires) || c.Data.AccountID != idOf(account) {
		return nil, provider.Expired
	}
	return c.Data.Ceremony, nil
}

func idOf(a *provider.Account) string {
	if a == nil {
		return ""
	}
	return a.ID
}

// PasskeyOptions asks for a passkey in a sign-in that stands at provider.StepPassword or
// provider.StepVerify, in place of what was asked before. It gives JSON of the form
// {"publicKey": PublicKeyCredentialRequestOptionsJSON} (WebAuthn Level 3 §5.1.9). At
// provider.StepPassword any passkey of this issuer may answer, and its authenticator
// must verify its user; nothing in the options depends on anybody. At
// provider.StepVerify the account's own may. The answer is good for five minutes, once.
// It fails with provider.OutOfTurn, also where passkeys may not be used.
func (s *Service) PasskeyOptions(ctx context.Context, id string, b Browser) ([]byte, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepPassword, provider.StepVerify)
	if err != nil {
		return nil, err
	}
	if !at.passkeys() {
		return nil, provider.OutOfTurn
	}
	c, err := s.ceremonies()
	if err != nil {
		return nil, err
	}
	options, session, err := c.get(at.asked(), passkeysAmong(at.Factors))
	if err != nil {
		return nil, err
	}
	return options, s.ask(ctx, in, usePasskey, at.asked(), session)
}

// Passkey tries the answer to PasskeyOptions: a JSON text, as
// PublicKeyCredential.toJSON gives it. At provider.StepPassword it tells who signs in,
// with all that a password and a second factor prove, and remember is kept in the
// sign-in's data. At provider.StepVerify it is the account's second factor, and trust
// makes the browser a trusted device, where that was offered. It fails with
// provider.Expired when nothing was asked or the time is over, with provider.OutOfTurn,
// with provider.WrongCode, with *UnknownCredential, and at provider.StepVerify with
// *AttemptError around these two or *provider.LockedError. The account's lane of second
// factors counts wrong answers there; a right one gets in though the lane is locked.
func (s *Service) Passkey(ctx context.Context, id string, b Browser, response string, trust, remember bool) (Issued, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepPassword, provider.StepVerify)
	if err != nil {
		return Issued{}, err
	}
	if !at.passkeys() {
		return Issued{}, provider.OutOfTurn
	}
	session, err := s.take(ctx, in, usePasskey, at.asked())
	if err != nil {
		return Issued{}, err
	}
	t := trial{in: in, b: b, account: at.asked(), action: provider.ActionFactor, method: string(provider.FactorPasskey)}
	t.trust = trust && at.Step == provider.StepVerify && at.TrustHelps
	factor, shown, err := s.answered(ctx, &t, at, session, response)
	if errors.Is(err, provider.WrongCode) {
		return Issued{}, s.refusePasskey(ctx, t, at, err)
	}
	if err != nil {
		return Issued{}, err
	}
	methods := provider.PasskeyMethods(factor.Passkey, shown.verified)
	counted := attempt{} // of no lane: the lanes of passwords know nothing of passkeys
	if at.Step == provider.StepVerify {
		counted = attempt{policy: s.set.Factor, lane: s.factorLane(t.account)}
		s.prove(in, t.account, methods...)
	} else {
		in.Data.Proof = provider.Proof{AccountID: t.account.ID, Methods: provider.AddMethods(nil, methods...), At: s.now()}
		in.Data.Enrolling, in.Data.Consented, in.Data.Remember = "", "", remember
	}
	return s.admit(ctx, t, at, factor, shown, counted)
}

// admit commits an answer that is right, unless its passkey was removed, or a copy of it
// used, since it was looked up.
func (s *Service) admit(ctx context.Context, t trial, at *standing, factor *provider.Factor, shown use, counted attempt) (Issued, error) {
	issued, err := s.accept(ctx, t, counted, t.account.PasswordHash, func(ctx context.Context) error {
		return s.store.UsePasskey(ctx, factor, shown.counter, s.now())
	})
	if !errors.Is(err, provider.Spent) {
		return issued, err
	}
	_, err = s.store.Factor(ctx, factor.ID)
	switch {
	case errors.Is(err, provider.NotFound):
		return Issued{}, s.refusePasskey(ctx, t, at, &UnknownCredential{ID: factor.Passkey.CredentialID})
	case err != nil:
		return Issued{}, fmt.Errorf("look up passkey: %w", err)
	}
	return Issued{}, s.refuseClone(ctx, t, at, factor)
}

// answered finds the passkey of an answer and checks it. It notes in t whose it is, and
// gives the passkey as it is to be stored. Whatever is wrong with the answer is
// provider.WrongCode.
func (s *Service) answered(ctx context.Context, t *trial, at *standing, session []byte, response string) (*provider.Factor, use, error) {
	c, err := s.ceremonies()
	if err != nil {
		return nil, use{}, err
	}
	credentialID, check, err := c.read(response)
	if err != nil {
		return nil, use{}, provider.WrongCode
	}
	factor, err := s.store.FactorByCredential(ctx, credentialID)
	if errors.Is(err, provider.NotFound) {
		return nil, use{}, &UnknownCredential{ID: credentialID}
	}
	if err != nil {
		return nil, use{}, fmt.Errorf("look up passkey: %w", err)
	}
	keys := passkeysAmong(at.Factors)
	if at.Step == provider.StepPassword {
		keys = passkeysAmong([]provider.Factor{*factor})
		// An authenticator that had verified nobody when a password stood beside it must
		// not begin to stand alone: who finds a security key may give it a PIN.
		if !factor.Passkey.UserVerified {
			keys = nil
		}
		if t.account, err = s.store.Account(ctx, factor.AccountID); err != nil {
			return nil, use{}, fmt.Errorf("look up passkey's account: %w", err)
		}
	}
	own := slices.ContainsFunc(keys, func(f provider.Factor) bool { return f.ID == factor.ID })
	if !own || t.account.Status != provider.AccountActive {
		return nil, use{}, provider.WrongCode
	}
	shown, err := check(session, t.account, keys)
	if err != nil {
		return nil, use{}, provider.WrongCode
	}
	factor.Passkey.BackedUp = shown.backedUp
	factor.Passkey.UserVerified = factor.Passkey.UserVerified || shown.verified
	return factor, shown, nil
}

// refusePasskey audits a wrong answer. Those to a second factor's question count. No
// lane bounds the others, which anybody can send: of a flood not every one is audited.
func (s *Service) refusePasskey(ctx context.Context, t trial, at *standing, wrong error) error {
	if at.Step == provider.StepVerify {
		counted, err := s.count(ctx, s.set.Factor, s.factorLane(t.account))
		if err != nil {
			return s.refuseLocked(ctx, t, err)
		}
		return s.refuse(ctx, t, counted, wrong)
	}
	if !s.lockedAudits.Allow() {
		return wrong
	}
	if err := s.noteRefusal(ctx, t.event(t.action, provider.Refused)); err != nil {
		return err
	}
	return wrong
}

// refuseClone refuses an answer whose counter has not risen: somebody has copied the
// passkey, and one of the two copies was used before.
func (s *Service) refuseClone(ctx context.Context, t trial, at *standing, factor *provider.Factor) error {
	event := t.event(provider.ActionFactorCloned, provider.Refused)
	event.Detail = factor.ID
	if err := s.noteRefusal(ctx, event); err != nil {
		return err
	}
	return s.refusePasskey(ctx, t, at, provider.WrongCode)
}

// noteRefusal audits a refusal, although the browser may have hung up.
func (s *Service) noteRefusal(ctx context.Context, event provider.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTime)
	defer cancel()
	return s.record(ctx, event)
}

// Signal is what the browser is told so that authenticators offer exactly the passkeys
// that the owner has here (PublicKeyCredential.signalAllAcceptedCredentials, WebAuthn
// Level 3 §5.1.10.3). The handle and the credential ids are base64url without padding.
func (s *Service) Signal(o *Owner) (rpID, userHandle string, credentials []string) {
	credentials = []string{}
	for _, f := range passkeysAmong(o.Factors) {
		credentials = append(credentials, f.Passkey.CredentialID)
	}
	return s.set.Passkeys.RPID, base64.RawURLEncoding.EncodeToString([]byte(o.Account.ID)), credentials
}

// NewPasskeyOptions asks for a new passkey in a sign-in that stands at
// provider.StepEnrol, in place of what was asked before. It gives JSON of the form
// {"publicKey": PublicKeyCredentialCreationOptionsJSON} (WebAuthn Level 3 §5.1.8). The
// answer is good for five minutes, once. It fails with provider.OutOfTurn, also where
// passkeys may not be set up and when the account has as many as it can have.
func (s *Service) NewPasskeyOptions(ctx context.Context, id string, b Browser) ([]byte, error) {
	in, at, err := s.addingPasskey(ctx, id, b)
	if err != nil {
		return nil, err
	}
	keys := passkeysAmong(at.Factors)
	if err := roomFor(keys); err != nil {
		return nil, err
	}
	c, err := s.ceremonies()
	if err != nil {
		return nil, err
	}
	options, session, err := c.create(at.Account, keys)
	if err != nil {
		return nil, err
	}
	return options, s.ask(ctx, in, newPasskey, at.Account, session)
}

// addingPasskey is turn for setting up a passkey.
func (s *Service) addingPasskey(ctx context.Context, id string, b Browser) (*provider.SignIn, *standing, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepEnrol)
	if err == nil && !(at.passkeys() && slices.Contains(s.set.Factors, provider.FactorPasskey)) {
		err = provider.OutOfTurn
	}
	return in, at, err
}

func roomFor(keys []provider.Factor) error {
	if len(keys) >= maxPasskeys {
		return provider.OutOfTurn
	}
	return nil
}

// AddPasskey ends an enrolment with the answer to NewPasskeyOptions: a JSON text, as
// PublicKeyCredential.toJSON gives it. The new passkey also counts as shown within this
// sign-in. It fails with provider.Expired when nothing was asked or the time is over,
// with provider.WrongCode, with provider.Forbidden for an authenticator that the
// issuer does not accept or that does not attest what it is, with provider.Exists when
// anybody has registered the credential, or with provider.OutOfTurn, also when the
// account has as many as it can have.
func (s *Service) AddPasskey(ctx context.Context, id string, b Browser, response string) (Issued, error) {
	in, at, err := s.addingPasskey(ctx, id, b)
	if err != nil {
		return Issued{}, err
	}
	session, err := s.take(ctx, in, newPasskey, at.Account)
	if err != nil {
		return Issued{}, err
	}
	c, err := s.ceremonies()
	if err != nil {
		return Issued{}, err
	}
	t := trial{in: in, b: b, account: at.Account, action: provider.ActionFactorAdded, method: string(provider.FactorPasskey)}
	key, shown, err := c.made(session, response, at.Account)
	if errors.Is(err, provider.Forbidden) {
		return Issued{}, s.refuseNew(ctx, t, provider.Forbidden)
	}
	if err != nil {
		return Issued{}, s.refuseNew(ctx, t, provider.WrongCode)
	}
	now := s.now()
	issued, err := s.keep(ctx, t, shown, &provider.Factor{
		ID: provider.NewID(), AccountID: at.Account.ID, Kind: provider.FactorPasskey, Name: models[key.AAGUID], LastStep: shown.counter,
		Passkey: key, Confirmed: true, Created: now, LastUsed: now,
	})
	if errors.Is(err, provider.Exists) {
		return Issued{}, s.refuseNew(ctx, t, provider.Exists)
	}
	return issued, err
}

func (s *Service) refuseNew(ctx context.Context, t trial, why error) error {
	if err := s.noteRefusal(ctx, t.event(t.action, provider.Refused)); err != nil {
		return err
	}
	return why
}

// keep makes a new passkey the account's, in place of an app that was being set up.
func (s *Service) keep(ctx context.Context, t trial, shown use, factor *provider.Factor) (Issued, error) {
	var issued Issued
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		row, at, err := s.stillEnrolling(ctx, t)
		if err != nil {
			return err
		}
		if !at.passkeys() {
			return provider.OutOfTurn
		}
		if err := roomFor(passkeysAmong(at.Factors)); err != nil {
			return err
		}
		if err := s.store.DeleteUnconfirmedFactors(ctx, t.account.ID); err != nil {
			return fmt.Errorf("drop enrolment: %w", err)
		}
		if err := s.store.CreateFactor(ctx, factor); err != nil {
			return fmt.Errorf("store passkey: %w", err)
		}
		row.Data.Enrolling = ""
		s.prove(row, t.account, provider.PasskeyMethods(factor.Passkey, shown.verified)...)
		if err := s.added(ctx, t, row, *factor); err != nil {
			return err
		}
		issued, err = s.raise(ctx, row, t.b)
		return err
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}
