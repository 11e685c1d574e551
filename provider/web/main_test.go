package web_test

import (
	"testing"

	"cardea/storage/storagetest"
)

func TestMain(m *testing.M) { storagetest.Main(m) }
