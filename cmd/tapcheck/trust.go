package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// maxImport bounds a file that is imported; package trust has tighter bounds for each kind.
const maxImport = 256 << 20

type trustCmd struct {
	Folder string `name:"trust" help:"Trust folder. Default: trust.folder of the settings." type:"path" placeholder:"DIR"`

	List   trustListCmd   `cmd:"" help:"List the anchors: root certificates and pinned signers."`
	Import trustImportCmd `cmd:"" help:"Copy root certificates (.cer .crt .der .pem), master lists (.ml), directories of the ICAO PKD (.ldif), revocation lists (.crl) and deviation lists (.dl .dvl) into the trust folder."`
	Pin    trustPinCmd    `cmd:"" help:"Trust a document signer by itself, without a root certificate."`
	Check  trustCheckCmd  `cmd:"" help:"Say what every file in the trust folder gives, and what is wrong with it."`
}

// trustOptions are the settings' trust, with another folder where one is given.
func trustOptions(s settings.Settings, folder string) trust.Options {
	o := trust.Options{Dir: s.Trust.Folder, Embedded: s.Trust.Embedded, RejectWeak: s.Trust.RejectWeak}
	if folder != "" {
		o.Dir = folder
	}
	return o
}

// options are those of the settings and the --trust flag. need wants a folder to be named.
func (c trustCmd) options(a *app, need bool) (trust.Options, error) {
	s, err := a.settings()
	if err != nil {
		return trust.Options{}, err
	}
	o := trustOptions(s, c.Folder)
	if need && o.Dir == "" {
		return o, usage("no trust folder is named: set trust.folder in %s, or give --trust DIR", a.config)
	}
	return o, nil
}

// refusals says on standard error what is of no use, where, why and what to do.
func (a *app) refusals(r *trust.Report) {
	for _, x := range r.Refused {
		fmt.Fprintln(a.Stderr, refusal(x))
	}
}

func refusal(x trust.Refused) string {
	where := x.File
	if x.Place != "" {
		where += " (" + x.Place + ")"
	}
	return fmt.Sprintf("%s: %s → %s", where, x.Reason, x.Cure)
}

type trustListCmd struct {
	JSON     bool `help:"As JSON."`
	Embedded bool `help:"Also each certificate of the lists inside the program."`
}

// Run lists the anchors.
func (c trustListCmd) Run(a *app, t *trustCmd) error {
	o, err := t.options(a, false)
	if err != nil {
		return err
	}
	store, report, err := trust.Load(o)
	if err != nil {
		return err
	}
	anchors := report.Added
	if c.Embedded {
		anchors = slices.Concat(anchors, store.Embedded())
	}
	if c.JSON {
		if anchors == nil {
			anchors = []trust.Added{}
		}
		return a.json(anchors)
	}
	for _, x := range anchors {
		a.anchor(x)
	}
	csca, pinned := store.Count()
	a.printf("%s\n", fmt.Sprintf(a.say("%d chứng thư gốc, %d bên ký được ghim, %d chứng thư trong danh sách kèm chương trình.",
		"%d root certificates, %d pinned signers, %d certificates in the lists inside the program."), csca, pinned, store.EmbeddedCount()))
	if n := len(report.Refused); n > 0 {
		fmt.Fprintf(a.Stderr, a.say("%d phần không dùng được: xem tapcheck trust check.\n", "%d parts are of no use: see tapcheck trust check.\n"), n)
	}
	return nil
}

// anchor prints one anchor in two lines.
func (a *app) anchor(x trust.Added) {
	note := ""
	switch now := time.Now(); {
	case now.After(x.NotAfter):
		note = a.say(" (đã hết hạn)", " (expired)")
	case now.Before(x.NotBefore):
		note = a.say(" (chưa có hiệu lực)", " (not valid yet)")
	}
	kind := x.Kind
	if x.Link {
		kind = "link"
	}
	a.printf("%-6s %-3s %s – %s%s  %s\n       %s  %s\n", kind, x.Country, x.NotBefore.UTC().Format(time.DateOnly), x.NotAfter.UTC().Format(time.DateOnly), note,
		x.Subject, x.SHA256, x.File)
}

type trustCheckCmd struct {
	JSON bool `help:"As JSON."`
}

