package chip

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Options change how a chip behaves, not what it holds.
type Options struct {
	// Rand gives nonces, ephemeral keys and challenges; nil is crypto/rand.
	Rand io.Reader
	// Secrets forces shared secrets with leading zero bytes.
	Secrets ForcedSecrets
	// Issue changes the content of the card that New issues.
	Issue IssueOptions
	// Violation is told of each mistake of the reader: what it did against ICAO 9303-11, in English, without data.
	Violation func(string)
	// Delay is told of what a real chip would now take to compute: the step ("mapping", "penalty" …) and its duration by
	// Profile.Timing. Whoever wants real time sleeps in it; the chip itself never does.
	Delay func(step string, d time.Duration)
	// Faults is the fault plan; see SetFaults.
	Faults []Fault
}

// ForcedSecrets makes shared secrets begin with exactly so many zero bytes, which happens by itself once in 256 (65,536) runs.
// A reader that cuts them off computes other keys than the chip. 0 leaves it to chance.
type ForcedSecrets struct {
	Mapping   int // x coordinate of the point H in PACE's generic mapping
	Agreement int // x coordinate of the shared secret of PACE
	// ChipAuth is for the shared secret of chip authentication. The chip's key there is static, so that the terminal's
	// ephemeral public key (X9.62, uncompressed) must be known beforehand: Terminal, from a reader with a source of its own.
	ChipAuth int
	Terminal []byte
}

// Secrets counts the leading zero bytes of the shared secrets of the last run; -1 where there was none.
type Secrets struct{ Mapping, Agreement, ChipAuth int }

// Chip is a simulated eMRTD chip with a card in it. Reset leaves it what a real chip keeps without power: its files and
// the count of wrong passwords. It is safe for concurrent use, so that a fault plan can change during a read; the hooks of
// Options run inside its methods and must not call them.
type Chip struct {
	mu    sync.Mutex
	card  *Card
	p     Profile
	o     Options
	tries int
	pin   int // tries left
	puk   int
	last  Secrets

	inside bool   // the application is selected, not the master file
	file   string // current elementary file
	opened bool   // access control has been passed
	sm     *session
	naked  bool // a clone that answers everything with bare 9000
	pace   *paceRun
	ca     *caRun // chip authentication was announced by MSE:Set AT
	rnd    []byte // challenge of basic access control
	next   func() // what changes once the answer is protected

	chain *apdu  // commands of a chain so far
	rest  []byte // of an answer that GET RESPONSE fetches, with its status word

	password    string // that opened the session
	chipID      []byte // by which terminal authentication names the chip in this session
	terminalKey []byte // of chip authentication or chip authentication mapping, compressed: whom terminal authentication is to name
	ta          terminalAuth

	faults faultPlan
	inner  *Fault // of the command at hand
}

// New issues a card to a persona and puts it into a chip. iss may be nil for a profile without application only.
func New(p Profile, who Persona, iss *Issuer, o Options) (*Chip, error) {
	io := o.Issue
	if o.Secrets.Terminal != nil {
		io.caFor, io.caZeros = o.Secrets.Terminal, o.Secrets.ChipAuth
	}
	card, err := Issue(p, who, iss, io)
	if err != nil {
		return nil, err
	}
	return card.Chip(o), nil
}

// Chip puts the card into a chip. Options.Issue and the chip authentication part of Options.Secrets come too late here and are ignored.
func (c *Card) Chip(o Options) *Chip {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	ch := &Chip{card: c, p: c.profile, o: o, pin: pinTries, puk: pukTries}
	if c.cvca != nil {
		ch.ta.trust, ch.ta.date = []*cvKey{c.cvca}, c.issued
	}
	ch.SetFaults(o.Faults)
	ch.Reset()
	return ch
}

// ATR is the answer to reset.
func (c *Chip) ATR() []byte {
	b, _ := hex.DecodeString(c.p.ATR) // checked when the card was issued
	return b
}

// Profile is what kind of card this is.
func (c *Chip) Profile() Profile { return c.p.clone() }

// Persona is whose card this is.
func (c *Chip) Persona() Persona { return c.card.who }

