package oidc

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/ory/fosite"

	"cardea/provider"
)

// Error is a refused protocol request. Code and Description go to the client:
// both are constants of ours, never text from a library or a request. Reason is
// the whole truth and goes to the log only.
type Error struct {
	Code        string // error code (RFC 6749 §5.2, OpenID Connect Core §3.1.2.6)
	Description string
	Status      int
	Reason      string
}

func (e *Error) Error() string { return e.Code + ": " + e.Reason }

// The error codes that we answer with, and what each tells the client.
var descriptions = map[string]struct {
	status int
	text   string
}{
	"invalid_request":                   {400, "The request is missing a parameter, repeats one, or has one that cannot be read."},
	"invalid_client":                    {401, "Client authentication failed. Use the registered method and the current secret."},
	"invalid_grant":                     {400, "The code or refresh token is wrong, expired, used, revoked, or another client's."},
	"unauthorized_client":               {400, "The client is not registered for this grant type."},
	"unsupported_grant_type":            {400, "This grant type is not offered."},
	"unsupported_response_type":         {400, "Only response_type=code is offered."},
	"invalid_scope":                     {400, "A scope is unknown, not registered for the client, or beyond what was granted."},
	"invalid_token":                     {401, "The access token is wrong, expired or revoked."},
	"insufficient_scope":                {403, "The access token lacks a scope that this needs."},
	"access_denied":                     {403, "The request was declined."},
	"login_required":                    {400, "The person has to sign in."},
	"consent_required":                  {400, "The person has to give consent."},
	"interaction_required":              {400, "The person has to do something first."},
	"unmet_authentication_requirements": {400, "None of the essential acr values is offered; see acr_values_supported."},
	"account_selection_required":        {400, "The person has to choose an account."},
	"request_not_supported":             {400, "The request parameter is not supported."},
	"request_uri_not_supported":         {400, "The request_uri parameter is not supported."},
	"registration_not_supported":        {400, "The registration parameter is not supported."},
	"server_error":                      {500, "Something went wrong on our side."},
	"temporarily_unavailable":           {503, "The service is busy or under maintenance. Try again shortly."},
}

// refuse makes the Error of code; reason is for the log.
func refuse(code, reason string) *Error {
	d := descriptions[code]
	return &Error{Code: code, Description: d.text, Status: d.status, Reason: reason}
}

// malformed is invalid_request with a description that names what to mend. text
// is a constant or names a parameter that we know.
func malformed(text string) *Error {
	return &Error{Code: "invalid_request", Description: text, Status: http.StatusBadRequest, Reason: text}
}

// translate turns an error of fosite, the store or ourselves into one that may
// leave the house. fosite's own wording is kept for the log.
func translate(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	switch {
	case errors.Is(err, provider.Spent), errors.Is(err, fosite.ErrInactiveToken), errors.Is(err, fosite.ErrInvalidatedAuthorizeCode):
		return refuse("invalid_grant", err.Error())
	case errors.Is(err, fosite.ErrUnknownRequest):
		return refuse("unsupported_grant_type", err.Error())
	}
	var library *fosite.RFC6749Error
	if errors.As(err, &library) {
		reason := library.ErrorField + ": " + library.HintField + " " + library.DebugField
		if _, known := descriptions[library.ErrorField]; known {
			return refuse(library.ErrorField, reason)
		}
		if library.CodeField >= 500 {
			return refuse("server_error", reason)
		}
		return refuse("invalid_request", reason)
	}
	return refuse("server_error", err.Error())
}

// unavailable is a failing store: nothing was decided, so the client may retry.
func unavailable(err error) *Error { return refuse("temporarily_unavailable", err.Error()) }

// writeError answers a back-channel request in JSON (RFC 6749 §5.2).
func writeError(w http.ResponseWriter, e *Error) {
	h := w.Header()
	switch e.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Basic realm="token endpoint", charset="UTF-8"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	writeJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// retryAfter is how many seconds a client should wait for a failing store.
const retryAfter = 5

// writeBearerError answers a protected resource request (RFC 6750 §3).
func writeBearerError(w http.ResponseWriter, e *Error) {
	challenge := `Bearer realm="userinfo"`
	if e.Code != "" {
		challenge += `, error="` + e.Code + `", error_description="` + e.Description + `"`
	}
	if e.Code == "insufficient_scope" {
		challenge += `, scope="openid"`
	}
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if e.Code == "" { // no token at all: RFC 6750 §3.1 gives no error code
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(e.Status)
		return
	}
	if e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	writeJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// writeJSON answers with v, never to be cached.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // v is made of strings, numbers and maps of ours
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
