// Package otelx is the part of github.com/ory/x/otelx that fosite calls.
package otelx

import (
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// End closes span. An error only marks the span as failed: fosite's errors may
// quote request parameters, so their text stays out of traces.
func End(span trace.Span, err *error) {
	if err != nil && *err != nil {
		span.SetStatus(codes.Error, "failed")
	}
	span.End()
}
