package page_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao/cccd"
	"github.com/tapcheck/tapcheck/insurance"
)

// ---- Scanners that type

// stroke is one event of a keyboard as a browser reports it.
type stroke struct {
	Type  string `json:"type"` // keydown or keypress
	Code  string `json:"code"`
	Key   string `json:"key"`
	Shift bool   `json:"shiftKey"`
	Alt   bool   `json:"altKey"`
}

// usKey gives the physical key of an ASCII character on an American keyboard, which scanners type under.
func usKey(r rune) (code string, shift bool) {
	const plain, shifted = "`-=[]\\;',./", "~_+{}|:\"<>?"
	names := []string{"Backquote", "Minus", "Equal", "BracketLeft", "BracketRight", "Backslash", "Semicolon", "Quote", "Comma", "Period", "Slash"}
	switch {
	case r >= 'a' && r <= 'z':
		return "Key" + strings.ToUpper(string(r)), false
	case r >= 'A' && r <= 'Z':
		return "Key" + string(r), true
	case r >= '0' && r <= '9':
		return "Digit" + string(r), false
	case r == ' ':
		return "Space", false
	}
	if i := strings.IndexRune(plain, r); i >= 0 {
		return names[i], false
	}
	if i := strings.IndexRune(shifted, r); i >= 0 {
		return names[i], true
	}
	panic(fmt.Sprintf("no key for %q", r))
}

func down(code, key string, shift bool) stroke {
	return stroke{Type: "keydown", Code: code, Key: key, Shift: shift}
}

// typing is a scanner that types under a keyboard driver. What is not on the keyboard goes as Alt and the numeric keypad.
func typing(text string, driver func(r rune, code string, shift bool) []stroke) []stroke {
	var out []stroke
	for _, r := range text {
		if r > 0x7e {
			out = append(out, stroke{Type: "keydown", Code: "AltLeft", Key: "Alt", Alt: true})
			for _, d := range fmt.Sprintf("%04d", r) {
				out = append(out, stroke{Type: "keydown", Code: "Numpad" + string(d), Key: string(d), Alt: true})
			}
			out = append(out, stroke{Type: "keypress", Key: string(r)})
			continue
		}
		code, shift := usKey(r)
		out = append(out, driver(r, code, shift)...)
	}
	return out
}

// noDriver is a keyboard without Vietnamese.
func noDriver(r rune, code string, shift bool) []stroke {
	return []stroke{down(code, string(r), shift), {Type: "keypress", Key: string(r)}}
}

// inputMethod is one of the system (Microsoft's Telex, ibus-unikey): the browser says "Process", with the physical key.
func inputMethod(_ rune, code string, shift bool) []stroke {
	return []stroke{down(code, "Process", shift)}
}

// vietnameseLayout is Windows's keyboard layout of that name: letters and marks on the digit keys.
func vietnameseLayout(r rune, code string, shift bool) []stroke {
	keys := map[rune]string{'1': "ă", '2': "â", '3': "ê", '4': "ô", '5': "\u0300", '6': "\u0309", '7': "\u0303", '8': "\u0301", '9': "\u0323", '0': "đ"}
	if k := keys[r]; k != "" {
		return []stroke{down(code, k, shift), {Type: "keypress", Key: k}}
	}
	return noDriver(r, code, shift)
}

// hook is Unikey's: it takes the key that changes a letter away, and sends Backspaces and other characters, which have no
// physical key. changes says how a word changes with a key.
func hook(changes func(word []rune, r rune) (back int, with string)) func(r rune, code string, shift bool) []stroke {
	var word []rune
	return func(r rune, code string, shift bool) []stroke {
		if back, with := changes(word, r); back > 0 {
			var out []stroke
			for range back {
				out = append(out, down("Backspace", "Backspace", false))
			}
			for _, c := range with {
				out = append(out, down("", string(c), false), stroke{Type: "keypress", Key: string(c)})
			}
			word = append(word[:len(word)-back], []rune(with)...)
			return out
		}
		word = append(word, r)
		if r == ' ' || r == '|' || r == ',' || r == '-' {
			word = nil
		}
		return noDriver(r, code, shift)
	}
}

// unikeyTelex: aa, ee, oo, dd, and w, s, f, r, x, j after a vowel of the word.
func unikeyTelex(word []rune, r rune) (int, string) {
	low := func(r rune) rune { return []rune(strings.ToLower(string(r)))[0] }
	if len(word) == 0 {
		return 0, ""
	}
	last := low(word[len(word)-1])
	if m := map[rune]string{'a': "â", 'e': "ê", 'o': "ô", 'd': "đ"}[low(r)]; m != "" && last == low(r) {
		return 1, m
	}
	for back, i := 1, len(word)-1; i >= 0; back, i = back+1, i-1 {
		if strings.ContainsRune("aeiouy", low(word[i])) && strings.ContainsRune("sfrxjw", low(r)) {
			tail := []rune(string(word[i:]))
			tail[0] = map[rune]rune{'a': 'á', 'e': 'é', 'i': 'í', 'o': 'ó', 'u': 'ú', 'y': 'ý'}[low(tail[0])]
			return back, string(tail)
		}
	}
	return 0, ""
}

// unikeyVNI: a digit after a word that has a vowel.
func unikeyVNI(word []rune, r rune) (int, string) {
	if r < '1' || r > '9' {
		return 0, ""
	}
	return unikeyTelex(word, 's')
}

// TestWedge: what the page makes of a scan under each kind of driver is a key for the right card, and never a wrong name.
func TestWedge(t *testing.T) {
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.login()
	const (
		plain    = "001099012345|012345678|Ksor Van Hoang|01011999|Nam|So 12, to 3, phuong Dong Xuan, Ha Noi|15042022"
		accented = "001099012345||Nguyễn Văn An|01011999|Nam|Số 12, phường Cầu Giấy, Hà Nội|15042022"
		upper    = "001099012345|012345678|KSOR THI HOA|01011999|Nu|Xa Duong Xa, A1 B2, Ha Noi|15042022"
	)
	for _, c := range []struct {
		name, text string
		driver     func(r rune, code string, shift bool) []stroke
		exact      bool // the text arrives as it was scanned
		mangled    bool // the agent must know that it did not
	}{
		{"no driver", plain, noDriver, true, false},
		{"no driver, Alt codes", accented, noDriver, true, false},
		{"input method of the system", plain, inputMethod, true, false},
		{"Windows's Vietnamese layout", plain, vietnameseLayout, true, false},
		{"Unikey, Telex", plain, hook(unikeyTelex), false, true},
		{"Unikey, Telex, upper case", upper, hook(unikeyTelex), false, true},
		{"Unikey, VNI", upper, hook(unikeyVNI), false, true},
		{"a number", "001099012345", noDriver, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			var got []string
			script := fmt.Sprintf(`(async () => {
				const { listen } = await import("/console/js/wedge.js");
				const target = document.createElement("div");
				const heard = [];
				const stop = listen((text) => heard.push(text), target);
				for (const s of [...%s, {type: "keydown", code: "Enter", key: "Enter"}]) target.dispatchEvent(new KeyboardEvent(s.type, {...s, cancelable: true}));
				stop();
				return heard;
			})()`, mustJSON(typing(c.text, c.driver)))
			p.eval(script, &got)
			if len(got) != 1 {
				t.Fatalf("heard %q", got)
			}
			if (got[0] == c.text) != c.exact {
				t.Errorf("made %q of %q", got[0], c.text)
			}
			if c.text == "001099012345" {
				return
			}
			k, err := cccd.KeyFromQR(got[0])
			if err != nil {
				t.Fatalf("the agent takes no key from %q: %v", got[0], err)
			}
			if k.CAN != "012345" || k.Stated.Number != "001099012345" {
				t.Errorf("key %+v", k)
			}
			if k.Mangled != c.mangled || k.Mangled && k.Stated.FullName != "" {
				t.Errorf("mangled is %v, the name %q", k.Mangled, k.Stated.FullName)
			}
		})
	}
	p.t = t
}

