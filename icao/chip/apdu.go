package chip

// apdu is a command as it came, or as it stood under secure messaging.
type apdu struct {
	cla, ins, p1, p2 byte
	data             []byte
	ne               int  // bytes asked for; 0 without Le
	allNe            bool // Le was all zeros: "as many as there are"
	extended         bool
}

// parseAPDU reads the seven cases of ISO 7816-3 §12.1.
func parseAPDU(b []byte) (a apdu, ok bool) {
	if len(b) < 4 {
		return a, false
	}
	a.cla, a.ins, a.p1, a.p2 = b[0], b[1], b[2], b[3]
	b = b[4:]
	switch {
	case len(b) == 0:
		return a, true
	case len(b) == 1:
		a.ne, a.allNe = int(b[0]), b[0] == 0
		if a.allNe {
			a.ne = 256
		}
		return a, true
	case b[0] != 0:
		n := int(b[0])
		b = b[1:]
		if len(b) < n || len(b) > n+1 {
			return a, false
		}
		a.data = b[:n]
		if len(b) == n+1 {
			a.ne, a.allNe = int(b[n]), b[n] == 0
			if a.allNe {
				a.ne = 256
			}
		}
		return a, true
	case len(b) < 3:
		return a, false
	}
	a.extended = true
	n := int(b[1])<<8 | int(b[2])
	b = b[3:]
	if len(b) > 0 {
		if n == 0 || len(b) < n {
			return a, false
		}
		a.data = b[:n]
		b = b[n:]
		switch len(b) {
		case 0:
			return a, true
		case 2:
			n = int(b[0])<<8 | int(b[1])
		default:
			return a, false
		}
	}
	a.ne, a.allNe = n, n == 0
	if a.allNe {
		a.ne = 65536
	}
	return a, true
}
