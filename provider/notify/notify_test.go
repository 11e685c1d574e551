package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashEnvironment) != "" {
		os.Exit(crashWorker())
	}
	storagetest.Main(m)
}

func keyring() *provider.Keyring {
	ring, err := provider.NewKeyring([]provider.SecretKey{{ID: "k1", Bytes: bytes.Repeat([]byte{7}, 32)}})
	if err != nil {
		panic(err)
	}
	return ring
}

func pages() *loginui.UI {
	ui, err := loginui.New(loginui.Settings{Brand: "Example Card", Origin: "https://id.example.com", Phone: "010-000 00 00"})
	if err != nil {
		panic(err)
	}
	return ui
}

// worker sends everything with send.
func worker(t testing.TB, store *storage.Store, send Sender) *Worker {
	t.Helper()
	return workerOf(t, store, map[provider.Channel]Sender{provider.ChannelMail: send, provider.ChannelSMS: send})
}

func workerOf(t testing.TB, store *storage.Store, senders map[provider.Channel]Sender) *Worker {
	t.Helper()
	w, err := New(Settings{Store: store, UI: pages(), Keys: keyring(), Senders: senders})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// outbox writes messages to a Swedish cardholder.
type outbox struct {
	t     testing.TB
	store *storage.Store
}

func newOutbox(t testing.TB, store *storage.Store) outbox {
	t.Helper()
	now := time.Now()
	err := store.CreateAccount(t.Context(), &provider.Account{
		ID: "account", UserID: "KarinEk", Status: provider.AccountActive, Locale: "sv", Created: now, Updated: now,
		Profile: provider.Profile{Email: "karin@example.com", PhoneNumber: "+46700000001", PhoneNumberVerified: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return outbox{t, store}
}

// write puts a message of kind into the outbox and gives its id.
func (o outbox) write(kind provider.MessageKind, channel provider.Channel, edit ...func(*provider.Message)) string {
	o.t.Helper()
	now := time.Now()
	m := &provider.Message{
		ID: provider.NewID(), AccountID: "account", Kind: kind, Channel: channel, Created: now, Due: now.Add(-time.Second), Expires: now.Add(provider.MessageLife),
		Data: provider.MessageData{At: now, Until: now.Add(time.Hour), UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Address: "192.0.2.7", Name: "App"},
	}
	if kind.Code() {
		m.Data = provider.MessageData{At: now, Code: keyring().Seal(provider.ForMessage, []byte("123456"), provider.AAD("messages", "code", m.ID))}
		m.Expires = now.Add(10 * time.Minute)
	}
	if kind == provider.MessageDesk {
		m.To = "desk@example.com"
	}
	for _, change := range edit {
		change(m)
	}
	if err := o.store.CreateMessage(o.t.Context(), m); err != nil {
		o.t.Fatal(err)
	}
	return m.ID
}

// left are the messages that are still in the outbox, also those that were put off.
func (o outbox) left() (all []provider.Message) {
	o.t.Helper()
	for _, ahead := range []time.Duration{9 * time.Minute, 71 * time.Hour} { // a code ends before a notice is due again
		due, err := storagetest.Outbox(o.t.Context(), o.store, time.Now().Add(ahead))
		if err != nil {
			o.t.Fatal(err)
		}
		for _, m := range due {
			if !slices.ContainsFunc(all, func(have provider.Message) bool { return have.ID == m.ID }) {
				all = append(all, m)
			}
		}
	}
	return all
}

// sink is a Sender that keeps what it is given.
type sink struct {
	mu      sync.Mutex
	letters []Letter
}

func (s *sink) send(_ context.Context, l Letter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.letters = append(s.letters, l)
	return nil
}

func (s *sink) got() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Letter(nil), s.letters...)
}

// eventually waits until is holds.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

// start runs w until t ends.
func start(t testing.TB, w *Worker) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
}

func TestEveryKindReachesTheFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "outbox")
	o := newOutbox(t, storagetest.Open(t))
	for kind := range kinds {
		o.write(kind, provider.ChannelMail)
		o.write(kind, provider.ChannelSMS)
	}
	if err := worker(t, o.store, Folder(dir)).Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) != 2*len(kinds) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		head, body, _ := strings.Cut(string(text), "\n\n")
		ok := strings.HasPrefix(head, "To: karin@example.com\nChannel: mail\nSubject: Example Card: ") || strings.HasPrefix(head, "To: +46700000001\nChannel: sms\nSubject: ") ||
			strings.HasPrefix(head, "To: desk@example.com\nChannel: ")
		if err != nil || !ok || len(body) < 40 || strings.Contains(body, "http") {
			t.Errorf("%s: %v\n%s", path, err, text)
		}
	}
	if left := o.left(); len(left) != 0 {
		t.Errorf("still in the outbox: %v", left)
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	o, out := newOutbox(t, storagetest.Open(t)), new(sink)
	o.write(provider.MessageCode, provider.ChannelSMS, func(m *provider.Message) { m.To = "+46700000009" })
	o.write(provider.MessageCodeContact, provider.ChannelMail, func(m *provider.Message) { m.To = "new@example.com" })
	moved := o.write(provider.MessageCode, provider.ChannelMail, func(m *provider.Message) { m.ID = "another row" })
	err := worker(t, o.store, out.send).Deliver(t.Context())
	if err == nil || !strings.Contains(err.Error(), moved) || strings.Contains(err.Error(), "123456") {
		t.Errorf("a sealed code in another row: %v", err)
	}
	for _, l := range out.got() {
		switch {
		case l.To == "+46700000009" && l.Subject == "" && l.Body == "123456 är din kod hos Example Card. Ge den aldrig till någon som ringer dig.\n\n@id.example.com #123456":
		case l.To == "new@example.com" && l.Subject == "Example Card: bekräfta din mejladress" && strings.HasPrefix(l.Body, "123456 är din kod hos Example Card."):
		default:
			t.Errorf("sent: %+v", l)
		}
	}
	if len(out.got()) != 2 {
		t.Errorf("%d letters", len(out.got()))
	}
}

func TestFailureIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	o, out := newOutbox(t, storagetest.Open(t)), new(sink)
	o.write(provider.MessageLocked, provider.ChannelMail)
	down := true
	w := worker(t, o.store, func(ctx context.Context, l Letter) error {
		if down {
			return errors.New("connection refused")
		}
		return out.send(ctx, l)
	})
	clock := time.Now()
	w.set.Now = func() time.Time { return clock }
	for _, pause := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
		if err := w.Deliver(t.Context()); err == nil {
			t.Fatal("a failed delivery was not reported")
		}
		clock = clock.Add(pause - time.Second)
		if err := w.Deliver(t.Context()); err != nil {
			t.Fatalf("tried again before %s: %v", pause, err)
		}
		clock = clock.Add(time.Second)
	}
	down = false
	if err := w.Deliver(t.Context()); err != nil || len(out.got()) != 1 || len(o.left()) != 0 {
		t.Fatalf("sent %d, %v", len(out.got()), err)
	}
}

func TestCodesAreTriedAgainSoonAndNotAfterTheirTime(t *testing.T) {
	t.Parallel()
	o := newOutbox(t, storagetest.Open(t))
	o.write(provider.MessageCode, provider.ChannelSMS)
	tries := 0
	w := worker(t, o.store, func(context.Context, Letter) error { tries++; return errors.New("down") })
	clock := time.Now()
	w.set.Now = func() time.Time { return clock }
	for _, pause := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second} {
		_ = w.Deliver(t.Context())
		clock = clock.Add(pause)
	}
	if tries != 4 {
		t.Errorf("%d tries", tries)
	}
	clock = clock.Add(time.Hour)
	if err := w.Deliver(t.Context()); err != nil || tries != 4 {
		t.Errorf("an expired code was tried: %v", err)
	}
}