// TestScanAnywhere: a scan starts a check-in wherever the focus is, leaves nothing in an input, and its Enter presses
// nothing; a hand at the keyboard is no scanner.
func TestScanAnywhere(t *testing.T) {
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.login()
	p.until("the field", "document.activeElement.id === 'key-input'")
	const qr = "001099012345|012345678|Nguyen Van An|01011999|Nam|So 12, Ha Noi|15042022"
	// The events are the browser's own. They say themselves when they were, so that a slow machine types as fast as a scanner.
	scan := func() {
		at := input.TimeSinceEpoch(float64(time.Now().UnixMilli()) / 1000)
		for _, s := range typing(qr, noDriver) {
			if s.Type != "keydown" {
				continue
			}
			mod := int64(0)
			if s.Shift {
				mod = 8
			}
			command(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyDown", Key: s.Key, Code: s.Code, Text: s.Key, Modifiers: mod, Timestamp: at})
			at += 0.005
		}
		command(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyDown", Key: "Enter", Code: "Enter", Text: "\r", WindowsVirtualKeyCode: 13, Timestamp: at})
	}
	scan()
	if got := f.called("checkin.start"); got["key"].(object)["qr"] != qr || got["means"] != "chip" {
		t.Errorf("checkin.start got %v", got)
	}
	job := f.called("checkin.start")["jobId"].(string)
	f.event("job.needs", object{"jobId": job, "seq": 1, "need": "key", "cause": catalog.New(catalog.KeyRejected, nil).Wire(catalog.VI)})
	p.stage("key")
	scan()
	if got := f.called("job.provide"); got["key"].(object)["qr"] != qr {
		t.Errorf("job.provide got %v", got)
	}
	var left string
	if p.eval("document.getElementById('key-input').value", &left); left != "" {
		t.Errorf("the scan left %q in the field", left)
	}
	f.event("job.result", result(job, nil))
	p.stage("done")
	f.forget()
	scan() // with the focus on "copy all", which its Enter must not press
	if again := f.called("checkin.start")["jobId"]; again == job {
		t.Error("no new check-in")
	}
	// By hand.
	p.eval("[...document.querySelectorAll('[data-key=Esc]')].forEach((b) => b.click())", nil)
	p.until("ready", "document.querySelector('.ready')")
	p.eval("document.getElementById('key-input').focus()", nil)
	f.forget()
	for _, d := range "012345" {
		p.key(string(d))
	}
	if p.eval("document.getElementById('key-input').value", &left); left != "012345" {
		t.Errorf("typed by hand, the field holds %q", left)
	}
	p.key("Enter")
	if got := f.called("checkin.start"); got["key"].(object)["can"] != "012345" {
		t.Errorf("checkin.start got %v", got)
	}
	// The agent's own scanner.
	p.eval("[...document.querySelectorAll('[data-key=Esc]')].forEach((b) => b.click())", nil)
	p.until("ready", "document.querySelector('.ready')")
	f.forget()
	f.tell(object{"scans": []object{{"seq": 9, "text": qr}}})
	if got := f.called("checkin.start"); got["key"].(object)["qr"] != qr {
		t.Errorf("checkin.start got %v", got)
	}
}

// ---- Keys

// TestThreeKeystrokes: with a scanner, a person and the HIS are done with three keys or less.
func TestThreeKeystrokes(t *testing.T) {
	f := newFake(t)
	f.state["clipboardClearMs"] = 0
	p := openTab(t, f.srv.URL)
	p.allowClipboard()
	p.login()
	p.until("ready", "document.querySelector('[data-reader]')")
	p.eval("(window.pressed = 0, addEventListener('keydown', (e) => { if (e.isTrusted) window.pressed++; }, true), true)", nil)
	f.tell(object{"scans": []object{{"seq": 1, "text": "001099012345||Nguyễn Văn An|01011999|Nam|Hà Nội|15042022"}}})
	job := f.called("checkin.start")["jobId"].(string)
	f.event("job.result", result(job, nil))
	p.stage("done")
	p.key("F9")
	want := strings.Join([]string{"001099012345", "Nguyễn Văn An", "01/01/1999", "Nam", "Số 12, ngõ 34 Trần Thái Tông, phường Cầu Giấy, thành phố Hà Nội", "15/04/2022", "01/01/2039", "GD4010123456789"}, "\t")
	p.until("all fields in the clipboard", "await navigator.clipboard.readText() === "+quote(want))
	p.key("F2")
	p.until("ready for the next", "document.querySelector('.ready')")
	var pressed int
	if p.eval("window.pressed", &pressed); pressed > 3 {
		t.Errorf("%d keys for a check-in", pressed)
	}
}

func (p *tab) allowClipboard() {
	p.t.Helper()
	p.permit("clipboard-read", "granted")
	p.permit("clipboard-write", "granted")
}

func (p *tab) permit(name, setting string) {
	p.t.Helper()
	_, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSetting(setting), Origin: p.base})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestCopy: one field by its key; the clipboard is cleared, but not of what somebody else put there.
func TestCopy(t *testing.T) {
	f := newFake(t)
	f.state["clipboardClearMs"] = 400
	f.state["copyOrder"] = []string{"eligibility.card.code", "fullName"}
	p := openTab(t, f.srv.URL)
	p.allowClipboard()
	p.login()
	job := start(f, p)
	r := result(job, nil)
	r["identity"].(object)["fullName"] = "Nguyễn\tVăn\nAn"
	f.event("job.result", r)
	p.stage("done")
	holds := func(what string) {
		t.Helper()
		p.until("the clipboard holds "+what, "await navigator.clipboard.readText() === "+quote(what))
	}
	p.key("F3") // the first on the screen of the two
	holds("Nguyễn Văn An")
	holds("") // after its time
	p.sees("Đã xóa bộ nhớ tạm")
	p.key("F4")
	holds("GD4010123456789")
	p.eval("navigator.clipboard.writeText('another program')", nil)
	p.sees("được giữ nguyên")
	holds("another program")
	// Another window has the focus: a page may not write then.
	p.eval("(document.hasFocus = () => false, true)", nil)
	p.key("F9")
	holds("GD4010123456789\tNguyễn Văn An")
	p.sees("khi quay lại trang này")
	p.eval("(delete document.hasFocus, dispatchEvent(new Event('focus')), true)", nil)
	holds("")
}

// TestKeyboardAlone: everything that can be pressed is reached with Tab, in the order of the page, and shows that it has
// the focus.
func TestKeyboardAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.admin = true
	f.answers["GET accounts"] = object{"accounts": []object{{"name": "lan", "role": "operator"}}}
	p := openTab(t, f.srv.URL)
	p.open("")
	p.sees("Đăng nhập quầy")
	walk := func(name string) {
		t.Helper()
		var missed []string
		p.eval("(document.activeElement.blur(), true)", nil)
		var n int
		const all = `[...document.querySelectorAll("a[href], button:not([disabled]), input:not([disabled]), select, textarea, summary, [tabindex='0']")]
			.filter((e) => e.getClientRects().length && !(e.type === "radio" && !e.checked))`
		p.eval(all+".length", &n)
		p.eval("(window.reached = [], true)", nil)
		for range 2*n + 6 { // the browser goes on from where it was, and round
			command(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "rawKeyDown", Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9})
			command(p, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: "keyUp", Key: "Tab", Code: "Tab", WindowsVirtualKeyCode: 9})
			var done bool
			p.eval(`(() => {
				const e = document.activeElement;
				if (e === document.body) return false;
				const s = getComputedStyle(e);
				const l = e.type === "radio" ? getComputedStyle(e.closest("label")) : s;
				if (parseFloat(l.outlineWidth) < 2 || l.outlineStyle === "none") window.reached.push("no focus to be seen: " + e.outerHTML.slice(0, 80));
				window.reached.push(e);
				return `+all+`.every((e) => window.reached.includes(e));
			})()`, &done)
			if done {
				break
			}
		}
		p.eval("["+"..."+all+".filter((e) => !window.reached.includes(e)).map((e) => 'never reached: ' + e.outerHTML.slice(0, 90)), ...window.reached.filter((x) => typeof x === 'string')]", &missed)
		for _, m := range missed {
			t.Errorf("%s: %s", name, m)
		}
	}
	walk("login")
	p.eval("(document.querySelector('input[name=username]').focus(), true)", nil)
	p.typed("quantri")
	p.key("Tab")
	p.typed("mot mat khau dai")
	p.key("Enter")
	p.sees("Xác thực bước hai")
	p.look("06-totp", true)
	p.typed("123456")
	p.key("Enter")
	p.until("the desk", "document.querySelector('[data-reader]')")
	walk("ready")
	// Another means with the arrow keys alone.
	p.eval("(document.querySelector('input[name=means]:checked').focus(), true)", nil)
	p.key("ArrowRight")
	p.until("the form of the next means", "document.querySelector('.form-card h1')")
	walk("form")
	p.eval("document.querySelector('input[name=means][value=chip]').click()", nil)
	job := start(f, p)
	f.event("job.result", result(job, nil))
	p.stage("done")
	walk("result")
	p.key("F1")
	p.until("help", "document.querySelector('dialog[open] .keys')")
	p.look("50-help", false)
	p.key("Esc")
	p.until("no dialog", "!document.querySelector('dialog')")
	var back string
	if p.eval("document.activeElement.tagName", &back); back != "BUTTON" {
		t.Errorf("after the dialog the focus is on %s", back)
	}
	p.eval("location.hash = '#admin/accounts'", nil)
	p.sees("Khóa tài khoản")
	walk("accounts")
}

