// The check-in view: ready for the next person, or one check-in from the tap to its result. One thing to do stands on top,
// in words that are read from a metre away; what is known lies below; what can be done at the bottom.

import { h, button, icon, picture, replace, failure, toast, badge } from "../dom.js";
import { t, tOr, language, stepText, warningText } from "../i18n.js";
import { value, visible, date, number, sex, fieldName, inSentence, fieldValue, canonical, time } from "../format.js";
import { chipPhases } from "../checkin.js";
import { cardSummary, eligibilityTone, resultTone } from "../verdict.js";
import { toneIcon } from "../dom.js";
import { copy, onClipboard } from "../copy.js";
import { startForm, keyEntry } from "./forms.js";
import { showReasons } from "./reasons.js";
import { decide, link, voidCheckin } from "./amend.js";
import { provideKey, openCapture } from "./queue.js";
import { simulateCard } from "./simulate.js";
import { faceDialog, verdictOf } from "./capture.js";
import { showCoverage, hasMore } from "./coverage.js";
import { wantsPaper, printPaper } from "./paper.js";

// The keys that copy the first five fields of the settable order. They are given out from top to bottom of the screen.
const fieldKeys = ["F3", "F4", "F6", "F7", "F8"];
const onScreen = ["fullName", "number", "dateOfBirth", "sex", "nationality", "residence", "issuedAt", "expiresAt", "cardCode", "cardTo", "cardFrom", "registeredFacility", "benefitRate"];

// keyOf gives the key that copies a field, if one does.
export function keyOf(app, name) {
	const at = (n) => (onScreen.includes(n) ? onScreen.indexOf(n) : onScreen.length);
	const keyed = copyOrder(app).slice(0, fieldKeys.length).sort((a, b) => at(a) - at(b));
	return fieldKeys[keyed.indexOf(name)];
}
export const defaultOrder = ["number", "fullName", "dateOfBirth", "sex", "residence", "cardCode", "cardFrom", "cardTo", "registeredFacility"];

export function copyOrder(app) {
	const o = app.state.copyOrder;
	return o && o.length ? o.map(canonical) : defaultOrder;
}

export function deskView(app) {
	const root = h("div", { class: "desk" });
	const draw = () => {
		root.classList.toggle("running", app.job !== null);
		if (app.job) running(app, root);
		else {
			forgetPortrait();
			ready(app, root);
		}
	};
	app.addEventListener("job", draw, { signal: app.viewSignal });
	// What the agent serves is known with its first word.
	if (!app.socket.ready) app.socket.addEventListener("open", () => { if (!app.job && app.state.simulated) draw(); }, { signal: app.viewSignal, once: true });
	draw();
	return root;
}

// ---- Ready

function ready(app, root) {
	const side = h("aside", { class: "side", "aria-label": t("side.label") });
	const readers = h("section", { class: "card", "aria-labelledby": "readers" });
	const queue = h("section", { class: "card", "aria-labelledby": "queue" });
	const scanned = h("section", { class: "card" }, h("h2", { text: t("scan.title") }), h("p", { class: "soft", text: t("scan.anywhere") }));
	const simulated = app.state.simulated && app.socket.serves("sim.insert");
	const news = h("section", { class: "card news", "aria-labelledby": "news" });
	side.append(readers, queue, news, simulated ? simulateCard(app) : scanned);
	const signal = app.jobSignal;
	const drawReaders = () => drawReaderList(app, readers);
	const drawQueue = () => {
		drawQueueList(app, queue);
		queue.hidden = app.news.length > 0 && !app.watch.state.queue.some((w) => !app.isOurs(w.client));
	};
	app.addEventListener("readers", drawReaders, { signal });
	app.watch.addEventListener("change", drawQueue, { signal });
	const drawNews = () => {
		drawNewsList(app, news);
		scanned.hidden = !news.hidden; // the place is for what is new
		drawQueue();
	};
	app.addEventListener("news", drawNews, { signal });
	drawReaders();
	drawNews();
	replace(root, h("div", { class: "ready" }, startForm(app), side));
}

