package signin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cardea/provider"
	"cardea/storage"
)

// Owner is somebody in their security centre: the browser's session, alive, and its
// account. It is for one request: the next one asks for it anew.
//
// What adds, removes or changes credentials, contacts or consents needs Recent, and
// fails with provider.Reauthenticate without it. What ends something, as sessions,
// trusted devices or the access to the whole account, needs an Owner only: stopping
// misuse must be easy. All of it concerns the owner's own objects: the ids of others'
// are provider.NotFound, as those of nobody are.
type Owner struct {
	Session *provider.Session
	Account *provider.Account
	Factors []provider.Factor // confirmed
	Browser Browser
}

// viewAge is how long after an authentication the security centre may be read.
const viewAge = 30 * time.Minute

// Owner is who may read the security centre in this browser, or nil when somebody must
// sign in first: there is no session, its authentication is too long ago, or it is
// weaker than the account's factors allow. A trusted device does not help here.
func (s *Service) Owner(ctx context.Context, b Browser) (*Owner, error) {
	session, account, err := s.session(ctx, b.Session)
	if err != nil || session == nil {
		return nil, err
	}
	factors, err := s.confirmed(ctx, account.ID)
	if err != nil {
		return nil, err
	}
	o := &Owner{Session: session, Account: account, Factors: factors, Browser: b}
	if !session.Recent(s.now(), viewAge, o.level()) {
		return nil, nil
	}
	return o, nil
}

// level is what the owner must have shown: two factors, if they have two.
func (o *Owner) level() provider.Level {
	if len(o.Factors) > 0 {
		return provider.LevelTwoFactor
	}
	return provider.LevelOneFactor
}

// Recent tells whether the owner has proven who they are recently enough to change
// something. What changes something fails with provider.Reauthenticate otherwise.
func (s *Service) Recent(o *Owner) bool {
	return o.Session.Recent(s.now(), s.set.Recent, o.level())
}

func (s *Service) confirmed(ctx context.Context, accountID string) ([]provider.Factor, error) {
	all, err := s.store.Factors(ctx, accountID)
	if err != nil {
		return nil, fmt.Errorf("read factors: %w", err)
	}
	var confirmed []provider.Factor
	for _, f := range all {
		if f.Confirmed {
			confirmed = append(confirmed, f)
		}
	}
	return confirmed, nil
}

// Entry is what somebody goes to the security centre for.
type Entry struct {
	Task provider.Task
	Back string // path in the security centre that the sign-in ends at
	Sure bool   // a recent authentication is wanted, for a change
}

// Enter begins a sign-in into the security centre. A recent session is as good as a
// sign-in; otherwise everything has to be shown anew.
func (s *Service) Enter(ctx context.Context, b Browser, e Entry) (*provider.SignIn, Issued, error) {
	session, _, err := s.session(ctx, b.Session)
	if err != nil {
		return nil, Issued{}, err
	}
	age := viewAge
	if e.Sure || e.Task != "" {
		age = s.set.Recent
	}
	a := provider.Authorization{ClientID: provider.SecurityCentreID}
	data := provider.SignInData{Request: a, Task: e.Task, Back: e.Back}
	if session != nil && !session.Recent(s.now(), age, provider.LevelNone) {
		data.Request.Prompt = []string{provider.PromptLogin}
	}
	return s.start(ctx, data, b)
}

// event is the audit event of something that the owner did in the security centre.
func (o *Owner) event(action provider.Action, outcome provider.Outcome) provider.Event {
	e := o.Browser.event(action, outcome, o.place())
	e.Actor, e.Subject = o.Account.ID, o.Account.ID
	return e
}

// place stands for a sign-in in the audit events of the security centre, which has
// none.
func (o *Owner) place() *provider.SignIn {
	return &provider.SignIn{Data: provider.SignInData{Request: provider.Authorization{ClientID: provider.SecurityCentreID}}}
}

// notice is what a notice tells of the browser that something was done in.
func (o *Owner) notice() provider.MessageData {
	return provider.MessageData{UserAgent: note(o.Browser.UserAgent), Address: note(o.Browser.Address)}
}

// change does one change of the owner's together with its audit event, while nothing
// else changes the account: provider.OutOfTurn when something has, since the request
// began.
func (s *Service) change(ctx context.Context, o *Owner, event provider.Event, do func(context.Context) error) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.hold(ctx, o.Account, o.Account.PasswordHash); err != nil {
			return err
		}
		if err := do(ctx); err != nil {
			return err
		}
		return s.record(ctx, event)
	})
}

// Overview is the front page of the security centre.
type Overview struct {
	Factors      []provider.Factor // confirmed, oldest first
	RecoveryLeft int               // recovery codes that are left; -1 = not offered here
	Sessions     int               // alive, this one among them
	Trusted      int               // trusted devices
	Apps         int               // connected apps
	Last         *provider.Event   // the newest sign-in from before this session; nil = none
}

// lastSignIns is how many sign-ins are looked through for the one before this session,
// which may have been raised several times since.
const lastSignIns = 50

// Overview counts what the owner has.
func (s *Service) Overview(ctx context.Context, o *Owner) (Overview, error) {
	out := Overview{Factors: o.Factors, RecoveryLeft: -1}
	if slices.Contains(s.set.Factors, provider.FactorRecovery) {
		codes, err := s.store.RecoveryCodes(ctx, o.Account.ID)
		if err != nil {
			return Overview{}, fmt.Errorf("count recovery codes: %w", err)
		}
		out.RecoveryLeft = len(codes)
	}
	sessions, err := s.Sessions(ctx, o)
	if err != nil {
		return Overview{}, err
	}
	trusted, err := s.TrustedDevices(ctx, o)
	if err != nil {
		return Overview{}, err
	}
	apps, err := s.Apps(ctx, o)
	if err != nil {
		return Overview{}, err
	}
	out.Sessions, out.Trusted, out.Apps = len(sessions), len(trusted), len(apps)
	out.Last, err = s.lastSignIn(ctx, o)
	return out, err
}

func (s *Service) lastSignIn(ctx context.Context, o *Owner) (*provider.Event, error) {
	events, err := s.store.Events(ctx, storage.EventFilter{Subject: o.Account.ID, Action: provider.ActionSession, Limit: lastSignIns})
	if err != nil {
		return nil, fmt.Errorf("read last sign-in: %w", err)
	}
	for _, e := range events {
		if e.At.Before(o.Session.Created) {
			return &e, nil
		}
	}
	return nil, nil
}

// SetLanguage chooses the language of pages and messages, "en" or "sv";
// provider.Faults otherwise. It protects nothing, so that an Owner is enough, and
// nobody is told.
func (s *Service) SetLanguage(ctx context.Context, o *Owner, lang string) error {
	var f provider.Faults
	if lang != "en" && lang != "sv" {
		f.Add("lang", "must be en or sv")
		return f.Err()
	}
	return s.change(ctx, o, o.event(provider.ActionLanguage, provider.OK), func(ctx context.Context) error {
		// Read again under the hold: the profile is written whole.
		a, err := s.store.Account(ctx, o.Account.ID)
		if err != nil {
			return fmt.Errorf("read account: %w", err)
		}
		a.Locale, a.Updated = lang, s.now()
		if err := s.store.UpdateProfile(ctx, a); err != nil {
			return fmt.Errorf("set language: %w", err)
		}
		return nil
	})
}
