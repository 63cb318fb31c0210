package keys

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
)

// ThisMachine is the PC that this runs on.
func ThisMachine() Machine {
	return Machine{System: systemID("/etc/machine-id", "/run/machine-id"), Board: boardIn("/"), TPM: tpm.Local()}
}

// boardIn is the SMBIOS system UUID: as root reads it, or from where root puts it for the service before it starts (the unit's ExecStartPre, which
// writes where root alone can). A container sees its host's, and moves to another host without becoming another machine: there it says nothing.
func boardIn(root string) string {
	for _, sign := range []string{"run/systemd/container", "run/.containerenv", ".dockerenv"} {
		if _, err := os.Lstat(filepath.Join(root, sign)); err == nil {
			return ""
		}
	}
	for _, file := range []string{"sys/class/dmi/id/product_uuid", "run/tapcheck.board"} {
		if id := boardOf(idIn(filepath.Join(root, file))); id != "" {
			return id
		}
	}
	return ""
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
