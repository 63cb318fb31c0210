// What a result means, in one tone and a few words. The rule is the project's: never worse and never better than what was
// proved. `not_verifiable` is the everyday case and calm: neither red nor green.

export const verdictNames = ["access", "passiveAuthentication", "chipAuthentication", "activeAuthentication", "documentValidity", "keyMatchesChip", "face"];

const statusTone = { passed: "good", failed: "bad", not_verifiable: "calm", not_present: "calm", not_done: "calm" };

// verdictTone is the tone of one verdict. A proof of possession that failed under a key that proves nothing either way is
// no verdict, and still worth a look. Genuineness is only good news when it is anchored; so is what is compared with it.
export function verdictTone(v) {
	if (!v) return "calm";
	if (v.exchange === "failed" && v.status !== "failed") return "look";
	if (v.status === "passed" && v.basis === "unanchored") return "calm";
	return statusTone[v.status] || "calm";
}

// cardSummary is the key of one sentence about the card, and its tone.
export function cardSummary(r) {
	const v = r.verdicts;
	if (!v || (r.means && r.means !== "chip")) return { key: "card.none", tone: "calm" };
	const failed = (x) => x && x.status === "failed";
	const pa = v.passiveAuthentication || {};
	const ca = v.chipAuthentication || {};
	const aa = v.activeAuthentication || {};
	if (failed(pa)) return { key: "card.altered", tone: "bad" };
	if (failed(ca) || failed(aa)) return { key: "card.copied", tone: "bad" };
	if (ca.exchange === "failed" || aa.exchange === "failed") return { key: "card.exchange", tone: "look" };
	if (failed(v.documentValidity)) return { key: "card.expired", tone: "look" };
	if (failed(v.keyMatchesChip)) return { key: "card.differs", tone: "look" };
	if (pa.status === "passed") {
		return ca.status === "passed" || aa.status === "passed" ? { key: "card.genuine", tone: "good" } : { key: "card.signed", tone: "good" };
	}
	if (pa.status === "not_verifiable") return { key: "card.consistent", tone: "calm" };
	return { key: "card.unread", tone: "calm" };
}

const eligibilityTones = { eligible: "good", not_eligible: "look", check: "look", pending: "calm", unknown: "look", off: "calm" };

export function eligibilityTone(e) { return e ? eligibilityTones[e.state] || "look" : "calm"; }

// Steps that are part of every check-in, and say nothing about how it went.
const everyday = new Set(["PROCEED", "RETURN_CARD", "COMPARE_PHOTO", "ADMIT_LOOKUP_LATER"]);

// resultTone is the whole result's: "done", "look" or "error". It chooses the sound, too.
export function resultTone(r) {
	if (r.state === "failed") return "error";
	if ((r.next || []).some((s) => s.id === "CALL_SUPERVISOR")) return "error";
	return (r.next || []).every((s) => everyday.has(s.id)) ? "done" : "look";
}
