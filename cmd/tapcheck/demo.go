package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/his/client"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/chip"
)

type demoCmd struct {
	Once     bool          `help:"Check one card in and end."`
	JSON     bool          `help:"Print results as JSON on standard output, and nothing else there."`
	Persona  string        `help:"Whose card is tapped first." default:"an" placeholder:"NAME"`
	Profile  string        `help:"Kind of card; default is what fits the persona." placeholder:"NAME"`
	Reader   []string      `help:"A further reader on a loopback port, for simulated cards of other programs: tcp:127.0.0.1:PORT." placeholder:"ADDR"`
	Origin   []string      `help:"Let web pages of this origin in, and print a token for them." placeholder:"ORIGIN"`
	Anchored bool          `help:"Trust the simulated CSCA, as a hospital that has imported the real one would."`
	Seed     string        `help:"Make issuer and cards from this text, the same each time." placeholder:"TEXT"`
	Latency  time.Duration `help:"How long one command to the card takes; contactless links take about 15ms." default:"10ms"`
	SocketIO bool          `name:"socketio" help:"Serve the /event dialect of the HN212/JTH box on 127.0.0.1:8000, to programs and to the pages of --origin; a name that is typed then puts a card down and scans its QR code."`
	NoTap    bool          `help:"Tap no card; wait for sim.insert."`
	Log      string        `help:"What is logged to standard error: debug, info, warn or error." enum:"debug,info,warn,error" default:"warn"`
}

// Run runs the agent on simulated parts and taps a card, as a client of its own websocket.
func (c demoCmd) Run(a *app) error {
	dir := a.data
	if dir == "" {
		tmp, err := os.MkdirTemp("", "tapcheck-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = filepath.Join(tmp, "data")
	}
	// Its own folder, never the agent's: keys, tokens and journal of a simulation must not mix with real ones, and --data
	// may well come from the agent's own environment.
	dir = filepath.Join(dir, simulationFolder)
	if _, err := chip.PersonaByName(c.Persona); err != nil {
		return usage("no persona %q: see tapcheck sim", c.Persona)
	}
	listen := make([]string, len(c.Reader))
	for i, r := range c.Reader {
		addr, ok := strings.CutPrefix(r, "tcp:")
		if !ok {
			return usage("--reader is tcp:127.0.0.1:PORT")
		}
		listen[i] = addr
	}
	ctx, stop := context.WithCancel(a.ctx)
	defer stop()
	sim, err := agent.NewSimulation(ctx, agent.SimulationOptions{Listen: listen, Latency: c.Latency, Seed: c.Seed, Anchored: c.Anchored})
	if err != nil {
		return err
	}
	defer sim.Close()

	if err := keys.Claim(dir, true); err != nil {
		return dataFolderError(err)
	}
	tokens, err := keys.OpenTokens(dir)
	if err != nil {
		return dataFolderError(err)
	}
	desktop, _, err := tokens.Add(keys.TokenRequest{Desktop: true, Label: "demo", Rights: demoRights})
	if err != nil {
		return dataFolderError(err)
	}
	web := map[string]string{}
	for _, origin := range c.Origin {
		secret, t, err := tokens.Add(keys.TokenRequest{Origin: origin, Label: "demo", Rights: demoRights})
		if err != nil {
			return usage("%v", err)
		}
		web[t.Origin] = secret
	}
	operator, pin, err := demoOperator(ctx, dir)
	if err != nil {
		return dataFolderError(err)
	}
	// Settings that somebody saves in the simulation's page are the simulation's own too.
	config := filepath.Join(dir, "tapcheck.toml")
	s, err := settings.Load(config)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = settings.Default(), nil
	}
	if err != nil {
		return catalog.Wrap(catalog.ConfigInvalid, err)
	}
	s.Language = string(a.lang)
	if c.SocketIO {
		if c.Once {
			return usage("--once checks in by the agent's own protocol; leave --socketio out")
		}
		s.Compat.SocketIO, s.Compat.SocketIOPrograms = true, true
		for origin := range web {
			s.Compat.SocketIOOrigins = append(s.Compat.SocketIOOrigins, origin)
		}
	}
	ready := make(chan agent.Ready, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, agent.Options{
			Settings: s, DataDir: dir, Version: version, Log: a.logger(c.Log), Readers: sim.Readers, Insurer: sim.Insurer, Trust: sim.Trust,
			Simulation: sim, SettingsFile: config, PortFiles: []string{filepath.Join(dir, portFile)}, Ready: func(r agent.Ready) { ready <- r },
		})
	}()
	var at agent.Ready
	select {
	case at = <-ready:
	case err := <-ended:
		return a.ended(err)
	}
	if !c.JSON {
		c.welcome(a, at, desktop, web, sim)
		a.printf("  %-22s http://%s/console/   (%s %s, PIN %s)\n", a.say("Trang tiếp nhận", "The desk's page"), at.Addr, a.say("tên", "name"), operator, pin)
		// Pairing and settings are an administrator's, and the demo has none until somebody makes one.
		secret := filepath.Join(dir, console.SetupFileName)
		if _, err := os.Stat(secret); err == nil {
			a.printf("  %-22s %s\n", a.say("Mã tạo quản trị viên", "Administrator's secret"), secret)
		}
		a.printf("\n")
	}
	var status error
	putDown := func(name string) error {
		_, err := c.tap(ctx, a, at, desktop, name, "")
		return err
	}
	if s.Compat.SocketIO || s.Compat.WebhookURL != "" {
		c.NoTap = true // the first card would go to nobody: its HIS is not there yet
		putDown = func(name string) error { return c.putDown(ctx, a, sim, name) }
		if !c.JSON && s.Compat.SocketIO {
			a.printf("  %-22s http://127.0.0.1:%d (Socket.IO, /event)\n\n", a.say("Như đầu đọc HN212", "As the HN212 box"), s.Compat.SocketIOPort)
		}
	}
	if !c.NoTap {
		status, err = c.tap(ctx, a, at, desktop, c.Persona, c.Profile)
	}
	if err == nil && !c.Once {
		err = c.serve(ctx, a, putDown)
	}
	stop()
	if end := <-ended; err == nil || errors.Is(err, context.Canceled) {
		err = end
	}
	if err == nil && c.Once {
		err = status
	}
	return a.ended(err)
}

