package keys

import (
	"errors"
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// makeDir makes a folder with an access list of its own, and nothing inherited from above. It has the list from its first
// moment, and files take it over when they are made, so neither is ever open.
func makeDir(dir string) error {
	user, err := currentUser()
	if err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(descriptor(user, windows.GetCurrentProcessToken().IsElevated()))
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	sa := windows.SecurityAttributes{SecurityDescriptor: sd}
	sa.Length = uint32(unsafe.Sizeof(sa))
	return windows.CreateDirectory(name, &sa)
}

// currentUser is the SID of the account that this program runs under.
func currentUser() (string, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", err
	}
	return user.User.Sid.String(), nil
}

func createPrivate(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// openPrivate opens a link itself in place of what it leads to; checkOpen then refuses it. While another program puts a new
// file in its place (replaceFile) there is a moment in which nobody may open it.
func openPrivate(path string, access int) (f *os.File, err error) {
	for try := 1; ; try++ {
		f, err = os.OpenFile(path, access|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
		if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) || try == replaceTries {
			return f, err
		}
		time.Sleep(replacePause)
	}
}

// checkPrivate judges the open file's owner and access list. Go's mode bits say nothing on Windows.
func checkPrivate(f *os.File, path string, _ fs.FileInfo) error {
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return &FileError{Path: path, Err: err}
	}
	return judge(path, sd)
}

// checkDir judges the folder as its files: whoever owns it, or may write to its list, decides who reads what is made in it.
func checkDir(path string, _ fs.FileInfo) error {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return &FileError{Path: path, Err: err}
	}
	return judge(path, sd)
}

func judge(path string, sd *windows.SECURITY_DESCRIPTOR) error {
	self, err := currentUser()
	if err != nil {
		return &FileError{Path: path, Err: err}
	}
	list, err := listOf(sd)
	if err != nil {
		return &FileError{Path: path, Err: err}
	}
	if err := list.judge(self); err != nil {
		return &FileError{Path: path, Err: err, Cure: "let only SYSTEM, Administrators and the service's account own and have it"}
	}
	return nil
}

// listOf takes out of a security descriptor what is judged.
func listOf(sd *windows.SECURITY_DESCRIPTOR) (accessList, error) {
	owner, _, err := sd.Owner()
	if err != nil || owner == nil {
		return accessList{}, errors.Join(errors.New("its owner cannot be told"), err)
	}
	list := accessList{owner: owner.String()}
	dacl, _, err := sd.DACL()
	if errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND) || err == nil && dacl == nil {
		list.absent = true
		return list, nil
	}
	if err != nil {
		return accessList{}, err
	}
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &ace); err != nil {
			return accessList{}, err
		}
		e := accessEntry{kind: ace.Header.AceType, flags: ace.Header.AceFlags, rights: uint32(ace.Mask)}
		if e.plain() { // entries of other kinds have their SID elsewhere
			e.who = (*windows.SID)(unsafe.Pointer(&ace.SidStart)).String()
		}
		list.entries = append(list.entries, e)
	}
	return list, nil
}

// linkCount is the number of names that the file has.
func linkCount(f *os.File, _ fs.FileInfo) (uint64, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return 0, err
	}
	return uint64(info.NumberOfLinks), nil
}

func adoptOwner(*os.File, string) error { return nil }

// replaceFile puts a file in another one's place. Windows does not while somebody reads that one (the agent, a command, a virus
// scanner), who is done in a moment.
func replaceFile(from, to string) error {
	for try := 1; ; try++ {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !busy || try == replaceTries {
			return err
		}
		time.Sleep(replacePause)
	}
}

const (
	replaceTries = 20
	replacePause = 25 * time.Millisecond
)

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

func adoptFolder(string, string) error { return nil }
