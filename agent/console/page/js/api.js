// The console's HTTP interface, /console/api. The token is given by whoever holds the session and is sent in a header,
// never in an address.

import { language } from "./i18n.js";

// ApiError is an error of the agent's catalogue, in the agent's words.
export class ApiError extends Error {
	constructor(status, data = {}) {
		super(data.id || `HTTP ${status}`);
		this.status = status;
		this.id = data.id || "";
		this.text = data.text || "";
		this.next = data.next || "";
		this.help = data.help || "";
		this.detail = data.detail || {};
	}
}

export class Api {
	#token = "";
	#locked = () => {};

	set token(secret) { this.#token = secret; }

	// onLocked is called when the agent says that the session is locked or over.
	set onLocked(f) { this.#locked = f; }

	async #fetch(method, path, body, { signal, quiet } = {}) {
		const headers = { "Accept-Language": language() };
		if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
		if (body !== undefined) headers["Content-Type"] = "application/json";
		const answer = await fetch(`/console/api/${path}`, {
			method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: "omit", cache: "no-store", redirect: "error",
		});
		return this.#answered(answer, quiet);
	}

	async #answered(answer, quiet) {
		if (answer.ok) return answer;
		let data = {};
		try {
			const j = await answer.json();
			data = (j.error && j.error.data) || j.error || j;
		} catch { /* not the agent's own answer; the status says enough */ }
		const err = new ApiError(answer.status, data);
		if (answer.status === 401 && this.#token && !quiet) this.#locked(err);
		throw err;
	}

	async get(path, options) { return (await this.#fetch("GET", path, undefined, options)).json(); }
	async post(path, body = {}, options) { return (await this.#fetch("POST", path, body, options)).json(); }
	async put(path, body) { return (await this.#fetch("PUT", path, body)).json(); }
	// picture sends bytes as they are, with what is said about them in headers.
	async picture(path, mime, bytes, about) {
		const headers = { "Accept-Language": language(), "Content-Type": mime };
		for (const [name, v] of Object.entries(about)) if (v !== undefined) headers[name] = String(v);
		return (await this.#answered(await fetch(`/console/api/${path}`, { method: "POST", headers, body: bytes, credentials: "omit", cache: "no-store", redirect: "error" }))).json();
	}

	async blob(path) { return (await this.#fetch("GET", path)).blob(); }
}
