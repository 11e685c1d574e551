package config

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// canary stands for a secret: no error and no print may have it.
const canary = "s3cr3t-canary-9f2b"

var goodKey = base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))

// good is a file that passes; tests add lines to it.
var good = "issuer: https://id.example.com\nproxy: {trusted: [10.0.0.0/8]}\n" +
	"database: {url: \"sqlite:cardea.db\"}\nsecrets: {keys: [{id: k1, key: " + goodKey + "}]}\n"

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

// load loads a text and checks what must hold for every load: no canary anywhere.
func load(t *testing.T, text string, environ ...string) (Config, string) {
	t.Helper()
	path := write(t, "cardea.yaml", text, 0o600)
	c, err := Load(path, environ)
	if err == nil {
		return c, ""
	}
	if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), goodKey) {
		t.Errorf("error quotes a secret: %v", err)
	}
	return c, strings.ReplaceAll(err.Error(), path, "cardea.yaml")
}

func TestLoadReadsEveryKindOfOption(t *testing.T) {
	t.Parallel()
	c, fault := load(t, good+`
listen: ":9000"
session: {idle: 5m, absolute: 1d}
sign_in:
  lockout:
    attempts: 3
password:
  require_classes: true
  argon2: {memory_kib: 47104, time: 1, parallelism: 2}
apis:
  - audience: https://api.example.com/cards
    name: Cards
    introspect_clients: [gateway]
    scopes:
      - name: cards.read
        title: {en: See your cards, sv: Se dina kort}
brand:
  phone: 0201234
  hours: |-
    9–17
`)
	if fault != "" {
		t.Fatal(fault)
	}
	want := Default()
	want.Issuer, want.Listen = "https://id.example.com", ":9000"
	want.Proxy.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	want.Database.URL = NewDatabaseURL("sqlite:cardea.db")
	want.Secrets.Keys = []Key{{ID: "k1", Key: NewSecret(goodKey)}}
	want.Session = Session{Idle: Duration(5 * time.Minute), Absolute: Duration(24 * time.Hour)}
	want.SignIn.Lockout.Attempts = 3
	want.Password.RequireClasses = true
	want.Password.Argon2 = Argon2{MemoryKiB: 47104, Time: 1, Parallelism: 2}
	want.APIs = []API{{
		Audience: "https://api.example.com/cards", Name: "Cards", IntrospectClients: []string{"gateway"},
		Scopes: []Scope{{Name: "cards.read", Title: Text{EN: "See your cards", SV: "Se dina kort"}}},
	}}
	want.Brand.Phone, want.Brand.Hours = "0201234", "9–17"
	if diff := compare(want, c); diff != "" {
		t.Error(diff)
	}
}

func compare(want, got Config) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(Secret{}, DatabaseURL{}, concealed{}), cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty())
}

func TestDefaultLacksOnlyWhatHasNoDefault(t *testing.T) {
	t.Parallel()
	c := Default()
	if got := time.Duration(c.Tokens.RefreshIdle); got != 14*24*time.Hour {
		t.Errorf("refresh_idle = %v, want 336h", got)
	}
	if c.SignIn.SecondFactor != "required" || c.Password.Argon2.MemoryKiB != 19456 || c.Tokens.Signing.RotateEvery != 0 {
		t.Errorf("defaults not filled in: %+v", c)
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("the defaults alone pass")
	}
	var places []string
	for _, line := range strings.Split(err.Error(), "\n") {
		place, _, _ := strings.Cut(line, ":")
		places = append(places, place)
	}
	if diff := cmp.Diff([]string{"issuer", "tls", "database.url", "secrets.keys"}, places); diff != "" {
		t.Error(diff)
	}
}

func TestFileFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"unknown option", good + "sesion: " + canary, "cardea.yaml:5:1: unknown option; those known here are issuer, listen"},
		{"unknown nested option", good + "session:\n  idel: 5m", "cardea.yaml:6:3: session: unknown option; those known here are idle, absolute"},
		{"secret as option name", good + canary + ": 1", "cardea.yaml:5:1: unknown option"},
		{"option twice", good + "issuer: https://" + canary, "cardea.yaml:5:1: issuer: set twice, first on line 1"},
		{"nested option twice", good + "session:\n  idle: 5m\n  absolute: 1h\n  idle: 6m", "cardea.yaml:8:3: session.idle: set twice, first on line 6"},
		{"option twice in a list", strings.Replace(good, "{id: k1,", "{id: k1, id: k2,", 1), "secrets.keys[0].id: set twice"},
		{"text for a number", good + "password: {queue: " + canary + "}", "cardea.yaml:5:19: password.queue: not a whole number"},
		{"text for a small number", good + "password: {argon2: {time: " + canary + "}}", "password.argon2.time: not a whole number"},
		{"negative small number", good + "password: {argon2: {time: -1}}", "password.argon2.time: not a whole number"},
		{"number too big", good + "password: {argon2: {parallelism: 256}}", "password.argon2.parallelism: not a whole number that fits"},
		{"fraction", good + "password: {queue: 1.5}", "password.queue: not a whole number"},
		{"text for a switch", good + "password: {require_classes: " + canary + "}", "password.require_classes: neither true nor false"},
		{"yes for a switch", good + "password: {require_classes: yes}", "password.require_classes: neither true nor false"},
		{"text for a duration", good + "session: {idle: " + canary + "}", "session.idle: not a duration"},
		{"number for a duration", good + "session: {idle: 15}", "session.idle: not a duration; write a number and a unit"},
		{"text for a range", good + "\nproxy2: 1\nproxy: {trusted: [" + canary + "]}", "unknown option"},
		{"bad range", strings.Replace(good, "10.0.0.0/8", canary, 1), "cardea.yaml:2:19: proxy.trusted[0]: not an address range"},
		{"address for a range", strings.Replace(good, "10.0.0.0/8", "10.0.0.1", 1), "proxy.trusted[0]: not an address range"},
		{"text for a group", good + "session: " + canary, "cardea.yaml:5:10: session: not a group of options"},
		{"list for a group", good + "session: [" + canary + "]", "session: not a group of options"},
		{"text for a list", good + "apis: " + canary, "cardea.yaml:5:7: apis: not a list"},
		{"group for a list", good + "apis: {name: " + canary + "}", "apis: not a list"},
		{"group for a text", good + "listen: {a: " + canary + "}", "listen: not a single value"},
		{"list for a text", good + "listen: [" + canary + "]", "listen: not a single value"},
		{"no value", good + "listen:", "cardea.yaml:5:9: listen: has no value"},
		{"null", good + "listen: null", "listen: has no value"},
		{"anchor", good + "listen: &a " + canary, "listen: anchors, aliases and tags are not supported"},
		{"alias", good + "listen: *" + canary, "listen: anchors, aliases and tags are not supported"},
		{"tag", good + "listen: !!binary " + canary, "listen: anchors, aliases and tags are not supported"},
		{"unknown tag", good + "listen: !" + canary + " x", "listen: anchors, aliases and tags are not supported"},
		{"merge", good + "session:\n  <<: {idle: 1m}", "session: unknown option"},
		{"second document", good + "---\n" + canary + ": 1", "a second YAML document"},
		{"bare secret", canary, "cardea.yaml:1:1: not a group of options"},
		{"not YAML", good + "session: {idle: " + canary, "not valid YAML"},
		{"open quote", good + "listen: \"" + canary, "cardea.yaml:5:9: not valid YAML"},
		{"tabs", good + "session:\n\tidle: " + canary, "not valid YAML"},
		{"bad escape", good + "listen: \"\\q" + canary + "\"", "not valid YAML"},
		{"wrong indentation", good + "session:\n    idle: 1m\n  absolute: " + canary, "not valid YAML"},
		{"not UTF-8", good + "listen: \xff\xfe" + canary, "cardea.yaml: not UTF-8"},
		{"UTF-16", "i\x00s\x00s\x00u\x00e\x00r\x00\xff", "not UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, got := load(t, tt.text)
			if !strings.Contains(got, tt.want) {
				t.Errorf("got  %q\nwant %q in it", got, tt.want)
			}
		})
	}
}

