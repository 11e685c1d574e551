package provider

import (
	"fmt"
	"strings"
	"testing"
)

// cheap keeps the tests fast; the costs are part of the string, so nothing else differs.
var cheap = Argon2{MemoryKiB: 64, Time: 1, Parallelism: 1}

func ring(t *testing.T, ids ...string) *Keyring {
	t.Helper()
	var keys []SecretKey
	for _, id := range ids {
		keys = append(keys, SecretKey{ID: id, Bytes: []byte(fmt.Sprintf("%-32s", "secret of "+id))})
	}
	r, err := NewKeyring(keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	r := ring(t, "k1")
	long := strings.Repeat("a", 72)
	tests := []struct {
		name       string
		set, typed string
		ok         bool
	}{
		{"the same", "correct horse battery", "correct horse battery", true},
		{"another", "correct horse battery", "correct horse batterz", false},
		{"case counts", "correct horse battery", "Correct horse battery", false},
		{"outer spaces count", "correct horse battery", "correct horse battery ", false},
		{"decomposed for composed", "smörgåsbord på ön", "smo\u0308rga\u030asbord pa\u030a o\u0308n", true},
		{"composed for decomposed", "smo\u0308rga\u030asbord", "smörgåsbord", true},
		{"without the marks", "smörgåsbord", "smorgasbord", false},
		{"empty", "correct horse battery", "", false},
		{"a common prefix of 72 bytes is not enough", long + "x", long + "y", false},
		{"nor is the prefix", long + "x", long, false},
		{"a NUL does not end it", "correct\x00horse", "correct\x00house", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ok, stale, err := r.CheckPassword(r.HashPassword(tt.set, cheap), tt.typed, cheap)
			if ok != tt.ok || stale || err != nil {
				t.Errorf("got %v, stale %v, %v; want %v", ok, stale, err, tt.ok)
			}
		})
	}
}

func TestPasswordHashForm(t *testing.T) {
	t.Parallel()
	r := ring(t, "2026-01", "2025-01")
	a, b := r.HashPassword("correct horse battery", cheap), r.HashPassword("correct horse battery", cheap)
	if want := "$argon2id$v=19$m=64,t=1,p=1,keyid=2026-01$"; !strings.HasPrefix(a, want) {
		t.Errorf("got %q, want the prefix %q", a, want)
	}
	if a == b {
		t.Error("two hashes of one password are equal: there is no salt")
	}
	p, err := parsePHC(a)
	if err != nil || len(p.salt) != 16 || len(p.tag) != 32 {
		t.Errorf("got %d bytes of salt, %d of tag, %v; want 16 and 32", len(p.salt), len(p.tag), err)
	}
}

func TestPepper(t *testing.T) {
	t.Parallel()
	old := ring(t, "2025").HashPassword("correct horse battery", cheap)
	t.Run("after rotation it is right and stale", func(t *testing.T) {
		t.Parallel()
		ok, stale, err := ring(t, "2026", "2025").CheckPassword(old, "correct horse battery", cheap)
		if !ok || !stale || err != nil {
			t.Errorf("got %v, stale %v, %v; want true, true", ok, stale, err)
		}
	})
	t.Run("without its key it cannot be checked", func(t *testing.T) {
		t.Parallel()
		ok, _, err := ring(t, "2026").CheckPassword(old, "correct horse battery", cheap)
		if ok || err == nil || !strings.Contains(err.Error(), `"2025"`) {
			t.Errorf("got %v, %v; want an error that names the key", ok, err)
		}
	})
	t.Run("the hash is nothing without the pepper", func(t *testing.T) {
		t.Parallel()
		other, err := NewKeyring([]SecretKey{{ID: "2025", Bytes: []byte(strings.Repeat("z", 32))}})
		if err != nil {
			t.Fatal(err)
		}
		if ok, _, err := other.CheckPassword(old, "correct horse battery", cheap); ok || err != nil {
			t.Errorf("got %v, %v; want false", ok, err)
		}
	})
}

