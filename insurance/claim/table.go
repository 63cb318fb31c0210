package claim

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/insurance"
)

// Bounds of a table.
const (
	MaxTable   = 8 << 20 // bytes; the units of the whole country before and after July 2025 take about one MiB
	MaxRows    = 50_000
	maxCell    = 256
	maxDeep    = 4  // steps from a commune to its province, and from a unit to the one that it became part of
	maxInto    = 32 // units that one became
	maxChoices = 10 // candidates that are named
)

// Kinds of rows.
const (
	kindProvince    = "province"
	kindDistrict    = "district"
	kindCommune     = "commune"
	kindEthnicity   = "ethnicity"
	kindNationality = "nationality"
)

// Columns are the columns of a table, in any order; the first three must be there.
//
//   - kind: province, district, commune, ethnicity or nationality
//   - code: as a claim takes it
//   - name: as cards write it; of a nationality the three letters of ISO 3166-1. A code may have several rows, one for each name
//   - parent: of a district its province's code, of a commune its district's or its province's
//   - from, to: first and last day on which the unit was there (yyyy-mm-dd); empty: always, still
//   - into: codes of the units of the same kind that it became, parted by blanks
//   - source: the document that the row is from; an empty one is that of the row before, and the first row must have one
var Columns = []string{"kind", "code", "name", "parent", "from", "to", "into", "source"}

// Problem is a mistake in a table, with the line and what may stand there. It repeats nothing of the table.
type Problem struct {
	Line       int // from 1
	Column     string
	What, Cure string // in English
	VI, CureVI string // in Vietnamese
}

func (p Problem) Error() string {
	where := fmt.Sprintf("line %d", p.Line)
	if p.Column != "" {
		where += ", " + p.Column
	}
	return where + ": " + p.What + " (" + p.Cure + ")"
}

// Words is the problem in Vietnamese.
func (p Problem) Words() string {
	where := fmt.Sprintf("dòng %d", p.Line)
	if p.Column != "" {
		where += ", cột " + p.Column
	}
	return where + ": " + p.VI + " (" + p.CureVI + ")"
}

type unit struct {
	kind, code, name, parent, from, to, source string
	into                                       []string
	line                                       int
}

// Table is a hospital's own table of codes: units of administration, ethnicities and nationalities. None comes with the program, because
// none could be had whose source can be named. The zero table, and no table, know nothing. It is safe for concurrent use.
type Table struct {
	byCode map[string][]*unit // kind and code
	byName map[string][]*unit // kind and folded name
	bare   map[string][]*unit // kind and folded name without marks
}

// LoadTable reads a file. The error is a Problem, or the operating system's.
func LoadTable(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadTable(f)
}

var (
	codeForm = regexp.MustCompile(`^[0-9A-Za-z]{1,10}$`)
	separate = []rune{'\t', ';', ','}
)

func problem(line int, column, what, cure, vi, cureVI string) error {
	return Problem{line, column, what, cure, vi, cureVI}
}

// ReadTable reads a table: text of comma, semicolon or tabulator separated values in UTF-8, as a spreadsheet saves it, the first
// line with the names of its columns (Columns).
func ReadTable(r io.Reader) (*Table, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxTable+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > MaxTable {
		return nil, problem(1, "", "the table is too large", "at most 8 MiB", "bảng quá lớn", "tối đa 8 MiB")
	}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if !utf8.Valid(raw) {
		line := 1
		for i := 0; i < len(raw); {
			c, n := utf8.DecodeRune(raw[i:])
			if c == utf8.RuneError && n == 1 {
				break
			}
			if c == '\n' {
				line++
			}
			i += n
		}
		return nil, problem(line, "", "not UTF-8", `save it as "CSV UTF-8"`, "không phải UTF-8", "lưu lại dạng «CSV UTF-8»")
	}
	first, _, _ := bytes.Cut(raw, []byte("\n"))
	d := csv.NewReader(bytes.NewReader(raw))
	d.ReuseRecord, d.FieldsPerRecord = true, -1
	for _, c := range separate {
		if bytes.ContainsRune(first, c) {
			d.Comma = c
			break
		}
	}
	head, err := d.Read()
	if err != nil {
		return nil, problem(1, "", "the first line has no names of columns", strings.Join(Columns, ", "), "dòng đầu không có tên cột", strings.Join(Columns, ", "))
	}
	at := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		_, twice := at[name]
		if !slices.Contains(Columns, name) || twice {
			return nil, problem(1, "", "a column that is none, or is there twice", strings.Join(Columns, ", "), "cột không có hoặc lặp lại", strings.Join(Columns, ", "))
		}
		at[name] = i
	}
	for _, name := range Columns[:3] {
		if _, ok := at[name]; !ok {
			return nil, problem(1, name, "the column is missing", strings.Join(Columns, ", "), "thiếu cột", strings.Join(Columns, ", "))
		}
	}
	t := &Table{byCode: map[string][]*unit{}, byName: map[string][]*unit{}, bare: map[string][]*unit{}}
	var all []*unit
	source := ""
	for {
		row, err := d.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			line := 1 // of an error that is none of the text; a line that cannot be read has no fields to ask
			var p *csv.ParseError
			if errors.As(err, &p) {
				line = p.Line
			}
			return nil, problem(line, "", "the line cannot be read", "quotes come in pairs", "không đọc được dòng", "dấu ngoặc kép phải đủ cặp")
		}
		line, _ := d.FieldPos(0)
		u, err := readRow(row, at, line, &source)
		if err != nil {
			return nil, err
		}
		if u == nil {
			continue
		}
		if len(all) == MaxRows {
			return nil, problem(line, "", "too many rows", "at most 50,000", "quá nhiều dòng", "tối đa 50.000")
		}
		all = append(all, u)
	}
	if len(all) == 0 {
		return nil, problem(1, "", "the table has no rows", "at least one", "bảng không có dòng nào", "ít nhất một dòng")
	}
	for _, u := range all {
		t.add(u)
	}
	return t, t.check(all)
}

