package main

import (
	"errors"
	"net"
	"os/exec"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// exitcode N PROGRAM ARG… runs a program and wants exactly that exit code. testscript's own exec only knows zero and not.
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// freeport NAME puts a free loopback port into the environment.
func freeport(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv(args[0], port)
}

// cardreader N PROFILE PERSONA READ-ARG… reads a simulated card through a reader on a loopback port, and wants that exit
// code of the reading program.
func cardreader(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: cardreader N profile persona read-args...")
	}
	freeport(ts, false, []string{"CARDPORT"})
	addr := "127.0.0.1:" + ts.Getenv("CARDPORT")
	sim, err := simulate(ts, addr, args[1], args[2])
	ts.Check(err)
	defer sim()
	exitcode(ts, false, append([]string{args[0], "tapcheck", "read", "--reader", "tcp:" + addr}, args[3:]...))
}

// simulate plugs a card in as soon as somebody listens at addr. The returned function takes it out.
func simulate(ts *testscript.TestScript, addr, profile, persona string) (func(), error) {
	cmd := exec.Command("tapcheck", "sim", "--vpcd", addr, "--profile", profile, "--persona", persona, "--wait", "30s")
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"TAPCHECK_LANG=en", "PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}