// Files gives a copy of all files, also of those that no reader may read: "EF_CardAccess", "EF_COM", "EF_SOD", "DG1" ….
func (c *Chip) Files() map[string][]byte {
	out := maps.Clone(c.card.Files)
	for k, v := range out {
		out[k] = slices.Clone(v)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.p.TA {
		out[fileCVCA] = c.cvcaFile()
	}
	return out
}

// Secrets tells of the last PACE and chip authentication, so that a test can see that it provoked what it meant to.
func (c *Chip) Secrets() Secrets {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Open says whether access control has been passed since the last reset or loss of secure messaging.
func (c *Chip) Open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened
}

// Reset takes power away and gives it back.
func (c *Chip) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.power()
	c.faults.reset()
}

// power is what the chip forgets without it.
func (c *Chip) power() {
	c.drop()
	c.inside, c.file, c.naked, c.rnd, c.rest = false, "", false, nil, nil
	c.last = Secrets{-1, -1, -1}
}

// drop forgets the session and every right that came with it.
func (c *Chip) drop() {
	c.sm, c.pace, c.ca, c.next, c.opened = nil, nil, nil, nil, false
	c.password, c.chipID, c.terminalKey = "", nil, nil
	c.chain = nil
	c.ta.drop()
}

func (c *Chip) violation(s string) {
	if c.o.Violation != nil {
		c.o.Violation(s)
	}
}

func (c *Chip) delay(step string, ms float64) {
	if c.o.Delay != nil && ms > 0 {
		c.o.Delay(step, time.Duration(ms*float64(time.Millisecond)))
	}
}

// Transmit answers one command APDU with data and status word. Nil means that the chip does not answer at all: a fault
// plan has removed or muted it. Any bytes are allowed.
func (c *Chip) Transmit(cmd []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults.run(cmd, func(cmd []byte, inner *Fault) ([]byte, []byte) {
		c.inner = inner
		return c.process(cmd)
	}, c.power)
}

// maxAnswer is the longest answer that is given in pieces, in bytes.
const maxAnswer = 8192

func status(sw uint16) []byte { return []byte{byte(sw >> 8), byte(sw)} }

// process is answer with the habit of chips that speak T=0: long answers come in pieces.
func (c *Chip) process(cmd []byte) (resp, bare []byte) {
	if c.p.GetResponse == 0 {
		return c.answer(cmd)
	}
	if len(cmd) >= 4 && cmd[1] == 0xC0 && cmd[0]&0xF3 == 0 {
		resp = c.getResponse(cmd)
		return resp, resp
	}
	c.rest = nil
	resp, bare = c.answer(cmd)
	a, _ := parseAPDU(cmd)
	return c.cut(resp, a.ne), bare
}

// getResponse is GET RESPONSE (ISO 7816-4 §11.7.1). It goes in clear even under secure messaging: what it fetches is protected as a whole.
func (c *Chip) getResponse(cmd []byte) []byte {
	a, ok := parseAPDU(cmd)
	switch {
	case !ok || a.ne == 0 || len(a.data) > 0:
		return status(0x6700)
	case a.p1 != 0 || a.p2 != 0:
		return status(0x6A86)
	case c.rest == nil:
		c.violation("GET RESPONSE with nothing to get")
		return status(0x6985)
	}
	rest := c.rest
	c.rest = nil
	return c.cut(rest, a.ne)
}

// cut gives the first piece of a response and keeps the rest.
func (c *Chip) cut(resp []byte, ne int) []byte {
	n := min(c.p.GetResponse, ne)
	left := len(resp) - 2 - n
	if left <= 0 {
		return resp
	}
	c.rest = slices.Clone(resp[n:])
	if left > 0xFF {
		left = 0
	}
	return append(slices.Clone(resp[:n]), 0x61, byte(left))
}

