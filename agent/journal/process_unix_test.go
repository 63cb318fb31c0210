//go:build unix

package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func init() {
	// Writes until no file may grow any more, then lets them grow again.
	children["full"] = func(path string) int {
		ctx := context.Background()
		j, err := Open(ctx, Options{Path: path, Key: testKey})
		if err != nil {
			fmt.Println("open:", err)
			return 1
		}
		signal.Ignore(syscall.SIGXFSZ)
		var old syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			return 1
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 200 << 10, Max: old.Max}); err != nil {
			return 1
		}
		n, c := 0, checkin(0)
		for ; err == nil && n < 1000; n++ {
			c = checkin(n)
			c.Body = make([]byte, 8000)
			err = j.PutCheckin(ctx, c)
		}
		if !errors.Is(err, ErrUnwritable) {
			fmt.Println("full:", err)
			return 1
		}
		// After a fault the log is folded back, which may have made the little room that one more row needs.
		if err := j.PutCheckin(ctx, c); err != nil && !errors.Is(err, ErrUnwritable) {
			fmt.Println("still full:", err)
			return 1
		}
		if _, err := j.Checkins(ctx, c.Owner, day, 1000); err != nil {
			fmt.Println("reading:", err)
			return 1
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			return 1
		}
		if err := j.PutCheckin(ctx, c); err != nil {
			fmt.Println("room again:", err)
			return 1
		}
		got, err := j.Checkins(ctx, c.Owner, day, 1000)
		if err != nil || len(got) != n {
			fmt.Println("rows:", len(got), n, err)
			return 1
		}
		if err := j.Close(); err != nil {
			fmt.Println("close:", err)
			return 1
		}
		fmt.Println("good")
		return 0
	}
	children["readonly"] = func(path string) int {
		_, err := Open(context.Background(), Options{Path: path, Key: testKey})
		fmt.Println(errors.Is(err, ErrUnwritable), err)
		return 0
	}
}

// A disk on which no file can grow.
func TestFullDisk(t *testing.T) {
	out, err := child(t, "full", newPath(t)).Output()
	if err != nil || strings.TrimSpace(string(out)) != "good" {
		t.Errorf("%s (%v)", out, err)
	}
}

// A journal, and a folder, in which this user may only read.
func TestReadOnly(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	ok(t, j.PutCheckin(context.Background(), checkin(1)))
	ok(t, j.Close())
	dir := filepath.Dir(path)
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		ok(t, os.Chmod(d, 0o755))
	}
	ok(t, os.Chmod(path, 0o444))
	ok(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })

	for _, p := range []string{path, filepath.Join(dir, "new.db")} {
		c := child(t, "readonly", p)
		if os.Getuid() == 0 { // root may write everything: somebody else has to try, with a program that he may read
			bin := filepath.Join(t.TempDir(), "child")
			copyFile(t, c.Path, bin)
			for d := filepath.Dir(bin); len(d) > len(os.TempDir()); d = filepath.Dir(d) {
				ok(t, os.Chmod(d, 0o755))
			}
			env := c.Env
			c = exec.Command(bin)
			c.Env, c.Dir = env, "/"
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := c.Output()
		if errors.Is(err, os.ErrPermission) {
			t.Skip("the temporary folder cannot be reached by another user")
		}
		if err != nil || !strings.HasPrefix(string(out), "true") {
			t.Errorf("%s (%v)", out, err)
		}
		if strings.Contains(string(out), dir) {
			t.Errorf("the error tells the path: %s", out)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in := must(os.Open(from))(t)
	defer in.Close()
	out := must(os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755))(t)
	_, err := io.Copy(out, in)
	ok(t, errors.Join(err, out.Close()))
}
