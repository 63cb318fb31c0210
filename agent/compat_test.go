package agent

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 4000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// What is wrong with the ways keeps the agent from nothing, and is said.
func TestWaysThatDoNotWork(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	wrong := filepath.Join(t.TempDir(), "map.toml")
	if err := os.WriteFile(wrong, []byte("[[webhook.fields]]\nname = \"a\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*settings.Settings)
		code   health.Code
	}{
		"the port is taken": {func(s *settings.Settings) {
			s.Compat.SocketIO, s.Compat.SocketIOPrograms, s.Compat.SocketIOPort = true, true, taken.Addr().(*net.TCPAddr).Port
		}, health.CompatPortTaken},
		"the mapping has a mistake": {func(s *settings.Settings) { s.Compat.SocketIO, s.Compat.MappingFile = true, wrong }, health.CompatUnusable},
		"nobody may listen":         {func(s *settings.Settings) { s.Compat.SocketIO = true }, health.CompatUnusable},
		"the secret is not there": {func(s *settings.Settings) {
			s.Compat.WebhookURL, s.Compat.WebhookSecret = "http://127.0.0.1:1/", "/nowhere"
		}, health.CompatUnusable},
		"the serial port is not there": {func(s *settings.Settings) { s.Scanner.Serial = "/nowhere/ttyACM0" }, health.ScannerAbsent},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings.Default()
			c.change(&s)
			state := &health.Tracker{}
			w := openWays(Options{Settings: s, Readers: virtual.New()}, nil, state, nil, func(string, map[string]any) {})
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				w.run(ctx)
			}()
			eventually(t, string(c.code), func() bool {
				list := state.List(catalog.EN)
				return len(list) == 1 && list[0].Code == c.code
			})
			stop()
			<-ended
		})
	}
}

// The console copies in the hospital's own order and form, where the mapping has one.
func TestTheConsoleCopiesByTheMapping(t *testing.T) {
	if copier("") != nil || copier("/nowhere") != nil {
		t.Error("without a mapping the page copies as it shows")
	}
	texts := copier(filepath.Join("..", "testdata", "mapping", "his-vn.toml"))(checkin.Result{Identity: &lds.Identity{FullName: "Nguyễn Văn An", Number: "001099012345"}})
	if d := cmp.Diff([]string{"NGUYỄN VĂN AN", "001099012345"}, texts); d != "" {
		t.Error(d)
	}
}
