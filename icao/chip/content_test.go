package chip

import (
	"bytes"
	"encoding/asn1"
	"image/jpeg"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// EF.CardSecurity to an independent reader: SignedData over SecurityInfos, with the signer's certificate, and wrong where it is asked to be.
func TestCardSecurity(t *testing.T) {
	iss := mustIssuer(t)
	for name, tt := range map[string]struct {
		o    SODOptions
		good bool
	}{"right": {SODOptions{}, true}, "SHA-512": {SODOptions{SignHash: "SHA-512"}, true}, "wrong signature": {SODOptions{BadSignature: true}, false}} {
		t.Run(name, func(t *testing.T) {
			p := mustProfile(t, "passport-pace-cam")
			card, err := Issue(p, mustPersona(t, "an"), iss, IssueOptions{CardSecurity: tt.o})
			if err != nil {
				t.Fatal(err)
			}
			var s cmsSOD
			if rest, err := asn1.Unmarshal(card.Files["EF_CardSecurity"], &s); err != nil || len(rest) > 0 {
				t.Fatal(err)
			}
			if got := s.Content.Encap.Type.String(); got != "0.4.0.127.0.7.3.2.1" {
				t.Errorf("content type %s", got)
			}
			h := hashAlgs[2]
			if tt.o.SignHash == "SHA-512" {
				h = hashAlgs[4]
			}
			if sig, dig := s.Content.Signers[0].signed(h, iss.ds, s.Content.Encap.Content); sig != tt.good || !dig {
				t.Errorf("signature %v, message digest %v", sig, dig)
			}
			if !bytes.Contains(s.Content.Certs.Bytes, iss.DocumentSigner()) {
				t.Error("no certificate of the signer")
			}
			set, _, _ := takeTLV(s.Content.Encap.Content)
			infos, ok := allTLV(set.value)
			if !ok || set.tag != 0x31 {
				t.Fatal("SecurityInfos do not parse")
			}
			for _, want := range append(p.cardAccessInfos(), card.cam[13].info(formStandardized)) {
				if !slices.ContainsFunc(infos, func(n node) bool { return bytes.Equal(n.raw, want) }) {
					t.Errorf("lacks % X", want)
				}
			}
		})
	}
	// Before access control it is not to be had, nor after it on a card without.
	c, err := New(mustProfile(t, "passport-pace-cam"), mustPersona(t, "an"), iss, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Transmit(unhex("00A4020C02011D")); !bytes.Equal(r, unhex("6982")) {
		t.Errorf("% X", r)
	}
}

func TestDG14HasCardAccess(t *testing.T) {
	for name, want := range map[string]bool{"cccd-mk": true, "cccd-sparse": false, "passport-dh-gm": true, "passport-pace-im": true, "passport-pace-cam": true} {
		p := mustProfile(t, name)
		card, err := Issue(p, mustPersona(t, "an"), mustIssuer(t), IssueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all := true
		for _, i := range p.cardAccessInfos() {
			all = all && bytes.Contains(card.Files["DG14"], i)
		}
		if all != want {
			t.Errorf("%s: %v", name, all)
		}
		do, _, _ := takeTLV(card.Files["DG14"])
		set, _, _ := takeTLV(do.value)
		infos, ok := allTLV(set.value)
		for i := 1; ok && i < len(infos); i++ {
			if bytes.Compare(infos[i-1].raw, infos[i].raw) >= 0 {
				t.Errorf("%s: DG14 is not a SET in DER, or says something twice", name)
			}
		}
	}
}

func TestSpecialCards(t *testing.T) {
	iss := mustIssuer(t)
	who := mustPersona(t, "hoa") // whose card has no expiry
	card := func(name string) *Card {
		t.Helper()
		c, err := Issue(mustProfile(t, name), who, iss, IssueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := card("cccd-expired"); !bytes.Contains(c.Files["DG1"], []byte("F250101")) || bytes.Contains(c.Files["DG13"], []byte("Không thời hạn")) || !bytes.Contains(c.Files["DG13"], []byte("01/01/2025")) {
		t.Error("the expired card does not say so")
	}
	if c := card("cccd-child"); c.Files["DG2"] != nil || bytes.Contains(c.Files["EF_COM"], []byte{0x75}) {
		t.Error("the child's card has a photo")
	}
	list, err := iss.RevocationList(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := iss.RevokedSigner()
	if err != nil {
		t.Fatal(err)
	}
	serial, _, _ := serialAndIssuer(revoked.DocumentSigner())
	good, _, _ := serialAndIssuer(iss.DocumentSigner())
	if !bytes.Contains(list, serial) || bytes.Contains(list, good) {
		t.Error("the revocation list names the wrong one")
	}
	if sod := card("cccd-revoked").Files["EF_SOD"]; !bytes.Contains(sod, revoked.DocumentSigner()) || bytes.Contains(sod, iss.DocumentSigner()) {
		t.Error("the revoked card has another signer")
	}
	if n := len(card("passport-large").Files["DG2"]); n <= 32767+1000 {
		t.Errorf("DG2 of %d bytes", n)
	}
	if c := card("passport-39794"); !bytes.Contains(c.Files["EF_COM"], []byte("0108")) || !bytes.Contains(c.Files["EF_SOD"], seq(printable("0108"), printable("040000"))) {
		t.Error("LDS 1.8 is not said")
	}
	c := card("passport-pace-cam")
	for _, o := range []string{oidPACE + ".2.9", oidCA + ".2.9", "1.3.6.1.4.1.55555.1.2"} {
		if !bytes.Contains(c.Files["DG14"], oid(o)) {
			t.Errorf("DG14 lacks %s", o)
		}
	}
	if !bytes.Contains(c.Files["EF_CardAccess"], seq(oid(oidPACE+".2.2"), integer(2), integer(32))) {
		t.Error("no explicit domain parameters")
	}
	ch := c.Chip(Options{})
	if r := ch.Transmit(unhex("0022C1A412800A04007F0007020204020283010284 0120")); !bytes.Equal(r, unhex("6A80")) {
		t.Errorf("explicit domain parameters: % X", r)
	}
	if r := ch.Transmit(unhex("0022C1A40F800A04007F00070202040202830102")); !bytes.Equal(r, unhex("6A80")) {
		t.Errorf("ambiguous domain parameters: % X", r)
	}
	if r := ch.Transmit(unhex("0022C1A412800A04007F0007020204020283010284 010D")); !bytes.Equal(r, unhex("9000")) {
		t.Errorf("standardized domain parameters: % X", r)
	}
}

// The further data groups as ICAO 9303-10 lays them out, once with all their bytes.
func TestExtraGroups(t *testing.T) {
	who := mustPersona(t, "an")
	p := mustProfile(t, "card-pin")
	p.TA, p.Fingers, p.Irises = true, 3, 1
	card, err := Issue(p, who, mustIssuer(t), IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := card.Files
	if want := unhex("60 1B 5F01 04 30313037 5F36 06 303430303030 5C 09 61 75 63 76 67 6B 6C 6E 70"); !bytes.Equal(f["EF_COM"], want) {
		t.Errorf("EF.COM % X", f["EF_COM"])
	}
	outer := func(name string, tag uint32) []node {
		t.Helper()
		do, rest, ok := takeTLV(f[name])
		nodes, ok2 := allTLV(do.value)
		if !ok || !ok2 || len(rest) > 0 || do.tag != tag {
			t.Fatalf("%s: % X", name, f[name][:8])
		}
		return nodes
	}
	if n := outer("DG7", 0x67); !bytes.Equal(n[0].raw, integer(1)) || n[1].tag != 0x5F43 {
		t.Error("DG7")
	} else if _, err := jpeg.Decode(bytes.NewReader(n[1].value)); err != nil {
		t.Errorf("DG7: %v", err)
	}
	for name, want := range map[string]string{
		"DG11": "5C 0A 5F0E5F105F2B5F115F42 5F0E ... 5F10 0C 303031303939303132333435 5F2B 08 3139393930313031",
		"DG12": "5C 08 5F195F265F555F56 5F19 13 544150434845434B2053494D554C4154494F4E 5F26 08 3230323230343135",
	} {
		b := f[name][2:]
		for part := range strings.SplitSeq(want, "...") {
			i := bytes.Index(b, unhex(part))
			if i < 0 {
				t.Errorf("%s lacks %s", name, part)
			}
		}
	}
	if !bytes.Contains(f["DG11"], tlv(0x5F0E, []byte("Nguyễn<<Văn An"))) {
		t.Error("DG11: name")
	}
	if n := outer("DG16", 0x70); len(n) != 3 || !bytes.Equal(n[0].raw, integer(2)) || n[1].tag != 0xA1 || n[2].tag != 0xA2 || !bytes.Contains(n[2].value, tlv(0x5F51, []byte("Lý<<Thị Ngọc Diệp"))) {
		t.Errorf("DG16: %d parts", len(n))
	}
	for name, count := range map[string]int{"DG3": 3, "DG4": 1} {
		n := outer(name, map[string]uint32{"DG3": 0x63, "DG4": 0x76}[name])
		inner, ok := allTLV(n[0].value)
		if !ok || n[0].tag != 0x7F61 || len(inner) != 1+count || !bytes.Equal(inner[0].raw, integer(int64(count))) {
			t.Errorf("%s: %d parts", name, len(inner))
		}
	}
}

// A face as ISO/IEC 39794-5, down its path to the picture.
func TestFace39794(t *testing.T) {
	for _, photo := range []string{"jpeg", "jp2"} {
		p := mustProfile(t, "passport-39794")
		p.Photo = photo
		b, err := dg2(p, mustPersona(t, "binh"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := data.ReadFile("data/face-binh" + map[string]string{"jpeg": ".jpg", "jp2": ".jp2"}[photo])
		if err != nil {
			t.Fatal(err)
		}
		value := b
		for _, tag := range []uint32{0x75, 0x7F61, 0x7F60, 0x7F2E, 0xA1, 0x65, 0xA1, 0x30, 0xA1, 0xA0, 0xA0} {
			nodes, ok := allTLV(value)
			if value = find(nodes, tag); !ok || value == nil {
				t.Fatalf("no %X", tag)
			}
		}
		nodes, _ := allTLV(value)
		info, _ := allTLV(find(nodes, 0xA1))
		size, _ := allTLV(find(info, 0xA7))
		if !bytes.Equal(find(nodes, 0x80), want) || new(big.Int).SetBytes(find(size, 0x80)).Int64() != 300 || new(big.Int).SetBytes(find(size, 0x81)).Int64() != 400 {
			t.Errorf("%s: picture or its size", photo)
		}
	}
}
