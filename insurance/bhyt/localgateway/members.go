package localgateway

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
)

//go:embed members.json
var membersJSON []byte

// Member is an invented person in the gateway's register. Dates are dd/MM/yyyy and may say {{year}}, {{year+1}}, {{year-1}} for the
// current year and its neighbours, so that who is covered today is covered in any year.
type Member struct {
	Persona     string    `json:"persona"`
	Number      string    `json:"number"`
	FullName    string    `json:"fullName"` // as the register has it, which may not be what the chip has
	DateOfBirth string    `json:"dateOfBirth"`
	Sex         string    `json:"sex"`
	Address     string    `json:"address,omitempty"`
	Card        *Card     `json:"card,omitempty"`
	NewCard     *Card     `json:"newCard,omitempty"`
	Area        string    `json:"area,omitempty"`
	FiveYears   string    `json:"fiveYears,omitempty"`
	Result      string    `json:"result"`              // result code where name and date of birth are right
	Behaviour   Behaviour `json:"behaviour,omitempty"` // of the gateway when this person is asked about
}

// Card is an insurance card in the register.
type Card struct {
	Code         string `json:"code"`
	From         string `json:"from"`
	To           string `json:"to"`
	Facility     string `json:"facility"`
	FacilityName string `json:"facilityName,omitempty"`
}

// Behaviour is how the gateway misbehaves.
type Behaviour string

// Behaviours.
const (
	Slow  Behaviour = "slow"  // answers after Options.Delay
	Reset Behaviour = "reset" // cuts the connection
)

// Members gives the invented persons that a gateway knows unless told otherwise.
func Members() []Member {
	var list []Member
	d := json.NewDecoder(bytes.NewReader(membersJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		panic(fmt.Sprintf("members.json: %v", err))
	}
	return list
}

var yearForm = regexp.MustCompile(`\{\{year([+-]\d)?\}\}`)

func date(s string, now time.Time) bhyt.Text {
	return bhyt.Text(yearForm.ReplaceAllStringFunc(s, func(m string) string {
		shift, _ := strconv.Atoi(yearForm.FindStringSubmatch(m)[1])
		return strconv.Itoa(now.In(insurance.Vietnam).Year() + shift)
	}))
}

// known says whether a look-up key means this member.
func (m Member) known(key string) bool {
	if key == m.Number {
		return true
	}
	return m.Card != nil && (key == m.Card.Code || key == m.Card.Code[5:]) || m.NewCard != nil && key == m.NewCard.Code
}

// answer is what the register says about a member whose name and date of birth were right.
func (m Member) answer(code bhyt.Code, now time.Time) bhyt.Answer {
	a := bhyt.Answer{MaKetQua: bhyt.Text(code.Code), GhiChu: bhyt.Text(code.VI + "!"), DsLichSuKCB2018: json.RawMessage("null")}
	if m.Card == nil {
		return a
	}
	a.HoTen, a.NgaySinh, a.GioiTinh, a.DiaChi = bhyt.Text(m.FullName), bhyt.Text(m.DateOfBirth), bhyt.Text(m.Sex), bhyt.Text(m.Address)
	a.MaThe, a.GtTheTu, a.GtTheDen = bhyt.Text(m.Card.Code), date(m.Card.From, now), date(m.Card.To, now)
	a.MaDKBD, a.MaKV, a.NgayDu5Nam = bhyt.Text(m.Card.Facility), bhyt.Text(m.Area), date(m.FiveYears, now)
	a.CqBHXH, a.MaSoBHXH = "BHXH tỉnh/thành phố (mô phỏng)", bhyt.Text(m.Card.Code[5:])
	if n := m.NewCard; n != nil {
		a.MaTheMoi, a.GtTheTuMoi, a.GtTheDenMoi = bhyt.Text(n.Code), date(n.From, now), date(n.To, now)
		a.MaDKBDMoi, a.TenDKBDMoi = bhyt.Text(n.Facility), bhyt.Text(n.FacilityName)
	}
	a.GhiChu = bhyt.Text(fmt.Sprintf("%s! Họ tên : %s, Ngày sinh: %s, Giới tính : %s! (ĐC: %s; Nơi KCBBĐ: %s; Hạn thẻ: %s - %s; Thời điểm đủ 5 năm liên tục: %s).",
		code.VI, a.HoTen, a.NgaySinh, a.GioiTinh, a.DiaChi, a.MaDKBD, a.GtTheTu, a.GtTheDen, a.NgayDu5Nam))
	a.DsLichSuKT2018 = json.RawMessage(`[{"userKT":"01004_BV","thoiGianKT":"` + now.In(insurance.Vietnam).Format("200601021504") + `","thongBao":"` + code.VI + `","maLoi":"` + code.Code + `"}]`)
	return a
}

// sameName compares as the gateway does: with or without diacritics, in any case.
func sameName(a, b string) bool {
	fold := func(s string) string {
		s = strings.ReplaceAll(strings.ToUpper(norm.NFC.String(s)), "Đ", "D")
		s = strings.Map(func(r rune) rune {
			if r >= 0x300 && r < 0x370 { // combining marks
				return -1
			}
			return r
		}, norm.NFD.String(s))
		return strings.Join(strings.Fields(s), " ")
	}
	return fold(a) == fold(b)
}

// sameDate takes a year for any day in it.
func sameDate(asked, known string) bool {
	return asked == known || strings.ReplaceAll(known, "/", "") == asked || len(asked) == 4 && strings.HasSuffix(known, "/"+asked)
}
