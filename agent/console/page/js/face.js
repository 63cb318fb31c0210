// The comparison of a living face with the chip's photo, as its events tell it, without anything of how it looks. There are two
// of them: of this console's own check-in, over the websocket, and of another program's, in the capture window, by a ticket.

import { ApiError } from "./api.js";

// Stages: waiting (nothing to do for anybody yet), consent, live, decided (an attempt has ended without a match), over.
export class Face extends EventTarget {
	stage = "waiting";
	consent = null; // {purpose, textVersion, text, by}
	attempt = 1;
	attempts = 3;
	challenge = null; // {id, kind, text}
	findings = []; // {id, text, warning}
	progress = 0;
	verdict = null; // of the last attempt that ended, or of the whole
	#seq = 0;

	changed() { this.dispatchEvent(new Event("change")); }

	// see takes what the agent says of the step.
	see(stage, face, consent) {
		const before = this.attempt;
		this.stage = stage;
		this.consent = consent || null;
		if (face) {
			this.attempt = face.attempt;
			this.attempts = face.attempts;
			if (face.verdict) this.verdict = face.verdict;
			if (stage === "live" && (before !== face.attempt || !this.challenge)) this.challenge = face.challenge || null;
			if (stage === "live" && before !== face.attempt) {
				this.verdict = null;
				this.findings = [];
				this.progress = 0;
			}
		}
		this.changed();
	}

	// frame sends a picture, with the challenge that was on the screen while it was taken, and takes what is said about it.
	async frame({ bytes, mime, at }) {
		const a = await this.send({ seq: this.#seq++, atMs: Math.round(at), mime, bytes, challenge: this.challenge ? this.challenge.id : undefined });
		if (this.stage === "over" && a.done && a.face) this.verdict = a.face; // the check-in has gone on already
		if (this.stage !== "live" || a.attempt !== this.attempt) return this.changed(); // it came too late for anything else
		this.findings = a.findings || [];
		this.challenge = a.challenge || null;
		this.progress = a.progress || 0;
		if (a.done) {
			this.verdict = a.face || null;
			this.progress = 100;
			this.stage = this.matched || this.attempt >= this.attempts ? "over" : "decided"; // the last attempt ends the step
		}
		this.changed();
	}

	get matched() { return Boolean(this.verdict) && this.verdict.decision === "match" && this.verdict.status === "passed"; }
	get photo() { return ""; } // the chip's, for whoever compares by eye
	get blocking() { return this.findings.filter((f) => !f.warning); }
}

// base64 of some bytes, in pieces that a call's arguments can hold.
function base64(bytes) {
	let s = "";
	for (let i = 0; i < bytes.length; i += 0x8000) s += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
	return btoa(s);
}

// JobFace is the step of a check-in of this console.
export class JobFace extends Face {
	#app;
	#job;

	constructor(app, job, signal) {
		super();
		this.#app = app;
		this.#job = job;
		job.addEventListener("change", () => this.#look(), { signal });
		this.#look();
	}

	#look() {
		const n = this.#job.need;
		const known = this.#job.known.verdicts && this.#job.known.verdicts.face;
		if (n && n.need === "consent") this.see("consent", null, n.consent);
		else if (n && n.need === "live_image") this.see(n.face && n.face.verdict ? "decided" : "live", n.face || { attempt: 1, attempts: 1 });
		else {
			const settled = known && known.reason !== "NOT_REACHED" && known.reason !== "SWITCHED_OFF";
			if (settled) this.verdict = known;
			this.see(settled || this.#job.final || this.#job.phase !== "face" ? "over" : "waiting");
		}
	}

	get photo() {
		const p = this.#job.portrait;
		return p && /^image\/(jpeg|png)$/.test(p.mime) ? `data:${p.mime};base64,${p.data}` : "";
	}

	send({ seq, atMs, mime, bytes, challenge }) {
		return this.#app.socket.call("face.frame", { jobId: this.#job.jobId, seq, atMs, image: { mime, data: base64(bytes) }, challenge });
	}

	answerConsent(given, by) {
		const { purpose, textVersion } = this.consent;
		return this.#app.socket.call("consent.record", { jobId: this.#job.jobId, purpose, textVersion, given, by });
	}

	act(action, reason) { return this.#app.provide({ face: { action, reason } }); }
}

const stages = { consent: "consent", live_image: "live", decided: "decided", over: "over" };

// WindowFace is the step of another program's check-in, which has given this window a ticket. The ticket is good once; what it was
// changed for lives in this page's memory.
export class WindowFace extends Face {
	#api;
	#key;
	client = "";
	lang = "";
	simulated = false;
	expiresAt = "";

	constructor(api) {
		super();
		this.#api = api;
	}

	async begin(ticket) {
		const a = await this.#api.post("capture", { ticket });
		this.#key = a.key;
		this.client = a.client || "";
		this.lang = a.lang || "";
		this.simulated = Boolean(a.simulated);
		this.#take(a);
	}

	#take(a) {
		this.expiresAt = a.expiresAt || "";
		if (a.verdict) this.verdict = a.verdict;
		if (this.stage === "over") return; // a match is shown until the window is closed
		this.see(stages[a.stage] || "waiting", a.face, a.consent);
	}

	// watch asks how the step stands until it is over or signal ends it. Whatever happens elsewhere (the program gives up, the
	// card's holder is asked by somebody else) is seen here.
	async watch(signal) {
		while (!signal.aborted && this.stage !== "over") {
			await new Promise((r) => setTimeout(r, this.stage === "live" ? 1500 : 400));
			if (!signal.aborted) await this.#again();
		}
	}

	async #again() {
		try {
			this.#take(await this.#api.post("capture/state", { key: this.#key }));
		} catch (err) {
			if (err instanceof ApiError && (err.status === 404 || err.status === 401)) this.see("over");
		}
	}

	async send({ seq, atMs, mime, bytes, challenge }) {
		return this.#api.picture("capture/frame", mime, bytes, { "X-Tapcheck-Key": this.#key, "X-Tapcheck-Seq": seq, "X-Tapcheck-At": atMs, "X-Tapcheck-Challenge": challenge });
	}

	async answerConsent(given, by) {
		const { purpose, textVersion } = this.consent;
		await this.#api.post("capture/act", { key: this.#key, consent: { purpose, textVersion, given, by } });
		await this.#again();
	}

	async act(action, reason) {
		await this.#api.post("capture/act", { key: this.#key, face: { action, reason } });
		await this.#again();
	}
}
