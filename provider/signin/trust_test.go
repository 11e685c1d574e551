package signin

import (
	"slices"
	"testing"
	"time"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

func trust(s *Settings) { s.Trust = 90 * 24 * time.Hour }

// trusting is somebody whose browser the account trusts from now on.
func (b *bench) trusting(key string) *person {
	b.t.Helper()
	p := b.pending()
	if !p.next().TrustHelps {
		b.t.Fatal("trusting the device is not offered")
	}
	issued, err := p.service.TOTP(p.ctx, p.id, p.browser, b.code(key, 0), true)
	must(b.t, err)
	p.take(issued)
	if p.browser.Trusted == "" {
		b.t.Fatal("the device is not trusted")
	}
	must(b.t, p.finish())
	b.pass(time.Minute)
	p.browser.Session = ""
	return p
}

// stands signs in with the password and expects to stand at step then.
func (p *person) stands(step provider.Step, userID, client string, change ...func(*provider.Authorization)) Next {
	p.t.Helper()
	p.browser.Session = ""
	p.start(client, change...)
	must(p.t, p.password(userID, password))
	return p.at(step)
}

func TestTrustedDevice(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, policy(provider.SecondFactorRequired), trust)
		p := b.trusting(b.enrol(b.account))
		b.audited(b.account.ID, "device.trusted ok", "signin.session ok", "signin.factor ok")

		next := p.stands(provider.StepDone, kajsa, "bank")
		if !slices.Equal(next.Proof.Methods, []string{"pwd"}) || next.Session.Level() != provider.LevelOneFactor {
			t.Errorf("the device stands for a factor: got %v", next.Proof.Methods)
		}
		devices, err := store.TrustedDevices(b.ctx, b.account.ID, b.set.Now())
		if err != nil || len(devices) != 1 || !devices[0].LastUsed.Equal(b.set.Now()) || devices[0].TokenHash != provider.TokenHash(p.browser.Trusted) {
			t.Errorf("got %+v, %v", devices, err)
		}
		p.start("vault").at(provider.StepVerify) // step-up from the session
		p.stands(provider.StepVerify, kajsa, "vault")
		p.stands(provider.StepVerify, kajsa, "bank", acr(provider.ACRTwoFactor))
		p.stands(provider.StepVerify, kajsa, "bank", prompt(provider.PromptLogin))
		if p.next().TrustHelps {
			t.Error("trusting a trusted device is offered")
		}

		bosse := b.create("BosseB")
		b.enrol(bosse)
		p.stands(provider.StepVerify, "BosseB", "bank")
		p.stands(provider.StepDone, kajsa, "bank")
		b.pass(90 * 24 * time.Hour)
		p.stands(provider.StepVerify, kajsa, "bank")
	})
}

func TestTrustIsNotOffered(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		client string
		change func(*Settings)
	}{
		"where the client asks for two factors": {"vault", trust},
		"where the issuer has no such thing":    {"bank", func(*Settings) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), tt.change)
			key := b.enrol(b.account)
			p := b.person().start(tt.client)
			must(t, p.password(kajsa, password))
			if p.at(provider.StepVerify).TrustHelps {
				t.Error("it is offered")
			}
			issued, err := b.service.TOTP(b.ctx, p.id, p.browser, b.code(key, 0), true)
			must(t, err)
			if issued.Trusted != "" {
				t.Error("the device is trusted")
			}
		})
	}
}

// TestTrustEnds changes what the trust was given beside.
func TestTrustEnds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, b *bench, p *person, code string){
		"a new app": func(t *testing.T, b *bench, p *person, code string) {
			p.stands(provider.StepVerify, kajsa, "vault")
			must(t, p.recovery(code))
			p.enters(provider.TaskTOTP)
			e, err := b.service.Enrolment(b.ctx, p.id, p.browser)
			must(t, err)
			must(t, p.confirm(b.code(e.Key, 0)))
		},
		"a new number": func(t *testing.T, b *bench, p *person, code string) {
			p.stands(provider.StepVerify, kajsa, "vault")
			must(t, p.recovery(code))
			p.enters(provider.TaskPhone)
			must(t, p.confirmContact(provider.FactorSMS, p.sets(provider.FactorSMS, phone2, phone2)))
		},
		"codes by mail": func(t *testing.T, b *bench, p *person, code string) {
			p.stands(provider.StepVerify, kajsa, "vault")
			must(t, p.recovery(code))
			p.enters(provider.TaskEmail)
			must(t, p.confirmContact(provider.FactorEmail, p.sets(provider.FactorEmail, address, address)))
		},
		"new recovery codes": func(t *testing.T, b *bench, p *person, code string) {
			_, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
			must(t, err)
		},
		"an administrator's password": func(t *testing.T, b *bench, p *person, code string) {
			must(t, b.service.SetPassword(b.ctx, operator, b.account.ID, password, easy))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, storagetest.Open(t), policy(provider.SecondFactorRequired), trust, reachable)
			key := b.enrol(b.account)
			codes, err := b.service.AddRecoveryCodes(b.ctx, operator, b.account.ID)
			must(t, err)
			p := b.trusting(key)
			p.stands(provider.StepDone, kajsa, "bank")
			change(t, b, p, codes[0])
			devices, err := b.store.TrustedDevices(b.ctx, b.account.ID, b.set.Now())
			if err != nil || len(devices) != 0 {
				t.Errorf("got %+v, %v", devices, err)
			}
			p.stands(provider.StepVerify, kajsa, "bank")
		})
	}
}
