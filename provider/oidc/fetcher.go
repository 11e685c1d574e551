package oidc

import (
	"context"

	jose "github.com/go-jose/go-jose/v3"
)

// refusingFetcher fetches no client keys: no client authenticates with them yet.
type refusingFetcher struct{}

func (refusingFetcher) Resolve(context.Context, string, bool) (*jose.JSONWebKeySet, error) {
	return nil, errUnused
}
