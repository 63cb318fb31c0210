//go:build !windows

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// managed runs what a service does. systemd needs nothing but signals, which main has, and what manager tells it.
func (a *app) managed(run func(alone bool) error) error { return run(false) }

// onHangup calls do at each SIGHUP, until it is stopped.
func onHangup(do func()) (stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-c:
				do()
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(c); close(done) }
}
