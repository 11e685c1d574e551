package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cardea/config"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cardea": main})
}

// TestScripts runs the binary as an operator does.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireUniqueNames: true, RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"issuer": scriptIssuer, "status": scriptStatus, "capture": scriptCapture, "until": scriptUntil, "token": scriptToken,
		},
	})
}

// scriptIssuer makes a configuration with a key of its own and lets CARDEA_CONFIG
// name it. The file given is put behind it.
//
//	issuer [FILE]
func scriptIssuer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: issuer [FILE]")
	}
	more := ""
	if len(args) == 1 {
		more = ts.ReadFile(args[0])
	}
	issuer, private := freeAddress(ts), freeAddress(ts)
	text := fmt.Sprintf("issuer: http://%s\nlisten: %s\nmetrics:\n  listen: %s\ndatabase:\n  url: sqlite:cardea.db\nsecrets:\n  keys:\n    - id: k1\n      key_file: sealing.key\n%s",
		issuer, issuer, private, more)
	ts.Check(os.WriteFile(ts.MkAbs("cardea.yaml"), []byte(text), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("sealing.key"), []byte(config.NewSecretKey()+"\n"), 0o600))
	ts.Setenv("CARDEA_CONFIG", ts.MkAbs("cardea.yaml"))
	ts.Setenv("ISSUER", "http://"+issuer)
	ts.Setenv("PRIVATE", "http://"+private)
}

func freeAddress(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Check(l.Close())
	return l.Addr().String()
}

// scriptStatus runs a program and wants one exit code.
//
//	status CODE PROGRAM ARGUMENT…
func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE PROGRAM ARGUMENT…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// scriptCapture sets a variable to the first group that a pattern finds in stdout.
//
//	capture NAME PATTERN
func scriptCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME PATTERN")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("stdout has no %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// scriptUntil asks an address until it answers with a status and a text.
//
//	until URL STATUS [TEXT]
func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: until URL STATUS [TEXT]")
	}
	patiently(ts, args[1]+" "+strings.Join(args[2:], ""), func() (string, bool) {
		got, body := answer(http.Get(args[0]))
		return got + " " + body, got == args[1] && (len(args) == 2 || strings.Contains(body, args[2]))
	})
}

// scriptToken asks for a token with a client's own credentials until the answer has
// a status: running servers hear of changes within seconds.
//
//	token CLIENT SECRET STATUS
func scriptToken(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: token CLIENT SECRET STATUS")
	}
	patiently(ts, args[2], func() (string, bool) {
		form := url.Values{"grant_type": {"client_credentials"}}
		r, err := http.NewRequest(http.MethodPost, ts.Getenv("ISSUER")+"/oauth2/token", strings.NewReader(form.Encode()))
		ts.Check(err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(args[0], args[1])
		got, body := answer(http.DefaultClient.Do(r))
		return got + " " + body, got == args[2]
	})
}

func answer(r *http.Response, err error) (status, body string) {
	if err != nil {
		return "", err.Error()
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err.Error()
	}
	return strconv.Itoa(r.StatusCode), string(text)
}

func patiently(ts *testscript.TestScript, want string, try func() (got string, ok bool)) {
	end := time.Now().Add(20 * time.Second)
	for {
		got, ok := try()
		switch {
		case ok:
			return
		case time.Now().After(end):
			ts.Fatalf("got %s, want %s", got, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestManual holds README.md to the commands and flags that there are.
func TestManual(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	root := rootCommand()
	commands := 0
	for _, line := range strings.Split(string(text), "\n") {
		_, line, found := strings.Cut("\n"+strings.TrimPrefix(line, "$ "), "\ncardea ")
		if !found {
			continue
		}
		commands++
		c, rest, err := root.Find(strings.Fields(line))
		if err != nil || c == root || c.HasSubCommands() {
			t.Errorf("the manual has %q, which is no command", line)
			continue
		}
		for _, word := range rest {
			name, isFlag := strings.CutPrefix(word, "--")
			name, _, _ = strings.Cut(name, "=")
			if isFlag && name != "" && c.Flags().Lookup(name) == nil && root.PersistentFlags().Lookup(name) == nil {
				t.Errorf("the manual has %q, and the command has no flag --%s", line, name)
			}
		}
	}
	if commands < 20 {
		t.Errorf("the manual shows %d commands, want every one", commands)
	}
	if matches, _ := filepath.Glob("testdata/*.txt"); len(matches) == 0 {
		t.Error("there are no scripts")
	}
}
