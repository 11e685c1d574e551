package site

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// op is a small OpenID provider that signs everybody in as one person. It
// rotates refresh tokens and ends the grant when one is used twice.
type op struct {
	*httptest.Server
	key      *ecdsa.PrivateKey
	metadata map[string]any

	mu                        sync.Mutex
	grant                     url.Values // the authorization request
	live                      string     // the refresh token that is valid now
	serial, refreshes, reuses int
	revoked                   []string

	// What a test may change before it signs in.
	life, later time.Duration        // of the first access token, of those that follow
	onAnswer    func(url.Values)     // changes the authorization response
	onIDToken   func(map[string]any) // changes the ID token
	onUserInfo  func(map[string]any) // changes userinfo
	onAccess    func(map[string]any) // changes the access token
}

func newOP(t *testing.T) *op {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &op{key: key, life: 5 * time.Minute, later: 5 * time.Minute}
	o.onAnswer, o.onIDToken, o.onUserInfo = func(url.Values) {}, func(map[string]any) {}, func(map[string]any) {}
	o.onAccess = func(map[string]any) {}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, o.metadata) })
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", o.authorize)
	mux.HandleFunc("POST /token", o.token)
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		claims := map[string]any{"sub": "anna-0001", "name": "Anna Exempel", "email": "anna@example.com"}
		o.onUserInfo(claims)
		answer(w, 200, claims)
	})
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) {
		if hint, err := jose.ParseSignedCompact(r.FormValue("id_token_hint"), []jose.SignatureAlgorithm{jose.ES256}); err == nil && r.FormValue("client_id") == "account-app" {
			if _, err := hint.Verify(key.Public()); err == nil { // only an ID token of our own
				http.Redirect(w, r, r.FormValue("post_logout_redirect_uri")+"?state="+r.FormValue("state"), http.StatusSeeOther)
			}
		}
	})
	mux.HandleFunc("POST /revoke", func(_ http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id == "account-app" && secret == "very+secret" {
			o.revoked = append(o.revoked, r.PostFormValue("token"))
		}
	})
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	o.metadata = map[string]any{
		"issuer": o.URL, "authorization_endpoint": o.URL + "/authorize", "token_endpoint": o.URL + "/token", "userinfo_endpoint": o.URL + "/userinfo",
		"jwks_uri": o.URL + "/jwks", "end_session_endpoint": o.URL + "/logout", "revocation_endpoint": o.URL + "/revoke",
		"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}, "authorization_response_iss_parameter_supported": true,
	}
	return o
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (o *op) authorize(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.grant = r.URL.Query()
	o.mu.Unlock()
	q := url.Values{"code": {"code"}, "state": {r.FormValue("state")}, "iss": {o.URL}}
	o.onAnswer(q)
	http.Redirect(w, r, r.FormValue("redirect_uri")+"?"+q.Encode(), http.StatusSeeOther)
}

func (o *op) token(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id, secret, _ := r.BasicAuth()
	ok := id == "account-app" && secret == "very+secret"
	nonce, life := "", o.later
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		ok = ok && r.PostFormValue("code") == "code" && r.PostFormValue("redirect_uri") == o.grant.Get("redirect_uri") &&
			oauth2.S256ChallengeFromVerifier(r.PostFormValue("code_verifier")) == o.grant.Get("code_challenge")
		nonce, life = o.grant.Get("nonce"), o.life
	case "refresh_token":
		o.refreshes++
		if r.PostFormValue("refresh_token") != o.live {
			o.reuses++
			ok, o.live = false, ""
		}
	}
	if !ok {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	o.serial++
	o.live = fmt.Sprintf("refresh-%d", o.serial)
	claims := map[string]any{"iss": o.URL, "sub": "anna-0001", "aud": "account-app", "nonce": nonce, "auth_time": 1790000000, "exp": time.Now().Add(time.Minute).Unix()}
	o.onIDToken(claims)
	access := o.access(o.grant.Get("resource"), o.grant.Get("scope"))
	o.onAccess(access)
	answer(w, 200, map[string]any{
		"access_token": o.sign("at+jwt", access), "token_type": "Bearer",
		"expires_in": life.Seconds(), "refresh_token": o.live, "id_token": o.sign("JWT", claims),
	})
}

func (o *op) access(audience, scope string) map[string]any {
	return map[string]any{"iss": o.URL, "sub": "anna-0001", "aud": audience, "scope": scope, "exp": time.Now().Add(time.Minute).Unix()}
}

func (o *op) sign(typ string, claims map[string]any) string {
	return sign(jose.ES256, o.key, typ, claims)
}

func sign(alg jose.SignatureAlgorithm, key any, typ string, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("kid", "1"))
	if err != nil {
		panic(err)
	}
	body, _ := json.Marshal(claims)
	signed, _ := signer.Sign(body)
	compact, _ := signed.CompactSerialize()
	return compact
}