// simulationFolder is where in a data folder a simulation has its own. `tapcheck --data DIR/simulation token add` makes
// tokens for it.
const simulationFolder = "simulation"

var demoRights = []string{keys.RightRead, keys.RightInsurance, keys.RightFace, keys.RightSimulator}

func (c demoCmd) welcome(a *app, at agent.Ready, desktop string, web map[string]string, sim *agent.Simulation) {
	a.printf("%s\n\n", a.say("Tapcheck mô phỏng: người, thẻ và cổng BHYT đều không có thật.", "Tapcheck, simulated: people, cards and insurance gateway are invented."))
	a.printf("  %-22s ws://%s/v1   (%s %s)\n", a.say("Kết nối", "Connect to"), at.Addr, a.say("giao thức con", "subprotocol"), client.Subprotocol)
	a.printf("  %-22s http://%s/.well-known/tapcheck.json\n", a.say("Dò tìm", "Discovery"), at.Addr)
	a.printf("  %-22s Authorization: Bearer %s\n", a.say("Phần mềm máy bàn", "Desktop program"), desktop)
	for origin, token := range web {
		a.printf("  %-22s %s\n", origin, token)
	}
	for _, addr := range sim.Listening() {
		a.printf("  %-22s %s\n", a.say("Nhận thẻ mô phỏng tại", "Takes simulated cards"), addr)
	}
	a.printf("\n")
}

