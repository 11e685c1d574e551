package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/oidc"
)

// record is what is known of a request by the time it is logged.
type record struct {
	id      string
	address string
	route   string
	status  int
	bytes   int64
	wrote   bool
	err     error  // why it was not answered as asked
	client  string // client id, where one was recognised
	http.ResponseWriter
}

func (r *record) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *record) Write(b []byte) (int, error) {
	if !r.wrote {
		r.status, r.wrote = http.StatusOK, true
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *record) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// recordOf is the record that observe put around w.
func recordOf(w http.ResponseWriter) *record {
	if r, ok := w.(*record); ok {
		return r
	}
	return &record{ResponseWriter: w}
}

// observe surrounds every request: an id, the security headers, one log line, a
// page instead of a panic.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &record{ResponseWriter: w, id: provider.Random(12), status: http.StatusOK}
		rec.address = s.address(r)
		s.secureHeaders(w.Header(), rec.id)
		defer func() {
			if fault := recover(); fault != nil {
				if fault == http.ErrAbortHandler {
					panic(fault)
				}
				rec.err = fmt.Errorf("panic: %v", fault)
				s.set.Log.Error("panic", "request_id", rec.id, "stack", string(debug.Stack()))
				if !rec.wrote {
					s.fail(rec, r, rec.err)
				}
			}
			s.log(r, rec, time.Since(start))
		}()
		next.ServeHTTP(rec, r.WithContext(provider.WithOrigin(r.Context(), provider.Origin{RequestID: rec.id, Address: rec.address})))
	})
}

// log writes the one line of a request. The path is the route's template and the
// query is left out, because both may hold secrets.
func (s *Server) log(r *http.Request, rec *record, took time.Duration) {
	level := slog.LevelInfo
	if rec.status >= 500 {
		level = slog.LevelError
	}
	if !s.set.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("request_id", rec.id), slog.String("method", r.Method), slog.String("route", rec.route), slog.Int("status", rec.status),
		slog.Int64("bytes", rec.bytes), slog.Duration("took", took), slog.String("address", rec.address))
	if rec.client != "" {
		attrs = append(attrs, slog.String("client_id", rec.client))
	}
	if rec.err != nil {
		attrs = append(attrs, slog.String("error", rec.err.Error()))
	}
	s.set.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "request", attrs...)
}

// The headers that never change are shared by all answers.
var (
	headerNosniff  = []string{"nosniff"}
	headerReferrer = []string{"no-referrer"}
	headerDeny     = []string{"DENY"}
	headerSame     = []string{"same-origin"}
	headerCSP      = []string{loginui.CSP}
	headerNoStore  = []string{"no-store"}
	headerHSTS     = []string{"max-age=63072000; includeSubDomains"}
	headerPolicy   = []string{"camera=(), microphone=(), geolocation=(), payment=(), publickey-credentials-get=(self), publickey-credentials-create=(self)"}
)

func (s *Server) secureHeaders(h http.Header, requestID string) {
	h["X-Request-Id"] = []string{requestID}
	h["X-Content-Type-Options"] = headerNosniff
	h["Referrer-Policy"] = headerReferrer
	h["X-Frame-Options"] = headerDeny
	h["Cross-Origin-Opener-Policy"] = headerSame
	h["Cross-Origin-Resource-Policy"] = headerSame
	h["Content-Security-Policy"] = headerCSP
	h["Permissions-Policy"] = headerPolicy
	h["Cache-Control"] = headerNoStore
	if s.secure {
		h["Strict-Transport-Security"] = headerHSTS
	}
}

// page turns a handler's error into the page that the person sees.
func (s *Server) page(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// maxForm is the largest body of a page's form, in bytes.
const maxForm = 64 << 10

// form is page for a POST of one of our own pages.
func (s *Server) form(h handler) http.Handler { return s.page(s.checked(h)) }

// script is form for what script asks for: it answers JSON, errors too.
func (s *Server) script(h func(w http.ResponseWriter, r *http.Request) ([]byte, error)) http.Handler {
	checked := s.checked(func(w http.ResponseWriter, r *http.Request) error {
		answer, err := h(w, r)
		if err == nil {
			writeJSON(w, http.StatusOK, answer)
		}
		return err
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := checked(w, r)
		if err == nil {
			return
		}
		recordOf(w).err = err
		if often, ok := errors.AsType[*provider.TooOftenError](err); ok {
			retryAfter(w, often.Wait)
		}
		k := kindOf(err)
		if k.page == loginui.Unavailable {
			retryAfter(w, recovery)
		}
		writeJSON(w, k.status, []byte(`{"error":"`+k.name+`"}`))
	})
}

// writeJSON answers with a JSON text.
func writeJSON(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// checked lets only such a POST through to h as comes from our origin and carries the
// form token that one of our pages was given.
func (s *Server) checked(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := s.origins.Check(r); err != nil {
			return fmt.Errorf("%w: request from another origin", provider.Forbidden)
		}
		if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
			return errForm
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return errForm
		}
		for _, values := range r.PostForm {
			if len(values) > 1 {
				return errForm
			}
		}
		if err := s.checkFormToken(r); err != nil {
			return err
		}
		return h(w, r)
	}
}

// endpoint is a protocol endpoint, which answers its own errors.
func (s *Server) endpoint(h func(http.ResponseWriter, *http.Request) *oidc.Error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused := h(w, r); refused != nil {
			recordOf(w).err = refused
			s.metrics.refused.WithLabelValues(refused.Code).Inc()
		}
	})
}

// address is the client's: the connection's own, or behind trusted proxies the
// rightmost address that is not one of them.
func (s *Server) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if len(s.set.TrustedProxies) == 0 || !s.trusted(host) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return host // what stands left of it cannot be believed
		}
		host = hop.Unmap().String()
		if !s.trusted(host) {
			return host
		}
	}
	return host
}

func (s *Server) trusted(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, prefix := range s.set.TrustedProxies {
		if prefix.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}
