package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"

	"github.com/tapcheck/tapcheck/agent"
)

// managed runs what a service does under the service control manager, which has to be answered before anything else. Where it
// did not start the program, the program goes on in the console. Asking beforehand (svc.IsWindowsService) is wrong in containers
// (golang/go#56335) and under wine; trying is not.
func (a *app) managed(run func(alone bool) error) error {
	s := &service{a: a, run: run}
	err := svc.Run(serviceName, s)
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return run(false)
	}
	return errors.Join(err, s.err)
}

// service answers the service control manager.
type service struct {
	a   *app
	run func(alone bool) error
	err error
}

// Kinds of a power event (winuser.h, PBT_…).
const (
	pbtSuspend         = 0x04
	pbtResumeAutomatic = 0x12
)

// stopHint is what the manager is told that stopping takes at most.
const stopHint = 5 * time.Second

// Execute implements svc.Handler. It is running at once: whatever is missing is said by the agent's health, and a start that
// failed would undo an installation.
func (s *service) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	const accepts = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown | svc.AcceptParamChange | svc.AcceptSessionChange | svc.AcceptPowerEvent
	ctx, stop := context.WithCancel(s.a.ctx)
	defer stop()
	s.a.ctx = ctx
	s.a.report = func(text string) { toEventLog(func(l *eventlog.Log) error { return l.Warning(eventWarning, text) }) }
	done := make(chan error, 1)
	go func() { done <- s.run(true) }()
	status <- svc.Status{State: svc.Running, Accepts: accepts}
	for {
		select {
		case s.err = <-done:
			if s.err == nil {
				return false, 0
			}
			s.complain()
			return true, uint32(exitCode(s.err)) // the manager starts it again
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.ParamChange:
				s.a.reload()
			case svc.SessionChange: // whose it was would stand in EventData, which is gone by now
				s.a.tell(agent.SessionsChanged)
			case svc.PowerEvent:
				switch r.EventType {
				case pbtSuspend:
					s.a.tell(agent.PCSleeps)
				case pbtResumeAutomatic: // always comes; the one for a person's return does not
					s.a.tell(agent.PCWoke)
				}
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: uint32(stopHint.Milliseconds())}
				stop()
				limit := time.NewTimer(stopHint)
				defer limit.Stop()
				select {
				case s.err = <-done:
				case <-limit.C: // the journal is made for a program that ends in the middle
				}
				return false, 0
			}
		}
	}
}

// Ids of what is left in the event log: of a warning, and of what ended the service. EventCreate.exe, which is registered for
// them, shows the text as it is.
const (
	eventError   = 1
	eventWarning = 2
)

// complain leaves in the event log why the service ended, in the words that a terminal would show.
func (s *service) complain() {
	s.a.complain(s.err)
	toEventLog(func(l *eventlog.Log) error { return l.Error(eventError, s.a.inWords(s.err)) })
}

// toEventLog writes to the event log; where there is none, the log file has it.
func toEventLog(write func(*eventlog.Log) error) {
	l, err := eventlog.Open(serviceName)
	if err != nil {
		return
	}
	defer l.Close()
	_ = write(l)
}

// onHangup has nothing to do: Windows has no such signal, and the service is asked by the SCM.
func onHangup(func()) (stop func()) { return func() {} }
