package page_test

import (
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// begin logs in and starts a check-in of a chip by six digits; it gives the job's id.
func begin(t *testing.T) (*fake, *tab, string) {
	t.Helper()
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.login()
	return f, p, start(f, p)
}

func start(f *fake, p *tab) string {
	p.t.Helper()
	p.until("readers", "document.querySelector('[data-reader]')")
	f.forget()
	p.until("the key's field", "document.getElementById('key-input')")
	p.eval("document.getElementById('key-input').focus()", nil)
	p.typed("012345")
	p.key("Enter")
	return f.called("checkin.start")["jobId"].(string)
}

func (p *tab) stage(name string) {
	p.t.Helper()
	p.until("stage "+name, "document.querySelector('.banner') && document.querySelector('.banner').dataset.stage === "+quote(name))
}

// TestFront shows what stands before the desk.
func TestFront(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.open("")
	p.sees("Đăng nhập quầy")
	p.look("01-login", true)

	p.allow("401")
	f.set(func() { f.fail["login"] = catalog.New(catalog.Forbidden, nil) })
	p.typed("lan.nguyen")
	p.key("Tab")
	p.typed("111111")
	p.key("Enter")
	p.sees(text(t, catalog.Forbidden))
	p.look("02-login-refused", true)
	var left string
	if p.eval("document.querySelector('input[type=password]').value", &left); left != "" {
		t.Error("a wrong PIN stays in its field")
	}
	// Operators can be there before an administrator is, as in the demo.
	f.set(func() {
		delete(f.fail, "login")
		f.state["setup"], f.state["accounts"], f.state["simulated"] = true, true, true
	})
	p.reload()
	p.sees("Đăng nhập quầy")
	p.look("03-login-before-setup", true)
	p.eval("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Tạo người quản trị đầu tiên').click()", nil)
	p.sees("Mã bí mật cài đặt")
	p.look("03-setup-simulated", true)
	p.eval("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Quay lại').click()", nil)
	p.sees("Đăng nhập quầy")
	f.set(func() { f.state["accounts"], f.state["simulated"] = false, false })
	p.reload()
	p.sees("Tạo người quản trị đầu tiên")
	p.look("03-setup", true)
	p.typed("one-time-secret")
	p.key("Tab")
	p.typed("quantri")
	p.key("Tab")
	p.typed("mot mat khau dai")
	f.set(func() { f.admin = true })
	p.key("Enter")
	p.sees("Thêm ứng dụng xác thực")
	p.look("04-setup-totp", true)
	p.typed("123456")
	p.key("Enter")
	p.until("the desk", "document.querySelector('.desk')")
	if got := f.posted("setup/confirm"); got["code"] != "123456" || got["ticket"] != "ticket-2" {
		t.Errorf("setup/confirm got %v", got)
	}
	p.key("F10")
	p.sees("Quầy đang khóa")
	p.look("05-locked", true)
}

func text(t *testing.T, id catalog.ID) string {
	e, ok := catalog.Lookup(id)
	if !ok {
		t.Fatalf("no error %s", id)
	}
	return e.Text.VI
}

// TestReady shows the desk that waits for the next person, with each of the six means.
func TestReady(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.login()
	p.until("readers", "document.querySelector('[data-reader]')")
	p.look("10-ready", true)
	f.event("reader.changed", object{"id": "r1", "name": "ACS ACR1252 Dual Reader PICC 0", "state": "card", "contactless": true, "card": object{"kind": "emrtd"}})
	f.event("reader.changed", object{"id": "r2", "name": "HID OMNIKEY 5022 with a name that is longer than the place for it", "state": "error"})
	f.tell(object{
		"queue": []object{
			{"ref": "q1", "client": "https://his.benhvien.example", "state": "needs", "phase": "waiting", "percent": 0, "need": "key", "since": "2026-11-28T08:15:00+07:00", "wantsKey": true},
			{"ref": "q2", "client": "desktop:t2", "state": "waiting", "phase": "waiting", "percent": 0, "since": "2026-11-28T08:15:00+07:00"},
		},
		"health": []object{{"id": "INSURANCE_UNREACHABLE", "severity": "degraded", "title": "Cổng BHYT không trả lời.", "cause": "Mạng lỗi.", "fix": "Vẫn tiếp nhận người bệnh."}},
	})
	p.sees("his.benhvien.example")
	p.sees("Thẻ đã ở trên đầu đọc")
	p.look("11-ready-busy", true)
	f.set(func() { f.state["simulated"] = true })
	for i, m := range []string{"number", "paper_card", "vneid", "no_card", "emergency"} {
		p.eval("document.querySelector('input[name=means][value="+m+"]').click()", nil)
		p.until("form", "document.querySelector('.form-card input')")
		p.look("12-means-"+string(rune('1'+i))+"-"+m, true)
	}
}

// TestCheckin shows a check-in as it runs, and everything that it can need.
func TestCheckin(t *testing.T) {
	t.Parallel()
	f, p, job := begin(t)
	f.event("reader.changed", object{"id": "r1", "name": "ACS ACR1252 Dual Reader PICC 0", "state": "busy"})
	p.sees("Đang chờ đến lượt")
	p.look("20-queued", true)
	f.event("reader.changed", object{"id": "r1", "name": "ACS ACR1252 Dual Reader PICC 0", "state": "empty"})
	p.sees("Đặt thẻ lên đầu đọc")
	needs := func(seq int, need string, cause catalog.ID, more object) {
		n := object{"jobId": job, "seq": seq, "need": need, "expiresAt": "2026-11-28T08:17:00+07:00"}
		if cause != "" {
			n["cause"] = catalog.New(cause, nil).Wire(catalog.VI)
		}
		for k, v := range more {
			n[k] = v
		}
		f.event("job.needs", n)
	}
	needs(1, "insert_card", "", nil)
	p.stage("insert")
	p.look("21-insert", true)
	needs(2, "choose_reader", "", object{"readers": []string{"r1", "r2"}})
	p.stage("reader")
	p.look("22-choose-reader", true)
	p.key("Enter")
	if got := f.called("job.provide"); got["reader"] != "r1" || got["jobId"] != job {
		t.Errorf("job.provide got %v", got)
	}
	needs(3, "return_card", catalog.ReturnCard, nil)
	p.stage("return")
	p.look("23-return", true)
	needs(4, "reposition_card", catalog.CardRemoved, nil)
	p.stage("reposition")
	p.look("24-reposition", true)
	f.forget()
	needs(5, "key", catalog.KeyMissing, nil)
	p.stage("key")
	p.look("25-key", true)
	needs(6, "key", catalog.KeyRejected, nil)
	p.sees("Mã không mở được thẻ này")
	p.look("26-key-rejected", true)
	p.typed("543210")
	p.key("Enter")
	if got := f.called("job.provide")["key"]; got.(object)["can"] != "543210" {
		t.Errorf("job.provide got %v", got)
	}
	needs(7, "retina_scan", "", nil)
	p.stage("other")
	p.look("27-need-of-a-later-version", true)
	f.event("job.progress", object{"jobId": job, "seq": 8, "phase": "access", "percent": 12})
	p.stage("keep")
	p.look("28-keep-card", true)
	var size float64 // read from a metre away: a letter of 13 mm on a common screen
	if p.eval("parseFloat(getComputedStyle(document.querySelector('.banner h1')).fontSize)", &size); size < 60 {
		t.Errorf("the instruction is %.0f px high", size)
	}
	f.event("job.partial", result(job, object{"seq": 9, "state": "running", "portrait": nil, "eligibility": nil, "next": []object{}, "timings": object{}}))
	f.event("job.progress", object{"jobId": job, "seq": 10, "phase": "portrait", "percent": 64})
	p.sees("Nguyễn Văn An")
	var at string
	if p.eval("document.querySelector('[role=progressbar]').getAttribute('aria-valuenow')", &at); at != "64" {
		t.Errorf("the progress bar is at %s", at)
	}
	p.look("29-identity-known", true)
	f.event("job.progress", object{"jobId": job, "seq": 11, "phase": "insurance", "percent": 97})
	p.stage("look_up")
	p.look("30-looking-up", true)
	f.event("job.result", result(job, nil))
	p.stage("done")
	p.look("31-done", true)
	var title string
	if p.eval("document.title + ' ' + location.href", &title); strings.Contains(title, "An") && strings.Contains(title, "Nguy") {
		t.Errorf("the title or the address names the person: %s", title)
	}
}

// TestResults shows how check-ins end.
func TestResults(t *testing.T) {
	t.Parallel()
	f, p, job := begin(t)
	verdicts := func(change func(v object)) object {
		v := everydayVerdicts()
		change(v)
		return v
	}
	insurance := func(state string, changes object) object {
		e := eligible()
		e["state"] = state
		for k, v := range changes {
			e[k] = v
		}
		return e
	}
	long := object{"number": "001099012345", "fullName": strings.Repeat("Công Tằng Tôn Nữ Phượng Hoàng ", 12), "dateOfBirth": "1999-01-01", "sex": "female", "nationality": "VNM",
		"residence": strings.Repeat("ấp Mười Ba Ngàn, xã Vĩnh Thuận Đông, ", 12), "issuedAt": "2022-04-15", "noExpiry": true}
	unbroken := identity()
	unbroken["fullName"], unbroken["residence"] = strings.Repeat("W", 200), strings.Repeat("Đ", 400)
	for i, c := range []struct {
		name    string
		result  object
		tone    string // of the card's summary
		sound   string
		contain string
	}{
		{"anchored", result(job, object{"verdicts": verdicts(func(v object) {
			v["passiveAuthentication"] = object{"status": "passed", "anchor": object{"kind": "csca", "subject": "CN=CSCA Viet Nam, C=VN", "sha256": "aa", "source": "trust"}}
			v["chipAuthentication"] = object{"status": "passed", "exchange": "passed", "protocol": "CA ECDH AES-128"}
		})}), "good", "success", "Thẻ thật"},
		{"everyday", result(job, nil), "calm", "success", "chưa xác minh nơi ký"},
		{"not-covered", result(job, object{"eligibility": insurance("not_eligible", object{"text": "Thẻ hết giá trị sử dụng", "route": nil}), "next": steps(catalog.StepNotCovered, catalog.StepComparePhoto, catalog.StepReturnCard)}), "calm", "look", "Không còn giá trị"},
		{"name-differs", result(job, object{"eligibility": insurance("check", object{"differences": []object{{"field": "fullName", "kind": "diacritics"}, {"field": "dateOfBirth", "kind": "value", "cause": "old_card", "between": "gateway"}}, "route": nil}),
			"next": steps(catalog.StepProceed, catalog.StepCheckPapers, catalog.StepCheckIdentity, catalog.StepComparePhoto, catalog.StepReturnCard)}), "calm", "look", "chỉ khác dấu"},
		{"pending", result(job, object{"recorded": false, "eligibility": object{"state": "pending", "asOf": "2026-11-28T08:15:03+07:00", "reason": "INSURANCE_UNREACHABLE"},
			"warnings": []object{{"id": "NOT_RECORDED", "text": "x"}}, "next": steps(catalog.StepProceed, catalog.StepLookupLater, catalog.StepComparePhoto, catalog.StepReturnCard)}), "calm", "success", "Tra cứu sau"},
		{"altered", result(job, object{"state": "failed", "identity": nil, "portrait": nil, "eligibility": nil, "error": catalog.New(catalog.DataInconsistent, nil).Wire(catalog.VI),
			"verdicts": verdicts(func(v object) { v["passiveAuthentication"] = object{"status": "failed", "reason": "HASH_MISMATCH"} }), "next": steps(catalog.StepCallSupervisor)}), "bad", "error", "không đáng tin"},
		{"copied", result(job, object{"verdicts": verdicts(func(v object) {
			v["passiveAuthentication"] = object{"status": "passed"}
			v["chipAuthentication"] = object{"status": "failed", "reason": "CHIP_AUTH_FAILED", "exchange": "failed"}
		}), "next": steps(catalog.StepCallSupervisor, catalog.StepCheckPapers, catalog.StepReturnCard)}), "bad", "error", "bản sao"},
		{"another-person", failed(job, catalog.PersonUnexpected, catalog.StepReturnCard, catalog.StepTryAgain), "", "error", text(t, catalog.PersonUnexpected)},
		{"reader-gone", failed(job, catalog.PCSCStopped, catalog.StepTryAgain, catalog.StepPaperAdmission), "", "error", text(t, catalog.PCSCStopped)},
		{"long-names", result(job, object{"identity": long, "eligibility": insurance("check", object{"differences": []object{{"field": "fullName", "kind": "value"}}})}), "calm", "success", "Công Tằng Tôn Nữ"},
		{"unbroken-names", result(job, object{"identity": unbroken, "portrait": nil}), "calm", "success", "WWWW"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			if i > 0 {
				p.until("an end", "document.querySelector('[data-key=F2]')")
				p.key("F2")
				job = start(f, p)
				c.result["jobId"] = job
			}
			p.eval("(window.heard = '', document.addEventListener('tapcheck:sound', (e) => { window.heard = e.detail; }, {once: true}), true)", nil)
			f.event("job.result", c.result)
			p.sees(c.contain)
			p.look("4"+string(rune('0'+i%10))+map[bool]string{true: "b"}[i >= 10]+"-"+c.name, true)
			var tone, heard string
			p.eval("document.querySelector('.genuineness') ? document.querySelector('.genuineness').dataset.tone : ''", &tone)
			p.eval("window.heard", &heard)
			if tone != c.tone {
				t.Errorf("the card's tone is %q, not %q", tone, c.tone)
			}
			if heard != c.sound {
				t.Errorf("the sound is %q, not %q", heard, c.sound)
			}
			if c.name == "everyday" {
				neutral(t, p)
			}
			if c.name == "long-names" || c.name == "unbroken-names" {
				small(t, p)
			}
		})
	}
	p.t = t
}

