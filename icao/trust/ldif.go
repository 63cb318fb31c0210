package trust

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of an LDIF file.
const (
	maxLine    = maxList/3*4 + 1024 // bytes of one value with its base64, without the folding
	maxEntries = 1 << 18
)

// record is one attribute of an LDIF file (RFC 2849), or what is wrong with one.
type record struct {
	entry, line int    // from 1
	dn          string // of the entry, lower case
	name        string // without options, lower case; empty at an error
	value       []byte
	err         string
}

var errDirectory = errors.New("too large")

// readLDIF gives the wanted attributes of an LDIF file as they come, and what is broken. Lines may be folded, values are base64;
// text is not looked at. A URL in place of a value is never fetched. It holds one line at a time in memory.
func readLDIF(r io.Reader, wanted func(name string) bool, each func(record)) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var (
		line      []byte // unfolded
		tooLong   bool
		start, at int // line numbers
		entry     int
		dn        string
		inEntry   bool
		total     int64
	)
	finish := func() {
		defer func() { line, tooLong = line[:0], false }()
		switch {
		case len(line) == 0 && !tooLong:
			inEntry = false
			return
		case len(line) > 0 && line[0] == '#', !inEntry && bytes.HasPrefix(line, []byte("version:")):
			return
		}
		if !inEntry {
			inEntry, dn = true, ""
			entry++
		}
		fail := func(why string) { each(record{entry: entry, line: start, dn: dn, err: why}) }
		name, rest, found := bytes.Cut(line, []byte(":"))
		switch {
		case tooLong:
			fail("a value is too long")
			return
		case !found:
			fail("a line without an attribute")
			return
		}
		base, _, _ := strings.Cut(strings.ToLower(string(name)), ";")
		if base != "dn" && !wanted(base) {
			return
		}
		kind := byte(' ')
		if len(rest) > 0 && (rest[0] == ':' || rest[0] == '<') {
			kind, rest = rest[0], rest[1:]
		}
		value := bytes.TrimSpace(rest)
		if kind == ':' {
			out := make([]byte, base64.StdEncoding.DecodedLen(len(value)))
			n, err := base64.StdEncoding.Decode(out, value)
			if err != nil {
				fail(string(name) + ": its base64 is broken")
				return
			}
			value = out[:n]
		}
		switch {
		case base == "dn":
			dn = strings.ToLower(string(value))
		case kind != ':':
			fail(string(name) + ": its value is not base64")
		default:
			each(record{entry: entry, line: start, dn: dn, name: base, value: bytes.Clone(value)})
		}
	}
	for {
		piece, err := br.ReadSlice('\n')
		if total += int64(len(piece)); total > maxDirectory || entry > maxEntries {
			return errDirectory
		}
		long := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !long && !errors.Is(err, io.EOF) {
			return err
		}
		at++
		folded := len(piece) > 0 && piece[0] == ' '
		if !folded {
			if at > 1 {
				finish()
			}
			start = at
		} else {
			piece = piece[1:]
		}
		grow := func(p []byte) {
			if len(line)+len(p) > maxLine {
				tooLong = true
				return
			}
			line = append(line, p...)
		}
		for long {
			grow(piece)
			piece, err = br.ReadSlice('\n')
			if total += int64(len(piece)); total > maxDirectory {
				return errDirectory
			}
			long = errors.Is(err, bufio.ErrBufferFull)
			if err != nil && !long && !errors.Is(err, io.EOF) {
				return err
			}
		}
		grow(bytes.TrimRight(piece, "\r\n"))
		if errors.Is(err, io.EOF) {
			finish()
			return nil
		}
	}
}

// wantedInDirectory are the attributes of the ICAO PKD, and those that other directories have for the same (RFC 4523).
func wantedInDirectory(name string) bool {
	switch name {
	case "usercertificate", "cacertificate", "certificaterevocationlist", "pkdmasterlistcontent", "cscamasterlistdata":
		return true
	}
	return false
}

// directory reads an LDIF file of the ICAO PKD: document signers and revocation lists, or master lists. One broken entry never stops
// the others.
func (l *loader) directory(file string, r io.Reader) {
	src := l.source(file, "", SourceDirectory)
	found := 0
	err := readLDIF(r, wantedInDirectory, func(rec record) {
		found++
		place := fmt.Sprintf("entry %d, line %d", rec.entry, rec.line)
		if rec.err != "" {
			l.refusePart(src, place, rec.err, cureFetch)
			return
		}
		switch rec.name {
		case "pkdmasterlistcontent", "cscamasterlistdata":
			l.list(file, place, rec.value)
		case "certificaterevocationlist":
			l.crl(file, place, rec.value)
		case "cacertificate":
			l.certificate(src, place, rec.value, false)
		case "usercertificate":
			l.directoryCertificate(src, place, rec)
		}
	})
	switch {
	case errors.Is(err, errDirectory):
		l.refuse(file, "", fmt.Sprintf("has more than %d MiB or %d entries", maxDirectory>>20, maxEntries), "split it into smaller files")
	case err != nil:
		l.refuse(file, "", "cannot be read to its end", "make it a plain file that the service may read")
	case found == 0:
		l.refuse(file, "", "holds no certificate and no list", cureFetch)
	}
}

// directoryCertificate takes a user's certificate. A document signer is remembered for cards that leave it out, and not trusted. A CA's is
// taken for a CSCA's as if it lay in the folder as a file, but not from the branch of document signers of the PKD: there states
// write what no other state has vouched for.
func (l *loader) directoryCertificate(src *Source, place string, rec record) {
	c, err := safeCertificate(rec.value)
	switch {
	case err != nil:
		l.refusePart(src, place, "does not parse", cureFetch)
	case c.isCA() && strings.Contains(rec.dn, "o=dsc"):
		l.refusePart(src, place, "is a CA's certificate among document signers", "save it as a .cer file, if it is a CSCA that you trust")
	case c.isCA():
		l.certificate(src, place, rec.value, false)
	case len(l.s.signers) >= maxKnownSigners:
		l.refusePart(src, place, "there are too many document signers", "leave out the directories of countries whose cards you do not see")
	default:
		l.s.signers[keyByIssuer(c.issuer, c.serial)] = rec.value
		if len(c.ski) > 0 {
			l.s.signers[keyBySKI(c.ski)] = rec.value
		}
		src.Signers++
	}
}

func safeCertificate(der []byte) (c *certificate, err error) {
	defer func() {
		if recover() != nil {
			c, err = nil, errors.New("a certificate that does not parse")
		}
	}()
	return parseCertificate(der)
}
