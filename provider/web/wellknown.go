package web

import (
	"encoding/json"
	"net/http"

	"cardea/provider"
)

// changePassword tells password managers where passwords are changed (W3C: A
// Well-Known URL for Changing Passwords).
func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	return seeOther(w, r, passwordPath)
}

// passkeyEndpoints tells password managers where passkeys are made and managed
// (W3C: A Well-Known URL for Relying Party Passkey Endpoints).
func (s *Server) passkeyEndpoints(w http.ResponseWriter, r *http.Request) error {
	if !s.set.Passkeys {
		return provider.NotFound
	}
	address := s.set.Issuer + methodsPath
	text, err := json.Marshal(map[string]string{"enroll": address, "manage": address})
	if err == nil {
		writeJSON(w, http.StatusOK, text)
	}
	return err
}
