package icao

import "github.com/tapcheck/tapcheck/icao/access"

// FloorInput is a card, and what is wanted of it, as far as it decides how many APDUs it must take.
type FloorInput struct {
	Files      []int  // sizes in bytes of the files that are read after access control, before chip authentication
	AfterCA    []int  // and of those that are read after it, under its keys
	Protocol   string // "PACE", "BAC", or empty for a card without access control
	CardAccess int    // size of EF.CardAccess in bytes; 0 if there is none
	Point      int    // bytes of a public key of PACE: 65 for an uncompressed point on a curve of 256 bits
	Nonce      int    // bytes of the terminal's nonce in PACE's integrated mapping, instead of the mapping's keys; 0 with another mapping
	CA         bool   // chip authentication
	CAPoint    int    // bytes of its public key
	DES        bool   // 3DES session keys of PACE instead of AES; those of BAC always are
	CADES      bool   // 3DES session keys of chip authentication
	AA         int    // bytes of active authentication's signature, 0 for none
	Response   int    // bytes of the largest response that card and reader bear, without status word: 256 short, up to 65536
}

// Floor is the fewest APDUs that the standard allows for a card, and their bytes: what a read is measured against. Wrong
// guesses, SELECTs of files, proofs that the next command gives anyway, and blocks that are not full are all above it.
//
//	EF.CardAccess                 ⌈size/256⌉ in clear, by short file identifier (ICAO 9303-10 §3.6.3.2, 9303-11 §4.2)
//	PACE                          5: MSE:Set AT and four GENERAL AUTHENTICATE (9303-11 §4.4.4), whatever the mapping
//	SELECT of the application     1 (9303-10 §3.6.2)
//	BAC                           2: GET CHALLENGE, EXTERNAL AUTHENTICATE (9303-11 §4.3)
//	each file                     ⌈size/block⌉: the short file identifier comes with the first full block (9303-10 §3.6.3.2)
//	chip authentication           2: MSE:Set AT and GENERAL AUTHENTICATE, or with 3DES 1: MSE:Set KAT (9303-11 §6.2.4);
//	                              the next protected command is the proof, so 1 more only if none follows
//	active authentication         1: INTERNAL AUTHENTICATE (9303-11 §6.1)
//
// block is what fits a response beside the data objects of secure messaging (9303-11 §9.8.4): with c the cipher's block
// of 16 (AES) or 8 (3DES) bytes and R the response, c·⌊(R − 14 − h)/c⌋ − 1, where 14 are DO'99' and DO'8E', h is the head of
// DO'87', and the last byte is padding: 223 and 231 for a short response. Past 32,767 bytes the odd instruction wraps each block into
// DO'53', three bytes less (four in extended length), and the command carries the offset in DO'54'.
func Floor(in FloorInput) access.Count {
	var n access.Count
	send := func(sent, received int) {
		n.APDUs++
		n.Sent += sent
		n.Received += received + 2
	}
	response := in.Response
	if response <= 0 {
		response = 256
	}
	long := response > 256
	des := in.DES || in.Protocol == "BAC"
	secure := in.Protocol != ""
	cipher, block := 16, response
	keys := func(des bool) {
		if cipher = 16; des {
			cipher = 8
		}
		head := 4
		if long {
			head = 5
		}
		block = cipher*((response-14-head)/cipher) - 1
	}
	if secure {
		keys(des)
	}

	indicator := 1 // the byte of DO'87' that names the padding; the DO'85' of the odd instruction has none (9303-11 §9.8.4)

	// protected gives the sizes of a command with its data and of its response under secure messaging.
	protected := func(data, le int) {
		if !secure {
			sent := 4
			switch {
			case data > 255 || le > 256:
				sent += 1
				if data > 0 {
					sent += 2 + data
				}
				if le > 0 {
					sent += 2
				}
			default:
				if data > 0 {
					sent += 1 + data
				}
				if le > 0 {
					sent++
				}
			}
			send(sent, le)
			return
		}
		body := 10 // DO'8E'
		if data > 0 {
			body += object(indicator + padded(data, cipher))
		}
		answer := 14
		if le > 0 {
			body += 3 // DO'97'
			answer += object(indicator + padded(le, cipher))
		}
		sent := 4 + 1 + body + 1
		if body > 255 || answer > 256 {
			if le > 256 {
				body++
			}
			sent = 4 + 3 + body + 2
		}
		send(sent, answer)
	}

	if in.Protocol != "" {
		// A terminal that speaks PACE looks for it first, also where there is none.
		for left, first := in.CardAccess, true; left > 0 || first; left, first = left-256, false {
			send(5, max(0, min(left, 256)))
		}
	}
	switch in.Protocol {
	case "PACE":
		nonce := 16 // one block at least, two of 3DES (9303-11 §4.4.4.1)
		send(4+1+15, 0)
		send(4+1+2+1, object(object(nonce)))
		if in.Nonce > 0 {
			send(4+1+object(object(in.Nonce))+1, object(0))
		} else {
			send(4+1+object(object(in.Point))+1, object(object(in.Point)))
		}
		send(4+1+object(object(in.Point))+1, object(object(in.Point)))
		send(4+1+object(object(8))+1, object(object(8)))
		protected(7, 0)
	case "BAC":
		send(4+1+7, 0)
		send(5, 8)
		send(4+1+40+1, 40)
	default:
		send(4+1+7, 0)
	}
	read := func(files []int) {
		for _, size := range files {
			for at := 0; at < size; {
				take := block
				if at > 0x7FFF {
					take -= object(take-4) - (take - 4)
				}
				take = min(take, size-at)
				switch {
				case at > 0xFFFF:
					indicator = 0
					protected(5, object(take))
				case at > 0x7FFF:
					indicator = 0
					protected(4, object(take))
				default:
					protected(0, take)
				}
				indicator = 1
				at += take
			}
		}
	}
	read(in.Files)
	if in.CA {
		if in.CADES {
			protected(object(in.CAPoint), 0)
		} else {
			protected(12, 0)
			protected(object(object(in.CAPoint)), 2)
		}
		if secure {
			keys(in.CADES)
		}
	}
	if in.AA > 0 {
		protected(8, in.AA)
	} else if in.CA && len(in.AfterCA) == 0 {
		protected(0, 1)
	}
	read(in.AfterCA)
	return n
}

// padded is a length with padding method 2 of ISO 9797-1: always at least one byte more, in whole blocks.
func padded(n, block int) int { return (n/block + 1) * block }

// object is the length of a data object with a one-byte tag and n bytes of value.
func object(n int) int {
	switch {
	case n < 0x80:
		return 2 + n
	case n < 0x100:
		return 3 + n
	}
	return 4 + n
}
