package icao_test

import (
	"testing"

	"github.com/tapcheck/tapcheck/icao"
)

func TestSmoke(t *testing.T) {
	for _, p := range []string{"cccd-mk", "cccd-javelin", "cccd-2024", "cccd-rsa2048", "cccd-nosfi", "cccd-extended", "forgery", "clone", "clone-naked", "passport-bac", "cccd-bac", "cccd-p384", "not-emrtd"} {
		t.Run(p, func(t *testing.T) {
			var v []string
			c := card{profile: p}
			c.options.Violation = func(s string) { v = append(v, s) }
			l, who := c.insert(t)
			key := qrKey(t, who)
			if p == "passport-bac" {
				key = mrzKey(t, who, who.PassportMRZ())
			}
			doc, err := l.read(t, icao.Options{Key: key, Portrait: true})
			t.Logf("%v\n%+v\nmissing %v anchored %v count %+v id %v chip %v done %v\nviol %q", err, doc.Verdicts, doc.Missing, doc.Anchored, doc.Count, doc.IdentityAfter, doc.ChipAfter, doc.DoneAfter, v)
			if doc.Identity != nil {
				t.Logf("%+v", *doc.Identity)
			}
		})
	}
}
