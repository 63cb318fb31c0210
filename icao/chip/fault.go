package chip

import "slices"

// FaultKind is what goes wrong. The values are frozen: demonstrations and test data name them.
type FaultKind string

// Kinds of faults.
const (
	FaultRemove   FaultKind = "remove"   // the card is gone: no answer until Reset
	FaultMute     FaultKind = "mute"     // no answer this once; the command is not executed
	FaultReset    FaultKind = "reset"    // the chip loses power for a moment: selection and session are gone, and it answers like a fresh one
	FaultStatus   FaultKind = "status"   // bare status word SW instead of executing the command
	FaultFlip     FaultKind = "flip"     // bit N of the response is flipped (modulo its length)
	FaultTruncate FaultKind = "truncate" // the last N bytes of the response are missing
	FaultLengthen FaultKind = "lengthen" // N bytes 00 stand before the status word
	FaultNaked    FaultKind = "naked"    // the answer comes without secure messaging
	FaultReplay   FaultKind = "replay"   // the answer to the command N before this one comes again (N 0 is 1)
	FaultReplace  FaultKind = "replace"  // Data comes instead, after the command was executed
	// Data (none is an empty answer) and, if it is not 0, SW come instead, after the command was executed and before secure messaging: what a
	// card that is itself the attacker can say.
	FaultInner FaultKind = "inner"
)

// Valid says whether the kind is one of the above.
func (k FaultKind) Valid() bool {
	switch k {
	case FaultRemove, FaultMute, FaultReset, FaultStatus, FaultFlip, FaultTruncate, FaultLengthen, FaultNaked, FaultReplay, FaultReplace, FaultInner:
		return true
	}
	return false
}

// Fault is one thing that goes wrong at one command. At counts commands from 0 since the last Reset or SetFaults; with INS
// not 0 only commands of that instruction are counted, so that {INS: 0x88} is the first active authentication.
// A fault strikes once, or at each power-up with Repeat, or at every counted command from At on with Always.
type Fault struct {
	At     int       `json:"at"`
	INS    byte      `json:"ins,omitempty"`
	Kind   FaultKind `json:"kind"`
	SW     uint16    `json:"sw,omitempty"`
	N      int       `json:"n,omitempty"`
	Data   []byte    `json:"data,omitempty"`
	Repeat bool      `json:"repeat,omitempty"`
	Always bool      `json:"always,omitempty"`
}

type faultPlan struct {
	list  []Fault
	done  []bool
	seen  []int // commands counted per fault
	gone  bool
	count int
	past  [][]byte // the last answers
}

const keptAnswers = 64

// SetFaults replaces the fault plan and begins to count anew. It does not bring a removed card back: that is Reset.
func (c *Chip) SetFaults(list []Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := c.faults.gone
	c.faults = faultPlan{list: slices.Clone(list), done: make([]bool, len(list)), seen: make([]int, len(list)), gone: gone}
}

// Count is the number of commands since the last Reset or SetFaults.
func (c *Chip) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults.count
}

func (p *faultPlan) reset() {
	p.gone, p.count, p.past = false, 0, nil
	clear(p.seen)
	for i, f := range p.list {
		if f.Repeat {
			p.done[i] = false
		}
	}
}

func (p *faultPlan) strike(cmd []byte) (Fault, bool) {
	var hit Fault
	found := false
	for i, f := range p.list {
		if f.INS != 0 && (len(cmd) < 2 || cmd[1] != f.INS) {
			continue
		}
		n := p.seen[i]
		p.seen[i]++
		if found || p.done[i] || n < f.At || n > f.At && !f.Always {
			continue
		}
		if !f.Always {
			p.done[i] = true
		}
		hit, found = f, true
	}
	return hit, found
}

func (p *faultPlan) run(cmd []byte, process func(cmd []byte, inner *Fault) (resp, bare []byte), power func()) []byte {
	if p.gone {
		return nil
	}
	p.count++
	f, hit := p.strike(cmd)
	if hit {
		switch f.Kind {
		case FaultRemove:
			p.gone = true
			return nil
		case FaultMute:
			return nil
		case FaultReset:
			power()
		case FaultStatus:
			return status(f.SW)
		}
	}
	var inner *Fault
	if hit && f.Kind == FaultInner {
		inner = &f
	}
	resp, bare := process(cmd, inner)
	if hit {
		resp = slices.Clone(resp)
		switch f.Kind {
		case FaultFlip:
			bit := uint(f.N) % uint(len(resp)*8) // an answer has at least its status word
			resp[bit/8] ^= 0x80 >> (bit % 8)
		case FaultTruncate:
			resp = resp[:max(len(resp)-max(f.N, 0), 0)]
		case FaultLengthen:
			at := len(resp) - 2
			resp = slices.Insert(resp, at, make([]byte, min(max(f.N, 0), 1<<16))...)
		case FaultNaked:
			resp = slices.Clone(bare)
		case FaultReplay:
			if i := len(p.past) - max(f.N, 1); i >= 0 && i < len(p.past) {
				resp = slices.Clone(p.past[i])
			}
		case FaultReplace:
			resp = slices.Clone(f.Data)
		}
	}
	p.past = append(p.past, slices.Clone(resp))
	if len(p.past) > keptAnswers {
		p.past = p.past[1:]
	}
	return resp
}
