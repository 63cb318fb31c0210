//go:build !linux

package main

import "context"

// listen has nobody to listen to: Windows tells its services by the manager's requests, and is asked who is present.
func (a *app) listen(context.Context) (present func(session string) bool, ended func()) {
	return nil, func() {}
}
