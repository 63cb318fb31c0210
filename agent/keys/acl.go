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
	sidLocalService   = "S-1-5-19"
)

// sidService is NT SERVICE\tapcheck: what the service is told apart by, whatever account it runs as. Only an administrator can
// make a service of that name. It is made of the name's SHA-1, as `sc showsid tapcheck` prints it.
const sidService = "S-1-5-80-1513941343-2547386427-520807975-511011366-3299246271"

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

// judge is nil where nobody but SYSTEM, the Administrators, the service and self owns or gets anything. Entries that deny are
// not weighed against those that allow: a list that needs them is not one of ours. Errors: ErrOwner, ErrExposed.
func (l accessList) judge(self string) error {
	trusted := func(sid string) bool {
		return sid != "" && (sid == self || sid == sidSystem || sid == sidAdministrators || sid == sidService)
	}
	// The owner may write the list anew, whatever stands in it, unless an entry says what owners may. What the service makes
	// belongs to LocalService, which is others' account too.
	if !trusted(l.owner) && !(l.owner == sidLocalService && l.bindsOwner()) {
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

// bindsOwner says whether an entry takes from the owner what owners have otherwise: to write the list and to give it away.
func (l accessList) bindsOwner() bool {
	found := false
	for _, e := range l.entries {
		if e.who == sidOwnerRights && e.plain() {
			if e.rights&^harmless != 0 {
				return false
			}
			found = found || e.kind == aceAllowed && e.flags&aceInheritOnly == 0
		}
	}
	return found
}

// granted are who gets full control of a new data folder: SYSTEM, the Administrators, the service, and the user that makes it,
// unless that is one who works as an administrator anyway, or LocalService. Such a one's own name would stand in the list for
// ever, and the service would find a stranger there; LocalService's would let in other services.
func granted(user string, elevated bool) []string {
	list := []string{sidSystem, sidAdministrators, sidService}
	if user != sidSystem && user != sidLocalService && !elevated {
		list = append(list, user)
	}
	return list
}

// descriptor is the access list of a new data folder as [MS-DTYP] §2.5.1 writes it: protected from what stands above (P),
// and taken over by files and folders in it (OI, CI). Owners may read the list and no more (bindsOwner).
func descriptor(user string, elevated bool) string {
	s := "D:P"
	for _, who := range granted(user, elevated) {
		s += "(A;OICI;FA;;;" + who + ")"
	}
	return s + "(A;OICI;RC;;;" + sidOwnerRights + ")"
}
