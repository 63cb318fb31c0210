package manual

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestInABrowser looks at the pages as IT does, in Chromium and under the policy with which the agent serves them: at the width of
// a laptop and of a phone nothing sticks out, the style sheet is there, and axe has nothing against them.
func TestInABrowser(t *testing.T) {
	h := Handler("1.2.3")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", CSP)
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	axe, err := os.ReadFile(filepath.Join("..", "..", "..", ".tapcheck", "axe.min.js"))
	if err != nil {
		t.Fatalf("axe-core is not there, installer/setup.sh test fetches it: %v", err)
	}
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
	shots := filepath.Join(t.ArtifactDir(), "manual")
	if err := os.MkdirAll(shots, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"vi/index", "vi/windows", "en/settings", "vi/shared", "vi/troubleshooting"} {
		for name, width := range map[string]int64{"laptop": 1366, "phone": 400} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 768), chromedp.Navigate(server.URL+Prefix+page+".html")); err != nil {
				t.Fatalf("%s: %v", page, err)
			}
			wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth || document.styleSheets[0].cssRules.length < 10`))
			if err != nil || wide {
				t.Errorf("%s: sticks out of a %s, or has no style sheet (%v)", page, name, err)
			}
			if page == "vi/troubleshooting" && width < 1366 {
				continue // it is long, and only wraps otherwise
			}
			found, err := chromedp.Run(ctx, chromedp.Evaluate[string](string(axe)+
				`; axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join("; ")).join("\n"))`, chromedp.EvalAwaitPromise, chromedp.EvalAsValue))
			if err != nil || found != "" {
				t.Errorf("%s on a %s: axe: %s %v", page, name, found, err)
			}
			png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
			if err == nil {
				err = os.WriteFile(filepath.Join(shots, strings.ReplaceAll(page, "/", "-")+"-"+name+".png"), png, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
}
