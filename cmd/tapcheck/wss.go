package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tapcheck/tapcheck/agent/keys"
)

type wssCmd struct {
	Renew  wssRenewCmd  `cmd:"" help:"Make a new CA and a new certificate for this PC's loopback names, in place of older ones."`
	Status wssStatusCmd `cmd:"" help:"Show the CA that browsers must trust, and until when the certificate is good."`
	Remove wssRemoveCmd `cmd:"" help:"Delete the certificate and its key."`
}

type wssRenewCmd struct {
	Out  string `help:"Write the CA to this file too, for the PC's store of trusted roots." placeholder:"FILE"`
	JSON bool   `help:"As JSON."`
}

// Run makes a new certificate.
func (c wssRenewCmd) Run(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	w, err := keys.RenewWSS(dir, time.Now())
	if err != nil {
		return dataFolderError(err)
	}
	if c.Out != "" {
		if err := os.WriteFile(c.Out, w.CAPEM(), 0o644); err != nil { // a certificate is public
			return usage("--out: %v", err)
		}
	}
	if err := a.showWSS(dir, w, c.JSON); err != nil || c.JSON {
		return err
	}
	fmt.Fprintf(a.Stderr, "%s\n", a.say(
		"Cho máy tin cậy CA này (Windows: certutil -addstore Root TỆP; Debian, Ubuntu: chép vào /usr/local/share/ca-certificates rồi chạy update-ca-certificates) và gỡ CA cũ. Chứng thư mới được dùng ngay.",
		"Let the PC trust this CA (Windows: certutil -addstore Root FILE; Debian, Ubuntu: copy it to /usr/local/share/ca-certificates and run update-ca-certificates), and take the old one out. The new certificate serves at once."))
	return nil
}

type wssStatusCmd struct {
	JSON bool `help:"As JSON."`
}

// Run shows the certificate.
func (c wssStatusCmd) Run(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	w, err := keys.OpenWSS(dir)
	if errors.Is(err, keys.ErrNoWSS) {
		if c.JSON {
			return a.jsonLine(map[string]bool{"certificate": false})
		}
		a.printf("%s\n", a.say("Chưa có chứng thư. Tạo bằng tapcheck wss renew.", "There is no certificate. Make one with tapcheck wss renew."))
		return nil
	}
	if err != nil {
		return dataFolderError(err)
	}
	return a.showWSS(dir, w, c.JSON)
}

// showWSS says what an administrator needs to trust the CA, and prints it. It holds no secret.
func (a *app) showWSS(dir string, w keys.WSS, asJSON bool) error {
	file := filepath.Join(dir, keys.WSSCAFileName)
	if asJSON {
		return a.jsonLine(map[string]any{
			"certificate": true, "ca": string(w.CAPEM()), "file": file, "subject": w.CA.Subject.CommonName, "sha256": w.Fingerprint(),
			"notBefore": w.Leaf.NotBefore, "notAfter": w.NotAfter, "live": time.Now().Before(w.NotAfter),
		})
	}
	a.printf("%s %s\n", a.say("CA cần tin cậy:", "CA to be trusted:"), w.CA.Subject.CommonName)
	a.printf("%s %s\n", a.say("Tệp:", "File:"), file)
	a.printf("SHA-256: %s\n", w.Fingerprint())
	a.printf("%s %s\n", a.say("Dùng được đến:", "Good until:"), w.NotAfter.Format(time.DateOnly))
	a.printf("%s", w.CAPEM())
	return nil
}

type wssRemoveCmd struct{}

// Run deletes the certificate.
func (wssRemoveCmd) Run(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	if err := keys.RemoveWSS(dir); err != nil {
		return dataFolderError(err)
	}
	fmt.Fprintf(a.Stderr, "%s\n", a.say(
		"Đã xóa. Gỡ CA của Tapcheck khỏi kho chứng thư gốc của máy và đặt his.wss = false.",
		"Deleted. Take Tapcheck's CA out of the PC's trusted roots, and set his.wss = false."))
	return nil
}
