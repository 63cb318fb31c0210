package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/settings"
)

// place is where a setup works, and what it can be given.
type place struct {
	t                        *testing.T
	config, data, key, login string
}

func newPlace(t *testing.T) *place {
	dir := t.TempDir()
	p := &place{t, filepath.Join(dir, "etc", "tapcheck.toml"), filepath.Join(dir, "data"), filepath.Join(dir, "his.pem"), filepath.Join(dir, "gateway.toml")}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	p.write(p.key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	p.write(p.login, "\uFEFFusername = \"01004_BV\"\r\npassword = \"pw-of-a-test\"\r\nstaff_name = \"Lê Thị Hoa\"\r\nstaff_number = \"001099012345\"\r\n")
	return p
}

func (p *place) write(file, content string) {
	p.t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// run is the program at this place: what it said, and its exit code.
func (p *place) run(args ...string) (string, int) {
	p.t.Helper()
	var out bytes.Buffer
	code := run(context.Background(), append([]string{"--config", p.config, "--data", p.data, "--lang", "en"}, args...),
		Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
	return out.String(), code
}

func (p *place) must(args ...string) string {
	p.t.Helper()
	out, code := p.run(args...)
	if code != exitOK {
		p.t.Fatalf("%q: exit %d: %s", args, code, out)
	}
	return out
}

// TestSetup: an installer's properties become settings, secrets and a registered key; again with the same it changes nothing, and
// with one it changes that one.
func TestSetup(t *testing.T) {
	p := newPlace(t)
	all := []string{"setup", "--origins", "https://his.example; http://his2.example:8080", "--key", p.key, "--ports", "28480, 28481",
		"--desk", "Quầy 3", "--facility", "01004", "--gateway", p.login, "--trust", t.TempDir(), "--browsers"}
	p.must(all...)
	s, err := settings.Load(p.config)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s.HIS.Origins, []string{"https://his.example", "http://his2.example:8080"}) || !reflect.DeepEqual(s.HIS.Ports, []int{28480, 28481}) ||
		s.Desk != "Quầy 3" || s.Facility.Code != "01004" || s.Insurance.Provider != "bhyt" || s.Insurance.Username != "01004_BV" || s.Trust.Folder != all[len(all)-2] {
		t.Errorf("%+v", s)
	}
	if _, err := insurer(s.Insurance); err != nil {
		t.Errorf("the gateway's account is of no use: %v", err)
	}
	first, _ := os.ReadFile(p.config)
	if bytes.Contains(first, []byte("pw-of-a-test")) || bytes.Contains(first, []byte("001099012345")) {
		t.Error("a secret stands in the settings")
	}
	p.must(all...)
	if again, _ := os.ReadFile(p.config); !bytes.Equal(first, again) {
		t.Errorf("the same again changes the settings:\n%s\n%s", first, again)
	}
	if list := p.must("token", "list", "--json"); strings.Count(list, `"key":true`) != 2 {
		t.Errorf("the HIS's key is not registered once for each origin: %s", list)
	}
	p.must("setup", "--desk", "Quầy 4", "--origins", "", "--ports", "")
	if now, err := settings.Load(p.config); err != nil || now.Desk != "Quầy 4" || len(now.HIS.Origins) != 2 {
		t.Errorf("%+v, %v", now, err)
	}

	p.must("setup", "--remove")
	if _, err := os.Stat(filepath.Join(p.data, "tokens.json")); err != nil {
		t.Errorf("remove takes the data: %v", err)
	}
	p.must("setup", "--remove", "--purge")
	for _, gone := range []string{p.config, p.config + ".bak", p.data} {
		if _, err := os.Stat(gone); err == nil {
			t.Errorf("%s is left", gone)
		}
	}
}

// TestSetupRefuses: whatever is wrong is named, nothing is changed, and nobody's secret is repeated.
func TestSetupRefuses(t *testing.T) {
	p := newPlace(t)
	bad := filepath.Join(t.TempDir(), "bad.toml")
	p.write(bad, "username = \"a\"\npassword = \"pw-of-a-test\"\nextra = 1\n")
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"a port below 1024":      {[]string{"--ports", "80"}, "his.ports"},
		"no number":              {[]string{"--ports", "eighty"}, "--ports"},
		"an origin with a path":  {[]string{"--origins", "https://his.example/app"}, "his.origins"},
		"a code that is none":    {[]string{"--facility", "1"}, "facility.code"},
		"a key without origins":  {[]string{"--key", p.key}, "--origins"},
		"a key that is none":     {[]string{"--origins", "https://his.example", "--key", bad}, "--key"},
		"no such key":            {[]string{"--origins", "https://his.example", "--key", bad + "x"}, "--key"},
		"an account with a typo": {[]string{"--gateway", bad}, "staff_number"},
		"an account not there":   {[]string{"--gateway", bad + "x"}, "--gateway"},
		"one wrong of three":     {[]string{"--desk", "Quầy 1", "--origins", "https://his.example", "--ports", "80"}, "his.ports"},
	} {
		out, code := p.run(append([]string{"setup"}, c.args...)...)
		want := exitUsage // at the line that was typed
		if strings.HasPrefix(c.says, "his.") || strings.HasPrefix(c.says, "facility.") {
			want = exitSettings
		}
		if code != want || !strings.Contains(out, c.says) || strings.Contains(out, "pw-of-a-test") {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
		if _, err := os.Stat(p.config); err == nil {
			t.Errorf("%s: settings are written", name)
		}
	}
	// Where the settings cannot be written, that has a code of its own.
	blocked := *p
	blocked.config = filepath.Join(bad, "tapcheck.toml") // below a file
	for lang, says := range map[string]string{"en": "cannot be written", "vi": "không ghi được cấu hình"} {
		if out, code := blocked.run("--lang", lang, "setup", "--desk", "Quầy 1"); code != exitDisk || !strings.Contains(out, says) || !strings.Contains(out, blocked.config) {
			t.Errorf("settings that cannot be written: exit %d: %s", code, out)
		}
	}
	// Purge takes no folder that is not ours.
	p.write(p.data, "")
	_ = os.Remove(p.data)
	if err := os.MkdirAll(filepath.Join(p.data, "photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, _ = p.run("setup", "--remove", "--purge")
	if _, err := os.Stat(filepath.Join(p.data, "photos")); err != nil {
		t.Errorf("somebody else's folder is gone: %v", err)
	}
}

// TestBrowserPolicies: which list gets what.
func TestBrowserPolicies(t *testing.T) {
	lists := map[string][]string{}
	for _, p := range browserPolicies([]string{"https://his.example", "http://10.0.0.5:8080", "http://localhost:3000"}, []int{27480, 27481}) {
		lists[p.Key] = p.Values
	}
	all := []string{"https://his.example", "http://10.0.0.5:8080", "http://localhost:3000"}
	want := map[string][]string{`SOFTWARE\Policies\Mozilla\Firefox\LocalNetworkAccess\SkipDomains`: {"his.example", "10.0.0.5", "localhost"}}
	for _, b := range []string{`SOFTWARE\Policies\Google\Chrome\`, `SOFTWARE\Policies\Microsoft\Edge\`} {
		want[b+"LoopbackNetworkAllowedForUrls"], want[b+"LocalNetworkAccessAllowedForUrls"] = all, all
		want[b+"OverrideSecurityRestrictionsOnInsecureOrigin"] = []string{"http://10.0.0.5:8080"}
		want[b+"VideoCaptureAllowedUrls"] = []string{"http://127.0.0.1:27480", "http://127.0.0.1:27481"}
	}
	if !reflect.DeepEqual(lists, want) {
		t.Errorf("%v, want %v", lists, want)
	}
	for name, ours := range map[string]bool{"27480": true, "27679": true, "27680": false, "1": false, "": false, "027480": false, "x": false} {
		if oursInPolicy(name) != ours {
			t.Errorf("%q: %v", name, !ours)
		}
	}
}
