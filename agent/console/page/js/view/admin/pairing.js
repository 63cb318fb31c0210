// Pairing: the administrator opens a window of a few minutes; a program's page asks, and the six digits that appear here
// are typed there. That the right program asks is seen by its origin.

import { h, button, field, replace, failure, busy, notice } from "../../dom.js";
import { t } from "../../i18n.js";
import { value, time } from "../../format.js";
import { rightsForm } from "./rights.js";

export function pairingPage(app) {
	const box = h("div", { class: "stack" });
	const minutes = field(t("pairing.minutes"), { value: "5" }, { options: ["2", "5", "10"].map((m) => [m, t("pairing.minutesOf", { n: m })]) });
	const rights = rightsForm();
	const trouble = h("div", {});
	const form = h("form", { class: "card stack" }, h("p", { text: t("pairing.text") }), minutes, rights, trouble, h("div", { class: "row" }, button(t("pairing.open"), null, { type: "submit", kind: "primary" })));
	form.addEventListener("submit", (e) => {
		e.preventDefault();
		busy(form, async () => {
			try {
				await app.api.post("pairing/open", { minutes: Number(minutes.input.value), ...rights.value() });
				draw({ open: true, requests: [] });
			} catch (err) {
				replace(trouble, failure(err));
			}
		});
	});
	let drawn = "";
	const draw = (p) => {
		const stamp = JSON.stringify(p);
		if (stamp === drawn) return;
		drawn = stamp;
		if (!p || !p.open) {
			replace(box, form);
			return;
		}
		replace(box, h("div", { class: "card stack" },
			h("div", { class: "spread" }, h("h2", { text: p.expiresAt ? t("pairing.openUntil", { time: time(p.expiresAt) }) : t("pairing.isOpen") }),
				button(t("pairing.close"), () => app.api.post("pairing/close").then(() => draw(null)).catch((err) => replace(trouble, failure(err))), { kind: "danger" })),
			(p.requests || []).length === 0 && h("p", { class: "soft", text: t("pairing.waiting") }), trouble),
		(p.requests || []).map((r) => h("section", { class: "card request", "aria-label": t("pairing.request") },
			h("div", { class: "stack" }, h("p", { text: t("pairing.asks") }), h("p", { class: "origin" }, value(r.origin)), h("p", { class: "soft", text: t("pairing.tries", { n: r.triesLeft, time: time(r.expiresAt) }) })),
			h("p", { class: "code", "aria-label": [...r.code].join(" "), text: r.code.replace(/^(\d{3})(\d{3})$/, "$1\u2009$2") }))),
		notice("calm", t("pairing.check"), t("pairing.checkText")));
	};
	draw(app.watch.state.pairing);
	app.watch.addEventListener("change", () => draw(app.watch.state.pairing), { signal: app.viewSignal });
	return box;
}
