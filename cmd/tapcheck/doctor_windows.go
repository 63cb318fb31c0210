package main

import (
	bin "encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

func freeBytes(dir string) (uint64, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, false
	}
	return free, true
}

// checkDriver has nothing to look for: Windows brings the CCID driver.
func checkDriver(int) finding { return finding{Check: "driver"} }

// rivals are programs that are known to hold cards.
var rivals = []string{"scdaemon.exe", "gpg-agent.exe", "opensc-notify.exe"}

// cardPrograms are those of them that run.
func cardPrograms() (names []string) {
	for _, name := range processes() {
		if slices.Contains(rivals, strings.ToLower(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// processes are the names of the programs that run, by process.
func processes() map[uint32]string {
	all := map[uint32]string{}
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return all
	}
	defer func() { _ = windows.CloseHandle(snapshot) }()
	e := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snapshot, &e); err == nil; err = windows.Process32Next(snapshot, &e) {
		all[e.ProcessID] = windows.UTF16ToString(e.ExeFile[:])
	}
	return all
}

// GetExtendedTcpTable of iphlpapi.h; NewLazySystemDLL looks in the system's folder only.
var getExtendedTCPTable = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")

const tcpTableOwnerPIDListener = 3 // TCP_TABLE_OWNER_PID_LISTENER

// portHolder names the program that listens at a port, or "" where that cannot be told.
func portHolder(port int) string {
	size := uint32(64 << 10)
	var buf []byte
	for range 8 {
		buf = make([]byte, size)
		r, _, _ := getExtendedTCPTable.Call(uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0, windows.AF_INET, tcpTableOwnerPIDListener, 0)
		if r == 0 {
			break
		}
		if windows.Errno(r) != windows.ERROR_INSUFFICIENT_BUFFER || size > 8<<20 {
			return ""
		}
		buf = nil
	}
	if len(buf) < 4 {
		return ""
	}
	// MIB_TCPTABLE_OWNER_PID: a count, then rows of state, local address and port, remote address and port, process, of 4 bytes
	// each; ports stand in the network's order.
	const row = 24
	ne := bin.NativeEndian
	for i := range int(ne.Uint32(buf)) {
		at := 4 + i*row
		if at+row > len(buf) {
			break
		}
		if int(bin.BigEndian.Uint16(buf[at+8:])) == port {
			pid := ne.Uint32(buf[at+20:])
			if name := processes()[pid]; name != "" && pid != 0 {
				return fmt.Sprintf("%s (pid %d)", name, pid)
			}
		}
	}
	return ""
}

// installedBrowsers are the browsers of this PC with what their policies say.
func installedBrowsers() (list []browser) {
	for _, c := range []struct{ name, program, key string }{
		{"Chrome", "chrome.exe", chromium[0]}, {"Edge", "msedge.exe", chromium[1]},
	} {
		if !installedProgram(c.program) {
			continue
		}
		b := browser{c.name, map[string][]string{}}
		for _, name := range []string{policyLoopback, policyLocal, policyCamera, policyInsecure} {
			b.Lists[name] = policyList(c.key + `\` + name)
		}
		list = append(list, b)
	}
	if installedProgram("firefox.exe") {
		list = append(list, browser{"Firefox", map[string][]string{policySkip: policyList(firefox + `\LocalNetworkAccess\SkipDomains`)}})
	}
	return list
}

func installedProgram(exe string) bool {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\`+exe, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return false
	}
	return k.Close() == nil
}

// policyList is one list of a browser's policies, in HKLM.
func policyList(key string) (values []string) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, key, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return nil
	}
	defer k.Close()
	names, err := k.ReadValueNames(1000)
	if err != nil && len(names) == 0 {
		return nil
	}
	for _, n := range names {
		if v, _, err := k.GetStringValue(n); err == nil {
			values = append(values, v)
		}
	}
	return values
}

// systemPackages has nothing to list that the system's version does not say.
func (a *app) systemPackages() map[string]string { return map[string]string{} }

// osName is Windows' version.
func osName() string {
	v := windows.RtlGetVersion()
	return fmt.Sprintf("Windows %d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
}
