package trial

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// PairsFile is the list of comparisons in a trial's folder: tab-separated, first line "same chip live" and, if wanted, names of
// groups; then a line per comparison: 1 for one person or 0 for two, the chip's photo, the live picture (paths in the folder), and
// the pair's value in each group.
const PairsFile = "pairs.tsv"

// maxPairs bounds a trial.
const maxPairs = 5_000_000

// Pair is one comparison.
type Pair struct {
	Same       bool
	Chip, Live string
	Groups     []string
}

// List is the comparisons of a trial.
type List struct {
	Groups []string // names
	Pairs  []Pair
}

// ReadPairs reads the list. Errors name the line, and no picture.
func ReadPairs(r io.Reader) (List, error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 64<<10)
	var l List
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSuffix(in.Text(), "\r")
		if n == 1 {
			head := strings.Split(strings.TrimPrefix(line, "\ufeff"), "\t")
			if len(head) < 3 || head[0] != "same" || head[1] != "chip" || head[2] != "live" {
				return l, fmt.Errorf("line 1: does not begin with the columns same, chip and live, with tabs between them")
			}
			l.Groups = head[3:]
			continue
		}
		if line == "" {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3+len(l.Groups) {
			return l, fmt.Errorf("line %d: has %d columns, the first line %d", n, len(f), 3+len(l.Groups))
		}
		if f[0] != "0" && f[0] != "1" {
			return l, fmt.Errorf("line %d: same is neither 0 nor 1", n)
		}
		for _, p := range f[1:3] {
			if !filepath.IsLocal(filepath.FromSlash(p)) {
				return l, fmt.Errorf("line %d: a picture is not within the folder", n)
			}
		}
		if len(l.Pairs) == maxPairs {
			return l, fmt.Errorf("line %d: more than %d pairs", n, maxPairs)
		}
		l.Pairs = append(l.Pairs, Pair{Same: f[0] == "1", Chip: f[1], Live: f[2], Groups: f[3:]})
	}
	if err := in.Err(); err != nil {
		return l, err
	}
	if len(l.Pairs) == 0 {
		return l, fmt.Errorf("holds no pairs")
	}
	return l, nil
}
