// Who may use the console: operators with a PIN or as a user of the PC, administrators with a password and a second factor.

import { h, button, field, replace, failure, busy, badge, dialog, toast } from "../../dom.js";
import { t, tOr } from "../../i18n.js";
import { value } from "../../format.js";
import { loaded } from "./index.js";
import { totpPicture } from "../front.js";

export function accountsPage(app) {
	const list = loaded(() => app.api.get("accounts"), (a) => {
		const accounts = Array.isArray(a) ? a : a.accounts || [];
		return h("div", { class: "table-wrap", tabindex: "0", role: "region", "aria-label": t("admin.accounts") }, h("table", {},
			h("thead", {}, h("tr", {}, ["accounts.name", "accounts.role", "accounts.os"].map((k) => h("th", { scope: "col", text: t(k) })), h("th", { scope: "col" }, h("span", { class: "visually-hidden", text: t("today.actions") })))),
			h("tbody", {}, accounts.map((u) => {
				const off = Boolean(u.disabledAt) || u.disabled === true;
				return h("tr", {}, h("td", {}, value(u.name)), h("td", {}, off ? badge("look", t("accounts.off")) : tOr(`role.${u.role}`, u.role)), h("td", {}, value(u.osUser || "")),
					h("td", {}, off ? h("div", { class: "row" }, button(t("accounts.enable"), () => enable(u), { kind: "small", describe: `${t("accounts.enable")}: ${u.name}` })) : h("div", { class: "row" },
						button(u.role === "admin" ? t("accounts.password") : t("accounts.pin"), () => setPin(app, u), { kind: "small", describe: `${u.role === "admin" ? t("accounts.password") : t("accounts.pin")}: ${u.name}` }),
						button(t("accounts.disable"), () => disable(u), { kind: "small danger", describe: `${t("accounts.disable")}: ${u.name}` }))));
			}))));
	});
	const enable = async (u) => {
		try { await app.api.post(`accounts/${encodeURIComponent(u.name)}/enable`); } catch (err) { toast(err.text || t("offline.title")); }
		list.load();
	};
	const disable = async (u) => {
		const sure = await dialog(t("accounts.disable"), (close, title) => h("div", {}, title, h("p", {}, value(u.name)), h("p", { text: t("accounts.disableText") }),
			h("div", { class: "actions" }, button(t("back"), () => close()), button(t("accounts.disable"), () => close(true), { kind: "danger" }))));
		if (!sure) return;
		try { await app.api.post(`accounts/${encodeURIComponent(u.name)}/disable`); } catch (err) { toast(err.text || t("offline.title")); return; }
		list.load();
	};
	return h("div", { class: "stack" }, h("div", { class: "row" }, button(t("accounts.add"), async () => { if (await add(app)) list.load(); }, { kind: "primary" })), list);
}

function send(close, title, fields, label, call) {
	const trouble = h("div", {});
	const form = h("form", { novalidate: true }, title, fields, trouble, h("div", { class: "actions" }, button(t("back"), () => close()), button(label, null, { type: "submit", kind: "primary" })));
	form.addEventListener("submit", (e) => {
		e.preventDefault();
		busy(form, async () => {
			try {
				await call(form);
			} catch (err) {
				replace(trouble, failure(err));
			}
		});
	});
	return form;
}

function setPin(app, u) {
	const admin = u.role === "admin";
	const label = admin ? t("accounts.password") : t("accounts.pin");
	return dialog(label, (close, title) => {
		const pin = field(admin ? t("setup.password") : t("accounts.newPin"), { type: "password", autocomplete: "new-password" }, { hint: admin ? t("setup.passwordHint") : t("accounts.pinHint") });
		return send(close, title, [h("p", {}, value(u.name)), pin], label, async () => {
			await app.api.post(`accounts/${encodeURIComponent(u.name)}/pin`, { pin: pin.input.value });
			toast(t("accounts.pinSet"));
			close(true);
		});
	});
}

function add(app) {
	return dialog(t("accounts.add"), (close, title) => {
		const name = field(t("accounts.name"), { autocapitalize: "none" });
		const role = field(t("accounts.role"), { value: "operator" }, { options: [["operator", t("role.operator")], ["admin", t("role.admin")]] });
		const pin = field(t("accounts.newPin"), { type: "password", autocomplete: "new-password" }, { hint: t("accounts.pinHint") });
		const password = field(t("setup.password"), { type: "password", autocomplete: "new-password" }, { hint: t("setup.passwordHint") });
		const os = field(t("accounts.os"), { autocapitalize: "none" }, { hint: t("accounts.osHint") });
		const draw = () => {
			const admin = role.input.value === "admin";
			pin.hidden = os.hidden = admin;
			password.hidden = !admin;
		};
		role.input.addEventListener("change", draw);
		draw();
		return send(close, title, [name, role, pin, os, password], t("accounts.make"), async (form) => {
			const admin = role.input.value === "admin";
			const a = await app.api.post("accounts", {
				name: name.input.value.trim(), role: role.input.value,
				...(admin ? { password: password.input.value } : { pin: pin.input.value || undefined, osUser: os.input.value.trim() || undefined }),
			});
			if (!a.ticket) {
				close(true);
				return;
			}
			secondFactor(app, form, a, close);
		});
	});
}

// secondFactor finishes a new administrator: the code shows that the authenticator app has the secret.
function secondFactor(app, form, a, close) {
	const code = field(t("totp.code"), { inputmode: "numeric", maxlength: 8 });
	const trouble = h("div", {});
	const next = h("form", { class: "stack", novalidate: true }, h("h2", { id: "dialog-title", text: t("setup.totpTitle") }), totpPicture(a), code, trouble,
		h("div", { class: "actions" }, button(t("setup.finish"), null, { type: "submit", kind: "primary" })));
	next.addEventListener("submit", (e) => {
		e.preventDefault();
		busy(next, async () => {
			try {
				const done = await app.api.post("accounts/confirm", { ticket: a.ticket, code: code.input.value.replace(/\s/g, "") });
				replace(next, h("h2", { id: "dialog-title", text: t("recovery.title") }), h("p", { text: t("recovery.text") }), h("div", { class: "secret" }, (done.recovery || []).map((c) => h("code", { text: c }))),
					h("div", { class: "actions" }, button(t("recovery.kept"), () => close(true), { kind: "primary" })));
			} catch (err) {
				replace(trouble, failure(err));
			}
		});
	});
	form.replaceWith(next);
	code.input.focus();
}
