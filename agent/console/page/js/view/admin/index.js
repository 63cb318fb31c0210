// The administrator's pages.

import { h, replace, failure } from "../../dom.js";
import { t } from "../../i18n.js";
import { pairingPage } from "./pairing.js";
import { tokensPage } from "./tokens.js";
import { accountsPage } from "./accounts.js";
import { settingsPage } from "./settings.js";
import { accessPage } from "./access.js";
import { diagnosticsPage } from "./diagnostics.js";

const pages = { pairing: pairingPage, tokens: tokensPage, accounts: accountsPage, settings: settingsPage, access: accessPage, diagnostics: diagnosticsPage };

export function adminView(app, name) {
	const current = pages[name] ? name : "pairing";
	return h("div", { class: "admin" },
		h("nav", { "aria-label": t("nav.admin") }, Object.keys(pages).map((p) => h("a", { href: `#admin/${p}`, "aria-current": p === current ? "page" : undefined, text: t(`admin.${p}`) }))),
		h("div", { class: "page" }, h("h1", { text: t(`admin.${current}`), tabindex: "-1" }), pages[current](app)));
}

// loaded shows what load gives, or why it gives nothing; the element's load() does it again.
export function loaded(load, draw) {
	const box = h("div", { class: "stack" });
	box.load = async () => {
		try {
			replace(box, draw(await load()));
		} catch (err) {
			replace(box, failure(err));
		}
	};
	box.load();
	return box;
}
