package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
)

// Machine is what tells one PC from another. Empty parts are not known, and are not compared.
type Machine struct {
	System string // of the installed system: machine-id, MachineGuid
	Board  string // of the hardware: the SMBIOS system UUID

	TPM *tpm.Device // opens the keys that it has sealed; nil: there is none
	// Seal has the TPM seal the keys, where it does. Without, Bind takes those out that it has sealed.
	Seal bool
}

// mark is a machine as the key file has it: hashed with the instance id, so that the file tells nobody which PC it belongs to
// (machine-id(5) asks for that too).
type mark struct {
	System string `json:"system,omitempty"`
	Board  string `json:"board,omitempty"`
}

func (m Machine) mark(instance string) mark {
	hash := func(kind, id string) string {
		if id == "" {
			return ""
		}
		sum := sha256.Sum256([]byte("tapcheck machine 1\x00" + instance + "\x00" + kind + "\x00" + strings.ToLower(id)))
		return hex.EncodeToString(sum[:])
	}
	return mark{System: hash("system", m.System), Board: hash("board", m.Board)}
}

// differs says whether a part that is known of both is another one on this PC.
func (k mark) differs(m Machine, instance string) bool {
	here := m.mark(instance)
	if k.System != "" && here.System != "" && k.System != here.System {
		return true
	}
	if k.Board == "" || here.Board == "" || k.Board == here.Board {
		return false
	}
	m.Board = otherOrder(m.Board)
	return k.Board != m.mark(instance).Board
}

// otherOrder is a board's UUID with the first three fields in the other byte order: which one they are told in changes with the version of
// SMBIOS (DMTF DSP0134 §7.2.1), and so with an update of the firmware, or of a virtual machine's hardware version. Anything else stays as it is.
func otherOrder(id string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != 16 {
		return id
	}
	slices.Reverse(b[:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	return hex.EncodeToString(b)
}

// with gives the mark with what another one knows more.
func (k mark) with(other mark) mark {
	if k.System == "" {
		k.System = other.System
	}
	if k.Board == "" {
		k.Board = other.Board
	}
	return k
}

// ErrCopied says that the keys were made on another PC.
var ErrCopied = errors.New("its keys were made on another PC")

// CopiedPrefix begins the name of a folder, within the data folder, with what another PC's data folder held.
const CopiedPrefix = "copied-"

// copied are the files that make a workstation itself, in the order in which they are set aside. The keys are the last, so that
// what is broken off is done again.
//
// What stays is the hospital's and not the workstation's: the console's accounts, and the gateway's account in gateway-* files.
var copied = []string{
	"journal.db", "journal.db-wal", "journal.db-journal", WSSFileName, WSSCAFileName, "access.log", "access.log.1", "access.log.2", TokensFileName, FileName,
}

// Bind makes sure that the keys of a data folder belong to this PC, before anything else is done with them: another PC's
// signature must not be made here, nor its look-ups asked twice, nor its patients shown. The keys of a folder that was copied, or came with an image of
// a disk, are set aside together with the journal, the certificate of wss, and the tokens, whose secrets are another PC's too; those
// tokens that are a public key of a HIS's backend stay. Open then makes new keys, and the desk works on. aside is the folder, or "". Keys that were
// bound to no PC yet are bound to this one.
//
// Keys that the TPM does not open any more are set aside in the same way, once it has had its time to answer (AsideByTPM). They are sealed or taken out
// as m says.
//
// It is called by the agent alone, before it opens anything. Errors: *FileError.
func Bind(dir string, m Machine) (aside string, err error) {
	if err := makePrivateDir(dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, FileName)
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var c content
	if json.Unmarshal(raw, &c) != nil || !instanceForm(c.InstanceID) {
		return "", nil // Open says what is wrong with it
	}
	if c.Machine.differs(m, c.InstanceID) || !opens(c.Sealed) || !c.answered(m) {
		return setAside(dir, c.InstanceID)
	}
	now := c.Machine.with(m.mark(c.InstanceID))
	change := now != c.Machine
	c.Machine = now
	if change = c.move(m) || change; !change {
		return "", nil
	}
	if raw, err = c.encode(Machine{}); err != nil {
		return "", err
	}
	return "", writePrivate(path, raw, true)
}

// opens says whether the operating system decrypts what it may have encrypted. What it does not was encrypted elsewhere, or by a Windows that
// is no more, and opens nowhere.
func opens(sealed []byte) bool {
	if sealed == nil {
		return true
	}
	raw, err := unseal(sealed)
	clear(raw)
	return err == nil
}

// CheckMachine says whether the keys of a data folder belong to this PC, and changes nothing. Errors: *FileError that unwraps to ErrCopied or
// to what is wrong with the file.
func CheckMachine(dir string, m Machine) error {
	path := filepath.Join(dir, FileName)
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var c content
	if json.Unmarshal(raw, &c) == nil && c.Machine.differs(m, c.InstanceID) {
		return &FileError{Path: path, Err: ErrCopied}
	}
	return nil
}

// Aside lists the folders that Bind has made in a data folder and nobody has decided about yet.
func Aside(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var list []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), CopiedPrefix) {
			list = append(list, e.Name())
		}
	}
	return list
}

