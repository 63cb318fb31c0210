package mapping

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// result is a check-in of nobody, with everything in it.
func result() checkin.Result {
	i := &lds.Identity{}
	for name, text := range i.Texts() {
		*text = "<" + name + ">"
	}
	i.FullName, i.DateOfBirth, i.Sex, i.Nationality, i.IssuedAt, i.ExpiresAt = "Đặng Thị Ánh", "1999-02-03", "female", "VNM", "2022-04-15", ""
	i.NoExpiry = true
	percent := 47.5
	return checkin.Result{
		CheckinID: "01M8", State: checkin.Complete, Means: checkin.MeansChip, Desk: "desk", StartedAt: time.Unix(1e9, 0).UTC(), FinishedAt: time.Unix(1e9, 0).UTC(),
		Simulated: true, Operator: &checkin.Operator{ID: "op"}, Visit: &checkin.Visit{MaLK: "lk", MaBN: "bn"}, Identity: i, Portrait: &checkin.Picture{Data: []byte("jpeg")},
		Claim: map[string]string{
			"HO_TEN": "x", "SO_CCCD": "x", "NGAY_SINH": "x", "GIOI_TINH": "2", "MA_THE_BHYT": "x", "MA_DKBD": "x", "GT_THE_TU": "x", "GT_THE_DEN": "x", "OTHER": "x",
			"MA_QUOCTICH": "x", "MA_DANTOC": "x", "DIA_CHI": "x", "MATINH_CU_TRU": "x", "MAXA_CU_TRU": "x", "MA_DOITUONG_KCB": "x", "MA_KHUVUC": "x", "NAM_NAM_LIEN_TUC": "x",
		},
		Verdicts: &checkin.Verdicts{Face: checkin.FaceVerdict{Status: lds.NotDone}, Verdicts: lds.Verdicts{
			PassiveAuthentication: lds.PassiveVerdict{Status: lds.NotVerifiable}, ChipAuthentication: lds.ExchangeVerdict{Status: lds.NotVerifiable},
			ActiveAuthentication: lds.ExchangeVerdict{Status: lds.NotVerifiable}, DocumentValidity: lds.BasisVerdict{Status: lds.Passed}, KeyMatchesChip: lds.BasisVerdict{Status: lds.Passed},
		}},
		Eligibility: &insurance.Eligibility{
			State: insurance.Eligible, Code: "000", Text: "ok", AsOf: time.Unix(1e9, 0).UTC(), Route: &insurance.Route{Proposal: "1.1"}, Rate: &insurance.Rate{BasePercent: 95, Percent: &percent},
			Card: &insurance.Card{Code: "GD4", From: "2026-01-01", To: "2026-12-31", RegisteredFacility: "01004", BenefitRate: 80, FiveYearsFrom: "2027-01-01", Area: "K1"},
		},
	}
}

var files = map[lds.FileID][]byte{
	lds.DG(1): []byte("1"), lds.DG(2): []byte("2"), lds.DG(13): []byte("13"), lds.DG(14): []byte("14"), lds.DG(15): []byte("15"), lds.SOD: []byte("sod"), lds.COM: []byte("com"),
}

// Every name that a file may have stands for something, and nothing else comes out of a result.
func TestEverySourceHasAValue(t *testing.T) {
	v := Of(result(), files)
	for _, s := range Sources() {
		if v[s] == "" {
			t.Errorf("%s stands for nothing", s)
		}
		delete(v, s)
	}
	if len(v) > 0 {
		t.Errorf("not among the sources: %v", v)
	}
	if v := Of(checkin.Result{}, nil); len(v) != 0 {
		t.Errorf("of an empty result: %v", v)
	}
}

