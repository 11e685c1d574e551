package signin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

func TestQRPath(t *testing.T) {
	t.Parallel()
	text := "otpauth://totp/A:b?secret=JBSWY3DPEHPK3PXP&issuer=A"
	size, path, err := qrPath(text)
	if err != nil {
		t.Fatal(err)
	}
	checkQR(t, text, size, path)
	if !strings.HasPrefix(path, "M0 0h7v1h-7z") {
		t.Errorf("the path begins with %.20q, not with a finder pattern", path)
	}
	if _, _, err := qrPath(strings.Repeat("x", 3000)); err == nil || strings.Contains(err.Error(), "xxx") {
		t.Errorf("too long: got %v, want an error without the text", err)
	}
}

// checkQR paints the path and compares it, module by module, with the code at level M.
func checkQR(t *testing.T, text string, size int, path string) {
	t.Helper()
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	if size != code.Bounds().Dx() || size != code.Bounds().Dy() {
		t.Fatalf("got size %d, want %v", size, code.Bounds())
	}
	painted := map[[2]int]bool{}
	for _, run := range strings.SplitAfter(strings.TrimSuffix(path, "z"), "z") {
		var x, y, n, back int
		if _, err := fmt.Sscanf(strings.TrimSuffix(run, "z"), "M%d %dh%dv1h%d", &x, &y, &n, &back); err != nil || back != -n || n < 1 {
			t.Fatalf("run %q: %v", run, err)
		}
		if painted[[2]int{x - 1, y}] || painted[[2]int{x + n, y}] {
			t.Fatalf("run %q touches another: it is not merged", run)
		}
		for i := range n {
			painted[[2]int{x + i, y}] = true
		}
	}
	for y := range size {
		for x := range size {
			r, _, _, _ := code.At(x, y).RGBA()
			if painted[[2]int{x, y}] != (r == 0) {
				t.Fatalf("module %d,%d: got %v", x, y, painted[[2]int{x, y}])
			}
		}
	}
}
