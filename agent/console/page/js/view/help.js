// The keys, on one page.

import { h, button, dialog } from "../dom.js";
import { t } from "../i18n.js";
import { fieldName, inSentence } from "../format.js";
import { copyOrder, keyOf } from "./desk.js";

export function showHelp(app) {
	const names = copyOrder(app);
	const rows = [["F2", t("job.next")], ["F9", t("copy.all")], ...names.filter((n) => keyOf(app, n)).map((n) => [keyOf(app, n), t("copy.one", { field: inSentence(n) })]).sort(([a], [b]) => a.localeCompare(b)),
		["Esc", t("job.cancel")], ["F10", t("lock.now")], ["Tab", t("help.tab")], ["Enter", t("help.enter")]];
	return dialog(t("help.title"), (close, title) => h("div", {}, title, h("p", { text: t("help.text") }),
		h("div", { class: "keys" }, rows.map(([k, text]) => [h("div", {}, h("kbd", { text: k })), h("div", { text })])),
		h("p", { class: "soft", text: t("help.order", { fields: names.map(fieldName).join(", ") }) }),
		h("div", { class: "actions" }, button(t("close"), () => close(), { kind: "primary" }))));
}
