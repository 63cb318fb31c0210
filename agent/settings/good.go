package settings

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// GoodFile is the name of the file of the data folder in which a service keeps the settings that it last started with.
const GoodFile = "settings.good"

// good is its content: every layer as it was, so that each can stand in for its own.
type good struct {
	Kept   time.Time `json:"kept"`
	Layers []Layer   `json:"layers"`
}

// Keep notes that these settings are good, for LoadOrLast: all of them, or nothing where they stand there already. Errors:
// *keys.FileError.
func (l Loaded) Keep(dataDir string) error {
	if l.Wrong != nil { // they come from there
		return nil
	}
	f, err := keys.OpenFile(dataDir, GoodFile)
	if err != nil {
		return err
	}
	now := good{time.Now().UTC().Truncate(time.Second), l.layers}
	if before, ok := lastGood(dataDir); ok && before.same(now) {
		return nil
	}
	return f.Change(func([]byte) ([]byte, error) { return json.Marshal(now) })
}

func (g good) same(other good) bool {
	return slices.EqualFunc(g.Layers, other.Layers, func(a, b Layer) bool {
		return a.Kind == b.Kind && a.Place == b.Place && a.TOML == b.TOML &&
			slices.EqualFunc(a.Values, b.Values, func(v, w Value) bool {
				return v.Name == w.Name && v.Place == w.Place && v.Text == w.Text && slices.Equal(v.List, w.List)
			})
	})
}

func lastGood(dataDir string) (g good, ok bool) {
	raw, err := keys.ReadPrivate(dataDir + "/" + GoodFile)
	return g, err == nil && json.Unmarshal(raw, &g) == nil && !g.Kept.IsZero()
}

// LastGood is when the settings were last found to be good. ok is false where there are none.
func LastGood(dataDir string) (kept time.Time, ok bool) {
	g, ok := lastGood(dataDir)
	return g.Kept, ok
}

// LoadOrLast is Load for a service, which has nobody in front of it: where a source has a mistake, what that source said when
// the settings were last good stands in for it, and the mistake is Loaded.Wrong. The other sources count as they are now, so a
// damaged file takes no new policy out of force. Where there are no good settings yet the error is Load's: a mistyped
// restriction is never silently none.
func (s Sources) LoadOrLast(dataDir string) (Loaded, error) {
	l, err := s.Load()
	if err == nil {
		return l, nil
	}
	last, ok := lastGood(dataDir)
	if !ok {
		return Loaded{}, err
	}
	bad := map[Kind]bool{}
	var p Problems
	if errors.As(err, &p) {
		for _, one := range p {
			bad[one.From] = true
		}
	} else {
		bad[FromFile] = true
	}
	var mixed []Layer
	for _, kind := range []Kind{FromFile, FromEnvironment, FromPolicy} {
		from := last.Layers
		if !bad[kind] {
			from = s.over()
			if kind == FromFile {
				from, _ = Sources{File: s.File}.read()
			}
		}
		for _, layer := range from {
			if layer.Kind == kind {
				mixed = append(mixed, layer)
			}
		}
	}
	for _, layers := range [][]Layer{mixed, last.Layers} {
		if l, e := compose(layers); e == nil {
			l.Wrong = err
			return l, nil
		}
	}
	return Loaded{}, err
}
