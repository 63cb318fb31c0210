//go:build examples

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip"
)

// The clients of other languages, with the compilers that Debian packages: `make test-examples`.

const clients = "../../agent/his/client/"

// foreign is a client of another language, compiled.
type foreign struct {
	name   string
	sample []string // the command of its console sample
	check  []string // the command that answers what a test asks
	window []string // the command of its form, where it has one
}

func compile(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func sources(t *testing.T, dir, suffix string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in %s: %v", suffix, dir, err)
	}
	return files
}

func csharp(t *testing.T) foreign {
	dir, out := clients+"csharp/", t.TempDir()+"/"
	library := out + "Tapcheck.Client.dll"
	mcs := func(args ...string) {
		compile(t, "mcs", append([]string{"-langversion:7", "-warnaserror"}, args...)...)
	}
	mcs(append([]string{"-target:library", "-out:" + library, "-r:System.Net.Http.dll", "-r:System.Numerics.dll", "-r:System.Runtime.Serialization.dll", "-r:System.Xml.dll"},
		sources(t, dir+"Tapcheck.Client", ".cs")...)...)
	mcs("-out:"+out+"ConsoleSample.exe", "-r:"+library, dir+"Sample/ConsoleSample.cs")
	mcs("-out:"+out+"Check.exe", "-r:"+library, dir+"Test/Check.cs")
	mcs(append([]string{"-out:" + out + "CheckinForm.exe", "-main:CheckinForm", "-r:" + library, "-r:System.Windows.Forms.dll", "-r:System.Drawing.dll"}, sources(t, dir+"Sample", ".cs")...)...)
	return foreign{"C#", []string{"mono", out + "ConsoleSample.exe"}, []string{"mono", out + "Check.exe"}, []string{"xvfb-run", "-a", "mono", out + "CheckinForm.exe"}}
}

func java(t *testing.T) foreign {
	out := t.TempDir()
	compile(t, "javac", append([]string{"--release", "11", "-Xlint:all", "-Werror", "-d", out}, sources(t, clients+"java", ".java")...)...)
	return foreign{name: "Java", sample: []string{"java", "-cp", out, "Sample"}, check: []string{"java", "-cp", out, "Check"}}
}

func everyForeign(t *testing.T, test func(t *testing.T, f foreign)) {
	t.Run("csharp", func(t *testing.T) { test(t, csharp(t)) })
	t.Run("java", func(t *testing.T) { test(t, java(t)) })
}

// output runs a sample and gives what it printed. Its status is 0 exactly if it printed no error.
func output(t *testing.T, command, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], append(slices.Clone(command[1:]), args...)...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if (err != nil) != strings.Contains(string(out), "error ") {
		t.Fatalf("%v: %v\n%s%s", args, err, out, &stderr)
	}
	return string(out)
}

