// The agent's settings, as the agent describes them: kind, what is allowed, what it means, which is in force at once.

import { h, button, checkbox, replace, failure, busy, notice, badge } from "../../dom.js";
import { t, language } from "../../i18n.js";
import { visible } from "../../format.js";
import { loaded } from "./index.js";
import inVietnamese from "../../lang/settings.js";

let count = 0;

export function settingsPage(app) {
	const page = loaded(() => app.api.get("settings"), (a) => {
		const inputs = new Map();
		const trouble = h("div", {});
		const rows = (a.settings || []).map((s) => {
			const id = `s${++count}`;
			const control = make(s, id);
			if (s.fileOnly || s.locked) for (const e of [control, ...control.querySelectorAll("input")]) e.disabled = true;
			else inputs.set(s, control);
			const own = language() === "vi" && inVietnamese[s.name]; // says what is allowed, too
			return h("div", { class: "field" }, h("div", { class: "about" }, h("label", { for: id }, own || words(s.doc)), h("code", { text: s.name }),
				h("span", { class: own ? "hint visually-hidden" : "hint", id: `${id}-hint`, text: t("settings.allowed", { what: words(s.allowed) }) }), s.locked ? h("span", {}, badge("calm", t(s.source === "policy" ? "settings.policy" : "settings.environment")), s.place && h("code", { class: "place", text: visible(s.place) })) : s.fileOnly ? h("span", {}, badge("calm", t("settings.fileOnly"))) : !s.live && h("span", {}, badge(s.restart ? "look" : "calm", s.restart ? t("settings.pending") : t("settings.restart")))), control);
		});
		const form = h("form", { class: "card settings", novalidate: true }, h("p", { class: "soft" }, t("settings.file"), " ", h("code", { text: visible(a.file || "—") })),
			(a.problems || []).map((p) => notice("look", words(p))),
			rows, trouble, h("div", { class: "row" }, button(t("settings.save"), null, { type: "submit", kind: "primary", disabled: !a.file })));
		form.addEventListener("submit", (e) => {
			e.preventDefault();
			const changed = {};
			for (const [s, c] of inputs) {
				const v = c.read();
				if (JSON.stringify(v) !== JSON.stringify(s.value)) changed[s.name] = v;
			}
			if (!Object.keys(changed).length) {
				replace(trouble, notice("calm", t("settings.same")));
				return;
			}
			busy(form, async () => {
				try {
					const done = await app.api.put("settings", changed);
					await app.refreshState();
					await page.load();
					const again = (done.restart || []).length;
					page.prepend(notice(again ? "look" : "calm", t("settings.saved"), again ? t("settings.savedRestart", { names: done.restart.join(", ") }) : ""));
					page.firstChild.scrollIntoView({ block: "nearest" });
				} catch (err) {
					replace(trouble, failure(err), ((err.detail || {}).problems || []).map((p) => h("p", { text: words(p) })));
				}
			});
		});
		return form;
	});
	return page;
}

function words(text) {
	if (!text) return "";
	if (typeof text === "string") return text;
	return text[language()] || text.en || "";
}

// make builds the input of a setting by its kind: bool, int, list (one a line), choice, or text.
function make(s, id) {
	const described = `${id}-hint`;
	if (s.kind === "bool") {
		const c = checkbox(t("settings.on"), { id, checked: Boolean(s.value), "aria-describedby": described });
		c.read = () => c.input.checked;
		return c;
	}
	if (Array.isArray(s.value) || /list|\[\]/.test(s.kind)) {
		const values = s.value || [];
		const e = h("textarea", { id, rows: Math.min(Math.max(values.length, 2), 10), "aria-describedby": described, spellcheck: "false" });
		e.value = values.join("\n");
		e.read = () => e.value.split("\n").map((x) => x.trim()).filter(Boolean).map((x) => (/int/.test(s.kind) || values.length && typeof values[0] === "number" ? Number(x) : x));
		return e;
	}
	if (Array.isArray(s.choices)) {
		const e = h("select", { id, "aria-describedby": described }, s.choices.map((c) => h("option", { value: c, text: c, selected: c === s.value })));
		e.read = () => e.value;
		return e;
	}
	const numeric = s.kind === "int" || typeof s.value === "number";
	const e = h("input", { id, type: "text", inputmode: numeric ? "numeric" : undefined, autocomplete: "off", spellcheck: "false", "aria-describedby": described, value: s.value === undefined || s.value === null ? "" : String(s.value) });
	e.read = () => (numeric && /^-?\d+$/.test(e.value.trim()) ? Number(e.value) : e.value.trim());
	return e;
}
