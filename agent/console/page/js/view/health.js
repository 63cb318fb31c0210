// What is wrong with this PC, why, and how it is cured: the agent's words.

import { h, badge, icon, replace } from "../dom.js";
import { t, tOr, language } from "../i18n.js";

const tones = { down: "bad", error: "bad", degraded: "look", warning: "look", note: "calm" };

export function healthView(app) {
	const list = h("div", { class: "stack" });
	const draw = (items) => replace(list, items.length ? items.map((w) => h("section", { class: "card warning", data: { warning: w.id } },
		h("div", { class: "row" }, badge(tones[w.severity] || "calm", tOr(`severity.${w.severity}`, w.severity)), h("h2", { text: w.title })),
		h("dl", {}, w.cause && [h("dt", { text: t("health.cause") }), h("dd", { text: w.cause })], w.fix && [h("dt", { text: t("health.fix") }), h("dd", { text: w.fix })])))
		: h("div", { class: "card empty" }, icon("check"), " ", t("health.fine")));
	draw(app.watch.state.health);
	app.watch.addEventListener("change", () => draw(app.watch.state.health), { signal: app.viewSignal });
	return h("div", { class: "page" }, h("h1", { text: t("health.title"), tabindex: "-1" }), list,
		// A page of its own: this one goes on working beside it.
		h("p", {}, h("a", { href: `/manual/${language()}/index.html`, target: "_blank", rel: "noopener", text: t("health.manual") })));
}
