// The websocket /v1, as any HIS uses it: JSON-RPC 2.0, subprotocol tapcheck.v1, one session at a time. It reconnects by
// itself; a job survives fifteen seconds without its client, so after a reconnection it is taken up again.

import { ApiError } from "./api.js";

const callTimeout = 20_000;

export class Socket extends EventTarget {
	#url;
	#open; // gives the params of session.open
	#ws = null;
	#calls = new Map();
	#id = 0;
	#tries = 0;
	#timer;
	#stopped = true;
	hello = null;
	rights = null;

	constructor(url, open) {
		super();
		this.#url = url;
		this.#open = open;
	}

	get ready() { return this.rights !== null; }

	// serves says whether the agent serves a method or a family of them ("face.").
	serves(name) {
		const list = (this.hello && this.hello.capabilities) || [];
		return list.some((m) => m === name || name.endsWith(".") && m.startsWith(name));
	}

	start() {
		this.#stopped = false;
		if (!this.#ws) this.#connect();
	}

	stop() {
		this.#stopped = true;
		clearTimeout(this.#timer);
		if (this.#ws) this.#ws.close(1000);
	}

	// restart opens a new session, as for another language.
	restart() {
		if (this.#stopped) return;
		this.#tries = 0;
		if (this.#ws) this.#ws.close(1000);
		else this.start();
	}

	#connect() {
		clearTimeout(this.#timer);
		const ws = new WebSocket(this.#url, "tapcheck.v1");
		this.#ws = ws;
		ws.onmessage = (m) => { if (typeof m.data === "string") this.#frame(m.data); };
		ws.onclose = (e) => {
			if (this.#ws !== ws) return;
			this.#ws = null;
			this.rights = null;
			for (const c of this.#calls.values()) c.fail(new ApiError(0));
			this.#calls.clear();
			this.dispatchEvent(new CustomEvent("closed", { detail: { code: e.code } }));
			if (this.#stopped) return;
			this.#timer = setTimeout(() => this.#connect(), Math.min(200 * 2 ** this.#tries++, 5000));
		};
	}

	#frame(text) {
		let f;
		try { f = JSON.parse(text); } catch { return; }
		if (f.method === "agent.hello") {
			this.hello = f.params;
			this.#session();
			return;
		}
		if (f.method) {
			this.dispatchEvent(new CustomEvent(f.method, { detail: f.params }));
			return;
		}
		const c = this.#calls.get(f.id);
		if (!c) return;
		this.#calls.delete(f.id);
		if (f.error) c.fail(new ApiError(0, f.error.data));
		else c.done(f.result);
	}

	async #session() {
		try {
			const s = await this.call("session.open", this.#open());
			this.rights = s.rights;
			this.#tries = 0;
			this.dispatchEvent(new CustomEvent("open", { detail: s }));
		} catch (err) {
			this.dispatchEvent(new CustomEvent("refused", { detail: err }));
			if (this.#ws) this.#ws.close(1000);
		}
	}

	call(method, params = {}) {
		if (!this.#ws || this.#ws.readyState !== WebSocket.OPEN) return Promise.reject(new ApiError(0));
		const id = ++this.#id;
		return new Promise((resolve, reject) => {
			const timer = setTimeout(() => { this.#calls.delete(id); reject(new ApiError(0)); }, callTimeout);
			const end = (f) => (v) => { clearTimeout(timer); f(v); };
			this.#calls.set(id, { done: end(resolve), fail: end(reject) });
			this.#ws.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
		});
	}
}
