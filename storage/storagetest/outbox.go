package storagetest

import (
	"context"
	"slices"
	"time"

	"cardea/provider"
	"cardea/storage"
)

// Outbox lists the messages of all channels that are due at, oldest first.
func Outbox(ctx context.Context, s *storage.Store, at time.Time) ([]provider.Message, error) {
	var all []provider.Message
	for _, channel := range []provider.Channel{provider.ChannelMail, provider.ChannelSMS} {
		due, err := s.DueMessages(ctx, channel, at, 1000)
		if err != nil {
			return nil, err
		}
		all = append(all, due...)
	}
	slices.SortStableFunc(all, func(a, b provider.Message) int { return a.Due.Compare(b.Due) })
	return all, nil
}
