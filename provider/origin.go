package provider

import "context"

// Origin is where a request came from, for the audit trail.
type Origin struct {
	RequestID string
	Address   string
}

type originKey struct{}

// WithOrigin is ctx with the request's origin, which audit events are stamped with.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf is the origin in ctx, or nothing.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}
