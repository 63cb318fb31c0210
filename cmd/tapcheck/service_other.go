//go:build !linux && !windows

package main

import "errors"

var errNoServices = errors.New("services are for Windows and for Linux with systemd")

func (a *app) installService(string, bool) error   { return errNoServices }
func (a *app) uninstallService() (string, error)   { return "", errNoServices }
func (a *app) controlService(string) error         { return errNoServices }
func (a *app) configureService() error             { return errNoServices }
func (a *app) serviceState() (serviceState, error) { return serviceState{}, errNoServices }
