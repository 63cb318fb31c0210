package compat

import (
	"context"
	"crypto/hmac"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/mapping"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// told keeps what was put on record. The engine asks it for nothing else.
type told struct {
	checkin.Book
	mu   sync.Mutex
	list []journal.Disclosure
}

func (b *told) PutCheckin(context.Context, journal.Checkin) error { return nil }
func (b *told) PutDisclosure(_ context.Context, d journal.Disclosure) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, d)
	return nil
}
func (b *told) SignerSeen(context.Context, string) (int, error)   { return 0, nil }
func (b *told) PutLookup(context.Context, journal.Lookup) error   { return nil }
func (b *told) PutAttempt(context.Context, journal.Attempt) error { return nil }

// bench is a bridge on the real engine, a virtual reader and simulated chips.
type bench struct {
	t      *testing.T
	engine *checkin.Engine
	slot   *virtual.Slot
	bridge *Bridge
	book   *told
	active atomic.Pointer[string]
}

var everything = append(append([]string{}, keys.DefaultFields...), keys.SensitiveFields...)

func build(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	m := virtual.New()
	b := &bench{t: t, slot: m.Add("Desk", true), book: &told{}}
	b.engine = checkin.New(checkin.Config{
		Readers: m, Read: icao.Read, Book: b.book, WaitForNeed: 2 * time.Second,
		Portrait: func(context.Context, lds.Portrait) (checkin.Picture, error) {
			return checkin.Picture{MIME: "image/jpeg", Width: 3, Height: 4, Data: []byte("jpeg")}, nil
		},
	})
	c := Config{Engine: b.engine, Readers: m, Mapping: mapping.Builtin(), Fields: everything, Active: func(context.Context) (string, bool) {
		if s := b.active.Load(); s != nil {
			return *s, true
		}
		return "", false
	}}
	change(&c)
	b.bridge = New(c)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.bridge.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.engine.Close(last); err != nil {
			t.Error(err)
		}
		_ = m.Close()
	})
	return b
}

func (b *bench) sits(session string) { b.active.Store(&session) }

var issuer = sync.OnceValues(func() (*chip.Issuer, error) { return chip.NewIssuer(chip.IssuerOptions{Seed: []byte("compat")}) })

func (b *bench) put(who chip.Persona, profile string, o chip.Options) {
	b.t.Helper()
	iss, err := issuer()
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := chip.ProfileByName(profile)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := chip.New(p, who, iss, o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.slot.Insert(c)
}

func persona(t *testing.T, name string) chip.Persona {
	t.Helper()
	who, err := chip.PersonaByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

// hear gives the events that a client gets, until one with an id comes.
func hear(t *testing.T, ws *websocket.Conn, until int) (out []map[string]any) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		_, raw, err := ws.ReadMessage()
		if err != nil {
			t.Fatalf("%v after %v", err, out)
		}
		body, is := strings.CutPrefix(string(raw), "42")
		if !is {
			continue
		}
		var e []any
		if err := json.Unmarshal([]byte(body), &e); err != nil || len(e) != 2 || e[0] != "/event" {
			t.Fatalf("not the dialect: %s", raw)
		}
		m := e[1].(map[string]any)
		out = append(out, m)
		if int(m["id"].(float64)) == until {
			return out
		}
	}
}

func texts(m map[string]any) map[string]string {
	out := map[string]string{}
	data, _ := m["data"].(map[string]any)
	for k, v := range data {
		out[k] = fmt.Sprint(v)
	}
	return out
}

