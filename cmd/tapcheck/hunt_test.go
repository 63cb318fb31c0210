package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/icao/chip"
)

// TestNothingPersonalIsLogged drives the real program through check-ins of every persona, and through everything that can
// go wrong with them, at the most talkative log level. Then it looks for every persona's data in what the program wrote, in
// its data folder and in its temporary folder: plain, without diacritics, in base64, in hexadecimal and URL-escaped.
func TestNothingPersonalIsLogged(t *testing.T) {
	t.Parallel() // with TestReadmeCommands
	p := start(t, hurried(t), "demo", "--json", "--no-tap", "--latency", "0", "--log", "debug")
	token := p.token("--desktop", "--rights", "read,insurance,history,simulator")
	s := p.open("", token)
	other := p.open("", p.token("--desktop"))

	n := 0
	start := func(params map[string]any) string {
		t.Helper()
		n++
		job := fmt.Sprintf("hunt-%d", n)
		params["jobId"], params["timeouts"] = job, map[string]int{"insuranceMs": 1000, "needMs": 2000, "waitMs": 4000}
		s.must("checkin.start", params)
		return job
	}
	for _, who := range chip.Personas() {
		// A whole check-in by chip, with everything that the key can say.
		job := start(map[string]any{"means": "chip", "key": map[string]string{"qr": who.QR()}, "operator": map[string]string{"id": "lt.hoa"}})
		s.must("sim.insert", map[string]string{"persona": who.ID})
		if r := s.result(job); r.State != checkin.Complete || r.Identity == nil || r.Identity.FullName != who.FullName {
			t.Errorf("%s: the check-in is not one: state %s, error %v", who.ID, r.State, r.Error)
		}
		if err := other.call("job.status", map[string]string{"jobId": job}, nil); err == nil {
			t.Error("another client sees the job")
		}
		s.must("sim.remove", map[string]string{})

		// By number.
		s.result(start(map[string]any{"means": "number", "subject": map[string]string{"number": who.Number, "fullName": who.FullName, "dateOfBirth": who.DateOfBirth}}))

		// By every other means, and what is done with a check-in afterwards, with personal data wherever a text may stand.
		person := map[string]string{"number": who.Number, "fullName": who.FullName, "dateOfBirth": who.DateOfBirth, "sex": who.Sex}
		paper := strings.Join([]string{cardCode, hex.EncodeToString([]byte(who.FullName)), who.DateOfBirth[:4], "1", hex.EncodeToString([]byte(who.Residence)), "01 - 004"}, "|")
		for _, params := range []map[string]any{
			{"means": "vneid", "subject": person}, {"means": "no_card", "subject": person}, {"means": "emergency", "subject": person},
			{"means": "paper_card", "key": map[string]string{"qr": paper}}, {"means": "emergency"},
		} {
			s.result(start(params))
		}
		job = start(map[string]any{"means": "paper_card"})
		s.wait(checkin.EventNeeds, nil)
		if err := s.call("job.provide", map[string]any{"jobId": job, "key": map[string]string{"qr": who.QR()}}, nil); err == nil {
			t.Errorf("%s: a citizen card is taken for a paper card", who.ID)
		}
		s.must("job.provide", map[string]any{"jobId": job, "key": map[string]string{"qr": paper}})
		if r := s.result(job); r.Subject == nil || r.Subject.FullName != who.FullName {
			t.Errorf("%s: %+v", who.ID, r.Subject)
		}
		s.must("checkin.link", map[string]any{"jobId": job, "visit": map[string]string{"maLk": who.Number, "maBn": who.Number}})
		s.must("checkin.decide", map[string]any{"jobId": job, "about": "identity", "decision": "accept", "reason": "other", "note": who.FullName, "operator": map[string]string{"id": who.FullName}})
		s.must("insurance.check", map[string]any{"jobId": job})
		if who.ID == "an" { // what the person was treated for is told, and is then nowhere
			asked := map[string]any{"number": who.Number, "fullName": who.FullName, "dateOfBirth": who.DateOfBirth, "history": true}
			var told checkin.Check
			if err := s.call("insurance.check", asked, &told); err != nil || told.Eligibility.History == nil || len(told.Eligibility.History.Visits) != 2 {
				t.Errorf("history: %+v %v", told.Eligibility.History, err)
			}
			if err := other.call("insurance.check", asked, nil); err == nil {
				t.Error("history without the right")
			}
		}
		s.must("insurance.check", person)
		s.must("checkin.void", map[string]any{"jobId": job, "reason": "other", "note": who.FullName + " " + who.Number})
		s.must("checkin.list", map[string]any{})
		for method, params := range map[string]map[string]any{
			"checkin.link":    {"jobId": job, "visit": map[string]string{"maLk": who.FullName + "\n"}},
			"checkin.decide":  {"checkinId": who.Number, "about": who.FullName, "decision": who.FullName, "reason": who.Number},
			"checkin.void":    {"jobId": who.Number, "reason": who.FullName},
			"checkin.list":    {"since": who.DateOfBirth},
			"insurance.check": {"number": who.Number + "0", "fullName": who.FullName, "dateOfBirth": who.DateOfBirth},
		} {
			if err := s.call(method, params, nil); err == nil {
				t.Errorf("%s: a wrong %s was taken", who.ID, method)
			} else if strings.Contains(err.Error(), who.Number) || strings.Contains(err.Error(), who.FullName) || strings.Contains(err.Error(), who.DateOfBirth) {
				t.Errorf("an error repeats personal data: %v", err)
			}
		}

		// The wrong key, then the right one; then somebody else's card.
		job = start(map[string]any{"means": "chip", "key": map[string]string{"can": "999999"}})
		s.must("sim.insert", map[string]string{"persona": who.ID})
		s.wait(checkin.EventNeeds, func(raw json.RawMessage) bool {
			var need checkin.Need
			return json.Unmarshal(raw, &need) == nil && need.JobID == job && need.Need == checkin.NeedKey
		})
		s.must("job.provide", map[string]any{"jobId": job, "key": map[string]string{"mrz": strings.Join(who.MRZ(), "\n")}})
		s.result(job)
		s.must("sim.remove", map[string]string{})
		job = start(map[string]any{"means": "chip", "key": map[string]string{"can": who.CAN()}, "expect": map[string]string{"number": "001099999999"}})
		s.must("sim.insert", map[string]string{"persona": who.ID})
		if r := s.result(job); r.Identity != nil {
			t.Errorf("%s: an unexpected person was disclosed", who.ID)
		}
		s.must("sim.remove", map[string]string{})

		// Keys and requests that are wrong, with personal data in them.
		for _, params := range []any{
			map[string]any{"jobId": "bad", "means": "chip", "key": map[string]string{"qr": "x" + who.QR()}},
			map[string]any{"jobId": "bad", "means": "chip", "key": map[string]string{"mrz": strings.Join(who.MRZ(), "")[1:]}},
			map[string]any{"jobId": "bad", "means": who.FullName},
			map[string]any{"jobId": who.FullName, "means": "chip", "fields": []string{who.Number}},
			[]string{who.Number},
		} {
			if err := s.call("checkin.start", params, nil); err == nil {
				t.Errorf("%s: a wrong request was taken", who.ID)
			} else if strings.Contains(err.Error(), who.Number) || strings.Contains(err.Error(), who.FullName) {
				t.Errorf("an error repeats personal data: %v", err)
			}
		}
		if err := s.call(who.FullName, nil, nil); err == nil {
			t.Error("a person's name is a method")
		}
	}
	// Gateway and card at fault, with a person under way.
	who := chip.Personas()[0]
	for _, fault := range []map[string]any{
		{"gateway": "garbage"}, {"gateway": "html"}, {"gateway": "truncated"}, {"gateway": "down"}, {"gateway": "unauthorized_always"},
	} {
		s.must("sim.fault", fault)
		s.result(start(map[string]any{"means": "number", "subject": map[string]string{"number": who.Number, "fullName": who.FullName, "dateOfBirth": who.DateOfBirth}}))
	}
	// A card at fault in the middle of a read. It lies there before the job begins, so that the fault is in its place when
	// the read gets there; and the job is given up only when it has met the fault, which its result or its need tells.
	for kind, met := range map[string]catalog.ID{
		"remove": catalog.CardMute, "mute": catalog.CardMute, "flip": catalog.SecureMessaging, "truncate": catalog.SecureMessaging,
		"naked": catalog.SecureMessaging, "replay": catalog.SecureMessaging,
	} {
		s.must("sim.insert", map[string]string{"persona": who.ID})
		s.must("sim.fault", map[string]any{"card": map[string]any{"kind": kind, "apdu": 9}})
		job := start(map[string]any{"means": "chip", "key": map[string]string{"qr": who.QR()}})
		if got := s.trouble(job); got != met {
			t.Errorf("%s: the job met %q, want %q", kind, got, met)
		}
		s.must("sim.remove", map[string]string{})
		_ = s.call("job.cancel", map[string]string{"jobId": job}, nil) // it may have ended by itself
	}
	// What is typed and scanned into the desk's page, right and wrong.
	for _, who := range chip.Personas()[:2] {
		for path, body := range map[string]any{
			"login": map[string]string{"user": who.FullName, "pin": who.Number}, "unlock": map[string]string{"pin": who.Number}, "login/totp": map[string]string{"ticket": who.QR(), "code": who.Number},
			"setup": map[string]string{"secret": who.Number, "name": who.FullName, "password": who.QR()}, "jobs/provide": map[string]any{"ref": who.Number, "key": map[string]string{"qr": who.QR()}},
			"accounts/" + url.PathEscape(who.FullName) + "/disable": map[string]string{}, url.PathEscape(who.Residence): who.QR(),
		} {
			hunt(t, "answer of the desk's page", p.page(path, body))
		}
	}
	// What support gets.
	var bundle struct {
		Data     []byte
		Contents []struct{ Name string }
	}
	if err := s.call("diagnostics.bundle", map[string]string{}, &bundle); err != nil {
		t.Fatal(err)
	}
	huntArchive(t, bundle.Data, len(bundle.Contents))
	p.stop()

	written := p.stderr.String()
	if len(p.lines()) < 20 {
		t.Fatalf("hardly anything was logged, so nothing was hunted in:\n%s", written)
	}
	hunt(t, "log", written)
	// The access log tells what was done, so it would tell of whom if anything did.
	access, err := os.ReadFile(filepath.Join(p.data, his.AccessFile))
	for _, want := range []string{`"what":"checkin.start","outcome":"BAD_REQUEST"`, `"what":"job.result","outcome":"sent"`, `"what":"other","outcome":"UNKNOWN_METHOD"`} {
		if err != nil || !strings.Contains(string(access), want) {
			t.Errorf("the access log lacks %s (%v):\n%s", want, err, access)
		}
	}
	for _, dir := range []string{p.data, p.tmp} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			hunt(t, filepath.Base(path), d.Name()+"\n"+string(raw))
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// cardCode is that of everybody's paper card here.
const cardCode = "GD4010198765432"

// trouble waits for what a job meets: the cause of a need, or the error in its result, or "" where it met none.
func (s *session) trouble(job string) catalog.ID {
	s.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case n, open := <-s.Notifications():
			if !open {
				s.t.Fatal("connection closed")
			}
			var need checkin.Need
			var r checkin.Result
			switch {
			case n.Method == checkin.EventNeeds && json.Unmarshal(n.Params, &need) == nil && need.JobID == job && need.Cause != nil:
				return need.Cause.ID
			case n.Method == checkin.EventResult && json.Unmarshal(n.Params, &r) == nil && r.JobID == job:
				if r.Error == nil {
					return ""
				}
				return r.Error.ID
			}
		case <-limit:
			s.t.Fatalf("%s: neither a need nor a result", job)
		}
	}
}

