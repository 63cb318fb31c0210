// In a simulation the desk has no cards: this puts made-up ones on the virtual readers, as sim.insert does for a vendor.
// The people are invented; a test holds that they are the simulation's.

import { h, button, field, toast } from "../dom.js";
import { t } from "../i18n.js";

export const personas = [
	{ id: "an", name: "Nguyễn Văn An", digits: "012345" },
	{ id: "binh", name: "Trần Thị Bình", digits: "004321" },
	{ id: "cuong", name: "Lê Quốc Cường", digits: "000123" },
	{ id: "dung", name: "Phạm Thị Dung", digits: "007788" },
	{ id: "giang", name: "Đỗ Hoàng Giang", digits: "001357" },
	{ id: "hoa", name: "Hoàng Thị Hoa", digits: "002468" },
	{ id: "khanh", name: "Vũ Minh Khánh", digits: "009753" },
	{ id: "lan", name: "Mai Thị Lan", digits: "006420" },
];

let chosen = personas[0].id;

export function simulateCard(app) {
	const who = field(t("simulate.who"), { value: chosen }, { options: personas.map((p) => [p.id, `${p.name} · ${p.digits}`]) });
	who.input.addEventListener("change", () => { chosen = who.input.value; });
	const call = async (method, params) => {
		try {
			await app.socket.call(method, params);
		} catch (err) {
			toast(err.text || t("offline.title"));
		}
	};
	return h("section", { class: "card simulated-cards" }, who, h("div", { class: "row" },
		button(t("simulate.insert"), () => call("sim.insert", { persona: who.input.value }), { kind: "small" }),
		button(t("simulate.remove"), () => call("sim.remove", {}), { kind: "small" })));
}
