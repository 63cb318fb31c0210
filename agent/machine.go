package agent

import (
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/update"
)

// updateHealth brings in what the updater, another program, has left written down.
func (o *Options) updateHealth(state *health.Tracker) {
	if o.Updates == nil {
		return
	}
	s, err := o.Updates()
	back, failing := UpdateTrouble(s, err)
	state.Set(health.UpdateTakenBack, back)
	state.Set(health.UpdateFailing, failing)
}

// UpdateTrouble says what of an updater's state, or of reading it, somebody should see to: a version that was taken back, and versions that
// cannot be had.
func UpdateTrouble(s update.State, err error) (takenBack, failing bool) {
	takenBack = s.Finished != nil && s.Finished.Result != update.Installed && slices.Contains(s.Refused, s.Finished.To) || s.Step != "" && s.Why != ""
	return takenBack, err != nil || s.Problem != ""
}

// machine is the PC that the keys belong to.
func (o *Options) machine() keys.Machine {
	m := keys.ThisMachine()
	if o.Machine != nil {
		m = *o.Machine
	}
	m.Seal = o.Settings.Keys.TPM && o.Simulation == nil // invented patients need no TPM
	return m
}

// asideHealth says that keys were set aside, and why.
func (o *Options) asideHealth(state *health.Tracker) {
	aside, locked := keys.Aside(o.DataDir), []string(nil)
	if len(aside) > 0 {
		locked = keys.AsideByTPM(o.DataDir, o.machine())
	}
	state.Set(health.TPMKeysLost, len(locked) > 0)
	state.Set(health.MachineCopied, len(aside) > len(locked))
}

// backups makes the desk's backups.
func (o *Options) backups(b *book, state *health.Tracker, log func(string, map[string]any)) *backups {
	free := o.Free
	if free == nil {
		free = func(string) (uint64, bool) { return 0, false }
	}
	return &backups{
		s: o.Settings.Backup, now: time.Now, began: time.Now(), log: log, health: state, free: free,
		source: BackupSource{Dir: o.DataDir, SettingsFile: o.SettingsFile, Version: o.Version, Desk: o.Settings.Desk, Snapshot: b.snapshot, Machine: o.machine()},
	}
}

// atWork says whether a patient is being checked in. A job that only waits for a card has none yet.
func atWork(jobs []checkin.Queued) bool {
	return slices.ContainsFunc(jobs, func(q checkin.Queued) bool { return q.State != checkin.Waiting })
}
