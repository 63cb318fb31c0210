package agent

import (
	"fmt"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/pcsc"
)

// The room that explains errors does not know PC/SC, and the one that knows it does not know the catalogue: what the
// catalogue promises of detail.pcsc holds only where both come together.
func TestFaultOfAReaderKeepsItsCode(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		id   catalog.ID
		pcsc any
	}{
		"data lost":                 {&pcsc.Error{Op: "SCardTransmit", Code: 0x8010002F}, catalog.ReaderFault, "8010002F"},
		"a code that nobody knows":  {&pcsc.Error{Op: "SCardTransmit", Code: 0x1F}, catalog.ReaderFault, "0000001F"},
		"on the way up":             {fmt.Errorf("DG2: %w", &pcsc.Error{Op: "SCardTransmit", Code: 0x80100014}), catalog.ReaderFault, "80100014"},
		"another program":           {&pcsc.Error{Op: "SCardConnect", Code: 0x8010000B}, catalog.ReaderBusy, "8010000B"},
		"a reader that is not real": {reader.ErrTransport, catalog.ReaderFault, nil},
	} {
		e := checkin.Explain(c.err)
		if e.ID != c.id || e.Detail["pcsc"] != c.pcsc {
			t.Errorf("%s: %s %v, want %s %v", name, e.ID, e.Detail, c.id, c.pcsc)
		}
	}
}
