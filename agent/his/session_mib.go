package his

import (
	"encoding/binary"
	"net/netip"
)

// This is Windows's table, and is used there only; it has no file suffix so that its tests run everywhere.

const mibEstablished = 5 // MIB_TCP_STATE_ESTAB

// socketProcess finds the process in MIB_TCPTABLE_OWNER_PID or MIB_TCP6TABLE_OWNER_PID: a count, then rows. Addresses and
// ports are in network order, ports in the first two bytes of four; the rest is little-endian.
func socketProcess(table []byte, v6 bool, local, remote netip.AddrPort) (pid uint32, ok bool) {
	le := binary.LittleEndian
	if len(table) < 4 {
		return 0, false
	}
	n, rows := int(le.Uint32(table)), table[4:]
	size := 24
	if v6 {
		size = 56
	}
	addrPort := func(addr, port []byte) netip.AddrPort {
		a, _ := netip.AddrFromSlice(addr)
		return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
	}
	for i := 0; i < n && len(rows)-i*size >= size; i++ {
		row := rows[i*size : (i+1)*size]
		var l, r netip.AddrPort
		var state uint32
		if v6 { // address 16, scope 4, port 4, address 16, scope 4, port 4, state 4, process 4
			l, r, state, pid = addrPort(row[0:16], row[20:]), addrPort(row[24:40], row[44:]), le.Uint32(row[48:]), le.Uint32(row[52:])
		} else { // state 4, address 4, port 4, address 4, port 4, process 4
			state, l, r, pid = le.Uint32(row), addrPort(row[4:8], row[8:]), addrPort(row[12:16], row[16:]), le.Uint32(row[20:])
		}
		if state == mibEstablished && l == local && r == remote {
			return pid, true
		}
	}
	return 0, false
}