func TestForeignClients(t *testing.T) {
	p := start(t, nil, "demo", "--no-tap", "--seed", "examples")
	token := p.token("--desktop", "--rights", "read,insurance,simulator")
	_, port, _ := net.SplitHostPort(p.addr())
	var d struct {
		Proof struct{ PublicKey struct{ X, Y string } }
	}
	resp, err := http.Get("http://" + p.addr() + "/.well-known/tapcheck.json?nonce=" + base64.RawURLEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
		t.Fatal(err)
	}
	key := []string{"TAPCHECK_KEY_X=" + d.Proof.PublicKey.X, "TAPCHECK_KEY_Y=" + d.Proof.PublicKey.Y}
	with := func(more ...string) []string { return append([]string{"TAPCHECK_TOKEN=" + token}, more...) }
	an, binh := number(t, "an"), number(t, "binh")

	everyForeign(t, func(t *testing.T, f foreign) {
		t.Run("a check-in", func(t *testing.T) {
			out := output(t, f.sample, with(key...), port, "sim", "an", an)
			for _, want := range []string{
				"connected simulator=True read=True", "job.progress identity", "job.partial running", "job.result complete",
				"name Nguyễn Văn An", "chip not_verifiable", "insurance eligible", "next PROCEED Tiếp nhận người bệnh.",
			} {
				if !strings.Contains(strings.ToLower(out), strings.ToLower(want)) {
					t.Errorf("lacks %q:\n%s", want, out)
				}
			}
			if strings.Contains(out, "portrait 0\n") {
				t.Error("no portrait")
			}
		})
		t.Run("another person's card", func(t *testing.T) {
			out := output(t, f.sample, with(), port, "sim", "an", binh)
			if !strings.Contains(out, "error KEY_REJECTED") || strings.Contains(out, "Nguyễn") {
				t.Error(out)
			}
		})
		t.Run("a wrong token", func(t *testing.T) {
			out := output(t, f.sample, append(key, "TAPCHECK_TOKEN=tapcheck_wrong"), port, "sim", "an", an)
			if !strings.Contains(out, "error TOKEN_REJECTED") && !strings.Contains(out, "error AGENT_NOT_FOUND") {
				t.Error(out)
			}
		})
		t.Run("nobody there", func(t *testing.T) {
			if out := output(t, f.sample, with(), fmt.Sprint(freePort(t)), "sim", "an", an); !strings.Contains(out, "error AGENT_NOT_FOUND") {
				t.Error(out)
			}
		})
		t.Run("a program that took the port first", func(t *testing.T) {
			for kind, relay := range map[string]string{"lies": "", "relays": p.addr()} {
				taken := squat(t, relay)
				// The real agent serves on a later port: the client goes on to it, and the squatter has learnt nothing.
				out := output(t, f.sample, with(key...), taken.port+","+port, "sim", "an", an)
				if !strings.Contains(out, "name Nguyễn Văn An") || taken.asked() == 0 || strings.Contains(taken.heard(), token) {
					t.Errorf("%s: asked %d times, knows the token: %v\n%s", kind, taken.asked(), strings.Contains(taken.heard(), token), out)
				}
				if out := output(t, f.sample, with(key...), taken.port, "sim", "an", an); !strings.Contains(out, "error AGENT_NOT_PROVED") || strings.Contains(taken.heard(), token) {
					t.Errorf("%s, alone: %s", kind, out)
				}
				// The test can fail: who does not know the key gives the token away.
				if output(t, f.sample, with(), taken.port, "sim", "an", an); !strings.Contains(taken.heard(), token) {
					t.Error("the squatter cannot hear tokens: this test proves nothing")
				}
			}
		})
		t.Run("what it believes", func(t *testing.T) { believes(t, f.check) })
		if f.window != nil {
			t.Run("a form", func(t *testing.T) {
				picture := filepath.Join(t.TempDir(), "form.png")
				s := p.open("", token)
				s.must("sim.remove", map[string]any{})
				s.must("sim.insert", map[string]any{"persona": "an"})
				out := output(t, f.window, with(append(key, "TAPCHECK_FORM_PICTURE="+picture)...), port, an)
				if !strings.Contains(out, "form Nguyễn Văn An eligible picture") {
					t.Error(out)
				}
				if raw, err := os.ReadFile(picture); err != nil || !bytes.HasPrefix(raw, []byte("\x89PNG")) {
					t.Error("no picture of the form: ", err)
				}
				if dir := os.Getenv("TAPCHECK_SHOTS"); dir != "" {
					raw, _ := os.ReadFile(picture)
					_ = os.WriteFile(filepath.Join(dir, "csharp-form.png"), raw, 0o644)
				}
			})
		}
	})
}

func number(t *testing.T, persona string) string {
	who, err := chip.PersonaByName(persona)
	if err != nil {
		t.Fatal(err)
	}
	return who.Number
}

// squatter is a program that took a port of the agent's. It keeps all that it is sent.
type squatter struct {
	port string

	mu  sync.Mutex
	n   int
	got strings.Builder
}

func (s *squatter) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func (s *squatter) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

// squat answers discovery with a made-up proof, or with the real agent's (relay is its address), as well as it can.
func squat(t *testing.T, relay string) *squatter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &squatter{port: fmt.Sprint(l.Addr().(*net.TCPAddr).Port)}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.n++
		_ = r.Write(&s.got)
		s.mu.Unlock()
		if relay == "" {
			fmt.Fprintf(w, `{"allowed":true,"subprotocol":"tapcheck.v1","proof":{"algorithm":"ES256","publicKey":{},"signature":"%s","instanceId":"x","port":%s}}`, strings.Repeat("A", 86), s.port)
			return
		}
		resp, err := http.Get("http://" + relay + r.URL.RequestURI())
		if err != nil {
			return
		}
		defer resp.Body.Close()
		var d map[string]any
		_ = json.NewDecoder(resp.Body).Decode(&d)
		if proof, ok := d["proof"].(map[string]any); ok {
			proof["port"] = json.Number(s.port)
		}
		_ = json.NewEncoder(w).Encode(d)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// believes asks a client about signatures and messages that are right and wrong.
