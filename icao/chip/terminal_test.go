package chip

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
)

// terminal is a strict reader of the test's own: it does what ICAO 9303-11 says and stops the test at anything else. It
// shares the primitives with the chip (they are held to published vectors in vectors_test.go), and none of its logic.
type terminal struct {
	t     testing.TB
	c     *Chip
	sm    *session
	apdus int

	wantsCAR  bool   // ask for certification authority references in PACE
	car       string // and what came
	camErr    error  // what chip authentication mapping came to
	id        []byte // of the chip, for terminal authentication
	ephemeral []byte // the terminal's own key of the last chip authentication or PACE, compressed
}

func (t *terminal) raw(cmd []byte) ([]byte, uint16) {
	t.t.Helper()
	t.apdus++
	r := t.c.Transmit(cmd)
	if len(r) < 2 {
		t.t.Fatalf("chip answered %d bytes to % X", len(r), cmd[:min(len(cmd), 5)])
	}
	data := r[:len(r)-2]
	for r[len(r)-2] == 0x61 {
		r = t.c.Transmit([]byte{0, 0xC0, 0, 0, r[len(r)-1]})
		if len(r) < 2 {
			t.t.Fatal("no answer to GET RESPONSE")
		}
		data = append(data, r[:len(r)-2]...)
	}
	return data, binary.BigEndian.Uint16(r[len(r)-2:])
}

func encodeAPDU(cla, ins, p1, p2 byte, data []byte, ne int, ext bool) []byte {
	out := []byte{cla, ins, p1, p2}
	if ext {
		out = append(out, 0)
		if len(data) > 0 {
			out = append(out, byte(len(data)>>8), byte(len(data)))
			out = append(out, data...)
		}
		if ne > 0 {
			out = append(out, byte(ne>>8), byte(ne))
		}
		return out
	}
	if len(data) > 0 {
		out = append(append(out, byte(len(data))), data...)
	}
	if ne > 0 {
		out = append(out, byte(ne))
	}
	return out
}

// send sends a command, protected when a session is up.
func (t *terminal) send(cla, ins, p1, p2 byte, data []byte, ne int) ([]byte, uint16) {
	t.t.Helper()
	if t.c.p.Chaining && len(data) > 200 {
		for ; len(data) > 200; data = data[200:] {
			if _, sw := t.send(cla|0x10, ins, p1, p2, data[:200], 0); sw != 0x9000 {
				return nil, sw
			}
		}
	}
	ext := ne > 256 || len(data) > 200
	if t.sm == nil {
		return t.raw(encodeAPDU(cla, ins, p1, p2, data, ne, ext))
	}
	s := t.sm
	s.count()
	odd := ins&1 == 1
	var dos []byte
	if len(data) > 0 {
		e := s.cbc(s.kenc, s.iv(), pad(data, s.block), true)
		if odd {
			dos = tlv(0x85, e)
		} else {
			dos = tlv(0x87, []byte{1}, e)
		}
	}
	if ne > 0 {
		le := []byte{byte(ne)}
		if ne > 256 {
			le = []byte{byte(ne >> 8), byte(ne)}
		}
		dos = append(dos, tlv(0x97, le)...)
	}
	cla |= 0x0C
	mac := s.sign(append(pad([]byte{cla, ins, p1, p2}, s.block), dos...))
	dos = append(dos, tlv(0x8E, mac)...)
	outer := 256
	if ext {
		outer = 65536
	}
	resp, sw := t.raw(encodeAPDU(cla, ins, p1, p2, dos, outer, ext))
	if len(resp) == 0 {
		return nil, sw // naked: the caller looks at sw and t.sm
	}
	s.count()
	nodes, ok := allTLV(resp)
	if !ok || len(nodes) < 2 {
		t.t.Fatalf("protected response does not parse")
	}
	last := nodes[len(nodes)-1]
	if last.tag != 0x8E || !bytes.Equal(last.value, s.sign(resp[:len(resp)-len(last.raw)])) {
		t.t.Fatalf("response MAC is wrong (%02X %02X)", ins, p1)
	}
	st := nodes[len(nodes)-2]
	if st.tag != 0x99 || binary.BigEndian.Uint16(st.value) != sw {
		t.t.Fatalf("DO99 is not the status word")
	}
	if len(nodes) == 2 {
		return []byte{}, sw
	}
	c := nodes[0].value
	if odd != (nodes[0].tag == 0x85) {
		t.t.Fatalf("data in DO%02X for instruction %02X", nodes[0].tag, ins)
	}
	if !odd {
		c = c[1:]
	}
	plain, ok := unpad(s.cbc(s.kenc, s.iv(), c, false))
	if !ok {
		t.t.Fatal("bad padding in response")
	}
	return plain, sw
}

