//go:build !windows

package main

import "path/filepath"

// programData is Windows' alone; nothing asks for it elsewhere.
func programData() string { return "" }

// publishPort has nothing to do: files say it (portFiles).
func publishPort(string) (remove func()) { return func() {} }

// servicePort is what the service publishes. Its folder is one that nobody else can write to.
func servicePort() (port int, ok bool) { return portIn(filepath.Join(runFolder, portFile)) }
