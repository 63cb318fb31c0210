package main

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// browser is one that is on this PC, with the lists of its policies that matter here.
type browser struct {
	Name  string
	Lists map[string][]string // by the policy's name
}

// Policies by which a browser lets a page reach this PC, and the desk's page use the camera. Which of the first two counts depends
// on its version (agent/his/reference/page/browsers.html), so both are wanted.
const (
	policyLoopback = "LoopbackNetworkAllowedForUrls"
	policyLocal    = "LocalNetworkAccessAllowedForUrls"
	policyCamera   = "VideoCaptureAllowedUrls"
	policyInsecure = "OverrideSecurityRestrictionsOnInsecureOrigin" // of a HIS on plain http, beside the others
	policySkip     = "LocalNetworkAccess/SkipDomains"               // Firefox
)

// checkBrowsers says which browsers of this PC would ask their users.
func (a *app) checkBrowsers(s settings.Settings) finding {
	f := finding{Check: "browsers"}
	if len(s.HIS.Origins) == 0 {
		f.Detail = a.say("his.origins trống: không cần chính sách", "his.origins is empty: no policy is needed")
		return f
	}
	var said []string
	for _, b := range installedBrowsers() {
		lacking := b.lacks(s.HIS.Origins, s.HIS.Ports)
		if len(lacking) == 0 {
			said = append(said, b.Name+" ✓")
			continue
		}
		f.Code = health.BrowserAsks
		said = append(said, fmt.Sprintf("%s: %s %s", b.Name, a.say("thiếu", "lacks"), strings.Join(lacking, ", ")))
	}
	f.Detail = strings.Join(said, "; ")
	return f
}

// lacks names the policies that do not let everything through.
func (b browser) lacks(origins []string, ports []int) (names []string) {
	want := func(name string, urls ...string) {
		for _, u := range urls {
			if !slices.ContainsFunc(b.Lists[name], func(pattern string) bool { return matchesURL(pattern, u) }) {
				names = append(names, name)
				return
			}
		}
	}
	if b.Name == "Firefox" {
		for _, o := range origins {
			u, err := url.Parse(o)
			if err != nil || !slices.ContainsFunc(b.Lists[policySkip], func(d string) bool { return matchesHost(d, u.Hostname()) }) {
				return []string{policySkip}
			}
		}
		return nil
	}
	want(policyLoopback, origins...)
	want(policyLocal, origins...)
	want(policyInsecure, insecureOrigins(origins)...)
	for _, p := range ports {
		before := len(names)
		if want(policyCamera, "http://127.0.0.1:"+strconv.Itoa(p)); len(names) > before {
			break
		}
	}
	return names
}

// matchesURL says whether a pattern of a Chromium policy lets an origin through: an origin, a host, [*.]domain, or *.
func matchesURL(pattern, origin string) bool {
	if pattern == "*" || strings.TrimSuffix(pattern, "/") == origin {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	scheme, rest, has := strings.Cut(pattern, "://")
	if !has {
		scheme, rest = "*", pattern
	}
	host, port, hasPort := strings.Cut(strings.TrimSuffix(rest, "/"), ":")
	own := u.Port()
	if own == "" {
		own = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return (scheme == "*" || scheme == u.Scheme) && (!hasPort || port == "*" || port == own) && matchesHost(host, u.Hostname())
}

// matchesHost says whether a host, or [*.]domain or *.domain, is this one.
func matchesHost(pattern, host string) bool {
	for _, any := range []string{"[*.]", "*."} {
		if domain, ok := strings.CutPrefix(pattern, any); ok {
			return host == domain || strings.HasSuffix(host, "."+domain)
		}
	}
	return pattern == "*" || strings.EqualFold(pattern, host)
}
