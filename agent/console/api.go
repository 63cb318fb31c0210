package console

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// framePath is of the one call whose body is no JSON.
const framePath = "/capture/frame"

// table is every call of the API: the whole of what the page can ask.
func (k *Console) table() []route {
	return []route{
		{"GET", "/state", anybody, k.state},
		{"POST", "/setup", anybody, k.beginSetup},
		{"POST", "/setup/confirm", anybody, k.confirmSetup},
		{"POST", "/login", anybody, k.login},
		{"POST", "/login/totp", anybody, k.loginTOTP},
		{"POST", "/logout", holder, k.logout},
		{"POST", "/unlock", holder, k.unlock},
		{"POST", "/lock", operator, k.lock},
		{"POST", "/touch", operator, k.touch},
		{"POST", "/capture", anybody, k.faces(k.openCapture)},
		{"POST", "/capture/state", anybody, k.faces(k.lookCapture)},
		{"POST", "/capture/act", anybody, k.faces(k.actCapture)},
		{"POST", framePath, anybody, k.faces(k.frameCapture)},
		{"GET", "/watch", operator, k.watch},
		{"GET", "/health", operator, k.healthList},
		{"POST", "/jobs/provide", operator, k.provide},
		{"POST", "/jobs/capture", operator, k.faces(k.captureForJob)},
		{"POST", "/copy", operator, k.copyTexts},
		{"GET", "/proofs", operator, k.papers},
		{"POST", "/proofs", operator, k.makeProof},
		{"GET", "/accounts", administrator, k.accountList},
		{"POST", "/accounts", administrator, k.addAccount},
		{"POST", "/accounts/confirm", administrator, k.confirmAccount},
		{"POST", "/accounts/{}/disable", administrator, k.disableAccount},
		{"POST", "/accounts/{}/enable", administrator, k.enableAccount},
		{"POST", "/accounts/{}/pin", administrator, k.changeSecret},
		{"GET", "/tokens", administrator, k.tokenList},
		{"POST", "/tokens", administrator, k.addToken},
		{"POST", "/tokens/{}/revoke", administrator, k.revokeToken},
		{"POST", "/pairing/open", administrator, k.openPairing},
		{"POST", "/pairing/close", administrator, k.endPairing},
		{"GET", "/settings", administrator, k.settingsList},
		{"PUT", "/settings", administrator, k.changeSettings},
		{"GET", "/access", administrator, k.accessLog},
		{"GET", "/bundle", administrator, k.bundle},
	}
}

func (k *Console) state(context.Context, *call) (any, error) {
	set := k.set()
	logins := []string{set.Login}
	if set.Login == "both" {
		logins = []string{"pin", "os"}
	}
	order := set.CopyOrder
	if order == nil {
		order = []string{}
	}
	return struct {
		Setup            bool     `json:"setup"`
		Accounts         bool     `json:"accounts"` // somebody can log in
		Login            []string `json:"login"`
		Desk             string   `json:"desk"`
		Version          string   `json:"version"`
		Simulated        bool     `json:"simulated"`
		Language         string   `json:"language"`
		ClipboardClearMs int      `json:"clipboardClearMs"`
		CopyOrder        []string `json:"copyOrder"`
		CopyMapped       bool     `json:"copyMapped"` // all fields are copied as POST /copy has them
		IdleMs           int      `json:"idleMs"`
		Camera           bool     `json:"camera"`
	}{k.c.Accounts.NeedsAdministrator(), k.c.Accounts.any(), logins, k.c.Settings.Desk, k.c.Version, k.c.Simulated, k.c.Settings.Language,
		set.ClipboardClearMs, order, k.c.Copy != nil, set.IdleMs, k.c.Camera}, nil
}

func (k *Console) logout(_ context.Context, q *call) (any, error) {
	k.sessions.end(q.session.id)
	k.closePairing()
	return nil, nil
}

func (k *Console) lock(_ context.Context, q *call) (any, error) {
	k.sessions.lock(q.session.id)
	k.closePairing()
	return nil, nil
}

func (k *Console) touch(_ context.Context, q *call) (any, error) {
	k.sessions.touch(q.session.id)
	return nil, nil
}