// answer gives the answer and what it would have been without secure messaging.
func (c *Chip) answer(cmd []byte) (resp, bare []byte) {
	same := func(sw uint16) ([]byte, []byte) { return status(sw), status(sw) }
	c.delay("apdu", c.p.Timing.APDUMS)
	a, ok := parseAPDU(cmd)
	if !ok {
		c.violation("malformed APDU")
		return same(0x6700)
	}
	if a.extended && (c.p.Extended == nil || len(cmd) > c.p.Extended.MaxCommand) {
		// The length is wrong before anything is looked at: secure messaging has not seen the command, and its counter stands.
		return same(0x6700)
	}
	if a.cla&0xE0 != 0 {
		return same(0x6E00)
	}
	if a.cla&0x03 != 0 {
		return same(0x6881)
	}
	if c.p.NoApplication {
		if a.ins == 0xA4 {
			return same(0x6A82)
		}
		return same(0x6D00)
	}
	capacity := 256
	if a.extended {
		capacity = c.p.Extended.MaxResponse
	}
	wanted := a.ne
	if c.p.GetResponse > 0 {
		capacity, wanted = maxAnswer, maxAnswer
	}
	secured := a.cla&0x0C == 0x0C
	if c.naked && secured {
		return same(0x9000)
	}
	switch {
	case c.sm != nil && !secured:
		c.violation("command in clear while secure messaging was up")
		c.drop()
		if !c.p.ServesPlain {
			return same(0x6987)
		}
	case c.sm == nil && a.cla&0x0C != 0:
		c.violation("protected command without a session")
		return same(0x6988)
	}
	if c.sm == nil {
		out, sw := c.execute(a, min(capacity, wanted))
		switch {
		case len(out) > 0 && wanted == 0:
			c.violation("command without Le whose answer has data")
			c.drop()
			return same(0x6700)
		case len(out) > capacity:
			c.drop()
			return same(0x6700)
		case len(out) > wanted:
			c.drop()
			return same(0x6C00 | uint16(len(out)&0xFF))
		}
		c.commit(sw)
		resp = append(out, status(sw)...)
		return resp, resp
	}

	plain, sw := c.sm.unwrap(a, c.violation)
	if sw != 0x9000 {
		c.drop()
		return same(sw)
	}
	if wanted == 0 {
		c.violation("protected command without Le")
		c.drop()
		return same(0x6700)
	}
	capacity = min(capacity, wanted)
	odd := a.ins&1 == 1
	session := c.sm // chip authentication replaces it after this answer
	room := session.room(capacity, odd)
	out, sw := c.execute(plain, room)
	if c.inner != nil {
		// whatever it is, it is to come
	} else if len(out) > 0 && plain.ne == 0 {
		c.violation("protected command without DO97 whose answer has data")
		out, sw, c.next = nil, 0x6700, nil
	}
	if c.inner == nil && len(out) > room {
		out, sw, c.next = nil, 0x6700, nil
		if a.ins == 0x88 {
			sw = statusWord(c.p.ActiveAuthOverLong, 0x6700)
		}
	}
	c.delay("secure messaging", c.p.Timing.SecureMSPerBlock*float64((len(out)+len(a.data))/session.block))
	resp = session.wrap(out, sw, odd)
	bare = append(bytes.Clone(out), status(sw)...)
	c.commit(sw)
	return resp, bare
}

// commit makes the change that a command brought about, once its answer stands.
func (c *Chip) commit(sw uint16) {
	if c.next != nil && sw == 0x9000 {
		c.next()
	}
	c.next = nil
}

// execute is command with what a fault plan has it answer.
func (c *Chip) execute(a apdu, room int) ([]byte, uint16) {
	out, sw := c.command(a, room)
	if f := c.inner; f != nil {
		out = slices.Clone(f.Data)
		if f.SW != 0 {
			sw = f.SW
		}
	}
	return out, sw
}

// command executes a command that stands in clear. room is how many bytes the answer can hold.
func (c *Chip) command(a apdu, room int) ([]byte, uint16) {
	if done, sw := c.chained(&a); done {
		return nil, sw
	}
	switch a.ins {
	case 0xA4:
		return c.selectFile(a)
	case 0xB0:
		return c.readBinary(a, room)
	case 0xB1:
		return c.readBinaryOdd(a, room)
	case 0x22:
		return nil, c.manageSecurity(a)
	case 0x86:
		return c.generalAuthenticate(a)
	case 0x84:
		return c.getChallenge(a)
	case 0x82:
		return c.externalAuthenticate(a)
	case 0x88:
		return c.internalAuthenticate(a)
	case 0x2C:
		return nil, c.resetRetryCounter(a)
	case 0x2A:
		return nil, c.verifyCertificate(a)
	}
	return nil, 0x6D00
}

