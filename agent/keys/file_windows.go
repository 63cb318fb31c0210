package keys

import (
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// protectDir gives a new folder an access list of its own: full control for the current user, SYSTEM and Administrators,
// nothing inherited from above. Files take it over when they are made, so they are never open for a moment, and the
// service can read what an administrator's command wrote.
func protectDir(dir string) error {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	ace := func(who string) string { return "(A;OICI;FA;;;" + who + ")" }
	sd, err := windows.SecurityDescriptorFromString("D:P" + ace("SY") + ace("BA") + ace(user.User.Sid.String()))
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}

func createPrivate(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

func openPrivate(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, ErrNotFile
	}
	return os.Open(path)
}

// checkPrivate refuses what everybody, every user or every member of Users may touch. Go's mode bits say nothing on
// Windows. An access list that cannot be read is not judged: opening the file has worked, and that is all we know.
func checkPrivate(path string, _ fs.FileInfo) error {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return nil
	}
	exposed := &FileError{Path: path, Err: ErrExposed, Cure: "let only SYSTEM, Administrators and the service's account have it"}
	dacl, _, err := sd.DACL()
	if err != nil {
		return nil
	}
	if dacl == nil { // no access list at all lets everybody in
		return exposed
	}
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(dacl, i, &ace) != nil || ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE {
			continue
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		for _, open := range []windows.WELL_KNOWN_SID_TYPE{windows.WinWorldSid, windows.WinAuthenticatedUserSid, windows.WinBuiltinUsersSid} {
			if sid.IsWellKnown(open) {
				return exposed
			}
		}
	}
	return nil
}

// checkDir leaves a folder that is there alone: its access list is the installer's, and files are judged by themselves.
func checkDir(string, fs.FileInfo) error { return nil }

func adoptOwner(*os.File, string) error { return nil }

// renameNew fails with fs.ErrExist where the target is there (no MOVEFILE_REPLACE_EXISTING).
func renameNew(from, to string) error {
	f, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	t, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	return windows.MoveFileEx(f, t, windows.MOVEFILE_WRITE_THROUGH)
}

// syncDir has nothing to do: NTFS journals its folders.
func syncDir(string) error { return nil }

// lockFile waits for the exclusive right to change a file. The lock goes with the file handle.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, new(windows.Overlapped))
}

// fileIdentity is in the modification time on Windows, which has 100 ns steps.
func fileIdentity(fs.FileInfo) uint64 { return 0 }
