// How a check-in begins: six means, each with a form that asks for what it needs and no more.

import { h, button, field, picture, replace, notice, failure, busy, toast, dialog } from "../dom.js";
import { t } from "../i18n.js";
import { isoDate, date } from "../format.js";
import { subject as scannedSubject } from "../qr.js";

export const means = ["chip", "number", "paper_card", "vneid", "no_card", "emergency"];

// keyFrom makes a key of what was typed: six digits are the CAN, twelve the number, three lines an MRZ.
export function keyFrom(typed) {
	const s = typed.replace(/[\s.\u2009-]/g, "");
	if (/^\d{6}$/.test(s)) return { can: s };
	if (/^\d{12}$/.test(s)) return { number: s };
	return null;
}

// keyFromScan gives a scanned text to the agent as it is; digits alone are a number or a CAN.
export function keyFromScan(text) { return keyFrom(text) || { qr: text }; }

// keyEntry is the large field for the six digits.
export function keyEntry(app, give, { optional } = {}) {
	const input = h("input", {
		inputmode: "numeric", maxlength: 16, autocomplete: "off", placeholder: "••••••", "aria-label": t("key.label"), "aria-describedby": "key-hint", id: "key-input",
	});
	const trouble = h("div", {});
	const f = h("form", { class: "stack", novalidate: true },
		h("div", { class: "digits" }, input, button(optional ? t("key.start") : t("key.give"), null, { type: "submit", kind: "primary" })),
		h("p", { class: "soft", id: "key-hint", text: t("key.hint") }), trouble);
	f.addEventListener("submit", (e) => {
		e.preventDefault();
		const key = keyFrom(input.value);
		replace(trouble);
		if (!key && !(optional && input.value.trim() === "")) {
			replace(trouble, notice("look", t("key.malformed")));
			input.setAttribute("aria-invalid", "true");
			input.select();
			return;
		}
		busy(f, async () => {
			try {
				await give(key || undefined);
			} catch (err) {
				if (f.isConnected) replace(trouble, failure(err));
			}
		});
	});
	return f;
}

// startForm is the view of a desk that is ready: which means, and its form.
export function startForm(app) {
	const body = h("div", { class: "card" });
	const radios = means.map((m) => {
		const input = h("input", { type: "radio", name: "means", value: m, checked: m === app.means });
		input.addEventListener("change", () => { app.means = m; drawBody(); });
		return h("label", {}, input, h("span", { text: t(`means.${m}`) }));
	});
	const drawBody = (focus) => {
		body.className = app.means === "chip" ? "card hero" : "card form-card";
		app.onScan = null;
		replace(body, app.means === "chip" ? chipStart(app) : personForm(app, app.means));
		if (focus) {
			const first = body.querySelector("input, select");
			if (first) first.focus();
		}
	};
	drawBody();
	requestAnimationFrame(() => {
		const first = body.querySelector("input, select");
		if (first && !document.querySelector("dialog[open]")) first.focus();
	});
	return h("div", { class: "start" }, h("fieldset", { class: "means" }, h("legend", { class: "visually-hidden", text: t("means.label") }), radios), body);
}

function chipStart(app) {
	const title = h("h1", { text: t("ready.title") });
	const draw = () => { title.textContent = app.readers.some((r) => r.state === "card") ? t("ready.card") : t("ready.title"); };
	app.addEventListener("readers", draw, { signal: app.jobSignal });
	draw();
	return [picture("scan"), title, keyEntry(app, (key) => app.start({ means: "chip", key, face: wantedFace(app) }), { optional: true }), faceChoice(app),
		button(t("passport.title"), () => dialog(t("passport.title"), (close, heading) => h("div", {}, heading, h("p", { text: t("passport.text") }), passport(app, close))), { kind: "link" })];
}

// passport is the way into a document that has no QR code: its number and two dates.
function passport(app, close) {
	const no = field(t("passport.number"), { autocapitalize: "characters" });
	const born = field(t("field.dateOfBirth"), { placeholder: t("date.form"), inputmode: "numeric" });
	const expires = field(t("field.expiresAt"), { placeholder: t("date.form"), inputmode: "numeric" });
	return sendForm(app, [no, born, expires], () => {
		const key = { documentNumber: no.input.value.trim().toUpperCase(), dateOfBirth: isoDate(born.input.value), expiresAt: isoDate(expires.input.value) };
		if (mark(no, !key.documentNumber) | mark(born, key.dateOfBirth.length !== 10) | mark(expires, key.expiresAt.length !== 10)) return null;
		close();
		return { means: "chip", key, face: wantedFace(app) };
	});
}

const faces = ["off", "offered", "required"];

// wantedFace is what a request says about the face; nothing where it is off.
function wantedFace(app) { return app.face !== "off" && app.socket.serves("face.frame") ? app.face : undefined; }

