package browsertest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

var screens = flag.String("screens", "", "folder to save a picture of every state in")

// chromium is the one browser process of this test binary; every test has windows
// and cookies of its own in it.
var chromium = sync.OnceValues(launch)

// quit ends the browser when one was started.
var quit = func() error { return nil }

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if err := quit(); err != nil {
		fmt.Fprintln(os.Stderr, "closing Chromium:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func launch() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "cardea-chromium-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("lang", "en"))
	parent, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(parent)
	quit = func() error {
		err := chromedp.Cancel(ctx)
		stop()
		if gone := os.RemoveAll(profile); err == nil {
			err = gone
		}
		return err
	}
	return ctx, chromedp.Do(ctx)
}
