package browsertest

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// The authenticators that people have.
var (
	// phone verifies its user, and keeps passkeys that need no User ID.
	phone = webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}
	// securityKey only tells that somebody touched it.
	securityKey = webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportUsb, AutomaticPresenceSimulation: true,
	}
)

// authenticator is a virtual authenticator of one window. It answers at once, and it
// answers autofill without being asked to: see without.
type authenticator struct {
	w  *window
	id webauthn.AuthenticatorID
}

// plug gives the window an authenticator.
func (w *window) plug(kind webauthn.VirtualAuthenticatorOptions) *authenticator {
	w.t.Helper()
	call(w, webauthn.Enable, webauthn.EnableParams{})
	made := call(w, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &kind})
	return &authenticator{w, made.AuthenticatorID}
}

// unplug takes it away.
func (a *authenticator) unplug() {
	a.w.t.Helper()
	call(a.w, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
}

// verifies sets whether its user can unlock it. Where they cannot, the browser tells
// the page what it also tells when somebody closes its window (NotAllowedError).
func (a *authenticator) verifies(on bool) {
	a.w.t.Helper()
	call(a.w, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: on})
}

// touched sets whether somebody touches it whenever it asks for that.
func (a *authenticator) touched(on bool) {
	a.w.t.Helper()
	call(a.w, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: on})
}

// keys are the credentials that it holds.
func (a *authenticator) keys() []*webauthn.Credential {
	a.w.t.Helper()
	return call(a.w, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials
}

// key is its only credential.
func (a *authenticator) key() *webauthn.Credential {
	a.w.t.Helper()
	keys := a.keys()
	if len(keys) != 1 {
		a.w.t.Fatalf("the authenticator holds %d credentials, want one", len(keys))
	}
	return keys[0]
}

// addCredential is webauthn.AddCredential without the fields of an extension that
// Chromium takes for wished for as soon as they are named.
var addCredential = cdp.Command[addCredentialParams, cdp.Empty]{Method: webauthn.CommandAddCredential}

type addCredentialParams struct {
	AuthenticatorID webauthn.AuthenticatorID `json:"authenticatorId"`
	Credential      struct {
		CredentialID         []byte  `json:"credentialId"`
		IsResidentCredential bool    `json:"isResidentCredential"`
		RPID                 string  `json:"rpId"`
		PrivateKey           []byte  `json:"privateKey"`
		UserHandle           []byte  `json:"userHandle"`
		SignCount            float64 `json:"signCount"`
	} `json:"credential"`
}

// hold gives it a credential that another holds.
func (a *authenticator) hold(key *webauthn.Credential) {
	a.w.t.Helper()
	params := addCredentialParams{AuthenticatorID: a.id}
	c := &params.Credential
	c.CredentialID, c.IsResidentCredential, c.RPID = key.CredentialID, key.IsResidentCredential, key.RpID
	c.PrivateKey, c.UserHandle, c.SignCount = key.PrivateKey, key.UserHandle, key.SignCount
	call(a.w, addCredential, params)
}

// without takes something out of the browser, for the pages that it loads from now on.
func (w *window) without(script string) {
	w.t.Helper()
	call(w, page.Enable, page.EnableParams{})
	call(w, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

const (
	// autofill: the browser suggests no passkeys, so that a page with a virtual
	// authenticator waits for the button.
	autofill = `PublicKeyCredential.isConditionalMediationAvailable = async () => false`
	// overheard: the page tells in window.asked which requests it has made and ended. Once
	// window.slow is set, it waits with the answer until window.answer is called.
	overheard = `(() => {
		const get = navigator.credentials.get.bind(navigator.credentials);
		window.asked = [];
		navigator.credentials.get = async (request) => {
			window.asked.push(request.mediation ?? "button");
			request.signal?.addEventListener("abort", () => window.asked.push("ended"));
			const credential = await get(request);
			if (window.slow) await new Promise((answer) => { window.answer = answer; });
			return credential;
		};
	})()`
	// patient: what the page does after a minute or more waits for window.later.
	patient = `(() => {
		const wait = window.setTimeout.bind(window);
		window.setTimeout = (act, delay) => delay < 60000 ? wait(act, delay) : (window.later = act, 0);
	})()`
	// userVerification: somebody has changed the page to ask for no verification.
	userVerification = `(() => {
		const parse = PublicKeyCredential.parseRequestOptionsFromJSON.bind(PublicKeyCredential);
		PublicKeyCredential.parseRequestOptionsFromJSON = (options) => parse({...options, userVerification: "discouraged"});
	})()`
)

// sees waits until a condition holds on the page.
func (w *window) sees(condition string) {
	w.t.Helper()
	for end := time.Now().Add(patience); !value[bool](w, condition); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited for %s on %s", condition, w.address())
		}
	}
}

// suggests waits until autofill waits for somebody to choose. The page must be
// overheard.
func (w *window) suggests() {
	w.t.Helper()
	w.sees(`window.asked.includes("conditional")`)
	time.Sleep(300 * time.Millisecond) // the browser hears of it from the page, the authenticator from the browser
}

// offline takes the window's connection away, or gives it back.
func (w *window) offline(on bool) {
	w.t.Helper()
	conditions := []*network.Conditions{}
	if on {
		conditions = []*network.Conditions{{Offline: true, DownloadThroughput: -1, UploadThroughput: -1}}
	}
	call(w, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: conditions})
}

