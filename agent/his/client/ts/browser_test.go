package ts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/his/client/ts"
	"github.com/tapcheck/tapcheck/agent/his/schema/schematest"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/portrait"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// The pages of these tests come from names that only the browser of the tests knows.
const (
	secure   = "https://his.example.test"
	insecure = "http://his.example.test"
	frame    = "https://frame.example.test"
)

// patience bounds what is waited for in the browser. Nothing takes that long; a loaded machine may.
const patience = 40 * time.Second

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == portrait.ChildArg {
		os.Exit(portrait.RunChild(os.Stdin, os.Stdout)) // the agent of the tests decodes pictures in a child of this program
	}
	code := m.Run()
	for _, c := range chromes {
		c.end()
	}
	os.Exit(code)
}

// chrome is a Chromium, and the web servers whose pages it shows.
type chrome struct {
	flags []chromedp.ExecAllocatorOption
	// far has the pages come from the public network, as the browser sees it, and not from this PC.
	far bool

	start  sync.Once
	err    error
	ctx    context.Context
	end    func()
	nearby string // origin of a page that this PC serves
}

var (
	// restricted is Chromium as it is since version 147: a page from elsewhere reaches programs of this PC only with its
	// user's leave, and one without https not at all.
	restricted = &chrome{far: true, end: func() {}}
	// free is what the older ones are, and Firefox's websockets.
	free = &chrome{far: true, end: func() {}, flags: []chromedp.ExecAllocatorOption{
		chromedp.Flag("disable-features", "LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"),
	}}
	// managed is a PC whose IT has the HIS's plain http origin treated as a secure one (by flag; the policy is
	// OverrideSecurityRestrictionsOnInsecureOrigin).
	managed = &chrome{far: true, end: func() {}, flags: []chromedp.ExecAllocatorOption{chromedp.Flag("unsafely-treat-insecure-origin-as-secure", insecure)}}
	chromes = []*chrome{restricted, free, managed}
)

func (c *chrome) run(t *testing.T) {
	t.Helper()
	c.start.Do(func() {
		pages := http.NewServeMux()
		pages.Handle(ts.Prefix, ts.Handler())
		pages.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy",
				"default-src 'self'; connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:*; script-src 'self' http://127.0.0.1:*; img-src data: blob:; frame-src "+frame)
			if r.URL.Path == "/upgrade" {
				w.Header().Add("Content-Security-Policy", "upgrade-insecure-requests")
			}
			fmt.Fprint(w, `<!doctype html><meta charset="utf-8"><title>HIS</title><script src="/sockets.js"></script><script src="/client/tapcheck.js"></script>`)
			if allow := r.URL.Query().Get("frame"); allow != "" {
				fmt.Fprintf(w, `<iframe src="%s/" allow="%s"></iframe>`, frame, allow)
			}
		})
		// The page's websockets, for a test to cut; and in a frame, what the outer page asks of the client.
		pages.HandleFunc("/sockets.js", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = io.WriteString(w, sockets)
		})
		pages.HandleFunc("/sign", backend)
		pages.HandleFunc("/example/", example)
		tls, plain, local := httptest.NewTLSServer(pages), httptest.NewServer(pages), httptest.NewServer(pages)
		c.nearby = local.URL
		port := func(s *httptest.Server) int { return s.Listener.Addr().(*net.TCPAddr).Port }
		options := append([]chromedp.ExecAllocatorOption{
			chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
			chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-timer-throttling", true),
			chromedp.Flag("disable-renderer-backgrounding", true), chromedp.Flag("disable-backgrounding-occluded-windows", true),
			chromedp.Flag("host-resolver-rules", fmt.Sprintf("MAP *.example.test:443 127.0.0.1:%d, MAP *.example.test:80 127.0.0.1:%d", port(tls), port(plain))),
		}, c.flags...)
		if c.far {
			options = append(options, chromedp.Flag("ip-address-space-overrides", fmt.Sprintf("127.0.0.1:%d=public,127.0.0.1:%d=public", port(tls), port(plain))))
		}
		allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stopBrowser := chromedp.NewContext(allocator)
		c.ctx, c.err = ctx, chromedp.Do(ctx)
		c.end = func() {
			stopBrowser()
			stopAllocator()
			for _, s := range []*httptest.Server{tls, plain, local} {
				s.CloseClientConnections()
				s.Close()
			}
		}
	})
	if c.err != nil {
		t.Fatalf("Chromium is needed and does not run (%v): `make test` installs it (Debian package chromium)", c.err)
	}
}

const sockets = `
const sockets = [];
window.WebSocket = class extends WebSocket { constructor(...a) { super(...a); sockets.push(this); } };
addEventListener("message", async (e) => {
  if (!e.data.options) return;
  const before = (await navigator.permissions.query({ name: "loopback-network" })).state;
  const o = await new Tapcheck.Client(e.data.options).connect().then(() => ({ id: "ok" }), (f) => ({ id: f.id, detail: f.detail }));
  e.source.postMessage({ ...o, value: before }, "*");
});
`

// tab is a page that is open in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// open shows a page in a profile of its own, with nothing stored.
func (c *chrome) open(t *testing.T, url, permission string) *tab {
	t.Helper()
	c.run(t)
	ctx, end := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	b := &tab{t, ctx}
	b.do(func(context.Context) error { return chromedp.Do(ctx) }) // the tab's life hangs on this context
	if permission != "" {
		b.permit(permission)
	}
	b.show(url)
	return b
}

