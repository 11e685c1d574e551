package provider

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestSeal(t *testing.T) {
	t.Parallel()
	r := ring(t, "k1")
	cell := AAD("factors", "secret", "f1")
	plain := []byte("twenty bytes of seed")
	sealed := r.Seal(ForSealing, plain, cell)

	t.Run("opens in its cell", func(t *testing.T) {
		t.Parallel()
		if got, err := r.Open(ForSealing, sealed, cell); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("hides the text and never repeats", func(t *testing.T) {
		t.Parallel()
		if bytes.Contains(sealed, plain[:8]) || bytes.Equal(sealed, r.Seal(ForSealing, plain, cell)) {
			t.Error("the text shows, or the nonce was used twice")
		}
	})
	for name, aad := range map[string]string{
		"another row":          AAD("factors", "secret", "f2"),
		"another column":       AAD("factors", "name", "f1"),
		"another table":        AAD("signing_keys", "secret", "f1"),
		"shifted between them": AAD("factor", "ssecret", "f1"),
		"no cell":              "",
	} {
		t.Run("not in "+name, func(t *testing.T) {
			t.Parallel()
			if got, err := r.Open(ForSealing, sealed, aad); err == nil {
				t.Errorf("opened: %q", got)
			}
		})
	}
	t.Run("not for another purpose", func(t *testing.T) {
		t.Parallel()
		if _, err := r.Open(ForCookie, sealed, cell); err == nil {
			t.Error("opened")
		}
	})
	t.Run("not with any byte changed or cut", func(t *testing.T) {
		t.Parallel()
		for i := range sealed {
			changed := slices.Clone(sealed)
			changed[i] ^= 1
			if _, err := r.Open(ForSealing, changed, cell); err == nil {
				t.Errorf("opened with byte %d changed", i)
			}
			if _, err := r.Open(ForSealing, sealed[:i], cell); err == nil {
				t.Errorf("opened with %d bytes", i)
			}
		}
	})
}

func TestSealRotation(t *testing.T) {
	t.Parallel()
	cell := AAD("t", "c", "r")
	sealed := ring(t, "2025").Seal(ForSealing, []byte("seed"), cell)
	t.Run("an older key still opens", func(t *testing.T) {
		t.Parallel()
		both := ring(t, "2026", "2025")
		if got, err := both.Open(ForSealing, sealed, cell); err != nil || string(got) != "seed" {
			t.Errorf("got %q, %v", got, err)
		}
		if again := both.Seal(ForSealing, []byte("seed"), cell); !bytes.Contains(again, []byte("2026")) {
			t.Error("the first key does not seal")
		}
	})
	t.Run("a missing key is named", func(t *testing.T) {
		t.Parallel()
		if _, err := ring(t, "2026").Open(ForSealing, sealed, cell); err == nil || !strings.Contains(err.Error(), `"2025"`) {
			t.Errorf("got %v, want an error that names the key", err)
		}
	})
	t.Run("another key of that name does not open", func(t *testing.T) {
		t.Parallel()
		other, err := NewKeyring([]SecretKey{{ID: "2025", Bytes: make([]byte, 32)}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Open(ForSealing, sealed, cell); err == nil {
			t.Error("opened")
		}
	})
}

func TestMAC(t *testing.T) {
	t.Parallel()
	old, both := ring(t, "2025"), ring(t, "2026", "2025")
	tag := old.MAC(ForForm, "data")
	if !both.CheckMAC(ForForm, "data", tag) {
		t.Error("the tag of an older key is refused")
	}
	if both.CheckMAC(ForForm, "date", tag) || both.CheckMAC(ForCookie, "data", tag) || ring(t, "2026").CheckMAC(ForForm, "data", tag) || both.CheckMAC(ForForm, "data", nil) {
		t.Error("a tag of other data, purpose or key is accepted, or none")
	}
	if bytes.Equal(both.MAC(ForForm, "data"), tag) {
		t.Error("the first key does not sign")
	}
	if again, err := both.MACWith(ForForm, "2025", "data"); err != nil || !bytes.Equal(again, tag) {
		t.Errorf("MACWith: got %x, %v; want %x", again, err, tag)
	}
	if _, err := both.MACWith(ForForm, "2024", "data"); err == nil {
		t.Error("MACWith: an unknown key has a MAC")
	}
}

func TestNewKeyring(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	for name, keys := range map[string][]SecretKey{
		"none":      nil,
		"short":     {{ID: "a", Bytes: key[:31]}},
		"long":      {{ID: "a", Bytes: make([]byte, 33)}},
		"no id":     {{Bytes: key}},
		"twice":     {{ID: "a", Bytes: key}, {ID: "a", Bytes: key}},
		"id of 256": {{ID: strings.Repeat("a", 256), Bytes: key}},
		"unsafe id": {{ID: "a$b", Bytes: key}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewKeyring(keys); err == nil {
				t.Error("accepted")
			}
		})
	}
}
