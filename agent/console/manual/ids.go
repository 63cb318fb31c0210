package manual

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
)

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// known is all that is said of ids, in one language.
type known struct {
	W                        words
	Index                    []place
	Groups                   []group
	Health                   []health.Warning
	Warnings, Reasons, Steps []short
}

// place is where an id is explained. Kind tells it from others of the same name; "" where there is none.
type place struct{ ID, At, Kind string }

type group struct {
	Name, Title string
	Entries     []entry
}

type entry struct {
	ID                string
	Code              int
	Retriable         bool
	Text, Cause, Next string
}

type short struct{ ID, At, Text string }

// Where what is said of an id begins: an error's id is its own anchor; the other kinds may have the same ids.
const (
	ofHealth  = "state-"
	ofWarning = "note-"
	ofReason  = "reason-"
	ofStep    = "step-"
)

func lists(l catalog.Lang) known {
	k := known{W: said[l]}
	for _, e := range catalog.Entries() {
		i := slices.IndexFunc(k.Groups, func(g group) bool { return g.Name == e.Category })
		if i < 0 {
			i = len(k.Groups)
			k.Groups = append(k.Groups, group{Name: e.Category, Title: k.W.Categories[e.Category]})
		}
		g := &k.Groups[i]
		g.Entries = append(g.Entries, entry{string(e.ID), e.Code, e.Retriable, e.Text.In(l), e.Cause.In(l), e.Next.In(l)})
		k.Index = append(k.Index, place{string(e.ID), string(e.ID), k.W.Kinds[""]})
	}
	for _, c := range health.Codes() {
		k.Health = append(k.Health, health.In(c, l, time.Time{}))
		k.Index = append(k.Index, place{string(c), ofHealth + string(c), k.W.Kinds[ofHealth]})
	}
	for _, kind := range []struct {
		into   *[]short
		prefix string
		ids    []string
		text   func(string, catalog.Lang) (string, bool)
	}{
		{&k.Warnings, ofWarning, catalog.WarningIDs(), catalog.WarningText},
		{&k.Reasons, ofReason, catalog.ReasonIDs(), catalog.ReasonText},
		{&k.Steps, ofStep, catalog.StepIDs(), catalog.StepText},
	} {
		for _, id := range kind.ids {
			text, _ := kind.text(id, l)
			*kind.into = append(*kind.into, short{id, kind.prefix + id, text})
			k.Index = append(k.Index, place{id, kind.prefix + id, k.W.Kinds[kind.prefix]})
		}
	}
	slices.SortStableFunc(k.Index, func(a, b place) int { return strings.Compare(a.ID, b.ID) })
	for i, p := range k.Index {
		if (i == 0 || k.Index[i-1].ID != p.ID) && (i+1 == len(k.Index) || k.Index[i+1].ID != p.ID) {
			k.Index[i].Kind = ""
		}
	}
	return k
}

// anchors says for each id where it is explained. One that several kinds have leads to the error's, or to the health's.
var anchors = sync.OnceValue(func() map[string]string {
	at := map[string]string{}
	for _, p := range lists(catalog.VI).Index { // stable: of one id, errors come before health, and so on
		if _, there := at[p.ID]; !there {
			at[p.ID] = p.At
		}
	}
	return at
})

// Explain says everything that is known of an id, as plain text; "" for one that is none.
func Explain(id string, l catalog.Lang) string {
	l = lang(l)
	k := lists(l)
	var b strings.Builder
	para := func(lines ...string) {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
	}
	for _, g := range k.Groups {
		for _, e := range g.Entries {
			if e.ID == id {
				para(e.ID+" · "+g.Title, e.Text, k.W.Cause+": "+e.Cause, k.W.Now+": "+e.Next)
			}
		}
	}
	for _, h := range k.Health {
		if string(h.Code) == id {
			para(id+" · "+k.W.Severities[string(h.Severity)], h.Title, k.W.Cause+": "+h.Cause, k.W.Cure+": "+h.Cure)
		}
	}
	for _, list := range [][]short{k.Warnings, k.Reasons, k.Steps} {
		for _, s := range list {
			if s.ID == id {
				para(id, s.Text)
			}
		}
	}
	return b.String()
}
