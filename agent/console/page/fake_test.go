package page_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/console/page"
)

// policy is what agent/console serves the page under.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src blob:; connect-src 'self' ws://%s; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

type object = map[string]any

// fake plays the agent: the same answers as the real one, but each state for as long as a test wants to look at it. What
// holds against the real agent is tested there (agent_test.go).
type fake struct {
	t   *testing.T
	srv *httptest.Server

	mu      sync.Mutex
	state   object
	admin   bool
	readers []object
	calls   []call // what the page has called over the websocket
	posts   []call // and over HTTP
	fail    map[string]*catalog.Error
	answers map[string]any
	out     chan string
	news    object
	seq     int
	changed chan struct{}
	touched int
	locked  bool
	away    bool // the websocket is refused
	served  []string
	conns   map[*websocket.Conn]bool
	paper   checkin.Proof // at paperURL
}

const paperURL = console.ProofPrefix + "ticket-3"

type call struct {
	Method string
	Params object
}

func newFake(t *testing.T) *fake {
	f := &fake{
		t: t, out: make(chan string, 64), changed: make(chan struct{}), fail: map[string]*catalog.Error{}, conns: map[*websocket.Conn]bool{}, answers: map[string]any{},
		state: object{
			"setup": false, "login": []string{"pin", "os"}, "desk": "Quầy tiếp nhận 3", "version": "1.0.0", "simulated": false, "language": "vi",
			"clipboardClearMs": 30000, "copyOrder": []string{"number", "fullName", "dateOfBirth", "sex", "residence", "issuedAt", "expiresAt", "eligibility.card.code"}, "idleMs": 300000, "camera": true,
		},
		readers: []object{{"id": "r1", "name": "ACS ACR1252 Dual Reader PICC 0", "contactless": true, "state": "empty"}},
		news:    object{"queue": []object{}, "scans": []object{}, "health": []object{}},
		served: []string{"agent.status", "reader.list", "checkin.start", "job.provide", "job.cancel", "job.status", "job.resume", "checkin.link", "checkin.decide",
			"checkin.void", "checkin.list", "insurance.check", "session.open", "agent.prove"},
	}
	mux := http.NewServeMux()
	files := http.FileServerFS(page.Files)
	mux.Handle("/console/", http.StripPrefix("/console", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", fmt.Sprintf(policy, r.Host))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		files.ServeHTTP(w, r)
	})))
	mux.HandleFunc("/console/api/", f.api)
	mux.HandleFunc(console.ProofPrefix, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", console.ProofCSP()+"; frame-ancestors 'none'")
		f.mu.Lock()
		made := f.paper
		f.mu.Unlock()
		if r.URL.Path != paperURL {
			http.NotFound(w, r)
			return
		}
		raw, err := console.RenderProof(made, "79013", time.Now())
		if err != nil {
			f.t.Error(err)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(raw)
	})
	mux.HandleFunc("/v1", f.websocket)
	f.srv = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.drop()
		f.srv.CloseClientConnections()
		f.srv.Close()
	})
	return f
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func writeError(w http.ResponseWriter, r *http.Request, status int, e *catalog.Error) {
	lang := catalog.VI
	if strings.HasPrefix(r.Header.Get("Accept-Language"), "en") {
		lang = catalog.EN
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object{"error": object{"code": catalog.Code(e.ID), "message": string(e.ID), "data": e.Wire(lang)}})
}

