package console

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/insurance"
)

func paper() checkin.Proof {
	at := time.Date(2026, 11, 28, 1, 15, 2, 0, time.UTC)
	asked := []string{"dateOfBirth", "fullName", "number", "sex"}
	p := checkin.Proof{
		CheckinID: "01M8ZB5V3J9Q0W2X4Y6Z8A1B3D", Means: checkin.MeansNumber, StartedAt: at, Desk: "Quầy tiếp nhận 3", Operator: "lt.hoa",
		Visit: checkin.Visit{MaLK: "2026-0031415", MaBN: "BN0027182"}, FullName: "Nguyễn Văn An", Number: "••••••••2345", CardCode: "•••••••••••6789",
		State: insurance.Pending, Waiting: true,
	}
	for i, outcome := range []string{"INSURANCE_UNREACHABLE", "INSURANCE_UNREACHABLE", "not_asked", "INSURANCE_GARBAGE", "cancelled", "INSURANCE_REJECTED", "INSURANCE_UNREACHABLE"} {
		cause := checkin.CauseArrival
		if i > 4 {
			cause = checkin.CauseEnd
		}
		p.Attempts = append(p.Attempts, checkin.ProofAttempt{At: at.Add(time.Duration(i*i) * 7 * time.Minute), Cause: cause, Insurer: insurance.SourceGateway, Fields: asked, Outcome: outcome})
	}
	p.Attempts[3].Code = "101"
	return p
}

