package site

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// What the API asks of whoever pays: two factors, shown within the last minute. Other calls take any access token.
const paymentMaxAge = 60 // seconds

var paymentACRs = []string{"urn:cardea:acr:2fa", "urn:cardea:acr:phr"} // the first is asked for

// payment is what POST /api/payments takes and answers with: an amount in öre.
type payment struct {
	Amount int64 `json:"amount"`
}

// apiPay books a payment. A token whose owner was not authenticated strongly or recently enough is refused with the
// challenge of RFC 9470, 3, which says what to ask the issuer for.
func (s *site) apiPay(w http.ResponseWriter, r *http.Request) {
	token := s.bearer(w, r, "payments:write")
	if token == nil {
		return
	}
	var claims struct {
		ACR      string `json:"acr"`
		AuthTime int64  `json:"auth_time"`
	}
	if err := token.Claims(&claims); err != nil || !slices.Contains(paymentACRs, claims.ACR) || time.Now().Unix()-claims.AuthTime > paymentMaxAge {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="account", error="insufficient_user_authentication", `+
			`error_description="A payment needs two factors, shown within the last minute", acr_values=%q, max_age="%d"`, paymentACRs[0], paymentMaxAge))
		http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
		return
	}
	var p payment
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&p); err != nil || p.Amount <= 0 || p.Amount > s.ledger(token.Subject).Account.Balance {
		http.Error(w, `body: {"amount": öre}, from 1 to the balance`, http.StatusUnprocessableEntity)
		return
	}
	s.mu.Lock()
	s.paid[token.Subject] = append(s.paid[token.Subject], transaction{Date: time.Now(), Amount: -p.Amount})
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(p)
}

// ledger is the person's ledger with what they have paid here.
func (s *site) ledger(sub string) ledger {
	l := ledgerOf(sub, time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.paid[sub] {
		a := &l.Account
		a.Balance, a.ToPay = a.Balance+t.Amount, max(0, a.ToPay+t.Amount)
		a.Available = a.Limit - a.Balance
		l.Transactions = slices.Insert(l.Transactions, 0, t)
	}
	return l
}

// payPage is what the page to pay shows.
type payPage struct {
	Account struct{ Balance, ToPay int64 }
	Typed   string // kronor
	Wrong   bool
	Paid    int64 // öre; 0 = nothing yet
}

func (s *site) payForm(w http.ResponseWriter, r *http.Request) {
	if who := s.session(r); who != nil {
		s.showPay(w, r, http.StatusOK, who, payPage{Paid: who.paid.Swap(0)})
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) showPay(w http.ResponseWriter, r *http.Request, status int, who *session, p payPage) {
	l, err := s.fetch(who)
	if err != nil {
		s.page(w, r, http.StatusBadGateway, "broken", err)
		return
	}
	p.Account.Balance, p.Account.ToPay = l.Account.Balance, l.Account.ToPay
	if p.Typed == "" {
		p.Typed = strconv.FormatInt((p.Account.ToPay+99)/100, 10)
	}
	s.page(w, r, status, "pay", p)
}

// pay asks the API to book the payment. When that wants a stronger or newer sign-in, the person goes to the issuer for
// it, and the payment is made when they come back.
func (s *site) pay(w http.ResponseWriter, r *http.Request) {
	who := s.session(r)
	if who == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	typed := strings.TrimSpace(r.PostFormValue("amount"))
	kronor, err := strconv.ParseInt(typed, 10, 32)
	if err != nil || kronor < 1 {
		s.showPay(w, r, http.StatusUnprocessableEntity, who, payPage{Typed: typed, Wrong: true})
		return
	}
	s.book(w, r, who, payment{Amount: kronor * 100})
}

func (s *site) book(w http.ResponseWriter, r *http.Request, who *session, p payment) {
	challenge, err := s.callPay(who, p)
	switch {
	case errors.Is(err, errAmount):
		s.showPay(w, r, http.StatusUnprocessableEntity, who, payPage{Typed: strconv.FormatInt(p.Amount/100, 10), Wrong: true})
	case err != nil:
		s.page(w, r, http.StatusBadGateway, "broken", err)
	case challenge != nil:
		s.stepUp(w, r, who, p, challenge)
	default:
		s.showPay(w, r, http.StatusOK, who, payPage{Paid: p.Amount})
	}
}

var (
	errAmount  = errors.New("the API does not take the amount")
	authParams = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// callPay calls the API. A challenge that asks for another authentication comes back as its parameters.
func (s *site) callPay(who *session, p payment) (challenge map[string]string, err error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	client := oauth2.NewClient(oidc.ClientContext(context.Background(), s.http), who.tokens)
	resp, err := client.Post(s.apiURL+"payments", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	params := map[string]string{}
	for _, m := range authParams.FindAllStringSubmatch(resp.Header.Get("WWW-Authenticate"), -1) {
		params[m[1]] = m[2]
	}
	switch {
	case resp.StatusCode == http.StatusCreated:
		return nil, nil
	case resp.StatusCode == http.StatusUnprocessableEntity:
		return nil, errAmount
	case resp.StatusCode == http.StatusUnauthorized && params["error"] == "insufficient_user_authentication":
		return params, nil
	}
	return nil, fmt.Errorf("api/payments answered %s", resp.Status)
}

// pending is a payment that waits for its owner to come back from the issuer.
type pending struct {
	payment
	who *session
}

// stepUp sends the person to the issuer with what the challenge asks for (RFC 9470, 4).
func (s *site) stepUp(w http.ResponseWriter, r *http.Request, who *session, p payment, challenge map[string]string) {
	state := s.begin(w, r, oauth2.SetAuthURLParam("acr_values", challenge["acr_values"]), oauth2.SetAuthURLParam("max_age", challenge["max_age"]))
	s.pending.Store(state, pending{p, who})
	time.AfterFunc(signInTime, func() { s.pending.Delete(state) })
}

// steppedUp makes the payment that waited for this sign-in, if it is the same person's.
func (s *site) steppedUp(w http.ResponseWriter, r *http.Request, now *session, waiting pending) {
	if string(now.Claims["sub"]) != string(waiting.who.Claims["sub"]) {
		s.page(w, r, http.StatusForbidden, "pay.other", nil)
		return
	}
	if err := s.revoke(waiting.who); err != nil {
		s.log.Warn("the refresh token from before was not revoked", "error", err)
	}
	challenge, err := s.callPay(now, waiting.payment)
	switch {
	case err == nil && challenge == nil:
		now.paid.Store(waiting.Amount)
		http.Redirect(w, r, "/pay", http.StatusSeeOther)
	case err == nil:
		s.page(w, r, http.StatusForbidden, "pay.weak", nil) // the issuer did not do as it was asked
	default:
		s.page(w, r, http.StatusBadGateway, "broken", err)
	}
}
