package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cardea/config"
	"cardea/provider"
)

func clientCommand(o *options) *cobra.Command {
	return group("client", "Register and change clients (relying parties)",
		clientCreate(o), clientList(o), clientShow(o), clientUpdate(o), clientRotate(o), clientDelete(o))
}

// clientFlags are what the flags say about a client.
type clientFlags struct {
	name, nameSV, kind, authMethod, minACR, idTokenAlg, initiate string
	secondFactor, purpose, purposeSV                             string
	maxAge                                                       maxAge
	redirects, afterLogout, grants, scopes, factors              []string
	firstParty, disable, enable                                  bool
}

func (f *clientFlags) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.name, "name", "", "what people know the service as, in English")
	flags.StringVar(&f.nameSV, "name-sv", "", "the same in Swedish")
	flags.Var(choice{&f.kind, []string{"web", "spa", "native", "service"}}, "type", "what kind of program it is")
	flags.StringArrayVar(&f.redirects, "redirect-uri", nil, "where codes are sent, compared exactly (repeatable)")
	flags.StringArrayVar(&f.afterLogout, "post-logout-redirect-uri", nil, "where people may go after signing out (repeatable)")
	flags.StringArrayVar(&f.grants, "grant", nil, "grant type (repeatable): "+strings.Join([]string{provider.GrantCode, provider.GrantRefresh, provider.GrantCredentials}, ", "))
	flags.StringArrayVar(&f.scopes, "scope", nil, "scope it may ask for (repeatable, or several with spaces between)")
	flags.Var(choice{&f.authMethod, []string{provider.AuthBasic, provider.AuthPost, provider.AuthNone}}, "auth-method", "how it proves itself at the token endpoint")
	flags.BoolVar(&f.firstParty, "first-party", false, "the issuer's own: consent is not asked")
	flags.StringVar(&f.minACR, "min-acr", "", "lowest assurance of its sign-ins: "+strings.Join(provider.ACRs, " or "))
	flags.StringVar(&f.secondFactor, "second-factor", "", "whether its sign-ins need a second factor: required, optional or off (default: sign_in.second_factor)")
	flags.StringArrayVar(&f.factors, "factor", nil, "second factor that counts in its sign-ins (repeatable; default: all of sign_in.factors)")
	flags.TextVar(&f.maxAge, "default-max-age", maxAge{}, "how many `seconds` ago people may have signed in, where a request does not say (default: any)")
	flags.StringVar(&f.purpose, "purpose", "", "what people confirm who they are for, within a sentence: 'make a payment'")
	flags.StringVar(&f.purposeSV, "purpose-sv", "", "the same in Swedish: 'göra en betalning'")
	flags.StringVar(&f.idTokenAlg, "id-token-alg", "", "signature of its ID tokens: ES256 or RS256 (default: tokens.signing.default_alg)")
	flags.StringVar(&f.initiate, "initiate-login-uri", "", "where people start again at the service")
}

// apply changes c as far as flags were given. Lists are replaced; an empty value
// empties what it is given for.
func (f *clientFlags) apply(command *cobra.Command, c *provider.Client) {
	for flag, set := range map[string]func(){
		"name":                     func() { c.Name = withText(c.Name, "en", f.name) },
		"name-sv":                  func() { c.Name = withText(c.Name, "sv", f.nameSV) },
		"type":                     func() { c.Type = provider.ClientType(f.kind) },
		"redirect-uri":             func() { c.RedirectURIs = filled(f.redirects) },
		"post-logout-redirect-uri": func() { c.PostLogoutRedirectURIs = filled(f.afterLogout) },
		"grant":                    func() { c.GrantTypes = provider.SplitScope(strings.Join(f.grants, " ")) },
		"scope":                    func() { c.Scopes = provider.SplitScope(strings.Join(f.scopes, " ")) },
		"auth-method":              func() { c.AuthMethod = f.authMethod },
		"first-party":              func() { c.FirstParty = f.firstParty },
		"min-acr":                  func() { c.MinACR = f.minACR },
		"second-factor":            func() { c.SecondFactor = provider.SecondFactorPolicy(f.secondFactor) },
		"factor":                   func() { c.Factors = kinds(f.factors) },
		"default-max-age":          func() { c.DefaultMaxAge = f.maxAge.seconds },
		"purpose":                  func() { c.Purpose = withText(c.Purpose, "en", f.purpose) },
		"purpose-sv":               func() { c.Purpose = withText(c.Purpose, "sv", f.purposeSV) },
		"id-token-alg":             func() { c.IDTokenAlg = f.idTokenAlg },
		"initiate-login-uri":       func() { c.InitiateLoginURI = f.initiate },
		"disable":                  func() { c.Disabled = f.disable },
		"enable":                   func() { c.Disabled = !f.enable },
	} {
		if command.Flags().Changed(flag) {
			set()
		}
	}
}

