package storage_test

import (
	"fmt"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		const each, tables = 5, 11
		for i := range each {
			seedSwept(t, s, fmt.Sprint("over ", i), noon)
		}
		seedSwept(t, s, "live", noon.Add(time.Microsecond))
		ok(t, "hard lock", s.SwapLane(ctx, provider.Lane{Key: "hard", Hard: true, Expires: noon}))

		sweep := func(now time.Time, batch int) int {
			t.Helper()
			n, err := s.Sweep(ctx, now, batch)
			ok(t, "sweep", err)
			return n
		}
		same(t, "before the time", sweep(noon.Add(-time.Microsecond), 100), 0)
		same(t, "a batch of all but codes and grants", sweep(noon, 2), 2*(tables-2))
		same(t, "the rest", sweep(noon, 100), 3*(tables-2))
		same(t, "codes and grants, a day later", sweep(noon.Add(24*time.Hour), 100)-(tables-2), each*2) // the live rows of the others are over by then

		_, err := s.Code(ctx, "live")
		ok(t, "live code", err)
		_, err = s.Grant(ctx, "live")
		ok(t, "live grant", err)
		lane, err := s.Lane(ctx, "hard")
		ok(t, "hard lock", err)
		same(t, "hard lock", lane.Hard, true)
	})
}

func TestSweepKeepsWhatIsLive(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		seedSwept(t, s, "live", noon.Add(time.Microsecond))
		n, err := s.Sweep(ctx, noon, 100)
		ok(t, "sweep", err)
		same(t, "removed", n, 0)
		n, err = s.Sweep(ctx, noon.Add(time.Microsecond), 100)
		ok(t, "sweep", err)
		same(t, "removed when its time is over", n, 9)
	})
}

// seedSwept adds one row to each table that is swept, over at expires.
func seedSwept(t *testing.T, s *storage.Store, id string, expires time.Time) {
	t.Helper()
	ctx := t.Context()
	in, session, code, grant, token := sampleSignIn(id, noon), sampleSession(id, noon), sampleCode(id, noon), sampleGrant(id, noon), sampleToken(id, id, noon)
	in.Expires, session.Expires, code.Expires, grant.Expires, token.Expires = expires, expires, expires, expires, expires
	ok(t, "sign-in", s.CreateSignIn(ctx, in))
	ok(t, "session", s.CreateSession(ctx, session))
	ok(t, "code", s.CreateCode(ctx, code))
	ok(t, "grant", s.CreateGrant(ctx, grant))
	ok(t, "token", s.CreateAccessToken(ctx, token))
	ok(t, "device", s.RememberDevice(ctx, id, id, noon, expires))
	ok(t, "lane", s.SwapLane(ctx, provider.Lane{Key: id, Expires: expires}))
	message, challenge, device := sampleMessage(id, noon), sampleChallenge(id, id), sampleDevice(id, id, id)
	message.Expires, challenge.Expires, device.Expires = expires, expires, expires
	ok(t, "message", s.CreateMessage(ctx, message))
	ok(t, "challenge", s.PutChallenge(ctx, challenge))
	ok(t, "trusted device", s.TrustDevice(ctx, device))
	_, _, err := s.CountRate(ctx, id, expires.Add(-time.Minute), time.Minute)
	ok(t, "rate", err)
}
