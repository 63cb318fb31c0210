package chip

import (
	"bytes"
	"strings"
	"testing"
)

// Answers in pieces: sizes, what breaks off, and that secure messaging does not notice.
func TestGetResponse(t *testing.T) {
	p := mustProfile(t, "passport-pieces")
	p.GetResponse = 100
	blamed := 0
	term := newTerminal(t, p, mustPersona(t, "an"), mustIssuer(t), Options{Violation: func(string) { blamed++ }})
	term.enter()
	blamed = 0
	term.ok(0, 0xA4, 2, 0x0C, []byte{1, 2}, 0)
	if got := term.ok(0, 0xB0, 0, 0, nil, 256); len(got) != 256 || !bytes.Equal(got, term.c.Files()["DG2"][:256]) {
		t.Errorf("%d bytes in pieces", len(got))
	}
	s := term.sm
	s.count()
	dos := tlv(0x97, []byte{0})
	dos = append(dos, tlv(0x8E, s.sign(append(pad([]byte{0x0C, 0xB0, 0, 0}, s.block), dos...)))...)
	r := term.c.Transmit(encodeAPDU(0x0C, 0xB0, 0, 0, dos, 256, false))
	if len(r) != 102 || r[100] != 0x61 || r[101] != 191 { // DO87 of 4+273 bytes, DO99 of 4 and DO8E of 10, less 100
		t.Fatalf("%d bytes, % X", len(r), r[max(len(r)-2, 0):])
	}
	for _, tt := range []struct{ cmd, want string }{
		{"00C0010000", "6A86"}, {"00C00000", "6700"},
	} {
		if got := term.c.Transmit(unhex(tt.cmd)); !bytes.Equal(got, unhex(tt.want)) {
			t.Errorf("%s: % X", tt.cmd, got)
		}
	}
	if r = term.c.Transmit(unhex("0CC0000010")); len(r) != 18 || r[16] != 0x61 || r[17] != 191-16 {
		t.Errorf("second piece: % X", r)
	}
	if r = term.c.Transmit(unhex("00C00000FF")); len(r) != 102 || r[101] != 191-116 {
		t.Errorf("third piece: %d bytes", len(r))
	}
	if r = term.c.Transmit(unhex("00C0000000")); len(r) != 77 || !bytes.HasSuffix(r, unhex("9000")) {
		t.Errorf("last piece: %d bytes", len(r))
	}
	if r = term.c.Transmit(unhex("00C0000000")); !bytes.Equal(r, unhex("6985")) || blamed != 1 {
		t.Errorf("nothing left: % X, blamed %d times", r, blamed)
	}
	s.count()
	if _, sw := term.send(0, 0xA4, 2, 0x0C, []byte{1, 1}, 0); sw != 0x9000 {
		t.Errorf("the session did not survive: %04X", sw)
	}
	// Past the end of DG1 the chip says how long the rest is.
	n := len(term.c.Files()["DG1"])
	if _, sw := term.send(0, 0xB0, 0, byte(n-5), nil, 9); sw != 0x6C05 {
		t.Errorf("past the end: %04X", sw)
	}
	for name, change := range map[string]func(*Profile){
		"negative": func(p *Profile) { p.GetResponse = -1 }, "too much": func(p *Profile) { p.GetResponse = 257 },
		"with extended length": func(p *Profile) { p.Extended = &Extents{MaxCommand: 1000, MaxResponse: 1000} },
	} {
		p := mustProfile(t, "passport-pieces")
		change(&p)
		if p.check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestExactLength(t *testing.T) {
	p := mustProfile(t, "cccd-mk")
	p.OverLong, p.PastEnd = "6C00", "6C00"
	term := opened(t, p, Options{})
	if _, sw := term.send(0, 0xB0, 0x82, 0, nil, 256); sw != 0x6CDF {
		t.Errorf("what does not fit: %04X", sw)
	}
	if _, sw := term.send(0, 0xB0, 0x81, 90, nil, 100); sw != 0x6C05 {
		t.Errorf("past the end: %04X", sw)
	}
	if got := term.ok(0, 0xB0, 0x81, 90, nil, 5); len(got) != 5 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestCommandChaining(t *testing.T) {
	p := mustProfile(t, "cccd-mk")
	for _, tt := range []struct {
		name     string
		chaining bool
		cmds     string
		blamed   int
	}{
		{"a file in two halves", true, "10A4020C0101=9000|00A4020C011C=9000|00B0000004=313430 0F 9000", 0},
		{"broken off by another instruction", true, "10A4020C0101=9000|00B0000004=6883|00A4020C02011C=9000", 1},
		{"broken off by other parameters", true, "10A4020C0101=9000|00A4040C011C=6883", 1},
		{"not known to the chip", false, "10A4020C0101=6884|00A4020C02011C=9000", 1},
		{"broken off by PACE", true, "10A4020C0101=9000|0086000002 7C00 00=6985", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.Chaining = tt.chaining
			blamed := 0
			c, err := New(p, mustPersona(t, "an"), mustIssuer(t), Options{Violation: func(string) { blamed++ }})
			if err != nil {
				t.Fatal(err)
			}
			for step := range strings.SplitSeq(tt.cmds, "|") {
				cmd, want, _ := strings.Cut(step, "=")
				got := c.Transmit(unhex(cmd))
				if len(got) > 2 {
					got = append(got[:0:0], got...)
				}
				if w := unhex(want); len(w) == 2 && !bytes.Equal(got, w) || len(w) > 2 && !bytes.HasSuffix(got, w[len(w)-2:]) {
					t.Errorf("%s: % X", cmd, got)
				}
			}
			if blamed != tt.blamed {
				t.Errorf("blamed %d times, want %d", blamed, tt.blamed)
			}
		})
	}
	t.Run("endless", func(t *testing.T) {
		p.Chaining = true
		c, err := New(p, mustPersona(t, "an"), mustIssuer(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		cmd := encodeAPDU(0x10, 0xA4, 2, 0x0C, make([]byte, 255), 0, false)
		for i := range 100 {
			r := c.Transmit(cmd)
			if bytes.Equal(r, unhex("6700")) {
				if i < 10 {
					t.Errorf("after %d links", i)
				}
				return
			}
		}
		t.Error("a chain without end is taken")
	})
}