// news is the answer of watch.
type news struct {
	Seq     uint64           `json:"seq"`
	Queue   []checkin.Queued `json:"queue"`
	Scans   []Scan           `json:"scans"`
	Pairing *pairingWire     `json:"pairing,omitempty"` // for administrators
	Health  []HealthItem     `json:"health"`
}

// watch waits for something new. It does not count as somebody being there, and ends when the session is locked.
func (k *Console) watch(ctx context.Context, q *call) (any, error) {
	var since uint64
	if s := q.r.URL.Query().Get("since"); s != "" {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			return nil, badField("since")
		}
		since = n
	}
	if !k.sessions.wait(q.session.id) {
		return nil, catalog.New(catalog.RateLimited, nil)
	}
	defer k.sessions.waited(q.session.id)
	seq := k.hub.wait(ctx, since, q.session.ended)
	if q.r.Context().Err() != nil {
		return nil, catalog.New(catalog.RateLimited, nil) // nobody is there to be answered, and a scan must not be lost
	}
	if err := k.authorize(q, operator); err != nil {
		return nil, err
	}
	n := news{Seq: seq, Queue: k.queue(q.os), Scans: k.sessions.takeScans(q.session.id), Health: k.healthItems(q.lang)}
	if q.session.role == Administrator && k.c.Pairing != nil {
		n.Pairing = k.pairing()
	}
	return n, nil
}

// queue is what waits or runs in one session of the operating system.
func (k *Console) queue(session string) []checkin.Queued {
	list := []checkin.Queued{}
	for _, j := range k.c.Engine.Queue() {
		if j.Session == session {
			list = append(list, j)
		}
	}
	return list
}

func (k *Console) healthItems(l catalog.Lang) []HealthItem {
	if list := k.c.Health(l); list != nil {
		return list
	}
	return []HealthItem{}
}

func (k *Console) healthList(_ context.Context, q *call) (any, error) {
	return map[string]any{"health": k.healthItems(q.lang)}, nil
}

