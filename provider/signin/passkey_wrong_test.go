package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"cardea/provider"
	"cardea/provider/signin/passkeytest"
	"cardea/storage/storagetest"
)

// mutation makes something of an answer wrong.
type mutation struct {
	before func(*passkeytest.Answer)
	after  func(map[string]any)
	whole  func(string) string
}

func flag(change func(byte) byte) mutation {
	return mutation{before: func(a *passkeytest.Answer) { a.Flags = change(a.Flags) }}
}

func fromOrigin(o string) mutation {
	return mutation{before: func(a *passkeytest.Answer) { a.Origin = o }}
}

func field(name string, value any) mutation {
	return mutation{after: func(m map[string]any) { m["response"].(map[string]any)[name] = value }}
}

func outer(name string, value any) mutation {
	return mutation{after: func(m map[string]any) { m[name] = value }}
}

func cut(name string, bytes int) mutation {
	return mutation{after: func(m map[string]any) {
		r := m["response"].(map[string]any)
		raw, _ := base64.RawURLEncoding.DecodeString(r[name].(string))
		r[name] = base64.RawURLEncoding.EncodeToString(raw[:max(0, len(raw)-bytes)])
	}}
}

// common are the mutations of both ceremonies.
func common() map[string]mutation {
	hash := sha256.Sum256([]byte("other.example"))
	return map[string]mutation{
		"type of client data empty":       {before: func(a *passkeytest.Answer) { a.Type = "" }},
		"type of a payment":               {before: func(a *passkeytest.Answer) { a.Type = "payment.get" }},
		"challenge of nobody":             {before: func(a *passkeytest.Answer) { a.Challenge = b64Of("a challenge of 32 bytes, not ours") }},
		"challenge empty":                 {before: func(a *passkeytest.Answer) { a.Challenge = "" }},
		"challenge padded":                {before: func(a *passkeytest.Answer) { a.Challenge += "=" }},
		"origin of somebody else":         fromOrigin("https://other.example"),
		"origin below ours":               fromOrigin("https://a.id.example"),
		"origin above ours":               fromOrigin("https://example"),
		"origin without TLS":              fromOrigin("http://id.example"),
		"origin with another port":        fromOrigin("https://id.example:8443"),
		"origin with the default port":    fromOrigin("https://id.example:443"),
		"origin in capitals":              fromOrigin("https://ID.example"),
		"origin with a path":              fromOrigin("https://id.example/x"),
		"origin with a slash":             fromOrigin("https://id.example/"),
		"origin with a user":              fromOrigin("https://x@id.example"),
		"origin with a fragment":          fromOrigin("https://id.example#x"),
		"origin of an app":                fromOrigin("android:apk-key-hash:AAAA"),
		"origin empty":                    fromOrigin(""),
		"crossOrigin":                     {before: func(a *passkeytest.Answer) { a.CrossOrigin = true }},
		"topOrigin":                       {before: func(a *passkeytest.Answer) { a.TopOrigin = "https://other.example" }},
		"topOrigin ours":                  {before: func(a *passkeytest.Answer) { a.TopOrigin = origin }},
		"crossOrigin with topOrigin ours": {before: func(a *passkeytest.Answer) { a.TopOrigin, a.CrossOrigin = origin, true }},
		"rpIdHash of somebody else":       {before: func(a *passkeytest.Answer) { a.RPIDHash = hash[:] }},
		"rpIdHash of zeros":               {before: func(a *passkeytest.Answer) { a.RPIDHash = make([]byte, 32) }},
		"rpIdHash short":                  {before: func(a *passkeytest.Answer) { a.RPIDHash = a.RPIDHash[:31] }},
		"UP off":                          flag(func(f byte) byte { return f &^ passkeytest.UP }),
		"BS without BE":                   flag(func(f byte) byte { return f&^passkeytest.BE | passkeytest.BS }),
		"AT turned":                       flag(func(f byte) byte { return f ^ passkeytest.AT }),
		"ED without extensions":           flag(func(f byte) byte { return f | passkeytest.ED }),
		"bytes after the data":            {before: func(a *passkeytest.Answer) { a.Tail = []byte{0} }},
		"ED with bytes that are no map": {before: func(a *passkeytest.Answer) {
			a.Flags, a.Tail = a.Flags|passkeytest.ED, []byte{0xff, 0x00}
		}},
		"clientDataJSON no JSON":     field("clientDataJSON", b64Of("{")),
		"clientDataJSON a list":      field("clientDataJSON", b64Of("[]")),
		"clientDataJSON missing":     field("clientDataJSON", nil),
		"clientDataJSON no base64":   field("clientDataJSON", "*"),
		"type of the credential":     outer("type", "password"),
		"id empty":                   outer("id", ""),
		"id no base64":               outer("id", "%"),
		"id other than rawId":        outer("id", b64Of("another id")),
		"rawId other than id":        outer("rawId", b64Of("another id")),
		"rawId missing":              outer("rawId", nil),
		"response missing":           outer("response", nil),
		"response a text":            outer("response", "x"),
		"extension results a number": outer("clientExtensionResults", 7),
		"empty":                      {whole: func(string) string { return "" }},
		"null":                       {whole: func(string) string { return "null" }},
		"a list":                     {whole: func(s string) string { return "[" + s + "]" }},
		"something behind it":        {whole: func(s string) string { return s + "{}" }},
		"too long":                   {whole: func(s string) string { return s + strings.Repeat(" ", maxResponse) }},
	}
}

