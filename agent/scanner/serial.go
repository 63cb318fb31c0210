package scanner

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"

	"go.bug.st/serial"
	"go.bug.st/serial/enumerator"
)

// Errors of looking for a scanner.
var (
	errNoPort = errors.New("no USB serial port is there")
	errGone   = errors.New("the scanner was unplugged")
)

// readSerial reads the port until it is gone or ctx ends.
func (s *Scanner) readSerial(ctx context.Context) error {
	name := s.c.Serial
	if name == "auto" {
		var err error
		if name, err = usbPort(); err != nil {
			return err
		}
	}
	baud := s.c.Baud
	if baud <= 0 {
		baud = 9600
	}
	port, err := serial.Open(name, &serial.Mode{BaudRate: baud, DataBits: 8, Parity: serial.NoParity, StopBits: serial.OneStopBit})
	if err != nil {
		return err
	}
	defer port.Close()
	stop := context.AfterFunc(ctx, func() { _ = port.Close() })
	defer stop()
	if err := port.SetReadTimeout(quiet); err != nil {
		return err
	}
	s.set(Serial, false, nil)
	var b burst
	buf := make([]byte, 1024)
	for {
		n, err := port.Read(buf)
		if err != nil {
			return errGone
		}
		if n == 0 { // quiet for as long as a scan is not
			s.emit(Serial, b.end())
			continue
		}
		b.add(buf[:n])
	}
}

// usbPort is the USB serial port that is most likely a scanner: one of the class made for it (USB-CDC) before those of
// converters, and of several the first by name.
func usbPort() (string, error) {
	list, err := enumerator.GetDetailedPortsList()
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(p *enumerator.PortDetails) bool { return !p.IsUSB })
	if len(list) == 0 {
		return "", errNoPort
	}
	class := func(p *enumerator.PortDetails) int {
		if runtime.GOOS == "linux" && !strings.Contains(p.Name, "ttyACM") {
			return 1
		}
		return 0
	}
	return slices.MinFunc(list, func(a, b *enumerator.PortDetails) int {
		return cmp.Or(cmp.Compare(class(a), class(b)), cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	}).Name, nil
}
