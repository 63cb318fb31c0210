package reference_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/his/reference"
	"github.com/tapcheck/tapcheck/agent/his/schema/schematest"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/portrait"
	"github.com/tapcheck/tapcheck/agent/settings"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == portrait.ChildArg {
		os.Exit(portrait.RunChild(os.Stdin, os.Stdout)) // the agent of the test decodes pictures in a child of this program
	}
	os.Exit(m.Run())
}

// TestInABrowser looks at the pages as a vendor does, in Chromium and from the real agent: at the width of a laptop nothing
// sticks out, nothing that the page's policy forbids is tried, and the quickstart's page brings a patient's data from nothing.
func TestInABrowser(t *testing.T) {
	agentAt, token, port, origin := demo(t)
	allocator, stop := chromedp.NewExecAllocator(t.Context(),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1366, 768),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true))
	defer stop()
	ctx, end := chromedp.NewContext(allocator)
	defer end()
	ctx, enough := context.WithTimeout(ctx, time.Minute) // nothing takes that long; a loaded machine may
	defer enough()
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium is needed and does not run (%v): `make test` installs it (Debian package chromium)", err)
	}
	open := func(url string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
			t.Fatalf("%s: %v", url, err)
		}
	}
	ask := func(script string) string {
		t.Helper()
		s, err := chromedp.Run(ctx, chromedp.Evaluate[string](script))
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return s
	}
	axe, err := os.ReadFile(filepath.Join("..", "..", "..", ".tapcheck", "axe.min.js"))
	if err != nil {
		t.Fatalf("axe-core is not there, installer/setup.sh test fetches it: %v", err)
	}
	shots := filepath.Join(t.ArtifactDir(), "docs")
	if err := os.MkdirAll(shots, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"", "methods", "types", "verdicts", "errors", "transport", "browsers", "compat"} {
		open("http://" + agentAt + reference.Prefix + page)
		if got := ask(`document.documentElement.scrollWidth + " " + document.styleSheets[0].cssRules.length`); !strings.HasPrefix(got, "1") || got[:4] > "1366" || strings.HasSuffix(got, " 0") {
			t.Errorf("%q: width and rules of the style sheet: %s", page, got)
		}
		if got := ask(`[...document.querySelectorAll("h1, nav a, p, td")].filter((e) => parseFloat(getComputedStyle(e).fontSize) < 13).map((e) => e.outerHTML).join("\n")`); got != "" {
			t.Errorf("%q: too small to read: %s", page, got)
		}
		ask(string(axe) + `; ""`)
		found, err := chromedp.Run(ctx, chromedp.Evaluate[string](
			`axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join("; ")).join("\n"))`, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
		if err != nil || found != "" {
			t.Errorf("%q: axe: %s %v", page, found, err)
		}
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(filepath.Join(shots, "page-"+page+".png"), png, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
	// A vendor's own server, and what the quickstart says to do.
	open(origin)
	ask(fmt.Sprintf(`document.getElementById("token").value = %q; document.getElementById("key").value = "012345"; document.getElementById("start").click(); ""`, token))
	for {
		if ask(`document.getElementById("next").textContent`) != "" {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatal("no result: ", ask(`document.getElementById("say").textContent`))
		case <-time.After(20 * time.Millisecond):
		}
	}
	if got := ask(`document.getElementById("say").textContent + ": " + document.getElementById("name").textContent + " " + (document.getElementById("photo").naturalWidth > 0)`); got != "complete: Nguyễn Văn An, 1999-01-01 true" {
		t.Errorf("the page says %q, from port %d", got, port)
	}
}

// demo starts an agent with invented cards and a vendor's web server with the quickstart's page.
func demo(t *testing.T) (at, token string, port int, origin string) {
	t.Helper()
	sim, err := agent.NewSimulation(t.Context(), agent.SimulationOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	w := httptest.NewRecorder()
	reference.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, reference.Prefix+"quickstart.txt", nil))
	var page string
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page)
	}))
	t.Cleanup(vendor.Close)

	dir := filepath.Join(t.TempDir(), "data")
	if err := keys.Claim(dir, true); err != nil {
		t.Fatal(err)
	}
	tokens, err := keys.OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err = tokens.Add(keys.TokenRequest{Origin: vendor.URL, Rights: []string{keys.RightRead, keys.RightInsurance, keys.RightSimulator}})
	if err != nil {
		t.Fatal(err)
	}
	s := settings.Default()
	s.HIS.Ports = []int{0}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan agent.Ready, 1), make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, agent.Options{
			Settings: s, DataDir: dir, Log: zerolog.Nop(), Readers: sim.Readers, Insurer: sim.Insurer, Trust: sim.Trust, Simulation: sim,
			Frames: schematest.Watch(t), Ready: func(r agent.Ready) { ready <- r },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case r := <-ready:
		at = r.Addr
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	addr, err := net.ResolveTCPAddr("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	// The agent of the test has a port of its own, where a real one has the first of the four.
	page = strings.Replace(w.Body.String(), "[27480, ", fmt.Sprintf("[%d, ", addr.Port), 1)
	return at, token, addr.Port, vendor.URL
}
