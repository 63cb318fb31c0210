package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/catalog/catalogtest"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// A trust folder on a share that does not answer keeps the agent neither from serving nor from stopping.
func TestAgentWithADeadTrustFolder(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	share, loading := make(chan struct{}), make(chan struct{})
	s := settings.Default()
	s.HIS.Ports = []int{0}
	ready, ended := make(chan Ready, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Settings: s, DataDir: filepath.Join(t.TempDir(), "data"), Log: zerolog.Nop(), Readers: virtual.New(), Ready: func(r Ready) { ready <- r },
			Trust: func() (*trust.Store, *trust.Report, error) { close(loading); <-share; return nil, nil, nil },
		})
	}()
	<-loading
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the agent does not stop")
	}
	close(share)
}

// What keeps an agent from starting is called by its id: a folder that is a simulation's, one that another agent works in, and
// one that cannot be made.
func TestAgentThatCannotStart(t *testing.T) {
	start := func(dir string, simulation bool) (stop func(), err error) {
		ctx, cancel := context.WithCancel(t.Context())
		s := settings.Default()
		s.HIS.Ports = []int{0}
		ready, ended := make(chan Ready, 1), make(chan error, 1)
		o := Options{
			Settings: s, DataDir: dir, Log: zerolog.Nop(), Readers: virtual.New(), Ready: func(r Ready) { ready <- r },
			Trust: func() (*trust.Store, *trust.Report, error) { return trust.Load(trust.Options{}) },
		}
		if simulation {
			o.Simulation = &Simulation{}
		}
		go func() { ended <- Run(ctx, o) }()
		select {
		case <-ready:
			return func() { cancel(); <-ended }, nil
		case err := <-ended:
			cancel()
			return func() {}, err
		}
	}
	refused := func(name, dir string, simulation bool, want catalog.ID) {
		t.Helper()
		stop, err := start(dir, simulation)
		defer stop()
		var e *catalog.Error
		if !errors.As(err, &e) || e.ID != want {
			t.Errorf("%s: %v, want %s", name, err, want)
			return
		}
		catalogtest.Saw(e.ID)
	}
	dir := filepath.Join(t.TempDir(), "data")
	stop, err := start(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	refused("two at once", dir, false, catalog.AlreadyRunning)
	stop()
	refused("a simulation in the agent's folder", dir, true, catalog.DataFolder)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a file for a folder", file, false, catalog.DataFolder)
}