func (t *terminal) ok(cla, ins, p1, p2 byte, data []byte, ne int) []byte {
	t.t.Helper()
	out, sw := t.send(cla, ins, p1, p2, data, ne)
	if sw != 0x9000 {
		t.t.Fatalf("%02X %02X %02X %02X: status %04X", cla, ins, p1, p2, sw)
	}
	return out
}

func dynamic(t testing.TB, resp []byte, tag uint32) []byte {
	t.Helper()
	do, rest, ok := takeTLV(resp)
	if !ok || len(rest) > 0 || do.tag != 0x7C {
		t.Fatalf("no DO7C")
	}
	in, rest, ok := takeTLV(do.value)
	if !ok || len(rest) > 0 || in.tag != tag {
		t.Fatalf("no DO%02X", tag)
	}
	return in.value
}

// pace opens the chip and gives the status word of the last step.
func (t *terminal) pace(ref byte, password []byte, o PACEOffer) uint16 {
	t.t.Helper()
	d := domainByName(o.Curve)
	s, _ := suiteByName(o.Cipher)
	id := oidValue(o.oid())
	var chat []byte
	if t.wantsCAR {
		chat = tlv(0x7F4C, oid(oidIS), tlv(0x53, []byte{0xFF}))
	}
	if _, sw := t.send(0, 0x22, 0xC1, 0xA4, slices.Concat(tlv(0x80, id), tlv(0x83, []byte{ref}), tlv(0x84, []byte{byte(d.parameterID())}), chat), 0); sw&0xFFF0 != 0x63C0 && sw != 0x9000 {
		return sw
	}
	ne := 256
	if d.prime().BitLen() > 1024 {
		ne = 1024
	}
	resp, sw := t.send(0x10, 0x86, 0, 0, tlv(0x7C), ne)
	if sw != 0x9000 {
		return sw
	}
	nonce := s.cbc(s.kdf(password, 3), nil, dynamic(t.t, resp, 0x80), false)
	var mapped domain
	var theirMap []byte
	ok := true
	if o.Mapping == mappingIntegrated {
		own, _ := randomBytes(rand.Reader, s.key)
		if r := t.ok(0x10, 0x86, 0, 0, tlv(0x7C, tlv(0x81, own)), ne); !bytes.Equal(r, unhex("7C028200")) {
			t.t.Fatalf("mapping was answered with % X", r)
		}
		mapped, ok = d.mapIntegrated(s.integratedElement(nonce, own, d.prime()))
	} else {
		k1, _ := d.scalar(rand.Reader)
		theirMap = dynamic(t.t, t.ok(0x10, 0x86, 0, 0, tlv(0x7C, tlv(0x81, d.public(k1))), ne), 0x82)
		if err := d.valid(theirMap); err != nil {
			t.t.Fatal(err)
		}
		mapped, _, ok = d.mapGeneric(new(big.Int).SetBytes(nonce), theirMap, k1)
	}
	if !ok {
		t.t.Fatal("neutral generator")
	}
	k2, _ := mapped.scalar(rand.Reader)
	own := mapped.public(k2)
	theirs := dynamic(t.t, t.ok(0x10, 0x86, 0, 0, tlv(0x7C, tlv(0x83, own)), ne), 0x84)
	if err := mapped.valid(theirs); err != nil {
		t.t.Fatal(err)
	}
	shared := mapped.shared(theirs, k2)
	kmac := s.kdf(shared, 2)
	tok := func(q []byte) []byte { return s.token(kmac, tlv(0x7F49, tlv(0x06, id), tlv(d.pointTag(), q))) }
	resp, sw = t.send(0, 0x86, 0, 0, tlv(0x7C, tlv(0x85, tok(theirs))), ne)
	if sw != 0x9000 {
		return sw
	}
	do, rest, ok := takeTLV(resp)
	nodes, ok2 := allTLV(do.value)
	if !ok || !ok2 || len(rest) > 0 || do.tag != 0x7C || !bytes.Equal(find(nodes, 0x86), tok(own)) {
		t.t.Fatal("chip's token is wrong")
	}
	t.sm = newSession(s, shared, nil)
	t.car = string(find(nodes, 0x87))
	t.id, t.ephemeral = mapped.compress(theirs), mapped.compress(own)
	t.camErr = errors.New("no chip authentication mapping")
	if sealed := find(nodes, 0x8A); sealed != nil {
		kenc := s.kdf(shared, 1)
		data, ok := unpad(s.cbc(kenc, s.cbc(kenc, nil, bytes.Repeat([]byte{0xFF}, 16), true), sealed, false))
		key := t.c.card.cam[d.parameterID()]
		if t.camErr = nil; !ok || len(data) != (d.order().BitLen()+7)/8 {
			t.camErr = errors.New("chip authentication data do not decrypt")
		} else if q, err := d.(*curve).decode(key.pub); err != nil || !bytes.Equal(d.(*curve).encode(d.(*curve).mult(q, new(big.Int).SetBytes(data))), theirMap) {
			t.camErr = errors.New("chip authentication mapping is wrong")
		}
	} else if o.Mapping == mappingChip {
		t.t.Fatal("no chip authentication data")
	}
	return sw
}

