package his

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// DefaultPorts are tried in this order.
var DefaultPorts = []int{27480, 27481, 27482, 27483}

// Listen binds the first port that is free on 127.0.0.1, and on [::1] where the PC has that, exclusively: nobody can bind
// the same port beside us. Port 0 is any free one, for tests. Error: *catalog.Error with PORT_TAKEN.
func Listen(ctx context.Context, ports []int) ([]net.Listener, int, error) {
	lc := net.ListenConfig{Control: exclusive}
	var last error
	for _, port := range ports {
		for range 10 { // a free port of 127.0.0.1 may be taken on [::1]; then another one is asked for
			ls, got, err := listenBoth(ctx, lc, port)
			if err == nil {
				return ls, got, nil
			}
			last = err
			if port != 0 || ctx.Err() != nil {
				break
			}
		}
	}
	return nil, 0, catalog.Wrap(catalog.PortTaken, last)
}

// Secure makes of a listener one that speaks TLS, for Serve.
func Secure(l net.Listener, c *tls.Config) net.Listener { return secureListener{l, c} }

// secureListener accepts connections as they come. TLS begins only after Serve has counted them: who says nothing in the
// handshake must not get around that.
type secureListener struct {
	net.Listener
	tls *tls.Config
}

// wssURL is where wss is served; empty for port 0.
func wssURL(port int) string {
	if port == 0 {
		return ""
	}
	return fmt.Sprintf("wss://127.0.0.1:%d/v1", port)
}

func listenBoth(ctx context.Context, lc net.ListenConfig, port int) ([]net.Listener, int, error) {
	v4, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, 0, err
	}
	port = v4.Addr().(*net.TCPAddr).Port
	v6, err := lc.Listen(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
	if err == nil {
		return []net.Listener{v4, v6}, port, nil
	}
	// Where IPv6 is switched off nobody else can be there either.
	if !taken(err) {
		return []net.Listener{v4}, port, nil
	}
	_ = v4.Close()
	return nil, 0, err
}

// taken says whether somebody else has the port. EACCES is what Windows says to a port that is held exclusively.
func taken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, errAddrInUse) || errors.Is(err, os.ErrPermission)
}

// PortInfo is what the published file says.
type PortInfo struct {
	Port       int    `json:"port"`
	URL        string `json:"url"`
	WSS        string `json:"wss,omitempty"` // the same by wss, where that is served
	InstanceID string `json:"instanceId"`
	PID        int    `json:"pid"`
}

// PublishPort writes the ports in use (that of wss is 0 where there is none) into a file that everybody on this PC may read and only we may change, and gives
// what removes it again. A desktop program trusts the file because of who owns it: the folder must be one that only the
// agent or an administrator can write to.
func PublishPort(path string, port, wss int, instance string) (remove func(), err error) {
	raw, err := json.Marshal(PortInfo{Port: port, URL: fmt.Sprintf("ws://127.0.0.1:%d/v1", port), WSS: wssURL(wss), InstanceID: instance, PID: os.Getpid()})
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-port-*")
	if err != nil {
		return nil, err
	}
	name := f.Name()
	_, err = f.Write(append(raw, '\n'))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(name, path) // readers see the old file or the new one, whole
	}
	if err != nil {
		_ = os.Remove(name)
		return nil, err
	}
	return func() {
		// Another agent may have written its own since.
		if now, err := os.ReadFile(path); err == nil && string(now) == string(raw)+"\n" {
			_ = os.Remove(path)
		}
	}, nil
}
