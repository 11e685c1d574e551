package signin

import (
	"fmt"
	"image"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// qrPath is the QR code of text at error correction level M: the number of modules
// along one side without the quiet zone, and SVG path data with one subpath per
// horizontal run of dark modules.
func qrPath(text string) (size int, path string, err error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return 0, "", fmt.Errorf("make qr code: %d bytes do not fit", len(text)) // not the cause: it quotes the secret
	}
	size = code.Bounds().Dx()
	var b strings.Builder
	for y := range size {
		for x := 0; x < size; x++ {
			n := 0
			for x+n < size && dark(code, x+n, y) {
				n++
			}
			if n > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x, y, n, n)
				x += n
			}
		}
	}
	return size, b.String(), nil
}

func dark(code image.Image, x, y int) bool {
	r, _, _, _ := code.At(x, y).RGBA()
	return r == 0
}
