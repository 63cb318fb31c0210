// What a program may do and see: the same form for pairing and for tokens.

import { h, checkbox } from "../../dom.js";
import { t, tOr } from "../../i18n.js";
import { fieldName } from "../../format.js";

const rights = ["read", "insurance", "face", "evidence", "history", "simulator"];
const usual = new Set(["read", "insurance"]);

// Fields that admission needs are ticked; what is about other people or sensitive is never ticked by itself.
const everyday = ["number", "fullName", "dateOfBirth", "sex", "nationality", "residence", "documentNumber", "issuedAt", "expiresAt", "portrait"];
const special = ["origin", "documentType", "issuingState", "oldNumber", "ethnicity", "religion", "features", "father", "mother", "spouse"];

export function rightsForm() {
	const r = rights.map((name) => [name, checkbox(t(`right.${name}`), { checked: usual.has(name) })]);
	const f = [...everyday, ...special].map((name) => [name, checkbox(fieldName(name), { checked: everyday.includes(name) })]);
	const e = h("div", { class: "stack" },
		h("fieldset", { class: "stack" }, h("legend", {}, h("strong", { text: t("rights.title") })), h("div", { class: "checks" }, r.map(([, c]) => c))),
		h("fieldset", { class: "stack" }, h("legend", {}, h("strong", { text: t("fields.title") })), h("p", { class: "soft", text: t("fields.text") }), h("div", { class: "checks" }, f.map(([, c]) => c))));
	e.value = () => ({ rights: r.filter(([, c]) => c.input.checked).map(([n]) => n), fields: f.filter(([, c]) => c.input.checked).map(([n]) => n) });
	return e;
}

export function rightsText(list) { return (list || []).map((r) => tOr(`right.${r}`, r)).join(", "); }