// small is a browser window on such a screen: its own bars take more than a hundred pixels.
func small(t *testing.T, p *tab) {
	t.Helper()
	p.resize(1366, 641)
	p.look("49-small-window", true)
	p.resize(1024, 768)
	p.look("49-narrow-window", false)
	p.resize(1366, 768)
}

// neutral: what cannot be verified is neither red nor green, anywhere.
func neutral(t *testing.T, p *tab) {
	t.Helper()
	p.eval("document.querySelector('.genuineness .why').click()", nil)
	p.until("reasons", "document.querySelector('dialog[open] .reasons')")
	p.look("48-reasons", false)
	var colours [][]int
	p.eval(`[...document.querySelectorAll(".genuineness .verdict .icon, .genuineness .verdict span, [data-verdict=passiveAuthentication] .icon, [data-verdict=passiveAuthentication] strong, [data-verdict=chipAuthentication] .icon")]
		.flatMap((e) => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]).filter((c) => c !== "rgba(0, 0, 0, 0)").map((c) => c.match(/\d+/g).slice(0, 3).map(Number))`, &colours)
	if len(colours) < 6 {
		t.Fatalf("only %d colours were found", len(colours))
	}
	for _, c := range colours {
		if r, g, b := c[0], c[1], c[2]; r > g+40 && r > b+40 || g > r+20 && g > b+20 {
			t.Errorf("a colour of not_verifiable is rgb(%d, %d, %d)", r, g, b)
		}
	}
	p.sees("Chưa kết luận được")
	p.key("Esc")
}
