package scanner

import (
	"encoding/binary"
	"errors"
	"time"
)

// Usages: the page in the upper half (HID Point of Sale Usage Tables, Bar Code Scanner page; HID Usage Tables).
const (
	usageScanner   = 0x008C0002 // Bar Code Scanner, of the collection
	usageData      = 0x008C00FE // Decoded Data
	usageContinued = 0x008C00FF // Decode Data Continued: more of this scan follows
	usageCount     = 0x0001003B // Byte Count, of the decoded data that counts
)

// Bounds of a report descriptor.
const (
	maxDescriptor = 4096 // what Linux takes (HID_MAX_DESCRIPTOR_SIZE)
	maxReportBits = 8 * 2048
	maxDepth      = 16
	maxUsages     = 1024
	maxReports    = 32
)

var (
	errNoScanner  = errors.New("no scanner in HID point-of-sale mode is there")
	errDescriptor = errors.New("report descriptor makes no sense")
)

// layout says where in the reports of a device scanned text stands. It is empty for a device that is no scanner.
type layout struct {
	numbered bool // a report begins with its number
	reports  map[byte]report
}

// report is one input report. Offsets are in bits, from after the report's number.
type report struct {
	bits      int // altogether
	data      int // where the decoded data begin; a multiple of eight
	bytes     int // how many there can be
	count     int // where their number stands; -1 where it does not
	countBits int
	more      int // where it says that more follows; -1 where it does not
	moreBits  int
}

// size is the longest report in bytes, its number included.
func (l layout) size() int {
	most := 0
	for _, r := range l.reports {
		most = max(most, (r.bits+7)/8)
	}
	if l.numbered {
		most++
	}
	return most
}

// parseDescriptor reads a report descriptor (HID 1.11 §6.2.2) as far as scanned text goes: the input reports of bar code
// scanner collections that have decoded data in whole bytes.
func parseDescriptor(d []byte) (layout, error) {
	type global struct {
		page, size, count uint32
		id                byte
	}
	var (
		g        global
		stack    []global
		depth    int
		inside   int // depth of the scanner's collection; 0 is outside
		usages   []uint32
		low      uint32
		haveLow  bool
		numbered bool
		bits     = map[byte]int{}
		found    = map[byte]*report{}
	)
	if len(d) > maxDescriptor {
		return layout{}, errDescriptor
	}
	for len(d) > 0 {
		head := d[0]
		if head == 0xFE { // a long item; none is defined
			if len(d) < 3 || len(d) < 3+int(d[1]) {
				return layout{}, errDescriptor
			}
			d = d[3+int(d[1]):]
			continue
		}
		n := int(head & 3)
		if n == 3 {
			n = 4
		}
		if len(d) < 1+n {
			return layout{}, errDescriptor
		}
		var raw [4]byte
		copy(raw[:], d[1:1+n])
		v := binary.LittleEndian.Uint32(raw[:])
		d = d[1+n:]
		usage := func() uint32 { // with its page, where it brings none of its own
			if n < 4 {
				return g.page<<16 | v
			}
			return v
		}
		switch head & 0xFC {
		// Global items.
		case 0x04:
			g.page = v & 0xFFFF
		case 0x74:
			g.size = v
		case 0x94:
			g.count = v
		case 0x84:
			g.id, numbered = byte(v), true
			if v == 0 || v > 255 {
				return layout{}, errDescriptor
			}
		case 0xA4:
			if len(stack) == maxDepth {
				return layout{}, errDescriptor
			}
			stack = append(stack, g)
		case 0xB4:
			if len(stack) == 0 {
				return layout{}, errDescriptor
			}
			g, stack = stack[len(stack)-1], stack[:len(stack)-1]
		// Local items.
		case 0x08:
			if len(usages) == maxUsages {
				return layout{}, errDescriptor
			}
			usages = append(usages, usage())
		case 0x18:
			low, haveLow = usage(), true
		case 0x28:
			high := usage()
			if !haveLow || high < low || high-low > maxUsages || len(usages)+int(high-low) >= maxUsages {
				return layout{}, errDescriptor
			}
			for u := low; u <= high; u++ {
				usages = append(usages, u)
			}
			haveLow = false
		// Main items.
		case 0xA0: // Collection
			if depth++; depth > maxDepth {
				return layout{}, errDescriptor
			}
			if inside == 0 && len(usages) > 0 && usages[len(usages)-1] == usageScanner {
				inside = depth
			}
			usages, haveLow = nil, false
		case 0xC0: // End Collection
			if depth == 0 {
				return layout{}, errDescriptor
			}
			if inside == depth {
				inside = 0
			}
			depth--
			usages, haveLow = nil, false
		case 0x80: // Input
			at := bits[g.id]
			if g.size > 64 || g.count > maxReportBits || at+int(g.size*g.count) > maxReportBits {
				return layout{}, errDescriptor
			}
			if constant := v&1 != 0; inside > 0 && !constant {
				take(found, g.id, at, g.size, g.count, v&2 == 0, usages)
			}
			bits[g.id] = at + int(g.size*g.count)
			if len(bits) > maxReports {
				return layout{}, errDescriptor
			}
			usages, haveLow = nil, false
		case 0x90, 0xB0: // Output, Feature
			usages, haveLow = nil, false
		}
	}
	l := layout{numbered: numbered, reports: map[byte]report{}}
	for id, r := range found {
		if r.bytes > 0 {
			r.bits = bits[id]
			l.reports[id] = *r
		}
	}
	return l, nil
}

