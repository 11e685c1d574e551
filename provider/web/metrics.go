package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are counted by route template and by constants of ours, never by input.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	signins  *prometheus.CounterVec
}

func newMetrics(registry *prometheus.Registry) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cardea_http_requests_total", Help: "Requests answered."}, []string{"method", "route", "status"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "cardea_http_request_seconds", Help: "Time to answer a request.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 10)}, []string{"route"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cardea_protocol_errors_total", Help: "Protocol requests refused, by OAuth error code."}, []string{"error"}),
		signins:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cardea_signin_attempts_total", Help: "Passwords and codes tried, by method and outcome."}, []string{"method", "outcome"}),
	}
	if registry != nil {
		registry.MustRegister(m.requests, m.seconds, m.refused, m.signins)
	}
	return m
}

// measured counts the requests of one route.
func (s *Server) measured(method, route string, h http.Handler) http.Handler {
	seconds := s.metrics.seconds.WithLabelValues(route)
	ok := s.metrics.requests.WithLabelValues(method, route, "200")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := recordOf(w)
		rec.route = route
		finished := false
		defer func() {
			seconds.Observe(time.Since(start).Seconds())
			switch {
			case !finished: // a panic, which observe answers
				s.metrics.requests.WithLabelValues(method, route, "500").Inc()
			case rec.status == http.StatusOK:
				ok.Inc()
			default:
				s.metrics.requests.WithLabelValues(method, route, strconv.Itoa(rec.status)).Inc()
			}
		}()
		h.ServeHTTP(w, r)
		finished = true
	})
}

// attempted counts a password or code that was tried.
func (s *Server) attempted(method string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = kindOf(err).name
	}
	s.metrics.signins.WithLabelValues(method, outcome).Inc()
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readyz tells whether this replica can serve: the database answers and has the
// schema that this binary knows.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	err := s.store.Ping(r.Context())
	if err == nil {
		var pending bool
		if pending, err = s.store.Pending(r.Context()); pending {
			http.Error(w, "database schema is older than this binary: run 'cardea migrate up'", http.StatusServiceUnavailable)
			return
		}
	}
	if err != nil {
		recordOf(w).err = err
		http.Error(w, "database does not answer", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}
