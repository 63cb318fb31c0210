package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/trust"
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
		var p settings.Problems
		if errors.As(settingsErr, &p) {
			findings[0].Detail = p.Error()
		}
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
	if _, err := os.Stat(filepath.Join(dir, keys.FileName)); errors.Is(err, os.ErrNotExist) {
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

// checkPorts says whether the agent answers, or could take a port.
func (a *app) checkPorts(s settings.Settings) finding {
	f := finding{Check: "port"}
	client := http.Client{Timeout: time.Second}
	taken := 0
	for _, port := range s.HIS.Ports {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		req, err := http.NewRequestWithContext(a.ctx, http.MethodGet, "http://"+addr+"/.well-known/tapcheck.json", nil)
		if err != nil {
			continue
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.Header.Get("Content-Type") == "application/json" {
				f.Detail = addr + ": " + a.say("Tapcheck đang chạy", "Tapcheck is running")
				return f
			}
			taken++
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			taken++
			continue
		}
		l.Close()
	}
	if taken == len(s.HIS.Ports) {
		f.Code = health.PortsTaken
	}
	return f
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
	if err != nil {
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
	if raw, err := os.ReadFile(s.Insurance.PasswordFile); err != nil || len(raw) == 0 {
		f.Code, f.Detail = health.InsuranceRefused, "insurance.password_file"
		return f
	}
	ctx, stop := context.WithTimeout(a.ctx, 5*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.Insurance.URL, nil)
	if err != nil {
		f.Code = health.InsuranceDown
		return f
	}
	client := http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		f.Code = health.InsuranceDown
		return f
	}
	resp.Body.Close()
	f.Detail = s.Insurance.URL
	return f
}
