// One check-in as its events tell it, without anything of how it looks.

const final = new Set(["complete", "failed", "cancelled", "void"]);

// Phases of a chip read in their order; the agent's names. Means other than a chip only have insurance.
export const chipPhases = ["connecting", "access", "identity", "chip", "portrait", "insurance"];

// While these last, lifting the card would break the read off.
const cardPhases = new Set(["connecting", "access", "identity", "chip", "portrait"]);

export class Checkin extends EventTarget {
	jobId;
	request;
	checkinId = "";
	state = "starting";
	phase = "waiting";
	percent = 0;
	need = null;
	known = {}; // the result, or what is already known of it
	portrait = null;
	error = null;
	decisions = [];
	#seq = 0;

	constructor(request) {
		super();
		this.request = request;
		this.jobId = request.jobId;
	}

	get final() { return final.has(this.state); }

	#changed() { this.dispatchEvent(new Event("change")); }

	// newer drops an event that has been overtaken, as a repeated one after a reconnection.
	#newer(p) {
		if (p.jobId !== this.jobId || this.final && p.state !== "void") return false;
		if (p.seq && p.seq <= this.#seq) return false;
		if (p.seq) this.#seq = p.seq;
		return true;
	}

	accepted(a) {
		this.checkinId = a.checkinId || "";
		if (this.state === "starting") this.state = a.state || "waiting";
		this.#changed();
	}

	progress(p) {
		if (!this.#newer(p)) return;
		this.phase = p.phase;
		this.percent = p.percent;
		this.need = null;
		this.state = p.phase === "waiting" ? "waiting" : "running";
		this.#changed();
	}

	partial(r) {
		if (!this.#newer(r)) return;
		this.#take(r);
		this.#changed();
	}

	needs(n) {
		if (!this.#newer(n)) return;
		this.need = n;
		this.state = "needs";
		this.#changed();
	}

	result(r) {
		if (!this.#newer(r)) return;
		this.#finish(r);
	}

	// status takes job.status or job.resume, after a reconnection.
	status(s) {
		if (s.jobId !== this.jobId || this.final) return;
		this.checkinId = s.checkinId || this.checkinId;
		if (s.result) {
			this.#finish(s.result);
			return;
		}
		this.state = s.state;
		this.phase = s.phase || this.phase;
		this.percent = s.percent || 0;
		this.need = s.need || null;
		this.#changed();
	}

	// failed is an error that came in place of an answer: there is no such job.
	failed(err) {
		if (this.final) return;
		this.state = "failed";
		this.error = err;
		this.known = { ...this.known, state: "failed", error: { id: err.id, text: err.text, next: err.next, help: err.help, retriable: !err.id }, next: [], warnings: [] };
		this.#changed();
		this.dispatchEvent(new Event("end"));
	}

	#take(r) {
		this.known = { ...r, subject: r.subject || this.request.subject };
		if (r.portrait && r.portrait.data) this.portrait = r.portrait;
	}

	#finish(r) {
		this.#take(r);
		if (!r.identity) this.portrait = null;
		this.state = r.state;
		this.phase = "done";
		this.need = null;
		if (r.checkinId) this.checkinId = r.checkinId;
		if (r.decisions) this.decisions = r.decisions;
		this.#changed();
		this.dispatchEvent(new Event("end"));
	}

	// answered takes what came of a later look-up. One that found nothing takes nothing away that is known.
	answered(x) {
		const before = this.known.eligibility;
		if (!this.final || x.eligibility.state === "pending" || x.givenUp && before && before.state !== "pending") return;
		this.known = { ...this.known, eligibility: x.eligibility };
		this.#changed();
	}

	// renewed takes what of a result has changed with the insurer's later answer: also what the desk does now.
	renewed(s) {
		if (s.jobId !== this.jobId || !this.final || s.state !== this.state || !s.result) return;
		const { eligibility, differences, claim, next, warnings } = s.result;
		this.known = { ...this.known, eligibility, differences, claim, next, warnings };
		this.#changed();
	}

	voided() {
		this.state = "void";
		this.known = { ...this.known, state: "void" };
		this.#changed();
	}

	// stage is what the desk has to do with it now: starting, insert, queued, reposition, return, key, reader, face (consent or live picture), other (a need
	// of a later version), keep (the chip is being read), look_up (the card may go), done, failed, cancelled, void.
	get stage() {
		switch (this.state) {
			case "complete": return "done";
			case "failed": case "cancelled": case "void": return this.state;
			case "needs": {
				const known = { insert_card: "insert", reposition_card: "reposition", return_card: "return", key: "key", choose_reader: "reader", live_image: "face", consent: "face" };
				return this.need ? known[this.need.need] || "other" : "keep";
			}
			case "starting": return "starting";
			case "waiting": return "queued";
		}
		if (this.request.means !== "chip") return "look_up";
		if (this.phase === "face") return "face";
		return cardPhases.has(this.phase) ? "keep" : this.phase === "waiting" ? "queued" : "look_up";
	}
}

// newJobId makes an id that says nothing about anybody.
export function newJobId() {
	const bytes = crypto.getRandomValues(new Uint8Array(12));
	return `console-${[...bytes].map((b) => b.toString(16).padStart(2, "0")).join("")}`;
}
