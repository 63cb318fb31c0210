package ts_test

import (
	"strconv"
	"strings"
	"testing"
)

// TestConnect: what a page learns when it connects, by where it comes from, what the browser lets it do, and what is there.
func TestConnect(t *testing.T) {
	const never, before = false, true
	known, others := newDesk(t), newDesk(t, "https://other.example.test")
	for _, c := range []struct {
		name       string
		browser    *chrome
		page       string // "": one of this PC
		permission string
		agent      string // "token": runs and gave one; "listed": the origin is in its settings; "denies"; "off"
		seen       bool   // an agent was met in this browser before
		id         string
		detail     map[string]any
	}{
		{"https, allowed", restricted, secure, "granted", "token", never, "ok", nil},
		{"https, nobody was asked", restricted, secure, "prompt", "token", never, "NOT_INSTALLED", map[string]any{"permission": "prompt"}},
		// Nobody has set anything, and headless Chromium has nobody to ask: it takes that for a no.
		{"https, as the browser comes", restricted, secure, "", "token", never, "PERMISSION_DENIED", map[string]any{"permission": "denied"}},
		{"https, blocked", restricted, secure, "denied", "token", never, "PERMISSION_DENIED", map[string]any{"permission": "denied"}},
		{"https, blocked, worked before", restricted, secure, "denied", "token", before, "PERMISSION_DENIED", map[string]any{"permission": "denied"}},
		{"http", restricted, insecure, "", "token", never, "PAGE_NOT_SECURE", map[string]any{"permission": "denied"}},
		{"http, agent off", restricted, insecure, "", "off", never, "PAGE_NOT_SECURE", map[string]any{"permission": "denied"}},
		{"http, permission given", restricted, insecure, "granted", "token", never, "PAGE_NOT_SECURE", map[string]any{"permission": "granted"}},
		{"http, treated as secure, permission given", managed, insecure, "granted", "token", never, "ok", nil},
		{"http, treated as secure, blocked", managed, insecure, "denied", "token", never, "PERMISSION_DENIED", map[string]any{"permission": "denied"}},
		{"this PC's own page", restricted, "", "", "token", never, "ok", nil},
		{"this PC's own page, blocked elsewhere", restricted, "", "denied", "token", never, "ok", nil},
		{"this PC's own page, agent off", restricted, "", "denied", "off", never, "NOT_INSTALLED", map[string]any{"permission": "denied"}},
		{"no restriction, https", free, secure, "", "token", never, "ok", nil},
		{"no restriction, http", free, insecure, "", "token", never, "ok", nil},
		{"no restriction, this PC's own page", free, "", "", "token", never, "ok", nil},
		{"origin not allowed", restricted, secure, "granted", "denies", never, "ORIGIN_DENIED", map[string]any{}},
		{"origin not allowed, this PC's own page", restricted, "", "", "denies", never, "ORIGIN_DENIED", map[string]any{}},
		{"no token", restricted, secure, "granted", "listed", never, "NOT_PAIRED", map[string]any{}},
		{"agent off", restricted, secure, "granted", "off", never, "NOT_INSTALLED", map[string]any{"permission": "granted"}},
		{"agent off, worked before", restricted, secure, "granted", "off", before, "NOT_RUNNING", map[string]any{"permission": "granted"}},
		{"agent off, nobody was asked, worked before", restricted, secure, "prompt", "off", before, "NOT_RUNNING", map[string]any{"permission": "prompt"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.browser.run(t)
			origin := c.page
			if origin == "" {
				origin = c.browser.nearby
			}
			var d *desk
			var more map[string]any
			switch c.agent {
			case "token":
				d = known
				more = map[string]any{"token": d.token(origin)}
			case "listed":
				d = newDesk(t, origin)
			case "denies":
				d = others
				more = map[string]any{"token": d.token("https://other.example.test")}
			case "off":
				d = prepareDesk(t)
				more = map[string]any{"token": "x"}
			}
			b := c.browser.open(t, origin, c.permission)
			if c.seen {
				b.run(nil, `localStorage.setItem("tapcheck", JSON.stringify({ seen: "2026-11-23T08:00:00Z" }))`, nil)
			}
			var got struct {
				Outcome outcome
				Proven  bool
				Secure  bool
				State   string
			}
			b.run(d.options(more), `const c = make(); const o = await outcome(c.connect()); return { outcome: o, proven: c.proven, secure: isSecureContext, state: c.state }`, &got)
			o := got.Outcome
			if o.ID != c.id {
				t.Fatalf("%s %v, want %s", o.ID, o.Detail, c.id)
			}
			if o.ID == "ok" {
				if got.State != "open" || got.Proven {
					t.Errorf("state %s, proven %t by a key that nobody knew", got.State, got.Proven)
				}
				return
			}
			if got.State != "closed" || o.Text == "" || o.Next == "" || o.Why == "" {
				t.Errorf("%+v", got)
			}
			if len(o.Detail) != len(c.detail) {
				t.Errorf("detail %v, want %v", o.Detail, c.detail)
			}
			for k, v := range c.detail {
				if o.Detail[k] != v {
					t.Errorf("detail %v, want %v", o.Detail, c.detail)
				}
			}
			if text := o.Text + o.Why + o.Next; more != nil && len(more["token"].(string)) > 1 && strings.Contains(text, more["token"].(string)) {
				t.Error("the token is in a text")
			}
		})
	}
}

// TestUpgradedPage: a HIS whose pages ask the browser to turn http into https (a usual setting) still reaches this PC.
func TestUpgradedPage(t *testing.T) {
	d := newDesk(t)
	b := restricted.open(t, secure+"/upgrade", "granted")
	var o outcome
	b.run(d.options(map[string]any{"token": d.token(secure)}), `return outcome(make().connect())`, &o)
	if o.ID != "ok" {
		t.Errorf("%s %v", o.ID, o.Detail)
	}
}

func portList(d *desk) string {
	var list []string
	for _, p := range d.ports {
		list = append(list, strconv.Itoa(p))
	}
	return strings.Join(list, ",")
}
