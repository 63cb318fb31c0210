package his

import (
	"context"
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"
)

// GetExtendedTcpTable of iphlpapi.h; NewLazySystemDLL looks in the system's folder only.
var getExtendedTCPTable = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")

const (
	tcpTableOwnerPIDConnections = 4 // TCP_TABLE_OWNER_PID_CONNECTIONS
	tcpEstablished              = 5 // MIB_TCP_STATE_ESTAB
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
		var session uint32
		if err := windows.ProcessIdToSessionId(pid, &session); err != nil {
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

// socketProcess finds the process in MIB_TCPTABLE_OWNER_PID or MIB_TCP6TABLE_OWNER_PID: a count, then rows. Addresses and
// ports are in network order, ports in the first two bytes of four; the rest is little-endian.
func socketProcess(table []byte, v6 bool, local, remote netip.AddrPort) (pid uint32, ok bool) {
	le := binary.LittleEndian
	n, rows := int(le.Uint32(table)), table[4:]
	size := 24
	if v6 {
		size = 56
	}
	addrPort := func(addr, port []byte) netip.AddrPort {
		a, _ := netip.AddrFromSlice(addr)
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
	}
	for i := 0; i < n && (i+1)*size <= len(rows); i++ {
		row := rows[i*size : (i+1)*size]
		var l, r netip.AddrPort
		var state uint32
		if v6 { // address 16, scope 4, port 4, address 16, scope 4, port 4, state 4, process 4
			l, r, state, pid = addrPort(row[0:16], row[20:]), addrPort(row[24:40], row[44:]), le.Uint32(row[48:]), le.Uint32(row[52:])
		} else { // state 4, address 4, port 4, address 4, port 4, process 4
			state, l, r, pid = le.Uint32(row), addrPort(row[4:8], row[8:]), addrPort(row[12:16], row[16:]), le.Uint32(row[20:])
		}
		if state == tcpEstablished && l == local && r == remote {
			return pid, true
		}
	}
	return 0, false
}
