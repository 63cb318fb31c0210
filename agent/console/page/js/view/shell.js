// The frame around the views of somebody who is logged in: where one can go, what is wrong with this PC, who works here.

import { h, button, icon, replace } from "../dom.js";
import { t } from "../i18n.js";
import { visible } from "../format.js";
import { soundOn, setSound, play } from "../sound.js";
import { wordmark, languageButton } from "./front.js";

export function shell(app) {
	const main = h("main", { tabindex: "-1", id: "main" });
	const links = [["desk", t("nav.desk")], ["today", t("nav.today")], ["health", t("nav.health")]];
	if (app.session.admin) links.push(["admin", t("nav.admin")]);
	const nav = h("nav", { "aria-label": t("nav.label") });
	const alarm = h("span", {});
	const sound = h("button", { class: "button quiet", type: "button", on: { click: () => { setSound(!soundOn()); drawSound(); if (soundOn()) play("success"); } } });
	const drawSound = () => {
		sound.setAttribute("aria-label", soundOn() ? t("sound.off") : t("sound.on"));
		sound.setAttribute("title", soundOn() ? t("sound.off") : t("sound.on"));
		replace(sound, icon(soundOn() ? "sound" : "mute"));
	};
	drawSound();
	const drawNav = () => replace(nav, links.map(([id, label]) => h("a", { href: `#${id}`, "aria-current": app.place === id ? "page" : undefined }, label, id === "health" && alarm)));
	const drawAlarm = () => {
		const bad = app.watch.state.health.filter((w) => w.severity === "down" || w.severity === "degraded" || w.severity === "error").length;
		replace(alarm, bad > 0 && h("span", { class: "badge tone-look count", text: bad, "aria-label": t("health.count", { n: bad }) }));
	};
	drawNav();
	drawAlarm();
	app.watch.addEventListener("change", drawAlarm, { signal: app.viewSignal });
	// A websocket that is away for longer than a reconnection takes is said.
	const away = h("span", { class: "badge tone-bad", role: "status", hidden: true, text: t("offline.badge") });
	let timer;
	const connected = () => { clearTimeout(timer); away.hidden = true; };
	const lost = () => { clearTimeout(timer); timer = setTimeout(() => { away.hidden = app.socket.ready; }, 2500); };
	app.socket.addEventListener("open", connected, { signal: app.viewSignal });
	app.socket.addEventListener("closed", lost, { signal: app.viewSignal });
	app.viewSignal.addEventListener("abort", () => clearTimeout(timer));
	if (!app.socket.ready) lost();
	const bar = h("header", { class: "bar" },
		h("a", { class: "wordmark", href: "#desk" }, wordmark().childNodes[0], h("span", { text: "Tapcheck" })),
		nav,
		h("div", { class: "end" }, away,
			app.state.simulated && h("span", { class: "badge simulated", text: t("simulated.badge") }),
			h("span", { class: "soft desk-name" }, h("bdi", { text: visible(app.session.user) })),
			h("button", { class: "button quiet", type: "button", data: { key: "F1" }, "aria-keyshortcuts": "F1", title: t("help.button"), on: { click: () => app.showHelp() } },
				h("span", { class: "visually-hidden", text: t("help.button") }), h("kbd", { text: "F1" })),
			sound, languageButton({ short: true }),
			button(t("lock.now"), () => app.session.lock(), { key: "F10", kind: "quiet", iconName: "lock" })));
	const root = h("div", { class: "shell" }, bar, main);
	root.main = main;
	root.drawNav = drawNav;
	return root;
}
