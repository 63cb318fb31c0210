package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/portrait"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/pcsc"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

type readCmd struct {
	keyFlags
	Reader   string        `help:"Reader id as tapcheck readers shows it, or tcp:127.0.0.1:PORT to listen there for a simulated card. Default: any reader." placeholder:"ID"`
	Raw      string        `help:"Save the files of the chip into this folder, which must not hold any of them yet: all that the chip's list has and that are open." type:"path" placeholder:"DIR"`
	JSON     bool          `help:"Print the result as JSON, of the same shape as job.result."`
	Trust    string        `help:"Folder with CSCA certificates; pinned signers in its subfolder pinned. Default: the settings'." type:"existingdir" placeholder:"DIR"`
	Terminal string        `help:"Folder with the certificates and the key of a terminal that the state has admitted; opens DG3 and DG4, which only --raw saves and --all-data counts." type:"existingdir" placeholder:"DIR"`
	Wait     time.Duration `help:"How long to wait for a card." default:"60s"`
	Extended bool          `help:"Try extended-length commands."`
	AllData  bool          `help:"Show every field of the chip, also the sensitive ones and those of DG11, DG12 and DG16."`
	NoPhoto  bool          `help:"Leave the portrait out."`
}

// Run reads one card. With --json whatever is wrong with key, reader or card is a result too.
func (c readCmd) Run(a *app) error {
	began := time.Now()
	err := c.run(a, began)
	var e *catalog.Error
	if c.JSON && errors.As(err, &e) && e.ID != catalog.ConfigInvalid {
		return a.failure("read", began, e)
	}
	return err
}

func (c readCmd) run(a *app, started time.Time) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	input, given, err := c.input(a)
	if err != nil {
		return err
	}
	var key lds.Key
	if given {
		// A key of the wrong form is said before anybody looks for a card.
		if key, err = checkin.ParseKey(input); err != nil {
			return checkin.Explain(err)
		}
	}
	var terminal *access.Terminal
	if c.Terminal != "" {
		t, err := loadTerminal(c.Terminal)
		if err != nil {
			return err
		}
		terminal = &t
	}
	if c.Raw != "" {
		if err := os.MkdirAll(c.Raw, 0o700); err != nil {
			return err
		}
	}
	store, report, err := trust.Load(trustOptions(s, c.Trust))
	if err != nil {
		return err
	}
	a.refusals(report)

	m, id, err := c.monitor(a)
	if err != nil {
		return err
	}
	defer m.Close()
	info, err := waitForCard(a.ctx, m, id, c.Wait)
	if err != nil {
		return err
	}
	if !given {
		if input, err = a.ask(); err != nil {
			return err
		}
		if key, err = checkin.ParseKey(input); err != nil {
			return checkin.Explain(err)
		}
	}
	result, err := c.read(a, m, info, key, store, terminal, accessOptions(s.Checkin.ExtendedAPDU || c.Extended), started)
	if err != nil {
		return err
	}
	if c.JSON {
		err = a.json(result)
	} else {
		a.show(result.Result)
		a.showContents(result.Contents)
	}
	if err != nil {
		return err
	}
	if result.Error != nil {
		if !c.JSON {
			a.complain(catalog.New(result.Error.ID, result.Error.Detail))
		}
	}
	if err := resultStatus(result.Result); err != nil {
		return err
	}
	if result.Contents.failed() {
		return exitStatus(exitVerdict)
	}
	return nil
}

// failure prints an error as the JSON result of a job that has nothing else to show, and gives its exit status.
func (a *app) failure(job string, began time.Time, e *catalog.Error) error {
	r := checkin.ResultOf(nil, checkin.ResultOptions{Lang: a.lang, JobID: job, NoBook: true, StartedAt: began, FinishedAt: time.Now(), Err: e})
	if err := a.json(r); err != nil {
		return err
	}
	return resultStatus(r)
}

// resultStatus is the exit status that a result deserves; nil is 0.
func resultStatus(r checkin.Result) error {
	switch {
	case r.Error != nil:
		return exitStatus(exitCode(catalog.New(r.Error.ID, nil)))
	case r.Verdicts != nil && anyFailed(*r.Verdicts):
		return exitStatus(exitVerdict)
	}
	return nil
}

// monitor is where the card is looked for, and the id of the one reader that counts, if any.
func (c readCmd) monitor(a *app) (reader.Monitor, string, error) {
	addr, listen := strings.CutPrefix(c.Reader, "tcp:")
	if !listen {
		return pcsc.New(pcsc.Options{}), c.Reader, nil
	}
	m := virtual.New()
	if !loopback(addr) {
		return nil, "", errors.Join(usage("--reader tcp: listens on a loopback address such as tcp:127.0.0.1:27491 only"), m.Close())
	}
	slot, err := m.Listen(a.ctx, addr)
	if err != nil {
		return nil, "", errors.Join(err, m.Close())
	}
	fmt.Fprintf(a.Stderr, "%s %s\n", a.say("Chờ thẻ mô phỏng tại", "Waiting for a simulated card at"), slot.Addr())
	return m, slot.ID(), nil
}

