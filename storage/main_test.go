package storage_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cardea/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }

// ok ends the test when something that must succeed did not.
func ok(t *testing.T, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

// refused checks that err is the sentinel want.
func refused(t *testing.T, doing string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", doing, err, want)
	}
}

// same checks got against want in every field.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
