//go:build !windows

package main

// programData is Windows' alone; nothing asks for it elsewhere.
func programData() string { return "" }
