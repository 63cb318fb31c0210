package ts_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/his/client/ts"
)

// example serves the example as a vendor would, with the client beside it. The agent of the tests has other ports than the usual
// ones, and that is all that is changed.
func example(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/example/")
	if name != "" {
		r.URL.Path = ts.Prefix + name
		ts.Handler().ServeHTTP(w, r)
		return
	}
	page, err := os.ReadFile("example.html")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(strings.Replace(string(page), "new Client({", "new Client({ ports: ["+r.URL.Query().Get("ports")+"],", 1)))
}

// TestExample: the page of forty lines reads a card and shows name, portrait, verdicts and eligibility.
func TestExample(t *testing.T) {
	if page, _ := os.ReadFile("example.html"); strings.Count(string(page), "\n") > 40 {
		t.Errorf("it has grown to %d lines", strings.Count(string(page), "\n"))
	}
	d := newDesk(t)
	an := persona(t, "an")
	b := restricted.open(t, secure+"/example/?ports="+portList(d), "granted")
	b.run(map[string]any{"token": d.token(secure), "key": an.Number}, `
		document.getElementById("token").value = defaults.token;
		document.getElementById("key").value = defaults.key;
		document.querySelector("button").click();`, nil)
	var got struct {
		Name, Say, Facts string
		Width            int
	}
	b.run(nil, `
		await until("the end", () => document.getElementById("say").textContent.startsWith("Xong"));
		await until("the picture", () => document.getElementById("photo").naturalWidth);
		return { name: document.getElementById("name").textContent, say: "", facts: document.getElementById("facts").innerText, width: document.getElementById("photo").naturalWidth };`, &got)
	if !strings.Contains(got.Name, an.FullName) || !strings.Contains(got.Name, an.DateOfBirth) || got.Width != 300 {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"passiveAuthentication: not_verifiable SIGNER_NOT_ANCHORED", "access: passed", "BHYT: eligible"} {
		if !strings.Contains(got.Facts, want) {
			t.Errorf("no %q in\n%s", want, got.Facts)
		}
	}
}

// TestServedByTheAgent: its own pages and those of allowed origins may load the client from the agent's port; the example there
// runs under its policy.
func TestServedByTheAgent(t *testing.T) {
	d := newDesk(t, secure)
	base := "http://" + d.addr + "/client/"
	b := restricted.open(t, base+"example.html", "")
	var said string
	b.run(nil, `
		document.querySelector("button").click();
		await until("a word", () => document.getElementById("say").textContent);
		return document.getElementById("say").textContent;`, &said)
	if said == "" {
		t.Error("the example does not run")
	}
	page := restricted.open(t, secure, "granted")
	var version string
	page.run(map[string]any{"base": base}, `return (await import(defaults.base + "tapcheck.mjs")).VERSION`, &version)
	var global bool
	page.run(map[string]any{"base": base}, `
		delete window.Tapcheck;
		const s = document.createElement("script");
		s.src = defaults.base + "tapcheck.js";
		await new Promise((done, fail) => { s.onload = done; s.onerror = fail; document.head.append(s); });
		return typeof window.Tapcheck.Client === "function";`, &global)
	if version == "" || !global {
		t.Errorf("version %q, global %t", version, global)
	}
	other := restricted.open(t, "https://other.example.test", "granted")
	var refused string
	other.run(map[string]any{"base": base}, `return import(defaults.base + "tapcheck.mjs").then(() => "", (e) => e.name)`, &refused)
	if refused == "" {
		t.Error("another origin has loaded it")
	}
}
