package storage_test

import (
	"errors"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func sampleMessage(id string, due time.Time) *provider.Message {
	return &provider.Message{ID: id, AccountID: "astrid", Kind: provider.MessageCode, Channel: provider.ChannelSMS, To: "+46701234567",
		Data: provider.MessageData{At: noon, Code: []byte{1, 0, 0xFF}, Name: "Å \"1\""}, Created: noon, Due: due, Expires: noon.Add(time.Hour)}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		due := func(at time.Time, limit int, want ...*provider.Message) {
			t.Helper()
			got, err := s.DueMessages(ctx, provider.ChannelMail, at, limit)
			ok(t, "list", err)
			sms, err := s.DueMessages(ctx, provider.ChannelSMS, at, limit)
			ok(t, "list", err)
			got = append(got, sms...)
			messages := []provider.Message{}
			for _, m := range want {
				messages = append(messages, *m)
			}
			same(t, "due messages", got, messages)
		}
		code, notice := sampleMessage("m1", noon.Add(time.Second)), &provider.Message{ID: "m2", AccountID: "astrid", Kind: provider.MessagePassword,
			Created: noon, Due: noon, Expires: noon.Add(time.Minute)}
		ok(t, "create", s.CreateMessage(ctx, code))
		ok(t, "create without channel and address", s.CreateMessage(ctx, notice))
		refused(t, "same id", s.CreateMessage(ctx, code), provider.Exists)
		notice.Channel = provider.ChannelMail
		due(noon.Add(-time.Microsecond), 10)
		due(noon, 10, notice)
		due(noon.Add(time.Second), 10, notice, code)
		due(noon.Add(time.Minute), 10, code) // the notice is not worth it any more

		before := *code
		ok(t, "lease", s.LeaseMessage(ctx, before, noon.Add(30*time.Second)))
		refused(t, "lease of what somebody else has", s.LeaseMessage(ctx, before, noon.Add(40*time.Second)), provider.Spent)
		due(noon.Add(29*time.Second), 10, notice)
		code.Due, code.Attempts = noon.Add(30*time.Second), 1
		due(noon.Add(30*time.Second), 10, notice, code)
		ok(t, "lease again", s.LeaseMessage(ctx, *code, noon.Add(50*time.Second)))
		ok(t, "delete", s.DeleteMessage(ctx, "m1"))
		ok(t, "delete again", s.DeleteMessage(ctx, "m1"))
		due(noon.Add(59*time.Second), 10, notice)
	})
}

// Of one channel, codes come before notices, and who puts a message off gives it back.
func TestQueue(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		for i, kind := range []provider.MessageKind{provider.MessageLocked, provider.MessageContact, provider.MessageCode, provider.MessageCodeContact} {
			ok(t, "create", s.CreateMessage(ctx, &provider.Message{ID: string(kind), AccountID: "a", Kind: kind, Channel: provider.ChannelSMS,
				Created: noon, Due: noon.Add(time.Duration(i) * time.Second), Expires: noon.Add(time.Hour)}))
		}
		kinds := func(at time.Time) (out []provider.MessageKind) {
			due, err := s.DueMessages(ctx, provider.ChannelSMS, at, 3)
			ok(t, "list", err)
			for _, m := range due {
				out = append(out, m.Kind)
			}
			return out
		}
		same(t, "queue", kinds(noon.Add(time.Minute)), []provider.MessageKind{provider.MessageCode, provider.MessageCodeContact, provider.MessageLocked})
		due, err := s.DueMessages(ctx, provider.ChannelSMS, noon.Add(time.Minute), 1)
		ok(t, "list", err)
		taken := due[0]
		taken.Due = noon.Add(2 * time.Minute)
		ok(t, "lease", s.LeaseMessage(ctx, due[0], taken.Due))
		ok(t, "put off", s.PutOff(ctx, taken, noon.Add(90*time.Second)))
		same(t, "queue before", kinds(noon.Add(89*time.Second)), []provider.MessageKind{provider.MessageCodeContact, provider.MessageLocked, provider.MessageContact})
		same(t, "queue after", kinds(noon.Add(90*time.Second)), []provider.MessageKind{provider.MessageCodeContact, provider.MessageCode, provider.MessageLocked})
		ok(t, "put off what somebody else has", s.PutOff(ctx, taken, noon))
		same(t, "nothing moved", kinds(noon.Add(90*time.Second)), []provider.MessageKind{provider.MessageCodeContact, provider.MessageCode, provider.MessageLocked})
	})
}

// TestPinMessages keeps what waits for an account from going to a contact that it gets
// later.
func TestPinMessages(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, s *storage.Store) {
		ctx := t.Context()
		for _, m := range []provider.Message{
			{ID: "waits", AccountID: "astrid", Channel: provider.ChannelMail},
			{ID: "by another channel", AccountID: "astrid", Channel: provider.ChannelSMS},
			{ID: "has its own", AccountID: "astrid", Channel: provider.ChannelMail, To: "own@example.com"},
			{ID: "another's", AccountID: "bosse", Channel: provider.ChannelMail},
		} {
			m.Kind, m.Created, m.Due, m.Expires = provider.MessageFactorAdded, noon, noon, noon.Add(time.Hour)
			ok(t, "create", s.CreateMessage(ctx, &m))
		}
		before, err := storagetest.Outbox(ctx, s, noon)
		ok(t, "list", err)
		ok(t, "pin", s.PinMessages(ctx, "astrid", provider.ChannelMail, "old@example.com"))
		ok(t, "pin again", s.PinMessages(ctx, "astrid", provider.ChannelMail, "new@example.com"))
		after, err := storagetest.Outbox(ctx, s, noon)
		ok(t, "list", err)
		to := map[string]string{}
		for _, m := range after {
			to[m.ID] = m.To
		}
		same(t, "destinations", to, map[string]string{"waits": "old@example.com", "by another channel": "", "has its own": "own@example.com", "another's": ""})
		for _, m := range before {
			want := error(nil)
			if m.ID == "waits" {
				want = provider.Spent // it was read before it was pinned
			}
			if err := s.LeaseMessage(ctx, m, noon.Add(time.Minute)); !errors.Is(err, want) {
				t.Errorf("lease of %q: got %v, want %v", m.ID, err, want)
			}
		}
	})
}
