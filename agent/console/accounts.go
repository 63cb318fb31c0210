package console

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// AccountsFileName is the file of the console's accounts within the data folder.
const AccountsFileName = "console-accounts.json"

// Role of an account. The values go over the wire and are frozen.
type Role string

// Roles: who works at the desk; who also changes what the desk is.
const (
	Operator      Role = "operator"
	Administrator Role = "admin"
)

const maxAccounts = 500

// Account is one person who may use the console. The hashes are secret and never leave this package and its file.
type Account struct {
	Name       string    `json:"name"`
	Role       Role      `json:"role"`
	OSUser     string    `json:"osUser,omitempty"` // account of the operating system that logs in without a PIN, where that is allowed
	CreatedAt  time.Time `json:"createdAt"`
	DisabledAt time.Time `json:"disabledAt,omitzero"`

	Secret   string   `json:"secret,omitempty"` // argon2id of the PIN or password; empty: none
	TOTP     string   `json:"totp,omitempty"`   // of an administrator, base32
	TOTPStep int64    `json:"totpStep,omitempty"`
	Recovery []string `json:"recovery,omitempty"` // SHA-256 of codes that are left
	Version  int      `json:"version,omitempty"`  // another one ends sessions
}

// Enabled says that the account may log in.
func (a Account) Enabled() bool { return a.DisabledAt.IsZero() }

// What can be wrong with an account or with the wish for one. The texts are for people.
var (
	ErrAccountName    = errors.New("a name has 1 to 64 letters, digits, dots, dashes, underscores or @")
	ErrAccountTaken   = errors.New("there is an account with this name or for this user of the PC")
	ErrAccountUnknown = errors.New("there is no such account")
	ErrAccountForm    = errors.New("an operator has a PIN or a user of the PC, or both")
	ErrAccountsFull   = fmt.Errorf("at most %d accounts", maxAccounts)
	ErrWeakPIN        = errors.New("a PIN has 6 to 12 digits that are neither all the same nor in a row")
	ErrWeakPassword   = errors.New("a password has 12 to 128 characters and does not contain the account's name")
	ErrLastAdmin      = errors.New("the last administrator cannot be switched off")
)

