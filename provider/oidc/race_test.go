package oidc_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"cardea/provider/web/webtest"
	"cardea/storage"
	"cardea/storage/storagetest"
)

const racers = 32

// race runs call in racers goroutines that start together.
func race(call func() *webtest.Answer) []*webtest.Answer {
	answers := make([]*webtest.Answer, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for n := range racers {
		wg.Go(func() {
			<-start
			answers[n] = call()
		})
	}
	close(start)
	wg.Wait()
	return answers
}

// winners are the answers with tokens; all others must be invalid_grant.
func winners(t *testing.T, answers []*webtest.Answer) []*webtest.Answer {
	t.Helper()
	var won []*webtest.Answer
	for _, a := range answers {
		if a.Status == http.StatusOK {
			won = append(won, good(t, a))
			continue
		}
		refused(t, a, http.StatusBadRequest, "invalid_grant")
	}
	return won
}

func TestCodeRace(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		h := open(t, webtest.On(store))
		for _, app := range []*webtest.Client{h.app, h.public("spa")} {
			code := h.code(t, app)
			won := winners(t, race(func() *webtest.Answer { return app.Redeem(code) }))
			if len(won) != 1 {
				t.Fatalf("%d redemptions of one code of %s succeeded", len(won), app.ID)
			}
			h.dead(t, app, won[0].Text("access_token"))
			refused(t, app.Refresh(won[0].Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
		}
	})
}

func TestRefreshRacePublic(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		h := open(t, webtest.On(store))
		spa := h.public("spa")
		first := h.tokens(t, spa)
		won := winners(t, race(func() *webtest.Answer { return spa.Refresh(first.Text("refresh_token")) }))
		if len(won) != 1 {
			t.Fatalf("%d refreshes with one token succeeded", len(won))
		}
		for _, a := range []*webtest.Answer{first, won[0]} {
			h.dead(t, spa, a.Text("access_token"))
			refused(t, spa.Refresh(a.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
		}
	})
}

// A confidential client may run several workers that refresh at the same moment:
// all of them go on with the same successor.
func TestRefreshRaceConfidential(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		h := open(t, webtest.On(store))
		first := h.tokens(t, h.app)
		won := winners(t, race(func() *webtest.Answer { return h.app.Refresh(first.Text("refresh_token")) }))
		if len(won) != racers {
			t.Fatalf("%d of %d refreshes within the retry window succeeded", len(won), racers)
		}
		access := map[string]bool{}
		for _, a := range won {
			if a.Text("refresh_token") != won[0].Text("refresh_token") || a.Text("refresh_token") == first.Text("refresh_token") {
				t.Fatal("the refreshes made different successors")
			}
			access[a.Text("access_token")] = true
			h.alive(t, a.Text("access_token"))
		}
		if len(access) != racers {
			t.Errorf("%d access tokens for %d answers", len(access), racers)
		}
		good(t, h.app.Refresh(won[0].Text("refresh_token")))
	})
}

func noRetry(set *webtest.Settings) { set.Protocol.RefreshRetry = 0 }

func TestRefreshRaceWithoutRetryWindow(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		h := open(t, webtest.On(store), noRetry)
		first := h.tokens(t, h.app)
		won := winners(t, race(func() *webtest.Answer { return h.app.Refresh(first.Text("refresh_token")) }))
		if len(won) != 1 {
			t.Fatalf("%d refreshes with one token succeeded", len(won))
		}
		h.dead(t, h.app, won[0].Text("access_token"))
	})
}

// Without a retry window not even the same microsecond is one.
func TestNoRetryWindowOnStoppedClock(t *testing.T) {
	t.Parallel()
	stopped := time.Now().UTC().Truncate(time.Microsecond)
	h := open(t, noRetry, func(set *webtest.Settings) { set.Protocol.Now = func() time.Time { return stopped } })
	first := h.tokens(t, h.app)
	next := good(t, h.app.Refresh(first.Text("refresh_token")))
	refused(t, h.app.Refresh(first.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
	h.dead(t, h.app, next.Text("access_token"))
}

// A refresh and a revocation at the same time: whatever wins, the family is dead
// afterwards.
func TestRefreshAgainstRevocation(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		h := open(t, webtest.On(store))
		for range 5 {
			first := h.tokens(t, h.app)
			var next *webtest.Answer
			var wg sync.WaitGroup
			wg.Go(func() { next = h.app.Refresh(first.Text("refresh_token")) })
			wg.Go(func() { revoke(h.app, first.Text("refresh_token")) })
			wg.Wait()
			h.dead(t, h.app, first.Text("access_token"))
			if next.Status == http.StatusOK {
				h.dead(t, h.app, next.Text("access_token"))
				refused(t, h.app.Refresh(next.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
			}
		}
	})
}

// A code that is redeemed while its account is being locked gives nothing that lasts.
func TestRedemptionAgainstLock(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		h := open(t, webtest.On(store))
		for range 5 {
			b, code := h.app.SignedIn(userID)
			h.browser = b
			var got *webtest.Answer
			var wg sync.WaitGroup
			wg.Go(func() { got = h.app.Redeem(code) })
			wg.Go(func() { check(t, h.People.Lock(t.Context(), "cli:test", h.person.ID)) })
			wg.Wait()
			if got.Status == http.StatusOK {
				h.dead(t, h.app, got.Text("access_token"))
				refused(t, h.app.Refresh(got.Text("refresh_token")), http.StatusBadRequest, "invalid_grant")
			}
			check(t, h.People.Unlock(t.Context(), "cli:test", h.person.ID))
		}
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