func (t *terminal) bac(secret []byte) uint16 {
	t.t.Helper()
	s := suites[0]
	rndIC := t.ok(0, 0x84, 0, 0, nil, 8)
	seed := sha1.Sum(secret)
	kenc, kmac := s.kdf(seed[:16], 1), s.kdf(seed[:16], 2)
	own := make([]byte, 24)
	_, _ = rand.Read(own)
	e := s.cbc(kenc, nil, slices.Concat(own[:8], rndIC, own[8:]), true)
	resp, sw := t.send(0, 0x82, 0, 0, append(e, s.mac(kmac, pad(e, 8))...), 40)
	if sw != 0x9000 {
		return sw
	}
	if !bytes.Equal(resp[32:], s.mac(kmac, pad(resp[:32], 8))) {
		t.t.Fatal("BAC: MAC is wrong")
	}
	m := s.cbc(kenc, nil, resp[:32], false)
	if !bytes.Equal(m[:8], rndIC) || !bytes.Equal(m[8:16], own[:8]) {
		t.t.Fatal("BAC: challenges are wrong")
	}
	shared := make([]byte, 16)
	for i := range shared {
		shared[i] = own[8+i] ^ m[16+i]
	}
	t.sm = newSession(s, shared, slices.Concat(rndIC[4:], own[4:8]))
	t.id = secret[:10]
	return sw
}

func (t *terminal) selectApplication() {
	t.t.Helper()
	t.ok(0, 0xA4, 0x04, 0x0C, applicationID, 0)
}

// terminalAuthentication shows a chain and signs the chip's challenge; the status word is that of the first step that fails, or of the
// last one.
func (t *terminal) terminalAuthentication(car string, chain [][]byte, ref string, sign func([]byte) ([]byte, error)) uint16 {
	t.t.Helper()
	for _, cert := range chain {
		do, _, _ := takeTLV(cert)
		parts, _ := allTLV(do.value)
		if _, sw := t.send(0, 0x22, 0x81, 0xB6, tlv(0x83, []byte(car)), 0); sw != 0x9000 {
			return sw
		}
		if _, sw := t.send(0, 0x2A, 0, 0xBE, do.value, 0); sw != 0x9000 {
			return sw
		}
		body, _ := allTLV(parts[0].value)
		car = string(find(body, 0x5F20))
	}
	if _, sw := t.send(0, 0x22, 0x81, 0xA4, tlv(0x83, []byte(ref)), 0); sw != 0x9000 {
		return sw
	}
	challenge := t.ok(0, 0x84, 0, 0, nil, 8)
	sig, err := sign(slices.Concat(t.id, challenge, t.ephemeral))
	if err != nil {
		t.t.Fatal(err)
	}
	_, sw := t.send(0, 0x82, 0, 0, sig, 0)
	return sw
}

