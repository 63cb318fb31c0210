package chip

import (
	"bytes"
	"image/jpeg"
	"testing"
)

func TestPortraits(t *testing.T) {
	for _, who := range Personas() {
		if who.NoPhoto {
			continue
		}
		for _, photo := range []string{"jpeg", "jp2"} {
			p := mustProfile(t, "cccd-mk")
			p.Photo = photo
			b, err := data.ReadFile("data/face-" + who.ID + map[string]string{"jpeg": ".jpg", "jp2": ".jp2"}[photo])
			if err != nil {
				t.Error(err)
				continue
			}
			if len(b) < 8<<10 || len(b) > 20<<10 {
				t.Errorf("%s %s: %d bytes", who.ID, photo, len(b))
			}
			if photo == "jpeg" {
				c, err := jpeg.DecodeConfig(bytes.NewReader(b))
				if err != nil || c.Width != 300 || c.Height != 400 {
					t.Errorf("%s: %v, %d by %d", who.ID, err, c.Width, c.Height)
				}
			} else if !bytes.HasPrefix(b, unhex("0000000C6A5020200D0A870A")) || !bytes.Contains(b, unhex("69686472 00000190 0000012C")) {
				t.Errorf("%s: not a JPEG 2000 picture of 300 by 400", who.ID)
			}
			dg, err := dg2(p, who)
			if err != nil {
				t.Fatal(err)
			}
			checkFaceRecord(t, dg, b, photo)
		}
	}
}

// checkFaceRecord walks DG2 down to the picture by the lengths that it states (ISO/IEC 19794-5 §5).
func checkFaceRecord(t *testing.T, dg, picture []byte, photo string) {
	t.Helper()
	value := dg
	for _, tag := range []uint32{0x75, 0x7F61, 0x7F60, 0x5F2E} {
		nodes, ok := allTLV(value)
		if !ok {
			t.Fatal("DG2 does not parse")
		}
		if value = find(nodes, tag); value == nil {
			t.Fatalf("no %X", tag)
		}
	}
	u32 := func(b []byte) int { return int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3]) }
	if string(value[:8]) != "FAC\x00010\x00" || u32(value[8:]) != len(value) || !bytes.Equal(value[12:14], []byte{0, 1}) {
		t.Error("facial header")
	}
	block := value[14:]
	if u32(block) != len(block) || block[4] != 0 || block[5] != 0 {
		t.Error("facial information")
	}
	info := block[20:]
	kind := map[string]byte{"jpeg": 0, "jp2": 1}[photo]
	if info[1] != kind || !bytes.Equal(info[2:6], []byte{1, 44, 1, 144}) || !bytes.Equal(info[12:], picture) {
		t.Error("image information")
	}
}

func TestOwnPortrait(t *testing.T) {
	who := mustPersona(t, "khanh")
	who.NoPhoto = false
	p := mustProfile(t, "cccd-mk")
	if dg, err := dg2(p, who); err != nil || len(dg) < 8<<10 {
		t.Errorf("a persona without a face of its own borrows one: %v", err)
	}
	who.Portrait, who.PortraitWidth, who.PortraitHeight = []byte("not a picture"), 2, 3
	dg, err := dg2(p, who)
	if err != nil || !bytes.HasSuffix(dg, append([]byte{1, 1, 0, 2, 0, 3, 1, 2, 0, 0, 0, 0}, "not a picture"...)) {
		t.Errorf("own picture: % X, %v", dg[len(dg)-40:], err)
	}
}
