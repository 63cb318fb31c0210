package icao_test

import (
	"testing"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// A chip that loses its power for a moment answers as a copy does. Whenever that happens once, a genuine card must not be
// called one; a copy, which fails each time, must (TestReadEveryCard).
func TestOneGlitchIsNoForgery(t *testing.T) {
	whole, who := card{profile: "cccd-mk"}.insert(t)
	if _, err := whole.read(t, icao.Options{Key: qrKey(t, who)}); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for n := range whole.apdus {
		l, who := card{profile: "cccd-mk", options: chip.Options{Faults: []chip.Fault{{At: n, Kind: chip.FaultReset}}}}.insert(t)
		doc, err := l.read(t, icao.Options{Key: qrKey(t, who)})
		if err != nil {
			continue // it broke off before: that is no verdict
		}
		tried++
		for name, v := range map[string]lds.ExchangeVerdict{"chip": doc.Verdicts.ChipAuthentication, "active": doc.Verdicts.ActiveAuthentication} {
			if v.Status == lds.Failed || v.Exchange == lds.Failed {
				t.Errorf("power lost at APDU %d: %s authentication %+v", n, name, v)
			}
		}
	}
	if tried == 0 {
		t.Error("no read went on, so nothing was tested")
	}
}
