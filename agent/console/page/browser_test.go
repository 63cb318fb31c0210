package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/tapcheck/tapcheck/agent/portrait"
)

// One browser serves all tests of this package; each test has a tab and an agent of its own, so most run beside each other. Those that
// look into the clipboard, which is the browser's, do not.
var (
	browserOnce sync.Once
	browserCtx  context.Context
	browserStop []func()
	browserErr  error
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == portrait.ChildArg { // the agent starts itself again to decode a picture
		os.Exit(portrait.RunChild(os.Stdin, os.Stdout))
	}
	status := m.Run()
	for i := len(browserStop) - 1; i >= 0; i-- {
		browserStop[i]()
	}
	os.Exit(status)
}

func chromium(t *testing.T) context.Context {
	t.Helper()
	browserOnce.Do(func() {
		path := ""
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
			if p, err := exec.LookPath(name); err == nil {
				path = p
				break
			}
		}
		if path == "" {
			browserErr = fmt.Errorf("no Chromium: installer/setup.sh test installs it")
			return
		}
		profile, err := os.MkdirTemp("", "tapcheck-chromium-")
		if err != nil {
			browserErr = err
			return
		}
		camera := filepath.Join(profile, "camera.y4m")
		if err := writeCamera(camera); err != nil {
			browserErr = err
			return
		}
		options := []chromedp.ExecAllocatorOption{
			chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU, chromedp.UserDataDir(profile),
			chromedp.WindowSize(1366, 768), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-timer-throttling", true),
			chromedp.Flag("disable-renderer-backgrounding", true), chromedp.Flag("disable-backgrounding-occluded-windows", true), chromedp.Flag("mute-audio", true),
			chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-file-for-fake-video-capture", camera), chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		}
		alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stop := chromedp.NewContext(alloc)
		browserStop = append(browserStop, func() { os.RemoveAll(profile) }, stopAlloc, stop)
		if err := chromedp.Do(ctx); err != nil {
			browserErr = err
			return
		}
		browserCtx = ctx
	})
	if browserErr != nil {
		t.Fatal(browserErr)
	}
	return browserCtx
}

// tab is the page in a browser of 1366×768, watched: a request to anywhere else, a violation of the policy, and an error
// of a script fail the test.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	problems []string
	allowed  []string // parts of problems that a test provokes
}

func openTab(t *testing.T, base string) *tab {
	t.Helper()
	parent := chromium(t)
	ctx, stop := chromedp.NewContext(parent)
	p := &tab{t: t, base: base}
	t.Cleanup(func() {
		stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, s := range p.problems {
			t.Error(s)
		}
	})
	host := strings.TrimPrefix(base, "http://")
	if err := chromedp.Do(ctx); err != nil { // the tab's life hangs on this context
		t.Fatal(err)
	}
	limited, stopTime := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stopTime)
	p.ctx = limited
	err := chromedp.Listen(ctx, func(e any) {
		switch e := e.(type) {
		case *network.EventRequestWillBeSent:
			if u := e.Request.URL; !strings.HasPrefix(u, base+"/") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:"+base) {
				p.problem("a request left the page: " + u)
			}
		case *network.EventWebSocketCreated:
			if e.URL != "ws://"+host+"/v1" {
				p.problem("a websocket to elsewhere: " + e.URL)
			}
		case *runtime.EventExceptionThrown:
			d := e.ExceptionDetails
			text := d.Text
			if d.Exception != nil {
				text += " " + d.Exception.Description
			}
			p.problem("script: " + text)
		case *log.EventEntryAdded:
			if e.Entry.Level == "error" {
				p.problem("browser: " + e.Entry.Text + " " + e.Entry.URL)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	command(p, network.Enable, network.EnableParams{})
	command(p, log.Enable, cdp.Empty{})
	p.resize(1366, 768)
	command(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}})
	return p
}

func (p *tab) problem(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.allowed {
		if strings.Contains(text, a) {
			return
		}
	}
	if len(p.problems) < 20 {
		p.problems = append(p.problems, text)
	}
}

func (p *tab) allow(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, part)
}

// command sends one command of the browser's protocol.
func command[P, R any](p *tab, cmd cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, cmd, params)
	if err != nil {
		p.t.Fatalf("%s: %v", cmd.Method, err)
	}
	return r
}

func (p *tab) resize(width, height int64) {
	p.t.Helper()
	command(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
}

func (p *tab) open(fragment string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Navigate(p.base+"/console/"+fragment)); err != nil {
		p.t.Fatal(err)
	}
}

// eval gives the JSON value of an expression.
func (p *tab) eval(expression string, into any) {
	p.t.Helper()
	raw, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]byte]("(async () => ("+expression+"))()", chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
	if err == nil && into != nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		if len(expression) > 300 {
			expression = expression[:300]
		}
		p.t.Fatalf("%v, in: %s", err, expression)
	}
}

// until waits for an expression to become true.
func (p *tab) until(what, expression string) {
	p.t.Helper()
	p.waits(10*time.Second, what, expression)
}