func readRow(row []string, at map[string]int, line int, source *string) (*unit, error) {
	get := func(name string) string {
		if i, ok := at[name]; ok && i < len(row) {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	if !slices.ContainsFunc(row, func(s string) bool { return strings.TrimSpace(s) != "" }) {
		return nil, nil
	}
	for _, cell := range row {
		if len(cell) > maxCell || strings.ContainsFunc(cell, unicode.IsControl) {
			return nil, problem(line, "", "a cell that is too long, or holds a control character", "one line of at most 256 bytes", "ô quá dài hoặc có ký tự điều khiển", "một dòng, tối đa 256 byte")
		}
	}
	u := &unit{kind: get("kind"), code: get("code"), name: norm.NFC.String(get("name")), parent: get("parent"), from: get("from"), to: get("to"), into: strings.Fields(get("into")), line: line}
	kinds := []string{kindProvince, kindDistrict, kindCommune, kindEthnicity, kindNationality}
	if !slices.Contains(kinds, u.kind) {
		return nil, problem(line, "kind", "not allowed", strings.Join(kinds, ", "), "giá trị không được phép", strings.Join(kinds, ", "))
	}
	if len(u.into) > maxInto {
		return nil, problem(line, "into", "too many", "at most 32 codes", "quá nhiều", "tối đa 32 mã")
	}
	for column, codes := range map[string][]string{"code": {u.code}, "parent": {u.parent}, "into": u.into} {
		for _, c := range codes {
			if !codeForm.MatchString(c) && (column != "parent" || c != "") {
				return nil, problem(line, column, "no code", "up to ten digits or letters", "không phải mã", "tối đa mười chữ số hoặc chữ cái")
			}
		}
	}
	if u.name == "" {
		return nil, problem(line, "name", "missing", "the name as cards write it", "thiếu", "tên như trên thẻ")
	}
	for column, day := range map[string]string{"from": u.from, "to": u.to} {
		if day != "" && (!dayForm.MatchString(day) || !valid(day)) {
			return nil, problem(line, column, "no day", "yyyy-mm-dd, or empty", "không phải ngày", "yyyy-mm-dd hoặc để trống")
		}
	}
	if u.from != "" && u.to != "" && u.to < u.from {
		return nil, problem(line, "to", "before from", "the last day, which is not before the first", "trước ngày from", "ngày cuối, không trước ngày đầu")
	}
	if s := get("source"); s != "" {
		*source = s
	}
	if u.source = *source; u.source == "" {
		return nil, problem(line, "source", "missing", "the document that the codes are from, at least in the first row", "thiếu", "văn bản ban hành mã, ít nhất ở dòng đầu")
	}
	return u, nil
}

func (t *Table) add(u *unit) {
	put := func(m map[string][]*unit, key string) {
		if !slices.Contains(m[u.kind+" "+key], u) {
			m[u.kind+" "+key] = append(m[u.kind+" "+key], u)
		}
	}
	put(t.byCode, u.code)
	for _, n := range names(u.kind, u.name) {
		put(t.byName, n)
		put(t.bare, bare(n))
	}
}

// check holds rows against each other: a parent and a successor must be there.
func (t *Table) check(all []*unit) error {
	for _, u := range all {
		parents := map[string][]string{kindDistrict: {kindProvince}, kindCommune: {kindProvince, kindDistrict}}[u.kind]
		switch {
		case parents == nil && u.parent != "":
			return problem(u.line, "parent", "this kind has none", "empty", "loại này không có cấp trên", "để trống")
		case parents != nil && !slices.ContainsFunc(parents, func(kind string) bool { return t.byCode[kind+" "+u.parent] != nil }):
			return problem(u.line, "parent", "no such unit in the table", "the code of a row of the table", "không có đơn vị này trong bảng", "mã của một dòng trong bảng")
		}
		for _, code := range u.into {
			if t.byCode[u.kind+" "+code] == nil {
				return problem(u.line, "into", "no such unit in the table", "codes of rows of the same kind", "không có đơn vị này trong bảng", "mã của các dòng cùng loại")
			}
		}
	}
	return nil
}

// names are the folded forms under which a unit is found: its name, and its name without the word for what it is, unless that leaves a
// number ("Phường 1").
func names(kind, name string) []string {
	n := fold(name)
	out := []string{n}
	for _, word := range map[string][]string{
		kindProvince: {"tỉnh ", "thành phố ", "tp. ", "tp "},
		kindDistrict: {"quận ", "huyện ", "thị xã ", "thành phố ", "tp. ", "tp "},
		kindCommune:  {"phường ", "xã ", "thị trấn ", "đặc khu "},
	}[kind] {
		if rest, ok := strings.CutPrefix(n, word); ok && strings.ContainsFunc(rest, unicode.IsLetter) {
			out = append(out, rest)
		}
	}
	return out
}

func fold(s string) string {
	return strings.Join(strings.Fields(strings.ToLower(norm.NFC.String(s))), " ")
}

func bare(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case r == 'đ', r == 'ð':
			return 'd'
		}
		return r
	}, norm.NFD.String(s))
}