const readerTone = { empty: "calm", card: "good", busy: "calm", mute: "look", error: "bad", absent: "look" };

function drawReaderList(app, box) {
	const list = app.readers.filter((r) => r.state !== "absent");
	replace(box, h("h2", { id: "readers", text: t("readers.title") }), list.length
		? h("ul", {}, list.slice(0, 4).map((r) => h("li", { data: { reader: r.state } }, icon("reader"), h("span", { class: "name", title: visible(r.name) }, value(r.name)), h("span", {}),
			h("span", { class: "state" }, badge(readerTone[r.state] || "calm", readerState(r))))))
		: h("p", { class: "soft", text: app.socket.ready ? t("readers.none") : t("readers.wait") }));
}

function readerState(r) {
	if (r.state === "card") return r.card && r.card.kind === "unknown" ? t("reader.unknownCard") : t("reader.card");
	return tOr(`reader.${r.state}`, r.state);
}

function drawQueueList(app, box) {
	const list = app.watch.state.queue.filter((w) => !app.isOurs(w.client));
	replace(box, h("h2", { id: "queue", text: t("queue.title") }), list.length
		? h("ul", {}, list.slice(0, 3).map((w) => h("li", {}, icon("dots"), h("span", { class: "name" }, value(clientName(w.client))), h("span", {}),
			h("span", { class: "state row" }, h("span", { text: w.need ? tOr(`need.${w.need}`, w.need) : tOr(`state.${w.state}`, w.state) }),
				w.wantsKey && button(t("queue.give"), () => provideKey(app, w), { kind: "small" }),
				(w.need === "live_image" || w.need === "consent") && button(t("queue.camera"), () => openCapture(app, w), { kind: "small" })))))
		: h("p", { class: "soft", text: t("queue.empty") }));
}

// drawNewsList says what came of look-ups that nobody waited for. Which person it is says the day's list: nobody else at the desk
// should read a name here.
function drawNewsList(app, box) {
	box.hidden = app.news.length === 0;
	const shown = app.news.slice(0, 2);
	replace(box, h("h2", { id: "news", text: t("news.title") }), h("ul", {}, shown.map((n) => h("li", { data: { news: n.checkinId } },
		h("span", { class: "numeric", text: time(n.eligibility.asOf) }), h("span", {}, badge(eligibilityTone(n.eligibility), tOr(`bhyt.${n.eligibility.state}`, n.eligibility.state)))))),
		h("a", { href: app.news.some((n) => n.givenUp) ? "#today/papers" : "#today", text: app.news.length > shown.length ? t("news.more", { n: app.news.length }) : t("news.open") }));
}