// The whole way of the box: a card, its key from the scanner, and the events that its HIS waits for.
func TestACardOverSocketIO(t *testing.T) {
	s, addr := serving(t, nil)
	b := build(t, func(c *Config) { c.SocketIO = s })
	ws := dial(t, addr, 3)
	until(t, "it listens", func() bool { return len(s.Sessions()) == 1 })
	who := persona(t, "an")

	// The card first, then the scan.
	b.put(who, "cccd-mk", chip.Options{})
	until(t, "the job asks for a key", func() bool { q := b.engine.Queue(); return len(q) == 1 && q[0].Need == checkin.NeedKey })
	if !b.engine.OfferScan(t.Context(), "uid:1000", who.QR()) {
		t.Fatal("the scan is not taken")
	}
	got := hear(t, ws, idFiles)
	if len(got) != 3 || got[0]["message"] != "new card!" {
		t.Fatalf("%v", got)
	}
	person := texts(got[1])
	if person["idCode"] != who.Number || person["personName"] != who.FullName || person["religion"] != who.Religion || len(person) != 16 {
		t.Errorf("%v", person)
	}
	files := texts(got[2])
	for _, f := range []string{"img_data", "dg2", "dg13", "dg14", "dg15", "sod"} {
		if files[f] == "" {
			t.Errorf("no %s", f)
		}
	}
	b.slot.Remove()

	// The scan first, then the card: it opens this one, and is then forgotten.
	if !b.bridge.OfferScan(t.Context(), "uid:1000", who.QR()) {
		t.Fatal("the scan is not kept")
	}
	b.put(who, "cccd-mk", chip.Options{})
	if got := hear(t, ws, idFiles); len(got) != 3 {
		t.Errorf("%v", got)
	}
	b.slot.Remove()
	b.put(who, "cccd-mk", chip.Options{})
	got = hear(t, ws, idError) // nobody gives a key
	if words := fmt.Sprint(got[len(got)-1]["message"]); !strings.Contains(words, catalog.New(catalog.KeyMissing, nil).Wire(catalog.VI).Text) {
		t.Errorf("%s", words)
	}
	if b.bridge.OfferScan(t.Context(), "uid:1000", "https://his.example/") || b.bridge.OfferScan(t.Context(), "uid:1001", who.QR()) {
		t.Error("no key of anybody, or another session's, is kept")
	}
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	record := ""
	for _, d := range b.book.list {
		record += d.To + ": " + strings.Join(d.Fields, ",") + "\n"
	}
	for _, want := range []string{"compat:socketio uid:1000: ", "religion", "file.DG13", "portrait"} {
		if !strings.Contains(record, want) {
			t.Errorf("%s is not on record:\n%s", want, record)
		}
	}
}

// What the ceiling does not name does not leave, neither as text nor within a file.
func TestTheCeilingHolds(t *testing.T) {
	s, addr := serving(t, nil)
	b := build(t, func(c *Config) { c.SocketIO, c.Fields = s, []string{"number", "fullName"} })
	ws := dial(t, addr, 3)
	until(t, "it listens", func() bool { return len(s.Sessions()) == 1 })
	who := persona(t, "an")
	b.bridge.OfferScan(t.Context(), "", who.QR())
	b.put(who, "cccd-mk", chip.Options{})
	got := hear(t, ws, idFiles)
	for name, text := range texts(got[1]) {
		if want := map[string]string{"idCode": who.Number, "personName": who.FullName}[name]; text != want {
			t.Errorf("%s is %q", name, text)
		}
	}
	files := texts(got[2])
	if files["img_data"] != "" || files["dg2"] != "" || files["dg13"] != "" || files["sod"] != "" || files["dg14"] == "" {
		t.Errorf("%v", files)
	}
}

// A card that failed a proof goes nowhere: the dialect has no word for it but an error.
func TestAForgedCardIsWithheld(t *testing.T) {
	for name, o := range map[string]struct {
		profile string
		issue   chip.IssueOptions
	}{
		"changed after it was signed":       {"cccd-mk", chip.IssueOptions{ReplaceAfter: map[string][]byte{"DG13": {0x6D, 0x02, 0x31, 0x00}}}},
		"a copy, which cannot prove itself": {"clone", chip.IssueOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			s, addr := serving(t, nil)
			hook := receive(t, nil)
			b := build(t, func(c *Config) { c.SocketIO, c.Webhook = s, hook.webhook })
			ws := dial(t, addr, 3)
			until(t, "it listens", func() bool { return len(s.Sessions()) == 1 })
			who := persona(t, "an")
			b.bridge.OfferScan(t.Context(), "", who.QR())
			b.put(who, o.profile, chip.Options{Issue: o.issue})
			got := hear(t, ws, idError)
			for _, e := range got {
				if e["data"] != nil {
					t.Errorf("%v", e)
				}
			}
			if len(hook.got()) != 0 {
				t.Error("the webhook got it")
			}
		})
	}
}

