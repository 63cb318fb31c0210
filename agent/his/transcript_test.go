package his

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog/catalogtest"
	"github.com/tapcheck/tapcheck/agent/his/schema/schematest"
	"github.com/tapcheck/tapcheck/reader"
)

// TestTranscripts plays each file of testdata/his/transcripts against a real server on loopback. Lines:
//
//	# comment
//	mode run              no simulator (before connect)
//	connect web           as https://his.example; "connect desktop" brings $DESKTOP; "connect NAME" another token
//	lax                   members that the protocol does not know are sent from here on, and ignored
//	> {…}                 the client sends this text frame; $WEB and so on are tokens
//	binary 00ff           the client sends a binary frame; "bytes 00ff" sends these bytes as text
//	repeat N TEXT         the client sends one text frame of N times TEXT
//	event METHOD {…}      the engine tells this
//	reader STATE          the only reader changes
//	< {…}                 the agent's next frame; "*" is any value, and "...": "*" in an object allows further members
//	closed CODE           the agent closes
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("../../testdata/his/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { play(t, file) })
	}
}

func play(t *testing.T, file string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r *rig
	var ws *websocket.Conn
	simulator := true
	var frames *schematest.Checker
	for i, line := range strings.Split(string(raw), "\n") {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("%s:%d: %s", file, i+1, fmt.Sprintf(format, args...))
		}
		word, rest, _ := strings.Cut(line, " ")
		if r == nil && word == "connect" {
			r = start(t, func(c *Config) {
				if !simulator {
					c.Simulator = nil
				}
			})
		}
		switch word {
		case "", "#":
		case "mode":
			simulator = rest != "run"
		case "connect":
			h := http.Header{}
			switch rest {
			case "web":
				h.Set("Origin", "https://his.example")
			case "desktop":
				h.Set("Authorization", "Bearer "+r.secrets["DESKTOP"])
			default:
				h.Set("Authorization", "Bearer "+r.secrets[rest])
			}
			if ws, _, err = websocket.DefaultDialer.DialContext(t.Context(), "ws://127.0.0.1:"+strconv.Itoa(r.port)+"/v1", h); err != nil {
				fail("%v", err)
			}
			frames = &schematest.Checker{}
			defer ws.Close()
		case "lax":
			frames.Lax = true
		case ">":
			frames.Sent([]byte(r.expand(rest)))
			if err := ws.WriteMessage(websocket.TextMessage, []byte(r.expand(rest))); err != nil {
				fail("%v", err)
			}
		case "binary", "bytes":
			b, err := hex.DecodeString(rest)
			if err != nil {
				fail("%v", err)
			}
			kind := map[string]int{"binary": websocket.BinaryMessage, "bytes": websocket.TextMessage}[word]
			if err := ws.WriteMessage(kind, b); err != nil {
				fail("%v", err)
			}
		case "repeat":
			count, text, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(count)
			if err != nil {
				fail("%v", err)
			}
			_ = ws.WriteMessage(websocket.TextMessage, []byte(strings.Repeat(text, n))) // the agent may hang up meanwhile
		case "event":
			method, params, _ := strings.Cut(rest, " ")
			r.engine.event(method, json.RawMessage(params))
		case "reader":
			i := reader.Info{ID: "virtual-1", Name: "Virtual 1", Contactless: true, Virtual: true, State: reader.State(rest)}
			if i.State == reader.Card {
				i.ATR, i.Insertion = []byte{0x3B, 0x80}, 1
			}
			if rest == "gone" {
				r.readers.set()
			} else {
				r.readers.set(i)
			}
		case "<":
			_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, got, err := ws.ReadMessage()
			if err != nil {
				fail("%v", err)
			}
			var m message
			if json.Unmarshal(got, &m) == nil && m.Error != nil {
				catalogtest.Saw(m.Error.Data.ID)
			}
			if unknown := frames.Received(got); unknown != nil {
				t.Errorf("%s:%d: %v\n%s", file, i+1, unknown, got)
			}
			var g, w any
			if err := json.Unmarshal([]byte(rest), &w); err != nil {
				fail("the transcript is no JSON: %v", err)
			}
			if err := json.Unmarshal(got, &g); err != nil {
				fail("the agent sent no JSON: %v", err)
			}
			if at := differs(w, g, "frame"); at != "" {
				fail("%s\n got %s\nwant %s", at, got, rest)
			}
			for name, secret := range r.secrets {
				if strings.Contains(string(got), secret) {
					fail("the agent echoes the token %s", name)
				}
			}
		case "closed":
			_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
			_, got, err := ws.ReadMessage()
			code, _ := strconv.Atoi(rest)
			if !websocket.IsCloseError(err, code) {
				fail("got %s, %v", got, err)
			}
		default:
			fail("unknown line %q", line)
		}
	}
	for _, secret := range r.secrets {
		if strings.Contains(r.logged(), secret) {
			t.Error("the log holds a token")
		}
	}
	for _, personal := range []string{"Nguyễn", "001099012345", "his.example", "lt.hoa"} {
		if strings.Contains(r.logged(), personal) {
			t.Errorf("the log holds %q", personal)
		}
	}
}

// differs says where got is not as wanted; "" is nowhere.
func differs(want, got any, at string) string {
	if want == "*" {
		return ""
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		for k, v := range w {
			if k == "..." {
				continue
			}
			gv, ok := g[k]
			if !ok {
				return at + "." + k + " is missing"
			}
			if d := differs(v, gv, at+"."+k); d != "" {
				return d
			}
		}
		if _, open := w["..."]; !open {
			for k := range g {
				if _, ok := w[k]; !ok {
					return at + "." + k + " is not expected"
				}
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return at + " is no list of that length"
		}
		for i := range w {
			if d := differs(w[i], g[i], at+"["+strconv.Itoa(i)+"]"); d != "" {
				return d
			}
		}
	default:
		if want != got {
			return fmt.Sprintf("%s is %v", at, got)
		}
	}
	return ""
}
