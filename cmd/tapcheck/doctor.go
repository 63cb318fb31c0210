package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/his"
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
	Check    string          `json:"check"`
	Code     health.Code     `json:"code,omitempty"`
	Severity health.Severity `json:"severity,omitempty"`
	Detail   string          `json:"detail,omitempty"` // never personal, never secret
}

// built is the earliest time that a correct clock can show.
var built = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// examine makes all checks of this PC. It changes nothing.
func (a *app) examine() []finding {
	l, settingsErr := a.sources().Load()
	s := l.Settings
	findings := []finding{{Check: "settings"}}
	if settingsErr == nil {
		settingsErr = pointed(s)
	} else {
		settingsErr = a.settingsError(settingsErr)
		s = settings.Default()
	}
	if settingsErr != nil && !errors.Is(settingsErr, keys.ErrServiceOnly) && !errors.Is(settingsErr, fs.ErrPermission) {
		findings[0].Code = health.SettingsWrong
		findings[0].Detail = settingsProblem(settingsErr)
		if dir, err := a.dataFolder(); err == nil {
			if kept, ok := settings.LastGood(dir); ok {
				findings[0].Detail += a.say("; dịch vụ dùng bản đúng từ ", "; the service uses the good ones of ") + kept.Format(time.RFC3339)
			}
		}
	}
	readers, seen := a.checkPCSC()
	findings = append(findings, a.checkService(), readers, a.checkSharing(readers), checkDriver(seen), a.checkData(), a.checkDisk(), a.checkClients(s), a.checkPorts(s), a.checkBrowsers(s), checkSessions())
	findings = append(findings, checkTrust(s)...)
	insurance, date := a.checkInsurance(s)
	findings = append(findings, insurance, a.checkClock(date), checkZone(s), checkUpdates(s), a.checkBackups(s))
	for i, f := range findings {
		if f.Code != "" {
			findings[i].Severity = health.In(f.Code, a.lang, time.Time{}).Severity
		}
	}
	return findings
}

// Run checks this PC and says what is wrong. The exit code is that of the worst: 1 where something keeps the agent from its work,
// 13 where something does not work, 0 for what is good to know.
func (c doctorCmd) Run(a *app) error {
	worst := exitOK
	for _, f := range a.examine() {
		switch f.Severity {
		case health.Down:
			worst = exitFailed
		case health.Degraded:
			if worst == exitOK {
				worst = exitDegraded
			}
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
			a.printf("                 %s\n", strings.ReplaceAll(f.Detail, "\n", "\n                 "))
		}
		a.printf("                 %s %s\n                 → %s\n", a.say("Vì sao:", "Why:"), w.Cause, w.Cure)
	}
	if worst != exitOK {
		return exitStatus(worst)
	}
	return nil
}

// checkService says whether the service runs, where there is one.
func (a *app) checkService() finding {
	f := finding{Check: "service"}
	s, err := a.serviceState()
	switch {
	case err != nil || !s.Installed:
		f.Detail = a.say("chưa cài dịch vụ", "no service is installed")
	case !s.Running:
		f.Code, f.Detail = health.ServiceDown, s.State+", "+s.Start
	default:
		f.Detail = strings.TrimSpace(s.State + ", " + s.Start + " " + s.Status)
	}
	return f
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

// checkPCSC also gives how many readers there are.
func (a *app) checkPCSC() (f finding, seen int) {
	f = finding{Check: "readers"}
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
		return f, 0
	}
	list := m.Readers()
	for _, r := range list {
		if f.Detail != "" {
			f.Detail += "; "
		}
		f.Detail += r.Name + " (" + string(r.State) + ")"
		switch {
		case r.State == reader.Error:
			f.Code = health.ReaderStuck
		case r.State == reader.Busy && f.Code == "":
			f.Code = health.ReaderHeld
		}
	}
	if len(list) == 0 {
		f.Code = health.NoReader
	}
	return f, len(list)
}

