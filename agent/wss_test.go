package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// serveWSS runs an agent with wss on in a data folder, and gives where it published its ports, and what health says of wss.
func serveWSS(t *testing.T, data string) (info his.PortInfo, warnings string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := settings.Default()
	s.HIS.Ports, s.HIS.WSS, s.HIS.WSSPorts = []int{0}, true, []int{0}
	port := filepath.Join(t.TempDir(), "port.json")
	ready, ended := make(chan Ready, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Settings: s, DataDir: data, Log: zerolog.Nop(), Readers: virtual.New(), Ready: func(r Ready) { ready <- r }, PortFiles: []string{port},
			Trust: func() (*trust.Store, *trust.Report, error) { return &trust.Store{}, &trust.Report{}, nil },
		})
	}()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	raw, err := os.ReadFile(port)
	if err != nil || json.Unmarshal(raw, &info) != nil {
		t.Fatal(err, string(raw))
	}
	ws, _, err := (&websocket.Dialer{Subprotocols: []string{his.Subprotocol}}).Dial(info.URL, http.Header{"Origin": {"http://" + strings.Split(info.URL, "/")[2]}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	_, hello, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return info, string(hello), stop
}

// Without a certificate the desk works as ever, and health says what is missing.
func TestWSSWithoutACertificateKeepsNothingFromServing(t *testing.T) {
	info, hello, stop := serveWSS(t, filepath.Join(t.TempDir(), "data"))
	defer stop()
	if info.WSS != "" || !strings.Contains(hello, "WSS_UNUSABLE") {
		t.Errorf("%+v, %s", info, hello)
	}
}

// A certificate that ends soon is said; so is one that has ended while it was served.
func TestWSSCertificateThatEndsIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		want string
	}{
		"fresh":       {0, ""},
		"in 29 days":  {keys.WSSLife - 29*24*time.Hour, "WSS_CERTIFICATE_ENDING"},
		"ended today": {keys.WSSLife, "WSS_UNUSABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			if _, err := keys.RenewWSS(data, time.Now().Add(-c.age)); err != nil {
				t.Fatal(err)
			}
			_, hello, stop := serveWSS(t, data)
			defer stop()
			for _, code := range []string{"WSS_CERTIFICATE_ENDING", "WSS_UNUSABLE"} {
				if strings.Contains(hello, code) != (code == c.want) {
					t.Errorf("%s: %s", code, hello)
				}
			}
		})
	}
}

// TestWSS is a whole way in by wss, with a client that trusts this CA and no other, by each of the three names; and after a
// renewal the old CA no longer vouches for what is served.
func TestWSS(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	first, err := keys.RenewWSS(data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := keys.OpenTokens(data)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := tokens.Add(keys.TokenRequest{Origin: "https://his.example"})
	if err != nil {
		t.Fatal(err)
	}
	info, _, stop := serveWSS(t, data)
	defer stop()
	if !strings.HasPrefix(info.WSS, "wss://127.0.0.1:") || !strings.HasSuffix(info.WSS, "/v1") {
		t.Fatalf("%+v", info)
	}
	port := info.WSS[len("wss://127.0.0.1:") : len(info.WSS)-len("/v1")]
	trusting := func(w keys.WSS) *tls.Config {
		pool := x509.NewCertPool()
		pool.AddCert(w.CA)
		return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	dial := func(c *tls.Config, host, origin string) (*websocket.Conn, *http.Response, error) {
		return (&websocket.Dialer{Subprotocols: []string{his.Subprotocol}, TLSClientConfig: c, HandshakeTimeout: 5 * time.Second}).
			Dial("wss://"+host+":"+port+"/v1", http.Header{"Origin": {origin}})
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		ws, _, err := dial(trusting(first), host, "https://his.example")
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		_ = ws.WriteJSON(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "session.open", "params": map[string]any{"protocol": 1, "token": secret}})
		var m struct {
			ID     int
			Method string
			Error  any
			Result struct{ SessionID string }
		}
		for m.ID == 0 {
			if err := ws.ReadJSON(&m); err != nil {
				t.Fatal(err)
			}
		}
		if m.Result.SessionID == "" {
			t.Errorf("%s: %v", host, m.Error)
		}
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
		if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1000, 1005) {
			t.Errorf("%s: closed with %v", host, err)
		}
		_ = ws.Close()
	}
	// The gate is the same, with our own pages by https.
	for origin, want := range map[string]string{
		"https://127.0.0.1:" + port: "", "http://127.0.0.1:" + port: "ORIGIN_DENIED", "https://evil.example": "ORIGIN_DENIED",
	} {
		ws, resp, err := dial(trusting(first), "127.0.0.1", origin)
		got := ""
		if err == nil {
			_ = ws.Close()
		} else if resp != nil {
			got = resp.Header.Get(his.ReasonHeader)
		}
		if got != want || (err == nil) != (want == "") {
			t.Errorf("%s: %q, %v", origin, got, err)
		}
	}
	// Discovery names both, whichever way it is asked.
	h := http.Client{Transport: &http.Transport{TLSClientConfig: trusting(first), DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for _, at := range []string{"https://127.0.0.1:" + port, "http://" + strings.Split(info.URL, "/")[2]} {
		resp, err := h.Get(at + "/.well-known/tapcheck.json")
		if err != nil {
			t.Fatal(err)
		}
		var d struct{ URL, WSS string }
		err = json.NewDecoder(resp.Body).Decode(&d)
		_ = resp.Body.Close()
		if err != nil || d.WSS != info.WSS || !slices.Contains([]string{info.URL, info.WSS}, d.URL) || strings.HasPrefix(at, "https") != (d.URL == info.WSS) {
			t.Errorf("%s: %+v, %v", at, d, err)
		}
		if resp.ProtoMajor != 1 {
			t.Errorf("%s: HTTP/%d", at, resp.ProtoMajor)
		}
	}
	// Who does not trust it is not let through by anything else.
	if _, _, err := dial(&tls.Config{MinVersion: tls.VersionTLS12}, "127.0.0.1", "https://his.example"); err == nil {
		t.Error("a client that trusts the public CAs alone connects")
	}
	if _, _, err := dial(&tls.Config{MaxVersion: tls.VersionTLS11, RootCAs: trusting(first).RootCAs}, "127.0.0.1", "https://his.example"); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
	second, err := keys.RenewWSS(data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := dial(trusting(first), "127.0.0.1", "https://his.example"); err == nil {
		t.Error("after the renewal the old CA is still good for what is served")
	}
	ws, _, err := dial(trusting(second), "127.0.0.1", "https://his.example")
	if err != nil {
		t.Fatal("the renewed certificate is not served:", err)
	}
	_ = ws.Close()
}
