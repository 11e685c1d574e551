package site

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// pays posts the form and returns where that led and what it says.
func pays(t *testing.T, c *http.Client, base, amount string) (*http.Response, string) {
	t.Helper()
	resp, err := c.PostForm(base+"/pay", url.Values{"amount": {amount}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp, string(body)
}

// The API wants two factors within the last minute (RFC 9470), the site fetches them, and the payment is made.
func TestPaymentStepsUp(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	_, base := start(t, o)
	o.onAccess = func(claims map[string]any) {
		claims["acr"], claims["auth_time"] = "urn:cardea:acr:1fa", time.Now().Unix()
		if strings.Contains(o.grant.Get("acr_values"), "2fa") && o.grant.Get("max_age") == "60" {
			claims["acr"] = "urn:cardea:acr:2fa"
		}
	}
	c := browser(t, "")
	want(t, c, base+"/signin?lang=en", 200, "Hello Anna Exempel")
	want(t, c, base+"/pay", 200, "Pay your card bill", "You owe SEK")
	before := o.live
	resp, page := pays(t, c, base, "17")
	if resp.StatusCode != 200 || resp.Request.URL.Path != "/pay" || !strings.Contains(page, "SEK 17.00 has been paid") {
		t.Fatalf("led to %s with %d:\n%s", resp.Request.URL, resp.StatusCode, page)
	}
	if len(o.revoked) != 1 || o.revoked[0] != before {
		t.Errorf("revoked %v, want the refresh token from before, %q", o.revoked, before)
	}
	want(t, c, base+"/", 200, "Payment received", "-17.00")
	if o.serial != 2 {
		t.Errorf("%d trips to the issuer, want a second one", o.serial)
	}
	// Fresh enough: no second trip.
	serial := o.serial
	if resp, page := pays(t, c, base, "3"); resp.Request.URL.Path != "/pay" || !strings.Contains(page, "SEK 3.00 has been paid") || o.serial != serial {
		t.Errorf("led to %s, %d tokens more:\n%s", resp.Request.URL, o.serial-serial, page)
	}
}

func TestPaymentIsNotMade(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*op) // once signed in
		amount string
		status int
		page   string
	}{
		"the issuer does not do as asked": {func(*op) {}, "17", 403, "did not confirm"},
		"cancelled":                       {func(o *op) { o.onAnswer = func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") } }, "17", 200, "You cancelled the payment"},
		"somebody else": {func(o *op) {
			o.onIDToken = func(m map[string]any) { m["sub"] = "bo-0001" }
			o.onUserInfo = func(m map[string]any) { m["sub"] = "bo-0001" }
		}, "17", 403, "Somebody else"},
		"no number":          {func(*op) {}, "x", 422, "Enter whole kronor"},
		"nothing":            {func(*op) {}, "0", 422, "Enter whole kronor"},
		"less than nothing":  {func(*op) {}, "-5", 422, "Enter whole kronor"},
		"too much to be one": {func(*op) {}, "99999999999999", 422, "Enter whole kronor"},
		"more than owed": {func(o *op) {
			o.onAccess = func(m map[string]any) { m["acr"], m["auth_time"] = "urn:cardea:acr:phr", time.Now().Unix() }
		}, "999999", 422, "Enter whole kronor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOP(t)
			s, base := start(t, o)
			o.onAccess = func(m map[string]any) { m["acr"], m["auth_time"] = "urn:cardea:acr:1fa", time.Now().Unix() }
			if name == "more than owed" {
				tt.change(o)
			}
			c := browser(t, "")
			want(t, c, base+"/signin?lang=en", 200, "Hello")
			tt.change(o)
			resp, page := pays(t, c, base, tt.amount)
			if resp.StatusCode != tt.status || !strings.Contains(page, tt.page) {
				t.Errorf("%d at %s, want %d with %q:\n%s", resp.StatusCode, resp.Request.URL, tt.status, tt.page, page)
			}
			if len(s.paid) != 0 {
				t.Errorf("paid %v", s.paid)
			}
		})
	}
}

// What the API says to a token that is too weak, or too old.
func TestPaymentChallenge(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s, base := start(t, o)
	want(t, browser(t, ""), base+"/", 200) // lets the site find its issuer
	token := func(acr string, age time.Duration) string {
		claims := o.access(base+"/api", "openid payments:write")
		claims["acr"], claims["auth_time"] = acr, time.Now().Add(-age).Unix()
		return o.sign("at+jwt", claims)
	}
	const challenge = `Bearer realm="account", error="insufficient_user_authentication", error_description="A payment needs two factors, shown within the last minute", acr_values="urn:cardea:acr:2fa", max_age="60"`
	for name, tt := range map[string]struct {
		token     string
		status    int
		challenge string
	}{
		"one factor":           {token("urn:cardea:acr:1fa", 0), 401, challenge},
		"no acr":               {o.sign("at+jwt", o.access(base+"/api", "payments:write")), 401, challenge},
		"long ago":             {token("urn:cardea:acr:2fa", 2*time.Minute), 401, challenge},
		"two factors":          {token("urn:cardea:acr:2fa", 0), 201, ""},
		"phishing-resistant":   {token("urn:cardea:acr:phr", 0), 201, ""},
		"another scope":        {o.sign("at+jwt", o.access(base+"/api", "accounts:read")), 403, `Bearer realm="account", error="insufficient_scope", scope="payments:write"`},
		"without a good token": {"x", 401, `Bearer realm="account", error="invalid_token"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, _ := http.NewRequest(http.MethodPost, s.apiURL+"payments", strings.NewReader(`{"amount":100}`))
			req.Header.Set("Authorization", "Bearer "+tt.token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != tt.status || got != tt.challenge {
				t.Errorf("%d, %q; want %d, %q", resp.StatusCode, got, tt.status, tt.challenge)
			}
		})
	}
}
