package agent

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/insurance"
)

// What is set of the facility reaches the rules, whole.
func TestFacilityOfTheSettings(t *testing.T) {
	s, err := settings.Parse([]byte("[facility]\ncode = \"01004\"\nlevel = \"co_ban\"\nprimary_kind = \"1.11\"\npoints = 60\nprovisional = true\nformer_tier = \"huyen\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	f := reflect.ValueOf(facilityOf(Options{Settings: s}))
	for i := range f.NumField() {
		if f.Field(i).IsZero() {
			t.Errorf("%s is lost", f.Type().Field(i).Name)
		}
	}
	if facilityOf(Options{}) != (insurance.Facility{}) || facilityOf(Options{Simulation: &Simulation{}}) == (insurance.Facility{}) {
		t.Error("an agent that nobody told has a facility, or a simulation has none")
	}
}

// A table of codes with a mistake is none, and IT is told; the desk works on.
func TestTableOfCodes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "codes.csv")
	for name, c := range map[string]struct {
		text   string
		usable bool
	}{
		"right":   {"kind,code,name,source\nprovince,91,Bình Minh,Hư cấu\n", true},
		"wrong":   {"kind,code,name,source\nprovince,91,,Hư cấu\n", false},
		"no file": {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			os.Remove(file)
			if c.text != "" {
				if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var state health.Tracker
			said := ""
			table := codesOf(settings.Facility{CodesFile: file}, &state, func(event string, _ map[string]any) { said = event })
			list := state.List(catalog.VI)
			if (table != nil) != c.usable || (len(list) == 0) != c.usable || !c.usable && (list[0].Code != health.CodesUnusable || said != "codes.unusable") {
				t.Errorf("%v %+v %q", table, list, said)
			}
		})
	}
	var state health.Tracker
	if codesOf(settings.Facility{}, &state, nil) != nil || len(state.List(catalog.VI)) != 0 {
		t.Error("no table is no mistake")
	}
}