func (p *tab) waits(patience time.Duration, what, expression string) {
	p.t.Helper()
	var ok bool
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(15 * time.Millisecond) {
		if p.eval("Boolean("+expression+")", &ok); ok {
			return
		}
	}
	var body string
	p.eval("document.body.innerText.slice(0, 1500)", &body)
	p.shot("failed-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, what))
	p.t.Fatalf("never: %s (%s); the page shows:\n%s", what, expression, body)
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// sees waits until a text is visible.
func (p *tab) sees(text string) {
	p.t.Helper()
	p.until("sees "+text, "document.body.innerText.includes("+quote(text)+")")
}

// key presses a key as a person does: not as fast as a scanner.
func (p *tab) key(name string) {
	p.t.Helper()
	time.Sleep(75 * time.Millisecond)
	code, vk, text := name, int64(0), ""
	switch {
	case name == "Enter":
		vk, text = 13, "\r"
	case name == "Tab":
		vk = 9
	case name == "Esc":
		name, code, vk = "Escape", "Escape", 27
	case name == "ArrowRight":
		vk = 39
	case name == " ":
		code, vk, text = "Space", 32, " "
	case len(name) == 1:
		code, vk, text = "Digit"+name, int64(name[0]), name
	case strings.HasPrefix(name, "F"):
		var n int64
		fmt.Sscanf(name[1:], "%d", &n)
		vk = 111 + n
	}
	e := input.DispatchKeyEventParams{Type: "rawKeyDown", Key: name, Code: code, WindowsVirtualKeyCode: vk, Text: text}
	if text != "" {
		e.Type = "keyDown"
	}
	command(p, input.DispatchKeyEvent, e)
	e.Type, e.Text = "keyUp", ""
	command(p, input.DispatchKeyEvent, e)
}

// typed puts a text into the focused input, at once and not key by key.
func (p *tab) typed(text string) {
	p.t.Helper()
	command(p, input.InsertText, input.InsertTextParams{Text: text})
}

func (p *tab) login() {
	p.t.Helper()
	p.open("")
	p.sees("Đăng nhập quầy")
	p.typed("lan.nguyen")
	p.key("Tab")
	p.typed("730512")
	p.key("Enter")
	p.until("the desk", "document.querySelector('.desk')")
}

// shots is the folder for screenshots: TAPCHECK_SHOTS, or one that goes with the test.
func (p *tab) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("TAPCHECK_SHOTS")
	if dir == "" {
		dir = p.t.TempDir()
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Logf("no screenshot: %v", err)
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

var axeSource = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", ".tapcheck", "axe.min.js"))
	return string(b), err
})

// look holds a state to what is promised of every state: axe-core finds nothing, no text is smaller than 18 px, nothing is
// wider than the window; and where fits, nothing scrolls and nothing is cut off. It leaves a screenshot.
func (p *tab) look(name string, fits bool) {
	p.t.Helper()
	p.shot(name)
	var small []string
	p.eval(`[...document.querySelectorAll("body *")].filter((e) => {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && !e.matches("input, select, textarea")) return false;
		if (!e.getClientRects().length || e.closest(".visually-hidden, noscript")) return false;
		return parseFloat(getComputedStyle(e).fontSize) < 18;
	}).map((e) => e.tagName + " " + e.textContent.slice(0, 40) + " " + getComputedStyle(e).fontSize)`, &small)
	for _, s := range small {
		p.t.Errorf("%s: text below 18 px: %s", name, s)
	}
	var wide, tall bool
	p.eval(`document.documentElement.scrollWidth > innerWidth`, &wide)
	p.eval(`document.documentElement.scrollHeight > innerHeight`, &tall)
	if wide {
		p.t.Errorf("%s is wider than the window", name)
	}
	if fits {
		if tall {
			p.t.Errorf("%s scrolls at 1366×768", name)
		}
		var cut []string
		p.eval(`[...document.querySelectorAll(".desk, .desk section, .desk aside, .hero, .form-card, .known, .judged, .banner, .actions-bar")].filter((e) => e.getClientRects().length)
			.filter((e) => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().bottom > innerHeight + 1)
			.map((e) => e.className + " " + e.scrollWidth + "x" + e.scrollHeight + " in " + e.clientWidth + "x" + e.clientHeight)`, &cut)
		for _, c := range cut {
			p.t.Errorf("%s: cut off: %s", name, c)
		}
	}
	source, err := axeSource()
	if err != nil {
		p.t.Fatalf("axe-core is not there, installer/setup.sh test fetches it: %v", err)
	}
	p.eval("(window.focused = document.activeElement, true)", nil)
	defer p.eval("(window.focused && window.focused.isConnected && window.focused.focus(), true)", nil) // axe moves it
	var there bool
	if p.eval("Boolean(window.axe)", &there); !there {
		p.eval("(() => {"+source+"; return true; })()", nil)
	}
	var findings []string
	p.eval(`axe.run(document, {resultTypes: ["violations"], preload: false, iframes: false}).then((r) => r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.target.join(" ") + " " + (n.any[0] ? n.any[0].message : "")).join("; ")))`, &findings)
	for _, f := range findings {
		p.t.Errorf("%s: axe: %s", name, f)
	}
}

// drawPortrait makes a picture that can stand for a chip's photo and shows nobody.
var drawPortrait = sync.OnceValue(func() []byte {
	const w, h = 240, 320
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{214, 222, 233, 255}
			fx, fy := float64(x)-w/2, float64(y)
			switch {
			case math.Hypot(fx/58, (fy-135)/74) < 1:
				c = color.RGBA{222, 184, 156, 255}
			case math.Hypot(fx/64, (fy-112)/80) < 1 && fy < 120:
				c = color.RGBA{46, 38, 36, 255}
			case math.Hypot(fx/112, (fy-330)/120) < 1:
				c = color.RGBA{64, 84, 120, 255}
			}
			m.Set(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
})

func (p *tab) reload() {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Reload()); err != nil {
		p.t.Fatal(err)
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
