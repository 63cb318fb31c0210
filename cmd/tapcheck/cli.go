package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/backup"
	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/face"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/mapping"
	"github.com/tapcheck/tapcheck/agent/portrait"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/insurance/claim"
)

// Env is what the program has of the world, so that a test can give it another one.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Environ        func() []string // nil: nothing is in it that sets anything
}

// app is what every subcommand gets.
type app struct {
	Env
	ctx    context.Context
	lang   catalog.Lang
	config string
	named  bool // somebody named the settings file, so it must be there
	data   string
	// renew has a word in it when somebody asks for the settings to be read again.
	renew   chan struct{}
	moments chan agent.Moment // what happens to the PC; nobody need listen
	// report leaves a text where an administrator looks for services' troubles; nil: standard error is that place.
	report func(text string)
}

// reload asks for the settings to be read again.
func (a *app) reload() {
	select {
	case a.renew <- struct{}{}:
	default: // somebody has asked already
	}
}

type cli struct {
	Config string `help:"Settings file." type:"path" placeholder:"FILE" env:"TAPCHECK_CONFIG"`
	Data   string `help:"Data folder." type:"path" placeholder:"DIR" env:"TAPCHECK_DATA"`
	Lang   string `help:"Language of messages: vi or en." enum:"vi,en" default:"${lang}" env:"TAPCHECK_LANG"`

	Run     runCmd     `cmd:"" help:"Run the agent."`
	Demo    demoCmd    `cmd:"" help:"Run the agent with virtual readers, invented patients and a local insurance gateway."`
	Read    readCmd    `cmd:"" help:"Read one card and show what it proves."`
	Inspect inspectCmd `cmd:"" help:"Judge the files of a chip that read --raw has saved."`
	Readers readersCmd `cmd:"" help:"List card readers."`
	Sim     simCmd     `cmd:"" help:"Simulate a card, or the insurance gateway; list what can be simulated."`
	Face    faceCmd    `cmd:"" help:"The face check: measure it on pictures."`
	Trust   trustCmd   `cmd:"" help:"Whose signatures count: root certificates, lists, pinned signers."`
	Token   tokenCmd   `cmd:"" help:"Tokens of the programs that may use the agent."`
	Console consoleCmd `cmd:"" help:"The desk's own page: its address and who may log in."`
	WSS     wssCmd     `cmd:"" help:"The certificate of wss://, for a HIS whose browser refuses ws:// to this PC."`
	Config_ configCmd  `cmd:"" name:"config" help:"The settings file."`
	Service serviceCmd `cmd:"" help:"The service of this PC: install, start, stop, status."`
	Secret  secretCmd  `cmd:"" help:"Secrets that this PC keeps encrypted for the service."`
	Update  updateCmd  `cmd:"" help:"New versions from the hospital's own source. Off until the settings name one."`
	Backup  backupCmd  `cmd:"" help:"Encrypted backups of this desk's data."`
	Restore restoreCmd `cmd:"" help:"Put a desk's backup onto this PC, which takes over its work."`
	Machine machineCmd `cmd:"" help:"Whose data this PC has: after a copy, an image of a disk, or a repair."`
	Setup   setupCmd   `cmd:"" help:"Set what an installer is told, such as the HIS's origins. Windows' installer runs it."`
	Manual  manualCmd  `cmd:"" help:"The manual for IT: where it is served, what an id means, or all of it as files."`
	Doctor  doctorCmd  `cmd:"" help:"Say what is wrong with this PC and how it is cured."`
	Support supportCmd `cmd:"" name:"support-bundle" help:"Collect what support needs into one file, without personal data and secrets."`
	Version versionCmd `cmd:"" help:"Show the version."`
}

