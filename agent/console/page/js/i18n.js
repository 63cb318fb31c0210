// The page's own words. Vietnamese comes first; English is a switch away. Errors are never worded here: their texts come
// from the agent, in the language that it is asked for. Steps, warnings and reasons are the agent's too; lang/catalog.js is
// made from its catalogue, so that they follow the switch.

import vi from "./lang/vi.js";
import en from "./lang/en.js";
import { steps, warnings, reasons } from "./lang/catalog.js";

const words = { vi, en };
const remembered = "tapcheck.language"; // nothing personal: one of two words
let current = "vi";
const listeners = new Set();

export function initLanguage(preferred) {
	let saved;
	try { saved = localStorage.getItem(remembered); } catch { /* a browser that keeps nothing works as well */ }
	current = words[saved] ? saved : words[preferred] ? preferred : "vi";
	document.documentElement.lang = current;
}

export function language() { return current; }

// setLanguage changes the words; keep is false where it is not this person's wish for later.
export function setLanguage(lang, keep = true) {
	if (!words[lang] || lang === current) return;
	current = lang;
	document.documentElement.lang = lang;
	try { if (keep) localStorage.setItem(remembered, lang); } catch { /* as above */ }
	for (const f of listeners) f(lang);
}

export function onLanguage(f) {
	listeners.add(f);
	return () => listeners.delete(f);
}

// t gives the words of a key, with {names} filled in.
export function t(key, values = {}) {
	const text = words[current][key];
	if (text === undefined) throw new Error(`no words for ${key}`);
	return text.replace(/\{(\w+)\}/g, (_, name) => (values[name] === undefined ? "" : String(values[name])));
}

// tOr is t for keys that are made of what the agent says: a new value of another version is shown as it is.
export function tOr(key, fallback, values) {
	return words[current][key] === undefined ? fallback : t(key, values);
}

const of = (table) => (id, fallback) => (table[id] ? table[id][current] : fallback ?? id);

export const stepText = of(steps);
export const warningText = of(warnings);
export const reasonText = of(reasons);
