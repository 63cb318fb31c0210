package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// maxSecretBytes bounds what secret set reads: a certificate's key is the longest secret there is.
const maxSecretBytes = 64 << 10

type secretCmd struct {
	Set    secretSetCmd    `cmd:"" help:"Keep a secret from standard input, encrypted for this PC; settings name it as credential:NAME."`
	Remove secretRemoveCmd `cmd:"" help:"Forget a secret."`
}

type secretSetCmd struct {
	Name string `arg:"" help:"Name, as in credential:NAME."`
}

// Run keeps a secret. It comes from standard input, so that it stands in no list of processes and in no shell's history.
func (c secretSetCmd) Run(a *app) error {
	if err := keys.CheckCredential(c.Name); err != nil {
		return usage("%v", err)
	}
	raw, err := io.ReadAll(io.LimitReader(a.Stdin, maxSecretBytes+1))
	if err != nil {
		return err
	}
	secret := bytes.TrimSpace(raw)
	if len(secret) == 0 || len(raw) > maxSecretBytes {
		return usage("%s", a.say("cần một bí mật, tối đa 64 KiB, ở đầu vào chuẩn", "a secret of at most 64 KiB is needed on standard input"))
	}
	if err := a.setSecret(c.Name, secret); err != nil {
		return err
	}
	a.printf("%s%s\n", keys.CredentialPrefix, c.Name)
	fmt.Fprintln(a.Stderr, a.say("Dịch vụ nhận bí mật ở lần khởi động sau: tapcheck service restart", "The service gets it at its next start: tapcheck service restart"))
	return nil
}

type secretRemoveCmd struct {
	Name string `arg:"" help:"Name, as in credential:NAME."`
}

// Run forgets a secret.
func (c secretRemoveCmd) Run(a *app) error {
	if err := keys.CheckCredential(c.Name); err != nil {
		return usage("%v", err)
	}
	return a.removeSecret(c.Name)
}
