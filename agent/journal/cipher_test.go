package journal

import (
	"bytes"
	"encoding/binary"

	"lukechampine.com/adiantum"
)

// decrypt opens one block of a journal's file.
func decrypt(key [32]byte, b []byte, off int64) []byte {
	var tweak [8]byte
	binary.LittleEndian.PutUint64(tweak[:], uint64(off))
	return adiantum.New(key[:]).Decrypt(bytes.Clone(b), tweak[:])
}