// TestHuntFinds makes sure that the hunter sees what it looks for.
func TestHuntFinds(t *testing.T) {
	who := chip.Personas()[0]
	for _, form := range forms(who.FullName) {
		if len(traces("log line ... "+form+" ...")) == 0 {
			t.Errorf("%q is not found", form)
		}
	}
}

// page posts something to the desk's page, as that page does, and gives the answer.
func (p *program) page(path string, body any) string {
	p.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	own := "http://" + p.addr()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, own+"/console/api/"+path, bytes.NewReader(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Origin", own)
	req.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode < 400 || r.Header.Get(his.ReasonHeader) == "" {
		p.t.Errorf("%s: %d, %v", path, r.StatusCode, err)
	}
	return string(answer)
}

// huntArchive looks through the files of a zip archive.
func huntArchive(t *testing.T, raw []byte, files int) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil || len(z.File) != files || files < 8 {
		t.Fatalf("the bundle: %v, %d files of %d", err, len(z.File), files)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(io.LimitReader(r, 8<<20))
		if err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", f.Name, len(text), err)
		}
		hunt(t, "bundle: "+f.Name, f.Name+"\n"+string(text))
	}
}

func hunt(t *testing.T, where, text string) {
	t.Helper()
	for _, found := range traces(text) {
		t.Errorf("%s holds personal data: %s", where, found)
	}
}