var nameForm = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@-]{0,63}$`)

// cleanName is the form under which a name is kept and found.
func cleanName(s string) (string, error) {
	if len(s) > 256 || !utf8.ValidString(s) {
		return "", ErrAccountName
	}
	s = strings.ToLower(norm.NFC.String(strings.TrimSpace(s)))
	if !nameForm.MatchString(s) {
		return "", ErrAccountName
	}
	return s, nil
}

// maxNameBytes is of a new account: the name is an operator's id in check-ins and, behind "paired by ", the label of a token,
// both of which have at most 100 bytes. Letters of Vietnamese have up to three.
const maxNameBytes = 90

// newName is cleanName for an account that is to be made.
func newName(s string) (string, error) {
	s, err := cleanName(s)
	if err == nil && len(s) > maxNameBytes {
		return "", ErrAccountName
	}
	return s, err
}

func checkPIN(pin string) error {
	if len(pin) < 6 || len(pin) > 12 || strings.Trim(pin, "0123456789") != "" {
		return ErrWeakPIN
	}
	for _, step := range []int{0, 1, 9} { // the same, up, down; 0 follows 9
		row := true
		for i := 1; i < len(pin); i++ {
			row = row && (int(pin[i])-int(pin[i-1])+10)%10 == step
		}
		if row {
			return ErrWeakPIN
		}
	}
	return nil
}

func checkPassword(password, name string) error {
	n := utf8.RuneCountInString(password)
	if n < 12 || n > 128 || !utf8.ValidString(password) || strings.Contains(strings.ToLower(password), name) {
		return ErrWeakPassword
	}
	return nil
}

// Accounts is the file of accounts. The agent reads it while commands change it. A file that has become unreadable lets
// nobody in, and opens the setup of a first administrator to nobody either. It is safe for concurrent use.
type Accounts struct {
	file *keys.File
	now  func() time.Time

	mu   sync.Mutex
	list []Account
	err  error
}

type accountsFile struct {
	Version  int       `json:"version"`
	Accounts []Account `json:"accounts"`
}

// OpenAccounts opens the accounts in the data folder, which is made where it is missing. Errors: *keys.FileError.
func OpenAccounts(dir string) (*Accounts, error) {
	a, err := AccountsIn(dir)
	if err != nil {
		return nil, err
	}
	if _, err := a.List(); err != nil {
		return nil, err
	}
	return a, nil
}

// AccountsIn is OpenAccounts for who goes on without a file that can be read: it lets nobody in until it can. Error:
// *keys.FileError of the folder.
func AccountsIn(dir string) (*Accounts, error) {
	f, err := keys.OpenFile(dir, AccountsFileName)
	if err != nil {
		return nil, err
	}
	return &Accounts{file: f, now: time.Now}, nil
}

// List gives all accounts, by name.
func (a *Accounts) List() ([]Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	raw, changed, err := a.file.Read()
	if changed {
		a.list, a.err = nil, err
		if err == nil {
			a.list, a.err = parseAccounts(a.file.Path(), raw)
		}
	}
	return slices.Clone(a.list), a.err
}

func parseAccounts(path string, raw []byte) ([]Account, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var f accountsFile
	if json.Unmarshal(raw, &f) != nil || f.Version != 1 || len(f.Accounts) > maxAccounts {
		return nil, &keys.FileError{Path: path, Err: keys.ErrMalformed}
	}
	seen := map[string]bool{}
	for i, one := range f.Accounts {
		name, err := cleanName(one.Name)
		if err == nil && one.Secret != "" {
			_, _, _, err = parseHash(one.Secret)
		}
		if err != nil || name != one.Name || seen[name] || one.Role != Operator && one.Role != Administrator ||
			one.Role == Administrator && (one.TOTP == "" || one.Secret == "") {
			return nil, &keys.FileError{Path: path, Err: fmt.Errorf("%w: account %d", keys.ErrMalformed, i+1)}
		}
		seen[name] = true
	}
	return f.Accounts, nil
}

// Find gives an account by its name, however that is written.
func (a *Accounts) Find(name string) (Account, bool) {
	list, err := a.List()
	name, nameErr := cleanName(name)
	if err != nil || nameErr != nil {
		return Account{}, false
	}
	i := slices.IndexFunc(list, func(one Account) bool { return one.Name == name })
	if i < 0 {
		return Account{}, false
	}
	return list[i], true
}

// findUser gives the account of a user of the operating system.
func (a *Accounts) findUser(user string) (Account, bool) {
	list, err := a.List()
	if err != nil || user == "" {
		return Account{}, false
	}
	i := slices.IndexFunc(list, func(one Account) bool { return sameUser(one.OSUser, user) })
	if i < 0 {
		return Account{}, false
	}
	return list[i], true
}

// NeedsAdministrator says that the first administrator is still to be made. A file that cannot be read does not.
func (a *Accounts) NeedsAdministrator() bool {
	list, err := a.List()
	return err == nil && !anyAdmin(list)
}

// any says that somebody may log in.
func (a *Accounts) any() bool {
	list, err := a.List()
	return err == nil && slices.ContainsFunc(list, Account.Enabled)
}

func anyAdmin(list []Account) bool {
	return slices.ContainsFunc(list, func(one Account) bool { return one.Role == Administrator && one.Enabled() })
}

// change edits the file while no other program does.
func (a *Accounts) change(edit func([]Account) ([]Account, error)) error {
	return a.file.Change(func(raw []byte) ([]byte, error) {
		list, err := parseAccounts(a.file.Path(), raw)
		if err != nil {
			return nil, err
		}
		if list, err = edit(list); err != nil {
			return nil, err
		}
		slices.SortFunc(list, func(x, y Account) int { return strings.Compare(x.Name, y.Name) })
		out, err := json.MarshalIndent(accountsFile{Version: 1, Accounts: list}, "", "  ")
		return append(out, '\n'), err
	})
}

// add adds an account whose name is clean.
func (a *Accounts) add(one Account) error {
	one = a.born(one)
	return a.change(func(list []Account) ([]Account, error) {
		if len(list) >= maxAccounts {
			return nil, ErrAccountsFull
		}
		for _, other := range list {
			if other.Name == one.Name || one.OSUser != "" && sameUser(other.OSUser, one.OSUser) {
				return nil, ErrAccountTaken
			}
		}
		return append(list, one), nil
	})
}

// born dates a new account. Its version begins with the time, so that the sessions of an older account of that name, which
// was removed, are not its own.
func (a *Accounts) born(one Account) Account {
	now := a.now().UTC()
	one.CreatedAt, one.Version = now.Truncate(time.Second), int(now.Unix())
	return one
}

// edit changes one account. Errors: ErrAccountUnknown, what change gives, *keys.FileError.
func (a *Accounts) edit(name string, change func(one *Account, all []Account) error) error {
	name, err := cleanName(name)
	if err != nil {
		return ErrAccountUnknown
	}
	return a.change(func(list []Account) ([]Account, error) {
		i := slices.IndexFunc(list, func(one Account) bool { return one.Name == name })
		if i < 0 {
			return nil, ErrAccountUnknown
		}
		if err := change(&list[i], list); err != nil {
			return nil, err
		}
		return list, nil
	})
}

// Disable switches an account off, which ends its sessions. Errors: ErrAccountUnknown, ErrLastAdmin, *keys.FileError.
func (a *Accounts) Disable(name string) error {
	return a.edit(name, func(one *Account, all []Account) error {
		if !one.Enabled() {
			return nil
		}
		one.DisabledAt = a.now().UTC().Truncate(time.Second)
		one.Version++
		if one.Role == Administrator && !anyAdmin(all) {
			return ErrLastAdmin
		}
		return nil
	})
}

// Enable switches an account on again.
func (a *Accounts) Enable(name string) error {
	return a.edit(name, func(one *Account, _ []Account) error {
		one.DisabledAt = time.Time{}
		return nil
	})
}

// Remove takes an account away, the last administrator's too: that is for the PC's own administrator, who has lost the
// second factor.
func (a *Accounts) Remove(name string) error {
	name, err := cleanName(name)
	if err != nil {
		return ErrAccountUnknown
	}
	return a.change(func(list []Account) ([]Account, error) {
		left := slices.DeleteFunc(slices.Clone(list), func(one Account) bool { return one.Name == name })
		if len(left) == len(list) {
			return nil, ErrAccountUnknown
		}
		return left, nil
	})
}

// RandomPIN gives six random digits. They can be weak ones.
func RandomPIN() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic("console: no random numbers") // never fails (crypto/rand)
	}
	return fmt.Sprintf("%06d", n)
}
