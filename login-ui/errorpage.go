package loginui

import (
	"math"
	"time"
)

// String returns the name that the kind has in text keys.
func (k ErrorKind) String() string {
	names := map[ErrorKind]string{
		Internal: "internal", Expired: "expired", Cookies: "cookies", BadClient: "client", Forbidden: "forbidden",
		NotFound: "notfound", MethodNotAllowed: "method", TooMany: "toomany", Unavailable: "unavailable",
	}
	if name, ok := names[k]; ok {
		return name
	}
	return names[Internal]
}

// String returns the name that the fault has in text keys.
func (f ClientFault) String() string {
	switch f {
	case BadRedirect:
		return "redirect"
	case UnknownClient:
		return "unknown"
	}
	return "request"
}

// What says what happened.
func (p *ErrorPage) What() string { return "error." + p.Kind.String() + ".what" }

// Do says what the person can do about it.
func (p *ErrorPage) Do() string { return "error." + p.Kind.String() + ".do" }

// Fault is the sentence for the client's developer; "" when the client is not to blame.
func (p *ErrorPage) Fault() string {
	if p.Kind != BadClient {
		return ""
	}
	return "error.client." + p.Detail.String()
}

// Wait returns the text key and count that say how long to wait; "" when that is not known.
func (p *ErrorPage) Wait() (w struct {
	Key   string
	Count int
}) {
	seconds := int(math.Ceil(p.RetryAfter.Seconds()))
	switch {
	case seconds <= 0:
		return w
	case seconds < 60:
		w.Key, w.Count = "wait.seconds", seconds
	default:
		w.Key, w.Count = "wait.minutes", int(math.Ceil(float64(p.RetryAfter)/float64(time.Minute)))
	}
	return w
}
