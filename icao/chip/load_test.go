package chip

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestLoadProfile(t *testing.T) {
	// Every profile that comes with the package survives being written and read.
	for _, p := range Profiles() {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := LoadProfile(strings.NewReader(string(b)))
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		} else if !reflect.DeepEqual(got.clone(), p.clone()) {
			t.Errorf("%s: comes back changed", p.Name)
		}
	}
	p, err := LoadProfile(strings.NewReader(`{"like": "cccd-mk", "name": "mine", "pace": [{"cipher": "AES-256", "curve": "P-384"}], "selectMF": "", "ca": {"cipher": "AES-192", "curve": "P-521"}}`))
	if err != nil {
		t.Fatal(err)
	}
	mk := mustProfile(t, "cccd-mk")
	if p.Name != "mine" || len(p.PACE) != 1 || p.PACE[0].Curve != "P-384" || p.SelectMF != "" || p.ATR != mk.ATR || p.CA.Cipher != "AES-192" || !reflect.DeepEqual(p.AA, mk.AA) {
		t.Errorf("%+v", p)
	}
	if _, err := New(p, mustPersona(t, "an"), mustIssuer(t), Options{}); err != nil {
		t.Error(err)
	}
	if again := mustProfile(t, "cccd-mk"); !reflect.DeepEqual(again, mk) {
		t.Error("loading has changed the profile that it began with")
	}
}

func TestLoadProfileRefuses(t *testing.T) {
	for _, tt := range []struct {
		text, field  string
		line, column int
		says         []string
	}{
		{"{\n  \"name\": \"x\",\n  \"selctMF\": \"6D00\"\n}", "selctMF", 3, 3, []string{`unknown field "selctMF"`, "did you mean selectMF?", "servesPlain"}},
		{`{"like": "cccd-mk", "quirk": 1}`, "quirk", 1, 21, []string{`unknown field "quirk"`, "Allowed here", "maxBlock"}},
		{`{"like": "cccd-mk", "pace": [{"cipher": "AES-128", "curve": "P-256", "maping": "IM"}]}`, "pace[0].maping", 1, 70, []string{`unknown field "maping" in pace[0]`, "mean mapping?"}},
		{`{"like": "cccd-mk", "pace": [{"cipher": "AES128", "curve": "P-256"}]}`, "pace[0].cipher", 1, 41, []string{`cannot be "AES128"`, "mean AES-128"}},
		{`{"like": "cccd-mk", "pace": [{"cipher": "AES-128", "curve": "brainpoolP256"}]}`, "pace[0].curve", 1, 61, []string{"brainpoolP256r1", "DH-2048-256"}},
		{`{"like": "cccd-mc"}`, "like", 1, 10, []string{"mean cccd-mk"}},
		{`{"like": "cccd-mk", "clone": "dolly"}`, "clone", 1, 30, []string{"wrong-key", "refuses"}},
		{`{"like": "cccd-mk", "bac": "yes"}`, "bac", 1, 28, []string{"bac must be true or false"}},
		{`{"like": "cccd-mk", "maxLe": "192"}`, "maxLe", 1, 30, []string{"a whole number"}},
		{`{"like": "cccd-mk", "maxLe": 1.5}`, "maxLe", 1, 30, []string{"a whole number"}},
		{`{"like": "cccd-mk", "maxLe": null}`, "maxLe", 1, 30, []string{"a whole number"}},
		{`{"like": "cccd-mk", "name": 1}`, "name", 1, 29, []string{"a string"}},
		{`{"like": "cccd-mk", "pace": {}}`, "pace", 1, 29, []string{"a list"}},
		{`{"like": "cccd-mk", "ca": []}`, "ca", 1, 27, []string{"an object"}},
		{`{"like": "cccd-mk", "timing": {"apduMs": "1"}}`, "timing.apduMs", 1, 42, []string{"a number"}},
		{`{"like": "cccd-mk", "bac": true, "bac": false}`, "bac", 1, 34, []string{"twice"}},
		{`{"like": "cccd-mk"} x`, "", 1, 21, nil},
		{`{"like": "cccd-mk"} {}`, "", 1, 22, []string{"after the profile"}},
		{"{\n\"like\": oops}", "like", 2, 9, []string{"not JSON"}},
		{`{"like": `, "like", 1, 10, []string{"not JSON"}},
		{`[]`, "", 1, 1, []string{"one JSON object"}},
		{``, "", 1, 1, []string{"not JSON"}},
		{`{"like": "cccd-mk", "sfi": "9"}`, "sfi", 1, 28, []string{"no status word"}},
		{`{"like": "cccd-mk", "pace": [{"cipher": "3DES", "curve": "P-256", "mapping": "CAM"}]}`, "pace[0].mapping", 1, 78, []string{"for curves and AES"}},
		{`{"like": "cccd-mk", "getResponse": 300}`, "getResponse", 1, 36, []string{"not between 0 and 256"}},
		{`{"like": "cccd-mk", "moreCa": [{"cipher": "3DES", "curve": "P-256"}]}`, "ca.keyId", 0, 0, []string{"an identifier of its own"}},
		{`{"like": "cccd-mk", "timing": {"apduMs": 1e9}}`, "timing.apduMs", 1, 42, []string{"not between"}},
		{`{}`, "document", 0, 0, []string{"must be given", "td1"}},
		{`{"name": "` + strings.Repeat("x", maxProfile) + `"}`, "", 0, 0, []string{"longer than"}},
	} {
		_, err := LoadProfile(strings.NewReader(tt.text))
		var e *ProfileError
		if !errors.As(err, &e) {
			t.Errorf("%.60s: %v", tt.text, err)
			continue
		}
		if e.Field != tt.field && tt.says != nil || e.Line != tt.line || e.Column != tt.column && tt.says != nil {
			t.Errorf("%.60s: %s at %d:%d, want %s at %d:%d", tt.text, e.Field, e.Line, e.Column, tt.field, tt.line, tt.column)
		}
		for _, s := range tt.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%.60s: %q does not say %q", tt.text, err, s)
			}
		}
	}
	// The file's name stands first.
	name := filepath.Join(t.TempDir(), "my card.json")
	if err := os.WriteFile(name, []byte("{\"quirky\": 1}"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := LoadProfile(f); err == nil || !strings.Contains(err.Error(), "my card.json, line 1, column 2: unknown field") {
		t.Errorf("%v", err)
	}
	if _, err := LoadProfile(failing{}); err == nil {
		t.Error("a reader that fails")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("failing") }

func FuzzLoadProfile(f *testing.F) {
	for _, s := range []string{`{"like": "cccd-mk"}`, `{"name": "x", "document": "td1", "pace": [{"cipher": "AES-128", "curve": "DH-1024-160", "mapping": "IM"}], "timing": {}}`,
		`{"ca": {"cipher": "3DES", "curve": "P-256", "keyId": 5}, "moreCa": [{}]}`, `{"a":`, `[]`} {
		f.Add([]byte(s))
	}
	iss := mustIssuer(f)
	who := mustPersona(f, "an")
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseProfile(b)
		if err != nil {
			var e *ProfileError
			if !errors.As(err, &e) {
				t.Fatalf("%T", err)
			}
			return
		}
		if p.AA != nil && p.AA.Bits > 1024 || p.Padding > 1000 {
			return // finding primes takes long
		}
		if _, err := New(p, who, iss, Options{}); err != nil {
			t.Fatalf("a profile that was loaded cannot be issued: %v", err)
		}
	})
}
