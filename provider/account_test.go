package provider

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUserIDForms(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, typed, normal, folded string }{
		{"plain", "kajsa", "kajsa", "kajsa"},
		{"case is kept and folded", "KajsaK", "KajsaK", "kajsak"},
		{"outer spaces go", " \tkajsa\u00a0\n", "kajsa", "kajsa"},
		{"inner spaces stay", "kaj sa", "kaj sa", "kaj sa"},
		{"decomposed", "A\u030asa", "Åsa", "åsa"},
		{"sharp s folds", "Straße", "Straße", "strasse"},
		{"final sigma folds", "ΟΔΟΣ", "ΟΔΟΣ", "οδοσ"},
		{"Kelvin sign is k", "\u212aajsa", "Kajsa", "kajsa"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := NormalUserID(tt.typed); got != tt.normal {
				t.Errorf("normal: got %q, want %q", got, tt.normal)
			}
			if got := FoldUserID(tt.typed); got != tt.folded {
				t.Errorf("folded: got %q, want %q", got, tt.folded)
			}
			if got := FoldUserID(FoldUserID(tt.typed)); got != tt.folded {
				t.Errorf("folded twice: got %q, want %q", got, tt.folded)
			}
		})
	}
}

func TestCheckUserID(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{
		"kajsa": true, "Åsa1": true, "kajsa@example.com": true, strings.Repeat("å", 64): true, "4711kajsa": true,
		"": false, "abc": false, strings.Repeat("a", 65): false, " kajsa": false, "kajsa ": false, "kaj sa": false,
		"kaj\u00a0sa": false, "kaj\x00sa": false, "kaj\nsa": false, "A\u030asa1": false, "4571234567890111": false,
		"kaj\u200bsa": false, "kaj\u202esa": false, "\xff\xff\xff\xff\xff": false,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			if err := CheckUserID(id); (err == nil) != ok {
				t.Errorf("got %v, want ok %v", err, ok)
			}
		})
	}
}

func TestMaskUserID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"": "•••", "abc": "•••", "abcd": "a•••cd", "kajsa92": "k•••92", "åäöåäö": "å•••äö",
	} {
		if got := MaskUserID(id); got != want {
			t.Errorf("MaskUserID(%q): got %q, want %q", id, got, want)
		}
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	full := &Account{
		Locale: "sv", Updated: time.Unix(1767225600, 999),
		Profile: Profile{
			Name: "Kajsa Kavat", GivenName: "Kajsa", Email: "kajsa@example.com", EmailVerified: true,
			PhoneNumber: "+46701740605", Address: &Address{Locality: "Umeå", Country: "SE"},
		},
	}
	tests := []struct {
		name    string
		account *Account
		scopes  []string
		want    string
	}{
		{"openid alone gives nothing", full, []string{ScopeOpenID, ScopeOffline}, `{}`},
		{"profile", full, []string{ScopeProfile}, `{"name":"Kajsa Kavat","given_name":"Kajsa","locale":"sv","updated_at":1767225600}`},
		{"email is with a boolean", full, []string{ScopeEmail}, `{"email":"kajsa@example.com","email_verified":true}`},
		{"phone not verified is said", full, []string{ScopePhone}, `{"phone_number":"+46701740605","phone_number_verified":false}`},
		{"address is an object", full, []string{ScopeAddress}, `{"address":{"locality":"Umeå","country":"SE"}}`},
		{"what is not there is left out", &Account{Updated: time.Unix(1, 0)}, []string{ScopeProfile, ScopeEmail, ScopePhone, ScopeAddress}, `{"updated_at":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, err := json.Marshal(tt.account.Claims(tt.scopes))
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := errors.Join(json.Unmarshal(out, &got), json.Unmarshal([]byte(tt.want), &want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}
