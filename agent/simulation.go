package agent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// SimulationOptions say what is simulated.
type SimulationOptions struct {
	Readers  int           // virtual readers in memory; 0 is 2
	Listen   []string      // further readers on loopback ports ("127.0.0.1:0"), for cards of other programs
	Latency  time.Duration // of one APDU, as a contactless link has it; 0 is none
	Seed     string        // makes issuer and cards repeatable; empty is fresh keys
	Anchored bool          // trust the simulated CSCA, as a hospital that has imported the real one would
}

// simulatedFacility is whose desk a simulation is, where its settings name no other: the one of the local gateway's account.
var simulatedFacility = insurance.Facility{Code: "01004", Level: insurance.LevelBasic, Points: 60, FormerTier: insurance.TierNone}

// Simulation is what stands in for readers, cards and the insurance gateway in `demo`. Everything in it is invented and
// marked so.
type Simulation struct {
	Readers *virtual.Monitor
	Gateway *localgateway.Gateway
	Insurer insurance.Provider

	issuer   *chip.Issuer
	anchored bool

	scans chan string     // of a scanner that is simulated too
	faces *simulatedFaces // compares faces as sim.fault says

	mu    sync.Mutex
	slots map[string]*virtual.Slot
	order []string
	cards map[string]*chip.Chip
}