// start runs a site against o and returns its address.
func start(t *testing.T, o *op) (*site, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	base := "http://" + server.Listener.Addr().String()
	s := &site{paid: map[string][]transaction{}, issuerURL: o.URL, clientID: "account-app", secret: "very secret", url: base, audience: base + "/api", apiURL: base + "/api/",
		http: &http.Client{Timeout: 10 * time.Second}, log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	server.Config.Handler = s.handler()
	server.Start()
	t.Cleanup(server.Close)
	return s, base
}

// browser keeps cookies and stops before it would open a page whose address contains until.
func browser(t *testing.T, until string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if until != "" && strings.Contains(r.URL.String(), until) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

func want(t *testing.T, c *http.Client, address string, status int, texts ...string) *http.Response {
	t.Helper()
	resp, err := c.Get(address)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != status {
		t.Errorf("GET %s: status %d, want %d", address, resp.StatusCode, status)
	}
	for _, text := range texts {
		if !strings.Contains(string(body), text) {
			t.Errorf("GET %s: page lacks %q:\n%s", address, text, body)
		}
	}
	return resp
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s, base := start(t, o)
	c := browser(t, "")
	want(t, c, base+"/?lang=sv", 200, "Följ dina köp", `href="/signin"`)
	want(t, c, base+"/profile", 200, `href="/signin"`)
	want(t, c, base+"/signin", 200, "Hej Anna Exempel", "Tillgänglig kredit", "\u00a0kr", "Bonuspoäng", "<table")
	want(t, c, base+"/?lang=en", 200, "Hello Anna Exempel", "Available credit", "SEK ", "Statements")
	want(t, c, base+"/profile", 200, "anna@example.com", "auth_time", "1790000000")
	for name, want := range map[string]string{"code_challenge_method": "S256", "resource": base + "/api", "response_type": "code", "scope": scopes} {
		if got := o.grant.Get(name); got != want {
			t.Errorf("authorization request: %s = %q, want %q", name, got, want)
		}
	}
	at, _ := url.Parse(base)
	id := func() string {
		all := c.Jar.Cookies(at)
		return all[slices.IndexFunc(all, func(k *http.Cookie) bool { return k.Name == "accountapp-session" })].Value
	}
	first := id()
	want(t, c, base+"/signin", 200, "Hello Anna Exempel")
	if _, ok := s.sessions.Load(first); ok || id() == first || len(first) < 26 {
		t.Errorf("session id %q after %q, want a new one and the old one gone", id(), first)
	}

	req, _ := http.NewRequest(http.MethodPost, base+"/signout", nil)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp, err := c.Do(req); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("sign-out by another site: %v, %v; want 403", resp, err)
	}
	want(t, c, base+"/", 200, "Hello Anna Exempel")
	resp, err := c.Post(base+"/signout", "", nil)
	if err != nil || resp.StatusCode != 200 || resp.Request.URL.Path != "/signed-out" {
		t.Errorf("sign-out ended at %v, %v", resp, err)
	}
	if want := []string{o.live}; !slices.Equal(o.revoked, want) {
		t.Errorf("revoked = %v, want %v", o.revoked, want)
	}
	want(t, c, base+"/", 200, "Follow your purchases")
	want(t, browser(t, ""), base+"/signed-out?state=guess", 400, "We cannot tell")
	want(t, browser(t, ""), base+"/signed-out", 400, "We cannot tell")
}

func TestCallbackRefuses(t *testing.T) {
	t.Parallel()
	reply := func(name, value string) func(*op) {
		return func(o *op) { o.onAnswer = func(q url.Values) { q.Set(name, value) } }
	}
	claim := func(name string, value any) func(*op) {
		return func(o *op) { o.onIDToken = func(m map[string]any) { m[name] = value } }
	}
	for name, tt := range map[string]struct {
		change func(*op)
		status int
		page   string
	}{
		"wrong state":              {reply("state", "guess"), 400, "no longer valid"},
		"no state":                 {reply("state", ""), 400, "no longer valid"},
		"wrong iss":                {reply("iss", "https://other.example"), 400, "no longer valid"},
		"no iss though promised":   {reply("iss", ""), 400, "no longer valid"},
		"cancelled":                {reply("error", "access_denied"), 200, "You cancelled sign-in"},
		"issuer in trouble":        {reply("error", "<script>"), 502, "We could not sign you in"},
		"unknown code":             {reply("code", "made-up"), 502, "We could not sign you in"},
		"wrong nonce":              {claim("nonce", "other"), 502, "We could not sign you in"},
		"no nonce":                 {claim("nonce", nil), 502, "We could not sign you in"},
		"for another client":       {claim("aud", "other-app"), 502, "We could not sign you in"},
		"of another issuer":        {claim("iss", "https://other.example"), 502, "We could not sign you in"},
		"expired":                  {claim("exp", 1), 502, "We could not sign you in"},
		"no sub":                   {claim("sub", nil), 502, "We could not sign you in"},
		"userinfo of someone else": {func(o *op) { o.onUserInfo = func(m map[string]any) { m["sub"] = "bo-0002" } }, 502, "We could not sign you in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOP(t)
			tt.change(o)
			_, base := start(t, o)
			c := browser(t, "")
			want(t, c, base+"/signin", tt.status, tt.page)
			want(t, c, base+"/", 200, "Follow your purchases")
		})
	}
}