// checkSharing names programs that hold cards as soon as there are some.
func (a *app) checkSharing(readers finding) finding {
	f := finding{Check: "sharing"}
	if names := cardPrograms(); len(names) > 0 {
		f.Code, f.Detail = health.ReaderHeld, strings.Join(names, ", ")
	} else if readers.Code == health.ReaderHeld {
		f.Detail = a.say("không thấy chương trình quen thuộc nào", "none of the programs that are known for it runs")
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
	m := thisMachine()
	aside, locked := keys.Aside(dir), keys.AsideByTPM(dir, m)
	if len(aside) > len(locked) || errors.Is(keys.CheckMachine(dir, m), keys.ErrCopied) {
		f.Code, f.Detail = health.MachineCopied, strings.Join(aside, ", ")
		return f
	}
	where, closed := keys.KeptIn(dir, m)
	if len(locked) > 0 || errors.Is(closed, keys.ErrTPM) {
		f.Code, f.Detail = health.TPMKeysLost, strings.Join(locked, ", ")
		if len(locked) == 0 {
			f.Detail = a.keeping(where, closed, nil)
		}
		return f
	}
	if _, err := keys.OpenOn(dir, m); err != nil {
		f.Code, f.Detail = health.DataFolderExposed, err.Error()
		return f
	}
	var unused error
	if where != keys.InTPM {
		unused = m.TPM.Check()
	}
	f.Detail += "; " + a.keeping(where, nil, unused)
	return f
}

// diskNeeds is how much must be free: the journal, its copies and an update find room in it.
const diskNeeds = 200 << 20

// checkDisk looks at the disk of the data folder, or of the place where it will be made.
func (a *app) checkDisk() finding {
	f := finding{Check: "disk"}
	dir, err := a.dataFolder()
	if err != nil {
		return f
	}
	for {
		free, ok := freeBytes(dir)
		if ok {
			f.Detail = fmt.Sprintf("%d MB", free>>20)
			if free < diskNeeds {
				f.Code = health.DiskLow
			}
			return f
		}
		up := filepath.Dir(dir)
		if up == dir {
			return f
		}
		dir = up
	}
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
			who := a.say("chương trình khác", "another program")
			if name := portHolder(port); name != "" {
				who += ": " + name
			}
			others = append(others, addr+": "+who)
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

// clockMost is by how much the clock may differ from the gateway's. An assertion of a HIS is good for two minutes.
const clockMost = time.Minute

// checkClock compares the clock with the gateway's, where that has said what it shows (zero: it has not), and with the last time
// that the agent has written.
func (a *app) checkClock(gateway time.Time) finding {
	now := time.Now()
	f := finding{Check: "clock", Detail: now.Format(time.RFC3339)}
	if dir, err := a.dataFolder(); err == nil && lastWritten(dir).After(now.Add(clockMost)) || now.Before(built) {
		f.Code = health.ClockImplausible
		return f
	}
	if gateway.IsZero() {
		return f
	}
	off := now.Sub(gateway).Round(time.Second)
	f.Detail += fmt.Sprintf(a.say(" (so với cổng BHYT: %+d s)", " (against the gateway: %+d s)"), int(off.Seconds()))
	if off.Abs() > clockMost {
		f.Code = health.ClockOff
	}
	return f
}

// lastWritten is when anything in the data folder was changed last.
func lastWritten(dir string) (last time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return last
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// checkSessions says whether somebody works here from afar.
func checkSessions() finding {
	f := finding{Check: "sessions"}
	if his.RemoteDesktop() {
		f.Code = health.RemoteDesktop
	}
	return f
}

// checkZone says where a desk of Vietnam counts its days by another country's clock.
func checkZone(s settings.Settings) finding {
	name, offset := time.Now().Zone()
	f := finding{Check: "timezone", Detail: fmt.Sprintf("%s, UTC%+03d:%02d", name, offset/3600, offset%3600/60)}
	if (s.Insurance.Provider == "bhyt" || s.Facility.Code != "") && offset != 7*3600 {
		f.Code = health.TimezoneOther
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
	if stale := staleTrust(report, time.Now()); len(stale) > 0 {
		findings = append(findings, finding{Check: "trust", Code: health.TrustStale, Detail: strings.Join(stale, "\n")})
	}
	csca, pinned := store.Count()
	f.Detail = fmt.Sprintf("CSCA %d, pinned %d, embedded %d", csca, pinned, store.EmbeddedCount())
	if csca+pinned == 0 {
		f.Code = health.NoCSCAForIDCards
	}
	return append(findings, f)
}

// staleTrust lists what is past its time: lists past their next update, and certificates that have ended.
func staleTrust(report *trust.Report, now time.Time) (list []string) {
	for _, s := range report.Sources {
		if s.NextUpdate != nil && s.NextUpdate.Before(now) {
			list = append(list, fmt.Sprintf("%s: %s", s.File, s.NextUpdate.Format(time.DateOnly)))
		}
	}
	for _, c := range report.Added {
		if c.NotAfter.Before(now) {
			list = append(list, fmt.Sprintf("%s: %s", c.File, c.NotAfter.Format(time.DateOnly)))
		}
	}
	return list[:min(len(list), 10)]
}

// checkInsurance sees whether the gateway can be reached at all, and gives what its clock shows where it says so. It sends no
// account: that would count as a log-in.
func (a *app) checkInsurance(s settings.Settings) (f finding, date time.Time) {
	f = finding{Check: "insurance"}
	if s.Insurance.Provider == "off" {
		f.Code = health.InsuranceOff
		return f, date
	}
	// run does not start on what cannot be used. Whoever may not read the secrets cannot tell.
	if _, err := insurer(s.Insurance); err != nil && !errors.Is(err, keys.ErrServiceOnly) && !errors.Is(err, fs.ErrPermission) {
		f.Code, f.Detail = health.SettingsWrong, settingsProblem(err)
		return f, date
	}
	ctx, stop := context.WithTimeout(a.ctx, 5*time.Second)
	defer stop()
	at := gatewayURL(s.Insurance)
	switch i := s.Insurance; { // who lets nobody in that brings no certificate: that it listens is what can be seen
	case i.Provider == "relay":
		return checkListens(ctx, i.RelayURL), date
	case i.Provider == "fhir" && i.FHIR.CertFile+i.FHIR.CAFile != "":
		return checkListens(ctx, i.FHIR.URL), date
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, at, nil)
	if err != nil {
		f.Code = health.InsuranceDown
		return f, date
	}
	proxy, err := bhyt.ParseProxy(s.Insurance.Proxy)
	if err != nil {
		f.Code = health.SettingsWrong
		return f, date
	}
	client := http.Client{
		Transport:     &http.Transport{Proxy: proxy, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		f.Code, f.Detail = health.InsuranceDown, at+": "+a.whyUnreachable(err)
		return f, date
	}
	resp.Body.Close()
	f.Detail = at
	date, _ = http.ParseTime(resp.Header.Get("Date"))
	return f, date
}

// whyUnreachable says at which step a call failed; the error's own text can hold addresses of a proxy with a log-in.
func (a *app) whyUnreachable(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return a.say("không tìm thấy tên máy (DNS)", "its name is not found (DNS)")
	case errors.As(err, &certificate):
		return a.say("chứng thư không tin được, có thể do proxy giải mã hoặc đồng hồ sai", "its certificate is not trusted: a proxy that decrypts, or a wrong clock")
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return a.say("máy đó không nói TLS", "it does not speak TLS")
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return a.say("không trả lời trong 5 giây: tường lửa, proxy, hoặc cổng quá tải", "no answer within 5 s: a firewall, a proxy, or an overloaded gateway")
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return a.say("proxy không trả lời hoặc từ chối", "the proxy does not answer, or refuses")
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.Errno(10061)): // the second is Windows' (WSAECONNREFUSED)
		return a.say("từ chối kết nối", "the connection is refused")
	}
	return a.say("kết nối hỏng giữa chừng", "the connection broke")
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
