package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
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

// stopHint is what the manager is told that stopping takes at most.
const stopHint = 5 * time.Second

// Execute implements svc.Handler. It is running at once: whatever is missing is said by the agent's health, and a start that
// failed would undo an installation.
func (s *service) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	const accepts = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown | svc.AcceptParamChange
	ctx, stop := context.WithCancel(s.a.ctx)
	defer stop()
	s.a.ctx = ctx
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

// complain leaves in the event log why the service ended, in the words that a terminal would show.
func (s *service) complain() {
	s.a.complain(s.err)
	log, err := eventlog.Open(serviceName)
	if err != nil {
		return
	}
	defer log.Close()
	_ = log.Error(1, s.a.inWords(s.err))
}

// onHangup has nothing to do: Windows has no such signal, and the service is asked by the SCM.
func onHangup(func()) (stop func()) { return func() {} }
