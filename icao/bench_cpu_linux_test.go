package icao_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
)

// The chip of the CPU measurement lives in a process of its own, so that what it computes is not counted as ours: the test
// binary starts itself with this variable set and serves APDUs on standard input and output, each with two bytes of length. Length
// 0 is a reset.
const chipChild = "TAPCHECK_BENCH_CHIP"

func init() {
	if profile := os.Getenv(chipChild); profile != "" {
		if err := serveChip(profile); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

func serveChip(profile string) error {
	p, err := chip.ProfileByName(profile)
	if err != nil {
		return err
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		return err
	}
	c, err := chip.New(p, who, issuer(), chip.Options{})
	if err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	for {
		cmd, err := frame(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		resp := []byte{}
		if len(cmd) == 0 {
			c.Reset()
		} else {
			resp = c.Transmit(cmd)
		}
		if _, err := os.Stdout.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(resp))), resp...)); err != nil {
			return err
		}
	}
}

func frame(r io.Reader) ([]byte, error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

type pipe struct {
	w io.Writer
	r io.Reader
}

func (p pipe) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	if _, err := p.w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(cmd))), cmd...)); err != nil {
		return nil, err
	}
	return frame(p.r)
}

// ownCPU measures the processor time that this process spends on a read, user and system.
func ownCPU(t testing.TB) string {
	t.Helper()
	const reads = 20
	line := "Own CPU per read, the chip in another process:"
	for _, profile := range []string{"cccd-mk", "cccd-javelin", "cccd-p384"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), chipChild+"="+profile)
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		who, err := chip.PersonaByName("an")
		if err != nil {
			t.Fatal(err)
		}
		p := pipe{in, bufio.NewReader(out)}
		key := qrKey(t, who)
		read := func() {
			if _, err := p.Transmit(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			doc, err := icao.Read(t.Context(), p, icao.Options{Key: key, Portrait: true, Trust: trusting(), Now: func() time.Time { return day }})
			if err != nil || doc.Portrait == nil || !doc.Anchored {
				t.Fatalf("%v", err)
			}
		}
		read() // what is computed once is not part of a read
		before := cpu(t)
		for range reads {
			read()
		}
		line += fmt.Sprintf(" %s %.1f ms,", profile, float64((cpu(t)-before).Microseconds())/reads/1000)
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	return line[:len(line)-1] + "."
}

func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
