package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"cardea/provider"
)

// codeTries is how many answers to one code are looked at.
const codeTries = 5

// Sent tells where a code is, or was not, sent.
type Sent struct {
	Destination string        // masked
	New         bool          // a code was sent just now
	Wait        time.Duration // none was sent, because it is too soon; 0 otherwise
}

// dispatch is one code on its way: whose, in which sign-in, and where to.
type dispatch struct {
	in          *provider.SignIn
	b           Browser
	account     *provider.Account
	kind        provider.FactorKind // sms or email
	purpose     string              // of the challenge
	message     provider.MessageKind
	destination string
}

// byCode tells whether factors of a kind are codes that we send.
func byCode(kind provider.FactorKind) bool {
	return kind == provider.FactorSMS || kind == provider.FactorEmail
}

// channel is how codes of a kind travel.
func channel(kind provider.FactorKind) provider.Channel {
	if kind == provider.FactorSMS {
		return provider.ChannelSMS
	}
	return provider.ChannelMail
}

// masked shows enough of a destination for its owner to recognise it; "" stays "".
func masked(kind provider.FactorKind, destination string) string {
	switch {
	case destination == "":
		return ""
	case kind == provider.FactorSMS:
		return provider.MaskPhone(destination)
	}
	return provider.MaskEmail(destination)
}

func (d dispatch) sent() Sent { return Sent{Destination: masked(d.kind, d.destination)} }

// verifying is the code that proves a factor in a sign-in that stands at
// provider.StepVerify: provider.OutOfTurn where that kind may not be used, and
// *provider.LockedError where the account's second factors are locked.
func (s *Service) verifying(ctx context.Context, id string, b Browser, kind provider.FactorKind) (dispatch, *standing, error) {
	in, at, err := s.turn(ctx, id, b, provider.StepVerify)
	if err != nil {
		return dispatch{}, nil, err
	}
	if !byCode(kind) || !slices.Contains(at.Usable, kind) {
		return dispatch{}, nil, provider.OutOfTurn
	}
	return dispatch{
		in: in, b: b, account: at.Account, kind: kind, purpose: string(kind), message: provider.MessageCode,
		destination: at.Account.Destination(kind),
	}, at, nil
}

// Code makes sure that there is a code to be typed, for a sign-in that stands at
// provider.StepVerify and a kind of code that is usable there: it sends one when none
// is live. Where the limits do not let it, Sent.Wait tells for how long. It fails with
// provider.OutOfTurn and *provider.LockedError.
func (s *Service) Code(ctx context.Context, id string, b Browser, kind provider.FactorKind) (Sent, error) {
	d, _, err := s.verifying(ctx, id, b, kind)
	if err != nil {
		return Sent{}, err
	}
	if err := s.locked(ctx, s.factorLane(d.account)); err != nil {
		return Sent{}, err
	}
	if live, err := s.live(ctx, d); err != nil || live {
		return d.sent(), err
	}
	sent, err := s.send(ctx, d)
	if !errors.Is(err, provider.TooOften) {
		return sent, err
	}
	live, err := s.live(ctx, d) // another request of this page may have sent one
	if live {
		sent.Wait = 0
	}
	return sent, err
}

// SendCode sends a new code, which takes the place of the one before. It fails as Code
// does, and with *provider.TooOftenError, whose wait is also in Sent, when nothing was
// sent because of the limits.
func (s *Service) SendCode(ctx context.Context, id string, b Browser, kind provider.FactorKind) (Sent, error) {
	d, _, err := s.verifying(ctx, id, b, kind)
	if err != nil {
		return Sent{}, err
	}
	if err := s.locked(ctx, s.factorLane(d.account)); err != nil {
		return Sent{}, err
	}
	return s.send(ctx, d)
}

// live tells whether a code was sent for d that may still be typed.
func (s *Service) live(ctx context.Context, d dispatch) (bool, error) {
	c, err := s.store.Challenge(ctx, d.in.ID, d.purpose)
	if errors.Is(err, provider.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read challenge: %w", err)
	}
	return s.now().Before(c.Expires) && d.answers(c), nil
}

// answers tells whether c was put for d: to this account, at this destination, which
// may have changed since.
func (d dispatch) answers(c *provider.Challenge) bool {
	return c.Data.AccountID == d.account.ID && c.Data.Destination == d.destination && d.destination != ""
}