// take keeps what of an input item is scanned text, its length, or the word that more follows.
func take(found map[byte]*report, id byte, at int, size, count uint32, array bool, usages []uint32) {
	r := found[id]
	if r == nil {
		r = &report{count: -1, more: -1}
		found[id] = r
	}
	if len(usages) == 0 {
		return
	}
	if array { // of an array it is the usages' numbers that are sent, not their values
		return
	}
	for i := 0; i < int(count); i++ {
		u := usages[min(i, len(usages)-1)]
		here := at + i*int(size)
		switch {
		case u == usageData && size == 8 && here%8 == 0:
			if r.bytes == 0 {
				r.data = here
			}
			if r.data+8*r.bytes == here {
				r.bytes++
			}
		case u == usageCount && r.count < 0:
			r.count, r.countBits = here, int(size)
		case u == usageContinued && r.more < 0:
			r.more, r.moreBits = here, int(size)
		}
	}
}

// decode takes the scanned bytes out of a report. more says that the scan goes on in the next one; ok is false for a report
// that holds none.
func (l layout) decode(raw []byte) (data []byte, more, ok bool) {
	var id byte
	if l.numbered {
		if len(raw) == 0 {
			return nil, false, false
		}
		id, raw = raw[0], raw[1:]
	}
	r, known := l.reports[id]
	if !known || len(raw) < r.data/8 {
		return nil, false, false
	}
	data = raw[r.data/8 : min(len(raw), r.data/8+r.bytes)]
	if r.count >= 0 {
		n, there := number(raw, r.count, r.countBits)
		if !there {
			return nil, false, false
		}
		data = data[:min(uint64(len(data)), n)]
	} else {
		for len(data) > 0 && data[len(data)-1] == 0 {
			data = data[:len(data)-1]
		}
	}
	if r.more >= 0 {
		v, _ := number(raw, r.more, r.moreBits)
		more = v != 0
	}
	return data, more, true
}

// number reads a field: bits from the least significant on (HID 1.11 §8.4).
func number(raw []byte, at, bits int) (v uint64, ok bool) {
	if at+bits > 8*len(raw) || bits > 64 {
		return 0, false
	}
	for i := range bits {
		bit := raw[(at+i)/8] >> ((at + i) % 8) & 1
		v |= uint64(bit) << i
	}
	return v, true
}

// collector puts the reports of one device together.
type collector struct {
	b    burst
	last time.Time
}

// partLife is how long a part of a scan waits for the rest.
const partLife = 2 * time.Second

// add takes a part; it gives the scan when it is whole.
func (c *collector) add(data []byte, more bool, now time.Time) []byte {
	if now.Sub(c.last) > partLife {
		c.b.end()
	}
	c.last = now
	c.b.add(data)
	if more {
		return nil
	}
	return c.b.end()
}
