package his

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/reader"
)

// method is one method of the protocol. Without run it is known and not served.
type method struct {
	run     func(ctx context.Context, c *conn, params json.RawMessage) (any, error)
	early   bool // may come before session.open
	ordered bool // its answer goes before any notification that it causes
	pairing bool // may come from an origin that is not allowed yet
	slow    bool // it may take seconds, and what comes behind it on the same socket does not wait for it
	// spare answers in place of a slow method while too many are served already; nil: RATE_LIMITED does.
	spare func(ctx context.Context, c *conn, params json.RawMessage) (any, error)
	// rights, of which the session's token must carry one; none: the session is enough. What a request asks for within its
	// method (insurance for a check-in by chip, fields) is the engine's to hold against them.
	rights []string
}

// table is every method of the protocol: the whole of what a client can reach.
func (s *Server) table() map[string]method {
	t := map[string]method{}
	add := func(name string, m method) {
		if _, twice := t[name]; twice {
			panic("his: method registered twice: " + name)
		}
		t[name] = m
	}
	add("agent.prove", method{run: prove, early: true, pairing: true})
	add("session.open", method{run: openSession, early: true, ordered: true})
	add("agent.status", method{run: status})
	add("reader.list", method{run: listReaders})
	desk := []string{keys.RightRead, keys.RightInsurance} // by either of which there can be check-ins
	add("checkin.start", method{run: startCheckin, ordered: true, rights: desk})
	add("card.read", method{run: readCard, ordered: true, rights: []string{keys.RightRead}})
	add("job.provide", method{run: provide, ordered: true})
	add("job.cancel", method{run: cancelJob})
	add("job.status", method{run: jobStatus})
	add("job.resume", method{run: resumeJob})
	simulated := func(run func(ctx context.Context, c *conn, params json.RawMessage) (any, error)) method {
		if s.c.Simulator == nil {
			run = nil
		}
		return method{run: run, rights: []string{keys.RightSimulator}}
	}
	add("checkin.link", method{run: linkCheckin, slow: true, rights: desk})
	add("checkin.decide", method{run: decideCheckin, slow: true, rights: desk})
	add("checkin.void", method{run: voidCheckin, slow: true, rights: desk})
	add("checkin.export", method{run: exportCheckin, slow: true, rights: desk})
	if s.c.Paper == nil {
		add("checkin.proof", method{rights: []string{keys.RightInsurance}})
	} else {
		add("checkin.proof", method{run: proveCheckin, slow: true, rights: []string{keys.RightInsurance}})
	}
	add("checkin.list", method{run: listCheckins, slow: true, rights: desk})
	add("insurance.check", method{run: checkInsurance, slow: true, rights: []string{keys.RightInsurance}})
	add("visit.update", method{run: updateVisit, slow: true, rights: []string{keys.RightInsurance}})
	add("visit.close", method{run: closeVisit, slow: true, rights: []string{keys.RightInsurance}})
	if s.c.Bundle == nil {
		add("diagnostics.bundle", method{rights: desk})
	} else {
		add("diagnostics.bundle", method{run: makeBundle, slow: true, rights: desk})
	}
	add("sim.insert", simulated(simInsert))
	add("sim.remove", simulated(simRemove))
	add("sim.fault", simulated(simFault))
	if s.c.Pairing == nil {
		add("pairing.start", method{early: true})
		add("pairing.confirm", method{early: true})
	} else {
		add("pairing.start", method{run: startPairing, early: true, pairing: true})
		add("pairing.confirm", method{run: confirmPairing, early: true, pairing: true})
	}
	face := []string{keys.RightFace}
	add("consent.record", method{run: recordConsent, slow: true, rights: face})
	add("face.frame", method{run: faceFrame, slow: true, spare: faceDropped, rights: face})
	add("face.verify", method{run: faceVerify, slow: true, rights: face})
	// What later versions serve, with the rights that it will ask for.
	add("evidence.get", method{rights: []string{keys.RightEvidence}})
	return t
}

// may says whether a session's token carries one of the rights that a method asks for. The error names the first of them.
func (s *session) may(m method) *catalog.Error {
	if len(m.rights) == 0 || slices.ContainsFunc(m.rights, s.token.Has) {
		return nil
	}
	return forbidden(m.rights[0])
}