// code gives the one code that a name has; empty if it has none or several.
func (t *Table) code(kind, name string) string {
	if t == nil || name == "" {
		return ""
	}
	found := ""
	for _, u := range t.byName[kind+" "+fold(name)] {
		if u.to != "" || found != "" && found != u.code { // what is no longer in force is no code
			return ""
		}
		found = u.code
	}
	return found
}

// Ethnicity is the code of an ethnicity as cards write it; empty where that is not certain.
func (t *Table) Ethnicity(name string) string { return t.code(kindEthnicity, name) }

// Nationality is the code of a nationality by its three letters; empty where that is not certain.
func (t *Table) Nationality(alpha3 string) string { return t.code(kindNationality, alpha3) }

// Unit is a proposal for one unit of administration.
type Unit struct {
	Code       string   `json:"code,omitempty"`
	Name       string   `json:"name,omitempty"` // as the table writes it
	Decided    bool     `json:"decided"`        // exactly one unit fits, by its whole name; without, Code is a proposal to look at
	Reason     string   `json:"reason,omitempty"`
	Source     string   `json:"source,omitempty"`     // the document that the table names
	Candidates []string `json:"candidates,omitempty"` // codes that fit, where there are several; at most ten
}

// Certain is the code, where it is decided.
func (u *Unit) Certain() string {
	if u == nil || !u.Decided {
		return ""
	}
	return u.Code
}

// Why a Unit is as it is. The values go over the wire and are frozen.
const (
	UnitFound      = "FOUND"            // as it is called now
	UnitMerged     = "MERGED"           // as it was called before; Code is what it became
	UnitSplit      = "SPLIT"            // as it was called before, and it became several
	UnitAmbiguous  = "AMBIGUOUS"        // several are called so
	UnitMarks      = "DIACRITICS"       // only without its diacritics
	UnitUnknown    = "NOT_IN_TABLE"     // none is called so
	UnitNoDistrict = "DISTRICT_MISSING" // a commune of old, without the district that made its name its own
	UnitNoParent   = "PROVINCE_UNKNOWN" // a commune is only looked for within a province
)

// Place is what a table makes of an address.
type Place struct {
	Province *Unit `json:"province"`
	Commune  *Unit `json:"commune"`
}

