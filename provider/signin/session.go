package signin

import (
	"context"
	"errors"
	"fmt"

	"cardea/provider"
)

// Session is the session that a cookie's value opens, or nil: when there is none,
// its time is over, or its account may not sign in. It notes that the session was
// used, in steps.
func (s *Service) Session(ctx context.Context, token string) (*provider.Session, error) {
	session, _, err := s.session(ctx, token)
	return session, err
}

// session is Session with the account.
func (s *Service) session(ctx context.Context, token string) (*provider.Session, *provider.Account, error) {
	if !plausible(token, tokenLength) {
		return nil, nil, nil
	}
	found, account, err := s.store.Session(ctx, provider.TokenHash(token))
	if errors.Is(err, provider.NotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read session: %w", err)
	}
	now := s.now()
	if !s.set.Sessions.Alive(found, now) || account.Status != provider.AccountActive {
		return nil, nil, nil
	}
	if s.set.Sessions.Stale(found, now) {
		if err := s.store.TouchSession(ctx, found.ID, now); err != nil {
			return nil, nil, fmt.Errorf("touch session: %w", err)
		}
		found.LastSeen = now
	}
	return found, account, nil
}

// activeAccount is the account, or nil when it is gone or may not sign in.
func (s *Service) activeAccount(ctx context.Context, id string) (*provider.Account, error) {
	account, err := s.store.Account(ctx, id)
	if errors.Is(err, provider.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read account: %w", err)
	}
	if account.Status != provider.AccountActive {
		return nil, nil
	}
	return account, nil
}

// hold takes the account's row for the rest of the transaction and writes hash in
// it, which may be the same as before. An administrator's change to the account
// either comes before, and the sign-in is refused with provider.OutOfTurn, or comes
// after, and ends what the sign-in opened.
func (s *Service) hold(ctx context.Context, a *provider.Account, hash string) error {
	err := s.store.RehashPassword(ctx, a.ID, a.PasswordHash, hash)
	if errors.Is(err, provider.Changed) || errors.Is(err, provider.NotFound) {
		return provider.OutOfTurn
	}
	if err != nil {
		return fmt.Errorf("hold account: %w", err)
	}
	now, err := s.activeAccount(ctx, a.ID)
	if err == nil && now == nil {
		return provider.OutOfTurn
	}
	return err
}

// raise writes a sign-in to which a proof was added, and gives the browser what that
// earns: a new token always, a session when nothing but consent is left. It looks at
// everything anew, because the account in question may be another than before. It
// runs in the transaction of the proof, after hold.
func (s *Service) raise(ctx context.Context, in *provider.SignIn, b Browser) (Issued, error) {
	var issued Issued
	at, err := s.look(ctx, in.Data, b)
	if err != nil {
		return issued, err
	}
	if at.question.Authenticated() {
		if err := s.open(ctx, in, &at.question, b, &issued); err != nil {
			return issued, err
		}
	}
	row := *in // saving moves the version, and the transaction may be tried again
	return issued, s.rotate(ctx, &row, &issued)
}

// open gives the browser the session that q's proof earns: the one it has is raised
// under a new token, another account's is ended.
func (s *Service) open(ctx context.Context, in *provider.SignIn, q *provider.Question, b Browser, issued *Issued) error {
	issued.Session = provider.NewToken()
	next := s.newSession(q, issued.Session, b)
	if err := s.replace(ctx, q.Session, next, b, in); err != nil {
		return err
	}
	known, err := s.knownDevice(ctx, b, next.AccountID)
	if err != nil {
		return err
	}
	if known == "" {
		if err := s.tellNewDevice(ctx, b, next.AccountID); err != nil {
			return err
		}
	}
	if err := s.rememberDevice(ctx, b, next.AccountID, known != "", issued); err != nil {
		return err
	}
	if q.Trusted {
		if err := s.store.TouchTrusted(ctx, provider.TokenHash(b.Trusted), next.AccountID, s.now()); err != nil {
			return fmt.Errorf("touch trusted device: %w", err)
		}
	}
	event := b.event(provider.ActionSession, provider.OK, in)
	event.Actor, event.Subject = next.AccountID, next.AccountID
	return s.record(ctx, event)
}

// newSession is the session that q's proof earns. Raising a session by a second
// factor alone neither prolongs it nor makes its authentication newer.
func (s *Service) newSession(q *provider.Question, token string, b Browser) *provider.Session {
	proof, now := q.Proof(), s.now()
	next := &provider.Session{
		ID: provider.TokenHash(token), SID: provider.NewID(), AccountID: proof.AccountID, Methods: proof.Methods, AuthTime: proof.At,
		Created: now, LastSeen: now, Expires: now.Add(s.set.Sessions.Absolute),
		Address: note(b.Address), UserAgent: note(b.UserAgent),
	}
	if old := q.Session; old != nil && old.AccountID == next.AccountID {
		next.SID, next.Created = old.SID, old.Created
		if !provider.Identifies(q.SignIn.Proof.Methods) {
			next.Expires = old.Expires
		}
	}
	return next
}

func (s *Service) replace(ctx context.Context, old, next *provider.Session, b Browser, in *provider.SignIn) error {
	if old != nil && old.AccountID == next.AccountID {
		err := s.store.ReplaceSession(ctx, old.ID, next)
		if errors.Is(err, provider.Spent) {
			return provider.OutOfTurn
		}
		if err != nil {
			return fmt.Errorf("replace session: %w", err)
		}
		return nil
	}
	if old != nil {
		if err := s.end(ctx, old, b.event(provider.ActionSignOut, provider.OK, in)); err != nil {
			return err
		}
	}
	if err := s.store.CreateSession(ctx, next); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	return nil
}

// end ends a session with the grants given in it, except those for offline access.
func (s *Service) end(ctx context.Context, old *provider.Session, event provider.Event) error {
	if err := s.store.EndSession(ctx, old.ID); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	if err := s.store.RevokeGrantsOfSession(ctx, old.SID, s.now(), true); err != nil {
		return fmt.Errorf("revoke grants of session: %w", err)
	}
	event.Actor, event.Subject = old.AccountID, old.AccountID
	return s.record(ctx, event)
}

// SignOut ends this browser's session, the grants given in it except those for
// offline access, and the sign-ins under way in the browser. It returns the session
// that was ended, nil when there was none alive.
func (s *Service) SignOut(ctx context.Context, b Browser) (*provider.Session, error) {
	session, _, err := s.session(ctx, b.Session)
	if err != nil {
		return nil, err
	}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if plausible(b.Token, tokenLength) {
			// A token that nobody holds: what was proven in other tabs is lost with it.
			if err := s.store.MoveSignIns(ctx, provider.TokenHash(b.Token), provider.TokenHash(provider.NewToken())); err != nil {
				return fmt.Errorf("drop sign-ins: %w", err)
			}
		}
		if session == nil {
			return nil
		}
		return s.end(ctx, session, b.event(provider.ActionSignOut, provider.OK, nil))
	})
	if err != nil {
		return nil, fmt.Errorf("sign out: %w", err)
	}
	return session, nil
}
