package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/his/schema"
)

var updateBad = flag.Bool("update-bad", false, "write what comes of bad requests into testdata/his/bad")

// TestBadInput sends every method of the protocol every kind of nonsense, against the real program: each member of its
// params missing, of every wrong type, empty, much too long, not printable and nested, members that nobody knows, members in
// another order and twice, the whole params of another type, a frame that is nested too deeply, the same id twice, broken UTF-8,
// and all of it before the session is open. What must come of each stands in testdata/his/bad, a file per method:
//
//	# comment
//	setup session         an open session; card: and a card; fresh: none yet; new: $JOB is a name nobody used; waiting: $JOB waits for a card;
//	                      done: $JOB is over, and $CHECKIN its check-in
//	params {…}            a good request; $NOW in it is the time
//	whole: OUTCOME = KIND …; OUTCOME = KIND …
//	PATH: OUTCOME = KIND …
//
// An outcome is "ok", the id of the error, or "close" and the code. Whatever the file says, a member of a wrong type is never
// taken, and an answer never repeats what was sent.
func TestBadInput(t *testing.T) {
	p := start(t, configured("[his]\nrequests_per_second = 1000\n"), "demo", "--json", "--no-tap", "--latency", "0")
	token := p.token("--desktop", "--rights", "read,insurance,face,simulator")
	v := &vandal{t: t, addr: p.addr(), token: token, spoilt: map[string]bool{}}

	files, err := filepath.Glob("../../testdata/his/bad/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		method, _, _ := strings.Cut(name, "_")
		seen[method] = true
		t.Run(name, func(t *testing.T) {
			v.t, v.job, v.tag = t, "", secretText+strings.ReplaceAll(name, ".", "-")
			v.spoil(file, method)
			v.hangUp()
		})
	}
	for _, m := range schema.Load().Messages {
		if !m.Notification && !seen[m.Name] {
			t.Errorf("testdata/his/bad has nothing about %s", m.Name)
		}
	}
	// Each member that the protocol's document knows is spoilt somewhere; of a type that several methods share, in one of them.
	for member := range requestMembers() {
		if !v.spoilt[member] {
			t.Errorf("testdata/his/bad has nothing about %s: put it into the params of a file, and run this with -update-bad", member)
		}
	}
	select {
	case <-p.done:
		t.Fatalf("the program ended: %v\n%s", p.err, p.stderr)
	default:
	}
	if log := p.stderr.String(); strings.Contains(log, "panic") {
		t.Errorf("a panic:\n%s", log)
	}
	v.t, v.setup = t, "session"
	v.connected()
	if got := v.ask("agent.status", nil); got != "ok" { // after all that
		t.Errorf("the agent says %s", got)
	}
	v.hangUp()
}

// vandal is a client that sends what it likes.
type vandal struct {
	t           *testing.T
	addr, token string
	ws          *websocket.Conn
	n           int
	setup       string
	last        json.RawMessage // result of the last good answer
	spoilt      map[string]bool // members, as Type.member

	tag          string // stands for secretText, so that no file meets what another one has left
	job, checkin string // that the next request may name; empty: they have been used
}

func (v *vandal) dial() {
	v.t.Helper()
	h := http.Header{"Authorization": {"Bearer " + v.token}}
	d := websocket.Dialer{Subprotocols: []string{his.Subprotocol}, HandshakeTimeout: 5 * time.Second}
	ws, resp, err := d.DialContext(v.t.Context(), "ws://"+v.addr+"/v1", h)
	for range 500 { // connections that were just closed may still be counted, and so many at once are too many
		if resp == nil || !slices.Contains([]string{"TOO_MANY_CONNECTIONS", "RATE_LIMITED"}, resp.Header.Get(his.ReasonHeader)) {
			break
		}
		time.Sleep(10 * time.Millisecond)
		ws, resp, err = d.DialContext(v.t.Context(), "ws://"+v.addr+"/v1", h)
	}
	if err != nil {
		v.t.Fatal(err, resp.Header)
	}
	if _, _, err := ws.ReadMessage(); err != nil { // agent.hello
		v.t.Fatal(err)
	}
	v.ws = ws
}