func believes(t *testing.T, command []string) {
	type question struct{ what, line, want string }
	var questions []question
	ask := func(what, want, format string, args ...any) {
		questions = append(questions, question{what, fmt.Sprintf(format, args...), want})
	}
	raw64, std := base64.RawURLEncoding.EncodeToString, base64.StdEncoding.EncodeToString
	n := elliptic.P256().Params().N
	p := elliptic.P256().Params().P
	for i := range 8 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		q, _ := k.PublicKey.Bytes()
		x, y := raw64(q[1:33]), raw64(q[33:])
		message := make([]byte, i*7)
		_, _ = rand.Read(message)
		digest := sha256.Sum256(message)
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		signature := func(r, s *big.Int) string {
			return std(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
		}
		ask("right", "true", "key %s %s %s %s", x, y, std(message), signature(r, s))
		ask("the other s", "true", "key %s %s %s %s", x, y, std(message), signature(r, new(big.Int).Sub(n, s)))
		ask("another message", "false", "key %s %s %s %s", x, y, std(append(message, 0)), signature(r, s))
		ask("another r", "false", "key %s %s %s %s", x, y, std(message), signature(new(big.Int).Xor(r, big.NewInt(1)), s))
		ask("swapped", "false", "key %s %s %s %s", x, y, std(message), signature(s, r))
		if i > 0 {
			continue
		}
		zero := new(big.Int)
		ask("r is 0", "false", "key %s %s %s %s", x, y, std(message), signature(zero, s))
		ask("s is 0", "false", "key %s %s %s %s", x, y, std(message), signature(r, zero))
		ask("r is n", "false", "key %s %s %s %s", x, y, std(message), signature(n, s))
		ask("s is n", "false", "key %s %s %s %s", x, y, std(message), signature(r, n))
		ask("too short", "false", "key %s %s %s %s", x, y, std(message), std(make([]byte, 63)))
		ask("empty", "false", "key %s %s %s ", x, y, std(message))
		off := append([]byte(nil), q[33:]...)
		off[31] ^= 1
		ask("no point", "malformed|false", "key %s %s %s %s", x, raw64(off), std(message), signature(r, s))
		ask("x is p", "malformed|false", "key %s %s %s %s", raw64(p.Bytes()), y, std(message), signature(r, s))
		ask("short coordinate", "malformed", "key %s %s %s %s", raw64(q[2:33]), y, std(message), signature(r, s))
		ask("no base64url", "malformed", "key %s %s %s %s", "+"+x[1:], y, std(message), signature(r, s))
	}
	for text, want := range map[string]string{
		`{"a":"Nguyễn \u00e1 \" \\ \/ \ud83d\ude00"}`: `Nguyễn á " \ / 😀`, `{"a":null}`: "absent", `{}`: "absent", `[]`: "absent",
		`{"a":"1"} `: "1", `{"a":{"a":"2"},"b":[1,2.5,-3e2,true,false,null]}`: "absent",
		``: "malformed", `{`: "malformed", `{"a":"1"`: "malformed|1" /* Mono's parser closes what is open */, `{"a":}`: "malformed", `{"a":"1"}x`: "malformed", `nul`: "malformed", `{"a":"1}`: "malformed",
		strings.Repeat("[", 5000): "malformed", strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40): "malformed",
	} {
		ask("json "+text, want, "json %s", std([]byte(text)))
	}
	cmd := exec.Command(command[0], command[1:]...)
	var in strings.Builder
	for _, q := range questions {
		in.WriteString(q.line + "\n")
	}
	cmd.Stdin = strings.NewReader(in.String())
	cmd.Env = append(os.Environ(), "JAVA_TOOL_OPTIONS=-Dfile.encoding=UTF-8 -Dstdout.encoding=UTF-8")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if err != nil || len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions: %v\n%s", len(answers), len(questions), err, &stderr)
	}
	for i, q := range questions {
		if !slices.Contains(strings.Split(q.want, "|"), answers[i]) {
			t.Errorf("%s: %q, not %q", q.what, answers[i], q.want)
		}
	}
}
