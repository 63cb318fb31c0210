package checkin

import (
	"context"
	"errors"
	"fmt"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/reader"
)

// meanings maps every sentinel of the rooms below to its id, in order of precedence: what happened to the reader or the
// card explains what then happened to the protocol (a card that is lifted during PACE is a lifted card and no failed
// access), and what a single file is about comes last.
var meanings = []struct {
	err error
	id  catalog.ID
}{
	{reader.ErrClosed, catalog.AgentStopping},
	{reader.ErrServiceStopped, catalog.PCSCStopped},
	{reader.ErrReaderGone, catalog.ReaderAbsent},
	{reader.ErrReaderStuck, catalog.ReaderStuck},
	{reader.ErrReaderBusy, catalog.ReaderBusy},
	{reader.ErrCardRemoved, catalog.CardRemoved},
	{reader.ErrNoCard, catalog.NoCard},
	{reader.ErrCardReset, catalog.CardReset},
	{reader.ErrCardMute, catalog.CardMute},
	{reader.ErrTransport, catalog.ReaderFault},
	{access.ErrShortResponse, catalog.ReaderFault},

	{lds.ErrPersonUnexpected, catalog.PersonUnexpected},
	{lds.ErrOtherCard, catalog.OtherCard},
	{lds.ErrQRForeign, catalog.QRForeign},
	{lds.ErrKeyMalformed, catalog.KeyMalformed},
	{lds.ErrKeyMissing, catalog.KeyMissing},
	{lds.ErrKeyRejected, catalog.KeyRejected},
	{lds.ErrKeyUnsuitable, catalog.KeyUnsuitable},
	{lds.ErrCardUnsupported, catalog.CardUnsupported},
	{lds.ErrSecureMessaging, catalog.SecureMessaging},
	{lds.ErrAccessFailed, catalog.AccessFailed},
	{lds.ErrInconsistent, catalog.DataInconsistent},
	{lds.ErrTooLarge, catalog.FileTooLarge},
	{lds.ErrMalformed, catalog.FileMalformed},
	{lds.ErrFileAbsent, catalog.FileAbsent},
	{lds.ErrFileRefused, catalog.FileAbsent},
	{lds.ErrProtocol, catalog.CardProtocol},

	{insurance.ErrUnreachable, catalog.InsuranceUnreachable},
	{insurance.ErrRejected, catalog.InsuranceRejected},
	{insurance.ErrGarbage, catalog.InsuranceGarbage},
	{insurance.ErrRequest, catalog.InsuranceRequest},

	{journal.ErrUnwritable, catalog.JournalRefused},

	// A read that outlives its time has met a card that does not answer any more.
	{context.DeadlineExceeded, catalog.CardMute},
	{context.Canceled, catalog.Cancelled},
}

// Explain says what an error is called towards a client: the one place where the errors of lds, reader, insurance and
// journal become ids of the catalogue. An error of the catalogue stays what it is, nil stays nil, and what nobody foresaw
// is INTERNAL. The detail holds the status word and the file where there is one, and never anything personal.
func Explain(err error) *catalog.Error {
	if err == nil {
		return nil
	}
	var known *catalog.Error
	if errors.As(err, &known) {
		return known
	}
	for _, m := range meanings {
		if errors.Is(err, m.err) {
			return &catalog.Error{ID: m.id, Detail: detailOf(err), Err: err}
		}
	}
	return &catalog.Error{ID: catalog.Internal, Err: err}
}

// detailOf gives what a machine may want to know: {"sw": "6982", "file": "DG1", "pcsc": "8010002F"}. Op of a StatusError
// stays inside.
func detailOf(err error) map[string]any {
	d := map[string]any{}
	var sw *lds.StatusError
	if errors.As(err, &sw) {
		d["sw"] = fmt.Sprintf("%04X", sw.SW)
	}
	var file *lds.FileError
	if errors.As(err, &file) {
		if _, ok := file.File.Address(); ok {
			d["file"] = string(file.File)
		}
	}
	var pcsc interface{ PCSCCode() uint32 } // reader/pcsc's errors have it, and simulated readers have no code
	if errors.As(err, &pcsc) {
		d["pcsc"] = fmt.Sprintf("%08X", pcsc.PCSCCode())
	}
	if len(d) == 0 {
		return nil
	}
	return d
}