func (v *vandal) hangUp() {
	if v.ws != nil {
		_ = v.ws.Close()
		v.ws = nil
	}
}

// connected makes sure of a connection in the state that the file wants.
func (v *vandal) connected() {
	v.t.Helper()
	if v.setup == "fresh" {
		v.hangUp()
	}
	if v.ws != nil {
		return
	}
	v.dial()
	if v.setup != "fresh" {
		if got := v.ask("session.open", json.RawMessage(`{"protocol":1,"subscriptions":[]}`)); got != "ok" {
			v.t.Fatal("session.open: ", got)
		}
	}
}

// frame is a request as text.
func (v *vandal) frame(method string, params json.RawMessage) string {
	v.n++
	b := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q`, v.n, method)
	if len(params) > 0 {
		b += `,"params":` + string(params)
	}
	return b + "}"
}

// ask sends a good frame and gives what comes of it.
func (v *vandal) ask(method string, params json.RawMessage) string {
	v.t.Helper()
	for range 50 {
		got := v.send(v.frame(method, params), strconv.Itoa(v.n))
		if got != "RATE_LIMITED" {
			return got
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "RATE_LIMITED"
}

// send sends a frame and waits for the answer with an id. Notifications on the way are not looked at.
func (v *vandal) send(text, id string) string {
	v.t.Helper()
	if v.ws == nil {
		v.dial()
	}
	if err := v.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		v.t.Fatal(err)
	}
	return v.outcome(id)
}

func (v *vandal) outcome(id string) string {
	v.t.Helper()
	_ = v.ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		_, raw, err := v.ws.ReadMessage()
		if err != nil {
			closed, ok := err.(*websocket.CloseError)
			if !ok {
				v.t.Fatalf("waiting for an answer to %s: %v", id, err)
			}
			v.hangUp()
			return "close " + strconv.Itoa(closed.Code)
		}
		var m struct {
			ID     json.RawMessage
			Result json.RawMessage
			Error  *struct {
				Data struct{ ID, Text, Next string }
			}
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			v.t.Fatalf("%v: %s", err, raw)
		}
		if string(m.ID) != id && string(m.ID) != "null" { // null: a frame that could not be read as far as its id
			continue
		}
		if m.Error == nil {
			v.last = m.Result
			return "ok"
		}
		if bytes.Contains(raw, []byte(secretText)) {
			v.t.Errorf("the error repeats what was sent: %.300s", raw)
		}
		if m.Error.Data.ID == "" || m.Error.Data.Text == "" || m.Error.Data.Next == "" || m.Error.Data.ID == "INTERNAL" {
			v.t.Errorf("no error of ours: %.300s", raw)
		}
		return m.Error.Data.ID
	}
}

// secretText stands in every text that is sent.
const secretText = "Xq7Bad"

// badValues are what takes the place of a member. "missing" takes it away.
var badValues = []struct{ kind, json string }{
	{"missing", ""}, {"null", "null"}, {"bool", "true"}, {"number", "7"}, {"negative", "-7"}, {"fraction", "0.5"}, {"huge", "1e400"}, {"empty", `""`},
	{"text", `"` + secretText + `"`}, {"control", `"` + secretText + `\u0000"`}, {"surrogate", `"` + secretText + `\ud800"`}, {"long", `"` + secretText + strings.Repeat("x", 10_000) + `"`},
	{"longer", `"` + secretText + strings.Repeat("x", 70_000) + `"`}, {"list", "[]"}, {"lists", `[["` + secretText + `"]]`}, {"object", "{}"},
	{"members", `{"` + secretText + `":{"` + secretText + `":1}}`},
}

// spoil plays one file.
func (v *vandal) spoil(file, method string) {
	t := v.t
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var params json.RawMessage
	var head, body []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "#", "":
			head = append(head, line)
		case "setup":
			v.setup = rest
			head = append(head, line)
		case "params":
			params = json.RawMessage(rest)
			head = append(head, line)
		default:
			body = append(body, line)
		}
	}
	var got []string
	whole := newOutcomes("whole")
	good := v.try(method, params)
	whole.add(good, "good")
	for _, c := range v.wholes(method, params) {
		whole.add(c.outcome, c.kind)
	}
	got = append(got, whole.String())
	for _, path := range paths(params, "") {
		v.spoilt[typedMember(method, path)] = true
		o := newOutcomes(path)
		right := kindOf(at(params, path))
		for _, b := range badValues {
			outcome := v.try(method, with(params, path, b.json))
			o.add(outcome, b.kind)
			if b.json != "" && b.json != "null" && good == "ok" && kindOf(json.RawMessage(b.json)) != right && outcome == "ok" {
				t.Errorf("%s: %s in the place of %s is taken", path, b.kind, right)
			}
		}
		got = append(got, o.String())
	}
	if *updateBad {
		if err := os.WriteFile(file, []byte(strings.Join(append(head, got...), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	for i := range max(len(got), len(body)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(body) {
			w = body[i]
		}
		if g != w {
			t.Errorf("got\n\t%s\nwant\n\t%s", g, w)
		}
	}
}

// try sends params to a method, with jobs that are what the file wants, and gives what comes of it.
func (v *vandal) try(method string, params json.RawMessage) string {
	v.t.Helper()
	v.connected()
	p := v.prepared(params)
	got := v.ask(method, p)
	v.used(got, p)
	return got
}

// used says what came of a request: a job that it may have changed is of no use to the next one.
func (v *vandal) used(outcome string, sent json.RawMessage) {
	v.t.Helper()
	if outcome != "ok" {
		return
	}
	if v.setup == "new" || v.setup == "waiting" {
		v.ask("job.cancel", json.RawMessage(`{"jobId":"`+v.job+`"}`))
		if v.setup == "new" && bytes.Contains(sent, []byte(`"jobId":"`+v.tag+`"`)) {
			v.ask("job.cancel", json.RawMessage(`{"jobId":"`+v.tag+`"}`))
		}
	}
	v.job = ""
}

// prepared fills in the names of jobs.
func (v *vandal) prepared(params json.RawMessage) json.RawMessage {
	v.t.Helper()
	if v.job == "" {
		v.n++
		v.job, v.checkin = fmt.Sprintf("bad-%d", v.n), ""
		switch v.setup {
		case "card":
			if got := v.ask("sim.insert", json.RawMessage(`{"persona":"an"}`)); got != "ok" {
				v.t.Fatal("sim.insert: ", got)
			}
		case "waiting":
			if got := v.ask("checkin.start", json.RawMessage(`{"jobId":"`+v.job+`","means":"chip"}`)); got != "ok" {
				v.t.Fatal("checkin.start: ", got)
			}
		case "done":
			if got := v.ask("checkin.start", json.RawMessage(`{"jobId":"`+v.job+`","means":"emergency","insurance":"off"}`)); got != "ok" {
				v.t.Fatal("checkin.start: ", got)
			}
			var st struct{ State, CheckinID string }
			for st.State != "complete" {
				time.Sleep(time.Millisecond)
				if got := v.ask("job.status", json.RawMessage(`{"jobId":"`+v.job+`"}`)); got != "ok" || json.Unmarshal(v.last, &st) != nil {
					v.t.Fatal("job.status: ", got)
				}
			}
			v.checkin = st.CheckinID
		}
	}
	return json.RawMessage(strings.NewReplacer("$JOB", v.job, "$CHECKIN", v.checkin, "$TOKEN", v.token, "$NOW", time.Now().Format(time.RFC3339), secretText, v.tag).Replace(string(params)))
}

type spoiled struct{ kind, outcome string }

// wholes is what comes of frames that are wrong as a whole.
func (v *vandal) wholes(method string, params json.RawMessage) (out []spoiled) {
	add := func(kind, outcome string) { out = append(out, spoiled{kind, outcome}) }
	for _, b := range badValues {
		switch b.kind {
		case "missing":
			add("missing", v.try(method, nil))
		case "huge", "long", "surrogate":
		default:
			add(b.kind, v.try(method, json.RawMessage(b.json)))
		}
	}
	extra := strings.TrimSuffix(string(params), "}")
	if extra != "{" {
		extra += ","
	}
	add("extra", v.try(method, json.RawMessage(extra+`"`+secretText+`":{"a":[1]},"`+secretText+`2":null}`)))
	add("reversed", v.try(method, reversed(params)))
	add("twice", v.try(method, twice(params)))
	deep := func(n int) json.RawMessage {
		return json.RawMessage(extra + `"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}")
	}
	add("deep", v.try(method, deep(29)))
	v.connected()
	add("deeper", v.send(v.frame(method, v.prepared(deep(40))), "null"))

	// The same id twice is two requests.
	v.connected()
	f := v.frame(method, v.prepared(params))
	id := strconv.Itoa(v.n)
	first := v.send(f, id)
	if v.ws != nil {
		if second := v.send(f, id); second != first {
			first += "+" + second
		}
	}
	add("id-twice", first)
	v.used("ok", nil)

	// Not UTF-8, within a text and instead of one.
	v.connected()
	broken := strings.Replace(v.frame(method, v.prepared(params)), `"method"`, "\"\xc3\x28\":1,\"method\"", 1)
	add("utf8", v.send(broken, strconv.Itoa(v.n)))

	// Before the session is open.
	v.hangUp()
	v.dial()
	p := json.RawMessage(strings.NewReplacer("$JOB", "j", "$CHECKIN", "", "$TOKEN", v.token).Replace(string(params)))
	add("early", v.ask(method, p))
	v.hangUp()
	return out
}