// traces names the data of personas that stand in a text in some form.
func traces(text string) []string {
	var found []string
	lower := strings.ToLower(text)
	for _, who := range chip.Personas() {
		for name, value := range map[string]string{
			"diagnosis": "Viêm họng cấp", "card code": cardCode, "number": who.Number, "old number": who.OldNumber, "full name": who.FullName, "residence": who.Residence, "origin": who.Origin,
			"father": who.Father, "mother": who.Mother, "spouse": who.Spouse, "document number": who.DocumentNumber(), "passport": who.Passport,
			"QR": who.QR(), "MRZ line 1": who.MRZ()[0], "MRZ line 2": who.MRZ()[1], "features": who.Features,
			"date of birth": who.DateOfBirth, "date of birth, compact": strings.ReplaceAll(who.DateOfBirth, "-", ""),
		} {
			if len(value) < 6 {
				continue // too short to be told from chance
			}
			for _, form := range forms(value) {
				if strings.Contains(lower, strings.ToLower(form)) {
					found = append(found, who.ID+"'s "+name)
					break
				}
			}
		}
	}
	return found
}

// forms gives the disguises of a value.
func forms(value string) []string {
	list := []string{value, norm.NFD.String(value), unaccented(value), url.QueryEscape(value), url.PathEscape(value),
		fmt.Sprintf("%q", value)[1:], hex.EncodeToString([]byte(value)), strings.ReplaceAll(unaccented(value), " ", "<")}
	list[5] = strings.TrimSuffix(list[5], `"`)
	// In base64 a value looks different at each of three offsets; its first and last characters mix with what is around it.
	for offset := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			s := enc.EncodeToString(append(make([]byte, offset), value...))
			first := (offset*8 + 5) / 6
			list = append(list, s[first:first+(len(value)*8-(first*6-offset*8))/6])
		}
	}
	return list
}

// unaccented is how a name looks in an MRZ or in a sloppy log.
func unaccented(s string) string {
	s = strings.NewReplacer("đ", "d", "Đ", "D").Replace(s)
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
