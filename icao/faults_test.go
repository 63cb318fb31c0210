package icao_test

import (
	"testing"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

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
