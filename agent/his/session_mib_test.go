package his

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// mibRow encodes a row as iphlpapi.h lays it out.
func mibRow(v6 bool, state, pid uint32, local, remote string) []byte {
	l, r := netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)
	port := func(p uint16) []byte { return append(binary.BigEndian.AppendUint16(nil, p), 0, 0) }
	word := func(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
	cat := func(parts ...[]byte) (b []byte) {
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	if !v6 {
		return cat(word(state), l.Addr().AsSlice(), port(l.Port()), r.Addr().AsSlice(), port(r.Port()), word(pid))
	}
	l16, r16 := l.Addr().As16(), r.Addr().As16()
	return cat(l16[:], word(0), port(l.Port()), r16[:], word(0), port(r.Port()), word(state), word(pid))
}

func mibTable(rows ...[]byte) []byte {
	t := binary.LittleEndian.AppendUint32(nil, uint32(len(rows)))
	for _, r := range rows {
		t = append(t, r...)
	}
	return append(t, make([]byte, 100)...) // the buffer is longer than the table
}

func TestSocketProcess(t *testing.T) {
	v4 := mibTable(
		mibRow(false, 2, 4, "127.0.0.1:27480", "0.0.0.0:0"),
		mibRow(false, 5, 700, "127.0.0.1:27480", "127.0.0.1:50000"),
		mibRow(false, 5, 4242, "127.0.0.1:50000", "127.0.0.1:27480"),
		mibRow(false, 11, 0, "127.0.0.1:50001", "127.0.0.1:27480"),
	)
	v6 := mibTable(
		mibRow(true, 5, 4343, "[::1]:50000", "[::1]:27480"),
		mibRow(true, 5, 4444, "127.0.0.1:50002", "127.0.0.1:27480"), // IPv4 over an IPv6 socket
	)
	lying := append([]byte{255, 255, 255, 255}, v4[4:]...)
	for _, c := range []struct {
		name          string
		table         []byte
		v6            bool
		local, remote string
		pid           uint32
		ok            bool
	}{
		{"a client", v4, false, "127.0.0.1:50000", "127.0.0.1:27480", 4242, true},
		{"our own end", v4, false, "127.0.0.1:27480", "127.0.0.1:50000", 700, true},
		{"over", v4, false, "127.0.0.1:50001", "127.0.0.1:27480", 0, false},
		{"nobody", v4, false, "127.0.0.1:50009", "127.0.0.1:27480", 0, false},
		{"IPv6", v6, true, "[::1]:50000", "[::1]:27480", 4343, true},
		{"IPv4 over IPv6", v6, true, "127.0.0.1:50002", "127.0.0.1:27480", 4444, true},
		{"the wrong table", v6, true, "127.0.0.1:50000", "127.0.0.1:27480", 0, false},
		{"a count that lies", lying, false, "127.0.0.1:50009", "127.0.0.1:27480", 0, false},
		{"cut", v4[:30], false, "127.0.0.1:50000", "127.0.0.1:27480", 0, false},
		{"empty", nil, false, "127.0.0.1:50000", "127.0.0.1:27480", 0, false},
	} {
		pid, ok := socketProcess(c.table, c.v6, netip.MustParseAddrPort(c.local), netip.MustParseAddrPort(c.remote))
		if ok != c.ok || ok && pid != c.pid {
			t.Errorf("%s: %d, %v", c.name, pid, ok)
		}
	}
}
