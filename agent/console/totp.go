package console

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"image/png"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// The second factor is RFC 6238 as every authenticator app knows it: SHA-1, six digits, 30 s.
const (
	totpPeriod = 30
	totpSkew   = 1 // steps that a phone's clock may be off
)

// factor is a new second factor: what the authenticator app takes in.
type factor struct {
	secret string // base32
	uri    string // otpauth://…
	qr     string // the same as a picture, data:image/png;base64,…
}

func newFactor(user string) (factor, error) {
	k, err := totp.Generate(totp.GenerateOpts{Issuer: "Tapcheck", AccountName: user, SecretSize: 20, Rand: rand.Reader})
	if err != nil {
		return factor{}, err
	}
	img, err := k.Image(240, 240)
	if err != nil {
		return factor{}, err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return factor{}, err
	}
	return factor{k.Secret(), k.URL(), "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())}, nil
}

// totpStep finds the step of time that a code belongs to; the same step is never taken twice. ok is false for a wrong code
// and for one whose step is not later than last.
func totpStep(secret, code string, now time.Time, last int64) (step int64, ok bool) {
	at := now.Unix() / totpPeriod
	for s := at - totpSkew; s <= at+totpSkew; s++ {
		// Every step is compared, in constant time.
		fits, err := hotp.ValidateCustom(code, uint64(s), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && fits && s > last {
			step, ok = s, true
		}
	}
	return step, ok
}

const recoveryCodes = 8

// newRecovery makes codes that stand in for a lost phone, each once, and what is kept of them. They have 80 random bits,
// so a slow hash would protect nothing.
func newRecovery() (codes, hashes []string) {
	for range recoveryCodes {
		raw := make([]byte, 10)
		_, _ = rand.Read(raw)
		s := base32.StdEncoding.EncodeToString(raw)
		codes = append(codes, s[:4]+"-"+s[4:8]+"-"+s[8:12]+"-"+s[12:])
		hashes = append(hashes, recoveryHash(s))
	}
	return codes, hashes
}

func recoveryHash(code string) string {
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}
