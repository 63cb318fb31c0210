package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// pc is a machine in a folder, for what doctor looks at.
func pc(t *testing.T, files map[string]string) *app {
	t.Helper()
	old := systemRoot
	systemRoot = t.TempDir()
	t.Cleanup(func() { systemRoot = old })
	for name, text := range files {
		path := filepath.Join(systemRoot, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &app{ctx: t.Context(), lang: catalog.EN}
}

func TestDoctorOnDrivers(t *testing.T) {
	const bundle = "usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Info.plist"
	reader := map[string]string{"sys/bus/usb/devices/1-2:1.0/bInterfaceClass": "0b\n", "sys/bus/usb/devices/1-2/product": "CL Reader\x1b[31m\n", "sys/bus/usb/devices/1-3:1.0/bInterfaceClass": "03\n"}
	with := func(more string) map[string]string {
		m := map[string]string{more: "x"}
		for k, v := range reader {
			m[k] = v
		}
		return m
	}
	for name, c := range map[string]struct {
		files  map[string]string
		seen   int
		code   health.Code
		detail string
	}{
		"no driver, no reader":        {nil, 0, health.DriverPackageAbsent, ""},
		"no driver, a reader plugged": {reader, 0, health.ReaderDriverless, "CL Reader"},
		"driver, no reader":           {map[string]string{bundle: "x"}, 0, "", ""},
		"driver, the reader served":   {with(bundle), 1, "", ""},
		"driver, the reader not seen": {with(bundle), 0, health.ReaderDriverless, "CL Reader"},
		"a virtual reader beside it":  {map[string]string{bundle: "x"}, 2, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			pc(t, c.files)
			if f := checkDriver(c.seen); f.Code != c.code || !strings.Contains(f.Detail, c.detail) || strings.Contains(f.Detail, "\x1b") {
				t.Errorf("%s %q, want %s %q", f.Code, f.Detail, c.code, c.detail)
			}
		})
	}
}

func TestDoctorOnSharing(t *testing.T) {
	a := pc(t, map[string]string{"proc/12/comm": "scdaemon\n", "proc/13/comm": "bash\n", "proc/14/comm": "scdaemon\n"})
	if f := a.checkSharing(finding{}); f.Code != health.ReaderHeld || f.Detail != "scdaemon" {
		t.Errorf("%+v", f)
	}
	a = pc(t, map[string]string{"proc/13/comm": "bash\n"})
	if f := a.checkSharing(finding{Code: health.ReaderHeld}); f.Code != "" || f.Detail == "" {
		t.Errorf("%+v", f)
	}
}

func TestDoctorOnBrowsers(t *testing.T) {
	const own = `"http://127.0.0.1:27480","http://127.0.0.1:27481","http://127.0.0.1:27482","http://127.0.0.1:27483"`
	chrome := func(json string) map[string]string {
		return map[string]string{"opt/google/chrome/chrome": "", "etc/opt/chrome/policies/managed/his.json": json, "etc/opt/chrome/policies/managed/broken.json": "{"}
	}
	for name, c := range map[string]struct {
		files   map[string]string
		lacking string // "" is nothing
		none    bool   // no browser
	}{
		"no browser":             {nil, "", true},
		"no policy":              {map[string]string{"opt/google/chrome/chrome": ""}, policyLoopback + ", " + policyLocal + ", " + policyCamera, false},
		"all of them":            {chrome(`{"LoopbackNetworkAllowedForUrls":["https://his.example"],"LocalNetworkAccessAllowedForUrls":["https://his.example"],"VideoCaptureAllowedUrls":[` + own + `]}`), "", false},
		"by patterns":            {chrome(`{"LoopbackNetworkAllowedForUrls":["[*.]example"],"LocalNetworkAccessAllowedForUrls":["*"],"VideoCaptureAllowedUrls":["http://127.0.0.1:*"]}`), "", false},
		"of another domain":      {chrome(`{"LoopbackNetworkAllowedForUrls":["https://his.example.org"],"LocalNetworkAccessAllowedForUrls":["[*.]xample"],"VideoCaptureAllowedUrls":["127.0.0.1"]}`), policyLoopback + ", " + policyLocal, false},
		"of another scheme":      {chrome(`{"LoopbackNetworkAllowedForUrls":["http://his.example"],"LocalNetworkAccessAllowedForUrls":["https://his.example:8443"],"VideoCaptureAllowedUrls":[` + own + `]}`), policyLoopback + ", " + policyLocal, false},
		"of one port of four":    {chrome(`{"LoopbackNetworkAllowedForUrls":["his.example"],"LocalNetworkAccessAllowedForUrls":["his.example"],"VideoCaptureAllowedUrls":["http://127.0.0.1:27480"]}`), policyCamera, false},
		"of another kind":        {chrome(`{"LoopbackNetworkAllowedForUrls":"https://his.example","LocalNetworkAccessAllowedForUrls":[1]}`), policyLoopback + ", " + policyLocal + ", " + policyCamera, false},
		"Firefox without":        {map[string]string{"usr/bin/firefox-esr": ""}, policySkip, false},
		"Firefox with the host":  {map[string]string{"usr/bin/firefox": "", "etc/firefox/policies/policies.json": `{"policies":{"LocalNetworkAccess":{"SkipDomains":["his.example"]}}}`}, "", false},
		"Firefox, another's":     {map[string]string{"usr/bin/firefox": "", "etc/firefox/policies/policies.json": `{"policies":{"LocalNetworkAccess":{"SkipDomains":["other.example"]}}}`}, policySkip, false},
		"Edge, with Chrome's":    {map[string]string{"opt/microsoft/msedge/msedge": "", "etc/opt/chrome/policies/managed/his.json": `{"LoopbackNetworkAllowedForUrls":["*"]}`}, policyLoopback, false},
		"Firefox with a pattern": {map[string]string{"usr/bin/firefox": "", "usr/lib/firefox/distribution/policies.json": `{"policies":{"LocalNetworkAccess":{"SkipDomains":["*.example"]}}}`}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := pc(t, c.files)
			s := settings.Default()
			if f := a.checkBrowsers(s); f.Code != "" {
				t.Errorf("without origins nothing is asked: %+v", f)
			}
			s.HIS.Origins = []string{"https://his.example"}
			f := a.checkBrowsers(s)
			if (f.Code == health.BrowserAsks) != (c.lacking != "") || c.lacking != "" && !strings.Contains(f.Detail, "lacks "+c.lacking) || c.none && f.Detail != "" {
				t.Errorf("%s %q, want %q", f.Code, f.Detail, c.lacking)
			}
		})
	}
}
