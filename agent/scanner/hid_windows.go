package scanner

import (
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The HID library of Windows (hidsdi.h, hidpi.h). Windows keeps the report descriptor to itself and answers questions about
// reports instead. NewLazySystemDLL looks in the system's folder only.
var (
	hidDLL               = windows.NewLazySystemDLL("hid.dll")
	hidGetPreparsedData  = hidDLL.NewProc("HidD_GetPreparsedData")
	hidFreePreparsedData = hidDLL.NewProc("HidD_FreePreparsedData")
	hidGetCaps           = hidDLL.NewProc("HidP_GetCaps")
	hidGetUsageArray     = hidDLL.NewProc("HidP_GetUsageValueArray")
	hidGetUsageValue     = hidDLL.NewProc("HidP_GetUsageValue")
	hidGetUsages         = hidDLL.NewProc("HidP_GetUsages")

	// GUID_DEVINTERFACE_HID.
	hidInterface = windows.GUID{Data1: 0x4D1E55B2, Data2: 0xF16F, Data3: 0x11CF, Data4: [8]byte{0x88, 0xCB, 0x00, 0x11, 0x11, 0x00, 0x00, 0x30}}
)

const (
	hidpInput   = 0          // HidP_Input
	hidpSuccess = 0x00110000 // HIDP_STATUS_SUCCESS
)

// hidCaps is HIDP_CAPS.
type hidCaps struct {
	usage, page            uint16
	inputBytes             uint16
	outputBytes, featBytes uint16
	_                      [17]uint16
	_                      [10]uint16 // numbers of nodes, caps and indices
}

func hidNames() ([]string, error) {
	paths, err := windows.CM_Get_Device_Interface_List("", &hidInterface, windows.CM_GET_DEVICE_INTERFACE_LIST_PRESENT)
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" }), err
}

// device is one scanner. A Read gives one report, its number first.
type device struct {
	*os.File
	preparsed uintptr
	bytes     int
}

func (d *device) size() int { return d.bytes }

func (d *device) release() { _, _, _ = hidFreePreparsedData.Call(d.preparsed) }

// openHID opens a device to read, where it is a scanner; nil where it is none. A device that belongs to Windows itself (a
// keyboard) lets nobody read, so each is asked first what it is, which needs no right.
func openHID(path string) (hidDevice, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE
	h, err := windows.CreateFile(name, 0, share, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		return nil, nil // not even that: it is none of ours
	}
	var preparsed uintptr
	ok, _, _ := hidGetPreparsedData.Call(uintptr(h), uintptr(unsafe.Pointer(&preparsed)))
	_ = windows.CloseHandle(h)
	if ok&0xFF == 0 || preparsed == 0 { // a BOOLEAN: one byte
		return nil, nil
	}
	var caps hidCaps
	status, _, _ := hidGetCaps.Call(preparsed, uintptr(unsafe.Pointer(&caps)))
	if uint32(status) != hidpSuccess || uint32(caps.page)<<16|uint32(caps.usage) != usageScanner || caps.inputBytes == 0 {
		_, _, _ = hidFreePreparsedData.Call(preparsed)
		return nil, nil
	}
	h, err = windows.CreateFile(name, windows.GENERIC_READ, share, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_OVERLAPPED, 0)
	if err != nil {
		_, _, _ = hidFreePreparsedData.Call(preparsed)
		return nil, err
	}
	return &device{os.NewFile(uintptr(h), path), preparsed, int(caps.inputBytes)}, nil
}

// decode asks the library for what layout.decode knows by itself elsewhere.
func (d *device) decode(report []byte) (data []byte, more, ok bool) {
	data = make([]byte, len(report))
	at, n := uintptr(unsafe.Pointer(&report[0])), uintptr(len(report))
	const page, usage = usageData >> 16, usageData & 0xFFFF
	status, _, _ := hidGetUsageArray.Call(hidpInput, page, 0, usage, uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), d.preparsed, at, n)
	if uint32(status) != hidpSuccess {
		return nil, false, false
	}
	value := func(u uint32) (v uint32, ok bool) {
		status, _, _ := hidGetUsageValue.Call(hidpInput, uintptr(u>>16), 0, uintptr(u&0xFFFF), uintptr(unsafe.Pointer(&v)), d.preparsed, at, n)
		return v, uint32(status) == hidpSuccess
	}
	if count, counted := value(usageCount); counted {
		data = data[:min(len(data), int(count))]
	} else {
		for len(data) > 0 && data[len(data)-1] == 0 {
			data = data[:len(data)-1]
		}
	}
	if v, is := value(usageContinued); is {
		return data, v != 0, true
	}
	// A single bit is a button to Windows: it is among the usages that are on, or not.
	var on [32]uint16
	length := uint32(len(on))
	status, _, _ = hidGetUsages.Call(hidpInput, page, 0, uintptr(unsafe.Pointer(&on[0])), uintptr(unsafe.Pointer(&length)), d.preparsed, at, n)
	if uint32(status) == hidpSuccess {
		for _, u := range on[:min(int(length), len(on))] {
			more = more || u == usageContinued&0xFFFF
		}
	}
	return data, more, true
}
