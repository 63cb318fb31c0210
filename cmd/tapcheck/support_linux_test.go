package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip"
)

// TestSupportBundle makes one on a PC whose settings, data and log hold what no bundle may, and hunts for it: every persona in
// every form, in fields of events that are told and of those that are not, in lines that are no events, and names of the
// hospital's own people. The agent does not run.
func TestSupportBundle(t *testing.T) {
	const stamp = `"time":"2026-11-28T08:00:00+07:00","level":"warn"`
	journal := []string{`{` + stamp + `,"message":"agent.ready","addr":"127.0.0.1:27480","ms":31}`, `{` + stamp + `,"message":"bhyt.failed","call":"lookup","error":"dial tcp: i/o timeout"}`}
	event := func(key, value string) {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		journal = append(journal, `{`+stamp+`,"message":"mistake","`+key+`":`+string(raw)+`}`)
	}
	for _, who := range chip.Personas() {
		for _, value := range []string{who.FullName, who.Number, who.DateOfBirth, who.QR(), strings.Join(who.MRZ(), "\n"), who.Residence} {
			event("note", value)
			for _, form := range forms(value) {
				event("note", form)
			}
			event("error", "no such person: "+value)
			event("error", "no such person: "+unaccented(value))
			journal = append(journal, "panic: "+value)
		}
		event("reason", who.MRZ()[0])
		event("reason", strings.ReplaceAll(who.DateOfBirth, "-", ""))
	}
	old := thisHost
	t.Cleanup(func() { thisHost = old })
	thisHost = func() (systemdHost, error) {
		return systemdHost{root: "/", program: "/home/hoa/tapcheck", run: func(_ context.Context, name string, args ...string) (string, error) {
			switch {
			case name == "journalctl":
				return strings.Join(journal, "\n") + "\n", nil
			case args[0] == "show" && strings.Contains(strings.Join(args, " "), "MemoryCurrent"):
				return "Result=success\nMemoryCurrent=31457280\n", nil
			case args[0] == "show":
				return "LoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\nMainPID=0\nNRestarts=3\nStatusText=\nFragmentPath=/home/hoa/x\n", nil
			}
			return "", errors.New("not here")
		}}, nil
	}
	p := newPlace(t)
	secret := filepath.Join(filepath.Dir(p.key), "mật khẩu của Hoa")
	p.write(secret, "pw-of-a-test\n")
	p.write(secret+".number", "001099012345\n")
	if err := os.MkdirAll(filepath.Dir(p.config), 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(p.config, "desk = \"Bàn của chị Hoa\"\n[insurance]\nprovider = \"bhyt\"\nurl = \"http://127.0.0.1:1\"\nusername = \"01004_HOA\"\npassword_file = \""+secret+"\"\nstaff_name = \"Lê Thị Hoa\"\nstaff_number_file = \""+secret+".number\"\n[his]\norigins = [\"https://his.hospital.example\"]\n")
	token := strings.TrimSpace(p.must("token", "add", "--desktop", "--label", "bàn của Hoa"))
	out := filepath.Join(t.TempDir(), "bundle.zip")
	said := p.must("support-bundle", "--to", out)
	for _, want := range []string{out, "doctor.json", "log.jsonl", "patients: names", "lines that are no events"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	huntArchive(t, raw, 10)
	whole := unzipped(t, raw)
	for _, never := range []string{"Hoa", "hoa", "HOA", "pw-of-a-test", token, "mật khẩu của"} {
		if strings.Contains(whole, never) {
			t.Errorf("the bundle holds %q", never)
		}
	}
	for _, want := range []string{"agent.ready", `"error":"dial tcp: i/o timeout"`, "SERVICE_NOT_RUNNING", "INSURANCE_UNREACHABLE", "MemoryCurrent", "https://his.hospital.example", `"source": "file"`} {
		if !strings.Contains(whole, want) {
			t.Errorf("the bundle lacks %s", want)
		}
	}
	if said, code := p.run("support-bundle", "--to", out); code != exitUsage || !strings.Contains(said, fs.ErrExist.Error()) {
		t.Errorf("over another one: %d %s", code, said)
	}
	// Where nothing can be had, the rest is there and says so.
	thisHost = func() (systemdHost, error) { return systemdHost{}, errors.New("not here") }
	p.write(p.config, "desk = 1\n")
	var b bytes.Buffer
	if code := run(t.Context(), []string{"--config", p.config, "--data", p.data, "--lang", "vi", "support-bundle", "--to", t.TempDir()}, Env{Stdout: &b, Stderr: &b, Getenv: func(string) string { return "" }}); code != exitOK {
		t.Fatalf("exit %d: %s", code, b.String())
	}
	for _, want := range []string{"log.jsonl: không có nhật ký", "service.json: không lấy được", "settings.json: cấu hình có chỗ sai", "người bệnh: họ tên"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, b.String())
		}
	}
}

// unzipped is all that is in an archive, as one text.
func unzipped(t *testing.T, raw []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, io.LimitReader(r, 8<<20)); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