// setAside moves what another PC's agent has made into a folder of its own. It can be broken off anywhere, and is then ended by the next call.
func setAside(dir, instance string) (string, error) {
	name := CopiedPrefix + instance[:8]
	for n := 2; ; n++ { // the same copy may have come before
		if _, err := os.Lstat(filepath.Join(dir, name, FileName)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if n > 100 {
			return "", &FileError{Path: dir, Err: errors.New("too many copies were set aside")}
		}
		name = fmt.Sprintf("%s%s-%d", CopiedPrefix, instance[:8], n)
	}
	to := filepath.Join(dir, name)
	if err := makePrivateDir(to); err != nil {
		return "", err
	}
	if err := adoptFolder(to, dir); err != nil {
		return "", &FileError{Path: to, Err: err}
	}
	for _, file := range copied {
		if file == FileName {
			if err := keepPublicKeys(dir, to); err != nil {
				return "", err
			}
		}
		if _, err := os.Lstat(filepath.Join(to, file)); err == nil {
			continue // moved before this was broken off; what has taken its place is ours
		}
		if err := move(dir, "", name, file); err != nil {
			return "", err
		}
	}
	return name, errors.Join(syncDir(to), syncDir(dir))
}

// move moves files between folders of a data folder, as far as they are there. It leaves the data folder by no link: an administrator's command works in
// the folder of a lesser user.
func move(dir, from, to string, files ...string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &FileError{Path: dir, Err: err}
	}
	defer root.Close()
	for _, file := range files {
		if err := root.Rename(filepath.Join(from, file), filepath.Join(to, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &FileError{Path: filepath.Join(dir, from, file), Err: err}
		}
	}
	return nil
}

// keepPublicKeys makes a store of those tokens that are no secret of the other PC.
func keepPublicKeys(dir, from string) error {
	path := filepath.Join(dir, TokensFileName)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	tokens, err := loadTokens(filepath.Join(from, TokensFileName))
	if err != nil {
		return nil // a store that nobody can read lets nobody in, here as there
	}
	tokens = slices.DeleteFunc(tokens, func(t Token) bool { return t.PublicKey == nil })
	if len(tokens) == 0 {
		return nil
	}
	raw, err := json.MarshalIndent(tokenFile{Version: 1, Tokens: tokens}, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(path, append(raw, '\n'), false)
}

// KeepAside is for a PC that is the same in spite of all, because its hardware was repaired: what Bind has set aside is put back and bound to
// it. What the desk has made since goes into a folder `since-…` of the data folder, and is named. The agent must not run. Errors: *FileError.
func KeepAside(dir, name string, m Machine) (since string, err error) {
	from := filepath.Join(dir, name)
	raw, err := readPrivate(filepath.Join(from, FileName))
	if err != nil {
		return "", err
	}
	k, err := parse(filepath.Join(from, FileName), raw, m)
	if err != nil {
		return "", err
	}
	var c content
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", &FileError{Path: from, Err: ErrMalformed}
	}
	c.Machine = m.mark(k.instance)
	if raw, err = c.encode(Machine{}); err != nil {
		return "", err
	}
	since = "since-" + k.instance[:8]
	for n := 2; ; n++ {
		if _, err := os.Lstat(filepath.Join(dir, since)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		since = fmt.Sprintf("since-%s-%d", k.instance[:8], n)
	}
	if err := makePrivateDir(filepath.Join(dir, since)); err != nil {
		return "", err
	}
	if err := adoptFolder(filepath.Join(dir, since), dir); err != nil {
		return "", &FileError{Path: dir, Err: err}
	}
	if err := move(dir, "", since, copied...); err != nil {
		return "", err
	}
	if err := move(dir, name, "", copied...); err != nil {
		return "", err
	}
	if err := writePrivate(filepath.Join(dir, FileName), raw, true); err != nil {
		return "", err
	}
	if err := os.Remove(from); err != nil {
		return since, &FileError{Path: from, Err: err}
	}
	return since, syncDir(dir)
}

// ForgetAside deletes for good what Bind has set aside. Error: *FileError.
func ForgetAside(dir, name string) error {
	if !strings.HasPrefix(name, CopiedPrefix) || strings.ContainsAny(name, `/\`) {
		return &FileError{Path: name, Err: fs.ErrInvalid}
	}
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		return &FileError{Path: filepath.Join(dir, name), Err: err}
	}
	return nil
}

// systemUUID finds the UUID of structure type 1 in the raw SMBIOS table (DMTF DSP0134 §6.1, §7.2) that Windows gives, with eight bytes of its own before it.
func systemUUID(b []byte) string {
	if len(b) < 8 {
		return ""
	}
	for b = b[8:]; len(b) >= 4 && int(b[1]) >= 4 && len(b) >= int(b[1]); {
		kind, length := b[0], int(b[1])
		if kind == 1 && length >= 0x19 {
			u := b[8:24]
			return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(u), binary.LittleEndian.Uint16(u[4:]), binary.LittleEndian.Uint16(u[6:]), u[8:10], u[10:])
		}
		// The strings of a structure end with two zeros.
		i := length
		for i+1 < len(b) && (b[i] != 0 || b[i+1] != 0) {
			i++
		}
		if i+2 > len(b) {
			return ""
		}
		b = b[i+2:]
	}
	return ""
}

// fillers are UUIDs that boards have from a maker who put none in, in either byte order: they are on many PCs.
var fillers = []string{
	"03000200040005000006000700080009",
	"00112233445566778899aabbccddeeff",
	"0123456789abcdef0123456789abcdef",
	"12345678123412341234123456789012",
	"12345678123456789012345678901234",
	"1234567812345678123456789abcdef0",
	"123456781234567890abcddeefaabbcc",
	"11111111222233334444555555555555",
	"4c4c454400002010802080c04f202020", // Dell's, where the service tag is blank
}

// boardOf takes out the UUIDs that makers put in because they had none: one byte again and again, or a well-known filler.
func boardOf(id string) string {
	digits := strings.ToLower(strings.ReplaceAll(id, "-", ""))
	if b, err := hex.DecodeString(digits); err != nil || len(b) != 16 || strings.Count(digits, digits[:1]) == 32 || strings.Count(digits, digits[:2]) == 16 {
		return ""
	}
	if slices.Contains(fillers, digits) || slices.Contains(fillers, otherOrder(digits)) {
		return ""
	}
	return digits
}

// Adopt makes the keys of a workstation that takes over the work of another one, whose PC is dead: new ones of its own, but for the database's,
// by which the other one's journal is read. former are the workstations whose signatures are to be found in it. Errors: *FileError, which unwraps to
// fs.ErrExist where there are keys already.
func Adopt(dir string, database []byte, former []Former, m Machine) (*Keys, error) {
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, FileName)
	if len(database) != 32 {
		return nil, &FileError{Path: path, Err: ErrMalformed}
	}
	c, err := fresh()
	if err != nil {
		return nil, err
	}
	c.Database, c.Former, c.Machine = database, former, m.mark(c.InstanceID)
	raw, err := c.encode(m)
	if err != nil {
		return nil, err
	}
	if err := writePrivate(path, raw, false); err != nil {
		return nil, err
	}
	return OpenOn(dir, m)
}

// Own gives a file of the data folder, that an administrator's command has made, to the folder's owner, alone. Error: *FileError.
func Own(path string) error {
	f, err := openPrivate(path, os.O_RDWR)
	if err != nil {
		return &FileError{Path: path, Err: err}
	}
	defer f.Close()
	if err := checkOpen(f, path, true); err != nil { // not a file of the administrator's that the folder's owner has put there
		return err
	}
	if err := errors.Join(adoptOwner(f, filepath.Dir(path)), f.Sync()); err != nil {
		return &FileError{Path: path, Err: err}
	}
	return nil
}

// SetAsideAll moves what makes a workstation itself into a folder of the data folder, for another one's that takes its place, and names it. Error:
// *FileError.
func SetAsideAll(dir, name string) (string, error) {
	to := filepath.Join(dir, name)
	if err := makePrivateDir(to); err != nil {
		return "", err
	}
	if err := adoptFolder(to, dir); err != nil {
		return "", &FileError{Path: to, Err: err}
	}
	if err := move(dir, "", name, copied...); err != nil {
		return "", err
	}
	return name, errors.Join(syncDir(to), syncDir(dir))
}