func TestStaleHash(t *testing.T) {
	t.Parallel()
	r := ring(t, "k1")
	hash := r.HashPassword("correct horse battery", cheap)
	for name, cost := range map[string]Argon2{
		"more memory": {MemoryKiB: 128, Time: 1, Parallelism: 1},
		"more time":   {MemoryKiB: 64, Time: 2, Parallelism: 1},
		"more lanes":  {MemoryKiB: 64, Time: 1, Parallelism: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if ok, stale, err := r.CheckPassword(hash, "correct horse battery", cost); !ok || !stale || err != nil {
				t.Errorf("right password: got %v, stale %v, %v; want true, true", ok, stale, err)
			}
			if ok, stale, err := r.CheckPassword(hash, "something else", cost); ok || stale || err != nil {
				t.Errorf("wrong password: got %v, stale %v, %v; want false, false", ok, stale, err)
			}
		})
	}
}

func TestMalformedHash(t *testing.T) {
	t.Parallel()
	r := ring(t, "k1")
	good := r.HashPassword("correct horse battery", cheap)
	change := func(old, replacement string) string {
		out := strings.Replace(good, old, replacement, 1)
		if out == good {
			t.Fatalf("%q is not in %q", old, good)
		}
		return out
	}
	for name, hash := range map[string]string{
		"empty":               "",
		"plain text":          "correct horse battery",
		"argon2i":             change("argon2id", "argon2i"),
		"another version":     change("v=19", "v=16"),
		"memory over the cap": change("m=64", "m=1048577"),
		"memory under 8":      change("m=64", "m=7"),
		"memory overflow":     change("m=64", "m=99999999999"),
		"negative memory":     change("m=64", "m=-64"),
		"time over the cap":   change("t=1", "t=17"),
		"no time":             change("t=1", "t=0"),
		"lanes over the cap":  change("p=1", "p=17"),
		"no lanes":            change("p=1", "p=0"),
		"no key id":           change(",keyid=k1", ""),
		"one part too many":   good + "$",
		"salt not base64":     good[:strings.LastIndex(good, "$")-4] + "!!!!" + good[strings.LastIndex(good, "$"):],
		"tag too short":       good[:strings.LastIndex(good, "$")+1] + "AAAA",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if ok, _, err := r.CheckPassword(hash, "correct horse battery", cheap); ok || err == nil {
				t.Errorf("got %v, %v; want an error", ok, err)
			}
		})
	}
}

func TestPasswordPolicy(t *testing.T) {
	t.Parallel()
	twelve := PasswordPolicy{MinLength: 12, Context: []string{"Norrsken"}}
	runes := func(n int) string { return string([]rune(strings.Repeat("åäöabc", n/6+1))[:n]) }
	tests := []struct {
		name     string
		policy   PasswordPolicy
		password string
		problem  string // "" = accepted
	}{
		{"twelve", twelve, runes(12), ""},
		{"eleven", twelve, runes(11), "12 to 256"},
		{"eleven letters in more bytes", twelve, "åäöåäöåäöåä", "12 to 256"},
		{"decomposed letters count once", twelve, strings.Repeat("a\u030a", 11), "12 to 256"},
		{"fourteen of fifteen", PasswordPolicy{MinLength: 15}, runes(14), "15 to 256"},
		{"sixty-four", twelve, runes(64), ""},
		{"256", twelve, runes(256), ""},
		{"257", twelve, runes(257), "12 to 256"},
		{"lower case only", twelve, "threerandomwordsxyzq", ""},
		{"spaces", twelve, "three random words", ""},
		{"one letter over and over", twelve, "aaaaaaaaaaaaaaaa", "5 different"},
		{"not text", twelve, "three random \xff words", "valid text"},
		{"the User ID", twelve, "KajsaKavat99", "User ID"},
		{"the e-mail address", twelve, "kajsa.mail.1", "User ID"},
		{"the brand", twelve, "norrsken2026", "User ID"},
		{"the brand within much else", twelve, "under norrsken i vinternatten", ""},
		{"no digit", PasswordPolicy{MinLength: 12, RequireClasses: true}, "Three random words", "a digit"},
		{"all classes", PasswordPolicy{MinLength: 12, RequireClasses: true}, "Three random words 7", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.policy.Check(tt.password, "kajsakavat", "kajsa.mail@example.com")
			if tt.problem == "" && err != nil || tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)) {
				t.Errorf("got %v, want %q", err, tt.problem)
			}
		})
	}
}
