// Package update brings a new version of the program onto a PC, and the old one back where the new one does not do its work.
//
// # Who may do what
//
// The service may not write its own program. A short-lived updater with the rights to install (root, SYSTEM) does it: it reads
// the hospital's folder, share or https address, believes nothing but a signed manifest, and trusts no file that the service can
// write to. Its own folder (Config.Dir) belongs to it alone. The settings say where releases are and when they may be installed;
// whose signature counts, and what proves the PC to an https server, they do not say, because the service's console can save them.
//
// Nothing is asked anywhere while there is no source.
//
// # A release
//
// The source holds ManifestName and the files that it names. The manifest is signed with Ed25519 (Sign). It has a version, the
// time when it was made, an end, the least version that may be updated by it, from when on each ring takes it, and the files with
// their sizes and SHA-256. A manifest that is older than one that was seen, or past its end, is refused, so an old release cannot be
// played again; a version that is not newer than the installed one is never installed.
//
// # A way back
//
// Nothing is installed without the way back at hand, verified like the rest: the package of the installed version, kept from
// its own update or named by the manifest; for a single program a copy of it. A new version that is not healthy within a minute is
// taken back and not tried again.
//
// # Loss of power
//
// Each step is on the disk before the next begins, and is idempotent: Apply goes on where it was, verifies every file again, and
// ends with the new version, healthy, or the old one. What a run leaves half done, the next one, at the PC's start, finishes.
package update

import "errors"

// Why nothing is installed.
var (
	ErrOff         = errors.New("no source of releases is set")
	ErrNoKey       = errors.New("this build has no release key, and none is put beside it")
	ErrNoVersion   = errors.New("this build has no version number")
	ErrUnreachable = errors.New("the source cannot be read")
	ErrForm        = errors.New("the manifest is malformed")
	ErrSignature   = errors.New("the manifest is not signed by the release key")
	ErrExpired     = errors.New("the manifest has ended")
	ErrReplayed    = errors.New("the manifest is older than one that was seen before")
	ErrTooOld      = errors.New("the installed version is too old for this release")
	ErrNoFile      = errors.New("the release has no file for this PC")
	ErrDamaged     = errors.New("a file is not the one that the manifest names")
	ErrNoWayBack   = errors.New("the package of the installed version is not at hand, so there would be no way back")
	ErrDisk        = errors.New("there is not enough room on the disk")
	ErrBusy        = errors.New("another updater is at work")
	ErrExposed     = errors.New("others can write to the updater's folder")
	ErrState       = errors.New("the updater's state is malformed")
	ErrRolledBack  = errors.New("the new version was taken back")
)
