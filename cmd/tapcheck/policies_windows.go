package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// setPolicies writes the browsers' lists. What others have in them stays.
func setPolicies(policies []policy) error {
	var all error
	for _, p := range policies {
		if err := setPolicy(p); err != nil {
			all = errors.Join(all, fmt.Errorf("policy %s: %w", p.Key, err))
		}
	}
	return all
}

func setPolicy(p policy) error {
	const access = registry.QUERY_VALUE | registry.SET_VALUE | registry.WOW64_64KEY
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, p.Key, access)
	if errors.Is(err, registry.ErrNotExist) {
		if len(p.Values) == 0 {
			return nil
		}
		k, _, err = registry.CreateKey(registry.LOCAL_MACHINE, p.Key, access)
	}
	if err != nil {
		return err
	}
	defer k.Close()
	names, err := k.ReadValueNames(-1)
	if err != nil {
		return err
	}
	for _, n := range names {
		if oursInPolicy(n) {
			err = errors.Join(err, k.DeleteValue(n))
		}
	}
	for i, v := range p.Values[:min(len(p.Values), policyMost)] {
		err = errors.Join(err, k.SetStringValue(strconv.Itoa(policyFirst+i), v))
	}
	return err
}

// settingsList lets SYSTEM, the Administrators and nobody else change settings, and everybody read them: whoever works at the
// desk may ask where the agent is, and no secret is in them. A folder in ProgramData would let every user add files.
const settingsList = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"

// protectSettings makes the settings' folder, and gives it and the file an access list. A file that somebody who is no
// administrator has put there is not taken over: it says whose signatures count. It does so at the usual place only.
func protectSettings(file string, named bool) error {
	if named {
		return nil
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(settingsList)
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	const what = windows.OWNER_SECURITY_INFORMATION | windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
	if err := windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, what, owner, nil, dacl, nil); err != nil {
		return err
	}
	now, err := windows.GetNamedSecurityInfo(file, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
		return nil
	}
	if err != nil {
		return err
	}
	whose, _, err := now.Owner()
	if err != nil {
		return err
	}
	if !whose.IsWellKnown(windows.WinLocalSystemSid) && !whose.IsWellKnown(windows.WinBuiltinAdministratorsSid) {
		if self, err := windows.GetCurrentProcessToken().GetTokenUser(); err != nil || !whose.Equals(self.User.Sid) {
			return fmt.Errorf("%s was put there by somebody who is no administrator: look at it, and delete it", file)
		}
	}
	return windows.SetNamedSecurityInfo(file, windows.SE_FILE_OBJECT, what, owner, nil, dacl, nil)
}

// installKey holds what the installer was told and nothing of the service's; administrators alone write to it.
const installKey = portKey + `\Install`

// installedData is the data folder that the installer was told, or "".
func installedData() string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, installKey, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return ""
	}
	defer k.Close()
	dir, _, err := k.GetStringValue("DataFolder")
	if err != nil || !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Clean(dir)
}

// openPage shows a page in the user's browser.
func openPage(page string) error {
	return windows.ShellExecute(0, windows.StringToUTF16Ptr("open"), windows.StringToUTF16Ptr(page), nil, nil, windows.SW_SHOWNORMAL)
}

// tellUser shows what a window that closes at once would not.
func tellUser(text string) {
	_, _ = windows.MessageBox(0, windows.StringToUTF16Ptr(text), windows.StringToUTF16Ptr("Tapcheck"), windows.MB_OK|windows.MB_ICONINFORMATION)
}
