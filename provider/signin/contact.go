package signin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cardea/provider"
)

// Contact is where a sign-in that sets up codes by SMS or e-mail, or changes a
// contact, stands.
type Contact struct {
	Current     string        // the verified contact, masked; "" = none
	Fixed       bool          // only Current may be used here
	Destination string        // that a live code was sent to, masked; "" = none
	Wait        time.Duration // before another code may be asked for; 0 = now
}

// proving is the proof of one contact in a sign-in that stands at provider.StepEnrol.
type proving struct {
	dispatch
	adds  bool // a factor, and not only the contact
	fixed bool // to the verified contact that is on file
}

// contactKind is the kind of code that proves the contact a task changes; "" for any
// other task.
func contactKind(t provider.Task) provider.FactorKind {
	switch t {
	case provider.TaskPhone:
		return provider.FactorSMS
	case provider.TaskAddress:
		return provider.FactorEmail
	}
	return ""
}

// prover finds out what proving a contact of a kind would do where a sign-in stands:
// provider.OutOfTurn where there is nothing to prove.
//
// Whoever must set up a factor has shown just a password, perhaps a stolen one. Where
// the account has a verified contact the factor is for that one only: a thief has no
// use for it, and must not bring a number of their own. A task comes after all that
// the account can prove, so a new contact is the owner's.
func (s *Service) prover(in *provider.SignIn, at *standing, b Browser, kind provider.FactorKind) (proving, error) {
	adds := slices.Contains(at.Enrollable, kind)
	changes := !at.forced() && contactKind(in.Data.Task) == kind
	if !byCode(kind) || !s.set.can(kind) || !adds && !changes {
		return proving{}, provider.OutOfTurn
	}
	return proving{
		dispatch: dispatch{in: in, b: b, account: at.Account, kind: kind, purpose: "contact " + string(kind), message: provider.MessageCodeContact},
		adds:     adds, fixed: at.forced() && at.Account.Destination(kind) != "",
	}, nil
}

func (s *Service) provingTurn(ctx context.Context, id string, b Browser, kind provider.FactorKind) (proving, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepEnrol)
	if err != nil {
		return proving{}, err
	}
	return s.prover(in, at, b, kind)
}

// Contact tells how far proving a contact is, in a sign-in that stands at
// provider.StepEnrol. kind is sms or email. It fails with provider.OutOfTurn where
// neither the factor nor the contact may be set up.
func (s *Service) Contact(ctx context.Context, id string, b Browser, kind provider.FactorKind) (Contact, error) {
	p, err := s.provingTurn(ctx, id, b, kind)
	if err != nil {
		return Contact{}, err
	}
	out := Contact{Current: masked(kind, p.account.Destination(kind)), Fixed: p.fixed}
	c, err := s.store.Challenge(ctx, p.in.ID, p.purpose)
	if errors.Is(err, provider.NotFound) {
		return out, nil
	}
	if err != nil {
		return Contact{}, fmt.Errorf("read challenge: %w", err)
	}
	now := s.now()
	if now.Before(c.Expires) && c.Data.AccountID == p.account.ID {
		out.Destination = masked(kind, c.Data.Destination)
		out.Wait = max(0, c.Created.Add(s.set.Codes.Wait).Sub(now))
	}
	return out, nil
}

// SetContact sends a code to the telephone number or e-mail address that was typed, or
// with useCurrent to the verified one. It fails with provider.Faults of the field
// "phone" or "email", with *provider.TooOftenError, whose wait is also in Sent, with
// *provider.LockedError while the account's second factors are locked, and with
// provider.OutOfTurn. The contact on file stays as it is until ConfirmContact.
func (s *Service) SetContact(ctx context.Context, id string, b Browser, kind provider.FactorKind, typed string, useCurrent bool) (Sent, error) {
	p, err := s.provingTurn(ctx, id, b, kind)
	if err != nil {
		return Sent{}, err
	}
	if p.destination, err = s.chosen(p, typed, useCurrent); err != nil {
		return Sent{}, err
	}
	return s.sendContact(ctx, p)
}

// ResendContact sends a new code to where the last one went. It fails as SetContact
// does, and with provider.Expired when there was none: the contact has to be given
// again.
func (s *Service) ResendContact(ctx context.Context, id string, b Browser, kind provider.FactorKind) (Sent, error) {
	p, err := s.provingTurn(ctx, id, b, kind)
	if err != nil {
		return Sent{}, err
	}
	c, err := s.store.Challenge(ctx, p.in.ID, p.purpose)
	if errors.Is(err, provider.NotFound) || err == nil && !p.permits(c) {
		return Sent{}, provider.Expired
	}
	if err != nil {
		return Sent{}, fmt.Errorf("read challenge: %w", err)
	}
	p.destination = c.Data.Destination
	return s.sendContact(ctx, p)
}