// local starts an issuer at localhost, where browsers do passkeys.
func local(t testing.TB, changes ...func(*webtest.Settings)) *issuer {
	t.Helper()
	return start(t, append([]func(*webtest.Settings){webtest.Localhost}, changes...)...)
}

// centre signs in to a page of the security centre.
func (w *window) centre(i *issuer, person *provider.Account, path string) {
	w.t.Helper()
	w.forgetCookies()
	w.visit(i.URL + path)
	w.signIn(person.UserID, webtest.Password)
}

// addPasskey creates a passkey in the security centre, with an authenticator that is
// plugged in. The window ends signed out.
func (w *window) addPasskey(i *issuer, person *provider.Account) {
	w.t.Helper()
	w.centre(i, person, "/security/methods")
	w.on("/security/methods")
	w.press("#add-passkey")
	w.on("/factor/passkey/new")
	w.press("#passkey")
	if w.path() == "/factor/recovery-codes" {
		w.press("#later")
	}
	w.on("/security/methods")
	w.forgetCookies()
}

// level is the acr and the amr of the ID token that the client got.
func (w *window) level(i *issuer) string {
	w.t.Helper()
	answer := i.app.Redeem(w.returned(i).Get("code"), "redirect_uri", i.client+"/callback")
	if answer.Text("id_token") == "" {
		w.t.Fatalf("redeeming the code: %d %s", answer.Status, answer.Raw)
	}
	claims := i.Claims(answer.Text("id_token"))
	out := []string{claims["acr"].(string)}
	for _, method := range claims["amr"].([]any) {
		out = append(out, method.(string))
	}
	return strings.Join(out, " ")
}

// givenUp presses the button of a passkey form that comes to nothing, and waits until it
// can be pressed again.
func (w *window) givenUp() {
	w.t.Helper()
	form := value[string](w, `document.querySelector("#passkey-form").dataset.options`)
	asked := w.posts(form)
	w.click("#passkey")
	w.sees(`!document.querySelector("#passkey-form").hasAttribute("aria-busy")`)
	if w.posts(form) == asked {
		w.t.Errorf("the button asked for no challenge")
	}
}

// quiet fails unless pressing the button comes to nothing, and nothing is shown.
func (w *window) quiet() {
	w.t.Helper()
	before, at := w.text("body"), w.address()
	w.givenUp()
	if after := w.text("body"); after != before || w.address() != at {
		w.t.Errorf("giving up showed something on %s:\n%s\n---\n%s", w.address(), before, after)
	}
}

// emptied fails unless the authenticator gives up all that it holds, as pages tell it
// to (WebAuthn Level 3 §5.1.10).
func (w *window) emptied(a *authenticator) {
	w.t.Helper()
	for end := time.Now().Add(patience / 4); len(a.keys()) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("%s left the authenticator with %d credentials", w.address(), len(a.keys()))
		}
	}
}

// query is the query of the page's address.
func (w *window) query() string {
	_, query, _ := strings.Cut(w.address(), "?")
	return query
}
