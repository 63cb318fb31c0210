package access

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// TestActiveAuthenticationUnknownHash: a signature with a hash that we lack is no failed one, and is not asked for.
func TestActiveAuthenticationUnknownHash(t *testing.T) {
	p := profile(t, "cccd-mk")
	p.AA = &chip.AAProfile{Type: "ecdsa", Curve: "P-256", Hash: "SHA-256"}
	files := newCard(t, p, chip.Options{}).Files()
	ripemd160 := lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, lds.AppendTLV(nil, 0x30, unhex("0606 678108010105 020101 060A 04007F00070101040106"))))
	c := NewChannel(&script{t: t, steps: []string{"", ""}}, Options{})
	v, key, err := c.ActiveAuthentication(t.Context(), files["DG15"], ripemd160, challenge)
	if err != nil || v.Exchange != lds.NotDone || v.Reason != lds.ReasonUnsupported || len(key) != 32 || c.Count().APDUs != 0 {
		t.Errorf("%+v, %d APDUs, %v", v, c.Count().APDUs, err)
	}
}

// TestBrokenKeysAreLookedAtOnce: a card that offers keys in no group, and many ways to use each, takes no more of our time than each key
// once. Without that some nine keys of 4,096 bits and fifty protocols would hold a core for a minute, and nothing could stop it.
func TestBrokenKeysAreLookedAtOnce(t *testing.T) {
	number := func(n *big.Int) []byte { return lds.AppendTLV(nil, 0x02, append([]byte{0}, n.Bytes()...)) }
	seq := func(parts ...[]byte) []byte { return lds.AppendTLV(nil, 0x30, bytes.Join(parts, nil)) }
	p := hexInt(modpTable[2].p)
	order := new(big.Int).Rsh(p, 1)
	parameters := seq(number(p), number(big.NewInt(4)), number(order))
	y := big.NewInt(2)
	for big.Jacobi(y, p) == 1 { // in the group of half the size there are squares only
		y.Add(y, big.NewInt(1))
	}
	spki := seq(seq(lds.AppendTLV(nil, 0x06, oidX942), parameters), lds.AppendTLV(nil, 0x03, append([]byte{0}, number(y)...)))
	looked := 0
	infos := securityInfos{caKeys: []caKey{{spki: spki}, {spki: spki}}}
	for range 50 {
		infos.ca = append(infos.ca, caInfo{protocol: caProtocols[1].oid, version: 1})
	}
	public := func(k caKey) (domain, point, error) {
		looked++
		return k.public()
	}
	if _, err := chooseCA(infos, public); !errors.Is(err, lds.ErrMalformed) || looked != 2 {
		t.Errorf("%d looks at two keys, %v", looked, err)
	}
}