func (k *Console) provide(ctx context.Context, q *call) (any, error) {
	var p struct {
		Ref string           `json:"ref"`
		Key checkin.KeyInput `json:"key"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if p.Ref == "" || len(p.Ref) > 100 {
		return nil, badField("ref")
	}
	// A job of somebody else's session is none.
	if !slices.ContainsFunc(k.queue(q.os), func(j checkin.Queued) bool { return j.Ref == p.Ref }) {
		return nil, catalog.New(catalog.JobUnknown, nil)
	}
	return nil, k.c.Engine.ProvideByRef(ctx, p.Ref, checkin.Provision{Key: &p.Key})
}

// copyTexts gives what is copied of a result, which the page has, without its picture. Nothing of it is kept.
func (k *Console) copyTexts(_ context.Context, q *call) (any, error) {
	var p struct {
		Result *checkin.Result `json:"result"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if p.Result == nil {
		return nil, badField("result")
	}
	if k.c.Copy == nil {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	return struct {
		Texts []string `json:"texts"`
	}{k.c.Copy(*p.Result)}, nil
}

// tokenWire is a token as an administrator sees it; the secret is not kept.
type tokenWire struct {
	ID        string    `json:"id"`
	Origin    string    `json:"origin,omitempty"`
	Desktop   bool      `json:"desktop,omitempty"`
	Backend   bool      `json:"backend,omitempty"` // a public key that signs assertions
	Label     string    `json:"label,omitempty"`
	Rights    []string  `json:"rights"`
	Fields    []string  `json:"fields"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	Live      bool      `json:"live"`
}

func (k *Console) wireToken(t keys.Token) tokenWire {
	return tokenWire{t.ID, t.Origin, t.Desktop, t.PublicKey != nil, t.Label, t.Rights, t.Fields, t.CreatedAt, t.ExpiresAt, t.RevokedAt, t.Live(k.now())}
}

func (k *Console) tokenList(context.Context, *call) (any, error) {
	list, err := k.c.Tokens.List()
	if err != nil {
		return nil, err
	}
	out := make([]tokenWire, len(list))
	for i, t := range list {
		out[i] = k.wireToken(t)
	}
	return map[string]any{"tokens": out, "rights": keys.AllRights, "fields": keys.DefaultFields, "sensitiveFields": keys.SensitiveFields}, nil
}

const maxTokenDays = 3650

func (k *Console) addToken(_ context.Context, q *call) (any, error) {
	var p struct {
		Origin  string   `json:"origin"`
		Desktop bool     `json:"desktop"`
		Label   string   `json:"label"`
		Rights  []string `json:"rights"`
		Fields  []string `json:"fields"`
		Days    int      `json:"days"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if p.Days < 0 || p.Days > maxTokenDays {
		return nil, badField("days")
	}
	secret, t, err := k.c.Tokens.Add(keys.TokenRequest{
		Origin: p.Origin, Desktop: p.Desktop, Label: p.Label, Rights: p.Rights, Fields: p.Fields, Valid: time.Duration(p.Days) * 24 * time.Hour,
	})
	if err != nil {
		return nil, tokenError(err)
	}
	k.c.Log("console.token.added", map[string]any{"token": t.ID, "by": q.session.id})
	return struct {
		tokenWire
		Secret string `json:"secret"`
	}{k.wireToken(t), secret}, nil
}

// tokenError says what is wrong with the wish for a token, in the words of the store, which repeat nothing of it.
func tokenError(err error) error {
	field := "origin"
	switch {
	case errors.Is(err, keys.ErrTokenForm):
		field = "token"
	case errors.Is(err, keys.ErrTooManyTokens):
		field = "tokens"
	case !errors.Is(err, keys.ErrOriginForm):
		return err
	}
	return catalog.New(catalog.BadRequest, map[string]any{"field": field, "problem": err.Error()})
}

func (k *Console) revokeToken(_ context.Context, q *call) (any, error) {
	err := k.c.Tokens.Revoke(q.arg)
	if errors.Is(err, keys.ErrTokenUnknown) {
		return nil, badField("id")
	}
	if err == nil {
		k.c.Log("console.token.revoked", map[string]any{"token": q.arg, "by": q.session.id})
	}
	return nil, err
}

const maxPairing = 10 // minutes

func (k *Console) openPairing(_ context.Context, q *call) (any, error) {
	var p struct {
		Minutes int      `json:"minutes"`
		Rights  []string `json:"rights"`
		Fields  []string `json:"fields"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if k.c.Pairing == nil {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	if p.Minutes < 1 || p.Minutes > maxPairing {
		return nil, badField("minutes")
	}
	if err := k.c.Pairing.Open(q.session.user, time.Duration(p.Minutes)*time.Minute, p.Rights, p.Fields); err != nil {
		return nil, tokenError(err)
	}
	k.mu.Lock()
	k.pairingBy = q.session.id
	k.mu.Unlock()
	k.closePairing() // he may have been locked out meanwhile
	k.hub.bump()
	return k.pairing(), nil
}

// pairingWire is the window as an administrator sees it.
type pairingWire struct {
	Open      bool                  `json:"open"`
	ExpiresAt time.Time             `json:"expiresAt,omitzero"`
	Requests  []keys.PairingRequest `json:"requests"`
}

func (k *Console) pairing() *pairingWire {
	w, open := k.c.Pairing.Window()
	p := &pairingWire{Open: open, ExpiresAt: w.ExpiresAt, Requests: w.Requests}
	if p.Requests == nil {
		p.Requests = []keys.PairingRequest{}
	}
	return p
}

func (k *Console) endPairing(context.Context, *call) (any, error) {
	if k.c.Pairing == nil {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	k.mu.Lock()
	k.pairingBy = ""
	k.mu.Unlock()
	k.c.Pairing.Close()
	k.hub.bump()
	return nil, nil
}

func (k *Console) accessLog(context.Context, *call) (any, error) {
	if k.c.Access == nil {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	return k.c.Access(), nil
}

func (k *Console) bundle(ctx context.Context, q *call) (any, error) {
	if k.c.Bundle == nil {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	name, data, err := k.c.Bundle(ctx)
	if err != nil {
		return nil, err
	}
	k.c.Log("console.bundle", map[string]any{"bytes": len(data), "by": q.session.id})
	return raw{"application/zip", name, data}, nil
}
