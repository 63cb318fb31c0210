package keys

import (
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
)

// ThisMachine is the PC that this runs on: MachineGuid, which sysprep makes anew, and the SMBIOS system UUID (DMTF DSP0134 §7.2), which an image
// of a disk does not bring along.
func ThisMachine() Machine {
	m := Machine{TPM: tpm.Local()}
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Cryptography`, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err == nil {
		m.System, _, _ = k.GetStringValue("MachineGuid")
		_ = k.Close()
	}
	m.Board = boardOf(systemUUID(firmwareTable()))
	return m
}

var getSystemFirmwareTable = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemFirmwareTable")

// firmwareTable is the raw SMBIOS table with the eight bytes that Windows puts before it.
func firmwareTable() []byte {
	const rsmb = 'R'<<24 | 'S'<<16 | 'M'<<8 | 'B'
	n, _, _ := getSystemFirmwareTable.Call(rsmb, 0, 0, 0)
	if n == 0 || n > 1<<20 {
		return nil
	}
	b := make([]byte, n)
	got, _, _ := getSystemFirmwareTable.Call(rsmb, 0, uintptr(unsafe.Pointer(unsafe.SliceData(b))), n)
	if got == 0 || got > n {
		return nil
	}
	return b[:got]
}
