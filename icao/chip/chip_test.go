package chip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var testIssuer = sync.OnceValues(func() (*Issuer, error) { return NewIssuer(IssuerOptions{Seed: []byte("test")}) })

func mustIssuer(t testing.TB) *Issuer {
	t.Helper()
	iss, err := testIssuer()
	if err != nil {
		t.Fatal(err)
	}
	return iss
}

func mustProfile(t testing.TB, name string) Profile {
	t.Helper()
	p, err := ProfileByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustPersona(t testing.TB, id string) Persona {
	t.Helper()
	p, err := PersonaByName(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// opened is a terminal that has passed PACE with the CAN and selected the application.
func opened(t testing.TB, p Profile, o Options) *terminal {
	t.Helper()
	who := mustPersona(t, "an")
	term := newTerminal(t, p, who, mustIssuer(t), o)
	if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 {
		t.Fatalf("PACE: %04X", sw)
	}
	term.selectApplication()
	return term
}

func TestEveryPersonaAndProfile(t *testing.T) {
	iss := mustIssuer(t)
	for _, who := range Personas() {
		c, err := New(mustProfile(t, "cccd-mk"), who, iss, Options{})
		if err != nil {
			t.Errorf("%s: %v", who.ID, err)
			continue
		}
		if _, has := c.Files()["DG2"]; has == who.NoPhoto {
			t.Errorf("%s: DG2 present: %v", who.ID, has)
		}
	}
	for _, p := range Profiles() {
		if _, err := New(p, mustPersona(t, "an"), iss, Options{}); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

// What the facts about the Vietnamese card say, byte for byte.
func TestVietnameseCard(t *testing.T) {
	who := mustPersona(t, "an")
	c, err := New(mustProfile(t, "cccd-mk"), who, mustIssuer(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := c.Files()
	if want := unhex("3134300D060804007F0007020202020101300F060A04007F000702020302020201013012060A04007F0007020204020202010202010D"); !bytes.Equal(f["EF_CardAccess"], want) {
		t.Errorf("EF.CardAccess %X", f["EF_CardAccess"])
	}
	if want := unhex("3B8980014D4B6A434F532D333712"); !bytes.Equal(c.ATR(), want) {
		t.Errorf("ATR %X", c.ATR())
	}
	if atr := mustProfile(t, "cccd-javelin").ATR; atr != "3B9F96C00A31FE45754A6176656C696E2D4F5320312E3051" {
		t.Errorf("Javelin ATR %s", atr)
	}
	if want := unhex("6018 5F0104 30313037 5F3606 303430303030 5C06 61 75 63 6D 6E 6F"); !bytes.Equal(f["EF_COM"], want) {
		t.Errorf("EF.COM %X", f["EF_COM"])
	}
	wantMRZ := "IDVNM0990123459001099012345<<0" + "9901018M3901016VNM<<<<<<<<<<<0" + "NGUYEN<<VAN<AN<<<<<<<<<<<<<<<<"
	if got := string(f["DG1"]); got != "\x61\x5D\x5F\x1F\x5A"+wantMRZ {
		t.Errorf("DG1 %q", got)
	}
	if got, want := who.QR(), "001099012345|012345678|Nguyễn Văn An|01011999|Nam|Số 12, Ngõ 34, Phố Hoa Gạo, Phường Bến Đò, Quận Hồ Sen, Hà Nội|15042022"; got != want {
		t.Errorf("QR %s", got)
	}
	if who.CAN() != "012345" {
		t.Errorf("CAN %s", who.CAN())
	}
	// The parents, in both layouts.
	father, mother := utf8String(who.Father), utf8String(who.Mother)
	if a := seq(integer(13), seq(father), seq(mother)); !bytes.Contains(f["DG13"], a) {
		t.Error("DG13 layout A lacks the parents as two sequences")
	}
	j, err := New(mustProfile(t, "cccd-javelin"), who, mustIssuer(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if b := seq(integer(13), seq(father, mother)); !bytes.Contains(j.Files()["DG13"], b) {
		t.Error("DG13 layout B lacks the parents as one sequence")
	}
	little, err := New(mustProfile(t, "cccd-2024"), who, mustIssuer(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(little.Files()["DG13"], []byte(who.Residence)) {
		t.Error("the 2024 card's DG13 still has the residence")
	}
	hoa, err := New(mustProfile(t, "cccd-mk"), mustPersona(t, "hoa"), mustIssuer(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if f := hoa.Files(); !bytes.Contains(f["DG13"], utf8String("Không thời hạn")) || !bytes.Contains(f["DG1"], []byte("F991231")) {
		t.Error("a card without expiry does not say so")
	}
}

func TestAnswersBeforeAccess(t *testing.T) {
	for _, tt := range []struct{ profile, cmds, want string }{
		{"cccd-mk", "00A4000C023F00", "6D00"},
		{"cccd-mk", "00A4000C", "6D00"},
		{"cccd-extended", "00A4000C023F00", "9000"},
		{"cccd-mk", "00A4020C02011C", "9000"},
		{"cccd-mk", "00A4040C07A0000002471001|00A4020C02011C", "9000"},
		{"cccd-javelin", "00A4040C07A0000002471001|00A4020C02011C", "6982"},
		{"cccd-mk", "00A4040C07A0000002471001|00A4020C020101", "6982"},
		{"cccd-mk", "00A4040C07A0000002471001|00A4020C02010B", "6982"},
		{"cccd-mk", "00A4040C07A0000002471001|00B0810000", "6982"},
		{"cccd-mk", "00A4040C07A0000002471001|0084000008", "8"},
		{"cccd-javelin", "00A4040C07A0000002471001|0084000008", "6D00"},
		{"cccd-mk", "00A4020C02011D", "6A82"},
		{"cccd-mk", "00A4040C07A0000002471002", "6A82"},
		{"cccd-mk", "00B0000000", "6986"},
		{"cccd-mk", "00B09C0006", "6"},
		{"cccd-nosfi", "00B09C0006", "6A82"},
		{"cccd-mk", "00A4020C02011C|00B0003600", "6B00"},
		{"cccd-mk", "00A4020C02011C|00B0003000", "6"},
		{"cccd-mk", "00A4020C02011C|00B0003006", "6"},
		{"cccd-mk", "00A4020C02011C|00B00000000100", "6700"},
		{"cccd-extended", "00A4020C02011C|00B00000000100", "54+6282"},
		{"cccd-extended", "00B0810000", "16"},
		{"cccd-mk", "00A4020C02011C|00B0003010", "6+6282"},
		{"cccd-mk", "00CA000000", "6D00"},
		{"cccd-mk", "80B0000000", "6E00"},
		{"cccd-mk", "01B0000000", "6881"},
		{"cccd-mk", "00A4", "6700"},
		{"cccd-mk", "0022C1A40F800A04007F00070202040204830102", "6A80"},
		{"cccd-mk", "0022C1A40F800A04007F00070202040202830103", "6A88"},
		{"cccd-mk", "0022C1A412800A04007F0007020204020283010284010C", "6A80"},
		{"cccd-mk", "0022C1A412800A04007F0007020204020283010284010D", "9000"},
		{"passport-bac", "0022C1A40F800A04007F00070202040202830101", "6A81"},
		{"passport-bac", "00A4020C02011C", "6A82"},
		{"not-emrtd", "00A4040C07A0000002471001", "6A82"},
		{"not-emrtd", "00A4020C02011C", "6A82"},
		{"not-emrtd", "0084000008", "6D00"},
	} {
		c, err := New(mustProfile(t, tt.profile), mustPersona(t, "an"), mustIssuer(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var resp []byte
		for cmd := range strings.SplitSeq(tt.cmds, "|") {
			resp = c.Transmit(unhex(cmd))
		}
		n, sw := len(resp)-2, fmt.Sprintf("%X", resp[len(resp)-2:])
		got := sw
		if n > 0 {
			got = fmt.Sprint(n)
			if sw != "9000" {
				got += "+" + sw
			}
		}
		if got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.profile, tt.cmds, got, tt.want)
		}
	}
}

func TestKeys(t *testing.T) {
	who := mustPersona(t, "an")
	doc, dob, exp := who.DocumentNumber(), "990101", "390101"
	hash := func() []byte { return hashAlgs[0].sum(mrzSecret(doc, dob, exp)) }
	t.Run("PACE with MRZ", func(t *testing.T) {
		p := mustProfile(t, "cccd-mk")
		term := newTerminal(t, p, who, mustIssuer(t), Options{})
		if sw := term.pace(1, hash(), p.PACE[0]); sw != 0x9000 {
			t.Errorf("%04X", sw)
		}
	})
	t.Run("BAC beside PACE", func(t *testing.T) {
		term := newTerminal(t, mustProfile(t, "cccd-bac"), who, mustIssuer(t), Options{})
		term.selectApplication()
		if sw := term.bac(mrzSecret(doc, dob, exp)); sw != 0x9000 {
			t.Fatalf("%04X", sw)
		}
		if got, sw := term.readFile(0x0101, 231); sw != 0x9000 || !bytes.Equal(got, term.c.Files()["DG1"]) {
			t.Errorf("DG1: %04X", sw)
		}
	})
	t.Run("BAC with the wrong MRZ", func(t *testing.T) {
		term := newTerminal(t, mustProfile(t, "cccd-bac"), who, mustIssuer(t), Options{})
		term.selectApplication()
		if sw := term.bac(mrzSecret(doc, dob, "390102")); sw != 0x6300 {
			t.Errorf("%04X", sw)
		}
	})
	t.Run("wrong MRZ often", func(t *testing.T) {
		slow := 0
		term := newTerminal(t, mustProfile(t, "cccd-bac"), who, mustIssuer(t), Options{Delay: func(step string, _ time.Duration) {
			if step == "penalty" {
				slow++
			}
		}})
		for range 6 {
			term.selectApplication()
			term.bac(mrzSecret(doc, dob, "390102"))
		}
		if slow != 2 {
			t.Errorf("%d penalties", slow)
		}
	})
	t.Run("wrong CAN, and a chip that becomes slow", func(t *testing.T) {
		p := mustProfile(t, "cccd-mk")
		var slow []time.Duration
		term := newTerminal(t, p, who, mustIssuer(t), Options{Delay: func(step string, d time.Duration) {
			if step == "penalty" {
				slow = append(slow, d)
			}
		}})
		for range 6 {
			if sw := term.pace(2, []byte("000000"), p.PACE[0]); sw != 0x6300 {
				t.Fatalf("%04X", sw)
			}
			term.c.Reset() // lifting the card does not help
		}
		if want := []time.Duration{500 * time.Millisecond, time.Second}; !slices.Equal(slow, want) {
			t.Errorf("penalties %v, want %v", slow, want)
		}
		if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 {
			t.Errorf("right CAN afterwards: %04X", sw)
		}
	})
}

// Every offer of PACE, with secrets left to chance: every mapping on every curve and group, and every cipher, but not every triple.
func TestPACEOffers(t *testing.T) {
	who := mustPersona(t, "an")
	p := mustProfile(t, "cccd-extended")
	n := 0
	for _, name := range append(Curves(), Groups()...) {
		for _, mapping := range []string{"GM", "IM", "CAM"} {
			for i, s := range suites {
				o := PACEOffer{Cipher: s.name, Curve: name, Mapping: mapping}
				if p.checkOffer("pace[0]", o) != nil {
					continue
				}
				n++
				if name != "brainpoolP256r1" && name != "DH-1024-160" && i != n%4 && !(mapping == "CAM" && i == 1) {
					continue
				}
				p.PACE = []PACEOffer{o}
				term := newTerminal(t, p, who, mustIssuer(t), Options{})
				if sw := term.pace(2, []byte(who.CAN()), o); sw != 0x9000 {
					t.Errorf("%+v: %04X", o, sw)
					continue
				}
				if mapping == "CAM" && term.camErr != nil {
					t.Errorf("%+v: %v", o, term.camErr)
				}
				term.selectApplication()
				if got, sw := term.readFile(0x0101, 200); sw != 0x9000 || !bytes.Equal(got, term.c.Files()["DG1"]) {
					t.Errorf("%+v: DG1 %04X", o, sw)
				}
			}
		}
	}
	for _, o := range []PACEOffer{
		{Cipher: "AES-128", Curve: "P-224", Mapping: "IM"},
		{Cipher: "3DES", Curve: "P-256", Mapping: "CAM"},
		{Cipher: "AES-128", Curve: "DH-1024-160", Mapping: "CAM"},
		{Cipher: "AES-128", Curve: "P-256", Nonce: 20},
		{Cipher: "AES-192", Curve: "P-256", Mapping: "IM", Nonce: 16},
	} {
		if p.checkOffer("pace[0]", o) == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	p.PACE = []PACEOffer{{Cipher: "3DES", Curve: "P-256", Nonce: 8}}
	term := newTerminal(t, p, who, mustIssuer(t), Options{})
	if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 {
		t.Errorf("nonce of 8 bytes: %04X", sw)
	}
	p.PACE = []PACEOffer{{Cipher: "AES-256", Curve: "P-256", Nonce: 32}}
	term = newTerminal(t, p, who, mustIssuer(t), Options{})
	if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 {
		t.Errorf("nonce of 32 bytes: %04X", sw)
	}
}

// Secrets with leading zero bytes can be provoked on every curve, and a strict terminal still agrees with the chip.
func TestForcedSecrets(t *testing.T) {
	who := mustPersona(t, "an")
	for _, c := range curves {
		for zeros := 1; zeros <= 2; zeros++ {
			p := mustProfile(t, "cccd-mk")
			p.PACE[0].Curve = c.name
			p.CA.Curve = c.name
			d, err := c.scalar(newStream([]byte("terminal"), c.name))
			if err != nil {
				t.Fatal(err)
			}
			pub := c.encode(c.mult(c.g, d))
			term := newTerminal(t, p, who, mustIssuer(t), Options{Secrets: ForcedSecrets{Mapping: zeros, Agreement: zeros, ChipAuth: zeros, Terminal: pub}})
			if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 {
				t.Errorf("%s: PACE %04X", c.name, sw)
				continue
			}
			term.selectApplication()
			term.ok(0, 0x22, 0x41, 0xA4, tlv(0x80, oidValue(p.CA.oid())), 0)
			term.ok(0, 0x86, 0, 0, tlv(0x7C, tlv(0x80, pub)), 256)
			term.sm = newSession(suites[1], c.shared(term.c.card.ca[0].pub, d), nil)
			if _, sw := term.readFile(0x010E, 200); sw != 0x9000 {
				t.Errorf("%s: after chip authentication %04X", c.name, sw)
			}
			if got, want := term.c.Secrets(), (Secrets{zeros, zeros, zeros}); got != want {
				t.Errorf("%s: %+v, want %+v", c.name, got, want)
			}
		}
	}
}

func TestReading(t *testing.T) {
	p := mustProfile(t, "cccd-mk")
	t.Run("what fits", func(t *testing.T) {
		term := opened(t, p, Options{})
		if got := term.ok(0, 0xB0, 0x82, 0, nil, 256); len(got) != 223 {
			t.Errorf("AES: %d bytes in a short response", len(got))
		}
		p := mustProfile(t, "cccd-mk")
		p.PACE[0].Cipher = "3DES"
		term = opened(t, p, Options{})
		if got := term.ok(0, 0xB0, 0x82, 0, nil, 256); len(got) != 231 {
			t.Errorf("3DES: %d bytes in a short response", len(got))
		}
		p = mustProfile(t, "cccd-extended")
		term = opened(t, p, Options{})
		if got := term.ok(0, 0xB0, 0x82, 0, nil, 65536); len(got) != 1887 {
			t.Errorf("extended: %d bytes", len(got))
		}
	})
	t.Run("what does not fit", func(t *testing.T) {
		p := p.clone()
		p.OverLong = "6700"
		term := opened(t, p, Options{})
		if _, sw := term.send(0, 0xB0, 0x82, 0, nil, 224); sw != 0x6700 {
			t.Errorf("%04X", sw)
		}
		if got := term.ok(0, 0xB0, 0x82, 0, nil, 223); len(got) != 223 {
			t.Errorf("%d bytes", len(got))
		}
	})
	t.Run("largest Le", func(t *testing.T) {
		p := p.clone()
		p.MaxLe = 192
		term := opened(t, p, Options{})
		if _, sw := term.send(0, 0xB0, 0x82, 0, nil, 193); sw != 0x6700 {
			t.Errorf("%04X", sw)
		}
		if got := term.ok(0, 0xB0, 0x82, 0, nil, 192); len(got) != 192 {
			t.Errorf("%d bytes", len(got))
		}
	})
	t.Run("end of file", func(t *testing.T) {
		for past, want := range map[string]uint16{"": 0x6282, "9000": 0x9000, "6B00": 0x6B00} {
			p := p.clone()
			p.PastEnd = past
			term := opened(t, p, Options{})
			got, sw := term.send(0, 0xB0, 0x81, 90, nil, 100)
			if sw != want || want != 0x6B00 && len(got) != 5 {
				t.Errorf("%q: %d bytes, %04X", past, len(got), sw)
			}
			if _, sw := term.send(0, 0xB0, 0x81, 95, nil, 1); sw != 0x6B00 {
				t.Errorf("offset at the end: %04X", sw)
			}
			if got := term.ok(0, 0xB0, 0x81, 0, nil, 256); len(got) != 95 {
				t.Errorf("all of DG1: %d bytes", len(got))
			}
		}
	})
	t.Run("past 32767 bytes", func(t *testing.T) {
		p := p.clone()
		p.Padding = 40000
		term := opened(t, p, Options{})
		got, sw := term.readFile(0x0102, 215)
		if sw != 0x9000 || !bytes.Equal(got, term.c.Files()["DG2"]) || len(got) < 50000 {
			t.Errorf("%04X, %d bytes", sw, len(got))
		}
		// Odd instruction with a short file identifier, and one without DO54.
		part := term.ok(0, 0xB1, 0, 2, tlv(0x54, []byte{0x9C, 0x40}), 100)
		if do, _, ok := takeTLV(part); !ok || do.tag != 0x53 || !bytes.Equal(do.value, got[40000:40000+len(do.value)]) || len(part) != 100 {
			t.Errorf("DO53 of %d bytes", len(part))
		}
		term.c.o.Violation = nil
		if _, sw := term.send(0, 0xB1, 0, 2, []byte{0x9C, 0x40}, 100); sw != 0x6A80 {
			t.Errorf("without DO54: %04X", sw)
		}
	})
	t.Run("refused and absent", func(t *testing.T) {
		p := p.clone()
		p.Absent = []string{"DG15"}
		term := opened(t, p, Options{})
		for fid, want := range map[uint16]uint16{0x103: 0x6982, 0x10B: 0x6A82, 0x10F: 0x6A82, 0x101: 0x9000} {
			if _, sw := term.readFile(fid, 223); sw != want {
				t.Errorf("%04X: %04X, want %04X", fid, sw, want)
			}
		}
	})
}

// Secure messaging is strict: whoever breaks it loses the session and every right.
func TestSecureMessagingIsStrict(t *testing.T) {
	for name, tt := range map[string]struct {
		cmd  func(good []byte) []byte
		want uint16
	}{
		"wrong MAC":         {func(c []byte) []byte { c[len(c)-2] ^= 1; return c }, 0x6988},
		"changed header":    {func(c []byte) []byte { c[3] ^= 1; return c }, 0x6988},
		"in clear":          {func([]byte) []byte { return unhex("00B0810004") }, 0x6987},
		"no MAC":            {func(c []byte) []byte { return slices.Concat(c[:4], []byte{3}, c[5:8], []byte{0}) }, 0x6987},
		"no Le":             {func(c []byte) []byte { return c[:len(c)-1] }, 0x6700},
		"garbage inside":    {func([]byte) []byte { return unhex("0CB0810003 FFFFFF 00") }, 0x6988},
		"unknown DO":        {func([]byte) []byte { return unhex("0CB0810003 880100 00") }, 0x6988},
		"half protected":    {func(c []byte) []byte { c[0] = 0x04; return c }, 0x6987},
		"DO85 on even INS":  {func([]byte) []byte { return unhex("0CB0810003 850100 00") }, 0x6988},
		"no padding marker": {func([]byte) []byte { return unhex("0CA4020C03 870102 00") }, 0x6988},
	} {
		t.Run(name, func(t *testing.T) {
			blamed := 0
			term := opened(t, mustProfile(t, "cccd-mk"), Options{Violation: func(string) { blamed++ }})
			resp := term.c.Transmit(tt.cmd(protectedRead(term)))
			if len(resp) != 2 || binary.BigEndian.Uint16(resp) != tt.want {
				t.Errorf("answer % X, want %04X in clear", resp, tt.want)
			}
			if blamed == 0 {
				t.Error("nobody was blamed")
			}
			if term.c.Open() {
				t.Error("the session lives on")
			}
			if r := term.c.Transmit(unhex("00B0810004")); !bytes.Equal(r, unhex("6982")) {
				t.Errorf("DG1 in clear afterwards: % X", r)
			}
		})
	}
	t.Run("replayed command", func(t *testing.T) {
		term := opened(t, mustProfile(t, "cccd-mk"), Options{Violation: func(string) {}})
		cmd := protectedRead(term)
		if r := term.c.Transmit(cmd); len(r) < 20 {
			t.Fatalf("% X", r)
		}
		if r := term.c.Transmit(cmd); !bytes.Equal(r, unhex("6988")) {
			t.Errorf("replay: % X", r)
		}
	})
	t.Run("header alone", func(t *testing.T) {
		for _, twice := range []bool{true, false} {
			term := opened(t, mustProfile(t, "cccd-mk"), Options{})
			s := term.sm
			s.count()
			header := pad([]byte{0x0C, 0xA4, 0, 0x0C}, s.block)
			mac := s.mac(s.kmac, append(bytes.Clone(s.ssc), header...))
			if twice {
				mac = s.sign(header)
			}
			resp, sw := term.raw(encodeAPDU(0x0C, 0xA4, 0, 0x0C, tlv(0x8E, mac), 256, false))
			if len(resp) != 14 || sw != 0x6D00 {
				t.Errorf("padded twice %v: % X %04X", twice, resp, sw)
			}
		}
	})
	t.Run("wrong length keeps the session", func(t *testing.T) {
		term := opened(t, mustProfile(t, "cccd-mk"), Options{})
		if r := term.c.Transmit(unhex("0CB08100 000003 970104 0000")); !bytes.Equal(r, unhex("6700")) {
			t.Errorf("extended length on a chip without: % X", r)
		}
		if got := term.ok(0, 0xB0, 0x81, 0, nil, 4); len(got) != 4 {
			t.Errorf("%d bytes afterwards", len(got))
		}
	})
}

// protectedRead is a right protected READ BINARY of four bytes of DG1.
func protectedRead(term *terminal) []byte {
	s := term.sm
	s.count()
	dos := tlv(0x97, []byte{4})
	dos = append(dos, tlv(0x8E, s.sign(append(pad([]byte{0x0C, 0xB0, 0x81, 0}, s.block), dos...)))...)
	return encodeAPDU(0x0C, 0xB0, 0x81, 0, dos, 256, false)
}

func TestPACEIsStrict(t *testing.T) {
	mse := "0022C1A40F800A04007F00070202040202830102"
	point := strings.Repeat("00", 64)
	for name, cmds := range map[string][]string{
		"without MSE":               {"1086000002 7C00 00=6985"},
		"not chained":               {mse + "=9000", "0086000002 7C00 00=6985"},
		"second MSE resets":         {mse + "=9000", "1086000002 7C00 00=", mse + "=9000", "1086000002 7C00 00="},
		"first step not empty":      {mse + "=9000", "1086000004 7C028000 00=6A80", "1086000002 7C00 00=6985"},
		"point not on the curve":    {mse + "=9000", "1086000002 7C00 00=", "1086000045 7C4381 4104" + point + " 00=6A80", "1086000002 7C00 00=6985"},
		"point too short":           {mse + "=9000", "1086000002 7C00 00=", "1086000005 7C03810104 00=6A80"},
		"wrong data object":         {mse + "=9000", "1086000002 7C00 00=", "1086000045 7C4383 4104" + point + " 00=6A80"},
		"no 7C":                     {mse + "=9000", "1086000002 8000 00=6A80"},
		"empty":                     {mse + "=9000", "1086000000=6A80"},
		"another command between":   {mse + "=9000", "1086000002 7C00 00=", "00A4020C02011C=9000", "1086000002 7C00 00=6A80"},
		"chaining of another thing": {"10A4020C02011C=6884"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(mustProfile(t, "cccd-mk"), mustPersona(t, "an"), mustIssuer(t), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range cmds {
				cmd, want, _ := strings.Cut(step, "=")
				r := c.Transmit(unhex(cmd))
				if want == "" {
					want = "9000"
				}
				if sw := fmt.Sprintf("%X", r[len(r)-2:]); sw != want {
					t.Errorf("%s: %s, want %s", cmd, sw, want)
				}
			}
			if c.Open() {
				t.Error("the chip is open")
			}
		})
	}
}

func TestClones(t *testing.T) {
	for _, tt := range []struct {
		profile, clone string
		want           uint16 // of the first command under the keys of chip authentication
	}{
		{"clone", "wrong-key", 0x6988},
		{"clone-naked", "naked-9000", 0x9000},
	} {
		p := mustProfile(t, tt.profile)
		if p.Clone != tt.clone {
			t.Errorf("%s: %s", tt.profile, p.Clone)
		}
		term := opened(t, p, Options{Violation: func(string) {}})
		if err := term.activeAuthentication(p.AA, term.c.card.aa, 256); err == nil {
			t.Errorf("%s: active authentication succeeds", tt.profile)
		}
		term.chipAuthentication(term.c.card.ca[0])
		data, sw := term.send(0, 0xB0, 0x8E, 0, nil, 4)
		if data != nil || sw != tt.want {
			t.Errorf("%s: % X %04X", tt.profile, data, sw)
		}
	}
	p := mustProfile(t, "clone")
	p.Clone = "refuses"
	term := opened(t, p, Options{})
	if _, sw := term.send(0, 0x22, 0x41, 0xA4, tlv(0x80, oidValue(p.CA.oid())), 0); sw != 0x6982 {
		t.Errorf("refuses: %04X", sw)
	}
	// A clone has the files of the real card.
	genuine, err := New(mustProfile(t, "cccd-mk"), mustPersona(t, "an"), mustIssuer(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(term.c.Files(), genuine.Files(), bytes.Equal) {
		t.Error("the clone's files are not the real card's")
	}
	p = mustProfile(t, "cccd-rsa2048")
	p.Clone = "wrong-key"
	p.AA.Bits = 1024
	term = opened(t, p, Options{})
	if err := term.activeAuthentication(p.AA, term.c.card.aa, 256); err == nil {
		t.Error("RSA clone: active authentication succeeds")
	}
}

func TestFaults(t *testing.T) {
	const sel = "00A4020C02011C"
	const read = "00B0000008"
	first := "3134300D06080400"
	for name, tt := range map[string]struct {
		fault Fault
		cmds  []string
	}{
		"remove":   {Fault{At: 1, Kind: FaultRemove}, []string{sel + "=9000", read + "=", read + "=", "reset", sel + "=9000", read + "=" + first + "9000"}},
		"mute":     {Fault{At: 1, Kind: FaultMute}, []string{sel + "=9000", read + "=", read + "=" + first + "9000"}},
		"reset":    {Fault{At: 2, Kind: FaultReset}, []string{sel + "=9000", read + "=" + first + "9000", read + "=6986", read + "=6986", sel + "=9000", read + "=" + first + "9000"}},
		"status":   {Fault{At: 0, Kind: FaultStatus, SW: 0x6F00}, []string{sel + "=6F00", read + "=6986", sel + "=9000"}},
		"flip":     {Fault{At: 1, Kind: FaultFlip, N: 7}, []string{sel + "=9000", read + "=3034300D060804009000"}},
		"truncate": {Fault{At: 1, Kind: FaultTruncate, N: 3}, []string{sel + "=9000", read + "=3134300D060804", read + "=" + first + "9000"}},
		"lengthen": {Fault{At: 1, Kind: FaultLengthen, N: 2}, []string{sel + "=9000", read + "=" + first + "00009000"}},
		"replay":   {Fault{At: 2, Kind: FaultReplay, N: 2}, []string{sel + "=9000", read + "=" + first + "9000", read + "=9000"}},
		"replace":  {Fault{At: 0, Kind: FaultReplace, Data: []byte{1, 2, 3}}, []string{sel + "=010203", read + "=" + first + "9000"}},
		"by INS":   {Fault{INS: 0xB0, Kind: FaultStatus, SW: 0x6A82}, []string{sel + "=9000", read + "=6A82", read + "=" + first + "9000"}},
		"once":     {Fault{At: 0, Kind: FaultMute}, []string{sel + "=", "reset", sel + "=9000"}},
		"repeat":   {Fault{At: 0, Kind: FaultMute, Repeat: true}, []string{sel + "=", "reset", sel + "="}},
		"always":   {Fault{At: 1, Kind: FaultStatus, SW: 0x6581, Always: true}, []string{sel + "=9000", read + "=6581", read + "=6581"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !tt.fault.Kind.Valid() {
				t.Error("kind is not valid")
			}
			c, err := New(mustProfile(t, "cccd-mk"), mustPersona(t, "an"), mustIssuer(t), Options{Faults: []Fault{tt.fault}})
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range tt.cmds {
				if step == "reset" {
					c.Reset()
					continue
				}
				cmd, want, _ := strings.Cut(step, "=")
				got := c.Transmit(unhex(cmd))
				if want == "" && got != nil || !bytes.Equal(got, unhex(want)) {
					t.Errorf("step %d: % X, want %s", i, got, want)
				}
			}
		})
	}
	t.Run("naked", func(t *testing.T) {
		term := opened(t, mustProfile(t, "cccd-mk"), Options{})
		term.c.SetFaults([]Fault{{Kind: FaultNaked}})
		if r := term.c.Transmit(protectedRead(term)); !bytes.Equal(r, unhex("615D5F1F9000")) {
			t.Errorf("% X", r)
		}
	})
}

// What a card can say that is itself the attacker: anything, and rightly protected.
func TestInnerFault(t *testing.T) {
	term := opened(t, mustProfile(t, "cccd-mk"), Options{Violation: func(string) {}})
	for _, tt := range []struct {
		fault Fault
		data  int
		sw    uint16
	}{
		{Fault{Kind: FaultInner}, 0, 0x9000},
		{Fault{Kind: FaultInner, SW: 0x6A82}, 0, 0x6A82},
		{Fault{Kind: FaultInner, Data: make([]byte, 5)}, 5, 0x9000},
		{Fault{Kind: FaultInner, Data: make([]byte, 300)}, 300, 0x9000},
	} {
		term.c.SetFaults([]Fault{tt.fault})
		if got, sw := term.send(0, 0xB0, 0x81, 0, nil, 16); sw != tt.sw || len(got) != tt.data {
			t.Errorf("%+v: %d bytes, %04X", tt.fault, len(got), sw)
		}
	}
	if got := term.ok(0, 0xB0, 0x81, 0, nil, 16); len(got) != 16 {
		t.Errorf("%d bytes afterwards", len(got))
	}
	c := term.c
	c.Reset()
	c.SetFaults([]Fault{{Kind: FaultInner, Data: []byte{1}, SW: 0x6281}})
	if r := c.Transmit(unhex("00B09C0004")); !bytes.Equal(r, unhex("01 6281")) {
		t.Errorf("in clear: % X", r)
	}
}

func TestEndlessFiles(t *testing.T) {
	p := mustProfile(t, "cccd-mk")
	p.Endless = true
	term := opened(t, p, Options{})
	want := term.c.Files()["DG1"]
	if got := term.ok(0, 0xB0, 0x81, 0, nil, 200); !bytes.Equal(got, append(bytes.Clone(want), make([]byte, 200-len(want))...)) {
		t.Errorf("% X", got)
	}
	if got := term.ok(0, 0xB0, 0x7F, 0xFF, nil, 256); !bytes.Equal(got, make([]byte, 223)) {
		t.Errorf("% X", got)
	}
	if got := term.ok(0, 0xB1, 0, 1, tlv(0x54, unhex("7FFFFFFF")), 100); len(got) != 100 {
		t.Errorf("%d bytes", len(got))
	}
}

// One card's files before another card's chip.
func TestSplicedCard(t *testing.T) {
	p := mustProfile(t, "cccd-mk")
	other, err := Issue(p, mustPersona(t, "binh"), mustIssuer(t), IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	term := opened(t, p, Options{Issue: IssueOptions{KeysOf: other, ReplaceAfter: map[string][]byte{"DG14": other.Files["DG14"]}}})
	term.chipAuthentication(other.ca[0])
	if got, sw := term.readFile(0x010E, 200); sw != 0x9000 || !bytes.Equal(got, other.Files["DG14"]) {
		t.Errorf("%04X", sw)
	}
	if err := term.activeAuthentication(p.AA, other.aa, 256); err != nil {
		t.Error(err)
	}
	if got, _ := term.readFile(0x0101, 200); !bytes.Contains(got, []byte("NGUYEN<<VAN<AN")) {
		t.Error("the files are the other's")
	}
}

// A card is a function of issuer, profile, persona and serial.
func TestRepeatable(t *testing.T) {
	issue := func(seed string, serial int) map[string][]byte {
		iss, err := NewIssuer(IssuerOptions{Seed: []byte(seed)})
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(mustProfile(t, "cccd-javelin"), mustPersona(t, "binh"), iss, Options{Issue: IssueOptions{Serial: serial}})
		if err != nil {
			t.Fatal(err)
		}
		return c.Files()
	}
	equal := func(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, bytes.Equal) }
	a := issue("a", 0)
	if !equal(a, issue("a", 0)) {
		t.Error("the same seed gives another card")
	}
	if equal(a, issue("b", 0)) || bytes.Equal(a["DG15"], issue("a", 1)["DG15"]) {
		t.Error("another seed or serial gives the same card")
	}
}

func TestBadProfiles(t *testing.T) {
	for name, change := range map[string]func(*Profile){
		"status":                        func(p *Profile) { p.SelectMF = "6DZZ" },
		"short":                         func(p *Profile) { p.SFI = "9" },
		"ATR":                           func(p *Profile) { p.ATR = "XX" },
		"curve":                         func(p *Profile) { p.PACE[0].Curve = "P-255" },
		"cipher":                        func(p *Profile) { p.PACE[0].Cipher = "ROT13" },
		"CA curve":                      func(p *Profile) { p.CA.Curve = "" },
		"CA cipher":                     func(p *Profile) { p.CA.Cipher = "" },
		"KAT":                           func(p *Profile) { p.CA.KAT = true },
		"AA":                            func(p *Profile) { p.AA.Type = "dsa" },
		"AA hash":                       func(p *Profile) { p.AA.Hash = "MD5" },
		"AA bits":                       func(p *Profile) { p.AA.Type, p.AA.Bits = "rsa", 512 },
		"DG13":                          func(p *Profile) { p.DG13 = "C" },
		"photo":                         func(p *Profile) { p.Photo = "gif" },
		"clone":                         func(p *Profile) { p.Clone = "dolly" },
		"document":                      func(p *Profile) { p.Document = "td2" },
		"refused":                       func(p *Profile) { p.Refused = []string{"DG1"} },
		"padding":                       func(p *Profile) { p.Padding = -1 },
		"hash":                          func(p *Profile) { p.Hash = "MD5" },
		"trailer":                       func(p *Profile) { p.CardAccessTrailer = "0" },
		"mapping":                       func(p *Profile) { p.PACE[0].Mapping = "XM" },
		"nonce":                         func(p *Profile) { p.PACE[0].Nonce = -16 },
		"cipherless":                    func(p *Profile) { p.PACE[0].Cipher = "" },
		"group without extended length": func(p *Profile) { p.PACE[0].Curve = "DH-2048-256" },
		"password":                      func(p *Profile) { p.PACEPasswords = []string{"pun"} },
		"absent":                        func(p *Profile) { p.Absent = []string{"DG17"} },
		"issued":                        func(p *Profile) { p.IssuedAt = "15.4.2022" },
		"extent":                        func(p *Profile) { p.Extended = &Extents{MaxCommand: 10, MaxResponse: 10} },
		"time":                          func(p *Profile) { p.Timing.BACMS = math.NaN() },
		"slow":                          func(p *Profile) { p.SlowMS = -1 },
		"key form":                      func(p *Profile) { p.CA.KeyForm = "x942" },
		"key form of a group":           func(p *Profile) { p.CA.Curve, p.CA.NamedKey = "DH-1024-160", true },
		"keys without ids":              func(p *Profile) { p.MoreCA = []CAProfile{{Cipher: "AES-128", Curve: "P-256", KeyID: 2}} },
		"more without one":              func(p *Profile) { p.CA, p.MoreCA = nil, []CAProfile{{Cipher: "AES-128", Curve: "P-256", KeyID: 2}} },
	} {
		p := mustProfile(t, "cccd-mk")
		change(&p)
		_, err := New(p, mustPersona(t, "an"), mustIssuer(t), Options{})
		var e *ProfileError
		if !errors.As(err, &e) || e.Profile != p.Name || e.Field == "" || !strings.HasPrefix(err.Error(), "chip: profile cccd-mk: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ProfileByName("cccd-kk"); err == nil || !strings.Contains(err.Error(), `there is no "cccd-kk"; did you mean cccd-mk`) {
		t.Errorf("a profile that is none: %v", err)
	}
	if _, err := PersonaByName("none"); err == nil {
		t.Error("a persona that is none")
	}
	if _, err := New(mustProfile(t, "cccd-mk"), mustPersona(t, "an"), nil, Options{}); err == nil {
		t.Error("a card without issuer")
	}
	bad := mustPersona(t, "an")
	bad.Number = "12"
	if _, err := New(mustProfile(t, "cccd-mk"), bad, mustIssuer(t), Options{}); err == nil {
		t.Error("a persona with a bad number")
	}
}

type dry struct{}

func (dry) Read([]byte) (int, error) { return 0, errors.New("dry") }

func TestRandomSourceThatFails(t *testing.T) {
	c, err := New(mustProfile(t, "cccd-mk"), mustPersona(t, "an"), mustIssuer(t), Options{Rand: dry{}})
	if err != nil {
		t.Fatal(err)
	}
	c.Transmit(unhex("0022C1A40F800A04007F00070202040202830102"))
	c.Transmit(unhex("10860000027C0000"))
	cv := curveByName("brainpoolP256r1")
	if r := c.Transmit(encodeAPDU(0x10, 0x86, 0, 0, tlv(0x7C, tlv(0x81, cv.encode(cv.g))), 256, false)); !bytes.Equal(r, unhex("6F00")) {
		t.Errorf("% X", r)
	}
}
