package signin

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

const (
	kajsa    = "KajsaK"
	password = "three random words"
	operator = "cli:test"
)

var easy = provider.PasswordPolicy{MinLength: 12}

// bench is a service on a real store, with an account, three clients and a clock
// that moves only when told to.
type bench struct {
	t       *testing.T
	ctx     context.Context
	store   *storage.Store
	set     Settings
	service *Service
	clock   *atomic.Int64 // Unix seconds
	account *provider.Account
}

func newBench(t *testing.T, store *storage.Store, change ...func(*Settings)) *bench {
	t.Helper()
	keys, err := provider.NewKeyring([]provider.SecretKey{{ID: "k1", Bytes: []byte("an example key of 32 bytes......")}})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, ctx: t.Context(), store: store, clock: new(atomic.Int64)}
	b.clock.Store(time.Date(2026, 3, 14, 12, 0, 5, 0, time.UTC).Unix())
	b.set = Settings{
		Keys:        keys,
		Sessions:    provider.SessionLimits{Idle: 15 * time.Minute, Absolute: 12 * time.Hour},
		Transaction: 30 * time.Minute, Device: 90 * 24 * time.Hour,
		Password:        provider.LockoutPolicy{Attempts: 5, Wait: 30 * time.Minute, Locks: 3, Window: 24 * time.Hour},
		Factor:          provider.LockoutPolicy{Attempts: 5, Wait: 15 * time.Minute, Hard: 20},
		Argon2:          provider.Argon2{MemoryKiB: 64, Time: 1, Parallelism: 1},
		HashConcurrency: 2, HashQueue: 100, HashWait: time.Minute,
		Policy: provider.SecondFactorOff, TOTPWindow: 1, Issuer: "Norrsken Kort",
		Now: func() time.Time { return time.Unix(b.clock.Load(), 0) },
	}
	for _, f := range change {
		f(&b.set)
	}
	b.service = b.replica(store)
	for _, c := range []provider.Client{
		{ID: "bank", FirstParty: true},
		{ID: "vault", FirstParty: true, MinACR: provider.ACRTwoFactor},
		{ID: "shop"},
	} {
		c.Name, c.Type, c.AuthMethod = provider.Text{"en": c.ID}, provider.ClientSPA, provider.AuthNone
		c.RedirectURIs, c.GrantTypes = []string{"https://rp.example/cb"}, []string{provider.GrantCode}
		if err := store.CreateClient(b.ctx, &c); err != nil {
			t.Fatal(err)
		}
	}
	b.account = b.create(kajsa)
	return b
}

// replica is another process on the same database.
func (b *bench) replica(store *storage.Store) *Service {
	b.t.Helper()
	s, err := New(b.set, store)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) create(userID string) *provider.Account {
	b.t.Helper()
	a := &provider.Account{UserID: userID}
	if err := b.service.Create(b.ctx, operator, a, password, easy); err != nil {
		b.t.Fatal(err)
	}
	return a
}

// enrol gives the account an app. The notice of it is taken out of the outbox, with
// everything else.
func (b *bench) enrol(a *provider.Account) (key string) {
	b.t.Helper()
	key, err := b.service.EnrolConfirmedTOTP(b.ctx, operator, a.ID, "phone")
	if err != nil {
		b.t.Fatal(err)
	}
	b.outbox()
	return key
}

func (b *bench) pass(d time.Duration) { b.clock.Add(int64(d / time.Second)) }

// code is what an app shows, offset from now.
func (b *bench) code(key string, offset time.Duration) string {
	b.t.Helper()
	code, err := totp.GenerateCode(key, b.set.Now().Add(offset))
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

// actions are the account's audit trail, newest first, as "action outcome".
func (b *bench) actions(subject string) (out []string) {
	b.t.Helper()
	events, err := b.store.Events(b.ctx, storage.EventFilter{Subject: subject, Limit: 1000})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range events {
		out = append(out, string(e.Action)+" "+string(e.Outcome))
	}
	return out
}

func (b *bench) audited(subject string, want ...string) {
	b.t.Helper()
	if got := b.actions(subject); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		b.t.Errorf("audit trail, newest first: got %q, want it to begin with %q", got, want)
	}
}

