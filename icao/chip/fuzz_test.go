package chip

import (
	"encoding/hex"
	"io"
	"slices"
	"testing"
)

// FuzzTransmit throws bytes at a chip: in clear, before and after access control, and inside secure messaging that is itself
// right, so that the layers behind the MAC are reached as well. The input is one byte that chooses the card, and a list of commands,
// each after one byte of mode and one of length.
func FuzzTransmit(f *testing.F) {
	step := func(mode byte, cmd string) []byte {
		b := unhex(cmd)
		return append([]byte{mode, byte(len(b))}, b...)
	}
	var seeds [][]byte
	add := func(b []byte) { seeds = append(seeds, b) }
	add([]byte{})
	add(slices.Concat(step(0, "00A4020C02011C"), step(0, "00B0000000"), step(0, "0022C1A40F800A04007F00070202040202830102"), step(0, "10860000027C0000")))
	add(slices.Concat(step(1, "00A4040C07A0000002471001"), step(1, "00B0810000"), step(1, "00B1000204540280000010")))
	add(slices.Concat(step(1, "00A4040C07A0000002471001"), step(1, "002241A40C800A04007F00070202030202"), step(1, "00860000047C02800000"), step(1, "0088000008010203040506070800")))
	add(slices.Concat(step(1, "00A4040C07A0000002471001"), step(0, "0CB08100039701048E08000102030405060700"), step(2, ""), step(0, "0084000008"), step(0, "0082000028")))
	add(slices.Concat(step(0, "00A4040C07A0000002471001"), step(0, "00B0000000000100")))
	iss := mustIssuer(f)
	pki, err := iss.TerminalPKI()
	if err != nil {
		f.Fatal(err)
	}
	dv, _, _ := takeTLV(mustTerminal(f, pki, TerminalOptions{}).Chain[0])
	pso := append([]byte{0x00, 0x2A, 0x00, 0xBE, byte(len(dv.value))}, dv.value...)
	add(slices.Concat(step(1, "002281B60D830B"+hex.EncodeToString([]byte(pki.Reference()))), append([]byte{1, byte(len(pso))}, pso...), step(1, "002281A404830256 4E"), step(1, "0084000008")))
	add(slices.Concat(step(0, "0022C1A40F800A04007F00070202040302830101"), step(0, "10860000027C0000"), step(0, "10860000147C128110000102030405060708090A0B0C0D0E0F00")))
	add(slices.Concat(step(0, "0022C1A40F800A04007F00070202040202830103"), step(0, "10860000027C0000"), step(1, "002C0303"), step(1, "10A4020C0101"), step(1, "00A4020C011E"), step(1, "00B0000000"), step(0, "00C0000000")))
	var cards []*Card
	for _, name := range []string{"cccd-mk", "cccd-extended", "passport-bac", "clone-naked", "passport-eac", "passport-dh-im", "passport-pieces", "card-pin"} {
		card, err := Issue(mustProfile(f, name), mustPersona(f, "an"), iss, IssueOptions{})
		if err != nil {
			f.Fatal(err)
		}
		cards = append(cards, card)
	}
	for _, s := range seeds {
		for i := range cards {
			f.Add(append([]byte{byte(i)}, s...))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) == 0 {
			return
		}
		card := cards[int(in[0])%len(cards)]
		c := card.Chip(Options{Rand: newStream(in), Violation: func(string) {}, Delay: nil})
		secret := []byte("shared")
		c.sm, c.opened = newSession(suites[1], secret, nil), true
		mine := newSession(suites[1], secret, nil)
		for rest := in[1:]; len(rest) >= 2; {
			mode, n := rest[0], min(int(rest[1]), len(rest)-2)
			cmd := rest[2 : 2+n]
			rest = rest[2+n:]
			switch mode {
			case 0:
			case 1:
				if a, ok := parseAPDU(cmd); ok && c.sm != nil {
					cmd = protect(mine, a)
				}
			case 2:
				c.Reset()
				continue
			default:
				c.SetFaults([]Fault{{At: int(mode) % 4, Kind: FaultFlip, N: int(mode)}})
			}
			resp := c.Transmit(cmd)
			if len(resp) < 2 || len(resp) > 65538 {
				t.Fatalf("answer of %d bytes", len(resp))
			}
			if len(resp) > 2 && mode == 1 {
				mine.count()
			}
		}
	})
}

// protect wraps a command as a terminal would.
func protect(s *session, a apdu) []byte {
	s.count()
	var dos []byte
	if len(a.data) > 0 {
		e := s.cbc(s.kenc, s.iv(), pad(a.data, s.block), true)
		if a.ins&1 == 1 {
			dos = tlv(0x85, e)
		} else {
			dos = tlv(0x87, []byte{1}, e)
		}
	}
	if a.ne > 0 {
		dos = append(dos, tlv(0x97, []byte{byte(a.ne)})...)
	}
	cla := a.cla | 0x0C
	header := pad([]byte{cla, a.ins, a.p1, a.p2}, s.block)
	dos = append(dos, tlv(0x8E, s.sign(append(header, dos...)))...)
	return encodeAPDU(cla, a.ins, a.p1, a.p2, dos, 256, len(dos) > 255)
}

var _ io.Reader = (*stream)(nil)
