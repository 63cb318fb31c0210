// Package compat lets a HIS work that was written for another box: over Socket.IO in the /event dialect of the HN212/JTH
// reader box, and by a webhook. Both are off unless the settings say otherwise, both are given only what the ceiling of
// fields allows, and names and formats of both are a mapping (agent/mapping).
//
// # What is served
//
// A card that is put down while no program of the agent's own protocol waits for one gets a check-in of its own. Over
// Socket.IO, event "/event" in the main namespace, there come
//
//	{id: 1, message: "new card!"}
//	{id: 2, message: …, data: {idCode, personName, …}}          the person
//	{id: 4, message: …, data: {img_data, dg2, dg13, dg14, dg15, sod}}   picture and files, base64, as far as allowed
//	{id: 3, message: "…"}                                         why not, in Vietnamese, and what to do
//
// and the webhook gets one JSON object. The key of the card comes from a scanner that the agent reads, before or after the
// card is put down, or from the console: the dialect has no message for it. Its webcam and serial channels (/image, /info)
// are not served, and neither is its address in the LAN: the agent listens on loopback only, so a HIS that has
// http://192.168.5.1:8000 fixed must have that one setting changed to http://127.0.0.1:8000.
//
// # Never worse than the truth
//
// The dialect has no word for "this card may be forged". So the data of a card that failed a proof (passive, chip or active
// authentication) or that is not the one that was scanned are not sent; id 3 says why. A card about which nothing can be said
// either way, the everyday case, is sent.
//
// # Whose card it is
//
// The dialect has no token. Who may listen is decided by the gate (SocketIO): loopback, Host, Origin. Which OS session gets a
// card is decided here: the one whose person sits at the PC (Config.Active); where that is not to be known, the only one in which
// somebody listens. Where several do, nobody gets it: a card is never guessed into somebody else's session.
package compat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/mapping"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance/claim"
	"github.com/tapcheck/tapcheck/reader"
)

// Engine is what a Bridge needs of the job engine; checkin.Engine is one.
type Engine interface {
	Start(ctx context.Context, o checkin.Owner, r checkin.Rights, lang catalog.Lang, req checkin.Request) (checkin.Accepted, error)
	Attach(ctx context.Context, o checkin.Owner) <-chan checkin.Event
	TakeFiles(o checkin.Owner, jobID string) (map[lds.FileID][]byte, error)
	Provide(ctx context.Context, o checkin.Owner, p checkin.Provision) error
	OfferScan(ctx context.Context, session, text string) (taken bool)
}

// Config is what a Bridge works with. Engine, Readers and Mapping are needed, and SocketIO or Webhook.
type Config struct {
	Engine   Engine
	Readers  reader.Monitor
	Mapping  mapping.Set
	SocketIO *SocketIO // nil: off
	Webhook  *Webhook  // nil: off
	Fields   []string  // ceiling
	Insurer  bool      // somebody can be asked for eligibility
	// Active is the OS session of the person who sits at the PC; ok is false where that is not to be known.
	Active func(ctx context.Context) (session string, ok bool)
	Log    func(event string, fields map[string]any)
}

// Owners of the check-ins of this package.
const (
	ownerSocketIO = "compat:socketio"
	ownerWebhook  = "compat:webhook"
	ownerBoth     = "compat:socketio+webhook"
)

// desk is the session of a webhook's check-ins where nobody is known to sit at the PC.
const desk = "desk"

// KeyLife is how long a key that was scanned waits for its card.
const KeyLife = 30 * time.Second

// Bridge starts check-ins and hands out what they say.
type Bridge struct {
	c    Config
	seen map[string]uint64 // insertions that were met, by reader; of Run alone

	mu   sync.Mutex
	keys map[string]scanned // by OS session
}

type scanned struct {
	key checkin.KeyInput
	at  time.Time
}

// New makes a bridge.
func New(c Config) *Bridge {
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	if c.Active == nil {
		c.Active = func(context.Context) (string, bool) { return "", false }
	}
	b := &Bridge{c: c, keys: map[string]scanned{}, seen: map[string]uint64{}}
	for _, r := range c.Readers.Readers() {
		if r.State == reader.Card {
			b.seen[r.ID] = r.Insertion // it was put down for nobody of ours
		}
	}
	return b
}

