package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// interopAlgorithms are registered as two clients, so that both signatures meet a
// verifier that we did not write.
var interopAlgorithms = []string{"ES256", "RS256"}

// interopIssuer is a running issuer with one client for each algorithm, and one cardholder with an authenticator app for each client.
func interopIssuer(t *testing.T) (s *served, apps map[string]*webtest.Client, keys map[string]string) {
	t.Helper()
	apps, keys = map[string]*webtest.Client{}, map[string]string{}
	s = serve(t, nil, func(i *webtest.Issuer) {
		for _, algorithm := range interopAlgorithms {
			apps[algorithm] = i.Register(provider.Client{
				ID: strings.ToLower(algorithm), Type: provider.ClientWeb, FirstParty: true, IDTokenAlg: algorithm,
				GrantTypes: []string{provider.GrantCode, provider.GrantRefresh, provider.GrantCredentials},
			})
			keys[algorithm] = i.Authenticator(i.Person("Karin" + algorithm))
		}
	})
	return s, apps, keys
}

// TestGoOIDC goes through the whole code flow with coreos/go-oidc and x/oauth2.
func TestGoOIDC(t *testing.T) {
	t.Parallel()
	s, apps, keys := interopIssuer(t)
	for _, algorithm := range interopAlgorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			goOIDC(t, s, apps[algorithm], algorithm, keys[algorithm])
		})
	}
}

func goOIDC(t *testing.T, s *served, app *webtest.Client, algorithm, key string) {
	ctx := t.Context()
	discovered, err := oidc.NewProvider(ctx, s.URL)
	must(t, err)
	rp := oauth2.Config{
		ClientID: app.ID, ClientSecret: app.Secret, Endpoint: discovered.Endpoint(), RedirectURL: "https://" + app.ID + ".example.com/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
	}
	verifier, nonce := oauth2.GenerateVerifier(), "nonce-"+oauth2.GenerateVerifier()
	callback := signIn(s.Browser(), s.Issuer, rp.AuthCodeURL("state-of-"+algorithm, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), "Karin"+algorithm, key)
	if got := callback.Query(); got.Get("state") != "state-of-"+algorithm || got.Get("iss") != s.URL {
		t.Fatalf("callback %s", callback)
	}
	token, err := rp.Exchange(ctx, callback.Query().Get("code"), oauth2.VerifierOption(verifier))
	must(t, err)
	id := verifyIDToken(t, discovered, rp, token, algorithm)
	if id.Nonce != nonce {
		t.Errorf("nonce %q, want %q", id.Nonce, nonce)
	}
	if id.AccessTokenHash == "" {
		t.Error("no at_hash")
	}
	must(t, id.VerifyAccessToken(token.AccessToken))
	info, err := discovered.UserInfo(ctx, oauth2.StaticTokenSource(token))
	must(t, err)
	if info.Subject != id.Subject || info.Email != "karin@example.com" || !info.EmailVerified {
		t.Errorf("userinfo: %+v", info)
	}
	refreshed := refresh(t, rp, token)
	if refreshed.AccessToken == token.AccessToken || refreshed.RefreshToken == token.RefreshToken {
		t.Error("refresh gave the same tokens")
	}
	if again := verifyIDToken(t, discovered, rp, refreshed, algorithm); again.Subject != id.Subject {
		t.Errorf("refreshed ID token is about %s, want %s", again.Subject, id.Subject)
	}
	if _, err := rp.Exchange(ctx, callback.Query().Get("code"), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("the code could be exchanged twice")
	}
}

func verifyIDToken(t *testing.T, discovered *oidc.Provider, rp oauth2.Config, token *oauth2.Token, algorithm string) *oidc.IDToken {
	t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := discovered.VerifierContext(t.Context(), &oidc.Config{ClientID: rp.ClientID, SupportedSigningAlgs: []string{algorithm}}).Verify(t.Context(), raw)
	must(t, err)
	return id
}

