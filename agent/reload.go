package agent

import (
	"context"
	"reflect"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// renewal puts settings in force while the agent serves, as far as that is safe: those that are live, at once. A change of the
// others would end jobs and connections, so they wait for the next start, and health says that they do.
type renewal struct {
	started settings.Settings // with which the agent was made
	desk    *desk
	state   *health.Tracker
	log     func(event string, fields map[string]any)
	tell    func(settings.Loaded) // nil: nobody
}

// take puts what was read anew in force. What was read wrongly changes nothing: the settings that it would stand in for are in
// force already.
func (r *renewal) take(l settings.Loaded) {
	r.state.Set(health.SettingsLast, l.Wrong != nil)
	if l.Wrong != nil {
		r.log("settings.refused", nil) // tapcheck config check says why
		return
	}
	r.desk.console.Renew(l.Settings)
	r.log("settings.taken", map[string]any{"restart": r.waiting(l)})
	r.note(l)
}

// note tells whoever wants to know, and says in health whether something waits for a start.
func (r *renewal) note(l settings.Loaded) {
	r.state.Set(health.SettingsRestart, len(r.waiting(l)) > 0)
	if r.tell != nil {
		r.tell(l)
	}
}

// waiting names the settings whose change waits for a start.
func (r *renewal) waiting(l settings.Loaded) []string {
	waiting := []string{}
	was := settings.List(r.started)
	for i, e := range settings.List(l.Settings) {
		if !e.Live && !sameValue(e.Value, was[i].Value) {
			waiting = append(waiting, e.Name)
		}
	}
	return waiting
}

// sameValue compares values; an absent list is an empty one.
func sameValue(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a, b)
}

// run takes what comes until ctx ends.
func (r *renewal) run(ctx context.Context, renewed <-chan settings.Loaded) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-renewed:
			r.take(l)
		}
	}
}
