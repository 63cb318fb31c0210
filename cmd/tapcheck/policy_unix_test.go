//go:build !windows

package main

import "os"

// A script names a folder of its own as the policy's, and whoever runs it as the one whose files count.
func init() {
	prepare = func() {
		if dir := os.Getenv("TEST_POLICY_FOLDER"); dir != "" {
			policyFolder, policyOwner = dir, os.Geteuid()
		}
	}
}
