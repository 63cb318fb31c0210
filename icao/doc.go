// Package icao opens a chip, reads the few files that a reception desk needs in the order in which it needs them, and says
// what they prove.
//
// # Use
//
// A transmitter is anything with Transmit(ctx, apdu) that gives the answer with its status word: a session of package reader, or the simulated
// chip of package icao/chip. A key comes from lds.KeyFromMRZ, from a card's QR code (cccd.ParseQR), or is lds.Key{CAN: "012345"}. Anchors
// come from trust.Load; without any nothing is passed that rests on a signature.
//
//	doc, err := icao.Read(ctx, session, icao.Options{Key: key, Trust: anchors, Portrait: true})
//
// doc is what could be read, also with an error; doc.Identity is nil until the person is consistent with the signed hashes, and
// doc.Verdicts say what is proved and on whose word. Inspect does the same for files that were saved.
//
// # The order
//
// Read goes: access (EF.CardAccess in clear, PACE, else BAC), EF.SOD, DG1 and on Vietnamese cards DG13 — then the identity is
// consistent or the read ends — DG14 and DG15 with chip and active authentication, the portrait in DG2, and what else was asked for. Only
// files that are wanted and that the EF.SOD lists are read; EF.COM is not believed, and read only on request. What EF.CardAccess
// said is held against the signed DG14 (9303-11 §4.2). DG3 and DG4 are read only on request and with a terminal's certificates
// (Options.Terminal).
//
// Where PACE itself proved the chip (chip authentication mapping), that proof is the chip authentication verdict, with "PACE-CAM" as its
// protocol, if its key is in DG14 too. EF.CardSecurity, where the standard has the key, is signed by the state and names no document, so
// that by it alone one card's chip would be good for another card's files: then chip authentication is run, and where the card has none the
// verdict is not_verifiable, KEY_NOT_BOUND.
//
// What stands in the other files is in Document.Contents, if it was asked for (Options.Extra) and matches its signed hash.
//
// # What it promises
//
//   - A chip that has access control is never read without it. Where a chip offers no PACE that we speak, BAC is used if the
//     key allows it, and AccessVerdict.Fallback says so. A wrong key is tried once: chips slow down.
//   - An identity comes out only when the files that it is made of match the signed hashes and the signature matches its
//     signer; a picture only when it does too.
//   - One file that is refused, absent or broken is noted in Document.Missing and costs nothing else.
//   - Verdicts of chip and active authentication are passed only on a key that an anchored signer signed. Exchange tells what
//     happened between card and reader all the same.
//   - Cancelling the context takes effect before the next APDU. Nothing is logged, and no error holds data of the card.
//
// # Errors
//
// The transmitter's own errors come out as they are, wrapped: a removed card is the reader package's ErrCardRemoved. Of lds:
// ErrKeyMissing, ErrKeyRejected (the chip has seen a wrong key), ErrKeyUnsuitable (this chip needs the other kind of key),
// ErrCardUnsupported, ErrAccessFailed, ErrSecureMessaging, ErrProtocol, ErrInconsistent (with the document, whose verdict says
// how), ErrOtherCard, and *lds.FileError for a file without which there is no identity (EF.SOD, DG1).
//
// The standard is ICAO Doc 9303 parts 10 (files) and 11 (protocols).
package icao
