package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/icao/chip"
)

// TestTheBoxInTheDemo is what a vendor sees whose HIS listens to the HN212/JTH box, without a card or a reader: every persona's
// card, marked as simulated. Nothing of anybody is in what the program writes.
func TestTheBoxInTheDemo(t *testing.T) {
	free, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	var typed io.WriteCloser
	p := start(t, func(cmd *exec.Cmd) {
		dir := filepath.Join(cmd.Args[slices.Index(cmd.Args, "--data")+1], simulationFolder)
		if err := keys.Claim(dir, true); err != nil {
			t.Fatal(err)
		}
		file := fmt.Sprintf("[compat]\nsocketio_port = %d\nfields = [\"number\", \"fullName\", \"dateOfBirth\", \"portrait\", \"religion\"]\n", port)
		if err := os.WriteFile(filepath.Join(dir, "tapcheck.toml"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		if typed, err = cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
	}, "demo", "--json", "--socketio", "--latency", "0", "--log", "debug")
	var ws *websocket.Conn
	limit := time.Now().Add(30 * time.Second)
	for ws == nil {
		if ws, _, err = websocket.DefaultDialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d/socket.io/?EIO=4&transport=websocket", port), nil); err != nil {
			if time.Now().After(limit) {
				t.Fatalf("%v\n%s", err, p.stderr)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	defer ws.Close()
	if err := ws.WriteMessage(websocket.TextMessage, []byte("40")); err != nil {
		t.Fatal(err)
	}
	_ = ws.SetReadDeadline(time.Now().Add(60 * time.Second))
	hear := func(want int) (message string, data map[string]string) {
		t.Helper()
		for {
			_, raw, err := ws.ReadMessage()
			if err != nil {
				t.Fatalf("%v, waiting for %d\n%s", err, want, p.stderr)
			}
			if strings.HasPrefix(string(raw), "40") && want == 0 {
				return "", nil
			}
			body, is := strings.CutPrefix(string(raw), "42")
			var e []json.RawMessage
			var m struct {
				ID      int               `json:"id"`
				Message string            `json:"message"`
				Data    map[string]string `json:"data"`
			}
			if is && json.Unmarshal([]byte(body), &e) == nil && len(e) == 2 && json.Unmarshal(e[1], &m) == nil {
				if m.ID != want {
					t.Fatalf("id %d (%s), want %d", m.ID, m.Message, want)
				}
				return m.Message, m.Data
			}
		}
	}
	hear(0)
	simulated, _ := catalog.WarningText(catalog.WarnSimulated, catalog.VI)
	for _, who := range chip.Personas() {
		if _, err := io.WriteString(typed, who.ID+"\n"); err != nil {
			t.Fatal(err)
		}
		if text, _ := hear(1); text != "new card!" {
			t.Errorf("%s", text)
		}
		text, data := hear(2)
		if text != simulated || data["idCode"] != who.Number || data["personName"] != who.FullName || data["residencePlace"] != "" {
			t.Errorf("%s: %s %v", who.ID, text, data)
		}
		_, data = hear(4)
		if img, err := base64.StdEncoding.DecodeString(data["img_data"]); len(data) == 0 || err != nil || len(img) > 0 && !bytes.HasPrefix(img, []byte{0xFF, 0xD8}) || who.ID == "an" && len(img) == 0 {
			t.Errorf("%s: the picture is none", who.ID)
		}
		if data["dg13"] != "" {
			t.Errorf("%s: DG13 is given beyond the ceiling", who.ID)
		}
	}
	p.stop()
	if !strings.Contains(p.stderr.String(), "compat.joined") {
		t.Fatalf("hardly anything was logged, so nothing was hunted in:\n%s", p.stderr)
	}
	hunt(t, "log", p.stderr.String())
	for _, dir := range []string{p.data, p.tmp} {
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			hunt(t, filepath.Base(path), d.Name()+"\n"+string(raw))
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}