// person is somebody with a browser, in the middle of a sign-in.
type person struct {
	*bench
	service *Service
	browser Browser
	id      string
}

func (b *bench) person() *person {
	return &person{bench: b, service: b.service, browser: Browser{Address: "192.0.2.7", UserAgent: "Test/1.0", RequestID: "r1"}}
}

func (p *person) take(i Issued) {
	for value, cookie := range map[string]*string{i.Browser: &p.browser.Token, i.Session: &p.browser.Session, i.Device: &p.browser.Device, i.Trusted: &p.browser.Trusted} {
		if value != "" {
			*cookie = value
		}
	}
}

// start asks for a sign-in to a client, with what change adds to the request.
func (p *person) start(client string, change ...func(*provider.Authorization)) *person {
	p.t.Helper()
	a := provider.Authorization{ClientID: client, Scopes: []string{provider.ScopeOpenID, provider.ScopeEmail}}
	for _, f := range change {
		f(&a)
	}
	in, issued, err := p.service.Start(p.ctx, a, p.browser)
	if err != nil {
		p.t.Fatal(err)
	}
	p.take(issued)
	p.id = in.ID
	return p
}

func (p *person) password(userID, password string) error {
	issued, err := p.service.Password(p.ctx, p.id, p.browser, userID, password, false)
	p.take(issued)
	return err
}

func (p *person) totp(code string) error {
	issued, err := p.service.TOTP(p.ctx, p.id, p.browser, code, false)
	p.take(issued)
	return err
}

func (p *person) confirm(code string) error {
	issued, err := p.service.ConfirmTOTP(p.ctx, p.id, p.browser, code)
	p.take(issued)
	return err
}

// skip goes on without recovery codes.
func (p *person) skip() {
	p.t.Helper()
	p.at(provider.StepCodes)
	must(p.t, p.service.SkipCodes(p.ctx, p.id, p.browser))
}

func (p *person) next() Next {
	p.t.Helper()
	in, err := p.service.Load(p.ctx, p.id, p.browser)
	if err != nil {
		p.t.Fatal(err)
	}
	next, err := p.service.Next(p.ctx, in.Data, p.browser)
	if err != nil {
		p.t.Fatal(err)
	}
	return next
}

// at expects the sign-in to stand at step.
func (p *person) at(step provider.Step) Next {
	p.t.Helper()
	next := p.next()
	if next.Step != step {
		p.t.Fatalf("got step %q, want %q", next.Step, step)
	}
	return next
}

// finish hands over to the client.
func (p *person) finish() error {
	in, err := p.service.Load(p.ctx, p.id, p.browser)
	if err != nil {
		return err
	}
	return p.store.InTx(p.ctx, func(ctx context.Context) error { return p.service.Finish(ctx, in) })
}

