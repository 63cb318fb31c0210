package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// maxChipFile bounds a saved file. The longest file that a chip can hold in one piece of addressable data is 64 KiB with READ BINARY and 16
// MiB with its odd form; no portrait comes near a quarter of that.
const maxChipFile = 4 << 20

type inspectCmd struct {
	Dir        string `arg:"" help:"Folder with EF_SOD.bin, DG1.bin … Other files in it are left alone." type:"path"`
	Trust      string `help:"Folder with root certificates, lists and, in its subfolder pinned, signers. Only what is in it counts then, neither the settings' folder nor the lists inside the program. Default: the settings'." type:"path" placeholder:"DIR"`
	At         string `help:"Judge validity at this time: RFC 3339, or YYYY-MM-DD for the end of that day in UTC. Default: now." placeholder:"TIME"`
	RejectWeak bool   `help:"Fail SHA-1 and short RSA keys in place of a warning. Default: the settings', with --trust off."`
	JSON       bool   `help:"Print the result as JSON, of the same shape as read --json."`
	AllData    bool   `help:"Show every field of the chip, also the sensitive ones and those of DG11, DG12 and DG16."`
	NoPhoto    bool   `help:"Leave the portrait out."`
}

// Run judges saved files. With --json a file that cannot be read is a result too.
func (c inspectCmd) Run(a *app) error {
	started := time.Now()
	err := c.run(a, started)
	var e *catalog.Error
	if c.JSON && errors.As(err, &e) && e.ID == catalog.FileMalformed {
		return a.failure("inspect", started, e)
	}
	return err
}

func (c inspectCmd) run(a *app, started time.Time) error {
	at, err := c.at(started)
	if err != nil {
		return err
	}
	o := trust.Options{Dir: c.Trust, RejectWeak: c.RejectWeak, At: at}
	if c.Trust == "" {
		s, err := a.settings()
		if err != nil {
			return err
		}
		o = trustOptions(s, "")
		o.RejectWeak, o.At = o.RejectWeak || c.RejectWeak, at
	} else if info, err := os.Stat(c.Trust); err != nil || !info.IsDir() {
		return usage("--trust: there is no folder %s", c.Trust)
	}
	files, err := chipFiles(c.Dir)
	if err != nil {
		return err
	}
	store, report, err := trust.Load(o)
	if err != nil {
		return err
	}
	a.refusals(report)
	doc, err := icao.Inspect(files, icao.Options{Trust: store, Now: func() time.Time { return at }, Portrait: !c.NoPhoto})
	ro := checkin.ResultOptions{
		Lang: a.lang, JobID: "inspect", Means: checkin.MeansChip, PortraitWanted: !c.NoPhoto, NoBook: true, StartedAt: started, Err: err,
	}
	if c.AllData {
		ro.Fields = checkin.AllFields()
	}
	if doc.Portrait != nil && !c.NoPhoto {
		ro.Portrait, ro.PortraitErr = picture(a.ctx, *doc.Portrait)
	}
	ro.FinishedAt = time.Now()
	result := chipResult{checkin.ResultOf(doc, ro), contentsOf(doc, c.AllData)}
	if c.JSON {
		if err := a.json(result); err != nil {
			return err
		}
	} else {
		a.show(result.Result)
		a.showProof(result.Result, at)
		a.showContents(result.Contents)
		if result.Error != nil {
			a.complain(catalog.New(result.Error.ID, result.Error.Detail))
		}
	}
	if status := inspected(doc, err); status != nil || !result.Contents.failed() {
		return status
	}
	return exitStatus(exitVerdict)
}

// inspected is the exit code: broken data, then a failed verdict. A chip that has no EF.SOD, or not all files, is no failure of either
// kind: the result says what could be judged.
func inspected(doc *icao.Document, err error) error {
	v := doc.Verdicts
	switch {
	case v.PassiveAuthentication.Reason == lds.ReasonMalformed, len(doc.Files) == 0:
		return exitStatus(exitCard)
	case anyFailed(checkin.Verdicts{Verdicts: v}):
		return exitStatus(exitVerdict)
	case errors.Is(err, lds.ErrMalformed):
		return exitStatus(exitCard)
	}
	return nil
}

func (c inspectCmd) at(now time.Time) (time.Time, error) {
	if c.At == "" {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339, c.At); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.DateOnly, c.At)
	if err != nil {
		return t, usage("--at is a time such as 2026-11-23T08:15:00+07:00 or a day such as 2026-11-23")
	}
	return t.Add(24*time.Hour - time.Second), nil
}

// chipFiles reads the files of a chip out of a folder.
func chipFiles(dir string) (map[lds.FileID][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, usage("there is no folder %s that can be read", dir)
	}
	files := map[lds.FileID][]byte{}
	for _, e := range entries {
		base, isBin := strings.CutSuffix(e.Name(), ".bin")
		id := lds.FileID(base)
		if _, known := id.Address(); !known || !isBin {
			continue
		}
		raw, err := readBounded(filepath.Join(dir, e.Name()), maxChipFile)
		if err != nil {
			return nil, &catalog.Error{ID: catalog.FileMalformed, Detail: map[string]any{"file": e.Name(), "problem": err.Error()}, Err: err}
		}
		files[id] = raw
	}
	return files, nil
}

// showProof prints what the signature rests on.
func (a *app) showProof(r checkin.Result, at time.Time) {
	if r.Verdicts == nil {
		return
	}
	line := func(name, value string) {
		if value != "" {
			a.printf("%-22s %s\n", name, value)
		}
	}
	v := r.Verdicts.PassiveAuthentication
	a.printf("\n")
	line(a.say("Xét tại thời điểm", "Judged at"), at.Format(time.RFC3339))
	line(a.say("Chi tiết", "Detail"), v.Detail)
	if s := v.Signer; s != nil {
		line(a.say("Bên ký", "Signer"), fmt.Sprintf("%s (%s – %s)", s.Subject, s.NotBefore, s.NotAfter))
		line("", s.SHA256)
		line(a.say("Thời điểm ký", "Signed at"), s.SignedAt)
	}
	if n := v.Anchor; n != nil {
		line(a.say("Chứng thư gốc", "Anchor"), fmt.Sprintf("%s (%s, %s)", n.Subject, n.Kind, n.Source))
		line("", n.SHA256)
		for _, l := range n.Links {
			line(a.say("nối từ", "linked from"), l)
		}
	}
}
