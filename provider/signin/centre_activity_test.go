package signin

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestActivity(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		now := b.set.Now()
		record := func(action provider.Action, at time.Time, detail string) {
			t.Helper()
			must(t, store.Record(b.ctx, provider.Event{At: at, Action: action, Outcome: provider.OK, Subject: b.account.ID, Detail: detail}))
		}
		record(provider.ActionContact, now.Add(-activityAge-time.Second), "too old")
		for i := range 41 {
			record(provider.ActionContact, now.Add(-time.Hour), fmt.Sprint("event ", i))
			record(provider.ActionRehash, now.Add(-time.Hour), "not for people")
		}
		o := b.signedIn().owner()
		var pages []int
		var details []string
		for before := ""; ; {
			events, older, err := b.service.Activity(b.ctx, o, before)
			must(t, err)
			pages = append(pages, len(events))
			for _, e := range events {
				details = append(details, e.Detail)
			}
			if before = older; before == "" {
				break
			}
		}
		if !slices.Equal(pages, []int{20, 20, 3}) {
			t.Errorf("pages of %v events, want 20, 20 and 3", pages)
		}
		want := []string{"", ""} // session and password, newest first
		for i := range 41 {
			want = append(want, fmt.Sprint("event ", 40-i))
		}
		if !slices.Equal(details, want) {
			t.Errorf("got %q, want %q", details, want)
		}
		for _, before := range []string{"x", "\x00", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", "{ba7b810-9dad-11d1-80b4-00c04fd430c8}"} {
			events, _, err := b.service.Activity(b.ctx, o, before)
			if err != nil || len(events) != 20 || events[0].Action != provider.ActionSession {
				t.Errorf("before %q: got %d events, %v; want the first page", before, len(events), err)
			}
		}
	})
}

func TestActivityOnExactlyOnePage(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), centre)
	for range 18 {
		must(t, b.store.Record(b.ctx, provider.Event{At: b.set.Now(), Action: provider.ActionContact, Outcome: provider.OK, Subject: b.account.ID}))
	}
	events, older, err := b.service.Activity(b.ctx, b.signedIn().owner(), "")
	if err != nil || len(events) != 20 || older != "" {
		t.Errorf("got %d events, older %q, %v; want 20 and no other page", len(events), older, err)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre)
		b.trust(b.account)
		p, thief := b.signedIn(), b.signedIn()
		pending := thief.start("bank", prompt(provider.PromptLogin))
		grant := b.grant(b.account, thief.session().SID, provider.ScopeOffline)
		o, theirs := p.owner(), thief.owner()
		// The thief is quicker with a new password, and still loses.
		_, err := b.service.ChangePassword(b.ctx, theirs, password, newWords, false)
		must(t, err)
		must(t, b.service.Report(b.ctx, o))
		if thief.session() != nil || p.session() != nil || b.live(grant) || b.trusted(b.account) != 0 {
			t.Error("something is still open on the next request")
		}
		if a, err := store.Account(b.ctx, b.account.ID); err != nil || a.Status != provider.AccountLocked {
			t.Errorf("got account %+v, %v", a, err)
		}
		b.byOwner(provider.ActionReported, "")
		wants(t, pending.password(kajsa, newWords), provider.WrongPassword)
		wants(t, b.service.SetLanguage(b.ctx, theirs, "sv"), provider.OutOfTurn)
		wants(t, b.service.EndOthers(b.ctx, theirs), provider.OutOfTurn)

		if n := len(b.sent(provider.MessageReported)); n != 1 {
			t.Errorf("%d notices to the owner, want 1", n)
		}
		told := b.sent(provider.MessageDesk)
		if len(told) != 1 || told[0].To != desk || told[0].Channel != provider.ChannelMail || told[0].Data.Reference != "r1" || told[0].Data.Address != "" {
			t.Errorf("customer service is told %+v", told)
		}
		must(t, b.service.Report(b.ctx, o)) // twice is no error

		must(t, b.service.Unlock(b.ctx, operator, b.account.ID))
		must(t, b.person().start("bank").password(kajsa, newWords))
		must(t, store.SetAccountStatus(b.ctx, b.account.ID, provider.AccountDisabled, b.set.Now()))
		wants(t, b.service.Report(b.ctx, o), provider.Forbidden)
	})
}

func TestReportWithoutADesk(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Settings){
		"no desk": func(s *Settings) { s.Desk = "" },
		"no mail": func(s *Settings) { s.Channels = []provider.Channel{provider.ChannelSMS} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storagetest.Open(t), centre, change)
			must(t, b.service.Report(b.ctx, b.signedIn().owner()))
			if told := b.sent(provider.MessageDesk); len(told) != 0 {
				t.Errorf("got %+v, want nothing", told)
			}
		})
	}
}