// another opens a further page of the same profile.
func (b *tab) another(url string) *tab {
	b.t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	b.t.Cleanup(end)
	other := &tab{b.t, ctx}
	other.do(func(context.Context) error { return chromedp.Do(ctx) })
	other.show(url)
	return other
}

func (b *tab) do(f func(context.Context) error) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := f(ctx); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) show(url string) {
	b.t.Helper()
	b.do(func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.Navigate(url)) })
}

// permit answers the browser's question for all pages of the profile: granted, denied, or prompt for not yet.
func (b *tab) permit(setting string) {
	b.t.Helper()
	b.do(func(ctx context.Context) error {
		var errs []error
		for _, name := range []string{"loopback-network", "local-network-access"} {
			_, err := chromedp.CallBrowser(ctx, browser.SetPermission, browser.SetPermissionParams{
				Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSetting(setting),
				BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
			})
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// preamble is what the scripts of the tests use. What they keep across evaluations they keep in window.
const preamble = `
const { Client, TapcheckError } = window.Tapcheck ?? {};
const make = (o = {}) => new Client({ client: { name: "test" }, language: "en", ...defaults, ...o });
const outcome = (p) => p.then((value) => ({ id: "ok", value }), (e) =>
  e instanceof TapcheckError ? { id: e.id, detail: e.detail, text: e.text, next: e.next, why: e.why, help: e.help, retriable: e.retriable, partial: e.result } : { id: String(e) });
const until = async (what, test) => { const end = Date.now() + 30000; for (;;) { const v = test(); if (v) return v; if (Date.now() > end) throw new Error("waited in vain for " + what); await new Promise((r) => setTimeout(r, 20)); } };
`

// run evaluates the body of an async function and decodes what it returns. defaults are the client's options.
func (b *tab) run(defaults any, script string, result any) {
	b.t.Helper()
	raw, err := json.Marshal(defaults)
	if err != nil {
		b.t.Fatal(err)
	}
	expression := fmt.Sprintf("(async () => { const defaults = %s; %s %s })().then((v) => JSON.stringify(v ?? null))", raw, preamble, script)
	b.do(func(ctx context.Context) error {
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
		if err != nil {
			return fmt.Errorf("%w\nin: %s", err, strings.TrimSpace(script))
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal([]byte(text), result)
	})
}

// desk is a PC with an agent, in this process: the whole agent, with a simulation in the place of readers and insurer.
type desk struct {
	t       *testing.T
	data    string
	ports   []int
	origins []string
	tokens  *keys.TokenStore

	sim  *agent.Simulation
	addr string
	stop func()
}

// newDesk starts an agent on the first of four free ports.
func newDesk(t *testing.T, origins ...string) *desk {
	t.Helper()
	d := prepareDesk(t, origins...)
	d.start()
	return d
}

func prepareDesk(t *testing.T, origins ...string) *desk {
	t.Helper()
	d := &desk{t: t, data: filepath.Join(t.TempDir(), "data"), ports: freePorts(t, 4), origins: origins}
	if err := keys.Claim(d.data, true); err != nil {
		t.Fatal(err)
	}
	var err error
	if d.tokens, err = keys.OpenTokens(d.data); err != nil {
		t.Fatal(err)
	}
	return d
}

func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// start runs the agent until d.stop or the end of the test.
func (d *desk) start() {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	sim, err := agent.NewSimulation(ctx, agent.SimulationOptions{Readers: 1, Seed: "browser"})
	if err != nil {
		d.t.Fatal(err)
	}
	s := settings.Default()
	s.HIS.Ports, s.HIS.Origins = d.ports, d.origins
	ready, ended := make(chan agent.Ready, 1), make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, agent.Options{
			Settings: s, DataDir: d.data, Version: "test", Log: zerolog.Nop(), Readers: sim.Readers, Insurer: sim.Insurer, Trust: sim.Trust,
			Simulation: sim, Frames: schematest.Watch(d.t), Ready: func(r agent.Ready) { ready <- r },
		})
	}()
	d.sim = sim
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, sim.Close()); err != nil {
			d.t.Errorf("the agent ended: %v", err)
		}
	})
	d.t.Cleanup(func() { d.stop() })
	select {
	case r := <-ready:
		d.addr = r.Addr
	case err := <-ended:
		ended <- err
		d.t.Fatal(err)
	}
}

// port that the agent has taken.
func (d *desk) port() int {
	_, port, _ := net.SplitHostPort(d.addr)
	n, _ := strconv.Atoi(port)
	return n
}

func (d *desk) token(origin string) string {
	d.t.Helper()
	secret, _, err := d.tokens.Add(keys.TokenRequest{Origin: origin, Rights: []string{keys.RightRead, keys.RightInsurance, keys.RightFace, keys.RightSimulator}})
	if err != nil {
		d.t.Fatal(err)
	}
	return secret
}

func (d *desk) key() keys.JWK {
	d.t.Helper()
	k, err := keys.Open(d.data)
	if err != nil {
		d.t.Fatal(err)
	}
	return k.PublicJWK()
}

// options are the client's for this desk.
func (d *desk) options(more map[string]any) map[string]any {
	o := map[string]any{"ports": d.ports}
	for k, v := range more {
		o[k] = v
	}
	return o
}

// outcome is what a call of the client came to.
type outcome struct {
	ID        string
	Value     json.RawMessage
	Detail    map[string]any
	Text      string
	Next      string
	Why       string
	Help      string
	Retriable bool
	Partial   json.RawMessage
}
