// What stands before the desk: logging in, the first administrator, the lock.

import { h, button, field, failure, notice, icon, replace, busy } from "../dom.js";
import { t, language, setLanguage } from "../i18n.js";
import { visible } from "../format.js";

export function wordmark() {
	return h("span", { class: "wordmark" }, icon("mark", ""), h("span", { text: "Tapcheck" }));
}

// languageButton switches to the other language, and says so in that language.
export function languageButton({ short } = {}) {
	const other = language() === "vi" ? "en" : "vi";
	const name = other === "en" ? "English" : "Tiếng Việt";
	return h("button", { class: "button quiet language-switch", type: "button", lang: other, title: name, on: { click: () => setLanguage(other) } },
		short ? [h("span", { class: "visually-hidden", text: name }), h("span", { "aria-hidden": "true", text: other.toUpperCase() })] : name);
}

function frame(app, ...content) { return frameWith(app, {}, content); }

// frameWith with brief leaves room for a long form.
function frameWith(app, { brief }, ...content) {
	const s = app.state || {};
	return h("div", { class: "front" },
		h("section", { class: "cover", "aria-label": "Tapcheck" },
			rings(),
			wordmark(),
			h("p", { class: "lead", text: t("front.lead") }),
			h("p", {}, s.desk ? h("bdi", { text: visible(s.desk) }) : "", s.version && s.desk ? ` · ${s.version}` : s.version || "")),
		h("main", { class: "panel" }, h("div", { class: "language" }, languageButton()),
			s.simulated && notice("look", t("simulated.title"), !brief && t("simulated.text")), content));
}

function rings() {
	const ns = "http://www.w3.org/2000/svg";
	const svg = document.createElementNS(ns, "svg");
	svg.setAttribute("class", "rings");
	svg.setAttribute("viewBox", "0 0 640 640");
	svg.setAttribute("aria-hidden", "true");
	for (const r of [90, 170, 250, 310]) {
		const c = document.createElementNS(ns, "circle");
		for (const [k, v] of Object.entries({ cx: 320, cy: 320, r, fill: "none", stroke: "currentColor", "stroke-width": 18 })) c.setAttribute(k, v);
		svg.append(c);
	}
	return svg;
}

function form(onSubmit, ...content) {
	const trouble = h("div", {});
	const f = h("form", { class: "stack", novalidate: true }, content, trouble);
	f.addEventListener("submit", (e) => {
		e.preventDefault();
		trouble.replaceChildren();
		busy(f, async () => {
			try {
				await onSubmit();
			} catch (err) {
				if (f.isConnected) replace(trouble, failure(err));
			}
			// An answer that was not taken is typed again from the start.
			if (f.isConnected) {
				for (const i of f.querySelectorAll("input[type=password], input[data-once]")) i.value = "";
				const again = f.querySelector("input[data-once], input[type=password]");
				if (again) again.focus();
			}
		});
	});
	return f;
}

export function offlineView(app) {
	return frame(app, h("h1", { text: t("offline.title"), tabindex: "-1" }), h("p", { text: t("offline.next") }), h("div", { class: "row" }, button(t("again"), () => app.boot(), { kind: "primary" })));
}

export function loginView(app) {
	const ways = app.state.login || ["pin"];
	const os = ways.includes("os");
	const pin = ways.includes("pin");
	const user = field(t("login.user"), { name: "username", autocapitalize: "none", value: "" });
	const secret = field(t("login.pin"), { type: "password", name: "pin", autocomplete: "off" }, { hint: t("login.pinHint") });
	const take = async (answer) => {
		if (answer.needs === "totp") app.show(totpView(app, answer.ticket));
		else app.session.begin(answer);
	};
	// Administrators always have a password, whatever the desk's operators log in with.
	const byPin = form(async () => take(await app.api.post("login", { user: user.input.value.trim(), pin: secret.input.value })),
		user, secret, h("div", { class: "row" }, button(t("login.enter"), null, { type: "submit", kind: "primary" })));
	const byOS = os && form(async () => take(await app.api.post("login", { os: true })),
		h("p", { class: "soft", text: t("login.osHint") }), h("div", { class: "row" }, button(t("login.os"), null, { type: "submit", kind: pin ? "" : "primary", iconName: "person" })));
	return frameWith(app, { brief: app.state.setup }, h("h1", { text: t("login.title"), tabindex: "-1" }), pin ? [byPin, byOS] : [byOS, h("details", {}, h("summary", { text: t("login.asAdmin") }), byPin)],
		app.state.setup && h("div", { class: "row" }, button(t("setup.title"), () => app.show(setupView(app)), { kind: "quiet" })));
}

