package signin

import (
	"time"

	"github.com/pquerna/otp/hotp"
)

// CodeAt is the code that an authenticator app with key (base32) shows at t.
func CodeAt(key string, t time.Time) (string, error) {
	return hotp.GenerateCodeCustom(key, uint64(t.Unix()/totpPeriod), hotp.ValidateOpts{Digits: totpDigits, Algorithm: totpHash})
}
