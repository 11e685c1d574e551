package storage_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"cardea/storage"
	"cardea/storage/storagetest"
)

// The benchmarks are of the statements on the token path, on SQLite with
// synchronous=FULL. On a machine of its own the CPU time of a durable insert is
// about a tenth of a millisecond, most of it in the kernel.
func BenchmarkStore(b *testing.B) {
	ctx := context.Background()
	now := time.Now().UTC().Truncate(time.Microsecond)
	var n atomic.Int64
	next := func() string { return strconv.FormatInt(n.Add(1), 36) + "-gX9mVtX1Yb0kS3hQm7wQ2Zr8aNf4LcPd" }
	fill := func(b *testing.B, create func() error) {
		for range b.N {
			if err := create(); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, bench := range []struct {
		name string
		run  func(b *testing.B, s *storage.Store)
	}{
		{"CreateSignIn", func(b *testing.B, s *storage.Store) {
			fill(b, func() error { return s.CreateSignIn(ctx, sampleSignIn(next(), now)) })
		}},
		{"CreateCode", func(b *testing.B, s *storage.Store) {
			fill(b, func() error { return s.CreateCode(ctx, sampleCode(next(), now)) })
		}},
		{"CreateCodeAndRedeem", func(b *testing.B, s *storage.Store) {
			fill(b, func() error {
				hash := next()
				if err := s.CreateCode(ctx, sampleCode(hash, now)); err != nil {
					return err
				}
				return redeem(ctx, s, hash, now)
			})
		}},
		{"RotateRefresh", func(b *testing.B, s *storage.Store) {
			g := sampleGrant("grant", now)
			if err := s.CreateGrant(ctx, g); err != nil {
				b.Fatal(err)
			}
			live := g.RefreshHash
			fill(b, func() error {
				fresh := next()
				err := s.RotateRefresh(ctx, g.ID, live, fresh, now, now)
				live = fresh
				return err
			})
		}},
		{"AccessToken", func(b *testing.B, s *storage.Store) {
			seedTokens(b, s, now)
			fill(b, func() error { _, _, err := s.AccessToken(ctx, "token-77"); return err })
		}},
		{"RevokedToken", func(b *testing.B, s *storage.Store) {
			seedTokens(b, s, now)
			fill(b, func() error { _, _, err := s.RevokedToken(ctx, "token-77", "grant-77"); return err })
		}},
		{"Session", func(b *testing.B, s *storage.Store) {
			if err := s.CreateAccount(ctx, sampleAccount("astrid", "Astrid")); err != nil {
				b.Fatal(err)
			}
			if err := s.CreateSession(ctx, sampleSession("session", now)); err != nil {
				b.Fatal(err)
			}
			fill(b, func() error { _, _, err := s.Session(ctx, "session"); return err })
		}},
		{"Client", func(b *testing.B, s *storage.Store) {
			if err := s.CreateClient(ctx, sampleClient("shop", now)); err != nil {
				b.Fatal(err)
			}
			fill(b, func() error { _, err := s.Client(ctx, "shop"); return err })
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := storagetest.Open(b)
			b.ReportAllocs()
			b.ResetTimer()
			cpu := cpuTime(b)
			bench.run(b, s)
			b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// redeem is what the token endpoint does with a code.
func redeem(ctx context.Context, s *storage.Store, hash string, now time.Time) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		c, err := s.Code(ctx, hash)
		if err != nil {
			return err
		}
		if err := s.RedeemCode(ctx, hash, now); err != nil {
			return err
		}
		if err := s.CreateGrant(ctx, &c.Grant); err != nil {
			return err
		}
		return s.CreateAccessToken(ctx, sampleToken("of-"+hash, c.Grant.ID, now))
	})
}

func seedTokens(b *testing.B, s *storage.Store, now time.Time) {
	b.Helper()
	err := s.InTx(context.Background(), func(ctx context.Context) error {
		for i := range 1000 {
			id := strconv.Itoa(i)
			if err := s.CreateGrant(ctx, sampleGrant("grant-"+id, now)); err != nil {
				return err
			}
			if err := s.CreateAccessToken(ctx, sampleToken("token-"+id, "grant-"+id, now)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
}
