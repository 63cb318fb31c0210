package keys

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T) (*TokenStore, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	s, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestParseOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"https://his.example":                         "https://his.example",
		"https://HIS.Example":                         "https://his.example",
		"HTTPS://his.example":                         "https://his.example",
		"https://his.example/":                        "https://his.example",
		"https://his.example:443":                     "https://his.example",
		"http://his.example:80":                       "http://his.example",
		"https://his.example:80":                      "https://his.example:80",
		"http://192.168.1.5:8080":                     "http://192.168.1.5:8080",
		"http://[fd00::1]:8080":                       "http://[fd00::1]:8080",
		"http://his":                                  "http://his",
		"http://his_1.local":                          "http://his_1.local",
		"https://xn--bnh-vin.vn":                      "https://xn--bnh-vin.vn",
		"":                                            "",
		"null":                                        "",
		"*":                                           "",
		"his.example":                                 "",
		"//his.example":                               "",
		"https://":                                    "",
		"https://*":                                   "",
		"https://*.example":                           "",
		"https://his.example/app":                     "",
		"https://his.example?x":                       "",
		"https://his.example?":                        "",
		"https://his.example#":                        "",
		"https://his.example#x":                       "",
		"https://user@his.example":                    "",
		"https://his.example:":                        "",
		"https://his.example:0":                       "",
		"https://his.example:0443":                    "",
		"https://his.example:99999":                   "",
		"https://his.example:x":                       "",
		"https://his..example":                        "",
		"https://his.example.":                        "",
		"https://-his.example":                        "",
		"https://bệnh-viện.vn":                        "",
		"https://his example":                         "",
		"https://127.1":                               "",
		"https://0x7f000001":                          "",
		"http://[fd00:0:0:0::1]":                      "",
		"http://[::ffff:127.0.0.1]":                   "",
		"http://[fe80::1%25eth0]":                     "",
		"ftp://his.example":                           "",
		"file:///index.html":                          "",
		"chrome-extension://abcdefg":                  "",
		"https:his.example":                           "",
		"https://his.example\n":                       "",
		"https://" + strings.Repeat("a.", 200) + "vn": "",
	} {
		got, err := ParseOrigin(in)
		if got != want || (want == "") != errors.Is(err, ErrOriginForm) {
			t.Errorf("ParseOrigin(%q) = %q, %v; want %q", in, got, err, want)
		}
		if again, err := ParseOrigin(got); want != "" && (err != nil || again != got) {
			t.Errorf("ParseOrigin(%q) is not stable: %q", got, again)
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	f.Add("https://his.example:8443")
	f.Add("http://[fd00::1]:80/")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseOrigin(s)
		if err != nil {
			return
		}
		if again, err := ParseOrigin(got); err != nil || again != got {
			t.Fatalf("%q gives %q, and that gives %q, %v", s, got, again, err)
		}
		if strings.ContainsAny(got, "*?#@ \r\n,") || strings.Count(got, "/") != 2 {
			t.Fatalf("%q gives %q", s, got)
		}
	})
}

