// The console: puts the page together. What is shown follows from who is logged in and from the address's fragment, which
// names a place (#desk, #today, #health, #admin/…) and never anything about a person.

import { Api } from "./api.js";
import { Session } from "./session.js";
import { Socket } from "./socket.js";
import { Watch } from "./watch.js";
import { Checkin, newJobId } from "./checkin.js";
import { initLanguage, onLanguage, language, setLanguage, t, tOr } from "./i18n.js";
import { initKeys } from "./keys.js";
import { initClipboard } from "./copy.js";
import { listen } from "./wedge.js";
import { play } from "./sound.js";
import { resultTone } from "./verdict.js";
import { replace, closeDialogs, toast, clearToast, loadIcons, h, notice, failure } from "./dom.js";
import { loginView, setupView, lockView, offlineView } from "./view/front.js";
import { shell } from "./view/shell.js";
import { deskView, forgetPortrait } from "./view/desk.js";
import { startFromScan, keyFromScan } from "./view/forms.js";
import { todayView } from "./view/today.js";
import { healthView } from "./view/health.js";
import { adminView } from "./view/admin/index.js";
import { showHelp } from "./view/help.js";
import { captureWindow } from "./view/capture.js";
import { WindowFace } from "./face.js";
import { closePapers } from "./view/paper.js";

const scheme = location.protocol === "https:" ? "wss" : "ws"; // the websocket goes by the way that the page came
const maxNews = 20;
const places = new Set(["desk", "today", "health", "admin"]);

class App extends EventTarget {
	api = new Api();
	session = new Session(this.api);
	watch = new Watch(this.api);
	socket = new Socket(`${scheme}://${location.host}/v1`, () => ({
		protocol: 1, client: { name: "Tapcheck console", version: (this.state && this.state.version) || "" }, token: this.session.token, language: language(),
	}));
	state = null; // GET /console/api/state
	readers = [];
	job = null;
	means = "chip";
	face = "off"; // whether the next check-ins compare the face: off, offered, required
	place = "desk";
	news = []; // what came of look-ups that nobody waited for, the newest first
	onScan = null; // takes a scan in the place of a new check-in
	viewSignal = new AbortController().signal;
	jobSignal = new AbortController().signal;
	#root = document.getElementById("app");
	#view = new AbortController();
	#jobView = new AbortController();
	#shell = null;

