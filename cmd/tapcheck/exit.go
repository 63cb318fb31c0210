package main

import (
	"errors"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// Exit codes. They are documented in the README and frozen.
const (
	exitOK          = 0
	exitFailed      = 1  // an error without a code of its own
	exitUsage       = 2  // flags or arguments are wrong
	exitSettings    = 3  // settings file or data folder cannot be used
	exitNoReader    = 4  // no reader, or PC/SC does not run
	exitNoCard      = 5  // no card came, or it was removed or does not answer: try again
	exitKey         = 6  // the key is missing or has the wrong form
	exitKeyRejected = 7  // the chip rejected the key
	exitCard        = 8  // the card is no eMRTD, or its data are broken
	exitVerdict     = 9  // the card was read and a verdict is failed
	exitPort        = 10 // all ports are taken
	exitUpdate      = 11 // a release cannot be had, or is refused
	exitTakenBack   = 12 // the new version did not do its work, and the old one is back
	exitDegraded    = 13 // doctor: the agent works, and something that it needs does not
	exitRecovery    = 14 // the recovery key is none, or not the backup's
	exitBackup      = 15 // the backup is damaged
	exitNewer       = 16 // a newer version has made it
	exitDisk        = 17 // a disk is full, or a folder cannot be written to
	exitInterrupted = 130
)

// exitCode is the code for an error of the catalogue.
func exitCode(err error) int {
	var words *wordedError
	if errors.As(err, &words) {
		return words.code
	}
	if diskFull(err) {
		return exitDisk
	}
	var e *catalog.Error
	if !errors.As(err, &e) {
		if _, ok := errors.AsType[settings.Problems](err); ok {
			return exitSettings
		}
		return exitFailed
	}
	switch e.ID {
	case catalog.BadRequest:
		return exitUsage
	case catalog.ConfigInvalid, catalog.DataFolder, catalog.AlreadyRunning:
		return exitSettings
	case catalog.ReaderAbsent, catalog.ReaderBusy, catalog.ReaderStuck, catalog.ReaderFault, catalog.PCSCStopped:
		return exitNoReader
	case catalog.NoCard, catalog.CardTimeout, catalog.CardRemoved, catalog.CardMute, catalog.CardReset, catalog.NeedExpired:
		return exitNoCard
	case catalog.KeyMalformed, catalog.KeyMissing, catalog.QRForeign, catalog.KeyUnsuitable:
		return exitKey
	case catalog.KeyRejected:
		return exitKeyRejected
	case catalog.CardUnsupported, catalog.CardProtocol, catalog.AccessFailed, catalog.SecureMessaging, catalog.FileMalformed,
		catalog.FileTooLarge, catalog.FileAbsent, catalog.OtherCard, catalog.PersonUnexpected:
		return exitCard
	case catalog.DataInconsistent:
		return exitVerdict
	case catalog.PortTaken:
		return exitPort
	case catalog.Cancelled:
		return exitInterrupted
	}
	return exitFailed
}
