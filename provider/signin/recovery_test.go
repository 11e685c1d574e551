package signin

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func TestRecoveryCodeSpelling(t *testing.T) {
	t.Parallel()
	const normal = "01AB23CD45EF67GH89JKMNPQ"
	for typed, want := range map[string]string{
		normal:                           normal,
		"01AB-23CD-45EF-67GH-89JK-MNPQ":  normal,
		"o1ab 23cd 45ef 67gh 89jk mnpq":  normal,
		"Oiab–23cd—45ef 67gh\t89jk mnpq": normal,
		"OLAB23CD45EF67GH89JKMNPQ":       normal,
		"":                               "",
		normal[1:]:                       "",
		normal + "0":                     "",
		"U1AB23CD45EF67GH89JKMNPQ":       "",
		"01AB23CD45EF67GH89JKMNP\x00":    "",
		"01AB23CD45EF67GH89JKMNP\u0130":  "",
	} {
		if got, ok := normalRecoveryCode(typed); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", typed, got, ok, want)
		}
	}
}

// TestCodesAtTheEndOfAnEnrolment makes recovery codes right after the first factor.
func TestCodesAtTheEndOfAnEnrolment(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), reachable)
		b.contact(b.account, phone, address)
		p := b.person().start("bank")
		_, err := b.service.MakeCodes(b.ctx, p.id, p.browser)
		wants(t, err, provider.OutOfTurn)
		wants(t, b.service.SkipCodes(b.ctx, p.id, p.browser), provider.OutOfTurn)
		must(t, p.password(kajsa, password))
		e, err := b.service.Enrolment(b.ctx, p.id, p.browser)
		must(t, err)
		must(t, p.confirm(b.code(e.Key, 0)))
		p.at(provider.StepCodes)
		b.outbox()
		codes, err := b.service.MakeCodes(b.ctx, p.id, p.browser)
		must(t, err)
		shape := regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}$`)
		for i, c := range codes {
			if !shape.MatchString(c) || slices.Contains(codes[:i], c) {
				t.Errorf("code %d is %q, of %q", i, c, codes)
			}
		}
		if left, err := b.service.RecoveryLeft(b.ctx, b.account.ID); left != 10 || len(codes) != 10 || err != nil {
			t.Errorf("got %d codes, %d are left, %v", len(codes), left, err)
		}
		b.audited(b.account.ID, "recovery.made ok", "signin.session ok", "factor.added ok")
		if got := b.outbox(); len(got) != 2 || got[0].Kind != provider.MessageRecoveryMade {
			t.Errorf("got notices %+v", got)
		}
		_, err = b.service.MakeCodes(b.ctx, p.id, p.browser)
		wants(t, err, provider.OutOfTurn)
		if next := p.at(provider.StepDone); !slices.Contains(kindsOf(next.Factors), provider.FactorRecovery) {
			t.Errorf("got factors %v", kindsOf(next.Factors))
		}
		must(t, p.finish())
		must(t, b.pending().recovery(codes[9]))
	})
}

func kindsOf(factors []provider.Factor) (kinds []provider.FactorKind) {
	for _, f := range factors {
		kinds = append(kinds, f.Kind)
	}
	return kinds
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), reachable, often, func(s *Settings) { s.Trust = time.Hour })
		b.contact(b.account, phone, address)
		b.enrol(b.account)
		bosse := b.create("BosseB")
		b.enrol(bosse)
		others, err := b.service.AddRecoveryCodes(b.ctx, operator, bosse.ID)
		must(t, err)
		old, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
		must(t, err)
		codes, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
		must(t, err)
		for name, code := range map[string]string{"another account's": others[0], "a replaced one": old[0], "one made up": grouped(newRecoveryCode())} {
			if err := b.pending().recovery(code); !errors.Is(err, provider.WrongCode) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		p := b.pending()
		for range 10 {
			if got := told(p.recovery("not a code")); got != "wrong code" {
				t.Fatalf("got %q for what is no code", got)
			}
		}
		for i, code := range codes {
			b.outbox()
			p := b.pending()
			must(t, p.recovery(strings.ToLower(strings.ReplaceAll(code, "-", " "))))
			next := p.at(provider.StepDone)
			if !slices.Equal(next.Proof.Methods, []string{"pwd", "recovery"}) || p.browser.Trusted != "" {
				t.Errorf("got %v, trusted %q", next.Proof.Methods, p.browser.Trusted)
			}
			if has := slices.Contains(kindsOf(next.Factors), provider.FactorRecovery); has != (i < 9) {
				t.Errorf("after %d codes: the factor is there: %v", i+1, has)
			}
			var left []string
			for _, m := range b.outbox() {
				if m.Kind == provider.MessageRecoveryUsed {
					left = append(left, fmt.Sprint(m.Channel, m.Data.Left))
				}
			}
			slices.Sort(left)
			want := []string{fmt.Sprint("mail", 9-i)}
			if i < noticesBySMS {
				want = append(want, fmt.Sprint("sms", 9-i))
			}
			if !slices.Equal(left, want) {
				t.Errorf("got notices %q, want %q", left, want)
			}
			if i == 0 {
				b.audited(b.account.ID, "signin.session ok", "signin.factor ok", "recovery.used ok")
				wants(t, b.pending().recovery(code), provider.WrongCode)
			}
		}
		wants(t, b.pending().recovery(codes[0]), provider.OutOfTurn)
	})
}

// TestRecoveryCodeInParallel tries one code in many sign-ins, in two processes.
func TestRecoveryCodeInParallel(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		b := newBench(t, storagetest.Connect(t, url), policy(provider.SecondFactorRequired), often)
		b.enrol(b.account)
		codes, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
		must(t, err)
		services := []*Service{b.service, b.replica(storagetest.Connect(t, url))}
		people := make([]*person, 20)
		for i := range people {
			people[i] = b.pending()
			people[i].service = services[i%2]
		}
		in := 0
		for i, err := range inParallel(people, func(p *person) error { return p.recovery(codes[3]) }) {
			switch {
			case err == nil && people[i].session() != nil:
				in++
			case !errors.Is(err, provider.WrongCode) || people[i].browser.Session != "":
				t.Errorf("got %v with session %q", err, people[i].browser.Session)
			}
		}
		if left, err := b.service.RecoveryLeft(b.ctx, b.account.ID); in != 1 || left != 9 || err != nil {
			t.Errorf("%d sign-ins with one code, %d codes left, %v", in, left, err)
		}
	})
}

// TestLastRecoveryCodesInParallel uses up the last two codes at once.
func TestLastRecoveryCodesInParallel(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), often)
		b.enrol(b.account)
		codes, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
		must(t, err)
		for _, code := range codes[:8] {
			must(t, b.pending().recovery(code))
		}
		people, code := []*person{b.pending(), b.pending()}, map[*person]string{}
		code[people[0]], code[people[1]] = codes[8], codes[9]
		for _, err := range inParallel(people, func(p *person) error { return p.recovery(code[p]) }) {
			must(t, err)
		}
		factors, err := b.service.confirmed(b.ctx, b.account.ID)
		if err != nil || slices.Contains(kindsOf(factors), provider.FactorRecovery) {
			t.Errorf("got factors %v, %v", kindsOf(factors), err)
		}
	})
}