// outcomes collects what came of what, in the order in which it came.
type outcomes struct {
	name  string
	order []string
	kinds map[string][]string
}

func newOutcomes(name string) *outcomes { return &outcomes{name: name, kinds: map[string][]string{}} }

func (o *outcomes) add(outcome, kind string) {
	if o.kinds[outcome] == nil {
		o.order = append(o.order, outcome)
	}
	o.kinds[outcome] = append(o.kinds[outcome], kind)
}

func (o *outcomes) String() string {
	var parts []string
	for _, outcome := range o.order {
		parts = append(parts, outcome+" = "+strings.Join(o.kinds[outcome], " "))
	}
	return o.name + ": " + strings.Join(parts, "; ")
}

func kindOf(raw json.RawMessage) string {
	switch c := bytes.TrimSpace(raw)[0]; c {
	case '{':
		return "object"
	case '[':
		return "list"
	case '"':
		return "text"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	}
	return "number"
}

// member is one member of an object, in its place.
type member struct {
	name  string
	value json.RawMessage
}

func members(object json.RawMessage) (out []member) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		panic(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			panic(err)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			panic(err)
		}
		out = append(out, member{name.(string), v})
	}
	return out
}

func object(list []member) json.RawMessage {
	var parts []string
	for _, m := range list {
		parts = append(parts, fmt.Sprintf("%q:%s", m.name, m.value))
	}
	return json.RawMessage("{" + strings.Join(parts, ",") + "}")
}