// maxAge is a number of seconds, or none.
type maxAge struct{ seconds *int64 }

// MarshalText writes what UnmarshalText reads.
func (m maxAge) MarshalText() ([]byte, error) {
	if m.seconds == nil {
		return nil, nil
	}
	return strconv.AppendInt(nil, *m.seconds, 10), nil
}

// UnmarshalText reads a whole number; nothing is none.
func (m *maxAge) UnmarshalText(text []byte) error {
	if m.seconds = nil; len(text) == 0 {
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return errors.New("must be a whole number of seconds")
	}
	m.seconds = &n
	return nil
}

func kinds(names []string) (out []provider.FactorKind) {
	for _, name := range provider.SplitScope(strings.Join(names, " ")) {
		out = append(out, provider.FactorKind(name))
	}
	return out
}

func names(kinds []provider.FactorKind) (out []string) {
	for _, kind := range kinds {
		out = append(out, string(kind))
	}
	return out
}

// given tells whether any flag about a client was given.
func (f *clientFlags) given(command *cobra.Command) (given bool) {
	command.Flags().Visit(func(flag *pflag.Flag) {
		given = given || flag.Name != "output" && flag.Name != "config"
	})
	return given
}

// withText is t with one language changed.
func withText(t provider.Text, language, words string) provider.Text {
	t = maps.Clone(t)
	if t == nil {
		t = provider.Text{}
	}
	t[language] = strings.TrimSpace(words)
	if t[language] == "" {
		delete(t, language)
	}
	return t
}

func filled(values []string) []string {
	return slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
}

// defaults fills what the flags left open, as fits the client's type.
func (f *clientFlags) defaults(c *provider.Client) {
	if c.ID == "" {
		c.ID = strings.ToLower(rand.Text())
	}
	if c.AuthMethod == "" {
		c.AuthMethod = provider.AuthBasic
		if c.Type == provider.ClientSPA || c.Type == provider.ClientNative {
			c.AuthMethod = provider.AuthNone
		}
	}
	if f.grants == nil {
		c.GrantTypes = []string{provider.GrantCode, provider.GrantRefresh}
		if c.Type == provider.ClientService {
			c.GrantTypes = []string{provider.GrantCredentials}
		}
	}
	if f.scopes == nil && c.Allows(provider.GrantCode) {
		c.Scopes = []string{provider.ScopeOpenID, provider.ScopeProfile, provider.ScopeEmail}
		if c.Allows(provider.GrantRefresh) {
			c.Scopes = append(c.Scopes, provider.ScopeOffline)
		}
	}
}

func clientCreate(o *options) *cobra.Command {
	var f clientFlags
	var id string
	c := &cobra.Command{
		Use: "create", Short: "Register a client; prints its secret once", Args: noArguments,
		Example: "  cardea client create --name 'Card account' --type web --redirect-uri https://account.example.com/callback",
	}
	c.Flags().StringVar(&id, "id", "", "client id (default: made up)")
	f.bind(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if f.kind == "" {
			return usageError{errors.New("--type is missing: say web, spa, native or service")}
		}
		if c.Flags().Changed("id") && id == "" {
			return usageError{errors.New("--id is empty: name the client, or leave the flag out and a name is made up")}
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			client := &provider.Client{ID: id}
			f.apply(c, client)
			f.defaults(client)
			secret, err := s.createClient(ctx, client)
			if err != nil {
				return explain(err, "client", client.ID)
			}
			s.noteUnused(c, client.Factors...)
			return p.client(c, client, secret)
		})
	}
	return c
}

