// What this desk does for another program's check-in: give it a key where it has none, and a camera.

import { h, button, dialog, toast } from "../dom.js";
import { t } from "../i18n.js";
import { value } from "../format.js";
import { keyEntry, keyFromScan } from "./forms.js";
import { clientName } from "./desk.js";

// openCapture opens the window in which another program's check-in compares the face: for a program that cannot open it itself, or
// whose window was closed.
export async function openCapture(app, waiting) {
	try {
		const { url } = await app.api.post("jobs/capture", { ref: waiting.ref });
		window.open(url, "_blank", "noopener");
	} catch (err) {
		toast(err.text || t("offline.title"));
	}
}

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