// Run says what the trust folder gives. Anything of no use in it is a failure, so that a script notices.
func (c trustCheckCmd) Run(a *app, t *trustCmd) error {
	o, err := t.options(a, false)
	if err != nil {
		return err
	}
	if o.Dir != "" {
		if _, err := os.Stat(o.Dir); err != nil {
			return fmt.Errorf("trust folder: %w", err)
		}
	}
	store, report, err := trust.Load(o)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := a.json(report); err != nil {
			return err
		}
	} else {
		for _, s := range report.Sources {
			a.printf("%s\n", a.sourceLine(s))
		}
		csca, pinned := store.Count()
		a.printf(a.say("%d chứng thư gốc, %d bên ký được ghim; %d phần không dùng được.\n", "%d root certificates, %d pinned signers; %d parts are of no use.\n"),
			csca, pinned, len(report.Refused))
		a.refusals(report)
	}
	if len(report.Refused) > 0 {
		return exitStatus(exitFailed)
	}
	return nil
}

// sourceLine words one file or list.
func (a *app) sourceLine(s trust.Source) string {
	var b strings.Builder
	b.WriteString(s.File)
	if s.Place != "" {
		fmt.Fprintf(&b, " (%s)", s.Place)
	}
	kinds := map[string]string{
		trust.SourceCertificates: a.say("chứng thư", "certificates"), trust.SourceMasterList: a.say("danh sách chứng thư gốc", "master list"),
		trust.SourceRevocationList: a.say("danh sách thu hồi", "revocation list"), trust.SourceDeviationList: a.say("danh sách sai khác", "deviation list"),
		trust.SourceDirectory: a.say("thư mục PKD", "directory"),
	}
	fmt.Fprintf(&b, ": %s", kinds[s.Kind])
	if s.Signer != "" {
		vouched := a.say("được chứng thư gốc đã tin cậy bảo đảm", "vouched for by a trusted root certificate")
		if s.VouchedBy == "list" {
			vouched = a.say("chỉ tự bảo đảm cho mình", "vouches for itself")
		}
		fmt.Fprintf(&b, " %s %s [%s], %s", a.say("của", "of"), s.Country, s.Signer, vouched)
	}
	count := func(n int, vi, en string) {
		if n > 0 {
			fmt.Fprintf(&b, "; %d %s", n, a.say(vi, en))
		}
	}
	count(s.Added, "chứng thư được thêm", "added")
	count(s.Known, "đã có", "known already")
	count(s.Signers, "bên ký (không phải gốc tin cậy)", "document signers (no anchors)")
	count(s.Revoked, "bị thu hồi", "revoked")
	count(s.Deviations, "sai khác", "deviations")
	count(s.Refused, "phần bị từ chối", "refused")
	if s.NextUpdate != nil {
		fmt.Fprintf(&b, "; %s %s", a.say("có giá trị đến", "next due"), s.NextUpdate.UTC().Format(time.DateOnly))
	}
	for _, w := range s.Warnings {
		fmt.Fprintf(&b, "\n  ! %s", w)
	}
	return b.String()
}

type trustImportCmd struct {
	Files   []string `arg:"" name:"file" help:"Files to import." type:"path"`
	Replace bool     `help:"Replace a file of the same name."`
	JSON    bool     `help:"The report as JSON."`
}

// Run imports files.
func (c trustImportCmd) Run(a *app, t *trustCmd) error {
	return t.importFiles(a, "", c.Files, c.Replace, c.JSON)
}

type trustPinCmd struct {
	Files   []string `arg:"" name:"file" help:"Certificates of document signers." type:"path"`
	Replace bool     `help:"Replace a file of the same name."`
	JSON    bool     `help:"The report as JSON."`
}

// Run pins document signers.
func (c trustPinCmd) Run(a *app, t *trustCmd) error {
	return t.importFiles(a, "pinned", c.Files, c.Replace, c.JSON)
}

// candidate marks a file that is looked at, so that its name is not that of one that is in the folder already.
const candidate = "new:"

