package access

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"testing"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// FuzzUnprotect: whatever a card sends under secure messaging, only what it made with the keys is believed.
func FuzzUnprotect(f *testing.F) {
	enc, mac := fakeKeys(suiteAES128)
	good := (&fakeCard{suite: suiteAES128, sm: newMessaging(suiteAES128, enc, mac, nil)}).protect(0xB0, []byte("some data"), swOK)
	f.Add(good, byte(0xB0), false)
	f.Add(good[:len(good)-3], byte(0xB0), true)
	f.Add(unhex("990290008E0800000000000000009000"), byte(0xA4), false)
	f.Add(unhex("8781FF0100"), byte(0xB0), true)
	f.Add(unhex("85089000"), byte(0xB1), false)
	f.Add([]byte{0x90, 0x00}, byte(0x86), false)
	f.Fuzz(func(t *testing.T, answer []byte, ins byte, des bool) {
		if len(answer) < 2 {
			return
		}
		s := suiteAES128
		if des {
			s = suite3DES
		}
		enc, mac := fakeKeys(s)
		c := NewChannel(transmitFunc(func(context.Context, []byte) ([]byte, error) { return answer, nil }), Options{})
		c.startMessaging(newMessaging(s, enc, mac, nil))
		c.sm.ssc[0] = 7 // an answer that is right for this counter is not among the seeds, and cannot be guessed
		_, err := c.send(t.Context(), "fuzz", command{ins: ins, le: 256})
		if err == nil {
			t.Fatal("a forged answer was believed")
		}
		if !errors.Is(err, lds.ErrSecureMessaging) && !errors.Is(err, lds.ErrProtocol) {
			t.Fatalf("error without a type: %v", err)
		}
	})
}

// FuzzSecurityInfos: any EF.CardAccess, DG14 and DG15.
func FuzzSecurityInfos(f *testing.F) {
	f.Add(citizenCardAccess)
	f.Add(paceExampleCardAccess)
	f.Add(unhex("6E02 3100"))
	f.Add(lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, lds.AppendTLV(nil, 0x30, unhex("0606 678108010105 020101 060A 04007F00070101040103")))))
	f.Add(lds.AppendTLV(nil, 0x6F, lds.AppendTLV(nil, 0x30, append(lds.AppendTLV(nil, 0x30, unhex("0609 2A864886F70D010101 0500")), unhex("0309 00 3006 020103 020103")...))))
	f.Add(lds.AppendTLV(nil, 0x6F, lds.AppendTLV(nil, 0x30, append(lds.AppendTLV(nil, 0x30, unhex("0607 2A8648CE3D0201 3003 020101")), unhex("0302 0004")...))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if infos, err := parseSecurityInfos(b); err == nil {
			_, _, _, _ = choosePACE(infos.pace)
			_, _ = chooseCA(infos, caKey.public)
		} else if !errors.Is(err, lds.ErrMalformed) && !errors.Is(err, lds.ErrTooLarge) {
			t.Fatalf("error without a type: %v", err)
		}
		if infos, err := parseDG14(b); err == nil {
			if choice, err := chooseCA(infos, caKey.public); err == nil {
				if _, err := choice.d.decode(choice.d.encode(choice.point)); err != nil {
					t.Fatal("a key that is no element was chosen")
				}
			}
		}
		if k, err := parseDG15(b); err == nil {
			if k.n == nil && !k.curve.valid(k.point.x, k.point.y) {
				t.Fatal("a key that is no point was taken")
			}
		} else if !errors.Is(err, lds.ErrMalformed) && !errors.Is(err, ErrUnsupported) {
			t.Fatalf("error without a type: %v", err)
		}
	})
}

// FuzzReadFile lets a card answer as it likes, in clear, with pieces of the input: reading ends, stays within its bounds, and gives
// exactly the bytes that the card sent.
func FuzzReadFile(f *testing.F) {
	f.Add(append(testFile(0x75, 40), 0x90, 0x00), byte(42))
	f.Add(append(testFile(0x75, 40), 0x90, 0x00), byte(3))
	f.Add(unhex("7584FFFFFFFF9000"), byte(8))
	f.Add(unhex("75806282"), byte(4))
	f.Add(unhex("6C056C056C056C05"), byte(2))
	f.Add(unhex("610561056105"), byte(2))
	f.Add(unhex("6A829000750390006282"), byte(2))
	f.Add(unhex("6A86900075039000010203900000"), byte(4))
	f.Fuzz(func(t *testing.T, stream []byte, piece byte) {
		sent, rest := 0, stream
		c := NewChannel(transmitFunc(func(context.Context, []byte) ([]byte, error) {
			sent++
			if len(rest) == 0 {
				rest = stream // a card never runs dry
			}
			n := min(max(int(piece), 2), len(rest))
			answer := rest[:n]
			rest = rest[n:]
			return answer, nil
		}), Options{MaxFile: 4096})
		data, err := c.ReadFile(t.Context(), lds.DG(2), func(done, total int) {
			if done > total || total > 4096 {
				t.Fatalf("progress %d of %d", done, total)
			}
		})
		if sent > 2000 {
			t.Fatalf("%d commands", sent)
		}
		if err == nil {
			tag, header, length, herr := lds.ReadHeader(data)
			if herr != nil || tag != 0x75 || header+length != len(data) {
				t.Fatalf("%d bytes that are no file: %v", len(data), herr)
			}
			return
		}
		var file *lds.FileError
		if !errors.As(err, &file) && !errors.Is(err, ErrShortResponse) {
			t.Fatalf("error without a type: %v", err)
		}
	})
}