// createClient registers c and returns its secret, "" for a public client.
func (s *system) createClient(ctx context.Context, c *provider.Client) (secret string, err error) {
	c.Created = now()
	c.Updated = c.Created
	if !c.Public() {
		secret = c.SetSecret(c.Created, 0)
	}
	if err := c.Check(scopes(s.cfg)); err != nil {
		return "", err
	}
	return secret, s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.CreateClient(ctx, c); err != nil {
			return err
		}
		return s.recordClient(ctx, provider.ActionClientCreated, c.ID)
	})
}

func (s *system) recordClient(ctx context.Context, action provider.Action, id string) error {
	return s.store.Record(ctx, provider.Event{Action: action, Outcome: provider.OK, Actor: actor(), ClientID: id})
}

func clientUpdate(o *options) *cobra.Command {
	var f clientFlags
	c := &cobra.Command{
		Use: "update ID", Short: "Change what flags are given for; lists are replaced, an empty value empties", Args: oneArgument("ID"),
		Example: "  cardea client update account-app --scope 'openid profile' --disable",
	}
	f.bind(c)
	c.Flags().BoolVar(&f.disable, "disable", false, "refuse everything the client asks for")
	c.Flags().BoolVar(&f.enable, "enable", false, "take --disable back")
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if c.Flags().Changed("disable") && c.Flags().Changed("enable") {
			return usageError{errors.New("--disable and --enable contradict each other: give one")}
		}
		if !f.given(c) {
			return usageError{errors.New("there is nothing to change: give a flag for what is to change")}
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			client, secret, err := s.changeClient(ctx, args[0], func(client *provider.Client) (string, []provider.Action, error) {
				f.apply(c, client)
				secret, actions := fitSecret(client)
				return secret, actions, client.Check(scopes(s.cfg))
			})
			if err != nil {
				return err
			}
			s.noteUnused(c, client.Factors...)
			return p.client(c, client, secret)
		})
	}
	return c
}

// fitSecret gives a client that has become confidential a secret, and takes it from
// one that has become public. The actions are what the change amounts to.
func fitSecret(c *provider.Client) (secret string, actions []provider.Action) {
	actions = []provider.Action{provider.ActionClientUpdated}
	switch {
	case c.Public():
		c.SecretHash, c.PreviousHash, c.PreviousExpires = nil, nil, time.Time{}
	case c.SecretHash == nil:
		secret = c.SetSecret(now(), 0)
		actions = append(actions, provider.ActionClientSecret)
	}
	return secret, actions
}

// changeClient changes a copy of the client with an id and stores it, with an event
// for each action that change tells of. The secret is change's.
func (s *system) changeClient(ctx context.Context, id string, change func(*provider.Client) (secret string, actions []provider.Action, err error)) (*provider.Client, string, error) {
	old, err := s.store.Client(ctx, id)
	if err != nil {
		return nil, "", explain(err, "client", id)
	}
	c := *old
	secret, actions, err := change(&c)
	if err != nil {
		return nil, "", err
	}
	c.Updated = now()
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.UpdateClient(ctx, &c); err != nil {
			return err
		}
		for _, action := range actions {
			if err := s.recordClient(ctx, action, id); err != nil {
				return err
			}
		}
		return nil
	})
	return &c, secret, explain(err, "client", id)
}

// maxOverlap is the longest that a replaced secret may go on working.
const maxOverlap = 30 * 24 * time.Hour

func clientRotate(o *options) *cobra.Command {
	overlap := config.Duration(24 * time.Hour)
	c := &cobra.Command{
		Use: "rotate-secret ID", Short: "Give a client a new secret; prints it once", Args: oneArgument("ID"),
		Example: "  cardea client rotate-secret account-app --overlap 0   # the old one has leaked",
	}
	c.Flags().TextVar(&overlap, "overlap", overlap, "how long the old secret goes on working, at most 30d; 0 ends it at once")
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if overlap.Std() > maxOverlap {
			return usageError{errors.New("--overlap: at most 30d")}
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			client, secret, err := s.changeClient(ctx, args[0], func(client *provider.Client) (string, []provider.Action, error) {
				if client.Public() {
					return "", nil, fmt.Errorf("client %q is public: it has no secret to rotate", client.ID)
				}
				return client.SetSecret(now(), overlap.Std()), []provider.Action{provider.ActionClientSecret}, nil
			})
			if err != nil {
				return err
			}
			return p.client(c, client, secret)
		})
	}
	return c
}

