package icao_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/chip"
)

// stopwatch tells the chip's time from the reader's: that of the processor, which does not depend on what else the machine does.
type stopwatch struct {
	access.Transmitter
	t      testing.TB
	inside time.Duration
}

func (s *stopwatch) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	begin := cpu(s.t)
	defer func() { s.inside += cpu(s.t) - begin }()
	return s.Transmitter.Transmit(ctx, cmd)
}

// onDomain is a card all of whose keys lie on one curve, or in one group; there active authentication, which has no groups, is left out.
func onDomain(domain string) card {
	return card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) {
		p.PACE = []chip.PACEOffer{{Cipher: "AES-128", Curve: domain}}
		p.CA = &chip.CAProfile{Cipher: "AES-128", Curve: domain}
		p.AA = &chip.AAProfile{Type: "ecdsa", Curve: domain, Hash: "SHA-256", Announce: true}
		if strings.HasPrefix(domain, "DH") {
			p.AA = nil
			p.Extended = &chip.Extents{MaxCommand: 1922, MaxResponse: 1920, Announce: true}
		}
	}}
}

// cryptoRead is one read with PACE, passive, chip and active authentication and without a photo: what is left is cryptography. own and theirs are
// the times of the two sides, the shortest of some runs.
func cryptoRead(t testing.TB, domain string, runs int) (own, theirs time.Duration) {
	l, who := onDomain(domain).insert(t)
	key := qrKey(t, who)
	trusting() // loaded once, as in the service
	for i := range runs {
		l.chip.Reset()
		s := &stopwatch{Transmitter: l, t: t}
		begin := cpu(t)
		if _, err := icao.Read(t.Context(), s, icao.Options{Key: key, Trust: trusting(), Now: l.clock}); err != nil {
			t.Fatal(err)
		}
		whole := cpu(t) - begin
		if i == 0 || whole < own+theirs {
			own, theirs = whole-s.inside, s.inside
		}
	}
	return own, theirs
}

// cryptoTable is the part of TestBenchTable on what the cryptography of a read takes on each curve and group.
func cryptoTable(t *testing.T) string {
	var out strings.Builder
	out.WriteString("Cryptography of a whole read in this process, processor time (PACE-GM, passive, chip and active authentication, secure messaging of the small files):\n\n")
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "curve or group\tour side ms\tthe chip's ms\tboth ms\t")
	for _, domain := range append(chip.Curves(), chip.Groups()...) {
		own, theirs := cryptoRead(t, domain, 5)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t\n", domain, ms(own), ms(theirs), ms(own+theirs))
	}
	_ = w.Flush()
	return out.String()
}

// TestCryptoIsFast: what both sides of a whole read compute stays below 40 ms on the curves that cards have. It is the shortest of some
// runs, in processor time, which a busy machine stretches little.
func TestCryptoIsFast(t *testing.T) {
	limit := 40 * time.Millisecond
	if underRace {
		limit *= 10 // the detector makes arithmetic that much slower
	}
	for _, domain := range []string{"P-256", "brainpoolP256r1"} {
		own, theirs := cryptoRead(t, domain, 10)
		t.Logf("%s: our side %v, the chip %v", domain, own, theirs)
		if own+theirs > limit {
			t.Errorf("%s: %v", domain, own+theirs)
		}
	}
}

// BenchmarkCrypto is the same for each curve and group.
func BenchmarkCrypto(b *testing.B) {
	for _, domain := range append(chip.Curves(), chip.Groups()...) {
		b.Run(domain, func(b *testing.B) {
			l, who := onDomain(domain).insert(b)
			key := qrKey(b, who)
			for b.Loop() {
				l.chip.Reset()
				if _, err := icao.Read(b.Context(), l, icao.Options{Key: key, Trust: trusting(), Now: l.clock}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
