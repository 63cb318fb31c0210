package agent

import (
	"context"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/console/page"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/mapping"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// desk is what the agent serves to its own page.
type desk struct {
	console  *console.Console
	accounts *console.Accounts
	pairing  *keys.Pairing
	access   *his.AccessLog // nil: there is none; set before anybody is served
	renewed  *renewal       // set before anybody is served
}

// openConsole makes the console, and the secret for its first administrator where there is none yet. Accounts that cannot
// be read and a disk that takes no secret keep people out of the page, and no HIS out of the agent.
func openConsole(o Options, files fs.FS, tokens *keys.TokenStore, engine *checkin.Engine, wrong func(catalog.Lang) []his.HealthItem,
	bundle func(context.Context) (his.Bundle, error), log func(string, map[string]any)) (*desk, error) {
	accounts, err := console.AccountsIn(o.DataDir)
	if err != nil {
		return nil, err
	}
	secret, err := console.OpenSetup(o.DataDir, accounts)
	switch {
	case err != nil:
		log("console.setup.unwritten", nil) // tapcheck console setup says why
	case secret != "":
		log("console.setup", map[string]any{"file": filepath.Base(secret)}) // in the data folder; its content is never told
	}
	d := &desk{accounts: accounts, pairing: keys.NewPairing(tokens)}
	d.console, err = console.New(console.Config{
		DataDir: o.DataDir, Version: o.Version, Simulated: o.Simulation != nil, Camera: true, Settings: o.Settings, SettingsFile: o.SettingsFile, SettingsOver: o.SettingsOver,
		Saved: func(l settings.Loaded) { d.renewed.note(l) },
		Access: func() any {
			if d.access == nil {
				return map[string]any{"access": []his.Access{}, "lost": 0}
			}
			return map[string]any{"access": d.access.Recent(accessShown), "lost": d.access.Lost()}
		},
		Bundle: func(ctx context.Context) (string, []byte, error) {
			b, err := bundle(ctx)
			return b.Name, b.Data, err
		},
		Copy: copier(o.Settings.Compat.MappingFile),
		Papers: func(ctx context.Context, session string, since time.Time) (checkin.Papers, error) {
			return engine.Papers(ctx, session, his.SessionUser(session), since)
		},
		Proof: func(ctx context.Context, session, checkinID string) (checkin.Proof, error) {
			return engine.Proof(ctx, checkin.Owner{Client: his.ConsoleClient, Session: session, User: his.SessionUser(session)}, checkinID)
		},
		Page: files, Accounts: accounts, Tokens: tokens, Pairing: d.pairing, Engine: engine, Faces: engine, Session: his.VisitSession, Log: log,
		Health: func(l catalog.Lang) (list []console.HealthItem) {
			for _, h := range wrong(l) {
				list = append(list, console.HealthItem(h))
			}
			return list
		},
	})
	return d, err
}

// copier gives the texts that the console copies, where the hospital's mapping says so; nil where it does not, or cannot be
// read (which is then among what is wrong).
func copier(file string) func(checkin.Result) []string {
	set, err := mapping.Load(file)
	m, own := set[mapping.Console]
	if err != nil || !own {
		return nil
	}
	return func(r checkin.Result) (texts []string) {
		for _, p := range m.Apply(mapping.Of(r, nil)) {
			texts = append(texts, p.Value)
		}
		return texts
	}
}

// look says what is wrong with the console.
func (d *desk) look(state *health.Tracker) {
	_, err := d.accounts.List()
	state.Set(health.ConsoleClosed, err != nil)
}

// accessShown is how many entries of the access log an administrator sees.
const accessShown = 500

// pages are the parts of the agent's port that the console serves.
func (d *desk) pages() []his.Page {
	return []his.Page{
		{Prefix: "/console/", Handler: d.console.Handler()},
		{Prefix: "/console/api/", Handler: d.console.API(), Own: true},
		{Prefix: console.ProofPrefix, Handler: d.console.Proofs(), CSP: console.ProofCSP()},
	}
}

// consolePage are the page's files.
var consolePage fs.FS = page.Files
