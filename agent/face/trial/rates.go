package trial

import (
	"math"
	"slices"
)

// Rate is how often something happened.
type Rate struct{ Count, Of int }

// Value is the share, 0 to 1; NaN of nothing.
func (r Rate) Value() float64 { return float64(r.Count) / float64(r.Of) }

// Interval is the exact confidence interval of Clopper and Pearson at 95 %: it holds what it says for any number of trials, also
// when nothing went wrong, if the trials do not depend on each other. Pairs that share a person do; see Report.
func (r Rate) Interval() (lo, hi float64) {
	if r.Of == 0 {
		return 0, 1
	}
	const alpha = 0.05
	k, n := float64(r.Count), float64(r.Of)
	hi = 1
	if r.Count > 0 {
		lo = inverseBeta(alpha/2, k, n-k+1)
	}
	if r.Count < r.Of {
		hi = inverseBeta(1-alpha/2, k+1, n-k)
	}
	return lo, hi
}

// inverseBeta is where the regularised incomplete beta function reaches p.
func inverseBeta(p, a, b float64) float64 {
	lo, hi := 0.0, 1.0
	for range 100 {
		mid := (lo + hi) / 2
		if beta(mid, a, b) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// beta is the regularised incomplete beta function, by its continued fraction.
func beta(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	if x > (a+1)/(a+b+2) { // where the fraction of the other side converges quickly
		return 1 - beta(1-x, b, a)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(a*math.Log(x)+b*math.Log1p(-x)-la-lb+lab) / a
	const tiny = 1e-300
	c, d := 1.0, 0.0
	f := 1.0
	for i := range 2000 {
		m := float64(i / 2)
		var term float64
		switch {
		case i == 0:
			term = 1
		case i%2 == 0:
			term = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			term = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		if d = 1 + term*d; math.Abs(d) < tiny {
			d = tiny
		}
		d = 1 / d
		if c = 1 + term/c; math.Abs(c) < tiny {
			c = tiny
		}
		f *= c * d
		if math.Abs(1-c*d) < 1e-14 {
			break
		}
	}
	return front * (f - 1)
}

// Scores are the similarities of comparisons, in ascending order.
type Scores struct{ Genuine, Impostor []float64 }

func newScores(genuine, impostor []float64) Scores {
	slices.Sort(genuine)
	slices.Sort(impostor)
	return Scores{genuine, impostor}
}

// FMR is the false match rate at a threshold: impostors at or above it.
func (s Scores) FMR(threshold float64) Rate {
	below, _ := slices.BinarySearch(s.Impostor, threshold)
	return Rate{len(s.Impostor) - below, len(s.Impostor)}
}

// FNMR is the false non-match rate at a threshold: holders below it.
func (s Scores) FNMR(threshold float64) Rate {
	below, _ := slices.BinarySearch(s.Genuine, threshold)
	return Rate{below, len(s.Genuine)}
}

// EER is about where both error rates are the same.
func (s Scores) EER() float64 {
	if len(s.Genuine) == 0 || len(s.Impostor) == 0 {
		return math.NaN()
	}
	best, eer := math.Inf(1), math.NaN()
	for _, t := range slices.Concat(s.Genuine, s.Impostor) {
		a, b := s.FMR(t).Value(), s.FNMR(t).Value()
		if d := math.Abs(a - b); d < best {
			best, eer = d, (a+b)/2
		}
	}
	return eer
}
