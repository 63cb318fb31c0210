// Keys that press buttons: a button with data-key is pressed by that key, wherever the focus is. Only what can be seen
// counts, and an open dialog hides what lies below it.
//
// Function keys, because no keyboard driver and no scanner types them. F5, F11 and F12 stay the browser's, and F6 where it
// copies nothing, for it leads to the address. The others never do what the browser does with them: help or a search that
// comes up because a dialog was open would only be in the way.
const ours = new Set(["F1", "F2", "F3", "F4", "F7", "F8", "F9", "F10"]);

function layer() {
	const open = document.querySelectorAll("dialog[open]");
	return open.length ? open[open.length - 1] : document;
}

export function initKeys() {
	window.addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.altKey || e.metaKey || e.shiftKey || e.isComposing) return;
		const name = e.key === "Escape" ? "Esc" : e.key;
		if (!/^(F\d{1,2}|Esc)$/.test(name)) return;
		if (ours.has(name)) e.preventDefault();
		const top = layer();
		if (name === "Esc" && top !== document) return; // the browser closes the dialog
		const b = [...top.querySelectorAll("[data-key]")].find((x) => x.dataset.key === name && !x.disabled && x.getClientRects().length > 0);
		if (!b) return;
		e.preventDefault();
		if (!e.repeat) b.click();
	});
}