// A card belongs to whoever sits at the PC, and to nobody else; a program of our own protocol comes first.
func TestWhoseCard(t *testing.T) {
	is := &sessions{is: "uid:1000"}
	s, addr := serving(t, func(c *SocketIOConfig) { c.Session = is.of })
	b := build(t, func(c *Config) { c.SocketIO = s })
	mine := dial(t, addr, 3)
	until(t, "one listens", func() bool { return len(s.Sessions()) == 1 })
	is.set("uid:1001")
	theirs := dial(t, addr, 3)
	until(t, "two listen", func() bool { return len(s.Sessions()) == 2 })
	for _, c := range []struct {
		active string
		want   string
	}{{"", ""}, {"uid:1001", "uid:1001"}, {"uid:1000", "uid:1000"}, {"uid:1002", ""}} {
		if b.active.Store(nil); c.active != "" {
			b.sits(c.active)
		}
		to, ok := b.bridge.whose(t.Context())
		if ok != (c.want != "") || ok && to.owner.Session != c.want {
			t.Errorf("%q sits there: %+v, %v", c.active, to, ok)
		}
	}
	b.sits("uid:1001")
	who := persona(t, "an")
	b.bridge.OfferScan(t.Context(), "", who.QR())
	b.put(who, "cccd-mk", chip.Options{})
	if got := hear(t, theirs, idFiles); len(got) != 3 {
		t.Errorf("%v", got)
	}
	b.slot.Remove()

	// A program that waits for the card gets it, and the dialect not a word.
	own := checkin.Owner{Client: "https://his.example", Session: "uid:1001"}
	if _, err := b.engine.Start(t.Context(), own, checkin.Rights{Read: true, Fields: everything}, catalog.VI,
		checkin.Request{JobID: "j", Means: checkin.MeansChip, Key: &checkin.KeyInput{CAN: who.CAN()}}); err != nil {
		t.Fatal(err)
	}
	b.put(who, "cccd-mk", chip.Options{})
	until(t, "the program has it", func() bool {
		st, err := b.engine.Status(t.Context(), own, "j")
		return err == nil && st.State == checkin.Complete
	})
	until(t, "nothing is under way", func() bool { return len(b.engine.Queue()) == 0 })
	s.Send("uid:1000", event{ID: 9})
	s.Send("uid:1001", event{ID: 9})
	for name, ws := range map[string]*websocket.Conn{"mine": mine, "theirs": theirs} {
		if got := hear(t, ws, 9); len(got) != 1 {
			t.Errorf("%s heard %v", name, got)
		}
	}
}

// receiver is a HIS that takes the webhook.
type receiver struct {
	webhook *Webhook
	mu      sync.Mutex
	bodies  []string
	heads   []http.Header
	answers []int // one a request, the last one again
	failing atomic.Bool
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	raw, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	r.bodies, r.heads = append(r.bodies, string(raw)), append(r.heads, q.Header)
	status := 200
	if n := len(r.answers); n > 0 {
		status = r.answers[min(len(r.bodies), n)-1]
	}
	r.mu.Unlock()
	if status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
}

// receive starts a HIS and a webhook to it.
func receive(t *testing.T, change func(*WebhookConfig, *receiver) *httptest.Server) *receiver {
	t.Helper()
	r := &receiver{}
	c := WebhookConfig{Failing: r.failing.Store, pause: time.Millisecond}
	var srv *httptest.Server
	if change != nil {
		srv = change(&c, r)
	}
	if srv == nil {
		srv = httptest.NewServer(r)
	} else {
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	}
	t.Cleanup(srv.Close)
	if c.URL == "" {
		c.URL = srv.URL + "/his"
	}
	var err error
	if r.webhook, err = NewWebhook(c); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.webhook.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return r
}

