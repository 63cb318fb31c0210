package scanner

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// No goroutine outlives the context of Watch.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const qr = "001099012345|012345678|Nguyễn Văn An|01011999|Nam|Số 1, Phố X, Phường Y, Hà Nội|15042022"

var zone = []string{"IDVNM0990123459001099012345<<0", "9901018M3901016VNM<<<<<<<<<<<0", "NGUYEN<<VAN<AN<<<<<<<<<<<<<<<<"}

// doubled is what a scanner makes of UTF-8 that takes each byte for a character.
func doubled(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// What scanners send, and what was scanned. A scanner's settings decide upon prefix, end of line and character set.
func TestTexts(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want []string
	}{
		"carriage return":           {qr + "\r", []string{qr}},
		"both":                      {qr + "\r\n", []string{qr}},
		"none":                      {qr, []string{qr}},
		"framed by STX and ETX":     {"\x02" + qr + "\x03", []string{qr}},
		"with its symbology":        {"]Q1" + qr + "\r", []string{qr}},
		"two at once":               {"123456\r654321\r", []string{"123456", "654321"}},
		"nothing":                   {"\r\n\r\n", nil},
		"a zone of three lines":     {strings.Join(zone, "\r") + "\r", []string{strings.Join(zone, "\n")}},
		"a zone in one line":        {strings.Join(zone, "") + "\r", []string{strings.Join(zone, "")}},
		"encoded twice":             {doubled(qr) + "\r", []string{qr}},
		"twice, by Windows's table": {strings.NewReplacer("\u0083", "ƒ", "\u0085", "…", "\u0091", "‘", "\u0095", "•").Replace(doubled(qr)), []string{qr}},
		"not UTF-8":                 {"001099012345|Nguy\xecn", []string{"001099012345|Nguy\ufffdn"}},
		"plain Latin letters":       {"café", []string{"café"}},
		"a bracket of its own":      {"]]", []string{"]]"}},
		"longer than any code":      {strings.Repeat("1", MaxText+1), nil},
	} {
		if got := texts([]byte(c.raw)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestABurstIsBounded(t *testing.T) {
	var b burst
	for range 3 {
		b.add(make([]byte, MaxText/2+1))
	}
	if b.end() != nil {
		t.Error("half of a flood is a scan")
	}
	b.add([]byte("1"))
	if string(b.end()) != "1" {
		t.Error("a flood does not end")
	}
}

// A scanner that nobody reads from is not waited for, and one that is not there is said to be.
func TestNobodyTakesTheScans(t *testing.T) {
	missing := make(chan bool, 10)
	s := New(Config{Serial: "/nowhere/tty", Missing: func(m bool) { missing <- m }, again: time.Millisecond})
	for range 3 * backlog {
		s.emit(Serial, []byte("123456\r"))
	}
	ctx, stop := context.WithCancel(t.Context())
	scans := s.Watch(ctx)
	if !<-missing {
		t.Error("it is there")
	}
	stop()
	n := 0
	for range scans {
		n++
	}
	if n != backlog {
		t.Errorf("%d scans", n)
	}
	if len(missing) != 0 {
		t.Error("it is said again and again")
	}
}

// descriptor is a scanner's as the Point of Sale Usage Tables lay it out: report 2 has a length, a symbology, 56 bytes of data
// and the bit that more follows; a second collection of the same device is a keyboard.
var descriptor = []byte{
	0x05, 0x8C, 0x09, 0x02, 0xA1, 0x01, // bar code scanner, application
	0x09, 0x12, 0xA1, 0x02, // scanned data report
	0x85, 0x02, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, // report 2, bytes
	0x95, 0x01, 0x05, 0x01, 0x09, 0x3B, 0x81, 0x02, // byte count
	0x95, 0x03, 0x05, 0x8C, 0x09, 0xFB, 0x09, 0xFC, 0x09, 0xFD, 0x81, 0x02, // symbology
	0x95, 0x38, 0x09, 0xFE, 0x82, 0x02, 0x01, // decoded data, 56 bytes
	0x75, 0x01, 0x95, 0x01, 0x25, 0x01, 0x09, 0xFF, 0x81, 0x02, // continued
	0x95, 0x07, 0x81, 0x03, // padding
	0xC0,
	0x85, 0x04, 0x09, 0x00, 0x75, 0x08, 0x95, 0x02, 0x91, 0x02, // an output report
	0xC0,
	0x05, 0x01, 0x09, 0x06, 0xA1, 0x01, 0x85, 0x05, 0x05, 0x07, 0x19, 0xE0, 0x29, 0xE7, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02, 0xC0,
}

// unnumbered is a plain one: nothing but bytes, in one report without a number.
var unnumbered = []byte{0x06, 0x8C, 0x00, 0x09, 0x02, 0xA1, 0x01, 0x09, 0xFE, 0x15, 0x00, 0x26, 0xFF, 0x00, 0x75, 0x08, 0x95, 0x20, 0x82, 0x02, 0x01, 0xC0}

// reports cuts a text into reports of descriptor's form.
func reports(text string) (out [][]byte) {
	for rest := []byte(text); ; {
		n := min(len(rest), 56)
		r := append([]byte{2, byte(n), 'Q', '1', 0}, rest[:n]...)
		r = append(r, make([]byte, 56-n)...)
		rest = rest[n:]
		if len(rest) == 0 {
			return append(out, append(r, 0))
		}
		out = append(out, append(r, 1))
	}
}

func TestReports(t *testing.T) {
	l, err := parseDescriptor(descriptor)
	if err != nil || !l.numbered || len(l.reports) != 1 || l.size() != 62 {
		t.Fatalf("%+v, %v", l, err)
	}
	if r := l.reports[2]; r != (report{bits: 61 * 8, data: 32, bytes: 56, count: 0, countBits: 8, more: 60 * 8, moreBits: 1}) {
		t.Errorf("%+v", r)
	}
	var c collector
	var got []byte
	parts := reports(qr)
	if len(parts) != 2 {
		t.Fatal("the code is too short for this test")
	}
	for i, p := range parts {
		data, more, ok := l.decode(p)
		if !ok || more != (i == 0) {
			t.Fatalf("part %d: %v, %v", i, more, ok)
		}
		got = c.add(data, more, time.Unix(1, 0))
	}
	if string(got) != qr {
		t.Errorf("%q", got)
	}
	// A part whose rest never came does not stand in front of the next scan.
	c.add([]byte("half"), true, time.Unix(1, 0))
	if got := c.add([]byte("whole"), false, time.Unix(9, 0)); string(got) != "whole" {
		t.Errorf("%q", got)
	}
	for name, raw := range map[string][]byte{
		"nothing": {}, "another report": {5, 1}, "cut within the head": {2, 3, 1}, "a number alone": {2},
	} {
		if _, _, ok := l.decode(raw); ok {
			t.Errorf("%s holds a scan", name)
		}
	}
	if data, _, ok := l.decode([]byte{2, 200, 0, 0, 0, '1', '2'}); !ok || string(data) != "12" {
		t.Errorf("a length that lies: %q, %v", data, ok)
	}
	l, err = parseDescriptor(unnumbered)
	if err != nil || l.numbered || l.size() != 32 {
		t.Fatalf("%+v, %v", l, err)
	}
	if data, more, ok := l.decode(append([]byte("123456"), make([]byte, 26)...)); !ok || more || string(data) != "123456" {
		t.Errorf("%q, %v, %v", data, more, ok)
	}
}

// What is no scanner gives no report, and what makes no sense an error.
func TestDescriptors(t *testing.T) {
	deep := bytes.Repeat([]byte{0xA1, 0x01}, maxDepth+1)
	for name, c := range map[string]struct {
		d   []byte
		bad bool
	}{
		"nothing":               {nil, false},
		"a keyboard":            {descriptor[len(descriptor)-25:], false},
		"a mouse that lies":     {[]byte{0x05, 0x01, 0x09, 0x02, 0xA1, 0x01, 0x05, 0x8C, 0x09, 0xFE, 0x75, 0x08, 0x95, 0x08, 0x81, 0x02, 0xC0}, false},
		"data in half bytes":    {[]byte{0x05, 0x8C, 0x09, 0x02, 0xA1, 0x01, 0x09, 0xFE, 0x75, 0x04, 0x95, 0x08, 0x81, 0x02, 0xC0}, false},
		"data off the byte":     {[]byte{0x05, 0x8C, 0x09, 0x02, 0xA1, 0x01, 0x75, 0x01, 0x95, 0x01, 0x81, 0x03, 0x09, 0xFE, 0x75, 0x08, 0x95, 0x08, 0x81, 0x02, 0xC0}, false},
		"an end too many":       {[]byte{0xC0}, true},
		"cut within an item":    {[]byte{0x26, 0xFF}, true},
		"too deep":              {deep, true},
		"too long":              {make([]byte, maxDescriptor+1), true},
		"a pop too many":        {[]byte{0xB4}, true},
		"report zero":           {[]byte{0x85, 0x00}, true},
		"more bits than memory": {[]byte{0x75, 0x08, 0x97, 0xFF, 0xFF, 0xFF, 0x7F, 0x81, 0x02}, true},
		"usages without end":    {[]byte{0x1A, 0x00, 0x00, 0x2A, 0xFF, 0xFF}, true},
		"a long item":           {append([]byte{0xFE, 0x02, 0x10, 1, 2}, unnumbered...), false},
		"a long item, cut":      {[]byte{0xFE, 0x09, 0x10, 1, 2}, true},
	} {
		l, err := parseDescriptor(c.d)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
		if name != "a long item" && len(l.reports) > 0 {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func FuzzDescriptor(f *testing.F) {
	f.Add(descriptor, reports(qr)[0])
	f.Add(unnumbered, []byte("123456"))
	f.Fuzz(func(t *testing.T, d, raw []byte) {
		l, err := parseDescriptor(d)
		if err != nil {
			return
		}
		if l.size() > maxReportBits/8+1 {
			t.Errorf("a report of %d bytes", l.size())
		}
		if data, _, ok := l.decode(raw); ok && len(data) > len(raw) {
			t.Errorf("%d bytes out of %d", len(data), len(raw))
		}
	})
}

func FuzzTexts(f *testing.F) {
	f.Add([]byte(qr + "\r\n"))
	f.Add([]byte(doubled(qr)))
	f.Add([]byte(strings.Join(zone, "\r")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := 0
		for _, text := range texts(raw) {
			n += len(text)
			if text == "" || strings.ContainsAny(text, "\r\x00") {
				t.Errorf("%q", text)
			}
		}
		if n > 3*MaxText { // a byte that is no UTF-8 becomes three
			t.Errorf("%d bytes", n)
		}
	})
}
