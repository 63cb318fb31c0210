package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/insurance"
)

// ProofPrefix is where papers are served that a ticket opens. A browser that shows one cannot send the console's token.
const ProofPrefix = "/console/proof/"

var (
	//go:embed proof.html
	proofPage string
	//go:embed proof.css
	proofStyle string

	proofTemplate = template.Must(template.New("proof").Parse(proofPage))
)

// ProofCSP is the policy of the papers: one style sheet, which stands in them, and nothing else.
func ProofCSP() string {
	sum := sha256.Sum256([]byte(proofStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'none'; base-uri 'none'"
}

// papersSince is how far back the list of papers goes: a month's dossiers are settled in the next.
const papersSince = 62 * 24 * time.Hour

// papers lists the check-ins that may need a paper, of every program of this user's.
func (k *Console) papers(ctx context.Context, q *call) (any, error) {
	if k.c.Papers == nil {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	return k.c.Papers(ctx, q.os, k.now().Add(-papersSince))
}

// makeProof gives the address of a paper about the look-ups of a check-in, good for some minutes in this session of the operating
// system.
func (k *Console) makeProof(ctx context.Context, q *call) (any, error) {
	var p struct {
		CheckinID string `json:"checkinId"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if k.c.Proof == nil {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	if _, err := k.c.Proof(ctx, q.os, p.CheckinID); err != nil { // said here, where the page can show it
		return nil, err
	}
	id, ok := k.tickets.issue(ticket{purpose: forProof, user: p.CheckinID, os: q.os})
	if !ok {
		return nil, catalog.New(catalog.RateLimited, nil)
	}
	k.c.Log("console.proof", map[string]any{"checkin": p.CheckinID, "by": q.session.user})
	return map[string]string{"url": ProofPrefix + id}, nil
}

// Proofs serves the papers.
func (k *Console) Proofs() http.Handler { return http.HandlerFunc(k.serveProof) }

func (k *Console) serveProof(w http.ResponseWriter, r *http.Request) {
	os := k.c.Session(r.Context())
	t, ok := k.tickets.look(strings.TrimPrefix(r.URL.Path, ProofPrefix), forProof, os)
	if !ok || os == "" || k.c.Proof == nil {
		http.NotFound(w, r)
		return
	}
	ctx, stop := context.WithTimeout(r.Context(), requestTime)
	defer stop()
	p, err := k.c.Proof(ctx, os, t.user)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	page, err := RenderProof(p, k.c.Settings.Facility.Code, k.now())
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(page)
}

var (
	fieldWords = map[string]string{
		"number": "số định danh cá nhân", "cardCode": "mã thẻ BHYT", "fullName": "họ và tên", "dateOfBirth": "ngày sinh", "sex": "giới tính",
	}
	causeWords = map[string]string{checkin.CauseArrival: "Khi tiếp nhận", checkin.CauseDuring: "Trong đợt điều trị", checkin.CauseEnd: "Khi kết thúc đợt điều trị"}
	stateWords = map[insurance.State]string{
		insurance.Pending: "Chưa tra cứu được", insurance.Unknown: "Không xác minh được", insurance.Eligible: "Thẻ có giá trị sử dụng",
		insurance.NotEligible: "Thẻ không có giá trị sử dụng", insurance.Check: "Cần kiểm tra thẻ và giấy tờ", insurance.Off: "Không tra cứu",
	}
	insurerWords = map[string]string{
		insurance.SourceGateway: "Cổng BHYT (BHXH Việt Nam)", insurance.SourceTraining: "Hệ thống đào tạo của BHXH", insurance.SourceRelay: "Máy tra cứu chung của bệnh viện",
		insurance.SourceFHIR: "Máy chủ bảo hiểm (FHIR)",
	}
)

// proofFirst and proofLast are how many attempts a paper shows of a long row.
const proofFirst, proofLast = 15, 15

// outcomeWords says what came of an attempt.
func outcomeWords(a checkin.ProofAttempt) string {
	switch a.Outcome {
	case "answered":
		if a.Code != "" {
			return "Đã trả lời, mã kết quả " + a.Code
		}
		return "Đã trả lời"
	case "not_asked":
		return "Chưa gửi câu hỏi: các lần ngay trước đều không kết nối được"
	case "cancelled":
		return "Đã gửi câu hỏi, ngừng chờ trước khi có trả lời"
	}
	said := "Không có kết quả"
	if e, known := catalog.Lookup(catalog.ID(a.Outcome)); known {
		said = strings.TrimSuffix(e.Text.VI, ".")
	}
	if a.Code != "" {
		return said + " (mã " + a.Code + ")"
	}
	return said
}

// RenderProof makes the paper: a page of HTML without script, to be printed on A4. facility may be empty.
func RenderProof(p checkin.Proof, facility string, now time.Time) ([]byte, error) {
	clock := func(t time.Time) string { return t.In(insurance.Vietnam).Format("15:04:05 02/01/2006") }
	type line struct {
		N                                 int
		At, Cause, Insurer, With, Outcome string
		Failed                            bool
		Skipped                           int // so many attempts are left out before this one
	}
	var lines []line
	failed, skipped := 0, 0
	for i, a := range p.Attempts {
		var with []string
		for _, f := range a.Fields {
			if word, ok := fieldWords[f]; ok {
				with = append(with, word)
			}
		}
		insurer, ok := insurerWords[a.Insurer]
		if !ok {
			insurer = a.Insurer
		}
		l := line{i + 1, clock(a.At), causeWords[a.Cause], insurer, strings.Join(with, ", "), outcomeWords(a), a.Outcome != "answered", skipped}
		if l.Failed {
			failed++
		}
		// A week without the gateway is some hundred attempts; nobody reads them all. Answers are never left out.
		if l.Failed && i >= proofFirst && i < len(p.Attempts)-proofLast {
			skipped++
			continue
		}
		skipped = 0
		if a.Outcome == "not_asked" {
			l.With = "không"
		}
		lines = append(lines, l)
	}
	state, ok := stateWords[p.State]
	if !ok {
		state = "Chưa có thông tin"
	}
	var b bytes.Buffer
	err := proofTemplate.Execute(&b, map[string]any{
		"Style": template.CSS(proofStyle), "Proof": p, "Facility": facility, "Started": clock(p.StartedAt), "Printed": clock(now), "Lines": lines,
		"Failed": failed, "State": state, "All": len(p.Attempts),
	})
	return b.Bytes(), err
}
