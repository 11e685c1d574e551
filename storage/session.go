package storage

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"cardea/provider"
)

// CreateSession adds a session; Exists when its id is taken.
func (s *Store) CreateSession(ctx context.Context, n *provider.Session) error {
	return s.insert(ctx, `INSERT INTO sessions (id, sid, account_id, amr, auth_time, created_at, last_seen_at, expires_at, address, user_agent)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		n.ID, n.SID, n.AccountID, list(n.Methods), stamp(n.AuthTime), stamp(n.Created), stamp(n.LastSeen), stamp(n.Expires),
		clean(n.Address), clean(n.UserAgent))
}

// Session is the session with an id, the hash of its token, and the account it
// belongs to; NotFound. Whether it may still be used is for the caller to ask, see
// provider.SessionLimits.
func (s *Store) Session(ctx context.Context, id string) (*provider.Session, *provider.Account, error) {
	n, a := provider.Session{ID: id}, provider.Account{}
	dest := append([]any{
		&n.SID, &n.AccountID, (*list)(&n.Methods), (*stamp)(&n.AuthTime), (*stamp)(&n.Created), (*stamp)(&n.LastSeen), (*stamp)(&n.Expires),
		&n.Address, &n.UserAgent,
	}, accountDest(&a)...)
	err := s.one(ctx, `SELECT s.sid, s.account_id, s.amr, s.auth_time, s.created_at, s.last_seen_at, s.expires_at, s.address, s.user_agent,
		a.id, a.user_id, a.password_hash, a.password_changed_at, a.status, a.locale, a.profile, a.created_at, a.updated_at,
		a.email_changed_at, a.phone_changed_at
		FROM sessions s JOIN accounts a ON a.id = s.account_id WHERE s.id = $1`, []any{id}, dest...)
	if err != nil {
		return nil, nil, err
	}
	return &n, &a, nil
}

// TouchSession notes that the session was used at; nothing when it is gone or was
// used later.
func (s *Store) TouchSession(ctx context.Context, id string, at time.Time) error {
	return s.claim(ctx, nil, `UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1`, stamp(at), id)
}

// ReplaceSession puts n in the place of the session oldID, once; Spent when that is
// gone.
func (s *Store) ReplaceSession(ctx context.Context, oldID string, n *provider.Session) error {
	return s.claim(ctx, provider.Spent, `UPDATE sessions SET id = $1, sid = $2, account_id = $3, amr = $4, auth_time = $5, created_at = $6,
		last_seen_at = $7, expires_at = $8, address = $9, user_agent = $10 WHERE id = $11`,
		n.ID, n.SID, n.AccountID, list(n.Methods), stamp(n.AuthTime), stamp(n.Created), stamp(n.LastSeen), stamp(n.Expires),
		clean(n.Address), clean(n.UserAgent), oldID)
}

// Sessions lists an account's sessions, the one used last first. Whether each may still
// be used is for the caller to ask, see provider.SessionLimits.
func (s *Store) Sessions(ctx context.Context, accountID string) ([]provider.Session, error) {
	var out []provider.Session
	err := s.rows(ctx, `SELECT id, sid, account_id, amr, auth_time, created_at, last_seen_at, expires_at, address, user_agent
		FROM sessions WHERE account_id = $1 ORDER BY last_seen_at DESC, id`, []any{accountID}, func(r *sqlx.Rows) error {
		var n provider.Session
		err := r.Scan(&n.ID, &n.SID, &n.AccountID, (*list)(&n.Methods), (*stamp)(&n.AuthTime), (*stamp)(&n.Created), (*stamp)(&n.LastSeen),
			(*stamp)(&n.Expires), &n.Address, &n.UserAgent)
		out = append(out, n)
		return err
	})
	return out, err
}

// EndSessionOf removes the session of an account that has the sid; NotFound, also for
// another account's.
func (s *Store) EndSessionOf(ctx context.Context, accountID, sid string) error {
	return s.claim(ctx, provider.NotFound, `DELETE FROM sessions WHERE account_id = $1 AND sid = $2`, accountID, sid)
}

// EndSession removes a session, also one that is gone. Its grants stay: see
// RevokeGrantsOfSession.
func (s *Store) EndSession(ctx context.Context, id string) error {
	return s.claim(ctx, nil, `DELETE FROM sessions WHERE id = $1`, id)
}

// Consent is the scopes that the account has allowed the client; nil when none.
func (s *Store) Consent(ctx context.Context, accountID, clientID string) ([]string, error) {
	var scopes list
	err := s.one(ctx, `SELECT scopes FROM consents WHERE account_id = $1 AND client_id = $2`, []any{accountID, clientID}, &scopes)
	if errors.Is(err, provider.NotFound) {
		return nil, nil
	}
	return scopes, err
}

// ConnectedApps lists what an account's owner has allowed to clients, newest first.
func (s *Store) ConnectedApps(ctx context.Context, accountID string) ([]provider.ConnectedApp, error) {
	var out []provider.ConnectedApp
	err := s.rows(ctx, `SELECT client_id, scopes, updated_at FROM consents WHERE account_id = $1 ORDER BY updated_at DESC, client_id`,
		[]any{accountID}, func(r *sqlx.Rows) error {
			var app provider.ConnectedApp
			err := r.Scan(&app.ClientID, (*list)(&app.Scopes), (*stamp)(&app.Since))
			out = append(out, app)
			return err
		})
	return out, err
}

// RemoveConsent takes back what an account's owner has allowed a client, and revokes
// the grants given to it; NotFound when nothing was allowed. One transaction.
func (s *Store) RemoveConsent(ctx context.Context, accountID, clientID string, at time.Time) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := s.claim(ctx, provider.NotFound, `DELETE FROM consents WHERE account_id = $1 AND client_id = $2`, accountID, clientID); err != nil {
			return err
		}
		// Codes before grants, as in EndAccount.
		if err := s.claim(ctx, nil, `DELETE FROM codes WHERE account_id = $1 AND client_id = $2 AND used_at = 0`, accountID, clientID); err != nil {
			return err
		}
		return s.claim(ctx, nil, `UPDATE grants SET revoked_at = $1 WHERE account_id = $2 AND client_id = $3 AND revoked_at = 0`,
			stamp(at), accountID, clientID)
	})
}

// SetConsent stores the scopes that the account now allows the client, in place of
// those before; NotFound when the account is gone.
func (s *Store) SetConsent(ctx context.Context, accountID, clientID string, scopes []string, at time.Time) error {
	_, err := s.exec(ctx, `INSERT INTO consents (account_id, client_id, scopes, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id, client_id) DO UPDATE SET scopes = excluded.scopes, updated_at = excluded.updated_at`,
		accountID, clientID, list(scopes), stamp(at))
	return err
}
