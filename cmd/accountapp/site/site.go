// Package site is the sample relying party: a small card-account site and the
// OAuth-protected API behind it. It knows the identity provider only through
// OpenID Connect: read signin.go first, then api.go.
package site

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

type site struct {
	issuerURL, clientID, secret string
	url, audience, apiURL       string // our public origin, what tokens call our API, where it listens
	http                        *http.Client
	log                         *slog.Logger
	sessions, pending           sync.Map                 // id to *session, state to pending
	mu                          sync.Mutex               // for what follows
	issuer                      *issuer                  // nil until it has answered
	paid                        map[string][]transaction // by sub
}

// Main runs the site until SIGINT or SIGTERM and returns the exit code: 0 after
// a clean stop, 1 when it could not run, 2 for wrong arguments. Arguments come
// without the program's name; logs go to stderr as JSON lines.
func Main(args []string, stdout, stderr io.Writer) int {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // secrets go only where discovery said
	s := &site{paid: map[string][]transaction{}, secret: os.Getenv("ACCOUNTAPP_CLIENT_SECRET"), http: &http.Client{Timeout: 10 * time.Second, CheckRedirect: stay}, log: slog.New(slog.NewJSONHandler(stderr, nil))}
	flags := flag.NewFlagSet("accountapp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.issuerURL, "issuer", "http://localhost:8080", "issuer `URL`, exactly as in its discovery document")
	flags.StringVar(&s.clientID, "client-id", "account-app", "client `ID` registered at the issuer")
	flags.StringVar(&s.url, "url", "http://localhost:8081", "public `URL` of this site")
	flags.StringVar(&s.audience, "api-audience", "", "audience that access tokens must carry (default <url>/api)")
	flags.Func("client-secret-file", "`file` that holds the client secret (default: env ACCOUNTAPP_CLIENT_SECRET)", func(name string) error {
		secret, err := os.ReadFile(name)
		s.secret = strings.TrimSpace(string(secret))
		return err
	})
	listen := flags.String("listen", "127.0.0.1:8081", "`address` to listen on")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	s.url = strings.TrimSuffix(s.url, "/")
	s.audience, s.apiURL = cmp.Or(s.audience, s.url+"/api"), "http://"+*listen+"/api/"
	server := &http.Server{Addr: *listen, Handler: s.handler(), ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute}
	asked, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stopped := make(chan error, 1)
	context.AfterFunc(asked, func() { stopped <- server.Shutdown(context.Background()) })
	fmt.Fprintf(stdout, "Example Card – My account: %s (sign-in by %s)\n", s.url, s.issuerURL)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintf(stderr, "accountapp: %v\n", err)
		return 1
	}
	<-stopped // requests under way have been answered
	return 0
}

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /static/{file}", http.FileServerFS(files))
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /{$}": s.home, "GET /profile": s.profile, "GET /signin": s.signIn, "GET /callback": s.callback,
		"POST /signout": s.signOut, "GET /pay": s.payForm, "POST /pay": s.pay, "POST /api/payments": s.apiPay, "GET /signed-out": s.signedOut,
		"GET /api/account":      s.api("accounts:read", func(l ledger) any { return l.Account }),
		"GET /api/transactions": s.api("transactions:read", func(l ledger) any { return l.Transactions }),
		"GET /api/statements":   s.api("statements:read", func(l ledger) any { return l.Statements }),
		"GET /api/rewards":      s.api("rewards:read", func(l ledger) any { return l.Rewards }),
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := s.discover(); err != nil { // the next request tries again
				s.page(w, r, http.StatusServiceUnavailable, "starting", err)
				return
			}
			h(w, r)
		})
	}
	protected := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header() // browsers hold the redirect after POST /signout against form-action
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+s.issuerURL)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		protected.ServeHTTP(w, r)
	})
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	who := s.session(r)
	if who == nil {
		s.page(w, r, http.StatusOK, "front", nil)
		return
	}
	l, err := s.fetch(who)
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.ErrorCode == "invalid_grant" {
		s.endSession(w, r)
		s.page(w, r, http.StatusForbidden, "ended", err)
	} else if err != nil {
		s.page(w, r, http.StatusBadGateway, "broken", err)
	} else {
		s.page(w, r, http.StatusOK, "dashboard", l)
	}
}

func (s *site) profile(w http.ResponseWriter, r *http.Request) {
	s.page(w, r, http.StatusOK, "profile", nil)
}

//go:embed static templates locales
var files embed.FS

var (
	templates = template.Must(template.ParseFS(files, "templates/*.html"))
	languages = []language.Tag{language.English, language.Swedish}
	texts     = []map[string]string{load("en"), load("sv")}
)

func load(lang string) (texts map[string]string) {
	data, err := files.ReadFile("locales/" + lang + ".json")
	if err = errors.Join(err, json.Unmarshal(data, &texts)); err != nil {
		panic(err) // embedded at build time
	}
	return texts
}

// view is what every template sees.
type view struct {
	printer   *message.Printer
	texts     map[string]string
	Lang, Key string   // Key begins the keys of the page's texts
	Session   *session // nil when nobody is signed in
	Data      any
}

func (v view) T(key string, args ...any) string { return v.printer.Sprintf(v.texts[key], args...) }
func (v view) Money(ore int64) string           { return v.T("money", float64(ore)/100) }
func (v view) Month(t time.Time) string         { return strings.Fields(v.T("months"))[t.Month()-1] }

// page writes the page of key, a notice if it has no template of its own. Data may be an error to log.
func (s *site) page(w http.ResponseWriter, r *http.Request, status int, key string, data any) {
	if err, failed := data.(error); failed {
		s.log.Warn("request failed", "route", r.Pattern, "page", key, "error", err)
	}
	_, i := language.MatchStrings(language.NewMatcher(languages), r.FormValue("lang"), s.cookie(r, "lang"), r.Header.Get("Accept-Language"))
	v := view{message.NewPrinter(languages[i]), texts[i], languages[i].String(), key, s.session(r), data}
	if r.FormValue("lang") != "" {
		s.setCookie(w, "lang", v.Lang, 365*24*3600)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := cmp.Or(templates.Lookup(key+".html"), templates.Lookup("notice.html")).Execute(w, v); err != nil {
		s.log.Warn("page not written", "page", key, "error", err)
	}
}