func (s *Service) sendContact(ctx context.Context, p proving) (Sent, error) {
	if err := s.locked(ctx, s.factorLane(p.account)); err != nil {
		return Sent{}, err
	}
	return s.send(ctx, p.dispatch)
}

// permits tells whether c is of p's account and, where p is fixed to one, to the
// contact on file.
func (p proving) permits(c *provider.Challenge) bool {
	return c.Data.AccountID == p.account.ID && (!p.fixed || c.Data.Destination == p.account.Destination(p.kind))
}

// chosen is the destination that was typed, in its normal form, or the one on file.
func (s *Service) chosen(p proving, typed string, useCurrent bool) (string, error) {
	field, current := "phone", p.account.Destination(p.kind)
	normal, problem := "", "must be a telephone number, such as 070-123 45 67, or +46 70 123 45 67 with its country code"
	if p.kind == provider.FactorSMS {
		normal = provider.NormalPhone(typed, s.set.Codes.Country)
	} else {
		field, normal, problem = "email", provider.NormalEmail(typed), "must be an e-mail address, such as name@example.com"
	}
	if current != "" && (useCurrent || normal == current || normal != "" && normal == provider.NormalEmail(current)) {
		normal = current // as it is on file
	}
	var f provider.Faults
	switch {
	case normal == "" || useCurrent && current == "":
		f.Add(field, "%s", problem)
	case p.fixed && normal != current:
		f.Add(field, "must be the one that is on file")
	case !p.adds && normal == current:
		f.Add(field, "is the one that is on file already")
	}
	return normal, f.Err()
}

// ConfirmContact tries the code that was sent to a new contact. When it is right, the
// contact is the account's verified one from then on; for a task that sets up a factor
// and where one must be set up, it is also the factor, and counts as this sign-in's
// second one. Old and new contacts are told.
//
// It fails with provider.WrongCode, bare for what is not six digits and else as
// *AttemptError, with provider.Spent when all tries at the code are used, with
// provider.Expired when none is live, and with provider.OutOfTurn. Where only the
// contact on file may be proven, that proves as much as a second factor does, so wrong
// codes count in the account's lane of those, and it fails with *provider.LockedError
// too. Others count in no lane: whoever gets the code is the one who proves something.
func (s *Service) ConfirmContact(ctx context.Context, id string, b Browser, kind provider.FactorKind, code string) (Issued, error) {
	p, err := s.provingTurn(ctx, id, b, kind)
	if err != nil {
		return Issued{}, err
	}
	code, ok := sixDigits(code)
	if !ok {
		return Issued{}, provider.WrongCode
	}
	t := trial{in: p.in, b: b, account: p.account, action: provider.ActionContact, method: provider.MethodOf(kind)}
	if p.adds {
		t.action = provider.ActionFactorAdded
	}
	c, counted, err := s.tryContact(ctx, p)
	if err != nil {
		return Issued{}, s.refuseLocked(ctx, t, err)
	}
	if !s.set.Keys.CheckMAC(provider.ForOneTime, codeData(c, code), c.Data.MAC) {
		return Issued{}, s.refuseContact(ctx, t, p, c, counted)
	}
	return s.settle(ctx, t, kind, c, counted)
}

// tryContact counts an answer to the code that is open for p: where p is fixed also in
// the account's lane, and else as an attempt of no lane.
func (s *Service) tryContact(ctx context.Context, p proving) (*provider.Challenge, attempt, error) {
	lane := s.factorLane(p.account)
	if p.fixed {
		if err := s.locked(ctx, lane); err != nil {
			return nil, attempt{}, err
		}
	}
	c, err := s.try(ctx, p.dispatch)
	if err == nil && !p.permits(c) {
		err = provider.Expired
	}
	if err != nil || !p.fixed {
		return c, attempt{}, err
	}
	counted, err := s.count(ctx, s.set.Factor, lane)
	return c, counted, err
}

