package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary the program itself where a script calls it.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "portrait-child" {
		// The program starts itself again to decode a picture, and finds this binary under its own name.
		os.Exit(run(context.Background(), os.Args[1:], Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}))
	}
	testscript.Main(m, map[string]func(){"tapcheck": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}))
	}})
}

// TestScripts runs testdata/scripts/tapcheck: one file a case, with what it expects in it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/scripts/tapcheck",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TAPCHECK_CONFIG", e.WorkDir+"/tapcheck.toml")
			e.Setenv("TAPCHECK_DATA", e.WorkDir+"/data")
			e.Setenv("TAPCHECK_LANG", "en")
			lists, err := filepath.Abs("../../icao/trust/testdata")
			e.Setenv("TRUSTDATA", lists) // certificates and lists that openssl made
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exitcode": exitcode, "freeport": freeport, "cardreader": cardreader},
	})
}
