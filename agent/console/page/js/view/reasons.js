// Why a card is judged as it is: each check with its outcome in plain words and the reason; what only IT wants to know
// lies one level deeper.

import { h, button, icon, dialog, toneIcon } from "../dom.js";
import { t, tOr, reasonText, warningText } from "../i18n.js";
import { verdictNames, verdictTone } from "../verdict.js";
import { visible, fieldName } from "../format.js";
import { differenceText } from "./coverage.js";

function outcome(name, v) {
	if (v.exchange === "failed" && v.status !== "failed") return t("status.exchangeFailed");
	if (v.status === "passed" && v.basis === "unanchored") return tOr(`unanchored.${name}`, t("status.passed"));
	return tOr(`status.${v.status}`, v.status);
}

function details(v) {
	const d = [];
	if (v.protocol) d.push(v.protocol);
	if (v.detail) d.push(v.detail);
	if (v.exchange) d.push(`${t("reasons.exchange")}: ${tOr(`status.${v.exchange}`, v.exchange)}`);
	if (v.fallback) d.push(v.fallback);
	if (v.differs && v.differs.length) d.push(v.differs.map(fieldName).join(", "));
	if (v.signer) d.push(visible(v.signer.subject || ""), v.signer.seenBefore === undefined ? "" : t("reasons.seen", { n: v.signer.seenBefore }));
	if (v.anchor) d.push(visible(v.anchor.subject || ""));
	return d.filter(Boolean);
}

export function showReasons(job) {
	const r = job.known;
	return dialog(t("reasons.title"), (close, title) => h("div", {}, title,
		h("ul", { class: "reasons scroll", tabindex: "0", role: "list", "aria-label": t("reasons.title") }, verdictNames.filter((n) => r.verdicts && r.verdicts[n]).map((n) => {
			const v = r.verdicts[n];
			const tone = verdictTone(v);
			const more = details(v);
			return h("li", { data: { verdict: n, tone } }, icon(toneIcon[tone], `icon tone-${tone}`), h("span", { class: "what", text: t(`verdict.${n}`) }),
				h("span", {}, h("strong", { text: outcome(n, v) }), v.reason ? ` ${reasonText(v.reason)}` : ""),
				more.length > 0 && h("details", {}, h("summary", { text: t("reasons.more") }), more.map((m) => h("p", {}, h("bdi", { text: m })))));
		}), (r.differences || []).map((d) => h("li", {}, icon("look", "icon tone-look"), h("span", { class: "what", text: tOr(`between.${d.between}`, t("coverage.differences")) }), h("span", { text: differenceText(d) }))),
		(r.warnings || []).map((w) => h("li", {}, icon("look", "icon tone-calm"), h("span", { class: "what", text: t("reasons.note") }), h("span", { text: warningText(w.id, w.text) })))),
		h("div", { class: "actions" }, button(t("close"), () => close(), { kind: "primary" }))));
}
