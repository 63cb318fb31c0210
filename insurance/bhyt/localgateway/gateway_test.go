package localgateway_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func hash(password string) string {
	sum := md5.Sum([]byte(password))
	return hex.EncodeToString(sum[:])
}

// ask sends a form-urlencoded or a JSON body.
func ask(t *testing.T, g *localgateway.Gateway, path string, query url.Values, fields map[string]string, form bool) (int, map[string]any) {
	t.Helper()
	var body bytes.Buffer
	kind := "application/json"
	if form {
		v := url.Values{}
		for name, s := range fields {
			v.Set(name, s)
		}
		body.WriteString(v.Encode())
		kind = "application/x-www-form-urlencoded"
	} else if err := json.NewEncoder(&body).Encode(fields); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path+"?"+query.Encode(), &body)
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	var m map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &m)
	return w.Code, m
}

func login(t *testing.T, g *localgateway.Gateway) url.Values {
	t.Helper()
	a := g.Account()
	_, m := ask(t, g, bhyt.PathToken, nil, map[string]string{"username": a.Username, "password": hash(a.Password)}, false)
	k, _ := m["APIKey"].(map[string]any)
	if m["maKetQua"] != "200" || k["token_type"] != "Bearer" || k["username"] != a.Username {
		t.Fatalf("token: %v", m)
	}
	if end, _ := k["expires_in"].(string); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$`).MatchString(end) {
		t.Errorf("expiry %q is not in the gateway's form", end)
	}
	return url.Values{"token": {k["access_token"].(string)}, "id_token": {k["id_token"].(string)}, "username": {a.Username}, "password": {hash(a.Password)}}
}

func TestBothForms(t *testing.T) {
	for _, form := range []bool{false, true} {
		g := localgateway.New(localgateway.Options{})
		a := g.Account()
		if _, m := ask(t, g, bhyt.PathToken, nil, map[string]string{"username": a.Username, "password": strings.ToUpper(hash(a.Password))}, form); m["maKetQua"] != "200" {
			t.Errorf("token, form %v: %v", form, m)
		}
		_, m := ask(t, g, bhyt.PathLookup, login(t, g), map[string]string{"maThe": "001099012345", "hoTen": "nguyen van an", "ngaySinh": "01011999", "hoTenCb": a.StaffName, "cccdCb": a.StaffNumber}, form)
		if m["maKetQua"] != "000" || m["maThe"] != "GD4010123456789" {
			t.Errorf("look-up, form %v: %v", form, m)
		}
		if v, there := m["dsLichSuKCB2018"]; !there || v != nil {
			t.Errorf("history is %v, want null", v)
		}
	}
}

// The register is good for any year: who is covered today is covered then.
func TestEveryYear(t *testing.T) {
	for _, year := range []int{2026, 2027, 2031} {
		now := time.Date(year, 2, 28, 12, 0, 0, 0, insurance.Vietnam)
		g := localgateway.New(localgateway.Options{Now: func() time.Time { return now }})
		a := g.Account()
		for number, want := range map[string]string{"001099012345": "000", "079185004321": "010", "024301006420": "004", "048072000123": "050"} {
			m := localgateway.Member{}
			for _, x := range localgateway.Members() {
				if x.Number == number {
					m = x
				}
			}
			_, got := ask(t, g, bhyt.PathLookup, login(t, g), map[string]string{"maThe": number, "hoTen": m.FullName, "ngaySinh": m.DateOfBirth, "hoTenCb": a.StaffName, "cccdCb": a.StaffNumber}, false)
			if got["maKetQua"] != want {
				t.Errorf("%d, %s: %v, want %s", year, m.Persona, got["maKetQua"], want)
			}
			end, _ := time.Parse("02/01/2006", str(got["gtTheDen"]))
			if covered := !end.IsZero() && end.After(now); covered != (want == "000" || want == "004") {
				t.Errorf("%d, %s: card until %v", year, m.Persona, end)
			}
		}
	}
}

func str(v any) string { s, _ := v.(string); return s }

// It checks what the real one checks.
func TestRefusals(t *testing.T) {
	g := localgateway.New(localgateway.Options{TokenLife: time.Hour})
	a := g.Account()
	if _, m := ask(t, g, bhyt.PathToken, nil, map[string]string{"username": a.Username, "password": a.Password}, false); m["maKetQua"] != "401" || m["APIKey"] != nil {
		t.Errorf("the password itself in place of its MD5: %v", m)
	}
	q := login(t, g)
	with := func(name, value string) url.Values {
		v := url.Values{}
		for k, s := range q {
			v[k] = s
		}
		v.Set(name, value)
		return v
	}
	good := map[string]string{"maThe": "001099012345", "hoTen": "Nguyễn Văn An", "ngaySinh": "01/01/1999", "hoTenCb": a.StaffName, "cccdCb": a.StaffNumber}
	but := func(name, value string) map[string]string {
		v := map[string]string{}
		for k, s := range good {
			v[k] = s
		}
		v[name] = value
		return v
	}
	for name, c := range map[string]struct {
		query  url.Values
		fields map[string]string
		want   string
	}{
		"good":               {q, good, "000"},
		"wrong token":        {with("token", "x"), good, "401"},
		"wrong id token":     {with("id_token", "x"), good, "401"},
		"wrong user":         {with("username", "x"), good, "401"},
		"wrong password":     {with("password", "x"), good, "401"},
		"no query":           {nil, good, "401"},
		"staff unknown":      {q, but("cccdCb", "001180000009"), "054"},
		"staff name":         {q, but("hoTenCb", "Lê Văn Thu"), "055"},
		"staff absent":       {q, but("hoTenCb", ""), "205"},
		"birth absent":       {q, but("ngaySinh", ""), "205"},
		"name absent":        {q, but("hoTen", ""), "205"},
		"year only":          {q, but("ngaySinh", "1999"), "000"},
		"another name":       {q, but("hoTen", "Nguyễn Văn Bốn"), "060"},
		"another birth":      {q, but("ngaySinh", "02/01/1999"), "070"},
		"another number":     {q, but("maThe", "001099000001"), "050"},
		"number too short":   {q, but("maThe", "123"), "051"},
		"card code":          {q, but("maThe", "GD4010123456789"), "000"},
		"insurance number":   {q, but("maThe", "0123456789"), "000"},
		"card, no level":     {q, but("maThe", "GD9010123456789"), "053"},
		"card, no province":  {q, but("maThe", "GD4000123456789"), "052"},
		"card, other letter": {q, but("maThe", "G14010123456789"), "051"},
	} {
		if status, m := ask(t, g, bhyt.PathLookup, c.query, c.fields, false); m["maKetQua"] != c.want || status != http.StatusOK {
			t.Errorf("%s: HTTP %d, %v, want %s", name, status, m["maKetQua"], c.want)
		}
	}
	if _, m := ask(t, g, bhyt.PathLookup, q, but("hoTenCb", ""), false); m["ghiChu"] != "Null hoTenCb" {
		t.Errorf("%v", m["ghiChu"])
	}
}

func TestSet(t *testing.T) {
	g := localgateway.New(localgateway.Options{})
	for _, s := range []localgateway.Scenario{"", "down", "code:010", "code:ZZ"} {
		if err := g.Set(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []localgateway.Scenario{"nothing", "code:", "code:123456789"} {
		if err := g.Set(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestStart(t *testing.T) {
	ctx := context.Background()
	for _, addr := range []string{":0", "0.0.0.0:0", "192.0.2.1:0", "localhost:0", "x", "[::]:0"} {
		if _, err := localgateway.New(localgateway.Options{}).Start(ctx, addr); err == nil {
			t.Errorf("%s was taken", addr)
		}
	}
	g := localgateway.New(localgateway.Options{Delay: time.Hour})
	base, err := g.Start(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Start(ctx, "127.0.0.1:0"); err == nil {
		t.Error("started twice")
	}
	q := login(t, g)
	if err := g.Set(localgateway.Late); err != nil {
		t.Fatal(err)
	}
	// Close does not wait for what is slow.
	done := make(chan error, 1)
	go func() {
		a := g.Account()
		b, _ := json.Marshal(bhyt.LookupRequest{MaThe: "001099012345", HoTen: "x", NgaySinh: "1999", HoTenCb: a.StaffName, CccdCb: a.StaffNumber})
		resp, err := http.Post(base+bhyt.PathLookup+"?"+q.Encode(), "application/json", bytes.NewReader(b))
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		done <- err
	}()
	for g.Calls().Lookup == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := errors.Join(g.Close(), g.Close()); err != nil {
		t.Error(err)
	}
	<-done
	http.DefaultClient.CloseIdleConnections()
	if _, err := g.Start(ctx, "127.0.0.1:0"); err == nil {
		t.Error("started after it was closed")
	}
}

// Nobody in the register is without a case, and nobody is there twice.
func TestMembers(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range localgateway.Members() {
		if seen[m.Number] || seen[m.Persona] || len(m.Number) != 12 {
			t.Errorf("%s", m.Persona)
		}
		seen[m.Number], seen[m.Persona] = true, true
		if _, ok := bhyt.LookupCode(m.Result); !ok {
			t.Errorf("%s: result %q", m.Persona, m.Result)
		}
		for _, c := range []*localgateway.Card{m.Card, m.NewCard} {
			if c != nil && !insurance.ValidCardCode(c.Code) {
				t.Errorf("%s: card %s", m.Persona, c.Code)
			}
		}
	}
	for _, want := range []string{"an", "binh", "cuong", "dung", "giang", "hoa", "khanh", "lan"} {
		if !seen[want] {
			t.Errorf("no %s", want)
		}
	}
}

// Earlier visits come by a call of their own, which takes no JSON, and only where the person is asked about rightly.
func TestHistoryCall(t *testing.T) {
	g := localgateway.New(localgateway.Options{Marked: true})
	a := g.Account()
	q := login(t, g)
	fields := map[string]string{"maThe": "001099012345", "hoTen": "nguyen van an", "ngaySinh": "01/01/1999", "hoTenCb": a.StaffName, "cccdCb": a.StaffNumber}
	if status, m := ask(t, g, bhyt.PathHistory, q, fields, false); status != http.StatusBadRequest || m["maKetQua"] != "205" {
		t.Errorf("JSON: %d %v", status, m)
	}
	_, m := ask(t, g, bhyt.PathHistory, q, fields, true)
	if list, _ := m["dsLichSuKCB2025"].([]any); m["maKetQua"] != "200" || len(list) != 2 {
		t.Errorf("form: %v", m)
	}
	for name, change := range map[string]func(map[string]string){
		"another name": func(f map[string]string) { f["hoTen"] = "tran van an" }, "another day": func(f map[string]string) { f["ngaySinh"] = "02/01/1999" }, "nobody": func(f map[string]string) { f["maThe"] = "001099000000" },
	} {
		f := maps.Clone(fields)
		change(f)
		if _, m := ask(t, g, bhyt.PathHistory, q, f, true); m["maKetQua"] != "200" || m["dsLichSuKCB2025"] != nil {
			t.Errorf("%s: %v", name, m)
		}
	}
	f := maps.Clone(fields)
	f["cccdCb"] = "001190000099"
	if _, m := ask(t, g, bhyt.PathHistory, q, f, true); m["maKetQua"] != "054" {
		t.Errorf("staff that nobody knows: %v", m)
	}
	if _, m := ask(t, g, bhyt.PathHistory, url.Values{}, fields, true); m["maKetQua"] != "401" {
		t.Errorf("without a token: %v", m)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, bhyt.PathToken, nil))
	if w.Header().Get(bhyt.SimulatedHeader) == "" {
		t.Error("it does not say that it is simulated")
	}
}

// Every scenario that is listed can be set, each known code among them; nothing else can.
func TestScenarioList(t *testing.T) {
	g := localgateway.New(localgateway.Options{})
	listed := map[localgateway.Scenario]bool{}
	for _, s := range localgateway.Scenarios() {
		if listed[s] || g.Set(s) != nil {
			t.Errorf("%s", s)
		}
		listed[s] = true
	}
	for _, c := range bhyt.Codes() {
		if !listed[localgateway.Scenario("code:"+c.Code)] {
			t.Errorf("no scenario for code %s", c.Code)
		}
	}
	for _, s := range []localgateway.Scenario{"nosuch", "code:", "code:123456789", "Normal"} {
		if g.Set(s) == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

// What the register writes in an old encoding is what a reader of names reads.
func TestOldEncodings(t *testing.T) {
	for scenario, want := range map[localgateway.Scenario]insurance.Encoding{localgateway.TCVN3: insurance.TCVN3, localgateway.VNI: insurance.VNI} {
		for _, m := range localgateway.Members() {
			if m.Card == nil || m.Behaviour != "" || scenario == localgateway.VNI && m.Persona == "lan" { // whose name is one in both readings
				continue
			}
			g := localgateway.New(localgateway.Options{})
			if err := g.Set(scenario); err != nil {
				t.Fatal(err)
			}
			a := g.Account()
			_, got := ask(t, g, bhyt.PathLookup, login(t, g), map[string]string{"maThe": m.Number, "hoTen": m.FullName, "ngaySinh": m.DateOfBirth, "hoTenCb": a.StaffName, "cccdCb": a.StaffNumber}, false)
			if name, encoding := insurance.ReadName(str(got["hoTen"])); name != m.FullName || encoding != want {
				t.Errorf("%s, %s: %q is read as %q (%s)", scenario, m.Persona, got["hoTen"], name, encoding)
			}
		}
	}
}
