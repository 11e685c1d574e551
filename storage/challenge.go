package storage

import (
	"context"
	"time"

	"cardea/provider"
)

// PutChallenge asks a question, in place of the one that is open for the same subject
// and purpose.
func (s *Store) PutChallenge(ctx context.Context, c *provider.Challenge) error {
	_, err := s.exec(ctx, `INSERT INTO challenges (subject, purpose, id, data, tries, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (subject, purpose) DO UPDATE SET id = excluded.id, data = excluded.data, tries = excluded.tries,
		created_at = excluded.created_at, expires_at = excluded.expires_at`,
		c.Subject, c.Purpose, c.ID, object[provider.ChallengeData]{c.Data}, c.Tries, stamp(c.Created), stamp(c.Expires))
	return err
}

const challengeColumns = `id, data, tries, created_at, expires_at`

func challengeDest(c *provider.Challenge) []any {
	return []any{&c.ID, into{&c.Data}, &c.Tries, (*stamp)(&c.Created), (*stamp)(&c.Expires)}
}

// Challenge is the question that is open for a subject and purpose; NotFound. Whether
// its time is over is for the caller to ask.
func (s *Store) Challenge(ctx context.Context, subject, purpose string) (*provider.Challenge, error) {
	c := &provider.Challenge{Subject: subject, Purpose: purpose}
	err := s.one(ctx, `SELECT `+challengeColumns+` FROM challenges WHERE subject = $1 AND purpose = $2`, []any{subject, purpose}, challengeDest(c)...)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// TryChallenge counts one answer to the open question, before it is looked at, and
// returns the question as it then is: NotFound when there is none or its time is
// over, Spent when tries answers were counted before.
func (s *Store) TryChallenge(ctx context.Context, subject, purpose string, tries int, now time.Time) (c *provider.Challenge, err error) {
	if !fit([]any{subject, purpose}) {
		return nil, provider.NotFound // no row holds such a text
	}
	err = s.InTx(ctx, func(ctx context.Context) error {
		n, err := s.exec(ctx, `UPDATE challenges SET tries = tries + 1 WHERE subject = $1 AND purpose = $2 AND expires_at > $3 AND tries < $4`,
			subject, purpose, stamp(now), tries)
		if err != nil {
			return err
		}
		if c, err = s.Challenge(ctx, subject, purpose); err != nil {
			return err
		}
		switch {
		case n > 0:
			return nil
		case !now.Before(c.Expires):
			return provider.NotFound
		}
		return provider.Spent
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// SpendChallenge takes one question away, once: Spent when it was answered, replaced
// or is gone.
func (s *Store) SpendChallenge(ctx context.Context, c *provider.Challenge) error {
	return s.claim(ctx, provider.Spent, `DELETE FROM challenges WHERE subject = $1 AND purpose = $2 AND id = $3`, c.Subject, c.Purpose, c.ID)
}

// TakeChallenge takes the open question away and returns it, to one caller only:
// NotFound when there is none. Whether its time is over is for the caller to ask.
func (s *Store) TakeChallenge(ctx context.Context, subject, purpose string) (c *provider.Challenge, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		if c, err = s.Challenge(ctx, subject, purpose); err != nil {
			return err
		}
		return s.claim(ctx, provider.NotFound, `DELETE FROM challenges WHERE subject = $1 AND purpose = $2 AND id = $3`, subject, purpose, c.ID)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// CountRate counts one more of key, and tells how many that makes since the window
// began, and when it began: a window begins with the first after the one before is
// over. What is refused counts too.
func (s *Store) CountRate(ctx context.Context, key string, now time.Time, window time.Duration) (n int, started time.Time, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		_, err := s.exec(ctx, `INSERT INTO rates (rate_key, n, started_at, expires_at) VALUES ($1, 1, $2, $3)
			ON CONFLICT (rate_key) DO UPDATE SET
			n = CASE WHEN rates.expires_at <= $2 THEN 1 ELSE rates.n + 1 END,
			started_at = CASE WHEN rates.expires_at <= $2 THEN $2 ELSE rates.started_at END,
			expires_at = CASE WHEN rates.expires_at <= $2 THEN $3 ELSE rates.expires_at END`, key, stamp(now), stamp(now.Add(window)))
		if err != nil {
			return err
		}
		return s.one(ctx, `SELECT n, started_at FROM rates WHERE rate_key = $1`, []any{key}, &n, (*stamp)(&started))
	})
	return n, started, err
}

// ReplaceRecoveryCodes gives an account codes in place of all it had; nil takes them
// away. It runs in the transaction of ctx.
func (s *Store) ReplaceRecoveryCodes(ctx context.Context, accountID string, codes []provider.RecoveryCode) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := s.claim(ctx, nil, `DELETE FROM recovery_codes WHERE account_id = $1`, accountID); err != nil {
			return err
		}
		for _, c := range codes {
			err := s.insert(ctx, `INSERT INTO recovery_codes (id, account_id, mac, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
				c.ID, accountID, c.MAC, stamp(c.Created))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

type recoveryRow struct {
	provider.RecoveryCode
	Created stamp `db:"created_at"`
}

// RecoveryCodes lists the recovery codes that an account has left.
func (s *Store) RecoveryCodes(ctx context.Context, accountID string) ([]provider.RecoveryCode, error) {
	rows, err := all[recoveryRow](ctx, s, `SELECT id, account_id, mac, created_at FROM recovery_codes WHERE account_id = $1 ORDER BY id`, accountID)
	out := make([]provider.RecoveryCode, len(rows))
	for i, row := range rows {
		out[i] = row.RecoveryCode
		out[i].Created = time.Time(row.Created)
	}
	return out, err
}

// UseRecoveryCode spends a recovery code, once; Spent when it was used or replaced.
func (s *Store) UseRecoveryCode(ctx context.Context, id string) error {
	return s.claim(ctx, provider.Spent, `DELETE FROM recovery_codes WHERE id = $1`, id)
}
