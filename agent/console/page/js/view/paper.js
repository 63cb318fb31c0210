// The paper about the look-ups of a check-in (NĐ 188/2025 Đ38). The agent makes it and serves it as a page of its own,
// without script, at an address that is good for some minutes; it opens in a tab of its own and is printed from there.

import { h, button, dialog, toast } from "../dom.js";
import { t } from "../i18n.js";

const papers = new Set();

// wantsPaper says whether a dossier needs the paper: somebody was asked, and nobody knows. What the HIS supplied itself was
// looked up by nobody here.
export function wantsPaper(e) { return Boolean(e) && (e.state === "pending" || e.state === "unknown") && e.source !== "supplied"; }

// printPaper shows the paper of a check-in and asks the browser to print it.
export async function printPaper(app, checkinId) {
	let url;
	try {
		({ url } = await app.api.post("proofs", { checkinId }));
	} catch (err) {
		toast(err.text || t("offline.title"));
		return;
	}
	// A browser opens a tab for some seconds after a key or a click. A slow disk can take longer: then it is one more click.
	if (!show(url)) await dialog(t("paper.title"), (close, title) => h("div", {}, title, h("p", { text: t("paper.blocked") }),
		h("div", { class: "actions" }, button(t("close"), () => close()), button(t("paper.open"), () => { close(); show(url); }, { kind: "primary", autofocus: true }))));
}

function show(url) {
	const w = window.open(url, "_blank");
	if (!w) return false;
	for (const p of papers) if (p.closed) papers.delete(p);
	papers.add(w);
	w.addEventListener("load", () => w.print(), { once: true }); // the paper has no script to do it
	return true;
}

// closePapers takes the papers from the screen when the desk is locked or left: they name a person.
export function closePapers() {
	for (const p of papers) p.close();
	papers.clear();
}