func forbidden(right string) *catalog.Error {
	return catalog.New(catalog.Forbidden, map[string]any{"right": right})
}

type agentInfo struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type versions struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

func (s *Server) agent() agentInfo { return agentInfo{s.c.Name, s.c.Version} }

// health is never null on the wire.
func (s *Server) health(lang catalog.Lang) []HealthItem {
	if h := s.c.Health(lang); h != nil {
		return h
	}
	return []HealthItem{}
}

// short bounds what a client calls itself, its operator or its job: no control characters, and not longer than max bytes.
func short(s string, max int) bool {
	return len(s) <= max && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func prove(_ context.Context, c *conn, params json.RawMessage) (any, error) {
	var p struct {
		Nonce string `json:"nonce"` // 32 bytes, base64url without padding
	}
	if err := decode(params, &p); err != nil {
		return nil, err
	}
	nonce, ok := proofNonce(p.Nonce)
	if !ok {
		return nil, badField("nonce")
	}
	return c.s.prove(ProveTag, nonce, c.challenge, c.who.port)
}

func openSession(_ context.Context, c *conn, params json.RawMessage) (any, error) {
	if c.session != nil {
		return nil, catalog.New(catalog.SessionOpen, nil)
	}
	var p struct {
		Protocol int `json:"protocol"`
		Client   struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"client"`
		Token         string            `json:"token"`
		Assertion     string            `json:"assertion"`
		Operator      *checkin.Operator `json:"operator"`
		Lang          string            `json:"language"`
		Subscriptions *[]string         `json:"subscriptions"`
		Pictures      string            `json:"pictures"`
	}
	if err := decode(params, &p); err != nil {
		return nil, err
	}
	if p.Protocol < ProtocolMin || p.Protocol > ProtocolMax {
		return nil, catalog.New(catalog.ProtocolVersion, map[string]any{"min": ProtocolMin, "max": ProtocolMax})
	}
	if !short(p.Client.Name, 100) || !short(p.Client.Version, 100) {
		return nil, badField("client")
	}
	if p.Pictures != "" && p.Pictures != picturesInline && p.Pictures != picturesBinary {
		return nil, badField("pictures")
	}
	if p.Operator != nil {
		if p.Operator.ID == "" || !short(p.Operator.ID, 100) {
			return nil, badField("operator.id")
		}
		p.Operator.Source = keys.OperatorHIS // nobody else has said so
	}
	token := c.who.token
	switch {
	case p.Token != "" && p.Assertion != "":
		return nil, badField("assertion") // which of the two should count?
	case p.Assertion != "":
		t, err := c.s.c.Tokens.CheckAssertion(p.Assertion, c.who.origin, c.challenge)
		if err != nil {
			return nil, catalog.New(catalog.TokenRejected, nil)
		}
		token = t
	case p.Token != "" || c.who.origin != "":
		t, err := c.s.c.Tokens.Check(p.Token, c.who.origin)
		if err != nil || c.who.origin == "" && t.ID != token.ID { // a desktop program stays who it was at the gate
			return nil, catalog.New(catalog.TokenRejected, nil)
		}
		token = t
	case !c.s.c.Tokens.Valid(token.ID):
		return nil, catalog.New(catalog.TokenRejected, nil)
	}
	if token.Session != "" && token.Session != c.who.session {
		return nil, catalog.New(catalog.TokenRejected, nil)
	}
	client := c.who.origin
	switch {
	case client == "":
		client = "desktop:" + token.ID
	case c.who.own:
		client = ConsoleClient
	}
	s := &session{
		id: strings.ToLower(rand.Text()), token: token, operator: vouched(token, p.Operator), lang: catalog.VI,
		owner: checkin.Owner{Client: client, Session: c.who.session, User: c.s.c.User(c.who.session)}, binary: p.Pictures == picturesBinary,
		rights: checkin.Rights{
			Read: token.Has(keys.RightRead), Insurance: token.Has(keys.RightInsurance), Face: token.Has(keys.RightFace), History: token.Has(keys.RightHistory),
			Simulator: token.Has(keys.RightSimulator) && c.s.c.Simulator != nil, Fields: slices.Clone(token.Fields),
		},
	}
	if s.rights.Fields == nil {
		s.rights.Fields = []string{}
	}
	if p.Lang == string(catalog.EN) {
		s.lang = catalog.EN
	}
	subs := &subscriptions{readers: true, jobs: true}
	if p.Subscriptions != nil { // names that we do not know are another version's
		subs.readers, subs.jobs = slices.Contains(*p.Subscriptions, "readers"), slices.Contains(*p.Subscriptions, "jobs")
	}
	c.session = s
	c.settled()
	c.subs.Store(subs)
	c.ws.SetReadLimit(c.s.c.Limits.FrameBytes)
	c.follow()
	c.s.c.Log("session opened", map[string]any{"token": token.ID, "desktop": c.who.origin == ""})
	return struct {
		SessionID string         `json:"sessionId"`
		Protocol  int            `json:"protocol"`
		Lang      catalog.Lang   `json:"language"`
		Rights    checkin.Rights `json:"rights"`
	}{s.id, p.Protocol, s.lang, s.rights}, nil
}

// vouched is the operator: whom the token vouches for, or else whom the client names.
func vouched(t keys.Token, said *checkin.Operator) *checkin.Operator {
	if t.Operator == "" {
		return said
	}
	return &checkin.Operator{ID: t.Operator, Source: t.OperatorSource}
}

func status(_ context.Context, c *conn, _ json.RawMessage) (any, error) {
	return struct {
		Agent      agentInfo    `json:"agent"`
		Protocol   versions     `json:"protocol"`
		InstanceID string       `json:"instanceId"`
		Time       string       `json:"time"`
		Simulator  bool         `json:"simulator"`
		Health     []HealthItem `json:"health"`
		// How many requests and frames were refused since the start, by reason: that somebody knocks, and at which door.
		Refused map[catalog.ID]uint64 `json:"refused,omitempty"`
	}{c.s.agent(), versions{ProtocolMin, ProtocolMax}, c.s.c.Identity.InstanceID(), time.Now().Format(time.RFC3339), c.s.c.Simulator != nil, c.s.health(c.session.lang), c.s.Refused()}, nil
}

// readerWire is a reader as clients see it.
type readerWire struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Contactless bool         `json:"contactless"`
	Virtual     bool         `json:"virtual,omitempty"`
	State       reader.State `json:"state"`
	Card        *cardWire    `json:"card,omitempty"`

	insertion uint64 // tells a card that was lifted and put back from one that stayed
}

type cardWire struct {
	ATR  string `json:"atr,omitempty"` // upper-case hex
	Kind string `json:"kind"`          // "emrtd" or "unknown"
}

// readerList is what this client may see: a reader that works for somebody else is busy, and its card is nobody's business.
func (c *conn) readerList(infos []reader.Info) []readerWire {
	list := make([]readerWire, 0, len(infos))
	for _, i := range infos {
		r := readerWire{ID: i.ID, Name: i.Name, Contactless: i.Contactless, Virtual: i.Virtual, State: i.State, insertion: i.Insertion}
		switch {
		case c.s.c.ServesOther(c.session.owner, i.ID):
			r.State, r.insertion = reader.Busy, 0
		case i.State == reader.Card:
			r.Card = &cardWire{ATR: strings.ToUpper(hex.EncodeToString(i.ATR)), Kind: c.s.c.Kind(i)}
		}
		list = append(list, r)
	}
	return list
}

// changed are the readers of after that are not as they were, and those that are gone, as absent.
func changed(before, after []readerWire) []readerWire {
	var list []readerWire
	for _, a := range after {
		i := slices.IndexFunc(before, func(b readerWire) bool { return b.ID == a.ID })
		if i < 0 || !sameReader(before[i], a) {
			list = append(list, a)
		}
	}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(a readerWire) bool { return a.ID == b.ID }) && b.State != reader.Absent {
			b.State, b.Card = reader.Absent, nil
			list = append(list, b)
		}
	}
	return list
}

func sameReader(a, b readerWire) bool {
	sameCard := a.Card == nil && b.Card == nil || a.Card != nil && b.Card != nil && *a.Card == *b.Card
	a.Card, b.Card = nil, nil
	return sameCard && a == b
}

func listReaders(_ context.Context, c *conn, _ json.RawMessage) (any, error) {
	return map[string]any{"readers": c.readerList(c.s.c.Readers.Readers())}, nil
}

// jobID bounds a job's id. What it means is the client's own matter.
func jobID(id string) error {
	if id == "" || !short(id, 128) {
		return badField("jobId")
	}
	return nil
}

func (c *conn) jobRequest(params json.RawMessage) (checkin.Request, error) {
	var r checkin.Request
	if err := decode(params, &r); err != nil {
		return r, err
	}
	if err := jobID(r.JobID); err != nil {
		return r, err
	}
	if r.Operator == nil || c.session.token.Operator != "" {
		r.Operator = c.session.operator
	} else {
		r.Operator.Source = keys.OperatorHIS // on the client's word, whatever the client says about that
	}
	if r.Operator != nil && (r.Operator.ID == "" || !short(r.Operator.ID, 100)) {
		return r, badField("operator.id")
	}
	return r, nil
}

func startCheckin(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	r, err := c.jobRequest(params)
	if err != nil {
		return nil, err
	}
	return c.s.c.Engine.Start(ctx, c.session.owner, c.session.rights, c.session.lang, r)
}

func readCard(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	r, err := c.jobRequest(params)
	if err != nil {
		return nil, err
	}
	return c.s.c.Engine.CardRead(ctx, c.session.owner, c.session.rights, c.session.lang, r)
}

func provide(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var p checkin.Provision
	if err := decode(params, &p); err != nil {
		return nil, err
	}
	if err := jobID(p.JobID); err != nil {
		return nil, err
	}
	if p.Face != nil {
		if e := c.session.mayAct(); e != nil {
			return nil, e
		}
		by, err := c.operatorOf(p.Face.By)
		if err != nil {
			return nil, badField("face.by.id")
		}
		p.Face.By = by
	}
	if err := c.s.c.Engine.Provide(ctx, c.session.owner, p); err != nil {
		return nil, err
	}
	return map[string]string{"jobId": p.JobID}, nil
}

// named reads the params of a method that only names a job.
func named(params json.RawMessage) (string, error) {
	var p struct {
		JobID string `json:"jobId"`
	}
	if err := decode(params, &p); err != nil {
		return "", err
	}
	return p.JobID, jobID(p.JobID)
}

func cancelJob(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	id, err := named(params)
	if err != nil {
		return nil, err
	}
	return c.s.c.Engine.Cancel(ctx, c.session.owner, id)
}

func jobStatus(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	id, err := named(params)
	if err != nil {
		return nil, err
	}
	return c.withFrame(c.s.c.Engine.Status(ctx, c.session.owner, id))
}

// maxResumed bounds the jobs that one socket without a subscription to all follows one by one.
const maxResumed = 100

// resumeJob tells how a job stands, and from now on what becomes of it, whatever was subscribed.
func resumeJob(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	id, err := named(params)
	if err != nil {
		return nil, err
	}
	st, err := c.s.c.Engine.Status(ctx, c.session.owner, id)
	if err != nil {
		return nil, err
	}
	old := c.subs.Load()
	resumed := map[string]bool{id: true}
	for k := range old.resumed {
		if len(resumed) < maxResumed {
			resumed[k] = true
		}
	}
	c.subs.Store(&subscriptions{readers: old.readers, jobs: old.jobs, resumed: resumed})
	return c.withFrame(st, nil)
}

func simInsert(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var p struct {
		Reader  string `json:"reader"`
		Persona string `json:"persona"`
		Profile string `json:"profile"`
	}
	if err := decode(params, &p); err != nil {
		return nil, err
	}
	for name, v := range map[string]string{"reader": p.Reader, "persona": p.Persona, "profile": p.Profile} {
		if !short(v, 128) {
			return nil, badField(name)
		}
	}
	return nil, c.s.c.Simulator.Insert(ctx, p.Reader, p.Persona, p.Profile)
}

func simRemove(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	var p struct {
		Reader string `json:"reader"`
	}
	if err := decode(params, &p); err != nil {
		return nil, err
	}
	if !short(p.Reader, 128) {
		return nil, badField("reader")
	}
	return nil, c.s.c.Simulator.Remove(ctx, p.Reader)
}

func simFault(ctx context.Context, c *conn, params json.RawMessage) (any, error) {
	if len(params) > maxParams {
		return nil, badField("params")
	}
	return nil, c.s.c.Simulator.Fault(ctx, params)
}