// paths names every member, those of members too.
func paths(params json.RawMessage, prefix string) (out []string) {
	for _, m := range members(params) {
		out = append(out, prefix+m.name)
		switch kindOf(m.value) {
		case "object":
			out = append(out, paths(m.value, prefix+m.name+".")...)
		case "list":
			var list []json.RawMessage
			if json.Unmarshal(m.value, &list) == nil && len(list) > 0 {
				out = append(out, prefix+m.name+".0")
				if kindOf(list[0]) == "object" {
					out = append(out, paths(list[0], prefix+m.name+".0.")...)
				}
			}
		}
	}
	return out
}

func at(params json.RawMessage, path string) json.RawMessage {
	name, rest, deeper := strings.Cut(path, ".")
	for _, m := range members(params) {
		switch {
		case m.name != name:
		case !deeper:
			return m.value
		case rest == "0" || strings.HasPrefix(rest, "0."):
			var list []json.RawMessage
			_ = json.Unmarshal(m.value, &list)
			if rest == "0" {
				return list[0]
			}
			return at(list[0], rest[2:])
		default:
			return at(m.value, rest)
		}
	}
	panic(path)
}

// with puts a value in the place of a member, or takes the member away.
func with(params json.RawMessage, path, value string) json.RawMessage {
	name, rest, deeper := strings.Cut(path, ".")
	var out []member
	for _, m := range members(params) {
		switch {
		case m.name != name:
		case deeper && rest == "0" && value == "":
			m.value = json.RawMessage("[]")
		case deeper && rest == "0":
			m.value = json.RawMessage("[" + value + "]")
		case deeper && strings.HasPrefix(rest, "0."):
			var list []json.RawMessage
			_ = json.Unmarshal(m.value, &list)
			m.value = json.RawMessage("[" + string(with(list[0], rest[2:], value)) + "]")
		case deeper:
			m.value = with(m.value, rest, value)
		case value == "":
			continue
		default:
			m.value = json.RawMessage(value)
		}
		out = append(out, m)
	}
	return object(out)
}

