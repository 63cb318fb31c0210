package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/his/client"
	"github.com/tapcheck/tapcheck/agent/his/schema/schematest"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// program is the real binary, running.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	data   string
	tmp    string
	stderr *lockedBuffer
	done   chan struct{}
	err    error
}

// lockedBuffer collects what a program writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs `tapcheck ARG…` with a data folder and a temporary folder of its own. before changes the command.
func start(t *testing.T, before func(*exec.Cmd), args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	p := &program{t: t, data: filepath.Join(dir, "data"), tmp: filepath.Join(dir, "tmp"), stderr: &lockedBuffer{}, done: make(chan struct{})}
	if err := os.Mkdir(p.tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "tapcheck.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(binary(), append([]string{"--data", p.data, "--config", config, "--lang", "en"}, args...)...)
	if args[0] == "demo" {
		p.data = filepath.Join(p.data, simulationFolder) // a simulation never uses the agent's own
	}
	p.cmd.Env = append(os.Environ(), "TMPDIR="+p.tmp)
	p.cmd.Stderr = p.stderr
	p.cmd.Stdout = p.stderr
	if before != nil {
		before(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.stop)
	return p
}

// binary is the program: this test as the program (TestMain), or what `make bench` has built.
func binary() string { return cmp.Or(os.Getenv("TAPCHECK_BIN"), "tapcheck") }

// stop interrupts the program and waits for its end.
func (p *program) stop() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		p.t.Error("the program did not stop within 10 s of being interrupted")
	}
}

// addr waits for the port file and gives host:port.
func (p *program) addr() string {
	p.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		var info struct {
			Port int `json:"port"`
		}
		if raw, err := os.ReadFile(filepath.Join(p.data, "port.json")); err == nil && json.Unmarshal(raw, &info) == nil {
			return fmt.Sprintf("127.0.0.1:%d", info.Port)
		}
		select {
		case <-p.done:
			p.t.Fatalf("the program ended: %v\n%s", p.err, p.stderr)
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.t.Fatalf("no port was published\n%s", p.stderr)
	return ""
}

// token makes a token in the program's data folder, once the program has made that.
func (p *program) token(args ...string) string {
	p.t.Helper()
	p.addr()
	out, err := exec.Command(binary(), append([]string{"--data", p.data, "token", "add"}, args...)...).Output()
	if err != nil {
		p.t.Fatalf("token add: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// session is an open session of one client.
type session struct {
	t *testing.T
	*client.Client
}

// open connects and opens a session. An origin makes it a web page's.
func (p *program) open(origin, token string) *session {
	p.t.Helper()
	o := client.Options{Addr: p.addr(), Origin: origin, Trace: p.trace()}
	params := map[string]any{"protocol": 1, "client": map[string]string{"name": "test", "version": "1"}, "language": "vi"}
	if origin == "" {
		o.Bearer = token
	} else {
		params["token"] = token
	}
	c, err := client.Dial(p.t.Context(), o)
	if err != nil {
		p.t.Fatalf("dial: %v\n%s", err, p.stderr)
	}
	s := &session{p.t, c}
	p.t.Cleanup(func() { _ = c.Close() })
	if err := s.call("session.open", params, nil); err != nil {
		p.t.Fatalf("session.open: %v", err)
	}
	return s
}

// trace holds every frame of one connection, in both directions, to the protocol's document.
func (p *program) trace() func(sent bool, frame []byte) {
	frames := &schematest.Checker{}
	return func(sent bool, frame []byte) {
		if sent {
			frames.Sent(frame)
		} else if err := frames.Received(frame); err != nil {
			p.t.Errorf("%v\n%.2000s", err, frame)
		}
	}
}

func (s *session) call(method string, params, result any) error {
	ctx, stop := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer stop()
	return s.Call(ctx, method, params, result)
}

// must makes a call that has to succeed. A test asks faster than any desk, so it comes back when it was told that this is too fast.
func (s *session) must(method string, params any) {
	s.t.Helper()
	err := s.call(method, params, nil)
	for range 5 {
		if err == nil || !strings.Contains(err.Error(), "RATE_LIMITED") {
			break
		}
		time.Sleep(time.Second)
		err = s.call(method, params, nil)
	}
	if err != nil {
		s.t.Fatalf("%s: %v", method, err)
	}
}

// wait gives the next notification of a method that ok accepts (nil: any).
func (s *session) wait(method string, ok func(json.RawMessage) bool) json.RawMessage {
	s.t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case n, open := <-s.Notifications():
			if !open {
				s.t.Fatalf("connection closed while waiting for %s", method)
			}
			if n.Method == method && (ok == nil || ok(n.Params)) {
				return n.Params
			}
		case <-limit:
			s.t.Fatalf("no %s", method)
		}
	}
}

// result waits for the result of a job.
func (s *session) result(job string) checkin.Result {
	s.t.Helper()
	var r checkin.Result
	s.wait(checkin.EventResult, func(raw json.RawMessage) bool {
		r = checkin.Result{}
		return json.Unmarshal(raw, &r) == nil && r.JobID == job
	})
	return r
}

// lines gives the lines that a program has written so far.
func (p *program) lines() []string {
	var list []string
	in := bufio.NewScanner(strings.NewReader(p.stderr.String()))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		list = append(list, in.Text())
	}
	return list
}

// hurried lets clients of a demo ask faster than any desk does, and gives the insurer one second, so that a test need not wait. It
// goes into start's before.
func hurried(t *testing.T) func(*exec.Cmd) {
	return func(c *exec.Cmd) {
		t.Helper()
		dir := filepath.Join(c.Args[2], simulationFolder) // behind --data
		err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, keys.SimulationFile), nil, 0o600),
			os.WriteFile(filepath.Join(dir, "tapcheck.toml"), []byte("[his]\nrequests_per_second = 1000\n[insurance]\nwait_ms = 1000\n"), 0o600))
		if err != nil {
			t.Fatal(err)
		}
	}
}
