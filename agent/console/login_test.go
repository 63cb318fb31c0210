package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// The first administrator is made with the secret that only the PC's own administrator can read, once.
func TestSetup(t *testing.T) {
	d := newDesk(t)
	if r := d.do(request{method: "GET", path: "/state"}); r.body["setup"] != true || r.body["accounts"] != false {
		t.Errorf("state before: %s", r.raw)
	}
	// The PC's administrator can make operators before (tapcheck console add), who must find the way in.
	if err := d.k.c.Accounts.AddOperator(t.Context(), "sớm", "730512", ""); err != nil {
		t.Fatal(err)
	}
	if r := d.do(request{method: "GET", path: "/state"}); r.body["setup"] != true || r.body["accounts"] != true {
		t.Errorf("state with an operator: %s", r.raw)
	}
	// Without the file there is nothing that could fit.
	if r := d.post("/setup", "", m{"secret": "", "name": "trưởng", "password": password}); r.id != catalog.BadRequest {
		t.Errorf("no secret: %d %s", r.status, r.id)
	}
	if r := d.post("/setup", "", m{"secret": " ", "name": "trưởng", "password": password}); r.id != catalog.ConsoleSetupSecret {
		t.Errorf("an empty secret where there is no file: %d %s", r.status, r.id)
	}
	secret := d.setupSecret()
	if r := d.post("/setup", "", m{"secret": secret[1:], "name": "trưởng", "password": password}); r.status != 403 || r.id != catalog.ConsoleSetupSecret {
		t.Errorf("wrong secret: %d %s", r.status, r.id)
	}
	for name, c := range map[string]struct{ user, password, what string }{
		"short password":      {"trưởng", "ngắn", "password"},
		"password with name":  {"trưởng", "trưởng khoa khám", "password"},
		"name with a slash":   {"a/b", password, "name"},
		"no name":             {" ", password, "name"},
		"name with a newline": {"a\nb", password, "name"},
	} {
		r := d.post("/setup", "", m{"secret": secret, "name": c.user, "password": c.password})
		if r.id != catalog.ConsoleAccount || !strings.Contains(string(r.raw), `"what":"`+c.what+`"`) {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	begin := d.post("/setup", "", m{"secret": strings.ToLower(secret), "name": " Trưởng", "password": password})
	if begin.status != 200 || !strings.HasPrefix(begin.text("otpauth"), "otpauth://totp/Tapcheck:") || !strings.HasPrefix(begin.text("qr"), "data:image/png;base64,") {
		t.Fatalf("setup: %d %s", begin.status, begin.raw)
	}
	if d.k.c.Accounts.NeedsAdministrator() == false {
		t.Error("the account is there before its second factor works")
	}
	d.totp["trưởng"] = begin.text("secret32")
	if r := d.do(request{method: "POST", path: "/setup/confirm", session: other, body: fmt.Sprintf(`{"ticket":%q,"code":%q}`, begin.text("ticket"), d.code("trưởng"))}); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("another session of the PC goes on with the ticket: %d %s", r.status, r.id)
	}
	if r := d.post("/setup/confirm", "", m{"ticket": begin.text("ticket"), "code": "000000"}); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("wrong code: %d %s", r.status, r.id)
	}
	// Two at once, who both know the secret: one of them is the administrator.
	rival := d.post("/setup", "", m{"secret": secret, "name": "rival", "password": password})
	d.totp["rival"] = rival.text("secret32")
	done := d.post("/setup/confirm", "", m{"ticket": begin.text("ticket"), "code": d.code("trưởng")})
	if codes, _ := done.body["recovery"].([]any); done.status != 200 || done.text("user") != "trưởng" || done.text("role") != "admin" || len(codes) != recoveryCodes {
		t.Fatalf("confirm: %d %s", done.status, done.raw)
	}
	if r := d.post("/setup/confirm", "", m{"ticket": rival.text("ticket"), "code": d.code("rival")}); r.id != catalog.ConsoleSetupSecret {
		t.Errorf("a second first administrator: %d %s", r.status, r.raw)
	}
	if r := d.do(request{method: "GET", path: "/accounts", token: done.text("token")}); r.status != 200 {
		t.Errorf("accounts: %d", r.status)
	}
	if _, err := os.Stat(filepath.Join(d.k.c.DataDir, SetupFileName)); !os.IsNotExist(err) {
		t.Errorf("the secret's file is still there: %v", err)
	}
	if r := d.post("/setup", "", m{"secret": secret, "name": "second", "password": password}); r.id != catalog.ConsoleSetupSecret {
		t.Errorf("the secret works again: %d %s", r.status, r.id)
	}
	if path, err := OpenSetup(d.k.c.DataDir, d.k.c.Accounts); path != "" || err != nil {
		t.Errorf("a secret is made where there is an administrator: %q, %v", path, err)
	}
}

