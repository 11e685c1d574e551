package notify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// crashEnvironment makes the test binary a worker: "port url".
const crashEnvironment = "CARDEA_TEST_NOTIFY_WORKER"

// crashWorker delivers the outbox of a database to a mail server until it is killed.
func crashWorker() int {
	if err := deliverUntilKilled(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

func deliverUntilKilled() error {
	var port int
	var url string
	if _, err := fmt.Sscan(os.Getenv(crashEnvironment), &port, &url); err != nil {
		return err
	}
	ctx := context.Background()
	store, err := storage.Open(ctx, storage.Settings{URL: url, MaxConnections: 4})
	if err != nil {
		return err
	}
	send, err := SMTP(SMTPSettings{Host: "127.0.0.1", Port: port, TLS: "none", From: "no-reply@example.com"})
	if err != nil {
		return err
	}
	w, err := New(Settings{Store: store, UI: pages(), Keys: keyring(), Senders: map[provider.Channel]Sender{provider.ChannelMail: send}})
	if err != nil {
		return err
	}
	w.pace.poll, w.pace.try, w.pace.lease = 20*time.Millisecond, 4*time.Second, 5*time.Second
	w.Run(ctx)
	return nil
}

// TestCrash kills the delivering process again and again, also between the mail
// server's acceptance of a letter and its removal: none may be lost, and each kill may
// repeat one at most.
func TestCrash(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		crash(t, "sqlite:"+filepath.Join(t.TempDir(), "cardea.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		crash(t, storagetest.Postgres(t))
	})
}

const (
	crashMessages = 60
	crashKills    = 8
)

func crash(t *testing.T, url string) {
	server := newPost(t)
	server.pause = func() { time.Sleep(time.Duration(rand.IntN(15)) * time.Millisecond) } // after acceptance, before the answer
	o := newOutbox(t, storagetest.Connect(t, url))
	want := map[string]int{}
	for range crashMessages {
		want[o.write(provider.MessageLocked, provider.ChannelMail)] = 0
	}
	for kill := range crashKills {
		child := launch(t, server.port(), url)
		before := len(server.got())
		eventually(t, "another delivery", func() bool { return len(server.got()) > before || len(server.got()) >= crashMessages })
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		child.kill(t)
		if kill%2 == 0 { // some are written while nobody delivers
			want[o.write(provider.MessageLocked, provider.ChannelMail)] = 0
		}
	}
	launch(t, server.port(), url)
	eventually(t, "an empty outbox", func() bool { return len(o.left()) == 0 })
	for _, m := range server.got() {
		if _, ours := want[m.id]; !ours {
			t.Errorf("a letter that nobody wrote: %q", m.id)
		}
		want[m.id]++
	}
	doubles := 0
	for id, times := range want {
		if times == 0 {
			t.Errorf("message %s is lost", id)
		}
		doubles += max(times-1, 0)
	}
	if doubles > crashKills {
		t.Errorf("%d letters too many after %d kills", doubles, crashKills)
	}
	t.Logf("%d messages, %d kills, %d sent twice", len(want), crashKills, doubles)
}

// child is a delivering process.
type child struct {
	cmd  *exec.Cmd
	dead bool
}

func launch(t *testing.T, port int, url string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), crashEnvironment+"="+strconv.Itoa(port)+" "+url)
	c.cmd.Stderr = t.Output()
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.kill(t) })
	return c
}

func (c *child) kill(t *testing.T) {
	if c.dead {
		return
	}
	c.dead = true
	if err := c.cmd.Process.Kill(); err != nil { // SIGKILL
		t.Errorf("the worker had ended by itself: %v", err)
	}
	_ = c.cmd.Wait() // killed
}
