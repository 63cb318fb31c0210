package agent

import (
	"context"
	"net"
	"time"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// renewBefore is when health begins to ask for a new certificate.
const renewBefore = 30 * 24 * time.Hour

// secure is wss:// beside ws://, where the settings ask for it.
type secure struct {
	wanted    bool
	listeners []net.Listener
	port      int // 0: not served
	server    *keys.WSSServer
}

// listenSecure begins to listen for wss. Whatever is missing for it is a matter of health: a desk goes on by ws.
func (o *Options) listenSecure(ctx context.Context) *secure {
	s := &secure{wanted: o.Settings.HIS.WSS}
	if !s.wanted {
		return s
	}
	server, err := keys.NewWSSServer(o.DataDir)
	if err != nil {
		o.Log.Warn().Msg("wss.unusable")
		return s
	}
	ls, port, err := his.Listen(ctx, o.Settings.HIS.WSSPorts)
	if err != nil {
		o.Log.Warn().Msg("wss.unusable")
		return s
	}
	for _, l := range ls {
		s.listeners = append(s.listeners, his.Secure(l, server.TLS()))
	}
	s.port, s.server = port, server
	return s
}

// close closes listeners that nobody has served.
func (s *secure) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}

// health says what is wrong with it now: the administrator may have renewed or removed the certificate.
func (s *secure) health(state *health.Tracker) {
	if !s.wanted {
		return
	}
	usable, left := s.port != 0, time.Duration(0)
	if usable {
		ends, err := s.server.NotAfter()
		left = time.Until(ends)
		usable = err == nil && left > 0
	}
	state.Set(health.WSSUnusable, !usable)
	state.Set(health.WSSEnding, usable && left < renewBefore)
}
