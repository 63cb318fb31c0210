// What this console has done today. The list holds no person's data: the agent gives none, and the visit's number is how a
// check-in is found again in the HIS.

import { h, button, failure, replace, badge } from "../dom.js";
import { t, tOr } from "../i18n.js";
import { time, value } from "../format.js";
import { eligibilityTone } from "../verdict.js";
import { link, voidCheckin } from "./amend.js";
import { wantsPaper, printPaper } from "./paper.js";

const stateTone = { complete: "calm", failed: "look", cancelled: "calm", void: "look" };

export function todayView(app) {
	const body = h("div", {});
	const root = h("div", { class: "page" }, h("div", { class: "spread" }, h("h1", { text: t("today.title"), tabindex: "-1" }), button(t("today.refresh"), () => load(), {})), h("p", { class: "soft", text: t("today.text") }), body);
	const load = async () => {
		const since = new Date();
		since.setHours(0, 0, 0, 0);
		try {
			const list = await app.socket.call("checkin.list", { since: since.toISOString(), limit: 500 });
			draw(list.checkins || [], list.more);
		} catch (err) {
			replace(body, failure(err));
		}
	};
	const draw = (list, more) => {
		if (!list.length) {
			replace(body, h("div", { class: "card empty", text: t("today.empty") }));
			return;
		}
		replace(body, h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": t("today.title") }, h("table", {},
			h("thead", {}, h("tr", {}, ["today.time", "today.means", "today.state", "today.bhyt", "today.visit", "today.operator"].map((k) => h("th", { scope: "col", text: t(k) })), h("th", { scope: "col" }, h("span", { class: "visually-hidden", text: t("today.actions") })))),
			h("tbody", {}, list.map((c) => h("tr", { data: { checkin: c.checkinId } },
				h("td", { class: "numeric", text: time(c.startedAt) }),
				h("td", { text: tOr(`means.${c.means}`, c.means) }),
				h("td", {}, c.state === "complete" ? t("state.complete") : badge(stateTone[c.state] || "calm", tOr(`state.${c.state}`, c.state)), " ", c.recorded === false && c.state !== "running" && badge("look", t("today.notRecorded"))),
				h("td", {}, c.eligibilityState ? badge(eligibilityTone({ state: c.eligibilityState }), tOr(`bhyt.${c.eligibilityState}`, c.eligibilityState)) : ""),
				h("td", {}, c.visit ? value([c.visit.maLk, c.visit.maBn].filter(Boolean).join(" · ")) : ""),
				h("td", {}, c.operator ? value(typeof c.operator === "string" ? c.operator : c.operator.id) : ""),
				h("td", {}, h("div", { class: "row" }, actions(c))))))),
		), more && h("p", { class: "soft", text: t("today.more") }));
	};
	const actions = (c) => {
		if (c.state === "void" || c.state === "running" || c.state === "waiting" || c.state === "needs") return null;
		const job = Object.assign(new EventTarget(), { checkinId: c.checkinId, known: { visit: c.visit }, voided() {} });
		return [
			wantsPaper({ state: c.eligibilityState }) && button(t("paper.short"), () => printPaper(app, c.checkinId), { kind: "small", describe: `${t("paper.button")}, ${time(c.startedAt)}` }),
			app.socket.serves("checkin.link") && button(t("link.short"), async () => { if (await link(app, job)) load(); }, { kind: "small", describe: `${t("link.button")}, ${time(c.startedAt)}` }),
			app.socket.serves("checkin.void") && button(t("void.short"), async () => { if (await voidCheckin(app, job)) load(); }, { kind: "small", describe: `${t("void.button")}, ${time(c.startedAt)}` }),
		];
	};
	app.socket.addEventListener("open", load, { signal: app.viewSignal });
	if (app.socket.ready) load();
	return root;
}
