//go:build !windows

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadmeCommands runs the README's commands as they stand there, in a fresh copy of the tree: everything in a block
// marked sh, but `make test`, which runs this test. `make demo` serves until it is interrupted; the test interrupts it
// once it says where to connect.
func TestReadmeCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program anew")
	}
	t.Parallel() // it waits for the compiler, and TestNothingPersonalIsLogged for the agent; no others, for the agent's ports are few
	root := copyTree(t)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(readme), -1) {
		script := strings.TrimSpace(block[1])
		if script == "make test" {
			continue
		}
		ran++
		t.Run(strings.SplitN(script, "\n", 2)[0], func(t *testing.T) {
			until := ""
			if script == "make demo" {
				until = "Ctrl-C"
			}
			out, err := shell(t, root, script, until)
			if err != nil {
				t.Fatalf("%s\n%v\n%s", script, err, out)
			}
			for command, want := range readmePromises {
				if strings.HasPrefix(script, command) && !strings.Contains(out, want) {
					t.Errorf("%s: no %q in\n%s", script, want, out)
				}
			}
		})
	}
	if ran != 6 {
		t.Errorf("ran %d blocks of the README; when blocks are added or removed, say so here", ran)
	}
}

// readmePromises are words that the block which begins so must print, beyond ending well.
var readmePromises = map[string]string{
	"make demo":                       "ws://127.0.0.1:",
	"bin/tapcheck demo --once --json": `"state": "complete"`,
	"make build":                      "cccd-mk",
	"bin/tapcheck read --reader tcp:": "Nguyễn Văn An",
	"bin/tapcheck config sample":      "front desk",
}

// TestReadmeExitCodes holds the tables in the READMEs and in the manual against the constants.
func TestReadmeExitCodes(t *testing.T) {
	for _, name := range []string{"README.md", "README.vi.md", "agent/console/manual/en/troubleshooting.md", "agent/console/manual/vi/troubleshooting.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range []int{exitOK, exitFailed, exitUsage, exitSettings, exitNoReader, exitNoCard, exitKey, exitKeyRejected, exitCard, exitVerdict, exitPort, exitUpdate, exitTakenBack, exitDegraded, exitRecovery, exitBackup, exitNewer, exitDisk, exitInterrupted} {
			if !strings.Contains(string(text), fmt.Sprintf("\n| %d | ", code)) {
				t.Errorf("exit code %d is not in %s", code, name)
			}
		}
	}
}

// shell runs a script. With until it is interrupted, as by Ctrl-C, once that was printed.
func shell(t *testing.T, dir, script, until string) (string, error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TAPCHECK_LANG=vi", "GOFLAGS=-buildvcs=false",
		"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"), "GOPATH="+goEnv(t, "GOPATH"))
	// A group of its own, so that an interrupt reaches make and what it started, as a terminal's does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	interrupted := false
	if until != "" {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for !interrupted && ctx.Err() == nil && cmd.ProcessState == nil {
			<-tick.C
			if strings.Contains(out.String(), until) {
				interrupted = true
				if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
					return out.String(), err
				}
			}
		}
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if interrupted && errors.As(err, &exit) {
		err = nil // make says that it was interrupted
	}
	return out.String(), err
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// copyTree copies what belongs to the project into an empty folder.
func copyTree(t *testing.T) string {
	t.Helper()
	from, to := filepath.Join("..", ".."), t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = from
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for name := range bytes.SplitSeq(bytes.TrimRight(out, "\x00"), []byte{0}) {
		if err := copyFile(filepath.Join(from, string(name)), filepath.Join(to, string(name))); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return to
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// TestReadmesSayTheSame holds the Vietnamese README to the English one: the same sections, the same blocks to be copied, the same
// commands, the same exit codes, and the chapters of the manual in its own language.
func TestReadmesSayTheSame(t *testing.T) {
	texts := map[string]string{}
	for _, name := range []string{"README.md", "README.vi.md"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(raw)
	}
	en, vi := texts["README.md"], texts["README.vi.md"]
	block := regexp.MustCompile("(?ms)^```.*?^```$|(?:^    [^\n]*\n)+")
	command := regexp.MustCompile("`((?:tapcheck|make|go|bin/tapcheck) [^`\n]+)`")
	for what, form := range map[string]*regexp.Regexp{
		"levels of headings": regexp.MustCompile("(?m)^#+ "), "blocks": block, "commands": command,
		"rows": regexp.MustCompile(`(?m)^\| \d+ \|`), "list items": regexp.MustCompile(`(?m)^- `), "chapters": regexp.MustCompile(`agent/console/manual/(?:en|vi)/[a-z]+\.md`),
	} {
		var found [2][]string
		for i, text := range []string{en, vi} {
			if what != "blocks" {
				text = block.ReplaceAllString(text, "")
			}
			found[i] = form.FindAllString(text, -1)
			switch what {
			case "commands": // a sentence may be turned round
				slices.Sort(found[i])
			case "chapters":
				for j, at := range found[i] {
					if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(at))); err != nil {
						t.Error(err)
					}
					if wrong := []string{"/vi/", "/en/"}[i]; strings.Contains(at, wrong) {
						t.Errorf("%s leads to the other language", at)
					}
					found[i][j] = filepath.Base(at)
				}
			}
		}
		if !slices.Equal(found[0], found[1]) {
			i := 0
			for i < len(found[0]) && i < len(found[1]) && found[0][i] == found[1][i] {
				i++
			}
			t.Errorf("%s: what is in one README belongs into the other too; they differ from here on:\nREADME.md: %q\nREADME.vi.md: %q", what, found[0][i:], found[1][i:])
		}
	}
	for name, text := range texts {
		for _, m := range regexp.MustCompile(`\]\(([^):#]+)[)#]`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
