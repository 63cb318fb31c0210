// What a person sees while the face is compared: the question whether it may be, the live picture with what to do next in large calm
// words, and what came of it. The same view serves this console's own check-ins, in a dialog, and other programs', in a window
// of their own (/console/#capture=TICKET), so that a program needs no camera code.
//
// Pictures go to the agent one at a time, the next when the last was answered, and are kept nowhere.

import { h, button, notice, replace, icon, failure, dialog, toneIcon } from "../dom.js";
import { t, tOr, reasonText, stepText } from "../i18n.js";
import { value } from "../format.js";
import { Camera, CameraError } from "../camera.js";
import { JobFace } from "../face.js";
import { clientName } from "./desk.js";

const frameGap = 100; // ms between two pictures at least; the agent looks at five to ten a second
const calmFor = 700; // ms that words stand before others take their place
const matchShown = 1400; // ms
const windowShown = 6000; // of what came of it, where a program waits behind the window
const kinds = new Set(["look_straight", "turn_left", "turn_right", "nod", "blink", "come_closer"]);
export const skipReasons = ["compared_by_eye", "patient_cannot", "patient_refuses", "camera_missing", "no_time", "other"];

const ns = "http://www.w3.org/2000/svg";

function shape(tag, attributes) {
	const e = document.createElementNS(ns, tag);
	for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
	return e;
}

// oval is where the face belongs; around it runs how far the attempt is.
function oval() {
	const svg = shape("svg", { viewBox: "0 0 400 300", "aria-hidden": "true" });
	const way = "M200 16a80 105 0 1 1 0 210a80 105 0 1 1 0 -210z";
	svg.append(
		shape("path", { d: `M0 0h400v300H0z ${way}`, "fill-rule": "evenodd", fill: "#14152e", "fill-opacity": ".4" }),
		shape("path", { d: way, fill: "none", stroke: "#fff", "stroke-opacity": ".55", "stroke-width": 4 }));
	const ring = shape("path", { d: way, class: "ring", pathLength: 100, fill: "none", stroke: "#ffc66b", "stroke-width": 7, "stroke-linecap": "round", "stroke-dasharray": "0 100" });
	svg.append(ring);
	// Beside it an arrow in the direction of the task. The picture is a mirror, so the person's own left is on the left.
	const arrows = Object.entries({ turn_left: "M84 91l-30 30 30 30", turn_right: "M316 91l30 30-30 30", nod: "M346 62l18-18 18 18M364 46v150M346 180l18 18 18-18" })
		.map(([kind, d]) => [kind, shape("path", { d, class: "toward", fill: "none", stroke: "#ffc66b", "stroke-width": 10, "stroke-linecap": "round", "stroke-linejoin": "round" })]);
	svg.toward = (kind) => { for (const [k, arrow] of arrows) if (k === kind) svg.append(arrow); else arrow.remove(); };
	svg.progress = (percent) => {
		ring.setAttribute("stroke-dasharray", `${Math.max(0, Math.min(100, percent))} 100`);
		ring.setAttribute("visibility", percent > 0 ? "visible" : "hidden"); // its round end would be a dot
	};
	return svg;
}

// verdictOf is what came of it, in plain words: its id and its tone. What cannot be told is calm; nothing here keeps anybody from care.
export function verdictOf(v) {
	if (!v) return { id: "none", tone: "calm" };
	const weak = v.attackCheck && v.attackCheck.status === "failed";
	switch (v.decision) {
		case "match": return weak ? { id: "review", tone: "look" } : { id: "match", tone: "good" };
		case "review": return { id: "review", tone: "look" };
		case "no_match": return { id: "no_match", tone: "look" };
		case "cannot_tell": return { id: "cannot_tell", tone: "calm" };
	}
	return { id: v.status === "not_present" ? "not_present" : v.status === "not_done" ? "not_done" : "cannot_tell", tone: "calm" };
}

// faceView draws a step. It calls onOver(shown) once it is over; shown says whether anything was to be seen of that.
export function faceView(face, { onOver, onClose, framed = true }) {
	const root = h(framed ? "div" : "main", { class: "capture" });
	const camera = { on: null, stop() { if (this.on) this.on.stop(); this.on = null; } };
	let drawn = "";
	let parts = {};
	let ended = false;
	let over = false;
	const draw = () => {
		if (ended) return;
		const state = `${face.stage}|${face.attempt}|${face.stage === "consent" && face.consent ? face.consent.textVersion : ""}|${face.stage !== "live" && face.verdict !== null}`;
		if (state !== drawn) {
			drawn = state;
			if (face.stage !== "live") camera.stop();
			root.dataset.stage = face.stage;
			parts = {};
			replace(root, ({ consent: consentPart, live: livePart, decided: resultPart, over: resultPart }[face.stage] || waitingPart)(face, parts, { camera, onClose, root }));
			const first = root.querySelector("[data-first]") || root.querySelector("h1");
			if (first && root.isConnected) first.focus();
			if (face.stage === "over" && !over) {
				over = true;
				onOver();
			}
		}
		if (parts.update) parts.update();
	};
	face.addEventListener("change", draw);
	root.stop = () => {
		ended = true;
		camera.stop();
	};
	window.addEventListener("pagehide", root.stop, { once: true });
	requestAnimationFrame(draw); // it is in the page by then
	return root;
}