// chained collects the links of a command chain (ISO 7816-4 §5.3.3). The chain of PACE is none of these: each of its links is a
// step with an answer of its own.
func (c *Chip) chained(a *apdu) (done bool, sw uint16) {
	first := c.chain
	c.chain = nil
	more := a.cla&0x10 != 0
	if a.ins == 0x86 || first == nil && !more {
		if first != nil {
			c.violation("command chain was not finished")
		}
		return false, 0
	}
	if !c.p.Chaining {
		c.violation("command chaining where there is nothing to chain")
		return true, 0x6884
	}
	if first != nil {
		if first.ins != a.ins || first.p1 != a.p1 || first.p2 != a.p2 {
			c.violation("command chain was broken by another command")
			return true, 0x6883
		}
		a.data = slices.Concat(first.data, a.data)
		if len(a.data) > maxChain {
			c.violation("command chain is too long")
			return true, 0x6700
		}
	}
	if !more {
		return false, 0
	}
	link := *a
	link.data = slices.Clone(a.data)
	c.chain = &link
	return true, 0x9000
}

// maxChain is how many bytes of data a chain may carry: no certificate and no public key is longer.
const maxChain = 4096

var applicationID = []byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01}

func (c *Chip) selectFile(a apdu) ([]byte, uint16) {
	if a.p2 != 0x0C && a.p2 != 0x00 {
		return nil, 0x6A86
	}
	fci := func(inner []byte) []byte {
		if a.p2 != 0 || a.ne == 0 {
			return nil
		}
		return tlv(0x6F, inner)
	}
	switch a.p1 {
	case 0x00:
		if len(a.data) != 0 && !bytes.Equal(a.data, []byte{0x3F, 0x00}) {
			return nil, 0x6A82
		}
		if sw := statusWord(c.p.SelectMF, 0x9000); sw != 0x9000 {
			return nil, sw
		}
		c.inside, c.file = false, ""
		return fci(tlv(0x83, []byte{0x3F, 0x00})), 0x9000
	case 0x04:
		if !bytes.Equal(a.data, applicationID) {
			return nil, 0x6A82
		}
		c.inside, c.file = true, ""
		return fci(tlv(0x84, applicationID)), 0x9000
	case 0x02:
		if len(a.data) != 2 {
			return nil, 0x6700
		}
		name := c.byFID(uint16(a.data[0])<<8 | uint16(a.data[1]))
		if sw := c.readable(name); sw != 0x9000 {
			return nil, sw
		}
		c.file = name
		n := len(c.content(name))
		return fci(tlv(0x80, []byte{byte(n >> 8), byte(n)})), 0x9000
	}
	return nil, 0x6A86
}

func (c *Chip) byFID(fid uint16) string {
	switch {
	case fid == 0x011C && (!c.inside || c.p.CardAccessInside):
		return fileCardAccess
	case fid == 0x2F01 && !c.inside:
		return fileATRInfo
	case fid == 0x2F00 && !c.inside:
		return fileDIR
	case fid == 0x011D && !c.inside:
		return fileCardSecurity
	case !c.inside:
		return ""
	case fid == 0x011C && c.p.TA:
		return fileCVCA
	case fid == 0x011E:
		return fileCOM
	case fid == 0x011D:
		return fileSOD
	case fid > 0x0100 && fid <= 0x0110:
		return dgName(int(fid - 0x0100))
	}
	return ""
}

func (c *Chip) bySFI(sfi byte) string {
	switch {
	case sfi == 0x1C && (!c.inside || c.p.CardAccessInside):
		return fileCardAccess
	case sfi == 0x01 && !c.inside:
		return fileATRInfo
	case sfi == 0x1E && !c.inside:
		return fileDIR
	case sfi == 0x1D && !c.inside:
		return fileCardSecurity
	case !c.inside:
		return ""
	case sfi == 0x1C && c.p.TA:
		return fileCVCA
	case sfi == 0x1E:
		return fileCOM
	case sfi == 0x1D:
		return fileSOD
	case sfi >= 1 && sfi <= 16:
		return dgName(int(sfi))
	}
	return ""
}

// readable gives 9000, or why a file cannot be had. Before access control a chip does not even say what is there.
func (c *Chip) readable(name string) uint16 {
	there := c.content(name) != nil
	switch {
	case name == fileCardAccess || name == fileATRInfo || name == fileDIR:
	case name == fileCardSecurity && there && !c.opened && !c.p.Open:
		return 0x6982
	case c.inside && !c.opened && !c.p.Open:
		return 0x6982
	case there && slices.Contains(c.p.Refused, name):
		return 0x6982
	case there && name == "DG3" && c.ta.granted&RightDG3 == 0, there && name == "DG4" && c.ta.granted&RightDG4 == 0:
		return 0x6982
	}
	if !there {
		return 0x6A82
	}
	return 0x9000
}

