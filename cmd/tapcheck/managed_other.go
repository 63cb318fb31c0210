//go:build !windows

package main

// managed runs what a service does. systemd needs nothing but signals, which main has, and what manager tells it.
func (a *app) managed(run func() error) error { return run() }