func TestTokenOpensWhatItWasMadeForAndNothingElse(t *testing.T) {
	s, dir := open(t)
	web, webToken, err := s.Add(TokenRequest{Origin: "https://HIS.example:443/", Label: "HIS"})
	if err != nil {
		t.Fatal(err)
	}
	desk, _, err := s.Add(TokenRequest{Desktop: true, Rights: []string{RightRead}, Fields: []string{"number"}})
	if err != nil {
		t.Fatal(err)
	}
	old, oldToken, err := s.Add(TokenRequest{Origin: "https://old.example", Valid: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	for _, c := range []struct {
		name, secret, origin string
		ok                   bool
	}{
		{"web token, its origin", web, "https://his.example", true},
		{"web token, another origin", web, "https://evil.example", false},
		{"web token, other scheme", web, "http://his.example", false},
		{"web token, port written out", web, "https://his.example:443", false},
		{"web token as desktop", web, "", false},
		{"desktop token", desk, "", true},
		{"desktop token from a page", desk, "https://his.example", false},
		{"out of date", old, "https://old.example", false},
		{"empty", "", "", false},
		{"prefix only", tokenPrefix, "", false},
		{"cut", web[:len(web)-1], "https://his.example", false},
		{"the stored hash", webToken.SHA256, "https://his.example", false},
		{"the id", webToken.ID, "https://his.example", false},
	} {
		if _, err := s.Check(c.secret, c.origin); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for origin, want := range map[string]bool{
		"https://his.example": true, "https://HIS.example": false, "https://his.example:443": false, "https://old.example": false,
		"": false, "null": false, "https://his.example.evil.example": false, "https://his.exampl": false,
	} {
		if s.Allowed(origin) != want {
			t.Errorf("Allowed(%q) is %v", origin, !want)
		}
	}
	if s.Valid(oldToken.ID) || !s.Valid(webToken.ID) {
		t.Error("Valid is wrong")
	}
	raw, _ := os.ReadFile(filepath.Join(dir, TokensFileName))
	for _, secret := range []string{web, desk, old} {
		if strings.Contains(string(raw), strings.TrimPrefix(secret, tokenPrefix)) {
			t.Error("the file holds a token")
		}
	}
}

func TestCommandsChangeTokensWhileTheAgentRuns(t *testing.T) {
	agent, dir := open(t)
	command, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret, token, err := command.Add(TokenRequest{Origin: "https://his.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Check(secret, "https://his.example"); err != nil || !agent.Allowed("https://his.example") {
		t.Fatal("the agent does not know the new token", err)
	}
	if err := command.Revoke(token.ID); err != nil {
		t.Fatal(err)
	}
	if agent.Valid(token.ID) || agent.Allowed("https://his.example") {
		t.Fatal("the agent does not know of the revocation")
	}
	if err := command.Revoke(token.ID); err != nil {
		t.Fatal("revoked again:", err)
	}
	if err := command.Revoke("t0"); !errors.Is(err, ErrTokenUnknown) {
		t.Fatal(err)
	}
	list, err := agent.List()
	if err != nil || len(list) != 1 || list[0].RevokedAt.IsZero() {
		t.Fatal(list, err)
	}
	// What cannot be read lets nobody in.
	secret, token, _ = command.Add(TokenRequest{Desktop: true})
	if err := os.WriteFile(filepath.Join(dir, TokensFileName), []byte(`{"version":1,`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Check(secret, ""); !errors.Is(err, ErrTokenRejected) || agent.Valid(token.ID) || !errors.Is(agent.Err(), ErrMalformed) {
		t.Fatal("a broken file lets in", err, agent.Err())
	}
	if _, _, err := command.Add(TokenRequest{Desktop: true}); !errors.Is(err, ErrMalformed) {
		t.Fatal("a broken file was written over:", err)
	}
	if err := os.Remove(filepath.Join(dir, TokensFileName)); err != nil {
		t.Fatal(err)
	}
	if err := agent.Err(); err != nil {
		t.Fatal("a missing file holds no token, and is no error:", err)
	}
}

func TestManyCommandsAtOnceLoseNothing(t *testing.T) {
	_, dir := open(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := OpenTokens(dir)
			if err != nil {
				t.Error(err)
				return
			}
			for range 5 {
				if _, _, err := s.Add(TokenRequest{Desktop: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 40 {
		t.Fatalf("%d tokens, %v", len(list), err)
	}
}

func TestTokenRequestIsRefused(t *testing.T) {
	s, _ := open(t)
	for name, c := range map[string]struct {
		r    TokenRequest
		want error
	}{
		"neither":            {TokenRequest{}, ErrTokenForm},
		"both":               {TokenRequest{Origin: "https://his.example", Desktop: true}, ErrTokenForm},
		"wildcard":           {TokenRequest{Origin: "https://*.example"}, ErrOriginForm},
		"unknown right":      {TokenRequest{Desktop: true, Rights: []string{"all"}}, ErrTokenForm},
		"unknown field":      {TokenRequest{Desktop: true, Fields: []string{"dg2"}}, ErrTokenForm},
		"label with control": {TokenRequest{Desktop: true, Label: "a\x1b[2J"}, ErrTokenForm},
		"long label":         {TokenRequest{Desktop: true, Label: strings.Repeat("x", 101)}, ErrTokenForm},
		"negative validity":  {TokenRequest{Desktop: true, Valid: -time.Second}, ErrTokenForm},
	} {
		if _, _, err := s.Add(c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokensFileOthersCanTouchIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("mode bits say nothing on Windows")
	}
	s, dir := open(t)
	secret, _, err := s.Add(TokenRequest{Desktop: true})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, TokensFileName)
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("made with mode %v", info.Mode())
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTokens(dir); !errors.Is(err, ErrExposed) {
		t.Errorf("got %v", err)
	}
	fresh := &TokenStore{path: path, now: time.Now}
	if _, err := fresh.Check(secret, ""); err == nil {
		t.Error("lets in")
	}
}
