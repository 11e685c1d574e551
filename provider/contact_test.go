package provider

import (
	"strings"
	"testing"
)

func TestNormalPhone(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"070-123 45 67": "+46701234567", "+46 70 123 45 67": "+46701234567", "0046701234567": "+46701234567", " (070) 1234567 ": "+46701234567",
		"+1 202-555-0143": "+12025550143", "701234567": "", "": "", "+": "", "070123": "", "+4670123456789012": "", "070-12a3 45 67": "",
		"46+701234567": "", "+0701234567": "", "+46701234567;ext=1": "", "+46\n701234567": "",
	} {
		if got := NormalPhone(typed, "46"); got != want {
			t.Errorf("NormalPhone(%q): got %q, want %q", typed, got, want)
		}
	}
}

func TestNormalEmail(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		" Anna.Ek@Example.COM ": "Anna.Ek@example.com", "a+b@example.se": "a+b@example.se", "å@example.se": "å@example.se",
		"": "", "anna": "", "anna@": "", "@example.com": "", "anna@localhost": "", "Anna <anna@example.com>": "", "anna@example.com, bo@example.com": "",
		"anna@[127.0.0.1]": "", "anna@example.com\r\nBcc: x@example.com": "", "\"a b\"@example.com": "", strings.Repeat("a", 250) + "@example.com": "",
	} {
		if got := NormalEmail(typed); got != want {
			t.Errorf("NormalEmail(%q): got %q, want %q", typed, got, want)
		}
	}
}

func TestMasks(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		MaskPhone("+46701234542"): "••42", MaskPhone("1"): "••",
		MaskEmail("maria@demo.example.se"): "m•••@d•••.se", MaskEmail("åsa@example.com"): "å•••@e•••.com", MaskEmail("x"): "•••", MaskEmail("a@b"): "a•••@•••",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
