package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	loginui "cardea/login-ui"
	"cardea/provider"
)

// What only this layer can find wrong.
var (
	errMethod  = errors.New("method not allowed")
	errCookies = errors.New("the browser sends no cookie")
	errForm    = errors.New("the form cannot be read")
)

// kind is what an error becomes: one table for the whole package.
type kind struct {
	name   string // metric label
	is     error
	status int
	page   loginui.ErrorKind
}

var kinds = []kind{
	{"wrong", provider.WrongPassword, http.StatusUnprocessableEntity, loginui.Internal},
	{"wrong", provider.WrongCode, http.StatusUnprocessableEntity, loginui.Internal},
	{"locked", provider.Locked, http.StatusTooManyRequests, loginui.TooMany},
	{"too_often", provider.TooOften, http.StatusTooManyRequests, loginui.TooMany},
	{"last_factor", provider.LastFactor, http.StatusUnprocessableEntity, loginui.Forbidden},
	{"exists", provider.Exists, http.StatusUnprocessableEntity, loginui.Internal},
	{"reauthenticate", provider.Reauthenticate, http.StatusForbidden, loginui.Forbidden},
	{"not_found", provider.NotFound, http.StatusNotFound, loginui.NotFound},
	{"expired", provider.Expired, http.StatusBadRequest, loginui.Expired},
	{"expired", provider.Spent, http.StatusBadRequest, loginui.Expired},
	{"expired", provider.OutOfTurn, http.StatusBadRequest, loginui.Expired},
	{"expired", provider.Changed, http.StatusBadRequest, loginui.Expired},
	{"cookies", errCookies, http.StatusBadRequest, loginui.Cookies},
	{"forbidden", provider.Forbidden, http.StatusForbidden, loginui.Forbidden},
	{"form", errForm, http.StatusBadRequest, loginui.Forbidden},
	{"method", errMethod, http.StatusMethodNotAllowed, loginui.MethodNotAllowed},
	{"busy", provider.Busy, http.StatusServiceUnavailable, loginui.Unavailable},
	{"unavailable", provider.Unavailable, http.StatusServiceUnavailable, loginui.Unavailable},
	{"canceled", context.Canceled, 499, loginui.Unavailable},
	{"deadline", context.DeadlineExceeded, http.StatusServiceUnavailable, loginui.Unavailable},
}

// kindOf is the row of err; what stands in none is ours.
func kindOf(err error) kind {
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return k
		}
	}
	return kind{name: "internal", status: http.StatusInternalServerError, page: loginui.Internal}
}

// recovery is how long somebody should wait for what is unavailable.
const recovery = 5 * time.Second

// fail answers with the page of err. It sets no cookie, so it has no language
// switch.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	rec := recordOf(w)
	rec.err = err
	k := kindOf(err)
	page := &loginui.ErrorPage{Base: loginui.Base{Lang: s.language(r)}, Kind: k.page, Reference: rec.id, Host: s.host}
	if k.page == loginui.Unavailable {
		page.RetryAfter = recovery
	}
	if often, ok := errors.AsType[*provider.TooOftenError](err); ok {
		page.RetryAfter = often.Wait
	}
	if lock, ok := errors.AsType[*provider.LockedError](err); ok && !lock.Hard {
		page.RetryAfter = lock.Until.Sub(s.set.Now())
	}
	s.respond(w, r, k.status, page)
}

// respond renders page with status. A page that cannot be rendered becomes plain
// text, so that there is always an answer.
func (s *Server) respond(w http.ResponseWriter, r *http.Request, status int, page loginui.Page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if e, ok := page.(*loginui.ErrorPage); ok && e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Round(time.Second).Seconds())))
	}
	body, err := s.render(page)
	if err != nil {
		recordOf(w).err = err
		http.Error(w, "Something went wrong on our side. Reference: "+recordOf(w).id, http.StatusInternalServerError)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
