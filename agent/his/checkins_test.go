package his

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// withPicture is a result that has a portrait.
func withPicture(job string, data []byte) checkin.Result {
	return checkin.Result{
		JobID: job, CheckinID: "c-" + job, Seq: 9, State: checkin.Complete, Means: checkin.MeansChip, Recorded: true, Next: []checkin.Step{}, Warnings: []checkin.Warning{},
		Portrait: &checkin.Picture{MIME: "image/jpeg", Width: 3, Height: 4, Data: data},
	}
}

// pictureEvent tells every owner of a result with a portrait, as the engine does.
func (e *fakeEngine) pictureEvent(r checkin.Result) {
	raw, _ := json.Marshal(r)
	e.mu.Lock()
	defer e.mu.Unlock()
	for o := range e.subs {
		for ch := range e.subs[o] {
			ch <- checkin.Event{Method: checkin.EventResult, JobID: r.JobID, Params: raw, Picture: r.Portrait}
		}
	}
}

func (r *rig) openWith(token string, params map[string]any) *client {
	r.t.Helper()
	c := r.dial("", token)
	c.expectMethod("agent.hello")
	params["protocol"] = 1
	if m := c.call("session.open", params); m.Error != nil {
		r.t.Fatal("session.open:", m.Error.Data.ID)
	}
	return c
}

// A session that wants binary pictures gets each one in the frame behind the JSON that announces it, and nothing between the
// two; another session gets them within the JSON.
func TestPicturesTravelAsTheSessionWants(t *testing.T) {
	r := start(t, nil)
	data := []byte("\xff\xd8 a photo \xff\xd9")
	inline := r.openWith("DESKTOP", map[string]any{})
	binaries := r.openWith("DESKTOP", map[string]any{"pictures": "binary"})
	inline.call("checkin.start", map[string]any{"jobId": "j", "means": "chip"})

	portrait := func(m message) (p checkin.Picture) {
		t.Helper()
		var got struct {
			Portrait checkin.Picture
			Result   *struct{ Portrait checkin.Picture }
		}
		raw := m.Params
		if raw == nil {
			raw = m.Result
		}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if got.Result != nil {
			return got.Result.Portrait
		}
		return got.Portrait
	}
	behind := func(m message, n uint32) {
		t.Helper()
		if p := portrait(m); len(p.Data) != 0 || p.Frame != n || p.Bytes != len(data) || p.MIME != "image/jpeg" || p.Width != 3 || p.Height != 4 {
			t.Errorf("announced as %+v", p)
		}
		kind, raw, err := binaries.ws.ReadMessage()
		if unknown := binaries.check.ReceivedBinary(raw); unknown != nil {
			t.Error(unknown)
		}
		if err != nil || kind != websocket.BinaryMessage || len(raw) < 4 || binary.BigEndian.Uint32(raw) != n || string(raw[4:]) != string(data) {
			t.Errorf("frame %d: kind %d, %q, %v", n, kind, raw, err)
		}
	}
	result := func(c *client) message {
		t.Helper()
		for {
			m, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			if m.Method == checkin.EventResult {
				return m
			}
		}
	}
	told := withPicture("j", data)
	r.engine.pictureEvent(told)
	if p := portrait(result(inline)); string(p.Data) != string(data) || p.Frame != 0 || p.Bytes != 0 {
		t.Errorf("inline: %+v", p)
	}
	behind(result(binaries), 1)
	if told.Portrait.Data == nil || told.Portrait.Frame != 0 {
		t.Error("the engine's own picture was changed")
	}
	// Asked for again, in the answer.
	r.engine.mu.Lock()
	r.engine.result = &told
	r.engine.mu.Unlock()
	behind(binaries.call("job.status", map[string]string{"jobId": "j"}), 2)
	behind(binaries.call("job.resume", map[string]string{"jobId": "j"}), 3)
	if p := portrait(inline.call("job.status", map[string]string{"jobId": "j"})); string(p.Data) != string(data) {
		t.Errorf("inline: %+v", p)
	}
	// A result without one is followed by nothing.
	told = withPicture("j", nil)
	told.Portrait = nil
	binaries.call("job.status", map[string]string{"jobId": "j"})
	if m := binaries.call("agent.status", nil); m.Error != nil {
		t.Error(m.Error)
	}
}

// Pictures that nobody reads count like everything else that waits for a client.
func TestUnreadPicturesEndASlowClient(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Limits.QueueBytes = 1 << 20
		c.Limits.QueueFrames = 1000
		c.WriteTimeout = 100 * time.Millisecond
	})
	c := r.openWith("DESKTOP", map[string]any{"pictures": "binary"})
	c.call("checkin.start", map[string]any{"jobId": "j", "means": "chip"})
	told := withPicture("j", make([]byte, 400<<10))
	for range 40 {
		r.engine.pictureEvent(told)
	}
	for r.server.open.Load() > 0 { // it is let go without being waited for
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(r.logged(), "slow client") {
		t.Error(r.logged())
	}
}