// Whoever damages the accounts' file must not become the first administrator by it.
func TestUnreadableAccountsLetNobodyIn(t *testing.T) {
	for name, content := range map[string]string{
		"cut": `{"version":1,"accounts":[`, "other version": `{"version":2}`, "twice": `{"version":1,"accounts":[{"name":"a","role":"operator"},{"name":"a","role":"operator"}]}`,
		"no second factor": `{"version":1,"accounts":[{"name":"a","role":"admin","secret":"x"}]}`, "hash": `{"version":1,"accounts":[{"name":"a","role":"operator","secret":"$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			secret := d.setupSecret()
			token := d.operator("hoa", home)
			path := filepath.Join(d.k.c.DataDir, AccountsFileName)
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if r := d.do(request{method: "GET", path: "/state"}); r.body["setup"] != false {
				t.Errorf("setup is open: %s", r.raw)
			}
			if r := d.post("/setup", "", m{"secret": secret, "name": "thief", "password": password}); r.id != catalog.ConsoleSetupSecret {
				t.Errorf("setup: %d %s", r.status, r.id)
			}
			if r := d.post("/login", "", m{"user": "hoa", "pin": pin}); r.id != catalog.ConsoleLoginFailed {
				t.Errorf("login: %d %s", r.status, r.id)
			}
			if r := d.do(request{method: "GET", path: "/health", token: token}); r.id != catalog.ConsoleSessionEnded {
				t.Errorf("an open session lives on: %d %s", r.status, r.id)
			}
		})
	}
}

// A code of the authenticator app is taken once, whoever saw it on the screen; and so is a recovery code.
func TestSecondFactorIsTakenOnce(t *testing.T) {
	d := newDesk(t)
	d.admin("trưởng")
	login := func(code string) response {
		r := d.post("/login", "", m{"user": "trưởng", "pin": password})
		if r.text("needs") != "totp" || r.text("token") != "" {
			t.Fatalf("login: %d %s", r.status, r.raw)
		}
		return d.post("/login/totp", "", m{"ticket": r.text("ticket"), "code": code})
	}
	if r := login(d.code("trưởng")); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("the code that confirmed the setup is taken again: %d %s", r.status, r.id)
	}
	d.clock.pass(30 * time.Second)
	code := d.code("trưởng")
	r := d.post("/login", "", m{"user": "trưởng", "pin": password})
	ticket := r.text("ticket")
	if r := d.do(request{method: "POST", path: "/login/totp", session: other, body: fmt.Sprintf(`{"ticket":%q,"code":%q}`, ticket, code)}); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("another session of the PC goes on with the ticket: %d %s", r.status, r.id)
	}
	if r := d.post("/login/totp", "", m{"ticket": ticket, "code": code}); r.status != 200 {
		t.Fatalf("right code: %d %s", r.status, r.raw)
	}
	if r := d.post("/login/totp", "", m{"ticket": ticket, "code": code}); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("the ticket works twice: %d %s", r.status, r.id)
	}
	if r := login(code); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("the code works twice: %d %s", r.status, r.id)
	}
	// Also by another run of the agent, which has only the file.
	again, err := newConsole(d.k.c, d.clock.now, d.k.hasher.cost)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := again.c.Accounts.Find("trưởng")
	if ok, err := again.secondFactor(a, code); ok || err != nil {
		t.Errorf("a restart forgets that a code was used: %v, %v", ok, err)
	}
	d.clock.pass(time.Minute)
	earlier := d.code("trưởng")
	d.clock.pass(30 * time.Second)
	if r := login(earlier); r.status != 200 {
		t.Errorf("a clock that is half a minute slow: %d %s", r.status, r.raw)
	}
	d.clock.pass(10 * time.Minute)
	if r := login(earlier); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("an old code: %d %s", r.status, r.id)
	}
	d.clock.pass(time.Hour)
	codes, hashes := newRecovery()
	if err := d.k.c.Accounts.edit("trưởng", func(one *Account, _ []Account) error { one.Recovery = hashes; return nil }); err != nil {
		t.Fatal(err)
	}
	if r := login(strings.ToLower(strings.ReplaceAll(codes[3], "-", " "))); r.status != 200 {
		t.Errorf("recovery code: %d %s", r.status, r.raw)
	}
	if r := login(codes[3]); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("a recovery code works twice: %d %s", r.status, r.id)
	}
	if a, _ := d.k.c.Accounts.Find("trưởng"); len(a.Recovery) != recoveryCodes-1 {
		t.Errorf("%d recovery codes are left", len(a.Recovery))
	}
}

// Guessing is slowed down by account and by session, also by many at once, and what is right does not go through meanwhile.
func TestGuessing(t *testing.T) {
	d := newDesk(t)
	d.operator("hoa", home)
	d.operator("minh", home)
	wrong := func(user, session string) response {
		return d.do(request{method: "POST", path: "/login", session: session, body: fmt.Sprintf(`{"user":%q,"pin":"739104"}`, user)})
	}
	for i := range freeTries {
		if r := wrong("hoa", home); r.status != 401 || r.id != catalog.ConsoleLoginFailed {
			t.Errorf("try %d: %d %s", i, r.status, r.id)
		}
	}
	if r := wrong("hoa", home); r.status != 401 {
		t.Errorf("the fourth is judged: %d", r.status)
	}
	wait := time.Duration(0)
	for i := range 40 {
		r := d.post("/login", "", m{"user": "hoa", "pin": pin})
		if r.status != 429 || r.id != catalog.ConsoleTooManyTries {
			t.Fatalf("try %d, right and too early: %d %s", i, r.status, r.raw)
		}
		detail := r.body["error"].(map[string]any)["data"].(map[string]any)["detail"].(map[string]any)
		next := time.Duration(detail["retryAfterMs"].(float64)) * time.Millisecond
		if next < wait || next > longestDelay {
			t.Errorf("try %d: the delay went from %v to %v", i, wait, next)
		}
		wait = next
		d.clock.pass(wait)
		if r := wrong("hoa", home); r.status != 401 {
			t.Fatalf("try %d after the delay: %d", i, r.status)
		}
	}
	if wait != longestDelay {
		t.Errorf("the longest delay is %v", wait)
	}
	// Another session of the PC does not help with this account, and is free for another one.
	if r := wrong("hoa", other); r.status != 429 {
		t.Errorf("from another session: %d", r.status)
	}
	if r := d.do(request{method: "POST", path: "/login", session: other, body: fmt.Sprintf(`{"user":"minh","pin":%q}`, pin)}); r.status != 200 {
		t.Errorf("another account in another session: %d %s", r.status, r.raw)
	}
	// In the first session nobody can go on guessing with other names, those that do not exist among them.
	for _, user := range []string{"minh", "nobody"} {
		if r := wrong(user, home); r.status != 429 {
			t.Errorf("%s in the session that guesses: %d", user, r.status)
		}
	}
	d.clock.pass(longestDelay)
	if r := d.post("/login", "", m{"user": "hoa", "pin": pin}); r.status != 200 {
		t.Errorf("the right one after the delay: %d %s", r.status, r.raw)
	}
	if r := wrong("hoa", home); r.status != 401 {
		t.Errorf("what was wrong before counts on: %d", r.status)
	}

	// Sixty at once are no more tries than one after the other.
	d.clock.pass(2 * forgetTries)
	var mu sync.Mutex
	counts := map[int]int{}
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() {
			r := wrong("hoa", home)
			mu.Lock()
			defer mu.Unlock()
			counts[r.status]++
		})
	}
	all.Wait()
	if counts[401] > freeTries+1 || counts[401]+counts[429] != 60 {
		t.Errorf("of sixty at once: %v", counts)
	}
}

// Who knows an administrator's password does not get any number of tries at the second factor by logging in again.
func TestPasswordBuysNoTriesAtTheSecondFactor(t *testing.T) {
	d := newDesk(t)
	d.admin("trưởng")
	d.clock.pass(time.Hour)
	tries := 0
	for range 40 {
		r := d.post("/login", "", m{"user": "trưởng", "pin": password})
		if r.id == catalog.ConsoleTooManyTries {
			break
		}
		if r := d.post("/login/totp", "", m{"ticket": r.text("ticket"), "code": "000000"}); r.id == catalog.ConsoleLoginFailed {
			tries++
		}
	}
	if tries > freeTries+1 {
		t.Errorf("%d tries at the second factor without a delay", tries)
	}
}

func TestSetupTriesEnd(t *testing.T) {
	d := newDesk(t)
	secret := d.setupSecret()
	for i := 0; i < maxSetupTries; i++ {
		if r := d.post("/setup", "", m{"secret": "AAAAAAAAAAAAAAAAAAAAAAAAAA", "name": "x", "password": password}); r.id != catalog.ConsoleSetupSecret {
			t.Fatalf("try %d: %d %s", i, r.status, r.id)
		}
		d.clock.pass(longestDelay)
	}
	if r := d.post("/setup", "", m{"secret": secret, "name": "x", "password": password}); r.id != catalog.ConsoleSetupSecret {
		t.Errorf("the right one after a hundred wrong ones: %d %s", r.status, r.id)
	}
}

// The lock is the server's: a page that does nothing about it is locked all the same.
func TestIdleLock(t *testing.T) {
	d := newDesk(t)
	token := d.operator("hoa", home)
	tokens := d.k.With(d.tokens)
	own, err := tokens.Check(token, d.url)
	if err != nil || own.Operator != "hoa" || own.OperatorSource != keys.OperatorConsole || own.Session != home || !own.Has(keys.RightRead) || own.Has(keys.RightSimulator) {
		t.Fatalf("the websocket's token: %+v, %v", own, err)
	}
	idle := d.k.set().IdleTime()
	d.clock.pass(idle - time.Second)
	if r := d.post("/touch", token, m{}); r.status != 200 {
		t.Fatalf("touch: %d", r.status)
	}
	d.clock.pass(idle - time.Second)
	if r := d.do(request{method: "GET", path: "/health", token: token}); r.status != 200 {
		t.Errorf("before its time: %d", r.status)
	}
	if !tokens.Valid(own.ID) {
		t.Error("the websocket's session ended before its time")
	}
	d.clock.pass(time.Second) // health is not a touch
	if r := d.do(request{method: "GET", path: "/health", token: token}); r.status != 401 || r.id != catalog.ConsoleLocked {
		t.Errorf("idle: %d %s", r.status, r.id)
	}
	if tokens.Valid(own.ID) {
		t.Error("the websocket of a locked console lives on")
	}
	if _, err := tokens.Check(token, d.url); err == nil {
		t.Error("a locked console opens a websocket")
	}
	if r := d.post("/touch", token, m{}); r.id != catalog.ConsoleLocked {
		t.Errorf("touch of a locked one: %d %s", r.status, r.id)
	}
	for name, body := range map[string]m{"wrong PIN": {"pin": "739104"}, "as the PC's user, which is not allowed": {"os": true}} {
		if r := d.post("/unlock", token, body); r.id != catalog.ConsoleLoginFailed {
			t.Errorf("%s: %d %s", name, r.status, r.id)
		}
	}
	if r := d.do(request{method: "POST", path: "/unlock", token: token, session: other, body: fmt.Sprintf(`{"pin":%q}`, pin)}); r.id != catalog.ConsoleSessionEnded {
		t.Errorf("unlock from another session of the PC: %d %s", r.status, r.id)
	}
	if r := d.post("/unlock", token, m{"pin": pin}); r.status != 200 {
		t.Fatalf("unlock: %d %s", r.status, r.raw)
	}
	if r := d.do(request{method: "GET", path: "/health", token: token}); r.status != 200 || !tokens.Valid(own.ID) {
		t.Errorf("after unlocking: %d", r.status)
	}
	// A long shift ends whoever works on.
	for range int(longestSession / time.Minute) {
		d.clock.pass(time.Minute)
		d.post("/touch", token, m{})
	}
	if r := d.post("/unlock", token, m{"pin": pin}); r.id != catalog.ConsoleSessionEnded {
		t.Errorf("after twelve hours: %d %s", r.status, r.id)
	}
}

// A PC that sleeps, and a clock that somebody has set back, do not keep a console open.
func TestTimePasses(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		to   time.Time
		want time.Duration
	}{
		"awake": {now.Add(time.Minute), time.Minute}, "asleep": {now.Round(0).Add(time.Hour), time.Hour},
	} {
		if got := passed(now, c.to); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What ends a session ends it everywhere, at once.
func TestWhatEndsASession(t *testing.T) {
	for name, end := range map[string]func(d *desk, admin, token string){
		"logout":   func(d *desk, _, token string) { d.post("/logout", token, m{}) },
		"disabled": func(d *desk, admin, _ string) { d.post("/accounts/hoa/disable", admin, m{}) },
		"PIN":      func(d *desk, admin, _ string) { d.post("/accounts/hoa/pin", admin, m{"pin": "975310"}) },
		"removed":  func(d *desk, _, _ string) { _ = d.k.c.Accounts.Remove("hoa") }, // by a command
		"made again": func(d *desk, _, _ string) {
			d.clock.pass(time.Second)
			_ = d.k.c.Accounts.Remove("hoa")
			_ = d.k.addOperator(context.Background(), "hoa", pin, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			admin, token := d.admin("trưởng"), d.operator("hoa", home)
			tokens := d.k.With(d.tokens)
			own, err := tokens.Check(token, d.url)
			if err != nil {
				t.Fatal(err)
			}
			end(d, admin, token)
			if r := d.do(request{method: "GET", path: "/health", token: token}); r.status != 401 || r.id != catalog.ConsoleSessionEnded {
				t.Errorf("%d %s", r.status, r.id)
			}
			if tokens.Valid(own.ID) {
				t.Error("its websocket lives on")
			}
			if r := d.do(request{method: "GET", path: "/health", token: admin}); r.status != 200 {
				t.Errorf("the administrator's ended too: %d", r.status)
			}
		})
	}
}

// Who the user of the PC is counts only where an administrator has said so, and never makes an administrator.
func TestLoginAsUserOfThePC(t *testing.T) {
	for _, c := range []struct {
		login, osUser, session string
		ok                     bool
	}{
		{"both", "hoa", home, true}, {"os", "hoa", home, true}, {"pin", "hoa", home, false}, {"both", "hoa", other, false}, {"both", "lan", home, false}, {"both", "", home, false}, {"both", "", "uid:7", false},
	} {
		d := newDesk(t, func(conf *Config) { conf.Settings.Console.Login = c.login })
		one, err := newOperator(context.Background(), d.k.hasher, "lt.hoa", pin, c.osUser)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.k.c.Accounts.add(one); err != nil {
			t.Fatal(err)
		}
		r := d.do(request{method: "POST", path: "/login", session: c.session, body: `{"os":true}`})
		if ok := r.status == 200 && r.text("user") == "lt.hoa"; ok != c.ok || !ok && r.id != catalog.ConsoleLoginFailed {
			t.Errorf("%+v: %d %s", c, r.status, r.raw)
		}
		if r.status == 200 {
			d.post("/lock", r.text("token"), m{})
			if r := d.post("/unlock", r.text("token"), m{"os": true}); r.status != 200 {
				t.Errorf("%+v: unlock %d %s", c, r.status, r.raw)
			}
		}
		// And where only the PC's user counts, a PIN does not.
		r = d.post("/login", "", m{"user": "lt.hoa", "pin": pin})
		if ok := r.status == 200; ok != (c.login != "os") {
			t.Errorf("%+v: with a PIN: %d", c, r.status)
		}
	}
}

func TestManySessionsAtOnce(t *testing.T) {
	d := newDesk(t)
	d.operator("hoa", home)
	var all sync.WaitGroup
	for i := range 8 { // each with an account of its own: many at once for one account look like guessing
		session, user := fmt.Sprintf("uid:%d", 2000+i), fmt.Sprintf("desk%d", i)
		d.do(request{method: "POST", path: "/logout", token: d.operator(user, session), session: session, body: "{}"})
		all.Go(func() {
			for range 10 {
				r := d.do(request{method: "POST", path: "/login", session: session, body: fmt.Sprintf(`{"user":%q,"pin":%q}`, user, pin)})
				token := r.text("token")
				if r := d.do(request{method: "GET", path: "/health", session: session, token: token}); r.status != 200 {
					t.Errorf("health: %d", r.status)
				}
				for _, path := range []string{"/touch", "/lock", "/logout"} {
					if r := d.do(request{method: "POST", path: path, session: session, token: token, body: "{}"}); r.status != 200 {
						t.Errorf("%s: %d %s", path, r.status, r.id)
					}
				}
			}
		})
	}
	all.Wait()
	if n := len(d.k.sessions.list); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
	// A session of the PC that logs in again and again crowds out its own logins and nobody else's.
	first := d.login("hoa", other)
	for range 3 * maxUserSessions {
		d.clock.pass(time.Second)
		d.login("hoa", home)
	}
	if n := len(d.k.sessions.list); n != maxUserSessions+1 {
		t.Errorf("%d sessions", n)
	}
	if r := d.do(request{method: "GET", path: "/health", session: other, token: first}); r.status != 200 {
		t.Errorf("somebody else's login was crowded out: %d", r.status)
	}
}

// Secrets are in no log, and in no file but as hashes.
func TestSecretsAreNotKept(t *testing.T) {
	d := newDesk(t)
	secret := d.setupSecret()
	admin, token := d.admin("trưởng"), d.operator("hoa", home)
	d.post("/login", "", m{"user": "hoa", "pin": "739104"})
	r := d.post("/tokens", admin, m{"origin": "https://his.example", "label": "l"})
	if r.status != 200 || r.text("secret") == "" {
		t.Fatalf("token: %d %s", r.status, r.raw)
	}
	d.k.dismiss()
	hunted := map[string]string{"setup secret": secret, "PIN": pin, "wrong PIN": "739104", "password": password, "administrator's token": admin, "operator's token": token, "HIS's token": r.text("secret")}
	files, err := os.ReadDir(d.k.c.DataDir)
	if err != nil || len(files) < 2 {
		t.Fatal(err, len(files))
	}
	for _, f := range files {
		raw, err := os.ReadFile(filepath.Join(d.k.c.DataDir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for what, s := range hunted {
			if bytes.Contains(raw, []byte(s)) {
				t.Errorf("%s holds the %s", f.Name(), what)
			}
		}
	}
	d.logMu.Lock()
	defer d.logMu.Unlock()
	for what, s := range hunted {
		if strings.Contains(d.log.String(), s) {
			t.Errorf("the log holds the %s", what)
		}
	}
	for _, name := range []string{"trưởng", "hoa", "label"} {
		if strings.Contains(d.log.String(), name) {
			t.Errorf("the log names %s", name)
		}
	}
}

func TestPINsAndPasswords(t *testing.T) {
	for p, ok := range map[string]bool{
		"402917": true, "000001": true, "135790": true, "123456789012": false, "123456": false, "654321": false, "111111": false, "12345": false, "1234567890123": false, "40291a": false, "": false, "４０２９１７": false,
	} {
		if (checkPIN(p) == nil) != ok {
			t.Errorf("PIN %q", p)
		}
	}
	for p, ok := range map[string]bool{password: true, "hoa hoa hoa hoa": false, "mười một kt": false, strings.Repeat("a", 129): false} {
		if (checkPassword(p, "hoa") == nil) != ok {
			t.Errorf("password %q", p)
		}
	}
}

// A real hash is slow and holds no more memory than it may; and one from elsewhere is read.
func TestHash(t *testing.T) {
	h := newHasher(defaultCost)
	made, err := h.make(t.Context(), pin)
	if err != nil || !strings.HasPrefix(made, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(made, err)
	}
	for secret, want := range map[string]bool{pin: true, "402918": false, "": false} {
		if ok, err := h.check(t.Context(), made, secret); ok != want || err != nil {
			t.Errorf("%q: %v, %v", secret, ok, err)
		}
	}
	if ok, err := h.check(t.Context(), "", ""); ok || err != nil {
		t.Errorf("no account: %v, %v", ok, err)
	}
	full := newHasher(cost{64, 1})
	for range hashSlots {
		full.slots <- struct{}{}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := full.check(ctx, made, pin); err == nil {
		t.Error("a third hash at a time")
	}
}

// A name goes further than this page: into check-ins as the operator's id, and into the label of what was paired.
func TestLongName(t *testing.T) {
	d := newDesk(t)
	for name, want := range map[string]error{strings.Repeat("ễ", 30): nil, strings.Repeat("ễ", 31): ErrAccountName, strings.Repeat("a", 64): nil, strings.Repeat("a", 65): ErrAccountName} {
		if err := d.k.c.Accounts.AddOperator(t.Context(), name, "730512", ""); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", len(name), err)
		}
		if want == nil {
			p := keys.NewPairing(nil)
			if err := p.Open(name, time.Minute, nil, nil); err != nil {
				t.Errorf("%d bytes: %v", len(name), err)
			}
			p.Close()
		}
	}
}

func TestAccountsAPI(t *testing.T) {
	d := newDesk(t)
	admin := d.admin("trưởng")
	add := func(body m) response { return d.post("/accounts", admin, body) }
	if r := add(m{"name": "Hoa", "pin": pin}); r.status != 200 {
		t.Errorf("operator: %d %s", r.status, r.raw)
	}
	if r := add(m{"name": "lan", "osUser": "lan"}); r.status != 200 {
		t.Errorf("operator without a PIN: %d %s", r.status, r.raw)
	}
	for what, body := range map[string]m{
		"taken": {"name": "HOA", "pin": pin}, "pin": {"name": "x", "pin": "123456"}, "form": {"name": "x"}, "name": {"name": "../x", "pin": pin}, "password": {"name": "x", "role": "admin", "password": "short"},
	} {
		if r := add(body); r.status != 422 || !strings.Contains(string(r.raw), fmt.Sprintf(`"what":%q`, what)) {
			t.Errorf("%s: %d %s", what, r.status, r.raw)
		}
	}
	if r := add(m{"name": "other", "osUser": "lan"}); r.id != catalog.ConsoleAccount {
		t.Errorf("one user of the PC twice: %d", r.status)
	}
	if r := add(m{"name": "x", "role": "root"}); r.id != catalog.BadRequest {
		t.Errorf("role: %d", r.status)
	}
	if r := d.post("/accounts/tr%C6%B0%E1%BB%9Fng/disable", admin, m{}); !strings.Contains(string(r.raw), `"what":"last_admin"`) {
		t.Errorf("the last administrator: %d %s", r.status, r.raw)
	}
	// A second administrator, whose second factor must work first.
	r := add(m{"name": "phó", "role": "admin", "password": "mười hai ký tự đó"})
	d.totp["phó"] = r.text("secret32")
	if r := d.post("/accounts/confirm", admin, m{"ticket": r.text("ticket"), "code": d.code("phó")}); r.status != 200 || len(r.body["recovery"].([]any)) != recoveryCodes {
		t.Fatalf("second administrator: %d %s", r.status, r.raw)
	}
	if r := d.do(request{method: "GET", path: "/accounts", token: admin}); strings.Contains(string(r.raw), "argon2") || strings.Contains(string(r.raw), d.totp["phó"]) {
		t.Errorf("the list gives secrets away: %s", r.raw)
	}
	if r := d.post("/accounts/ph%C3%B3/disable", admin, m{}); r.status != 200 {
		t.Errorf("disable: %d %s", r.status, r.raw)
	}
	if r := d.post("/login", "", m{"user": "phó", "pin": "mười hai ký tự đó"}); r.id != catalog.ConsoleLoginFailed {
		t.Errorf("login of who is switched off: %d %s", r.status, r.id)
	}
	if r := d.post("/accounts/ph%C3%B3/enable", admin, m{}); r.status != 200 {
		t.Errorf("enable: %d %s", r.status, r.raw)
	}
	if r := d.post("/accounts/tr%C6%B0%E1%BB%9Fng/pin", admin, m{"pin": "một mật khẩu khác"}); r.status != 200 {
		t.Errorf("own password: %d %s", r.status, r.raw)
	}
	if r := d.do(request{method: "GET", path: "/accounts", token: admin}); r.status != 200 {
		t.Errorf("the one who asked was logged out: %d", r.status)
	}
	if r := d.do(request{method: http.MethodGet, path: "/state"}); r.body["setup"] != false {
		t.Errorf("state: %s", r.raw)
	}
}

func TestDefaultSettings(t *testing.T) {
	if s := settings.Default().Console; s.IdleTime() != 5*time.Minute || s.Login != "pin" {
		t.Errorf("%+v", s)
	}
}