// send puts a fresh code for d into the outbox, with the challenge that its answer is
// checked against, within the limits.
func (s *Service) send(ctx context.Context, d dispatch) (Sent, error) {
	sent := d.sent()
	var often *provider.TooOftenError
	err := s.allow(ctx, s.sending(d.purpose, d.in, d.account, d.kind, d.destination, d.b))
	if errors.As(err, &often) {
		sent.Wait = often.Wait
	}
	if err != nil {
		return sent, err
	}
	now, digits := s.now(), newDigits()
	c := &provider.Challenge{
		Subject: d.in.ID, Purpose: d.purpose, ID: provider.NewID(), Created: now, Expires: now.Add(s.set.Codes.Life),
		Data: provider.ChallengeData{Destination: d.destination, AccountID: d.account.ID},
	}
	c.Data.MAC = s.set.Keys.MAC(provider.ForOneTime, codeData(c, digits))
	m := &provider.Message{
		ID: provider.NewID(), AccountID: d.account.ID, Kind: d.message, Channel: channel(d.kind), To: d.destination,
		Created: now, Due: now, Expires: c.Expires,
	}
	m.Data = provider.MessageData{At: now, Code: s.set.Keys.Seal(provider.ForMessage, []byte(digits), provider.AAD("messages", "code", m.ID))}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.PutChallenge(ctx, c); err != nil {
			return fmt.Errorf("put challenge: %w", err)
		}
		if err := s.store.CreateMessage(ctx, m); err != nil {
			return fmt.Errorf("write code: %w", err)
		}
		event := d.b.event(provider.ActionFactorSent, provider.OK, d.in)
		event.Subject, event.Method = d.account.ID, string(d.kind)
		return s.record(ctx, event)
	})
	if err != nil {
		return Sent{}, err
	}
	sent.New = true
	return sent, nil
}

// newDigits is a fresh code, every one of which is as likely.
func newDigits() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand never fails: it ends the program instead
	}
	return fmt.Sprintf("%06d", n)
}

// codeData is what the keyed hash of a code is made over: it is good for one challenge
// and one destination.
func codeData(c *provider.Challenge, digits string) string {
	return strings.Join([]string{c.ID, c.Data.Destination, digits}, "\x1f")
}

// try counts an answer to the code that is open for d: provider.Expired when none is,
// provider.Spent when all tries at it are used.
func (s *Service) try(ctx context.Context, d dispatch) (*provider.Challenge, error) {
	c, err := s.store.TryChallenge(ctx, d.in.ID, d.purpose, codeTries, s.now())
	switch {
	case errors.Is(err, provider.NotFound):
		return nil, provider.Expired
	case errors.Is(err, provider.Spent):
		return nil, provider.Spent
	case err != nil:
		return nil, fmt.Errorf("try challenge: %w", err)
	case c.Data.AccountID != d.account.ID:
		return nil, provider.Expired
	}
	return c, nil
}

// VerifyCode tries a code that was sent, for a sign-in that stands at
// provider.StepVerify. It fails as TOTP does, with provider.Expired when no code is
// live, so that a new one has to be sent, and with provider.Spent when too many wrong
// ones were tried in place of it. trust is as in TOTP.
func (s *Service) VerifyCode(ctx context.Context, id string, b Browser, kind provider.FactorKind, code string, trust bool) (Issued, error) {
	d, at, err := s.verifying(ctx, id, b, kind)
	if err != nil {
		return Issued{}, err
	}
	code, ok := sixDigits(code)
	if !ok {
		return Issued{}, provider.WrongCode
	}
	method := provider.MethodOf(kind)
	t := trial{in: d.in, b: b, account: d.account, action: provider.ActionFactor, method: method, trust: trust && at.TrustHelps}
	lane := s.factorLane(d.account)
	if err := s.locked(ctx, lane); err != nil {
		return Issued{}, s.refuseLocked(ctx, t, err)
	}
	c, err := s.try(ctx, d)
	if err != nil {
		return Issued{}, err
	}
	if !d.answers(c) {
		return Issued{}, provider.Expired
	}
	counted, err := s.count(ctx, s.set.Factor, lane)
	if err != nil {
		return Issued{}, s.refuseLocked(ctx, t, err)
	}
	if !s.set.Keys.CheckMAC(provider.ForOneTime, codeData(c, code), c.Data.MAC) {
		return Issued{}, s.refuse(ctx, t, counted, provider.WrongCode)
	}
	s.prove(d.in, d.account, method)
	issued, err := s.accept(ctx, t, counted, d.account.PasswordHash, func(ctx context.Context) error {
		return s.spendCode(ctx, c, at.Factors, kind)
	})
	if errors.Is(err, provider.Spent) {
		return Issued{}, s.refuse(ctx, t, counted, provider.WrongCode)
	}
	return issued, err
}

// spendCode uses a code up and notes the use of its factor. It runs in the transaction
// of the proof.
func (s *Service) spendCode(ctx context.Context, c *provider.Challenge, factors []provider.Factor, kind provider.FactorKind) error {
	if err := s.store.SpendChallenge(ctx, c); err != nil {
		return err
	}
	for _, f := range factors {
		if f.Kind == kind {
			return s.touchFactor(ctx, f.ID)
		}
	}
	return provider.OutOfTurn
}
