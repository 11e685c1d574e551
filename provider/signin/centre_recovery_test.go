package signin

import (
	"slices"
	"testing"

	"cardea/provider"
	"cardea/storage"
	"cardea/storage/storagetest"
)

// TestRecoveryCodesOfTheCentre renews recovery codes, and removes them: by themselves,
// and with the factor that they stood in for.
func TestRecoveryCodesOfTheCentre(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, store *storage.Store) {
		b := newBench(t, store, centre, policy(provider.SecondFactorOptional))
		p := b.signedIn()
		_, err := b.service.RenewRecoveryCodes(b.ctx, p.owner())
		wants(t, err, provider.Forbidden)

		p = b.strong(kajsa, b.enrol(b.account))
		old, err := b.service.RenewRecoveryCodes(b.ctx, p.owner())
		must(t, err)
		codes, err := b.service.RenewRecoveryCodes(b.ctx, p.owner())
		must(t, err)
		if len(codes) != 10 || slices.ContainsFunc(codes, func(c string) bool { return slices.Contains(old, c) }) {
			t.Errorf("got %d codes: %v after %v", len(codes), codes, old)
		}
		b.byOwner(provider.ActionRecoveryMade, "recovery")
		if n := len(b.sent(provider.MessageRecoveryMade)); n != 2 {
			t.Errorf("%d notices of new codes, want 2", n)
		}
		has := func(n int, kinds ...string) {
			t.Helper()
			left, err := store.RecoveryCodes(b.ctx, b.account.ID)
			if err != nil || len(left) != n || !slices.Equal(b.factors(), kinds) {
				t.Errorf("got %d codes and factors %v, %v; want %d and %v", len(left), b.factors(), err, n, kinds)
			}
		}
		has(10, "totp", "recovery")
		ofKind := func(kind provider.FactorKind) string {
			t.Helper()
			for _, f := range p.owner().Factors {
				if f.Kind == kind {
					return f.ID
				}
			}
			t.Fatalf("no factor %s", kind)
			return ""
		}
		wants(t, b.service.RenameFactor(b.ctx, p.owner(), ofKind(provider.FactorRecovery), "paper"), provider.NotFound)
		must(t, b.service.RemoveFactor(b.ctx, p.owner(), ofKind(provider.FactorRecovery)))
		has(0, "totp")
		_, err = b.service.RenewRecoveryCodes(b.ctx, p.owner())
		must(t, err)
		has(10, "totp", "recovery")
		must(t, b.service.RemoveFactor(b.ctx, p.owner(), ofKind(provider.FactorTOTP)))
		has(0)
		next := b.person().start("bank")
		must(t, next.password(kajsa, password))
		next.at(provider.StepDone)
	})
}

func TestRecoveryCodesNotOffered(t *testing.T) {
	t.Parallel()
	b := newBench(t, storagetest.Open(t), centre, func(s *Settings) { s.Factors = []provider.FactorKind{provider.FactorTOTP} })
	_, err := b.service.RenewRecoveryCodes(b.ctx, b.strong(kajsa, b.enrol(b.account)).owner())
	wants(t, err, provider.Forbidden)
}
