package main

import (
	"fmt"
	"net/mail"

	"github.com/prometheus/client_golang/prometheus"

	"cardea/config"
	loginui "cardea/login-ui"
	"cardea/provider"
	"cardea/provider/notify"
)

// channels are the ways that messages can go by cfg.
func channels(cfg config.Config) []provider.Channel {
	m := cfg.Messages
	var all []provider.Channel
	if m.SMTP.Host != "" || m.Folder != "" {
		all = append(all, provider.ChannelMail)
	}
	if m.SMS.URL != "" || m.Folder != "" {
		all = append(all, provider.ChannelSMS)
	}
	return all
}

// senders are what delivers by each channel of cfg. An inbox, where there is one,
// takes the place of the folder.
func senders(cfg config.Config, inbox *notify.Inbox) (map[provider.Channel]notify.Sender, error) {
	m, all := cfg.Messages, map[provider.Channel]notify.Sender{}
	if m.Folder != "" {
		fallback := notify.Folder(m.Folder)
		if inbox != nil {
			fallback = inbox.Send
		}
		all[provider.ChannelMail], all[provider.ChannelSMS] = fallback, fallback
	}
	var err error
	if m.SMTP.Host != "" {
		from := mail.Address{Name: cfg.Brand.Name, Address: m.SMTP.From}
		all[provider.ChannelMail], err = notify.SMTP(notify.SMTPSettings{
			Host: m.SMTP.Host, Port: m.SMTP.Port, Username: m.SMTP.Username, Password: m.SMTP.Password.Reveal(), From: from.String(), TLS: m.SMTP.TLS,
		})
		if err != nil {
			return nil, fmt.Errorf("messages.smtp: %w", err)
		}
	}
	if m.SMS.URL != "" {
		all[provider.ChannelSMS], err = notify.SMSWebhook(notify.SMSWebhookSettings{URL: m.SMS.URL, Secret: []byte(m.SMS.Secret.Reveal())})
		if err != nil {
			return nil, fmt.Errorf("messages.sms: %w", err)
		}
	}
	return all, nil
}

// newOutbox is what empties the outbox, nil where no messages are made.
func newOutbox(sys *system, ui *loginui.UI, s *server, inbox *notify.Inbox) (*notify.Worker, error) {
	by, err := senders(sys.cfg, inbox)
	if err != nil || len(by) == 0 {
		return nil, err
	}
	tries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cardea_messages_total", Help: "Deliveries of messages tried, by kind, channel and outcome.",
	}, []string{"kind", "channel", "outcome"})
	s.registry.MustRegister(tries)
	return notify.New(notify.Settings{
		Store: sys.store, UI: ui, Keys: sys.ring, Senders: by, Log: s.log,
		Stats: func(kind provider.MessageKind, channel provider.Channel, outcome notify.Outcome) {
			tries.WithLabelValues(string(kind), string(channel), string(outcome)).Inc()
		},
	})
}