export function clientName(client) {
	if (!client) return "";
	return client.startsWith("desktop:") ? t("client.desktop") : client.replace(/^https?:\/\//, "");
}

// ---- Running and result

function running(app, root) {
	const job = app.job;
	const banner = h("section", { class: "banner", role: "region", "aria-label": t("banner.label") });
	const live = h("div", { class: "visually-hidden", role: "status", "aria-live": "assertive" });
	const known = h("section", { class: "known", "aria-label": t("known.label") });
	const bar = h("div", { class: "actions-bar" });
	replace(root, banner, known, bar, live);
	let drawn = "", drawnSteps = "";
	const parts = {};
	const tell = () => {
		const said = banner.querySelector("h1");
		live.textContent = said ? said.textContent : "";
	};
	const draw = () => {
		const stage = job.stage;
		const waits = stage === "queued" && app.readers.some((r) => r.state === "busy"); // the banner then says for what
		const state = `${stage}|${waits}|${job.need ? job.need.seq : ""}|${job.error ? job.error.id : ""}`;
		const before = drawn;
		if (state !== drawn) {
			drawn = state;
			banner.className = "banner";
			banner.dataset.stage = stage;
			drawBanner(app, job, stage, banner, parts);
			drawActions(app, job, bar);
			tell();
			if (job.final) {
				const first = bar.querySelector("[data-first]") || bar.querySelector("button");
				if (first) queueMicrotask(() => first.focus()); // the view may not be in the page yet
			}
		}
		// The insurer's later answer changes what is to be done, and takes nobody's place on the page.
		const steps = job.final ? (job.known.next || []).map((s) => s.id).join() : "";
		if (state === before && steps !== drawnSteps) {
			banner.className = "banner";
			drawBanner(app, job, stage, banner, parts);
			tell();
		}
		drawnSteps = steps;
		if (parts.progress) parts.progress(job);
		// As long as nothing is known of anybody, the instruction has the whole place.
		const k = job.known;
		root.classList.toggle("only", !(k.identity || k.subject || k.verdicts && job.request.means === "chip"));
		drawKnown(app, job, known);
	};
	job.addEventListener("change", draw, { signal: app.jobSignal });
	app.addEventListener("readers", draw, { signal: app.jobSignal });
	draw();
}

function say(text) {
	return h("h1", { class: text.length > 46 ? "long" : "", text });
}

function lead(...texts) {
	return texts.filter(Boolean).map((x) => h("p", { class: "lead", text: x }));
}

function drawBanner(app, job, stage, box, parts) {
	parts.progress = null;
	const cause = job.need && job.need.cause;
	switch (stage) {
		case "starting":
		case "queued":
			if (!app.readers.some((r) => r.state === "busy")) {
				drawBanner(app, job, "insert", box, parts);
				return;
			}
			replace(box, picture("insert"), h("div", {}, say(t("stage.queued")), lead(t("stage.queuedLead"))));
			return;
		case "insert":
			replace(box, picture("insert"), h("div", {}, say(t("stage.insert")), lead(cause ? cause.text : t("stage.insertLead"), cause && cause.next)));
			return;
		case "reposition":
			box.classList.add("tone-look");
			replace(box, picture("insert"), h("div", {}, say(t("stage.reposition")), lead(cause && cause.text, cause ? cause.next : t("stage.repositionLead"))));
			return;
		case "return":
			box.classList.add("tone-look");
			replace(box, picture("return"), h("div", {}, say(t("stage.return")), lead(cause ? cause.text : "", t("stage.returnLead"))));
			return;
		case "key": {
			const wrong = cause && cause.id !== "KEY_MISSING";
			if (wrong) box.classList.add("tone-look");
			const entry = keyEntry(app, (key) => app.provide({ key }));
			replace(box, picture("scan"), h("div", { class: "key-entry" }, say(wrong ? t("stage.keyWrong") : t("stage.key")), lead(cause && wrong && cause.next), entry));
			box.classList.add("asks");
			queueMicrotask(() => entry.querySelector("input").focus());
			return;
		}
		case "reader": {
			const names = new Map(app.readers.map((r) => [r.id, r.name]));
			const choice = (job.need.readers || []).map((id) => button(visible(names.get(id) || id), () => app.provide({ reader: id }), { iconName: "reader" }));
			replace(box, picture("insert"), h("div", { class: "key-entry" }, say(t("stage.reader")), h("div", { class: "row" }, choice)));
			if (choice[0]) queueMicrotask(() => choice[0].focus());
			return;
		}
		case "face": {
			const asks = job.need !== null;
			const open = button(t("face.open"), () => openFace(app, job), { kind: "primary", iconName: "camera" });
			replace(box, mark("calm", "camera"), h("div", { class: "key-entry" }, say(t(asks ? "stage.face" : "face.waiting")), lead(t("stage.faceLead")), h("div", { class: "row" }, asks && open)));
			if (asks && !faceOpened.has(job)) { // once by itself; whoever closes it opens it again
				faceOpened.add(job);
				queueMicrotask(() => openFace(app, job));
			}
			return;
		}
		case "other":
			box.classList.add("tone-look");
			replace(box, mark("look"), h("div", {}, say(t("stage.other")), lead(cause && cause.text, cause && cause.next)));
			return;
		case "keep":
		case "look_up":
			replace(box, picture(stage === "keep" ? "keep" : "return"), work(job, stage, parts));
			return;
		case "done":
			drawDone(job, box);
			return;
		case "failed": {
			const e = job.known.error || {};
			box.classList.add("tone-bad");
			replace(box, mark("bad"), h("div", {}, say(e.text || t("offline.title")), nextSteps(job.known, 0, e.next || t("offline.next")), help(e)), returnCard(job));
			return;
		}
		case "cancelled":
			box.classList.add("tone-calm");
			replace(box, mark("calm"), h("div", {}, say(t("stage.cancelled")), lead(job.known.error ? job.known.error.text : "")), returnCard(job));
			return;
		case "void":
			box.classList.add("tone-calm");
			replace(box, mark("calm"), h("div", {}, say(t("stage.void")), lead(t("stage.voidLead"))));
	}
}

// Whose face step was shown already, and whether one is open.
const faceOpened = new WeakSet();
let faceShown = false;

async function openFace(app, job) {
	if (faceShown || job !== app.job || app.session.locked || document.querySelector("dialog[open]")) return;
	faceShown = true;
	try {
		await faceDialog(app, job);
	} finally {
		faceShown = false;
		const again = job === app.job && document.querySelector(".banner[data-stage=face] .button");
		if (again) again.focus(); // it was closed, and not answered
	}
}

// help leads to the agent's own page about an error: its cause, for whoever asks.
function help(e) {
	return /^\/help\/[A-Z_]+$/.test(e.help || "") && h("a", { class: "button link help", href: e.help, target: "_blank", rel: "noopener", text: t("reasons.why") });
}

function mark(tone, name) { return h("div", { class: "mark", "aria-hidden": "true" }, icon(name || toneIcon[tone])); }

function work(job, stage, parts) {
	const chip = job.request.means === "chip";
	const title = stage === "keep" ? t("stage.keep") : chip ? t("stage.lookUpChip") : t("stage.lookUp");
	const fill = h("div", {});
	const bar = h("div", { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": t("progress.label") }, fill);
	const phases = chip ? chipPhases : ["insurance"];
	const list = h("ol", { class: "phases" });
	let shown = "";
	parts.progress = (j) => {
		const percent = chip ? j.percent : Math.max(j.percent, 20);
		fill.style.transform = `scaleX(${percent / 100})`;
		bar.setAttribute("aria-valuenow", percent);
		if (j.phase === shown) return;
		shown = j.phase;
		const at = phases.indexOf(j.phase);
		replace(list, phases.map((p, i) => h("li", { class: at > i ? "past" : "", "aria-current": at === i ? "step" : undefined },
			icon(at > i ? "check" : "dots"), h("span", { text: t(`phase.${p}`) }))));
	};
	return h("div", {}, say(title), bar, list);
}

// drawDone says what to do next: the first thing big, the others below, and the card's way back beside them.
function drawDone(job, box) {
	const r = job.known;
	const tone = resultTone(r);
	if (tone === "look") box.classList.add("tone-look");
	if (tone === "error") box.classList.add("tone-bad");
	box.dataset.tone = tone;
	const steps = (r.next || []).filter((s) => s.id !== "RETURN_CARD");
	const first = steps[0] ? stepText(steps[0].id, steps[0].text) : t("stage.done");
	replace(box, mark(tone === "error" ? "bad" : tone === "look" ? "look" : "good"), h("div", {}, say(first), nextSteps(r, 1)), returnCard(job));
}

function nextSteps(r, from, before) {
	const steps = (r.next || []).filter((s) => s.id !== "RETURN_CARD").slice(from).map((s) => stepText(s.id, s.text));
	if (before) steps.unshift(before);
	const notes = (r.warnings || []).filter((w) => w.id === "NOT_RECORDED" || w.id === "QR_MANGLED").map((w) => warningText(w.id, w.text));
	// A step that another one says too is said once.
	const bare = (x) => x.replace(/\.$/, "").toLowerCase();
	const all = [...new Set([...steps, ...notes])].filter((s, i, list) => !list.some((o, k) => k !== i && bare(o).includes(bare(s))));
	return h("ul", { class: "steps-next" }, all.slice(0, 4).map((s) => h("li", {}, h("span", { text: s }))));
}

function returnCard(job) {
	if (job.request.means !== "chip" || !(job.known.next || []).some((s) => s.id === "RETURN_CARD")) return null;
	return h("div", { class: "return" }, picture("return"), h("span", { text: t("stage.return") }));
}

function drawActions(app, job, bar) {
	if (!job.final) {
		replace(bar, button(t("job.cancel"), () => app.cancel(), { key: "Esc", kind: "danger", iconName: "cross" }), h("span", { class: "grow" }));
		return;
	}
	const clip = h("span", { class: "clip", role: "status" });
	onClipboardLine(app, clip);
	const has = job.known.identity || job.known.subject;
	const served = (name) => app.socket.serves(name) && job.checkinId;
	const gone = job.state === "void" || job.state === "cancelled";
	replace(bar,
		has && !gone && button(t("copy.all"), () => copyAll(app, job), { key: "F9", kind: "primary", iconName: "copy" }),
		(job.known.error || {}).retriable && button(t("again"), () => app.start(job.request), { kind: "primary" }),
		button(t("job.next"), () => app.setJob(null), { key: "F2", kind: has && !gone || (job.known.error || {}).retriable ? "" : "primary" }),
		job.state === "failed" && !has && job.request.means === "chip" && button(t("job.byNumber"), () => { app.means = "number"; app.setJob(null); }),
		h("span", { class: "grow" }), clip,
		!gone && served("checkin.link") && button(t("link.button"), () => link(app, job), { kind: "quiet" }),
		!gone && served("checkin.decide") && button(t("decide.button"), () => decide(app, job), { kind: (job.known.decisionNeeded || []).length ? "primary" : "quiet" }),
		!gone && served("checkin.void") && button(t("void.button"), () => voidCheckin(app, job), { kind: "quiet" }));
	const first = bar.querySelector("button");
	if (first) first.dataset.first = "";
}

function onClipboardLine(app, line) {
	const off = onClipboard(({ state, clearAfter }) => {
		line.textContent = { copied: clearAfter ? t("copy.willClear", { seconds: Math.round(clearAfter / 1000) }) : t("copy.done"), waiting: t("copy.waiting"), cleared: t("copy.cleared"), left: t("copy.left") }[state];
	});
	app.jobSignal.addEventListener("abort", off);
}

async function copyTexts(app, texts) {
	try {
		await copy(texts, app.state.clipboardClearMs || 0);
	} catch {
		toast(t("copy.refused"));
	}
}

async function copyAll(app, job) {
	if (app.state.copyMapped) { // the hospital's own order and form (compat.mapping_file)
		try {
			const { texts } = await app.api.post("copy", { result: { ...job.known, portrait: undefined } });
			return copyTexts(app, texts);
		} catch {
			return toast(t("copy.refused"));
		}
	}
	return copyTexts(app, copyOrder(app).map((name) => fieldValue(name, job.known)));
}

// ---- What is known

function copyButton(app, job, name) {
	const text = fieldValue(name, job.known);
	if (!text || !job.final || job.state === "void") return null;
	const key = keyOf(app, name);
	const title = t("copy.one", { field: inSentence(name) });
	return h("button", { class: "copy", type: "button", data: key ? { key } : {}, "aria-keyshortcuts": key, title, on: { click: () => copyTexts(app, [text]) } },
		h("span", { class: "visually-hidden", text: title }), key ? h("kbd", { text: key }) : icon("copy"));
}

function fact(app, job, name, shown, label = fieldName(name)) {
	if (shown === "" || shown === undefined || shown === null) return null;
	return h("div", {}, h("dt", { text: label }), h("dd", { class: "numeric" }, typeof shown === "string" ? value(shown) : shown), h("dd", {}, copyButton(app, job, name)));
}

let portraitURL = "";
let portraitOf = null;

// forgetPortrait gives the picture's memory back.
export function forgetPortrait() {
	if (portraitURL) URL.revokeObjectURL(portraitURL);
	portraitURL = "";
	portraitOf = null;
}

// drawKnown draws anew only when something has come: a focused copy button would lose the focus.
function drawKnown(app, job, box) {
	const r = job.known;
	const stamp = `${job.state === "void"}|${job.final}|${JSON.stringify([r.identity, r.eligibility, r.verdicts, r.subject, r.warnings, r.visit, job.decisions])}|${job.portrait ? job.portrait.data.length : 0}`;
	if (box.dataset.drawn && box.stamp === stamp) return;
	box.stamp = stamp;
	box.dataset.drawn = "1";
	replace(box, portrait(job), person(app, job), judged(app, job));
}

function portrait(job) {
	if (portraitOf !== job.portrait) {
		forgetPortrait();
		portraitOf = job.portrait;
		if (job.portrait && /^image\/(jpeg|png)$/.test(job.portrait.mime)) portraitURL = URL.createObjectURL(new Blob([Uint8Array.from(atob(job.portrait.data), (c) => c.charCodeAt(0))], { type: job.portrait.mime }));
	}
	const broken = () => h("div", {}, icon("person"), h("figcaption", { text: t("portrait.broken") }));
	const picture = portraitURL && h("img", { src: portraitURL, alt: t("portrait.alt"), on: { error: () => picture.replaceWith(broken()) } });
	if (job.portrait && !picture) return h("figure", { class: "portrait" }, broken());
	return h("figure", { class: "portrait" }, picture
		? picture
		: h("div", {}, icon("person"), h("figcaption", { text: job.request.means !== "chip" ? t("portrait.noChip") : job.final ? t("portrait.none") : t("portrait.later") })));
}

function person(app, job) {
	const r = job.known;
	const i = r.identity || {};
	const s = r.subject || {};
	const name = i.fullName || s.fullName;
	if (!name && !i.number && !s.number && !s.cardCode) {
		return h("section", { class: "card person" }, h("h2", { class: "soft", text: t("person.title") }), h("p", { class: "soft", text: job.final ? t("person.nothing") : t("person.later") }));
	}
	const born = date(i.dateOfBirth || s.dateOfBirth);
	const decided = job.decisions[job.decisions.length - 1];
	return h("section", { class: "card person" },
		h("div", { class: "name" }, value(name || t("person.unnamed")), copyButton(app, job, "fullName")),
		h("dl", { class: "facts" },
			fact(app, job, "number", number(i.number || s.number)),
			fact(app, job, "dateOfBirth", born),
			fact(app, job, "sex", sex(i.sex || s.sex)),
			i.nationality && i.nationality !== "VNM" ? fact(app, job, "nationality", i.nationality) : null,
			fact(app, job, "residence", i.residence),
			fact(app, job, "issuedAt", date(i.issuedAt)),
			fact(app, job, "expiresAt", i.noExpiry ? t("field.noExpiry") : date(i.expiresAt)),
			!r.identity && fact(app, job, "cardCode", s.cardCode),
			r.visit && fact(app, job, "maLk", [r.visit.maLk, r.visit.maBn].filter(Boolean).join(" · "), t("link.label")),
			decided && h("div", {}, h("dt", { text: t("decide.label") }), h("dd", { text: `${t(`about.${decided.about}`)}: ${tOr(`decide.${decided.decision}`, decided.decision).toLowerCase()}` }), h("dd", {}))));
}

function judged(app, job) {
	const r = job.known;
	return h("div", { class: "judged" }, eligibility(app, job, r.eligibility), r.verdicts && job.request.means === "chip" && cardBox(app, job));
}

function eligibility(app, job, e) {
	if (!e) {
		const off = job.final;
		return h("section", { class: "card" }, h("h2", { text: t("bhyt.title") }), h("p", { class: "verdict" }, h("span", { class: "soft", text: off ? t("bhyt.none") : t("bhyt.later") })));
	}
	const tone = eligibilityTone(e);
	const c = e.card || {};
	const worse = (e.differences || []).map((d) => {
		const field = inSentence(d.field);
		return tOr(`differs.${d.kind}`, field, { field });
	});
	const facts = [fact(app, job, "cardCode", c.code), c.from || c.to ? fact(app, job, "cardTo", `${date(c.from)} – ${date(c.to)}`, t("bhyt.dates")) : null].filter(Boolean);
	const percent = e.rate && e.rate.percent !== undefined ? e.rate.percent : c.benefitRate; // under the proposed route, or what the card promises
	const more = [
		[t("field.registeredFacility"), c.registeredFacility], [t("field.benefitRate"), percent === undefined ? "" : `${percent} %`],
		[t("field.fiveYearsFrom"), date(c.fiveYearsFrom || (e.continuity && e.continuity.from))], [t("bhyt.route"), e.route && e.route.proposal],
	].filter(([, v]) => v).map(([label, v]) => h("span", { class: "pair numeric" }, h("span", { class: "soft", text: label }), " ", value(v)));
	return h("section", { class: "card eligibility", data: { state: e.state } },
		h("div", { class: "spread" }, h("h2", { text: t("bhyt.title") }), hasMore(e) && button(t("coverage.button"), () => showCoverage(e), { kind: "link why" })),
		h("p", { class: "verdict" }, icon(toneIcon[tone], `icon tone-${tone}`), h("span", { text: tOr(`bhyt.${e.state}`, e.state) })),
		facts.length > 0 && h("dl", { class: "facts" }, facts),
		more.length > 0 && h("p", { class: "pairs" }, more),
		worse.length > 0 && h("p", { class: "clamp2 differs tone-look", text: t("bhyt.differs", { fields: worse.join(", ") }) }),
		!c.code && e.text && h("p", { class: "clamp2", text: (language() === "en" && e.textEn) || e.text }),
		e.asOf && e.state === "pending" && h("p", { class: "soft", text: t("bhyt.asked", { time: time(e.asOf) }) }),
		job.final && job.checkinId && job.state !== "void" && wantsPaper(e) && h("p", { class: "print" }, button(t("paper.button"), () => printPaper(app, job.checkinId), { kind: "small" })));
}

function cardBox(app, job) {
	const s = cardSummary(job.known);
	return h("section", { class: "card genuineness", data: { tone: s.tone } },
		h("div", { class: "spread" }, h("h2", { text: t("card.title") }), button(t("reasons.why"), () => showReasons(job), { kind: "link why" })),
		h("p", { class: "verdict" }, icon(toneIcon[s.tone], `icon tone-${s.tone}`), h("span", { text: t(s.key) })),
		faceLine(job.known.verdicts.face));
}

// faceLine says what came of comparing the face, where somebody wanted that.
function faceLine(v) {
	if (!v || v.reason === "SWITCHED_OFF" || v.reason === "NOT_REACHED") return null;
	const { id, tone } = verdictOf(v);
	return h("p", { class: "face-line", data: { face: id } }, icon(toneIcon[tone], `icon tone-${tone}`), h("span", { text: `${t("verdict.face")}: ${t(`face.${id}.short`)}` }));
}
