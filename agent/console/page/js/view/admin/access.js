// The access log: which program did what and how often, by its origin. It holds nothing about a person.

import { h, button } from "../../dom.js";
import { t, tOr } from "../../i18n.js";
import { value, dateTime } from "../../format.js";
import { loaded } from "./index.js";

const stamp = /^\d{4}-\d\d-\d\dT/;

function cell(v) {
	if (v === undefined || v === null) return "";
	if (typeof v === "string") return stamp.test(v) ? dateTime(v) : value(v);
	if (typeof v === "object") return value(Object.entries(v).map(([k, n]) => `${k}: ${typeof n === "object" ? JSON.stringify(n) : n}`).join(", "));
	return String(v);
}

export function accessPage(app) {
	const list = loaded(() => app.api.get("access"), (a) => {
		const rows = Array.isArray(a) ? a : a.access || [];
		if (!rows.length) return h("div", { class: "card empty", text: t("access.empty") });
		const columns = [...new Set(rows.flatMap((r) => Object.keys(r)))];
		return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": t("admin.access") }, h("table", {},
			h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", text: column(c) })))),
			h("tbody", {}, rows.map((r) => h("tr", {}, columns.map((c) => h("td", {}, cell(r[c]))))))));
	});
	return h("div", { class: "stack" }, h("p", { class: "soft", text: t("access.text") }), h("div", { class: "row" }, button(t("today.refresh"), () => list.load())), list);
}

function column(name) {
	return tOr(`access.${name}`, name);
}
