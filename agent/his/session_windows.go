package his

import (
	"context"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"
)

// GetExtendedTcpTable of iphlpapi.h; NewLazySystemDLL looks in the system's folder only.
var getExtendedTCPTable = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")

const (
	tcpTableOwnerPIDConnections = 4 // TCP_TABLE_OWNER_PID_CONNECTIONS
	tableLimit                  = 8 << 20
)

// PeerSession finds whose program is at the other end of a loopback connection: port → process → session of Windows,
// "session:2". Session 0 belongs to services, not to people, and is refused. Numbers of sessions are not used again
// until Windows restarts. A program that speaks IPv4 over an IPv6 socket stands in the other table, so both are looked at.
func PeerSession(ctx context.Context, local, remote netip.AddrPort) (string, error) {
	for _, family := range []uintptr{windows.AF_INET, windows.AF_INET6} {
		table, err := tcpTable(ctx, family)
		if err != nil {
			return "", err
		}
		pid, ok := socketProcess(table, family == windows.AF_INET6, remote, local)
		if !ok {
			continue
		}
		session, err := sessionOf(pid)
		if err != nil {
			return "", err
		}
		if session == 0 {
			return "", ErrNoSession
		}
		return "session:" + strconv.FormatUint(uint64(session), 10), nil
	}
	return "", ErrNoSession
}

// tcpTable asks for the table until the buffer is large enough: it may grow in between.
func tcpTable(ctx context.Context, family uintptr) ([]byte, error) {
	size := uint32(64 << 10)
	for ctx.Err() == nil && size <= tableLimit {
		buf := make([]byte, size)
		r, _, _ := getExtendedTCPTable.Call(uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0, family, tcpTableOwnerPIDConnections, 0)
		switch windows.Errno(r) {
		case windows.ERROR_SUCCESS:
			return buf, nil
		case windows.ERROR_INSUFFICIENT_BUFFER:
			size += 16 << 10
		default:
			return nil, windows.Errno(r)
		}
	}
	return nil, ErrNoSession
}

// sessionOf is the session that a process belongs to. ProcessIdToSessionId has to open the process, which a service that runs
// as LocalService may not do with a user's; the list of all processes says it to everybody.
func sessionOf(pid uint32) (uint32, error) {
	var session uint32
	if windows.ProcessIdToSessionId(pid, &session) == nil {
		return session, nil
	}
	return listedSession(pid)
}

// listedSession looks the process up in Windows' list.
func listedSession(pid uint32) (uint32, error) {
	for size := uint32(256 << 10); size <= tableLimit; size *= 2 {
		buf := make([]uint64, size/8)
		err := windows.NtQuerySystemInformation(windows.SystemProcessInformation, unsafe.Pointer(&buf[0]), size, nil)
		if err == windows.STATUS_INFO_LENGTH_MISMATCH {
			continue // more processes than fit
		}
		if err != nil {
			return 0, err
		}
		const entry = unsafe.Sizeof(windows.SYSTEM_PROCESS_INFORMATION{})
		for at := uintptr(0); at+entry <= uintptr(size); {
			p := (*windows.SYSTEM_PROCESS_INFORMATION)(unsafe.Add(unsafe.Pointer(&buf[0]), at))
			if p.UniqueProcessID == uintptr(pid) {
				return p.SessionID, nil
			}
			if p.NextEntryOffset == 0 {
				break
			}
			at += uintptr(p.NextEntryOffset)
		}
		break
	}
	return 0, ErrNoSession
}
