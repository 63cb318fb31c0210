package bhyt

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Paths of the gateway below its host.
const (
	PathToken  = "/api/token/take"
	PathLookup = "/api/egw/KQNhanLichSuKCB2024"
	// PathHistory takes the fields of a look-up, form-urlencoded only: it refuses JSON, in spite of its letter (CV 2746/BHXH-CNTT).
	PathHistory = "/api/egw/Lskcb2025"
)

// SimulatedHeader is set by a gateway that only plays one: its answers are true of nobody, and are marked so.
const SimulatedHeader = "Tapcheck-Simulated"

// Text is a JSON string of the gateway. Read, it takes a number or a boolean for what it is written as, and null and anything
// else for empty: one field of the wrong type must not cost the whole answer.
type Text string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (t *Text) UnmarshalJSON(b []byte) error {
	*t = ""
	b = bytes.TrimSpace(b)
	switch {
	case len(b) == 0, b[0] == '{', b[0] == '[', bytes.Equal(b, []byte("null")):
	case b[0] == '"':
		var s string
		if json.Unmarshal(b, &s) == nil {
			*t = Text(strings.TrimSpace(s))
		}
	default:
		*t = Text(b)
	}
	return nil
}

// TokenRequest asks for a token.
type TokenRequest struct {
	Username string `json:"username"`
	Password string `json:"password"` // MD5 of the password, in hex
}

// TokenAnswer is the answer to it. MaKetQua is "200", or "401" for a wrong account.
type TokenAnswer struct {
	MaKetQua Text    `json:"maKetQua"`
	GhiChu   Text    `json:"ghiChu,omitempty"`
	APIKey   *APIKey `json:"APIKey"`
}

// APIKey is a token. ExpiresIn is a moment in UTC with seven digits of a second's fraction, in spite of its name:
// "2024-08-29T08:33:08.5454145Z".
type APIKey struct {
	AccessToken Text `json:"access_token"`
	IDToken     Text `json:"id_token"`
	TokenType   Text `json:"token_type"`
	Username    Text `json:"username"`
	ExpiresIn   Text `json:"expires_in"`
}

// LookupRequest is the body of a look-up.
type LookupRequest struct {
	MaThe    string `json:"maThe"`    // card code, social insurance number or personal number
	HoTen    string `json:"hoTen"`    //
	NgaySinh string `json:"ngaySinh"` // dd/MM/yyyy, or yyyy
	HoTenCb  string `json:"hoTenCb"`  // the staff member who asks
	CccdCb   string `json:"cccdCb"`   //
}

// Answer is the answer to a look-up. Dates are dd/MM/yyyy.
type Answer struct {
	MaKetQua    Text `json:"maKetQua"`
	GhiChu      Text `json:"ghiChu"` // one sentence for people
	MaThe       Text `json:"maThe"`
	HoTen       Text `json:"hoTen"`
	NgaySinh    Text `json:"ngaySinh"`
	GioiTinh    Text `json:"gioiTinh"` // "Nam", "Nữ"
	DiaChi      Text `json:"diaChi"`
	MaDKBD      Text `json:"maDKBD"` // facility of first registration
	CqBHXH      Text `json:"cqBHXH"`
	GtTheTu     Text `json:"gtTheTu"`
	GtTheDen    Text `json:"gtTheDen"`
	MaKV        Text `json:"maKV"`       // "", "K1", "K2", "K3"
	NgayDu5Nam  Text `json:"ngayDu5Nam"` // five years without a gap, from this day
	MaSoBHXH    Text `json:"maSoBHXH"`
	MaTheCu     Text `json:"maTheCu"`
	MaTheMoi    Text `json:"maTheMoi"`
	GtTheTuMoi  Text `json:"gtTheTuMoi"`
	GtTheDenMoi Text `json:"gtTheDenMoi"`
	MaDKBDMoi   Text `json:"maDKBDMoi"`
	TenDKBDMoi  Text `json:"tenDKBDMoi"`

	// Earlier visits (always null since 2025) and who asked about this card ([]LookUp). Never kept as they come.
	DsLichSuKCB2018 json.RawMessage `json:"dsLichSuKCB2018"`
	DsLichSuKT2018  json.RawMessage `json:"dsLichSuKT2018"`
}

// LookUp says that a facility's account asked about a card.
type LookUp struct {
	UserKT     Text `json:"userKT"`     // "01004_BV"
	ThoiGianKT Text `json:"thoiGianKT"` // yyyyMMddHHmm
	ThongBao   Text `json:"thongBao"`   // one sentence, which may hold the person's name
	MaLoi      Text `json:"maLoi"`      // the result code that it was given
}

// HistoryAnswer is the answer of PathHistory. Its list ([]PastVisit) is null where there is nothing.
type HistoryAnswer struct {
	MaKetQua        Text            `json:"maKetQua"`
	GhiChu          Text            `json:"ghiChu"`
	DsLichSuKCB2025 json.RawMessage `json:"dsLichSuKCB2025"`
}

// PastVisit is what somebody was treated for. Times are yyyyMMddHHmm.
type PastVisit struct {
	MaHoSo    Text `json:"maHoSo"`
	MaCSKCB   Text `json:"maCSKCB"`
	NgayVao   Text `json:"ngayVao"`
	NgayRa    Text `json:"ngayRa"`
	TenBenh   Text `json:"tenBenh"`
	TinhTrang Text `json:"tinhTrang"`
	KqDieuTri Text `json:"kqDieuTri"`
	LyDoVV    Text `json:"lyDoVV"`
}
