package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// maxKeyText bounds a key that comes from a file or standard input; a QR code holds at most 2,953 bytes.
const maxKeyText = 4096

// keyFlags are the ways to give a key. Each takes the value itself, @FILE, or - for standard input, so that a key need not
// stand in the process list, which every user of the PC can read.
type keyFlags struct {
	CAN            string `name:"can" help:"Card access number: six digits (VALUE, @FILE or - for standard input, like each of these)." placeholder:"CAN"`
	MRZ            string `name:"mrz" help:"Machine readable zone, lines in sequence." placeholder:"MRZ"`
	QR             string `name:"qr" help:"Text of the card's QR code." placeholder:"TEXT"`
	Number         string `help:"Citizen number: twelve digits. Its last six are the CAN." placeholder:"NUMBER"`
	DocumentNumber string `help:"Document number as in the MRZ, with --birth and --expiry." placeholder:"NUMBER"`
	Birth          string `help:"Date of birth, YYYY-MM-DD." placeholder:"DATE"`
	Expiry         string `help:"Date of expiry, YYYY-MM-DD." placeholder:"DATE"`
}

// input takes the flags together. It is empty when none was given.
func (f keyFlags) input(a *app) (in checkin.KeyInput, given bool, err error) {
	flags := []struct {
		flag, value string
		to          *string
	}{
		{"--can", f.CAN, &in.CAN}, {"--mrz", f.MRZ, &in.MRZ}, {"--qr", f.QR, &in.QR}, {"--number", f.Number, &in.Number},
		{"--document-number", f.DocumentNumber, &in.DocumentNumber}, {"--birth", f.Birth, &in.DateOfBirth}, {"--expiry", f.Expiry, &in.ExpiresAt},
	}
	stdin := 0
	for _, v := range flags {
		if v.value == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return in, true, usage("standard input can give one value only")
	}
	for _, v := range flags {
		if v.value == "" {
			continue
		}
		given = true
		if *v.to, err = a.keyText(v.value); err != nil {
			return in, true, fmt.Errorf("%s: %w", v.flag, err)
		}
	}
	return in, given, nil
}

func (a *app) keyText(value string) (string, error) {
	switch {
	case value == "-":
		return readKeyText("-", a.Stdin)
	case strings.HasPrefix(value, "@"):
		f, err := os.Open(value[1:])
		if err != nil {
			return "", usage("%v", err)
		}
		defer f.Close()
		return readKeyText(value, f)
	}
	return value, nil
}

func readKeyText(from string, r io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxKeyText+1))
	if err != nil {
		return "", err
	}
	if len(raw) > maxKeyText {
		return "", catalog.New(catalog.KeyMalformed, map[string]any{"problem": "longer than 4096 bytes"})
	}
	text := strings.TrimRight(string(raw), "\r\n")
	if text == "" {
		return "", &catalog.Error{ID: catalog.KeyMissing, Detail: map[string]any{"from": from, "problem": "empty"}, Err: lds.ErrKeyMissing}
	}
	return text, nil
}

// ask takes a key from standard input when the card is there already. What was typed tells by itself what it is.
func (a *app) ask() (checkin.KeyInput, error) {
	fmt.Fprint(a.Stderr, a.say("Thẻ đã có trên đầu đọc. Nhập 6 số cuối, số căn cước 12 số, hoặc quét mã QR: ",
		"The card is there. Type the CAN or the 12-digit number, or scan the QR code: "))
	line, err := bufio.NewReader(io.LimitReader(a.Stdin, maxKeyText)).ReadString('\n')
	line = strings.TrimSpace(line)
	if line == "" {
		if err != nil && !errors.Is(err, io.EOF) {
			return checkin.KeyInput{}, err
		}
		return checkin.KeyInput{}, catalog.Wrap(catalog.KeyMissing, lds.ErrKeyMissing)
	}
	switch digits := strings.Trim(line, "0123456789") == ""; {
	case digits && len(line) == 6:
		return checkin.KeyInput{CAN: line}, nil
	case digits:
		return checkin.KeyInput{Number: line}, nil
	case strings.Contains(line, "<"):
		return checkin.KeyInput{MRZ: line}, nil
	}
	return checkin.KeyInput{QR: line}, nil
}

type usageError string

func (e usageError) Error() string { return string(e) }

func usage(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }
