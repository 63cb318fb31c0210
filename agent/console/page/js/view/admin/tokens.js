// Programs that may use the agent: list, add, revoke.

import { h, button, field, replace, failure, busy, badge, dialog, notice } from "../../dom.js";
import { t } from "../../i18n.js";
import { value, dateTime } from "../../format.js";
import { loaded } from "./index.js";
import { rightsForm, rightsText } from "./rights.js";

export function tokensPage(app) {
	const list = loaded(() => app.api.get("tokens"), (a) => {
		const tokens = Array.isArray(a) ? a : a.tokens || [];
		if (!tokens.length) return h("div", { class: "card empty", text: t("tokens.empty") });
		return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": t("admin.tokens") }, h("table", {},
			h("thead", {}, h("tr", {}, ["tokens.program", "tokens.label", "rights.title", "tokens.until"].map((k) => h("th", { scope: "col", text: t(k) })), h("th", { scope: "col" }, h("span", { class: "visually-hidden", text: t("today.actions") })))),
			h("tbody", {}, tokens.map((k) => h("tr", {},
				h("td", {}, k.origin ? value(k.origin) : t("client.desktop")), h("td", {}, value(k.label || "")), h("td", { text: rightsText(k.rights) }),
				h("td", {}, over(k) ? badge("look", t("tokens.over")) : h("span", { class: "numeric", text: dateTime(k.expiresAt) })),
				h("td", {}, !over(k) && button(t("tokens.revoke"), () => revoke(k), { kind: "small danger", describe: `${t("tokens.revoke")}: ${k.origin || k.label || k.id}` })))))));
	});
	const over = (k) => Boolean(k.revokedAt) || k.live === false || k.expiresAt && new Date(k.expiresAt) < new Date();
	const revoke = async (k) => {
		const sure = await dialog(t("tokens.revokeTitle"), (close, title) => h("div", {}, title, h("p", {}, value(k.origin || k.label || k.id)), h("p", { text: t("tokens.revokeText") }),
			h("div", { class: "actions" }, button(t("back"), () => close()), button(t("tokens.revoke"), () => close(true), { kind: "danger" }))));
		if (!sure) return;
		try { await app.api.post(`tokens/${encodeURIComponent(k.id)}/revoke`); } catch (err) { replace(list, failure(err)); return; }
		list.load();
	};
	return h("div", { class: "stack" }, h("div", { class: "row" }, button(t("tokens.add"), async () => { if (await addToken(app)) list.load(); }, { kind: "primary" })), list);
}

function addToken(app) {
	return dialog(t("tokens.add"), (close, title) => {
		const origin = field(t("tokens.origin"), { placeholder: "https://" }, { hint: t("tokens.originHint") });
		const label = field(t("tokens.label"), { maxlength: 80 });
		const days = field(t("tokens.days"), { inputmode: "numeric", value: "365" });
		const rights = rightsForm();
		const trouble = h("div", {});
		const form = h("form", { novalidate: true }, title, h("div", { class: "scroll stack", tabindex: "-1" }, origin, label, days, rights), trouble,
			h("div", { class: "actions" }, button(t("back"), () => close()), button(t("tokens.make"), null, { type: "submit", kind: "primary" })));
		form.addEventListener("submit", (e) => {
			e.preventDefault();
			busy(form, async () => {
				try {
					const o = origin.input.value.trim();
					const a = await app.api.post("tokens", { ...(o ? { origin: o } : { desktop: true }), label: label.input.value.trim(), days: Number(days.input.value) || 0, ...rights.value() });
					replace(form, h("h2", { id: "dialog-title", text: t("tokens.made") }), notice("look", t("tokens.once"), t("tokens.onceText")), h("div", { class: "secret" }, h("code", { text: a.secret })),
						h("div", { class: "actions" }, button(t("tokens.kept"), () => close(true), { kind: "primary" })));
				} catch (err) {
					replace(trouble, failure(err));
				}
			});
		});
		return form;
	});
}