func TestRefusedForGoodIsForgotten(t *testing.T) {
	t.Parallel()
	o := newOutbox(t, storagetest.Open(t))
	o.write(provider.MessageLocked, provider.ChannelMail)
	var outcomes []string
	var lines bytes.Buffer
	w := worker(t, o.store, func(context.Context, Letter) error { return fmt.Errorf("no such mailbox: %w", Permanent) })
	w.set.Log = slog.New(slog.NewJSONHandler(&lines, nil))
	w.set.Stats = func(k provider.MessageKind, c provider.Channel, o Outcome) {
		outcomes = append(outcomes, fmt.Sprint(k, c, o))
	}
	if err := w.Deliver(t.Context()); err != nil || len(o.left()) != 0 {
		t.Errorf("%v, left %v", err, o.left())
	}
	if len(outcomes) != 1 || outcomes[0] != "lockedmailrefused" || !strings.Contains(lines.String(), `"reason":"no such mailbox: refused for good"`) || strings.Contains(lines.String(), "karin") {
		t.Errorf("outcomes %q, log %s", outcomes, &lines)
	}
}

func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	store := storagetest.Open(t)
	o := newOutbox(t, store)
	now := time.Now()
	if err := store.CreateAccount(t.Context(), &provider.Account{ID: "bare", UserID: "Bare", Status: provider.AccountActive, Created: now, Updated: now, Profile: provider.Profile{PhoneNumber: "+46700000002"}}); err != nil {
		t.Fatal(err)
	}
	of := func(id string) func(*provider.Message) { return func(m *provider.Message) { m.AccountID = id } }
	o.write(provider.MessageLocked, provider.ChannelMail, of("gone"))
	o.write(provider.MessageLocked, provider.ChannelMail, of("bare"))
	o.write(provider.MessageLocked, provider.ChannelSMS, of("bare")) // its number is not proven
	o.write(provider.MessageDesk, provider.ChannelMail, func(m *provider.Message) { m.To = "" })
	w := worker(t, store, func(context.Context, Letter) error { t.Error("sent to nobody"); return nil })
	if err := w.Deliver(t.Context()); err != nil || len(o.left()) != 0 {
		t.Fatalf("%v, left %v", err, o.left())
	}
}

func TestChannelWithoutSender(t *testing.T) {
	t.Parallel()
	o, out := newOutbox(t, storagetest.Open(t)), new(sink)
	o.write(provider.MessageLocked, provider.ChannelSMS)
	mail := o.write(provider.MessageLocked, provider.ChannelMail)
	var lines bytes.Buffer
	w := workerOf(t, o.store, map[provider.Channel]Sender{provider.ChannelMail: out.send})
	w.set.Log = slog.New(slog.NewJSONHandler(&lines, nil))
	if err := w.Deliver(t.Context()); err != nil || len(o.left()) != 0 || len(out.got()) != 1 || out.got()[0].ID != mail {
		t.Errorf("%v, left %v, sent %v", err, o.left(), out.got())
	}
	if strings.Count(lines.String(), "no sender for this channel") != 1 {
		t.Errorf("log: %s", &lines)
	}
}

func TestCodesGoBeforeNotices(t *testing.T) {
	t.Parallel()
	o, out := newOutbox(t, storagetest.Open(t)), new(sink)
	for range 5 * batch { // more than one look at the outbox shows
		o.write(provider.MessageLocked, provider.ChannelMail, func(m *provider.Message) { m.Due = m.Due.Add(-time.Hour) })
	}
	code := o.write(provider.MessageCode, provider.ChannelMail)
	if err := worker(t, o.store, out.send).Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := out.got(); len(got) != 5*batch+1 || got[0].ID != code {
		t.Errorf("%d sent, the code is not first", len(got))
	}
}

