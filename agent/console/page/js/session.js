// Who is logged in to the console. The token is held here, in memory, and nowhere else (see page.go). The agent locks a
// session that nobody has touched for idleMs; the page does the same a little earlier, so that nothing stays on the screen
// that the agent would not give any more.

const activity = ["pointerdown", "pointermove", "keydown", "wheel"];

export class Session extends EventTarget {
	#api;
	#token = "";
	#timer;
	#touched = 0;
	#active = () => this.active();
	user = "";
	role = "";
	idleMs = 0;
	locked = false;

	constructor(api) {
		super();
		this.#api = api;
		api.onLocked = (err) => { if (err.id === "CONSOLE_LOCKED") this.#lock(); else this.#end(); };
	}

	get token() { return this.#token; }
	get admin() { return this.role === "admin"; }

	// begin takes the answer of a login.
	begin(a) {
		this.#token = this.#api.token = a.token;
		this.user = a.user;
		this.role = a.role;
		this.idleMs = a.idleMs || 0;
		this.#unlocked();
		this.dispatchEvent(new Event("begin"));
	}

	#unlocked() {
		this.locked = false;
		this.#touched = Date.now();
		for (const name of activity) window.addEventListener(name, this.#active, { passive: true, capture: true });
		this.#arm();
	}

	#arm() {
		clearTimeout(this.#timer);
		if (this.idleMs > 0) this.#timer = setTimeout(() => this.lock(), this.idleMs - Math.min(2000, this.idleMs / 10));
	}

	// active says that somebody works here. The agent is told a few times within idleMs, not with every movement.
	active() {
		if (!this.#token || this.locked) return;
		this.#arm();
		const now = Date.now();
		if (this.idleMs > 0 && now - this.#touched < Math.min(this.idleMs / 5, 30_000)) return;
		this.#touched = now;
		this.#api.post("touch").catch(() => {});
	}

	async lock() {
		if (!this.#token || this.locked) return;
		this.#lock();
		try { await this.#api.post("lock", {}, { quiet: true }); } catch { /* the agent locks it by itself */ }
	}

	#lock() {
		if (!this.#token || this.locked) return;
		this.locked = true;
		this.#rest();
		this.dispatchEvent(new Event("lock"));
	}

	#rest() {
		clearTimeout(this.#timer);
		for (const name of activity) window.removeEventListener(name, this.#active, { capture: true });
	}

	// unlock takes {pin} or {os: true}. A session that is over (locked for too long, an agent that was restarted) ends.
	async unlock(how) {
		try {
			await this.#api.post("unlock", how, { quiet: true });
		} catch (err) {
			if (err.status === 401 && err.id === "CONSOLE_SESSION_ENDED") this.#end();
			throw err;
		}
		this.#unlocked();
		this.dispatchEvent(new Event("unlock"));
	}

	async logout() {
		try { await this.#api.post("logout", {}, { quiet: true }); } catch { /* it ends with its time */ }
		this.#end();
	}

	#end() {
		if (!this.#token) return;
		this.#rest();
		this.#token = this.#api.token = "";
		this.user = this.role = "";
		this.locked = false;
		this.dispatchEvent(new Event("end"));
	}
}
