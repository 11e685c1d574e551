package oidc

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"cardea/provider"
)

// credentials are what a client showed of itself, and how.
type credentials struct {
	method, id, secret string
}

// credentialsOf reads the client's credentials: exactly one method (RFC 6749
// §2.3), one client id. Basic credentials are form-encoded (§2.3.1).
func credentialsOf(r *http.Request, form url.Values) (credentials, *Error) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	header := r.Header.Values("Authorization")
	switch {
	case form.Has("client_assertion") || form.Has("client_assertion_type"):
		return credentials{}, refuse("invalid_client", "client assertions are not offered")
	case len(header) > 1:
		return credentials{}, malformed("The Authorization header is given more than once.")
	case len(header) == 1 && form.Has("client_secret"):
		return credentials{}, malformed("Use one client authentication method, not both the Authorization header and client_secret.")
	case len(header) == 1:
		c, err := basic(header[0])
		if err != nil {
			return credentials{}, err
		}
		if id != "" && id != c.id {
			return credentials{}, malformed("client_id is not the client of the Authorization header.")
		}
		return c, nil
	case id == "":
		return credentials{}, refuse("invalid_client", "no client_id and no Authorization header")
	case form.Has("client_secret"):
		return credentials{method: provider.AuthPost, id: id, secret: secret}, nil
	}
	return credentials{method: provider.AuthNone, id: id}, nil
}

func basic(header string) (credentials, *Error) {
	scheme, value, _ := strings.Cut(header, " ")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	id, secret, ok := strings.Cut(string(raw), ":")
	if !strings.EqualFold(scheme, "Basic") || err != nil || !ok {
		return credentials{}, refuse("invalid_client", "the Authorization header is not Basic credentials")
	}
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	if err1 != nil || err2 != nil {
		return credentials{}, refuse("invalid_client", "the Basic credentials are not form-encoded (RFC 6749 §2.3.1)")
	}
	return credentials{method: provider.AuthBasic, id: id, secret: secret}, nil
}

// authenticate gives the client that r proves to come from. The method must be
// the registered one; all refusals look alike.
func (p *Provider) authenticate(ctx context.Context, r *http.Request, form url.Values) (*provider.Client, *Error) {
	shown, refused := credentialsOf(r, form)
	if refused != nil {
		return nil, refused
	}
	c, err := p.store.Client(ctx, shown.id)
	if errors.Is(err, provider.NotFound) {
		return nil, refuse("invalid_client", "there is no such client")
	}
	if err != nil {
		return nil, unavailable(err)
	}
	why := ""
	switch {
	case c.Disabled:
		why = "is disabled"
	case c.AuthMethod != shown.method:
		why = "is registered for " + c.AuthMethod + " and used " + shown.method
	case !c.Public() && !c.SecretMatches(shown.secret, p.set.Now()):
		why = "has another secret"
	default:
		return c, nil
	}
	if err := p.auditRefusal(ctx, c, shown.method); err != nil {
		return nil, unavailable(err)
	}
	return nil, refuse("invalid_client", "client "+c.ID+" "+why)
}

// refusalEvery spaces the audit events of one client's failed authentications, so
// that nobody can fill the audit trail with them; the metrics count every one.
const refusalEvery = time.Second

// auditRefusal notes that somebody could not prove to be client c.
func (p *Provider) auditRefusal(ctx context.Context, c *provider.Client, method string) error {
	limit, _ := p.refusals.LoadOrStore(c.ID, rate.NewLimiter(rate.Every(refusalEvery), 5))
	if !limit.(*rate.Limiter).Allow() {
		return nil
	}
	from := provider.OriginOf(ctx)
	return p.store.Record(ctx, provider.Event{
		Action: provider.ActionClientAuth, Outcome: provider.Refused, ClientID: c.ID, Method: method, RequestID: from.RequestID, Address: from.Address,
	})
}

// maxForm is the largest body of a protocol request, in bytes.
const maxForm = 64 << 10

// form reads the body of a back-channel request: one value per parameter, none
// of them in the address, where logs and proxies would see it.
func form(w http.ResponseWriter, r *http.Request) (url.Values, *Error) {
	if r.URL.RawQuery != "" {
		return nil, malformed("Send the parameters in the body, not in the address.")
	}
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
		return nil, malformed("Send the parameters in the body as application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, malformed("The body cannot be read as application/x-www-form-urlencoded, or is too long.")
	}
	if name := repeated(r.PostForm); name != "" {
		return nil, malformed("A parameter is given more than once" + known(name) + ".")
	}
	return r.PostForm, nil
}

// repeated names a parameter that has more than one value (RFC 6749 §3.1, §3.2).
func repeated(form url.Values) string {
	for name, values := range form {
		if len(values) > 1 {
			return name
		}
	}
	return ""
}

// parameters are the names that may be quoted back to a client.
var parameters = map[string]bool{
	"client_id": true, "client_secret": true, "redirect_uri": true, "response_type": true, "response_mode": true, "scope": true, "state": true,
	"nonce": true, "code": true, "code_verifier": true, "code_challenge": true, "code_challenge_method": true, "grant_type": true, "refresh_token": true,
	"prompt": true, "max_age": true, "display": true, "acr_values": true, "login_hint": true, "id_token_hint": true, "ui_locales": true, "token": true,
	"token_type_hint": true, "access_token": true, "post_logout_redirect_uri": true, "claims": true, "request": true, "request_uri": true,
}

func known(name string) string {
	if parameters[name] {
		return ": " + name
	}
	return ""
}
