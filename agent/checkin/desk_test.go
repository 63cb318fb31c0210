package checkin

import "testing"

// The desk's own name stands in check-ins for which the client names none, and in no others.
func TestDeskHasANameOfItsOwn(t *testing.T) {
	for name, c := range map[string]struct{ own, asked, want string }{
		"the client names none": {"reception-1", "", "reception-1"},
		"the client names one":  {"reception-1", "reception-3", "reception-3"},
		"nobody names any":      {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, func(cfg *Config, _ *bench) { cfg.Desk = c.own }, func(t *testing.T, b *bench) {
				cl := b.attach(his)
				r := chipRequest("j1")
				r.Desk = c.asked
				b.desk.put("A", an())
				cl.start(r)
				if got := cl.result("j1"); got.State != Complete || got.Desk != c.want {
					t.Errorf("%s at desk %q, want %q", got.State, got.Desk, c.want)
				}
				cl.start(r) // said again, it is the same request
			})
		})
	}
}
