package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/pcsc"
)

type doctorCmd struct {
	JSON bool `help:"As JSON, one object a check and line."`
}

// finding is what one check found. Code is empty where all is well.
type finding struct {
	Check  string      `json:"check"`
	Code   health.Code `json:"code,omitempty"`
	Detail string      `json:"detail,omitempty"` // never personal, never secret
}

// built is the earliest time that a correct clock can show.
var built = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// Run checks this PC. It changes nothing, and exits with 1 if something keeps the agent from its work.
func (c doctorCmd) Run(a *app) error {
	s, settingsErr := a.settings()
	findings := []finding{{Check: "settings"}}
	if settingsErr != nil {
		findings[0].Code = health.SettingsWrong
		findings[0].Detail = settingsProblem(settingsErr)
		s = settings.Default()
	}
	findings = append(findings, a.checkPCSC(), checkDriver(), a.checkData(), a.checkClients(s), a.checkPorts(s), checkClock())
	findings = append(findings, checkTrust(s)...)
	findings = append(findings, a.checkInsurance(s))

	worst := exitOK
	for _, f := range findings {
		if f.Code != "" && health.In(f.Code, a.lang, time.Time{}).Severity == health.Down {
			worst = exitFailed
		}
		if c.JSON {
			if err := a.jsonLine(f); err != nil {
				return err
			}
			continue
		}
		if f.Code == "" {
			a.printf("%s  %-10s %s\n", a.say("tốt ", "good"), f.Check, f.Detail)
			continue
		}
		w := health.In(f.Code, a.lang, time.Time{})
		mark := map[health.Severity]string{health.Down: a.say("LỖI ", "BAD "), health.Degraded: a.say("yếu ", "weak"), health.Note: a.say("biết", "note")}[w.Severity]
		a.printf("%s  %-10s %s %s\n", mark, f.Check, w.Code, w.Title)
		if f.Detail != "" {
			a.printf("                 %s\n", f.Detail)
		}
		a.printf("                 %s %s\n                 → %s\n", a.say("Vì sao:", "Why:"), w.Cause, w.Cure)
	}
	if worst != exitOK {
		return exitStatus(worst)
	}
	return nil
}

// settingsProblem is what is wrong with the settings, without any value of theirs.
func settingsProblem(err error) string {
	var p settings.Problems
	if errors.As(err, &p) {
		return p.Error()
	}
	var e *catalog.Error
	if !errors.As(err, &e) {
		return ""
	}
	var said []string
	for _, name := range []string{"file", "setting", "problem", "cure"} {
		if v, ok := e.Detail[name].(string); ok {
			said = append(said, v)
		}
	}
	return strings.Join(said, ": ")
}

func (a *app) checkPCSC() finding {
	f := finding{Check: "readers"}
	m := pcsc.New(pcsc.Options{})
	defer m.Close()
	_ = settle(a.ctx, m)
	if err := m.Health(); err != nil {
		switch {
		case errors.Is(err, pcsc.ErrNotBuiltIn):
			f.Code = health.PCSCNotBuilt
		case errors.Is(err, reader.ErrAccessDenied):
			f.Code = health.PCSCDenied
		default:
			f.Code = health.PCSCStopped
		}
		return f
	}
	list := m.Readers()
	for _, r := range list {
		if f.Detail != "" {
			f.Detail += "; "
		}
		f.Detail += r.Name + " (" + string(r.State) + ")"
		if r.State == reader.Error {
			f.Code = health.ReaderStuck
		}
	}
	if len(list) == 0 {
		f.Code = health.NoReader
	}
	return f
}

func (a *app) checkData() finding {
	f := finding{Check: "data"}
	dir, err := a.dataFolder()
	if err != nil {
		f.Code = health.DataFolderExposed
		return f
	}
	f.Detail = dir
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return f // the agent makes it
	}
	if _, err := keys.OpenTokens(dir); err != nil { // looks at the folder itself too
		f.Code, f.Detail = health.DataFolderExposed, err.Error()
		return f
	}
	if _, err := os.Stat(filepath.Join(dir, keys.FileName)); errors.Is(err, os.ErrNotExist) {
		return f
	}
	if aside := keys.Aside(dir); len(aside) > 0 || errors.Is(keys.CheckMachine(dir, keys.ThisMachine()), keys.ErrCopied) {
		f.Code, f.Detail = health.MachineCopied, strings.Join(aside, ", ")
		return f
	}
	if _, err := keys.Open(dir); err != nil {
		f.Code, f.Detail = health.DataFolderExposed, err.Error()
		return f
	}
	if free, ok := freeBytes(dir); ok && free < 200<<20 {
		f.Code, f.Detail = health.DiskLow, fmt.Sprintf("%d MB", free>>20)
	}
	return f
}

func (a *app) checkClients(s settings.Settings) finding {
	f := finding{Check: "clients"}
	dir, err := a.dataFolder()
	if err == nil {
		if _, statErr := os.Stat(dir); errors.Is(statErr, os.ErrNotExist) {
			f.Code = health.NoClient
			return f
		}
	}
	store, err := a.tokens()
	if err != nil {
		f.Code, f.Detail = health.DataFolderExposed, err.Error()
		return f
	}
	list, err := store.List()
	if err != nil {
		f.Code, f.Detail = health.DataFolderExposed, err.Error()
		return f
	}
	live := 0
	for _, t := range list {
		if t.Live(time.Now()) {
			live++
		}
	}
	f.Detail = fmt.Sprintf("%d", live)
	if live == 0 {
		f.Code = health.NoClient
	}
	return f
}