// ---- What is hostile

// TestHostileCard: what a card says is shown as text, whatever it is, and moves nothing else.
func TestHostileCard(t *testing.T) {
	t.Parallel()
	f, p, job := begin(t)
	i := identity()
	i["fullName"] = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
	i["residence"] = "\u202eabc\u202d <b>bold</b> \u0000\u0007\u200b &lt; {field} \u05d0\u05d1\u05d2"
	i["nationality"] = "<svg onload=alert(1)>"
	r := result(job, object{"identity": i, "portrait": object{"mime": "image/jpeg", "width": 1, "height": 1, "data": "PHNjcmlwdD4="}})
	f.event("job.result", r)
	p.stage("done")
	p.sees(`<img src=x onerror=`)
	p.sees(`<b>bold</b>`)
	p.sees("Ảnh không xem được")
	p.look("51-hostile-card", true)
	var found int
	p.eval(`document.querySelectorAll(".person img, .person script, .person b, .person svg[onload]").length`, &found)
	var title, body string
	p.eval("document.title", &title)
	p.eval("document.querySelector('.person').textContent", &body)
	if found != 0 || title != "Tapcheck" {
		t.Errorf("the card's markup became part of the page: %d elements, title %q", found, title)
	}
	if strings.ContainsAny(body, "\u202e\u202d\u0000\u0007\u200b") {
		t.Error("characters that cannot be seen, or that turn the text round, are in the page")
	}
	var bdi string
	if p.eval(`getComputedStyle(document.querySelector(".person bdi")).unicodeBidi`, &bdi); bdi != "isolate" {
		t.Errorf("the name is not isolated: %s", bdi)
	}
}

// ---- Language, lock, loss

// TestLanguageSwitch: after it, nothing of the page's own is in the other language, and the agent is asked for the new one.
func TestLanguageSwitch(t *testing.T) {
	t.Parallel()
	f, p, job := begin(t)
	r := result(job, object{"next": steps(catalog.StepProceed, catalog.StepComparePhoto, catalog.StepReturnCard)})
	i := r["identity"].(object)
	i["fullName"], i["residence"], i["sex"] = "AN", "HANOI", "male"
	f.event("job.result", r)
	p.stage("done")
	f.forget()
	p.eval("document.querySelector('.language-switch').click()", nil)
	p.sees("Return the card to the patient")
	p.sees("Admit the patient.")
	p.look("52-english", true)
	if got := f.called("session.open"); got["language"] != "en" {
		t.Errorf("session.open asks for %v", got["language"])
	}
	vietnamese := func(where string) {
		t.Helper()
		var left []string
		p.eval(`[...document.querySelectorAll("#app *, dialog *")].filter((e) => e.getClientRects().length && !e.closest("[lang=vi]")).flatMap((e) => [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).concat(e.getAttribute("aria-label") || "", e.title || "", e.placeholder || ""))
			.filter((s) => /[ăâđêôơưàáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵ]/i.test(s))`, &left)
		if len(left) > 0 {
			t.Errorf("%s: still Vietnamese: %q", where, left)
		}
	}
	vietnamese("result")
	p.eval("document.querySelector('.genuineness .why').click()", nil)
	p.until("reasons", "document.querySelector('dialog[open]')")
	vietnamese("reasons")
	p.key("Esc")
	p.eval("document.querySelector('.eligibility .why').click()", nil)
	p.until("coverage", "document.querySelector('dialog[open]') && document.body.innerText.includes('If it is an emergency.')")
	p.look("49-coverage", false)
	var left []string
	p.eval("[...document.querySelectorAll('dialog p, dialog strong')].map((e) => e.textContent).filter((s) => s.includes('Đến') || s.includes('Theo'))", &left)
	if len(left) > 0 {
		t.Errorf("still Vietnamese: %q", left)
	}
	p.key("Esc")
	p.key("F2")
	p.sees("Scan the QR code on the ID card")
	p.look("53-english-ready", true)
	vietnamese("ready")
	var lang string
	if p.eval("document.documentElement.lang", &lang); lang != "en" {
		t.Errorf("the page says that it is in %s", lang)
	}
	p.reload()
	p.sees("Log in to the desk")
	var kept []string
	p.eval("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]", &kept)
	if len(kept) != 1 || kept[0] != "tapcheck.language" {
		t.Errorf("the page keeps %v", kept)
	}
}

