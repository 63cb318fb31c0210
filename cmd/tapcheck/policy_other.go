//go:build !windows

package main

import (
	"io/fs"
	"syscall"

	"github.com/tapcheck/tapcheck/agent/settings"
)

// policyFolder holds the drop-ins of a policy. It lies beside /etc/tapcheck and not in it: the service itself may write there,
// since its console saves the settings, and a policy must outlast whoever has taken the service over.
var policyFolder = "/etc/tapcheck-policy.d"

// policyOwner is whose folder and files count. Tests run as others.
var policyOwner = 0

// policyLayers is what the administrators of this machine have decided.
func policyLayers() []settings.Layer {
	return settings.PolicyFolder(policyFolder, func(info fs.FileInfo) bool {
		st, ok := info.Sys().(*syscall.Stat_t)
		return ok && int(st.Uid) == policyOwner && info.Mode().Perm()&0o022 == 0
	})
}
