// The clipboard. What is copied about a person is taken out of it again after a set time.
//
// A page may write to the clipboard only while its window has the focus, and may read it only if the user has allowed
// that. So when the time has come the clipboard is overwritten: at once, or as soon as this window has the focus again.
// Where reading is allowed, something that was copied elsewhere in the meantime is left alone; where it is not, it is
// overwritten too, and the page says so beforehand.

let timer;
let ours = "";
let due = false;
const watchers = new Set();

export function onClipboard(f) {
	watchers.add(f);
	return () => watchers.delete(f);
}

function tell(state) { for (const f of watchers) f(state); }

// clean keeps a value from moving the cursor of the program that it is pasted into.
export function clean(s) { return String(s).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim(); }

// copy puts texts into the clipboard, parted by tabs. clearAfter is in milliseconds, 0 is never.
export async function copy(texts, clearAfter) {
	const text = texts.map(clean).join("\t");
	await navigator.clipboard.writeText(text);
	ours = text;
	due = false;
	clearTimeout(timer);
	if (clearAfter > 0) timer = setTimeout(() => { due = true; clear(); }, clearAfter);
	tell({ state: "copied", clearAfter });
}

async function mayRead() {
	try {
		return (await navigator.permissions.query({ name: "clipboard-read" })).state === "granted";
	} catch {
		return false; // Firefox knows no such permission
	}
}

// clear overwrites what we have copied.
export async function clear() {
	if (!ours) return;
	if (!document.hasFocus()) {
		due = true;
		tell({ state: "waiting" });
		return;
	}
	try {
		if (await mayRead() && await navigator.clipboard.readText() !== ours) {
			ours = "";
			due = false;
			tell({ state: "left" });
			return;
		}
		await navigator.clipboard.writeText("");
		ours = "";
		due = false;
		tell({ state: "cleared" });
	} catch {
		due = true; // tried again with the next focus
		tell({ state: "waiting" });
	}
}

export function initClipboard() {
	window.addEventListener("focus", () => { if (due) clear(); });
}