// tap puts a card on the first reader and checks it in. status is the exit status that the result deserves, as of read.
func (c demoCmd) tap(ctx context.Context, a *app, at agent.Ready, token, persona, profile string) (status, err error) {
	who, err := chip.PersonaByName(persona)
	if err != nil {
		return nil, usage("no persona %q: see tapcheck sim", persona)
	}
	cl, err := client.Dial(ctx, client.Options{Addr: at.Addr, Bearer: token})
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	call := func(method string, params, result any) error {
		ctx, stop := context.WithTimeout(ctx, 10*time.Second)
		defer stop()
		return cl.Call(ctx, method, params, result)
	}
	err = call("session.open", map[string]any{"protocol": 1, "client": map[string]string{"name": "tapcheck demo", "version": version}, "language": a.lang}, nil)
	if err != nil {
		return nil, err
	}
	if !c.JSON {
		a.printf("%s %s (%s)\n", a.say("Đặt thẻ của", "Tapping the card of"), who.FullName, persona)
	}
	job := fmt.Sprintf("demo-%d", time.Now().UnixNano())
	request := map[string]any{"jobId": job, "means": "chip", "key": map[string]string{"qr": who.QR()}, "desk": "demo", "operator": map[string]string{"id": "demo"}}
	if err := call("checkin.start", request, nil); err != nil {
		return nil, err
	}
	if err := call("sim.insert", map[string]string{"persona": persona, "profile": profile}, nil); err != nil {
		return nil, err
	}
	v := view{app: a, json: c.JSON, job: job, said: map[string]bool{}, result: &checkin.Result{}}
	for note := range cl.Notifications() {
		done, err := v.hear(note)
		if err != nil {
			return nil, err
		}
		if done {
			return resultStatus(*v.result), call("sim.remove", map[string]string{}, nil)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, client.ErrClosed
}

// putDown puts a card down that no program of the agent's own protocol waits for, and scans its QR code: the compatibility
// ways get it.
func (c demoCmd) putDown(ctx context.Context, a *app, sim *agent.Simulation, persona string) error {
	who, err := chip.PersonaByName(persona)
	if err != nil {
		return usage("no persona %q: see tapcheck sim", persona)
	}
	if err := sim.Remove(ctx, ""); err != nil {
		return err
	}
	if err := sim.Scan(ctx, who.QR()); err != nil {
		return err
	}
	if !c.JSON {
		a.printf("%s %s (%s)\n", a.say("Đặt thẻ của", "Tapping the card of"), who.FullName, persona)
	}
	return sim.Insert(ctx, "", persona, c.Profile)
}

// view shows one job as its notifications tell it.
type view struct {
	*app
	json bool
	job  string
	said map[string]bool // a partial result repeats what earlier ones had

	result *checkin.Result // the final one, once hear says that it is done
}

func (v view) once(line string) {
	if !v.said[line] {
		v.said[line] = true
		v.printf("      %s\n", line)
	}
}

// hear shows one notification; done says that it was the job's result.
func (v view) hear(note client.Notification) (done bool, err error) {
	switch note.Method {
	case checkin.EventProgress:
		var p checkin.Progress
		if err := json.Unmarshal(note.Params, &p); err != nil {
			return false, err
		}
		if !v.json && p.JobID == v.job {
			const width = 24
			n := p.Percent * width / 100
			v.printf("  %3d %% %s%s %s\n", p.Percent, strings.Repeat("█", n), strings.Repeat("·", width-n), v.phase(p.Phase))
		}
	case checkin.EventPartial:
		var r checkin.Result
		if err := json.Unmarshal(note.Params, &r); err != nil {
			return false, err
		}
		if v.json || r.JobID != v.job {
			return false, nil
		}
		if r.Identity != nil {
			v.once(fmt.Sprintf("✓ %s: %s, %s", v.say("nhận dạng", "identity"), r.Identity.FullName, r.Identity.Number))
		}
		if r.Eligibility != nil {
			v.once(fmt.Sprintf("✓ %s: %s", v.say("BHYT", "insurance"), catalog.Text{VI: r.Eligibility.Text, EN: r.Eligibility.TextEN}.In(v.lang)))
		}
		if r.Portrait != nil {
			v.once("✓ " + v.say("ảnh trong chip", "portrait"))
		}
	case checkin.EventNeeds:
		var n checkin.Need
		if err := json.Unmarshal(note.Params, &n); err != nil {
			return false, err
		}
		if !v.json && n.JobID == v.job {
			text := n.Need
			if n.Cause != nil {
				text = n.Cause.Text
			} else if step, ok := catalog.StepText(strings.ToUpper(n.Need), v.lang); ok {
				text = step
			}
			v.once("… " + text)
		}
	case checkin.EventResult:
		var r checkin.Result
		if err := json.Unmarshal(note.Params, &r); err != nil {
			return false, err
		}
		if r.JobID != v.job {
			return false, nil
		}
		*v.result = r
		if v.json {
			return true, v.rawJSON(note.Params)
		}
		v.printf("\n")
		v.show(r)
		v.printf("\n")
		return true, nil
	}
	return false, nil
}

func (a *app) phase(p checkin.Phase) string {
	if t, ok := map[checkin.Phase]string{
		checkin.PhaseWaiting: a.say("chờ thẻ", "waiting for a card"), checkin.PhaseConnecting: a.say("kết nối", "connecting"),
		checkin.PhaseAccess: a.say("mở chip", "opening the chip"), checkin.PhaseIdentity: a.say("đọc nhận dạng", "reading the identity"),
		checkin.PhaseChip: a.say("kiểm tra chip", "checking the chip"), checkin.PhasePortrait: a.say("đọc ảnh", "reading the portrait"),
		checkin.PhaseInsurance: a.say("tra cứu BHYT", "looking up the insurance"), checkin.PhaseDone: a.say("xong", "done"),
	}[p]; ok {
		return t
	}
	return string(p)
}

// serve waits for names of personas to tap, one a line, until the program is interrupted.
func (c demoCmd) serve(ctx context.Context, a *app, putDown func(persona string) error) error {
	if !c.JSON {
		var ids []string
		for _, p := range chip.Personas() {
			ids = append(ids, p.ID)
		}
		a.printf("%s %s. %s\n", a.say("Đang phục vụ. Gõ một tên để đặt thẻ khác:", "Serving. Type a name to tap another card:"), strings.Join(ids, ", "),
			a.say("Ctrl-C để dừng.", "Ctrl-C stops."))
	}
	lines := make(chan string)
	go func() { // a read of a terminal cannot be stopped; it ends with the program
		in := bufio.NewScanner(a.Stdin)
		for in.Scan() {
			select {
			case lines <- strings.TrimSpace(in.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case name := <-lines:
			if name == "" {
				continue
			}
			if err := putDown(name); err != nil && ctx.Err() == nil {
				a.complain(err)
			}
		}
	}
}
