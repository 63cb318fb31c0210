package bhyt

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/insurance"
)

// Bounds of what is taken over from an answer.
const (
	maxText = 512 // characters of a text that people read
	maxKept = 4096
)

var (
	codeForm     = regexp.MustCompile(`^[0-9A-Za-z]{1,8}$`)
	cardForm     = regexp.MustCompile(`^[0-9A-Z]{10,15}$`)
	facilityForm = regexp.MustCompile(`^[0-9A-Z]{2,8}$`)
	areaForm     = regexp.MustCompile(`^K[1-3]$`)
)

// read decodes the body of an answer into v. Whatever is not exactly one JSON object is no answer.
func read(body []byte, v any) error {
	body = bytes.TrimSpace(bytes.TrimPrefix(readable(body), []byte("\ufeff")))
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, v) != nil {
		return insurance.ErrGarbage
	}
	return nil
}

// readable gives text that is not UTF-8 as if each such byte were a character of Latin-1, so that a name in an old encoding is
// still there to be read (insurance.ReadName), and is not lost to replacement characters.
func readable(body []byte) []byte {
	if utf8.Valid(body) {
		return body
	}
	out := make([]byte, 0, len(body)+len(body)/4)
	for len(body) > 0 {
		r, n := utf8.DecodeRune(body)
		if r == utf8.RuneError && n == 1 {
			r = rune(body[0])
		}
		out, body = utf8.AppendRune(out, r), body[n:]
	}
	return out
}

// keep gives what of an answer may be kept: its plain values. Lists and objects are dropped whatever they are called, so that
// diagnoses do not come in by a name that is new.
func keep(body []byte) []byte {
	var all map[string]json.RawMessage
	if read(body, &all) != nil {
		return nil
	}
	for name, v := range all {
		if len(name) > 64 || len(v) > maxKept || v[0] == '[' || v[0] == '{' || strings.HasPrefix(strings.ToLower(name), "dslichsu") {
			delete(all, name)
		}
	}
	kept, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return kept
}

// judge turns an answer into an eligibility, or into the error that its code stands for. Both come where the insurer
// reported an error: code and raw answer are its proof.
func judge(q insurance.Request, body []byte, now time.Time) (insurance.Eligibility, error) {
	var a Answer
	if err := read(body, &a); err != nil {
		return insurance.Eligibility{}, err
	}
	if !codeForm.MatchString(string(a.MaKetQua)) {
		return insurance.Eligibility{}, insurance.ErrGarbage
	}
	e := insurance.Eligibility{Source: Source, AsOf: now, Code: string(a.MaKetQua), Raw: keep(body), LookedUpBy: lookUps(a.DsLichSuKT2018, now)}
	day := now
	if !q.At.IsZero() {
		day = q.At
	}
	c, known := LookupCode(e.Code)
	if !known {
		e.State, e.Advice, e.Text = insurance.Unknown, "CHECK_PAPERS", plain(string(a.GhiChu), maxText)
		e.Card, _ = card(a, false, day)
		return e, nil
	}
	e.Text, e.TextEN, e.Advice = c.VI, c.EN, c.Advice
	if err := c.Err(); err != nil {
		return e, &insurance.CodeError{Code: c.Code, Err: err}
	}

	e.State = c.State
	var odd bool
	e.Card, odd = card(a, c.UseNext, day)
	e.Differences = differences(q, a)
	if c.Differs != "" && !hasField(e.Differences, c.Differs) {
		e.Differences = append(e.Differences, insurance.Difference{Field: c.Differs, Kind: insurance.DiffersInValue})
	}
	if e.State != insurance.Eligible {
		return e, nil
	}

	// The insurer says yes. Where the rest of its answer speaks against that, somebody has to look.
	for _, d := range e.Differences {
		if d.Kind == insurance.DiffersInValue {
			e.State, e.Advice = insurance.Check, "CHECK_IDENTITY"
		}
	}
	if e.State == insurance.Eligible && (odd || e.Card != nil && !e.Card.Covers(day)) {
		e.State, e.Advice = insurance.Check, "CHECK_PAPERS"
	}
	return e, nil
}

// differences compares the person asked about with the one in the answer. A name in an old encoding is compared as what it
// says, and one that cannot be read is not compared at all: neither may look like somebody else's.
func differences(q insurance.Request, a Answer) []insurance.Difference {
	asked, _ := insurance.ReadName(q.FullName)
	q.FullName = asked
	known, encoding := insurance.ReadName(string(a.HoTen))
	said := insurance.Request{FullName: plain(known, maxText), DateOfBirth: isoDate(a.NgaySinh), Sex: sex(a.GioiTinh)}
	if encoding == insurance.Unreadable {
		said.FullName = ""
	}
	list := insurance.Compare(q, said)
	if encoding != insurance.Unicode && asked != "" && !hasField(list, "fullName") {
		list = append([]insurance.Difference{{Field: "fullName", Kind: insurance.DiffersInEncoding}}, list...)
	}
	return list
}

func hasField(list []insurance.Difference, field string) bool {
	for _, d := range list {
		if d.Field == field {
			return true
		}
	}
	return false
}

// card reads the card that counts. odd says that a date was there and is none.
func card(a Answer, next bool, now time.Time) (c *insurance.Card, odd bool) {
	date := func(t Text) string {
		iso := isoDate(t)
		if t != "" && len(iso) != len("2006-01-02") {
			odd = true
			return ""
		}
		return iso
	}
	match := func(form *regexp.Regexp, t Text) string {
		if s := strings.ToUpper(string(t)); form.MatchString(s) {
			return s
		}
		return ""
	}
	c = &insurance.Card{
		Code: match(cardForm, a.MaThe), From: date(a.GtTheTu), To: date(a.GtTheDen), RegisteredFacility: match(facilityForm, a.MaDKBD),
		FiveYearsFrom: date(a.NgayDu5Nam), Area: match(areaForm, a.MaKV), Previous: match(cardForm, a.MaTheCu), Next: match(cardForm, a.MaTheMoi),
	}
	if next && c.Next != "" {
		c.Previous, c.Code, c.Next = c.Code, c.Next, ""
		c.From, c.To, c.RegisteredFacility = date(a.GtTheTuMoi), date(a.GtTheDenMoi), match(facilityForm, a.MaDKBDMoi)
	}
	if *c == (insurance.Card{}) {
		return nil, odd
	}
	c.BenefitRate = insurance.BenefitRate(c.Code, now)
	return c, odd
}

// isoDate turns dd/MM/yyyy, or a year, into ISO 8601; empty where it is neither, or no day of the calendar.
func isoDate(t Text) string {
	s := string(t)
	if d, err := time.Parse("02/01/2006", s); err == nil && d.Year() >= 1800 {
		return d.Format("2006-01-02")
	}
	if d, err := time.Parse("2006", s); err == nil && d.Year() >= 1800 {
		return s
	}
	return ""
}

// gatewayDate turns ISO 8601 into dd/MM/yyyy or, where the day is not known, into the year.
func gatewayDate(iso string) (string, bool) {
	if d, err := time.Parse("2006-01-02", iso); err == nil {
		return d.Format("02/01/2006"), true
	}
	for _, form := range []string{"2006-01", "2006"} {
		if d, err := time.Parse(form, iso); err == nil {
			return d.Format("2006"), true
		}
	}
	return "", false
}

func sex(t Text) string {
	switch strings.ToLower(norm.NFC.String(string(t))) {
	case "nam":
		return "male"
	case "nữ", "nu":
		return "female"
	}
	return ""
}

// plain makes a foreign text fit to be shown.
func plain(s string, limit int) string { return insurance.Plain(s, limit) }
