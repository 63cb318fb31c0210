package diagnostics

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestFromLog: events come through, and nothing that a person's data could hide in.
func TestFromLog(t *testing.T) {
	const at = `"time":"2026-11-28T08:00:00+07:00","level":"info"`
	lines := []string{
		`{` + at + `,"message":"agent.ready","addr":"127.0.0.1:27480","ms":31,"simulated":false}`,
		`{` + at + `,"message":"settings.taken","restart":["his.ports","desk"]}`,
		`{` + at + `,"message":"slip","number":"001099012345","patient":"NGUYEN VAN AN","birth":19900102,"long":1099012345}`,
		`{` + at + `,"message":"slip","error":"Nguyễn Văn An","reason":"card 001099012345"}`,
		`{` + at + `,"message":"slip","reason":{"name":"NGUYEN VAN AN"},"state":[["NGUYEN VAN AN"]]}`,
		`{` + at + `,"message":"Nguyễn Văn An has come"}`,
		`{` + at + `,"message":"x","NGUYEN VAN AN, 1990":1}`,
		`panic: NGUYEN VAN AN`,
		`/home/hoa/tapcheck.toml: line 3: his.port: unknown setting`,
		`{"message":"NGUYEN VAN AN"}`,
		`{` + at + `,"message":"broken`,
		strings.Repeat("NGUYEN VAN AN ", 10_000),
		``,
		`{` + at + `,"message":"agent.stopped"}`, // without a line end
	}
	ring := FromLog(strings.NewReader(strings.Join(lines, "\n")))
	raw, lost := ring.text()
	text := string(raw)
	for _, person := range []string{"NGUYEN", "Nguy", "001099012345", "1099012345", "19900102", "hoa"} {
		if strings.Contains(text, person) {
			t.Errorf("%s comes through:\n%s", person, text)
		}
	}
	for _, want := range []string{`"addr":"127.0.0.1:27480"`, `"ms":31`, `"restart":["his.ports","desk"]`, `"message":"agent.stopped"`, `"patient":"set"`, `"reason":"card #"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing:\n%s", want, text)
		}
	}
	if lost != 0 || strings.Count(text, "\n") != 8 || !strings.Contains(text, `"lines":6,"message":"log.left_out"`) {
		t.Errorf("%d lost:\n%s", lost, text)
	}
}

// TestBundleIsInVietnamese: whoever decides to send it reads what is in it and what is not.
func TestBundleIsInVietnamese(t *testing.T) {
	for _, text := range Never {
		if VI(text) == "" {
			t.Errorf("no Vietnamese for %s", text)
		}
	}
	for _, p := range (Sources{Readers: func() []Reader { return nil }, Trust: func(context.Context) any { return nil }, Log: &Ring{}}).parts(time.Now()) {
		if VI(p.what) == "" {
			t.Errorf("no Vietnamese for %s", p.what)
		}
	}
	for _, p := range []problem{errTooLarge, errTime, errFault, errAbsent} {
		if VI("x.json: could not be had ("+string(p)+")") == "" {
			t.Errorf("no Vietnamese for %s", p)
		}
	}
}
