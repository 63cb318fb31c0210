package access

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gmrtd/gmrtd/cryptoutils"
	"github.com/gmrtd/gmrtd/oid"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// caProtocols are those of ICAO 9303-11 §6.2.3, the strongest first; curves before numbers, because they are faster. §8.5 wants AES
// before 3DES.
var caProtocols = []struct {
	oid   []byte
	ec    bool
	suite suite
}{
	{oid.OidBytes(oid.OidCaEcdhAesCbcCmac256), true, suiteAES256},
	{oid.OidBytes(oid.OidCaDhAesCbcCmac256), false, suiteAES256},
	{oid.OidBytes(oid.OidCaEcdhAesCbcCmac192), true, suiteAES192},
	{oid.OidBytes(oid.OidCaDhAesCbcCmac192), false, suiteAES192},
	{oid.OidBytes(oid.OidCaEcdhAesCbcCmac128), true, suiteAES128},
	{oid.OidBytes(oid.OidCaDhAesCbcCmac128), false, suiteAES128},
	{oid.OidBytes(oid.OidCaEcdh3DesCbcCbc), true, suite3DES},
	{oid.OidBytes(oid.OidCaDh3DesCbcCbc), false, suite3DES},
}

// caChoice is the protocol and the key that chip authentication is run with.
type caChoice struct {
	protocol []byte // content bytes of the object identifier; nil where DG14 names none
	suite    suite
	keyID    []byte
	key      caKey
	d        domain
	point    point
}

// chooseCA takes the best protocol that has a key which we can use. Cards are in the field whose DG14 has a key and no
// protocol; for them the standard's first edition implies 3DES. public is caKey.public, asked once for each key.
func chooseCA(infos securityInfos, public func(caKey) (domain, point, error)) (caChoice, error) {
	var last error = ErrUnsupported
	broken := make([]bool, len(infos.caKeys)) // a number that is in no group takes long to be found out
	try := func(protocol []byte, ec bool, s suite, keyID []byte) (caChoice, bool) {
		// A protocol that names no key means the one without a name: the others may be the mapping's of PACE (§9.2.6).
		named := keyID != nil || !slices.ContainsFunc(infos.caKeys, func(k caKey) bool { return k.ec == ec && k.keyID == nil })
		for i, k := range infos.caKeys {
			if k.ec != ec || keyID != nil && !bytes.Equal(keyID, k.keyID) || !named && k.keyID != nil || broken[i] {
				continue
			}
			d, q, err := public(k)
			if err != nil {
				broken[i], last = true, err
				continue
			}
			return caChoice{protocol, s, keyID, k, d, q}, true
		}
		return caChoice{}, false
	}
	// An entry that names its key says more than one of the same protocol that does not.
	offers := slices.SortedStableFunc(slices.Values(infos.ca), func(a, b caInfo) int {
		return cmp.Compare(min(len(b.keyID), 1), min(len(a.keyID), 1))
	})
	for _, p := range caProtocols {
		for _, info := range offers {
			if info.version == 1 && bytes.Equal(info.protocol, p.oid) {
				if choice, ok := try(p.oid, p.ec, p.suite, info.keyID); ok {
					return choice, nil
				}
			}
		}
	}
	if len(infos.ca) == 0 {
		for _, ec := range []bool{true, false} {
			if choice, ok := try(nil, ec, suite3DES, nil); ok {
				choice.keyID = choice.key.keyID
				return choice, nil
			}
		}
	}
	return caChoice{}, last
}

// public reads the key. Of an elliptic curve the parameters must be standardized.
func (k caKey) public() (domain, point, error) {
	if k.ec {
		c, q, err := ecKey(k.spki)
		if err != nil {
			return nil, point{}, err
		}
		return c, q, nil
	}
	m, y, err := dhKey(k.spki)
	if err != nil {
		return nil, point{}, err
	}
	return m, y, nil
}

