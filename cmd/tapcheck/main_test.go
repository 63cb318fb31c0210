package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
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
	commands := map[string]func(){"tapcheck": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		prepare()
		os.Exit(run(ctx, os.Args[1:], Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Environ: os.Environ}))
	}}
	maps.Copy(commands, helpers)
	testscript.Main(m, commands)
}

// prepare is what this system's program needs for a test.
var prepare = func() {}

// helpers are other programs that this test binary is, by the names that it is called by.
var helpers = map[string]func(){}

// TestScripts runs testdata/scripts/tapcheck: one file a case, with what it expects in it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/scripts/tapcheck",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			// A file that is named must be there; a script that says nothing about settings has an empty one.
			config := filepath.Join(e.WorkDir, "tapcheck.toml")
			if _, err := os.Stat(config); errors.Is(err, fs.ErrNotExist) {
				if err := os.WriteFile(config, nil, 0o600); err != nil {
					return err
				}
			}
			e.Setenv("TAPCHECK_CONFIG", config)
			e.Setenv("TAPCHECK_DATA", e.WorkDir+"/data")
			e.Setenv("TAPCHECK_LANG", "en")
			lists, err := filepath.Abs("../../icao/trust/testdata")
			e.Setenv("TRUSTDATA", lists) // certificates and lists that openssl made
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exitcode": exitcode, "freeport": freeport, "cardreader": cardreader},
	})
}
