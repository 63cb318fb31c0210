package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLogFileIsBounded writes more than the files may hold: the last lines are there, whole and in order, and no more bytes than
// are said.
func TestLogFileIsBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, err := openLogFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.most = 1000
	line := func(n int) string { return fmt.Sprintf("line %04d %s\n", n, strings.Repeat("x", 40)) }
	const lines = 500
	for n := range lines {
		if n == lines/2 { // another start
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if l, err = openLogFile(dir); err != nil {
				t.Fatal(err)
			}
			l.most = 1000
		}
		if n, err := l.Write([]byte(line(n))); err != nil || n != len(line(0)) {
			t.Fatal(n, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != logOld+1 {
		t.Errorf("%d files, %v", len(files), err)
	}
	total := int64(0)
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Size() > 1000 {
			t.Errorf("%s: %v", f.Name(), err)
		}
		total += info.Size()
	}
	raw, err := readLogFiles(dir, logTail)
	if err != nil || int64(len(raw)) != total {
		t.Fatalf("%d bytes of %d, %v", len(raw), total, err)
	}
	got := strings.SplitAfter(strings.TrimSuffix(string(raw), "\n")+"\n", "\n")
	got = got[:len(got)-1]
	for i, l := range got {
		if want := line(lines - len(got) + i); l != want {
			t.Fatalf("line %d of %d is %q, want %q", i, len(got), l, want)
		}
	}
	if len(got) < 3*1000/len(line(0)) {
		t.Errorf("only %d lines are left", len(got))
	}
	if tail, err := readLogFiles(dir, 100); err != nil || !bytes.HasSuffix(raw, tail) || len(tail) != 100 {
		t.Errorf("the tail: %d bytes, %v", len(tail), err)
	}
}

// TestRunIntoALogFile: what run logs is in its folder and nowhere else, and the service's bundle would find it.
func TestRunIntoALogFile(t *testing.T) {
	dir := t.TempDir()
	p := start(t, nil, "run", "--service", "--log", filepath.Join(dir, "log"))
	p.addr()
	p.stop()
	raw, err := readLogFiles(filepath.Join(dir, "log"), logTail)
	if err != nil || !strings.Contains(string(raw), `"message":"agent.ready"`) || !strings.Contains(string(raw), `"message":"agent.stopped"`) {
		t.Errorf("%v:\n%s", err, raw)
	}
	if said := p.stderr.String(); strings.Contains(said, "agent.ready") {
		t.Errorf("on standard error too: %s", said)
	}
}
