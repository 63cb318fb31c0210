package main

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/windows/svc"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/catalog"
)

// TestServiceAnswersTheManager plays the service control manager: it is running at once, passes on what happens to the PC, reads
// its settings again when it is told to, and stops.
func TestServiceAnswersTheManager(t *testing.T) {
	a := &app{ctx: t.Context(), lang: catalog.EN, Env: Env{Stderr: &bytes.Buffer{}}, renew: make(chan struct{}, 1), moments: make(chan agent.Moment, 8)}
	began := make(chan bool, 1)
	s := &service{a: a}
	s.run = func(alone bool) error {
		began <- alone
		<-a.ctx.Done() // of the service, which Execute has put there
		return nil
	}
	requests, status := make(chan svc.ChangeRequest), make(chan svc.Status, 8)
	type end struct {
		specific bool
		code     uint32
	}
	ended := make(chan end, 1)
	go func() {
		specific, code := s.Execute(nil, requests, status)
		ended <- end{specific, code}
	}()
	now := <-status
	if want := svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown | svc.AcceptParamChange | svc.AcceptSessionChange | svc.AcceptPowerEvent; now.State != svc.Running || now.Accepts != want {
		t.Errorf("it says %+v at first", now)
	}
	if alone := <-began; !alone {
		t.Error("it does not know that nobody reads standard error")
	}
	for _, c := range []struct {
		r    svc.ChangeRequest
		want agent.Moment
	}{
		{svc.ChangeRequest{Cmd: svc.SessionChange, EventType: 7, EventData: 1}, agent.SessionsChanged}, // which must not be looked at
		{svc.ChangeRequest{Cmd: svc.PowerEvent, EventType: 0x04}, agent.PCSleeps},
		{svc.ChangeRequest{Cmd: svc.PowerEvent, EventType: 0x0A}, ""}, // the battery
		{svc.ChangeRequest{Cmd: svc.PowerEvent, EventType: 0x12}, agent.PCWoke},
	} {
		requests <- c.r
		requests <- svc.ChangeRequest{Cmd: svc.Interrogate, CurrentStatus: now} // and is done with the one before
		if got := <-status; got.State != svc.Running {
			t.Errorf("asked how it is: %+v", got)
		}
		select {
		case m := <-a.moments:
			if m != c.want {
				t.Errorf("%+v is told as %s", c.r, m)
			}
		default:
			if c.want != "" {
				t.Errorf("%+v is not told", c.r)
			}
		}
	}
	requests <- svc.ChangeRequest{Cmd: svc.ParamChange}
	requests <- svc.ChangeRequest{Cmd: svc.ParamChange}
	select {
	case <-a.renew:
	case <-time.After(10 * time.Second):
		t.Error("it does not read its settings again")
	}
	requests <- svc.ChangeRequest{Cmd: svc.Stop}
	if got := <-status; got.State != svc.StopPending || got.WaitHint != 5000 {
		t.Errorf("asked to stop: %+v", got)
	}
	if e := <-ended; e != (end{}) {
		t.Errorf("it ends with %+v", e)
	}
}
