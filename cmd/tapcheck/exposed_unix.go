//go:build !windows

package main

import "io/fs"

// exposed says whether others than the owner can read a file.
func exposed(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }
