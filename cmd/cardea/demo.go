package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"cardea/cmd/accountapp/site"
	"cardea/config"
	"cardea/provider"
	"cardea/provider/notify"
	"cardea/provider/signin"
)

// accountAppCommand is the sample account app, which demo starts as a process of
// its own. It ends with its standard input, so that it does not outlive a demo that
// was killed.
func accountAppCommand() *cobra.Command {
	return &cobra.Command{
		Use: "account-app", Short: "Serve the sample account app", Hidden: true, DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			go func() {
				_, _ = io.Copy(io.Discard, c.InOrStdin())
				if self, err := os.FindProcess(os.Getpid()); err == nil {
					_ = self.Signal(syscall.SIGTERM)
				}
			}()
			if code := site.Main(args, c.OutOrStdout(), c.ErrOrStderr()); code != exitOK {
				return fmt.Errorf("the account app ended with code %d", code)
			}
			return nil
		},
	}
}

// demo is one run of the demonstration.
type demo struct {
	dir, issuer, app, inbox string
	state                   demoState
	messages                notify.Inbox
}

// demoState is what the demo must remember to be run again: secrets that the
// database holds only hashed or sealed.
type demoState struct {
	ClientSecret string `json:"client_secret"`
	TOTPKey      string `json:"totp_key"` // base32, of the first cardholder
}

func demoCommand() *cobra.Command {
	d := &demo{}
	c := &cobra.Command{
		Use: "demo", Short: "Try it: the issuer, a sample account app and invented cardholders, on this machine only", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c.Context(), c.OutOrStdout()) },
	}
	c.Flags().StringVar(&d.dir, "dir", "./cardea-demo", "directory for everything the demo keeps")
	c.Flags().StringVar(&d.issuer, "issuer", "http://localhost:8080", "address of the issuer; loopback only")
	c.Flags().StringVar(&d.app, "app", "http://localhost:8081", "address of the account app; loopback only")
	c.Flags().StringVar(&d.inbox, "inbox", "http://localhost:8082", "address of the page that shows all messages; loopback only")
	return c
}

const demoClient = "account-app"

// demoPerson is an invented cardholder.
type demoPerson struct {
	userID, password, locale string
	profile                  provider.Profile
	totp                     bool
	factors                  []provider.FactorKind // besides
}

var demoPeople = []demoPerson{
	{userID: "AlvaLind", password: "tre lugna hamnar 27", locale: "en", totp: true, factors: []provider.FactorKind{provider.FactorSMS}, profile: provider.Profile{
		Name: "Alva Lind", GivenName: "Alva", FamilyName: "Lind", PreferredUsername: "AlvaLind", Email: "alva.lind@example.com", EmailVerified: true,
		PhoneNumber: "+46700000001", PhoneNumberVerified: true, Birthdate: "1992-04-17", Zoneinfo: "Europe/Stockholm",
		Address: &provider.Address{StreetAddress: "Exempelgatan 1", PostalCode: "123 45", Locality: "Provstad", Country: "SE"},
	}},
	{userID: "NilsBerg", password: "sju tysta lyktor 83", locale: "sv", profile: provider.Profile{
		Name: "Nils Berg", GivenName: "Nils", FamilyName: "Berg", PreferredUsername: "NilsBerg", Email: "nils.berg@example.com", EmailVerified: true,
		Birthdate: "1968-11-02", Zoneinfo: "Europe/Stockholm",
	}},
}

