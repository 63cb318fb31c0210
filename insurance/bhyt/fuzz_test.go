package bhyt

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
)

// Whatever a gateway sends, it is one kind of error or an answer that claims no more than its code, and no list is kept.
func FuzzAnswer(f *testing.F) {
	files, err := filepath.Glob("../../testdata/gateway/answers/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		var c struct {
			Status int             `json:"status"`
			Answer json.RawMessage `json:"answer"`
			Body   *string         `json:"body"`
		}
		b, err := os.ReadFile(name)
		if err != nil || json.Unmarshal(b, &c) != nil {
			f.Fatal(name, err)
		}
		if c.Body != nil {
			c.Answer = []byte(*c.Body)
		}
		if len(c.Answer) < 4096 {
			f.Add(c.Status, []byte(c.Answer))
		}
	}
	now := time.Date(2026, 11, 23, 8, 15, 3, 0, insurance.Vietnam)
	q := insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		var code struct {
			MaKetQua Text `json:"maKetQua"`
		}
		coded := read(body, &code) == nil && code.MaKetQua != ""
		err := acceptable(reply{status: status, body: body}, coded)
		var e insurance.Eligibility
		if err == nil {
			e, err = judge(q, body, now)
		}
		if err != nil {
			n := 0
			for _, sentinel := range []error{insurance.ErrUnreachable, insurance.ErrRejected, insurance.ErrGarbage, insurance.ErrRequest} {
				if errors.Is(err, sentinel) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%v is %d kinds of error", err, n)
			}
			return
		}
		if e.State == insurance.Eligible && e.Code != "000" && e.Code != "004" && e.Code != "00" {
			t.Errorf("eligible by code %q", e.Code)
		}
		if len(e.LookedUpBy) > insurance.MaxLookUps {
			t.Errorf("%d looked it up", len(e.LookedUpBy))
		}
		for _, l := range e.LookedUpBy {
			if l.Facility == "" || len(l.Code) > 8 || len([]rune(l.Facility)) > 32 {
				t.Errorf("looked up by %+v", l)
			}
		}
		var kept map[string]any
		if json.Unmarshal(e.Raw, &kept) != nil {
			t.Errorf("raw %q", e.Raw)
		}
		for name, v := range kept {
			switch v.(type) {
			case []any, map[string]any:
				t.Errorf("kept the list %q", name)
			}
		}
	})
}

// The end of a token as gateways write it, and as they should not.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"2024-08-29T08:33:08.5454145Z", "2024-08-29T08:33:08.5454145", "2099-01-01T00:00:00+07:00", "3600", "", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 23, 8, 15, 3, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		life := newToken(APIKey{AccessToken: "a", ExpiresIn: Text(s)}, now).until.Sub(now)
		if life < leastLife || life > longestLife {
			t.Errorf("%q is kept for %v", s, life)
		}
	})
}

// Whatever comes back of a history, it is one kind of error or bounded texts.
func FuzzHistory(f *testing.F) {
	for _, s := range []string{
		`{"maKetQua":"200","dsLichSuKCB2025":null}`, `{"maKetQua":"401"}`, `{"maKetQua":200,"dsLichSuKCB2025":[{"maHoSo":1,"maCSKCB":"01004","ngayVao":"202401020800","ngayRa":"202401031000","tenBenh":"J18 - Viªm phæi","tinhTrang":1}]}`,
		`{"maKetQua":"200","dsLichSuKCB2025":[null,{},"x",[[]]]}`, "<html>", "\xff",
	} {
		f.Add([]byte(s))
	}
	now := time.Date(2026, 11, 23, 8, 15, 3, 0, insurance.Vietnam)
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := told(body, now)
		if err != nil {
			if h.Visits != nil {
				t.Error("visits beside", err)
			}
			return
		}
		if len(h.Visits) > insurance.MaxVisits || len(h.Code) > 8 {
			t.Errorf("%d visits, code %q", len(h.Visits), h.Code)
		}
		for _, v := range h.Visits {
			if len([]rune(v.Diagnosis)) > maxText || len(v.ID) > 64 || len(v.Facility) > 8 || len(v.Discharge+v.Outcome+v.Reason) > 6 || v.From.After(now.AddDate(1, 0, 0)) {
				t.Errorf("%+v", v)
			}
		}
	})
}

// A staff file is one or it is an error that quotes nothing.
func FuzzStaff(f *testing.F) {
	f.Add("[[staff]]\nname = \"Lê Thị Thu\"\nnumber = \"001180000001\"\noperators = [\"a\"]\n")
	f.Add("staff = [{name = 1}]")
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := ParseStaff([]byte(raw))
		if (s == nil) == (err == nil) {
			t.Fatal(s, err)
		}
		if err != nil && len(err.Error()) > 120 {
			t.Errorf("%v", err)
		}
	})
}