// run is the program: main without the parts that a test cannot reach. It gives the exit code.
func run(ctx context.Context, args []string, env Env) (code int) {
	// The decoder of foreign pictures is this program again. It takes nothing but its standard streams, and must not
	// wait for anything that only the agent needs.
	if len(args) == 1 && args[0] == "portrait-child" {
		return portrait.RunChild(env.Stdin, env.Stdout)
	}
	// Libraries that print to the standard logger would print what a gateway or a client sent.
	log.SetOutput(io.Discard)
	lang := "vi"
	if l := env.Getenv("TAPCHECK_LANG"); l == "en" {
		lang = "en"
	}
	var c cli
	type exit int
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	p, err := kong.New(&c,
		kong.Name("tapcheck"),
		kong.Description("Chip ID card to check-in, for hospital reception desks."),
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(func(code int) { panic(exit(code)) }), // kong goes on after --help otherwise
		kong.Vars{"lang": lang, "rights": strings.Join(keys.AllRights, ", ")},
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(env.Stderr, err)
		return exitFailed
	}
	k, err := p.Parse(args)
	if err != nil {
		fmt.Fprintf(env.Stderr, "tapcheck: %s\n", usageIn(wantedLang(args, lang), err.Error()))
		return exitUsage
	}
	a := &app{Env: env, ctx: ctx, lang: catalog.Lang(c.Lang), config: c.Config, named: c.Config != "", data: c.Data, renew: make(chan struct{}, 1), moments: make(chan agent.Moment, 8)}
	if a.config == "" {
		a.config = defaultConfig()
	}
	err = k.Run(a)
	var done exitStatus
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong):
		fmt.Fprintf(env.Stderr, "tapcheck: %s\n", usageIn(a.lang, err.Error()))
		return exitUsage
	case errors.As(err, &done):
		return int(done)
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return exitInterrupted
	}
	a.complain(err)
	return exitCode(err)
}

// exitStatus ends the program with a code when everything has been said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// complain says what is wrong and what to do, on standard error.
func (a *app) complain(err error) { fmt.Fprint(a.Stderr, a.inWords(err)) }

// inWords puts an error into the words that a person needs: what is wrong and what to do.
func (a *app) inWords(err error) string {
	var b strings.Builder
	var p settings.Problems
	var row claim.Problem // of the hospital's table of codes
	var e *catalog.Error
	var words *wordedError
	switch {
	case errors.As(err, &words):
		fmt.Fprintf(&b, "tapcheck: %s\n", words.text.In(a.lang))
	case errors.As(err, &p):
		file := any(a.config)
		if errors.As(err, &e) && e.Detail["file"] != nil {
			file = e.Detail["file"] // another file, which the settings name
		}
		for _, one := range p {
			text := one.VI()
			if a.lang == catalog.EN {
				text = one.EN()
			}
			if one.Place == "" {
				text = fmt.Sprintf("%v: %s", file, text)
			}
			fmt.Fprintln(&b, text)
		}
	case errors.As(err, &row):
		text := row.Words()
		if a.lang == catalog.EN {
			text = row.Error()
		}
		file := any("")
		if errors.As(err, &e) {
			file = e.Detail["file"]
		}
		fmt.Fprintf(a.Stderr, "%v: %s\n", file, text)
	case errors.As(err, &e) && e.ID == catalog.BadRequest: // said by flags here, not by a program
		fmt.Fprintf(&b, "tapcheck: %v: %v\n", e.Detail["field"], e.Detail["problem"])
	case errors.As(err, &e):
		w := e.Wire(a.lang)
		fmt.Fprintf(&b, "%s: %s\n→ %s\n", w.ID, w.Text, w.Next)
		if len(w.Detail) > 0 {
			if d, err := json.Marshal(w.Detail); err == nil {
				fmt.Fprintf(&b, "  %s\n", d)
			}
		}
	default:
		fmt.Fprintf(&b, "tapcheck: %v\n", err)
	}
	return b.String()
}

// sources are where this program's settings come from. Without a file at the default place the defaults are in force; one that
// somebody named must be there, or a mistyped name would silently lift every restriction in it.
func (a *app) sources() settings.Sources {
	return settings.Sources{File: a.config, Required: a.named, Over: func() []settings.Layer {
		var layers []settings.Layer
		if a.Environ != nil {
			layers = settings.Environment(a.Environ())
		}
		return append(layers, policyLayers()...)
	}}
}

// settings loads the settings from all their sources. Error: *catalog.Error, CONFIG_INVALID.
func (a *app) settings() (settings.Settings, error) {
	l, err := a.sources().Load()
	return l.Settings, a.settingsError(err)
}

