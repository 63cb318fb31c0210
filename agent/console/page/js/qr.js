// What a scan can fill into a form where a person says who it is. For a chip and for an insurance card the text goes to the
// agent as it is, which alone decides what it is worth; here it only saves typing, and the person at the desk sees what was
// filled in.

import { isoDate } from "./format.js";

function citizen(f) {
	if (!/^\d{12}$/.test(f[0])) return null;
	const rest = /^(\d{9}|\d{12})?$/.test(f[1] || "") ? f.slice(2) : f.slice(1);
	const s = { number: f[0] };
	const plain = (x) => x && !/[\ufffd?|]/.test(x) && !/\d/.test(x);
	if (plain(rest[0])) s.fullName = rest[0];
	const born = isoDate(rest[1]);
	if (born) s.dateOfBirth = born;
	const sex = { nam: "male", "nữ": "female" }[(rest[2] || "").normalize("NFC").toLowerCase()];
	if (sex) s.sex = sex;
	return s;
}

// subject reads a scanned text; null if it says nothing that a form has.
export function subject(text) {
	const f = text.split("|").map((x) => x.trim());
	if (/^\d{12}$/.test(text.trim())) return { number: text.trim() };
	return citizen(f);
}
