package page_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/his/client"
	"github.com/tapcheck/tapcheck/agent/his/schema/schematest"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/chip"
)

// demo is the real agent, on simulated readers, cards and gateway, with an operator and a desktop program.
type demo struct {
	t      *testing.T
	sim    *agent.Simulation
	addr   string
	bearer string // of the program
}

func startDemo(t *testing.T, change func(*settings.Settings)) *demo {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(context.Background())
	sim, err := agent.NewSimulation(ctx, agent.SimulationOptions{Readers: 1, Seed: "faces"})
	if err != nil {
		t.Fatal(err)
	}
	s := settings.Default()
	s.HIS.Ports = []int{0}
	s.Desk = "Quầy 1"
	if change != nil {
		change(&s)
	}
	if err := keys.Claim(data, true); err != nil {
		t.Fatal(err)
	}
	accounts, err := console.OpenAccounts(data)
	if err == nil {
		err = accounts.AddOperator(ctx, "lan.nguyen", "730512", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := keys.OpenTokens(data)
	if err != nil {
		t.Fatal(err)
	}
	bearer, _, err := tokens.Add(keys.TokenRequest{Desktop: true, Rights: []string{keys.RightRead, keys.RightInsurance, keys.RightFace, keys.RightSimulator}})
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan agent.Ready, 1), make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, agent.Options{
			Settings: s, DataDir: data, Version: "test", Log: zerolog.Nop(), Readers: sim.Readers, Insurer: sim.Insurer, Trust: sim.Trust, Simulation: sim,
			Frames: schematest.Watch(t), Ready: func(r agent.Ready) { ready <- r },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, sim.Close()); err != nil {
			t.Errorf("the agent ended: %v", err)
		}
	})
	select {
	case at := <-ready:
		return &demo{t, sim, at.Addr, bearer}
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return nil
}

func (d *demo) faces(does string) {
	d.t.Helper()
	if err := d.sim.Fault(d.t.Context(), json.RawMessage(`{"face":`+quote(does)+`}`)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *demo) card(persona string) {
	d.t.Helper()
	err := d.sim.Remove(d.t.Context(), "")
	if persona != "" && err == nil {
		err = d.sim.Insert(d.t.Context(), "", persona, "")
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// consents answers the question of a check-in that has begun.
func (p *tab) consents() {
	p.t.Helper()
	p.until("the question", "document.querySelector('.consent .answers .button')")
	p.sees("Người bệnh có quyền không đồng ý")
	p.key("F3")
}

// TestFaceWithTheAgent goes the way of a face with the real agent, whose comparison comes to what the simulation is told: a check-in of
// the console, and one of a desktop program that has no camera code.
func TestFaceWithTheAgent(t *testing.T) {
	t.Parallel()
	d := startDemo(t, nil)
	d.faces("match")
	an, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	d.card("an")
	p := openTab(t, "http://"+d.addr)
	p.permit("camera", "granted")
	p.login()
	p.until("the choice", "document.querySelector('.choice') && !document.querySelector('.choice').hidden")
	p.eval("document.querySelector('input[name=face][value=required]').click()", nil)
	begin := func(number string) {
		t.Helper()
		p.until("the key's field", "document.getElementById('key-input')")
		p.eval("document.getElementById('key-input').focus()", nil)
		p.typed(number)
		p.key("Enter")
	}
	begin(an.Number)
	p.consents()
	p.until("a task", "document.querySelector('dialog .sign .do-turn_left')")
	p.until("a match", "document.querySelector('dialog [data-verdict=match]')")
	p.stage("done")
	p.until("the camera is off", "!document.querySelector('dialog')")
	p.sees(an.FullName)
	p.sees("Khuôn mặt: khớp ảnh trong chip")
	p.look("96-agent-face-match", true)

	// Another person: three attempts, or a reason; then the desk decides.
	d.faces("no_match")
	d.card("an")
	p.key("F2")
	begin(an.Number)
	p.consents()
	for attempt := range 3 {
		p.until("what came of it", "document.querySelector('dialog [data-verdict=no_match]')")
		if attempt < 2 {
			p.key("F3")
			p.until("the next attempt", "document.querySelector('dialog .beside') && document.querySelector('dialog .beside').textContent.includes('Lần "+string(rune('2'+attempt))+"')")
		}
	}
	p.stage("done") // there is no fourth
	p.until("the camera is off", "!document.querySelector('dialog')")
	p.sees("Khuôn mặt: không giống ảnh trong chip")
	p.until("a decision is asked for", "[...document.querySelectorAll('.actions-bar .button.primary')].some((b) => b.textContent.includes('Ghi quyết định'))")
	p.look("97-agent-face-decide", true)

	// A desktop program is given an address, and nothing else to do.
	d.faces("match")
	d.card("an")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	c, err := client.Dial(ctx, client.Options{Addr: d.addr, Bearer: d.bearer})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var session, started json.RawMessage
	if err := c.Call(ctx, "session.open", object{"protocol": 1, "language": "vi"}, &session); err != nil {
		t.Fatal(err)
	}
	if err := c.Call(ctx, "checkin.start", object{"jobId": "his-1", "means": "chip", "key": object{"qr": an.QR()}, "face": "offered"}, &started); err != nil {
		t.Fatal(err)
	}
	hear := func(method string, params any) {
		t.Helper()
		for {
			select {
			case n := <-c.Notifications():
				if n.Method == method {
					if err := json.Unmarshal(n.Params, params); err != nil {
						t.Fatal(err)
					}
					return
				}
			case <-ctx.Done():
				t.Fatalf("never heard %s", method)
			}
		}
	}
	var need struct {
		Need    string
		Capture struct{ URL string }
	}
	for need.Capture.URL == "" {
		hear("job.needs", &need)
	}
	_, ticket, _ := strings.Cut(need.Capture.URL, "#")
	if !strings.HasPrefix(need.Capture.URL, "http://"+d.addr+"/console/#capture=") {
		t.Fatalf("the address is %s", need.Capture.URL)
	}
	w := openTab(t, "http://"+d.addr)
	w.permit("camera", "granted")
	w.open("#" + ticket)
	w.sees("So khuôn mặt cho: Phần mềm trên máy này")
	w.consents()
	w.until("a match", "document.querySelector('[data-verdict=match]')")
	w.look("98-agent-capture-match", true)
	var r struct {
		State    string
		Verdicts struct {
			Face struct{ Status, Decision string }
		}
	}
	hear("job.result", &r)
	if r.State != "complete" || r.Verdicts.Face.Status != "passed" || r.Verdicts.Face.Decision != "match" {
		t.Errorf("%+v", r)
	}
}
