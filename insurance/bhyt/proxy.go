package bhyt

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// ParseProxy reads how calls leave this machine: "" by the proxy that the environment names (HTTPS_PROXY, NO_PROXY), "none" by
// none, or http://host:port or https://host:port. A proxy carries the encrypted connection and learns the gateway's name, nothing more.
func ParseProxy(s string) (func(*http.Request) (*url.URL, error), error) {
	switch s {
	case "":
		return http.ProxyFromEnvironment, nil
	case "none":
		return func(*http.Request) (*url.URL, error) { return nil, nil }, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("bhyt: a proxy is http://host:port or https://host:port")
	}
	return http.ProxyURL(&url.URL{Scheme: u.Scheme, Host: u.Host}), nil
}

// onThisMachine says whether a host is this machine's loopback, by its address: a name may mean anything, but for the one that
// every system keeps for itself.
func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}
