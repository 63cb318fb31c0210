package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/keys"
)

type consoleCmd struct {
	URL        consoleURLCmd        `cmd:"" help:"Print the address of the desk's page."`
	Accounts   consoleAccountsCmd   `cmd:"" help:"List who may log in to it."`
	Add        consoleAddCmd        `cmd:"" help:"Make an operator; the PIN is read from standard input."`
	Disable    consoleDisableCmd    `cmd:"" help:"Switch an account off; its sessions end."`
	Setup      consoleSetupCmd      `cmd:"" help:"Say which file holds the secret for the first administrator."`
	ResetAdmin consoleResetAdminCmd `cmd:"" name:"reset-admin" help:"Remove an administrator who has lost the second factor."`
}

type consoleURLCmd struct {
	Open bool `help:"Open it in the browser. Where no agent runs, say so there."`
}

// Run prints where the agent that runs serves its page.
func (c consoleURLCmd) Run(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	if port, ok := runningPort(dir, a.data == ""); ok {
		page := fmt.Sprintf("http://127.0.0.1:%d/console/", port)
		a.printf("%s\n", page)
		if c.Open {
			return openPage(page)
		}
		return nil
	}
	fmt.Fprintf(a.Stderr, "tapcheck: %s\n", a.say("không thấy Tapcheck đang chạy với thư mục dữ liệu này", "no agent runs with this data folder"))
	if c.Open {
		tellUser(a.say("Tapcheck chưa chạy trên máy này. Chờ một phút rồi mở lại; nếu vẫn vậy, báo bộ phận CNTT.", "Tapcheck does not run on this PC. Wait a minute and open it again; if it stays so, tell IT."))
	}
	return exitStatus(exitFailed)
}

func (a *app) accounts() (*console.Accounts, string, error) {
	dir, err := a.dataFolder()
	if err != nil {
		return nil, "", err
	}
	accounts, err := console.OpenAccounts(dir)
	if err != nil {
		return nil, "", dataFolderError(err)
	}
	return accounts, dir, nil
}

// accountFault tells what is wrong with a wish for an account.
func accountFault(err error) error {
	var file *keys.FileError
	if err == nil || errors.As(err, &file) || errors.Is(err, context.Canceled) {
		if file != nil {
			return dataFolderError(err)
		}
		return err
	}
	return usage("%v", err)
}

type consoleAccountsCmd struct {
	JSON bool `help:"As JSON, one object a line."`
}

// Run lists accounts.
func (c consoleAccountsCmd) Run(a *app) error {
	accounts, _, err := a.accounts()
	if err != nil {
		return err
	}
	list, err := accounts.List()
	if err != nil {
		return dataFolderError(err)
	}
	for _, one := range list {
		if c.JSON {
			if err := a.jsonLine(map[string]any{"name": one.Name, "role": one.Role, "osUser": one.OSUser, "createdAt": one.CreatedAt, "enabled": one.Enabled()}); err != nil {
				return err
			}
			continue
		}
		state := a.say("dùng được", "live")
		if !one.Enabled() {
			state = a.say("đã tắt", "disabled")
		}
		a.printf("%-24s %-10s %-10s %s %s\n", one.Name, one.Role, state, one.CreatedAt.Format(time.DateOnly), one.OSUser)
	}
	return nil
}

type consoleAddCmd struct {
	Name   string `arg:"" help:"Name to log in with."`
	OSUser string `help:"User of this PC who logs in as this operator without a PIN, where console.login allows it; on Windows DOMAIN\\\\name." placeholder:"NAME"`
	NoPIN  bool   `help:"Without a PIN."`
}

// Run makes an operator.
func (c consoleAddCmd) Run(a *app) error {
	accounts, _, err := a.accounts()
	if err != nil {
		return err
	}
	pin := ""
	if !c.NoPIN {
		line, err := bufio.NewReader(io.LimitReader(a.Stdin, 1024)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if pin = strings.TrimSpace(line); pin == "" {
			return usage("the PIN is one line of standard input")
		}
	}
	return accountFault(accounts.AddOperator(a.ctx, c.Name, pin, c.OSUser))
}

type consoleDisableCmd struct {
	Name string `arg:"" help:"Name as the list shows it."`
}

// Run switches an account off.
func (c consoleDisableCmd) Run(a *app) error {
	accounts, _, err := a.accounts()
	if err != nil {
		return err
	}
	return accountFault(accounts.Disable(c.Name))
}

type consoleSetupCmd struct{}

// Run makes a secret for the first administrator where there is none yet.
func (consoleSetupCmd) Run(a *app) error {
	accounts, dir, err := a.accounts()
	if err != nil {
		return err
	}
	return a.setupFile(dir, accounts)
}

// setupFile says where the secret lies, and never what it is: a terminal's history is no place for it.
func (a *app) setupFile(dir string, accounts *console.Accounts) error {
	path, err := console.OpenSetup(dir, accounts)
	if err != nil {
		return dataFolderError(err)
	}
	if path == "" {
		a.printf("%s\n", a.say("Đã có quản trị viên.", "There is an administrator."))
		return nil
	}
	a.printf("%s\n%s\n", a.say("Mã để tạo quản trị viên đầu tiên nằm trong tệp này; mở trang tiếp nhận và nhập mã:", "The secret for the first administrator is in this file; open the desk's page and type it there:"), path)
	return nil
}

type consoleResetAdminCmd struct {
	Name string `arg:"" help:"Name as the list shows it."`
}

// Run removes an administrator, and makes a secret for a new first one if it was the last.
func (c consoleResetAdminCmd) Run(a *app) error {
	accounts, dir, err := a.accounts()
	if err != nil {
		return err
	}
	one, there := accounts.Find(c.Name)
	if !there || one.Role != console.Administrator {
		return usage("no administrator %q", c.Name)
	}
	if err := accounts.Remove(c.Name); err != nil {
		return accountFault(err)
	}
	return a.setupFile(dir, accounts)
}

// demoOperator makes the account with which a simulation's page is used, and gives its PIN, which is another one each
// time.
func demoOperator(ctx context.Context, dir string) (name, pin string, err error) {
	accounts, err := console.OpenAccounts(dir)
	if err != nil {
		return "", "", err
	}
	name = "demo"
	if err := accounts.Remove(name); err != nil && !errors.Is(err, console.ErrAccountUnknown) {
		return "", "", err
	}
	for {
		pin = console.RandomPIN()
		err := accounts.AddOperator(ctx, name, pin, "")
		if !errors.Is(err, console.ErrWeakPIN) {
			return name, pin, err
		}
	}
}