// TestLock: nobody touches it, and it locks: nothing of the person stays on the screen, and the work is there again after
// the PIN.
func TestLock(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.state["idleMs"] = 4000
	p := openTab(t, f.srv.URL)
	p.login()
	job := start(f, p)
	f.event("job.result", result(job, nil))
	p.stage("done")
	p.sees("Nguyễn Văn An")
	p.sees("Quầy đang khóa")
	f.posted("lock")
	var body string
	if p.eval("document.documentElement.outerHTML", &body); strings.Contains(body, "Nguyễn Văn An") || strings.Contains(body, "001099012345") {
		t.Error("the locked page still holds the person")
	}
	f.set(func() { f.state["idleMs"] = 300000 })
	p.allow("401")
	f.set(func() { f.fail["unlock"] = catalog.New(catalog.Forbidden, nil) })
	p.typed("000000")
	p.key("Enter")
	p.sees(text(t, catalog.Forbidden))
	f.set(func() { delete(f.fail, "unlock") })
	p.typed("730512")
	p.key("Enter")
	p.sees("Nguyễn Văn An")
	// The agent locks it: a session that was touched nowhere else.
	f.set(func() { f.fail["touch"] = catalog.New(catalog.ConsoleLocked, nil); f.fail["job.cancel"] = nil })
	p.eval("(dispatchEvent(new KeyboardEvent('keydown', {key: 'Shift'})), true)", nil)
	p.until("locked by the agent", "(dispatchEvent(new KeyboardEvent('keydown', {key: 'Shift'})), document.body.innerText.includes('Quầy đang khóa'))")
}

// TestReconnect: a check-in survives the loss of its websocket.
func TestReconnect(t *testing.T) {
	t.Parallel()
	f, p, job := begin(t)
	f.event("job.progress", object{"jobId": job, "seq": 1, "phase": "access", "percent": 12})
	p.stage("keep")
	f.forget()
	p.allow("WebSocket")
	f.drop()
	if got := f.called("job.resume"); got["jobId"] != job {
		t.Errorf("job.resume got %v", got)
	}
	// An agent that stays away is said, and forgotten when it is back.
	f.set(func() { f.away = true })
	p.allow("503")
	f.drop()
	p.sees("Mất kết nối")
	p.look("69-away", true)
	f.set(func() { f.away = false })
	p.until("connected again", "!document.body.innerText.includes('Mất kết nối')")
	f.event("job.result", result(job, nil))
	p.stage("done")
}

// TestAmend: decisions, the visit's number, and taking back.
func TestAmend(t *testing.T) {
	t.Parallel()
	f, p, job := begin(t)
	f.event("job.result", result(job, object{"decisionNeeded": []string{"identity"}}))
	p.stage("done")
	press := func(label string) {
		t.Helper()
		p.eval("[...document.querySelectorAll('button')].filter((b) => b.textContent.trim() === "+quote(label)+").pop().click()", nil)
	}
	press("Gắn mã lượt khám")
	p.until("a dialog", "document.querySelector('dialog[open] input')")
	p.typed("LK2611280017")
	p.look("54-link", false)
	p.key("Enter")
	if got := f.called("checkin.link"); got["checkinId"] != "01M8TEST" || got["visit"].(object)["maLk"] != "LK2611280017" {
		t.Errorf("checkin.link got %v", got)
	}
	p.sees("LK2611280017")
	press("Ghi quyết định")
	p.until("a dialog", "document.querySelector('dialog[open] select')")
	p.look("55-decide", false)
	p.eval("document.querySelector('dialog form').requestSubmit()", nil)
	if got := f.called("checkin.decide"); got["about"] != "identity" || got["decision"] != "accept" || got["reason"] != "other_document" {
		t.Errorf("checkin.decide got %v", got)
	}
	p.sees("Đã ghi quyết định")
	p.sees("Nhân thân: vẫn chấp nhận")
	p.until("no dialog", "!document.querySelector('dialog')")
	press("Hủy kết quả")
	p.until("a dialog", "document.querySelector('dialog[open] select')")
	p.look("56-void", false)
	p.eval("document.querySelector('dialog form').requestSubmit()", nil)
	if got := f.called("checkin.void"); got["reason"] != "wrong_patient" {
		t.Errorf("checkin.void got %v", got)
	}
	p.stage("void")
	p.look("57-voided", true)
}

// TestOtherMeans: each means sends what its form holds, and a scan fills it.
func TestOtherMeans(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.login()
	p.until("readers", "document.querySelector('[data-reader]')")
	choose := func(m string) {
		t.Helper()
		p.eval("document.querySelector('input[name=means][value="+m+"]').click()", nil)
		p.until("its form", "document.querySelector('.form-card form')")
		f.forget()
	}
	send := func() object {
		t.Helper()
		p.eval("document.querySelector('.form-card form').requestSubmit()", nil)
		got := f.called("checkin.start")
		s, _ := got["subject"].(object)
		if s == nil {
			s = object{}
		}
		s["means"] = got["means"]
		f.event("job.result", result(got["jobId"].(string), object{"identity": nil, "verdicts": nil, "portrait": nil, "means": got["means"], "next": steps(catalog.StepProceed)}))
		p.stage("done")
		p.look("58-done-"+got["means"].(string), true)
		p.key("F2")
		p.until("ready", "document.querySelector('.ready')")
		return s
	}
	choose("number")
	f.tell(object{"scans": []object{{"seq": 1, "text": "001099012345||Nguyễn Văn An|01011999|Nam|Hà Nội|15042022"}}})
	p.until("filled", "document.querySelector('.form-card input').value === '001099012345'")
	if s := send(); s["number"] != "001099012345" || s["fullName"] != "Nguyễn Văn An" || s["dateOfBirth"] != "1999-01-01" || s["sex"] != "male" || s["means"] != "number" {
		t.Errorf("number sent %v", s)
	}
	choose("no_card")
	p.eval("document.querySelector('.form-card form').requestSubmit()", nil)
	p.sees("Ô được tô viền đỏ")
	p.look("59-form-wrong", true)
	p.eval("(document.querySelector('.form-card input').focus(), true)", nil)
	p.typed("Trần Thị Bình")
	p.key("Tab")
	p.typed("5/9/1980")
	if s := send(); s["fullName"] != "Trần Thị Bình" || s["dateOfBirth"] != "1980-09-05" {
		t.Errorf("no_card sent %v", s)
	}
	choose("vneid") // typed from the patient's phone
	for i, v := range []string{"001099012345", "Nguyễn Văn An", "1/1/1999", "GD4010123456789"} {
		if i > 0 {
			p.key("Tab")
		} else {
			p.eval("(document.querySelector('.form-card input').focus(), true)", nil)
		}
		p.typed(v)
	}
	if s := send(); s["means"] != "vneid" || s["number"] != "001099012345" || s["fullName"] != "Nguyễn Văn An" || s["dateOfBirth"] != "1999-01-01" || s["cardCode"] != "GD4010123456789" {
		t.Errorf("vneid sent %v", s)
	}
	choose("emergency")
	if s := send(); s["means"] != "emergency" || len(s) != 1 {
		t.Errorf("emergency sent %v", s)
	}
	choose("paper_card")
	f.tell(object{"scans": []object{{"seq": 2, "text": "GD4010123456789|4e677579e1bb856e|01/01/1999|1|..."}}})
	got := f.called("checkin.start")
	if got["means"] != "paper_card" || !strings.HasPrefix(got["key"].(object)["qr"].(string), "GD401") || got["subject"] != nil {
		t.Errorf("paper_card sent %v", got)
	}
}

