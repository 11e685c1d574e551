package webtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"cardea/provider"
	"cardea/storage/storagetest"
)

// Factor gives the account the second factor of a kind that needs no secret: codes by
// SMS or e-mail to the contact that it has.
func (i *Issuer) Factor(a *provider.Account, kind provider.FactorKind) {
	i.T.Helper()
	i.must(i.People.AddFactor(context.Background(), "cli:test", a.ID, kind))
}

// RecoveryCodes gives the account recovery codes.
func (i *Issuer) RecoveryCodes(a *provider.Account) []string {
	i.T.Helper()
	codes, err := i.People.AddRecoveryCodes(context.Background(), "cli:test", a.ID)
	i.must(err)
	return codes
}

// SentCodes are the codes in the outbox for an account by a channel, oldest first.
func (i *Issuer) SentCodes(a *provider.Account, channel provider.Channel) (codes []string) {
	i.T.Helper()
	waiting, err := storagetest.Outbox(context.Background(), i.Store, i.Now())
	i.must(err)
	for _, m := range waiting {
		if m.AccountID != a.ID || m.Channel != channel || m.Kind != provider.MessageCode && m.Kind != provider.MessageCodeContact {
			continue
		}
		code, err := i.Ring.Open(provider.ForMessage, m.Data.Code, provider.AAD("messages", "code", m.ID))
		i.must(err)
		codes = append(codes, string(code))
	}
	return codes
}

// SentCode is the newest code that was sent to an account by a channel.
func (i *Issuer) SentCode(a *provider.Account, channel provider.Channel) string {
	i.T.Helper()
	codes := i.SentCodes(a, channel)
	if len(codes) == 0 {
		i.T.Fatalf("no code was sent to %s by %s", a.UserID, channel)
	}
	return codes[len(codes)-1]
}

// Options are what script would be given for the passkey form of a page that posts to
// action, by the address that the page names.
func (b *Browser) Options(p *Page, action, address string) []byte {
	b.i.T.Helper()
	form, ok := p.Form(action)
	if !ok {
		b.i.T.Fatalf("page %s (%d) has no form to %s:\n%s", p.URL, p.Status, action, p.Body)
	}
	got := b.Post(address, url.Values{"ix": form["ix"], "form_token": form["form_token"]})
	if got.Status != 200 || got.Header.Get("Content-Type") != "application/json" {
		b.i.T.Fatalf("%s: %d %s", address, got.Status, got.Body)
	}
	return []byte(got.Body)
}

// Claims are the claims of a token that a test has received over the back channel; its
// signature is not checked.
func (i *Issuer) Claims(token string) map[string]any {
	i.T.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		i.T.Fatalf("no token of three parts: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	i.must(err)
	claims := map[string]any{}
	i.must(json.Unmarshal(raw, &claims))
	return claims
}