// The webhook's JSON, with the names of the JTH desktop program, signed.
func TestACardOverTheWebhook(t *testing.T) {
	hook := receive(t, func(c *WebhookConfig, _ *receiver) *httptest.Server { c.Secret = []byte("secret"); return nil })
	b := build(t, func(c *Config) { c.Webhook = hook.webhook })
	who := persona(t, "binh")
	if !b.bridge.OfferScan(t.Context(), "", who.QR()) {
		t.Fatal("the scan is not kept")
	}
	b.put(who, "cccd-mk", chip.Options{})
	until(t, "it is delivered", func() bool { return len(hook.got()) == 1 })
	var body map[string]string
	if err := json.Unmarshal([]byte(hook.got()[0]), &body); err != nil {
		t.Fatal(err)
	}
	if body["id_card"] != who.Number || body["full_name"] != who.FullName || body["id_img"] != "anBlZw==" || len(body) != 17 {
		t.Errorf("%v", body)
	}
	if !strings.HasPrefix(hook.got()[0], `{"id_card":"`) {
		t.Error("the fields are not in their order")
	}
	h := hook.heads[0]
	if !hmac.Equal([]byte(h.Get(HeaderSignature)), []byte(Sign([]byte("secret"), h.Get(HeaderTimestamp), []byte(hook.got()[0])))) || len(h.Get(HeaderDelivery)) != 26 {
		t.Errorf("%v", h)
	}
}