// checkPorts says whether the agent of this data folder answers, or could take a port.
func (a *app) checkPorts(s settings.Settings) finding {
	f := finding{Check: "port"}
	ours := ""
	if dir, err := a.dataFolder(); err == nil {
		ours, _ = keys.InstanceIn(dir) // whoever may not read the keys cannot tell two agents apart
	}
	var others []string
	free := 0
	for _, port := range s.HIS.Ports {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		d, ok := discover(a.ctx, addr)
		switch {
		case ok && (ours == "" || d.InstanceID == ours):
			f.Detail = addr + ": " + a.say("Tapcheck đang chạy", "Tapcheck is running")
			if d.Simulator {
				f.Detail += a.say(" (mô phỏng)", " (a simulation)")
			}
			return f
		case ok && d.Simulator:
			others = append(others, addr+": "+a.say("một Tapcheck mô phỏng", "a simulated Tapcheck"))
		case ok:
			others = append(others, addr+": "+a.say("một Tapcheck khác", "another Tapcheck"))
		case canListen(a.ctx, addr):
			free++
		default:
			others = append(others, addr+": "+a.say("chương trình khác", "another program"))
		}
	}
	f.Detail = strings.Join(others, "; ")
	if free == 0 {
		f.Code = health.PortsTaken
	}
	return f
}

func canListen(ctx context.Context, addr string) bool {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// discovered is what doctor wants to know of what the agent tells any program of this PC.
type discovered struct {
	Agent struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"agent"`
	InstanceID string `json:"instanceId"`
	Simulator  bool   `json:"simulator"`
}

// discover asks whether an agent serves at an address. Anything may sit there, so it is believed only in the agent's own
// words.
func discover(ctx context.Context, addr string) (d discovered, ok bool) {
	ctx, stop := context.WithTimeout(ctx, 2*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/.well-known/tapcheck.json", nil)
	if err != nil {
		return d, false
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true}, // and no proxy: this is about this PC
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return d, false
	}
	defer resp.Body.Close()
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || resp.StatusCode != http.StatusOK {
		return d, false
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&d)
	return d, err == nil && d.Agent.Name == "tapcheck" && d.InstanceID != ""
}

func checkClock() finding {
	f := finding{Check: "clock", Detail: time.Now().Format(time.RFC3339)}
	if time.Now().Before(built) {
		f.Code = health.ClockImplausible
	}
	return f
}

func checkTrust(s settings.Settings) []finding {
	f := finding{Check: "trust"}
	store, report, err := trust.Load(trustOptions(s, ""))
	if err != nil || trustFolder(s.Trust.Folder) != nil {
		f.Code, f.Detail = health.TrustRefused, "trust.folder"
		return []finding{f}
	}
	var findings []finding
	for _, r := range report.Refused {
		findings = append(findings, finding{Check: "trust", Code: health.TrustRefused, Detail: fmt.Sprintf("%s %s: %s → %s", r.File, r.Place, r.Reason, r.Cure)})
	}
	csca, pinned := store.Count()
	f.Detail = fmt.Sprintf("CSCA %d, pinned %d, embedded %d", csca, pinned, store.EmbeddedCount())
	if csca+pinned == 0 {
		f.Code = health.NoCSCAForIDCards
	}
	return append(findings, f)
}

// checkInsurance sees whether the gateway can be reached at all. It sends no account: that would count as a log-in.
func (a *app) checkInsurance(s settings.Settings) finding {
	f := finding{Check: "insurance"}
	if s.Insurance.Provider == "off" {
		f.Code = health.InsuranceOff
		return f
	}
	// run does not start on what cannot be used.
	if _, err := insurer(s.Insurance); err != nil {
		f.Code, f.Detail = health.SettingsWrong, settingsProblem(err)
		return f
	}
	ctx, stop := context.WithTimeout(a.ctx, 5*time.Second)
	defer stop()
	at := gatewayURL(s.Insurance)
	switch i := s.Insurance; { // who lets nobody in that brings no certificate: that it listens is what can be seen
	case i.Provider == "relay":
		return checkListens(ctx, i.RelayURL)
	case i.Provider == "fhir" && i.FHIR.CertFile+i.FHIR.CAFile != "":
		return checkListens(ctx, i.FHIR.URL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, at, nil)
	if err != nil {
		f.Code = health.InsuranceDown
		return f
	}
	proxy, err := bhyt.ParseProxy(s.Insurance.Proxy)
	if err != nil {
		f.Code = health.SettingsWrong
		return f
	}
	client := http.Client{
		Transport:     &http.Transport{Proxy: proxy, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		f.Code = health.InsuranceDown
		return f
	}
	resp.Body.Close()
	f.Detail = at
	return f
}

// gatewayURL is the address that is asked.
func gatewayURL(s settings.Insurance) string {
	switch {
	case s.Provider == "fhir":
		return s.FHIR.URL
	case s.Training:
		return bhyt.Training
	}
	return s.URL
}

// checkListens sees whether somebody listens at an https address.
func checkListens(ctx context.Context, at string) finding {
	f := finding{Check: "insurance", Detail: at}
	u, err := url.Parse(at)
	if err != nil {
		return finding{Check: "insurance", Code: health.SettingsWrong}
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return finding{Check: "insurance", Code: health.InsuranceDown}
	}
	_ = c.Close()
	return f
}
