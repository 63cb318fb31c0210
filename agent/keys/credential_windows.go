package keys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// credentialFolder holds secrets that DPAPI has encrypted. Its access list is the data folder's: SYSTEM, the Administrators and
// the service, so the encryption is not all that protects them; what it adds is that a copy is of no use on another PC.
var credentialFolder = func() (string, error) {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	return filepath.Join(dir, "Tapcheck", "credentials"), err
}

// CredentialFolder is where SetCredential keeps what it is given.
func CredentialFolder() (string, error) { return credentialFolder() }

// bound makes a secret that was stored under one name useless under another. It is no secret itself.
func bound(name string) *windows.DataBlob { return blob([]byte("tapcheck credential " + name)) }

func blob(b []byte) *windows.DataBlob {
	if len(b) == 0 {
		return &windows.DataBlob{}
	}
	return &windows.DataBlob{Size: uint32(len(b)), Data: unsafe.SliceData(b)}
}

// take copies what DPAPI has made, wipes it, and gives its memory back.
func take(b windows.DataBlob) []byte {
	made := unsafe.Slice(b.Data, b.Size)
	out := append([]byte(nil), made...)
	clear(made)
	_, _ = windows.LocalFree(windows.Handle(unsafe.Pointer(b.Data)))
	return out
}

// SetCredential keeps a secret under a name, encrypted for this machine: whoever runs the command and the service are not the
// same account. Errors: *FileError.
func SetCredential(name string, secret []byte) error {
	f, err := credentialFile(name)
	if err != nil {
		return err
	}
	var out windows.DataBlob
	if err := windows.CryptProtectData(blob(secret), nil, bound(name), 0, nil, windows.CRYPTPROTECT_LOCAL_MACHINE|windows.CRYPTPROTECT_UI_FORBIDDEN, &out); err != nil {
		return &FileError{Path: f.Path(), Err: err}
	}
	sealed := take(out)
	return f.Change(func([]byte) ([]byte, error) { return sealed, nil })
}

// RemoveCredential forgets a secret; one that is not there is no error. Errors: *FileError.
func RemoveCredential(name string) error {
	f, err := credentialFile(name)
	if err != nil {
		return err
	}
	_ = os.Remove(f.Path() + ".lock")
	return f.Remove()
}

func credentialFile(name string) (*File, error) {
	if err := CheckCredential(name); err != nil {
		return nil, err
	}
	dir, err := credentialFolder()
	if err != nil {
		return nil, &FileError{Path: dir, Err: err}
	}
	return OpenFile(dir, name+".dpapi")
}

// systemCredential decrypts a secret that SetCredential has kept.
func systemCredential(name string) (raw []byte, cure string, err error) {
	const cureSet = "tapcheck secret set"
	dir, err := credentialFolder()
	if err != nil {
		return nil, "", err
	}
	sealed, err := readPrivate(filepath.Join(dir, name+".dpapi"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cureSet, errCredentialAbsent
	}
	if err != nil {
		var f *FileError
		if errors.As(err, &f) {
			return nil, f.Cure, f.Err
		}
		return nil, "", err
	}
	var out windows.DataBlob
	if err := windows.CryptUnprotectData(blob(sealed), nil, bound(name), 0, nil, windows.CRYPTPROTECT_UI_FORBIDDEN, &out); err != nil {
		return nil, cureSet, err
	}
	return take(out), "", nil
}
