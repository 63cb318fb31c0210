package keys

// accessList is what of a Windows security descriptor decides who can read or change a file or folder. It is judged here,
// and taken out of the system in file_windows.go, so that the rule is tested wherever the tests run.
//
// SIDs are in their text form and masks as [MS-DTYP] has them, §2.4.2.4, §2.4.3 and §2.4.4.
type accessList struct {
	owner   string
	absent  bool // there is no list at all, which lets everybody in; an empty one lets nobody in
	entries []accessEntry
}

// accessEntry is one ACE.
type accessEntry struct {
	kind   uint8 // AceType
	flags  uint8 // AceFlags
	rights uint32
	who    string // SID; empty where the kind keeps it elsewhere
}

// Well-known SIDs ([MS-DTYP] §2.4.2.4).
const (
	sidSystem         = "S-1-5-18"
	sidAdministrators = "S-1-5-32-544"
	sidCreatorOwner   = "S-1-3-0"
	sidOwnerRights    = "S-1-3-4"
)

// Kinds of entries ([MS-DTYP] §2.4.4.1).
const (
	aceAllowed                    = 0x00
	aceDenied                     = 0x01
	aceDeniedObject               = 0x06
	aceAllowedCallback            = 0x09
	aceDeniedCallback             = 0x0A
	aceDeniedCallbackObject       = 0x0C
	aceInheritOnly          uint8 = 0x08 // of the flags: it counts for what is made in the folder, not for the folder
)

// harmless is what anybody may have: the attributes, the list itself, waiting on it, and walking through the folder.
// Everything else reads, writes, deletes, or changes who may; so do the generic rights.
const harmless = 0x00000008 | 0x00000020 | 0x00000080 | 0x00020000 | 0x00100000 // READ_EA, EXECUTE, READ_ATTRIBUTES, READ_CONTROL, SYNCHRONIZE

// plain says whether the SID follows the mask. The condition of a callback entry is not judged: it counts as met.
func (e accessEntry) plain() bool { return e.kind == aceAllowed || e.kind == aceAllowedCallback }

// judge is nil where nobody but SYSTEM, the Administrators and self owns or gets anything. Entries that deny are not
// weighed against those that allow: a list that needs them is not one of ours. Errors: ErrOwner, ErrExposed.
func (l accessList) judge(self string) error {
	trusted := func(sid string) bool {
		return sid != "" && (sid == self || sid == sidSystem || sid == sidAdministrators)
	}
	// The owner may always write the list anew, whatever stands in it.
	if !trusted(l.owner) {
		return ErrOwner
	}
	if l.absent {
		return ErrExposed
	}
	for _, e := range l.entries {
		switch {
		case e.kind == aceDenied, e.kind == aceDeniedObject, e.kind == aceDeniedCallback, e.kind == aceDeniedCallbackObject:
		case !e.plain():
			return ErrExposed // a kind that no file has: whom it lets in is not known
		case trusted(e.who), e.rights&^harmless == 0:
		case e.who == sidOwnerRights: // the owner has been judged
		case e.who == sidCreatorOwner && e.flags&aceInheritOnly != 0: // becomes the owner of what is made, who is judged then
		default:
			return ErrExposed
		}
	}
	return nil
}

// granted are who gets full control of a new data folder: SYSTEM, the Administrators, and the user that makes it, unless
// that is one who works as an administrator anyway. Such a one's own name would stand in the list for ever, and the
// service, which runs as SYSTEM, would find a stranger there.
func granted(user string, elevated bool) []string {
	list := []string{sidSystem, sidAdministrators}
	if user != sidSystem && !elevated {
		list = append(list, user)
	}
	return list
}

// descriptor is the access list of a new data folder as [MS-DTYP] §2.5.1 writes it: protected from what stands above (P),
// and taken over by files and folders in it (OI, CI).
func descriptor(user string, elevated bool) string {
	s := "D:P"
	for _, who := range granted(user, elevated) {
		s += "(A;OICI;FA;;;" + who + ")"
	}
	return s
}
