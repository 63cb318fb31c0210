package diagnostics

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/settings"
)

// open reads a bundle as whoever gets it would.
func open(t *testing.T, b Bundle) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b.Data), int64(len(b.Data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(raw)
	}
	return files
}

func TestBundle(t *testing.T) {
	s := settings.Default()
	s.Desk = "Bàn của chị Hoa"
	s.Insurance.Username, s.Insurance.StaffName, s.Insurance.PasswordFile = "01004_BV", "Nguyễn Thị Hoa", "/home/hoa/mật khẩu"
	s.HIS.Origins = []string{"https://his.hospital.example"}
	s.Compat.WebhookURL = "https://his.hospital.example/hook?key=SECRET"
	ring := &Ring{}
	ring.Add(time.Now(), "info", "agent.ready", map[string]any{"ms": 12})
	ring.Add(time.Now(), "warn", "book.refused", map[string]any{"slip": "001099012345 of a person", "bad": func() {}})
	ring.Add(time.Now(), "warn", "slip", map[string]any{"number": "001099012345", "at": 1099012345})
	b, err := Make(t.Context(), Sources{
		Version: "1.2", Settings: s, Log: ring, DataDir: t.TempDir(), Started: time.Now(),
		Health:   func() any { return []string{"NO_READER"} },
		Readers:  func() []Reader { return []Reader{{ID: "a", Name: "ACS ACR1252", State: "empty"}} },
		Counters: func() any { panic("Nguyễn Văn An") },
		Trust:    func(ctx context.Context) any { <-ctx.Done(); <-t.Context().Done(); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	files := open(t, b)
	for _, name := range []string{"manifest.json", "version.json", "system.json", "settings.json", "health.json", "readers.json", "log.jsonl"} {
		if files[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	for _, f := range b.Contents {
		if f.What == "" || int(f.Bytes) != len(files[f.Name]) {
			t.Errorf("%+v: the file has %d bytes", f, len(files[f.Name]))
		}
	}
	whole := fmt.Sprint(files)
	for _, secret := range []string{"Hoa", "hoa", "01004_BV", "mật khẩu", "SECRET", "001099012345", "1099012345", "Nguyễn"} {
		if strings.Contains(whole, secret) {
			t.Errorf("the bundle holds %s", secret)
		}
	}
	for _, there := range []string{"https://his.hospital.example", `"name": "insurance.staff_name",` + "\n" + `    "value": "set"`, `"name": "trust.folder",` + "\n" + `    "value": "not set"`, "ACS ACR1252", "NO_READER", "agent.ready"} {
		if !strings.Contains(whole, there) {
			t.Errorf("the bundle lacks %s", there)
		}
	}
	var m struct{ LeftOut []string }
	if err := json.Unmarshal([]byte(files["manifest.json"]), &m); err != nil || !slices.Equal(m.LeftOut, b.LeftOut) {
		t.Errorf("manifest: %v, %v", m, err)
	}
	for _, missing := range []string{"counters.json: could not be had (a fault in the program)", "trust.json: could not be had (took too long)"} {
		if !slices.Contains(b.LeftOut, missing) {
			t.Errorf("the manifest does not say %q: %q", missing, b.LeftOut)
		}
	}
}

func TestBundleIsBounded(t *testing.T) {
	ring := &Ring{}
	for i := range 3 * maxLines {
		ring.Add(time.Now(), "info", fmt.Sprintf("event %d", i), map[string]any{"pad": strings.Repeat("x", 300)})
	}
	ring.Add(time.Now(), "info", "long", map[string]any{"pad": strings.Repeat("x", 2*maxLine)})
	text, lost := ring.text()
	if len(text) > maxRingBytes+1 || lost == 0 || !strings.Contains(string(text), `"message":"long"`) || strings.Contains(string(text), `"event 0"`) {
		t.Errorf("%d bytes, %d lost", len(text), lost)
	}
	b, err := Make(t.Context(), Sources{Log: ring, Settings: settings.Default(), Health: func() any { return strings.Repeat("x", 2*maxPart) }})
	if err != nil || len(b.Data) > MaxBytes || open(t, b)["health.json"] != "" {
		t.Errorf("%d bytes, %v", len(b.Data), err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Make(ctx, Sources{}); err == nil {
		t.Error("it is made for nobody")
	}
}
