package keys

import "golang.org/x/sys/windows"

// seal encrypts for this machine: the service and an administrator's command are not the same account.
func seal(secret []byte) ([]byte, error) {
	var out windows.DataBlob
	if err := windows.CryptProtectData(blob(secret), nil, bound("workstation.key"), 0, nil, windows.CRYPTPROTECT_LOCAL_MACHINE|windows.CRYPTPROTECT_UI_FORBIDDEN, &out); err != nil {
		return nil, err
	}
	return take(out), nil
}

func unseal(sealed []byte) ([]byte, error) {
	var out windows.DataBlob
	if err := windows.CryptUnprotectData(blob(sealed), nil, bound("workstation.key"), 0, nil, windows.CRYPTPROTECT_UI_FORBIDDEN, &out); err != nil {
		return nil, err
	}
	return take(out), nil
}
