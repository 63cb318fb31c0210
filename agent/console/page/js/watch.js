// The long poll /console/api/watch: who waits for a card, what the agent's own scanners read, who asks to be paired, what
// is wrong with this PC. One request waits at a time; a failed one is repeated after a pause.

export class Watch extends EventTarget {
	#api;
	#stop = null;
	state = { queue: [], pairing: null, health: [] };

	constructor(api) {
		super();
		this.#api = api;
	}

	start() {
		if (this.#stop) return;
		this.#stop = new AbortController();
		this.#run(this.#stop.signal);
	}

	stop() {
		if (this.#stop) this.#stop.abort();
		this.#stop = null;
	}

	async #run(signal) {
		let since = 0;
		while (!signal.aborted) {
			try {
				const w = await this.#api.get(`watch?since=${since}`, { signal });
				if (signal.aborted) return;
				since = w.seq;
				this.state = { queue: w.queue || [], pairing: w.pairing || null, health: w.health || [] };
				this.dispatchEvent(new Event("change"));
				for (const s of w.scans || []) this.dispatchEvent(new CustomEvent("scan", { detail: s.text }));
			} catch (err) {
				if (signal.aborted || err.status === 401) return;
				since = 0; // a restarted agent counts from the beginning
				await new Promise((r) => setTimeout(r, 2000));
			}
		}
	}
}