// readFile reads a file by identifier, in blocks of at most n bytes.
func (t *terminal) readFile(fid uint16, n int) ([]byte, uint16) {
	t.t.Helper()
	if _, sw := t.send(0, 0xA4, 0x02, 0x0C, []byte{byte(fid >> 8), byte(fid)}, 0); sw != 0x9000 {
		return nil, sw
	}
	head, sw := t.send(0, 0xB0, 0, 0, nil, 8)
	if sw != 0x9000 {
		t.t.Fatalf("head of %04X: %04X", fid, sw)
	}
	_, rest, ok := takeTLV(append(bytes.Clone(head), make([]byte, 1<<20)...))
	if !ok {
		t.t.Fatal("file has no TLV head")
	}
	total := len(head) + 1<<20 - len(rest)
	out := head
	if total < len(out) {
		out = out[:total]
	}
	for len(out) < total {
		want := min(n, total-len(out))
		var part []byte
		if len(out) <= 0x7FFF {
			part = t.ok(0, 0xB0, byte(len(out)>>8), byte(len(out)), nil, want)
		} else {
			off := len(out)
			part = t.ok(0, 0xB1, 0, 0, tlv(0x54, []byte{byte(off >> 16), byte(off >> 8), byte(off)}), 1+len(tlvLength(want))+want)
			do, _, ok := takeTLV(part)
			if !ok || do.tag != 0x53 {
				t.t.Fatal("no DO53")
			}
			part = do.value
		}
		if len(part) == 0 {
			t.t.Fatal("empty block")
		}
		out = append(out, part...)
	}
	return out, 0x9000
}

func (t *terminal) chipAuthentication(k *caKey) {
	t.t.Helper()
	s, _ := suiteByName(k.p.Cipher)
	d, _ := k.dom.scalar(rand.Reader)
	pub := k.dom.public(d)
	var ref []byte
	if k.p.KeyID != 0 {
		ref = tlv(0x84, []byte{byte(k.p.KeyID)})
	}
	if k.p.NoInfo {
		t.ok(0, 0x22, 0x41, 0xA6, append(tlv(0x91, pub), ref...), 0)
	} else {
		ne := 256
		if k.dom.prime().BitLen() > 1024 {
			ne = 1024
		}
		t.ok(0, 0x22, 0x41, 0xA4, append(tlv(0x80, oidValue(k.p.oid())), ref...), 0)
		if r := t.ok(0, 0x86, 0, 0, tlv(0x7C, tlv(0x80, pub)), ne); !bytes.Equal(r, []byte{0x7C, 0}) {
			t.t.Fatalf("chip authentication answered % X", r)
		}
	}
	t.sm = newSession(s, k.dom.shared(k.pub, d), nil)
	t.ephemeral = k.dom.compress(pub)
}

func (t *terminal) activeAuthentication(p *AAProfile, k *key, ne int) error {
	t.t.Helper()
	challenge := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	h, _ := hashByName(p.Hash)
	sig, sw := t.send(0, 0x88, 0, 0, challenge, ne)
	if sw != 0x9000 {
		return fmt.Errorf("status %04X", sw)
	}
	if k.c != nil {
		if p.DER {
			do, _, _ := takeTLV(sig)
			rs, _ := allTLV(do.value)
			if len(rs) != 2 || !k.c.ecdsaVerify(k.pub, h.sum(challenge), new(big.Int).SetBytes(rs[0].value), new(big.Int).SetBytes(rs[1].value)) {
				return fmt.Errorf("ECDSA signature in DER is wrong")
			}
			return nil
		}
		n := len(sig) / 2
		if !k.c.ecdsaVerify(k.pub, h.sum(challenge), new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])) {
			return fmt.Errorf("ECDSA signature is wrong")
		}
		return nil
	}
	m := new(big.Int).Exp(new(big.Int).SetBytes(sig), k.e, k.n).FillBytes(make([]byte, k.size()))
	tl := 2
	if p.Hash == "SHA-1" && p.Trailer == "" || p.Trailer == "1" {
		tl = 1
	}
	hl := h.new().Size()
	end := len(m) - tl - hl
	if p.Smaller && m[len(m)-1]&15 != 0xC {
		// The complement was given: ISO/IEC 9796-2 B.4.
		new(big.Int).Sub(k.n, new(big.Int).SetBytes(m)).FillBytes(m)
	}
	if m[0] != 0x6A || !bytes.Equal(m[end:end+hl], h.sum(slices.Concat(m[1:end], challenge))) {
		return fmt.Errorf("RSA signature is wrong")
	}
	return nil
}

