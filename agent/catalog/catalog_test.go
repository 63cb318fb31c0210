package catalog

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Whatever leaves the agent must be readable by a receptionist in Vietnamese and by a foreign vendor in English.
func TestEveryEntryIsComplete(t *testing.T) {
	for _, e := range Entries() {
		for name, text := range map[string]Text{"text": e.Text, "cause": e.Cause, "next": e.Next} {
			checkText(t, string(e.ID)+" "+name, text)
		}
		if e.Code >= 0 || e.Category == "" || e.ID != ID(strings.ToUpper(string(e.ID))) {
			t.Errorf("%s: code %d, category %q", e.ID, e.Code, e.Category)
		}
	}
	for kind, m := range map[string]map[string]Text{"step": steps, "warning": warnings, "reason": reasons, "face": faces, "consent": {"": FaceConsentText}} {
		for id, text := range m {
			checkText(t, kind+" "+id, text)
		}
	}
}

func checkText(t *testing.T, what string, text Text) {
	t.Helper()
	for lang, s := range map[Lang]string{VI: text.VI, EN: text.EN} {
		switch {
		case s == "":
			t.Errorf("%s has no %s text", what, lang)
		case !utf8.ValidString(s) || norm.NFC.String(s) != s:
			t.Errorf("%s: %s text is not NFC", what, lang)
		case !strings.HasSuffix(s, "."):
			t.Errorf("%s: %s text is no sentence: %s", what, lang, s)
		case strings.Contains(s, "2748"):
			t.Errorf("%s: %s text names ports that his.ports may have changed", what, lang)
		}
	}
	if text.VI == text.EN {
		t.Errorf("%s is not translated", what)
	}
}

func TestWire(t *testing.T) {
	w := New(KeyRejected, map[string]any{"sw": "6300"}).Wire(EN)
	if w.ID != KeyRejected || w.Lang != EN || w.Help != "/help/KEY_REJECTED" || !strings.Contains(w.Text, "does not accept") || w.Detail["sw"] != "6300" {
		t.Errorf("%+v", w)
	}
	if w := New("MADE_UP", map[string]any{"name": "x"}).Wire("fr"); w.ID != Internal || w.Lang != VI || w.Detail["name"] != nil {
		t.Errorf("an unknown id must not pass, and its detail neither: %+v", w)
	}
	if Code("MADE_UP") != Code(Internal) {
		t.Error("an unknown id has a code of its own")
	}
}