// The paper says in Vietnamese when who was asked with what and what came of it, in Vietnam's time; it holds no script, and what
// comes from outside stays text. TAPCHECK_PROOF_OUT keeps it, to be looked at.
func TestProofOnPaper(t *testing.T) {
	p := paper()
	raw, err := RenderProof(p, "79013", p.StartedAt.Add(5*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if out := os.Getenv("TAPCHECK_PROOF_OUT"); out != "" {
		if err := os.WriteFile(out, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page := string(raw)
	for _, want := range []string{
		"79013", "Quầy tiếp nhận 3", "Nguyễn Văn An", "••••••••2345", "2026-0031415", "BN0027182", "08:15:02 28/11/2026", "12:27:02 28/11/2026", "Khi tiếp nhận",
		"Khi kết thúc đợt điều trị", "số định danh cá nhân", "Cổng BHYT (BHXH Việt Nam)", "(mã 101)", "Chưa gửi câu hỏi", "Chưa tra cứu được; vẫn đang tự động tra cứu lại",
		"7 lần tra cứu, 7 lần không có kết quả", "188/2025/NĐ‑CP, Điều 38", "lt.hoa", "in lúc 13:15:02 28/11/2026",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the paper does not say %q", want)
		}
	}
	p.FullName, p.Desk, p.Attempts[0].Outcome, p.Attempts[0].Insurer = "<script>alert(1)</script>", `"><img src=x>`, "<b>", "<i>"
	if raw, err = RenderProof(p, "", p.StartedAt); err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"<script", "<img", "<b>", "<i>", "javascript:", "http:", "https:"} {
		if strings.Contains(string(raw), never) {
			t.Errorf("the paper holds %q", never)
		}
	}
	for range 300 {
		p.Attempts = append(p.Attempts, p.Attempts[1])
	}
	p.Attempts[150].Outcome, p.Attempts[150].Code = "answered", "000"
	if raw, err = RenderProof(p, "", p.StartedAt); err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]int{"307 lần tra cứu, 306 lần không có kết quả": 1, "<tr class=\"failed\">": proofFirst + proofLast, "mã kết quả 000": 1, "lần tra cứu khác": 2} {
		if got := strings.Count(string(raw), what); got != n {
			t.Errorf("a long row: %q stands there %d times, want %d", what, got, n)
		}
	}
	if _, err := RenderProof(checkin.Proof{}, "", time.Time{}); err != nil {
		t.Error(err)
	}
}

// A paper is for an operator of the session whose check-in it is: an address opens it there, for some minutes, and nowhere else.
func TestProofIsForItsOperator(t *testing.T) {
	var asked []string
	d := newDesk(t, func(c *Config) {
		c.Settings.Facility.Code = "79013"
		c.Proof = func(_ context.Context, session, id string) (checkin.Proof, error) {
			asked = append(asked, session+" "+id)
			if id != "01M8ZB5V3J9Q0W2X4Y6Z8A1B3D" || session != home {
				return checkin.Proof{}, catalog.New(catalog.JobUnknown, nil)
			}
			return paper(), nil
		}
	})
	theirs := m{"checkinId": "01M8ZB5V3J9Q0W2X4Y6Z8A1B3D"}
	if r := d.post("/proofs", "", theirs); r.id != catalog.ConsoleSessionEnded {
		t.Errorf("who is not logged in: %d %s", r.status, r.id)
	}
	token := d.operator("lt.hoa", home)
	if r := d.post("/proofs", token, m{"checkinId": "01M8ZB5V3J9Q0W2X4Y6Z8A1B3E"}); r.id != catalog.JobUnknown || r.status != http.StatusNotFound {
		t.Errorf("another's: %d %s", r.status, r.id)
	}
	r := d.post("/proofs", token, theirs)
	if r.status != http.StatusOK || !strings.HasPrefix(r.text("url"), ProofPrefix) {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	get := func(path, session string) (int, http.Header, string) {
		req, err := http.NewRequest(http.MethodGet, d.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Test-Session", session)
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		raw, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, answer.Header, string(raw)
	}
	status, h, page := get(r.text("url"), home)
	if status != http.StatusOK || !strings.Contains(page, "Nguyễn Văn An") || !strings.Contains(page, "79013") || h.Get("Cache-Control") != "no-store" || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
		t.Errorf("%d %v", status, h)
	}
	for name, at := range map[string][2]string{"another user": {r.text("url"), other}, "nobody": {r.text("url"), ""}, "made up": {ProofPrefix + "AAAA", home}, "none": {ProofPrefix, home}} {
		if status, _, page := get(at[0], at[1]); status != http.StatusNotFound || strings.Contains(page, "An") {
			t.Errorf("%s: %d", name, status)
		}
	}
	d.clock.pass(10 * time.Minute)
	if status, _, _ := get(r.text("url"), home); status != http.StatusNotFound {
		t.Errorf("ten minutes later: %d", status)
	}
	if strings.Contains(d.log.String(), "Nguyễn") {
		t.Error("the log names the patient")
	}
	if !strings.Contains(ProofCSP(), "'sha256-") || strings.Contains(ProofCSP(), "script-src") {
		t.Error(ProofCSP())
	}
}

// The list of papers is for who is logged in, and of this session of the operating system.
func TestPapersAreForAnOperator(t *testing.T) {
	var asked []string
	d := newDesk(t, func(c *Config) {
		c.Papers = func(_ context.Context, session string, since time.Time) (checkin.Papers, error) {
			asked = append(asked, session)
			return checkin.Papers{Papers: []checkin.PaperDue{{CheckinID: "01M8ZB5V3J9Q0W2X4Y6Z8A1B3D", Client: "https://his.example", StartedAt: since, FailedAttempts: 3}}}, nil
		}
	})
	if r := d.do(request{method: http.MethodGet, path: "/proofs"}); r.id != catalog.ConsoleSessionEnded {
		t.Errorf("who is not logged in: %d %s", r.status, r.id)
	}
	r := d.do(request{method: http.MethodGet, path: "/proofs", token: d.operator("lt.hoa", home)})
	if r.status != http.StatusOK || !strings.Contains(string(r.raw), "https://his.example") || len(asked) != 1 || asked[0] != home {
		t.Errorf("%d %s %v", r.status, r.raw, asked)
	}
	none := newDesk(t)
	if r := none.do(request{method: http.MethodGet, path: "/proofs", token: none.operator("lt.hoa", home)}); r.id != catalog.NotAvailable {
		t.Errorf("no papers here: %d %s", r.status, r.id)
	}
}
