package icao_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/cccd"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// campaign says that the long forms of tests are wanted.
var campaign = os.Getenv("TAPCHECK_CAMPAIGN") != ""

// benchLink changes the parameters of the link for the table of make bench.
var benchLink func(*link)

// nopContext is never done.
type nopContext struct{ context.Context }

func (nopContext) Err() error { return nil }

// wholeBytes compares files as wholes: byte by byte takes longer than the reads.
var wholeBytes = cmp.Comparer(bytes.Equal)

// errGone stands for what a reader says when the card was lifted.
var errGone = errors.New("test: card is gone")

// day is on which all tests take place, and on which the issuer's certificates and most personas' cards are valid.
var day = time.Date(2026, 11, 23, 8, 15, 0, 0, time.FixedZone("ICT", 7*3600))

// link carries APDUs to a simulated chip by a clock of its own: 15 ms per APDU, 212 kbit/s, and what the chip says that
// it computes.
type link struct {
	chip    *chip.Chip
	now     time.Time
	apdus   int
	bytes   int                     // both ways
	before  func(n int, cmd []byte) // called with the number of the APDU, from 0, before it is sent
	perAPDU time.Duration
	bits    float64 // per second
}

func (l *link) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.before != nil {
		l.before(l.apdus, cmd)
	}
	l.apdus++
	resp := l.chip.Transmit(cmd)
	l.bytes += len(cmd) + len(resp)
	l.now = l.now.Add(l.perAPDU + time.Duration(float64(8*(len(cmd)+len(resp)))/l.bits*float64(time.Second)))
	if resp == nil {
		return nil, errGone
	}
	return resp, nil
}

func (l *link) delay(step string, d time.Duration) {
	if step != "apdu" { // that is perAPDU
		l.now = l.now.Add(d)
	}
}

func (l *link) clock() time.Time { return l.now }

var issuer = sync.OnceValue(func() *chip.Issuer {
	iss, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("icao tests")})
	if err != nil {
		panic(err)
	}
	return iss
})

// quick is an issuer on a curve that the standard library computes fast: for tests that read hundreds of times and are not
// about curves.
var quick = sync.OnceValue(func() *chip.Issuer {
	o := chip.CertOptions{Key: "P-256"}
	iss, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("icao tests, quick"), CSCA: o, DS: o})
	if err != nil {
		panic(err)
	}
	return iss
})

// fast is a card of a profile on that curve.
func fast(profile string) card {
	return card{profile: profile, issuer: quick(), change: func(p *chip.Profile, _ *chip.Persona) {
		for i := range p.PACE {
			p.PACE[i].Curve = "P-256"
		}
		if p.CA != nil {
			p.CA.Curve = "P-256"
		}
		if p.AA != nil && p.AA.Type == "ecdsa" {
			p.AA.Curve = "P-256"
		}
	}}
}

// trusting has the test's CSCA as an anchor, trustingNobody has none.
var (
	trusting = sync.OnceValue(func() *trust.Store {
		s, r, err := trust.Load(trust.Options{Files: map[string][]byte{"test.cer": issuer().CSCA(), "quick.cer": quick().CSCA()}})
		if err != nil || len(r.Added) != 2 {
			panic("the test's CSCA is not taken")
		}
		return s
	})
	trustingNobody = sync.OnceValue(func() *trust.Store {
		s, _, err := trust.Load(trust.Options{})
		if err != nil {
			panic(err)
		}
		return s
	})
)

// card is a simulated card of a profile and a persona, changed before it is issued.
type card struct {
	profile string
	persona string // "an" by default
	change  func(*chip.Profile, *chip.Persona)
	options chip.Options
	issuer  *chip.Issuer
}

func (c card) insert(t testing.TB) (*link, chip.Persona) {
	t.Helper()
	p, err := chip.ProfileByName(c.profile)
	if err != nil {
		t.Fatal(err)
	}
	if c.persona == "" {
		c.persona = "an"
	}
	who, err := chip.PersonaByName(c.persona)
	if err != nil {
		t.Fatal(err)
	}
	if c.change != nil {
		c.change(&p, &who)
	}
	if c.issuer == nil {
		c.issuer = issuer()
	}
	l := &link{now: day, perAPDU: 15 * time.Millisecond, bits: 212000}
	if benchLink != nil {
		benchLink(l)
	}
	c.options.Delay = l.delay
	l.chip, err = chip.New(p, who, c.issuer, c.options)
	if err != nil {
		t.Fatal(err)
	}
	return l, who
}

// keys of a persona.
func qrKey(t testing.TB, who chip.Persona) lds.Key {
	t.Helper()
	k, err := cccd.KeyFromQR(who.QR())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mrzKey(t testing.TB, who chip.Persona, lines []string) lds.Key {
	t.Helper()
	text := ""
	for _, l := range lines {
		text += l + "\n"
	}
	k, err := lds.KeyFromMRZAt(text, day)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (l *link) read(t testing.TB, o icao.Options) (*icao.Document, error) {
	t.Helper()
	if o.Now == nil {
		o.Now = l.clock
	}
	if o.Trust == nil {
		o.Trust = trusting()
	}
	return icao.Read(t.Context(), l, o)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