	constructor() {
		super();
		this.session.addEventListener("begin", () => this.#enter());
		this.session.addEventListener("unlock", () => this.#enter());
		this.session.addEventListener("lock", () => this.#leave(() => this.show(lockView(this))));
		this.session.addEventListener("end", () => this.#leave(() => { this.job = null; this.readers = []; this.news = []; this.face = "off"; forgetPortrait(); this.boot(); }));
		window.addEventListener("hashchange", () => { if (this.#shell) this.#go(); });
		onLanguage(() => this.#relabel());
		const s = this.socket;
		s.addEventListener("open", () => this.#opened());
		s.addEventListener("closed", (e) => {
			this.readers = [];
			this.dispatchEvent(new Event("readers"));
			// A token that was refused is one of a session that is locked or over; the agent says which.
			if (e.detail.code === 4003) this.api.post("touch").catch(() => {});
		});
		s.addEventListener("refused", () => this.api.post("touch").catch(() => {}));
		s.addEventListener("reader.changed", (e) => this.#reader(e.detail));
		for (const [name, take] of [["job.progress", "progress"], ["job.partial", "partial"], ["job.needs", "needs"], ["job.result", "result"]]) {
			s.addEventListener(name, (e) => {
				if (!this.job || e.detail.jobId !== this.job.jobId) return;
				this.session.active(); // a card on the reader is somebody who works here
				this.job[take](e.detail);
			});
		}
		s.addEventListener("eligibility.changed", (e) => this.#changed(e.detail));
		this.watch.addEventListener("scan", (e) => this.#scanned(e.detail));
		listen((text) => this.#scanned(text));
	}

	// ---- What is shown

	show(view) {
		this.#view.abort();
		this.#view = new AbortController();
		this.viewSignal = this.#view.signal;
		this.#shell = null;
		this.#put(this.#root, view);
	}

	#put(box, view) {
		replace(box, view);
		const focus = view.querySelector("input:not([type=radio]):not([type=checkbox])") || view.querySelector("h1[tabindex]");
		if (focus) focus.focus();
	}

	async boot() {
		try {
			await this.refreshState();
		} catch {
			this.show(offlineView(this));
			return;
		}
		this.showLogin();
	}

	async refreshState() {
		const first = this.state === null;
		this.state = await this.api.get("state");
		if (first) initLanguage(this.state.language);
	}

	// Operators can be there before an administrator is (tapcheck console add, the demo): they must not be kept out.
	showLogin() { this.show(this.state.setup && !this.state.accounts ? setupView(this) : loginView(this)); }

	showHelp() { return showHelp(this); }

	#enter() {
		this.socket.start();
		this.watch.start();
		this.#go();
	}

	#leave(then) {
		closeDialogs();
		closePapers();
		this.watch.stop();
		this.socket.stop();
		then();
	}

	#relabel() {
		closeDialogs();
		clearToast();
		if (this.session.token && !this.session.locked) {
			this.socket.restart(); // what the agent says comes in the session's language
			this.#go();
		} else if (this.session.locked) {
			this.show(lockView(this));
		} else if (this.state) {
			this.showLogin();
		} else {
			this.show(offlineView(this));
		}
	}

	#go() {
		const [place, part] = location.hash.slice(1).split("/");
		this.place = places.has(place) && (place !== "admin" || this.session.admin) ? place : "desk";
		this.#view.abort();
		this.#view = new AbortController();
		this.viewSignal = this.#view.signal;
		this.#newJobSignal();
		this.onScan = null;
		this.#shell = shell(this);
		const view = { desk: deskView, today: (app) => todayView(app, part), health: healthView, admin: (app) => adminView(app, part) }[this.place](this);
		this.#shell.main.append(view);
		replace(this.#root, this.#shell);
		const heading = view.querySelector("h1[tabindex]");
		if (heading) heading.focus();
	}

	#newJobSignal() {
		this.#jobView.abort();
		this.#jobView = new AbortController();
		this.jobSignal = this.#jobView.signal;
	}

	// ---- The websocket

	async #opened() {
		try {
			this.readers = (await this.socket.call("reader.list")).readers || [];
			this.dispatchEvent(new Event("readers"));
			if (this.job && !this.job.final) this.job.status(await this.socket.call("job.resume", { jobId: this.job.jobId }));
		} catch (err) {
			if (this.job && !this.job.final && err.id) this.job.failed(err); // the agent does not know it any more
		}
	}

	#reader(r) {
		// One reader, or a list of those that have changed.
		for (const one of Array.isArray(r.readers) ? r.readers : [r.reader || r]) {
			const at = this.readers.findIndex((x) => x.id === one.id);
			if (at < 0) this.readers.push(one);
			else this.readers[at] = one;
		}
		this.dispatchEvent(new Event("readers"));
	}

	// A look-up was answered, or given up, that nobody waited for any more. It is said in passing, and stands on the desk until
	// the day's list was looked at.
	#changed(x) {
		if (this.news.some((n) => n.lookupId === x.lookupId && n.eligibility.asOf === x.eligibility.asOf)) return; // told twice
		this.news = [x, ...this.news].slice(0, maxNews);
		const shown = Boolean(this.job) && this.job.checkinId === x.checkinId;
		if (shown) {
			this.job.answered(x);
			this.#renew(this.job);
		}
		if (this.session.token && !this.session.locked && (this.job || this.place !== "desk")) toast(t(shown ? "news.here" : "news.said", { state: tOr(`bhyt.${x.eligibility.state}`, x.eligibility.state) }));
		this.dispatchEvent(new Event("news"));
	}

	// #renew asks for a result again of which a part has changed.
	async #renew(job) {
		try {
			job.renewed(await this.socket.call("job.status", { jobId: job.jobId }));
		} catch {
			// The agent does not know the job any more: what is shown stays.
		}
	}

	// seen says that the news was looked at.
	seen() { this.news = []; }

	// isOurs says whether a job in the queue is this console's own.
	isOurs(client) { return client === location.origin || client === "console"; }

	// ---- Check-ins

	setJob(job) {
		this.#newJobSignal();
		this.onScan = null;
		this.job = job;
		clearToast();
		this.dispatchEvent(new Event("job"));
	}

	// start begins a check-in. What is wrong with the request is shown in its place.
	async start(request) {
		const job = new Checkin({ ...request, jobId: newJobId() });
		job.addEventListener("end", () => this.#ended(job));
		this.setJob(job);
		if (this.place !== "desk") location.hash = "desk";
		try {
			job.accepted(await this.socket.call("checkin.start", job.request));
		} catch (err) {
			job.failed(err);
		}
	}

	#ended(job) {
		if (job !== this.job || job.state === "cancelled") return;
		play({ done: "success", look: "look", error: "error" }[resultTone(job.known)]);
	}

	async provide(answer) {
		await this.socket.call("job.provide", { jobId: this.job.jobId, ...answer });
	}

	async cancel() {
		const job = this.job;
		if (!job) return;
		if (job.final) {
			this.setJob(null);
			return;
		}
		try {
			job.status(await this.socket.call("job.cancel", { jobId: job.jobId }));
		} catch (err) {
			toast(err.text || t("offline.title"));
		}
		if (job === this.job && job.state === "cancelled") this.setJob(null);
	}

	// A scan goes to what waits for it: an open dialog or form, a check-in that needs a key, or a new check-in.
	#scanned(text) {
		if (!this.session.token || this.session.locked) return;
		this.session.active();
		if (this.onScan) {
			this.onScan(text);
			return;
		}
		const dialogOpen = document.querySelector("dialog[open]");
		if (this.job && !this.job.final) {
			if (this.job.stage === "key") this.provide({ key: keyFromScan(text) }).catch((err) => toast(err.text || t("offline.title")));
			else toast(t("scan.busy"));
			return;
		}
		if (dialogOpen || this.place !== "desk") {
			toast(t("scan.notNow"));
			return;
		}
		startFromScan(this, text);
	}
}

// capture is the window for the face of one check-in of another program's. Nobody logs in here: the ticket stands for that one job.
async function capture(root, ticket) {
	history.replaceState(null, "", location.pathname); // the ticket is used once and does not stay in the address
	const face = new WindowFace(new Api());
	try {
		await face.begin(ticket);
	} catch (err) {
		const used = err.status === 404 || err.status === 401;
		replace(root, h("main", { class: "capture plain" }, h("div", { class: "stack" }, h("h1", { text: t("capture.title"), tabindex: "-1" }),
			used ? notice("look", t("capture.used"), t("capture.usedText")) : failure(err))));
		return;
	}
	if (face.lang) setLanguage(face.lang, false);
	captureWindow(root, face, (client) => client === location.origin || client === "console");
}

async function main() {
	// One origin: a token and a permission for the camera belong to this one only.
	if (location.hostname !== "127.0.0.1") {
		location.replace(`${location.protocol}//127.0.0.1:${location.port}/console/${location.hash}`);
		return;
	}
	initLanguage("vi");
	await loadIcons().catch(() => {}); // without icons the words still say everything
	const ticket = /^#capture=([\w.-]{1,256})$/.exec(location.hash);
	if (ticket) {
		initKeys();
		capture(document.getElementById("app"), ticket[1]);
		return;
	}
	initKeys();
	initClipboard();
	new App().boot();
}

main();