function heading(text) { return h("h1", { id: "dialog-title", tabindex: "-1", text }); }

function waitingPart() {
	return h("div", { class: "face-card" }, h("div", { class: "mark tone-calm", "aria-hidden": "true" }, icon("camera")), h("div", { class: "stack" }, heading(t("face.waiting")), h("p", { class: "lead", text: t("face.waitingText") })));
}

// ---- Consent

// consentPart asks. Yes and no look the same and take the same one press; neither is chosen beforehand.
function consentPart(face) {
	const by = face.consent.by || ["patient"];
	const who = by.length > 1 ? "both" : by[0];
	const trouble = h("div", {});
	const answer = (given) => async () => {
		for (const b of both) b.disabled = true;
		try {
			await face.answerConsent(given, who);
		} catch (err) {
			replace(trouble, failure(err));
			for (const b of both) b.disabled = false;
		}
	};
	const both = [button(t(`consent.yes.${who}`), answer(true), { key: "F3" }), button(t(`consent.no.${who}`), answer(false), { key: "F4" })];
	return h("div", { class: "face-card consent" }, h("div", { class: "stack" }, heading(t("consent.title")),
		h("p", { class: "lead who" }, icon("person"), h("strong", { text: t(`consent.by.${who}`) })),
		h("p", { class: "text", text: face.consent.text }), trouble, h("div", { class: "answers" }, both)));
}

// ---- The live picture

function livePart(face, parts, { camera, onClose, root }) {
	const video = h("video", { playsinline: true, muted: true, "aria-label": t("capture.preview") });
	const ring = oval();
	const sign = h("div", { class: "sign", "aria-hidden": "true" });
	const words = h("p", { class: "words", role: "status" });
	const said = h("div", { class: "said" }, sign, words);
	const note = h("p", { class: "row note", hidden: true });
	const trouble = h("div", {});
	const more = h("div", { class: "stack" });
	let shown = { text: "", kind: "", at: 0 };
	let next = "";

	// Words that change with every picture cannot be read: new ones come when they have been right twice, and the old ones stood a while.
	const say = (text, kind, tone) => {
		const now = performance.now();
		if (text === shown.text) {
			next = "";
			return;
		}
		if (shown.text && kind === shown.kind) { // another task is said at once
			const twice = next === text;
			next = text;
			if (!twice || now - shown.at < calmFor) return;
		}
		shown = { text, kind, at: now };
		next = "";
		said.dataset.tone = tone;
		replace(words, text);
		replace(sign, tone === "task" && kinds.has(kind) ? icon(`do-${kind}`, `do do-${kind}`) : icon(tone === "good" ? "check" : tone === "look" ? "look" : "camera", "do"));
	};
	parts.update = () => {
		ring.progress(face.progress);
		ring.toward(face.challenge ? face.challenge.kind : "");
		const wrong = face.blocking[0];
		if (wrong) say(wrong.text, face.challenge && face.challenge.kind, "look");
		else if (face.challenge) say(face.challenge.text, face.challenge.kind, "task");
		else if (face.progress > 0) say(t("capture.good"), "", "good");
		else say(t("capture.text"), "look_straight", "task");
		const hint = face.findings.find((f) => f.warning && f.id !== "FRAME_DROPPED");
		note.hidden = !hint;
		replace(note, hint && [icon("look"), h("span", { text: hint.text })]);
	};
	const skip = () => replace(more, skipList(face, trouble, t("face.skipWhy"), () => replace(more, skipButton)));
	const skipButton = button(t("face.skip"), skip, { key: "F4" });
	replace(more, skipButton);
	replace(words, t("capture.starting"));
	replace(sign, icon("camera", "do"));

	async function begin() {
		const c = new Camera(video);
		camera.on = c;
		try {
			await c.start();
		} catch (err) {
			const why = err instanceof CameraError ? err.why : "none";
			said.hidden = true;
			replace(trouble, h("div", { class: "stack" }, notice("look", t(`camera.${why}`), t(`camera.${why}.next`)),
				button(t("camera.again"), () => { replace(trouble); begin(); }, { iconName: "camera" })));
			return;
		}
		said.hidden = false;
		if (camera.on !== c) { // somebody was quicker
			c.stop();
			return;
		}
		let faults = 0;
		while (camera.on === c && face.stage === "live" && root.isConnected) {
			const began = performance.now();
			const picture = await c.picture();
			if (picture && camera.on === c) {
				try {
					await face.frame(picture);
					if (faults) replace(trouble);
					faults = 0;
				} catch (err) {
					if (face.stage !== "live") return;
					// A need that is over by now is told by the agent itself; anything else is tried again, ever more slowly.
					if (err.id !== "JOB_NOT_WAITING" && ++faults > 2) replace(trouble, failure(err));
					await pause(Math.min(400 * ++faults, 3000));
				}
			}
			await pause(Math.max(0, frameGap - (performance.now() - began)));
		}
	}
	requestAnimationFrame(begin);
	return [h("div", { class: "viewfinder" }, video, ring, said),
		h("div", { class: "stack beside" }, heading(t("face.title")), h("p", { class: "soft", text: t("face.attempt", { n: face.attempt, of: face.attempts }) }), h("p", { text: t("face.care") }), note, trouble, more,
			onClose && h("div", { class: "row" }, button(t("close"), onClose, { kind: "quiet" })))];
}

