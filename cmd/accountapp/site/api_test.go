package site

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestAPI(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s, base := start(t, o)
	claims := func(name string, value any) map[string]any {
		m := o.access(base+"/api", "openid accounts:read")
		m[name] = value
		return m
	}
	good := claims("x", "y")
	body, _ := json.Marshal(good)
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
	const invalid = `error="invalid_token"`
	for name, tt := range map[string]struct {
		token     string
		status    int
		challenge string
	}{
		"good":               {o.sign("at+jwt", good), 200, ""},
		"long typ":           {o.sign("application/at+JWT", good), 200, ""},
		"several audiences":  {o.sign("at+jwt", claims("aud", []string{"https://other.example", base + "/api"})), 200, ""},
		"no token":           {"", 401, `Bearer realm="account"`},
		"not a token":        {"abc", 401, invalid},
		"ID token":           {o.sign("JWT", claims("aud", "account-app")), 401, invalid},
		"wrong typ":          {o.sign("JWT", good), 401, invalid},
		"wrong aud":          {o.sign("at+jwt", claims("aud", "https://other.example/api")), 401, invalid},
		"no aud":             {o.sign("at+jwt", claims("aud", nil)), 401, invalid},
		"wrong iss":          {o.sign("at+jwt", claims("iss", "https://other.example")), 401, invalid},
		"expired":            {o.sign("at+jwt", claims("exp", time.Now().Add(-time.Second).Unix())), 401, invalid},
		"no exp":             {o.sign("at+jwt", claims("exp", nil)), 401, invalid},
		"no sub":             {o.sign("at+jwt", claims("sub", nil)), 401, invalid},
		"alg none":           {unsigned, 401, invalid},
		"another's key":      {sign(jose.ES256, newOP(t).key, "at+jwt", good), 401, invalid},
		"HMAC":               {sign(jose.HS256, make([]byte, 32), "at+jwt", good), 401, invalid},
		"missing scope":      {o.sign("at+jwt", claims("scope", "transactions:read")), 403, `error="insufficient_scope", scope="accounts:read"`},
		"scope begins alike": {o.sign("at+jwt", claims("scope", "accounts:readonly")), 403, "insufficient_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, challenge := call(t, s.apiURL+"account", tt.token)
			if status != tt.status || !strings.Contains(challenge, tt.challenge) {
				t.Errorf("status %d, challenge %q; want %d, %q", status, challenge, tt.status, tt.challenge)
			}
		})
	}
	t.Run("each resource wants its own scope", func(t *testing.T) {
		t.Parallel()
		for path, scope := range map[string]string{"account": "accounts:read", "transactions": "transactions:read", "statements": "statements:read", "rewards": "rewards:read"} {
			if status, _ := call(t, s.apiURL+path, o.sign("at+jwt", claims("scope", scope))); status != 200 {
				t.Errorf("%s with %s: %d", path, scope, status)
			}
			if status, _ := call(t, s.apiURL+path, o.sign("at+jwt", claims("scope", strings.ReplaceAll(scopes, scope, "")))); status != 403 {
				t.Errorf("%s without %s: %d, want 403", path, scope, status)
			}
		}
	})
}

func call(t *testing.T, address, token string) (status int, challenge string) {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, address, nil)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate")
}

func TestLedgerAddsUp(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 3, 15, 12, 0, 0, 0, time.UTC)
	for i := range 200 {
		sub := fmt.Sprintf("person-%d", i)
		l, sum, points := ledgerOf(sub, now), int64(0), int64(0)
		for _, x := range l.Transactions {
			if sum += x.Amount; x.Merchant != "" {
				points += x.Amount / 1000
			}
			if texts[0]["category."+x.Category] == "" && x.Merchant != "" || x.Date.After(now) {
				t.Fatalf("%s: %+v", sub, x)
			}
		}
		if a := l.Account; a.Balance != sum || a.Available != a.Limit-sum || a.Available < 0 || a.ToPay != l.Statements[0].Amount || l.Rewards.Points != points {
			t.Fatalf("%s: %+v, %+v; transactions sum up to %d and %d points", sub, a, l.Rewards, sum, points)
		}
		if early := ledgerOf(sub, now.AddDate(0, -2, 0)); early.Statements[0] != l.Statements[2] || early.Account.CardEnding != l.Account.CardEnding {
			t.Fatalf("%s: the past has changed", sub)
		}
	}
	if l := ledgerOf("anna", time.Unix(0, 0)); l.Account.Balance != 0 || len(l.Transactions) != 0 {
		t.Errorf("before the first day: %+v", l)
	}
}
