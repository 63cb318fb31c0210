package settings

import (
	"encoding/xml"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// PolicyKey is where group policy keeps the settings, below HKLM: a key for each table, a value for each setting, and for a list
// a key with a value for each entry.
const PolicyKey = `SOFTWARE\Policies\Tapcheck`

var bounds = regexp.MustCompile(`([0-9]+) to ([0-9]+)`)

// policyID is a setting's name in a template, which has no points in its names.
func policyID(name string) string { return strings.ReplaceAll(name, ".", "_") }

// table gives the table and the key of a dotted name.
func table(name string) (table, key string) {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// ADMX is the template by which group policy sets every setting; ADML has its texts. installer/windows/policy holds both, and a
// test compares them. The elements are those of Microsoft's PolicyDefinitions schema, version 1.0.
func ADMX() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>
<policyDefinitions revision="1.0" schemaVersion="1.0" xmlns="http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions">
  <policyNamespaces>
    <target prefix="tapcheck" namespace="Tapcheck.Policies" />
  </policyNamespaces>
  <resources minRequiredRevision="1.0" />
  <supportedOn>
    <definitions>
      <definition name="SUPPORTED" displayName="$(string.SUPPORTED)" />
    </definitions>
  </supportedOn>
  <categories>
    <category name="Tapcheck" displayName="$(string.Tapcheck)" />
`)
	for _, t := range tables() {
		fmt.Fprintf(&b, "    <category name=\"T_%s\" displayName=\"$(string.T_%s)\"><parentCategory ref=\"Tapcheck\" /></category>\n", policyID(t), policyID(t))
	}
	b.WriteString("  </categories>\n  <policies>\n")
	for _, e := range List(Default()) {
		id, key, category := policyID(e.Name), PolicyKey, "Tapcheck"
		in, value := table(e.Name)
		if in != "" {
			key, category = key+`\`+strings.ReplaceAll(in, ".", `\`), "T_"+policyID(in)
		}
		attributes := ""
		if e.Kind == "bool" {
			attributes = fmt.Sprintf(" valueName=%q", value)
		} else {
			attributes = fmt.Sprintf(" presentation=\"$(presentation.%s)\"", id)
		}
		fmt.Fprintf(&b, "    <policy name=%q class=\"Machine\" displayName=\"$(string.%s)\" explainText=\"$(string.%s_help)\" key=\"%s\"%s>\n", id, id, id, key, attributes)
		fmt.Fprintf(&b, "      <parentCategory ref=%q />\n      <supportedOn ref=\"SUPPORTED\" />\n", category)
		switch {
		case e.Kind == "bool":
			b.WriteString("      <enabledValue><decimal value=\"1\" /></enabledValue>\n      <disabledValue><decimal value=\"0\" /></disabledValue>\n")
		case e.Kind == "int":
			low, high := limits(e.Allowed)
			fmt.Fprintf(&b, "      <elements><decimal id=%q valueName=%q required=\"true\" minValue=\"%d\" maxValue=\"%d\" /></elements>\n", id, value, low, high)
		case IsList(e.Name):
			fmt.Fprintf(&b, "      <elements><list id=%q key=\"%s\\%s\" valuePrefix=\"\" /></elements>\n", id, key, value)
		case e.Choices != nil:
			fmt.Fprintf(&b, "      <elements><enum id=%q valueName=%q required=\"true\">\n", id, value)
			for _, c := range e.Choices {
				fmt.Fprintf(&b, "        <item displayName=\"$(string.%s_%s)\"><value><string>%s</string></value></item>\n", id, c, c)
			}
			b.WriteString("      </enum></elements>\n")
		default:
			fmt.Fprintf(&b, "      <elements><text id=%q valueName=%q /></elements>\n", id, value)
		}
		b.WriteString("    </policy>\n")
	}
	b.WriteString("  </policies>\n</policyDefinitions>\n")
	return b.String()
}

// limits are the bounds of a number, out of the words for what is allowed.
func limits(allowed string) (low, high int) {
	m := bounds.FindStringSubmatch(allowed)
	if m == nil {
		return 0, 1<<31 - 1
	}
	low, _ = strconv.Atoi(m[1])
	high, _ = strconv.Atoi(m[2])
	if strings.HasPrefix(allowed, "0,") {
		low = 0
	}
	return low, high
}

// tables are the tables of the settings, in the order of the sample file.
func tables() (list []string) {
	for _, e := range List(Default()) {
		if t, _ := table(e.Name); t != "" && (len(list) == 0 || list[len(list)-1] != t) {
			list = append(list, t)
		}
	}
	return list
}

// ADML are the texts of ADMX in one language: vi or en.
func ADML(lang string) string {
	say := func(vi, en string) string {
		if lang == "vi" {
			return vi
		}
		return en
	}
	var b, shown strings.Builder
	text := func(id, s string) {
		fmt.Fprintf(&b, "      <string id=%q>%s</string>\n", id, escape(s))
	}
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="utf-8"?>
<policyDefinitionResources revision="1.0" schemaVersion="1.0" xmlns="http://schemas.microsoft.com/GroupPolicy/2006/07/PolicyDefinitions">
  <displayName>Tapcheck</displayName>
  <description>%s</description>
  <resources>
    <stringTable>
`, say("Cấu hình Tapcheck theo chính sách nhóm", "Settings of Tapcheck by group policy"))
	text("SUPPORTED", say("Windows 10 1809, Windows Server 2019 trở lên", "Windows 10 1809, Windows Server 2019 or newer"))
	text("Tapcheck", "Tapcheck")
	for _, t := range tables() {
		text("T_"+policyID(t), t)
	}
	for _, e := range List(Default()) {
		id := policyID(e.Name)
		doc, allowed := say(e.DocVI, e.Doc), say(e.AllowedVI, e.Allowed)
		text(id, e.Name)
		text(id+"_help", fmt.Sprintf("%s\n\n%s: %s.\n%s: %s", doc, say("Được phép", "Allowed"), allowed, say("Mặc định", "Default"), Text(e.Default)))
		for _, c := range e.Choices {
			text(id+"_"+c, c)
		}
		if e.Kind == "bool" {
			continue
		}
		fmt.Fprintf(&shown, "      <presentation id=%q>", id)
		switch {
		case e.Kind == "int":
			fmt.Fprintf(&shown, "<decimalTextBox refId=%q defaultValue=\"%d\">%s</decimalTextBox>", id, e.Default, escape(allowed))
		case IsList(e.Name):
			fmt.Fprintf(&shown, "<listBox refId=%q>%s</listBox>", id, escape(allowed))
		case e.Choices != nil:
			item := 0
			for i, c := range e.Choices {
				if c == e.Default {
					item = i
				}
			}
			fmt.Fprintf(&shown, "<dropdownList refId=%q noSort=\"true\" defaultItem=\"%d\">%s</dropdownList>", id, item, escape(allowed))
		default:
			fmt.Fprintf(&shown, "<textBox refId=%q><label>%s</label><defaultValue>%s</defaultValue></textBox>", id, escape(allowed), escape(reflect.ValueOf(e.Default).String()))
		}
		shown.WriteString("</presentation>\n")
	}
	fmt.Fprintf(&b, "    </stringTable>\n    <presentationTable>\n%s    </presentationTable>\n  </resources>\n</policyDefinitionResources>\n", shown.String())
	return b.String()
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}
