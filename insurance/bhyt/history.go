package bhyt

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
)

// maxListed is how many entries of a list are looked at. What comes after them is not read.
const maxListed = 2000

var (
	accountForm = regexp.MustCompile(`^([0-9A-Z]{2,8})_`)
	codedForm   = regexp.MustCompile(`^[0-9]{1,2}$`)
	dossierForm = regexp.MustCompile(`^[0-9A-Za-z._/-]{1,64}$`)
)

// entries reads a list as far as it is one. An entry that is no object is left out; more says that there were too many.
func entries[T any](raw json.RawMessage) (list []T, more bool) {
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil, false
	}
	for i, one := range all {
		if i == maxListed {
			return list, true
		}
		var v T
		if len(one) > 0 && one[0] == '{' && json.Unmarshal(one, &v) == nil {
			list = append(list, v)
		}
	}
	return list, false
}

// lookUps reads who asked about a card, newest first.
func lookUps(raw json.RawMessage, now time.Time) []insurance.LookUp {
	all, _ := entries[LookUp](raw)
	var list []insurance.LookUp
	for _, l := range all {
		facility := plain(string(l.UserKT), 32)
		if m := accountForm.FindStringSubmatch(strings.ToUpper(facility)); m != nil {
			facility = m[1]
		}
		if facility == "" {
			continue
		}
		code := string(l.MaLoi)
		if !codeForm.MatchString(code) {
			code = ""
		}
		list = append(list, insurance.LookUp{Facility: facility, At: minute(l.ThoiGianKT, now), Code: code})
	}
	slices.SortStableFunc(list, func(a, b insurance.LookUp) int { return b.At.Compare(a.At) })
	return list[:min(len(list), insurance.MaxLookUps)]
}

// others leaves out what this facility itself asked.
func others(list []insurance.LookUp, username string) []insurance.LookUp {
	own := accountForm.FindStringSubmatch(strings.ToUpper(username))
	if own == nil {
		return list
	}
	list = slices.DeleteFunc(list, func(l insurance.LookUp) bool { return l.Facility == own[1] })
	if len(list) == 0 {
		return nil
	}
	return list
}

// visits reads what somebody was treated for, newest first.
func visits(raw json.RawMessage, now time.Time) (list []insurance.Visit, more bool) {
	all, more := entries[PastVisit](raw)
	match := func(form *regexp.Regexp, t Text) string {
		if s := string(t); form.MatchString(s) {
			return s
		}
		return ""
	}
	for _, v := range all {
		disease, _ := insurance.ReadName(string(v.TenBenh))
		one := insurance.Visit{
			ID: match(dossierForm, v.MaHoSo), Facility: match(facilityForm, v.MaCSKCB), From: minute(v.NgayVao, now), To: minute(v.NgayRa, now),
			Diagnosis: plain(disease, maxText), Discharge: match(codedForm, v.TinhTrang), Outcome: match(codedForm, v.KqDieuTri), Reason: match(codedForm, v.LyDoVV),
		}
		if one != (insurance.Visit{}) {
			list = append(list, one)
		}
	}
	slices.SortStableFunc(list, func(a, b insurance.Visit) int { return b.From.Compare(a.From) })
	if len(list) > insurance.MaxVisits {
		list, more = list[:insurance.MaxVisits], true
	}
	return list, more
}

// minute reads yyyyMMddHHmm, with or without its time or its seconds; zero where it is none, or lies where no visit can.
func minute(t Text, now time.Time) time.Time {
	for _, form := range []string{"200601021504", "20060102150405", "20060102"} {
		if len(t) != len(form) {
			continue
		}
		if at, err := time.ParseInLocation(form, string(t), insurance.Vietnam); err == nil && at.Year() >= 1990 && at.Before(now.AddDate(1, 0, 0)) {
			return at
		}
	}
	return time.Time{}
}

// told turns the answer of PathHistory into a history, or into the error that its code stands for.
func told(body []byte, now time.Time) (insurance.History, error) {
	var a HistoryAnswer
	if err := read(body, &a); err != nil {
		return insurance.History{}, err
	}
	if !codeForm.MatchString(string(a.MaKetQua)) {
		return insurance.History{}, insurance.ErrGarbage
	}
	h := insurance.History{AsOf: now, Code: string(a.MaKetQua)}
	if c, known := LookupCode(h.Code); known && c.Err() != nil {
		return h, &insurance.CodeError{Code: c.Code, Err: c.Err()}
	}
	h.Visits, h.More = visits(a.DsLichSuKCB2025, now)
	return h, nil
}
