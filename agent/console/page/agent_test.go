package page_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/his/schema/schematest"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
)

// TestWithTheAgent goes the whole way with the real agent, on simulated readers, cards and gateway: the first
// administrator, an operator, a check-in by a scan with the card already on the reader, its visit, the list, and the lock.
func TestWithTheAgent(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(context.Background())
	sim, err := agent.NewSimulation(ctx, agent.SimulationOptions{Readers: 1, Seed: "console", Latency: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s := settings.Default()
	s.HIS.Ports = []int{0}
	s.Desk = "Quầy 1"
	ready, ended := make(chan agent.Ready, 1), make(chan error, 1)
	go func() {
		ended <- agent.Run(ctx, agent.Options{
			Settings: s, SettingsFile: filepath.Join(data, "tapcheck.toml"), DataDir: data, Version: "test", Log: zerolog.Nop(), Readers: sim.Readers, Insurer: sim.Insurer,
			Trust: sim.Trust, Simulation: sim, Frames: schematest.Watch(t), Ready: func(r agent.Ready) { ready <- r },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, sim.Close()); err != nil {
			t.Errorf("the agent ended: %v", err)
		}
	})
	var at agent.Ready
	select {
	case at = <-ready:
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	secret, err := os.ReadFile(filepath.Join(data, console.SetupFileName))
	if err != nil {
		t.Fatal(err)
	}
	p := openTab(t, "http://"+at.Addr)
	p.allowClipboard()
	p.open("")
	p.sees("Tạo người quản trị đầu tiên")
	p.typed(strings.TrimSpace(string(secret)))
	p.key("Tab")
	p.typed("quantri")
	p.key("Tab")
	p.typed("chín con trâu trắng")
	p.key("Enter")
	p.sees("Thêm ứng dụng xác thực")
	p.shot("80-agent-setup")
	var key string
	p.eval("document.querySelector('.qr code').textContent.replaceAll(' ', '')", &key)
	code, err := totp.GenerateCode(key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p.typed(code)
	p.key("Enter")
	p.sees("Mã khôi phục")
	p.look("81-recovery", false)
	press := func(label string) {
		t.Helper()
		p.eval("[...document.querySelectorAll('button')].filter((b) => b.textContent.trim() === "+quote(label)+").pop().click()", nil)
	}
	press("Tôi đã cất giữ")
	p.until("the desk", "document.querySelector('[data-reader]')")
	p.eval("location.hash = '#admin/accounts'", nil)
	p.sees("quantri")
	press("Thêm người dùng")
	p.until("a dialog", "document.querySelector('dialog[open] input')")
	p.typed("lan.nguyen")
	p.eval("document.querySelector('dialog input[type=password]').focus()", nil)
	p.allow("422")
	p.typed("111111")
	p.key("Enter")
	p.sees("Mã PIN cần 6 đến 12 chữ số")
	p.eval("(document.querySelector('dialog input[type=password]').value = '', document.querySelector('dialog input[type=password]').focus(), true)", nil)
	p.typed("730512")
	p.key("Enter")
	p.until("the new operator", "!document.querySelector('dialog') && document.body.innerText.includes('lan.nguyen')")
	for _, page := range []string{"pairing", "tokens", "settings", "access", "diagnostics"} {
		p.eval("location.hash = '#admin/"+page+"'", nil)
		p.until(page, "document.querySelector('.admin nav a[aria-current=page]').href.endsWith("+quote(page)+") && !document.querySelector('.notice.tone-bad')")
		p.look("82-agent-"+page, false)
	}
	p.eval("location.hash = '#health'", nil)
	p.until("the manual's link", "document.querySelector('a[href=\"/manual/vi/index.html\"]')")
	p.eval("(async () => { window.manual = await (await fetch(document.querySelector('a[href^=\"/manual/\"]').href)).text(); })()", nil)
	p.until("the manual", "window.manual?.includes('Hướng dẫn cho bộ phận CNTT')")
	p.eval("location.hash = '#admin/settings'", nil)
	p.sees("console.idle_ms")
	p.eval("(() => { const i = [...document.querySelectorAll('.settings .field')].find((f) => f.textContent.includes('console.idle_ms')).querySelector('input'); i.value = '240000'; document.querySelector('.settings').requestSubmit(); })()", nil)
	p.sees("Đã lưu.")
	p.eval("location.hash = '#admin/pairing'", nil)
	p.sees("Mở cửa sổ ghép trong vài phút")
	press("Mở cửa sổ ghép")
	p.sees("Đang chờ phần mềm bệnh viện")
	press("Đóng cửa sổ ghép")
	p.eval("location.hash = '#admin/diagnostics'", nil)
	p.sees("Tải một tệp nén")
	press("Tải gói chẩn đoán")
	p.sees("Đã tải xuống")

	// The operator's day.
	p.key("F10")
	p.sees("Quầy đang khóa")
	press("Đổi người dùng")
	p.sees("Đăng nhập quầy")
	p.typed("lan.nguyen")
	p.key("Tab")
	p.typed("730512")
	p.key("Enter")
	p.until("the desk", "document.querySelector('[data-reader]')")
	press("Đặt thẻ") // sim.insert of the page's first persona
	p.sees("Có thẻ")
	p.look("83-agent-ready", true)
	an, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	p.eval(`(() => {
		for (const s of [...`+mustJSON(typing(an.QR(), noDriver))+`, {type: "keydown", code: "Enter", key: "Enter"}]) document.body.dispatchEvent(new KeyboardEvent(s.type, {...s, bubbles: true, cancelable: true}));
	})()`, nil)
	p.stage("done")
	p.sees(an.FullName)
	p.look("84-agent-done", true)
	var tone string
	if p.eval("document.querySelector('.genuineness').dataset.tone", &tone); tone != "calm" {
		t.Errorf("a card without an anchor is %q", tone)
	}
	p.key("F9")
	p.until("the number in the clipboard", "(await navigator.clipboard.readText()).startsWith("+quote(an.Number+"\t"+an.FullName)+")")
	press("Gắn mã lượt khám")
	p.until("a dialog", "document.querySelector('dialog[open] input')")
	p.typed("LK-2611-0017")
	p.key("Enter")
	p.until("linked", "!document.querySelector('dialog') && document.querySelector('.person').textContent.includes('LK-2611-0017')")
	p.key("F2")
	p.until("ready", "document.querySelector('.ready')")
	// The same card again, by its six digits: it must be lifted first.
	p.eval("document.getElementById('key-input').focus()", nil)
	p.typed(an.Number[6:])
	p.key("Enter")
	p.stage("return")
	p.look("85-agent-return", true)
	if err := sim.Remove(ctx, ""); err != nil {
		t.Fatal(err)
	}
	p.stage("insert")
	p.key("Esc")
	p.until("ready", "document.querySelector('.ready')")
	p.eval("location.hash = '#today'", nil)
	p.sees("LK-2611-0017")
	p.look("86-agent-today", false)
	p.eval("location.hash = '#desk'", nil)
	p.until("ready", "document.querySelector('.ready')")
	p.eval("document.querySelector('input[name=means][value=emergency]').click()", nil)
	p.until("its form", "document.querySelector('.form-card form')")
	p.eval("document.querySelector('.form-card form').requestSubmit()", nil)
	p.stage("done")
	p.look("87-agent-emergency", true)
	// With the gateway down, a person with VNeID on the phone is admitted all the same, and the dossier gets its paper.
	if err := sim.Gateway.Set(localgateway.Down); err != nil {
		t.Fatal(err)
	}
	p.key("F2")
	p.until("ready", "document.querySelector('.ready')")
	p.eval("document.querySelector('input[name=means][value=vneid]').click()", nil)
	p.until("its form", "document.querySelector('.form-card form')")
	p.eval("(document.querySelector('.form-card input').focus(), true)", nil)
	born, err := time.Parse(time.DateOnly, an.DateOfBirth)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range []string{an.Number, an.FullName, born.Format("2/1/2006")} {
		if i > 0 {
			p.key("Tab")
		}
		p.typed(v)
	}
	p.key("Enter")
	p.stage("done")
	p.sees("Tra cứu sau")
	p.look("89-agent-paper-offered", true)
	p.seesPapers()
	press("In giấy xác nhận tra cứu")
	paper := p.paper()
	for _, want := range []string{an.FullName, "••••••••" + an.Number[8:], "Khi tiếp nhận", "MÔ PHỎNG"} {
		if !strings.Contains(paper, want) {
			t.Errorf("the paper does not say %q:\n%s", want, paper)
		}
	}
	var address string
	var attempts int
	if p.eval("window.paper.document.querySelectorAll('tbody tr.failed').length", &attempts); attempts == 0 {
		t.Error("the paper shows no attempt")
	}
	p.eval("window.paper.location.href", &address)
	q := openTab(t, "http://"+at.Addr)
	if err := chromedp.Do(q.ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	q.sees("Các lần tra cứu")
	q.shot("93-paper")
	p.eval("window.paper.close()", nil)
	if err := sim.Gateway.Set(localgateway.Normal); err != nil {
		t.Fatal(err)
	}
	// In English, with a session of its own at the agent.
	p.eval("document.querySelector('.language-switch').click()", nil)
	p.sees("Next patient")
	p.key("F2")
	p.eval("document.querySelector('input[name=means][value=chip]').click()", nil)
	p.until("readers in the new session", "document.querySelector('[data-reader]')")
	p.eval("document.getElementById('key-input').focus()", nil)
	p.typed("999999")
	p.key("Enter")
	p.stage("insert")
	if err := sim.Insert(ctx, "", "binh", ""); err != nil {
		t.Fatal(err)
	}
	p.stage("key")
	p.sees("That does not open this card")
	p.look("88-agent-wrong-key", true)
}