// faceChoice says whether the next check-ins by chip compare the face. Nothing is chosen beforehand.
function faceChoice(app) {
	const box = h("fieldset", { class: "choice", hidden: !app.socket.serves("face.frame") }, h("legend", { text: t("face.choice") }), faces.map((f) => {
		const input = h("input", { type: "radio", name: "face", value: f, checked: f === app.face });
		input.addEventListener("change", () => { app.face = f; });
		return h("label", { title: t(`face.choice.${f}.text`) }, input, h("span", { text: t(`face.choice.${f}`) }));
	}));
	app.socket.addEventListener("open", () => { box.hidden = !app.socket.serves("face.frame"); }, { signal: app.jobSignal });
	return box;
}

function mark(f, wrong) {
	if (wrong) f.input.setAttribute("aria-invalid", "true");
	else f.input.removeAttribute("aria-invalid");
	return wrong ? 1 : 0;
}

// What each form asks for; what is needed stands first.
const asks = {
	number: ["number", "fullName", "dateOfBirth", "sex"],
	paper_card: ["cardCode", "fullName", "dateOfBirth", "sex"],
	vneid: ["number", "fullName", "dateOfBirth", "cardCode"],
	no_card: ["fullName", "dateOfBirth", "sex", "number"],
	emergency: ["fullName", "dateOfBirth", "sex", "number"],
};
const needed = { number: ["number"], paper_card: ["cardCode"], vneid: ["number", "fullName", "dateOfBirth"], no_card: ["fullName", "dateOfBirth"], emergency: [] };

function personForm(app, m) {
	const fields = {};
	for (const name of asks[m]) fields[name] = make(name);
	const fill = (s) => {
		for (const [name, v] of Object.entries(s)) {
			if (fields[name]) fields[name].input.value = name === "dateOfBirth" ? date(v) : v;
		}
	};
	app.onScan = (text) => {
		if (m === "paper_card") { // the agent reads an insurance card's code
			app.start({ means: m, key: { qr: text } });
			return;
		}
		const s = scannedSubject(text);
		if (!s) {
			toast(t("scan.notHere"));
			return;
		}
		fill(s);
		const open = asks[m].map((n) => fields[n]).find((f) => !f.input.value);
		(open || fields[asks[m][0]]).input.focus();
	};
	const form = sendForm(app, [h("div", { class: "form-grid" }, asks[m].map((n) => fields[n]))], () => {
		const s = {};
		let wrong = 0;
		for (const [name, f] of Object.entries(fields)) {
			const typed = f.input.value.trim();
			let v = typed;
			if (name === "number" || name === "cardCode") v = typed.replace(/[\s.\u2009-]/g, "").toUpperCase();
			if (name === "dateOfBirth") v = isoDate(typed);
			const bad = needed[m].includes(name) && !v || name === "dateOfBirth" && typed && !v
				|| name === "number" && v && !/^\d{12}$/.test(v) || name === "cardCode" && v && !/^([A-Z]{2}[1-5]\d{12}|\d{10})$/.test(v);
			wrong |= mark(f, bad);
			if (v) s[name] = v;
		}
		if (wrong) return null;
		return { means: m, subject: Object.keys(s).length ? s : undefined };
	}, m === "emergency" ? t("form.emergency") : t("form.start"));
	return [h("div", {}, h("h1", { text: t(`form.${m}.title`) }), h("p", { class: "soft", text: t(`form.${m}.text`) })), form];

	function make(name) {
		const must = needed[m].includes(name);
		const label = `${t(`field.${name}`)}${must ? " *" : ""}`;
		switch (name) {
			case "number": return field(label, { inputmode: "numeric", maxlength: 18, required: must }, { hint: t("field.number.hint") });
			case "cardCode": return field(label, { maxlength: 20, autocapitalize: "characters", required: must }, { hint: t("field.cardCode.hint") });
			case "dateOfBirth": return field(label, { inputmode: "numeric", placeholder: t("date.form") }, { hint: t("field.dateOfBirth.hint") });
			case "sex": return field(label, { value: "" }, { options: [["", t("sex.unknown")], ["male", t("sex.male")], ["female", t("sex.female")]] });
		}
		return field(label, { maxlength: 120, required: must });
	}
}

// sendForm is a form whose request is made by build; null says that a field is wrong.
function sendForm(app, fields, build, label = t("form.start")) {
	const trouble = h("div", {});
	const f = h("form", { class: "stack", novalidate: true }, fields, trouble, h("div", { class: "row" }, button(label, null, { type: "submit", kind: "primary" })));
	f.addEventListener("submit", (e) => {
		e.preventDefault();
		const request = build();
		replace(trouble);
		if (!request) {
			replace(trouble, notice("look", t("form.wrong")));
			const wrong = f.querySelector("[aria-invalid=true]");
			if (wrong) wrong.focus();
			return;
		}
		busy(f, () => app.start(request));
	});
	return f;
}

// startFromScan begins a chip check-in with what a scanner read.
export function startFromScan(app, text) { return app.start({ means: "chip", key: keyFromScan(text), face: wantedFace(app) }); }