func newTerminal(t testing.TB, p Profile, who Persona, iss *Issuer, o Options) *terminal {
	t.Helper()
	if o.Violation == nil {
		o.Violation = func(s string) { t.Errorf("the strict terminal was blamed: %s", s) }
	}
	c, err := New(p, who, iss, o)
	if err != nil {
		t.Fatal(err)
	}
	return &terminal{t: t, c: c}
}

// enter opens a chip with what its profile has: PACE by the first offer with the CAN or the MRZ, else BAC.
func (t *terminal) enter() {
	t.t.Helper()
	p := t.c.p
	if len(p.PACE) == 0 {
		t.selectApplication()
		if sw := t.bac(t.c.mrzSecret()); sw != 0x9000 {
			t.t.Fatalf("BAC: %04X", sw)
		}
		return
	}
	got, sw := t.readFile(0x011C, 200)
	if sw != 0x9000 || !bytes.Equal(got, t.c.Files()["EF_CardAccess"]) {
		t.t.Fatalf("EF.CardAccess: %04X", sw)
	}
	ref, password := byte(2), []byte(t.c.card.who.CAN())
	if !slices.Contains(p.PACEPasswords, "can") {
		h := sha1.Sum(t.c.mrzSecret())
		ref, password = 1, h[:]
	}
	if sw := t.pace(ref, password, p.PACE[0]); sw != 0x9000 {
		t.t.Fatalf("PACE: %04X", sw)
	}
	if p.PACE[0].Mapping == "CAM" && t.camErr != nil {
		t.t.Error(t.camErr)
	}
	if _, there := t.c.Files()["EF_CardSecurity"]; there {
		if got, sw := t.readFile(0x011D, 200); sw != 0x9000 || !bytes.Equal(got, t.c.Files()["EF_CardSecurity"]) {
			t.t.Errorf("EF.CardSecurity: %04X", sw)
		}
	}
	if p.Directory {
		if got, sw := t.readFile(0x2F00, 200); sw != 0x9000 || !bytes.Equal(got, unhex("6109 4F07 A0000002471001")) {
			t.t.Errorf("EF.DIR: % X %04X", got, sw)
		}
	}
	t.selectApplication()
}

func TestWholeRead(t *testing.T) {
	iss := mustIssuer(t)
	who, _ := PersonaByName("an")
	for _, p := range Profiles() {
		if p.NoApplication || p.Clone != "" {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			term := newTerminal(t, p, who, iss, Options{})
			term.enter()
			block := 223
			if p.Extended != nil {
				block = 1800
			}
			read := func(longest int) {
				for name, want := range term.c.Files() {
					if len(want) > longest {
						continue
					}
					var n int
					fid := map[string]int{"EF_SOD": 0x11D, "EF_COM": 0x11E}[name]
					if _, err := fmt.Sscanf(name, "DG%d", &n); err == nil {
						fid = 0x100 + n
					}
					if fid == 0 {
						continue
					}
					got, sw := term.readFile(uint16(fid), block)
					if n == 3 {
						if sw != 0x6982 {
							t.Errorf("DG3: status %04X", sw)
						}
						continue
					}
					if sw != 0x9000 || !bytes.Equal(got, want) {
						t.Errorf("%s: status %04X, %d of %d bytes", name, sw, len(got), len(want))
					}
				}
				if _, sw := term.readFile(0x0109, 100); sw != 0x6A82 {
					t.Errorf("DG9: status %04X", sw)
				}
			}
			read(1 << 20)
			for _, k := range term.c.card.ca {
				term.chipAuthentication(k)
				read(1500)
			}
			if p.TA {
				pki, err := iss.TerminalPKI()
				if err != nil {
					t.Fatal(err)
				}
				if sw := authenticate(term, mustTerminal(t, pki, TerminalOptions{}), pki.Reference()); sw != 0x9000 || rights(term) == 0 {
					t.Errorf("terminal authentication: %04X", sw)
				}
			}
			if p.AA == nil {
				return
			}
			ne := 256
			if p.Extended != nil {
				ne = 1024
			}
			err := term.activeAuthentication(p.AA, term.c.card.aa, ne)
			if p.Name == "cccd-rsa2048" {
				if err == nil || err.Error() != "status 6700" {
					t.Errorf("RSA-2048 in a short response: %v", err)
				}
			} else if err != nil {
				t.Errorf("active authentication: %v", err)
			}
		})
	}
}