func (a *app) settingsError(err error) error {
	var problems settings.Problems
	switch {
	case err == nil:
		return nil
	case errors.As(err, &problems):
		return catalog.Wrap(catalog.ConfigInvalid, err)
	}
	what := err
	var path *fs.PathError
	if errors.As(err, &path) {
		what = path.Err
	}
	return &catalog.Error{ID: catalog.ConfigInvalid, Detail: map[string]any{"file": a.config, "problem": what.Error()}, Err: err}
}

// say gives the text of the chosen language.
func (a *app) say(vi, en string) string { return catalog.Text{VI: vi, EN: en}.In(a.lang) }

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.Stdout, format, args...) }

func (a *app) json(v any) error {
	e := json.NewEncoder(a.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// rawJSON writes JSON that somebody else has encoded, indented.
func (a *app) rawJSON(raw json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := a.Stdout.Write(b.Bytes())
	return err
}

// jsonLine writes one object on one line.
func (a *app) jsonLine(v any) error {
	e := json.NewEncoder(a.Stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// defaultConfig is where IT puts the settings file.
func defaultConfig() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(programData(), "Tapcheck", "tapcheck.toml")
	}
	return "/etc/tapcheck/tapcheck.toml"
}

// dataFolder is where the agent keeps its keys, tokens and journal: the one that was named, else the service's for the
// system's administrator, else one of the user's own.
func (a *app) dataFolder() (string, error) {
	if a.data != "" {
		return a.data, nil
	}
	if runtime.GOOS == "windows" {
		if dir := installedData(); dir != "" {
			return dir, nil
		}
		return filepath.Join(programData(), "Tapcheck", "data"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/tapcheck", nil
	}
	base := a.Getenv("XDG_DATA_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "tapcheck"), nil
}

type versionCmd struct {
	JSON bool `help:"As JSON."`
}

// Run shows the version.
func (c versionCmd) Run(a *app) error {
	v := map[string]string{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/gmrtd/gmrtd" {
				v["gmrtd"] = d.Version
			}
		}
	}
	if c.JSON {
		return a.json(v)
	}
	a.printf("tapcheck %s (%s, %s/%s, gmrtd %s)\n", v["version"], v["go"], v["os"], v["arch"], v["gmrtd"])
	return nil
}

type configCmd struct {
	Check  configCheckCmd  `cmd:"" help:"Check the settings: file, environment and policy."`
	Show   configShowCmd   `cmd:"" help:"Show which settings are in force, and where each is from."`
	Sample configSampleCmd `cmd:"" help:"Print a commented settings file with the defaults."`

	Mapping configMappingCmd `cmd:"" help:"Print the mapping of fields that comes with Tapcheck, to start one's own from."`
}

type configCheckCmd struct{}

// Run checks the settings file.
func (configCheckCmd) Run(a *app) error {
	l, err := a.sources().Load()
	if err != nil {
		return a.settingsError(err)
	}
	s := l.Settings
	if err := pointed(s); err != nil {
		return err
	}
	a.printf("%s: %s\n", a.config, a.say("không có lỗi.", "no mistakes."))
	by := map[settings.Kind]int{}
	for _, from := range l.From {
		by[from.Kind]++
	}
	if n := by[settings.FromEnvironment] + by[settings.FromPolicy]; n > 0 {
		a.printf(a.say("Chính sách quyết định %d mục, biến môi trường %d mục (tapcheck config show).\n", "A policy decides %d settings, the environment %d (tapcheck config show).\n"), by[settings.FromPolicy], by[settings.FromEnvironment])
	}
	return nil
}

// pointed says whether what the settings point at is there; the agent would start without it, and the hospital wonder for months.
func pointed(s settings.Settings) error {
	if err := trustFolder(s.Trust.Folder); err != nil {
		return err
	}
	if _, err := insurer(s.Insurance); err != nil {
		return err
	}
	if err := compatFiles(s.Compat); err != nil {
		return err
	}
	if err := faceModel(s.Face.ModelFile); err != nil {
		return err
	}
	if s.Backup.Recipient != "" && backup.CheckRecipient(s.Backup.Recipient) != nil {
		return catalog.New(catalog.ConfigInvalid, map[string]any{"setting": "backup.recipient", "problem": "is no key that tapcheck backup key has printed"})
	}
	return codesFile(s.Facility.CodesFile)
}

type configShowCmd struct {
	All  bool `help:"Also what is at its default."`
	JSON bool `help:"As JSON."`
}

// shownSetting is one setting as config show gives it.
type shownSetting struct {
	Name     string `json:"name"`
	Value    any    `json:"value"`
	Variable string `json:"variable"` // of the environment, by which it can be set
	settings.Origin
}

// Run shows the settings in force. No secret is among them.
func (c configShowCmd) Run(a *app) error {
	l, err := a.sources().Load()
	if err != nil {
		return a.settingsError(err)
	}
	list := []shownSetting{}
	for _, e := range settings.List(l.Settings) {
		from, set := l.From[e.Name]
		if !set {
			from.Kind = settings.FromDefault
		}
		if set || c.All {
			list = append(list, shownSetting{e.Name, e.Value, settings.Variable(e.Name), from})
		}
	}
	if c.JSON {
		return a.json(list)
	}
	words := map[settings.Kind]string{
		settings.FromDefault: a.say("mặc định", "default"), settings.FromFile: a.say("tệp", "file"),
		settings.FromEnvironment: a.say("biến môi trường", "environment"), settings.FromPolicy: a.say("chính sách", "policy"),
	}
	for _, s := range list {
		place := s.Place
		if s.Line > 0 {
			place += fmt.Sprintf(":%d", s.Line)
		}
		a.printf("%s\n", strings.TrimRight(fmt.Sprintf("%-32s %-28s %s %s", s.Name, settings.Text(s.Value), words[s.Kind], place), " "))
	}
	return nil
}

// codesFile says whether the hospital's own table of codes can be used.
func codesFile(path string) error {
	if path == "" {
		return nil
	}
	_, err := claim.LoadTable(path)
	var p claim.Problem
	switch {
	case errors.As(err, &p):
		return &catalog.Error{ID: catalog.ConfigInvalid, Detail: map[string]any{"file": path, "setting": "facility.codes_file", "problem": p.Error()}, Err: p}
	case err != nil:
		return catalog.New(catalog.ConfigInvalid, map[string]any{"setting": "facility.codes_file", "problem": "is no file that can be read"})
	}
	return nil
}

// compatFiles says whether the files that the compatibility settings name can be used.
func compatFiles(c settings.Compat) error {
	_, err := mapping.Load(c.MappingFile)
	var problems settings.Problems
	if errors.As(err, &problems) {
		return &catalog.Error{ID: catalog.ConfigInvalid, Detail: map[string]any{"file": c.MappingFile}, Err: err}
	}
	if err != nil {
		return catalog.New(catalog.ConfigInvalid, map[string]any{"setting": "compat.mapping_file", "problem": "is no file that can be read"})
	}
	if c.SocketIO && len(c.SocketIOOrigins) == 0 && !c.SocketIOPrograms {
		return catalog.New(catalog.ConfigInvalid, map[string]any{"setting": "compat.socketio_origins", "problem": "lets no page listen, and compat.socketio_programs no program"})
	}
	if c.WebhookSecret != "" {
		_, err = secretFile("compat.webhook_secret_file", c.WebhookSecret)
	}
	return err
}

// trustFolder says whether a trust folder that is named is there.
func trustFolder(dir string) error {
	if dir == "" {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return catalog.New(catalog.ConfigInvalid, map[string]any{"setting": "trust.folder", "problem": "is no folder that can be read"})
	}
	return nil
}

type configMappingCmd struct{}

// Run prints the mapping.
func (configMappingCmd) Run(a *app) error {
	a.printf("%s", mapping.Sample())
	return nil
}

type configSampleCmd struct{}

// Run prints the sample.
func (configSampleCmd) Run(a *app) error {
	a.printf("%s", a.say(settings.SampleVI(), settings.Sample()))
	return nil
}

// faceModel says whether the hospital's own recogniser can be used.
func faceModel(path string) error {
	if path == "" {
		return nil
	}
	_, err := face.Load(context.Background(), face.Options{ModelFile: path})
	switch {
	case err == nil, errors.Is(err, face.ErrNoModels): // without models nothing compares, whatever the file says: health tells
		return nil
	}
	return &catalog.Error{ID: catalog.ConfigInvalid, Detail: map[string]any{"file": path, "setting": "face.model_file", "problem": err.Error()}, Err: err}
}