func (c readCmd) read(a *app, m reader.Monitor, info reader.Info, key lds.Key, store *trust.Store, terminal *access.Terminal, o access.Options, started time.Time) (chipResult, error) {
	session, err := m.Connect(a.ctx, info.ID)
	if err != nil {
		return chipResult{}, checkin.Explain(err)
	}
	defer session.Close()
	tap := time.Now()
	opts := icao.Options{Key: key, Trust: store, Portrait: !c.NoPhoto, Access: o, Terminal: terminal}
	switch {
	case c.Raw != "":
		opts.Extra = rawFiles
	case c.AllData:
		opts.Extra = detailFiles
	}
	if terminal != nil {
		opts.Extra = slices.Concat(opts.Extra, terminalFiles)
	}
	last := -1
	if !c.JSON {
		opts.OnProgress = func(p icao.Progress) {
			if step := p.Percent / 10; step != last {
				last = step
				fmt.Fprintf(a.Stderr, "\r%3d %%", p.Percent)
			}
		}
	}
	doc, err := icao.Read(a.ctx, session, opts)
	if !c.JSON {
		fmt.Fprint(a.Stderr, "\r     \r")
	}
	if a.ctx.Err() != nil {
		return chipResult{}, a.ctx.Err()
	}
	if c.Raw != "" && doc != nil {
		if err := saveFiles(c.Raw, doc.Files); err != nil {
			return chipResult{}, err
		}
	}
	ro := checkin.ResultOptions{
		Lang: a.lang, JobID: "read", Means: checkin.MeansChip, PortraitWanted: !c.NoPhoto, NoBook: true, Virtual: info.Virtual,
		StartedAt: started, FinishedAt: time.Now(), Err: err,
	}
	if c.AllData {
		ro.Fields = checkin.AllFields()
	}
	if doc != nil {
		if doc.Portrait != nil {
			ro.Portrait, ro.PortraitErr = picture(a.ctx, *doc.Portrait)
		}
		ro.Timings.IdentityMs = doc.IdentityAfter.Milliseconds()
		ro.Timings.CompleteMs = time.Since(tap).Milliseconds()
	}
	return chipResult{checkin.ResultOf(doc, ro), contentsOf(doc, c.AllData)}, nil
}

// loadTerminal reads a terminal's folder. Hidden files in it, and folders, are left alone.
func loadTerminal(dir string) (access.Terminal, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return access.Terminal{}, usage("--terminal: there is no folder %s that can be read", dir)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		raw, err := readBounded(filepath.Join(dir, e.Name()), 1<<20)
		if err != nil {
			return access.Terminal{}, usage("--terminal: %s: %v", e.Name(), err)
		}
		files[e.Name()] = raw
	}
	t, err := access.TerminalFromFiles(files)
	if err != nil {
		return t, usage("--terminal: %v", err)
	}
	return t, nil
}

func saveFiles(dir string, files map[lds.FileID][]byte) error {
	for id, raw := range files {
		if err := writeNew(filepath.Join(dir, string(id)+".bin"), raw); err != nil {
			return err
		}
	}
	return nil
}

// accessOptions say how a chip is read. Extended length is tried only where asked for: some readers drop long APDUs
// without a word.
func accessOptions(extended bool) access.Options {
	if extended {
		return access.Options{Extended: 65536}
	}
	return access.Options{}
}

func anyFailed(v checkin.Verdicts) bool {
	for _, s := range []lds.Status{v.Access.Status, v.PassiveAuthentication.Status, v.ChipAuthentication.Status, v.ActiveAuthentication.Status,
		v.DocumentValidity.Status, v.KeyMatchesChip.Status, v.Face.Status} {
		if s == lds.Failed {
			return true
		}
	}
	return false
}

