package scanner

import (
	"io"
	"os"
	"path/filepath"
)

// root is where dev and sys are, which tests put elsewhere.
var root = "/"

// device is a scanner behind hidraw, which gives one report at a time.
type device struct {
	*os.File
	layout
}

func (device) release() {}

func hidNames() ([]string, error) {
	nodes, err := filepath.Glob(filepath.Join(root, "sys/class/hidraw/hidraw*"))
	for i, node := range nodes {
		nodes[i] = filepath.Base(node)
	}
	return nodes, err
}

// openHID opens a device to read, where it is a scanner; nil where it is none. That needs the right to read
// /dev/hidrawN, which a udev rule gives.
func openHID(name string) (hidDevice, error) {
	l, ok := hidraw(filepath.Join(root, "sys/class/hidraw", name))
	if !ok {
		return nil, nil
	}
	f, err := os.OpenFile(filepath.Join(root, "dev", name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return device{f, l}, nil
}

// hidraw reads what a device says of its reports; ok is false for one that is no scanner.
func hidraw(node string) (l layout, ok bool) {
	f, err := os.Open(filepath.Join(node, "device", "report_descriptor"))
	if err != nil {
		return l, false
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxDescriptor+1))
	if err != nil {
		return l, false
	}
	l, err = parseDescriptor(raw)
	return l, err == nil && len(l.reports) > 0
}