// ---- The paper about look-ups

// seesPapers makes the page's window.open keep what it opens, and count how often that is printed, instead of printing it.
func (p *tab) seesPapers() {
	p.t.Helper()
	p.eval(`(window.printed = 0, window.reallyOpen ||= window.open, window.open = (...a) => {
		window.paper = window.reallyOpen.apply(window, a);
		window.paper.addEventListener("load", () => { window.paper.print = () => { window.printed++; }; }, {once: true});
		return window.paper;
	}, true)`, nil)
}

// paper waits until one paper is there and its printing has begun, and gives what it says.
func (p *tab) paper() string {
	p.t.Helper()
	p.until("a paper", "window.paper && window.printed === 1 && window.paper.document.querySelector('main')")
	var text string
	p.eval("window.paper.document.body.innerText", &text)
	return text
}

// TestPaper: what nobody could look up is printed as the dossier needs it, from the result and from the list, by the keyboard
// alone; and nothing of it is left on the screen of a locked desk.
func TestPaper(t *testing.T) {
	t.Parallel()
	f, p, job := begin(t)
	at := time.Date(2026, 11, 28, 1, 15, 2, 0, time.UTC)
	f.set(func() {
		f.answers["POST proofs"] = object{"url": paperURL}
		f.paper = checkin.Proof{CheckinID: "01M8TEST", Means: checkin.MeansChip, StartedAt: at, FullName: "Nguyễn Văn An", Number: "••••••••2345", State: insurance.Pending, Waiting: true}
		for i, outcome := range []string{string(catalog.InsuranceUnreachable), string(catalog.InsuranceGarbage), "not_asked"} {
			f.paper.Attempts = append(f.paper.Attempts, checkin.ProofAttempt{At: at.Add(time.Duration(i) * time.Minute), Cause: checkin.CauseArrival, Insurer: insurance.SourceGateway, Fields: []string{"number"}, Outcome: outcome})
		}
	})
	attempts := []string{"08:15:02 28/11/2026", "08:16:02 28/11/2026", "08:17:02 28/11/2026", "3 lần tra cứu, 3 lần không có kết quả"}
	holds := func(paper string) {
		t.Helper()
		for _, want := range attempts {
			if !strings.Contains(paper, want) {
				t.Errorf("the paper does not say %q", want)
			}
		}
	}
	f.event("job.result", result(job, nil))
	p.stage("done")
	const button = `[...document.querySelectorAll("button")].find((b) => b.textContent === "In giấy xác nhận tra cứu")`
	var there bool
	if p.eval("Boolean("+button+")", &there); there {
		t.Error("a paper is offered for a card that was looked up")
	}
	p.key("F2")
	job = start(f, p)
	f.event("job.result", result(job, object{
		"eligibility": object{"state": "pending", "source": "bhyt-gateway", "asOf": "2026-11-28T08:15:03+07:00", "reason": "INSURANCE_UNREACHABLE"},
		"next":        steps(catalog.StepProceed, catalog.StepLookupLater, catalog.StepComparePhoto, catalog.StepReturnCard),
	}))
	p.stage("done")
	p.until("the button", button)
	p.look("90-paper-offered", true)
	p.seesPapers()
	for range 30 { // as the keyboard gets there
		var on bool
		if p.eval("document.activeElement === "+button, &on); on {
			break
		}
		p.key("Tab")
	}
	p.key("Enter")
	holds(p.paper())
	if got := f.posted("proofs"); got["checkinId"] != "01M8TEST" {
		t.Errorf("proofs got %v", got)
	}
	p.eval("window.paper.close()", nil)

	f.set(func() {
		f.answers["checkin.list"] = object{"checkins": []object{
			{"checkinId": "01A", "means": "chip", "state": "complete", "startedAt": "2026-11-28T08:15:02+07:00", "eligibilityState": "eligible", "recorded": true},
			{"checkinId": "01B", "means": "vneid", "state": "complete", "startedAt": "2026-11-28T08:20:02+07:00", "eligibilityState": "pending", "recorded": true},
			{"checkinId": "01C", "means": "number", "state": "complete", "startedAt": "2026-11-28T08:25:02+07:00", "eligibilityState": "unknown", "recorded": false, "visit": object{"maLk": "LK2611280017", "maBn": "BN0027182"}, "operator": object{"id": "lan.nguyen"}},
			{"checkinId": "01D", "means": "number", "state": "void", "startedAt": "2026-11-28T08:30:02+07:00", "eligibilityState": "pending", "recorded": true},
		}}
	})
	p.eval("location.hash = '#today'", nil)
	p.until("the list", "document.querySelector('[data-checkin]')")
	p.look("91-today-papers", false)
	var scrolls bool
	if p.eval("document.querySelector('.table-wrap').scrollWidth > document.querySelector('.table-wrap').clientWidth", &scrolls); scrolls {
		t.Error("the list's buttons do not fit at 1366×768")
	}
	const inList = `[...document.querySelectorAll("[data-checkin]")].filter((r) => r.textContent.includes("In giấy")).map((r) => r.dataset.checkin)`
	var offered []string
	if p.eval(inList, &offered); strings.Join(offered, " ") != "01B 01C" {
		t.Errorf("the list offers papers of %v", offered)
	}
	p.seesPapers()
	f.forget()
	p.eval("[...document.querySelectorAll('[data-checkin=\"01C\"] button')].find((b) => b.textContent === 'In giấy').focus()", nil)
	p.key("Enter")
	holds(p.paper())
	if got := f.posted("proofs"); got["checkinId"] != "01C" {
		t.Errorf("proofs got %v", got)
	}
	p.key("F10")
	p.sees("Quầy đang khóa")
	p.until("the paper is gone", "window.paper.closed")
	p.typed("730512")
	p.key("Enter")
	p.until("the list", "document.querySelector('[data-checkin]')")

	// The agent says why there is none; a browser that opens no tab by itself opens it by one more press.
	press := "[...document.querySelectorAll('[data-checkin=\"01B\"] button')].find((b) => b.textContent === 'In giấy').click()"
	p.allow("503")
	f.set(func() { f.fail["proofs"] = catalog.New(catalog.JournalUnreadable, nil) })
	p.eval(press, nil)
	p.sees(text(t, catalog.JournalUnreadable))
	f.set(func() { delete(f.fail, "proofs") })
	p.eval("(window.open = () => null, true)", nil)
	p.eval(press, nil)
	p.sees("Trình duyệt chưa cho mở trang giấy")
	p.look("92-paper-blocked", false)
	p.seesPapers()
	p.key("Enter")
	holds(p.paper())
	p.eval("window.paper.close()", nil)

	// Beside it, what any program's look-ups have failed of, with no name: a stay's too, of an arrival that was answered.
	f.set(func() {
		f.answers["GET proofs"] = object{"more": true, "papers": []object{
			{"checkinId": "02A", "client": "https://his.benhvien-da-khoa-khu-vuc.example", "means": "chip", "state": "complete", "startedAt": "2026-11-28T08:15:02+07:00", "number": "••••••••2345", "cardCode": "•••••••••••6789",
				"eligibilityState": "eligible", "failedAttempts": 112, "lastFailed": "2026-11-28T09:15:02+07:00", "proofNeeded": true, "visit": object{"maLk": "LK2611280017", "maBn": "BN0027182"}},
			{"checkinId": "02B", "client": "console", "means": "paper_card", "state": "complete", "startedAt": "2026-11-27T08:15:02+07:00", "cardCode": "•••••••••••6789", "eligibilityState": "not_eligible", "failedAttempts": 1, "lastFailed": "2026-11-27T08:15:02+07:00", "proofNeeded": false},
			{"checkinId": "02C", "client": "desktop:t2", "state": "void", "startedAt": "2026-11-26T08:15:02+07:00", "failedAttempts": 3, "lastFailed": "2026-11-26T08:15:02+07:00", "proofNeeded": true},
		}}
	})
	p.eval("location.hash = '#today/papers'", nil)
	p.until("the list of papers", "document.querySelectorAll('[data-paper]').length === 3")
	p.look("94-papers", false)
	if p.eval("document.querySelector('.table-wrap').scrollWidth > document.querySelector('.table-wrap').clientWidth", &scrolls); scrolls {
		t.Error("the list of papers does not fit at 1366×768")
	}
	var row string
	p.eval("document.querySelector('[data-paper=\"02A\"]').innerText", &row)
	for _, want := range []string{"his.benhvien-da-khoa-khu-vuc.example", "…2345", "LK2611280017", "112 lần", "Cần giấy", "In giấy"} {
		if !strings.Contains(row, want) {
			t.Errorf("the list does not say %q: %s", want, row)
		}
	}
	p.seesPapers()
	f.forget()
	p.eval("document.querySelector('[data-paper=\"02A\"] button').focus()", nil)
	p.key("Enter")
	holds(p.paper())
	if got := f.posted("proofs"); got["checkinId"] != "02A" {
		t.Errorf("proofs got %v", got)
	}
}