func getMutations() map[string]mutation {
	all := common()
	maps.Copy(all, map[string]mutation{
		"type of creation":          {before: func(a *passkeytest.Answer) { a.Type = "webauthn.create" }},
		"BE turned on":              flag(func(f byte) byte { return f | passkeytest.BE }),
		"BE and BS turned on":       flag(func(f byte) byte { return f | passkeytest.BE | passkeytest.BS }),
		"signed with another key":   {before: rekey(passkeytest.ES256)},
		"signed by EdDSA":           {before: rekey(passkeytest.EdDSA)},
		"signed by RS256":           {before: rekey(passkeytest.RS256)},
		"signature cut":             cut("signature", 1),
		"signature empty":           field("signature", ""),
		"signature missing":         field("signature", nil),
		"signature of nothing":      field("signature", b64Of(strings.Repeat("\x00", 64))),
		"authenticatorData cut":     cut("authenticatorData", 1),
		"authenticatorData empty":   field("authenticatorData", ""),
		"counter after signing":     {after: func(m map[string]any) { patch(m, 36) }},
		"flags after signing":       {after: func(m map[string]any) { patch(m, 32) }},
		"user handle of nobody":     field("userHandle", b64Of("nobody")),
		"user handle of zero bytes": field("userHandle", b64Of(strings.Repeat("\x00", 22))),
		"client data after signing": field("clientDataJSON", b64Of(`{"type":"webauthn.get"}`)),
	})
	return all
}

// patch turns a bit of the authenticator data.
func patch(m map[string]any, at int) {
	r := m["response"].(map[string]any)
	raw, _ := base64.RawURLEncoding.DecodeString(r["authenticatorData"].(string))
	raw[at] ^= 2
	r["authenticatorData"] = base64.RawURLEncoding.EncodeToString(raw)
}

func rekey(alg int) func(*passkeytest.Answer) {
	return func(a *passkeytest.Answer) {
		key, err := passkeytest.NewKey(alg)
		if err != nil {
			panic(err)
		}
		other := *a.Credential
		other.Key, other.Alg = key, alg
		a.Credential = &other
	}
}

// answered is what key answers once m has been at it.
func (m mutation) answered(key *passkeytest.Authenticator, answer func(*passkeytest.Authenticator) string) string {
	key.Before, key.After = m.before, m.after
	defer func() { key.Before, key.After = nil, nil }()
	response := answer(key)
	if m.whole != nil {
		response = m.whole(response)
	}
	return response
}