// show prints a result for people.
func (a *app) show(r checkin.Result) {
	line := func(name, value string) {
		if value != "" {
			a.printf("%-22s %s\n", name, value)
		}
	}
	if i := r.Identity; i != nil {
		line(a.say("Họ và tên", "Name"), i.FullName)
		line(a.say("Số căn cước", "Number"), i.Number)
		line(a.say("Ngày sinh", "Date of birth"), i.DateOfBirth)
		line(a.say("Giới tính", "Sex"), map[string]string{"male": a.say("Nam", "male"), "female": a.say("Nữ", "female")}[i.Sex])
		line(a.say("Quốc tịch", "Nationality"), i.Nationality)
		line(a.say("Nơi thường trú", "Residence"), i.Residence)
		line(a.say("Số tài liệu", "Document number"), i.DocumentNumber)
		line(a.say("Ngày cấp", "Issued"), i.IssuedAt)
		if i.NoExpiry {
			line(a.say("Có giá trị đến", "Expires"), a.say("không thời hạn", "never"))
		} else {
			line(a.say("Có giá trị đến", "Expires"), i.ExpiresAt)
		}
		for _, more := range [][2]string{
			{a.say("Nguyên quán", "Origin"), i.Origin}, {a.say("Dân tộc", "Ethnicity"), i.Ethnicity}, {a.say("Tôn giáo", "Religion"), i.Religion},
			{a.say("Đặc điểm nhận dạng", "Features"), i.Features}, {a.say("Cha", "Father"), i.Father}, {a.say("Mẹ", "Mother"), i.Mother},
			{a.say("Vợ/chồng", "Spouse"), i.Spouse}, {a.say("Số CMND cũ", "Old number"), i.OldNumber},
		} {
			line(more[0], more[1])
		}
	}
	if p := r.Portrait; p != nil {
		line(a.say("Ảnh", "Portrait"), fmt.Sprintf("%s, %d×%d", p.MIME, p.Width, p.Height))
	}
	if v := r.Verdicts; v != nil {
		a.printf("\n")
		verdict := func(name string, status lds.Status, reason lds.Reason, detail string) {
			text := a.status(status)
			if why, ok := catalog.ReasonText(string(reason), a.lang); ok {
				text += ": " + why
			}
			if detail != "" {
				text += " [" + detail + "]"
			}
			line(name, text)
		}
		verdict(a.say("Mở chip", "Access"), v.Access.Status, v.Access.Reason, strings.TrimSpace(v.Access.Protocol+" "+v.Access.Detail))
		verdict(a.say("Chữ ký", "Passive auth."), v.PassiveAuthentication.Status, v.PassiveAuthentication.Reason, "")
		verdict(a.say("Khóa chip", "Chip auth."), v.ChipAuthentication.Status, v.ChipAuthentication.Reason, a.exchange(v.ChipAuthentication))
		verdict(a.say("Chip ký thử", "Active auth."), v.ActiveAuthentication.Status, v.ActiveAuthentication.Reason, a.exchange(v.ActiveAuthentication))
		verdict(a.say("Hạn dùng", "Validity"), v.DocumentValidity.Status, v.DocumentValidity.Reason, a.basis(v.DocumentValidity.Basis))
		verdict(a.say("Khớp với chip", "Key matches"), v.KeyMatchesChip.Status, v.KeyMatchesChip.Reason, strings.Join(v.KeyMatchesChip.Compared, ", "))
	}
	if e := r.Eligibility; e != nil {
		a.printf("\n")
		line(a.say("BHYT", "Insurance"), strings.TrimSpace(fmt.Sprintf("%s %s %s", a.eligibility(string(e.State)), e.Code, catalog.Text{VI: e.Text, EN: cmp.Or(e.TextEN, e.Text)}.In(a.lang))))
		if k := e.Card; k != nil {
			line(a.say("Mã thẻ", "Card"), k.Code)
			line(a.say("Thời hạn", "Valid"), strings.Trim(k.From+" – "+k.To, " –"))
			line(a.say("Nơi ĐKKCB", "Facility"), k.RegisteredFacility)
			if k.BenefitRate > 0 {
				line(a.say("Mức hưởng", "Benefit"), fmt.Sprintf("%d %%", k.BenefitRate))
			}
		}
	}
	if len(r.Warnings)+len(r.Next) > 0 {
		a.printf("\n")
	}
	for _, w := range r.Warnings {
		a.printf("! %s\n", w.Text)
	}
	for _, n := range r.Next {
		a.printf("→ %s\n", n.Text)
	}
}

// exchange says what happened between card and reader, whatever that proves.
func (a *app) exchange(v lds.ExchangeVerdict) string {
	if v.Exchange == "" {
		return v.Protocol
	}
	return strings.TrimSpace(v.Protocol + ": " + a.status(v.Exchange))
}

// basis says on what a comparison stands.
func (a *app) basis(b lds.Basis) string {
	switch b {
	case lds.Anchored:
		return a.say("dữ liệu chip đã xác minh", "verified chip data")
	case lds.Unanchored:
		return a.say("dữ liệu chip chưa xác minh được", "chip data that could not be verified")
	}
	return ""
}

func (a *app) status(s lds.Status) string {
	return map[lds.Status]string{
		lds.Passed: a.say("đạt", "passed"), lds.Failed: a.say("KHÔNG ĐẠT", "FAILED"), lds.NotVerifiable: a.say("chưa kết luận được", "not verifiable"),
		lds.NotPresent: a.say("thẻ không có", "not present"), lds.NotDone: a.say("không làm", "not done"),
	}[s]
}

func (a *app) eligibility(s string) string {
	if t, ok := map[string]string{
		"eligible": a.say("có giá trị", "eligible"), "not_eligible": a.say("không có giá trị", "not eligible"), "check": a.say("cần kiểm tra", "to be checked"),
		"pending": a.say("chờ tra cứu lại", "pending"), "unknown": a.say("không rõ", "unknown"), "off": a.say("không tra cứu", "off"),
	}[s]; ok {
		return t
	}
	return s
}

// picture makes a chip's portrait showable, in a child process of this program.
func picture(ctx context.Context, p lds.Portrait) (*checkin.Picture, error) {
	d, err := portrait.New(portrait.Options{})
	if err != nil {
		return nil, err
	}
	pic, err := agent.Pictures(d)(ctx, p)
	if err != nil {
		return nil, err
	}
	return &pic, nil
}
