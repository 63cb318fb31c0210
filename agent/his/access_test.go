package his

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
)

// rows are the entries without their time.
func rows(list []Access) (rows []string) {
	for _, e := range list {
		e.At = time.Time{}
		raw, _ := json.Marshal(e)
		rows = append(rows, strings.Replace(string(raw), `"at":"0001-01-01T00:00:00Z",`, "", 1))
	}
	return rows
}

func TestAccessLogTellsWhoDidWhat(t *testing.T) {
	dir := t.TempDir()
	l, err := OpenAccessLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) { c.Access = l })
	session, _ := json.Marshal(r.session())
	web := r.open("https://his.example", "WEB")
	desk := r.open("", "DESKTOP")
	for range 3 {
		web.call("reader.list", nil)
	}
	web.call("Nguyễn Văn An", nil)
	web.call("job.status", map[string]string{"jobId": "Nguyễn Văn An"})
	desk.call("checkin.start", map[string]any{"jobId": "j", "means": "chip"})
	desk.expectMethod("job.progress")
	r.engine.event("job.result", checkin.Result{JobID: "j", State: checkin.Complete, Means: checkin.MeansChip, Next: []checkin.Step{}, Warnings: []checkin.Warning{}})
	desk.expectMethod("job.result")
	web.expectMethod("job.result") // the fake tells every owner
	stranger := r.dial("https://his.example", "")
	stranger.expectMethod("agent.hello")
	stranger.call("session.open", map[string]any{"protocol": 1, "token": r.secrets["DESKTOP"]})

	got := rows(l.Recent(1000))
	for _, want := range []string{
		`{"who":"https://his.example","session":S,"what":"session.open","outcome":"ok","count":1}`,
		`{"who":"https://his.example","session":S,"what":"session.open","outcome":"TOKEN_REJECTED","count":1}`,
		`{"who":"https://his.example","session":S,"what":"reader.list","outcome":"ok","count":3}`,
		`{"who":"https://his.example","session":S,"what":"other","outcome":"UNKNOWN_METHOD","count":1}`,
		`{"who":"https://his.example","session":S,"what":"job.status","outcome":"JOB_UNKNOWN","count":1}`,
		`{"who":"desktop:` + r.ids["DESKTOP"] + `","session":S,"what":"checkin.start","outcome":"ok","count":1}`,
		`{"who":"desktop:` + r.ids["DESKTOP"] + `","session":S,"what":"job.result","outcome":"sent","count":1}`,
	} {
		if want = strings.Replace(want, "S", string(session), 1); !slices.Contains(got, want) {
			t.Errorf("missing %s in\n%s", want, strings.Join(got, "\n"))
		}
	}
	l.Flush()
	raw, err := os.ReadFile(filepath.Join(dir, AccessFile))
	if err != nil || strings.Contains(string(raw), "Nguy") {
		t.Errorf("%v, %s", err, raw)
	}
	again, err := OpenAccessLog(dir)
	if err != nil || !slices.Equal(rows(again.Recent(1000)), got) {
		t.Errorf("%v: after a restart it tells\n%s", err, strings.Join(rows(again.Recent(1000)), "\n"))
	}
}

func TestAccessLogNamesNobodyWhoWasNotAllowed(t *testing.T) {
	l, err := OpenAccessLog(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *Config) { c.Access, c.Pages = l, pages() })
	for path, origin := range map[string]string{
		"/v1": "https://secret.example", "/.well-known/tapcheck.json": "https://secret.example", "/secret": "", "/console/api/secret": "https://his.example",
	} {
		if reason := r.get(path, origin); reason == "" {
			t.Errorf("%s let %q in", path, origin)
		}
	}
	got := rows(l.Recent(100))
	slices.Sort(got)
	want := []string{
		`{"session":"uid:1000","what":"other","outcome":"NOT_AVAILABLE","count":1}`,
		`{"what":"/.well-known/tapcheck.json","outcome":"ORIGIN_DENIED","count":1}`,
		`{"what":"/console/api/","outcome":"ORIGIN_DENIED","count":1}`,
		`{"what":"/v1","outcome":"ORIGIN_DENIED","count":1}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAccessLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	l, err := OpenAccessLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 { // kinds within one interval
		l.Note("https://his"+strings.Repeat("x", i%1500)+".example", "uid:1000", "reader.list", "ok")
	}
	if n := len(l.Recent(10_000)); n != accessKinds+1 {
		t.Errorf("%d kinds", n)
	}
	total := 0
	for _, e := range l.Recent(10_000) {
		total += e.Count
	}
	if total != 2000 {
		t.Errorf("%d uses are counted", total)
	}
	for range 40 {
		l.Flush()
		for i := range accessKinds {
			l.Note("https://his"+strings.Repeat("x", i)+".example", "uid:1000", "reader.list", "ok")
		}
	}
	if n := len(l.Recent(10_000)); n > accessRecent+accessKinds+1 {
		t.Errorf("%d are remembered", n)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != accessParts {
		t.Errorf("%d parts", len(entries))
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Size() > accessBytes || runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %d bytes, %v", e.Name(), info.Size(), info.Mode())
		}
	}
	if l.Lost() != 0 {
		t.Errorf("%d are lost", l.Lost())
	}
}

func TestAccessLogSurvivesBrokenLinesAndAFullDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, AccessFile)
	good := `{"at":"2026-11-28T08:00:00Z","who":"console","what":"reader.list","outcome":"ok","count":2}`
	if err := os.WriteFile(path, []byte(`{"at":"2026`+"\n"+good+"\n{}\nnull\n[1]\n"+strings.Repeat("x", 5000)+"\n"+good), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := OpenAccessLog(dir)
	if err != nil || len(l.Recent(10)) != 1 || l.Recent(10)[0].Count != 2 {
		t.Errorf("%v, %v", err, rows(l.Recent(10)))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // what cannot be written to
		t.Fatal(err)
	}
	l.Note("console", "uid:1000", "reader.list", "ok")
	l.Flush()
	if l.Lost() != 1 || len(l.Recent(10)) != 2 {
		t.Errorf("%d lost, %d remembered", l.Lost(), len(l.Recent(10)))
	}
	var none *AccessLog
	none.Note("", "", "x", "ok")
	if len(none.Recent(1)) != 0 || len(l.Recent(-1)) != 0 {
		t.Error("no log tells something")
	}
}

func TestAccessLogWritesByItselfAndAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	l, err := OpenAccessLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	l.Note("console", "uid:1000", "reader.list", string(catalog.Internal))
	cancel()
	<-done
	if raw, err := os.ReadFile(filepath.Join(dir, AccessFile)); err != nil || !strings.Contains(string(raw), "INTERNAL") {
		t.Errorf("%v %s", err, raw)
	}
}