function totpView(app, ticket) {
	const code = codeField();
	return frame(app, h("h1", { text: t("totp.title"), tabindex: "-1" }), h("p", { text: t("totp.text") }),
		form(async () => app.session.begin(await app.api.post("login/totp", { ticket, code: code.input.value.replace(/\s/g, "") })),
			code, h("div", { class: "row" }, button(t("login.enter"), null, { type: "submit", kind: "primary" }), button(t("back"), () => app.showLogin()))));
}

function codeField() {
	const f = field(t("totp.code"), { inputmode: "numeric", maxlength: 24, autocomplete: "one-time-code", data: { once: "" } });
	f.classList.add("pin");
	return f;
}

export function setupView(app) {
	const secret = field(t("setup.secret"), { autocapitalize: "none" }, { hint: t("setup.secretHint") });
	const name = field(t("setup.name"), { autocapitalize: "none" });
	const password = field(t("setup.password"), { type: "password", autocomplete: "new-password" }, { hint: t("setup.passwordHint") });
	return frameWith(app, { brief: true }, h("h1", { text: t("setup.title"), tabindex: "-1" }), !app.state.simulated && h("p", { text: t("setup.text") }),
		form(async () => {
			const a = await app.api.post("setup", { secret: secret.input.value.trim(), name: name.input.value.trim(), password: password.input.value });
			app.show(confirmView(app, a));
		}, secret, name, password, h("div", { class: "row" }, button(t("continue"), null, { type: "submit", kind: "primary" }), app.state.accounts && button(t("back"), () => app.show(loginView(app))))));
}

function confirmView(app, a) {
	const code = codeField();
	return frame(app, h("h1", { text: t("setup.totpTitle"), tabindex: "-1" }), totpPicture(a),
		form(async () => {
			const answer = await app.api.post("setup/confirm", { ticket: a.ticket, code: code.input.value.replace(/\s/g, "") });
			app.state.setup = false;
			if (answer.recovery && answer.recovery.length) app.show(recoveryView(app, answer));
			else app.session.begin(answer);
		}, code, h("div", { class: "row" }, button(t("setup.finish"), null, { type: "submit", kind: "primary" }))));
}

// totpPicture is the second factor for an authenticator app, to be scanned or typed.
export function totpPicture(a) {
	return h("div", { class: "qr" }, h("img", { src: a.qr, alt: t("setup.qr") }),
		h("div", { class: "stack" }, h("p", { text: t("setup.totpText") }), h("p", { class: "soft", text: t("setup.typeInstead") }), h("code", { text: (a.secret32 || "").replace(/(.{4})(?=.)/g, "$1 ") })));
}

function recoveryView(app, answer) {
	return frame(app, h("h1", { text: t("recovery.title"), tabindex: "-1" }), h("p", { text: t("recovery.text") }),
		h("div", { class: "secret" }, answer.recovery.map((c) => h("code", { text: c }))),
		h("div", { class: "row" }, button(t("recovery.kept"), () => app.session.begin(answer), { kind: "primary" })));
}

export function lockView(app) {
	const ways = app.state.login || ["pin"];
	const secret = field(t("login.pin"), { type: "password", autocomplete: "off" });
	return frame(app, h("h1", { text: t("lock.title"), tabindex: "-1" }), h("p", {}, `${t("lock.user")}: `, h("bdi", { text: visible(app.session.user) })),
		form(() => app.session.unlock({ pin: secret.input.value }), secret,
			h("div", { class: "row" }, button(t("lock.open"), null, { type: "submit", kind: "primary", iconName: "lock" }), button(t("lock.other"), () => app.session.logout()))),
		ways.includes("os") && !app.session.admin && form(() => app.session.unlock({ os: true }), h("div", { class: "row" }, button(t("login.os"), null, { type: "submit", iconName: "person" }))));
}
