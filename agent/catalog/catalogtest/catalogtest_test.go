package catalogtest

import (
	"slices"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

func TestProvokers(t *testing.T) {
	var all []catalog.ID
	for pkg, ids := range provokers {
		for _, id := range ids {
			if _, known := catalog.Lookup(id); !known || slices.Contains(all, id) {
				t.Errorf("%s: %s is none, or another package's too", pkg, id)
			}
			all = append(all, id)
		}
	}
	if !Elsewhere(catalog.HostDenied) || Elsewhere(catalog.CardRemoved) {
		t.Error("the engine provokes what belongs to a card")
	}
	Saw(catalog.DataFolder)
	if missing := unseen("agent"); !slices.Equal(missing, []catalog.ID{catalog.AlreadyRunning}) {
		t.Errorf("missing: %v", missing)
	}
}
