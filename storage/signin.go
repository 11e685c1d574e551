package storage

import (
	"context"
	"time"

	"cardea/provider"
)

// CreateSignIn adds a sign-in and sets its Version to 1; Exists when its id is taken.
func (s *Store) CreateSignIn(ctx context.Context, in *provider.SignIn) error {
	err := s.insert(ctx, `INSERT INTO signins (id, browser, account_id, data, version, created_at, expires_at)
		VALUES ($1, $2, $3, $4, 1, $5, $6) ON CONFLICT DO NOTHING`,
		in.ID, in.Browser, in.Data.Proof.AccountID, object[*provider.SignInData]{&in.Data}, stamp(in.Created), stamp(in.Expires))
	if err == nil {
		before := in.Version
		in.Version = 1
		s.onRollback(ctx, func() { in.Version = before })
	}
	return err
}

// SignIn is a sign-in of this browser; NotFound when it is another browser's,
// Expired when its time is over.
func (s *Store) SignIn(ctx context.Context, id, browserHash string, now time.Time) (*provider.SignIn, error) {
	in := provider.SignIn{ID: id, Browser: browserHash}
	data := object[*provider.SignInData]{&in.Data}
	err := s.one(ctx, `SELECT data, version, created_at, expires_at FROM signins WHERE id = $1 AND browser = $2`, []any{id, browserHash},
		&data, &in.Version, (*stamp)(&in.Created), (*stamp)(&in.Expires))
	if err != nil {
		return nil, err
	}
	if !now.Before(in.Expires) {
		return nil, provider.Expired
	}
	return &in, nil
}

// SaveSignIn stores the Data and Expires of a sign-in that is still at its Version,
// and raises that; Changed when it was saved or ended meanwhile.
func (s *Store) SaveSignIn(ctx context.Context, in *provider.SignIn) error {
	err := s.claim(ctx, provider.Changed, `UPDATE signins SET account_id = $1, data = $2, expires_at = $3, version = version + 1
		WHERE id = $4 AND browser = $5 AND version = $6`,
		in.Data.Proof.AccountID, object[*provider.SignInData]{&in.Data}, stamp(in.Expires), in.ID, in.Browser, in.Version)
	if err == nil {
		in.Version++
		s.onRollback(ctx, func() { in.Version-- })
	}
	return err
}

// MoveSignIns hands a browser's sign-ins to its new cookie.
func (s *Store) MoveSignIns(ctx context.Context, fromBrowserHash, toBrowserHash string) error {
	return s.claim(ctx, nil, `UPDATE signins SET browser = $1 WHERE browser = $2`, toBrowserHash, fromBrowserHash)
}

// DropSignIns ends the sign-ins under way in which the account has proven something, in
// all browsers but one.
func (s *Store) DropSignIns(ctx context.Context, accountID, exceptBrowserHash string) error {
	return s.claim(ctx, nil, `DELETE FROM signins WHERE account_id = $1 AND account_id <> '' AND browser <> $2`, accountID, exceptBrowserHash)
}

// DeleteSignIn ends a sign-in once; Spent when it was gone.
func (s *Store) DeleteSignIn(ctx context.Context, id string) error {
	return s.claim(ctx, provider.Spent, `DELETE FROM signins WHERE id = $1`, id)
}
