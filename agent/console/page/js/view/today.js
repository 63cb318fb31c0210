// What this console has done today, and beside it what the dossiers may need a paper of. Neither list holds a person's name: a
// check-in is found again by its time, the visit's number and, where a paper is due, the last four characters of the numbers.

import { h, button, failure, replace, badge } from "../dom.js";
import { t, tOr } from "../i18n.js";
import { time, dateTime, value } from "../format.js";
import { eligibilityTone } from "../verdict.js";
import { link, voidCheckin } from "./amend.js";
import { wantsPaper, printPaper } from "./paper.js";
import { clientName } from "./desk.js";

const stateTone = { complete: "calm", failed: "look", cancelled: "calm", void: "look" };

export function todayView(app, part) {
	const papers = part === "papers";
	const body = h("div", {});
	const load = papers ? paperList(app, body) : dayList(app, body);
	const tab = (href, on, text) => h("a", { href, "aria-current": on ? "page" : undefined, text });
	const root = h("div", { class: "page" },
		h("div", { class: "spread" }, h("h1", { text: t(papers ? "papers.title" : "today.title"), tabindex: "-1" }),
			h("div", { class: "row" }, h("nav", { class: "tabs", "aria-label": t("today.lists") }, tab("#today", !papers, t("today.tab")), tab("#today/papers", papers, t("papers.tab"))), button(t("today.refresh"), () => load(), {}))),
		h("p", { class: "soft", text: t(papers ? "papers.text" : "today.text") }), body);
	app.socket.addEventListener("open", () => load(), { signal: app.viewSignal });
	app.addEventListener("news", () => { app.seen(); load(); }, { signal: app.viewSignal });
	app.seen(); // whatever the desk was told stands in these lists
	if (papers || app.socket.ready) load();
	return root;
}

function table(label, heads, rows) {
	return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": label }, h("table", {},
		h("thead", {}, h("tr", {}, heads.map((k) => h("th", { scope: "col", text: t(k) })), h("th", { scope: "col" }, h("span", { class: "visually-hidden", text: t("today.actions") })))),
		h("tbody", {}, rows)));
}

const visitNumbers = (v) => (v ? value([v.maLk, v.maBn].filter(Boolean).join(" · ")) : "");
const insured = (state) => (state ? badge(eligibilityTone({ state }), tOr(`bhyt.${state}`, state)) : "");

function dayList(app, body) {
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
		replace(body, table(t("today.title"), ["today.time", "today.means", "today.state", "today.bhyt", "today.visit", "today.operator"], list.map((c) => h("tr", { data: { checkin: c.checkinId } },
			h("td", { class: "numeric", text: time(c.startedAt) }),
			h("td", { text: tOr(`means.${c.means}`, c.means) }),
			h("td", {}, c.state === "complete" ? t("state.complete") : badge(stateTone[c.state] || "calm", tOr(`state.${c.state}`, c.state)), " ", c.recorded === false && c.state !== "running" && badge("look", t("today.notRecorded"))),
			h("td", {}, insured(c.eligibilityState)),
			h("td", {}, visitNumbers(c.visit)),
			h("td", {}, c.operator ? value(typeof c.operator === "string" ? c.operator : c.operator.id) : ""),
			h("td", {}, h("div", { class: "row" }, actions(c)))))), more && h("p", { class: "soft", text: t("today.more") }));
	};
	const actions = (c) => {
		if (c.state === "void" || c.state === "running" || c.state === "waiting" || c.state === "needs") return null;
		const job = Object.assign(new EventTarget(), { checkinId: c.checkinId, known: { visit: c.visit }, voided() {} });
		return [
			(c.proofNeeded || wantsPaper({ state: c.eligibilityState })) && print(app, c),
			app.socket.serves("checkin.link") && button(t("link.short"), async () => { if (await link(app, job)) load(); }, { kind: "small", describe: `${t("link.button")}, ${time(c.startedAt)}` }),
			app.socket.serves("checkin.void") && button(t("void.short"), async () => { if (await voidCheckin(app, job)) load(); }, { kind: "small", describe: `${t("void.button")}, ${time(c.startedAt)}` }),
		];
	};
	return load;
}

const print = (app, c) => button(t("paper.short"), () => printPaper(app, c.checkinId), { kind: "small", describe: `${t("paper.button")}, ${dateTime(c.startedAt)}` });

// paperList shows the check-ins of every program of this user's that have look-ups which nobody has answered.
function paperList(app, body) {
	const draw = (list, more) => {
		if (!list.length) {
			replace(body, h("div", { class: "card empty", text: t("papers.empty") }));
			return;
		}
		replace(body, table(t("papers.title"), ["papers.started", "papers.program", "papers.person", "today.visit", "today.bhyt", "papers.failed", "papers.needed"], list.map((c) => h("tr", { data: { paper: c.checkinId } },
			h("td", { class: "numeric", text: dateTime(c.startedAt) }),
			h("td", { class: "program" }, app.isOurs(c.client) ? t("client.console") : value(clientName(c.client))),
			h("td", { class: "numeric" }, value(ends(c))),
			h("td", {}, visitNumbers(c.visit)),
			h("td", {}, c.state === "void" ? badge("look", t("state.void")) : insured(c.eligibilityState)),
			h("td", { class: "numeric", title: t("papers.last", { time: dateTime(c.lastFailed) }), text: t("papers.times", { n: c.failedAttempts }) }),
			h("td", {}, c.state === "void" ? "" : c.proofNeeded ? badge("look", t("papers.yes")) : badge("calm", t("papers.no"))),
			h("td", {}, h("div", { class: "row" }, print(app, c)))))), more && h("p", { class: "soft", text: t("papers.more", { n: list.length }) }));
	};
	return async () => {
		try {
			const list = await app.api.get("proofs");
			draw(list.papers || [], list.more);
		} catch (err) {
			replace(body, failure(err));
		}
	};
}

// ends are the last four characters of the numbers, which is what the paper shows too.
const ends = (c) => (c.number ? `…${c.number.slice(-4)}` : c.cardCode ? t("papers.card", { end: c.cardCode.slice(-4) }) : "");