// content is a file's bytes; nil where there is no such file.
func (c *Chip) content(name string) []byte {
	if name == fileCVCA && c.p.TA {
		return c.cvcaFile()
	}
	return c.card.Files[name]
}

func (c *Chip) readBinary(a apdu, room int) ([]byte, uint16) {
	if len(a.data) != 0 {
		return nil, 0x6700
	}
	name, offset := c.file, int(a.p1)<<8|int(a.p2)
	if a.p1&0x80 != 0 {
		if sw := statusWord(c.p.SFI, 0x9000); sw != 0x9000 {
			return nil, sw
		}
		if a.p1&0x60 != 0 {
			c.violation("READ BINARY with reserved bits in P1")
			return nil, 0x6A86
		}
		name, offset = c.bySFI(a.p1&0x1F), int(a.p2)
	}
	return c.read(name, offset, a, room, 0)
}

// readBinaryOdd is READ BINARY with B1: the offset comes in DO54 and the data go in DO53, so that files past 32,767 bytes
// can be read (ICAO 9303-10 §3.6.2.2).
func (c *Chip) readBinaryOdd(a apdu, room int) ([]byte, uint16) {
	do, rest, ok := takeTLV(a.data)
	if !ok || len(rest) != 0 || do.tag != 0x54 || len(do.value) == 0 || len(do.value) > 4 {
		c.violation("READ BINARY B1 without a single DO54")
		return nil, 0x6A80
	}
	offset := 0
	for _, b := range do.value {
		offset = offset<<8 | int(b)
	}
	name := c.file
	switch id := uint16(a.p1)<<8 | uint16(a.p2); {
	case id == 0:
	case id < 0x1F:
		if sw := statusWord(c.p.SFI, 0x9000); sw != 0x9000 {
			return nil, sw
		}
		name = c.bySFI(byte(id))
	default:
		name = c.byFID(id)
	}
	// The header of DO53 counts in what was asked for, and in what fits.
	n := min(a.ne, room)
	head := 1 + len(tlvLength(max(n-2, 0)))
	if head+max(n-head, 0) > n && n > 0 {
		head++
	}
	out, sw := c.read(name, offset, a, room, head)
	if len(out) > 0 {
		out = tlv(0x53, out)
	}
	return out, sw
}

// read gives bytes of a file. wrap is how many bytes around them count against Le and room.
func (c *Chip) read(name string, offset int, a apdu, room, wrap int) ([]byte, uint16) {
	if name == "" && a.p1&0x80 == 0 {
		return nil, 0x6986
	}
	if sw := c.readable(name); sw != 0x9000 {
		return nil, sw
	}
	if a.ne <= wrap {
		c.violation("READ BINARY without Le, or with one that holds no data")
		return nil, 0x6700
	}
	if c.p.MaxLe > 0 && a.ne > c.p.MaxLe {
		return nil, 0x6700
	}
	c.file = name
	file := c.content(name)
	if c.p.Endless {
		file, offset = slices.Concat(file[min(offset, len(file)):], make([]byte, a.ne)), 0
	}
	if offset >= len(file) {
		return nil, 0x6B00
	}
	left := len(file) - offset
	want := a.ne - wrap
	n := min(want, left)
	if n > room-wrap {
		if sw := statusWord(c.p.OverLong, 0x9000); sw != 0x9000 {
			return nil, exactly(sw, room-wrap)
		}
		n = max(room-wrap, 0)
	}
	if c.p.MaxBlock > 0 {
		n = min(n, c.p.MaxBlock)
	}
	c.delay("read", c.p.Timing.ReadMSPerKiB*float64(n)/1024)
	out := slices.Clone(file[offset : offset+n])
	if n == left && want > left && !a.allNe {
		switch sw := statusWord(c.p.PastEnd, 0x6282); sw {
		case 0x6282, 0x9000:
			return out, sw
		default:
			return nil, exactly(sw, left)
		}
	}
	return out, 0x9000
}

// exactly fills the right Le into a status word 6C00.
func exactly(sw uint16, n int) uint16 {
	if sw == 0x6C00 && n > 0 && n < 256 {
		sw |= uint16(n)
	}
	return sw
}

func (c *Chip) random(n int) []byte {
	b, err := randomBytes(c.o.Rand, n)
	if err != nil {
		// A source that dries up is a mistake of the test that gave it; zeros keep the promise never to panic.
		c.violation(fmt.Sprintf("random source failed: %v", err))
		return make([]byte, n)
	}
	return b
}
