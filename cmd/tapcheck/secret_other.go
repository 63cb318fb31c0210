//go:build !linux && !windows

package main

func (a *app) setSecret(string, []byte) error { return errNoServices }
func (a *app) removeSecret(string) error      { return errNoServices }

// setPolicies knows no browsers here.
func setPolicies([]policy) error { return nil }
