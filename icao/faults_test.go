package icao_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// knownErrors are all that a read may come back with.
var knownErrors = []error{errGone, access.ErrShortResponse, lds.ErrKeyRejected, lds.ErrKeyUnsuitable, lds.ErrCardUnsupported, lds.ErrProtocol, lds.ErrAccessFailed,
	lds.ErrSecureMessaging, lds.ErrMalformed, lds.ErrTooLarge, lds.ErrFileAbsent, lds.ErrFileRefused, lds.ErrInconsistent, lds.ErrKeyMissing}

var statusWords = []uint16{0x9000, 0x6100, 0x6282, 0x6283, 0x6300, 0x63C2, 0x6400, 0x6581, 0x6700, 0x6881, 0x6882, 0x6982, 0x6983, 0x6985, 0x6986, 0x6987, 0x6988,
	0x6A80, 0x6A81, 0x6A82, 0x6A86, 0x6A88, 0x6B00, 0x6C10, 0x6D00, 0x6E00, 0x6F00}

func randomFault(r *rand.Rand, at int) chip.Fault {
	f := chip.Fault{At: at}
	switch r.IntN(9) {
	case 0:
		f.Kind = chip.FaultRemove
	case 1:
		f.Kind = chip.FaultMute
	case 2, 3:
		f.Kind, f.SW = chip.FaultStatus, statusWords[r.IntN(len(statusWords))]
	case 4:
		f.Kind, f.N = chip.FaultFlip, r.IntN(2048)
	case 5:
		f.Kind, f.N = chip.FaultTruncate, 1+r.IntN(40)
	case 6:
		f.Kind, f.N = chip.FaultLengthen, 1+r.IntN(300)
	case 7:
		f.Kind = chip.FaultNaked
	case 8:
		f.Kind, f.N = chip.FaultReplay, 1+r.IntN(3)
	}
	return f
}

// Whatever goes wrong at whatever APDU: a known error or the truth, never a pass that the card does not deserve, and the
// next good tap works. The whole matrix is a campaign (TAPCHECK_CAMPAIGN=1); by default a part of it with a fixed seed.
func TestFaults(t *testing.T) {
	cases := 25
	if campaign {
		cases = 4000
	}
	for _, profile := range []string{"cccd-mk", "clone", "forgery", "passport-bac"} {
		t.Run(profile, func(t *testing.T) {
			l, who := fast(profile).insert(t)
			key := qrKey(t, who)
			if profile == "passport-bac" {
				key = mrzKey(t, who, who.PassportMRZ())
			}
			clean, err := l.read(t, icao.Options{Key: key, Portrait: true})
			if err != nil {
				t.Fatal(err)
			}
			total := l.apdus
			r := rand.New(rand.NewPCG(2026, 11))
			for i := range cases {
				// Half of the faults strike before the photo, where each APDU is another step.
				at := r.IntN(total)
				if i%2 == 0 {
					at = r.IntN(30)
				}
				fault := randomFault(r, at)
				where := fmt.Sprintf("%+v", fault)
				l.chip.Reset()
				l.chip.SetFaults([]chip.Fault{fault})
				doc, err := l.read(t, icao.Options{Key: key, Portrait: true})
				if err != nil {
					known := false
					for _, e := range knownErrors {
						known = known || errors.Is(err, e)
					}
					if !known {
						t.Fatalf("%s: unknown error %v", where, err)
					}
					noPersonalData(t, who, err)
				}
				if doc == nil {
					t.Fatalf("%s: no document", where)
				}
				if doc.Identity != nil && doc.Missing[lds.DG(13)] == nil {
					if d := cmp.Diff(clean.Identity, doc.Identity); d != "" {
						t.Fatalf("%s: another identity:\n%s", where, d)
					}
				}
				if doc.Portrait != nil {
					if d := cmp.Diff(clean.Portrait, doc.Portrait, wholeBytes); d != "" {
						t.Fatalf("%s: another portrait", where)
					}
				}
				for name, got := range map[string][2]lds.Status{
					"passive": {doc.Verdicts.PassiveAuthentication.Status, clean.Verdicts.PassiveAuthentication.Status},
					"chip":    {doc.Verdicts.ChipAuthentication.Status, clean.Verdicts.ChipAuthentication.Status},
					"active":  {doc.Verdicts.ActiveAuthentication.Status, clean.Verdicts.ActiveAuthentication.Status},
				} {
					if got[0] == lds.Passed && got[1] != lds.Passed {
						t.Fatalf("%s: %s passes, and does not without the fault", where, name)
					}
				}
				if err == nil && doc.Identity == nil {
					t.Fatalf("%s: neither an error nor an identity", where)
				}
			}
			l.chip.Reset()
			l.chip.SetFaults(nil)
			again, err := l.read(t, icao.Options{Key: key, Portrait: true})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(clean.Verdicts, again.Verdicts); d != "" {
				t.Errorf("the next good tap is judged otherwise:\n%s", d)
			}
		})
	}
}

// A session that breaks within the photo is opened once more, because everything that is read is held against signed hashes.
func TestPhotoSurvivesABrokenSession(t *testing.T) {
	for _, f := range []chip.Fault{
		{At: 50, Kind: chip.FaultFlip, N: 100},
		{At: 50, Kind: chip.FaultStatus, SW: 0x6988},
		{At: 50, Kind: chip.FaultTruncate, N: 1},
		{At: 50, Kind: chip.FaultReplay, N: 1},
	} {
		l, who := card{profile: "cccd-mk"}.insert(t)
		l.chip.SetFaults([]chip.Fault{f})
		doc, err := l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true})
		if err != nil || doc.Portrait == nil || doc.Verdicts.PassiveAuthentication.Status != lds.Passed {
			t.Errorf("%+v: %v, missing %v", f, err, doc.Missing)
		}
		if f.Kind == chip.FaultTruncate {
			continue // a status word that is always cut is a transport fault
		}
		// But not for ever.
		l, who = card{profile: "cccd-mk"}.insert(t)
		f.Always = true
		l.chip.SetFaults([]chip.Fault{f})
		doc, err = l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true})
		if err != nil || doc.Portrait != nil || doc.Missing[lds.DG(2)] == nil {
			t.Errorf("always %+v: %v, missing %v", f, err, doc.Missing)
		}
		if l.apdus > 80 {
			t.Errorf("always %+v: %d APDUs", f, l.apdus)
		}
	}
}