// refuseContact audits a wrong code, of which c, and counted where p is fixed, have
// counted the try.
func (s *Service) refuseContact(ctx context.Context, t trial, p proving, c *provider.Challenge, counted attempt) error {
	var err error
	if p.fixed {
		err = s.refuse(ctx, t, counted, provider.WrongCode)
	} else if err = s.refuseEnrolment(ctx, t); errors.Is(err, provider.WrongCode) {
		err = &AttemptError{Left: codeTries - c.Tries, wrong: provider.WrongCode}
	}
	if errors.Is(err, provider.WrongCode) && c.Tries >= codeTries {
		return provider.Spent
	}
	return err
}

// settle makes the destination of an answered challenge the account's contact, and the
// factor, and clears the lane of counted. It looks anew at where the sign-in stands,
// because another one may have changed the account since.
func (s *Service) settle(ctx context.Context, t trial, kind provider.FactorKind, c *provider.Challenge, counted attempt) (Issued, error) {
	var issued Issued
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		row, at, err := s.stillEnrolling(ctx, t)
		if err != nil {
			return err
		}
		p, err := s.prover(row, at, t.b, kind)
		if err != nil {
			return err
		}
		if !p.permits(c) {
			return provider.OutOfTurn
		}
		if err := s.store.SpendChallenge(ctx, c); err != nil {
			return err
		}
		if err := s.succeeded(ctx, counted); err != nil {
			return err
		}
		if err := s.setContact(ctx, t, p, c.Data.Destination); err != nil {
			return err
		}
		if p.adds {
			if err := s.addByCode(ctx, t, row, kind); err != nil {
				return err
			}
		} else {
			row.Data.Task = ""
		}
		issued, err = s.raise(ctx, row, t.b)
		return err
	})
	if errors.Is(err, provider.Spent) {
		err = provider.OutOfTurn
	}
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// addByCode gives the account the factor whose code was typed, unless it has it.
func (s *Service) addByCode(ctx context.Context, t trial, row *provider.SignIn, kind provider.FactorKind) error {
	added, err := s.createFactor(ctx, t.account.ID, kind)
	if err != nil {
		return err
	}
	if row.Data.Enrolling != "" { // an app was being set up, and then a code was
		if err := s.store.DeleteUnconfirmedFactors(ctx, t.account.ID); err != nil {
			return fmt.Errorf("drop enrolment: %w", err)
		}
		row.Data.Enrolling = ""
	}
	s.prove(row, t.account, t.method)
	if row.Data.Task.Kind() == kind {
		row.Data.Task = ""
	}
	if !added {
		return nil
	}
	return s.added(ctx, t, row, provider.Factor{Kind: kind})
}

// setContact stores a proven destination where it is not the verified contact
// already, and tells the old and the new one. A factor of that kind goes to the new
// contact from then on; what waits to be sent still goes to the old one.
func (s *Service) setContact(ctx context.Context, t trial, p proving, destination string) error {
	a, now := *p.account, s.now()
	if a.Destination(p.kind) == destination {
		return nil
	}
	profile, old := &a.Profile, replaced(&a, p.kind, destination)
	if p.kind == provider.FactorSMS {
		if profile.PhoneNumber != destination {
			a.PhoneChanged = now
		}
		profile.PhoneNumber, profile.PhoneNumberVerified = destination, true
	} else {
		if profile.Email != destination {
			a.EmailChanged = now
		}
		profile.Email, profile.EmailVerified = destination, true
	}
	a.Updated = now
	if err := s.store.UpdateProfile(ctx, &a); err != nil {
		return fmt.Errorf("store contact: %w", err)
	}
	if err := s.distrust(ctx, a.ID); err != nil {
		return err
	}
	if err := s.record(ctx, t.event(provider.ActionContact, provider.OK)); err != nil {
		return err
	}
	data := provider.MessageData{Factor: string(p.kind), UserAgent: note(t.b.UserAgent), Address: note(t.b.Address)}
	if old != "" {
		if err := s.store.PinMessages(ctx, a.ID, channel(p.kind), old); err != nil {
			return fmt.Errorf("keep waiting notices: %w", err)
		}
		if err := s.tellAt(ctx, a.ID, provider.MessageContact, data, channel(p.kind), old); err != nil {
			return err
		}
	}
	return s.tell(ctx, a.ID, provider.MessageContact, data)
}

// replaced is the contact on file that notices went to so far, "" when there was none or
// it stays: an address whether verified or not, a number only when it is its owner's for
// sure.
func replaced(a *provider.Account, kind provider.FactorKind, destination string) string {
	if kind == provider.FactorSMS {
		return a.Destination(kind)
	}
	if provider.NormalEmail(a.Profile.Email) == provider.NormalEmail(destination) {
		return ""
	}
	return a.Profile.Email
}