func clientDelete(o *options) *cobra.Command {
	c := &cobra.Command{Use: "delete ID", Short: "Remove a client with its codes, tokens and consents", Args: oneArgument("ID")}
	confirmed := confirmFlag(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		id := args[0]
		if err := confirmed("this removes the client and revokes all that people have granted it"); err != nil {
			return err
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			err := s.store.InTx(ctx, func(ctx context.Context) error {
				if err := s.store.DeleteClient(ctx, id); err != nil {
					return err
				}
				return s.recordClient(ctx, provider.ActionClientDeleted, id)
			})
			if err != nil {
				return explain(err, "client", id)
			}
			return p.print(c.OutOrStdout(), map[string]string{"deleted": id}, func(t *table) { t.row("deleted", id) })
		})
	}
	return c
}

func clientShow(o *options) *cobra.Command {
	c := &cobra.Command{Use: "show ID", Short: "Show a client", Args: oneArgument("ID")}
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return o.use(c, func(ctx context.Context, s *system) error {
			client, err := s.store.Client(ctx, args[0])
			if err != nil {
				return explain(err, "client", args[0])
			}
			return p.client(c, client, "")
		})
	}
	return c
}

func clientList(o *options) *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List all clients", Args: noArguments}
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return o.use(c, func(ctx context.Context, s *system) error {
			clients, err := s.store.Clients(ctx)
			if err != nil {
				return err
			}
			views := make([]clientView, len(clients))
			for i, client := range clients {
				views[i] = viewClient(client, "")
			}
			return p.print(c.OutOrStdout(), views, func(t *table) {
				t.row("CLIENT ID", "NAME", "TYPE", "STATUS", "GRANTS", "UPDATED")
				for _, client := range clients {
					t.row(client.ID, client.Name.In("en"), string(client.Type), clientStatus(client), strings.Join(client.GrantTypes, " "), when(client.Updated))
				}
			})
		})
	}
	return c
}

func clientStatus(c *provider.Client) string {
	if c.Disabled {
		return "disabled"
	}
	return "enabled"
}

// clientView is a client as it is printed.
type clientView struct {
	*provider.Client
	Secret          string    `json:"client_secret,omitempty"`          // only when it was just made
	PreviousExpires time.Time `json:"previous_secret_expires,omitzero"` // until when the old secret works
}

func viewClient(c *provider.Client, secret string) clientView {
	v := clientView{Client: c, Secret: secret}
	if time.Now().Before(c.PreviousExpires) {
		v.PreviousExpires = c.PreviousExpires
	}
	return v
}

func (p *printer) client(command *cobra.Command, c *provider.Client, secret string) error {
	v := viewClient(c, secret)
	err := p.print(command.OutOrStdout(), v, func(t *table) {
		t.row("client_id", c.ID)
		t.field("name", c.Name["en"])
		t.field("name_sv", c.Name["sv"])
		t.row("type", string(c.Type))
		t.row("status", clientStatus(c))
		t.row("token_endpoint_auth_method", c.AuthMethod)
		t.field("redirect_uris", c.RedirectURIs...)
		t.field("post_logout_redirect_uris", c.PostLogoutRedirectURIs...)
		t.row("grant_types", strings.Join(c.GrantTypes, " "))
		t.field("scopes", strings.Join(c.Scopes, " "))
		t.row("first_party", yesNo(c.FirstParty))
		t.field("min_acr", c.MinACR)
		t.field("second_factor", string(c.SecondFactor))
		t.field("factors", names(c.Factors)...)
		if c.DefaultMaxAge != nil {
			t.row("default_max_age", strconv.FormatInt(*c.DefaultMaxAge, 10))
		}
		t.field("purpose", c.Purpose["en"])
		t.field("purpose_sv", c.Purpose["sv"])
		t.field("id_token_signed_response_alg", c.IDTokenAlg)
		t.field("initiate_login_uri", c.InitiateLoginURI)
		t.row("created", when(c.Created))
		t.row("updated", when(c.Updated))
		t.field("client_secret", secret)
		if !v.PreviousExpires.IsZero() {
			t.row("previous_secret_expires", when(v.PreviousExpires))
		}
	})
	if err == nil && secret != "" {
		fmt.Fprintln(command.ErrOrStderr(), "The secret is shown this once: hand it over and keep no copy.")
	}
	return err
}
