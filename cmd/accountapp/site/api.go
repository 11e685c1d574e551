package site

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// api answers with a part of the ledger of the person whose access token (RFC 9068) has the scope, else as RFC 6750, 3.
func (s *site) api(scope string, part func(ledger) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if token := s.bearer(w, r, scope); token != nil {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(part(s.ledger(token.Subject)))
		}
	}
}

// bearer is the request's access token, if it is good and has the scope; else nil, and the request has been answered.
func (s *site) bearer(w http.ResponseWriter, r *http.Request, scope string) *oidc.IDToken {
	refuse := func(status int, challenge string) *oidc.IDToken {
		w.Header().Set("WWW-Authenticate", `Bearer realm="account"`+challenge)
		http.Error(w, http.StatusText(status), status)
		return nil
	}
	raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return refuse(http.StatusUnauthorized, "")
	}
	token, err := s.issuer.accessTokens.Verify(r.Context(), raw) // signature, iss, aud, exp
	var claims struct{ Scope string }
	if err != nil || token.Claims(&claims) != nil || token.Subject == "" || !isAccessToken(raw) {
		return refuse(http.StatusUnauthorized, `, error="invalid_token"`)
	}
	if !slices.Contains(strings.Fields(claims.Scope), scope) {
		return refuse(http.StatusForbidden, fmt.Sprintf(`, error="insufficient_scope", scope=%q`, scope))
	}
	return token
}

// isAccessToken tells access tokens from ID tokens and whatever else the issuer signs.
func isAccessToken(raw string) bool {
	encoded, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	var header struct{ Typ string }
	return err == nil && json.Unmarshal(text, &header) == nil &&
		slices.Contains([]string{"at+jwt", "application/at+jwt"}, strings.ToLower(header.Typ))
}

// fetch reads the ledger from our own API over HTTP, as any other client would.
func (s *site) fetch(who *session) (l ledger, err error) {
	client := oauth2.NewClient(oidc.ClientContext(context.Background(), s.http), who.tokens) // sends, and refreshes, the access token
	for path, into := range map[string]any{"account": &l.Account, "transactions": &l.Transactions, "statements": &l.Statements, "rewards": &l.Rewards} {
		resp, err := client.Get(s.apiURL + path)
		if err != nil {
			return l, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return l, fmt.Errorf("api/%s answered %s", path, resp.Status)
		}
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			return l, err
		}
	}
	return l, nil
}

// ledger is the invented account of one person, newest first. Amounts are öre (1 SEK = 100 öre) that the person owes.
type ledger struct {
	Account struct {
		CardEnding                       string
		Balance, Limit, Available, ToPay int64
		Due                              time.Time
	}
	Transactions []transaction
	Statements   []statement
	Rewards      struct{ Points, ThisMonth int64 } // a point for every 10 SEK
}

type transaction struct {
	Date               time.Time
	Merchant, Category string // empty for a payment received
	Amount             int64
}

type statement struct {
	Month  time.Time
	Amount int64
}

var merchants = []struct {
	name, category string
	dearest        int64 // purchase
}{
	{"Exempelhallens Livs", "groceries", 900_00}, {"Påhittade Frukt & Grönt", "groceries", 350_00}, {"Café Ingenstans", "dining", 190_00},
	{"Restaurang Låtsas", "dining", 980_00}, {"Sagotåg", "travel", 1400_00}, {"Påhittad Bokhandel", "shopping", 640_00},
	{"Låtsas Hem & Hus", "shopping", 1900_00}, {"Exempelapoteket Fantasi", "health", 520_00}, {"Biograf Drömbild", "leisure", 330_00},
}

// ledgerOf invents what has happened since 2026, the same for the same sub: a statement
// on the 1st, its payment on the 27th, and a purchase every other day or so.
func ledgerOf(sub string, now time.Time) (l ledger) {
	r, a := rand.New(rand.NewChaCha8(sha256.Sum256([]byte(sub)))), &l.Account
	a.CardEnding, a.Limit = fmt.Sprintf("%04d", r.IntN(10000)), 60_000_00
	for day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); day.Before(now); day = day.AddDate(0, 0, 1) {
		t := transaction{Date: day}
		switch m := merchants[r.IntN(len(merchants))]; {
		case day.Day() == 1 && a.Balance > 0:
			l.Statements = append(l.Statements, statement{day.AddDate(0, -1, 0), a.Balance})
			a.ToPay, a.Due, l.Rewards.ThisMonth = a.Balance, day.AddDate(0, 0, 27), 0
		case day.Day() == 27:
			t.Amount, a.ToPay = -a.ToPay, 0
		case r.IntN(2) == 0:
			t.Merchant, t.Category, t.Amount = m.name, m.category, m.dearest/10+r.Int64N(m.dearest)*9/10
			l.Rewards.Points, l.Rewards.ThisMonth = l.Rewards.Points+t.Amount/1000, l.Rewards.ThisMonth+t.Amount/1000
		}
		if a.Balance += t.Amount; t.Amount != 0 {
			l.Transactions = append(l.Transactions, t)
		}
	}
	a.Available = a.Limit - a.Balance
	slices.Reverse(l.Transactions)
	slices.Reverse(l.Statements)
	return l
}
