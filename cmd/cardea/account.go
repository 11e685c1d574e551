package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	loginui "cardea/login-ui"
	"cardea/provider"
)

func accountCommand(o *options) *cobra.Command {
	return group("account", "Create and look after cardholders' accounts",
		accountCreate(o), accountList(o), accountShow(o), accountSetPassword(o), accountLock(o), accountUnlock(o),
		accountAddFactor(o), accountRemoveFactor(o), accountDelete(o))
}

func accountCreate(o *options) *cobra.Command {
	var userID, locale string
	var person profileFlags
	c := &cobra.Command{
		Use: "create", Short: "Create an account with a password", Args: noArguments,
		Example: "  cardea account create --user-id KimBerg --password-stdin --name 'Kim Berg' --email kim.berg@example.com < password.txt",
	}
	c.Flags().StringVar(&userID, "user-id", "", "what the cardholder signs in with")
	c.Flags().Var(choice{&locale, loginui.Languages()}, "locale", "language of the person (default: brand.locale)")
	totp := c.Flags().Bool("totp", false, "enrol an authenticator app as proven; prints its key once")
	person.bind(c)
	password := passwordFlag(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if userID == "" {
			return usageError{errors.New("--user-id is missing: say what the cardholder signs in with")}
		}
		profile, err := person.read(c)
		if err != nil {
			return err
		}
		if err := provider.CheckUserID(userID); err != nil {
			return err
		}
		secret, err := password.read(c)
		if err != nil {
			return err
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			a := &provider.Account{UserID: userID, Locale: locale, Profile: profile}
			key, err := s.createAccount(ctx, a, secret, *totp)
			if errors.Is(err, provider.Exists) {
				return fmt.Errorf("user_id: %q is taken, if in other letters: upper and lower case do not make a new one", userID)
			}
			if err != nil {
				return err
			}
			return p.account(c, s, a, key)
		})
	}
	return c
}

// createAccount makes a with a password and, when totp is asked for, an
// authenticator whose key it returns: both or neither.
func (s *system) createAccount(ctx context.Context, a *provider.Account, password string, totp bool) (key string, err error) {
	if !totp {
		return "", s.people.Create(ctx, actor(), a, password, passwordPolicy(s.cfg))
	}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.people.Create(ctx, actor(), a, password, passwordPolicy(s.cfg)); err != nil {
			return err
		}
		key, err = s.people.EnrolConfirmedTOTP(ctx, actor(), a.ID, "Authenticator app")
		return err
	})
	return key, err
}

// maxList is the longest list that one command prints.
const maxList = 1000

// limitFlag gives c the flag --limit.
func limitFlag(c *cobra.Command) func() (int, error) {
	n := c.Flags().Int("limit", 100, "how many at most, 1 to 1000")
	return func() (int, error) {
		if *n < 1 || *n > maxList {
			return 0, usageError{fmt.Errorf("--limit: must be 1 to %d", maxList)}
		}
		return *n, nil
	}
}

func accountList(o *options) *cobra.Command {
	var after string
	c := &cobra.Command{Use: "list", Short: "List accounts by User ID", Args: noArguments}
	c.Flags().StringVar(&after, "after", "", "begin behind this User ID: the last of the list before")
	limit := limitFlag(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		most, err := limit()
		if err != nil {
			return err
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			accounts, err := s.store.Accounts(ctx, after, most+1)
			if err != nil {
				return err
			}
			if len(accounts) > most {
				accounts = accounts[:most]
				fmt.Fprintf(c.ErrOrStderr(), "There are more: go on with --after %q\n", accounts[most-1].UserID)
			}
			return p.accounts(c, accounts)
		})
	}
	return c
}

func accountShow(o *options) *cobra.Command {
	return forAccount(o, &cobra.Command{Use: "show", Short: "Show an account"},
		func(context.Context, *system, *provider.Account) error { return nil })
}

func accountLock(o *options) *cobra.Command {
	return forAccount(o, &cobra.Command{Use: "lock", Short: "Keep an account from signing in, and end all it has open"},
		func(ctx context.Context, s *system, a *provider.Account) error {
			return s.people.Lock(ctx, actor(), a.ID)
		})
}

func accountUnlock(o *options) *cobra.Command {
	return forAccount(o, &cobra.Command{Use: "unlock", Short: "Lift a lock, whether an administrator or wrong guesses set it"},
		func(ctx context.Context, s *system, a *provider.Account) error {
			return s.people.Unlock(ctx, actor(), a.ID)
		})
}

// forAccount makes c a command on one account: it does do, and prints the account
// as it then is.
func forAccount(o *options, c *cobra.Command, do func(context.Context, *system, *provider.Account) error) *cobra.Command {
	find := accountArgument(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return o.use(c, func(ctx context.Context, s *system) error {
			a, err := find(ctx, s, args)
			if err != nil {
				return err
			}
			if err := do(ctx, s, a); err != nil {
				return err
			}
			if a, err = s.store.Account(ctx, a.ID); err != nil {
				return err
			}
			return p.account(c, s, a, "")
		})
	}
	return c
}

func accountSetPassword(o *options) *cobra.Command {
	c := &cobra.Command{Use: "set-password", Short: "Give an account a new password, lift its locks and end all it has open"}
	find := accountArgument(c)
	password := passwordFlag(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		secret, err := password.read(c)
		if err != nil {
			return err
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			a, err := find(ctx, s, args)
			if err != nil {
				return err
			}
			if err := s.people.SetPassword(ctx, actor(), a.ID, secret, passwordPolicy(s.cfg)); err != nil {
				return err
			}
			if a, err = s.store.Account(ctx, a.ID); err != nil {
				return err
			}
			return p.account(c, s, a, "")
		})
	}
	return c
}

