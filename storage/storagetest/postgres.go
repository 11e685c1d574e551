package storagetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"cardea/storage"
)

// Environment names an administrator's address, such as
// postgres://postgres@127.0.0.1:5432/postgres: when set, test databases are made
// there and no server is started.
const Environment = "CARDEA_TEST_POSTGRES"

// server is the PostgreSQL of this test binary.
type server struct {
	admin    *sql.DB
	address  *url.URL
	template string // a migrated database, copied for every test
	stop     func()
}

var (
	started  = sync.OnceValues(startPostgres)
	database atomic.Int64 // numbers the test databases
	running  atomic.Pointer[server]
)

// Postgres gives the address of an empty, migrated PostgreSQL database, dropped
// when t ends. The first call starts the server.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres(t, func(s *server) string { return s.template })
}

func postgres(t testing.TB, template func(*server) string) string {
	t.Helper()
	s, err := started()
	if err != nil {
		t.Fatalf("no PostgreSQL to test with: %v\nRun .ci/test, or install the package postgresql, or set %s.", err, Environment)
	}
	name := s.name(database.Add(1))
	if _, err := s.admin.ExecContext(t.Context(), fmt.Sprintf(`CREATE DATABASE %s TEMPLATE %s`, name, template(s))); err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	t.Cleanup(func() { s.drop(name) })
	return s.url(name)
}

// name is different for every test binary that uses the same server.
func (s *server) name(n int64) string { return fmt.Sprintf("cardea_test_%d_%d", os.Getpid(), n) }

func (s *server) url(name string) string {
	u := *s.address
	u.Path = "/" + name
	return u.String()
}

func (s *server) drop(name string) {
	_, _ = s.admin.ExecContext(context.Background(), `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`)
}

func startPostgres() (*server, error) {
	s := &server{stop: func() {}}
	var err error
	if given := os.Getenv(Environment); given != "" {
		if s.address, err = url.Parse(given); err != nil {
			return nil, fmt.Errorf("%s is not a postgres:// address", Environment)
		}
	} else if err := s.launch(); err != nil {
		return nil, err
	}
	if s.admin, err = sql.Open("pgx", s.address.String()); err == nil {
		err = s.migrateTemplate()
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	running.Store(s)
	return s, nil
}

func (s *server) migrateTemplate() error {
	ctx := context.Background()
	s.template = s.name(0)
	if _, err := s.admin.ExecContext(ctx, `CREATE DATABASE `+s.template+` ENCODING 'UTF8' TEMPLATE template0`); err != nil {
		return err
	}
	store, err := storage.Open(ctx, storage.Settings{URL: s.url(s.template), MaxConnections: 2})
	if err != nil {
		return err
	}
	return errors.Join(store.Migrate(ctx), store.Close())
}

func stopPostgres() {
	if s := running.Load(); s != nil {
		s.drop(s.template)
		_ = s.admin.Close()
		s.stop()
	}
}

// launch makes a cluster in a temporary folder and starts it. What a crash would lose does not matter here, so nothing is fsynced.
func (s *server) launch() error {
	initdb, err := program("initdb")
	if err != nil {
		return err
	}
	postgres, err := program("postgres")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cardea-postgres-")
	if err != nil {
		return err
	}
	owner, err := ownerOf(dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	if err := run(owner, dir, initdb, "-D", data, "-U", "cardea", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	s.address = &url.URL{Scheme: "postgres", Host: "localhost", Path: "/postgres",
		RawQuery: url.Values{"host": {dir}, "user": {"cardea"}, "sslmode": {"disable"}}.Encode()}
	s.stop, err = serve(owner, dir, postgres, "-D", data, "-k", dir, "-h", "", "-F",
		"-c", "shared_buffers=16MB", "-c", "max_connections=200", "-c", "full_page_writes=off", "-c", "autovacuum=off")
	if err != nil {
		return err
	}
	if err := s.answers(); err != nil {
		s.stop()
		return err
	}
	return nil
}

// keeper runs a server until the tests let go of its standard input, also when they
// crash, and then removes the folder.
const keeper = `"$@" & server=$!; read -r _; kill -QUIT $server; wait $server; rm -rf "$PWD"`

// serve starts the server, reachable through a socket in dir, which needs no port.
func serve(owner *syscall.Credential, dir string, args ...string) (stop func(), err error) {
	cmd, _ := command(owner, dir, "sh", append([]string{"-c", keeper, "keeper"}, args...)...)
	hold, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return func() {
		_ = hold.Close()
		_ = cmd.Wait() // the server was told to quit: its exit status says so
		_ = os.RemoveAll(dir)
	}, nil
}

// answers waits until the server takes connections.
func (s *server) answers() error {
	db, err := sql.Open("pgx", s.address.String())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = db.Ping(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// program finds one of PostgreSQL's programs, which distributions keep out of PATH.
func program(name string) (string, error) {
	if found, err := exec.LookPath(name); err == nil {
		return found, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is neither in PATH nor in /usr/lib/postgresql", name)
	}
	return slices.Max(found), nil
}

// ownerOf gives dir to the user postgres when the tests run as root, because
// PostgreSQL refuses to run as root; nil = run as ourselves.
func ownerOf(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}

func command(owner *syscall.Credential, dir, name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(name, args...)
	var output bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	return cmd, &output
}

func run(owner *syscall.Credential, dir, name string, args ...string) error {
	cmd, output := command(owner, dir, name, args...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, output)
	}
	return nil
}
