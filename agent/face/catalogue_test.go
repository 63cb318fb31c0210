package face

import (
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// Whatever is found, asked or comes out can be said to the person or to the desk.
func TestEverythingHasItsText(t *testing.T) {
	ids := append([]string(nil), FindingIDs...)
	for _, k := range ChallengeKinds {
		ids = append(ids, string(k))
	}
	said := map[string]bool{}
	for _, id := range ids {
		said[id] = true
		if _, ok := catalog.FaceText(id, catalog.VI); !ok {
			t.Errorf("%s has no text", id)
		}
	}
	for _, id := range append([]string{ReasonAttackCheckFailed}, AttackReasons...) {
		said[id] = true
		if _, ok := catalog.ReasonText(id, catalog.VI); !ok {
			t.Errorf("reason %s has no text", id)
		}
	}
	for _, id := range catalog.FaceIDs() {
		if !said[id] {
			t.Errorf("%s has a text and is never said", id)
		}
	}
}