func accountDelete(o *options) *cobra.Command {
	c := &cobra.Command{Use: "delete", Short: "Remove an account with everything it has"}
	find := accountArgument(c)
	confirmed := confirmFlag(c)
	p := outputFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := confirmed("this removes the account with its sessions, factors and grants"); err != nil {
			return err
		}
		return o.use(c, func(ctx context.Context, s *system) error {
			a, err := find(ctx, s, args)
			if err != nil {
				return err
			}
			if err := s.people.Delete(ctx, actor(), a.ID); err != nil {
				return err
			}
			return p.print(c.OutOrStdout(), map[string]string{"deleted": a.ID}, func(t *table) { t.row("deleted", a.UserID, a.ID) })
		})
	}
	return c
}

// accountArgument lets c name an account by its User ID, or by --id.
func accountArgument(c *cobra.Command) func(context.Context, *system, []string) (*provider.Account, error) {
	c.Use += " [USER-ID]"
	subject := c.Flags().String("id", "", "name the account by its subject instead of its User ID")
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 1 || (len(args) == 1) == (*subject != "") {
			return usageError{fmt.Errorf("%s needs one account: its USER-ID, or --id SUBJECT", c.CommandPath())}
		}
		return nil
	}
	return func(ctx context.Context, s *system, args []string) (*provider.Account, error) {
		if *subject != "" {
			return s.accountNamed(ctx, "", *subject)
		}
		return s.accountNamed(ctx, args[0], "")
	}
}

// accountNamed is the account with a subject or, where that is empty, a User ID.
func (s *system) accountNamed(ctx context.Context, userID, subject string) (*provider.Account, error) {
	if subject != "" {
		a, err := s.store.Account(ctx, subject)
		return a, explain(err, "account", subject)
	}
	a, err := s.store.AccountByUserID(ctx, userID)
	if errors.Is(err, provider.NotFound) {
		return nil, fmt.Errorf("there is no account with the User ID %q; upper and lower case matter", userID)
	}
	return a, err
}

// accountRow is an account in a list.
type accountRow struct {
	Subject string                 `json:"sub"`
	UserID  string                 `json:"user_id"`
	Status  provider.AccountStatus `json:"status"`
	Locale  string                 `json:"locale,omitempty"`
	Created time.Time              `json:"created"`
	Updated time.Time              `json:"updated"`
}

// accountView is an account as it is printed: nothing of it can sign in.
type accountView struct {
	accountRow
	PasswordChanged time.Time        `json:"password_changed,omitzero"`
	Profile         provider.Profile `json:"profile"`
	Factors         []factorView     `json:"factors"`
	TOTPKey         string           `json:"totp_key,omitempty"` // only when it was just made
}

type factorView struct {
	ID        string              `json:"id"`
	Kind      provider.FactorKind `json:"kind"`
	Name      string              `json:"name,omitempty"`
	Confirmed bool                `json:"confirmed"`
	Created   time.Time           `json:"created"`
	LastUsed  time.Time           `json:"last_used,omitzero"`
}

func rowOf(a *provider.Account) accountRow {
	return accountRow{Subject: a.ID, UserID: a.UserID, Status: a.Status, Locale: a.Locale, Created: a.Created, Updated: a.Updated}
}

func (p *printer) accounts(c *cobra.Command, accounts []provider.Account) error {
	rows := make([]accountRow, len(accounts))
	for i := range accounts {
		rows[i] = rowOf(&accounts[i])
	}
	return p.print(c.OutOrStdout(), rows, func(t *table) {
		t.row("USER ID", "SUBJECT", "STATUS", "CREATED", "UPDATED")
		for _, r := range rows {
			t.row(r.UserID, r.Subject, string(r.Status), when(r.Created), when(r.Updated))
		}
	})
}

func (p *printer) account(c *cobra.Command, s *system, a *provider.Account, key string) error {
	factors, err := s.store.Factors(c.Context(), a.ID)
	if err != nil {
		return err
	}
	v := accountView{accountRow: rowOf(a), PasswordChanged: a.PasswordChanged, Profile: a.Profile, Factors: []factorView{}, TOTPKey: key}
	for _, f := range factors {
		v.Factors = append(v.Factors, factorView{ID: f.ID, Kind: f.Kind, Name: f.Name, Confirmed: f.Confirmed, Created: f.Created, LastUsed: f.LastUsed})
	}
	err = p.print(c.OutOrStdout(), v, v.rows)
	if err == nil && key != "" {
		fmt.Fprintln(c.ErrOrStderr(), "The authenticator key is shown this once: hand it over and keep no copy.")
	}
	return err
}

func (v accountView) rows(t *table) {
	t.row("user_id", v.UserID)
	t.row("sub", v.Subject)
	t.row("status", string(v.Status))
	t.field("locale", v.Locale)
	t.row("password_changed", when(v.PasswordChanged))
	t.row("created", when(v.Created))
	t.row("updated", when(v.Updated))
	person := v.Profile
	if person.Address == nil {
		person.Address = &provider.Address{}
	}
	for _, one := range claims(&person) {
		t.field(one.name, *one.value)
	}
	if person.Email != "" {
		t.row("email_verified", yesNo(person.EmailVerified))
	}
	if person.PhoneNumber != "" {
		t.row("phone_number_verified", yesNo(person.PhoneNumberVerified))
	}
	for _, f := range v.Factors {
		t.row("factor", f.ID, strings.TrimSpace(string(f.Kind)+" "+f.Name), "confirmed: "+yesNo(f.Confirmed), "last used: "+when(f.LastUsed))
	}
	t.field("totp_key", v.TOTPKey)
}
