package update

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

func openNoWait(path string) (*os.File, error) { return os.Open(path) }

// administrators alone write, users look (the state).
const folderList = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;BU)"

// OwnAlone makes the updater's folder, or checks that it is an administrator's. Its list is set anew each time: whoever made a folder of that
// name before us may have left himself in.
func OwnAlone(dir string) error {
	sd, err := windows.SecurityDescriptorFromString("O:BA" + folderList)
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	sa := windows.SecurityAttributes{SecurityDescriptor: sd}
	sa.Length = uint32(unsafe.Sizeof(sa))
	err = windows.CreateDirectory(name, &sa)
	if err == nil || !errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		return err
	}
	if !administrators(dir) {
		return fmt.Errorf("%w: %s", ErrExposed, dir)
	}
	return nil
}

// administrators says whether SYSTEM, the Administrators or who runs this own a file or folder, and nobody else may write to it.
func administrators(path string) bool {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return false
	}
	self := ""
	if u, err := windows.GetCurrentProcessToken().GetTokenUser(); err == nil {
		self = u.User.Sid.String()
	}
	const installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464" // NT SERVICE\TrustedInstaller owns Program Files
	trusted := func(sid string) bool {
		return sid != "" && (sid == self || sid == "S-1-5-18" || sid == "S-1-5-32-544" || sid == installer)
	}
	owner, _, err := sd.Owner()
	if err != nil || owner == nil || !trusted(owner.String()) {
		return false
	}
	dacl, _, err := sd.DACL()
	if err != nil || dacl == nil {
		return false
	}
	// What lets nobody change anything: reading, walking through, the attributes, the list itself, waiting.
	const harmless = 0x001200a9 | windows.GENERIC_READ | windows.GENERIC_EXECUTE
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(dacl, i, &ace) != nil {
			return false
		}
		if ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE {
			continue // those that deny take nothing from what is asked here
		}
		if ace.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 {
			continue
		}
		if uint32(ace.Mask)&^uint32(harmless) != 0 && !trusted((*windows.SID)(unsafe.Pointer(&ace.SidStart)).String()) {
			return false
		}
	}
	return true
}

// ReadTrusted reads a file that decides what is installed, at most 64 KiB of it: only administrators may own or change it and its folder. Error:
// ErrExposed, or the file system's.
func ReadTrusted(path string) ([]byte, error) {
	raw, err := readTrusted(path, func(fs.FileInfo) bool { return true })
	if err == nil && !administrators(path) {
		err = fmt.Errorf("%w: %s", ErrExposed, path)
	}
	return raw, err
}

func lock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	if err != nil {
		return ErrBusy
	}
	return nil
}

func syncDir(string) error { return nil }
