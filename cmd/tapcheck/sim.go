package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

type simCmd struct {
	Card    simCardCmd    `cmd:"" default:"withargs" help:"Plug a simulated card into a virtual reader, or list what can be simulated (the default)."`
	Gateway simGatewayCmd `cmd:"" help:"Be an insurance gateway on this PC, for who writes a HIS."`
	Face    simFaceCmd    `cmd:"" help:"Draw an invented patient as a camera sees one: pictures, or a film that a browser takes for its camera."`
}

type simCardCmd struct {
	Profile string        `help:"Kind of card, or a file NAME.json that describes one." default:"cccd-mk" placeholder:"NAME"`
	Persona string        `help:"Whose card." default:"an" placeholder:"NAME"`
	Vpcd    string        `help:"Plug the card into the virtual reader that listens at this loopback address, as its TCP client." placeholder:"HOST:PORT"`
	Seed    string        `help:"Make the issuer's keys from this text, so that they are the same each time. For tests." placeholder:"TEXT"`
	CSCA    string        `name:"csca" help:"Save the CSCA certificate that the card was issued under." type:"path" placeholder:"FILE"`
	Wait    time.Duration `help:"How long to wait until the reader listens." default:"10s"`
	For     time.Duration `help:"Pull the card out after this time; 0 leaves it in until the reader goes." placeholder:"DURATION"`
	JSON    bool          `help:"List as JSON."`
}

// Run plugs a card in, or lists what can be simulated.
func (c simCardCmd) Run(a *app) error {
	profile, who, err := profileAndPersona(c.Profile, c.Persona)
	if err != nil {
		return err
	}
	if c.Vpcd == "" && c.CSCA == "" {
		return c.list(a)
	}
	c.Vpcd = strings.TrimPrefix(c.Vpcd, "tcp:")
	if c.Vpcd != "" && !loopback(c.Vpcd) {
		return usage("--vpcd is a loopback address such as 127.0.0.1:35963")
	}
	issuer, err := newIssuer(c.Seed)
	if err != nil {
		return err
	}
	if c.CSCA != "" {
		if err := writeNew(c.CSCA, issuer.CSCA()); err != nil {
			return err
		}
	}
	if c.Vpcd == "" {
		return nil
	}
	card, err := chip.New(profile, who, issuer, chip.Options{})
	if err != nil {
		return err
	}
	ctx := a.ctx
	if c.For > 0 {
		var stop func()
		ctx, stop = context.WithTimeout(ctx, c.For)
		defer stop()
	}
	fmt.Fprintf(a.Stderr, "%s: %s, %s; CAN %s\n", a.say("Thẻ mô phỏng", "Simulated card"), c.Profile, c.Persona, who.CAN())
	err = plugIn(ctx, c.Vpcd, card, c.Wait)
	if c.For > 0 && ctx.Err() != nil && a.ctx.Err() == nil {
		return nil
	}
	return err
}

// loopback says whether host:port lies on this PC.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// plugIn tries again while nobody listens yet, for reader and card are often started at the same time.
func plugIn(ctx context.Context, addr string, card virtual.Chip, wait time.Duration) error {
	limit := time.NewTimer(wait)
	defer limit.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := virtual.PlugIn(ctx, addr, card)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return err
		case <-tick.C:
		}
	}
}

func (c simCardCmd) list(a *app) error {
	type persona struct {
		ID       string   `json:"id"`
		FullName string   `json:"fullName"`
		Number   string   `json:"number"`
		CAN      string   `json:"can"`
		MRZ      []string `json:"mrz"`
		QR       string   `json:"qr"`
		Passport []string `json:"passportMrz"` // for profiles that are a passport
	}
	type profile struct {
		Name  string `json:"name"`
		About string `json:"about"`
	}
	var out struct {
		Profiles []profile `json:"profiles"`
		Personas []persona `json:"personas"`
	}
	for _, p := range chip.Profiles() {
		out.Profiles = append(out.Profiles, profile{p.Name, p.Description})
	}
	for _, p := range chip.Personas() {
		out.Personas = append(out.Personas, persona{ID: p.ID, FullName: p.FullName, Number: p.Number, CAN: p.CAN(), MRZ: p.MRZ(), QR: p.QR(), Passport: p.PassportMRZ()})
	}
	if c.JSON {
		return a.json(out)
	}
	a.printf("%s\n", a.say("Loại thẻ (--profile):", "Kinds of card (--profile):"))
	for _, p := range out.Profiles {
		a.printf("  %-16s %s\n", p.Name, p.About)
	}
	a.printf("\n%s\n", a.say("Người không có thật (--persona):", "Invented persons (--persona):"))
	for _, p := range out.Personas {
		a.printf("  %-8s %-20s %s  CAN %s\n           MRZ %s\n           QR  %s\n           %s %s\n", p.ID, p.FullName, p.Number, p.CAN, strings.Join(p.MRZ, " "), p.QR,
			a.say("Hộ chiếu", "Passport"), strings.Join(p.Passport, " "))
	}
	return nil
}

func profileAndPersona(profile, persona string) (chip.Profile, chip.Persona, error) {
	p, err := chip.ProfileByName(profile)
	if strings.HasSuffix(profile, ".json") {
		p, err = loadProfile(profile)
		if err != nil {
			return p, chip.Persona{}, usage("%v", err)
		}
	}
	if err != nil {
		return p, chip.Persona{}, usage("no profile %q: see tapcheck sim", profile)
	}
	who, err := chip.PersonaByName(persona)
	if err != nil {
		return p, who, usage("no persona %q: see tapcheck sim", persona)
	}
	return p, who, nil
}

func loadProfile(path string) (chip.Profile, error) {
	f, err := os.Open(path)
	if err != nil {
		return chip.Profile{}, err
	}
	defer f.Close()
	return chip.LoadProfile(f)
}

// newIssuer makes an issuer of simulated cards, with fresh keys unless a seed is given.
func newIssuer(seed string) (*chip.Issuer, error) {
	var o chip.IssuerOptions
	if seed != "" {
		o.Seed = []byte(seed)
	}
	return chip.NewIssuer(o)
}
