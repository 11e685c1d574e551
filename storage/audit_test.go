package storage_test

import (
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestEventFilters(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		for i, action := range []provider.Action{provider.ActionPassword, provider.ActionRehash, provider.ActionSession, provider.ActionSignOut} {
			e := provider.Event{Action: action, Outcome: provider.OK, Subject: "a1", At: noon.Add(time.Duration(i) * time.Minute), UserAgent: "Test\x00/1.0"}
			ok(t, "record", s.Record(ctx, e))
			e.Subject = "a2"
			ok(t, "record", s.Record(ctx, e))
		}
		list := func(f storage.EventFilter) (got []provider.Action) {
			t.Helper()
			f.Subject = "a1"
			events, err := s.Events(ctx, f)
			ok(t, "list", err)
			for _, e := range events {
				got = append(got, e.Action)
				same(t, "subject and browser", []string{e.Subject, e.UserAgent}, []string{"a1", "Test\uFFFD/1.0"})
			}
			return got
		}
		const password, rehash, session, out = provider.ActionPassword, provider.ActionRehash, provider.ActionSession, provider.ActionSignOut
		for _, c := range []struct {
			name   string
			filter storage.EventFilter
			want   []provider.Action
		}{
			{"any of two", storage.EventFilter{Actions: []provider.Action{password, session}}, []provider.Action{session, password}},
			{"one of one", storage.EventFilter{Actions: []provider.Action{rehash}}, []provider.Action{rehash}},
			{"none of them", storage.EventFilter{Actions: []provider.Action{"nothing", "' OR '1'='1"}}, nil},
			{"no older", storage.EventFilter{Since: noon.Add(2 * time.Minute)}, []provider.Action{out, session}},
			{"both", storage.EventFilter{Actions: []provider.Action{password, session}, Since: noon.Add(time.Microsecond)}, []provider.Action{session}},
			{"the newest of both", storage.EventFilter{Actions: []provider.Action{password, session}, Since: noon, Limit: 1}, []provider.Action{session}},
			{"all", storage.EventFilter{Actions: []provider.Action{}}, []provider.Action{out, session, rehash, password}},
		} {
			same(t, c.name, list(c.filter), c.want)
		}
	})
}