// FuzzPACE lets a card answer PACE as it likes.
func FuzzPACE(f *testing.F) {
	var answers []byte
	for i := 1; i < len(paceExample); i += 2 {
		a := unhex(paceExample[i])
		answers = append(append(answers, byte(len(a))), a...)
	}
	f.Add(answers)
	f.Add(unhex("02 9000 04 7C009000"))
	f.Add(unhex("02 9000 16 7C128010 95A3A016522EE98D01E76CB6B98B42C3 9000 07 7C0382010090 00"))
	f.Fuzz(func(t *testing.T, answers []byte) {
		if bytes.Contains(answers, unhex("3ABB9674BCE93C08")) {
			return // the worked example itself, which succeeds
		}
		c := NewChannel(transmitFunc(func(context.Context, []byte) ([]byte, error) {
			if len(answers) == 0 {
				return nil, errNoAnswer
			}
			n := min(int(answers[0]), len(answers)-1)
			a := answers[1 : 1+n]
			answers = answers[1+n:]
			return a, nil
		}), Options{})
		c.keygen = func(domain) (*big.Int, error) { return big.NewInt(0x10001), nil }
		v, err := c.PACE(t.Context(), paceExampleCardAccess, examplePACE)
		if err == nil || v.Status == lds.Passed || c.Secure() {
			t.Fatal("opened without a key")
		}
	})
}

// FuzzTerminalFiles: any card verifiable certificate, EF.CVCA, EF.ATR/INFO and EF.CardSecurity.
func FuzzTerminalFiles(f *testing.F) {
	f.Add(exampleCVCA)
	f.Add(unhex("420F 444554455354435643413030303033 420F 444554455354435643413030303032 0000"))
	f.Add(unhex("4703 0080C0 7F66 08 0202 07D0 0202 0780"))
	object := lds.AppendTLV(nil, 0x30, append(lds.AppendTLV(nil, 0x06, oidSecurityObject), lds.AppendTLV(nil, 0xA0, lds.AppendTLV(nil, 0x04, lds.AppendTLV(nil, 0x31, exampleCAMKey)))...))
	signed := lds.AppendTLV(nil, 0x30, append(unhex("020103 3100"), object...))
	f.Add(lds.AppendTLV(nil, 0x30, append(lds.AppendTLV(nil, 0x06, oidSignedData), lds.AppendTLV(nil, 0xA0, signed)...)))
	f.Add(unhex("7F21 80 0000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		typed := func(err error) {
			if err != nil && !errors.Is(err, lds.ErrMalformed) && !errors.Is(err, lds.ErrTooLarge) && !errors.Is(err, ErrNoExtents) {
				t.Fatalf("error without a type: %v", err)
			}
		}
		c, err := ParseCertificate(b)
		typed(err)
		if err == nil {
			if c.Authority == "" || c.Holder == "" || len(c.Holder) > maxReference || len(c.body)+len(c.signature) > len(b) || c.Role > RoleCVCA {
				t.Fatalf("%+v", c)
			}
			_, _ = c.Algorithm()
			_, _ = chainFrom([]string{c.Authority}, []Certificate{c, c})
		}
		points, err := parseCVCA(b)
		typed(err)
		if len(points) > maxReferences {
			t.Fatal("too many trust points")
		}
		e, err := ParseATRInfo(b)
		typed(err)
		if err == nil && e.Command > 0 && (e.Command < 256 || e.Response < 256) {
			t.Fatalf("%+v", e)
		}
		infos, err := CardSecurityInfos(b)
		typed(err)
		if err == nil {
			c := NewChannel(nil, Options{})
			c.cam = &camRun{suite: suiteAES128, d: standardDomain(13), mapping: standardDomain(13).generator(), sent: true, data: big.NewInt(7)}
			if v, _ := c.ChipAuthenticationMapping(infos); v.Exchange == lds.Passed && !bytes.Equal(infos, lds.AppendTLV(nil, 0x31, exampleCAMKey)) {
				// 7 times the key would have to be the base point: only its owner could find such a key.
				t.Fatal("a proof was believed")
			}
		}
		_, err = parseLast(b)
		typed(err)
	})
}

// FuzzVariants lets a card answer PACE of every kind as it likes.
func FuzzVariants(f *testing.F) {
	for i, v := range paceVectors {
		var answers []byte
		steps := v.script([]byte{0x00}, 0, unhex(v.encrypted))
		for j := 1; j < len(steps); j += 2 {
			a := unhex(steps[j])
			answers = append(append(answers, byte(len(a)>>8), byte(len(a))), a...)
		}
		f.Add(byte(i), answers)
	}
	f.Fuzz(func(t *testing.T, which byte, answers []byte) {
		v := paceVectors[int(which)%len(paceVectors)]
		if bytes.Contains(answers, unhex(v.tokenIC)) {
			return // the worked example itself
		}
		c := NewChannel(transmitFunc(func(context.Context, []byte) ([]byte, error) {
			if len(answers) < 2 {
				return nil, errNoAnswer
			}
			n := min(int(answers[0])<<8|int(answers[1]), len(answers)-2)
			a := answers[2 : 2+n]
			answers = answers[2+n:]
			return a, nil
		}), Options{})
		c.keygen = func(domain) (*big.Int, error) { return big.NewInt(0x10001), nil }
		verdict, err := c.PACE(t.Context(), lds.AppendTLV(nil, 0x31, unhex(v.info)), v.key)
		if err == nil || verdict.Status == lds.Passed || c.Secure() {
			t.Fatal("opened without a key")
		}
	})
}
