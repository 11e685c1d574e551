// Package errorsx is the part of github.com/ory/x/errorsx that fosite calls.
//
// fosite pulls in the whole of github.com/ory/x for these few names. This
// module replaces it, so that the tracing exporters, gRPC and the database
// tools behind the original never reach our binary. It is written from the
// names fosite uses, not from the original text.
package errorsx

// WithStack returns err unchanged. The original records a stack trace; ours
// does not, because every error is wrapped with what was being done instead.
func WithStack(err error) error { return err }

// Cause follows Cause methods down to the innermost error.
func Cause(err error) error {
	for err != nil {
		c, ok := err.(interface{ Cause() error })
		if !ok {
			return err
		}
		next := c.Cause()
		if next == nil {
			return err
		}
		err = next
	}
	return err
}

// The carriers below are asserted by fosite's RFC6749Error.
type (
	// StatusCodeCarrier tells an HTTP status code.
	StatusCodeCarrier interface{ StatusCode() int }
	// RequestIDCarrier tells the request that caused the error.
	RequestIDCarrier interface{ RequestID() string }
	// ReasonCarrier tells why it happened.
	ReasonCarrier interface{ Reason() string }
	// DebugCarrier tells what only a developer may see.
	DebugCarrier interface{ Debug() string }
	// StatusCarrier tells the status as text.
	StatusCarrier interface{ Status() string }
	// DetailsCarrier tells more, by name.
	DetailsCarrier interface{ Details() map[string]interface{} }
)
