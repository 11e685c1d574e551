package storage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"cardea/provider"
)

// clientCache is every client, in memory: each request needs one, and they change
// a few times a year.
type clientCache struct {
	loading sync.Mutex
	now     atomic.Pointer[clientSet]
}

type clientSet struct {
	byID   map[string]*provider.Client
	sorted []*provider.Client
}

type clientRow struct {
	provider.Client
	Name                   object[provider.Text]
	RedirectURIs           list
	PostLogoutRedirectURIs list
	GrantTypes             list
	Scopes                 list
	Factors                list
	Purpose                object[provider.Text]
	DefaultMaxAge          int64  `db:"default_max_age"`
	SecondFactor           string `db:"second_factor"`
	PreviousExpires        stamp  `db:"previous_expires_at"`
	Created                stamp  `db:"created_at"`
	Updated                stamp  `db:"updated_at"`
}

func (r clientRow) client() *provider.Client {
	c := r.Client
	c.Name, c.RedirectURIs, c.PostLogoutRedirectURIs = r.Name.v, r.RedirectURIs, r.PostLogoutRedirectURIs
	c.GrantTypes, c.Scopes, c.PreviousExpires = r.GrantTypes, r.Scopes, time.Time(r.PreviousExpires)
	c.Created, c.Updated = time.Time(r.Created), time.Time(r.Updated)
	c.SecondFactor = provider.SecondFactorPolicy(r.SecondFactor)
	for _, k := range r.Factors {
		c.Factors = append(c.Factors, provider.FactorKind(k))
	}
	if r.DefaultMaxAge >= 0 {
		c.DefaultMaxAge = &r.DefaultMaxAge
	}
	if len(r.Purpose.v) > 0 {
		c.Purpose = r.Purpose.v
	}
	return &c
}

// Client is a client from memory; NotFound. It is as committed last, by this Store
// or a few seconds ago by another process, also inside a transaction that changes
// it. The caller must not change it: it is everybody's.
func (s *Store) Client(ctx context.Context, id string) (*provider.Client, error) {
	set, err := s.loadedClients(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := set.byID[id]
	if !ok {
		return nil, provider.NotFound
	}
	return c, nil
}

// Clients lists every client by id, as Client has them.
func (s *Store) Clients(ctx context.Context) ([]*provider.Client, error) {
	set, err := s.loadedClients(ctx)
	if err != nil {
		return nil, err
	}
	return append([]*provider.Client(nil), set.sorted...), nil
}

func (s *Store) loadedClients(ctx context.Context) (*clientSet, error) {
	if set := s.clients.now.Load(); set != nil {
		return set, nil
	}
	if err := s.reloadClients(ctx); err != nil {
		return nil, err
	}
	return s.clients.now.Load(), nil
}

// reloadClients reads outside any transaction, because everybody sees the result.
func (s *Store) reloadClients(ctx context.Context) error {
	s.clients.loading.Lock()
	defer s.clients.loading.Unlock()
	rows, err := all[clientRow](context.WithValue(ctx, txKey{s}, nil), s, `SELECT id, name, type, auth_method, redirect_uris,
		post_logout_redirect_uris, grant_types, scopes, first_party, min_acr, id_token_alg, initiate_login_uri, disabled, version,
		secret_hash, previous_hash, previous_expires_at, created_at, updated_at,
		second_factor, factors, default_max_age, purpose FROM clients ORDER BY id`)
	if err != nil {
		return err
	}
	set := &clientSet{byID: make(map[string]*provider.Client, len(rows))}
	for _, row := range rows {
		c := row.client()
		set.byID[c.ID] = c
		set.sorted = append(set.sorted, c)
	}
	s.clients.now.Store(set)
	return nil
}

// CreateClient registers a client and sets its Version to 1; Exists when its id is
// taken. It does not check it: see provider.Client.Check.
func (s *Store) CreateClient(ctx context.Context, c *provider.Client) error {
	return s.changing(ctx, Clients, func(ctx context.Context) error {
		err := s.insert(ctx, `INSERT INTO clients (name, type, auth_method, redirect_uris, post_logout_redirect_uris, grant_types, scopes,
			first_party, min_acr, id_token_alg, initiate_login_uri, disabled, secret_hash, previous_hash, previous_expires_at, updated_at,
			second_factor, factors, default_max_age, purpose, id, created_at, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, 1) ON CONFLICT DO NOTHING`,
			append(clientArgs(c), c.ID, stamp(c.Created))...)
		if err == nil {
			before := c.Version
			c.Version = 1
			s.onRollback(ctx, func() { c.Version = before })
		}
		return err
	})
}

func clientArgs(c *provider.Client) []any {
	maxAge, factors := int64(-1), make(list, len(c.Factors))
	if c.DefaultMaxAge != nil {
		maxAge = *c.DefaultMaxAge
	}
	for i, k := range c.Factors {
		factors[i] = string(k)
	}
	purpose := c.Purpose
	if purpose == nil {
		purpose = provider.Text{}
	}
	return []any{object[provider.Text]{c.Name}, string(c.Type), c.AuthMethod, list(c.RedirectURIs), list(c.PostLogoutRedirectURIs),
		list(c.GrantTypes), list(c.Scopes), c.FirstParty, c.MinACR, c.IDTokenAlg, c.InitiateLoginURI, c.Disabled,
		c.SecretHash, c.PreviousHash, stamp(c.PreviousExpires), stamp(c.Updated),
		string(c.SecondFactor), factors, maxAge, object[provider.Text]{purpose}}
}

// UpdateClient stores all of a client that is still at its Version, and raises that;
// Changed when somebody else stored it meanwhile, NotFound when it is gone. Change a
// copy of what Client returned.
func (s *Store) UpdateClient(ctx context.Context, c *provider.Client) error {
	return s.changing(ctx, Clients, func(ctx context.Context) error {
		var version int
		if err := s.one(ctx, `SELECT version FROM clients WHERE id = $1`, []any{c.ID}, &version); err != nil {
			return err
		}
		err := s.claim(ctx, provider.Changed, `UPDATE clients SET name = $1, type = $2, auth_method = $3, redirect_uris = $4,
			post_logout_redirect_uris = $5, grant_types = $6, scopes = $7, first_party = $8, min_acr = $9, id_token_alg = $10,
			initiate_login_uri = $11, disabled = $12, secret_hash = $13, previous_hash = $14, previous_expires_at = $15, updated_at = $16,
			second_factor = $17, factors = $18, default_max_age = $19, purpose = $20, version = version + 1 WHERE id = $21 AND version = $22`, append(clientArgs(c), c.ID, c.Version)...)
		if err == nil {
			c.Version++
			s.onRollback(ctx, func() { c.Version-- })
		}
		return err
	})
}

// DeleteClient removes a client with its codes, tokens and consents, and revokes its
// grants, in one transaction; NotFound.
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	return s.changing(ctx, Clients, func(ctx context.Context) error {
		if err := s.claim(ctx, provider.NotFound, `DELETE FROM clients WHERE id = $1`, id); err != nil {
			return err
		}
		for _, text := range []string{ // codes before grants, as in EndAccount
			`DELETE FROM codes WHERE client_id = $1`,
			`DELETE FROM access_tokens WHERE client_id = $1`,
			`DELETE FROM consents WHERE client_id = $1`,
		} {
			if err := s.claim(ctx, nil, text, id); err != nil {
				return err
			}
		}
		return s.claim(ctx, nil, `UPDATE grants SET revoked_at = $1 WHERE client_id = $2 AND revoked_at = 0`, stamp(time.Now()), id)
	})
}
