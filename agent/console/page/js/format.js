// How values look to a person at the desk. The agent's are ISO dates and coded words.

import { t, tOr, language } from "./i18n.js";
import { h } from "./dom.js";

// Characters that change the direction of text or are not seen at all. A card can hold them; in a name they can only
// mislead, so the reader sees that they are there.
const invisible = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

export function visible(s) { return String(s).replace(invisible, "\ufffd"); }

// value is a text of unknown origin, in a direction of its own.
export function value(s) { return h("bdi", { text: visible(s) }); }

// date turns 1999, 1999-01 and 1999-01-31 into 1999, 01/1999 and 31/01/1999: the order of both languages here.
export function date(iso) {
	if (!/^\d{4}(-\d{2}){0,2}$/.test(iso || "")) return iso || "";
	return iso.split("-").reverse().join("/");
}

export function time(rfc3339) {
	const d = new Date(rfc3339);
	if (Number.isNaN(d.getTime())) return "";
	return d.toLocaleTimeString(language() === "vi" ? "vi-VN" : "en-GB", { hour: "2-digit", minute: "2-digit" });
}

export function dateTime(rfc3339) {
	const d = new Date(rfc3339);
	if (Number.isNaN(d.getTime())) return "";
	const two = (n) => String(n).padStart(2, "0");
	return `${two(d.getDate())}/${two(d.getMonth() + 1)}/${d.getFullYear()} ${time(rfc3339)}`;
}

export function sex(s) { return s ? tOr(`sex.${s}`, s) : ""; }

// number groups twelve digits for reading aloud: 001 099 012 345.
export function number(s) {
	return /^\d{12}$/.test(s || "") ? s.replace(/(\d{3})(?=\d)/g, "$1\u2009") : s || "";
}

// isoDate reads what a person types: 31/01/1999, 31.1.1999, 31011999, 1999. "" where it is none.
export function isoDate(typed) {
	const s = (typed || "").trim();
	let m;
	if (/^\d{4}$/.test(s) || /^\d{4}-\d{2}(-\d{2})?$/.test(s)) return s;
	if ((m = /^(\d{1,2})[./\- ](\d{1,2})[./\- ](\d{4})$/.exec(s)) || (m = /^(\d{2})(\d{2})(\d{4})$/.exec(s))) {
		const [, d, mo, y] = m;
		const iso = `${y}-${mo.padStart(2, "0")}-${d.padStart(2, "0")}`;
		const check = new Date(`${iso}T00:00:00Z`);
		return !Number.isNaN(check.getTime()) && check.toISOString().startsWith(iso) ? iso : "";
	}
	if ((m = /^(\d{1,2})[./\- ](\d{4})$/.exec(s)) && +m[1] >= 1 && +m[1] <= 12) return `${m[2]}-${m[1].padStart(2, "0")}`;
	return "";
}

const cardFields = { code: "cardCode", from: "cardFrom", to: "cardTo" };

// canonical turns the path of a field within a result (eligibility.card.code) into the name that it has here.
export function canonical(name) {
	const m = /^eligibility\.card\.(\w+)$/.exec(name);
	if (m) return cardFields[m[1]] || m[1];
	return name.replace(/^(identity|claim|subject|visit)\./, "");
}

// The fields of a result by their names in console.copy_order: those of the identity, of the insurance card, and of the
// claim as the ministry writes them.
export function fieldValue(name, r) {
	const i = r.identity || {};
	const s = r.subject || {};
	const e = (r.eligibility && r.eligibility.card) || {};
	switch (name) {
		case "dateOfBirth": return date(i.dateOfBirth || s.dateOfBirth);
		case "issuedAt": return date(i.issuedAt);
		case "expiresAt": return i.noExpiry ? t("field.noExpiry") : date(i.expiresAt);
		case "sex": return sex(i.sex || s.sex);
		case "cardCode": return e.code || s.cardCode || "";
		case "cardFrom": return date(e.from);
		case "cardTo": return date(e.to);
		case "registeredFacility": return e.registeredFacility || "";
		case "benefitRate": return e.benefitRate ? String(e.benefitRate) : "";
		case "fiveYearsFrom": return date(e.fiveYearsFrom);
		case "route": return (r.eligibility && r.eligibility.route && r.eligibility.route.proposal) || "";
		case "maLk": case "maBn": return (r.visit && r.visit[name]) || "";
		case "number": case "fullName": return i[name] || s[name] || "";
	}
	if (typeof i[name] === "string") return i[name];
	return (r.claim && r.claim[name]) || "";
}

export function fieldName(name) { return tOr(`field.${name}`, name); }

// inSentence is a field's name within a sentence: "họ và tên", but "BHYT từ ngày".
export function inSentence(name) {
	const s = fieldName(name);
	return /^\p{Lu}\p{Ll}/u.test(s) ? s[0].toLowerCase() + s.slice(1) : s;
}
