// Keyboard-wedge scanners: they type what they read, faster than any hand, into whatever has the focus.
//
// A Vietnamese keyboard driver takes such typing for a person's. Telex turns "aa" into "â" and VNI turns "a1" into "á":
// as an input method of the system it composes (the browser reports the key "Process" and still the physical key in
// KeyboardEvent.code); Unikey's hook swallows the key and sends Backspaces and other characters instead, which have no
// code; the layout "Vietnamese" has letters on the digit keys. So the text is put together from the physical keys of an
// American layout, which is what scanners type under. What a hook has swallowed is gone: there a U+FFFD stands, so that
// the agent knows the text as mangled and takes only the number, which comes first and is not beyond doubt otherwise.
//
// Characters that are not on the keyboard are typed as Alt and the numeric keypad; the browser then reports the character
// alone, without a key.

const mark = "\ufffd";
const maxGap = 60; // ms between two keys of a scanner; a practised typist needs 80 or more
const settle = 400; // ms after which a burst without Enter is over
const shortest = 6;
const longest = 4096;

const shifted = { Digit1: "!", Digit2: "@", Digit3: "#", Digit4: "$", Digit5: "%", Digit6: "^", Digit7: "&", Digit8: "*", Digit9: "(", Digit0: ")" };
const others = {
	Minus: "-_", Equal: "=+", BracketLeft: "[{", BracketRight: "]}", Backslash: "\\|", IntlBackslash: "\\|", Semicolon: ";:", Quote: "'\"", Backquote: "`~",
	Comma: ",<", Period: ".>", Slash: "/?", Space: "  ", NumpadDivide: "//", NumpadMultiply: "**", NumpadSubtract: "--", NumpadAdd: "++", NumpadDecimal: "..",
};

// physical gives the character of a key on an American layout, or "" for a key that types none.
export function physical(code, shift, caps) {
	let m;
	if ((m = /^Key([A-Z])$/.exec(code))) return shift !== caps ? m[1] : m[1].toLowerCase();
	if ((m = /^Digit(\d)$/.exec(code))) return shift ? shifted[code] : m[1];
	if ((m = /^Numpad(\d)$/.exec(code))) return m[1];
	return others[code] ? others[code][shift ? 1 : 0] : "";
}

// Burst puts one scan together from keydown and keypress events, given as {type, code, key, shiftKey, altKey, caps}.
export class Burst {
	#chars = [];
	#alt = false; // an Alt sequence is being typed
	#altDigits = 0;
	#keyed = null; // the character of the last keydown, for telling a keypress that has none
	mangled = false;

	get length() { return this.#chars.length; }

	down(e) {
		this.#keyed = null;
		if (e.code === "AltLeft" || e.code === "AltRight" || e.key === "Alt") {
			this.#alt = true;
			this.#altDigits = 0;
			return;
		}
		if (this.#alt && e.altKey && /^Numpad\d$/.test(e.code)) {
			if (this.#altDigits++ === 0) this.#push(mark); // replaced by the character, if the browser tells it
			return;
		}
		this.#alt = false;
		if (e.key === "Backspace") { // no scanner types it: a driver has taken something back
			this.mangled = true;
			this.#push(mark);
			return;
		}
		const c = physical(e.code, e.shiftKey, e.caps);
		if (c) {
			if (e.key !== c) {
				// A layout of another country, or an input method: the physical key is the truth. A layout's own character has
				// a key, so nothing is missing.
				this.composed = true;
			}
			this.#push(c);
			this.#keyed = [...e.key].length === 1 ? e.key : c;
			return;
		}
		if ([...(e.key || "")].length === 1) { // a character without a physical key: a driver's, in the place of others
			this.#keyed = e.key;
			if (this.mangled) return; // its Backspace has left the mark
			this.#push(e.key);
		}
	}

	press(e) {
		if (!e.key || [...e.key].length !== 1 || e.key === this.#keyed || e.key < " ") return;
		if (this.#chars[this.#chars.length - 1] === mark && this.#altDigits > 0) {
			this.#chars[this.#chars.length - 1] = e.key;
			this.#altDigits = 0;
		}
	}

	#push(c) { if (this.#chars.length <= longest) this.#chars.push(c); }

	// text is what was scanned. A text in which the number cannot be found at its place is cut down to the twelve digits
	// that can be, if there is exactly one such group: they are all that opening the chip needs.
	text() {
		const s = this.#chars.join("").replace(/\ufffd{2,}/g, mark).trim();
		if (!s.includes(mark) || /^\d{12}\D/.test(s)) return s;
		const groups = s.match(/(?<!\d)\d{12}(?!\d)/g) || [];
		return groups.length === 1 ? groups[0] : s;
	}
}

// listen calls onScan with each text that a scanner types anywhere on the page. What it typed into an input before it was
// known as a scanner is taken out again, and its Enter presses nothing.
export function listen(onScan, target = window) {
	let burst = null;
	let last = -Infinity;
	let count = 0;
	let before = null; // the focused input and what it held
	let timer;

	const editable = (e) => e instanceof HTMLInputElement && e.selectionStart !== undefined || e instanceof HTMLTextAreaElement;

	function end(byEnter) {
		clearTimeout(timer);
		const b = burst;
		burst = null;
		last = -Infinity;
		if (!b || count < shortest) return false;
		const text = b.text();
		// Digits alone may be a hand that drums on the keyboard; a code that has something else, or ends by Enter, is none.
		if (!byEnter && /^\d{0,11}$/.test(text)) return false;
		if (before && before.input.isConnected) {
			before.input.value = before.value;
			before.input.dispatchEvent(new Event("input", { bubbles: true }));
		}
		before = null;
		onScan(text);
		return true;
	}

	function keydown(e) {
		if (e.ctrlKey || e.metaKey || e.repeat) return;
		if (/^(F\d+|Escape|Tab|Arrow|Home|End|Page|Insert|Delete)/.test(e.key)) {
			if (e.key === "Tab" && burst && count >= shortest && e.timeStamp - last <= maxGap && end(true)) swallow(e);
			return;
		}
		if (e.key === "Shift" || e.key === "CapsLock") return;
		const now = e.timeStamp;
		const fast = now - last <= maxGap;
		if (e.key === "Enter" || e.code === "Enter" || e.code === "NumpadEnter") {
			if (burst && fast && end(true)) swallow(e);
			else burst = null;
			return;
		}
		if (!burst || !fast) {
			burst = new Burst();
			count = 0;
			const f = document.activeElement;
			before = editable(f) ? { input: f, value: f.value } : null;
		}
		last = now;
		count++;
		burst.down({ code: e.code, key: e.key, shiftKey: e.shiftKey, altKey: e.altKey, caps: e.getModifierState("CapsLock") });
		if (count >= shortest) swallow(e); // a space would press a focused button, and letters are no longer a person's
		clearTimeout(timer);
		timer = setTimeout(() => end(false), settle);
	}

	function keypress(e) {
		if (!burst) return;
		burst.press(e);
		if (count >= shortest) e.preventDefault();
	}

	function swallow(e) {
		e.preventDefault();
		e.stopImmediatePropagation();
	}

	// An Alt sequence's character may come as input alone.
	target.addEventListener("keydown", keydown, true);
	target.addEventListener("keypress", keypress, true);
	return () => {
		clearTimeout(timer);
		target.removeEventListener("keydown", keydown, true);
		target.removeEventListener("keypress", keypress, true);
	};
}