// NewSimulation starts readers and gateway. ctx bounds the start and the life of the listening readers.
func NewSimulation(ctx context.Context, o SimulationOptions) (*Simulation, error) {
	var io chip.IssuerOptions
	if o.Seed != "" {
		io.Seed = []byte(o.Seed)
	}
	issuer, err := chip.NewIssuer(io)
	if err != nil {
		return nil, err
	}
	s := &Simulation{Readers: virtual.New(virtual.WithLatency(o.Latency)), issuer: issuer, anchored: o.Anchored, slots: map[string]*virtual.Slot{}, cards: map[string]*chip.Chip{}, scans: make(chan string), faces: &simulatedFaces{does: simFaceNormal}}
	if o.Readers == 0 {
		o.Readers = 2
	}
	for i := range o.Readers {
		s.add(s.Readers.Add(fmt.Sprintf("Tapcheck Virtual Reader %d", i+1), true))
	}
	for _, addr := range o.Listen {
		slot, err := s.Readers.Listen(ctx, addr)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.add(slot)
	}
	s.Gateway = localgateway.New(localgateway.Options{})
	base, err := s.Gateway.Start(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	account := s.Gateway.Account()
	s.Insurer, err = bhyt.New(bhyt.Config{
		BaseURL: base, Username: account.Username, Password: bhyt.Secret(account.Password), StaffName: account.StaffName, StaffNumber: bhyt.Secret(account.StaffNumber),
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Simulation) add(slot *virtual.Slot) {
	s.slots[slot.ID()] = slot
	s.order = append(s.order, slot.ID())
}

// Listening are the addresses at which simulated cards of other programs are taken.
func (s *Simulation) Listening() []string {
	var list []string
	for _, id := range s.order {
		if addr := s.slots[id].Addr(); addr != "" {
			list = append(list, addr)
		}
	}
	return list
}

// Trust is the simulation's own trust store: never the hospital's, and empty unless Anchored.
func (s *Simulation) Trust() (*trust.Store, *trust.Report, error) {
	o := trust.Options{}
	if s.anchored {
		o.Files = map[string][]byte{"simulated.cer": s.issuer.CSCA()}
	}
	return trust.Load(o)
}

// Close takes everything down.
func (s *Simulation) Close() error {
	var errs []error
	if c, ok := s.Insurer.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	if s.Gateway != nil {
		errs = append(errs, s.Gateway.Close())
	}
	return errors.Join(append(errs, s.Readers.Close())...)
}

func (s *Simulation) slot(id string) (*virtual.Slot, error) {
	if id == "" {
		id = s.order[0]
	}
	slot, ok := s.slots[id]
	if !ok {
		return nil, catalog.New(catalog.ReaderAbsent, nil)
	}
	return slot, nil
}

// Insert puts a persona's card into a reader (empty: the first one). An empty profile is the one that fits the persona.
func (s *Simulation) Insert(ctx context.Context, readerID, persona, profile string) error {
	slot, err := s.slot(readerID)
	if err != nil {
		return err
	}
	if persona == "" {
		persona = "an"
	}
	who, err := chip.PersonaByName(persona)
	if err != nil {
		return badParameter("persona")
	}
	if profile == "" {
		profile = usualProfile(who)
	}
	p, err := chip.ProfileByName(profile)
	if err != nil {
		return badParameter("profile")
	}
	card, err := chip.New(p, who, s.issuer, chip.Options{})
	if err != nil {
		return err
	}
	slot.Insert(card)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cards[slot.ID()] = card
	return nil
}

// usualProfile gives the personas cards of both makers.
func usualProfile(who chip.Persona) string {
	switch who.ID {
	case "binh", "dung":
		return "cccd-javelin"
	case "lan":
		return "cccd-2024"
	}
	return "cccd-mk"
}

// Remove lifts the card off a reader (empty: the first one).
// Scan is what a scanner of the desk reads: it goes the way of a real one's.
func (s *Simulation) Scan(ctx context.Context, text string) error {
	select {
	case s.scans <- text:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Simulation) Remove(_ context.Context, readerID string) error {
	slot, err := s.slot(readerID)
	if err != nil {
		return err
	}
	slot.Remove()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cards, slot.ID())
	return nil
}

// fault is the parameters of sim.fault: exactly one of Card, Gateway, State, Service and Face.
type fault struct {
	Reader  string     `json:"reader,omitempty"` // id; empty is the first one
	Card    *cardFault `json:"card,omitempty"`   // of the card that lies in the reader
	Gateway string     `json:"gateway,omitempty"`
	State   string     `json:"state,omitempty"`   // of the reader: "unplugged", "plugged", "busy", "free"
	Service string     `json:"service,omitempty"` // PC/SC: "stopped", "running"
	Face    string     `json:"face,omitempty"`    // simFaces
}

type cardFault struct {
	Kind string `json:"kind"` // chip.FaultKind
	APDU int    `json:"apdu"` // index from 0, counted from the last reset
	SW   string `json:"sw,omitempty"`
	N    int    `json:"n,omitempty"` // how much: see chip.FaultKind; 0 is 1 for what would else do nothing
}

// Fault makes something go wrong, or right again.
func (s *Simulation) Fault(_ context.Context, raw json.RawMessage) error {
	var f fault
	if err := json.Unmarshal(raw, &f); err != nil {
		return badParameter("params")
	}
	switch {
	case f.Gateway != "":
		if err := s.Gateway.Set(localgateway.Scenario(f.Gateway)); err != nil {
			return badParameter("gateway")
		}
		return nil
	case f.Service == "stopped":
		s.Readers.StopService()
		return nil
	case f.Service == "running":
		s.Readers.StartService()
		return nil
	case f.Service != "":
		return badParameter("service")
	case slices.Contains(simFaces, f.Face):
		s.faces.set(f.Face)
		return nil
	case f.Face != "":
		return badParameter("face")
	}
	slot, err := s.slot(f.Reader)
	if err != nil {
		return err
	}
	switch f.State {
	case "":
	case "unplugged":
		slot.Unplug()
		return nil
	case "plugged":
		slot.Plug()
		return nil
	case "busy", "free":
		slot.SetBusy(f.State == "busy")
		return nil
	default:
		return badParameter("state")
	}
	if f.Card == nil {
		return badParameter("params")
	}
	return s.cardFault(slot.ID(), *f.Card)
}

func (s *Simulation) cardFault(id string, f cardFault) error {
	s.mu.Lock()
	card := s.cards[id]
	s.mu.Unlock()
	if card == nil {
		return catalog.New(catalog.NoCard, nil)
	}
	c := chip.Fault{At: f.APDU, Kind: chip.FaultKind(f.Kind), N: f.N}
	if c.N == 0 && (c.Kind == chip.FaultTruncate || c.Kind == chip.FaultLengthen) {
		c.N = 1
	}
	if f.SW != "" {
		sw, err := hex.DecodeString(f.SW)
		if err != nil || len(sw) != 2 {
			return badParameter("card.sw")
		}
		c.SW = uint16(sw[0])<<8 | uint16(sw[1])
	}
	if f.APDU < 0 || f.N < 0 || !c.Kind.Valid() {
		return badParameter("card")
	}
	card.SetFaults([]chip.Fault{c})
	return nil
}

func badParameter(field string) error {
	return catalog.New(catalog.BadRequest, map[string]any{"field": field})
}
