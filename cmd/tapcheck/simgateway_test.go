//go:build !windows

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/insurance"
)

// TestSimGateway: a vendor starts the gateway, points settings at it, and sees a desk's answers change as he types.
func TestSimGateway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gateway")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	in, typed := io.Pipe()
	told, errs := io.Pipe()
	out, say := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"--lang", "en", "sim", "gateway", "--addr", "127.0.0.1:0", "--settings", dir}, Env{Stdin: in, Stdout: say, Stderr: errs, Getenv: func(string) string { return "" }})
		_, _ = say.Close(), errs.Close()
		ended <- code
	}()
	lines := bufio.NewScanner(out)
	all := ""
	for !strings.Contains(all, "Ctrl-C") && lines.Scan() {
		all += lines.Text() + "\n"
	}
	for _, want := range []string{"http://127.0.0.1:", "01004_BV", "Nguyễn Văn An", "code:060", "history_down", "tapcheck --config " + dir} {
		if !strings.Contains(all, want) {
			t.Errorf("it does not tell %q:\n%s", want, all)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	s, err := settings.Load(filepath.Join(dir, simSettings))
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	p, err := insurer(s.Insurance, func(event string, fields map[string]any) { fmt.Fprintln(&logged, event, fields) })
	if err != nil {
		t.Fatal(err)
	}
	defer p.(io.Closer).Close()
	said := bufio.NewScanner(told)
	for _, c := range []struct {
		scenario string
		state    insurance.State
		code     string
	}{{"", insurance.Eligible, "000"}, {"code:060", insurance.Check, "060"}, {"nosuch", insurance.Check, "060"}, {"code:110", insurance.NotEligible, "110"}, {"normal", insurance.Eligible, "000"}} {
		if c.scenario != "" {
			if _, err := io.WriteString(typed, c.scenario+"\n"); err != nil {
				t.Fatal(err)
			}
			said.Scan() // it has been heard
		}
		e, err := p.Check(ctx, insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"})
		if err != nil || e.State != c.state || e.Code != c.code || e.Source != insurance.SourceTraining {
			t.Errorf("%q: %+v %v", c.scenario, e, err)
		}
	}
	if l := logged.String(); !strings.Contains(l, "bhyt.call") || strings.Contains(l, "http") || strings.Contains(l, "001099012345") || strings.Contains(l, "_BV") {
		t.Errorf("logged: %s", l)
	}
	_ = typed.Close()
	stop()
	if code := <-ended; code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}