func (f *fake) api(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/console/api/")
	var body object
	switch {
	case path == "capture/frame":
		picture, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "image/jpeg" || !bytes.HasPrefix(picture, []byte("\xff\xd8")) {
			f.t.Errorf("no picture in a frame: %v, %d bytes", err, len(picture))
		}
		body = object{"key": r.Header.Get("X-Tapcheck-Key"), "seq": r.Header.Get("X-Tapcheck-Seq"), "at": r.Header.Get("X-Tapcheck-At"), "challenge": r.Header.Get("X-Tapcheck-Challenge")}
	case r.Method != http.MethodGet:
		if r.Header.Get("Content-Type") != "application/json" {
			f.t.Errorf("%s %s without a content type", r.Method, path)
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			f.t.Errorf("%s %s: %v", r.Method, path, err)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if path == "watch" {
		f.watch(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method != http.MethodGet {
		f.posts = append(f.posts, call{path, body})
	}
	free := path == "state" || path == "login" || strings.HasPrefix(path, "setup") || strings.HasPrefix(path, "capture") || path == "login/totp"
	if !free && r.Header.Get("Authorization") != "Bearer console-token" {
		writeError(w, r, http.StatusUnauthorized, catalog.New(catalog.TokenRejected, nil))
		return
	}
	if e := f.fail[path]; e != nil {
		status := http.StatusUnauthorized // of whoever may not
		switch e.ID {
		case catalog.JournalUnreadable:
			status = http.StatusServiceUnavailable
		case catalog.JobUnknown:
			status = http.StatusNotFound
		}
		writeError(w, r, status, e)
		return
	}
	var answer any = object{}
	session := func() object {
		role := "operator"
		if f.admin {
			role = "admin"
		}
		f.locked = false
		return object{"token": "console-token", "user": "lan.nguyen", "role": role, "idleMs": f.state["idleMs"]}
	}
	switch path {
	case "state":
		answer = f.state
	case "login":
		answer = session()
		if f.admin {
			answer = object{"needs": "totp", "ticket": "ticket-1"}
		}
	case "login/totp", "setup/confirm":
		answer = session()
	case "setup":
		answer = object{"ticket": "ticket-2", "otpauth": "otpauth://totp/x", "qr": pixelPNG, "secret32": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}
	case "touch":
		f.touched++
	case "lock":
		f.locked = true
	case "unlock":
		f.locked = false
	}
	if a, ok := f.answers[r.Method+" "+path]; ok {
		answer = a
	}
	if raw, ok := answer.([]byte); ok {
		w.Header().Set("Content-Type", "application/zip")
		_, _ = w.Write(raw)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fake) watch(w http.ResponseWriter, r *http.Request) {
	var since int
	_, _ = fmt.Sscanf(r.URL.Query().Get("since"), "%d", &since)
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		f.mu.Lock()
		changed, now := f.changed, f.seq
		f.mu.Unlock()
		if now > since || since == 0 {
			break
		}
		select {
		case <-changed:
			continue
		case <-r.Context().Done():
			return
		case <-limit.C:
		}
		break
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seq == 0 {
		f.seq = 1
	}
	answer := object{"seq": f.seq}
	for k, v := range f.news {
		answer[k] = v
	}
	f.news["scans"] = []object{}
	_ = json.NewEncoder(w).Encode(answer)
}

// tell changes what watch gives.
func (f *fake) tell(news object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, v := range news {
		f.news[k] = v
	}
	f.seq = max(f.seq, 1) + 1
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) websocket(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	away := f.away
	f.mu.Unlock()
	if away {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	up := websocket.Upgrader{Subprotocols: []string{"tapcheck.v1"}, CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == f.srv.URL }}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	defer ws.Close()
	f.set(func() { f.conns[ws] = true })
	defer f.set(func() { delete(f.conns, ws) })
	var writing sync.Mutex
	send := func(v any) {
		writing.Lock()
		defer writing.Unlock()
		_ = ws.WriteJSON(v)
	}
	f.mu.Lock()
	served := f.served
	f.mu.Unlock()
	send(object{"jsonrpc": "2.0", "method": "agent.hello", "params": object{
		"agent": object{"name": "Tapcheck", "version": "1.0.0"}, "protocol": object{"min": 1, "max": 1}, "capabilities": served, "challenge": "x", "time": "2026-11-28T08:00:00+07:00",
		"instanceId": "i", "simulator": false, "health": []object{},
	}})
	go func() {
		for {
			select {
			case m := <-f.out:
				writing.Lock()
				_ = ws.WriteMessage(websocket.TextMessage, []byte(m))
				writing.Unlock()
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		var q struct {
			ID     int    `json:"id"`
			Method string `json:"method"`
			Params object `json:"params"`
		}
		if ws.ReadJSON(&q) != nil {
			return
		}
		f.mu.Lock()
		f.calls = append(f.calls, call{q.Method, q.Params})
		e := f.fail[q.Method]
		answer, known := f.answers[q.Method]
		readers := f.readers
		f.mu.Unlock()
		if e != nil {
			send(object{"jsonrpc": "2.0", "id": q.ID, "error": object{"code": catalog.Code(e.ID), "message": string(e.ID), "data": e.Wire(catalog.VI)}})
			continue
		}
		if !known {
			switch q.Method {
			case "session.open":
				answer = object{"sessionId": "s", "protocol": 1, "language": q.Params["language"], "rights": object{"read": true, "insurance": true, "fields": []string{}}}
			case "reader.list":
				answer = object{"readers": readers}
			case "checkin.start":
				answer = object{"jobId": q.Params["jobId"], "checkinId": "01M8TEST", "state": "waiting"}
			case "job.cancel":
				answer = object{"jobId": q.Params["jobId"], "checkinId": "01M8TEST", "state": "cancelled", "phase": "done", "percent": 0}
			case "job.resume":
				answer = object{"jobId": q.Params["jobId"], "checkinId": "01M8TEST", "state": "running", "phase": "identity", "percent": 30}
			case "checkin.link":
				answer = object{"checkinId": "01M8TEST", "visit": q.Params["visit"]}
			case "checkin.decide":
				answer = object{"checkinId": "01M8TEST", "decisions": []object{{"about": q.Params["about"], "decision": q.Params["decision"]}}}
			case "checkin.void":
				answer = object{"checkinId": "01M8TEST", "state": "void"}
			default:
				answer = object{}
			}
		}
		send(object{"jsonrpc": "2.0", "id": q.ID, "result": answer})
	}
}

// drop breaks the websockets off.
func (f *fake) drop() {
	f.set(func() {
		for ws := range f.conns {
			ws.Close()
		}
	})
}

// event sends a notification to the page.
func (f *fake) event(method string, params any) {
	b, err := json.Marshal(object{"jsonrpc": "2.0", "method": method, "params": params})
	if err != nil {
		f.t.Fatal(err)
	}
	f.out <- string(b)
}

// called waits for a call over the websocket and gives its params.
func (f *fake) called(method string) object {
	f.t.Helper()
	return f.wait(func() []call { return f.calls }, method)
}

// posted waits for a request to the console's API.
func (f *fake) posted(path string) object {
	f.t.Helper()
	return f.wait(func() []call { return f.posts }, path)
}

func (f *fake) wait(list func() []call, name string) object {
	f.t.Helper()
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		f.mu.Lock()
		for _, c := range list() {
			if c.Method == name {
				f.mu.Unlock()
				return c.Params
			}
		}
		f.mu.Unlock()
	}
	f.t.Fatalf("the page never called %s", name)
	return nil
}

// forget clears what was called.
func (f *fake) forget() { f.set(func() { f.calls, f.posts = nil, nil }) }

const pixelPNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// ---- What the agent would say of a check-in. People and numbers are the personas'.

func identity() object {
	return object{
		"number": "001099012345", "fullName": "Nguyễn Văn An", "dateOfBirth": "1999-01-01", "sex": "male", "nationality": "VNM",
		"residence": "Số 12, ngõ 34 Trần Thái Tông, phường Cầu Giấy, thành phố Hà Nội", "documentNumber": "099012345", "issuedAt": "2022-04-15", "expiresAt": "2039-01-01",
		"source": object{"fullName": "dg13"},
	}
}

func everydayVerdicts() object {
	return object{
		"access":                object{"status": "passed", "protocol": "PACE", "detail": "ECDH-GM AES-128 brainpoolP256r1", "key": "can", "keyFrom": "qr"},
		"passiveAuthentication": object{"status": "not_verifiable", "reason": "SIGNER_NOT_ANCHORED", "signer": object{"subject": "CN=VN DS 12, C=VN", "sha256": "ab", "seenBefore": 4127}},
		"chipAuthentication":    object{"status": "not_verifiable", "reason": "KEY_NOT_ANCHORED", "exchange": "passed", "protocol": "CA ECDH AES-128"},
		"activeAuthentication":  object{"status": "not_present", "reason": "FEATURE_ABSENT"},
		"documentValidity":      object{"status": "passed", "basis": "unanchored"},
		"keyMatchesChip":        object{"status": "passed", "basis": "unanchored", "compared": []string{"number", "fullName", "dateOfBirth"}},
		"face":                  object{"status": "not_done", "reason": "SWITCHED_OFF"},
	}
}

func eligible() object {
	return object{
		"state": "eligible", "source": "bhyt-gateway", "asOf": "2026-11-28T08:15:03+07:00", "code": "000", "text": "Thông tin thẻ BHYT chính xác", "textEn": "The card is valid",
		"card": object{"code": "GD4010123456789", "from": "2026-01-01", "to": "2026-12-31", "registeredFacility": "01004", "benefitRate": 80, "fiveYearsFrom": "2027-01-01"},
		"route": object{"proposal": "1.1", "decided": false, "text": "Đến đúng nơi đăng ký ban đầu.", "textEn": "At the registered facility.", "source": "QĐ 3276/QĐ-BYT",
			"alternatives": []object{{"proposal": "2", "percent": 100, "when": "Nếu là cấp cứu.", "whenEn": "If it is an emergency."}}},
		"rate":       object{"basePercent": 80, "percent": 80, "decided": false, "text": "Theo mã thẻ.", "textEn": "By the card's code.", "source": "NĐ 188/2025/NĐ-CP"},
		"continuity": object{"from": "2027-01-01", "reached": false}, "differences": []object{},
	}
}

func steps(ids ...string) []object {
	list := []object{}
	for _, id := range ids {
		text, ok := catalog.StepText(id, catalog.VI)
		if !ok {
			panic("no step " + id)
		}
		list = append(list, object{"id": id, "text": text})
	}
	return list
}

// result is a complete chip check-in of an everyday card; changes are put over it.
func result(job string, changes object) object {
	r := object{
		"jobId": job, "seq": 50, "checkinId": "01M8TEST", "state": "complete", "recorded": true, "means": "chip", "startedAt": "2026-11-28T08:15:02+07:00", "finishedAt": "2026-11-28T08:15:04+07:00",
		"identity": identity(), "verdicts": everydayVerdicts(), "eligibility": eligible(), "portrait": object{"mime": "image/jpeg", "width": 240, "height": 320, "data": portraitJPEG()},
		"next": steps(catalog.StepProceed, catalog.StepComparePhoto, catalog.StepReturnCard), "warnings": []object{}, "timings": object{"completeMs": 2480},
		"claim": object{"HO_TEN": "Nguyễn Văn An", "MA_THE_BHYT": "GD4010123456789"},
	}
	for k, v := range changes {
		if v == nil {
			delete(r, k)
			continue
		}
		r[k] = v
	}
	return r
}

func failed(job string, id catalog.ID, next ...string) object {
	return result(job, object{
		"state": "failed", "identity": nil, "portrait": nil, "eligibility": nil, "claim": nil, "verdicts": nil, "next": steps(next...), "error": catalog.New(id, nil).Wire(catalog.VI),
	})
}

func portraitJPEG() string { return base64.StdEncoding.EncodeToString(drawPortrait()) }