func TestACodeOvertakesNoticesUnderWay(t *testing.T) {
	t.Parallel()
	o, out := newOutbox(t, storagetest.Open(t)), new(sink)
	for range 50 {
		o.write(provider.MessageLocked, provider.ChannelMail)
	}
	w := worker(t, o.store, func(ctx context.Context, l Letter) error {
		time.Sleep(100 * time.Millisecond)
		return out.send(ctx, l)
	})
	start(t, w)
	eventually(t, "the first notice", func() bool { return len(out.got()) > 0 })
	code := o.write(provider.MessageCode, provider.ChannelMail)
	w.Wake()
	eventually(t, "the code", func() bool { return slices.ContainsFunc(out.got(), func(l Letter) bool { return l.ID == code }) })
	if n := len(out.got()); n > 20 {
		t.Errorf("it came after %d notices", n)
	}
}

func TestParallelWorkersSendOnce(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		o := newOutbox(t, store)
		const messages = 25
		for range messages {
			o.write(provider.MessageFactorAdded, provider.ChannelMail)
		}
		var sent atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			w := worker(t, store, func(context.Context, Letter) error { sent.Add(1); return nil })
			all.Go(func() {
				if err := w.Deliver(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if sent.Load() != messages || len(o.left()) != 0 {
			t.Errorf("%d messages sent %d times, %d left", messages, sent.Load(), len(o.left()))
		}
	})
}

func TestADeadChannelHoldsUpNothing(t *testing.T) {
	t.Parallel()
	o, out := newOutbox(t, storagetest.Open(t)), new(sink)
	for range 5 * batch {
		o.write(provider.MessageLocked, provider.ChannelMail, func(m *provider.Message) { m.Due = m.Due.Add(-time.Hour) })
	}
	stuck := make(chan struct{}, 1)
	w := workerOf(t, o.store, map[provider.Channel]Sender{
		provider.ChannelSMS:  out.send,
		provider.ChannelMail: func(ctx context.Context, _ Letter) error { stuck <- struct{}{}; <-ctx.Done(); return ctx.Err() },
	})
	w.pace.grace = 50 * time.Millisecond
	start(t, w)
	<-stuck
	began := time.Now()
	o.write(provider.MessageCode, provider.ChannelSMS)
	w.Wake()
	eventually(t, "the text message", func() bool { return len(out.got()) == 1 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestWake(t *testing.T) {
	t.Parallel()
	o, out := newOutbox(t, storagetest.Open(t)), new(sink)
	w := worker(t, o.store, out.send)
	w.pace.poll = time.Hour
	start(t, w)
	time.Sleep(50 * time.Millisecond)
	o.write(provider.MessageCode, provider.ChannelSMS)
	w.Wake()
	eventually(t, "the code", func() bool { return len(out.got()) == 1 })
}

func TestStoppingLetsALetterArrive(t *testing.T) {
	t.Parallel()
	o := newOutbox(t, storagetest.Open(t))
	o.write(provider.MessageLocked, provider.ChannelMail)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := worker(t, o.store, func(ctx context.Context, _ Letter) error {
		stop()
		time.Sleep(20 * time.Millisecond)
		return ctx.Err()
	})
	w.Run(ctx)
	if left := o.left(); len(left) != 0 {
		t.Errorf("a letter that had arrived will be sent again: %v", left)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := Settings{Store: storagetest.Open(t), UI: pages(), Keys: keyring()}
	for want, edit := range map[string]func(*Settings){
		"Store":   func(s *Settings) { s.Store = nil },
		"UI":      func(s *Settings) { s.UI = nil },
		"Keys":    func(s *Settings) { s.Keys = nil },
		"pigeon":  func(s *Settings) { s.Senders = map[provider.Channel]Sender{"pigeon": new(sink).send} },
		"Senders": func(s *Settings) { s.Senders = map[provider.Channel]Sender{provider.ChannelMail: nil} },
	} {
		set := good
		edit(&set)
		if w, err := New(set); err == nil || w != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}
