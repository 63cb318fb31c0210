// A window that takes the live picture for one job, so that a program without camera code of its own can have one. It is
// opened as /console/#capture=TICKET; the ticket stands for the job and is worth nothing without the agent. It is also how
// the console itself takes a picture. Without face verification in the agent, nothing is sent anywhere.

import { h, button, notice, replace, icon, failure, dialog } from "../dom.js";
import { t, tOr } from "../i18n.js";
import { Camera, CameraError } from "../camera.js";

function oval() {
	const ns = "http://www.w3.org/2000/svg";
	const svg = document.createElementNS(ns, "svg");
	svg.setAttribute("viewBox", "0 0 400 300");
	svg.setAttribute("aria-hidden", "true");
	const make = (tag, a) => {
		const e = document.createElementNS(ns, tag);
		for (const [k, v] of Object.entries(a)) e.setAttribute(k, v);
		svg.append(e);
	};
	// The frame is dimmed outside of an oval: a path with a hole.
	make("path", { d: "M0 0h400v300H0z M200 40a82 108 0 1 0 0 216a82 108 0 1 0 0-216z", "fill-rule": "evenodd", fill: "#14152e", "fill-opacity": ".45" });
	make("ellipse", { cx: 200, cy: 148, rx: 82, ry: 108, fill: "none", stroke: "#ffc66b", "stroke-width": 3 });
	return svg;
}

// captureView shows the preview. send is called with a frame and gives findings {ok, text}; null: there is nobody to send to.
export function captureView({ send, onClose, tag = "main" }) {
	const video = h("video", { playsinline: true, muted: true, "aria-label": t("capture.preview") });
	const camera = new Camera(video);
	const hint = h("p", { class: "row", role: "status" });
	const trouble = h("div", {});
	const take = button(t("capture.take"), () => shoot(), { kind: "primary", iconName: "camera", disabled: true });
	let timer;
	const say = (tone, text) => replace(hint, icon({ good: "check", look: "look", calm: "dots" }[tone], `icon`), h("strong", { text }));
	say("calm", t("capture.starting"));
	async function start() {
		try {
			await camera.start();
		} catch (err) {
			const why = err instanceof CameraError ? err.why : "none";
			replace(hint);
			replace(trouble, notice("look", t(`camera.${why}`), t(`camera.${why}.next`)));
			return;
		}
		if (!root.isConnected) {
			camera.stop();
			return;
		}
		take.disabled = send === null;
		timer = setInterval(() => {
			const quality = camera.hint();
			say(quality === "fine" ? "good" : "look", t(`quality.${quality}`));
		}, 500);
	}
	async function shoot() {
		take.disabled = true;
		try {
			const frame = await camera.frame();
			const answer = frame && await send(frame);
			if (answer) replace(trouble, notice(answer.ok ? "calm" : "look", answer.text));
		} catch (err) {
			replace(trouble, failure(err));
		}
		take.disabled = false;
	}
	const stop = () => {
		clearInterval(timer);
		camera.stop();
	};
	const root = h(tag, { class: "capture" }, h("div", { class: "viewfinder" }, video, oval()),
		h("div", { class: "stack" }, h("h1", { text: t("capture.title"), tabindex: "-1" }), h("p", { text: t("capture.text") }), hint, trouble,
			send === null && notice("calm", t("capture.unavailable"), t("capture.unavailableText")),
			h("div", { class: "row" }, take, button(t("close"), () => { stop(); onClose(); }))));
	root.stop = stop;
	window.addEventListener("pagehide", stop, { once: true });
	requestAnimationFrame(start);
	return root;
}

// captureFor takes the picture that a job of this console asks for. Each frame goes to the agent, which says what is wrong
// with it, and what the person should do next; the job itself goes on when the agent has what it needs.
export async function captureFor(app, job) {
	let view;
	let challenge; // what the person was last asked to do
	await dialog("", (close) => {
		job.addEventListener("change", () => { if (job.stage !== "live") close(); });
		view = captureView({
			tag: "div", onClose: () => close(),
			send: async (frame) => {
				const a = await app.socket.call("face.frame", { jobId: job.jobId, image: { mime: frame.mime, data: frame.data }, challenge });
				challenge = a.challenge;
				const says = [...(a.findings || []).map((f) => tOr(`finding.${f}`, f)), a.challenge && !a.done && tOr(`challenge.${a.challenge}`, a.challenge)].filter(Boolean);
				return { ok: says.length === 0, text: says.join(" ") || t("capture.good") };
			},
		});
		view.querySelector("h1").id = "dialog-title";
		return view;
	});
	view.stop();
}