// The names of the HN212/JTH box and of the JTH desktop program, exactly: a HIS reads them.
func TestTheBoxesDialect(t *testing.T) {
	b := Builtin()
	got := b[SocketIO].Object(Of(result(), files))
	want := map[string]string{
		"idCode": "<number>", "oldIdCode": "<oldNumber>", "personName": "Đặng Thị Ánh", "dateOfBirth": "03/02/1999", "gender": "Nữ", "nationality": "Việt Nam",
		"race": "<ethnicity>", "religion": "<religion>", "originPlace": "<origin>", "residencePlace": "<residence>", "personalIdentification": "<features>",
		"issueDate": "15/04/2022", "expiryDate": "Không thời hạn", "fatherName": "<father>", "motherName": "<mother>", "wifeName": "<spouse>",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	want = map[string]string{"img_data": "anBlZw==", "dg2": "Mg==", "dg13": "MTM=", "dg14": "MTQ=", "dg15": "MTU=", "sod": "c29k"}
	if d := cmp.Diff(want, b[SocketIOFiles].Object(Of(result(), files))); d != "" {
		t.Error(d)
	}
	want = map[string]string{
		"id_card": "<number>", "full_name": "Đặng Thị Ánh", "date_of_birth": "03/02/1999", "gender": "Nữ", "nationality": "Việt Nam", "race": "<ethnicity>",
		"religion": "<religion>", "place_of_origin": "<origin>", "place_of_residence": "<residence>", "personal_identification": "<features>",
		"date_of_issue": "15/04/2022", "date_of_expiry": "Không thời hạn", "father_name": "<father>", "mother_name": "<mother>", "wife_name": "<spouse>",
		"old_id_card": "<oldNumber>", "id_img": "anBlZw==",
	}
	if d := cmp.Diff(want, b[Webhook].Object(Of(result(), files))); d != "" {
		t.Error(d)
	}
	// What the ceiling took away is an empty text, and a file that may not be given is not there.
	if got := b[SocketIO].Object(Of(checkin.Result{}, nil)); len(got) != 16 || got["religion"] != "" {
		t.Errorf("%v", got)
	}
	if got := b[SocketIOFiles].Object(Of(checkin.Result{}, nil)); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestTheExample(t *testing.T) {
	set, err := Load(filepath.Join("..", "..", "testdata", "mapping", "his-vn.toml"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Pair{
		{"SoCCCD", "<number>"}, {"HoTen", "DANG THI ANH"}, {"NgaySinh", "19990203"}, {"GioiTinh", "2"}, {"DiaChi", "<residence> / <origin>"},
		{"SoTheBHYT", "GD4"}, {"NguonDuLieu", "TAPCHECK"},
	}
	if d := cmp.Diff(want, set[Webhook].Apply(Of(result(), nil))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Pair{{"Họ tên", "ĐẶNG THỊ ÁNH"}, {"Số CCCD", "<number>"}}, set[Console].Apply(Of(result(), nil))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Builtin()[SocketIO], set[SocketIO]); d != "" {
		t.Errorf("a way that the file does not have is no longer what it was: %s", d)
	}
	if !set[Webhook].Uses(AboutInsurance) || set[Console].Uses(AboutInsurance) {
		t.Error("which ways need the insurer is told wrongly")
	}
}

func TestDates(t *testing.T) {
	for _, c := range []struct{ pattern, iso, want string }{
		{"dd/mm/yyyy", "1999-02-03", "03/02/1999"}, {"yyyymmdd", "1999-02-03", "19990203"}, {"ddmmyyyy", "1999-02-03", "03021999"}, {"yyyy", "1999-02-03", "1999"},
		{"mm/yyyy", "1999-02-03", "02/1999"}, {"dd/mm/yyyy", "1999-02", "02/1999"}, {"yyyy-mm-dd", "1999-02", "1999-02"}, {"dd/mm/yyyy", "1999", "1999"},
		{"yyyy", "1999-02", "1999"}, {"dd/mm/yyyy", "2026-11-23T08:15:02+07:00", "23/11/2026"}, {"dd/mm/yyyy", "Không thời hạn", "Không thời hạn"},
		{"dd/mm/yyyy", "1-2-3", "1-2-3"},
	} {
		if got := date(c.pattern, c.iso); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.pattern, c.iso, got, c.want)
		}
	}
}

// Each case is a file with what must be said about it; the value itself is never repeated.
func TestProblems(t *testing.T) {
	many := strings.Repeat("[[webhook.fields]]\nname=\"a\"\nconst=\"\"\n", MaxFields+1)
	for name, c := range map[string]struct {
		file          string
		line          int
		setting, what string
	}{
		"unknown way":      {"[[webhok.fields]]\nname = \"a\"\n", 1, "webhok.fields", unknown},
		"unknown key":      {"[[webhook.fields]]\nname = \"a\"\nform = \"number\"\n", 3, "webhook.fields.form", unknown},
		"unknown source":   {"\n[[webhook.fields]]\nname = \"a\"\nfrom = \"SECRETVALUE\"\n", 4, "webhook.fields.from", notAllowed},
		"no source":        {"[[webhook.fields]]\nname = \"a\"\n", 1, "webhook.fields.from", notAllowed},
		"two sources":      {"[[webhook.fields]]\nname = \"a\"\nfrom = \"number\"\nconst = \"SECRETVALUE\"\n", 3, "webhook.fields.from", notAllowed},
		"no name":          {"[[webhook.fields]]\nfrom = \"number\"\n", 1, "webhook.fields.name", notAllowed},
		"name twice":       {"[[webhook.fields]]\nname = \"a\"\nfrom = \"number\"\n[[webhook.fields]]\nname = \"a\"\nfrom = \"sex\"\n", 5, "webhook.fields.name", notAllowed},
		"date":             {"[[console.fields]]\nname = \"a\"\nfrom = \"dateOfBirth\"\ndate = \"SECRETVALUE\"\n", 4, "console.fields.date", notAllowed},
		"day and year":     {"[[console.fields]]\nname = \"a\"\nfrom = \"dateOfBirth\"\ndate = \"dd/yyyy\"\n", 4, "console.fields.date", notAllowed},
		"case":             {"[[socketio.fields]]\nname = \"a\"\nfrom = \"number\"\ncase = \"SECRETVALUE\"\n", 4, "socketio.fields.case", notAllowed},
		"joined picture":   {"[[webhook.fields]]\nname = \"a\"\njoin = [\"number\", \"portrait\"]\n", 3, "webhook.fields.join", notAllowed},
		"formatted file":   {"[[webhook.fields]]\nname = \"a\"\nfrom = \"file.DG13\"\ncase = \"upper\"\n", 3, "webhook.fields.from", notAllowed},
		"values of lines":  {"[[webhook.fields]]\nname = \"a\"\nfrom = \"sex\"\n[webhook.fields.values]\nmale = \"a\\nb\"\n", 4, "webhook.fields.values", notAllowed},
		"wrong type":       {"[[webhook.fields]]\nname = 3\n", 2, "webhook.fields.name", wrongType},
		"not TOML":         {"[[webhook.fields]]\nSECRETVALUE here\n", 2, "", notTOML},
		"no fields":        {"[webhook]\n", 1, "webhook.fields", notAllowed},
		"too many":         {many, 1, "webhook.fields", notAllowed},
		"too long":         {strings.Repeat("#\n", MaxFile), 0, "", notTOML},
		"constant of line": {"[[webhook.fields]]\nname = \"a\"\nconst = \"a\\nb\"\n", 3, "webhook.fields.const", notAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.file))
			var p settings.Problems
			if !errors.As(err, &p) || len(p) == 0 {
				t.Fatalf("got %v, want a problem", err)
			}
			if p[0].Line != c.line || p[0].Setting != c.setting || p[0].What != c.what {
				t.Errorf("got %+v", p)
			}
			for _, text := range []string{p[0].VI(), p[0].EN(), err.Error()} {
				if strings.Contains(text, "SECRETVALUE") {
					t.Errorf("the value is repeated: %s", text)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	if set, err := Load(""); err != nil || len(set) != len(Ways)-1 || len(set[Console].Fields) != 0 {
		t.Errorf("without a file: %v, %v", set, err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if set, err := Parse([]byte(Sample())); err != nil || len(set) != len(Ways)-1 || len(set[Console].Fields) != 0 {
		t.Errorf("the sample is no mapping: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Sample()))
	f.Add([]byte("[[webhook.fields]]\nname=\"a\"\nfrom=\"sex\"\n[webhook.fields.values]\nmale=\"x\"\n"))
	f.Add([]byte("webhook.fields = [{name=\"a\", const=\"\"}]\n"))
	v := Of(result(), files)
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := Parse(raw)
		if err != nil {
			return
		}
		for _, m := range set {
			if got := m.Apply(v); len(got) > MaxFields {
				t.Errorf("%d fields", len(got))
			}
		}
	})
}