// A look-up takes seconds, and what comes behind it on the same socket does not wait for it.
func TestSlowRequestsHoldUpNobody(t *testing.T) {
	r := start(t, nil)
	r.engine.insurer = make(chan struct{})
	c := r.open("", "DESKTOP")
	asked := map[string]bool{}
	for range maxSlow {
		asked[fmt.Sprint(c.send("insurance.check", map[string]string{"jobId": "j"}))] = true
	}
	if m := c.call("agent.status", nil); m.Error != nil {
		t.Fatal(m.Error)
	}
	if m := c.call("insurance.check", map[string]string{"jobId": "j"}); m.Error == nil || m.Error.Data.ID != catalog.RateLimited {
		t.Errorf("one more: %+v", m)
	}
	for range maxSlow {
		r.engine.insurer <- struct{}{}
		m, err := c.next()
		if err != nil || m.Error != nil || !asked[string(m.ID)] {
			t.Fatalf("%+v %v", m, err)
		}
		delete(asked, string(m.ID))
	}
	// A client that leaves takes its questions with it; the end of this test finds whoever is left.
	c.send("insurance.check", map[string]string{"jobId": "j"})
	_ = c.ws.Close()
}

// Who is vouched for, by the console or a HIS backend, is who decides; what the client says about that does not matter.
func TestOperatorOfADecision(t *testing.T) {
	for name, tt := range map[string]struct {
		vouched, opened, said string
		want                  checkin.Operator
	}{
		"nobody":                    {},
		"of the session":            {opened: "lt.hoa", want: checkin.Operator{ID: "lt.hoa", Source: "his"}},
		"of the request":            {opened: "lt.hoa", said: "bs.minh", want: checkin.Operator{ID: "bs.minh", Source: "his"}},
		"vouched for":               {vouched: "hoa", want: checkin.Operator{ID: "hoa", Source: "console"}},
		"vouched for, another said": {vouched: "hoa", opened: "x", said: "bs.minh", want: checkin.Operator{ID: "hoa", Source: "console"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *Config) {
				if tt.vouched != "" {
					c.Tokens = vouchingTokens{c.Tokens, tt.vouched}
				}
			})
			params := map[string]any{"token": r.secrets["DESKTOP"]}
			if tt.opened != "" {
				params["operator"] = map[string]string{"id": tt.opened}
			}
			c := r.openWith("DESKTOP", params)
			c.call("checkin.start", map[string]any{"jobId": "j", "means": "chip"})
			ask := map[string]any{"jobId": "j", "about": "face", "decision": "accept", "reason": "known_to_staff"}
			if tt.said != "" {
				ask["operator"] = map[string]string{"id": tt.said, "source": "assertion"}
			}
			m := c.call("checkin.decide", ask)
			var d checkin.Decided
			if m.Error != nil || json.Unmarshal(m.Result, &d) != nil || len(d.Decisions) != 1 {
				t.Fatalf("%+v", m)
			}
			var got checkin.Operator
			if o := d.Decisions[0].Operator; o != nil {
				got = *o
			}
			if got != tt.want {
				t.Errorf("decided by %+v", got)
			}
		})
	}
}

// vouchingTokens vouch for an operator, as those of the console do.
type vouchingTokens struct {
	Tokens
	operator string
}

func (v vouchingTokens) Check(secret, origin string) (keys.Token, error) {
	t, err := v.Tokens.Check(secret, origin)
	t.Operator, t.OperatorSource = v.operator, "console"
	return t, err
}

// A token without rights has nothing to link, to take back or to list.
func TestCheckinsNeedARight(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Bundle = func(context.Context) (Bundle, error) { return Bundle{Data: []byte("PK")}, nil }
		c.Paper = func(checkin.Proof) ([]byte, error) { return []byte("<!DOCTYPE html>"), nil }
	})
	c := r.open("", "MINIMAL")
	for method, params := range map[string]any{
		"checkin.link": map[string]any{"jobId": "j", "visit": map[string]string{"maLk": "1"}}, "checkin.decide": map[string]any{"jobId": "j", "about": "chip", "decision": "accept", "reason": "other"},
		"checkin.void": map[string]any{"jobId": "j", "reason": "test"}, "checkin.list": map[string]any{}, "checkin.export": map[string]any{"jobId": "j", "format": "fhir"}, "checkin.proof": map[string]any{"jobId": "j"}, "insurance.check": map[string]any{"jobId": "j"}, "diagnostics.bundle": map[string]any{},
	} {
		if m := c.call(method, params); m.Error == nil || m.Error.Data.ID != catalog.Forbidden {
			t.Errorf("%s: %+v", method, m)
		}
	}
}