// TestNews: what came of a look-up that nobody waited for is said calmly, wherever somebody is, and without a name; the day's list is
// read anew, and a result on the screen takes it.
func TestNews(t *testing.T) {
	t.Parallel()
	f, p, job := begin(t)
	pending := object{"state": "pending", "source": "bhyt-gateway", "asOf": "2026-11-28T08:15:03+07:00", "reason": "INSURANCE_UNREACHABLE"}
	f.event("job.result", result(job, object{"eligibility": pending, "next": steps(catalog.StepProceed, catalog.StepLookupLater)}))
	p.sees("Tra cứu sau")
	p.sees("tra cứu lại thẻ BHYT khi cổng hoạt động")
	changed := func(id string, e object, more object) {
		x := object{"checkinId": id, "lookupId": id, "cause": "arrival", "eligibility": e, "attempts": []object{}}
		for k, v := range more {
			x[k] = v
		}
		f.event("eligibility.changed", x)
	}
	later := eligible()
	later["asOf"] = "2026-11-28T08:40:00+07:00"
	f.set(func() {
		f.answers["job.status"] = object{"jobId": job, "checkinId": "01M8TEST", "state": "complete", "result": result(job, object{"eligibility": later, "next": steps(catalog.StepCheckPapers)})}
	})
	changed("01M8TEST", later, nil)
	p.until("the result takes it", "document.querySelector('.eligibility').dataset.state === 'eligible'")
	p.sees("Đã tra cứu lại thẻ BHYT của lượt này: Còn giá trị.")
	p.until("what is done next is another thing", "document.querySelector('.banner h1').textContent.includes('Kiểm tra thẻ BHYT') && !document.body.innerText.includes('khi cổng hoạt động')")
	p.look("95-answered-later", true)
	changed("01M8EARLIER", object{"state": "check", "asOf": "2026-11-28T08:41:00+07:00"}, nil)
	p.sees("Kết quả tra cứu lại của một lượt trước: Cần kiểm tra")
	changed("01M8TEST", object{"state": "unknown", "asOf": "2026-11-28T09:00:00+07:00"}, object{"lookupId": "01M8TEST/end", "givenUp": true})
	p.sees("Chưa rõ")
	var state string
	if p.eval("document.querySelector('.eligibility').dataset.state", &state); state != "eligible" {
		t.Errorf("a look-up that was given up takes away what is known: %s", state)
	}
	p.key("F2")
	p.until("the desk says it", "document.querySelectorAll('[data-news]').length === 2")
	p.look("95-news", true)
	changed("01M8TEST", object{"state": "unknown", "asOf": "2026-11-28T09:00:00+07:00"}, object{"lookupId": "01M8TEST/end", "givenUp": true})
	changed("01M8OTHER", object{"state": "not_eligible", "asOf": "2026-11-28T09:05:00+07:00"}, nil)
	p.sees("Xem cả 4 kết quả")
	f.forget()
	p.eval("location.hash = '#today'", nil)
	f.called("checkin.list")
	f.forget()
	changed("01M8THIRD", later, nil)
	f.called("checkin.list")
	p.eval("location.hash = '#desk'", nil)
	p.until("it was looked at", "document.querySelector('.ready') && !document.querySelector('[data-news]')")
}

// ---- Lists and the administrator