func TestCallbackOnceAndOnlyHere(t *testing.T) {
	t.Parallel()
	_, base := start(t, newOP(t))
	c := browser(t, "/callback")
	first := want(t, c, base+"/signin", 303).Header.Get("Location")
	want(t, browser(t, ""), first, 400, "no longer valid") // another browser: login CSRF
	other := want(t, c, base+"/signin", 303).Header.Get("Location")
	c.CheckRedirect = nil
	want(t, c, other, 200, "Hello Anna Exempel")
	want(t, c, other, 400, "no longer valid")
	want(t, c, base+"/", 200, "Hello Anna Exempel")
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	t.Run("parallel requests share one", func(t *testing.T) {
		t.Parallel()
		o := newOP(t)
		o.life = time.Second
		_, base := start(t, o)
		c := browser(t, "")
		stop := browser(t, "/callback")
		stop.Jar = c.Jar
		callback := want(t, stop, base+"/signin", 303).Header.Get("Location")
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		want(t, c, callback, 303)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { want(t, c, base+"/", 200, "Available credit") })
		}
		all.Wait()
		if o.refreshes != 1 || o.reuses != 0 {
			t.Errorf("%d refreshes, %d reused tokens; want 1 and 0", o.refreshes, o.reuses)
		}
	})
	t.Run("the rotated token is kept until the issuer ends it", func(t *testing.T) {
		t.Parallel()
		o := newOP(t)
		o.life, o.later = time.Second, time.Second // each use refreshes
		_, base := start(t, o)
		c := browser(t, "")
		want(t, c, base+"/signin", 200, "Available credit")
		want(t, c, base+"/", 200, "Available credit")
		if o.refreshes < 2 || o.reuses != 0 {
			t.Errorf("%d refreshes, %d reused tokens; want some and 0", o.refreshes, o.reuses)
		}
		o.mu.Lock()
		o.live = "" // the grant has been withdrawn
		o.mu.Unlock()
		want(t, c, base+"/", 403, "You have been signed out")
		want(t, c, base+"/", 200, "Follow your purchases")
	})
}

func TestTextsInBothLanguages(t *testing.T) {
	t.Parallel()
	for key := range texts[0] {
		if en, sv := texts[0][key], texts[1][key]; sv == "" || strings.Count(sv, "%") != strings.Count(en, "%") || len(texts[0]) != len(texts[1]) {
			t.Errorf("%s: %q and %q", key, en, sv)
		}
	}
}

func TestStartsBeforeTheIssuer(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	o.metadata["issuer"] = "https://other.example"
	s, base := start(t, o)
	want(t, browser(t, ""), base+"/", 503, "The sign-in service is starting")
	if status, _ := call(t, s.apiURL+"account", "x"); status != 503 {
		t.Errorf("api: status %d, want 503", status)
	}
	o.metadata["issuer"] = o.URL
	want(t, browser(t, ""), base+"/signin", 200, "Hello Anna Exempel")
}

func TestHeadersAndCookies(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	s, _ := start(t, o)
	s.url = "https://account.example.com"
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/signin", nil))
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' " + o.URL,
		"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, c := range w.Result().Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("cookie %s", c)
		}
	}
	if len(w.Result().Cookies()) != 1 {
		t.Errorf("%d cookies, want the attempt's", len(w.Result().Cookies()))
	}
}

func TestMainStopsAtASignal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() { done <- Main([]string{"--listen", address, "--issuer", "http://127.0.0.1:1"}, in, io.Discard) }()
	out.Read(make([]byte, 200)) // it catches signals from here on
	for conn, err := net.Dial("tcp", address); ; conn, err = net.Dial("tcp", address) {
		if err == nil {
			conn.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	want(t, http.DefaultClient, "http://"+address+"/", 503, "The sign-in service is starting")
	syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
	if code := <-done; code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	for flag, want := range map[string]int{"--nonsense": 2, "--help": 0, "--listen=256.0.0.1:1": 1} {
		if code := Main([]string{flag}, io.Discard, io.Discard); code != want {
			t.Errorf("%s: exit code %d, want %d", flag, code, want)
		}
	}
}
