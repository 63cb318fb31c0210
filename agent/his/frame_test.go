package his

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// FuzzParse holds what an answer needs: whatever comes, there is a request or an error of the catalogue, an id that is
// valid JSON, and no answer holds anything else of the frame.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, frame string) {
		if !utf8.ValidString(frame) {
			return // closed before it is parsed
		}
		r, e := parse([]byte(frame))
		if e != nil {
			if _, ok := catalog.Lookup(e.ID); !ok {
				t.Fatalf("%s is not of the catalogue", e.ID)
			}
		}
		if r.id == nil && e != nil {
			t.Fatal("an error without an id to answer with")
		}
		if r.id != nil && (!json.Valid(r.id) || len(r.id) > maxID) {
			t.Fatalf("id %q", r.id)
		}
		if a := answer(r.id, nil, catalog.New(catalog.BadRequest, nil), catalog.VI); r.id != nil && !json.Valid(a) {
			t.Fatalf("answer %s", a)
		}
		if e == nil && len(r.params) > 0 && !json.Valid(r.params) {
			t.Fatalf("params %q", r.params)
		}
	})
}

// FuzzHandle drives one connection without a socket, before and after the session is open: no frame makes it panic, and
// each is answered once or, without an id, not at all.
func FuzzHandle(f *testing.F) {
	seeds(f)
	r := newRig(f, func(c *Config) {
		c.Session = func(context.Context, netip.AddrPort, netip.AddrPort) (string, error) { return "uid:1000", nil }
	})
	token, err := r.tokens.Check(r.secrets["DESKTOP"], "")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, frame string) {
		q, _ := parse([]byte(frame))
		if !utf8.ValidString(frame) || q.method == "session.open" {
			return // session.open talks to the socket
		}
		for _, open := range []bool{false, true} {
			c := newConn(r.server, nil, &admission{token: token, session: "uid:1000"})
			if open {
				c.session = &session{id: "s", token: token, lang: catalog.EN}
				c.session.owner.Client = "desktop:" + token.ID
				c.session.rights.Read, c.session.rights.Simulator = true, true
				c.subs.Store(&subscriptions{})
			}
			c.handle([]byte(frame))
			c.wg.Wait() // what is slow is answered beside
			if want := map[bool]int{true: 1, false: 0}[q.id != nil]; len(c.out) != want {
				t.Fatalf("%d answers to a frame with id %q", len(c.out), q.id)
			}
			for len(c.out) > 0 {
				var m struct {
					JSONRPC string
					ID      json.RawMessage
					Result  json.RawMessage
					Error   *struct{ Data catalog.Wire }
				}
				raw := (<-c.out).text
				if json.Unmarshal(raw, &m) != nil || m.JSONRPC != "2.0" || m.ID == nil || (m.Result == nil) == (m.Error == nil) {
					t.Fatalf("answer %s", raw)
				}
			}
			c.cancel()
		}
	})
}

// seeds are the frames of the transcripts, and a good request of every method.
func seeds(f *testing.F) {
	bad, _ := filepath.Glob("../../testdata/his/bad/*.txt")
	for _, file := range bad {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		method, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".txt"), "_")
		for _, line := range strings.Split(string(raw), "\n") {
			if params, ok := strings.CutPrefix(line, "params "); ok {
				f.Add(`{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + "}")
			}
		}
	}
	files, _ := filepath.Glob("../../testdata/his/transcripts/*.txt")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range strings.Split(string(raw), "\n") {
			if frame, ok := strings.CutPrefix(line, "> "); ok {
				f.Add(frame)
			}
		}
	}
}

func TestDepthIsCountedOutsideStringsOnly(t *testing.T) {
	for frame, deep := range map[string]bool{
		strings.Repeat("[", maxDepth):                      false,
		strings.Repeat("[", maxDepth+1):                    true,
		`"` + strings.Repeat("[", 100) + `"`:               false,
		`"\"` + strings.Repeat("[", 100) + `"`:             false,
		`"\\"` + strings.Repeat("[", 100):                  true,
		strings.Repeat(`{"a":`, maxDepth+1):                true,
		strings.Repeat("[]", 1000):                         false,
		strings.Repeat("]", 1000) + strings.Repeat("[", 9): false,
		`"`: false, `\`: false, `"\`: false, ``: false,
	} {
		if tooDeep([]byte(frame)) != deep {
			t.Errorf("tooDeep(%.40q) is %v", frame, !deep)
		}
	}
}
