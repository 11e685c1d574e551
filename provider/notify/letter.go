package notify

import (
	"context"
	"errors"
	"fmt"

	loginui "cardea/login-ui"
	"cardea/provider"
)

// kinds are the texts of the messages.
var kinds = map[provider.MessageKind]loginui.MessageKind{
	provider.MessageLocked: loginui.Locked, provider.MessageLockedHard: loginui.LockedHard, provider.MessageNewDevice: loginui.NewDevice,
	provider.MessageFactorAdded: loginui.FactorAdded, provider.MessageFactorRemoved: loginui.FactorRemoved,
	provider.MessagePassword: loginui.PasswordChanged, provider.MessageContact: loginui.ContactChanged,
	provider.MessageRecoveryUsed: loginui.RecoveryUsed, provider.MessageRecoveryMade: loginui.RecoveryMade,
	provider.MessageReported: loginui.Reported, provider.MessageDevicesSigned: loginui.OthersSignedOut,
	provider.MessageAccessRemoved: loginui.AccessRemoved, provider.MessageCode: loginui.Code,
	provider.MessageCodeContact: loginui.CodeContact, provider.MessageDesk: loginui.Desk,
}

// letter puts a message into words; nil when there is nobody to tell.
func (w *Worker) letter(ctx context.Context, m provider.Message) (*Letter, error) {
	kind, ok := kinds[m.Kind]
	if !ok {
		return nil, errors.New("unknown kind: made by a newer release")
	}
	to, lang, err := w.recipient(ctx, m)
	if err != nil || to == "" {
		return nil, err
	}
	data, err := w.told(m)
	if err != nil {
		return nil, err
	}
	l := &Letter{ID: m.ID, Channel: m.Channel, To: to}
	if m.Channel == provider.ChannelSMS {
		l.Body, err = w.set.UI.SMS(lang, kind, data)
	} else {
		l.Subject, l.Body, err = w.set.UI.Message(lang, kind, data)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// recipient is where a message goes and in which language; "" when there is nobody.
// A notice goes to the account's own contact: to an address as it is on file, to a
// number only when it has been proven to be its owner's.
func (w *Worker) recipient(ctx context.Context, m provider.Message) (to, lang string, err error) {
	if m.Kind == provider.MessageDesk {
		return m.To, "", nil // customer service reads the issuer's default language
	}
	account, err := w.set.Store.Account(ctx, m.AccountID)
	switch {
	case errors.Is(err, provider.NotFound):
		return "", "", nil
	case err != nil:
		return "", "", fmt.Errorf("reading the account: %w", err)
	case m.To != "":
		return m.To, account.Locale, nil
	case m.Channel == provider.ChannelMail:
		return account.Profile.Email, account.Locale, nil
	case account.Profile.PhoneNumberVerified:
		return account.Profile.PhoneNumber, account.Locale, nil
	}
	return "", "", nil
}

// told is what the text of a message mentions.
func (w *Worker) told(m provider.Message) (loginui.MessageData, error) {
	data := loginui.MessageData{
		Time: m.Data.At, Until: m.Data.Until, Browser: loginui.BrowserName(m.Data.UserAgent), Address: m.Data.Address,
		Name: m.Data.Name, Factor: m.Data.Factor, Left: m.Data.Left, Reference: m.Data.Reference,
	}
	if !m.Kind.Code() {
		return data, nil
	}
	code, err := w.set.Keys.Open(provider.ForMessage, m.Data.Code, provider.AAD("messages", "code", m.ID))
	if err != nil {
		return data, fmt.Errorf("opening the code: %w", err)
	}
	data.Code, data.Until = string(code), m.Expires
	if data.Time.IsZero() {
		data.Time = m.Created
	}
	return data, nil
}
