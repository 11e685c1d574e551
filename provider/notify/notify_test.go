package notify

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
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

func TestMain(m *testing.M) { storagetest.Main(m) }

func worker(t *testing.T, store *storage.Store, send Sender) *Worker {
	t.Helper()
	ui, err := loginui.New(loginui.Settings{Brand: "Example Card", Origin: "https://id.example.com", Phone: "010-000 00 00"})
	if err != nil {
		t.Fatal(err)
	}
	return New(store, ui, send, slog.New(slog.DiscardHandler))
}

// notice puts one notice for a Swedish cardholder into the outbox.
func notice(t *testing.T, store *storage.Store, kind provider.MessageKind) {
	t.Helper()
	now := time.Now()
	a := &provider.Account{ID: "account", UserID: "KarinEk", Status: provider.AccountActive, Locale: "sv", Profile: provider.Profile{Email: "karin@example.com"}, Created: now, Updated: now}
	if err := store.CreateAccount(t.Context(), a); err != nil && !errors.Is(err, provider.Exists) {
		t.Fatal(err)
	}
	err := store.CreateMessage(t.Context(), &provider.Message{
		ID: provider.NewID(), AccountID: "account", Kind: kind, Created: now, Due: now.Add(-time.Second), Expires: now.Add(provider.MessageLife),
		Data: provider.MessageData{At: now, Until: now.Add(time.Hour), UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Address: "192.0.2.7", Name: "App"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryKindReachesTheFolder(t *testing.T) {
	t.Parallel()
	store, dir := storagetest.Open(t), filepath.Join(t.TempDir(), "outbox")
	for kind := range kinds {
		notice(t, store, kind)
	}
	if err := worker(t, store, Folder(dir)).Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) != len(kinds) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(text), "To: karin@example.com\nSubject: ") || strings.Contains(string(text), "http") {
			t.Errorf("%s: %v\n%s", path, err, text)
		}
	}
	if due, err := store.DueMessages(t.Context(), time.Now().Add(time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("still in the outbox: %v, %v", due, err)
	}
}

func TestFailureIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	store := storagetest.Open(t)
	notice(t, store, provider.MessageLocked)
	var sent []Letter
	down := true
	w := worker(t, store, func(_ context.Context, l Letter) error {
		if down {
			return errors.New("connection refused")
		}
		sent = append(sent, l)
		return nil
	})
	if err := w.Deliver(t.Context()); err == nil {
		t.Fatal("a failed delivery was not reported")
	}
	if err := w.Deliver(t.Context()); err != nil {
		t.Fatalf("tried again at once: %v", err)
	}
	down = false
	w.now = func() time.Time { return time.Now().Add(2 * lease) }
	if err := w.Deliver(t.Context()); err != nil || len(sent) != 1 {
		t.Fatalf("sent %d, %v", len(sent), err)
	}
}

func TestParallelWorkersSendOnce(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		notice(t, store, provider.MessageFactorAdded)
		var sent atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			w := worker(t, store, func(context.Context, Letter) error { sent.Add(1); return nil })
			all.Go(func() {
				if err := w.Deliver(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if sent.Load() != 1 {
			t.Errorf("sent %d times", sent.Load())
		}
	})
}

func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	store := storagetest.Open(t)
	now := time.Now()
	if err := store.CreateMessage(t.Context(), &provider.Message{ID: "m", AccountID: "gone", Kind: provider.MessageLocked, Created: now, Due: now.Add(-time.Second), Expires: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	w := worker(t, store, func(context.Context, Letter) error { t.Error("sent to nobody"); return nil })
	if err := w.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBrowserName(t *testing.T) {
	t.Parallel()
	for userAgent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0": "Edge, Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/604.1":     "Safari, iPhone",
		"curl/8.0": "",
		"":         "",
	} {
		if got := browserName(userAgent); got != want {
			t.Errorf("%s: %q, want %q", userAgent, got, want)
		}
	}
}
