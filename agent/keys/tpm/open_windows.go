package tpm

import (
	"errors"
	"fmt"
	"io"
	"unsafe"

	"github.com/google/go-tpm/tpm2/transport"
	"golang.org/x/sys/windows"
)

// TPM Base Services, from the system's folder alone: go-tpm's own binding would take a tbs.dll that lies beside the program.
var (
	tbs           = windows.NewLazySystemDLL("tbs.dll")
	getDeviceInfo = tbs.NewProc("Tbsi_GetDeviceInfo")
	createContext = tbs.NewProc("Tbsi_Context_Create")
	closeContext  = tbs.NewProc("Tbsip_Context_Close")
	submitCommand = tbs.NewProc("Tbsip_Submit_Command")
)

// What TBS answers, and is told (tbs.h of the Windows SDK).
const (
	tbsAccessDenied     = 0x80284012 // TBS_E_ACCESS_DENIED
	tbsCommandBlocked   = 0x80280400 // TPM_E_COMMAND_BLOCKED
	tpmVersion20        = 2
	contextVersion2     = 2
	includeTPM20        = 1 << 2
	priorityNormal      = 200
	longestAnswer       = 4096
	errorAccessDeniedHR = 0x80070005 // E_ACCESSDENIED
)

type tbsError uint32

func (e tbsError) Error() string { return fmt.Sprintf("TPM Base Services answer %#x", uint32(e)) }

func tbsResult(code uintptr) error {
	if uint32(code) == 0 {
		return nil
	}
	return tbsError(code)
}

func opening(err error) error {
	return tbsRefusal(fmt.Errorf("%w: %w", ErrAbsent, err))
}

// tbsRefusal finds out that it is a right that is missing.
func tbsRefusal(err error) error {
	if code, ok := errors.AsType[tbsError](err); ok && (code == tbsAccessDenied || code == tbsCommandBlocked || code == errorAccessDeniedHR) {
		return fmt.Errorf("%w: %w", ErrDenied, code)
	}
	return err
}

type service struct{ context uintptr }

func openLocal() (transport.TPMCloser, error) {
	for _, p := range []*windows.LazyProc{getDeviceInfo, createContext, closeContext, submitCommand} {
		if err := p.Find(); err != nil {
			return nil, err
		}
	}
	var info struct{ structVersion, tpmVersion, interfaceType, revision uint32 }
	info.structVersion = 1
	code, _, _ := getDeviceInfo.Call(unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)))
	if err := tbsResult(code); err != nil {
		return nil, err
	}
	if info.tpmVersion != tpmVersion20 {
		return nil, errors.New("a TPM 1.2")
	}
	params := struct{ version, flags uint32 }{contextVersion2, includeTPM20}
	s := &service{}
	code, _, _ = createContext.Call(uintptr(unsafe.Pointer(&params)), uintptr(unsafe.Pointer(&s.context)))
	if err := tbsResult(code); err != nil {
		return nil, err
	}
	return s, nil
}

// Send gives one command to the TPM and waits for its answer.
func (s *service) Send(command []byte) ([]byte, error) {
	if len(command) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	answer := make([]byte, longestAnswer)
	n := uint32(len(answer))
	code, _, _ := submitCommand.Call(s.context, 0, priorityNormal, uintptr(unsafe.Pointer(unsafe.SliceData(command))), uintptr(len(command)),
		uintptr(unsafe.Pointer(unsafe.SliceData(answer))), uintptr(unsafe.Pointer(&n)))
	if err := tbsResult(code); err != nil {
		return nil, tbsRefusal(err)
	}
	if int(n) > len(answer) {
		return nil, io.ErrShortBuffer
	}
	return answer[:n], nil
}

// Close lets the TPM go.
func (s *service) Close() error {
	code, _, _ := closeContext.Call(s.context)
	return tbsResult(code)
}
