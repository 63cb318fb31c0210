// Short tones at the end of a check-in, made by the browser: nothing is loaded. Three that cannot be taken for each other:
// up for done, twice the same for "look at the screen", down for an error.

const remembered = "tapcheck.sound"; // "off" or nothing
let context;

const tunes = {
	success: [[660, 0, .12], [880, .13, .2]],
	look: [[587, 0, .12], [587, .2, .12]],
	error: [[392, 0, .18], [262, .2, .34]],
};

export function soundOn() {
	try { return localStorage.getItem(remembered) !== "off"; } catch { return true; }
}

export function setSound(on) {
	try { on ? localStorage.removeItem(remembered) : localStorage.setItem(remembered, "off"); } catch { /* then it lasts until a reload */ }
}

export function play(name) {
	if (!soundOn() || !window.AudioContext) return;
	context ||= new AudioContext();
	if (context.state === "suspended") context.resume().catch(() => {});
	for (const [hz, at, length] of tunes[name]) {
		const start = context.currentTime + at;
		const tone = context.createOscillator();
		const volume = context.createGain();
		tone.frequency.value = hz;
		volume.gain.setValueAtTime(0, start);
		volume.gain.linearRampToValueAtTime(.22, start + .015);
		volume.gain.exponentialRampToValueAtTime(.001, start + length);
		tone.connect(volume).connect(context.destination);
		tone.start(start);
		tone.stop(start + length + .05);
	}
	document.dispatchEvent(new CustomEvent("tapcheck:sound", { detail: name }));
}