func TestFileForms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text string }{
		{"Windows line ends", strings.ReplaceAll(good, "\n", "\r\n") + "session:\r\n  absolute: 12h\r\n"},
		{"byte order mark", "\uFEFF" + good},
		{"comments and empty groups", "# one\n" + good + "# two\nsession:\n#  idle: 1m\napis:\n"},
		{"document marker", "---\n" + good + "...\n"},
		{"quoted numbers", good + "password: {queue: '128', require_classes: \"false\"}"},
		{"no line end at the end", strings.TrimSuffix(good, "\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, fault := load(t, tt.text)
			if fault != "" {
				t.Fatal(fault)
			}
			want, fault := load(t, good)
			if fault != "" {
				t.Fatal(fault)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(Secret{}, DatabaseURL{}, concealed{}), cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPositionWithWindowsLineEnds(t *testing.T) {
	t.Parallel()
	_, got := load(t, strings.ReplaceAll(good+"session:\n  idle: 5m\n  idle: 6m\n", "\n", "\r\n"))
	if want := "cardea.yaml:7:3: session.idle: set twice, first on line 6; keep one"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEmptyFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "{}"} {
		_, got := load(t, text)
		if !strings.Contains(got, "issuer: required") || !strings.Contains(got, "secrets.keys: required") {
			t.Errorf("%q: got %q, want the required options named", text, got)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, got := load(t, "isuer: x\nlisten: nowhere\nsession: {idle: soon, absolute: 99h}\ndatabase: {url: mysql://x}\n", "CARDEA_SESION_IDLE=1m", "CARDEA_PASSWORD_QUEUE=many")
	for _, want := range []string{
		"cardea.yaml:1:1: unknown option", "cardea.yaml:3:17: session.idle: not a duration",
		"CARDEA_SESION_IDLE: unknown variable", "CARDEA_PASSWORD_QUEUE: not a whole number",
		"\nissuer: required", "\nlisten: not an address and port", "\nsession.absolute: out of range; choose 15m to 1d",
		"\ndatabase.url: neither form known", "\nsecrets.keys: required", "\ntls: not set",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestBombsEndSoon(t *testing.T) {
	t.Parallel()
	aliases := "a0: &a0 [x]\n"
	for i := 1; i < 60; i++ {
		aliases += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	var indented strings.Builder
	for i := range 600 {
		indented.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for _, tt := range []struct{ name, text, want string }{
		{"huge file", "listen: " + strings.Repeat("x", maxFileSize), "larger than 256 KiB"},
		{"brackets", strings.Repeat("[", maxFileSize-1), "nested too deeply"},
		{"braces", strings.Repeat("{a: ", maxFileSize/5), "nested too deeply"},
		{"indentation", indented.String(), "nested too deeply"},
		{"dashes", strings.Repeat("- ", maxFileSize/3), "nested too deeply"},
		{"question marks", strings.Repeat("? ", maxFileSize/3), "nested too deeply"},
		{"aliases", aliases, "unknown option"},
		{"alias of itself", "session: &a\n  idle: *a\n", "anchors, aliases and tags"},
		{"tags", "listen: " + strings.Repeat("!a ", 50000) + "x", ""},
		{"anchors", "listen: " + strings.Repeat("&a ", 50000) + "x", ""},
		{"many unknown options", strings.Repeat("a: 1\n", 5000), "\nand 4904 more"},
		{"one long list", "proxy: {trusted: [" + strings.Repeat("a,", 20000) + "]}", "proxy.trusted[0]"},
		{"many quotes", strings.Repeat("\"a\" ", 20000), ""},
		{"many lines", strings.Repeat("a:\n", 80000), "more than 5000 lines"},
		{"many lines of an old Mac", strings.Repeat("a:\r", 80000), "more than 5000 lines"},
		{"many colons", strings.Repeat("a:", 50000), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, got := load(t, tt.text)
			if !strings.Contains(got, tt.want) || got == "" {
				t.Errorf("got %.200q, want %q in it", got, tt.want)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestUnreadableSettingsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := Load(path, nil); err == nil || err.Error() != path+": no such file or directory" {
		t.Errorf("got %v", err)
	}
	if _, err := Load(t.TempDir(), nil); err == nil {
		t.Error("a folder was taken for a settings file")
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	c, fault := load(t, good+"session: {idle: 5m}\nbrand: {phone: 0200}",
		"PATH=/bin", "CARDEAN=x", "NOEQUALS",
		"CARDEA_SESSION_IDLE=7m", "CARDEA_DATABASE_URL=postgres://u:p@db.example/cardea", "CARDEA_BRAND_NAME=Example=Bank, Ltd",
		"CARDEA_BRAND_PHONE=", "CARDEA_PROXY_TRUSTED=192.0.2.0/24, 2001:db8::/32", "CARDEA_SIGN_IN_LOCKOUT_ATTEMPTS=4",
		"CARDEA_PASSWORD_REQUIRE_CLASSES=true", "CARDEA_SECRETS_KEYS=new:"+goodKey+",old:"+hex.EncodeToString(make([]byte, 32)),
		"CARDEA_TOKENS_CODE=20s", "CARDEA_TOKENS_CODE=30s")
	if fault != "" {
		t.Fatal(fault)
	}
	want, _ := load(t, good)
	want.Session.Idle = Duration(7 * time.Minute)
	want.Database.URL = NewDatabaseURL("postgres://u:p@db.example/cardea")
	want.Brand.Name, want.Brand.Phone = "Example=Bank, Ltd", ""
	want.Proxy.Trusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	want.SignIn.Lockout.Attempts = 4
	want.Password.RequireClasses = true
	want.Secrets.Keys = []Key{{ID: "new", Key: NewSecret(goodKey)}, {ID: "old", Key: NewSecret(strings.Repeat("00", 32))}}
	want.Tokens.Code = Duration(30 * time.Second)
	if diff := compare(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestEnvironmentAlone(t *testing.T) {
	t.Parallel()
	c, err := Load("", []string{"CARDEA_ISSUER=http://localhost:8443", "CARDEA_DATABASE_URL=sqlite:x.db", "CARDEA_SECRETS_KEYS=k:" + goodKey})
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer != "http://localhost:8443" || c.Secrets.Keys[0].ID != "k" {
		t.Errorf("got %+v", c)
	}
}

func TestEnvironmentFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, variable, want string }{
		{"unknown", "CARDEA_SESION_IDLE=" + canary, "CARDEA_SESION_IDLE: unknown variable"},
		{"from Kubernetes", "CARDEA_PORT_8443_TCP=tcp://10.0.0.1:8443", "CARDEA_PORT_8443_TCP: unknown variable; see README.md for the names, or unset it (if Kubernetes"},
		{"a group", "CARDEA_SESSION=" + canary, "CARDEA_SESSION: unknown variable"},
		{"lower case", "CARDEA_session_idle=" + canary, "CARDEA_session_idle: unknown variable"},
		{"duration", "CARDEA_SESSION_IDLE=" + canary, "CARDEA_SESSION_IDLE: not a duration"},
		{"empty duration", "CARDEA_SESSION_IDLE=", "CARDEA_SESSION_IDLE: not a duration"},
		{"number", "CARDEA_PASSWORD_QUEUE=" + canary, "CARDEA_PASSWORD_QUEUE: not a whole number"},
		{"switch", "CARDEA_PASSWORD_REQUIRE_CLASSES=" + canary, "CARDEA_PASSWORD_REQUIRE_CLASSES: neither true nor false"},
		{"ranges", "CARDEA_PROXY_TRUSTED=10.0.0.0/8," + canary, "CARDEA_PROXY_TRUSTED: not an address range"},
		{"APIs", "CARDEA_APIS=" + canary, "CARDEA_APIS: cannot be set by a variable; set it in the file"},
		{"keys without id", "CARDEA_SECRETS_KEYS=" + canary, "CARDEA_SECRETS_KEYS: not a list of keys"},
		{"no keys", "CARDEA_SECRETS_KEYS=", "secrets.keys: required"},
		{"bad key", "CARDEA_SECRETS_KEYS=k:" + canary, "secrets.keys[0].key: not 32 bytes"},
		{"checked like the file", "CARDEA_SESSION_IDLE=2h", "session.idle: out of range"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, got := load(t, good, tt.variable)
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
		})
	}
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	const address = "postgres://cardea:" + canary + "@db.example/cardea"
	setup := func(t *testing.T, key string, keyMode os.FileMode) (settings string) {
		settings = write(t, "cardea.yaml", "issuer: http://127.0.0.1:8443\ndatabase: {url_file: db/url}\nsecrets:\n  keys:\n  - {id: k1, key_file: k1.key}\n", 0o644)
		dir := filepath.Dir(settings)
		if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
			t.Fatal(err)
		}
		for path, text := range map[string]string{"db/url": address + "\r\n", "k1.key": key} {
			path = filepath.Join(dir, path)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, "k1.key"), keyMode); err != nil {
			t.Fatal(err)
		}
		return settings
	}
	t.Run("read, one line end dropped", func(t *testing.T) {
		t.Parallel()
		c, err := Load(setup(t, goodKey+"\n", 0o440), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Database.URL.Reveal(); got != address {
			t.Errorf("database.url = %q", got)
		}
		if got := c.Secrets.Keys[0].Key.Reveal(); got != goodKey {
			t.Errorf("key = %q", got)
		}
		if !filepath.IsAbs(c.Secrets.Keys[0].KeyFile) {
			t.Errorf("key_file = %q, want it joined to the settings file's folder", c.Secrets.Keys[0].KeyFile)
		}
	})
	for _, mode := range []os.FileMode{0o644, 0o602, 0o601} {
		t.Run(fmt.Sprintf("refused with mode %o", mode), func(t *testing.T) {
			t.Parallel()
			_, err := Load(setup(t, goodKey, mode), nil)
			if want := "secrets.keys[0].key_file: other users can open the file; run chmod o-rwx on it"; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
	for _, tt := range []struct{ name, key, want string }{
		{"two line ends", goodKey[:40] + "\n\n", "secrets.keys[0].key: not 32 bytes"},
		{"empty", "\n", "secrets.keys[0].key_file: the file is empty"},
		{"wrong file", strings.Repeat(canary, 5000), "secrets.keys[0].key_file: larger than 64 KiB"},
		{"not a key", canary, "secrets.keys[0].key: not 32 bytes as base64 or hex"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(setup(t, tt.key, 0o600), nil)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFileOptionFaults(t *testing.T) {
	t.Parallel()
	open := write(t, "tls.key", "key", 0o644)
	private := write(t, "tls.key", "key", 0o600)
	for _, tt := range []struct{ name, text, variable, want string }{
		{"both ways", strings.Replace(good, "sqlite:cardea.db\"", canary+"\", url_file: "+private, 1), "", "database.url: set both here and through database.url_file; keep one"},
		{"both ways, one by variable", good, "CARDEA_DATABASE_URL_FILE=" + private, "database.url: set both"},
		{"key both ways", strings.Replace(good, "{id: k1", "{key_file: "+private+", id: k1", 1), "", "secrets.keys[0].key: set both here and through secrets.keys[0].key_file"},
		{"secret in place of its path", strings.Replace(good, "url: \"sqlite:cardea.db\"", "url_file: /"+canary, 1), "", "database.url_file: cannot read the file: no such file or directory"},
		{"folder", strings.Replace(good, "url: \"sqlite:cardea.db\"", "url_file: /", 1), "", "database.url_file: not a regular file"},
		{"pipe or device", strings.Replace(good, "url: \"sqlite:cardea.db\"", "url_file: /dev/zero", 1), "", "database.url_file: not a regular file"},
		{"open TLS key", good + "tls: {cert_file: " + open + ", key_file: " + open + "}", "", "tls.key_file: other users can open the file"},
		{"no TLS certificate", good + "tls: {cert_file: /none, key_file: " + private + "}", "", "tls.cert_file: cannot read the file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, got := load(t, tt.text, tt.variable)
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if strings.Contains(got, "database.url: required") {
				t.Errorf("a second fault follows from the first: %q", got)
			}
		})
	}
	if c, got := load(t, good+"tls: {cert_file: "+open+", key_file: "+private+"}"); got != "" || c.TLS.KeyFile != private {
		t.Errorf("got %q, want the TLS files accepted", got)
	}
}

func TestReadmeExampleLoads(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("README.md has no example")
	}
	path := write(t, "cardea.yaml", example, 0o644)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "sealing.key"), []byte(NewSecretKey()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, nil); err != nil {
		t.Error(err)
	}
}