// What a delivery does with each answer: it tries again where that can help, follows nobody, and says when it has failed.
func TestDeliveries(t *testing.T) {
	pool := x509.NewCertPool()
	for name, c := range map[string]struct {
		setup   func(*WebhookConfig, *receiver) *httptest.Server
		answers []int
		tries   int
		failing bool
	}{
		"taken":                   {answers: []int{204}, tries: 1},
		"down for a moment":       {answers: []int{503, 500, 200}, tries: 3},
		"down":                    {answers: []int{503}, tries: hookTries, failing: true},
		"refused":                 {answers: []int{400}, tries: 1, failing: true},
		"not let in":              {answers: []int{401}, tries: 1, failing: true},
		"sent elsewhere":          {answers: []int{302}, tries: 1, failing: true},
		"a certificate of nobody": {setup: func(_ *WebhookConfig, r *receiver) *httptest.Server { return httptest.NewTLSServer(r) }, failing: true},
		"a certificate of a known CA": {setup: func(c *WebhookConfig, r *receiver) *httptest.Server {
			srv := httptest.NewTLSServer(r)
			pool.AddCert(srv.Certificate())
			c.tls = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
			return srv
		}, tries: 1},
		"nobody there":   {setup: func(c *WebhookConfig, _ *receiver) *httptest.Server { c.URL = "http://127.0.0.1:1/"; return nil }, failing: true},
		"not on this PC": {setup: func(c *WebhookConfig, _ *receiver) *httptest.Server { c.URL = "http://192.0.2.1/"; return nil }, failing: true},
	} {
		t.Run(name, func(t *testing.T) {
			logged := make(chan map[string]any, 1)
			r := receive(t, func(w *WebhookConfig, r *receiver) *httptest.Server {
				r.answers = c.answers
				w.Log = func(_ string, fields map[string]any) { logged <- fields }
				if c.setup != nil {
					return c.setup(w, r)
				}
				return nil
			})
			r.webhook.Send("01M8", []mapping.Pair{{Name: "full_name", Value: "Nguyễn Văn An"}})
			var said map[string]any
			select {
			case said = <-logged:
			case <-time.After(20 * time.Second):
				t.Fatal("it does not end")
			}
			until(t, "it is said", func() bool { return r.failing.Load() == c.failing })
			if n := len(r.got()); n != c.tries {
				t.Errorf("%d tries, want %d", n, c.tries)
			}
			if text := fmt.Sprint(said); strings.Contains(text, "Văn") || strings.Contains(text, "http") {
				t.Errorf("logged: %s", text)
			}
		})
	}
	for _, bad := range []string{"", "ftp://x", "https://", "x"} {
		if _, err := NewWebhook(WebhookConfig{URL: bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// What waits is bounded, and the one that is too many counts as a failure.
func TestTheWebhooksQueueIsBounded(t *testing.T) {
	var failing atomic.Bool
	h, err := NewWebhook(WebhookConfig{URL: "http://127.0.0.1:1/", Failing: failing.Store})
	if err != nil {
		t.Fatal(err)
	}
	for range hookQueue {
		h.Send("", nil)
	}
	if failing.Load() {
		t.Error("too early")
	}
	h.Send("", nil)
	if !failing.Load() {
		t.Error("nobody is told")
	}
}

// No more is asked of the engine than a mapping uses and the ceiling allows.
func TestTheRequestIsNoWiderThanTheMapping(t *testing.T) {
	own, err := mapping.Parse([]byte("[[webhook.fields]]\nname = \"a\"\nfrom = \"claim.HO_TEN\"\n[[webhook.fields]]\nname = \"b\"\nfrom = \"religion\"\n[[webhook.fields]]\nname = \"c\"\nfrom = \"eligibility.state\"\n[[webhook.fields]]\nname = \"d\"\nfrom = \"claim.MAXA_CU_TRU\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	hook, err := NewWebhook(WebhookConfig{URL: "http://127.0.0.1:1/"})
	if err != nil {
		t.Fatal(err)
	}
	b := New(Config{Readers: virtual.New(), Webhook: hook, Mapping: own, Fields: keys.DefaultFields, Insurer: true})
	r := b.request("r", recipient{owner: checkin.Owner{Client: ownerWebhook, Session: desk}})
	if d := cmp.Diff([]string{"portrait", "fullName", "residence"}, r.Fields); d != "" || *r.Portrait || r.Files != nil || r.Insurance != "agent" {
		t.Errorf("%+v %s", r, d)
	}
}

// scanning is an engine before and behind whose Start a scanner reads.
type scanning struct {
	*checkin.Engine
	before, behind func()
}

func (s scanning) Start(ctx context.Context, o checkin.Owner, r checkin.Rights, l catalog.Lang, req checkin.Request) (checkin.Accepted, error) {
	s.before()
	defer s.behind()
	return s.Engine.Start(ctx, o, r, l, req)
}

// A scan and a card come at the same time: whichever is looked at first, the key reaches the job.
func TestAScanWhileTheJobBegins(t *testing.T) {
	who := persona(t, "an")
	for when := range []string{"the engine knows of no job yet", "the engine was asked, and the job begins before the key is kept"} {
		s, addr := serving(t, nil)
		var b *bench
		ready := make(chan struct{})
		scan := func() {
			<-ready
			if !b.bridge.OfferScan(context.Background(), "uid:1000", who.QR()) {
				t.Error("the scan is not taken")
			}
		}
		b = build(t, func(c *Config) {
			e := scanning{c.Engine.(*checkin.Engine), func() {}, func() {}}
			if when == 0 {
				e.before = scan
			} else {
				e.behind = scan
			}
			c.Engine, c.SocketIO = e, s
		})
		close(ready)
		ws := dial(t, addr, 3)
		until(t, "it listens", func() bool { return len(s.Sessions()) == 1 })
		b.put(who, "cccd-mk", chip.Options{})
		if got := hear(t, ws, idFiles); len(got) != 3 {
			t.Errorf("%v", got)
		}
		if b.bridge.takeKey("uid:1000") != nil {
			t.Error("the key is kept for the next card")
		}
		b.slot.Remove()
	}
}
