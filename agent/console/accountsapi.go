package console

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// accountProblems are what the page can say about a wish for an account, by id.
var accountProblems = map[error]string{
	ErrAccountName: "name", ErrAccountTaken: "taken", ErrAccountUnknown: "unknown", ErrAccountForm: "form", ErrAccountsFull: "full",
	ErrWeakPIN: "pin", ErrWeakPassword: "password", ErrLastAdmin: "last_admin",
}

func accountError(err error) error {
	for e, id := range accountProblems {
		if errors.Is(err, e) {
			return &catalog.Error{ID: catalog.ConsoleAccount, Detail: map[string]any{"what": id, "problem": e.Error()}, Err: err}
		}
	}
	return err
}

// accountWire is an account as an administrator sees it.
type accountWire struct {
	Name      string    `json:"name"`
	Role      Role      `json:"role"`
	OSUser    string    `json:"osUser,omitempty"`
	Login     []string  `json:"login"` // "pin", "os"; of an administrator "password"
	CreatedAt time.Time `json:"createdAt"`
	Disabled  bool      `json:"disabled"`
	Recovery  *int      `json:"recoveryLeft,omitempty"`
}

func (k *Console) accountList(context.Context, *call) (any, error) {
	list, err := k.c.Accounts.List()
	if err != nil {
		return nil, err
	}
	out := make([]accountWire, len(list))
	for i, a := range list {
		w := accountWire{Name: a.Name, Role: a.Role, OSUser: a.OSUser, Login: []string{}, CreatedAt: a.CreatedAt, Disabled: !a.Enabled()}
		switch {
		case a.Role == Administrator:
			left := len(a.Recovery)
			w.Login, w.Recovery = append(w.Login, "password"), &left
		case a.Secret != "":
			w.Login = append(w.Login, "pin")
		}
		if a.OSUser != "" {
			w.Login = append(w.Login, "os")
		}
		out[i] = w
	}
	return map[string]any{"accounts": out}, nil
}

func (k *Console) addAccount(ctx context.Context, q *call) (any, error) {
	var p struct {
		Name     string `json:"name"`
		Role     Role   `json:"role"`
		PIN      string `json:"pin"`
		OSUser   string `json:"osUser"`
		Password string `json:"password"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	switch p.Role {
	case Administrator:
		return k.beginAdmin(ctx, q, forAccount, p.Name, p.Password)
	case Operator, "":
		if err := k.addOperator(ctx, p.Name, p.PIN, p.OSUser); err != nil {
			return nil, err
		}
		k.c.Log("console.account.added", map[string]any{"by": q.session.id})
		return nil, nil
	}
	return nil, badField("role")
}

func (k *Console) addOperator(ctx context.Context, name, pin, osUser string) error {
	a, err := newOperator(ctx, k.hasher, name, pin, osUser)
	if err != nil {
		return accountError(err)
	}
	return accountError(k.c.Accounts.add(a))
}

func newOperator(ctx context.Context, h *hasher, name, pin, osUser string) (Account, error) {
	name, err := newName(name)
	if err != nil {
		return Account{}, err
	}
	a := Account{Name: name, Role: Operator, OSUser: osUser}
	switch {
	case pin == "" && osUser == "", len(osUser) > 256, slices.ContainsFunc([]rune(osUser), func(r rune) bool { return r < ' ' || r == 0x7f }):
		return Account{}, ErrAccountForm
	case pin != "":
		if err := checkPIN(pin); err != nil {
			return Account{}, err
		}
		a.Secret, err = h.make(ctx, pin)
	}
	return a, err
}

// AddOperator makes an operator, for who administers the PC and has its data folder. Errors: the Err… of accounts,
// *keys.FileError.
func (a *Accounts) AddOperator(ctx context.Context, name, pin, osUser string) error {
	one, err := newOperator(ctx, newHasher(defaultCost), name, pin, osUser)
	if err != nil {
		return err
	}
	return a.add(one)
}

func (k *Console) confirmAccount(_ context.Context, q *call) (any, error) {
	a, codes, err := k.confirmAdmin(q, forAccount, k.c.Accounts.add)
	if err != nil {
		return nil, err
	}
	k.c.Log("console.account.added", map[string]any{"by": q.session.id, "role": string(Administrator)})
	return map[string]any{"name": a.Name, "recovery": codes}, nil
}

func (k *Console) disableAccount(_ context.Context, q *call) (any, error) {
	if err := k.c.Accounts.Disable(q.arg); err != nil {
		return nil, accountError(err)
	}
	k.dismiss()
	k.closePairing()
	k.c.Log("console.account.disabled", map[string]any{"by": q.session.id})
	return nil, nil
}

func (k *Console) enableAccount(_ context.Context, q *call) (any, error) {
	return nil, accountError(k.c.Accounts.Enable(q.arg))
}

// changeSecret gives an account another PIN or password, which ends its sessions but the one that asks.
func (k *Console) changeSecret(ctx context.Context, q *call) (any, error) {
	var p struct {
		PIN string `json:"pin"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	a, there := k.c.Accounts.Find(q.arg)
	if !there {
		return nil, accountError(ErrAccountUnknown)
	}
	err := checkPIN(p.PIN)
	if a.Role == Administrator {
		err = checkPassword(p.PIN, a.Name)
	}
	if err != nil {
		return nil, accountError(err)
	}
	hash, err := k.hasher.make(ctx, p.PIN)
	if err != nil {
		return nil, err
	}
	var version int
	err = k.c.Accounts.edit(a.Name, func(one *Account, _ []Account) error {
		if one.Role != a.Role { // another account of that name since
			return ErrAccountUnknown
		}
		one.Secret = hash
		one.Version++
		version = one.Version
		return nil
	})
	if err != nil {
		return nil, accountError(err)
	}
	if a.Name == q.session.user {
		k.sessions.with(q.session.id, func(one *session) { one.version = version })
	}
	k.throttle.right(accountDoor(a.Name))
	k.dismiss()
	k.c.Log("console.account.secret", map[string]any{"by": q.session.id})
	return nil, nil
}
