package storage_test

import (
	"syscall"
	"testing"
	"time"

	"cardea/provider"
)

// noon is the time of most tests: to the microsecond, as stored times are.
var noon = time.Date(2031, 5, 4, 12, 0, 0, 123456000, time.UTC)

func sampleAccount(id, userID string) *provider.Account {
	return &provider.Account{
		ID: id, UserID: userID, PasswordHash: "$argon2id$sample", PasswordChanged: noon, Status: provider.AccountActive, Locale: "sv",
		Profile: provider.Profile{Name: "Astrid Å. \"Q\" Lind", Email: "astrid@example.com", EmailVerified: true,
			Address: &provider.Address{Locality: "Örebro", Country: "SE"}},
		Created: noon, Updated: noon,
	}
}

func sampleFactor(id, accountID string) *provider.Factor {
	return &provider.Factor{ID: id, AccountID: accountID, Kind: provider.FactorTOTP, Name: "Phone", Secret: []byte{0, 1, 0xFF, 0, 'a'}, Created: noon}
}

func sampleSignIn(id string, now time.Time) *provider.SignIn {
	age := int64(300)
	return &provider.SignIn{ID: id, Browser: "browser-of-" + id, Created: now, Expires: now.Add(time.Hour), Data: provider.SignInData{
		Request: provider.Authorization{
			ClientID: "shop", RedirectURI: "https://shop.example/callback", Scopes: []string{"openid", "profile"},
			Params: map[string][]string{"client_id": {"shop"}, "state": {"some state"}, "scope": {"openid profile"}},
			State:  "some state", MaxAge: &age,
		},
		Proof: provider.Proof{AccountID: "astrid", Methods: []string{"pwd"}, At: now},
	}}
}

func sampleSession(id string, now time.Time) *provider.Session {
	return &provider.Session{ID: id, SID: "sid-of-" + id, AccountID: "astrid", Methods: []string{"pwd", "otp", "mfa"}, AuthTime: now,
		Created: now, LastSeen: now, Expires: now.Add(12 * time.Hour), Address: "192.0.2.7", UserAgent: "Test/1.0"}
}

func sampleGrant(id string, now time.Time) *provider.Grant {
	return &provider.Grant{ID: id, AccountID: "astrid", ClientID: "shop", SID: "sid", Scopes: []string{"openid", "profile", "offline_access"},
		Audience: []string{"https://api.example"}, Methods: []string{"pwd", "otp", "mfa"}, AuthTime: now, Created: now, Expires: now.Add(720 * time.Hour),
		RefreshHash: "refresh-of-" + id, RefreshRotated: now, RefreshExpires: now.Add(24 * time.Hour)}
}

// sampleCode has a grant without what only its redemption decides.
func sampleCode(hash string, now time.Time) *provider.Code {
	g := sampleGrant("grant-of-"+hash, now)
	g.RefreshHash, g.RefreshRotated, g.RefreshExpires = "", time.Time{}, time.Time{}
	return &provider.Code{Hash: hash, Grant: *g, RedirectURI: "https://shop.example/callback", Nonce: "n-0S6_WzA2Mj",
		Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Expires: now.Add(time.Minute)}
}

func sampleToken(hash, grantID string, now time.Time) *provider.AccessToken {
	return &provider.AccessToken{Hash: hash, GrantID: grantID, AccountID: "astrid", ClientID: "shop", Scopes: []string{"openid"},
		Audience: []string{"https://api.example"}, Created: now, Expires: now.Add(10 * time.Minute)}
}

func sampleClient(id string, now time.Time) *provider.Client {
	return &provider.Client{ID: id, Name: provider.Text{"en": "The Shop", "sv": "Affären"}, Type: provider.ClientWeb, AuthMethod: provider.AuthBasic,
		RedirectURIs: []string{"https://shop.example/callback"}, PostLogoutRedirectURIs: []string{"https://shop.example/bye"},
		GrantTypes: []string{provider.GrantCode, provider.GrantRefresh}, Scopes: []string{"openid", "profile"}, FirstParty: true,
		MinACR: provider.ACRTwoFactor, IDTokenAlg: "RS256", InitiateLoginURI: "https://shop.example/login", Created: now, Updated: now,
		SecretHash: []byte{1, 0, 2}, PreviousHash: []byte{3}, PreviousExpires: now.Add(time.Hour)}
}

// cpuTime is what this process has used so far.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
