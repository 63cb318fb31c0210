// What the insurer's answer comes to, with its grounds: how much is paid and by which rule, the proposed route and what
// would change it, five years without a gap, and where two sources disagree about the person. Proposals are said as such.

import { h, button, dialog } from "../dom.js";
import { t, tOr, language, stepText } from "../i18n.js";
import { value, date, fieldName } from "../format.js";

const inLanguage = (x, name) => (language() === "en" && x[`${name}En`]) || x[name] || "";

// differenceText says where two sources disagree, why that may be, and what the desk does.
export function differenceText(d) {
	const field = fieldName(d.field);
	return [tOr(`differs.${d.kind}`, field, { field }), d.cause && tOr(`cause.${d.cause}`, ""), d.advice && stepText(d.advice, "")].filter(Boolean).join(" · ");
}

// hasMore says whether there is anything that the card beside does not already show.
export function hasMore(e) {
	return Boolean(e && (e.rate || e.continuity || e.text || (e.route && (e.route.text || e.route.source || (e.route.alternatives || []).length)) || (e.differences || []).length));
}

export function showCoverage(e) {
	const rows = [];
	const row = (label, ...content) => rows.push(h("li", {}, h("span", { class: "what", text: label }), h("div", {}, content)));
	const line = (...texts) => texts.filter(Boolean).map((x) => h("p", {}, typeof x === "string" ? value(x) : x));
	if (e.text) row(t("coverage.answer"), line(`${inLanguage(e, "text")}${e.code ? ` (${e.code})` : ""}`));
	if (e.rate) {
		const r = e.rate;
		row(t("field.benefitRate"), h("strong", { text: r.percent === undefined ? t("coverage.unknown") : `${r.percent} %` }),
			line(inLanguage(r, "text"), !r.decided && t("coverage.open"), r.source));
	}
	if (e.route && (e.route.proposal || e.route.text)) {
		const r = e.route;
		row(t("bhyt.route"), h("strong", { text: r.proposal || t("coverage.unknown") }), line(inLanguage(r, "text"), !r.decided && t("coverage.proposal"), r.source),
			(r.alternatives || []).length > 0 && h("ul", {}, r.alternatives.map((a) => h("li", {}, h("strong", { text: a.proposal }),
				a.percent === undefined ? "" : ` (${a.percent} %)`, " ", value(inLanguage(a, "when"))))));
	}
	if (e.continuity) row(t("coverage.continuity"), h("strong", { text: e.continuity.reached ? t("coverage.reached") : t("coverage.reachedFrom", { date: date(e.continuity.from) }) }), line(e.continuity.source));
	if ((e.differences || []).length) row(t("coverage.differences"), line(...e.differences.map(differenceText)));
	return dialog(t("coverage.title"), (close, title) => h("div", {}, title,
		h("ul", { class: "reasons plain scroll", tabindex: "0", role: "list", "aria-label": t("coverage.title") }, rows),
		h("div", { class: "actions" }, button(t("close"), () => close(), { kind: "primary" }))));
}
