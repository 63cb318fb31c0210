package his

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// needs says of every method by which rights a session may use it; any one is enough, and none is needed where none stands.
// A method that is not here fails the test until somebody has decided.
var needs = map[string]string{
	"agent.prove": "", "session.open": "", "agent.status": "", "reader.list": "", "pairing.start": "", "pairing.confirm": "",
	"job.provide": "", "job.cancel": "", "job.status": "", "job.resume": "", // of jobs that took a right to begin
	"checkin.start": "read insurance", "checkin.link": "read insurance", "checkin.decide": "read insurance", "checkin.void": "read insurance",
	"checkin.list": "read insurance", "checkin.export": "read insurance", "diagnostics.bundle": "read insurance",
	"card.read": "read", "insurance.check": "insurance", "checkin.proof": "insurance", "visit.update": "insurance", "visit.close": "insurance",
	"face.frame": "face", "face.verify": "face", "consent.record": "face", "evidence.get": "evidence",
	"sim.insert": "simulator", "sim.remove": "simulator", "sim.fault": "simulator",
}

// TestEveryMethodAsksForItsRight opens a session with each right alone and calls every method that is served.
func TestEveryMethodAsksForItsRight(t *testing.T) {
	r := start(t, nil)
	for name, m := range r.server.methods {
		want, decided := needs[name]
		if !decided || strings.Join(m.rights, " ") != want {
			t.Errorf("%s asks for %q, want %q", name, m.rights, want)
		}
	}
	for _, right := range append([]string{"none"}, keys.AllRights...) {
		rights := []string{right}
		if right == "none" {
			rights = []string{}
		}
		secret, token, err := r.tokens.Add(keys.TokenRequest{Desktop: true, Rights: rights})
		if err != nil {
			t.Fatal(err)
		}
		r.secrets[right], r.ids[right] = secret, token.ID
		c := r.open("", right)
		for name, m := range r.server.methods {
			if m.run == nil || name == "session.open" {
				continue
			}
			allowed := needs[name] == "" || slices.Contains(strings.Fields(needs[name]), right)
			m := c.call(name, map[string]any{"insurance.check": map[string]any{"jobId": 7}}[name]) // nothing that could be done
			denied := m.Error != nil && m.Error.Data.ID == catalog.Forbidden
			// The engine may deny more, by what the request asks for; the first right is then not the table's.
			if !allowed && !denied {
				t.Errorf("%s with the right %s alone: %+v", name, right, m)
			}
			if needs[name] == "" && denied {
				t.Errorf("%s with the right %s alone is denied", name, right)
			}
			if !allowed && denied && m.Error.Data.Detail["right"] != strings.Fields(needs[name])[0] {
				t.Errorf("%s names the right %v", name, m.Error.Data.Detail["right"])
			}
		}
	}
}

// TestCeilingHoldsForEveryWayOut: an origin has two tokens, and a job that the one with more has begun. A session of the one
// with less learns no more by asking for it, resuming it, or listening.
func TestCeilingHoldsForEveryWayOut(t *testing.T) {
	full := checkin.Result{
		JobID: "1", State: checkin.Complete, Means: checkin.MeansChip, Next: []checkin.Step{}, Warnings: []checkin.Warning{},
		Identity:    &lds.Identity{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", Religion: "Không", ExpiresAt: "2039-01-01", Source: map[string]string{"fullName": "dg13", "number": "dg1"}},
		Subject:     &checkin.Subject{Number: "001099012345", FullName: "Nguyễn Văn An"},
		Portrait:    &checkin.Picture{MIME: "image/jpeg", Width: 1, Height: 1, Data: []byte("picture")},
		Eligibility: &insurance.Eligibility{State: insurance.Eligible, Source: "bhyt-gateway", Card: &insurance.Card{Code: "GD4010123456789"}},
		Claim:       map[string]string{"HO_TEN": "Nguyễn Văn An", "SO_CCCD": "001099012345", "NGAY_SINH": "199901010000", "GIOI_TINH": "1", "MA_THE_BHYT": "GD4010123456789"},
	}
	r := start(t, nil)
	for name, c := range map[string]struct {
		rights, fields []string
		has, hasNot    []string // in what comes
	}{
		"everything":   {[]string{"read", "insurance"}, append(slices.Clone(keys.DefaultFields), "religion"), []string{"001099012345", "Văn An", "Không", "cGljdHVyZQ", "GD4010123456789", "SO_CCCD", "eligible"}, nil},
		"no religion":  {[]string{"read", "insurance"}, keys.DefaultFields, []string{"001099012345", "Văn An", "cGljdHVyZQ", "GD4010123456789"}, []string{"Không"}},
		"number alone": {[]string{"read", "insurance"}, []string{"number"}, []string{"001099012345", "SO_CCCD", "GD4010123456789"}, []string{"Văn An", "1999", "cGljdHVyZQ", "HO_TEN", "NGAY_SINH", "GIOI_TINH", "2039", "male"}},
		"no number":    {[]string{"read"}, []string{"fullName", "expiresAt"}, []string{"Văn An", "HO_TEN", "2039"}, []string{"001099012345", "SO_CCCD", "GD401", "eligible", "cGljdHVyZQ"}},
		"no insurance": {[]string{"read"}, keys.DefaultFields, []string{"001099012345", "Văn An", "cGljdHVyZQ", "SO_CCCD"}, []string{"GD401", "eligible", "MA_THE"}},
		"no picture":   {[]string{"read", "insurance"}, []string{"number", "fullName"}, []string{"001099012345", "Văn An"}, []string{"cGljdHVyZQ", "portrait"}},
		"nothing":      {[]string{}, []string{}, []string{`"state":"complete"`}, []string{"001099012345", "Văn An", "1999", "GD401", "claim", "portrait"}},
	} {
		t.Run(name, func(t *testing.T) {
			secret, _, err := r.tokens.Add(keys.TokenRequest{Origin: "https://his.example", Rights: c.rights, Fields: c.fields})
			if err != nil {
				t.Fatal(err)
			}
			r.secrets["LESS"] = secret
			r.open("https://his.example", "WEB").call("checkin.start", map[string]any{"jobId": "1", "means": "chip"})
			less := r.open("https://his.example", "LESS")
			r.engine.mu.Lock()
			r.engine.result = &full
			r.engine.mu.Unlock()
			ways := map[string]json.RawMessage{"job.status": less.call("job.status", map[string]string{"jobId": "1"}).Result, "job.resume": less.call("job.resume", map[string]string{"jobId": "1"}).Result}
			for _, event := range []string{"job.partial", "job.result"} {
				r.engine.event(event, full)
				ways[event] = less.expectMethod(event).Params
			}
			for way, got := range ways {
				var any map[string]any
				if json.Unmarshal(got, &any) != nil {
					t.Fatalf("%s: %s", way, got)
				}
				for _, want := range c.has {
					if !strings.Contains(string(got), want) && !(strings.HasPrefix(want, `"state"`) && strings.HasPrefix(way, "job.s")) {
						t.Errorf("%s lacks %s: %s", way, want, got)
					}
				}
				for _, leak := range c.hasNot {
					if strings.Contains(string(got), leak) {
						t.Errorf("%s holds %s: %s", way, leak, got)
					}
				}
			}
			if full.Identity.Religion == "" || full.Portrait == nil || full.Claim["HO_TEN"] == "" || full.Subject.Number == "" {
				t.Fatal("the owner's own result was changed")
			}
			r.engine.mu.Lock()
			r.engine.result = nil
			r.engine.mu.Unlock()
		})
	}
}