func (d *demo) run(ctx context.Context, out io.Writer) error {
	cfg, err := d.settings()
	if err != nil {
		return err
	}
	for flag, address := range d.addresses() {
		if err := free(address); err != nil {
			return fmt.Errorf("%s: %w; is the demo running already? Stop it, or choose another port", flag, err)
		}
	}
	logFile, err := os.OpenFile(filepath.Join(d.dir, "cardea.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	defer logFile.Close()
	s, err := newServer(ctx, cfg, logger(logFile, cfg.Log.Level), &d.messages)
	if err != nil {
		return err
	}
	if err := d.populate(ctx, s); err != nil {
		return errors.Join(err, s.close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	started := false
	err = s.run(ctx, func() error {
		if err := d.startInbox(ctx); err != nil {
			return err
		}
		if err := d.startApp(ctx, logFile, func(err error) { ended <- err; cancel() }); err != nil {
			return err
		}
		started = true
		if ctx.Err() != nil {
			return nil // it has stopped, which ended tells
		}
		return d.tell(out)
	})
	cancel()
	if started {
		err = errors.Join(err, <-ended)
	}
	return err
}

// addresses are those that the demo serves, by flag.
func (d *demo) addresses() map[string]string {
	return map[string]string{"--issuer": d.issuer, "--app": d.app, "--inbox": d.inbox}
}

// free tells whether nobody listens at address yet.
func free(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listenAddress(u))
	if err != nil {
		return err
	}
	return listener.Close()
}

// settings makes the demo's directory, key and configuration.
func (d *demo) settings() (config.Config, error) {
	for flag, address := range d.addresses() {
		if err := onLoopback(address); err != nil {
			return config.Config{}, usageError{fmt.Errorf("%s: %w", flag, err)}
		}
	}
	if d.issuer == d.app || d.issuer == d.inbox || d.app == d.inbox {
		return config.Config{}, usageError{errors.New("--issuer, --app and --inbox: each needs an address of its own")}
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return config.Config{}, fmt.Errorf("--dir: %w", err)
	}
	keyFile := filepath.Join(d.dir, "secret.key")
	if !fileExists(keyFile) {
		if err := os.WriteFile(keyFile, []byte(config.NewSecretKey()+"\n"), 0o600); err != nil {
			return config.Config{}, fmt.Errorf("--dir: %w", err)
		}
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return config.Config{}, fmt.Errorf("--dir: %w", err)
	}
	issuer, _ := url.Parse(d.issuer)
	cfg := config.Default()
	cfg.Issuer, cfg.Listen, cfg.Metrics.Listen = d.issuer, listenAddress(issuer), "off"
	cfg.Database.URL = config.NewDatabaseURL("sqlite:" + filepath.Join(d.dir, "cardea.db"))
	cfg.Secrets.Keys = []config.Key{{ID: "demo", Key: config.NewSecret(trimLine(key))}}
	cfg.Messages.Folder = filepath.Join(d.dir, "outbox")
	cfg.Brand.Phone, cfg.Brand.Hours, cfg.Brand.Email = "010-000 00 00", "08–20", "help@example.com"
	cfg.APIs = []config.API{demoAPI(d.app + "/api")}
	return cfg, cfg.Validate()
}

func trimLine(b []byte) string {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return string(b)
}

func demoAPI(audience string) config.API {
	scope := func(name, en, sv string) config.Scope {
		return config.Scope{Name: name, Title: config.Text{EN: en, SV: sv}}
	}
	return config.API{Audience: audience, Name: "Card account", IntrospectClients: []string{demoClient}, Scopes: []config.Scope{
		scope("accounts:read", "Your card account and balance", "Ditt kortkonto och saldo"),
		scope("transactions:read", "Your card transactions", "Dina korttransaktioner"),
		scope("statements:read", "Your statements", "Dina fakturor"),
		scope("rewards:read", "Your reward points", "Dina bonuspoäng"),
		scope("payments:write", "Payments of your card bill", "Betalningar av din kortfaktura"),
	}}
}

// onLoopback refuses an address that other machines could reach: the demo's
// passwords are printed.
func onLoopback(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Port() == "" || address != "http://"+u.Host {
		return fmt.Errorf("must be http://HOST:PORT, such as http://localhost:8080")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("the demo prints its passwords, so it serves this machine only: use localhost, 127.0.0.1 or [::1]")
}

func listenAddress(u *url.URL) string {
	if u.Hostname() == "localhost" {
		return "127.0.0.1:" + u.Port()
	}
	return u.Host
}

// populate registers the sample app and people, once.
func (d *demo) populate(ctx context.Context, s *server) error {
	path := filepath.Join(d.dir, "demo.json")
	if data, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(data, &d.state); err != nil {
			return fmt.Errorf("%s cannot be read; remove %s to start afresh: %w", path, d.dir, err)
		}
	}
	if err := d.registerApp(ctx, s); err != nil {
		return err
	}
	for _, p := range demoPeople {
		if err := d.addPerson(ctx, s, p); err != nil {
			return fmt.Errorf("sample cardholder %s: %w", p.userID, err)
		}
	}
	data, err := json.MarshalIndent(d.state, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}

func (d *demo) registerApp(ctx context.Context, s *server) error {
	old, err := s.store.Client(ctx, demoClient)
	if err != nil && !errors.Is(err, provider.NotFound) {
		return err
	}
	now := time.Now().UTC()
	c := &provider.Client{ID: demoClient, Created: now}
	if old != nil {
		*c = *old
	}
	c.Name, c.Type, c.AuthMethod, c.FirstParty = provider.Text{"en": "My card account", "sv": "Mitt kortkonto"}, provider.ClientWeb, provider.AuthBasic, true
	c.GrantTypes = []string{provider.GrantCode, provider.GrantRefresh}
	c.RedirectURIs, c.PostLogoutRedirectURIs = []string{d.app + "/callback"}, []string{d.app + "/signed-out"}
	c.Purpose = provider.Text{"en": "pay your card bill", "sv": "betala din kortfaktura"}
	c.InitiateLoginURI, c.Scopes, c.Updated = d.app+"/signin", scopes(s.cfg), now
	if old == nil || d.state.ClientSecret == "" || !old.SecretMatches(d.state.ClientSecret, now) {
		d.state.ClientSecret = c.SetSecret(now, 0)
	}
	if err := c.Check(scopes(s.cfg)); err != nil {
		return err
	}
	if old == nil {
		return s.store.CreateClient(ctx, c)
	}
	return s.store.UpdateClient(ctx, c)
}

func (d *demo) addPerson(ctx context.Context, s *server, p demoPerson) error {
	const actor = "cli:demo"
	a, err := s.store.AccountByUserID(ctx, p.userID)
	if errors.Is(err, provider.NotFound) {
		a = &provider.Account{UserID: p.userID, Locale: p.locale, Profile: p.profile}
		err = s.people.Create(ctx, actor, a, p.password, passwordPolicy(s.cfg))
	}
	if err != nil || !p.totp || d.state.TOTPKey != "" {
		return err
	}
	for _, kind := range p.factors {
		if err := s.people.AddFactor(ctx, actor, a.ID, kind); err != nil {
			return err
		}
	}
	d.state.TOTPKey, err = s.people.EnrolConfirmedTOTP(ctx, actor, a.ID, "Demo")
	return err
}

// startApp starts this binary again as the account app, waits until that listens,
// and tells ended when it stops.
func (d *demo) startApp(ctx context.Context, log io.Writer, ended func(error)) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("starting the account app: %w", err)
	}
	app, _ := url.Parse(d.app)
	child := exec.CommandContext(ctx, self, "account-app", "--issuer", d.issuer, "--client-id", demoClient, "--listen", listenAddress(app),
		"--url", d.app, "--api-audience", d.app+"/api")
	child.Env = append(os.Environ(), "ACCOUNTAPP_CLIENT_SECRET="+d.state.ClientSecret)
	child.Stdout, child.Stderr = log, log
	if _, err := child.StdinPipe(); err != nil { // held open as long as we live
		return fmt.Errorf("starting the account app: %w", err)
	}
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 5 * time.Second
	if err := child.Start(); err != nil {
		return fmt.Errorf("starting the account app: %w", err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		err := child.Wait()
		if ctx.Err() != nil || interrupted(err) {
			err = nil // we asked for it, or a terminal did that asks us as well
		} else if err != nil {
			err = fmt.Errorf("the account app stopped: %w; see %s", err, filepath.Join(d.dir, "cardea.log"))
		}
		ended(err)
	}()
	awaitListener(listenAddress(app), stopped)
	return nil
}

// startInbox serves the page of messages until ctx ends.
func (d *demo) startInbox(ctx context.Context) error {
	at, _ := url.Parse(d.inbox)
	listener, err := net.Listen("tcp", listenAddress(at))
	if err != nil {
		return fmt.Errorf("--inbox: %w", err)
	}
	page := &http.Server{Handler: &d.messages, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	context.AfterFunc(ctx, func() { _ = page.Close() })
	go func() { _ = page.Serve(listener) }() // ends with Close
	return nil
}

// interrupted tells whether a process ended by Ctrl-C, before it could catch it.
func interrupted(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGINT
}

// awaitListener waits until somebody listens at address, or stopped is closed.
func awaitListener(address string, stopped <-chan struct{}) {
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-stopped:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// tell prints what there is to try.
func (d *demo) tell(out io.Writer) error {
	code, err := signin.CodeAt(d.state.TOTPKey, time.Now())
	if err != nil {
		return fmt.Errorf("the demo's authenticator key: %w", err)
	}
	first, second := demoPeople[0], demoPeople[1]
	fmt.Fprintf(out, "\nCardea DEMO: invented people and data, on this machine only\n\n")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"Account app", d.app + "   (start here)"},
		{"Issuer", d.issuer},
		{"User ID", first.userID},
		{"Password", first.password},
		{"TOTP secret", d.state.TOTPKey},
		{"Code now", code + "   (it changes every 30 seconds: put the secret into an authenticator app)"},
		{"Second person", second.userID + " / " + second.password + "   (sets up a second factor first)"},
		{"Security centre", d.issuer + "/security"},
		{"Messages", d.inbox + "   (every text message and e-mail, with its code)"},
		{"Data, log", d.dir},
	} {
		fmt.Fprintf(table, "  %s\t%s\n", row[0], row[1])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nPress Ctrl-C to stop.\n")
	return err
}
