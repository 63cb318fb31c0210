package trial

import (
	"math"
	"testing"
)

// The intervals, against what the binomial distribution itself says at their borders.
func TestIntervalIsThatOfTheBinomial(t *testing.T) {
	tail := func(n, from, to int, p float64) (sum float64) {
		for k := from; k <= to; k++ {
			a, _ := math.Lgamma(float64(n + 1))
			b, _ := math.Lgamma(float64(k + 1))
			c, _ := math.Lgamma(float64(n - k + 1))
			sum += math.Exp(a - b - c + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		}
		return sum
	}
	for _, r := range []Rate{{0, 30}, {1, 30}, {29, 30}, {30, 30}, {3, 870}, {435, 870}, {1, 7875}} {
		lo, hi := r.Interval()
		if r.Count > 0 {
			if p := tail(r.Of, r.Count, r.Of, lo); math.Abs(p-0.025) > 1e-6 {
				t.Errorf("%v: at the lower border %v so many or more have %v", r, lo, p)
			}
		} else if lo != 0 {
			t.Errorf("%v: lower border %v", r, lo)
		}
		if r.Count < r.Of {
			if p := tail(r.Of, 0, r.Count, hi); math.Abs(p-0.025) > 1e-6 {
				t.Errorf("%v: at the upper border %v so many or fewer have %v", r, hi, p)
			}
		} else if hi != 1 {
			t.Errorf("%v: upper border %v", r, hi)
		}
	}
	if lo, hi := (Rate{}).Interval(); lo != 0 || hi != 1 {
		t.Errorf("of nothing nothing is known: %v %v", lo, hi)
	}
}

func TestRatesCountTheThresholdItselfAsAMatch(t *testing.T) {
	s := newScores([]float64{0.7, 0.5, 0.6}, []float64{0.1, 0.5, 0.6, 0.2})
	for _, c := range []struct {
		at        float64
		fmr, fnmr Rate
	}{
		{0.6, Rate{1, 4}, Rate{1, 3}}, {0.5, Rate{2, 4}, Rate{0, 3}}, {0.71, Rate{0, 4}, Rate{3, 3}},
	} {
		if a, b := s.FMR(c.at), s.FNMR(c.at); a != c.fmr || b != c.fnmr {
			t.Errorf("%v: %v %v", c.at, a, b)
		}
	}
	if e := s.EER(); math.Abs(e-7./24) > 1e-9 { // at 0.6
		t.Errorf("equal error rate %v", e)
	}
}
