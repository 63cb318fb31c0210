package pcsc

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/tapcheck/tapcheck/reader"
)

// foreign are readers in which no card of a patient can ever lie, and which must not be touched: Windows' own virtual smart
// cards appear as readers with a card always in them, and answer a connection with a prompt for a PIN or with silence.
var foreign = []string{"windows hello", "microsoft virtual smart card", "microsoft uicc", "microsoft passport"}

func isForeign(name string) bool {
	name = strings.ToLower(name)
	for _, f := range foreign {
		if strings.Contains(name, f) {
			return true
		}
	}
	return false
}

var (
	// pcsc-lite ends every name with two hexadecimal bytes: the reader's number, which depends on the order of plugging in,
	// and the slot's, which does not.
	liteIndex = regexp.MustCompile(`^(.*\S)\s+[0-9A-F]{2} ([0-9A-F]{2})$`)
	// Windows ends them with the reader's number.
	winIndex = regexp.MustCompile(`^(.*\S)\s+[0-9]{1,3}$`)
)

// stableID makes an ID out of a name that survives replugging and restarts: without the number of the reader.
func stableID(name string) string {
	if m := liteIndex.FindStringSubmatch(name); m != nil {
		id := reader.Slug(m[1])
		if slot, _ := strconv.ParseUint(m[2], 16, 8); slot > 0 {
			id += "-slot" + strconv.FormatUint(slot, 10)
		}
		return id
	}
	if m := winIndex.FindStringSubmatch(name); m != nil {
		return reader.Slug(m[1])
	}
	return reader.Slug(name)
}

var (
	surelyContactless = regexp.MustCompile(`(?i)\b(picc|contactless|nfc|rfid)\b`)
	slotWithContacts  = regexp.MustCompile(`(?i)\b(sam|icc|contact)\b`)
	perhapsCL         = regexp.MustCompile(`(?i)\bcl\b`)
)

// contactlessByName guesses from the words that makers use. "CL Reader SAM" is the slot with contacts of a reader without.
func contactlessByName(name string) bool {
	return surelyContactless.MatchString(name) || perhapsCL.MatchString(name) && !slotWithContacts.MatchString(name)
}

// contactlessByATR knows the ATR that a reader makes up for a card without contacts: 3B 8n 80 and, mostly, 01 (PC/SC part 3,
// section 3.1.3.2.3).
func contactlessByATR(atr []byte) bool {
	return len(atr) >= 4 && atr[0] == 0x3B && atr[1]&0xF0 == 0x80 && atr[2] == 0x80
}

// isVirtual knows the driver of simulated cards by the name that its makers gave it.
func isVirtual(name string) bool {
	return strings.Contains(strings.ToLower(name), "virtual pcd")
}
