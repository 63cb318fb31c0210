package settings

import (
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the templates of group policy anew")

const policyTemplates = "../../installer/windows/policy"

// TestTemplatesAreTheSettings: what is given to IT is made of the settings as they are. After a change of a setting:
// go test ./agent/settings -run Templates -update
func TestTemplatesAreTheSettings(t *testing.T) {
	for file, want := range map[string]string{"tapcheck.admx": ADMX(), "vi-VN/tapcheck.adml": ADML("vi"), "en-US/tapcheck.adml": ADML("en")} {
		path := filepath.Join(policyTemplates, file)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is stale: go test ./agent/settings -run Templates -update (%v)", path, err)
		}
	}
}

// template is what of an ADMX file decides what is written into the registry.
type template struct {
	Policies []struct {
		Name         string `xml:"name,attr"`
		Class        string `xml:"class,attr"`
		Key          string `xml:"key,attr"`
		ValueName    string `xml:"valueName,attr"`
		Presentation string `xml:"presentation,attr"`
		Category     struct {
			Ref string `xml:"ref,attr"`
		} `xml:"parentCategory"`
		Enabled  *struct{} `xml:"enabledValue>decimal"`
		Elements struct {
			All []element `xml:",any"`
		} `xml:"elements"`
	} `xml:"policies>policy"`
	Categories []struct {
		Name string `xml:"name,attr"`
	} `xml:"categories>category"`
}

type element struct {
	XMLName   xml.Name
	ID        string `xml:"id,attr"`
	Key       string `xml:"key,attr"`
	ValueName string `xml:"valueName,attr"`
	Min       int    `xml:"minValue,attr"`
	Max       int    `xml:"maxValue,attr"`
	Items     []struct {
		Text string `xml:"value>string"`
	} `xml:"item"`
}

// TestTemplateReachesEverySetting writes by the template what its editor would, and reads it as the agent reads the registry:
// each setting has exactly one place, and each value that the editor lets through is one that the agent takes.
func TestTemplateReachesEverySetting(t *testing.T) {
	var admx template
	if err := xml.Unmarshal([]byte(ADMX()), &admx); err != nil {
		t.Fatal(err)
	}
	categories := map[string]bool{}
	for _, c := range admx.Categories {
		categories[c.Name] = true
	}
	rest := map[string]Entry{}
	for _, e := range List(Default()) {
		rest[e.Name] = e
	}
	for _, p := range admx.Policies {
		at := func(key, value string) string {
			below, ok := strings.CutPrefix(key, PolicyKey)
			if !ok {
				t.Errorf("%s is written to %s", p.Name, key)
			}
			return strings.TrimPrefix(strings.ReplaceAll(below, `\`, ".")+"."+value, ".")
		}
		var name string
		var try []Value
		switch {
		case p.Enabled != nil:
			name = at(p.Key, p.ValueName)
			try = []Value{{Text: "1"}, {Text: "0"}}
		case len(p.Elements.All) != 1:
			t.Fatalf("%s has %d elements", p.Name, len(p.Elements.All))
		default:
			e := p.Elements.All[0]
			name = at(p.Key, e.ValueName)
			switch e.XMLName.Local {
			case "decimal":
				try = []Value{{Text: fmt.Sprint(e.Min)}, {Text: fmt.Sprint(e.Max)}}
			case "list":
				name = strings.TrimSuffix(at(e.Key, ""), ".")
				if fmt.Sprint(rest[name].Default) != "[]" {
					var list []string
					for _, w := range strings.Split(strings.Trim(Text(rest[name].Default), "[]"), ", ") {
						list = append(list, strings.Trim(w, `"`))
					}
					try = []Value{{List: list}}
				}
			case "enum":
				for _, i := range e.Items {
					try = append(try, Value{Text: i.Text})
				}
			case "text":
				try = []Value{{Text: fmt.Sprint(rest[name].Default)}}
			default:
				t.Errorf("%s is a %s", name, e.XMLName.Local)
			}
			if e.ID != p.Name || p.Presentation != "$(presentation."+p.Name+")" {
				t.Errorf("%s is shown as %s", p.Name, p.Presentation)
			}
		}
		if _, there := rest[name]; !there || p.Class != "Machine" || !categories[p.Category.Ref] {
			t.Errorf("%s sets %s, for the %s, in %s", p.Name, name, p.Class, p.Category.Ref)
		}
		delete(rest, name)
		for _, v := range try {
			v.Name, v.Place = name, name
			over := []Value{v}
			if name == "insurance.provider" && v.Text != "off" { // which then needs others
				continue
			}
			if _, err := (Sources{Over: func() []Layer { return []Layer{{Kind: FromPolicy, Values: over}} }}).Load(); err != nil {
				t.Errorf("the editor lets %q through: %v", v.Text, err)
			}
		}
	}
	for name := range rest {
		t.Errorf("the template does not set %s", name)
	}
}