func TestLists(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.answers["checkin.list"] = object{"checkins": []object{
		{"checkinId": "01A", "jobId": "j1", "means": "chip", "state": "complete", "startedAt": "2026-11-28T08:15:02+07:00", "visit": object{"maLk": "LK1", "maBn": "BN1"}, "operator": object{"id": "lan"}, "eligibilityState": "eligible", "recorded": true},
		{"checkinId": "01B", "jobId": "j2", "means": "paper_card", "state": "void", "startedAt": "2026-11-28T08:20:02+07:00", "eligibilityState": "pending", "recorded": false},
		{"checkinId": "01C", "jobId": "j3", "means": "emergency", "state": "failed", "startedAt": "2026-11-28T08:25:02+07:00", "recorded": true},
	}}
	p := openTab(t, f.srv.URL)
	p.login()
	p.eval("location.hash = '#today'", nil)
	p.sees("LK1 · BN1")
	p.look("60-today", false)
	f.tell(object{"health": []object{
		{"id": "PCSC_STOPPED", "severity": "down", "title": "Dịch vụ thẻ thông minh không chạy.", "cause": "Windows: dịch vụ SCardSvr dừng khi không có đầu đọc.", "fix": "Cắm đầu đọc."},
		{"id": "INSURANCE_OFF", "severity": "note", "title": "Tra cứu BHYT đang tắt.", "cause": "Mục insurance.provider trong cấu hình là off.", "fix": "Điền tài khoản cổng BHYT vào cấu hình."},
	}})
	p.eval("location.hash = '#health'", nil)
	p.sees("Cắm đầu đọc.")
	p.look("61-health", false)
	p.eval("location.hash = '#admin/tokens'", nil) // an operator gets no further than the desk
	p.until("the desk", "document.querySelector('.desk')")
}

func TestAdministration(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.admin = true
	f.answers["GET tokens"] = object{"tokens": []object{
		{"id": "t1", "origin": "https://his.benhvien.example", "label": "HIS chính", "rights": []string{"read", "insurance"}, "fields": []string{"number"}, "createdAt": "2026-01-01T00:00:00Z", "expiresAt": "2036-12-31T00:00:00Z", "live": true},
		{"id": "t2", "desktop": true, "label": "Phòng khám", "rights": []string{"read"}, "createdAt": "2026-01-01T00:00:00Z", "revokedAt": "2026-06-01T00:00:00Z", "live": false},
	}}
	f.answers["POST tokens"] = object{"id": "t3", "secret": "tc_8fJ2mQ9xW4kZ7pL1sV6yB3nD5gH0rT2c"}
	f.answers["GET accounts"] = object{"accounts": []object{
		{"name": "lan.nguyen", "role": "operator", "osUser": `BENHVIEN\lan.nguyen`, "login": []string{"pin", "os"}, "createdAt": "2026-01-01T00:00:00Z", "disabled": false},
		{"name": "quantri", "role": "admin", "login": []string{"password"}, "createdAt": "2026-01-01T00:00:00Z", "disabled": false},
		{"name": "cu.nhan", "role": "operator", "login": []string{"pin"}, "createdAt": "2026-01-01T00:00:00Z", "disabled": true},
	}}
	f.answers["GET settings"] = object{"file": "/etc/tapcheck/tapcheck.toml", "problems": []object{}, "settings": []object{
		{"name": "language", "kind": "string", "allowed": "vi or en", "doc": object{"en": "Language of texts where a client asks for none.", "vi": "Ngôn ngữ khi phần mềm không chọn."}, "value": "vi", "default": "vi", "live": false},
		{"name": "console.idle_ms", "kind": "int", "allowed": "30000 to 3600000", "doc": object{"en": "How long nobody may touch the console before it locks."}, "value": 300000, "default": 300000, "live": true},
		{"name": "checkin.extended_apdu", "kind": "bool", "allowed": "true or false", "doc": object{"en": "Try extended-length commands."}, "value": false, "default": false, "live": false, "restart": true},
		{"name": "his.origins", "kind": "list", "allowed": "a list of origins", "doc": object{"en": "Web origins that may connect."}, "value": []string{"https://his.benhvien.example"}, "default": []string{}, "live": false},
		{"name": "insurance.password_file", "kind": "string", "allowed": "path of a file", "doc": object{"en": "File that holds the password."}, "value": "", "default": "", "live": false, "fileOnly": true},
		{"name": "desk", "kind": "string", "allowed": "up to 64 characters", "doc": object{"en": "Name of this desk."}, "value": "quầy 7", "default": "", "live": false, "source": "policy", "place": "/etc/tapcheck-policy.d/10-benhvien.toml", "locked": true},
	}}
	f.answers["PUT settings"] = object{"applied": []string{"console.idle_ms"}, "restart": []string{}}
	f.answers["GET access"] = object{"access": []object{
		{"at": "2026-11-28T08:15:02+07:00", "who": "https://his.benhvien.example", "session": "uid:1000", "what": "checkin.start", "outcome": "ok", "count": 12},
		{"at": "2026-11-28T08:15:04+07:00", "who": "console", "session": "uid:1000", "what": "job.result", "outcome": "sent", "count": 3},
	}, "lost": 0}
	f.answers["GET bundle"] = []byte("PK\x05\x06" + strings.Repeat("\x00", 18))
	p := openTab(t, f.srv.URL)
	p.open("")
	p.sees("Đăng nhập quầy")
	p.typed("quantri")
	p.key("Tab")
	p.typed("mot mat khau dai")
	p.key("Enter")
	p.sees("Xác thực bước hai")
	p.typed("123456")
	p.key("Enter")
	p.until("the desk", "document.querySelector('.desk')")
	place := func(name, sees string) {
		t.Helper()
		p.eval("location.hash = '#admin/"+name+"'", nil)
		p.sees(sees)
		p.look("7-admin-"+name, false)
	}
	press := func(label string) {
		t.Helper()
		p.eval("[...document.querySelectorAll('button')].filter((b) => b.textContent.trim() === "+quote(label)+").pop().click()", nil)
	}
	place("pairing", "Mở cửa sổ ghép")
	press("Mở cửa sổ ghép")
	if got := f.posted("pairing/open"); got["minutes"] != 5.0 || len(got["rights"].([]any)) != 2 {
		t.Errorf("pairing/open got %v", got)
	}
	f.tell(object{"pairing": object{"open": true, "expiresAt": "2026-11-28T08:25:00+07:00", "requests": []object{{"origin": "https://his.benhvien.example", "code": "481920", "expiresAt": "2026-11-28T08:22:00+07:00", "triesLeft": 5}}}})
	p.sees("https://his.benhvien.example")
	p.look("70-pairing-code", false)
	var size string
	if p.eval("getComputedStyle(document.querySelector('.code')).fontSize", &size); size != "72px" {
		t.Errorf("the code is %s high", size)
	}
	press("Đóng cửa sổ ghép")
	f.posted("pairing/close")
	f.tell(object{"pairing": object{"open": false, "requests": []object{}}})

	place("tokens", "HIS chính")
	press("Cấp phép cho phần mềm")
	p.until("a dialog", "document.querySelector('dialog[open] input')")
	p.look("71-token-add", false)
	p.typed("https://his2.benhvien.example")
	p.eval("document.querySelector('dialog form').requestSubmit()", nil)
	p.sees("tc_8fJ2mQ9xW4kZ7pL1sV6yB3nD5gH0rT2c")
	p.look("72-token-made", false)
	if got := f.posted("tokens"); got["origin"] != "https://his2.benhvien.example" || got["days"] != 365.0 {
		t.Errorf("tokens got %v", got)
	}
	press("Đã chép xong")
	p.until("no dialog", "!document.querySelector('dialog')")
	press("Thu hồi")
	p.until("a dialog", "document.querySelector('dialog[open]')")
	press("Thu hồi")
	f.posted("tokens/t1/revoke")

	place("accounts", "cu.nhan")
	press("Thêm người dùng")
	p.until("a dialog", "document.querySelector('dialog[open] input')")
	p.look("73-account-add", false)
	p.key("Esc")
	place("settings", "console.idle_ms")
	p.sees("Do chính sách quyết định")
	p.sees("/etc/tapcheck-policy.d/10-benhvien.toml")
	p.until("what a policy decides to be locked", "[...document.querySelectorAll('.settings .field')].find((f) => f.textContent.includes('10-benhvien')).querySelector('input').disabled")
	p.eval("(() => { const i = [...document.querySelectorAll('.settings .field')].find((f) => f.textContent.includes('console.idle_ms')).querySelector('input'); i.value = '60000'; document.querySelector('.settings').requestSubmit(); })()", nil)
	p.sees("Đã lưu.")
	if got := f.posted("settings"); len(got) != 1 || got["console.idle_ms"] != 60000.0 {
		t.Errorf("settings got %v", got)
	}
	place("access", "checkin.start")
	place("diagnostics", "Tải gói chẩn đoán")
	press("Tải gói chẩn đoán")
	p.sees("Đã tải xuống")
}