func TestWrongPasskeys(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t), func(s *Settings) { s.Factor.Attempts, s.Factor.Hard = 1e6, 0 })
	key := passkeytest.New()
	b.give(kajsa, key)
	refused := func(t *testing.T, p *person, m mutation) {
		t.Helper()
		right := p.shown(key)
		err := p.show(m.answered(key, p.shown))
		var unknown *UnknownCredential
		if wants(t, err, provider.WrongCode); errors.As(err, &unknown) {
			t.Error("it tells that the passkey is known to nobody")
		}
		wants(t, p.show(right), provider.Expired) // the challenge went before the answer was looked at
		if p.browser.Session != "" {
			t.Error("a session was opened")
		}
		must(t, p.show(p.shown(key))) // all but that was right
		p.at(provider.StepDone)
	}
	alone := getMutations()
	maps.Copy(alone, map[string]mutation{
		"UV off":              flag(func(f byte) byte { return f &^ passkeytest.UV }),
		"user handle missing": field("userHandle", nil),
		"user handle empty":   field("userHandle", ""),
	})
	for _, name := range slices.Sorted(maps.Keys(alone)) {
		t.Run("alone: "+name, func(t *testing.T) { refused(t, b.person().start("bank"), alone[name]) })
	}
	beside := getMutations()
	for _, name := range slices.Sorted(maps.Keys(beside)) {
		t.Run("second factor: "+name, func(t *testing.T) { refused(t, b.toVerify(), beside[name]) })
	}
	for name, m := range map[string]mutation{
		"UV off":              flag(func(f byte) byte { return f &^ passkeytest.UV }),
		"user handle missing": field("userHandle", nil),
		"unasked extensions":  outer("clientExtensionResults", map[string]any{"credProps": map[string]any{"rk": true}, "example": 1}),
		"unknown members":     outer("example", map[string]any{"a": 1}),
	} {
		t.Run("second factor, right: "+name, func(t *testing.T) {
			p := b.toVerify()
			must(t, p.show(m.answered(key, p.shown)))
		})
	}
}

func TestWrongNewPasskeys(t *testing.T) {
	t.Parallel()
	b := keyBench(t, storagetest.Open(t))
	p := b.person().start("vault")
	must(t, p.password(kajsa, password))
	all := common()
	maps.Copy(all, map[string]mutation{
		"type of use":                    {before: func(a *passkeytest.Answer) { a.Type = "webauthn.get" }},
		"id other than the attested":     {after: func(m map[string]any) { m["id"], m["rawId"] = b64Of("another"), b64Of("another") }},
		"id of no bytes":                 {before: func(a *passkeytest.Answer) { a.CredentialID = nil }},
		"id of 1024 bytes":               {before: func(a *passkeytest.Answer) { a.CredentialID = make([]byte, 1024) }},
		"algorithm not offered":          {before: func(a *passkeytest.Answer) { a.PublicKey[4] = 0x25 }}, // -6
		"type of key turned":             {before: func(a *passkeytest.Answer) { a.PublicKey[2] = 1 }},
		"point off the curve":            {before: func(a *passkeytest.Answer) { a.PublicKey[len(a.PublicKey)-1] ^= 1 }},
		"key cut":                        {before: func(a *passkeytest.Answer) { a.PublicKey = a.PublicKey[:40] }},
		"key of no bytes":                {before: func(a *passkeytest.Answer) { a.PublicKey = []byte{} }},
		"key no map":                     {before: func(a *passkeytest.Answer) { a.PublicKey = []byte{1} }},
		"key endless":                    {before: func(a *passkeytest.Answer) { a.PublicKey = []byte{0xbf, 1, 2, 0xff} }},
		"key with a member twice":        {before: func(a *passkeytest.Answer) { a.PublicKey = []byte{0xa2, 1, 2, 1, 2} }},
		"attestation of unknown format":  {before: func(a *passkeytest.Answer) { a.Format = "example" }},
		"attestation by another key":     {before: func(a *passkeytest.Answer) { a.Format = "self"; rekey(passkeytest.ES256)(a) }},
		"attestation object cut":         cut("attestationObject", 1),
		"attestation object empty":       field("attestationObject", ""),
		"attestation object missing":     field("attestationObject", nil),
		"attestation object deep":        field("attestationObject", b64Of(strings.Repeat("\x81", 5000)+"\x00")),
		"attestation object of length":   field("attestationObject", b64Of("\xa1\x63fmt\x7b\xff\xff\xff\xff\xff\xff\xff\xff")),
		"attestation object with no end": field("attestationObject", b64Of("\xbf\x63fmt\x64none")),
	})
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			key := passkeytest.New()
			right := p.made(passkeytest.New())
			wants(t, p.add(all[name].answered(key, p.made)), provider.WrongCode)
			b.audited(b.account.ID, "factor.added refused")
			wants(t, p.add(right), provider.Expired)
			p.at(provider.StepEnrol)
			if n := len(b.passkeys()); n != 0 || p.browser.Session != "" {
				t.Fatalf("%d passkeys, session %q", n, p.browser.Session)
			}
		})
	}
	t.Run("unknown members and extensions are let be", func(t *testing.T) {
		m := mutation{after: func(m map[string]any) {
			m["example"] = 1
			m["clientExtensionResults"].(map[string]any)["prf"] = map[string]any{"enabled": true}
		}}
		must(t, p.add(m.answered(passkeytest.New(), p.made)))
	})
}