// session is what the browser's cookie opens.
func (p *person) session() *provider.Session {
	p.t.Helper()
	s, err := p.service.Session(p.ctx, p.browser.Session)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// signedIn is somebody who has signed in to the bank with a password.
func (b *bench) signedIn() *person {
	b.t.Helper()
	p := b.person().start("bank")
	must(b.t, p.password(kajsa, password))
	p.at(provider.StepDone)
	must(b.t, p.finish())
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants expects err to be target.
func wants(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
}

func prompt(values ...string) func(*provider.Authorization) {
	return func(a *provider.Authorization) { a.Prompt = values }
}

func acr(values ...string) func(*provider.Authorization) {
	return func(a *provider.Authorization) { a.ACR = values }
}

func maxAge(seconds int64) func(*provider.Authorization) {
	return func(a *provider.Authorization) { a.MaxAge = &seconds }
}

func policy(p provider.SecondFactorPolicy) func(*Settings) { return func(s *Settings) { s.Policy = p } }

// reachable makes codes by SMS and e-mail possible.
func reachable(s *Settings) {
	s.Channels = []provider.Channel{provider.ChannelMail, provider.ChannelSMS}
}

// often lifts what would get in the way of many codes and many wrong ones.
func often(s *Settings) {
	s.Codes = Codes{PerQuarter: 1000, PerDay: 1000, PerAddress: 1000, Wait: time.Second}
	s.Factor = provider.LockoutPolicy{Attempts: 1000, Wait: time.Minute}
}

// contact gives an account verified contacts.
func (b *bench) contact(a *provider.Account, phone, email string) {
	b.t.Helper()
	a.Profile.PhoneNumber, a.Profile.PhoneNumberVerified = phone, phone != ""
	a.Profile.Email, a.Profile.EmailVerified = email, email != ""
	must(b.t, b.store.UpdateProfile(b.ctx, a))
}

const (
	phone   = "+46701740605" // of the numbers kept for fiction
	phone2  = "+46701740606"
	address = "kajsa@example.com"
)

// byCodes gives the account contacts and a factor of each of kinds. It empties the
// outbox.
func (b *bench) byCodes(a *provider.Account, kinds ...provider.FactorKind) {
	b.t.Helper()
	b.contact(a, phone, address)
	for _, k := range kinds {
		must(b.t, b.service.AddFactor(b.ctx, operator, a.ID, k))
	}
	b.outbox()
}

// outbox empties the outbox.
func (b *bench) outbox() []provider.Message {
	b.t.Helper()
	due, err := storagetest.Outbox(b.ctx, b.store, b.set.Now().Add(time.Second))
	must(b.t, err)
	for _, m := range due {
		must(b.t, b.store.DeleteMessage(b.ctx, m.ID))
	}
	return due
}

// arrives is the one code in the outbox, which must be of kind, to a destination.
func (b *bench) arrives(kind provider.MessageKind, to string) (digits string) {
	b.t.Helper()
	var codes []provider.Message
	for _, m := range b.outbox() {
		if m.Data.Code != nil {
			codes = append(codes, m)
		}
	}
	if len(codes) != 1 || codes[0].Kind != kind || codes[0].To != to {
		b.t.Fatalf("got codes %+v, want one of kind %q to %q", codes, kind, to)
	}
	m := codes[0]
	plain, err := b.set.Keys.Open(provider.ForMessage, m.Data.Code, provider.AAD("messages", "code", m.ID))
	must(b.t, err)
	return string(plain)
}

// wrong is another code.
func wrong(digits string) string {
	last := (digits[5]-'0'+1)%10 + '0'
	return digits[:5] + string(last)
}

func (p *person) verify(kind provider.FactorKind, code string) error {
	issued, err := p.service.VerifyCode(p.ctx, p.id, p.browser, kind, code, false)
	p.take(issued)
	return err
}

// asks has a code sent that is to be there when the page is shown, and reads it.
func (p *person) asks(kind provider.FactorKind, to string) (digits string) {
	p.t.Helper()
	p.outbox()
	sent, err := p.service.Code(p.ctx, p.id, p.browser, kind)
	if err != nil || !sent.New {
		p.t.Fatalf("got %+v, %v; want a new code", sent, err)
	}
	return p.arrives(provider.MessageCode, to)
}

func (p *person) recovery(code string) error {
	issued, err := p.service.RecoveryCode(p.ctx, p.id, p.browser, code)
	p.take(issued)
	return err
}

// enters goes to the security centre.
func (p *person) enters(task provider.Task) *person {
	p.t.Helper()
	in, issued, err := p.service.Enter(p.ctx, p.browser, Entry{Task: task, Back: "/security/methods"})
	must(p.t, err)
	p.take(issued)
	p.id = in.ID
	return p
}
