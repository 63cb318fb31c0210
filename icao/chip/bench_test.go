package chip

import "testing"

// BenchmarkRead is the chip's side of a whole read, the terminal's included: PACE, chip authentication, active
// authentication, and every file.
func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"cccd-mk", "cccd-javelin", "cccd-p384"} {
		b.Run(name, func(b *testing.B) {
			p := mustProfile(b, name)
			who := mustPersona(b, "an")
			card, err := Issue(p, who, mustIssuer(b), IssueOptions{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				term := &terminal{t: b, c: card.Chip(Options{})}
				if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 {
					b.Fatalf("%04X", sw)
				}
				term.selectApplication()
				for _, fid := range []uint16{0x11D, 0x101, 0x10D, 0x10E, 0x10F} {
					if _, sw := term.readFile(fid, 223); sw != 0x9000 {
						b.Fatalf("%04X", sw)
					}
				}
				term.chipAuthentication(card.ca[0])
				if err := term.activeAuthentication(p.AA, card.aa, 256); err != nil {
					b.Fatal(err)
				}
				if _, sw := term.readFile(0x102, 223); sw != 0x9000 {
					b.Fatalf("%04X", sw)
				}
			}
		})
	}
}

// BenchmarkHandshake is PACE and chip authentication on every curve and group, chip and terminal together.
func BenchmarkHandshake(b *testing.B) {
	who := mustPersona(b, "an")
	for _, name := range append(Curves(), Groups()...) {
		for _, mapping := range []string{"GM", "IM"} {
			p := mustProfile(b, "cccd-extended")
			p.PACE = []PACEOffer{{Cipher: "AES-128", Curve: name, Mapping: mapping}}
			p.CA = &CAProfile{Cipher: "AES-128", Curve: name}
			if p.check() != nil {
				continue
			}
			b.Run(name+" "+mapping, func(b *testing.B) {
				card, err := Issue(p, who, mustIssuer(b), IssueOptions{})
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					term := &terminal{t: b, c: card.Chip(Options{})}
					if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 {
						b.Fatalf("%04X", sw)
					}
					term.selectApplication()
					term.chipAuthentication(card.ca[0])
				}
			})
		}
	}
}
