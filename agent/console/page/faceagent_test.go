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

// begins starts a check-in of a persona by the six digits.
func (p *tab) begins(persona string) chip.Persona {
	p.t.Helper()
	who, err := chip.PersonaByName(persona)
	if err != nil {
		p.t.Fatal(err)
	}
	p.until("the key's field", "document.getElementById('key-input')")
	p.eval("document.getElementById('key-input').focus()", nil)
	p.typed(who.Number[6:])
	p.key("Enter")
	return who
}

// comes waits for a verdict: comparing takes a moment, and much longer where the race detector looks on.
func (p *tab) comes(verdict string) {
	p.t.Helper()
	p.waits(time.Minute, "the verdict "+verdict, "document.querySelector('[data-verdict]')")
	var got string
	if p.eval("document.querySelector('[data-verdict]').dataset.verdict + ' ' + document.querySelector('[data-verdict]').innerText", &got); !strings.HasPrefix(got, verdict+" ") {
		var asked string
		p.eval("String(window.asked)", &asked)
		p.t.Fatalf("the verdict is %s; the person was asked for %s", got, asked)
	}
}

// TestFaceWithTheAgent goes the whole way of a face: the real agent with its models, the photo on a simulated chip, the browser's camera
// (which shows An). The holder of the card is known, somebody else with it is not, and the desk decides; a desktop program
// without camera code gets the same from a window.
func TestFaceWithTheAgent(t *testing.T) {
	t.Parallel()
	d := startDemo(t, func(s *settings.Settings) { s.Face.AttackCheck = "passive_hints" })
	d.card("an")
	p := openTab(t, "http://"+d.addr)
	p.permit("camera", "granted")
	p.login()
	p.until("the choice", "document.querySelector('.choice') && !document.querySelector('.choice').hidden")
	p.eval("document.querySelector('input[name=face][value=required]').click()", nil)
	an := p.begins("an")
	p.consents()
	p.until("a picture", "document.querySelector('dialog video') && document.querySelector('dialog video').videoWidth > 0")
	p.shot("95-agent-face-live")
	p.comes("match")
	p.shot("96-agent-face-match")
	p.stage("done")
	p.until("the camera is off", "!document.querySelector('dialog')")
	p.sees(an.FullName)
	p.sees("Khuôn mặt: khớp ảnh trong chip")
	p.look("96-agent-face-matched", true)

	d.card("cuong")
	p.key("F2")
	p.begins("cuong")
	p.consents()
	p.comes("no_match")
	p.look("97-agent-face-no-match", true)
	p.key("F4")
	p.until("the reasons", "document.querySelector('dialog .choices')")
	p.key("Enter")
	p.stage("done")
	p.until("the camera is off", "!document.querySelector('dialog')")
	p.sees("Khuôn mặt: không giống ảnh trong chip")
	p.until("a decision is asked for", "[...document.querySelectorAll('.actions-bar .button.primary')].some((b) => b.textContent.includes('Ghi quyết định'))")
	p.look("97-agent-face-decide", true)

	// A desktop program is given an address, and nothing else to do.
	d.card("an")
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
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
	w.comes("match")
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

// TestChallengeWithTheAgent: An does what is asked, in whatever order it is drawn, and is known; who stands still is not.
func TestChallengeWithTheAgent(t *testing.T) {
	t.Parallel()
	d := startDemo(t, nil)
	d.card("an")
	p := openTab(t, "http://"+d.addr)
	p.obey()
	p.login()
	p.until("the choice", "document.querySelector('.choice') && !document.querySelector('.choice').hidden")
	p.eval("document.querySelector('input[name=face][value=offered]').click()", nil)
	p.begins("an")
	p.consents()
	p.waits(time.Minute, "a task", "document.querySelector('.toward, .sign .do-blink, .sign .do-come_closer')")
	p.shot("99-agent-face-challenge")
	p.comes("match")
	p.stage("done")
	p.until("the camera is off", "!document.querySelector('dialog')")
	p.sees("Khuôn mặt: khớp ảnh trong chip")
}