// ChipAuthentication runs ICAO 9303-11 §6.2 with the keys of DG14 and, when it succeeds, moves secure messaging to the new
// keys and proves them with one protected command. The verdict's Exchange is what happened; Status is left to
// the caller, who knows whether the key is anchored. key identifies the chip's public key that was used (SHA-256 of its
// SubjectPublicKeyInfo), for the proof that a card that comes back is the same. An error is a transport failure, after
// which the session is dead; a chip that fails the proof is Exchange Failed without an error, and secure messaging is then dead too.
//
// Exchange is Passed, Failed (CHIP_AUTH_FAILED), NotPresent (FEATURE_ABSENT) or NotDone with UNSUPPORTED, MALFORMED,
// REFUSED_BY_CARD; secure messaging goes on as it was unless Exchange is Failed. A card that refuses has proved nothing, and
// the refusal may be a clone's.
func (c *Channel) ChipAuthentication(ctx context.Context, dg14 []byte) (v lds.ExchangeVerdict, key []byte, err error) {
	notDone := func(r lds.Reason) (lds.ExchangeVerdict, []byte, error) {
		v.Exchange, v.Reason = lds.NotDone, r
		return v, nil, nil
	}
	infos, err := parseDG14(dg14)
	if err != nil {
		return notDone(lds.ReasonMalformed)
	}
	if len(infos.caKeys) == 0 {
		v.Exchange, v.Reason = lds.NotPresent, lds.ReasonFeatureAbsent
		return v, nil, nil
	}
	choice, err := chooseCA(infos, caKey.public)
	if err != nil {
		if errors.Is(err, lds.ErrMalformed) {
			return notDone(lds.ReasonMalformed)
		}
		return notDone(lds.ReasonUnsupported)
	}
	v.Protocol = "CA " + choice.d.kind() + " " + choice.suite.name + " " + choice.d.label()

	private, public, err := c.ephemeral(choice.d, choice.d.generator())
	if err != nil {
		return v, nil, err
	}
	sw, err := c.runCA(ctx, choice, public)
	switch {
	case naked(err) != 0:
		return notDone(lds.ReasonRefusedByCard)
	case errors.Is(err, lds.ErrSecureMessaging), errors.Is(err, lds.ErrProtocol) && c.dead == nil:
		return c.failCA(v, choice, err)
	case err != nil:
		return v, nil, err // the transmitter's, or the context's
	case sw>>8 == 0x63:
		v.Exchange, v.Reason = lds.Failed, lds.ReasonChipAuthFailed
		return v, choice.key.fingerprint(), nil
	case sw != swOK:
		return notDone(lds.ReasonRefusedByCard)
	}

	shared, err := choice.d.mul(choice.point, private)
	if err != nil {
		return c.failCA(v, choice, err) // the chip has new keys, and we have none
	}
	secret := choice.d.secret(shared)
	c.startMessaging(newMessaging(choice.suite,
		choice.suite.kdf(secret, cryptoutils.KDF_COUNTER_KSENC), choice.suite.kdf(secret, cryptoutils.KDF_COUNTER_KSMAC), nil))

	// The proof: an answer with a right MAC under the new keys, whatever its status word. Selecting DG14 is what cards are
	// used to at this point.
	dg14Address, _ := lds.DG(14).Address()
	if _, err = c.selectEF(ctx, dg14Address.FID); err != nil {
		if !errors.Is(err, lds.ErrSecureMessaging) {
			return v, nil, err
		}
		return c.failCA(v, choice, err)
	}
	v.Exchange = lds.Passed
	c.terminalKey = choice.d.compress(public)
	return v, choice.key.fingerprint(), nil
}

// OffersChipAuthentication says whether DG14 has what chip authentication can be run with here. A key that stands alone, without a protocol, is
// taken for the one that PACE with chip authentication mapping has used, if that was run with a key of this id.
func (c *Channel) OffersChipAuthentication(dg14 []byte) bool {
	infos, err := parseDG14(dg14)
	if err != nil {
		return false
	}
	if c.cam != nil && len(infos.ca) == 0 {
		infos.caKeys = slices.DeleteFunc(infos.caKeys, func(k caKey) bool { return bytes.Equal(k.keyID, []byte{byte(c.cam.d.parameter())}) })
	}
	_, err = chooseCA(infos, caKey.public)
	return err == nil
}

// failCA ends the session: nobody knows any more which keys the chip has.
func (c *Channel) failCA(v lds.ExchangeVerdict, choice caChoice, why error) (lds.ExchangeVerdict, []byte, error) {
	if !errors.Is(why, lds.ErrSecureMessaging) {
		why = fmt.Errorf("%w: %w", lds.ErrSecureMessaging, why)
	}
	c.die(why)
	v.Exchange, v.Reason = lds.Failed, lds.ReasonChipAuthFailed
	return v, choice.key.fingerprint(), nil
}

// runCA sends our public key. The commands run under the old keys (ICAO 9303-11 §9.8.2).
func (c *Channel) runCA(ctx context.Context, choice caChoice, public point) (uint16, error) {
	encoded := choice.d.encode(public)
	protocol := choice.protocol
	if !choice.suite.aes() {
		// §6.2.4.1, for 3DES only. Cards are in the field that know only the other sequence (§8.5 note 1).
		data := lds.AppendTLV(nil, 0x91, encoded)
		if choice.keyID != nil {
			data = lds.AppendTLV(data, 0x84, choice.keyID)
		}
		r, err := c.send(ctx, "MSE:Set KAT", command{ins: 0x22, p1: 0x41, p2: 0xA6, data: data})
		if err != nil && naked(err) == 0 || err == nil && (r.sw == swOK || r.sw>>8 == 0x63) || protocol == nil {
			return r.sw, err
		}
	}
	data := lds.AppendTLV(nil, 0x80, protocol)
	if choice.keyID != nil {
		data = lds.AppendTLV(data, 0x84, choice.keyID)
	}
	r, err := c.send(ctx, "MSE:Set AT for chip authentication", command{ins: 0x22, p1: 0x41, p2: 0xA4, data: data})
	if err != nil || r.sw != swOK {
		return r.sw, err
	}
	_, sw, err := c.generalAuthenticate(ctx, "GENERAL AUTHENTICATE for chip authentication", true, 0x80, encoded)
	if sw != 0 && sw != swOK {
		return sw, nil
	}
	return sw, err
}

// parseDG14 reads the security infos of DG14 (ICAO 9303-10 §4.7.14).
func parseDG14(dg14 []byte) (securityInfos, error) {
	body, _, err := lds.Expect(dg14, 0x6E)
	if err != nil {
		return securityInfos{}, fmt.Errorf("DG14: %w", err)
	}
	return parseSecurityInfos(body)
}
