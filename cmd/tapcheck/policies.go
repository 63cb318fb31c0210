package main

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// policy is one list of a browser's policies in HKLM.
type policy struct {
	Key    string // below HKLM
	Values []string
}

// browsers keep their policies here. Cốc Cốc and others take Chromium's names in keys of their own, which the example for group
// policy names (installer/windows/policy).
var chromium = []string{`SOFTWARE\Policies\Google\Chrome`, `SOFTWARE\Policies\Microsoft\Edge`}

const firefox = `SOFTWARE\Policies\Mozilla\Firefox`

// browserPolicies are what the pages of these origins need to reach this PC's agent, and the agent's own page to use the camera,
// without the browser asking its user. Every list is there, also an empty one, so that what stood in it goes.
//
// The three ways to allow loopback belong to different versions (agent/his/reference/page/browsers.html); a page on plain http is
// no secure context, and needs the fourth beside them.
func browserPolicies(origins []string, ports []int) []policy {
	var hosts, own []string
	insecure := insecureOrigins(origins)
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil {
			continue // the settings would not have taken it
		}
		if host := u.Hostname(); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	for _, p := range ports {
		own = append(own, "http://127.0.0.1:"+strconv.Itoa(p))
	}
	var all []policy
	for _, b := range chromium {
		all = append(all,
			policy{b + `\LoopbackNetworkAllowedForUrls`, origins},
			policy{b + `\LocalNetworkAccessAllowedForUrls`, origins},
			policy{b + `\OverrideSecurityRestrictionsOnInsecureOrigin`, insecure},
			policy{b + `\VideoCaptureAllowedUrls`, own},
		)
	}
	return append(all, policy{firefox + `\LocalNetworkAccess\SkipDomains`, hosts})
}

// insecureOrigins are those on plain http that are not on this PC.
func insecureOrigins(origins []string) (insecure []string) {
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil {
			continue
		}
		if host := u.Hostname(); u.Scheme == "http" && host != "localhost" && host != "127.0.0.1" && host != "::1" {
			insecure = append(insecure, o)
		}
	}
	return insecure
}

// The browsers read the values of a list in the order of their numbers, and others may have put theirs there too. Ours begin
// here, at the number of our port, and there are never more than that many.
const (
	policyFirst = 27480
	policyMost  = 200
)

// oursInPolicy says whether a value of a policy's list is one that we have put there.
func oursInPolicy(name string) bool {
	n, err := strconv.Atoi(name)
	return err == nil && n >= policyFirst && n < policyFirst+policyMost && strconv.Itoa(n) == name
}

// words splits what one property of an installer holds: several values between spaces, commas or semicolons.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ,;\t", r) })
}
