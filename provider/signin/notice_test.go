package signin

import (
	"slices"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage/storagetest"
)

// notices are the kinds of the notices in b's outbox, sorted.
func (b *bench) notices() []provider.MessageKind {
	b.t.Helper()
	due, err := storagetest.Outbox(b.ctx, b.store, b.set.Now().Add(time.Hour))
	must(b.t, err)
	var kinds []provider.MessageKind
	for _, m := range due {
		if m.AccountID != b.account.ID {
			b.t.Errorf("a notice for %q", m.AccountID)
		}
		kinds = append(kinds, m.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

func TestOwnerIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), func(s *Settings) { s.Channels = []provider.Channel{provider.ChannelMail} })
	p := b.person().start("bank")
	must(t, p.password(kajsa, password))
	enrolment, err := b.service.Enrolment(b.ctx, p.id, p.browser)
	must(t, err)
	must(t, p.confirm(b.code(enrolment.Key, 0)))
	for _, userID := range []string{kajsa, "nobody-at-all"} {
		guesser := b.person().start("bank")
		for range b.set.Password.Attempts {
			_ = guesser.password(userID, "a wrong password")
		}
	}
	want := []provider.MessageKind{provider.MessageFactorAdded, provider.MessageLocked, provider.MessageNewDevice}
	if got := b.notices(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	b.pass(time.Minute)
	again := p.start("bank", func(a *provider.Authorization) { a.Prompt = []string{provider.PromptLogin} }) // the same browser, no longer new
	must(t, again.password(kajsa, password))
	if got := b.notices(); !slices.Equal(got, want) {
		t.Errorf("after a second sign-in: got %v, want %v", got, want)
	}
}
