package main

import (
	"net/netip"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// programData asks Windows itself: a service's environment can name another user's folder in %ProgramData%.
func programData() string {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		return `C:\ProgramData`
	}
	return dir
}

// Where the port is published: everybody can read it, and only SYSTEM and the Administrators can write it. Programs of 32 bits
// have a view of their own.
const (
	portKey   = `SOFTWARE\Tapcheck`
	portValue = "Port"
)

var portViews = []uint32{registry.WOW64_64KEY, registry.WOW64_32KEY}

// publishPort writes the port into the registry, and gives what takes it away again. Who may not write there (a trial without
// an administrator's rights) goes without: clients still find the port by discovery.
func publishPort(addr string) (remove func()) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return func() {}
	}
	port := uint64(at.Port())
	for _, view := range portViews {
		k, _, err := registry.CreateKey(registry.LOCAL_MACHINE, portKey, registry.SET_VALUE|view)
		if err != nil {
			continue
		}
		_ = k.SetDWordValue(portValue, uint32(port))
		_ = k.Close()
	}
	return func() {
		for _, view := range portViews {
			k, err := registry.OpenKey(registry.LOCAL_MACHINE, portKey, registry.SET_VALUE|registry.QUERY_VALUE|view)
			if err != nil {
				continue
			}
			// Another agent may have written its own since.
			if now, _, err := k.GetIntegerValue(portValue); err == nil && now == port {
				_ = k.DeleteValue(portValue)
			}
			_ = k.Close()
		}
	}
}

// servicePort is what the service publishes.
func servicePort() (port int, ok bool) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, portKey, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return 0, false
	}
	defer k.Close()
	n, _, err := k.GetIntegerValue(portValue)
	return int(n), err == nil && n > 0 && n < 1<<16
}
