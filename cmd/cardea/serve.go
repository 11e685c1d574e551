package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"time"
	_ "time/tzdata" // brand.timezone works on machines without zone files

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"cardea/config"
	loginui "cardea/login-ui"
	"cardea/provider/notify"
	"cardea/provider/oidc"
	"cardea/provider/web"
)

func serveCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Serve the issuer", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			s, err := newServer(c.Context(), cfg, logger(c.ErrOrStderr(), cfg.Log.Level), nil)
			if err != nil {
				return err
			}
			return s.run(c.Context(), nil)
		},
	}
}

// logger writes one JSON line per record.
func logger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	_ = l.UnmarshalText([]byte(level)) // config has checked it
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l}))
}

// server is a running issuer.
type server struct {
	*system
	log      *slog.Logger
	keys     *oidc.KeySet
	outbox   *notify.Worker // nil where no notices are made
	registry *prometheus.Registry
	handler  http.Handler
}

// newServer wires the whole issuer: schema, keys, protocol, pages. An inbox makes it a
// demonstration, whose messages nobody but the inbox gets.
func newServer(ctx context.Context, cfg config.Config, log *slog.Logger, inbox *notify.Inbox) (*server, error) {
	sys, err := open(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	s, err := wire(ctx, sys, log, inbox)
	if err != nil {
		return nil, errors.Join(err, sys.close())
	}
	return s, nil
}

func wire(ctx context.Context, sys *system, log *slog.Logger, inbox *notify.Inbox) (*server, error) {
	cfg := sys.cfg
	if err := sys.store.Migrate(ctx); err != nil {
		return nil, err
	}
	keys, err := oidc.OpenKeys(ctx, sys.store, sys.ring, time.Now)
	if err != nil {
		return nil, err
	}
	if err := keys.Ensure(ctx, cfg.Tokens.Signing.DefaultAlg); err != nil {
		return nil, err
	}
	protocol, err := oidc.New(protocolSettings(cfg, sys.ring), sys.store, keys)
	if err != nil {
		return nil, err
	}
	texts, err := pageSettings(cfg, inbox != nil)
	if err != nil {
		return nil, err
	}
	ui, err := loginui.New(texts)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler, err := web.New(webSettings(cfg, sys.ring, log, registry), sys.store, protocol, sys.people, ui)
	if err != nil {
		return nil, err
	}
	s := &server{system: sys, log: log, keys: keys, registry: registry, handler: handler}
	if s.outbox, err = newOutbox(sys, ui, s, inbox); err != nil {
		return nil, err
	}
	return s, nil
}

// run serves until ctx ends, lets running requests finish, and closes the store.
// ready, when not nil, is called once the server listens.
func (s *server) run(ctx context.Context, ready func() error) error {
	background, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	for _, task := range []func(context.Context){func(ctx context.Context) { s.store.Run(ctx, s.log) }, s.keepKeys, s.deliver} {
		tasks.Go(func() { task(background) })
	}
	// Starting leaves the memory of a password hash behind, which nobody needs when idle.
	settled := time.AfterFunc(time.Second, debug.FreeOSMemory)
	defer settled.Stop()
	err := s.listen(ctx, ready)
	stop()
	tasks.Wait()
	return errors.Join(err, s.close())
}

func (s *server) listen(ctx context.Context, ready func() error) error {
	public, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	servers := []*http.Server{s.httpServer(s.guarded())}
	if s.cfg.TLS.CertFile != "" {
		certificate, err := newCertificate(s.cfg.TLS.CertFile, s.cfg.TLS.KeyFile, s.log)
		if err != nil {
			return errors.Join(fmt.Errorf("tls: %w", err), public.Close())
		}
		servers[0].TLSConfig = certificate.tlsConfig()
		public = tls.NewListener(public, servers[0].TLSConfig)
	}
	listeners := []net.Listener{public}
	if s.cfg.Metrics.Listen != "off" {
		private, err := net.Listen("tcp", s.cfg.Metrics.Listen)
		if err != nil {
			return errors.Join(fmt.Errorf("metrics.listen: %w", err), public.Close())
		}
		listeners = append(listeners, private)
		servers = append(servers, s.httpServer(s.monitoring()))
	}
	failed := make(chan error, len(servers))
	for i := range servers {
		go func() { failed <- servers[i].Serve(listeners[i]) }()
	}
	s.log.Info("serving", "issuer", s.cfg.Issuer, "listen", public.Addr().String())
	if ready != nil {
		if err := ready(); err != nil {
			return errors.Join(err, s.drain(servers))
		}
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	return errors.Join(err, s.drain(servers))
}

// drain stops listening and waits for running requests.
func (s *server) drain(servers []*http.Server) error {
	s.log.Info("draining", "at_most", s.cfg.Shutdown.Drain.Std().String())
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Shutdown.Drain.Std())
	defer cancel()
	var all error
	for _, one := range servers {
		if err := one.Shutdown(ctx); err != nil {
			all = errors.Join(all, fmt.Errorf("shutdown: %w", err), one.Close())
		}
	}
	return all
}

// httpServer bounds how long a slow or silent peer can hold a connection.
func (s *server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 90 * time.Second,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// guarded refuses, where a proxy ends TLS, what did not come through the proxy:
// it crossed a network in clear. Health checks may come from anywhere.
func (s *server) guarded() http.Handler {
	trusted := s.cfg.Proxy.Trusted
	if s.cfg.TLS.CertFile != "" || len(trusted) == 0 {
		return s.handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || inside(trusted, peer.Addr().Unmap()) {
			s.handler.ServeHTTP(w, r)
			return
		}
		s.log.Info("request", "method", r.Method, "route", "not through a trusted proxy", "status", http.StatusForbidden, "address", peer.Addr().Unmap().String())
		http.Error(w, "This address is served through a proxy only: its own address must stand in proxy.trusted.", http.StatusForbidden)
	})
}

func inside(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// monitoring is the private listener.
func (s *server) monitoring() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /healthz", s.handler)
	mux.Handle("GET /readyz", s.handler)
	return mux
}

// keepKeys makes the keys that were not needed to start, and rotates and retires
// keys as the configuration says.
func (s *server) keepKeys(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := s.tendKeys(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("signing keys", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *server) tendKeys(ctx context.Context) error {
	signing := s.cfg.Tokens.Signing
	for _, algorithm := range oidc.Algorithms {
		if err := s.keys.Ensure(ctx, algorithm); err != nil {
			return err
		}
		if err := s.keys.RotateIfOlder(ctx, algorithm, signing.RotateEvery.Std(), signing.PublishAhead.Std()); err != nil {
			return err
		}
	}
	return s.keys.Retire(ctx, signing.KeepPrevious.Std())
}

// deliver empties the outbox, where there is one.
func (s *server) deliver(ctx context.Context) {
	if s.outbox != nil {
		s.outbox.Run(ctx)
	}
}

// noArguments refuses arguments of a command that has none.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

// fileExists tells whether path is there.
func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