// event is one event of the dialect.
type event struct {
	ID      int    `json:"id"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// Ids of events, as the box has them.
const (
	idNewCard = 1
	idPerson  = 2
	idError   = 3
	idFiles   = 4
)

const (
	messageNewCard = "new card!"
	messageOK      = "success"
)

// Run watches the readers until ctx ends, and waits for what it started. It is called once.
func (b *Bridge) Run(ctx context.Context) {
	var jobs sync.WaitGroup
	defer jobs.Wait()
	for range b.c.Readers.Watch(ctx) {
		for _, r := range b.c.Readers.Readers() {
			if r.State != reader.Card || b.seen[r.ID] == r.Insertion {
				continue
			}
			b.seen[r.ID] = r.Insertion
			if to, ok := b.whose(ctx); ok {
				jobs.Go(func() { b.checkIn(ctx, r.ID, to) })
			}
		}
	}
}

// recipient is who gets a card.
type recipient struct {
	owner    checkin.Owner
	socketIO bool
}

// whose says who gets a card that was put down now.
func (b *Bridge) whose(ctx context.Context) (recipient, bool) {
	var listening []string
	if b.c.SocketIO != nil {
		listening = b.c.SocketIO.Sessions()
	}
	active, known := b.c.Active(ctx)
	to := recipient{owner: checkin.Owner{Client: ownerSocketIO, Session: active}}
	switch {
	case known:
		to.socketIO = slices.Contains(listening, active)
	case len(listening) == 1:
		to.socketIO, to.owner.Session = true, listening[0]
	case len(listening) > 1:
		b.c.Log("compat.ambiguous", map[string]any{"sessions": len(listening)})
	}
	switch {
	case to.socketIO && b.c.Webhook != nil:
		to.owner.Client = ownerBoth
	case b.c.Webhook != nil:
		to.owner.Client = ownerWebhook
		if !known {
			to.owner.Session = desk
		}
	}
	return to, to.socketIO || b.c.Webhook != nil
}

// OfferScan keeps a key that was scanned in an OS session ("" where that is not to be known) for the card that follows. It
// is not taken where nobody of that session would get the card, and where it is no key.
func (b *Bridge) OfferScan(ctx context.Context, session, text string) bool {
	key, ok := keyOf(text)
	if !ok {
		return false
	}
	to, ok := b.whose(ctx)
	if !ok || session != "" && to.owner.Session != session && to.owner.Session != desk {
		return false
	}
	b.mu.Lock()
	b.keys = map[string]scanned{to.owner.Session: {key, time.Now()}} // there is one desk, and one patient at it
	b.mu.Unlock()
	// The card may have been put down since the engine was asked: its job has then looked for the key before it was here, and
	// waits.
	if b.c.Engine.OfferScan(ctx, to.owner.Session, text) {
		b.takeKey(to.owner.Session)
	}
	return true
}

// keyOf makes a key of a scanned text, where it is one.
func keyOf(text string) (checkin.KeyInput, bool) {
	for _, k := range []checkin.KeyInput{{QR: text}, {MRZ: text}, {Number: text}, {CAN: text}} {
		if parsed, err := checkin.ParseKey(k); err == nil && !parsed.Empty() {
			return k, true
		}
	}
	return checkin.KeyInput{}, false
}

// takeKey gives the key that waits, once.
func (b *Bridge) takeKey(session string) *checkin.KeyInput {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.keys[session]
	delete(b.keys, session)
	if !ok || time.Since(s.at) > KeyLife {
		return nil
	}
	return &s.key
}

// request is what is asked of the engine: no more than the mappings use and the ceiling allows.
func (b *Bridge) request(readerID string, to recipient) checkin.Request {
	var maps []mapping.Map
	if to.socketIO {
		maps = append(maps, b.c.Mapping[mapping.SocketIO], b.c.Mapping[mapping.SocketIOFiles])
	}
	if b.c.Webhook != nil {
		maps = append(maps, b.c.Mapping[mapping.Webhook])
	}
	uses := func(is func(string) bool) bool {
		return slices.ContainsFunc(maps, func(m mapping.Map) bool { return m.Uses(is) })
	}
	no := false
	r := checkin.Request{
		JobID: "compat-" + rand.Text(), Means: checkin.MeansChip, Reader: readerID, Wait: &no, Detached: true, Insurance: "off",
		// A list that is not empty, or the engine would give what admission needs.
		Fields: []string{checkin.FieldPortrait}, Key: b.takeKey(to.owner.Session),
	}
	for _, f := range b.c.Fields {
		if f != checkin.FieldPortrait && uses(func(source string) bool { return slices.Contains(fieldsOf(source), f) }) {
			r.Fields = append(r.Fields, f)
		}
	}
	portrait := slices.Contains(b.c.Fields, checkin.FieldPortrait) && uses(func(s string) bool { return s == "portrait" || s == "file.DG2" })
	r.Portrait = &portrait
	for _, id := range []lds.FileID{lds.DG(1), lds.DG(2), lds.DG(13), lds.DG(14), lds.DG(15), lds.SOD} {
		name := "file." + strings.TrimPrefix(string(id), "EF_")
		if checkin.FileWithin(id, b.c.Fields) && uses(func(s string) bool { return s == name }) {
			r.Files = append(r.Files, id)
		}
	}
	if b.c.Insurer && uses(mapping.AboutInsurance) {
		r.Insurance = "agent"
	}
	return r
}

// fieldsOf are the fields of an identity that a source of a mapping needs.
func fieldsOf(source string) []string {
	if tag, ok := strings.CutPrefix(source, "claim."); ok && claim.FieldOf(tag) != "" {
		return []string{claim.FieldOf(tag)}
	}
	switch source {
	case "expiresAt":
		return []string{"expiresAt", "noExpiry"}
	}
	return []string{source}
}

// checkIn is one card, from being put down to what came of it.
func (b *Bridge) checkIn(ctx context.Context, readerID string, to recipient) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	req := b.request(readerID, to)
	events := b.c.Engine.Attach(ctx, to.owner)
	rights := checkin.Rights{Read: true, Insurance: req.Insurance == "agent", Fields: b.c.Fields}
	if _, err := b.c.Engine.Start(ctx, to.owner, rights, catalog.VI, req); err != nil {
		b.c.Log("compat.refused", map[string]any{"reason": string(checkin.Explain(err).ID)})
		return
	}
	if req.Key == nil {
		// It may have been scanned meanwhile, while the engine knew of no job that wants a key.
		if key := b.takeKey(to.owner.Session); key != nil {
			_ = b.c.Engine.Provide(ctx, to.owner, checkin.Provision{JobID: req.JobID, Key: key}) // or the engine had it already
		}
	}
	announced := false
	announce := func() {
		if !announced {
			announced = true
			b.send(to, event{ID: idNewCard, Message: messageNewCard})
		}
	}
	for e := range events {
		if e.JobID != req.JobID {
			continue
		}
		switch e.Method {
		case checkin.EventProgress:
			var p checkin.Progress
			if json.Unmarshal(e.Params, &p) == nil && p.Phase != checkin.PhaseWaiting {
				announce()
			}
		case checkin.EventResult:
			var r checkin.Result
			if json.Unmarshal(e.Params, &r) != nil {
				return
			}
			files, _ := b.c.Engine.TakeFiles(to.owner, req.JobID)
			// A card that another program got, or that had its check-in already, is none of ours: not a word of it.
			if announced {
				b.tell(to, r, files)
			}
			return
		}
	}
}

// tell hands a result out.
func (b *Bridge) tell(to recipient, r checkin.Result, files map[lds.FileID][]byte) {
	if why := withheld(r); why != "" {
		b.send(to, event{ID: idError, Message: why})
		return
	}
	v := mapping.Of(r, files)
	message := messageOK
	if r.Simulated {
		message, _ = catalog.WarningText(catalog.WarnSimulated, catalog.VI)
	}
	b.send(to, event{idPerson, message, b.c.Mapping[mapping.SocketIO].Object(v)})
	b.send(to, event{idFiles, message, b.c.Mapping[mapping.SocketIOFiles].Object(v)})
	if b.c.Webhook != nil {
		b.c.Webhook.Send(r.CheckinID, b.c.Mapping[mapping.Webhook].Apply(v))
	}
}

func (b *Bridge) send(to recipient, e event) {
	if to.socketIO {
		b.c.SocketIO.Send(to.owner.Session, e)
	}
}

// withheld says why a result's data must not go out by a way that cannot carry its verdicts; it is empty where they may.
func withheld(r checkin.Result) string {
	var words []string
	say := func(text string, ok bool) {
		if ok && text != "" && !slices.Contains(words, text) {
			words = append(words, text)
		}
	}
	switch {
	case r.Error != nil:
		say(r.Error.Text, true)
		say(r.Error.Next, true)
		return strings.Join(words, " ")
	case r.State != checkin.Complete || r.Identity == nil || r.Verdicts == nil:
		say(catalog.New(catalog.Internal, nil).Wire(catalog.VI).Text, true)
		return strings.Join(words, " ")
	}
	for _, v := range []struct {
		status lds.Status
		reason lds.Reason
	}{
		{r.Verdicts.PassiveAuthentication.Status, r.Verdicts.PassiveAuthentication.Reason},
		{r.Verdicts.ChipAuthentication.Status, r.Verdicts.ChipAuthentication.Reason},
		{r.Verdicts.ActiveAuthentication.Status, r.Verdicts.ActiveAuthentication.Reason},
		{r.Verdicts.KeyMatchesChip.Status, r.Verdicts.KeyMatchesChip.Reason},
	} {
		if v.status == lds.Failed {
			text, ok := catalog.ReasonText(string(v.reason), catalog.VI)
			if !ok {
				text, ok = catalog.StepText(catalog.StepCheckIdentity, catalog.VI)
			}
			say(text, ok)
		}
	}
	// A chip that cannot prove the key that its own data name is no verdict while that key is not anchored, and yet what a
	// copy looks like.
	if r.Verdicts.ChipAuthentication.Exchange == lds.Failed || r.Verdicts.ActiveAuthentication.Exchange == lds.Failed {
		say(catalog.WarningText(catalog.WarnExchangeFailed, catalog.VI))
	}
	if len(words) == 0 {
		return ""
	}
	for _, step := range r.Next {
		say(step.Text, true)
	}
	return strings.Join(words, " ")
}