// FuzzPasskey sends anything at all: nothing may get in but the right answer, and
// nothing may end the program.
func FuzzPasskey(f *testing.F) {
	c, err := newCeremonies(Passkeys{RPID: rpID, RPName: "Norrsken Kort", Origins: []string{origin}})
	if err != nil {
		f.Fatal(err)
	}
	account := &provider.Account{ID: provider.NewID(), UserID: kajsa, Status: provider.AccountActive}
	options, created, err := c.create(account, nil)
	if err != nil {
		f.Fatal(err)
	}
	key := passkeytest.New()
	made, err := key.Create(options, origin)
	if err != nil {
		f.Fatal(err)
	}
	passkey, _, err := c.made(created, made, account)
	if err != nil {
		f.Fatal(err)
	}
	keys := []provider.Factor{{Kind: provider.FactorPasskey, Passkey: passkey, Confirmed: true}}
	options, asked, err := c.get(account, keys)
	if err != nil {
		f.Fatal(err)
	}
	shown, err := key.Get(options, origin)
	if err != nil {
		f.Fatal(err)
	}
	object, err := base64.RawURLEncoding.DecodeString(between(made, `"attestationObject":"`, `"`))
	if err != nil {
		f.Fatal(err)
	}
	data, err := base64.RawURLEncoding.DecodeString(between(shown, `"authenticatorData":"`, `"`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made, object)
	f.Add(shown, data)
	for _, m := range getMutations() {
		f.Add(m.answered(key, func(k *passkeytest.Authenticator) string {
			response, err := k.Get(options, origin)
			if err != nil {
				f.Fatal(err)
			}
			return response
		}), data)
	}
	with := func(response string, part []byte) string {
		return strings.Replace(response, base64.RawURLEncoding.EncodeToString(part), "%", 1)
	}
	holed, dataHoled := with(made, object), with(shown, data)
	client := func(s string) string { return between(s, `"clientDataJSON":"`, `"`) }
	f.Fuzz(func(t *testing.T, response string, binary []byte) {
		part := base64.RawURLEncoding.EncodeToString(binary)
		for _, response := range []string{response, strings.Replace(dataHoled, "%", part, 1)} {
			if _, check, err := c.read(response); err == nil {
				if _, err := check(asked, account, keys); err == nil && !strings.Contains(response, client(shown)) {
					t.Errorf("got in with %q", response)
				}
			}
		}
		for _, response := range []string{response, strings.Replace(holed, "%", part, 1)} {
			if _, _, err := c.made(created, response, account); err == nil && !strings.Contains(response, client(made)) {
				t.Errorf("made one with %q", response)
			}
		}
	})
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}
