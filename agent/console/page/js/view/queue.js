// Giving a key to another program's check-in: that program has none, and its window may be on top of this one.

import { h, button, dialog, toast } from "../dom.js";
import { t } from "../i18n.js";
import { value } from "../format.js";
import { keyEntry, keyFromScan } from "./forms.js";
import { clientName } from "./desk.js";

export async function provideKey(app, waiting) {
	const before = app.onScan;
	const given = await dialog(t("queue.giveTitle"), (close, title) => {
		const send = async (key) => {
			await app.api.post("jobs/provide", { ref: waiting.ref, key });
			close(true);
		};
		app.onScan = (text) => send(keyFromScan(text)).catch((err) => toast(err.text || t("offline.title")));
		return h("div", {}, title, h("p", {}, `${t("queue.for")} `, value(clientName(waiting.client))), keyEntry(app, send), h("div", { class: "actions" }, button(t("back"), () => close())));
	});
	app.onScan = before;
	if (given) toast(t("queue.given"));
}