func reversed(params json.RawMessage) json.RawMessage {
	list := members(params)
	slices.Reverse(list)
	return object(list)
}

// twice says every member twice: the last one counts, as everywhere in JSON.
func twice(params json.RawMessage) json.RawMessage {
	list := members(params)
	return object(slices.Concat(list, list))
}

// requestMembers are all members of what clients send and agents serve, as Type.member.
func requestMembers() map[string]bool {
	p := schema.Load()
	out := map[string]bool{}
	var walk func(name string)
	walk = func(name string) {
		typ, ok := p.Type(name)
		if !ok || typ.Later {
			return
		}
		for _, f := range typ.Fields {
			if member := name + "." + f.Name; !f.Later && !out[member] {
				out[member] = true
				walk(f.Kind)
			}
		}
	}
	for _, m := range p.Messages {
		if !m.Notification && !m.Later {
			walk(m.Params)
		}
	}
	return out
}

// typedMember says which type's member a path within the params of a method is.
func typedMember(method, path string) string {
	p := schema.Load()
	m, _ := p.Message(method)
	name := m.Params
	steps := strings.Split(path, ".")
	for i, step := range steps {
		if step == "0" {
			continue
		}
		typ, _ := p.Type(name)
		j := slices.IndexFunc(typ.Fields, func(f schema.Field) bool { return f.Name == step })
		if j < 0 {
			return name + "." + strings.Join(steps[i:], ".") // the document does not know it
		}
		if i == len(steps)-1 {
			return name + "." + step
		}
		name = typ.Fields[j].Kind
	}
	return name + "." + path
}

// TestWrongOrder plays testdata/his/order.tsv: requests that are right each by itself, in an order that makes no sense.
func TestWrongOrder(t *testing.T) {
	p := start(t, nil, "demo", "--json", "--no-tap", "--latency", "0")
	v := &vandal{t: t, token: p.token("--desktop", "--rights", "read,insurance,face,simulator"), addr: p.addr(), setup: "session", spoilt: map[string]bool{}}
	defer v.hangUp()
	raw, err := os.ReadFile("../../testdata/his/order.tsv")
	if err != nil {
		t.Fatal(err)
	}
	story := ""
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("line %q", line)
		}
		if f[0] != "" {
			story = f[0]
			v.hangUp()
			v.connected()
		}
		if got := v.ask(f[1], json.RawMessage(f[2])); got != f[3] {
			t.Errorf("%s: %s %s gives %s, want %s", story, f[1], f[2], got, f[3])
		}
	}
}
