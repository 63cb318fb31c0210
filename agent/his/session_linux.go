package his

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// procLimit bounds what is read of the kernel's table, in bytes: some 50,000 sockets.
const procLimit = 8 << 20

// PeerSession finds whose program is at the other end of a loopback connection: "uid:1000". The kernel lists every socket
// with its owner in /proc/net/tcp and tcp6 (proc(5)); the peer's is the one whose ends are ours, turned round. A program
// that speaks IPv4 over an IPv6 socket (Java does) stands in tcp6 with mapped addresses, so both tables are looked at.
func PeerSession(ctx context.Context, local, remote netip.AddrPort) (string, error) {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		f, err := os.Open(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue // IPv6 is switched off
		}
		if err != nil {
			return "", err
		}
		uid, ok := socketOwner(io.LimitReader(f, procLimit), remote, local)
		_ = f.Close()
		if ok {
			return "uid:" + strconv.FormatUint(uint64(uid), 10), nil
		}
	}
	return "", ErrNoSession
}

// socketOwner finds the user of the established socket with these ends.
func socketOwner(r io.Reader, local, remote netip.AddrPort) (uid uint32, ok bool) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid …
		f := strings.Fields(lines.Text())
		if len(f) < 8 || f[3] != "01" { // only ESTABLISHED has an owner to speak of
			continue
		}
		l, lok := procAddr(f[1])
		r, rok := procAddr(f[2])
		if !lok || !rok || l != local || r != remote {
			continue
		}
		n, err := strconv.ParseUint(f[7], 10, 32)
		return uint32(n), err == nil
	}
	return 0, false
}

// procAddr reads "0100007F:6B58": words of 32 bits in the machine's own order, the port as a number.
func procAddr(s string) (netip.AddrPort, bool) {
	addr, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(addr)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), true
}
