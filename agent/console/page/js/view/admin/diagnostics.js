// The diagnostics bundle, for whoever helps: redacted by the agent, and saved where the browser saves things.

import { h, button, replace, failure, busy, notice } from "../../dom.js";
import { t } from "../../i18n.js";

export function diagnosticsPage(app) {
	const said = h("div", {});
	const box = h("div", { class: "card stack" }, h("p", { text: t("diagnostics.text") }), h("p", { class: "soft", text: t("diagnostics.redacted") }), said,
		h("div", { class: "row" }, button(t("diagnostics.save"), () => busy(box, save), { kind: "primary" })));
	async function save() {
		try {
			const blob = await app.api.blob("bundle");
			const url = URL.createObjectURL(blob);
			const a = h("a", { href: url, download: `tapcheck-${new Date().toISOString().slice(0, 10)}.zip`, hidden: true });
			document.body.append(a);
			a.click();
			a.remove();
			setTimeout(() => URL.revokeObjectURL(url), 10_000);
			replace(said, notice("calm", t("diagnostics.saved", { kb: Math.max(1, Math.round(blob.size / 1024)) })));
		} catch (err) {
			replace(said, failure(err));
		}
	}
	return box;
}
