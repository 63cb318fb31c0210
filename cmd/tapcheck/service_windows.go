package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// withManager connects to the service control manager.
func withManager(do func(*mgr.Mgr) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return err
	}
	defer func() { _ = m.Disconnect() }()
	return do(m)
}

func (a *app) withService(do func(*mgr.Service) error) error {
	return withManager(func(m *mgr.Mgr) error {
		s, err := m.OpenService(serviceName)
		if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			return a.notInstalled()
		}
		if err != nil {
			return err
		}
		defer s.Close()
		return do(s)
	})
}

func (a *app) installService(account string, start bool) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return withManager(func(m *mgr.Mgr) error {
		s, err := m.OpenService(serviceName)
		if err != nil { // no dependency on SCardSvr: it ends with the last reader, and would end us
			s, err = m.CreateService(serviceName, program, mgr.Config{
				StartType: mgr.StartAutomatic, DisplayName: "Tapcheck", Description: "Chip ID card to check-in, for hospital reception desks.", ServiceStartName: account,
			}, "run", "--service")
		}
		if err != nil {
			return err
		}
		defer s.Close()
		a.configure(s)
		if !start {
			return nil
		}
		if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
			return err
		}
		return await(s, svc.Running)
	})
}

func (a *app) configureService() error {
	return a.withService(func(s *mgr.Service) error {
		a.configure(s)
		return nil
	})
}

// configure sets what lies beyond the registration. Each step is done as far as this Windows lets (wine, for one, knows few of
// them) and said where it does not: none of them is worth an installation that fails.
func (a *app) configure(s *mgr.Service) {
	say := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(a.Stderr, "tapcheck: %s: %v\n", what, err)
		}
	}
	again := func(after time.Duration) mgr.RecoveryAction {
		return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
	}
	say("recovery", s.SetRecoveryActions([]mgr.RecoveryAction{again(5 * time.Second), again(30 * time.Second), again(2 * time.Minute)}, 86400))
	say("recovery after an error", s.SetRecoveryActionsOnNonCrashFailures(true))
	c, err := s.Config()
	if err == nil {
		// UpdateConfig stops at the first step that is refused; so the registration comes first, alone, with a quoted path.
		if program, e := os.Executable(); e == nil {
			c.BinaryPathName = `"` + program + `" run --service`
		}
		c.StartType, c.DelayedAutoStart, c.SidType = mgr.StartAutomatic, true, windows.SERVICE_SID_TYPE_UNRESTRICTED
		err = s.UpdateConfig(c)
	}
	say("delayed start and the service's own SID", err)
	dir, err := a.dataFolder()
	if err == nil {
		err = prepareData(dir)
	}
	say("data folder", err)
	say("schedule of updates", scheduleUpdates(a.ctx))
	if err := eventlog.InstallAsEventCreate(serviceName, eventlog.Error|eventlog.Warning|eventlog.Info); err != nil && !errors.Is(err, os.ErrExist) {
		if known, e := eventlog.Open(serviceName); e == nil { // it is there from before
			_ = known.Close()
		} else {
			say("event log", err)
		}
	}
}

func (a *app) uninstallService() (string, error) {
	err := a.withService(func(s *mgr.Service) error {
		if err := stopService(s); err != nil {
			return err
		}
		return s.Delete()
	})
	if err != nil {
		return "", err
	}
	_ = eventlog.Remove(serviceName)
	unscheduleUpdates(a.ctx)
	return a.say(`Đã gỡ dịch vụ. Cấu hình và dữ liệu còn ở %ProgramData%\Tapcheck.`, `The service is gone. Settings and data stay in %ProgramData%\Tapcheck.`), nil
}

func (a *app) controlService(what string) error {
	return a.withService(func(s *mgr.Service) error {
		if what == "reload" {
			_, err := s.Control(svc.ParamChange)
			return err
		}
		if what != "start" {
			if err := stopService(s); err != nil || what == "stop" {
				return err
			}
		}
		if err := s.Start(); err != nil && !errors.Is(err, windows.ERROR_SERVICE_ALREADY_RUNNING) {
			return err
		}
		return await(s, svc.Running)
	})
}

// stopService stops the service and waits for its end.
func stopService(s *mgr.Service) error {
	_, err := s.Control(svc.Stop)
	if errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return nil
	}
	if err != nil {
		return err
	}
	return await(s, svc.Stopped)
}

// await waits until the service is in a state, for serviceWait.
func await(s *mgr.Service, want svc.State) error {
	for deadline := time.Now().Add(serviceWait); ; time.Sleep(100 * time.Millisecond) {
		now, err := s.Query()
		if err != nil || now.State == want {
			return err
		}
		if want == svc.Running && now.State == svc.Stopped {
			return fmt.Errorf("the service ended at once, with %d (event log: %s)", now.ServiceSpecificExitCode, serviceName)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the service is not where it should be after %v", serviceWait)
		}
	}
}

func (a *app) serviceState() (serviceState, error) {
	st := serviceState{Service: serviceName}
	err := withManager(func(m *mgr.Mgr) error {
		s, err := m.OpenService(serviceName)
		if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
			return nil
		}
		if err != nil {
			return err
		}
		defer s.Close()
		st.Installed = true
		now, err := s.Query()
		if err != nil {
			return err
		}
		names := map[svc.State]string{
			svc.Stopped: "stopped", svc.StartPending: "starting", svc.StopPending: "stopping", svc.Running: "running",
			svc.ContinuePending: "continuing", svc.PausePending: "pausing", svc.Paused: "paused",
		}
		st.State, st.PID = names[now.State], int(now.ProcessId)
		st.Running = now.State == svc.Running || now.State == svc.StartPending
		if c, err := s.Config(); err == nil {
			st.Program = c.BinaryPathName
			st.Start = map[uint32]string{mgr.StartAutomatic: "automatic", mgr.StartManual: "manual", mgr.StartDisabled: "disabled"}[c.StartType]
			if c.DelayedAutoStart {
				st.Start += ", delayed"
			}
		}
		return nil
	})
	return st, err
}

// serviceFacts are what the SCM knows, for support.
func (a *app) serviceFacts() (any, error) {
	s, err := a.serviceState()
	s.Program = ""
	return map[string]any{"state": s}, err
}

// serviceLog is the end of what the service has logged into its data folder.
func (a *app) serviceLog() ([]byte, error) {
	dir, err := a.dataFolder()
	if err != nil {
		return nil, err
	}
	return readLogFiles(filepath.Join(dir, logFolder), logTail)
}
