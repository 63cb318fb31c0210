// Package chip is the other side of the table: a simulated chip of an electronic identity document (eMRTD, ICAO Doc 9303
// parts 10 and 11), the issuing state that makes such documents, and invented people to issue them to. It serves tests,
// the demonstration, and vendors who integrate without a card.
//
// # What it promises
//
// It shares no code with the reader's side: not the packages beside it, not gmrtd, no elliptic curves but its own. A bug that
// both sides had would not be seen. Curves, groups, CMAC, retail MAC and key derivation are held to RFC 5114, RFC 5639, RFC 6932,
// RFC 7027, RFC 4493, NIST SP 800-38B and the worked examples of ICAO 9303-11 appendices D, F, G, H and I with all their values,
// certificates and signed files to readers of the standard library, chip authentication mapping to gmrtd.
//
// It is strict where the standard is: a wrong MAC or counter, a command in clear under secure messaging, a step of PACE out of order
// end the session as on a real chip, and Options.Violation is told what the reader did wrong. It never panics, whatever bytes come,
// and never sleeps: Options.Delay is told how long a real chip would take.
//
// Nothing in it is secret or real: persons, numbers, faces and authorities are invented, keys follow from a seed, and no
// arithmetic is hardened against timing. Never use it for anything but simulation.
//
// # How it is put together
//
// A Profile says what kind of card it is: what it answers to reset, which protocols on which curves, which files, and every
// habit that a reader must cope with. A Persona says whose card it is. An Issuer signs it. All three come as plain data
// (Profiles, Personas) or from a seed (NewIssuer), and the same three always give the same card, byte for byte:
//
//	issuer, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("demo")})
//	profile, err := chip.ProfileByName("cccd-mk")
//	person, err := chip.PersonaByName("an")
//	card, err := chip.New(profile, person, issuer, chip.Options{})
//	response := card.Transmit(command) // nil: the chip does not answer
//
// What is wrong with a card's content is asked for when it is issued (IssueOptions, SODOptions, CertOptions), what goes wrong
// on the way is a fault plan (Fault, Chip.SetFaults), what a clone or a forger would do is a field of the profile.
//
// A profile of one's own is a changed copy of one that is there, in Go or as JSON (LoadProfile):
//
//	{"like": "passport-pace-gm", "name": "slow reader", "maxLe": 192, "selectMF": "6A81",
//	 "pace": [{"cipher": "AES-256", "curve": "P-384", "mapping": "IM"}]}
//
// # What it speaks
//
//   - basic access control (ICAO 9303-11 §4.3), and PACE (§4.4) with generic and integrated mapping on the brainpool r1 and NIST curves and
//     the three groups of Table 12 (P-224 has no integrated mapping), with chip authentication mapping on the curves; 3DES and AES-128 to 256;
//     by MRZ, CAN, PIN and PUK with their counters
//   - secure messaging (§9.8), short and extended length; a response holds what fits: 223 bytes with AES and 231 with 3DES in short length
//   - chip authentication version 1 (§6.2) with curves and groups and any number of keys, by MSE:Set AT and by MSE:Set KAT
//   - active authentication (§6.1) with RSA (ISO/IEC 9796-2 scheme 1, every hash and trailer) and ECDSA (plain, BSI TR-03111)
//   - terminal authentication version 1 (§7.1) with ECDSA and RSA-PSS, trust points that link certificates move on, and a date that certificates
//     move on; NewTerminalPKI makes the certificate chains of the other side
//   - SELECT by identifier and by name, READ BINARY by offset and short file identifier, and with odd instruction past 32,767 bytes
//     (9303-10 §3.6), command chaining and GET RESPONSE where a profile has them
//   - EF.CardAccess, EF.CardSecurity, EF.ATR/INFO, EF.DIR, EF.CVCA, EF.COM, EF.SOD (LDS 1.7 and 1.8), DG1 to DG4, DG7 and DG11 to DG16, the face
//     as ISO/IEC 19794-5 and as 39794-5
//
// Chip and terminal authentication are in the application only, not in the master file; LDS2 applications, and version 2 of
// either protocol, are not there. Fingerprints and irises are random bytes behind a right head.
//
// # Commands and answers of terminal authentication
//
// After chip authentication, all under secure messaging, for each certificate from the document verifier's down:
// MSE:Set DST (22 81B6, tag 83 the issuer's reference) and PSO:Verify Certificate (2A 00BE, the value of tag 7F21); then
// MSE:Set AT (22 81A4, tag 83 the terminal's reference), GET CHALLENGE, EXTERNAL AUTHENTICATE with Terminal.Sign over the chip's identifier,
// its challenge and the terminal's compressed key. A certificate that is wrong, expired or issued by the wrong role gets 6300, an unknown key
// 6A88, a body that does not parse 6A80; the session stays. DG3 and DG4 are then readable as far as every certificate of the
// chain gives the right.
//
// # Steps that Options.Delay is told of
//
// "apdu", "nonce", "mapping", "agreement", "token", "bac", "chip authentication", "active authentication", "certificate", "terminal
// authentication", "read", "secure messaging", and "penalty" for wrong passwords.
package chip
