package compat

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// hisPage is a web HIS as it listens to the box: only the address is another.
const hisPage = `<!doctype html><meta charset="utf-8"><script src="/client.js?%[1]s"></script><script>
window.heard = [];
const socket = io("http://127.0.0.1:%[2]s", {transports: %[3]s, forceJSONP: %[4]s, reconnection: false});
socket.on("connect", () => heard.push("connect"));
for (const what of ["connect_error", "error"]) socket.on(what, () => heard.push("refused"));
socket.on("/event", (e) => heard.push(e.id + " " + (e.data ? e.data.personName : e.message)));
</script>`

// A page of a HIS in a real browser: an allowed one hears, over each transport and with either client; another page hears
// nothing, not even by the ways around the browser's own rules that the old client has (JSONP).
func TestPagesInABrowser(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("Chromium is not there: run installer/setup.sh test")
	}
	var port string
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch r.URL.Path {
		case "/client.js":
			name := map[string]string{"2": "socketio2/dist/socket.io.js", "4": "socketio4/dist/socket.io.min.js"}[r.URL.RawQuery]
			raw, err := os.ReadFile(filepath.Join("testdata", "socketio", "node_modules", filepath.FromSlash(name)))
			if err != nil {
				http.Error(w, "run installer/setup.sh test", http.StatusNotFound)
				return
			}
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write(raw)
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, hisPage, q.Get("version"), port, q.Get("transports"), q.Get("jsonp"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer pages.Close()
	s, addr := serving(t, func(c *SocketIOConfig) { c.Origins, c.Programs = []string{pages.URL}, true })
	_, port, _ = strings.Cut(addr, ":")

	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.CombinedOutput(io.Discard))
	defer stopAlloc()
	browser, stop := chromedp.NewContext(alloc)
	defer stop()
	defer func() { _ = chromedp.Cancel(browser) }() // waits for its end
	if err := chromedp.Do(browser); err != nil {
		t.Fatal(err)
	}
	heard := func(url string, want string) {
		t.Helper()
		life, closeTab := chromedp.NewContext(browser)
		defer closeTab()
		if err := chromedp.Do(life); err != nil { // the tab's life hangs on this context
			t.Fatal(err)
		}
		tab, cancel := context.WithTimeout(life, 60*time.Second)
		defer cancel()
		if err := chromedp.Do(tab, chromedp.Navigate(url)); err != nil {
			t.Fatal(err)
		}
		for sent := false; ; {
			got, err := chromedp.Run(tab, chromedp.Evaluate[[]string]("window.heard"))
			if err != nil {
				t.Fatalf("%v: heard %v", err, got)
			}
			if text := strings.Join(got, ", "); strings.Contains(text, "2 ") || strings.Contains(text, "refused") {
				if text != want {
					t.Errorf("%s: %s", url, text)
				}
				return
			}
			if !sent && len(s.Sessions()) > 0 {
				sent = true
				s.Send("uid:1000", event{ID: idPerson, Message: messageOK, Data: map[string]string{"personName": "Nguyễn Văn An"}})
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	other := strings.Replace(pages.URL, "127.0.0.1", "localhost", 1) // the same page, of another origin
	for _, version := range []string{"2", "4"} {
		for _, transports := range []string{`["polling"]`, `["websocket"]`, `["polling","websocket"]`} {
			q := "/?jsonp=false&version=" + version + "&transports=" + transports
			heard(pages.URL+q, "connect, 2 Nguyễn Văn An")
			until(t, "the page is gone", func() bool { return len(s.Sessions()) == 0 })
			heard(other+q, "refused")
		}
	}
	heard(other+`/?jsonp=true&version=2&transports=["polling"]`, "refused")
	if got := s.Sessions(); len(got) != 0 {
		t.Errorf("still listening: %v", got)
	}
}