var reference = regexp.MustCompile(`\$\((string|presentation)\.([^)]+)\)`)

// TestTemplateHasItsTexts: every text that the template asks for is there, in both languages, and no other.
func TestTemplateHasItsTexts(t *testing.T) {
	wanted := map[string]bool{}
	for _, m := range reference.FindAllStringSubmatch(ADMX(), -1) {
		wanted[m[1]+" "+m[2]] = true
	}
	for _, lang := range []string{"vi", "en"} {
		var adml struct {
			Strings []struct {
				ID   string `xml:"id,attr"`
				Text string `xml:",chardata"`
			} `xml:"resources>stringTable>string"`
			Presentations []struct {
				ID string `xml:"id,attr"`
			} `xml:"resources>presentationTable>presentation"`
		}
		if err := xml.Unmarshal([]byte(ADML(lang)), &adml); err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		for _, s := range adml.Strings {
			have["string "+s.ID] = true
			if strings.TrimSpace(s.Text) == "" || lang == "vi" && strings.Contains(s.Text, "Allowed") {
				t.Errorf("%s: %s says %q", lang, s.ID, s.Text)
			}
		}
		for _, p := range adml.Presentations {
			have["presentation "+p.ID] = true
		}
		for id := range wanted {
			if !have[id] {
				t.Errorf("%s: no %s", lang, id)
			}
			delete(have, id)
		}
		for id := range have {
			t.Errorf("%s: nothing asks for %s", lang, id)
		}
	}
}

var regLine = regexp.MustCompile(`^"([^"]+)"=(?:"((?:[^"\\]|\\.)*)"|dword:([0-9a-f]{8}))$`)

// TestExampleOfAPolicy reads the example as the agent would read the registry that it makes.
func TestExampleOfAPolicy(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(policyTemplates, "example.reg"))
	if err != nil {
		t.Fatal(err)
	}
	lists, l, key := map[string]int{}, Layer{Kind: FromPolicy}, ""
	for _, line := range strings.Split(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n")[1:] {
		switch m := regLine.FindStringSubmatch(line); {
		case line == "" || strings.HasPrefix(line, ";"):
		case strings.HasPrefix(line, `[HKEY_LOCAL_MACHINE\`+PolicyKey):
			key = strings.Trim(strings.ReplaceAll(strings.Trim(line, "[]")[len(`HKEY_LOCAL_MACHINE\`+PolicyKey):], `\`, "."), ".")
		case m == nil:
			t.Fatalf("not understood: %s", line)
		default:
			text := strings.ReplaceAll(m[2], `\\`, `\`)
			if m[3] != "" {
				var n uint32
				_, _ = fmt.Sscanf(m[3], "%x", &n)
				text = fmt.Sprint(n)
			}
			if IsList(key) {
				if _, there := lists[key]; !there {
					lists[key] = len(l.Values)
					l.Values = append(l.Values, Value{Name: key, Place: key})
				}
				l.Values[lists[key]].List = append(l.Values[lists[key]].List, text)
				continue
			}
			l.Values = append(l.Values, Value{Name: strings.Trim(key+"."+m[1], "."), Place: m[1], Text: text})
		}
	}
	got, err := Sources{Over: func() []Layer { return []Layer{l} }}.Load()
	if err != nil || len(got.From) < 6 || len(got.Settings.HIS.Origins) == 0 || got.Settings.Insurance.PasswordFile != "credential:gateway" {
		t.Errorf("%d settings, %+v, %v", len(got.From), got.Settings, err)
	}
}
