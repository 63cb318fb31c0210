package agent

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

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