// TestPassport: a document without a QR code is opened with its number and two dates.
func TestPassport(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.login()
	p.until("ready", "document.querySelector('[data-reader]')")
	p.eval("document.querySelector('.hero .link').click()", nil)
	p.until("a dialog", "document.querySelector('dialog[open] input')")
	p.look("65-passport", false)
	p.typed("c1234567")
	p.key("Tab")
	p.typed("31/12/1985")
	p.key("Tab")
	p.typed("31/2/2031")
	p.key("Enter")
	p.sees("Ô được tô viền đỏ")
	p.eval("(document.activeElement.value = '', true)", nil)
	p.typed("28.2.2031")
	p.key("Enter")
	got := f.called("checkin.start")["key"].(object)
	if got["documentNumber"] != "C1234567" || got["dateOfBirth"] != "1985-12-31" || got["expiresAt"] != "2031-02-28" {
		t.Errorf("the key is %v", got)
	}
}

// TestHospitalsForm: where the hospital has an order and form of its own, the agent makes what is copied.
func TestHospitalsForm(t *testing.T) {
	f := newFake(t)
	f.state["copyMapped"], f.state["clipboardClearMs"] = true, 0
	f.answers["POST copy"] = object{"texts": []string{"NGUYEN VAN AN", "19990101"}}
	p := openTab(t, f.srv.URL)
	p.allowClipboard()
	p.login()
	job := start(f, p)
	f.event("job.result", result(job, nil))
	p.stage("done")
	p.key("F9")
	p.until("the agent's texts in the clipboard", "await navigator.clipboard.readText() === 'NGUYEN VAN AN\\t19990101'")
	if got := f.posted("copy")["result"].(object); got["portrait"] != nil || got["identity"] == nil {
		t.Errorf("copy got %v", got)
	}
}

// TestGiveKey: the desk gives a key to another program's check-in.
func TestGiveKey(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.login()
	f.tell(object{"queue": []object{{"ref": "q1", "client": "https://his.benhvien.example", "state": "needs", "need": "key", "percent": 0, "wantsKey": true}}})
	p.sees("his.benhvien.example")
	p.eval("document.querySelector('.side .button').click()", nil)
	p.until("a dialog", "document.querySelector('dialog[open] input')")
	p.look("62-give-key", false)
	p.typed("012345")
	p.key("Enter")
	if got := f.posted("jobs/provide"); got["ref"] != "q1" || got["key"].(object)["can"] != "012345" {
		t.Errorf("jobs/provide got %v", got)
	}
	// One that compares a face gets a window from here.
	f.set(func() { f.answers["POST jobs/capture"] = object{"url": f.srv.URL + "/console/#capture=ticket.9"} })
	f.tell(object{"queue": []object{{"ref": "q3", "client": "desktop:t2", "state": "needs", "phase": "face", "percent": 98, "need": "consent", "since": "2026-11-28T08:15:00+07:00"}}})
	p.sees("Chờ ghi nhận đồng ý")
	p.eval("(window.open = (url) => { window.opened = url; }, true)", nil)
	p.eval("[...document.querySelectorAll('.side button')].find((b) => b.textContent === 'Mở camera').click()", nil)
	p.until("the window", "(window.opened || '').endsWith('#capture=ticket.9')")
	if got := f.posted("jobs/capture"); got["ref"] != "q3" {
		t.Errorf("jobs/capture got %v", got)
	}
	p.look("62-open-camera", true)
}

// TestMotion: things move where that is wanted, and only there.
func TestMotion(t *testing.T) {
	_, p, _ := begin(t)
	p.stage("queued")
	var moves string
	if p.eval("getComputedStyle(document.querySelector('.pic-card')).animationName", &moves); moves != "none" {
		t.Errorf("with reduced motion the card moves: %s", moves)
	}
	command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "no-preference"}}})
	if p.eval("getComputedStyle(document.querySelector('.pic-card')).animationName", &moves); moves != "come" {
		t.Errorf("the card does not move: %s", moves)
	}
}

// A hospital with a mapping of its own gets all fields as the agent writes them, without the picture having gone there.
func TestCopyInTheHospitalsForm(t *testing.T) {
	f := newFake(t)
	f.state["clipboardClearMs"], f.state["copyMapped"] = 0, true
	f.answers["POST copy"] = object{"texts": []string{"NGUYEN VAN AN", "19990101", ""}}
	p := openTab(t, f.srv.URL)
	p.allowClipboard()
	p.login()
	job := start(f, p)
	f.event("job.result", result(job, nil))
	p.stage("done")
	p.key("F9")
	p.until("the mapped texts in the clipboard", "await navigator.clipboard.readText() === "+quote("NGUYEN VAN AN\t19990101\t"))
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.posts {
		if c.Method != "copy" {
			continue
		}
		r, _ := c.Params["result"].(map[string]any)
		if r["identity"] == nil || r["portrait"] != nil {
			t.Errorf("sent to be copied: %v", r)
		}
		return
	}
	t.Error("the agent was not asked")
}
