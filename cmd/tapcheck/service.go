package main

import (
	"fmt"
	"time"
)

// serviceName is what the service is called, by systemd and by Windows.
const serviceName = "tapcheck"

// serviceWait is how long a command waits for the service manager.
const serviceWait = 30 * time.Second

type serviceCmd struct {
	Install   serviceInstallCmd   `cmd:"" help:"Make this program a service of the PC, and start it."`
	Uninstall serviceUninstallCmd `cmd:"" help:"Stop the service and take it away. Settings and data stay."`
	Start     serviceStartCmd     `cmd:"" help:"Start the service."`
	Stop      serviceStopCmd      `cmd:"" help:"Stop the service."`
	Restart   serviceRestartCmd   `cmd:"" help:"Stop the service and start it again."`
	Reload    serviceReloadCmd    `cmd:"" help:"Let the service read its settings again. What needs a restart stands in its health."`
	Status    serviceStatusCmd    `cmd:"" help:"Say whether the service runs, and what is wrong with it. Ends with 1 if it does not run."`
	Configure serviceConfigureCmd `cmd:"" help:"Set the service's folders, recovery and start up again, as install does."`
}

// serviceState is what the service manager knows.
type serviceState struct {
	Service   string `json:"service"`
	Installed bool   `json:"installed"`
	State     string `json:"state"`             // in the manager's own word, such as "active" or "running"
	Running   bool   `json:"running"`           // also while it starts again by itself
	Start     string `json:"start"`             // whether it starts with the PC, in the manager's own word
	PID       int    `json:"pid,omitempty"`     // 0: none
	Restarts  int    `json:"restarts"`          // how often the manager has started it again; systemd alone knows
	Status    string `json:"status,omitempty"`  // address and health codes; systemd alone knows
	Program   string `json:"program,omitempty"` // what is started
}

type serviceInstallCmd struct {
	Account string `help:"Windows: the account that the service runs as." default:"NT AUTHORITY\\LocalService" placeholder:"NAME"`
	NoStart bool   `help:"Do not start it now."`
}

// Run makes the service.
func (c serviceInstallCmd) Run(a *app) error {
	if err := a.installService(c.Account, !c.NoStart); err != nil {
		return err
	}
	a.printf("%s\n", a.say("Đã cài dịch vụ.", "The service is installed."))
	return nil
}

type serviceUninstallCmd struct{}

// Run takes the service away.
func (serviceUninstallCmd) Run(a *app) error {
	said, err := a.uninstallService()
	if err != nil {
		return err
	}
	a.printf("%s\n", said)
	return nil
}

type serviceStartCmd struct{}

// Run starts the service.
func (serviceStartCmd) Run(a *app) error { return a.controlService("start") }

type serviceStopCmd struct{}

// Run stops the service.
func (serviceStopCmd) Run(a *app) error { return a.controlService("stop") }

type serviceRestartCmd struct{}

// Run starts the service anew.
func (serviceRestartCmd) Run(a *app) error { return a.controlService("restart") }

type serviceReloadCmd struct{}

// Run has the service read its settings again, unless they have a mistake: it would go on with those that it has.
func (serviceReloadCmd) Run(a *app) error {
	if _, err := a.settings(); err != nil {
		return err
	}
	return a.controlService("reload")
}

type serviceConfigureCmd struct{}

// Run sets again what install sets.
func (serviceConfigureCmd) Run(a *app) error { return a.configureService() }

type serviceStatusCmd struct {
	JSON bool `help:"As JSON."`
}

// Run shows how the service does.
func (c serviceStatusCmd) Run(a *app) error {
	s, err := a.serviceState()
	if err != nil {
		return err
	}
	if c.JSON {
		err = a.json(s)
	} else {
		a.showState(s)
	}
	if err == nil && !s.Running {
		return exitStatus(exitFailed)
	}
	return err
}

func (a *app) showState(s serviceState) {
	if !s.Installed {
		a.printf("%s\n", a.say("Chưa cài dịch vụ (tapcheck service install).", "The service is not installed (tapcheck service install)."))
		return
	}
	a.printf("%s: %s, %s\n", s.Service, s.State, s.Start)
	if s.PID != 0 {
		a.printf("  pid %d", s.PID)
		if s.Restarts > 0 {
			a.printf(", %s %d", a.say("số lần tự khởi động lại:", "started again by itself:"), s.Restarts)
		}
		a.printf("\n")
	}
	for _, line := range []string{s.Status, s.Program} {
		if line != "" {
			a.printf("  %s\n", line)
		}
	}
}

// notInstalled is the error of a command for a service that is not there.
func (a *app) notInstalled() error {
	return fmt.Errorf("%s", a.say("chưa cài dịch vụ: chạy tapcheck service install", "the service is not installed: run tapcheck service install"))
}
