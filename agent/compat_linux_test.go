package agent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/chip"
)

// terminal is a pseudo-terminal: a serial port whose other end we hold, as a scanner does.
func terminal(t *testing.T) (scanner *os.File, port string) {
	t.Helper()
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	c, err := m.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var problem error
	if err := c.Control(func(fd uintptr) {
		if problem = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); problem == nil {
			n, problem = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || problem != nil {
		t.Fatal(err, problem)
	}
	return m, fmt.Sprintf("/dev/pts/%d", n)
}

// freePort is a port that nobody has at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// serveAgent runs a simulated agent with settings of a test, until the test ends.
func serveAgent(t *testing.T, change func(*settings.Settings)) (sim *Simulation, addr string, log *logBook) {
	t.Helper()
	sim, err := NewSimulation(t.Context(), SimulationOptions{Seed: "compat"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	s := settings.Default()
	s.HIS.Ports = []int{0}
	s.Checkin.WaitForNeedMs = 20_000
	change(&s)
	log = &logBook{}
	ready, ended := make(chan Ready, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		ended <- Run(ctx, Options{
			Settings: s, DataDir: filepath.Join(t.TempDir(), "data"), Log: zerolog.New(log), Readers: sim.Readers, Insurer: sim.Insurer, Trust: sim.Trust,
			Simulation: sim, Ready: func(r Ready) { ready <- r },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case r := <-ready:
		return sim, r.Addr, log
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return nil, "", nil
}

func everyField() []string {
	return []string{
		"number", "fullName", "dateOfBirth", "sex", "nationality", "residence", "origin", "documentNumber", "documentType", "issuingState", "issuedAt", "expiresAt",
		"noExpiry", "ethnicity", "religion", "features", "father", "mother", "spouse", "oldNumber",
	}
}

// A desk of today: a HIS that listens to the old box, a webhook, and a scanner on a serial port. Every persona's card goes over both;
// and nothing of anybody is in the log.
func TestTheOldBoxesDesk(t *testing.T) {
	dev, tty := terminal(t)
	var mu sync.Mutex
	var posted []map[string]string
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		var m map[string]string
		if json.Unmarshal(raw, &m) == nil {
			mu.Lock()
			posted = append(posted, m)
			mu.Unlock()
		}
	}))
	defer receiver.Close()
	port := freePort(t)
	sim, _, log := serveAgent(t, func(s *settings.Settings) {
		s.Log.Level = "debug"
		s.Compat = settings.Compat{SocketIO: true, SocketIOPort: port, SocketIOPrograms: true, WebhookURL: receiver.URL + "/his?key=hospital", Fields: append(everyField(), "portrait")}
		s.Scanner.Serial = tty
	})
	var ws *websocket.Conn
	eventually(t, "the dialect is served", func() bool {
		c, _, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d/socket.io/?EIO=4&transport=websocket", port), nil)
		ws = c
		return err == nil
	})
	defer ws.Close()
	if err := ws.WriteMessage(websocket.TextMessage, []byte("40")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it listens", func() bool {
		return strings.Contains(log.String(), "compat.joined") && strings.Contains(log.String(), "scanner.ready")
	})
	for i, who := range chip.Personas() {
		if err := sim.Insert(t.Context(), "", who.ID, "cccd-mk"); err != nil {
			t.Fatal(err)
		}
		hear := func() (id int, message string, data map[string]string) {
			_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
			for {
				_, raw, err := ws.ReadMessage()
				if err != nil {
					t.Fatalf("%v in\n%s", err, log)
				}
				body, is := strings.CutPrefix(string(raw), "42")
				var e []json.RawMessage
				var m struct {
					ID      int               `json:"id"`
					Message string            `json:"message"`
					Data    map[string]string `json:"data"`
				}
				if is && json.Unmarshal([]byte(body), &e) == nil && len(e) == 2 && json.Unmarshal(e[1], &m) == nil {
					return m.ID, m.Message, m.Data
				}
			}
		}
		if id, _, _ := hear(); id != 1 {
			t.Fatalf("%s: %d comes first", who.ID, id)
		}
		if _, err := dev.WriteString(who.QR() + "\r\n"); err != nil {
			t.Fatal(err)
		}
		id, message, data := hear()
		if id != 2 || data["idCode"] != who.Number || data["personName"] != who.FullName {
			t.Fatalf("%s: %d %s %v", who.ID, id, message, data)
		}
		if id, _, data = hear(); id != 4 || data["dg13"] == "" {
			t.Errorf("%s: %d", who.ID, id)
		}
		if img, err := base64.StdEncoding.DecodeString(data["img_data"]); who.ID == "an" && (err != nil || !bytes.HasPrefix(img, []byte{0xFF, 0xD8})) {
			t.Errorf("%s: no JPEG", who.ID)
		}
		eventually(t, "it is posted", func() bool { mu.Lock(); defer mu.Unlock(); return len(posted) == i+1 })
		mu.Lock()
		if posted[i]["id_card"] != who.Number {
			t.Errorf("%s: %v", who.ID, posted[i])
		}
		mu.Unlock()
		if err := sim.Remove(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	written := log.String()
	for _, who := range chip.Personas() {
		for _, secret := range []string{who.Number, who.FullName, who.CAN(), who.Residence, who.QR(), who.DateOfBirth, base64.StdEncoding.EncodeToString([]byte(who.FullName)), "key=hospital"} {
			if len(secret) > 4 && strings.Contains(written, secret) {
				t.Errorf("%s: %q is in the log", who.ID, secret)
			}
		}
	}
}
