package agent

import (
	"errors"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

var (
	wer            = windows.NewLazySystemDLL("wer.dll")
	werExclude     = wer.NewProc("WerAddExcludedApplication")
	kernel         = windows.NewLazySystemDLL("kernel32.dll")
	werSetFlags    = kernel.NewProc("WerSetFlags")
	errNotExcluded = errors.New("the program is not excluded from error reporting")
)

// werNoHeap is WER_FAULT_REPORTING_FLAG_NOHEAP of werapi.h: a report holds no heap.
const werNoHeap = 1

// noDumps keeps the memory of this process out of error reports and crash dumps: they would hold faces, names and keys. The Go
// runtime hands no fault of its own to Windows Error Reporting; this is for what does not come through it. Dumps that an
// administrator asks for (LocalDumps, Task Manager) cannot be kept off by a program.
func noDumps() error {
	windows.SetErrorMode(windows.SEM_FAILCRITICALERRORS | windows.SEM_NOGPFAULTERRORBOX | windows.SEM_NOOPENFILEERRORBOX)
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(filepath.Base(exe))
	if err != nil {
		return err
	}
	if werSetFlags.Find() == nil {
		_, _, _ = werSetFlags.Call(werNoHeap)
	}
	if err := werExclude.Find(); err != nil {
		return err
	}
	const ofThisUser = 0
	if r, _, _ := werExclude.Call(uintptr(unsafe.Pointer(name)), ofThisUser); r != 0 { // an HRESULT
		return errNotExcluded
	}
	return nil
}
