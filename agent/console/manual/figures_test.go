package manual

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/face"
)

// TestLimitsOfQuality: the table of the chapter on figures is the program's own.
func TestLimitsOfQuality(t *testing.T) {
	for _, l := range languages {
		md := string(Source(l, "figures"))
		for _, x := range face.Limits() {
			number := func(v float64) string {
				if math.IsNaN(v) {
					return "–"
				}
				s := strconv.FormatFloat(v, 'g', -1, 64)
				if l == catalog.VI {
					s = strings.ReplaceAll(s, ".", ",")
				}
				return s
			}
			than := "≤ "
			if x.Least {
				than = "≥ "
			}
			row := "| " + x.Component + " | " + x.Finding + " | " + than + number(x.LiveWarn) + " / " + number(x.LiveBad) + " | " + than + number(x.PhotoWarn) + " / " + number(x.PhotoBad) + " |"
			if !strings.Contains(md, row) {
				t.Errorf("%s: the table of limits lacks\n%s", l, row)
			}
		}
	}
}
