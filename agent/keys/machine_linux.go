package keys

import (
	"os"
	"strings"
)

// ThisMachine is the PC that this runs on. The hardware's id is root's to read, and the service is not root: an image of a disk must
// have its machine-id emptied, as systemd asks of every image (machine-id(5), "golden images").
func ThisMachine() Machine {
	return Machine{System: systemID("/etc/machine-id", "/run/machine-id"), Board: boardOf(idIn("/sys/class/dmi/id/product_uuid"))}
}

// systemID is the machine-id, unless it is one for this start alone: a system whose /etc cannot be written gets another at each, from
// /run (machine-id(5)), and must not be taken for another PC every morning.
func systemID(etc, run string) string {
	id := idIn(etc)
	if id == idIn(run) {
		return ""
	}
	return id
}

func idIn(path string) string {
	raw, err := os.ReadFile(path)
	id := strings.TrimSpace(string(raw))
	if err != nil || len(id) < 32 || len(id) > 64 { // "uninitialized" is none
		return ""
	}
	return id
}
