package main

import "golang.org/x/sys/windows"

// programData asks Windows itself: a service's environment can name another user's folder in %ProgramData%.
func programData() string {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		return `C:\ProgramData`
	}
	return dir
}
