package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/keys"
)

type tokenCmd struct {
	Add    tokenAddCmd    `cmd:"" help:"Make a token. It is shown once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without the tokens themselves."`
	Revoke tokenRevokeCmd `cmd:"" help:"Take a token back; the agent ends its sessions."`
	Key    tokenKeyCmd    `cmd:"" help:"Print the agent's own public key, for programs that check its proof before they send their token."`
}

// tokens opens the store of tokens in the data folder.
func (a *app) tokens() (*keys.TokenStore, error) {
	dir, err := a.dataFolder()
	if err != nil {
		return nil, err
	}
	store, err := keys.OpenTokens(dir)
	if err != nil {
		return nil, dataFolderError(err)
	}
	return store, nil
}

func dataFolderError(err error) error {
	detail := map[string]any{}
	var f *keys.FileError
	if errors.As(err, &f) {
		detail["file"], detail["problem"] = f.Path, f.Err.Error()
	}
	return &catalog.Error{ID: catalog.DataFolder, Detail: detail, Err: err}
}

type tokenAddCmd struct {
	Origin  string   `help:"For web pages of this origin, such as https://his.hospital.example." placeholder:"ORIGIN" xor:"for" required:""`
	Desktop bool     `help:"For a desktop program." xor:"for" required:""`
	Key     string   `help:"Public key of the HIS's backend (PEM or JWK), with --origin: it signs assertions, and no token is made." type:"existingfile" placeholder:"FILE"`
	Label   string   `help:"What it is for." placeholder:"TEXT"`
	Rights  []string `help:"Rights: ${rights}. Default: read, insurance." placeholder:"NAME,…"`
	Fields  []string `help:"Ceiling of identity fields that the program may get. Default: what admission needs." placeholder:"NAME,…"`
	Days    int      `help:"Days until it ends; 0 is never." placeholder:"N"`
	JSON    bool     `help:"As JSON."`
}

// Run makes a token.
func (c tokenAddCmd) Run(a *app) error {
	store, err := a.tokens()
	if err != nil {
		return err
	}
	if c.Days < 0 {
		return usage("--days is 0 or more")
	}
	wish := keys.TokenRequest{
		Origin: c.Origin, Desktop: c.Desktop, Label: c.Label, Rights: c.Rights, Fields: c.Fields, Valid: time.Duration(c.Days) * 24 * time.Hour,
	}
	if c.Key != "" {
		if c.Desktop {
			return usage("--key goes with --origin: a desktop program keeps a token")
		}
		if wish.PublicKey, err = readPublicKey(c.Key); err != nil {
			return err
		}
	}
	secret, t, err := store.Add(wish)
	switch {
	case errors.Is(err, keys.ErrOriginForm), errors.Is(err, keys.ErrTokenForm):
		return usage("%v", err)
	case err != nil:
		return dataFolderError(err)
	}
	if t.PublicKey != nil {
		if c.JSON {
			return a.jsonLine(map[string]any{"id": t.ID, "origin": t.Origin, "rights": t.Rights, "publicKey": t.PublicKey})
		}
		fmt.Fprintf(a.Stderr, "%s\n", a.say("Đã đăng ký khóa công khai; máy chủ bệnh viện ký assertion với kid là:", "The key is registered; the HIS's backend signs assertions with this kid:"))
		a.printf("%s\n", t.ID)
		return nil
	}
	if c.JSON {
		return a.jsonLine(map[string]any{"token": secret, "id": t.ID, "origin": t.Origin, "desktop": t.Desktop, "rights": t.Rights})
	}
	fmt.Fprintf(a.Stderr, "%s\n", a.say("Token chỉ hiện một lần; chép vào cấu hình của phần mềm bệnh viện:", "The token is shown once; put it into the HIS's settings:"))
	a.printf("%s\n", secret)
	return nil
}

// readPublicKey reads the key of a HIS's backend.
func readPublicKey(path string) (*keys.JWK, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("--key: %v", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, usage("--key: %v", err)
	}
	key, err := keys.ParsePublicKey(raw)
	if err != nil {
		return nil, usage("--key %s: %v", path, err)
	}
	return &key, nil
}

type tokenKeyCmd struct{}

// Run prints the key. It makes none: the agent does when it first runs, as the user that it runs as.
func (tokenKeyCmd) Run(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	if _, err := keys.InstanceIn(dir); err != nil {
		return dataFolderError(err)
	}
	k, err := keys.Open(dir)
	if err != nil {
		return dataFolderError(err)
	}
	return a.jsonLine(map[string]any{"instanceId": k.InstanceID(), "publicKey": k.PublicJWK()})
}

type tokenListCmd struct {
	JSON bool `help:"As JSON, one object a line."`
}

// Run lists tokens.
func (c tokenListCmd) Run(a *app) error {
	store, err := a.tokens()
	if err != nil {
		return err
	}
	list, err := store.List()
	if err != nil {
		return dataFolderError(err)
	}
	for _, t := range list {
		who := t.Origin
		if t.Desktop {
			who = "desktop"
		}
		if t.PublicKey != nil {
			who += a.say(" (khóa)", " (key)")
		}
		state := a.say("dùng được", "live")
		if !t.Live(time.Now()) {
			state = a.say("đã hết hạn hoặc thu hồi", "ended or revoked")
		}
		if c.JSON {
			if err := a.jsonLine(map[string]any{"id": t.ID, "origin": t.Origin, "desktop": t.Desktop, "label": t.Label, "rights": t.Rights,
				"fields": t.Fields, "createdAt": t.CreatedAt, "live": t.Live(time.Now()), "key": t.PublicKey != nil}); err != nil {
				return err
			}
			continue
		}
		a.printf("%-14s %-32s %-12s %s  %s\n", t.ID, who, state, strings.Join(t.Rights, ","), t.Label)
	}
	return nil
}

type tokenRevokeCmd struct {
	ID string `arg:"" help:"Id as the list shows it."`
}

// Run takes a token back.
func (c tokenRevokeCmd) Run(a *app) error {
	store, err := a.tokens()
	if err != nil {
		return err
	}
	err = store.Revoke(c.ID)
	if errors.Is(err, keys.ErrTokenUnknown) {
		return usage("no token %q", c.ID)
	}
	if err != nil {
		return dataFolderError(err)
	}
	return nil
}
