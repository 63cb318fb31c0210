package agent

import (
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// TestEveryErrorHasAHelpPage: what is the matter, why, and what to do, in both languages, for every id that can be sent.
func TestEveryErrorHasAHelpPage(t *testing.T) {
	h := helpPages()
	for _, e := range catalog.Entries() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, catalog.HelpPath(e.ID), nil))
		page := html.UnescapeString(w.Body.String())
		for _, text := range []catalog.Text{e.Text, e.Cause, e.Next} {
			if w.Code != http.StatusOK || !strings.Contains(page, text.VI) || !strings.Contains(page, text.EN) {
				t.Errorf("%s: %d, and the page lacks %q or %q", e.ID, w.Code, text.VI, text.EN)
			}
		}
	}
	for _, path := range []string{"/help/", "/help/MADE_UP", "/help/card_removed", "/help/CARD_REMOVED/"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
