package console

import (
	"context"
	"errors"
	"strings"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// doors of the throttle. A name that no account has counts for the session alone, or anybody could fill the memory.
func sessionDoor(os string) string   { return "session " + os }
func accountDoor(name string) string { return "account " + name }

// guess runs a check under the throttle: it is slowed down by account and by session of the operating system, and a wrong
// one is the same error whatever was wrong. What was wrong before is forgotten only where the check was the last one of a
// login (whole): a password that is known must not buy new tries at the second factor.
func (k *Console) guess(doors []string, whole bool, check func() (bool, error)) error {
	if wait := k.throttle.try(doors...); wait > 0 {
		return catalog.New(catalog.ConsoleTooManyTries, map[string]any{"retryAfterMs": wait.Milliseconds()})
	}
	right, err := check()
	switch {
	case err != nil:
		k.throttle.untried(doors...)
		return err
	case !right:
		k.c.Log("console.login.failed", nil)
		return catalog.New(catalog.ConsoleLoginFailed, nil)
	}
	if whole {
		k.throttle.right(doors...)
	} else {
		k.throttle.untried(doors...)
	}
	return nil
}

// loginAnswer is what a successful login gives.
type loginAnswer struct {
	Token    string   `json:"token"`
	User     string   `json:"user"`
	Role     Role     `json:"role"`
	IdleMs   int      `json:"idleMs"`
	Recovery []string `json:"recovery,omitempty"` // with a new second factor, shown once
}

func (k *Console) admit(a Account, os string) loginAnswer {
	token, id := k.sessions.open(a, os)
	k.c.Log("console.login", map[string]any{"session": id, "role": string(a.Role)})
	return loginAnswer{Token: token, User: a.Name, Role: a.Role, IdleMs: k.set().IdleMs}
}

// needsTOTP asks an administrator for the second factor.
type needsTOTP struct {
	Needs  string `json:"needs"`
	Ticket string `json:"ticket"`
}

func (k *Console) login(ctx context.Context, q *call) (any, error) {
	var p struct {
		User string `json:"user"`
		PIN  string `json:"pin"`
		OS   bool   `json:"os"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if p.OS {
		a, err := k.osAccount(q.os)
		if err != nil {
			return nil, err
		}
		return k.admit(a, q.os), nil
	}
	switch {
	case p.User == "" || len(p.User) > 256:
		return nil, badField("user")
	case p.PIN == "" || len(p.PIN) > 512:
		return nil, badField("pin")
	}
	a, there := k.c.Accounts.Find(p.User)
	doors := []string{sessionDoor(q.os)}
	if there {
		doors = append(doors, accountDoor(a.Name))
	}
	if err := k.guess(doors, a.Role == Operator, func() (bool, error) { return k.knows(ctx, a, p.PIN) }); err != nil {
		return nil, err
	}
	if a.Role == Operator {
		return k.admit(a, q.os), nil
	}
	id, ok := k.tickets.issue(ticket{purpose: forLogin, user: a.Name, version: a.Version, os: q.os})
	if !ok {
		return nil, catalog.New(catalog.RateLimited, nil)
	}
	return needsTOTP{"totp", id}, nil
}

// knows says whether a PIN or password lets somebody in. It takes as long where there is no such account.
func (k *Console) knows(ctx context.Context, a Account, secret string) (bool, error) {
	right, err := k.hasher.check(ctx, a.Secret, secret)
	if errors.Is(err, errHashForm) {
		right, err = false, nil
	}
	return right && a.Enabled() && (a.Role == Administrator || k.set().Login != "os"), err
}

// osAccount is the operator that the user of a session of the operating system is. An administrator always has a password
// and a second factor.
func (k *Console) osAccount(os string) (Account, error) {
	if k.set().Login == "pin" {
		return Account{}, catalog.New(catalog.ConsoleLoginFailed, map[string]any{"login": "os"})
	}
	user, err := k.c.OSUser(os)
	a, there := k.c.Accounts.findUser(user)
	if err != nil || !there || !a.Enabled() || a.Role != Operator {
		return Account{}, catalog.New(catalog.ConsoleLoginFailed, map[string]any{"login": "os"})
	}
	return a, nil
}

func (k *Console) loginTOTP(ctx context.Context, q *call) (any, error) {
	var p struct {
		Ticket string `json:"ticket"`
		Code   string `json:"code"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if len(p.Ticket) > 64 || p.Code == "" || len(p.Code) > 64 {
		return nil, badField("code")
	}
	t, ok := k.tickets.look(p.Ticket, forLogin, q.os)
	if !ok {
		return nil, catalog.New(catalog.ConsoleLoginFailed, nil)
	}
	a, there := k.c.Accounts.Find(t.user)
	if !there || !a.Enabled() || a.Version != t.version {
		return nil, catalog.New(catalog.ConsoleLoginFailed, nil)
	}
	doors := []string{sessionDoor(q.os), accountDoor(a.Name)}
	if err := k.guess(doors, true, func() (bool, error) { return k.secondFactor(a, p.Code) }); err != nil {
		return nil, err
	}
	if !k.tickets.spend(p.Ticket) {
		return nil, catalog.New(catalog.ConsoleLoginFailed, nil)
	}
	return k.admit(a, q.os), nil
}

var errUsed = errors.New("code was used")

// secondFactor takes a code of the authenticator app, or a recovery code, each once.
func (k *Console) secondFactor(a Account, code string) (bool, error) {
	code = strings.TrimSpace(code)
	if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
		want := recoveryHash(code)
		err := k.c.Accounts.edit(a.Name, func(one *Account, _ []Account) error {
			for i, h := range one.Recovery {
				if h == want { // of hashes, so the time says nothing about the code
					one.Recovery = append(one.Recovery[:i:i], one.Recovery[i+1:]...)
					return nil
				}
			}
			return errUsed
		})
		if errors.Is(err, errUsed) || errors.Is(err, ErrAccountUnknown) {
			return false, nil
		}
		if err == nil {
			k.c.Log("console.recovery.used", nil)
		}
		return err == nil, err // one that cannot be crossed out does not count
	}
	k.mu.Lock()
	step, right := totpStep(a.TOTP, code, k.now(), max(a.TOTPStep, k.lastSteps[a.Name]))
	if right {
		k.lastSteps[a.Name] = step
	}
	k.mu.Unlock()
	if !right {
		return false, nil
	}
	err := k.c.Accounts.edit(a.Name, func(one *Account, _ []Account) error {
		if one.TOTPStep >= step {
			return errUsed
		}
		one.TOTPStep = step
		return nil
	})
	switch {
	case errors.Is(err, errUsed), errors.Is(err, ErrAccountUnknown):
		return false, nil
	case err != nil:
		// A full disk must not keep the administrator out who could empty it. Until the agent is started anew, its memory
		// knows that the code was used; after that half a minute has passed.
		k.c.Log("console.unwritten", nil)
	}
	return true, nil
}

func (k *Console) unlock(ctx context.Context, q *call) (any, error) {
	var p struct {
		PIN string `json:"pin"`
		OS  bool   `json:"os"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	a, there := k.c.Accounts.Find(q.session.user)
	switch {
	case !there:
		return nil, catalog.New(catalog.ConsoleSessionEnded, nil)
	case p.OS:
		user, err := k.osAccount(q.os)
		if err != nil || user.Name != a.Name {
			return nil, catalog.New(catalog.ConsoleLoginFailed, map[string]any{"login": "os"})
		}
	case p.PIN == "" || len(p.PIN) > 512:
		return nil, badField("pin")
	default:
		doors := []string{sessionDoor(q.os), accountDoor(a.Name)}
		if err := k.guess(doors, true, func() (bool, error) { return k.knows(ctx, a, p.PIN) }); err != nil {
			return nil, err
		}
	}
	k.sessions.unlock(q.session.id)
	return nil, nil
}

// newAccountAnswer is what an administrator's authenticator app takes in.
type newAccountAnswer struct {
	Ticket   string `json:"ticket"`
	OTPAuth  string `json:"otpauth"`
	QR       string `json:"qr"`
	Secret32 string `json:"secret32"`
}

// beginAdmin checks a name and password and makes a second factor; the account is made once that has been shown to work.
func (k *Console) beginAdmin(ctx context.Context, q *call, p purpose, user, password string) (any, error) {
	name, err := newName(user)
	if err == nil {
		err = checkPassword(password, name)
	}
	if _, taken := k.c.Accounts.Find(name); err == nil && taken {
		err = ErrAccountTaken
	}
	if err != nil {
		return nil, accountError(err)
	}
	hash, err := k.hasher.make(ctx, password)
	if err != nil {
		return nil, err
	}
	f, err := newFactor(name)
	if err != nil {
		return nil, err
	}
	id, ok := k.tickets.issue(ticket{purpose: p, user: name, os: q.os, hash: hash, totp: f.secret, by: q.session.id})
	if !ok {
		return nil, catalog.New(catalog.RateLimited, nil)
	}
	return newAccountAnswer{id, f.uri, f.qr, f.secret}, nil
}

// confirmAdmin makes the account whose second factor works.
func (k *Console) confirmAdmin(q *call, p purpose, add func(Account) error) (Account, []string, error) {
	var in struct {
		Ticket string `json:"ticket"`
		Code   string `json:"code"`
	}
	if err := q.decode(&in); err != nil {
		return Account{}, nil, err
	}
	if len(in.Ticket) > 64 || in.Code == "" || len(in.Code) > 64 {
		return Account{}, nil, badField("code")
	}
	t, ok := k.tickets.look(in.Ticket, p, q.os)
	if !ok || t.by != q.session.id {
		return Account{}, nil, catalog.New(catalog.ConsoleLoginFailed, nil)
	}
	step, right := totpStep(t.totp, strings.TrimSpace(in.Code), k.now(), 0)
	if !right {
		return Account{}, nil, catalog.New(catalog.ConsoleLoginFailed, nil)
	}
	codes, hashes := newRecovery()
	a := Account{Name: t.user, Role: Administrator, Secret: t.hash, TOTP: t.totp, TOTPStep: step, Recovery: hashes}
	if !k.tickets.spend(in.Ticket) {
		return Account{}, nil, catalog.New(catalog.ConsoleLoginFailed, nil)
	}
	if err := add(a); err != nil {
		return Account{}, nil, accountError(err)
	}
	return a, codes, nil
}

func (k *Console) beginSetup(ctx context.Context, q *call) (any, error) {
	var p struct {
		Secret   string `json:"secret"`
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if p.Secret == "" || len(p.Secret) > 256 {
		return nil, badField("secret")
	}
	if !k.c.Accounts.NeedsAdministrator() || k.setupTries.Load() >= maxSetupTries {
		return nil, catalog.New(catalog.ConsoleSetupSecret, nil)
	}
	door := "setup " + q.os
	if wait := k.throttle.try(door); wait > 0 {
		return nil, catalog.New(catalog.ConsoleTooManyTries, map[string]any{"retryAfterMs": wait.Milliseconds()})
	}
	if !k.setup.fits(p.Secret) {
		k.setupTries.Add(1)
		k.c.Log("console.setup.failed", nil)
		return nil, catalog.New(catalog.ConsoleSetupSecret, nil)
	}
	k.throttle.right(door)
	return k.beginAdmin(ctx, q, forSetup, p.Name, p.Password)
}

func (k *Console) confirmSetup(_ context.Context, q *call) (any, error) {
	a, codes, err := k.confirmAdmin(q, forSetup, func(a Account) error {
		a = k.c.Accounts.born(a)
		return k.c.Accounts.change(func(list []Account) ([]Account, error) {
			if anyAdmin(list) {
				return nil, catalog.New(catalog.ConsoleSetupSecret, nil) // somebody was quicker
			}
			for _, one := range list {
				if one.Name == a.Name {
					return nil, ErrAccountTaken
				}
			}
			return append(list, a), nil
		})
	})
	if err != nil {
		return nil, err
	}
	if err := k.setup.file.Remove(); err != nil {
		k.c.Log("console.setup.left", nil) // it opens nothing any more
	}
	k.c.Log("console.setup.done", nil)
	a, _ = k.c.Accounts.Find(a.Name)
	answer := k.admit(a, q.os)
	answer.Recovery = codes
	return answer, nil
}