// Address proposes the codes of province and commune for an address as cards write it: parts separated by commas, the province last,
// the commune before it, with a district between them or not. Units that were merged are given as what they became. day is
// when the codes must be in force; zero: now. nil where there is nothing to say: no table, none with provinces, or no address.
func (t *Table) Address(address string, day time.Time) *Place {
	if t == nil {
		return nil
	}
	var parts []string
	for _, p := range strings.Split(norm.NFC.String(address), ",") {
		if p = strings.TrimSpace(p); p != "" {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 || len(parts) > 32 || len(address) > 2048 || !t.has(kindProvince) {
		return nil
	}
	if day.IsZero() {
		day = time.Now()
	}
	on := day.In(insurance.Vietnam).Format(time.DateOnly)
	province, found := t.pick(kindProvince, parts[len(parts)-1], on, scope{})
	out := &Place{Province: province, Commune: &Unit{Reason: UnitNoParent}}
	if len(found) == 0 {
		return out
	}
	// Since July 2025 a commune follows the province at once. Before that a district stood between, and only within it was a
	// commune's name its own; what stands there must be one, or a street that is called like a commune would be taken for it.
	switch n := len(parts); {
	case n >= 3 && t.district(parts[n-2], scope{units: found}):
		within := t.within(t.bare[kindDistrict+" "+bare(fold(parts[n-2]))], scope{units: found})
		if len(within) == 0 {
			within = found
		}
		out.Commune, _ = t.pick(kindCommune, parts[n-3], on, scope{units: within})
	case n >= 2:
		if out.Commune, _ = t.pick(kindCommune, parts[n-2], on, scope{found, true}); out.Commune.Reason == UnitUnknown {
			if out.Commune, _ = t.pick(kindCommune, parts[n-2], on, scope{units: found}); out.Commune.Decided {
				out.Commune.Decided, out.Commune.Reason = false, UnitNoDistrict
			}
		}
	}
	if out.Commune.Reason == UnitNoParent { // there is nothing before the province
		out.Commune.Reason = UnitUnknown
	}
	if !province.Decided { // a commune in a province that is not certain is not certain
		out.Commune.Decided = false
	}
	return out
}

func (t *Table) has(kind string) bool {
	for _, list := range t.byCode {
		if list[0].kind == kind {
			return true
		}
	}
	return false
}

// district says that a part of an address is a district: one of the table, or by its first word.
func (t *Table) district(part string, in scope) bool {
	n := fold(part)
	if slices.ContainsFunc([]string{"quận ", "huyện ", "thị xã ", "thành phố ", "tp. ", "tp "}, func(word string) bool { return strings.HasPrefix(n, word) }) {
		return true
	}
	return len(t.within(t.bare[kindDistrict+" "+bare(n)], in)) > 0
}

// scope is where a unit must lie; nil units: anywhere.
type scope struct {
	units  []*unit
	direct bool // with nothing between
}

// lies says whether a unit belongs to one of those.
func (t *Table) lies(u *unit, in scope, deep int) bool {
	if in.units == nil {
		return true
	}
	if deep > maxDeep {
		return false
	}
	for _, kind := range []string{kindProvince, kindDistrict} {
		for _, p := range t.byCode[kind+" "+u.parent] {
			if slices.Contains(in.units, p) || !in.direct && p.kind == kindDistrict && t.lies(p, in, deep+1) {
				return true
			}
		}
	}
	return false
}

// pick proposes a unit for a name, and gives the rows that the name means, as they were called.
func (t *Table) pick(kind, name, on string, within scope) (*Unit, []*unit) {
	n := fold(name)
	list := t.within(t.byName[kind+" "+n], within)
	reason := UnitFound
	if len(list) == 0 {
		if list, reason = t.within(t.bare[kind+" "+bare(n)], within), UnitMarks; len(list) == 0 {
			return &Unit{Reason: UnitUnknown}, nil
		}
	}
	var now []*unit
	merged, split := false, false
	for _, u := range list {
		next := t.became(u, on, 0)
		merged = merged || !slices.Contains(next, u)
		split = split || len(next) > 1
		for _, v := range next {
			if !slices.ContainsFunc(now, func(w *unit) bool { return w.code == v.code }) {
				now = append(now, v)
			}
		}
	}
	out := &Unit{Reason: reason}
	switch {
	case len(now) == 0:
		out.Reason = UnitUnknown
	case len(now) > 1:
		if out.Reason = UnitAmbiguous; split && len(list) == 1 {
			out.Reason = UnitSplit
		}
		for _, v := range now[:min(len(now), maxChoices)] {
			out.Candidates = append(out.Candidates, v.code)
		}
		out.Source = now[0].source
	default:
		out.Code, out.Name, out.Source = now[0].code, now[0].name, now[0].source
		if out.Decided = reason == UnitFound; out.Decided && merged {
			out.Reason = UnitMerged
		}
	}
	// A commune of old is looked for in the province of old as well as in what that became.
	for _, v := range now {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return out, list
}

func (t *Table) within(list []*unit, in scope) (out []*unit) {
	for _, u := range list {
		if t.lies(u, in, 0) {
			out = append(out, u)
		}
	}
	return out
}

// became follows a unit that is no longer there to what it is now.
func (t *Table) became(u *unit, on string, deep int) (out []*unit) {
	if (u.from == "" || u.from <= on) && (u.to == "" || on <= u.to) {
		return []*unit{u}
	}
	if deep == maxDeep || u.from > on || len(u.into) > maxInto {
		return nil
	}
	for _, code := range u.into {
		for _, v := range t.byCode[u.kind+" "+code] {
			if v != u && len(out) < maxChoices*maxChoices {
				out = append(out, t.became(v, on, deep+1)...)
			}
		}
	}
	return out
}
