package journal

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

func child(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	c := exec.Command(must(os.Executable())(t))
	c.Env = append(os.Environ(), childEnv+"="+name, pathEnv+"="+path)
	c.Stderr = &bytes.Buffer{}
	return c
}

func init() {
	// Writes for ever and says after each row that it is there.
	children["writer"] = func(path string) int {
		ctx := context.Background()
		j, err := Open(ctx, Options{Path: path, Key: testKey})
		if err != nil {
			fmt.Println("cannot open:", err)
			return 1
		}
		s, err := j.Stats(ctx)
		if err != nil {
			return 1
		}
		for i := int(s.Checkins); ; i++ {
			c := checkin(i)
			c.Body = make([]byte, i*977%20000)
			if err := j.PutAttempt(ctx, Attempt{LookupID: c.ID, At: day, Outcome: "answered"}); err != nil {
				return 1
			}
			if err := j.PutCheckin(ctx, c); err != nil {
				fmt.Println("cannot write:", err)
				return 1
			}
			fmt.Println(i + 1)
		}
	}
	// Opens, writes a little, and says how much memory it keeps.
	children["idle"] = func(path string) int {
		ctx := context.Background()
		before := resident()
		j, err := Open(ctx, Options{Path: path, Key: testKey})
		if err != nil {
			return 1
		}
		for i := range 50 {
			if j.PutCheckin(ctx, checkin(i)) != nil {
				return 1
			}
		}
		debug.FreeOSMemory()
		fmt.Println(before, resident())
		if j.Close() != nil {
			return 1
		}
		return 0
	}
}

// resident memory in KiB, as Linux counts it; 0 elsewhere.
func resident() int {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	n, _ := strconv.Atoi(strings.Fields(rest + " 0 0")[0])
	return n
}

// The process is killed at any moment, again and again on the same journal: what it said is there.
func TestKill(t *testing.T) {
	rounds := 8
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		rounds = 1000
	}
	ctx, path, said := context.Background(), newPath(t), 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(42, uint64(round)))
		c := child(t, "writer", path)
		out := must(c.StdoutPipe())(t)
		ok(t, c.Start())
		// The moment is so many rows, and then anywhere within the next one.
		rows, within := 1+rng.IntN(12), time.Duration(rng.IntN(3000))*time.Microsecond
		lines := bufio.NewScanner(out)
		for range rows {
			if !lines.Scan() {
				break
			}
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("round %d: the writer says %q", round, lines.Text())
			}
			said = n
		}
		time.Sleep(within)
		ok(t, c.Process.Kill())
		for lines.Scan() { // what it said until it died
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				said = n
			}
		}
		_ = c.Wait()
	}
	j := open(t, path)
	s := must(j.Stats(ctx))(t)
	// The row that was being written may be there too, once per kill at most.
	if s.Checkins < int64(said) || s.Checkins > int64(said)+1 || s.Attempts < int64(said) {
		t.Errorf("the writer said %d; there are %d check-ins and %d attempts", said, s.Checkins, s.Attempts)
	}
	for i, c := range must(j.Checkins(ctx, checkin(0).Owner, day, 1000))(t) {
		if c.ID != checkin(i).ID || len(c.Body) != i*977%20000 {
			t.Errorf("row %d came back as another", i)
		}
	}
}

func TestIdleMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("resident memory is read from /proc")
	}
	out := must(child(t, "idle", newPath(t)).Output())(t)
	var before, after int
	if _, err := fmt.Sscan(string(out), &before, &after); err != nil {
		t.Fatal(err)
	}
	t.Logf("resident: %d KiB before the journal was opened, %d KiB with it open and idle", before, after)
	if after-before > 12<<10 && !raceEnabled {
		t.Errorf("the journal takes %d KiB; the whole idle agent may take 40 MiB", after-before)
	}
}
