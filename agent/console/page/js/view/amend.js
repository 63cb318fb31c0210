// What a person adds to a check-in afterwards: a decision with its reason, the visit's number, that it was a mistake. Each
// is kept beside the result and changes nothing of it.

import { h, button, field, dialog, failure, replace, busy, toast } from "../dom.js";
import { t } from "../i18n.js";

const abouts = ["identity", "chip", "document", "insurance", "face"];
const reasons = ["known_to_staff", "other_document", "retry_failed", "system_fault", "guardian_present", "other"];
const voidReasons = ["wrong_patient", "duplicate", "test", "other"];

// ask shows a form and calls the agent; the promise gives its answer, undefined if the form was left.
function ask(title, fields, sendLabel, kind, call) {
	return dialog(title, (close, heading) => {
		const trouble = h("div", {});
		const form = h("form", { novalidate: true }, heading, fields, trouble,
			h("div", { class: "actions" }, button(t("back"), () => close()), button(sendLabel, null, { type: "submit", kind })));
		form.addEventListener("submit", (e) => {
			e.preventDefault();
			busy(form, async () => {
				try {
					close(await call());
				} catch (err) {
					replace(trouble, failure(err));
				}
			});
		});
		return form;
	});
}

const named = (job) => ({ checkinId: job.checkinId });

export async function decide(app, job) {
	const open = job.known.decisionNeeded || [];
	const about = field(t("decide.about"), { value: open[0] || "identity" }, { options: [...new Set([...open, ...abouts])].map((a) => [a, t(`about.${a}`)]) });
	const decision = field(t("decide.decision"), { value: "accept" }, { options: [["accept", t("decide.accept")], ["reject", t("decide.reject")]] });
	const reason = field(t("decide.reason"), { value: "other_document" }, { options: reasons.map((r) => [r, t(`reason.${r}`)]) });
	const note = field(t("decide.note"), { maxlength: 160 }, { hint: t("decide.noteHint") });
	const answer = await ask(t("decide.title"), [about, decision, reason, note], t("decide.send"), "primary", () => app.socket.call("checkin.decide", {
		...named(job), about: about.input.value, decision: decision.input.value, reason: reason.input.value, note: note.input.value.trim() || undefined,
	}));
	if (!answer) return;
	job.decisions = answer.decisions || [];
	job.known = { ...job.known, decisionNeeded: open.filter((a) => a !== about.input.value) };
	job.dispatchEvent(new Event("change"));
	toast(t("decide.done"));
}

export async function link(app, job) {
	const lk = field(t("link.maLk"), { maxlength: 64, value: (job.known.visit && job.known.visit.maLk) || "" });
	const bn = field(t("link.maBn"), { maxlength: 64, value: (job.known.visit && job.known.visit.maBn) || "" });
	const answer = await ask(t("link.title"), [lk, bn], t("link.send"), "primary", () => app.socket.call("checkin.link", {
		...named(job), visit: { maLk: lk.input.value.trim() || undefined, maBn: bn.input.value.trim() || undefined },
	}));
	if (!answer) return null;
	job.known = { ...job.known, visit: answer.visit };
	job.dispatchEvent(new Event("change"));
	toast(t("link.done"));
	return answer;
}

export async function voidCheckin(app, job) {
	const reason = field(t("void.reason"), { value: "wrong_patient" }, { options: voidReasons.map((r) => [r, t(`voidReason.${r}`)]) });
	const answer = await ask(t("void.title"), [h("p", { text: t("void.text") }), reason], t("void.send"), "danger", () => app.socket.call("checkin.void", { ...named(job), reason: reason.input.value }));
	if (!answer) return null;
	job.voided();
	return answer;
}