// importFiles looks at files as if they lay in the trust folder, together with what is there, and copies those that give something.
func (c trustCmd) importFiles(a *app, sub string, files []string, replace, asJSON bool) error {
	o, err := c.options(a, true)
	if err != nil {
		return err
	}
	target := filepath.Join(o.Dir, sub)
	o.Files = map[string][]byte{}
	var early []trust.Refused
	refuse := func(file, reason, cure string) {
		early = append(early, trust.Refused{File: file, Reason: reason, Cure: cure})
	}
	var there []string // files that lie in the folder already, byte for byte
	for _, f := range files {
		base := filepath.Base(f)
		key := path.Join(sub, candidate+base)
		data, err := readBounded(f, maxImport)
		old, oldErr := readBounded(filepath.Join(target, base), maxImport)
		switch {
		case err != nil:
			refuse(f, err.Error(), "name a plain file that you may read")
		case strings.HasPrefix(base, "."):
			refuse(f, "is a hidden file by its name", "give it another name")
		case o.Files[key] != nil:
			refuse(f, "has the name of another one", "import them one after the other, or rename one")
		case oldErr == nil && bytes.Equal(old, data):
			there = append(there, base)
		case !errors.Is(oldErr, fs.ErrNotExist) && !replace:
			refuse(f, "another file of this name is in the trust folder", "rename it, or give --replace")
		default:
			o.Files[key] = data
		}
	}
	_, report, err := trust.Load(o)
	if err != nil {
		return err
	}
	mine := ofCandidates(report, sub)
	mine.Refused = slices.Concat(early, mine.Refused)
	failed := len(early) > 0
	var copied []string
	keys := make([]string, 0, len(o.Files))
	for key := range o.Files {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		base := strings.TrimPrefix(path.Base(key), candidate)
		name := path.Join(sub, base)
		gives := slices.ContainsFunc(mine.Sources, func(s trust.Source) bool {
			return s.File == name && (s.Kind == trust.SourceRevocationList || s.Added+s.Signers+s.Deviations > 0)
		})
		switch {
		case gives:
			if err := copyInto(target, base, o.Files[key]); err != nil {
				return err
			}
			copied = append(copied, name)
		case report.Accepted(key):
			there = append(there, base)
		default:
			failed = true
		}
	}
	if asJSON {
		if err := a.json(struct {
			*trust.Report
			Copied  []string `json:"copied"`
			Already []string `json:"already,omitempty"`
		}{mine, append([]string{}, copied...), there}); err != nil {
			return err
		}
	} else {
		for _, s := range mine.Sources {
			a.printf("%s\n", a.sourceLine(s))
		}
		for _, x := range mine.Added {
			a.anchor(x)
		}
		for _, n := range there {
			a.printf(a.say("%s: đã có trong kho tin cậy.\n", "%s: is trusted already.\n"), n)
		}
		a.refusals(mine)
		if len(copied) > 0 {
			a.printf(a.say("Đã chép vào %s: %s. Dịch vụ dùng từ lần khởi động sau.\n", "Copied into %s: %s. The agent uses it from its next start.\n"), o.Dir, strings.Join(copied, ", "))
		}
	}
	if failed {
		return exitStatus(exitFailed)
	}
	return nil
}

// ofCandidates is what a report says of the files that are looked at, by the names that they will have.
func ofCandidates(r *trust.Report, sub string) *trust.Report {
	out := &trust.Report{Sources: []trust.Source{}, Added: []trust.Added{}}
	rename := func(name string) (string, bool) {
		base, mine := strings.CutPrefix(path.Base(name), candidate)
		return path.Join(sub, base), mine
	}
	for _, x := range r.Sources {
		if n, mine := rename(x.File); mine {
			x.File = n
			out.Sources = append(out.Sources, x)
		}
	}
	for _, x := range r.Added {
		if n, mine := rename(x.File); mine {
			x.File = n
			out.Added = append(out.Added, x)
		}
	}
	for _, x := range r.Refused {
		if n, mine := rename(x.File); mine {
			x.File = n
			out.Refused = append(out.Refused, x)
		}
	}
	return out
}

// readBounded reads a plain file of at most limit bytes. Its errors name the trouble in plain words, without the path.
func readBounded(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, errors.New("cannot be read")
	case !info.Mode().IsRegular(): // opening a pipe would wait for its other end
		return nil, errors.New("is not a plain file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, errors.New("cannot be read")
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("is larger than %d MiB", limit>>20)
	}
	return data, nil
}

// copyInto puts a file into a folder whole or not at all: an agent that starts meanwhile never sees half of it.
func copyInto(dir, base string, data []byte) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".import-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644) // the service reads it, whoever imported it
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, base))
}
