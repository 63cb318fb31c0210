package keys

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// A row is an access list as Windows may have it, and what is said of it by somebody whose SID ends in 1001.
func TestAccessListLetsInNobodyElse(t *testing.T) {
	const (
		self, other = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002"
		everyone    = "S-1-1-0"
		signedIn    = "S-1-5-11"
		users       = "S-1-5-32-545"
		guests      = "S-1-5-32-546"
		service     = "S-1-5-80-1-2-3-4-5"
		packages    = "S-1-15-2-1"

		full, read, list     = 0x001F01FF, 0x00120089, 0x00000001
		genericRead, traffic = 0x80000000, 0x00120028 // of traffic: attributes and walking through, nothing of the content
	)
	allow := func(who string, rights uint32) accessEntry { return accessEntry{aceAllowed, 0, rights, who} }
	ours := []accessEntry{allow(sidSystem, full), allow(sidAdministrators, full), allow(self, full)}
	with := func(e ...accessEntry) []accessEntry { return append(append([]accessEntry(nil), ours...), e...) }
	for name, c := range map[string]struct {
		list accessList
		want error
	}{
		"as it is made":              {accessList{owner: self, entries: ours}, nil},
		"made by an administrator":   {accessList{owner: sidAdministrators, entries: ours}, nil},
		"made by the system":         {accessList{owner: sidSystem, entries: ours}, nil},
		"nobody gets anything":       {accessList{owner: self}, nil},
		"no list at all":             {accessList{owner: self, absent: true}, ErrExposed},
		"another user made it first": {accessList{owner: other, entries: ours}, ErrOwner},
		"everyone made it":           {accessList{owner: everyone, entries: ours}, ErrOwner},
		"no owner":                   {accessList{entries: ours}, ErrOwner},

		"everyone reads":               {accessList{owner: self, entries: with(allow(everyone, read))}, ErrExposed},
		"who is signed in reads":       {accessList{owner: self, entries: with(allow(signedIn, read))}, ErrExposed},
		"users read":                   {accessList{owner: self, entries: with(allow(users, read))}, ErrExposed},
		"guests read":                  {accessList{owner: self, entries: with(allow(guests, read))}, ErrExposed},
		"one other user reads":         {accessList{owner: self, entries: with(allow(other, read))}, ErrExposed},
		"another service reads":        {accessList{owner: self, entries: with(allow(service, read))}, ErrExposed},
		"packaged apps read":           {accessList{owner: self, entries: with(allow(packages, read))}, ErrExposed},
		"another user, generic":        {accessList{owner: self, entries: with(allow(other, genericRead))}, ErrExposed},
		"another user lists":           {accessList{owner: self, entries: with(allow(other, list))}, ErrExposed},
		"another user writes the list": {accessList{owner: self, entries: with(allow(other, 0x00040000))}, ErrExposed},
		"another user takes it over":   {accessList{owner: self, entries: with(allow(other, 0x00080000))}, ErrExposed},
		"another user deletes":         {accessList{owner: self, entries: with(allow(other, 0x00010000))}, ErrExposed},
		"another user deletes in it":   {accessList{owner: self, entries: with(allow(other, 0x00000040))}, ErrExposed},
		"another user, on a condition": {accessList{owner: self, entries: with(accessEntry{aceAllowedCallback, 0, read, other})}, ErrExposed},
		"we, on a condition":           {accessList{owner: self, entries: with(accessEntry{aceAllowedCallback, 0, read, self})}, nil},
		"what is made in it is open":   {accessList{owner: self, entries: with(accessEntry{aceAllowed, aceInheritOnly, read, users})}, ErrExposed},
		"denied, then allowed":         {accessList{owner: self, entries: with(accessEntry{aceDenied, 0, read, users}, allow(users, read))}, ErrExposed},
		"an entry for objects":         {accessList{owner: self, entries: with(accessEntry{0x05, 0, read, ""})}, ErrExposed},
		"a compound entry":             {accessList{owner: self, entries: with(accessEntry{0x04, 0, read, ""})}, ErrExposed},
		"users walk through":           {accessList{owner: self, entries: with(allow(users, traffic))}, nil},
		"denied only":                  {accessList{owner: self, entries: with(accessEntry{aceDenied, 0, full, other})}, nil},
		"the owner's rights":           {accessList{owner: self, entries: with(allow(sidOwnerRights, full))}, nil},
		"who makes something in it":    {accessList{owner: self, entries: with(accessEntry{aceAllowed, aceInheritOnly | 3, full, sidCreatorOwner})}, nil},
		"a group of that name":         {accessList{owner: self, entries: with(allow(sidCreatorOwner, full))}, ErrExposed},

		"the service reads":                   {accessList{owner: self, entries: with(allow(sidService, full))}, nil},
		"the service made it":                 {accessList{owner: sidLocalService, entries: with(allow(sidService, full), allow(sidOwnerRights, 0x00020000))}, nil},
		"any local service, as owner":         {accessList{owner: sidLocalService, entries: with(allow(sidService, full))}, ErrOwner},
		"any local service, owners may write": {accessList{owner: sidLocalService, entries: with(allow(sidOwnerRights, full))}, ErrOwner},
		"any local service, later":            {accessList{owner: sidLocalService, entries: with(accessEntry{aceAllowed, aceInheritOnly, 0x00020000, sidOwnerRights})}, ErrOwner},
		"any local service, on a condition":   {accessList{owner: sidLocalService, entries: with(accessEntry{aceAllowedCallback, 0, 0x00020000, sidOwnerRights})}, ErrOwner},
		"any local service reads":             {accessList{owner: self, entries: with(allow(sidLocalService, read))}, ErrExposed},
		"another user, whose list is bound":   {accessList{owner: other, entries: with(allow(sidOwnerRights, 0x00020000))}, ErrOwner},
	} {
		if err := c.list.judge(self); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A folder is good for who made it, and one that an administrator's command or the service made is good for both.
func TestNewFolderIsGoodForServiceAndAdministrator(t *testing.T) {
	const user, admin, other = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-500", "S-1-5-21-1-2-3-1002"
	for name, c := range map[string]struct {
		maker, owner string // an elevated program's folders belong to the Administrators
		elevated     bool
		good, bad    []string
	}{
		"the service":         {sidLocalService, sidLocalService, false, []string{sidLocalService, sidSystem, admin}, nil},
		"a service as SYSTEM": {sidSystem, sidSystem, true, []string{sidLocalService, sidSystem, admin}, nil},
		"an administrator":    {admin, sidAdministrators, true, []string{sidLocalService, sidSystem, admin}, nil},
		"a user":              {user, user, false, []string{user}, []string{sidSystem, sidLocalService, other}},
	} {
		list := accessList{owner: c.owner, entries: []accessEntry{{aceAllowed, 3, 0x00020000, sidOwnerRights}}}
		for _, who := range granted(c.maker, c.elevated) {
			if who == sidLocalService {
				t.Errorf("made by %s: every local service gets it", name)
			}
			list.entries = append(list.entries, accessEntry{aceAllowed, 3, 0x001F01FF, who})
		}
		for _, who := range c.good {
			if err := list.judge(who); err != nil {
				t.Errorf("made by %s, used by %s: %v", name, who, err)
			}
		}
		for _, who := range c.bad {
			if err := list.judge(who); !errors.Is(err, ErrOwner) {
				t.Errorf("made by %s, used by %s: %v", name, who, err)
			}
		}
	}
	if got, want := descriptor(user, false), "D:P(A;OICI;FA;;;S-1-5-18)(A;OICI;FA;;;S-1-5-32-544)(A;OICI;FA;;;"+sidService+")(A;OICI;FA;;;"+user+")(A;OICI;RC;;;S-1-3-4)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The service's SID is made of its name.
func TestServiceSID(t *testing.T) {
	name := utf16.Encode([]rune(strings.ToUpper("tapcheck")))
	raw := make([]byte, 0, 2*len(name))
	for _, u := range name {
		raw = binary.LittleEndian.AppendUint16(raw, u)
	}
	sum := sha1.Sum(raw)
	want := "S-1-5-80"
	for i := 0; i < len(sum); i += 4 {
		want += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(sum[i:]))
	}
	if sidService != want {
		t.Errorf("%s, want %s", sidService, want)
	}
}
