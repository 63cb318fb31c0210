// The few things that every view needs to build itself. Everything that comes from outside goes in as text: nothing here
// or in a view ever parses HTML.

import { t, tOr } from "./i18n.js";

const svgNS = "http://www.w3.org/2000/svg";

// h makes an element. Properties: class, text, data (for data-…), on (listeners), and attributes by their names; true sets
// an empty attribute, false and undefined set none. Children are nodes, strings, or lists of them.
export function h(tag, props = {}, ...children) {
	const e = document.createElement(tag);
	for (const [name, value] of Object.entries(props)) {
		if (value === undefined || value === false || value === null) continue;
		if (name === "class") e.className = value;
		else if (name === "text") e.textContent = value;
		else if (name === "data") Object.assign(e.dataset, value);
		else if (name === "on") for (const [event, f] of Object.entries(value)) e.addEventListener(event, f);
		else if (name === "value" || name === "checked" || name === "srcObject") e[name] = value;
		else e.setAttribute(name, value === true ? "" : String(value));
	}
	append(e, children);
	return e;
}

export function append(e, children) {
	for (const c of children.flat(Infinity)) if (c !== undefined && c !== null && c !== false) e.append(c);
}

export function replace(e, ...children) {
	e.replaceChildren();
	append(e, children);
}

// loadIcons puts the icons into the page once, so that none of them has to be waited for later.
export async function loadIcons() {
	const file = await fetch("icons/icons.svg", { credentials: "omit", redirect: "error" });
	const parsed = new DOMParser().parseFromString(await file.text(), "image/svg+xml").documentElement;
	const sprite = document.createElementNS(svgNS, "svg");
	sprite.setAttribute("class", "sprite");
	sprite.setAttribute("aria-hidden", "true");
	sprite.append(...parsed.children);
	document.body.append(document.importNode(sprite, true));
}

export function icon(name, className = "icon") {
	const svg = document.createElementNS(svgNS, "svg");
	svg.setAttribute("class", className);
	svg.setAttribute("aria-hidden", "true");
	svg.append(use(name));
	return svg;
}

function use(name, className) {
	const u = document.createElementNS(svgNS, "use");
	u.setAttribute("href", `#${name}`);
	if (className) u.setAttribute("class", className);
	return u;
}

const pictures = {
	insert: ["pic-reader", "pic-card", "pic-down"],
	keep: ["pic-reader", "pic-card", "pic-waves"],
	return: ["pic-hand", "pic-card"],
	scan: ["pic-scan", "pic-line"],
};

// picture shows what the hand should do. It repeats what the words beside it say, so it is hidden from screen readers.
export function picture(name) {
	const svg = document.createElementNS(svgNS, "svg");
	svg.setAttribute("class", `picture pic-${name}`);
	svg.setAttribute("viewBox", "0 0 200 160");
	svg.setAttribute("aria-hidden", "true");
	for (const part of pictures[name]) svg.append(use(part, part));
	return svg;
}

// button makes a button; key names the key that presses it (see keys.js) and is shown on it.
export function button(label, onClick, { key, kind = "", iconName, type = "button", disabled, describe, ...rest } = {}) {
	return h("button", {
		class: `button ${kind}`, type, disabled, data: key ? { key } : {}, "aria-keyshortcuts": key, "aria-label": describe, on: onClick ? { click: onClick } : {}, ...rest,
	}, iconName && icon(iconName), h("span", { text: label }), key && h("kbd", { text: key }));
}

let fieldCount = 0;

// field is a labelled input. props are those of the input; options make it a select.
export function field(label, props = {}, { hint, options, wide } = {}) {
	const id = `f${++fieldCount}`;
	const described = hint ? `${id}-hint` : undefined;
	const input = options
		? h("select", { id, "aria-describedby": described, ...props, value: undefined }, options.map(([value, text]) => h("option", { value, text, selected: value === props.value })))
		: h("input", { id, type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": described, ...props });
	const e = h("div", { class: wide ? "field wide" : "field" }, h("label", { for: id, text: label }), input, hint && h("span", { class: "hint", id: described, text: hint }));
	e.input = input;
	return e;
}

export function checkbox(label, props = {}) {
	const input = h("input", { type: "checkbox", ...props });
	const e = h("label", { class: "check" }, input, h("span", { text: label }));
	e.input = input;
	return e;
}

export const toneIcon = { good: "check", look: "look", bad: "cross", calm: "neutral" };

export function badge(tone, text) {
	return h("span", { class: `badge tone-${tone}` }, icon(toneIcon[tone]), h("span", { text }));
}

// notice says something in a box: what, and what to do about it. An error is announced to screen readers at once.
export function notice(tone, title, ...lines) {
	return h("div", { class: `notice tone-${tone}`, role: tone === "bad" ? "alert" : "status" }, icon(toneIcon[tone]),
		h("strong", { text: title }), lines.filter(Boolean).map((l) => (typeof l === "string" ? h("p", { text: l }) : l)));
}

// failure shows an error in the agent's own words. What has none is a network that does not answer.
export function failure(err) {
	if (err && err.text) {
		const { retryAfterMs, what } = err.detail || {};
		return notice("bad", err.text, what && tOr(`problem.${what}`, ""), err.next, retryAfterMs > 0 && t("retry.in", { seconds: Math.ceil(retryAfterMs / 1000) }));
	}
	return notice("bad", t("offline.title"), t("offline.next"));
}

let toastTimer;

// clearToast takes away what was said in passing: it was about something that is no longer shown.
export function clearToast() { document.getElementById("toasts").replaceChildren(); }

// toast says something in passing.
export function toast(text) {
	const box = document.getElementById("toasts");
	replace(box, h("div", { class: "toast", text }));
	clearTimeout(toastTimer);
	toastTimer = setTimeout(() => box.replaceChildren(), 5000);
}

// dialog shows content over the page until it is closed; build gets close(value). The promise gives that value, undefined
// if it was dismissed. The browser keeps the focus inside and gives it back.
export function dialog(titleText, build) {
	return new Promise((done) => {
		let value;
		const title = h("h2", { id: "dialog-title", text: titleText, tabindex: "-1" });
		const box = h("dialog", { "aria-labelledby": "dialog-title" });
		const close = (v) => { value = v; box.close(); };
		append(box, [build(close, title)]);
		box.addEventListener("close", () => { box.remove(); done(value); });
		document.body.append(box);
		box.showModal();
		(box.querySelector("[autofocus], input:not([type=hidden]), select, textarea") || title).focus();
	});
}

// closeDialogs takes away whatever is open, as when the console locks itself.
export function closeDialogs() {
	for (const d of document.querySelectorAll("dialog[open]")) d.close();
}

// busy keeps a form from being sent twice.
export async function busy(form, work) {
	const buttons = [...form.querySelectorAll("button")].filter((b) => !b.disabled);
	for (const b of buttons) b.disabled = true;
	try {
		return await work();
	} finally {
		for (const b of buttons) b.disabled = false;
	}
}