// refresh lets x/oauth2 refresh token, as it does when it is over.
func refresh(t *testing.T, rp oauth2.Config, token *oauth2.Token) *oauth2.Token {
	t.Helper()
	old := *token
	old.Expiry = time.Now().Add(-time.Minute)
	refreshed, err := rp.TokenSource(t.Context(), &old).Token()
	must(t, err)
	return refreshed
}

// TestOpenIDClient lets the npm package openid-client do the same and more, in
// .ci/interop/openid-client.mjs. We play the browser.
func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	s, apps, keys := interopIssuer(t)
	for _, algorithm := range interopAlgorithms {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			openIDClient(t, s, apps[algorithm], algorithm, keys[algorithm])
		})
	}
}

func openIDClient(t *testing.T, s *served, app *webtest.Client, algorithm, key string) {
	node := script(t, "openid-client.mjs")
	node.send(map[string]string{
		"issuer": s.URL, "client_id": app.ID, "client_secret": app.Secret, "algorithm": algorithm, "redirect_uri": "https://" + app.ID + ".example.com/callback",
		"post_logout_redirect_uri": "https://" + app.ID + ".example.com/signed-out", "api": webtest.API, "api_scope": webtest.APIScope,
	})
	b := s.Browser()
	callback := signIn(b, s.Issuer, node.receive()["authorize"], "Karin"+algorithm, key)
	node.send(map[string]string{"callback": callback.String()})
	asked := node.receive()
	page := b.Get(asked["end_session"])
	if page.Away == nil || page.Away.Path != "/signed-out" || page.Away.Query().Get("state") != asked["state"] {
		t.Errorf("end_session led to %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	if page = b.Get(app.Authorize("prompt", "none")); page.Away == nil || page.Away.Query().Get("error") != "login_required" {
		t.Errorf("after end_session, prompt=none led to %s (%d)", page.URL, page.Status)
	}
	if got := node.receive()["done"]; got != "13" {
		t.Errorf("the script did %q checks, want 13", got)
	}
}

// nodeScript is a running script of .ci/interop, which speaks lines of JSON.
type nodeScript struct {
	t        *testing.T
	in       io.Writer
	out      *bufio.Scanner
	problems *output
}

func script(t *testing.T, name string) *nodeScript {
	t.Helper()
	dir, err := filepath.Abs("../../.ci")
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "openid-client")); err != nil {
		t.Fatal("openid-client is not installed: run .ci/test, or npm ci --prefix .ci")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	cmd := exec.CommandContext(ctx, "node", filepath.Join(dir, "interop", name))
	n := &nodeScript{t: t, problems: &output{}}
	cmd.Stderr = n.problems
	n.in, err = cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	n.out = bufio.NewScanner(out)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	return n
}

func (n *nodeScript) send(message map[string]string) {
	n.t.Helper()
	must(n.t, json.NewEncoder(n.in).Encode(message))
}

func (n *nodeScript) receive() map[string]string {
	n.t.Helper()
	if !n.out.Scan() {
		time.Sleep(100 * time.Millisecond) // let standard error arrive
		n.t.Fatalf("the script ended:\n%s", n.problems)
	}
	var message map[string]string
	must(n.t, json.Unmarshal(n.out.Bytes(), &message))
	return message
}

// TestDiscoveryNamesEndpoints asks every address that discovery names: each must be
// there, and none may fail.
func TestDiscoveryNamesEndpoints(t *testing.T) {
	t.Parallel()
	s, _, _ := interopIssuer(t)
	_, text := fetch(s.URL + "/.well-known/openid-configuration")
	var metadata map[string]any
	must(t, json.Unmarshal([]byte(text), &metadata))
	asked := 0
	for name, value := range metadata {
		address, _ := value.(string)
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" {
			continue
		}
		asked++
		resp, err := http.PostForm(address, url.Values{})
		must(t, err)
		must(t, resp.Body.Close())
		if code := status(address); code == http.StatusNotFound || code >= 500 || resp.StatusCode == http.StatusNotFound || resp.StatusCode >= 500 {
			t.Errorf("%s %s: GET %d, POST %d", name, address, code, resp.StatusCode)
		}
	}
	if asked < 7 {
		t.Errorf("discovery names %d addresses", asked)
	}
}