// The paper comes as a whole page, of the owner's own check-ins, and one that cannot be made is said as such.
func TestProofOfACheckin(t *testing.T) {
	var fail atomic.Bool
	r := start(t, func(c *Config) {
		c.Paper = func(p checkin.Proof) ([]byte, error) {
			if fail.Load() {
				return []byte(p.CheckinID), errors.New("with a name in it: Nguyễn Văn An")
			}
			return []byte("<!DOCTYPE html>" + p.CheckinID), nil
		}
	})
	c := r.open("https://his.example", "WEB")
	c.call("checkin.start", map[string]string{"jobId": "j", "means": "chip"})
	m := c.call("checkin.proof", map[string]string{"jobId": "j"})
	var a checkin.ProofAnswer
	if m.Error != nil || json.Unmarshal(m.Result, &a) != nil || a.HTML != "<!DOCTYPE html>"+a.CheckinID || a.CheckinID == "" || a.Attempts == nil {
		t.Errorf("%+v", m)
	}
	if m := r.open("", "DESKTOP").call("checkin.proof", map[string]string{"jobId": "j"}); m.Error == nil || m.Error.Data.ID != catalog.JobUnknown {
		t.Errorf("another program's: %+v", m)
	}
	fail.Store(true)
	if m := c.call("checkin.proof", map[string]string{"jobId": "j"}); m.Error == nil || m.Error.Data.ID != catalog.Internal || strings.Contains(fmt.Sprint(m), "Nguy") {
		t.Errorf("no paper: %+v", m)
	}
	none := start(t, nil)
	if m := none.open("", "DESKTOP").call("checkin.proof", map[string]string{"jobId": "j"}); m.Error == nil || m.Error.Data.ID != catalog.NotAvailable {
		t.Errorf("nobody makes papers: %+v", m)
	}
}

func TestBundle(t *testing.T) {
	zip := []byte("PK\x03\x04 not really")
	var made atomic.Int32
	answer, failure := make(chan Bundle), errors.New("with a path in it: C:\\Users\\hoa")
	var fail atomic.Bool
	r := start(t, func(c *Config) {
		c.Bundle = func(ctx context.Context) (Bundle, error) {
			made.Add(1)
			if fail.Load() {
				return Bundle{}, failure
			}
			select {
			case b := <-answer:
				return b, nil
			case <-ctx.Done():
				return Bundle{}, ctx.Err()
			}
		}
	})
	c := r.open("", "DESKTOP")
	id := fmt.Sprint(c.send("diagnostics.bundle", nil))
	other := r.open("", "DESKTOP2")
	for made.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if m := other.call("diagnostics.bundle", nil); m.Error == nil || m.Error.Data.ID != catalog.RateLimited {
		t.Errorf("a second one meanwhile: %+v", m)
	}
	answer <- Bundle{Name: "tapcheck.zip", Data: zip, Contents: []BundleFile{{"health.json", 12}}, LeftOut: []string{"journal"}}
	m, err := c.next()
	if err != nil || string(m.ID) != id {
		t.Fatal(m, err)
	}
	var got struct {
		MIME, Name, Data string
		Contents         []BundleFile
		LeftOut          []string
	}
	if err := json.Unmarshal(m.Result, &got); err != nil {
		t.Fatal(err)
	}
	if got.MIME != "application/zip" || got.Name != "tapcheck.zip" || got.Data != base64.StdEncoding.EncodeToString(zip) || got.Contents[0].Bytes != 12 || got.LeftOut[0] != "journal" {
		t.Errorf("%+v", got)
	}
	for name, b := range map[string]Bundle{"empty": {}, "too large": {Data: make([]byte, maxBundle+1)}} {
		id := fmt.Sprint(c.send("diagnostics.bundle", nil))
		answer <- b
		if m, err := c.next(); err != nil || string(m.ID) != id || m.Error == nil || m.Error.Data.ID != catalog.Internal {
			t.Errorf("%s: %+v %v", name, m, err)
		}
	}
	fail.Store(true)
	if m := c.call("diagnostics.bundle", nil); m.Error == nil || m.Error.Data.ID != catalog.Internal || strings.Contains(fmt.Sprintf("%+v", m.Error), "hoa") {
		t.Errorf("%+v", m)
	}
	if strings.Contains(r.logged(), "hoa") {
		t.Error(r.logged())
	}
	if m := start(t, nil).open("", "DESKTOP").call("diagnostics.bundle", nil); m.Error == nil || m.Error.Data.ID != catalog.NotAvailable {
		t.Errorf("without one: %+v", m)
	}
}

// Whose a check-in is, the engine is told with the user of the session, which outlasts it.
func TestOwnerHasAUser(t *testing.T) {
	owners := make(chan checkin.Owner, 10)
	r := start(t, func(c *Config) {
		c.User = func(session string) string { return "user of " + session }
		c.Engine = ownersEngine{c.Engine, owners}
	})
	r.open("", "DESKTOP").call("checkin.list", nil)
	o := <-owners
	if o.Session == "" || o.User != "user of "+o.Session || o.Client != "desktop:"+r.ids["DESKTOP"] || o.String() != o.Client+" "+o.User {
		t.Errorf("%+v", o)
	}
}

type ownersEngine struct {
	Engine
	owners chan checkin.Owner
}

func (e ownersEngine) List(ctx context.Context, o checkin.Owner, r checkin.ListRequest) (checkin.List, error) {
	e.owners <- o
	return e.Engine.List(ctx, o, r)
}