const pause = (ms) => new Promise((r) => setTimeout(r, ms));

// skipList asks why: each reason is one press.
function skipList(face, trouble, why, back) {
	const list = skipReasons.map((r) => button(t(`skip.${r}`), async () => {
		for (const b of list) b.disabled = true;
		try {
			await face.act("skip", r);
		} catch (err) {
			replace(trouble, failure(err));
			for (const b of list) b.disabled = false;
		}
	}));
	queueMicrotask(() => list[0].focus());
	return [h("h2", { text: why }), h("div", { class: "choices" }, list), back && button(t("back"), back, { kind: "quiet" })];
}

// ---- What came of it

function resultPart(face, parts, { onClose }) {
	const v = face.verdict;
	const { id, tone } = verdictOf(v);
	const open = face.stage === "decided";
	const trouble = h("div", {});
	const again = open && face.attempt < face.attempts && button(t("face.retry", { n: face.attempt + 1, of: face.attempts }), async () => {
		again.disabled = true;
		try {
			await face.act("retry");
		} catch (err) {
			replace(trouble, failure(err));
			again.disabled = false;
		}
	}, { kind: "primary", key: "F3" });
	if (again) again.dataset.first = "";
	const more = h("div", { class: "stack" }, open && button(t("face.goOn"), () => replace(more, skipList(face, trouble, t("face.goOnWhy"))), { key: "F4" }));
	const close = !open && onClose && button(t("close"), onClose, { kind: "primary" });
	if (close) close.dataset.first = "";
	return h("div", { class: "face-card", data: { verdict: id, tone } }, h("div", { class: `mark tone-${tone}`, "aria-hidden": "true" }, icon(toneIcon[tone])),
		tone === "look" && face.photo && h("img", { class: "photo", src: face.photo, alt: t("portrait.alt") }),
		h("div", { class: "stack" }, heading(t(`face.${id}`)),
			v && v.reason && h("p", { class: "lead", text: reasonText(v.reason) }),
			id !== "match" && h("p", { class: "lead", text: tone === "look" ? stepText("COMPARE_FACE_BY_EYE", t("face.byEye")) : t("face.care") }),
			v && v.attackCheck && v.attackCheck.reason && v.attackCheck.reason !== v.reason && v.attackCheck.status === "failed" && h("p", { text: reasonText(v.attackCheck.reason) }),
			trouble, again, more, close));
}

// ---- Where it is shown

// faceDialog shows the step of a check-in of this console until it is over. What was dismissed can be opened again.
export async function faceDialog(app, job) {
	const done = new AbortController();
	const face = new JobFace(app, job, done.signal);
	let view;
	await dialog("", (close) => {
		view = faceView(face, {
			onOver: () => setTimeout(() => { // what came of it may be told a moment later
				setTimeout(() => { if (view.isConnected) close(); }, face.verdict && face.verdict.decision ? matchShown : 0);
			}, 250),
		});
		return view;
	});
	done.abort();
	view.stop();
}

// captureWindow is the window for another program's check-in.
export function captureWindow(root, face, app) {
	const done = new AbortController();
	const view = faceView(face, { framed: false, onOver: () => { done.abort(); setTimeout(() => window.close(), windowShown); }, onClose: () => { done.abort(); view.stop(); window.close(); } });
	const strip = h("header", { class: "strip" }, h("span", { class: "wordmark" }, icon("mark", ""), h("span", { text: "Tapcheck" })),
		face.client && h("span", { class: "soft" }, `${t("capture.for")} `, value(app(face.client) ? t("client.console") : clientName(face.client))), face.simulated && h("span", { class: "badge simulated", text: t("simulated.badge") }));
	replace(root, h("div", { class: "window" }, strip, view));
	face.watch(done.signal);
}
